/* ui/input and ui/keymap: from bytes to keys to actions. */
#include "tests/unit/unit.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ui/edit.h"
#include "ui/keymap.h"

static struct input input;

static int set_up(void **state)
{
    (void)state;
    input_init(&input);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    input_done(&input);
    return 0;
}

/* The keys that come of `bytes` at once, as names in one line. */
static const char *keys_at(const char *bytes, size_t len, int64_t now)
{
    static char line[512];
    struct key_event event;
    size_t n = 0;
    if (len > 0)
        input_feed(&input, bytes, len, now);
    line[0] = '\0';
    while (input_next(&input, &event, now)) {
        char name[16];
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s%s", n > 0 ? " " : "",
                              event.key & INPUT_ALT ? "Alt-" : "",
                              event.key == INPUT_PASTE ? event.text
                                                       : input_name(event.key, name, sizeof(name)));
    }
    return line;
}

static const char *keys(const char *bytes)
{
    return keys_at(bytes, strlen(bytes), 1000);
}

static void test_keys(void **state)
{
    (void)state;
    assert_string_equal(keys("jG/"), "j G /");
    assert_string_equal(keys("\r\n\t\177\b"), "Enter Enter Tab Backspace Backspace");
    assert_string_equal(keys("\003\014"), "Ctrl-C Ctrl-L");
    assert_string_equal(keys("å日"), "å 日");
    assert_string_equal(keys("\033[A\033OB\033[C\033OD"), "↑ ↓ → ←");
    assert_string_equal(keys("\033[H\033[4~\033[5~\033[6~\033[Z"), "Home End PgUp PgDn Shift-Tab");
    assert_string_equal(keys("\033OP\033[11~\033[[A\033[24~"), "F1 F1 F1 F12");
    assert_string_equal(keys("\033[1;5A"), "↑"); /* with Ctrl */
    assert_string_equal(keys("\033x"), "Alt-x");
}

static void test_unknown_sequences_vanish(void **state)
{
    (void)state;
    /* A mouse report, a device report, a focus event, nonsense: no part of it is a key. */
    assert_string_equal(keys("\033[<0;10;20Mj"), "j");
    assert_string_equal(keys("\033[?1;2cj"), "j");
    assert_string_equal(keys("\033[Ij"), "j");
    assert_string_equal(keys("\033[9999999999999~j"), "j");
}

static void test_lone_escape(void **state)
{
    (void)state;
    assert_int_equal(input_deadline(&input), INT64_MAX);
    assert_string_equal(keys_at("\033", 1, 1000), "");
    assert_int_equal(input_deadline(&input), 1025);
    assert_string_equal(keys_at("", 0, 1025), "Esc");
    assert_int_equal(input_deadline(&input), INT64_MAX);
    assert_string_equal(keys("\033\033[A"), "Esc ↑");
}

static void test_torn_sequences(void **state)
{
    (void)state;
    /* In two pieces ... */
    assert_string_equal(keys_at("\033[", 2, 1000), "");
    assert_string_equal(keys_at("D", 1, 1200), "←");
    /* ... and so late that the Escape was taken for the key: "D" must not open a dialog. */
    assert_string_equal(keys_at("\033", 1, 2000), "");
    assert_string_equal(keys_at("", 0, 2030), "Esc");
    assert_string_equal(keys_at("[D", 2, 2100), "←");
    assert_string_equal(keys_at("[D", 2, 9000), "[ D"); /* typed */
    /* A character in two pieces. */
    assert_string_equal(keys_at("\xc3", 1, 9100), "");
    assert_string_equal(keys_at("\xa5", 1, 9101), "å");
    assert_string_equal(keys_at("\xc3", 1, 9200), "");
    assert_string_equal(keys_at("", 0, 9300), "\xef\xbf\xbd");
}

static void test_paste_is_one_event(void **state)
{
    (void)state;
    assert_string_equal(keys("\033[200~q\nrm -rf /\033[A\033[201~j"), "q\nrm -rf /\033[A j");
    /* The end mark in pieces. */
    assert_string_equal(keys("\033[200~abc\033[20"), "");
    assert_string_equal(keys("1~k"), "abc k");
    assert_string_equal(keys("\033[200~\033[201~"), "");
}

static void test_paste_has_a_ceiling(void **state)
{
    (void)state;
    char block[4096];
    struct key_event event;
    memset(block, 'x', sizeof(block));
    input_feed(&input, "\033[200~", 6, 1);
    for (int i = 0; i < 40; i++) {
        input_feed(&input, block, sizeof(block), 1);
        assert_false(input_next(&input, &event, 1));
    }
    input_feed(&input, "\033[201~", 6, 1);
    assert_true(input_next(&input, &event, 1));
    assert_int_equal(event.len, 65536);
    assert_true(input.paste.dropped == 40 * sizeof(block) - 65536);
}

