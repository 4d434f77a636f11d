/* client/http: GET over a Unix socket, against a server that misbehaves on purpose. */
#include "tests/unit/fake_engine.h"

#include <errno.h>
#include <signal.h>

#include "client/http.h"

struct world {
    uv_loop_t loop;
    struct engine engine;
    struct http *http;
    struct http_request *request;
    struct engine_conn *conn; /* of the last request */
    int done_count;
    bool done;
    struct error error;
    int status;
    struct buf body, pieces;
    bool cancel_in_data;
};

static void on_done(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->done_count++;
    world->done = true;
    world->request = NULL;
    world->error = result->error;
    world->status = result->status;
    buf_clear(&world->body);
    buf_add(&world->body, result->body, result->len);
    assert_int_equal(result->body[result->len], 0);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct world *world = ctx;
    buf_add(&world->pieces, data, len);
    if (world->cancel_in_data) {
        http_cancel(world->request);
        world->request = NULL;
        world->done = true;
    }
}

static struct http_request *get(struct world *world, const char *path, int timeout_ms, size_t max,
                                bool stream)
{
    struct http_options options = {
        .socket = world->engine.path,
        .path = path,
        .peer = "The fake engine",
        .timeout_ms = timeout_ms,
        .max = max,
        .data = stream ? on_data : NULL,
        .done = on_done,
        .ctx = world,
    };
    world->done = false;
    world->request = http_get(world->http, &options);
    assert_non_null(world->request);
    return world->request;
}

/* --- what the server does, by path */

static void answer(void *ctx, struct engine_conn *conn, const char *path)
{
    struct world *world = ctx;
    world->conn = conn;
    if (strcmp(path, "/ok") == 0) {
        engine_answer(conn, 200, "hello", 5);
    } else if (strcmp(path, "/nul") == 0) {
        engine_answer(conn, 200, "a\0b", 3);
    } else if (strcmp(path, "/500") == 0) {
        engine_answer(conn, 500, "{\"message\":\"out of cheese\"}", 27);
    } else if (strcmp(path, "/redirect") == 0) {
        static const char text[] = "HTTP/1.1 302 Go\r\nLocation: http://localhost/ok\r\n"
                                   "Content-Length: 0\r\n\r\n";
        engine_send(conn, text, strlen(text));
    } else if (strcmp(path, "/garbage") == 0) {
        engine_send(conn, "\x16\x03\x01\x02\n\n\n\n", 8);
        engine_close(conn);
    } else if (strcmp(path, "/empty") == 0) {
        engine_close(conn);
    } else if (strcmp(path, "/half") == 0) {
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
        engine_send(conn, text, strlen(text));
        engine_close(conn); /* what was sent arrives before */
    } else if (strcmp(path, "/huge") == 0) {
        char *text = malloc(200000);
        memset(text, 'x', 200000);
        engine_answer(conn, 200, text, 200000);
        free(text);
    } else if (strcmp(path, "/headers") == 0) {
        engine_send(conn, "HTTP/1.1 200 OK\r\n", 17);
        for (int i = 0; i < 10000; i++)
            engine_send(conn, "X-More: and more and more\r\n", 27);
    } else if (strcmp(path, "/stream") == 0) {
        engine_stream(conn);
        engine_piece(conn, "one\n", 4);
    } /* "/silence": nothing */
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&world->loop);
    engine_start(&world->engine, &world->loop, answer, world);
    buf_init(&world->body, 1 << 20);
    buf_init(&world->pieces, 1 << 20);
    world->http = http_new(&world->loop);
    *state = world;
    return world->http == NULL;
}

static int teardown(void **state)
{
    struct world *world = *state;
    http_free(world->http);
    engine_stop(&world->engine);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&world->loop); /* a handle that was left open says EBUSY */
    buf_done(&world->body);
    buf_done(&world->pieces);
    free(world);
    return busy;
}

static void run(struct world *world, const char *path)
{
    get(world, path, 2000, 65536, false);
    assert_true(run_until(&world->loop, &world->done, 5000));
}

static void a_body_comes_whole(void **state)
{
    struct world *world = *state;
    run(world, "/ok");
    assert_int_equal(world->error.code, 0);
    assert_int_equal(world->status, 200);
    assert_string_equal(world->body.data, "hello");
    run(world, "/nul");
    assert_int_equal(world->body.len, 3);
}

