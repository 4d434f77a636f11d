#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "remote/known_hosts.h"
#include "remote/ssh_config.h"

#define DATA TEST_DATA "/remote/"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    size_t len = fread(text, 1, 65535, file);
    assert_true(len > 0);
    fclose(file);
    return text;
}

/* The output of OpenSSH 9.2's `ssh -G`. */
static void test_parse(void **state)
{
    struct ssh_settings settings;
    struct error error = {0};
    char *text = read_file(DATA "ssh-G.txt");
    (void)state;
    setenv("HOME", "/home/tester", 1);
    assert_int_equal(ssh_settings_parse(&settings, text, &error), 0);
    free(text);
    assert_string_equal(settings.alias, "hemma");
    assert_string_equal(settings.host, "192.0.2.7");
    assert_string_equal(settings.user, "olof");
    assert_int_equal(settings.port, 2222);
    assert_string_equal(settings.known_as, "hemma-key");
    assert_int_equal(settings.connect_timeout_ms, 7000);
    assert_int_equal(settings.family, AF_INET);
    assert_true(settings.identities_only);
    assert_int_equal(settings.identities.count, 2);
    assert_string_equal(settings.identities.path[0], "/home/tester/.ssh/olof@192.0.2.7");
    assert_string_equal(settings.identities.path[1], "/keys/b");
    assert_string_equal(settings.agent, "/run/olof-2222.sock");
    assert_string_equal(settings.known_user.path[0], "/a/one");
    assert_int_equal(settings.known_global.count, 1);
    assert_int_equal(settings.strict, STRICT_ACCEPT_NEW);
    assert_true(settings.pubkey && settings.password);
    assert_false(settings.interactive); /* left out of PreferredAuthentications */
    assert_false(settings.batch || settings.compression);
    assert_int_equal(settings.prompts, 2);
    assert_string_equal(settings.unsupported, "ControlMaster, CertificateFile");
    assert_string_equal(settings.proxy, "");
    assert_non_null(strstr(settings.ciphers, "chacha20-poly1305@openssh.com"));
}

static struct ssh_settings parsed(const char *lines)
{
    struct ssh_settings settings;
    char text[512];
    snprintf(text, sizeof(text), "hostname h\nuser u\n%s", lines);
    assert_int_equal(ssh_settings_parse(&settings, text, NULL), 0);
    return settings;
}

static void test_values(void **state)
{
    (void)state;
    setenv("SSH_AUTH_SOCK", "/run/agent", 1);
    struct ssh_settings settings = parsed("");
    assert_int_equal(settings.port, 22);
    assert_int_equal(settings.connect_timeout_ms, 10000);
    assert_int_equal(settings.strict, STRICT_ASK);
    assert_string_equal(settings.agent, "/run/agent");
    assert_string_equal(settings.unsupported, "");
    assert_string_equal(parsed("identityagent none\n").agent, "");
    assert_string_equal(parsed("identityagent SSH_AUTH_SOCK\n").agent, "/run/agent");
    setenv("OTHER_AGENT", "/run/other", 1);
    assert_string_equal(parsed("identityagent $OTHER_AGENT\n").agent, "/run/other");
    assert_int_equal(parsed("stricthostkeychecking true\n").strict, STRICT_YES);
    assert_int_equal(parsed("stricthostkeychecking false\n").strict, STRICT_NO);
    assert_string_equal(parsed("proxyjump gate\n").proxy, "ProxyJump");
    assert_string_equal(parsed("proxycommand nc %h %p\n").proxy, "ProxyCommand");
    assert_string_equal(parsed("proxyjump none\n").proxy, "");
    assert_string_equal(parsed("controlmaster false\n").unsupported, "");
    assert_false(parsed("passwordauthentication no\n").password);
    /* What cannot be right changes nothing. */
    assert_int_equal(parsed("port 0\nport 70000\nport x\nconnecttimeout none\nno-blank\n").port,
                     22);
    /* A token that is not known makes no wrong path. */
    assert_int_equal(parsed("identityfile /k/%z\nidentityfile /k/%%\n").identities.count, 1);
    assert_string_equal(parsed("identityfile /k/%%\n").identities.path[0], "/k/%");
}

static void test_many_files(void **state)
{
    char text[4096] = "hostname h\nuser u\n";
    struct ssh_settings settings;
    (void)state;
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "identityfile /k/%d\n", i);
    assert_int_equal(ssh_settings_parse(&settings, text, NULL), 0);
    assert_int_equal(settings.identities.count, SSH_SETTINGS_FILES);
}

static void test_no_host(void **state)
{
    struct ssh_settings settings;
    struct error error = {0};
    char text[] = "port 22\n";
    (void)state;
    assert_int_equal(ssh_settings_parse(&settings, text, &error), -EINVAL);
    assert_non_null(strstr(error.text, "ssh -G"));
}

