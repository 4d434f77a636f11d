/* How a host is reached. One interface, two implementations: SSH (libssh, a thread a session) and
 * local. Everything is asynchronous on the loop's thread; nothing here blocks it.
 *
 * The one primitive is a channel: a stream to an address, or a command, carried over a file
 * descriptor that the caller brings (an end of an AF_UNIX socketpair, or an accepted socket). So
 * the client libraries see plain sockets, and the SSH thread and the loop share nothing else. */
#ifndef REMOTE_REMOTE_H
#define REMOTE_REMOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"

struct remote;
struct channel;
struct forward;

enum remote_state {
    REMOTE_CONNECTING,
    REMOTE_UP,
    REMOTE_LOST,    /* will retry by itself at retry_at (capped backoff with jitter, for ever) */
    REMOTE_STOPPED, /* failed authentication or host key: waits for remote_retry() */
};

struct remote_status {
    enum remote_state state;
    char transport[8];           /* "ssh" or "local" */
    char address[256];           /* user@host:port */
    struct error error;          /* why it is not up, and what to do */
    int64_t since;               /* unix ms */
    int64_t retry_at;            /* unix ms, 0 = not planned */
    int attempts;                /* since it was last up */
    double rtt_ms;               /* < 0 = not measured yet */
    uint64_t rx_bytes, tx_bytes; /* on the link, since the start */
};

/* A question only the operator can answer. */
enum question_kind {
    QUESTION_SECRET,   /* password, passphrase, one-time code: not echoed, memory wiped after */
    QUESTION_TEXT,     /* keyboard-interactive with echo */
    QUESTION_HOST_KEY, /* unknown host key: the answer "yes" accepts and records it */
};
struct remote_question {
    enum question_kind kind;
    char title[256];   /* "Password for olof@hemma" */
    char detail[1024]; /* fingerprint and so on, or what the server said; printable */
};

/* Called on the loop's thread. `status` and `question` are good for the call only. */
struct remote_events {
    void (*changed)(void *ctx, const struct remote_status *status);
    /* Answer with remote_answer(), now or later; one question at a time. */
    void (*asked)(void *ctx, const struct remote_question *question);
    /* Something worth telling that is not an error ("ControlMaster is not supported"). */
    void (*noticed)(void *ctx, const char *text);
};

struct remote_options {
    const char *target;     /* ssh destination */
    const char *ssh_config; /* -F FILE, or NULL */
    bool batch;             /* never ask: a question fails the authentication */
};

/* Begins to connect at once. NULL and `error` only for what can never work (no memory, no runtime
 * directory). The callbacks may come from within later loop turns only. */
struct remote *remote_ssh_new(uv_loop_t *loop, const struct remote_options *options,
                              const struct remote_events *events, void *ctx, struct error *error);
struct remote *remote_local_new(uv_loop_t *loop, const struct remote_events *events, void *ctx,
                                struct error *error);
/* Ends the session, all channels and forwards; leaves nothing behind. Callbacks of channels that
 * are still open are not called any more. Blocks at most briefly (joins the thread). NULL is
 * allowed. */
void remote_free(struct remote *remote);

const struct remote_status *remote_status(const struct remote *remote);
/* Tries again now (a key was pressed). */
void remote_retry(struct remote *remote);
/* The answer to the question asked; NULL declines. The text is copied and wiped after use. */
void remote_answer(struct remote *remote, const char *answer);

/* Addresses: "tcp:HOST:PORT" (IPv6 in brackets), "unix:/PATH", "exec:COMMAND" (its standard input
 * and output; for `docker system dial-stdio`), "docker://NAME:PORT" (through the resolver). */

/* Turns the name of a container or network alias into a numeric address. Returns 0 and fills
 * `ret_host`, or a negative errno with the sentence. */
typedef int remote_resolve_fn(void *ctx, const char *name, char *ret_host, size_t size,
                              struct error *error);
void remote_set_resolver(struct remote *remote, remote_resolve_fn *resolve, void *ctx);

/* How a channel ended, or why it did not open. */
struct channel_end {
    struct error error; /* code 0: it was open and was closed in order */
    int exit_status;    /* commands: 0..255, -1 when not known */
    char signal[16];    /* commands: "KILL" and so on, "" when none */
};
struct channel_events {
    /* May be NULL. After a channel's `ended` it is gone: forget the pointer. */
    void (*opened)(void *ctx, struct channel *channel);
    void (*ended)(void *ctx, struct channel *channel, const struct channel_end *end);
};

/* Carries `fd` to `address`. Takes the descriptor over in every case (closes it at the end); the
 * other end sees EOF or a reset when the channel ends. Works only while the link is up: else
 * `ended` comes with -ENOTCONN in the next loop turn. Returns NULL only when memory is out. */
struct channel *remote_stream(struct remote *remote, const char *address, int fd,
                              const struct channel_events *events, void *ctx);

/* Runs `command` by the login shell of the host, standard input and output on `fd`; standard error
 * on `error_fd`, or thrown away when it is -1. Never on a terminal. Both descriptors are taken
 * over. */
struct channel *remote_exec(struct remote *remote, const char *command, int fd, int error_fd,
                            const struct channel_events *events, void *ctx);

/* Ends a channel early; `ended` is not called any more. NULL is allowed. */
void channel_cancel(struct channel *channel);

/* A forward: an AF_UNIX path in our private runtime directory; each connection made to it BY THIS
 * PROCESS (SO_PEERCRED: pid and uid) is carried to `address`. Others are closed and counted.
 * It outlives a lost link: connections fail while the link is down. */
struct forward *forward_new(struct remote *remote, const char *address, struct error *error);
void forward_free(struct forward *forward);
const char *forward_path(const struct forward *forward);
/* Connections refused because another process made them. */
uint64_t forward_refused(const struct forward *forward);
/* The last reason why a connection could not be carried; code 0 when the last one worked. */
const struct error *forward_error(const struct forward *forward);

#endif
