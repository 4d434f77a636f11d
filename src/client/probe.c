#include "client/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define REQUESTS_MAX 64
#define START_MS UINT64_C(10000) /* what a new shell may take more: login, profile, a slow link */
#define RESTART_MS 500           /* doubled up to four times */
#define MARK_MAX 64

/* Known tools in a known language; what the login shell set up comes last (NixOS needs it). */
static const char preamble[] =
    "LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH\n"
    "export LC_ALL PATH\n"
    "unset CDPATH ENV\n"
    "GIT_OPTIONAL_LOCKS=0; export GIT_OPTIONAL_LOCKS\n";

struct request {
    TAILQ_ENTRY(request) link;
    const struct probe_script *script;
    probe_answer_fn *answer; /* NULL: forgotten */
    void *ctx;
    unsigned number; /* of its frame */
    bool retried;    /* its shell died once under it */
};
TAILQ_HEAD(request_list, request);

struct probe {
    uv_loop_t *loop;
    struct remote *remote;
    bool up;
    uv_timer_t *timer; /* the first request's deadline; without a shell: when to begin one */
    struct request_list requests;
    size_t n_requests;
    unsigned next_number;
    /* the shell */
    uv_pipe_t *pipe;         /* NULL: none, or its output ended */
    struct channel *channel; /* NULL: none, or it ended */
    struct channel_end end;
    char nonce[33];
    bool answered; /* this shell has answered something */
    int failures;  /* shells in a row that answered nothing */
    /* the answer of the first request */
    bool begun; /* its first mark was seen */
    struct buf in;
    uint64_t dropped;
    int64_t sent_us;
    char chunk[16384];
};

static void shell_begin(struct probe *probe);
static void shell_lost(struct probe *probe);

static void handle_free(uv_handle_t *handle)
{
    free(handle);
}

/* --- requests */

static void request_end(struct probe *probe, const struct probe_answer *answer)
{
    struct request *request = TAILQ_FIRST(&probe->requests);
    TAILQ_REMOVE(&probe->requests, request, link);
    probe->n_requests--;
    if (request->answer != NULL)
        request->answer(request->ctx, answer);
    free(request);
}

static void fail_first(struct probe *probe, const struct error *error)
{
    struct probe_answer answer = {.error = *error, .text = ""};
    request_end(probe, &answer);
}

/* Fails those that are there now, not those that the failing make. */
static void fail_all(struct probe *probe, const struct error *error)
{
    for (size_t n = probe->n_requests; n > 0; n--)
        fail_first(probe, error);
}

static const char *host_of(struct probe *probe)
{
    return remote_status(probe->remote)->address;
}

/* --- the shell's life */

static void pipe_close(struct probe *probe)
{
    if (probe->pipe != NULL)
        uv_close((uv_handle_t *)probe->pipe, handle_free);
    probe->pipe = NULL;
}

/* Closing its input ends it. A command of it that hangs stays until it ends by itself: scripts that
 * could hang bring their own `timeout`. */
static void shell_kill(struct probe *probe)
{
    pipe_close(probe);
    channel_cancel(probe->channel);
    probe->channel = NULL;
}

static void on_deadline(uv_timer_t *timer)
{
    struct probe *probe = timer->data;
    struct request *request = TAILQ_FIRST(&probe->requests);
    struct error error;
    if (request == NULL)
        return;
    error_set(&error, -ETIMEDOUT, "Reading the %s of %s took longer than %d s.",
              request->script->name, host_of(probe), request->script->timeout_ms / 1000);
    shell_kill(probe);
    fail_first(probe, &error);
    if (probe->up && probe->pipe == NULL)
        shell_begin(probe);
}

/* The first request's time begins: it is its turn. */
static void turn(struct probe *probe)
{
    struct request *request = TAILQ_FIRST(&probe->requests);
    probe->begun = false;
    probe->dropped = 0;
    probe->sent_us = clock_mono_us();
    if (request == NULL) {
        uv_timer_stop(probe->timer);
        return;
    }
    uint64_t timeout = (uint64_t)request->script->timeout_ms + (probe->answered ? 0 : START_MS);
    uv_timer_start(probe->timer, on_deadline, timeout, 0);
}

struct write {
    uv_write_t req;
    struct buf text;
};

static void on_written(uv_write_t *req, int status)
{
    struct write *write = (struct write *)req;
    (void)status; /* a broken pipe is noticed by the reading side */
    buf_done(&write->text);
    free(write);
}

static void send_text(struct probe *probe, struct buf *text)
{
    struct write *write = calloc(1, sizeof(*write));
    if (write == NULL || text->dropped > 0) {
        free(write);
        buf_done(text); /* the deadline will tell */
        return;
    }
    write->text = *text;
    uv_buf_t buf = uv_buf_init(write->text.data, (unsigned)write->text.len);
    if (uv_write(&write->req, (uv_stream_t *)probe->pipe, &buf, 1, on_written) < 0)
        on_written(&write->req, 0);
}

