/* ui/screen and the panes: keys in, text out, without a terminal. */
#include "tests/unit/unit.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/demo.h"
#include "ui/keymap.h"
#include "ui/screen.h"

#define NOW INT64_C(1000000)
#define WALL INT64_C(1764000000000) /* 2025-11-24 16:00:00 UTC */

static struct model *model;
static struct demo *demo;
static struct screen *screen;
static struct buf out;
static int64_t now, wall;
static int discarded;

static void on_discard(void *ctx)
{
    (void)ctx;
    discarded++;
}

static int set_up_empty(void **state)
{
    (void)state;
    now = NOW;
    wall = WALL;
    discarded = 0;
    demo = NULL;
    model = model_new();
    screen = screen_new(&(struct screen_options){
        .model = model, .target = "hemma", .read_only = true, .discard_input = on_discard});
    buf_init(&out, 1 << 20);
    screen_tick(screen, now, wall);
    return screen == NULL;
}

static int set_up(void **state)
{
    int status = set_up_empty(state);
    demo = demo_new(model, 1, now, wall);
    screen_tick(screen, now, wall);
    return status;
}

static int tear_down(void **state)
{
    (void)state;
    screen_free(screen);
    demo_free(demo);
    model_free(model);
    buf_done(&out);
    return 0;
}

static const char *shown_at(int width, int height, bool roles)
{
    struct canvas canvas;
    assert_int_equal(canvas_init(&canvas, width, height), 0);
    screen_render(screen, &canvas);
    buf_clear(&out);
    if (roles)
        canvas_export_roles(&canvas, &out);
    else
        canvas_export(&canvas, false, &out);
    canvas_done(&canvas);
    return out.data;
}

static const char *shown(void)
{
    return shown_at(140, 42, false);
}

static void must_show(const char *text)
{
    if (strstr(shown(), text) == NULL)
        fail_msg("\"%s\" is not on the screen:\n%s", text, out.data);
}

static void must_not_show(const char *text)
{
    if (strstr(shown(), text) != NULL)
        fail_msg("\"%s\" is on the screen:\n%s", text, out.data);
}

static enum screen_intent press(uint32_t key)
{
    return screen_key(screen, &(struct key_event){.key = key}, now, wall);
}

static void type(const char *text)
{
    for (; *text != '\0'; text++)
        press((unsigned char)*text);
}

static void live(int64_t ms)
{
    now += ms;
    wall += ms;
    if (demo != NULL)
        demo_step(demo, now);
    screen_tick(screen, now, wall);
}

static void set_link(enum link_state state, const char *message, int64_t since, int64_t retry_at)
{
    struct link link = {.e.id = "link"};
    SET(link, LINK, state, state);
    SET(link, LINK, message, message);
    SET(link, LINK, since, since);
    if (retry_at > 0)
        SET(link, LINK, retry_at, retry_at);
    model_upsert(model, KIND_LINK, "link", &link.e);
    screen_tick(screen, now, wall);
}

static void set_source(const char *id, enum source_state state, const char *message)
{
    struct source source = {.e.id = id};
    SET(source, SOURCE, state, state);
    SET(source, SOURCE, message, message);
    SET(source, SOURCE, interval_ms, 0);
    SET(source, SOURCE, good_at_ms, now);
    model_upsert(model, KIND_SOURCE, id, &source.e);
    screen_tick(screen, now, wall);
}

static void put_container(const char *id, struct container *container)
{
    container->e.id = id;
    model_upsert(model, KIND_CONTAINER, "docker", &container->e);
    screen_tick(screen, now, wall);
}

static void test_before_anything(void **state)
{
    (void)state;
    must_show("Connecting to hemma…");
    must_show("read-only");
    must_not_show("all well"); /* nothing is known: that is not well */
    set_link(LINK_STOPPED, "hemma refused the key: check ~/.ssh/config.", WALL, 0);
    must_show("hemma refused the key");
    must_show("Press r to try again.");
    assert_int_equal(press('r'), SCREEN_RETRY);
    set_link(LINK_UP, "", WALL, 0);
    must_show("Waiting for the first answer…");
    set_source("docker", SOURCE_FAILED, "No permission for the Docker socket: join group docker.");
    must_show("No permission for the Docker socket: join group docker.");
    set_source("docker", SOURCE_OK, "");
    must_show("No containers on this host.");
    assert_int_equal(press('r'), SCREEN_NOTHING);
}

