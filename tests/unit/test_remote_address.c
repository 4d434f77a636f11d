#include "unit.h"

#include <errno.h>
#include <string.h>

#include "remote/address.h"

static struct address parsed(const char *text)
{
    struct address address;
    struct error error = {0};
    if (address_parse(text, &address, &error) < 0)
        fail_msg("%s: %s", text, error.text);
    return address;
}

static void test_addresses(void **state)
{
    (void)state;
    struct address address = parsed("tcp:shared-postgres:5432");
    assert_int_equal(address.kind, ADDRESS_TCP);
    assert_string_equal(address.host, "shared-postgres");
    assert_int_equal(address.port, 5432);
    address = parsed("tcp:[fd00::1]:65535");
    assert_string_equal(address.host, "fd00::1");
    assert_int_equal(address.port, 65535);
    address = parsed("unix:/var/run/docker.sock");
    assert_int_equal(address.kind, ADDRESS_UNIX);
    assert_string_equal(address.rest, "/var/run/docker.sock");
    address = parsed("exec:docker system dial-stdio");
    assert_int_equal(address.kind, ADDRESS_EXEC);
    assert_string_equal(address.rest, "docker system dial-stdio");
    address = parsed("docker://huleedu_redis:6379");
    assert_int_equal(address.kind, ADDRESS_DOCKER);
    assert_string_equal(address.host, "huleedu_redis");
    assert_int_equal(address.port, 6379);
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {
        "",
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp:host:0",
        "tcp:host:65536",
        "tcp::80",
        "tcp:fd00::1",
        "tcp:[fd00::1]",
        "tcp:[]:80",
        "tcp:a]:80",
        "tcp:h:+80",
        "tcp:h:80x",
        "tcp:h: 80",
        "unix:",
        "unix:relative",
        "exec:",
        "docker:x:1",
        "docker://",
        "docker://x",
        "http://x:80",
        "tcp:h:99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct address address = {.port = 7};
        struct error error = {0};
        if (address_parse(bad[i], &address, &error) != -EINVAL)
            fail_msg("\"%s\" was taken for an address", bad[i]);
        assert_int_equal(address.port, 7);
        assert_non_null(strstr(error.text, "is not an address"));
    }
}

static void test_long_host(void **state)
{
    char text[400] = "tcp:";
    struct address address;
    (void)state;
    memset(text + 4, 'a', 300);
    memcpy(text + 304, ":80", 4);
    assert_int_equal(address_parse(text, &address, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_long_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
