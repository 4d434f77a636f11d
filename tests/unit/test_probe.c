/* client/probe: the probe shell, under every sh there is, over the local transport. */
#include "tests/unit/fake_engine.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/probe.h"

static char shell_dir[64]; /* first in PATH; its `sh` is the shell under test */

struct got {
    struct world *world;
    bool done;
    struct error error;
    char text[8192];
    size_t len;
    uint64_t dropped;
    int order;
};

struct world {
    uv_loop_t loop;
    struct remote *remote;
    struct probe *probe;
    bool all_done;
    int answers, wanted;
    struct got gots[80];
};

static void on_answer(void *ctx, const struct probe_answer *answer)
{
    struct got *got = ctx;
    assert_false(got->done); /* exactly once */
    assert_true(answer->len < sizeof(got->text));
    got->done = true;
    got->error = answer->error;
    memcpy(got->text, answer->text, answer->len + 1);
    got->len = answer->len;
    got->dropped = answer->dropped;
    got->order = got->world->answers++;
    got->world->all_done = got->world->answers == got->world->wanted;
}

static struct got *ask(struct world *world, const struct probe_script *script)
{
    struct got *got = &world->gots[world->wanted++];
    *got = (struct got){.world = world};
    world->all_done = false;
    assert_int_equal(probe_ask(world->probe, script, on_answer, got), 0);
    return got;
}

static void wait_all(struct world *world)
{
    if (!run_until(&world->loop, &world->all_done, 20000))
        fail_msg("%d answers of %d", world->answers, world->wanted);
}

static struct error lost_error;

static void world_begin(struct world *world, const char *shell)
{
    char name[96];
    snprintf(name, sizeof(name), "%s/sh", shell_dir);
    unlink(name);
    assert_int_equal(symlink(shell, name), 0);
    uv_loop_init(&world->loop);
    static const struct remote_events events = {NULL, NULL, NULL};
    world->remote = remote_local_new(&world->loop, &events, NULL, &lost_error);
    assert_non_null(world->remote);
    world->probe = probe_new(&world->loop, world->remote);
    while (remote_status(world->remote)->state != REMOTE_UP)
        uv_run(&world->loop, UV_RUN_ONCE);
    probe_link(world->probe, true);
}

