/* ui/canvas: what gets in, where it is cut, and what comes out. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "ui/canvas.h"
#include "ui/graph.h"
#include "ui/theme.h"

static struct canvas canvas;
static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 100000);
    return canvas_init(&canvas, 12, 3);
}

static int tear_down(void **state)
{
    (void)state;
    canvas_done(&canvas);
    buf_done(&out);
    return 0;
}

static const char *text_of(bool ascii)
{
    buf_clear(&out);
    assert_int_equal(canvas_export(&canvas, ascii, &out), 0);
    return out.data;
}

static void test_sizes(void **state)
{
    (void)state;
    struct canvas other;
    assert_int_equal(canvas_init(&other, 0, 3), -EINVAL);
    assert_int_equal(canvas_init(&other, 3, CANVAS_MAX + 1), -EINVAL);
    struct canvas part = canvas_part(&canvas, 10, 1, 9, 9);
    assert_int_equal(part.width, 2);
    assert_int_equal(part.height, 2);
    part = canvas_part(&canvas, -2, -1, 5, 2);
    assert_int_equal(part.width, 3);
    assert_int_equal(part.height, 1);
    assert_int_equal(canvas_part(&canvas, 12, 0, 1, 1).width, 0);
}

static void test_text_is_cut(void **state)
{
    (void)state;
    assert_int_equal(canvas_text(&canvas, 0, 0, 12, "short", ROLE_NORMAL), 5);
    assert_int_equal(canvas_text(&canvas, 0, 1, 12, "far too long a text", ROLE_NORMAL), 12);
    canvas_text(&canvas, 8, 2, 12, "edge of it", ROLE_NORMAL);
    assert_string_equal(text_of(false), "short\nfar too lon…\n        edg…\n");
}

static void test_numbers_stay_whole(void **state)
{
    (void)state;
    /* "restarts 12…" for 1234 would be a lie. */
    canvas_text(&canvas, 0, 0, 11, "restarts 1234", ROLE_NORMAL);
    canvas_number(&canvas, 0, 1, 5, "123456", ROLE_NORMAL);
    canvas_number(&canvas, 6, 1, 6, "42", ROLE_NORMAL);
    canvas_text(&canvas, 0, 2, 4, "12345", ROLE_NORMAL);
    assert_string_equal(text_of(false), "restarts…\n    …     42\n…\n");
}

static void test_tail(void **state)
{
    (void)state;
    canvas_tail(&canvas, 0, 0, 12, "registry/team/web:2.4", ROLE_NORMAL);
    canvas_tail(&canvas, 0, 1, 12, "web:2.4", ROLE_NORMAL);
    canvas_tail(&canvas, 0, 2, 4, "日本語", ROLE_NORMAL); /* two columns each */
    assert_string_equal(text_of(false), "…eam/web:2.4\nweb:2.4\n…語\n");
}

static void test_hostile_text(void **state)
{
    (void)state;
    /* An escape, a C1 control, a broken byte, a direction override: none may reach a terminal. */
    canvas_text(&canvas, 0, 0, 12, "a\033[2J\xc2\x9b\xff", ROLE_NORMAL);
    canvas_text(&canvas, 0, 1, 12,
                "b\xe2\x80\xae"
                "c",
                ROLE_NORMAL);
    assert_string_equal(text_of(false), "a\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\n"
                                        "b\xef\xbf\xbd"
                                        "c\n\n");
    assert_string_equal(text_of(true), "a?[2J??\nb?c\n\n");
}

static void test_wide_characters(void **state)
{
    (void)state;
    assert_int_equal(canvas_text(&canvas, 0, 0, 12, "日本", ROLE_NORMAL), 4);
    assert_int_equal(canvas.cells[0].width, 2);
    assert_int_equal(canvas.cells[1].width, 0);
    canvas_char(&canvas, 1, 0, 'x', ROLE_NORMAL); /* into the middle of the first */
    assert_string_equal(text_of(false), " x本\n\n\n");
    canvas_char(&canvas, 2, 0, 'y', ROLE_NORMAL);
    assert_string_equal(text_of(false), " xy\n\n\n");
    /* One that does not fit whole is not drawn at all. */
    assert_int_equal(canvas_char(&canvas, 11, 1, 0x65E5, ROLE_NORMAL), 0);
    assert_int_equal(canvas_text(&canvas, 0, 2, 4, "日本語", ROLE_NORMAL), 3);
    assert_string_equal(text_of(false), " xy\n\n日…\n");
    assert_string_equal(text_of(true), " xy\n\n??~\n");
}