/* Whatever comes, it ends, and no key is a control that we did not name. */
static void test_noise(void **state)
{
    (void)state;
    uint32_t random = 1;
    struct key_event event;
    for (int round = 0; round < 20000; round++) {
        unsigned char bytes[8];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525 + 1013904223;
            static const unsigned char likely[] = {0x1B, '[', 'O', '~', '2', '0', ';', 0xC3};
            bytes[i] = random >> 31 ? likely[random >> 8 & 7] : (unsigned char)(random >> 16);
        }
        input_feed(&input, bytes, sizeof(bytes), round);
        while (input_next(&input, &event, round))
            assert_true(event.key != 0 && event.key < 0x400000);
    }
    input_clear(&input);
    assert_string_equal(keys_at("j", 1, 1000000), "j");
}

static void test_no_clashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_bindings; i++) {
        for (size_t k = i + 1; k < n_bindings; k++) {
            bool meet = keymap_reaches(bindings[i].context, bindings[k].context) ||
                        keymap_reaches(bindings[k].context, bindings[i].context);
            if (meet && bindings[i].key == bindings[k].key) {
                char name[16];
                fail_msg("%s is bound twice in \"%s\" and \"%s\"",
                         input_name(bindings[i].key, name, sizeof(name)),
                         context_titles[bindings[i].context], context_titles[bindings[k].context]);
            }
        }
    }
}

static void test_table_is_whole(void **state)
{
    (void)state;
    bool bound[ACTION__COUNT] = {false};
    for (size_t i = 0; i < n_bindings; i++) {
        bound[bindings[i].action] = true;
        assert_true((bindings[i].hint != NULL) == (bindings[i].priority > 0) ||
                    bindings[i].priority == 0);
        if (bindings[i].help == NULL) { /* a further key of the line above it */
            assert_true(i > 0);
            if (bindings[i].action < ACTION_PANE_1 || bindings[i].action > ACTION_PANE_9)
                assert_int_equal(bindings[i].action, bindings[i - 1].action);
        }
    }
    for (int action = ACTION_NONE + 1; action < ACTION__COUNT; action++)
        assert_true(bound[action]);
}

static void test_contexts(void **state)
{
    (void)state;
    assert_int_equal(keymap_find(CONTEXT_LIST, 'j'), ACTION_DOWN);
    assert_int_equal(keymap_find(CONTEXT_LIST, 'z'), ACTION_ZOOM);
    assert_int_equal(keymap_find(CONTEXT_PANES, 'j'), ACTION_NONE);
    assert_int_equal(keymap_find(CONTEXT_READING, 'z'), ACTION_NONE);
    assert_int_equal(keymap_find(CONTEXT_READING, INPUT_F1), ACTION_HELP);
    assert_int_equal(keymap_find(CONTEXT_LIST, 'j' | INPUT_ALT), ACTION_NONE);
    /* What changes a host elsewhere must do nothing by accident. */
    assert_int_equal(keymap_find(CONTEXT_LIST, 'd'), ACTION_NONE);
    assert_int_equal(keymap_find(CONTEXT_LIST, 'x'), ACTION_NONE);
}

static void type(struct edit *edit, const char *text)
{
    for (; *text != '\0'; text++)
        edit_key(edit, &(struct key_event){.key = (unsigned char)*text});
}

static void test_edit(void **state)
{
    (void)state;
    struct edit edit = {0};
    type(&edit, "nlp service\027x");
    assert_string_equal(edit.text, "nlp x");
    edit_key(&edit, &(struct key_event){.key = 0xE5});
    assert_string_equal(edit.text, "nlp xå");
    edit_key(&edit, &(struct key_event){.key = INPUT_BACKSPACE});
    assert_string_equal(edit.text, "nlp x");
    edit_key(&edit, &(struct key_event){.key = INPUT_PASTE, .text = "a\033[31mb\n", .len = 8});
    assert_string_equal(edit.text, "nlp xa[31mb");
    assert_false(edit_key(&edit, &(struct key_event){.key = INPUT_ENTER}));
    assert_false(edit_key(&edit, &(struct key_event){.key = 'x' | INPUT_ALT}));
    for (int i = 0; i < 2 * EDIT_MAX; i++)
        edit_key(&edit, &(struct key_event){.key = 0x65E5});
    assert_true(edit.len < EDIT_MAX && strlen(edit.text) == edit.len);
    edit_wipe(&edit);
    for (size_t i = 0; i < sizeof(edit.text); i++)
        assert_int_equal(edit.text[i], 0);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_sequences_vanish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lone_escape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_sequences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paste_is_one_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paste_has_a_ceiling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_noise, set_up, tear_down),
        cmocka_unit_test(test_no_clashes),
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