static void test_lost_link(void **state)
{
    (void)state;
    set_link(LINK_LOST, "Connection reset by hemma.", wall - 12000, wall + 2000);
    must_show("link lost 12s · retry in 2s");
    must_show("Connection reset by hemma.");
    must_show("huleedu_kafka"); /* what was known stays */
    set_source("docker", SOURCE_LOST, "");
    live(7000);
    must_show("stale 7s");
    assert_non_null(strstr(shown_at(140, 42, true), "~~~~"));
    set_source("docker", SOURCE_OK, "");
    must_not_show("stale");
}

static void test_failed_source_keeps_its_rows(void **state)
{
    (void)state;
    set_source("docker", SOURCE_FAILED, "The Docker Engine answers with 500.");
    live(3000);
    must_show("The Docker Engine answers with 500.");
    must_show("huleedu_kafka");
    must_show("stale 3s");
}

static void test_states_are_words(void **state)
{
    (void)state;
    must_show("✗ exited 137 OOM");
    must_show("↻ restarting 1");
    must_show("▲ unhealthy");
    must_show("◐ starting");
    must_show("○ exited 0");
    must_show("  80 443 ");
    must_show("  127.0.0.1:5432 ");
    struct container c = {0};
    SET(c, CONTAINER, name, "nothing-known");
    put_container("abc", &c);
    must_show(
        "–                 nothing-known                    –               –    –      –      –");
}

static void test_hostile_names(void **state)
{
    (void)state;
    struct container c = {0};
    SET(c, CONTAINER, name, "evil\033]0;title\007\xe2\x80\xaename\xff");
    SET(c, CONTAINER, state, CONTAINER_EXITED);
    SET(c, CONTAINER, exit_code, 1);
    put_container("evil", &c);
    must_show("evil\xef\xbf\xbd]0;title\xef\xbf\xbd\xef\xbf\xbdname\xef\xbf\xbd");
    for (const char *byte = shown(); *byte != '\0'; byte++)
        assert_true(*byte == '\n' || (unsigned char)*byte >= 0x20);
}

static void test_filter(void **state)
{
    (void)state;
    press('/');
    type("kafka");
    must_show("1/19 match");
    must_show(" 1/19 · ");
    press(INPUT_ENTER);
    must_show(" /kafka ");
    must_not_show("skriptoteket-web");
    press(INPUT_ENTER);
    must_show("container huleedu_kafka"); /* the first that matches is selected */
    press(INPUT_ESC);
    press('/');
    press(INPUT_ESC); /* undoes */
    must_show(" /kafka ");
    assert_int_equal(press('q'), SCREEN_NOTHING); /* clears it ... */
    must_show("skriptoteket-web");
    assert_int_equal(press(INPUT_ESC), SCREEN_NOTHING); /* ... Esc never quits ... */
    assert_int_equal(press('q'), SCREEN_QUIT);          /* ... and q does, at the top */
    press('/');
    type("!huleedu");
    must_show("7/19 match");
    screen_key(screen, &(struct key_event){.key = INPUT_PASTE, .text = "q\n", .len = 2}, now, wall);
    must_show("!hulee"); /* pasted into the filter, not run as a key */
}

static void test_paste_is_not_keys(void **state)
{
    (void)state;
    assert_int_equal(screen_key(screen,
                                &(struct key_event){.key = INPUT_PASTE, .text = "q", .len = 1}, now,
                                wall),
                     SCREEN_NOTHING);
}

static void test_details(void **state)
{
    (void)state;
    press(INPUT_ENTER);
    must_show("container huleedu_batch_conductor");
    must_show("unless-stopped");
    must_show("Told by");
    must_show("2025-11-24 16:59:54 +0100"); /* the host's zone */
    press('Z');
    must_show("2025-11-24 15:59:54 UTC");
    model_apply(model, &(struct obs){.kind = KIND_CONTAINER,
                                     .op = OBS_GONE,
                                     .id = "huleedu_batch_conductor",
                                     .source = "docker"});
    screen_tick(screen, now, wall);
    must_show("It is no more");
    press(INPUT_ESC);
    press(INPUT_ENTER); /* nothing slid under the cursor */
    must_show("What was selected is gone.");
    press('j');
    press(INPUT_ENTER);
    must_show("container huleedu_spellchecker_service");
}

