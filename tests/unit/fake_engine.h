/* A test double of an HTTP server such as the Docker Engine: an AF_UNIX socket on the test's own
 * loop, whose answers the test writes byte by byte. It can do what no real Engine would. */
#ifndef TESTS_UNIT_FAKE_ENGINE_H
#define TESTS_UNIT_FAKE_ENGINE_H

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"

struct engine;

struct engine_conn {
    uv_pipe_t pipe;
    struct engine *engine;
    struct engine_conn *next;
    struct buf in;
    bool closing;
};

struct engine {
    uv_loop_t *loop;
    uv_pipe_t *listener;
    char path[108];
    /* Called for each request: answer with engine_send() and engine_close(), now or later. */
    void (*answer)(void *ctx, struct engine_conn *conn, const char *path);
    void *ctx;
    int accepted, requests;
    struct engine_conn *conns;
};

static inline void engine_conn_free(uv_handle_t *handle)
{
    struct engine_conn *conn = handle->data;
    struct engine_conn **at = &conn->engine->conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    buf_done(&conn->in);
    free(conn);
}

static inline void engine_close(struct engine_conn *conn)
{
    if (!conn->closing)
        uv_close((uv_handle_t *)&conn->pipe, engine_conn_free);
    conn->closing = true;
}

static inline void engine_sent(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
    free(write);
}

static inline void engine_send(struct engine_conn *conn, const void *data, size_t len)
{
    uv_write_t *write = calloc(1, sizeof(*write));
    write->data = malloc(len + 1);
    memcpy(write->data, data, len);
    uv_buf_t buf = uv_buf_init(write->data, (unsigned)len);
    if (uv_write(write, (uv_stream_t *)&conn->pipe, &buf, 1, engine_sent) < 0)
        engine_sent(write, 0);
}

/* A whole answer with its length. */
static inline void engine_answer(struct engine_conn *conn, int status, const char *body, size_t len)
{
    char head[128];
    snprintf(head, sizeof(head),
             "HTTP/1.1 %d Fake\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             status, len);
    engine_send(conn, head, strlen(head));
    engine_send(conn, body, len);
}

/* The head of a stream, and a piece of it. */
static inline void engine_stream(struct engine_conn *conn)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    engine_send(conn, head, strlen(head));
}
static inline void engine_piece(struct engine_conn *conn, const char *data, size_t len)
{
    char size[32];
    snprintf(size, sizeof(size), "%zx\r\n", len);
    engine_send(conn, size, strlen(size));
    engine_send(conn, data, len);
    engine_send(conn, "\r\n", 2);
}

static inline void engine_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(malloc(size), (unsigned)size);
}

static inline void engine_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct engine_conn *conn = stream->data;
    if (n > 0)
        buf_add(&conn->in, buf->base, (size_t)n);
    free(buf->base);
    if (n < 0) {
        engine_close(conn);
        return;
    }
    char *end;
    while (conn->in.len > 0 && (end = strstr(conn->in.data, "\r\n\r\n")) != NULL) {
        char path[1024] = "";
        sscanf(conn->in.data, "GET %1023s HTTP/1.1", path);
        buf_consume(&conn->in, (size_t)(end + 4 - conn->in.data));
        conn->engine->requests++;
        conn->engine->answer(conn->engine->ctx, conn, path);
    }
}

static inline void engine_accept(uv_stream_t *server, int status)
{
    struct engine *engine = server->data;
    struct engine_conn *conn = calloc(1, sizeof(*conn));
    (void)status;
    engine->accepted++;
    conn->engine = engine;
    conn->next = engine->conns;
    engine->conns = conn;
    buf_init(&conn->in, 65536);
    uv_pipe_init(engine->loop, &conn->pipe, 0);
    conn->pipe.data = conn;
    uv_accept(server, (uv_stream_t *)&conn->pipe);
    uv_read_start((uv_stream_t *)&conn->pipe, engine_alloc, engine_read);
}

static inline void engine_listen(struct engine *engine)
{
    unlink(engine->path);
    engine->listener = calloc(1, sizeof(*engine->listener));
    uv_pipe_init(engine->loop, engine->listener, 0);
    engine->listener->data = engine;
    assert_int_equal(uv_pipe_bind(engine->listener, engine->path), 0);
    assert_int_equal(uv_listen((uv_stream_t *)engine->listener, 64, engine_accept), 0);
}

static inline void engine_freed(uv_handle_t *handle)
{
    free(handle);
}

/* Nobody listens any more, and all connections end. */
static inline void engine_stop(struct engine *engine)
{
    if (engine->listener != NULL)
        uv_close((uv_handle_t *)engine->listener, engine_freed);
    engine->listener = NULL;
    for (struct engine_conn *conn = engine->conns; conn != NULL; conn = conn->next)
        engine_close(conn);
    unlink(engine->path);
}

static inline void engine_start(struct engine *engine, uv_loop_t *loop,
                                void (*answer)(void *, struct engine_conn *, const char *),
                                void *ctx)
{
    *engine = (struct engine){.loop = loop, .answer = answer, .ctx = ctx};
    snprintf(engine->path, sizeof(engine->path), "/tmp/hemma-test-engine-%d.sock", (int)getpid());
    engine_listen(engine);
}

/* Runs the loop until `*flag`, or for `ms` at most. Returns whether it came. */
static inline void engine_noop(uv_timer_t *timer)
{
    (void)timer;
}
static inline bool run_until(uv_loop_t *loop, const bool *flag, int ms)
{
    int64_t end = clock_mono_ms() + ms;
    uv_timer_t *timer = calloc(1, sizeof(*timer));
    uv_timer_init(loop, timer);
    uv_timer_start(timer, engine_noop, 5, 5); /* so that the loop looks at the flag */
    while (!*flag && clock_mono_ms() < end)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, engine_freed);
    return *flag;
}
static inline void run_for(uv_loop_t *loop, int ms)
{
    bool never = false;
    run_until(loop, &never, ms);
}

/* A file of tests/unit/data, NUL-terminated, on the heap. */
static inline char *read_data(const char *name, size_t *ret_len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", TEST_DATA, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail_msg("no %s", path);
    char *text = malloc(1 << 20);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    text[len] = '\0';
    if (ret_len != NULL)
        *ret_len = len;
    return text;
}

#endif
