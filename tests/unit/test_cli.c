/* The command line: what is accepted, and that a refusal names the word. */
#include "tests/unit/unit.h"

#include <string.h>

#include "cli.h"

static int parse(struct cli *cli, struct error *error, const char *line)
{
    static char words[256];
    char program[] = "hemma-top", *argv[16] = {program};
    int argc = 1;
    memset(words, 0, sizeof(words));
    memcpy(words, line, strlen(line));
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return cli_parse(cli, argc, argv, error);
}

static void accepts(void **state)
{
    (void)state;
    struct cli cli;
    assert_int_equal(parse(&cli, NULL, ""), 0);
    assert_string_equal(cli.target, "local");
    assert_int_equal(cli.command, CLI_DASHBOARD);
    assert_int_equal(parse(&cli, NULL, "olof@hemma -F conf"), 0);
    assert_string_equal(cli.target, "olof@hemma");
    assert_string_equal(cli.ssh_config, "conf");
    assert_int_equal(parse(&cli, NULL, "snapshot hemma --json"), 0);
    assert_int_equal(cli.command, CLI_SNAPSHOT);
    assert_true(cli.json);
    assert_int_equal(parse(&cli, NULL, "demo --seed 42"), 0);
    assert_string_equal(cli.target, "demo");
    assert_int_equal(cli.seed, 42);
    assert_int_equal(parse(&cli, NULL, "--version"), 0);
    assert_int_equal(cli.command, CLI_VERSION);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *line, *names;
    } cases[] = {
        {"--frobnicate", "'--frobnicate'"},
        {"-x", "'-x'"},
        {"one two", "'two'"},
        {"demo --seed", "'--seed'"},
        {"demo --seed -1", "'-1'"},
        {"demo --seed 1x", "'1x'"},
        {"snapshot --json --text", "--text"},
        {"hemma --json", "snapshot"},
        {"-- -oProxyCommand=x", "'-oProxy"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli cli = {.target = "untouched"};
        struct error error = {0};
        assert_int_not_equal(parse(&cli, &error, cases[i].line), 0);
        if (strstr(error.text, cases[i].names) == NULL)
            fail_msg("'%s' says: %s", cases[i].line, error.text);
        assert_string_equal(cli.target, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