static void connections_are_used_again(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 5; i++)
        run(world, "/ok");
    assert_int_equal(world->engine.requests, 5);
    assert_int_equal(world->engine.accepted, 1);
    /* And one that the server closed meanwhile is replaced without anybody noticing. */
    engine_close(world->conn);
    run_for(&world->loop, 20);
    run(world, "/ok");
    assert_int_equal(world->error.code, 0);
    assert_int_equal(world->engine.accepted, 2);
}

static void a_status_is_no_error(void **state)
{
    struct world *world = *state;
    run(world, "/500");
    assert_int_equal(world->error.code, 0);
    assert_int_equal(world->status, 500);
    assert_non_null(strstr(world->body.data, "out of cheese"));
}

static void redirects_and_proxies_are_not_followed(void **state)
{
    struct world *world = *state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    run(world, "/redirect");
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(world->error.code, 0);
    assert_int_equal(world->status, 302);
    assert_int_equal(world->engine.requests, 1);
}

static void failure_is(struct world *world, const char *path, int code, const char *words)
{
    run(world, path);
    if (world->error.code != code || strstr(world->error.text, words) == NULL)
        fail_msg("%s: %d %s", path, world->error.code, world->error.text);
    assert_non_null(strstr(world->error.text, "The fake engine"));
}

static void failures_are_sentences(void **state)
{
    struct world *world = *state;
    failure_is(world, "/empty", -ECONNRESET, "closed the connection without an answer");
    failure_is(world, "/half", -ECONNRESET, "in the middle");
    failure_is(world, "/garbage", -EPROTO, "HTTP");
    failure_is(world, "/huge", -EMSGSIZE, "more than 64 KiB");
    failure_is(world, "/headers", -EPROTO, "too many headers");
    engine_stop(&world->engine);
    failure_is(world, "/ok", -ECONNREFUSED, "cannot be connected to");
}

static void silence_ends_after_its_time(void **state)
{
    struct world *world = *state;
    int64_t before = clock_mono_ms();
    get(world, "/silence?a=secret", 300, 65536, false);
    assert_true(run_until(&world->loop, &world->done, 5000));
    assert_int_equal(world->error.code, -ETIMEDOUT);
    assert_true(clock_mono_ms() - before >= 290);
    assert_null(strstr(world->error.text, "secret")); /* the query says nothing to a reader */
}

static void a_stream_comes_in_pieces(void **state)
{
    struct world *world = *state;
    bool never = false;
    get(world, "/stream", 100, 65536, true); /* the timeout is not for streams */
    run_until(&world->loop, &never, 300);
    assert_int_equal(world->done_count, 0);
    assert_string_equal(world->pieces.data, "one\n");
    engine_piece(world->conn, "two\n", 4);
    run_until(&world->loop, &never, 50);
    assert_string_equal(world->pieces.data, "one\ntwo\n");
    engine_send(world->conn, "0\r\n\r\n", 5);
    assert_true(run_until(&world->loop, &world->done, 2000));
    assert_int_equal(world->error.code, 0);
    assert_int_equal(world->body.len, 0);
}

static void a_stream_that_is_refused_has_a_body(void **state)
{
    struct world *world = *state;
    get(world, "/500", 100, 65536, true);
    assert_true(run_until(&world->loop, &world->done, 2000));
    assert_int_equal(world->status, 500);
    assert_int_equal(world->pieces.len, 0);
    assert_non_null(strstr(world->body.data, "out of cheese"));
}

static void cancelling_is_silent(void **state)
{
    struct world *world = *state;
    world->cancel_in_data = true; /* from within its own callback */
    get(world, "/stream", 100, 65536, true);
    assert_true(run_until(&world->loop, &world->done, 2000));
    get(world, "/silence", 100, 65536, false);
    http_cancel(world->request);
    run_for(&world->loop, 250);
    assert_int_equal(world->done_count, 0);
}

static void freeing_ends_all(void **state)
{
    struct world *world = *state;
    get(world, "/silence", 10000, 65536, false);
    get(world, "/stream", 10000, 65536, true);
    run_for(&world->loop, 50);
    http_free(world->http);
    world->http = NULL;
    run_for(&world->loop, 50);
    assert_int_equal(world->done_count, 0);
    assert_null(world->engine.conns); /* closed, not only forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_comes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_status_is_no_error, setup, teardown),
        cmocka_unit_test_setup_teardown(redirects_and_proxies_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_sentences, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_ends_after_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_comes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_is_refused_has_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelling_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(freeing_ends_all, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
