/* collect/docker and client/docker, whole: a collection on the local transport against a test
 * double of the Engine, which can misbehave in ways a real one would not on demand. */
#include "tests/unit/fake_engine.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "collect/collect.h"
#include "collect/resolve.h"

enum mode {
    MODE_GOOD,
    MODE_GARBAGE,
    MODE_NOT_A_LIST,
    MODE_500,
    MODE_HUGE,
    MODE_WANTS_144,
    MODE_SPEAKS_140,
    MODE_BOUNCES, /* wants another version whatever it is asked in */
    MODE_HANGS_UP,
};

struct box {
    char id[72], name[64], state[16];
    int exit_code, restarts;
    bool there;
    int inspected;
};

struct world {
    uv_loop_t loop;
    struct engine engine;
    struct model *model;
    struct remote *remote;
    struct collection *collection;
    enum mode mode;
    struct box boxes[40];
    size_t n_boxes;
    struct engine_conn *events; /* the stream, while it is open */
    int streams;
    char since[64];
    bool wanted; /* what a test waits for */
    bool (*check)(struct world *world);
};

static const char *id_of(int n, char *out)
{
    snprintf(out, 72, "%064d", n);
    return out;
}

static struct box *box_add(struct world *world, const char *name, const char *state)
{
    struct box *box = &world->boxes[world->n_boxes++];
    *box = (struct box){.there = true};
    id_of((int)world->n_boxes, box->id);
    snprintf(box->name, sizeof(box->name), "%s", name);
    snprintf(box->state, sizeof(box->state), "%s", state);
    return box;
}

/* --- the Engine */

static void answer_list(struct world *world, struct engine_conn *conn)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_adds(&text, "[");
    for (size_t i = 0; i < world->n_boxes; i++) {
        struct box *box = &world->boxes[i];
        if (box->there)
            buf_addf(&text, "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"State\":\"%s\"}",
                     text.len > 1 ? "," : "", box->id, box->name, box->state);
    }
    buf_adds(&text, "]\n");
    engine_answer(conn, 200, text.data, text.len);
    buf_done(&text);
}

static void answer_inspect(struct world *world, struct engine_conn *conn, const char *id)
{
    char text[1024];
    for (size_t i = 0; i < world->n_boxes; i++) {
        struct box *box = &world->boxes[i];
        if (strncmp(box->id, id, 64) != 0 || !box->there)
            continue;
        box->inspected++;
        snprintf(text, sizeof(text),
                 "{\"Id\":\"%s\",\"Name\":\"/%s\",\"RestartCount\":%d,"
                 "\"State\":{\"Status\":\"%s\",\"ExitCode\":%d,\"OOMKilled\":false},"
                 "\"NetworkSettings\":{\"Networks\":{\"net\":{\"IPAddress\":\"172.30.0.%zu\","
                 "\"Aliases\":[\"alias-%s\"]}}}}",
                 box->id, box->name, box->restarts, box->state, box->exit_code, i + 2, box->name);
        engine_answer(conn, 200, text, strlen(text));
        return;
    }
    static const char gone[] = "{\"message\":\"No such container: x\"}";
    engine_answer(conn, 404, gone, strlen(gone));
}

static bool refuse_version(struct world *world, struct engine_conn *conn, const char *path)
{
    static const char old[] =
        "{\"message\":\"client version 1.41 is too old. Minimum supported API "
        "version is 1.44, please upgrade your client to a newer version\"}";
    static const char new[] =
        "{\"message\":\"client version 1.41 is too new. Maximum supported API "
        "version is 1.40\"}";
    bool at_144 = strncmp(path, "/v1.44/", 7) == 0;
    if ((world->mode == MODE_WANTS_144 && !at_144) || world->mode == MODE_BOUNCES)
        engine_answer(conn, 400, old, strlen(old));
    else if (world->mode == MODE_SPEAKS_140)
        engine_answer(conn, 400, new, strlen(new));
    else
        return false;
    return true;
}

