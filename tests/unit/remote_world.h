/* For tests of src/remote/: a loop with one remote on it, what it told, and streams to read from.
 */
#ifndef TESTS_UNIT_REMOTE_WORLD_H
#define TESTS_UNIT_REMOTE_WORLD_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "remote/remote.h"

#define WORLD_STREAMS 32

/* One channel of a test, with the end of the socketpair that the test keeps. */
struct stream {
    struct channel *channel;
    int fd, error_fd;
    bool opened, ended, eof;
    int64_t ended_at; /* ms */
    struct channel_end end;
    struct buf in, errors;
};

struct world {
    uv_loop_t loop;
    uv_timer_t tick;
    struct remote *remote;
    struct remote_status status; /* the last one told */
    int64_t lost_at;             /* ms, of the last change to LOST */
    int asked;
    struct remote_question question;
    const char *answer; /* given at once; NULL: the question stays open */
    char notices[2048];
    struct stream streams[WORLD_STREAMS];
    int stream_count;
    int open_at_lost; /* streams that had not ended when LOST was told */
};

static inline int count_entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static inline void world_changed(void *ctx, const struct remote_status *status)
{
    struct world *world = ctx;
    if (status->state == REMOTE_LOST && world->status.state != REMOTE_LOST) {
        world->lost_at = clock_mono_ms();
        world->open_at_lost = 0;
        for (int i = 0; i < world->stream_count; i++)
            world->open_at_lost += !world->streams[i].ended;
    }
    world->status = *status;
}

static inline void world_asked(void *ctx, const struct remote_question *question)
{
    struct world *world = ctx;
    world->asked++;
    world->question = *question;
    if (world->answer != NULL)
        remote_answer(world->remote, world->answer);
}

static inline void world_noticed(void *ctx, const char *text)
{
    struct world *world = ctx;
    size_t len = strlen(world->notices);
    snprintf(world->notices + len, sizeof(world->notices) - len, "%s\n", text);
}

static const struct remote_events world_events = {
    .changed = world_changed,
    .asked = world_asked,
    .noticed = world_noticed,
};

static inline void world_init(struct world *world)
{
    signal(SIGPIPE, SIG_IGN);
    *world = (struct world){0};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    uv_timer_init(&world->loop, &world->tick);
}

static inline void world_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline void stream_read(int fd, struct buf *buf, bool *eof)
{
    char data[65536];
    ssize_t len;
    while (fd >= 0 && (len = recv(fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
        if (len == 0) {
            *eof = true;
            return;
        }
        buf_add(buf, data, (size_t)len);
    }
    if (fd >= 0 && errno == ECONNRESET)
        *eof = true;
}

/* One turn of the loop, of at most 5 ms. */
static inline void world_turn(struct world *world)
{
    bool ignored;
    uv_update_time(&world->loop);
    uv_timer_start(&world->tick, world_tick, 5, 0);
    uv_run(&world->loop, UV_RUN_ONCE);
    for (int i = 0; i < world->stream_count; i++) {
        struct stream *stream = &world->streams[i];
        stream_read(stream->fd, &stream->in, &stream->eof);
        stream_read(stream->error_fd, &stream->errors, &ignored);
    }
}

/* Turns until the condition holds, or fails the test after so many milliseconds. */
#define world_until(world, condition, ms)                                                          \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + (ms);                                                   \
        bool met_;                                                                                 \
        while (!(met_ = (condition)) && clock_mono_ms() < until_)                                  \
            world_turn(world);                                                                     \
        if (!met_)                                                                                 \
            fail_msg("not within %d ms: %s (state %d, error %d: %s)", (int)(ms), #condition,       \
                     (int)(world)->status.state, (world)->status.error.code,                       \
                     (world)->status.error.text);                                                  \
    } while (0)

static inline void stream_opened(void *ctx, struct channel *channel)
{
    struct stream *stream = ctx;
    (void)channel;
    stream->opened = true;
}

static inline void stream_ended(void *ctx, struct channel *channel, const struct channel_end *end)
{
    struct stream *stream = ctx;
    (void)channel;
    assert_false(stream->ended);
    stream->ended = true;
    stream->ended_at = clock_mono_ms();
    stream->end = *end;
    stream->channel = NULL;
}

static const struct channel_events stream_events = {
    .opened = stream_opened,
    .ended = stream_ended,
};

static inline struct stream *stream_make(struct world *world)
{
    assert_true(world->stream_count < WORLD_STREAMS);
    struct stream *stream = &world->streams[world->stream_count++];
    *stream = (struct stream){.fd = -1, .error_fd = -1};
    buf_init(&stream->in, 64 << 20);
    buf_init(&stream->errors, 64 << 20);
    return stream;
}

static inline int stream_pair(int *ret_mine)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *ret_mine = pair[1];
    return pair[0];
}

static inline struct stream *world_stream(struct world *world, const char *address)
{
    struct stream *stream = stream_make(world);
    int theirs = stream_pair(&stream->fd);
    stream->channel = remote_stream(world->remote, address, theirs, &stream_events, stream);
    assert_non_null(stream->channel);
    return stream;
}

/* With standard error apart. */
static inline struct stream *world_exec(struct world *world, const char *command)
{
    struct stream *stream = stream_make(world);
    int theirs = stream_pair(&stream->fd);
    int theirs_error = stream_pair(&stream->error_fd);
    stream->channel =
        remote_exec(world->remote, command, theirs, theirs_error, &stream_events, stream);
    assert_non_null(stream->channel);
    return stream;
}

static inline void stream_hang_up(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->error_fd >= 0)
        close(stream->error_fd);
    stream->fd = stream->error_fd = -1;
}

static inline const char *stream_text(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

static inline void world_drop_streams(struct world *world)
{
    for (int i = 0; i < world->stream_count; i++) {
        stream_hang_up(&world->streams[i]);
        buf_done(&world->streams[i].in);
        buf_done(&world->streams[i].errors);
    }
    world->stream_count = 0;
}

/* Frees the remote, empties the loop. Returns how long remote_free() took, in ms. */
static inline int64_t world_done(struct world *world)
{
    int64_t start = clock_mono_ms();
    remote_free(world->remote);
    int64_t took = clock_mono_ms() - start;
    world->remote = NULL;
    uv_close((uv_handle_t *)&world->tick, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    world_drop_streams(world);
    return took;
}

#endif
