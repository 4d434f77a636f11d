/* The screen as a picture: the demo host, one seed and one time, against tests/golden/. A scene is
 * compared as UTF-8, as ASCII, and as a map of roles, so that colours cannot change unseen.
 * GOLDEN_UPDATE=1 writes the files anew; look at the difference before you commit it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/demo.h"
#include "ui/screen.h"

#define GOLDEN TEST_DATA "/../../golden"
#define NOW INT64_C(1000000)
#define WALL INT64_C(1764000000000) /* 2025-11-24 16:00:00 UTC */
#define STEPS 104                   /* seconds of the demo's life: something is wrong by then */

struct stage {
    struct model *model;
    struct screen *screen;
    int64_t now, wall;
};

static void press(struct stage *stage, const char *keys)
{
    for (; *keys != '\0'; keys++)
        screen_key(stage->screen,
                   &(struct key_event){.key = *keys == '\n' ? INPUT_ENTER : (unsigned char)*keys},
                   stage->now, stage->wall);
}

static void lose_link(struct stage *stage)
{
    struct link link = {.e.id = "link"};
    struct source source = {.e.id = "docker"};
    stage->now += 9000;
    stage->wall += 9000;
    SET(link, LINK, state, LINK_LOST);
    SET(link, LINK, message, "The connection to hemma was lost: no answer for 6 s.");
    SET(link, LINK, since, stage->wall - 9000);
    SET(link, LINK, retry_at, stage->wall + 2000);
    model_upsert(stage->model, KIND_LINK, "host", &link.e);
    SET(source, SOURCE, state, SOURCE_LOST);
    SET(source, SOURCE, good_at_ms, stage->now - 9000);
    model_upsert(stage->model, KIND_SOURCE, "docker", &source.e);
    screen_tick(stage->screen, stage->now, stage->wall);
}

static void no_answer(void *ctx, const char *answer)
{
    (void)ctx;
    (void)answer;
}

static void ask(struct stage *stage)
{
    screen_ask(stage->screen, ASK_SECRET, "Password for olof@hemma",
               "The link was lost and the host wants a password again.", no_answer, NULL);
    press(stage, "secret");
}

static const struct scene {
    const char *name;
    int width, height;
    const char *keys;
    void (*prepare)(struct stage *stage);
} scenes[] = {
    {"panes-140x42", 140, 42, "", NULL},        {"panes-100x30", 100, 30, "", NULL},
    {"panes-80x24", 80, 24, "", NULL},          {"panes-40x10", 40, 10, "", NULL},
    {"grouped-140x42", 140, 42, "pjjj", NULL},  {"host-80x24", 80, 24, "2", NULL},
    {"events-80x24", 80, 24, "3jj", NULL},      {"host-zoomed-100x30", 100, 30, "2z", NULL},
    {"details-100x30", 100, 30, "\n", NULL},    {"help-80x24", 80, 24, "?", NULL},
    {"filter-80x24", 80, 24, "/huleedu", NULL}, {"filtered-100x30", 100, 30, "/!huleedu\n", NULL},
    {"lost-100x30", 100, 30, "", lose_link},    {"lost-80x24", 80, 24, "", lose_link},
    {"question-80x24", 80, 24, "", ask},
};

/* Prints the first line that differs. */
static bool same(const char *path, const char *want, const char *got)
{
    for (int line = 1; *want != '\0' || *got != '\0'; line++) {
        size_t want_len = strcspn(want, "\n"), got_len = strcspn(got, "\n");
        if (want_len != got_len || memcmp(want, got, want_len) != 0) {
            print_error("%s:%d\nexpected %.*s\n     got %.*s\n", path, line, (int)want_len, want,
                        (int)got_len, got);
            return false;
        }
        want += want_len + (want[want_len] == '\n');
        got += got_len + (got[got_len] == '\n');
    }
    return true;
}

static bool compare(const char *path, const struct buf *got)
{
    struct buf want;
    char chunk[4096];
    size_t n;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        print_error("%s: %s (GOLDEN_UPDATE=1 writes it)\n", path, strerror(errno));
        return false;
    }
    buf_init(&want, 1 << 20);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_add(&want, chunk, n);
    fclose(file);
    bool equal = same(path, want.data != NULL ? want.data : "", got->data);
    buf_done(&want);
    return equal;
}

static bool check(const struct scene *scene, const char *form, const struct buf *got)
{
    char path[512];
    snprintf(path, sizeof(path), GOLDEN "/%s%s.txt", scene->name, form);
    if (getenv("GOLDEN_UPDATE") == NULL)
        return compare(path, got);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(got->data, 1, got->len, file), got->len);
    assert_int_equal(fclose(file), 0);
    return true;
}

static void play(const struct scene *scene)
{
    struct stage stage = {.model = model_new(), .now = NOW, .wall = WALL};
    struct demo *demo = demo_new(stage.model, 1, NOW, WALL);
    struct canvas canvas;
    struct buf out;
    stage.screen = screen_new(&(struct screen_options){
        .model = stage.model, .target = "hemma", .environment = "production", .read_only = true});
    assert_non_null(stage.screen);
    assert_int_equal(canvas_init(&canvas, scene->width, scene->height), 0);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < STEPS; i++) {
        stage.now += 1000;
        stage.wall += 1000;
        demo_step(demo, stage.now);
        screen_tick(stage.screen, stage.now, stage.wall);
    }
    screen_set_cost(stage.screen, 0.4);
    screen_render(stage.screen, &canvas); /* pages are as high as what was drawn */
    if (scene->prepare != NULL)
        scene->prepare(&stage);
    press(&stage, scene->keys);
    screen_render(stage.screen, &canvas);

    assert_int_equal(canvas_export(&canvas, false, &out), 0);
    bool right = check(scene, "", &out);
    buf_clear(&out);
    assert_int_equal(canvas_export(&canvas, true, &out), 0);
    right &= check(scene, ".ascii", &out);
    buf_clear(&out);
    assert_int_equal(canvas_export_roles(&canvas, &out), 0);
    right &= check(scene, ".roles", &out);

    buf_done(&out);
    canvas_done(&canvas);
    screen_free(stage.screen);
    demo_free(demo);
    model_free(stage.model);
    assert_true(right);
}

static void test_scene(void **state)
{
    play(*state);
}

int main(void)
{
    struct CMUnitTest tests[sizeof(scenes) / sizeof(scenes[0])];
    setlocale(LC_CTYPE, "C.UTF-8");
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
        tests[i] = (struct CMUnitTest){.name = scenes[i].name,
                                       .test_func = test_scene,
                                       .initial_state = (void *)(uintptr_t)&scenes[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
