/* The model as JSON: what `snapshot --json` prints. Unknown is null. */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <jansson.h>

#include "model/model.h"

/* One entity with all its fields; times as RFC 3339 in UTC; "age_ms" where it is stale at `now`. */
json_t *entity_json(const struct model *model, const struct entity *entity, int64_t now);

/* The whole object: schema, time, target, verdict, link, host, containers[], ...
 * `now` monotonic, `wall` unix ms. The caller owns it; NULL when memory is out. */
json_t *model_json(const struct model *model, const char *target, int64_t now, int64_t wall);

#endif