static void answer(void *ctx, struct engine_conn *conn, const char *path)
{
    struct world *world = ctx;
    if (strcmp(path, "/version") == 0) {
        static const char version[] = "{\"Version\":\"99.1\",\"ApiVersion\":\"1.99\"}";
        engine_answer(conn, 200, version, strlen(version));
        return;
    }
    if (refuse_version(world, conn, path))
        return;
    if (strstr(path, "/events") != NULL) {
        const char *since = strstr(path, "since=");
        assert_non_null(since);
        snprintf(world->since, sizeof(world->since), "%s", since + 6);
        engine_stream(conn);
        world->events = conn;
        world->streams++;
    } else if (world->mode == MODE_GARBAGE) {
        engine_answer(conn, 200, "[{\"Id\":", 7);
    } else if (world->mode == MODE_NOT_A_LIST) {
        engine_answer(conn, 200, "{\"a\":1}", 7);
    } else if (world->mode == MODE_500) {
        engine_answer(conn, 500, "{\"message\":\"out of cheese\"}", 27);
    } else if (world->mode == MODE_HUGE) {
        char *text = malloc(9 << 20);
        memset(text, ' ', 9 << 20);
        engine_answer(conn, 200, text, 9 << 20);
        free(text);
    } else if (world->mode == MODE_HANGS_UP) {
        engine_close(conn);
    } else if (strstr(path, "/containers/json") != NULL) {
        answer_list(world, conn);
    } else if (strstr(path, "/containers/") != NULL) {
        answer_inspect(world, conn, strstr(path, "/containers/") + 12);
    } else {
        fail_msg("asked for %s", path);
    }
}

static void say(struct world *world, const char *text)
{
    assert_non_null(world->events);
    engine_piece(world->events, text, strlen(text));
}

static void event(struct world *world, const struct box *box, const char *action, int64_t time_ns)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"%s\",\"Attributes\":"
             "{\"name\":\"%s\",\"exitCode\":\"%d\"}},\"timeNano\":%lld}\n",
             action, box->id, box->name, box->exit_code, (long long)time_ns);
    say(world, text);
}

/* --- the world around */

static void on_changed(void *ctx)
{
    struct world *world = ctx;
    if (world->check != NULL && world->check(world))
        world->wanted = true;
}

static void on_remote(void *ctx, const struct remote_status *status)
{
    struct world *world = ctx;
    if (world->collection != NULL)
        collect_link(world->collection, status);
}

static void begin(struct world *world)
{
    static const struct remote_events events = {.changed = on_remote};
    char address[128];
    struct error error;
    snprintf(address, sizeof(address), "unix://%s", world->engine.path);
    setenv("DOCKER_HOST", address, 1);
    world->remote = remote_local_new(&world->loop, &events, world, &error);
    assert_non_null(world->remote);
    world->collection = collect_new(&world->loop, world->model, world->remote, on_changed, world);
    assert_non_null(world->collection);
}

static void wait_for(struct world *world, bool (*check)(struct world *world), int ms)
{
    world->check = check;
    world->wanted = check(world);
    if (!run_until(&world->loop, &world->wanted, ms)) {
        const struct source *source = model_source(world->model, "docker");
        fail_msg("not within %d ms; docker is %s: %s", ms, source_state_words[source->state],
                 source->message);
    }
    world->check = NULL;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&world->loop);
    engine_start(&world->engine, &world->loop, answer, world);
    world->model = model_new();
    *state = world;
    return 0;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Every test ends by looking for what was left: handles, descriptors, and memory under ASan. */
static int teardown(void **state)
{
    static int descriptors; /* after the first test: libuv keeps two for signals */
    struct world *world = *state;
    collect_free(world->collection);
    world->collection = NULL;
    remote_free(world->remote);
    engine_stop(&world->engine);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&world->loop);
    model_free(world->model);
    free(world);
    int now = count_descriptors();
    if (descriptors == 0)
        descriptors = now;
    if (now != descriptors)
        print_error("%d descriptors are open, %d were\n", now, descriptors);
    return busy != 0 || now != descriptors;
}

static const struct container *container(struct world *world, const char *id)
{
    return (const struct container *)model_find(world->model, KIND_CONTAINER, id);
}

