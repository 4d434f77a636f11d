/* What the two transports, SSH and local, have in common. Private to src/remote/.
 *
 * A transport embeds `struct remote` as its first member and fills a `struct remote_ops`. A channel
 * belongs to the loop's thread; a transport's thread knows it by its id alone, so an answer that
 * comes late finds nothing instead of freed memory. */
#ifndef REMOTE_TRANSPORT_H
#define REMOTE_TRANSPORT_H

#include "remote/address.h"
#include "remote/remote.h"
#include "remote/rundir.h"

/* What carries a channel of the local transport. */
struct carrier {
    void (*close)(struct carrier *carrier); /* the channel is gone */
};

struct channel {
    struct channel *next;
    struct remote *remote;
    struct channel_events events;
    void *ctx;
    uint64_t id;
    struct carrier *carrier;
    bool opened;
    bool stopped; /* could not begin: `end` is delivered in the next loop turn */
    struct channel_end end;
};

struct remote_ops {
    /* Takes both descriptors over in every case. */
    int (*open)(struct remote *remote, struct channel *channel, const struct address *address,
                int fd, int error_fd, struct error *error);
    /* The channel is freed by the caller right after. */
    void (*close)(struct remote *remote, struct channel *channel);
    /* Something woke the loop: deliver what is waiting. */
    void (*woken)(struct remote *remote);
    void (*retry)(struct remote *remote);
    void (*answer)(struct remote *remote, const char *answer);
    /* Ends everything; the memory lives until `release`. */
    void (*stop)(struct remote *remote);
    void (*release)(struct remote *remote);
};

struct remote {
    const struct remote_ops *ops;
    uv_loop_t *loop;
    uv_async_t wake; /* wakes the loop, from any thread */
    bool closing;    /* remote_free() was called: no callback any more */
    struct remote_events events;
    void *ctx;
    remote_resolve_fn *resolve;
    void *resolve_ctx;
    struct remote_status status;
    struct rundir rundir;
    struct channel *channels;
    uint64_t last_id;
    struct forward *forwards;
    unsigned forwards_made;
};

/* Returns 0, or a negative errno with the sentence; then nothing is to be freed. */
int remote_init(struct remote *remote, const struct remote_ops *ops, uv_loop_t *loop,
                const struct remote_events *events, void *ctx, struct error *error);
/* Calls `changed`. */
void remote_changed(struct remote *remote);
void remote_noticed(struct remote *remote, const char *text);
struct channel *remote_channel(struct remote *remote, uint64_t id);

/* Takes the channel out, calls `ended` and frees it. */
void channel_finish(struct channel *channel, const struct channel_end *end);
/* Calls `opened`, once. */
void channel_opened(struct channel *channel);

/* Closes a descriptor unless it is -1. */
void fd_close(int fd);
void fd_set_nonblocking(int fd, bool on);

#endif