static void test_long_text_is_whole(void **state)
{
    (void)state;
    char health[3000];
    struct container c = {0};
    memset(health, 'x', sizeof(health));
    for (size_t i = 8; i < sizeof(health); i += 9)
        health[i] = ' ';
    memcpy(health + sizeof(health) - 9, "the-end\0", 9);
    SET(c, CONTAINER, name, "aaa");
    SET(c, CONTAINER, state, CONTAINER_EXITED);
    SET(c, CONTAINER, exit_code, 3);
    SET(c, CONTAINER, health_output, health);
    put_container("aaa", &c);
    type("g");
    press(INPUT_ENTER);
    must_not_show("the-end");
    for (int i = 0; i < 40; i++)
        press('j');
    must_show("the-end");
    press('G');
    must_show("Told by");
    press('g');
    must_show("Name         aaa");
}

static void test_zoom_and_focus(void **state)
{
    (void)state;
    press('2');
    press(INPUT_ENTER);
    must_show("host demo.hemma");
    must_show("6.1.0-25-amd64");
    press(INPUT_ESC);
    press('z');
    must_show("2 Host");
    must_not_show("3 Events");
    press('q');
    must_show("3 Events");
    press(INPUT_SHIFT_TAB);
    press('z');
    must_show("1 Containers");
    must_not_show("2 Host");
    press('9'); /* there is none */
    must_show("1 Containers");
}

static void test_follow(void **state)
{
    (void)state;
    press('3');
    press(INPUT_ENTER);
    must_show("Nothing is selected.");
    press('j');
    press(INPUT_ENTER);
    must_show("event ");
}

static void test_sizes(void **state)
{
    (void)state;
    assert_string_equal(shown_at(38, 9, false), "Terminal too small (38x9), need 40x10.\n"
                                                "\n\n\n\n\n\n\n\n");
    for (int height = 1; height < 60; height += 3)
        for (int width = 1; width < 200; width += 7)
            shown_at(width, height, false);
    press('?');
    for (int height = 10; height < 60; height += 5)
        shown_at(40 + height, height, false);
    screen_ask(screen, ASK_SECRET, "Password for olof@hemma", "A long detail. A long detail.", NULL,
               NULL);
    for (int height = 10; height < 60; height += 5)
        shown_at(40 + height, height, false);
    screen_unask(screen);
}

static char answered_with[64];
static int answers;

static void on_answer(void *ctx, const char *answer)
{
    answers++;
    snprintf(answered_with, sizeof(answered_with), "%s", answer != NULL ? answer : "(declined)");
    if (ctx != NULL)
        screen_ask(screen, ASK_TEXT, "Code", "", on_answer, NULL);
}

static void ask(enum screen_question kind, void *ctx)
{
    answers = 0;
    answered_with[0] = '\0';
    screen_ask(screen, kind, "Password for olof@hemma", "Say\n\tit.\n", on_answer, ctx);
}

static void test_secret(void **state)
{
    (void)state;
    ask(ASK_SECRET, NULL);
    assert_int_equal(discarded, 1);
    must_show("Password for olof@hemma");
    must_show("│ Say  ");
    must_show("│  it.  "); /* a line of its own */
    type("q?s3cret");
    must_show("> ••••••••");
    must_not_show("s3cret");
    press(INPUT_ENTER);
    assert_int_equal(answers, 1);
    assert_string_equal(answered_with, "q?s3cret");
    must_not_show("Password");
    ask(ASK_SECRET, NULL);
    press(INPUT_CTRL('C')); /* declines, and does not quit */
    assert_string_equal(answered_with, "(declined)");
}

static void test_yes_no(void **state)
{
    (void)state;
    ask(ASK_YES_NO, NULL);
    press(INPUT_ENTER); /* never a yes */
    assert_string_equal(answered_with, "(declined)");
    ask(ASK_YES_NO, NULL);
    press('j');
    assert_int_equal(answers, 0);
    press('y');
    assert_string_equal(answered_with, "yes");
}

static void test_questions_follow_one_another(void **state)
{
    (void)state;
    ask(ASK_SECRET, screen);
    type("one");
    press(INPUT_ENTER);
    assert_string_equal(answered_with, "one");
    must_show("Code");
    type("123456");
    must_show("> 123456");
    ask(ASK_YES_NO, NULL); /* the open one is declined first */
    assert_int_equal(answers, 1);
    assert_string_equal(answered_with, "(declined)");
    must_not_show("123456");
    screen_unask(screen);
    assert_int_equal(answers, 1);
    must_not_show("Password");
}

