/* The model of one host: what is known of it, from which source, and how old it is.
 * Everything enters through model_apply(); everyone else reads const data. The model does no I/O
 * and belongs to the loop's thread. A fleet has a model a host. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/entities.h"

struct model;

enum obs_op {
    OBS_UPSERT,     /* the masked fields of one entity change; the entity is made when new */
    OBS_GONE,       /* one entity is no more */
    OBS_LIST_BEGIN, /* what follows from this source and kind is a whole list ... */
    OBS_LIST_END,   /* ... and what it did not name is gone */
};

/* One observation. Text is borrowed for the call only, cleaned (made printable) and copied. */
struct obs {
    enum entity_kind kind;
    enum obs_op op;
    const char *id;     /* NULL for LIST_BEGIN and LIST_END */
    const char *source; /* a string that outlives the model: the collector's name */
    int64_t t_host;     /* unix ms by the host's clock, 0 = not said */
    int64_t t_local;    /* monotonic ms */
    uint64_t mask;      /* fields that this observation is about; 0: exactly payload->known */
    const struct entity *payload; /* UPSERT: &thing.e; a masked field not known becomes unknown */
};

struct model *model_new(void);
void model_free(struct model *model);

/* The one door in. Returns 1 when something that can be seen changed, 0 when not, or a negative
 * errno (-EINVAL for an observation that is malformed, -ENOMEM; -ENOBUFS: ceiling reached,
 * counted). */
int model_apply(struct model *model, const struct obs *obs);

/* A short way for the common case: UPSERT of what payload knows, now. `id` is the payload's e.id.
 */
int model_upsert(struct model *model, enum entity_kind kind, const char *source,
                 const struct entity *payload);

/* Entities in the order in which they came. Pointers are good until the next model_apply. */
size_t model_count(const struct model *model, enum entity_kind kind);
const struct entity *model_at(const struct model *model, enum entity_kind kind, size_t index);
const struct entity *model_find(const struct model *model, enum entity_kind kind, const char *id);
/* The one link and the one host; NULL before they were observed. */
const struct link *model_link(const struct model *model);
const struct host *model_host(const struct model *model);
const struct source *model_source(const struct model *model, const char *id);

/* A number that grows whenever anything of this kind changed what can be seen. */
uint64_t model_version(const struct model *model, enum entity_kind kind);
/* How many entities of this kind did not fit under its ceiling. */
uint64_t model_dropped(const struct model *model, enum entity_kind kind);

/* How old an entity is for the eye: 0 while it is fresh, else its age in ms at `now` (monotonic).
 * Fresh: its source is OK and it came within two of its intervals. */
int64_t model_stale_ms(const struct model *model, const struct entity *entity, int64_t now);

#endif