static void frame(struct probe *probe, struct buf *text, struct request *request)
{
    request->number = probe->next_number++;
    buf_addf(text, "printf '\\n%%s{%%u\\n' %s %u\n{\n%s} </dev/null 2>/dev/null\n", probe->nonce,
             request->number, request->script->text);
    buf_addf(text, "printf '\\n%%s}%%u\\n' %s %u\n", probe->nonce, request->number);
}

/* --- what the shell says */

static void answer_first(struct probe *probe, size_t len)
{
    size_t max = TAILQ_FIRST(&probe->requests)->script->max;
    if (len > max) {
        probe->dropped += len - max;
        len = max;
    }
    /* The answer leaves the buffer before its receiver may ask anew. */
    struct probe_answer answer = {
        .len = len,
        .dropped = probe->dropped,
        .sent_us = probe->sent_us,
        .answered_us = clock_mono_us(),
    };
    char *text = strndup(probe->in.data, len);
    answer.text = text != NULL ? text : "";
    answer.len = strlen(answer.text); /* a NUL ends it */
    probe->answered = true;
    probe->failures = 0;
    request_end(probe, &answer);
    free(text);
}

/* Takes one step in what has been read; false when more is needed. */
static bool scan(struct probe *probe)
{
    struct request *request = TAILQ_FIRST(&probe->requests);
    if (request == NULL || probe->in.len == 0) {
        buf_clear(&probe->in); /* nothing was asked: noise */
        return false;
    }
    char mark[MARK_MAX];
    int n = snprintf(mark, sizeof(mark), "\n%s%c%u\n", probe->nonce, probe->begun ? '}' : '{',
                     request->number);
    size_t len = (size_t)n;
    char *found = memmem(probe->in.data, probe->in.len, mark, len);
    if (found == NULL) {
        /* Keep the answer up to its ceiling, and the end, where a part of the mark may be. */
        size_t keep = probe->begun ? request->script->max : 0;
        if (probe->in.len > keep + len) {
            size_t excess = probe->in.len - keep - len;
            memmove(probe->in.data + keep, probe->in.data + keep + excess, len);
            probe->in.len = keep + len;
            probe->in.data[probe->in.len] = '\0';
            probe->dropped += probe->begun ? excess : 0;
        }
        return false;
    }
    size_t before = (size_t)(found - probe->in.data);
    if (!probe->begun) {
        probe->begun = true; /* what a profile printed before is no answer */
        buf_consume(&probe->in, before + len);
        return true;
    }
    struct buf rest;
    buf_init(&rest, probe->in.max);
    buf_add(&rest, found + len, probe->in.len - before - len);
    uv_pipe_t *pipe = probe->pipe;
    answer_first(probe, before);
    if (probe->pipe != pipe) { /* the receiver's doing brought another shell, or none */
        buf_done(&rest);
        return false;
    }
    buf_done(&probe->in);
    probe->in = rest;
    turn(probe);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct probe *probe = handle->data;
    (void)size;
    *buf = uv_buf_init(probe->chunk, sizeof(probe->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct probe *probe = stream->data;
    if (n < 0) {
        pipe_close(probe);
        if (probe->channel == NULL)
            shell_lost(probe); /* else on_ended() will say why */
        return;
    }
    if (buf_add(&probe->in, buf->base, (size_t)n) < 0)
        return; /* scan() keeps it below its ceiling: memory is out, and the deadline will tell */
    while (scan(probe))
        ;
}

static void on_ended(void *ctx, struct channel *channel, const struct channel_end *end)
{
    struct probe *probe = ctx;
    (void)channel;
    probe->channel = NULL;
    probe->end = *end;
    if (probe->pipe == NULL)
        shell_lost(probe); /* else what it still said comes first */
}

static void on_restart(uv_timer_t *timer)
{
    struct probe *probe = timer->data;
    if (probe->up && probe->pipe == NULL && probe->channel == NULL)
        shell_begin(probe);
}

/* The shell ended though nobody closed it. */
static void shell_lost(struct probe *probe)
{
    struct request *request = TAILQ_FIRST(&probe->requests);
    struct error error;
    bool worked = probe->answered || probe->begun; /* it was a shell, that is */
    probe->failures += !worked && probe->failures < 4;
    uv_timer_start(probe->timer, on_restart, (uint64_t)RESTART_MS << probe->failures, 0);
    if (request == NULL)
        return;
    if (worked && !request->retried) {
        request->retried = true; /* perhaps it was not this request's fault */
        return;
    }
    if (worked)
        error_set(&error, -ECONNRESET, "The shell on %s died twice while it read the %s.",
                  host_of(probe), request->script->name);
    else if (probe->end.error.code != 0)
        error_set(&error, -ECONNRESET, "No shell could be started on %s: %s", host_of(probe),
                  probe->end.error.text);
    else
        error_set(&error, -ECONNRESET,
                  "The shell on %s ended at once (exit status %d): does the account have a login "
                  "shell that can run `exec sh`?",
                  host_of(probe), probe->end.exit_status);
    if (worked)
        fail_first(probe, &error);
    else
        fail_all(probe, &error);
}

static int make_nonce(char *out)
{
    unsigned char random[16];
    if (uv_random(NULL, NULL, random, sizeof(random), 0, NULL) < 0)
        return -EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    return 0;
}

/* Reads and writes `fd`, which is ours from now on, or closed. */
static int pipe_open(struct probe *probe, int fd)
{
    uv_pipe_t *pipe = calloc(1, sizeof(*pipe));
    int status = pipe == NULL ? -ENOMEM : 0;
    if (status == 0) {
        uv_pipe_init(probe->loop, pipe, 0);
        pipe->data = probe;
        probe->pipe = pipe;
        status = uv_pipe_open(pipe, fd);
    }
    if (status < 0) {
        close(fd);
        pipe_close(probe);
        return status;
    }
    return uv_read_start((uv_stream_t *)pipe, on_alloc, on_read);
}

static void shell_begin(struct probe *probe)
{
    static const struct channel_events events = {.ended = on_ended};
    int fds[2] = {-1, -1};
    buf_clear(&probe->in);
    probe->answered = false;
    probe->end = (struct channel_end){.exit_status = -1};
    if (make_nonce(probe->nonce) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
        pipe_open(probe, fds[0]) < 0) {
        error_set(&probe->end.error, -EMFILE, "no socket for it: %s", strerror(errno));
        if (fds[1] >= 0)
            close(fds[1]);
        shell_lost(probe);
        return;
    }
    probe->channel = remote_exec(probe->remote, "exec sh", fds[1], -1, &events, probe);
    /* What waits already goes along before the channel is open: no round trip is lost. */
    struct buf text;
    struct request *request;
    buf_init(&text, 1 << 20);
    buf_adds(&text, preamble);
    TAILQ_FOREACH(request, &probe->requests, link)
    frame(probe, &text, request);
    send_text(probe, &text);
    turn(probe);
}

/* --- the public face */

struct probe *probe_new(uv_loop_t *loop, struct remote *remote)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL)
        return NULL;
    probe->timer = calloc(1, sizeof(*probe->timer));
    if (probe->timer == NULL) {
        free(probe);
        return NULL;
    }
    uv_timer_init(loop, probe->timer);
    probe->timer->data = probe;
    probe->loop = loop;
    probe->remote = remote;
    TAILQ_INIT(&probe->requests);
    buf_init(&probe->in, 16u << 20);
    return probe;
}

