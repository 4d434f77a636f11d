#include "remote_world.h"

#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct world world;
static char dir[64];

static int setup(void **state)
{
    struct error error = {0};
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/hemma-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    setenv("XDG_RUNTIME_DIR", dir, 1);
    setenv("SHELL", "/bin/sh", 1);
    world_init(&world);
    world.remote = remote_local_new(&world.loop, &world_events, &world, &error);
    return world.remote != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    char path[96];
    (void)state;
    world_done(&world);
    snprintf(path, sizeof(path), "%s/hemma-top", dir);
    rmdir(path);
    return rmdir(dir); /* fails when something was left behind */
}

static void test_up_at_once(void **state)
{
    (void)state;
    assert_int_equal(remote_status(world.remote)->state, REMOTE_CONNECTING);
    uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_int_equal(world.status.state, REMOTE_UP);
    assert_string_equal(world.status.transport, "local");
    assert_true(world.status.rtt_ms == 0);
}

static void test_exec(void **state)
{
    (void)state;
    struct stream *stream = world_exec(&world, "cat; echo err >&2; exit 7");
    assert_int_equal(write(stream->fd, "in", 2), 2);
    shutdown(stream->fd, SHUT_WR);
    world_until(&world, stream->ended && stream->eof, 2000);
    assert_true(stream->opened);
    assert_string_equal(stream_text(&stream->in), "in");
    assert_string_equal(stream_text(&stream->errors), "err\n");
    assert_int_equal(stream->end.error.code, 0);
    assert_int_equal(stream->end.exit_status, 7);
    assert_string_equal(stream->end.signal, "");
}

static void test_signal(void **state)
{
    (void)state;
    struct stream *stream = world_exec(&world, "kill -KILL $$");
    world_until(&world, stream->ended, 2000);
    assert_int_equal(stream->end.exit_status, -1);
    assert_string_equal(stream->end.signal, "KILL");
}

static bool is_alive(const char *pid_text)
{
    int pid = (int)strtol(pid_text, NULL, 10);
    assert_true(pid > 1);
    return kill(pid, 0) == 0;
}

/* The shell and what it started; also one that does not want to go. */
static void close_kills(const char *command)
{
    struct stream *stream = world_exec(&world, command);
    world_until(&world, strchr(stream_text(&stream->in), '\n') != NULL, 2000);
    assert_true(is_alive(stream->in.data));
    channel_cancel(stream->channel);
    world_until(&world, !is_alive(stream->in.data), 5000);
    assert_false(stream->ended); /* not called any more */
}

static void test_close_kills_group(void **state)
{
    (void)state;
    close_kills("sleep 100 & echo $!; wait");
}

static void test_close_kills_stubborn(void **state)
{
    (void)state;
    close_kills("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done'");
}

static int listen_tcp(int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

/* Half-close both ways: we end first, the server answers after that. */
static void half_close(struct stream *stream, int listener)
{
    struct stream *server = stream_make(&world);
    assert_int_equal(write(stream->fd, "ask", 3), 3);
    shutdown(stream->fd, SHUT_WR);
    world_until(&world, stream->opened, 2000);
    server->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server->fd >= 0);
    world_until(&world, server->eof, 2000);
    assert_string_equal(stream_text(&server->in), "ask");
    assert_false(stream->eof);
    assert_int_equal(write(server->fd, "answer", 6), 6);
    stream_hang_up(server);
    world_until(&world, stream->eof && stream->ended, 2000);
    assert_string_equal(stream_text(&stream->in), "answer");
    assert_int_equal(stream->end.error.code, 0);
}

static void test_tcp(void **state)
{
    int port;
    char address[64];
    (void)state;
    int listener = listen_tcp(&port);
    snprintf(address, sizeof(address), "tcp:localhost:%d", port);
    half_close(world_stream(&world, address), listener);
    close(listener);
    struct stream *refused = world_stream(&world, address);
    world_until(&world, refused->ended, 2000);
    assert_false(refused->opened);
    assert_int_equal(refused->end.error.code, -ECONNREFUSED);
    assert_non_null(strstr(refused->end.error.text, "localhost"));
}

