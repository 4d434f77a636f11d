/* Collectors turn what a host says into observations. A collector is one file and one line in the
 * registry (collect.c). It reads through clients, tells the model, and never draws, never changes
 * anything on the host.
 *
 * A collection is all collectors of one host at work. */
#ifndef COLLECT_COLLECT_H
#define COLLECT_COLLECT_H

#include <stdbool.h>
#include <uv.h>

#include "model/model.h"
#include "remote/remote.h"

struct probe; /* client/probe.h */
struct collection;

/* What a collector works with. Shared by all collectors of one host; the loop's thread only. */
struct collect_context {
    uv_loop_t *loop;
    struct model *model;
    struct remote *remote;
    struct probe *probe; /* the one probe shell of the host */
    struct collection *collection;
};

struct collector {
    const char *name;  /* also the id of its `struct source` */
    int interval_ms;   /* 0: told by events */
    size_t state_size; /* of its own state, zeroed before start */
    void (*start)(void *state, struct collect_context *context);
    void (*stop)(void *state); /* closes everything; must not call back afterwards */
    /* The link came up (begin, or resume) or went (drop what is under way). */
    void (*link)(void *state, bool up);
};

/* Starts all collectors. `changed` is called, within loop turns, when the model changed. */
struct collection *collect_new(uv_loop_t *loop, struct model *model, struct remote *remote,
                               void (*changed)(void *ctx), void *ctx);
/* Stops them. Pending uv handles close in later loop turns: run the loop until it is empty. */
void collect_free(struct collection *collection);
/* To be called from the remote's `changed` event: observes the link, tells the collectors. */
void collect_link(struct collection *collection, const struct remote_status *status);
/* Every collector has given its first whole answer, or said why it cannot (for `snapshot`). */
bool collect_settled(const struct collection *collection);

/* The ids of what there is exactly one of. */
#define HOST_ID "host"
#define LINK_ID "link"

/* For collectors. Reports the source's state; `message` NULL or "" when there is nothing to say. */
void collect_source(struct collect_context *context, const struct collector *collector,
                    enum source_state state, const char *message);
/* Observes one entity by this collector. payload->id and what it knows must be set. */
void collect_observe(struct collect_context *context, const struct collector *collector,
                     enum entity_kind kind, const struct entity *payload);
/* The same, about the fields of `mask`: those of them that the payload does not know become
 * unknown. */
void collect_observe_fields(struct collect_context *context, const struct collector *collector,
                            enum entity_kind kind, const struct entity *payload, uint64_t mask);
void collect_gone(struct collect_context *context, const struct collector *collector,
                  enum entity_kind kind, const char *id);
void collect_list(struct collect_context *context, const struct collector *collector,
                  enum entity_kind kind, enum obs_op begin_or_end);

/* The first whole answer is in (see collect_settled). A source that failed or is lost is settled
 * too. */
void collect_whole(struct collect_context *context, const struct collector *collector);

/* The registry, NULL-terminated. */
extern const struct collector *const collectors[];
extern const struct collector collector_docker, collector_host, collector_disks;

#endif