static bool is_settled(struct world *world)
{
    return collect_settled(world->collection);
}
static bool is_ok(struct world *world)
{
    return model_source(world->model, "docker")->state == SOURCE_OK;
}
static bool is_failed(struct world *world)
{
    return model_source(world->model, "docker")->state == SOURCE_FAILED;
}
static bool box_1_exited(struct world *world)
{
    const struct container *c = container(world, world->boxes[0].id);
    return c != NULL && KNOWN(c, CONTAINER_state) && c->state == CONTAINER_EXITED;
}
static bool box_1_gone(struct world *world)
{
    return container(world, world->boxes[0].id) == NULL;
}
static bool two_containers(struct world *world)
{
    return model_count(world->model, KIND_CONTAINER) == 2;
}
static bool told(struct world *world, const char *subject, const char *action, const char *detail)
{
    for (size_t i = 0; i < model_count(world->model, KIND_EVENT); i++) {
        const struct event *e = (const struct event *)model_at(world->model, KIND_EVENT, i);
        if (strcmp(e->subject, subject) == 0 && strcmp(e->action, action) == 0 &&
            strcmp(e->detail, detail) == 0)
            return true;
    }
    return false;
}
static bool told_restart(struct world *world)
{
    return told(world, "web", "restarted", "by its policy, 3rd time");
}

#define NOW_NS INT64_C(1795508000000000000)