static int listen_unix(char *ret_path, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(ret_path, size, "%s/s", dir);
    memcpy(name.sun_path, ret_path, strlen(ret_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void test_unix(void **state)
{
    char path[96], address[128];
    (void)state;
    int listener = listen_unix(path, sizeof(path));
    snprintf(address, sizeof(address), "unix:%s", path);
    half_close(world_stream(&world, address), listener);
    close(listener);
    unlink(path);
    struct stream *missing = world_stream(&world, address);
    world_until(&world, missing->ended, 2000);
    assert_int_equal(missing->end.error.code, -ENOENT);
}

static void test_bad_address(void **state)
{
    (void)state;
    struct stream *stream = world_stream(&world, "nonsense");
    assert_false(stream->ended); /* not from within the call */
    world_until(&world, stream->ended && stream->eof, 1000);
    assert_int_equal(stream->end.error.code, -EINVAL);
    stream = world_stream(&world, "docker://shared-postgres:5432");
    world_until(&world, stream->ended, 1000);
    assert_int_equal(stream->end.error.code, -EHOSTUNREACH); /* no resolver */
}

static int resolve(void *ctx, const char *name, char *ret_host, size_t size, struct error *error)
{
    (void)ctx;
    if (strcmp(name, "shared-postgres") != 0)
        return error_set(error, -ENOENT, "no container %s", name);
    snprintf(ret_host, size, "127.0.0.1");
    return 0;
}

static void test_resolver(void **state)
{
    int port;
    char address[64];
    (void)state;
    int listener = listen_tcp(&port);
    remote_set_resolver(world.remote, resolve, NULL);
    snprintf(address, sizeof(address), "docker://shared-postgres:%d", port);
    half_close(world_stream(&world, address), listener);
    close(listener);
    struct stream *unknown = world_stream(&world, "docker://other:1");
    world_until(&world, unknown->ended, 1000);
    assert_string_equal(unknown->end.error.text, "no container other");
}

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? fd : -1;
}

static void test_forward(void **state)
{
    (void)state;
    struct forward *forward = forward_new(world.remote, "exec:cat", NULL);
    assert_non_null(forward);
    struct stream *stream = stream_make(&world);
    stream->fd = connect_unix(forward_path(forward));
    assert_int_equal(write(stream->fd, "echo", 4), 4);
    shutdown(stream->fd, SHUT_WR);
    world_until(&world, stream->eof, 2000);
    assert_string_equal(stream_text(&stream->in), "echo");
    assert_int_equal(forward_error(forward)->code, 0);
    assert_int_equal(forward_refused(forward), 0);
    forward_free(forward);
}

/* Another process of the same user: its connection is closed without a byte, and counted. */
static void test_forward_refuses_others(void **state)
{
    int status;
    (void)state;
    struct forward *forward = forward_new(world.remote, "exec:echo secret", NULL);
    const char *path = forward_path(forward);
    pid_t pid = fork();
    if (pid == 0) {
        char data[16];
        int fd = connect_unix(path);
        /* A reset is as good as an end: what counts is that nothing came. */
        _exit(fd < 0 ? 2 : read(fd, data, sizeof(data)) > 0 ? 1 : 0);
    }
    world_until(&world, waitpid(pid, &status, WNOHANG) == pid, 3000);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(forward_refused(forward), 1);
    forward_free(forward);
}

static void test_forward_error(void **state)
{
    (void)state;
    struct forward *forward = forward_new(world.remote, "unix:/no/such/socket", NULL);
    struct stream *stream = stream_make(&world);
    stream->fd = connect_unix(forward_path(forward));
    world_until(&world, stream->eof, 2000);
    assert_int_equal(forward_error(forward)->code, -ENOENT);
    assert_null(forward_new(world.remote, "nonsense", NULL));
    /* It is freed with the remote. */
}

static void test_bulk(void **state)
{
    enum { SIZE = 8 << 20 };
    (void)state;
    char *data = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 31 + i / 997);
    int port;
    char address[64];
    int listener = listen_tcp(&port);
    snprintf(address, sizeof(address), "tcp:127.0.0.1:%d", port);
    struct stream *stream = world_stream(&world, address);
    world_until(&world, stream->opened, 2000);
    struct stream *server = stream_make(&world);
    server->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    size_t sent = 0;
    while (sent < SIZE || server->in.len < SIZE) {
        ssize_t len = send(stream->fd, data + sent, SIZE - sent, MSG_DONTWAIT);
        sent += len > 0 ? (size_t)len : 0;
        world_turn(&world);
    }
    assert_memory_equal(server->in.data, data, SIZE);
    free(data);
    close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_up_at_once),
        TEST(test_exec),
        TEST(test_signal),
        TEST(test_close_kills_group),
        TEST(test_close_kills_stubborn),
        TEST(test_tcp),
        TEST(test_unix),
        TEST(test_bad_address),
        TEST(test_resolver),
        TEST(test_forward),
        TEST(test_forward_refuses_others),
        TEST(test_forward_error),
        TEST(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
