/* Is everything all right, and if not, what first? Findings are derived from the model each time
 * they are wanted: they hold no state of their own. */
#ifndef MODEL_JUDGE_H
#define MODEL_JUDGE_H

#include "model/model.h"

/* In the order of a monitoring plugin's exit codes. */
enum verdict { VERDICT_OK, VERDICT_DEGRADED, VERDICT_DOWN, VERDICT_UNKNOWN };

struct finding {
    enum verdict level; /* DEGRADED (warning), DOWN (critical) or UNKNOWN */
    enum entity_kind kind;
    const char *id; /* of the entity; good until the next model_apply */
    char text[160]; /* "huleedu_nlp_service is unhealthy: connection refused" */
};

struct judgement {
    enum verdict verdict; /* the worst: DOWN, else DEGRADED, else UNKNOWN, else OK */
    size_t warnings, criticals, unknowns;
    size_t n; /* findings kept, worst first; the counts above count all */
    struct finding findings[32];
};

/* Judges the model as of `now` (monotonic ms). */
void model_judge(const struct model *model, int64_t now, struct judgement *ret);

/* What is wrong with one container: VERDICT_OK, or a level and its words in `text`. */
enum verdict container_judge(const struct container *container, char *text, size_t size);

#endif