void probe_free(struct probe *probe)
{
    if (probe == NULL)
        return;
    struct request *request;
    TAILQ_FOREACH(request, &probe->requests, link)
    request->answer = NULL;
    fail_all(probe, &(struct error){.code = -ECANCELED});
    shell_kill(probe);
    uv_close((uv_handle_t *)probe->timer, handle_free);
    buf_done(&probe->in);
    free(probe);
}

void probe_link(struct probe *probe, bool up)
{
    struct error error;
    if (probe->up == up)
        return;
    probe->up = up;
    probe->failures = 0;
    if (up) {
        shell_begin(probe);
        return;
    }
    shell_kill(probe);
    uv_timer_stop(probe->timer);
    error_set(&error, -ENOTCONN, "The link to %s was lost.", host_of(probe));
    fail_all(probe, &error);
}

int probe_ask(struct probe *probe, const struct probe_script *script, probe_answer_fn *answer,
              void *ctx)
{
    if (!probe->up)
        return -ENOTCONN;
    if (probe->n_requests == REQUESTS_MAX)
        return -ENOBUFS;
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return -ENOMEM;
    request->script = script;
    request->answer = answer;
    request->ctx = ctx;
    TAILQ_INSERT_TAIL(&probe->requests, request, link);
    probe->n_requests++;
    if (probe->pipe == NULL)
        return 0; /* goes with the next shell */
    struct buf text;
    buf_init(&text, 1 << 20);
    frame(probe, &text, request);
    send_text(probe, &text);
    if (TAILQ_FIRST(&probe->requests) == request)
        turn(probe);
    return 0;
}

void probe_forget(struct probe *probe, void *ctx)
{
    struct request *request;
    TAILQ_FOREACH(request, &probe->requests, link)
    if (request->ctx == ctx)
        request->answer = NULL;
}