static void a_container_is_whole_and_follows_events(void **state)
{
    struct world *world = *state;
    struct box *web = box_add(world, "web", "running");
    box_add(world, "db", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    const struct container *c = container(world, web->id);
    assert_string_equal(c->name, "web");
    assert_string_equal(c->addresses, "net=172.30.0.2");
    assert_string_equal(model_host(world->model)->docker_version, "99.1");
    assert_string_equal(model_host(world->model)->docker_api, "1.41");
    assert_string_equal(model_host(world->model)->e.source, "host");
    assert_string_equal(world->since, "1.000000000"); /* all that the Engine remembers */

    snprintf(web->state, sizeof(web->state), "exited");
    web->exit_code = 3;
    int64_t before = clock_mono_ms();
    event(world, web, "die", NOW_NS);
    wait_for(world, box_1_exited, 2500);
    print_message("an exit was seen after %d ms\n", (int)(clock_mono_ms() - before));
    assert_int_equal(container(world, web->id)->exit_code, 3);
    assert_true(told(world, "web", "exited", "exit code 3"));

    /* It runs again: the Engine forgets the exit code, we do not. */
    snprintf(web->state, sizeof(web->state), "running");
    web->exit_code = 0;
    web->restarts = 3;
    event(world, web, "start", NOW_NS + 1000000);
    wait_for(world, told_restart, 2500);
    assert_int_equal(container(world, web->id)->exit_code, 3);
    assert_int_equal(container(world, web->id)->restarts, 3);

    web->there = false;
    event(world, web, "destroy", NOW_NS + 2000000);
    wait_for(world, box_1_gone, 2500);
    assert_non_null(container(world, world->boxes[1].id));
}

/* A signal explains the exit that follows it, not the one of the next run. */
static void an_exit_is_explained_by_what_came_before(void **state)
{
    struct world *world = *state;
    struct box *web = box_add(world, "web", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    web->exit_code = 1;
    event(world, web, "kill", NOW_NS);
    event(world, web, "die", NOW_NS + 1000);
    run_for(&world->loop, 50);
    assert_true(told(world, "web", "exited", "exit code 1 after a signal"));
    event(world, web, "start", NOW_NS + 2000);
    event(world, web, "die", NOW_NS + 3000);
    run_for(&world->loop, 50);
    assert_true(told(world, "web", "exited", "exit code 1"));
    event(world, web, "start", NOW_NS + 4000);
    event(world, web, "oom", NOW_NS + 5000);
    event(world, web, "die", NOW_NS + 6000);
    run_for(&world->loop, 50);
    assert_true(told(world, "web", "exited", "exit code 1, killed for memory"));
    assert_true(container(world, web->id)->oom_killed);
}

static void a_new_one_appears_and_a_404_goes(void **state)
{
    struct world *world = *state;
    struct box *web = box_add(world, "web", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    struct box *more = box_add(world, "more", "created");
    event(world, more, "create", NOW_NS);
    wait_for(world, two_containers, 2500);
    web->there = false; /* without an event of its own */
    event(world, web, "pause", NOW_NS + 1);
    wait_for(world, box_1_gone, 2500);
}

static void many_events_make_few_inspections(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 30; i++)
        box_add(world, "many", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(world->boxes[i].inspected, 1);
    for (int i = 0; i < 200; i++)
        event(world, &world->boxes[0], i % 2 ? "pause" : "unpause", NOW_NS + i);
    run_for(&world->loop, 300);
    assert_in_range(world->boxes[0].inspected, 2, 100);
    assert_int_equal(world->boxes[1].inspected, 1);
    assert_int_equal(model_count(world->model, KIND_EVENT), 200);
}

static void fails_with(struct world *world, enum mode mode, const char *words)
{
    world->mode = mode;
    box_add(world, "web", "running");
    begin(world);
    wait_for(world, is_failed, 5000);
    const struct source *source = model_source(world->model, "docker");
    if (strstr(source->message, words) == NULL)
        fail_msg("mode %d: %s", mode, source->message);
    assert_int_equal(model_count(world->model, KIND_CONTAINER), 0);
    /* The rest lives on, and it heals by itself. */
    world->mode = MODE_GOOD;
    int64_t before = clock_mono_ms();
    wait_for(world, is_ok, 5000);
    print_message("healed after %d ms\n", (int)(clock_mono_ms() - before));
    assert_int_equal(model_count(world->model, KIND_CONTAINER), 1);
    assert_string_equal(model_source(world->model, "docker")->message, "");
}

static void garbage_is_a_sentence(void **state)
{
    fails_with(*state, MODE_GARBAGE, "not JSON");
}
static void no_list_is_a_sentence(void **state)
{
    fails_with(*state, MODE_NOT_A_LIST, "is not a list");
}
static void a_500_is_a_sentence(void **state)
{
    fails_with(*state, MODE_500, "500: out of cheese");
}
static void too_much_is_a_sentence(void **state)
{
    fails_with(*state, MODE_HUGE, "more than 8192 KiB");
}
static void an_old_engine_is_a_sentence(void **state)
{
    fails_with(*state, MODE_SPEAKS_140, "Docker 20.10 or newer");
}
static void an_engine_that_never_agrees_is_a_sentence(void **state)
{
    fails_with(*state, MODE_BOUNCES, "1.44");
}
static void hanging_up_is_a_sentence(void **state)
{
    fails_with(*state, MODE_HANGS_UP, "closed the connection without an answer");
}

static void no_engine_is_a_sentence(void **state)
{
    struct world *world = *state;
    engine_stop(&world->engine);
    begin(world);
    wait_for(world, is_failed, 5000);
    const char *message = model_source(world->model, "docker")->message;
    assert_non_null(strstr(message, world->engine.path));
    assert_non_null(strstr(message, "start Docker"));
    engine_listen(&world->engine);
    wait_for(world, is_ok, 5000);
}

static void a_newer_engine_gets_its_version(void **state)
{
    struct world *world = *state;
    world->mode = MODE_WANTS_144;
    box_add(world, "web", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    assert_true(is_ok(world));
    assert_int_equal(model_count(world->model, KIND_CONTAINER), 1);
    assert_int_equal(world->streams, 1);
}

static void bad_bytes_in_one_name_hide_nothing_else(void **state)
{
    struct world *world = *state;
    struct box *bad = box_add(world, "bad\xff\xc3\\ud800\x1b", "running");
    bad->name[strlen(bad->name) - 1] = '\0'; /* a raw control character is no JSON at all */
    struct box *good = box_add(world, "good", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    assert_string_equal(container(world, good->id)->name, "good");
    assert_string_equal(container(world, bad->id)->name, "bad??\xef\xbf\xbd");
}

static void bad_lines_between_events_are_passed_over(void **state)
{
    struct world *world = *state;
    struct box *web = box_add(world, "web", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    say(world, "this is no JSON\n\n{\"Type\":7}\n[1,2]\n{\"Type\":\"container\"");
    say(world, "}\n");
    char *text = malloc(1 << 16);
    memset(text, '{', 1 << 16);
    for (int i = 0; i < 20; i++) /* a line above every ceiling */
        engine_piece(world->events, text, 1 << 16);
    free(text);
    say(world, "\n");
    snprintf(web->state, sizeof(web->state), "exited");
    event(world, web, "die", NOW_NS);
    wait_for(world, box_1_exited, 5000);
    assert_true(is_ok(world));
    assert_int_equal(world->streams, 1);
}

static void a_restarted_engine_leaves_no_ghost_and_no_double(void **state)
{
    struct world *world = *state;
    struct box *web = box_add(world, "web", "running");
    box_add(world, "db", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    event(world, web, "pause", NOW_NS);
    event(world, web, "unpause", NOW_NS + 5);
    run_for(&world->loop, 100);
    assert_int_equal(model_count(world->model, KIND_EVENT), 2);

    engine_stop(&world->engine);
    wait_for(world, is_failed, 5000);
    assert_int_equal(model_count(world->model, KIND_CONTAINER), 2); /* stale, not gone */
    web->there = false;
    run_for(&world->loop, 50);
    engine_listen(&world->engine);
    int64_t before = clock_mono_ms();
    wait_for(world, is_ok, 25000);
    print_message("the Engine was found again after %d ms\n", (int)(clock_mono_ms() - before));
    assert_int_equal(model_count(world->model, KIND_CONTAINER), 1);
    /* It is asked from a little before the last event on, and repeats it. */
    assert_string_equal(world->since, "1795507998.000000005");
    event(world, web, "unpause", NOW_NS + 5);
    event(world, web, "stop", NOW_NS + 7);
    run_for(&world->loop, 100);
    assert_int_equal(model_count(world->model, KIND_EVENT), 3);
}

static void what_happens_before_the_list_is_not_missed(void **state)
{
    struct world *world = *state;
    box_add(world, "web", "running");
    begin(world);
    /* The stream opens first; a container comes while the list is on its way. */
    for (int i = 0; i < 2000 && world->events == NULL; i++)
        uv_run(&world->loop, UV_RUN_ONCE);
    struct box *late = box_add(world, "late", "created");
    late->there = true;
    event(world, late, "create", NOW_NS);
    wait_for(world, two_containers, 5000);
    assert_true(told(world, "late", "created", ""));
}

static void ending_in_the_middle_leaves_nothing(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 30; i++)
        box_add(world, "many", "running");
    begin(world);
    for (int i = 0; i < 40; i++) /* wherever that is: teardown looks for what was left */
        uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void names_are_resolved(void **state)
{
    struct world *world = *state;
    char host[64] = "untouched";
    struct error error;
    box_add(world, "web", "running");
    box_add(world, "db", "running");
    begin(world);
    wait_for(world, is_settled, 10000);
    assert_int_equal(collect_resolve(world->model, "nobody", host, sizeof(host), &error), -ENOENT);
    assert_non_null(strstr(error.text, "nobody"));
    assert_string_equal(host, "untouched");
    assert_int_equal(collect_resolve(world->model, "db", host, sizeof(host), &error), 0);
    assert_string_equal(host, "172.30.0.3");
    assert_int_equal(collect_resolve(world->model, "alias-web", host, sizeof(host), &error), 0);
    assert_string_equal(host, "172.30.0.2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_container_is_whole_and_follows_events),
        TEST(an_exit_is_explained_by_what_came_before),
        TEST(a_new_one_appears_and_a_404_goes),
        TEST(many_events_make_few_inspections),
        TEST(garbage_is_a_sentence),
        TEST(no_list_is_a_sentence),
        TEST(a_500_is_a_sentence),
        TEST(too_much_is_a_sentence),
        TEST(an_old_engine_is_a_sentence),
        TEST(an_engine_that_never_agrees_is_a_sentence),
        TEST(hanging_up_is_a_sentence),
        TEST(no_engine_is_a_sentence),
        TEST(a_newer_engine_gets_its_version),
        TEST(bad_bytes_in_one_name_hide_nothing_else),
        TEST(bad_lines_between_events_are_passed_over),
        TEST(a_restarted_engine_leaves_no_ghost_and_no_double),
        TEST(what_happens_before_the_list_is_not_missed),
        TEST(ending_in_the_middle_leaves_nothing),
        TEST(names_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
