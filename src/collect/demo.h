/* The embedded demo host: observations made up from a seed, through the same door as real ones.
 * No server, no network, no file. */
#ifndef COLLECT_DEMO_H
#define COLLECT_DEMO_H

#include <stdint.h>

#include "model/model.h"

struct demo;

/* `now` (monotonic ms) and `wall` (unix ms) are the demo's birth; the same seed, birth and steps
 * give the same model. Observes the first state at once. */
struct demo *demo_new(struct model *model, uint64_t seed, int64_t now, int64_t wall);
void demo_free(struct demo *demo);
/* Lets the host live on until `now`, a step of DEMO_STEP_MS at a time; true if anything changed. */
#define DEMO_STEP_MS 1000
int demo_step(struct demo *demo, int64_t now);

#endif
