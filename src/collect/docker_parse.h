/* What the Docker Engine says of a container, as an observation. Pure: no I/O. JSON from outside
 * may hold anything: what is missing or of another type stays unknown. */
#ifndef COLLECT_DOCKER_PARSE_H
#define COLLECT_DOCKER_PARSE_H

#include <jansson.h>

#include "base/buf.h"
#include "model/entities.h"

#define DOCKER_ID_MAX 128

/* A container, and the memory of the texts that had to be made. Other texts belong to the JSON. */
struct docker_row {
    struct container container;
    uint64_t mask; /* fields that the answer is about */
    struct buf ports, networks, addresses, aliases, command, policy, output;
    bool running; /* it has a process */
};

void docker_row_done(struct docker_row *row);

/* Is this an id that can stand in a path? */
bool docker_id_is_valid(const char *id);

/* One item of /containers/json. Returns 0, or -EINVAL when it has no usable id. */
int docker_parse_item(json_t *item, struct docker_row *ret);
/* An answer of /containers/ID/json. Likewise. */
int docker_parse_inspect(json_t *json, struct docker_row *ret);

/* A member that is text, else NULL; a member of a member by a chain of names that NULL ends. */
const char *json_text(json_t *object, const char *name);
json_t *json_at(json_t *object, const char *name, ...) __attribute__((sentinel));

#endif
