/* base/: text from outside, bounded buffers, times. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

static void text_clean_stops_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"tab\tnewline\ncr\r", "tab newline cr "},
        {"\033[2Jgone", "\xEF\xBF\xBD[2Jgone"},
        {"\302\233"
         "31m",
         "\xEF\xBF\xBD"
         "31m"},                                  /* C1 CSI as UTF-8 */
        {"\xff\xfe", "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* no UTF-8 at all */
        {"a\xe2\x80\xae"
         "b",
         "a\xEF\xBF\xBD"
         "b"},                                    /* right-to-left override */
        {"\xc0\xaf", "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* overlong slash */
        {"r\xc3\xa4ksm\xc3\xb6rg\xc3\xa5s", "r\xc3\xa4ksm\xc3\xb6rg\xc3\xa5s"},
        {"\xe2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* cut off */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        size_t n = text_clean(out, sizeof(out), cases[i].in, SIZE_MAX);
        assert_string_equal(out, cases[i].out);
        assert_int_equal(n, strlen(out));
    }
}

static void text_clean_never_cuts_a_character(void **state)
{
    (void)state;
    const char *text = "a\xe2\x82\xac"
                       "b"; /* a, euro, b */
    static const char *const expected[] = {"",
                                           "",
                                           "a",
                                           "a",
                                           "a",
                                           "a\xe2\x82\xac",
                                           "a\xe2\x82\xac"
                                           "b"};
    for (size_t size = 1; size < 7; size++) {
        char out[8];
        text_clean(out, size, text, SIZE_MAX);
        assert_string_equal(out, expected[size]);
    }
}

static void text_widths(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc", SIZE_MAX), 3);
    assert_int_equal(text_width("\xe6\xbc\xa2", SIZE_MAX), 2); /* wide */
    assert_int_equal(text_width("e\xcc\x81", SIZE_MAX), 1);    /* combining */
    assert_int_equal(text_char_width(0x28FF), 1);              /* braille */
    assert_int_equal(text_char_width(0x1B), -1);
    assert_int_equal(text_char_width(0x9B), -1);
    assert_int_equal(text_char_width(0x202E), -1);
}

static void text_numbers_are_short(void **state)
{
    (void)state;
    char out[TEXT_SHORT];
    assert_string_equal(text_bytes(out, 0), "0B");
    assert_string_equal(text_bytes(out, 999), "999B");
    assert_string_equal(text_bytes(out, 1536), "1.5K");
    assert_string_equal(text_bytes(out, 1023.0 * 1024), "1.0M");
    assert_string_equal(text_bytes(out, 24.0 * 1024 * 1024 * 1024), "24G");
    assert_string_equal(text_duration(out, 59999), "59s");
    assert_string_equal(text_duration(out, 3 * 3600000 + 4 * 60000), "3h04m");
    assert_string_equal(text_duration(out, -5), "0s");
    assert_string_equal(text_duration(out, INT64_C(400) * 86400000), "400d");
    assert_string_equal(text_latency(out, 0.417), "0.42ms");
    assert_string_equal(text_latency(out, 12.3), "12ms");
    assert_string_equal(text_latency(out, 1234), "1.2s");
    for (double bytes = 1; bytes < 1e18; bytes *= 1.37)
        assert_in_range(strlen(text_bytes(out, bytes)), 2, 4);
}

static void buf_counts_what_it_drops(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_adds(&buf, "12345678"), 0);
    assert_int_equal(buf_adds(&buf, "90abc"), -ENOBUFS);
    assert_string_equal(buf.data, "1234567890");
    assert_int_equal(buf.dropped, 3);
    buf_consume(&buf, 4);
    assert_string_equal(buf.data, "567890");
    assert_int_equal(buf_addf(&buf, "%d", 12), 0);
    assert_string_equal(buf.data, "56789012");
    buf_consume(&buf, 100);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
}

static void clock_reads_rfc3339(void **state)
{
    (void)state;
    int64_t ms = -1;
    assert_int_equal(clock_parse_rfc3339("2026-01-31T12:00:00.123456789Z", &ms), 0);
    assert_int_equal(ms, INT64_C(1769860800123));
    assert_int_equal(clock_parse_rfc3339("2026-01-31T13:00:00+01:00", &ms), 0);
    assert_int_equal(ms, INT64_C(1769860800000));
    ms = 7;
    assert_int_equal(clock_parse_rfc3339("0001-01-01T00:00:00Z", &ms), -ENODATA);
    assert_int_equal(clock_parse_rfc3339("yesterday", &ms), -EINVAL);
    assert_int_equal(clock_parse_rfc3339("2026-01-31T12:00:00", &ms), -EINVAL);
    assert_int_equal(ms, 7);
}

static void errors_are_printable(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(error_set(&error, -EIO, "host %s", "a\033]0;x\a"), -EIO);
    assert_null(strchr(error.text, '\033'));
    assert_null(strchr(error.text, '\a'));
    assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_clean_stops_escapes),
        cmocka_unit_test(text_clean_never_cuts_a_character),
        cmocka_unit_test(text_widths),
        cmocka_unit_test(text_numbers_are_short),
        cmocka_unit_test(buf_counts_what_it_drops),
        cmocka_unit_test(clock_reads_rfc3339),
        cmocka_unit_test(errors_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