static void world_end(struct world *world)
{
    probe_free(world->probe);
    run_for(&world->loop, 20);
    remote_free(world->remote);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

#define SCRIPT(variable, ms, ceiling, ...)                                                         \
    static const struct probe_script variable = {                                                  \
        .name = #variable, .timeout_ms = ms, .max = ceiling, .text = __VA_ARGS__}

SCRIPT(hello, 5000, 100, "echo hello\n");
SCRIPT(nothing, 5000, 100, ":\n");
SCRIPT(no_newline, 5000, 100, "printf abc\n");
SCRIPT(noisy, 5000, 100, "echo wrong >&2; ls /does/not/exist; echo right\n");
SCRIPT(reader, 5000, 100, "cat; echo end\n");
SCRIPT(language, 5000, 1000, "echo $LC_ALL $GIT_OPTIONAL_LOCKS; command -v awk\n");
SCRIPT(much, 20000, 1000, "awk 'BEGIN { for (i = 0; i < 100000; i++) print \"line \" i }'\n");
SCRIPT(binary, 5000, 100, "printf 'a\\000b'\n");
SCRIPT(hang, 300, 100, "echo before; sleep 1000\n");
SCRIPT(suicide, 5000, 100, "kill -KILL $$\n");
SCRIPT(pid, 5000, 100, "echo $$\n");

static void check_shell(const char *shell)
{
    struct world *world = calloc(1, sizeof(*world));
    if (access(shell, X_OK) != 0) {
        free(world);
        fail_msg("%s is needed for this test", shell);
    }
    world_begin(world, shell);
    struct got *a = ask(world, &hello), *b = ask(world, &nothing), *c = ask(world, &no_newline);
    struct got *d = ask(world, &noisy), *e = ask(world, &reader), *f = ask(world, &language);
    struct got *g = ask(world, &much), *h = ask(world, &binary), *i = ask(world, &hello);
    wait_all(world);
    assert_string_equal(a->text, "hello\n");
    assert_string_equal(b->text, "");
    assert_string_equal(c->text, "abc");
    assert_string_equal(d->text, "right\n");
    assert_string_equal(e->text, "end\n");
    assert_memory_equal(f->text, "C 0\n/", 5);
    assert_int_equal(g->len, 1000); /* and the rest is counted: 10 of 7 bytes, 90 of 8, ... */
    assert_int_equal(g->len + g->dropped, 10 * 7 + 90 * 8 + 900 * 9 + 9000 * 10 + 90000 * 11);
    assert_memory_equal(g->text, "line 0\nline 1\n", 14);
    assert_string_equal(h->text, "a");
    assert_string_equal(i->text, "hello\n");
    for (int n = 0; n < world->wanted; n++) {
        assert_int_equal(world->gots[n].error.code, 0);
        assert_int_equal(world->gots[n].order, n);
    }
    world_end(world);
    free(world);
}

static void dash_answers(void **state)
{
    (void)state;
    check_shell("/usr/bin/dash");
}

static void bash_answers(void **state)
{
    (void)state;
    check_shell("/usr/bin/bash");
}

static void busybox_answers(void **state)
{
    (void)state;
    check_shell("/usr/bin/busybox");
}

static void one_that_hangs_fails_alone(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/sh");
    struct got *first = ask(world, &hello);
    wait_all(world);
    struct got *bad = ask(world, &hang), *good = ask(world, &hello), *more = ask(world, &nothing);
    wait_all(world);
    assert_int_equal(first->error.code, 0);
    assert_int_equal(bad->error.code, -ETIMEDOUT);
    assert_non_null(strstr(bad->error.text, "hang"));
    assert_string_equal(bad->text, "");
    assert_int_equal(good->error.code, 0);
    assert_string_equal(good->text, "hello\n");
    assert_int_equal(more->error.code, 0);
    world_end(world);
    free(world);
}

static void one_that_kills_the_shell_fails_alone(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/sh");
    ask(world, &hello);
    wait_all(world);
    struct got *bad = ask(world, &suicide), *good = ask(world, &hello);
    wait_all(world);
    assert_int_equal(bad->error.code, -ECONNRESET);
    assert_non_null(strstr(bad->error.text, "died twice"));
    assert_int_equal(good->error.code, 0);
    world_end(world);
    free(world);
}

static void no_shell_is_a_sentence(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/false");
    struct got *a = ask(world, &hello), *b = ask(world, &hello);
    wait_all(world);
    assert_int_equal(a->error.code, -ECONNRESET);
    assert_int_equal(b->error.code, -ECONNRESET);
    assert_non_null(strstr(a->error.text, "login shell"));
    world_end(world);
    free(world);
}

static void a_lost_link_fails_all_and_a_new_one_answers(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/sh");
    struct got *a = ask(world, &hang), *b = ask(world, &hello);
    probe_link(world->probe, false);
    assert_true(world->all_done);
    assert_int_equal(a->error.code, -ENOTCONN);
    assert_int_equal(b->error.code, -ENOTCONN);
    assert_int_equal(probe_ask(world->probe, &hello, on_answer, NULL), -ENOTCONN);
    probe_link(world->probe, true);
    struct got *c = ask(world, &hello);
    wait_all(world);
    assert_string_equal(c->text, "hello\n");
    world_end(world);
    free(world);
}

static void too_many_are_refused_and_forgotten_ones_are_silent(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/sh");
    struct got *forgotten = ask(world, &hello);
    while (probe_ask(world->probe, &hello, on_answer, forgotten) == 0)
        ;
    assert_int_equal(probe_ask(world->probe, &hello, on_answer, forgotten), -ENOBUFS);
    probe_forget(world->probe, forgotten);
    run_for(&world->loop, 300);
    assert_int_equal(world->answers, 0);
    world->wanted = 0;
    assert_string_equal((ask(world, &hello), wait_all(world), world->gots[0].text), "hello\n");
    world_end(world);
    free(world);
}

/* Gone, or dead and only not yet collected by its new parent. */
static bool is_gone(int process)
{
    char path[64], line[256], process_state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", process);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true;
    const char *after = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
    if (after != NULL)
        process_state = after[2];
    fclose(file);
    return process_state == 'Z';
}

static bool goes_within(int process, int ms)
{
    int64_t end = clock_mono_ms() + ms;
    while (!is_gone(process) && clock_mono_ms() < end)
        usleep(5000);
    return is_gone(process);
}

static int pid_of_shell(struct world *world)
{
    struct got *got = ask(world, &pid);
    wait_all(world);
    int process = (int)strtol(got->text, NULL, 10);
    assert_true(process > 1 && !is_gone(process));
    return process;
}

static void freeing_leaves_no_orphan(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    (void)state;
    world_begin(world, "/bin/sh");
    int process = pid_of_shell(world);
    world_end(world);
    free(world);
    assert_true(goes_within(process, 5000));
}

static void being_killed_leaves_no_orphan(void **state)
{
    int fds[2], process = 0;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct world *world = calloc(1, sizeof(*world));
        world_begin(world, "/bin/sh");
        process = pid_of_shell(world);
        if (write(fds[1], &process, sizeof(process)) != sizeof(process))
            _exit(1);
        run_for(&world->loop, 60000);
        _exit(1);
    }
    assert_int_equal(read(fds[0], &process, sizeof(process)), sizeof(process));
    close(fds[0]);
    close(fds[1]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(goes_within(process, 5000));
}

static int setup_all(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    char path[4096];
    snprintf(shell_dir, sizeof(shell_dir), "/tmp/hemma-test-sh-%d", (int)getpid());
    snprintf(path, sizeof(path), "%s:%s", shell_dir, getenv("PATH"));
    setenv("PATH", path, 1);
    setenv("SHELL", "/bin/sh", 1);
    return mkdir(shell_dir, 0700);
}

static int teardown_all(void **state)
{
    char name[96];
    (void)state;
    snprintf(name, sizeof(name), "%s/sh", shell_dir);
    unlink(name);
    return rmdir(shell_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dash_answers),
        cmocka_unit_test(bash_answers),
        cmocka_unit_test(busybox_answers),
        cmocka_unit_test(one_that_hangs_fails_alone),
        cmocka_unit_test(one_that_kills_the_shell_fails_alone),
        cmocka_unit_test(no_shell_is_a_sentence),
        cmocka_unit_test(a_lost_link_fails_all_and_a_new_one_answers),
        cmocka_unit_test(too_many_are_refused_and_forgotten_ones_are_silent),
        cmocka_unit_test(freeing_leaves_no_orphan),
        cmocka_unit_test(being_killed_leaves_no_orphan),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