static void test_combining(void **state)
{
    (void)state;
    canvas_text(&canvas, 0, 0, 12, "e\xcc\x81\xcc\x82\xcc\x83x", ROLE_NORMAL);
    assert_string_equal(text_of(false), "e\xcc\x81\xcc\x82x\n\n\n"); /* two, and not a pile */
    canvas_char(&canvas, 0, 1, 0x0301, ROLE_NORMAL);                 /* nothing to combine with */
    canvas_text(&canvas, 0, 2, 12,
                "a\xe2\x80\x8d\xef\xb8\x8f"
                "b",
                ROLE_NORMAL); /* a joiner and a variation selector */
    assert_string_equal(text_of(false), "e\xcc\x81\xcc\x82x\n\nab\n");
}

static void test_wrap(void **state)
{
    (void)state;
    assert_int_equal(
        canvas_paragraph(&canvas, 0, 0, 8, 0, "permission denied\nunbreakable1", ROLE_NORMAL), 5);
    assert_string_equal(text_of(false), "permissi\non\ndenied\n");
    canvas_clear(&canvas, GROUND_NORMAL);
    canvas_paragraph(&canvas, 0, 0, 8, 3, "permission denied\nunbreakable1", ROLE_NORMAL);
    assert_string_equal(text_of(false), "unbreaka\nble1\n\n");
}

static void test_ascii(void **state)
{
    (void)state;
    struct canvas part = canvas_part(&canvas, 0, 0, 4, 3);
    canvas_box(&part, ROLE_BORDER);
    canvas_text(&canvas, 5, 0, 7, "●▲✗○–·", ROLE_NORMAL);
    graph_gauge(&canvas, 5, 1, 4, 50, ROLE_LOW);
    assert_string_equal(text_of(false), "╭──╮ ●▲✗○–·\n│  │ ■■··\n╰──╯\n");
    assert_string_equal(text_of(true), "+--+ *!xo-.\n|  | ##..\n+--+\n");
    for (uint32_t ch = 1; ch < 0x3000; ch++)
        assert_in_range((unsigned char)canvas_ascii(ch < 0x20    ? 0x20
                                                    : ch == 0x7F ? 0x20
                                                                 : ch),
                        0x20, 0x7E);
}

static void test_gauge_does_not_lie(void **state)
{
    (void)state;
    graph_gauge(&canvas, 0, 0, 10, 0, ROLE_LOW);
    graph_gauge(&canvas, 0, 1, 10, 1, ROLE_LOW);
    graph_gauge(&canvas, 0, 2, 10, 98, ROLE_LOW);
    assert_string_equal(text_of(true), "..........\n#.........\n#########.\n");
}

static void test_roles(void **state)
{
    (void)state;
    canvas_text(&canvas, 0, 0, 12, "bad", ROLE_BAD);
    struct canvas line = canvas_part(&canvas, 0, 1, 3, 1);
    canvas_ground(&line, GROUND_SELECTED);
    canvas_text(&line, 0, 0, 1, "x", ROLE_OK);
    assert_int_equal(canvas_export_roles(&canvas, &out), 0);
    assert_string_equal(out.data, "xxx         \noSS         \n            \n");
}

static void test_theme(void **state)
{
    (void)state;
    const struct theme *theme = &theme_default;
    assert_int_equal(theme_nearest_256(0xFF0000), 196);
    assert_int_equal(theme_nearest_256(0x808080), 244);
    /* Without colours no two states that matter may look the same as nothing at all. */
    struct theme_ink bad = theme_ink(theme, DEPTH_MONO, ROLE_BAD, GROUND_NORMAL);
    assert_int_equal(bad.foreground, THEME_DEFAULT);
    assert_int_equal(bad.attrs, LOOK_BOLD);
    assert_int_equal(theme_ink(theme, DEPTH_MONO, ROLE_DIM, GROUND_SELECTED).attrs, LOOK_REVERSE);
    for (int depth = DEPTH_8; depth <= DEPTH_RGB; depth++) {
        static const int limits[] = {
            [DEPTH_8] = 8, [DEPTH_16] = 16, [DEPTH_256] = 256, [DEPTH_RGB] = 0x1000000};
        for (int role = 0; role < ROLE__COUNT; role++) {
            for (int ground = 0; ground < GROUND__COUNT; ground++) {
                struct theme_ink ink =
                    theme_ink(theme, (enum theme_depth)depth, (enum role)role, (enum ground)ground);
                assert_true(ink.foreground < limits[depth] && ink.background < limits[depth]);
                assert_true(ink.foreground != ink.background || ink.foreground == THEME_DEFAULT);
            }
        }
    }
    for (int role = 0; role < ROLE__COUNT; role++)
        assert_non_null(theme->roles[role].name);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_stay_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wide_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_combining, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ascii, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gauge_does_not_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_theme, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