/* Does a key do what the table promises: anything at all to be seen, or asked of the program? */
static bool does_something(const struct binding *binding)
{
    static char before[1 << 16];
    snprintf(before, sizeof(before), "%s", shown_at(100, 30, true));
    size_t len = strlen(before);
    snprintf(before + len, sizeof(before) - len, "%s", shown_at(100, 30, false));
    if (press(binding->key) != SCREEN_NOTHING)
        return true;
    shown_at(100, 30, true);
    if (strncmp(before, out.data, len) != 0)
        return true;
    return strcmp(before + len, shown_at(100, 30, false)) != 0;
}

static void test_every_binding_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_bindings; i++) {
        const struct binding *binding = &bindings[i];
        if (binding->action >= ACTION_PANE_1 + 3 && binding->action <= ACTION_PANE_9)
            continue; /* there are three panes yet */
        set_up(state);
        shown_at(100, 30, false);
        if (binding->context == CONTEXT_READING) {
            press(INPUT_ENTER);
            shown_at(100, 30, false);
            if (binding->action == ACTION_LAST || binding->action == ACTION_DOWN ||
                binding->action == ACTION_PAGE_DOWN)
                type("g");
            else
                type("G");
        } else if (binding->action == ACTION_ESCAPE) {
            press('z');
        } else {
            type("jjjjjj"); /* somewhere in the middle */
        }
        if (binding->action == ACTION_PANE_1)
            press('2');
        if (!does_something(binding)) {
            char name[16];
            fail_msg("%s does nothing in \"%s\"", input_name(binding->key, name, sizeof(name)),
                     context_titles[binding->context]);
        }
        tear_down(state);
    }
}

static void test_help_is_the_keymap(void **state)
{
    (void)state;
    press('?');
    char *text = strdup(shown_at(140, 100, false));
    for (size_t i = 0; i < n_bindings; i++) {
        if (bindings[i].help != NULL && strstr(text, bindings[i].help) == NULL)
            fail_msg("help does not say \"%s\"", bindings[i].help);
    }
    free(text);
    press('?');
    must_not_show("Everywhere");
}

static void test_draws_only_on_change(void **state)
{
    (void)state;
    shown();
    assert_false(screen_dirty(screen));
    screen_tick(screen, now + 10, wall + 10);
    assert_false(screen_dirty(screen));
    assert_int_equal(screen_deadline(screen), now + 1000); /* the clock */
    screen_tick(screen, now + 1000, wall + 1000);
    assert_true(screen_dirty(screen));
    shown();
    set_link(LINK_LOST, "", wall, 0);
    assert_true(screen_dirty(screen));
}

static void test_toast_goes(void **state)
{
    (void)state;
    screen_say(screen, ROLE_INFO, "ControlMaster is not supported");
    must_show("ControlMaster is not supported");
    live(3000);
    must_show("ControlMaster is not supported");
    live(2000);
    must_not_show("ControlMaster is not supported");
}

static void test_production(void **state)
{
    (void)state;
    screen_free(screen);
    screen = screen_new(&(struct screen_options){
        .model = model, .target = "hemma", .environment = "production", .read_only = true});
    screen_tick(screen, now, wall);
    must_show(" PRODUCTION "); /* a word, and not only a colour */
    assert_non_null(strstr(shown_at(80, 24, false), "read-only"));
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_anything, set_up_empty, tear_down),
        TEST(test_lost_link),
        TEST(test_failed_source_keeps_its_rows),
        TEST(test_states_are_words),
        TEST(test_hostile_names),
        TEST(test_filter),
        TEST(test_paste_is_not_keys),
        TEST(test_details),
        TEST(test_long_text_is_whole),
        TEST(test_zoom_and_focus),
        TEST(test_follow),
        TEST(test_sizes),
        TEST(test_secret),
        TEST(test_yes_no),
        TEST(test_questions_follow_one_another),
        cmocka_unit_test(test_every_binding_works),
        TEST(test_help_is_the_keymap),
        TEST(test_draws_only_on_change),
        TEST(test_toast_goes),
        TEST(test_production),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
