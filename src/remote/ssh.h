/* The SSH transport. Private to src/remote/.
 *
 * Two sides: `struct ssh_remote` belongs to the loop's thread, `struct ssh_link` to the session's
 * own thread, which makes every libssh call. They meet in `struct ssh_door` alone: two queues of
 * notes and a few flags under one lock, an eventfd one way and a uv_async the other. */
#ifndef REMOTE_SSH_H
#define REMOTE_SSH_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <pthread.h>

#include "base/buf.h"
#include "remote/ssh_config.h"
#include "remote/transport.h"

enum ssh_note_kind {
    /* loop to thread */
    NOTE_OPEN,
    NOTE_CLOSE,
    /* thread to loop */
    NOTE_OPENED,
    NOTE_ENDED,
    NOTE_STATE,
    NOTE_QUESTION,
    NOTE_NOTICE,
};

/* One message. The note that asks for a channel travels back as the one that says how it ended: so
 * the end of a channel never fails for want of memory. */
struct ssh_note {
    struct ssh_note *next;
    enum ssh_note_kind kind;
    uint64_t id; /* the channel's */
    union {
        struct {
            struct address address; /* its `rest` points to `text` */
            int fd, error_fd;
        } open;
        struct channel_end end;
        struct remote_status status; /* state, error, address, retry_at, attempts */
        struct remote_question question;
    };
    char text[]; /* NOTE_OPEN: path or command; NOTE_NOTICE */
};
struct ssh_queue {
    struct ssh_note *first, **last;
};

struct ssh_door {
    int wake_fd;      /* wakes the thread */
    uv_async_t *wake; /* wakes the loop */
    pthread_mutex_t lock;
    /* All below is under the lock. */
    struct ssh_queue commands, notes;
    bool stop;   /* remote_free() */
    bool retry;  /* a key was pressed */
    bool asking; /* a question is open */
    bool answered;
    char *answer; /* NULL declines */
    int agent_fd; /* while libssh waits for the agent, -1 otherwise: shut down to end that */
    bool measured;
    double rtt_ms;
    uint64_t rx_bytes, tx_bytes;
};

struct ssh_note *note_new(enum ssh_note_kind kind, uint64_t id, const char *text);
void note_free(struct ssh_note *note);
void queue_init(struct ssh_queue *queue);
void queue_push(struct ssh_queue *queue, struct ssh_note *note);
struct ssh_note *queue_pop(struct ssh_queue *queue);

/* Sends a note to the loop. NULL (no memory) is allowed: the note is lost. */
void door_send(struct ssh_door *door, struct ssh_note *note);
bool door_stopped(struct ssh_door *door);

struct pump;
struct ssh_link {
    struct ssh_door *door;
    const char *target, *config_file;
    bool batch;
    bool configured; /* `settings` are read; remote_retry() reads them again */
    struct ssh_settings settings;
    ssh_session session;
    ssh_event event;
    struct ssh_counter_struct counter;
    struct pump *pumps;
    int execs;
    unsigned opens;     /* channels opened in this session: libssh numbers them so */
    struct error error; /* why the link is not up */
    bool fatal;         /* it cannot mend itself: wait for remote_retry() */
    bool settled;       /* a command was accepted: sshd answers without delay */
    int attempts;
    int64_t ping_at, pinged; /* us: next request, and when the open one was sent (0 = none) */
    int64_t heard;           /* us: the last byte received */
    uint64_t heard_bytes;
    uint64_t rx_before, tx_before; /* of earlier sessions */
};

/* The thread's main function; `arg` is a struct ssh_link, which it frees the content of. */
void *link_main(void *arg);

/* Waits for one of `fds` or, at most until `deadline` (clock_mono_ms), for nothing. fds[0] is
 * filled with the door's descriptor. Returns poll()'s count, 0 at the deadline, -ECANCELED when
 * the transport is to stop. */
int link_poll(struct ssh_link *link, struct pollfd *fds, nfds_t count, int64_t deadline);
/* The same for the session's own socket. Returns 0, -ETIMEDOUT or -ECANCELED. */
int link_wait(struct ssh_link *link, int64_t deadline);
/* Lets libssh take what the socket has. Returns 0, or -ECONNRESET once the session is dead. */
int link_feed(struct ssh_link *link);
/* Is anything left that libssh has to write? */
bool link_congested(struct ssh_link *link);
/* Sets the link's error, and returns its code. */
int link_fail(struct ssh_link *link, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "user@host:port" */
const char *link_address(const struct ssh_link *link);
/* The reason libssh gives, without its clutter. */
const char *link_reason(const struct ssh_link *link);
/* Asks the operator. Returns 0 and fills `ret_answer`; -ENOKEY in batch mode; -EPERM when declined;
 * -ECONNRESET when the session died meanwhile; -ECANCELED. */
int link_ask(struct ssh_link *link, const struct remote_question *question, char *ret_answer,
             size_t size);
void link_notice(struct ssh_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fills the settings by `ssh -G` (ssh_destination.c). Returns 0 or a negative errno with the link's
 * error set. */
int link_configure(struct ssh_link *link);

/* Resolves and connects (ssh_connect.c). Returns a connected, non-blocking socket or a negative
 * errno with the link's error set. */
int link_connect(struct ssh_link *link);

/* Before the key exchange: makes the server show a key of a type that is known. After it: compares
 * (ssh_hostkey.c). Both return 0 or a negative errno with the link's error set. */
int hostkey_prepare(struct ssh_link *link);
int hostkey_check(struct ssh_link *link);

/* Logs in (ssh_auth.c). Returns 0 or a negative errno with the link's error set. */
int link_login(struct ssh_link *link);

/* Agent keys (ssh_agent.c): one attempt with all that may be used. Returns an SSH_AUTH_ code;
 * `ret_keys` says how many were offered. SSH_AUTH_AGAIN never. */
int agent_login(struct ssh_link *link, int *ret_keys);

/* Calls a libssh function that returns SSH_AUTH_AGAIN until it is done, -1 on a dead session or
 * when it took longer than `timeout_ms`. */
typedef int ssh_step_fn(struct ssh_link *link, void *arg);
int link_step(struct ssh_link *link, ssh_step_fn *step, void *arg, int timeout_ms);

/* Channels (ssh_channel.c). */
void pumps_begin(struct ssh_link *link, struct ssh_note *note);
void pumps_close(struct ssh_link *link, uint64_t id);
/* The link is gone: all end with its error. After the session was freed. */
void pumps_lost(struct ssh_link *link);
/* How many descriptors pumps_watch() may fill. */
nfds_t pumps_count(const struct ssh_link *link);
nfds_t pumps_watch(struct ssh_link *link, struct pollfd *fds);
/* Moves what can be moved; `fds` as filled by pumps_watch(), after poll. */
void pumps_run(struct ssh_link *link, const struct pollfd *fds, nfds_t count);

#endif