/* Without the ssh program. */
static void test_default(void **state)
{
    struct ssh_settings settings;
    (void)state;
    assert_int_equal(ssh_settings_default(&settings, "ssh://olof@hemma:2222/", NULL), 0);
    assert_string_equal(settings.user, "olof");
    assert_string_equal(settings.host, "hemma");
    assert_int_equal(settings.port, 2222);
    assert_int_equal(ssh_settings_default(&settings, "a@b@[fd00::1]:2200", NULL), 0);
    assert_string_equal(settings.user, "a@b");
    assert_string_equal(settings.host, "fd00::1");
    assert_int_equal(ssh_settings_default(&settings, "hemma", NULL), 0);
    assert_string_equal(settings.host, "hemma");
    assert_int_equal(settings.port, 22);
    assert_true(settings.user[0] != '\0');
    assert_int_equal(ssh_settings_default(&settings, "olof@", NULL), -EINVAL);
    assert_int_equal(ssh_settings_default(&settings, "@hemma", NULL), -EINVAL);
    assert_int_equal(ssh_settings_default(&settings, "", NULL), -EINVAL);
}

static ssh_key load(const char *path)
{
    ssh_key key = NULL;
    assert_int_equal(ssh_pki_import_pubkey_file(path, &key), SSH_OK);
    return key;
}

static void expect(const char *name, size_t count, const int *lines)
{
    struct known_hosts known = {0};
    assert_int_equal(known_hosts_read(&known, DATA "known_hosts", name), 0);
    for (size_t i = 0; i < known.count && i < count; i++)
        assert_int_equal(known.entries[i].line, lines[i]);
    assert_int_equal(known.count, count);
    known_hosts_done(&known);
}

static void test_known_lines(void **state)
{
    (void)state;
    expect("plain.example", 4, (const int[]){3, 6, 9, 10}); /* two plain, @revoked, an authority */
    expect("192.0.2.1", 1, (const int[]){3});
    expect("[plain.example]:2222", 1, (const int[]){4});
    expect("a.wild.example", 2, (const int[]){5, 10}); /* a line with "!" is left alone */
    expect("hidden.example", 2, (const int[]){7, 10});
    expect("[hidden.example]:2222", 1, (const int[]){8});
    expect("broken.example", 1, (const int[]){10});
    expect("indented.example", 2, (const int[]){10, 14});
    expect("nobody", 0, NULL);
}

static void test_known_keys(void **state)
{
    struct known_hosts known = {0};
    ssh_key a = load(DATA "keys/a.pub"), ecdsa = load(DATA "keys/ecdsa.pub");
    (void)state;
    assert_int_equal(known_hosts_read(&known, DATA "known_hosts", "plain.example"), 0);
    assert_int_equal(ssh_key_cmp(known.entries[0].key, a, SSH_KEY_CMP_PUBLIC), 0);
    assert_int_equal(ssh_key_cmp(known.entries[1].key, ecdsa, SSH_KEY_CMP_PUBLIC), 0);
    assert_int_equal(known.entries[0].marker, KNOWN_PLAIN);
    assert_int_equal(known.entries[2].marker, KNOWN_REVOKED);
    assert_int_equal(known.entries[3].marker, KNOWN_AUTHORITY);
    assert_string_equal(known.entries[0].file, DATA "known_hosts");
    known_hosts_done(&known);
    assert_int_equal(known_hosts_read(&known, "/no/such/file", "plain.example"), 0);
    assert_int_equal(known.count, 0);
    ssh_key_free(a);
    ssh_key_free(ecdsa);
}

static void test_known_add(void **state)
{
    char dir[] = "/tmp/hemma-test-XXXXXX", file[64];
    struct known_hosts known = {0};
    ssh_key a = load(DATA "keys/a.pub"), ecdsa = load(DATA "keys/ecdsa.pub");
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/new/known_hosts", dir);
    assert_int_equal(known_hosts_add(file, "[h]:2222", a), 0);
    FILE *cut = fopen(file, "ae"); /* a file whose last line has no end */
    assert_non_null(cut);
    fputs("# cut", cut);
    fclose(cut);
    assert_int_equal(known_hosts_add(file, "h", ecdsa), 0);
    assert_int_equal(known_hosts_read(&known, file, "[h]:2222"), 0);
    assert_int_equal(known_hosts_read(&known, file, "h"), 0);
    assert_int_equal(known.count, 2);
    assert_int_equal(ssh_key_cmp(known.entries[0].key, a, SSH_KEY_CMP_PUBLIC), 0);
    assert_int_equal(known.entries[0].line, 1);
    assert_int_equal(ssh_key_cmp(known.entries[1].key, ecdsa, SSH_KEY_CMP_PUBLIC), 0);
    assert_int_equal(known.entries[1].line, 3);
    known_hosts_done(&known);
    ssh_key_free(a);
    ssh_key_free(ecdsa);
    assert_int_equal(remove(file), 0);
    file[strlen(dir) + 4] = '\0';
    assert_int_equal(remove(file), 0);
    assert_int_equal(remove(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_values),
        cmocka_unit_test(test_many_files), cmocka_unit_test(test_no_host),
        cmocka_unit_test(test_default),    cmocka_unit_test(test_known_lines),
        cmocka_unit_test(test_known_keys), cmocka_unit_test(test_known_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
