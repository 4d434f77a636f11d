#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_JSON = 256, OPT_TEXT, OPT_SVG, OPT_ASCII, OPT_SEED, OPT_VERSION };

static const struct option options[] = {
    {"json", no_argument, NULL, OPT_JSON},
    {"text", no_argument, NULL, OPT_TEXT},
    {"svg", no_argument, NULL, OPT_SVG},
    {"ascii", no_argument, NULL, OPT_ASCII},
    {"seed", required_argument, NULL, OPT_SEED},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void cli_help(FILE *out)
{
    fputs("usage: hemma-top [OPTION]... [TARGET]\n"
          "       hemma-top demo [--seed N]\n"
          "       hemma-top snapshot [TARGET] [--json | --text | --svg]\n"
          "\n"
          "A live dashboard of a Docker host. TARGET is an ssh destination (as in `ssh TARGET`),\n"
          "`local` for this machine (the default), or `demo` for an embedded demo host.\n"
          "Nothing is installed on the host: an sshd and a POSIX shell suffice.\n"
          "\n"
          "  -F FILE      read FILE instead of ~/.ssh/config\n"
          "  --json       snapshot: one JSON object (unknown is null)\n"
          "  --text       snapshot: the screen as text (the default)\n"
          "  --svg        snapshot: the screen as a picture\n"
          "  --ascii      draw with ASCII only\n"
          "  --seed N     demo: which made-up host to show\n"
          "  -h, --help   print this and exit\n"
          "  --version    print the version and exit\n"
          "\n"
          "In the dashboard, ? shows the keys. Where standard output is no terminal, a text\n"
          "snapshot is printed instead. A snapshot exits 0 healthy, 1 degraded, 2 down,\n"
          "3 unknown; usage errors exit 64. NO_COLOR turns colours off.\n",
          out);
}

static int parse_seed(const char *text, uint64_t *ret_seed, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
        return error_set(error, -EINVAL, "--seed wants a number from 0 up, not '%s'", text);
    *ret_seed = seed;
    return 0;
}

static int parse_words(struct cli *cli, int n, char **words, struct error *error)
{
    if (n > 0 && strcmp(words[0], "snapshot") == 0) {
        cli->command = CLI_SNAPSHOT;
        n--;
        words++;
    }
    if (n > 1)
        return error_set(error, -EINVAL, "one TARGET at most, but '%s' came after '%s'", words[1],
                         words[0]);
    if (n == 1)
        cli->target = words[0];
    /* ssh would take such a word for an option. */
    if (cli->target[0] == '-' || cli->target[0] == '\0')
        return error_set(error, -EINVAL, "'%s' cannot be the name of a host", cli->target);
    if ((cli->json || cli->svg) && cli->command != CLI_SNAPSHOT)
        return error_set(error, -EINVAL, "--json and --svg go with snapshot: hemma-top snapshot");
    return 0;
}

int cli_parse(struct cli *ret, int argc, char **argv, struct error *error)
{
    struct cli cli = {.target = "local", .seed = 1};
    bool text = false;
    int opt, at = 1;
    optind = 0; /* start anew, also in tests */
    while ((opt = getopt_long(argc, argv, ":F:h", options, NULL)) != -1) {
        switch (opt) {
        case 'F':
            cli.ssh_config = optarg;
            break;
        case OPT_JSON:
            cli.json = true;
            break;
        case OPT_TEXT:
            text = true;
            break;
        case OPT_SVG:
            cli.svg = true;
            break;
        case OPT_ASCII:
            cli.ascii = true;
            break;
        case OPT_SEED:
            if (parse_seed(optarg, &cli.seed, error) < 0)
                return -EINVAL;
            break;
        case OPT_VERSION:
            *ret = (struct cli){.command = CLI_VERSION};
            return 0;
        case 'h':
            *ret = (struct cli){.command = CLI_HELP};
            return 0;
        case ':':
            return error_set(error, -EINVAL, "'%s' wants a value", argv[optind - 1]);
        default:
            return error_set(error, -EINVAL, "unknown option '%s'", argv[at]);
        }
        at = optind;
    }
    if (text + cli.json + cli.svg > 1)
        return error_set(error, -EINVAL, "of --json, --text and --svg, one at most");
    int status = parse_words(&cli, argc - optind, argv + optind, error);
    if (status == 0)
        *ret = cli;
    return status;
}
