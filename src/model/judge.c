#include "model/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DISK_WARNING 85.0
#define DISK_CRITICAL 95.0

static void add(struct judgement *judgement, enum verdict level, const struct entity *entity,
                enum entity_kind kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Rank in which findings are listed: critical, warning, unknown. */
static int rank(enum verdict level)
{
    static const int ranks[] = {[VERDICT_DOWN] = 0, [VERDICT_DEGRADED] = 1, [VERDICT_UNKNOWN] = 2};
    return ranks[level];
}

static void add(struct judgement *judgement, enum verdict level, const struct entity *entity,
                enum entity_kind kind, const char *format, ...)
{
    judgement->criticals += level == VERDICT_DOWN;
    judgement->warnings += level == VERDICT_DEGRADED;
    judgement->unknowns += level == VERDICT_UNKNOWN;

    const size_t max = sizeof(judgement->findings) / sizeof(judgement->findings[0]);
    size_t at = judgement->n;
    while (at > 0 && rank(judgement->findings[at - 1].level) > rank(level))
        at--;
    if (at == max)
        return;
    if (judgement->n < max)
        judgement->n++;
    memmove(&judgement->findings[at + 1], &judgement->findings[at],
            (judgement->n - 1 - at) * sizeof(judgement->findings[0]));

    struct finding *finding = &judgement->findings[at];
    char raw[sizeof(finding->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    finding->level = level;
    finding->kind = kind;
    finding->id = entity->id;
    text_clean(finding->text, sizeof(finding->text), raw, SIZE_MAX);
}

static bool is_meant_to_run(const struct container *c)
{
    return KNOWN(c, CONTAINER_restart_policy) && (strcmp(c->restart_policy, "always") == 0 ||
                                                  strcmp(c->restart_policy, "unless-stopped") == 0);
}

static enum verdict judge_ended(const struct container *c, char *text, size_t size)
{
    if (KNOWN(c, CONTAINER_error) && c->error[0] != '\0') {
        snprintf(text, size, "could not start: %s", c->error);
        return VERDICT_DOWN;
    }
    if (KNOWN(c, CONTAINER_oom_killed) && c->oom_killed) {
        snprintf(text, size, "was killed for memory");
        return VERDICT_DOWN;
    }
    if (!KNOWN(c, CONTAINER_exit_code))
        return VERDICT_OK;
    if (c->exit_code == 0) {
        /* A job that is done is fine; what its policy would keep running was stopped by hand. */
        if (!is_meant_to_run(c))
            return VERDICT_OK;
        snprintf(text, size, "is stopped");
        return VERDICT_DEGRADED;
    }
    /* 137 and 143: ended by KILL or TERM, as `docker stop` does; someone wanted it. */
    if (c->exit_code == 137 || c->exit_code == 143) {
        snprintf(text, size, "was stopped (exit code %lld)", (long long)c->exit_code);
        return VERDICT_DEGRADED;
    }
    snprintf(text, size, "exited with code %lld", (long long)c->exit_code);
    return VERDICT_DOWN;
}

enum verdict container_judge(const struct container *c, char *text, size_t size)
{
    if (size > 0)
        text[0] = '\0';
    if (!KNOWN(c, CONTAINER_state))
        return VERDICT_OK;
    switch (c->state) {
    case CONTAINER_RESTARTING:
        snprintf(text, size, "keeps restarting");
        if (KNOWN(c, CONTAINER_exit_code))
            snprintf(text, size, "keeps restarting, exit code %lld", (long long)c->exit_code);
        return VERDICT_DOWN;
    case CONTAINER_DEAD:
        snprintf(text, size, "is dead: the engine could not remove it");
        return VERDICT_DOWN;
    case CONTAINER_EXITED:
        return judge_ended(c, text, size);
    case CONTAINER_CREATED:
        return KNOWN(c, CONTAINER_error) && c->error[0] ? judge_ended(c, text, size) : VERDICT_OK;
    case CONTAINER_PAUSED:
        snprintf(text, size, "is paused");
        return VERDICT_DEGRADED;
    default:
        break;
    }
    if (KNOWN(c, CONTAINER_health) && c->health == HEALTH_UNHEALTHY) {
        bool says = KNOWN(c, CONTAINER_health_output) && c->health_output[0] != '\0';
        snprintf(text, size, "is unhealthy%s%s", says ? ": " : "", says ? c->health_output : "");
        return VERDICT_DEGRADED;
    }
    return VERDICT_OK;
}

static void judge_disk(struct judgement *judgement, const struct disk *disk)
{
    const struct {
        bool known;
        double percent;
        const char *what;
    } shares[] = {
        {KNOWN(disk, DISK_used_percent), disk->used_percent, "full"},
        {KNOWN(disk, DISK_inodes_used_percent), disk->inodes_used_percent, "out of inodes"},
    };
    for (size_t i = 0; i < 2; i++) {
        if (!shares[i].known || shares[i].percent < DISK_WARNING)
            continue;
        add(judgement, shares[i].percent >= DISK_CRITICAL ? VERDICT_DOWN : VERDICT_DEGRADED,
            &disk->e, KIND_DISK, "%s is %.0f%% %s", disk->e.id, shares[i].percent, shares[i].what);
    }
}

static void judge_sources(const struct model *model, struct judgement *judgement)
{
    for (size_t i = 0; i < model_count(model, KIND_SOURCE); i++) {
        const struct source *source = (const struct source *)model_at(model, KIND_SOURCE, i);
        if (source->state == SOURCE_OK)
            continue;
        bool says = KNOWN(source, SOURCE_message) && source->message[0] != '\0';
        add(judgement, VERDICT_UNKNOWN, &source->e, KIND_SOURCE, "%s: %s", source->e.id,
            says ? source->message : source_state_words[source->state]);
    }
}

void model_judge(const struct model *model, int64_t now, struct judgement *ret)
{
    *ret = (struct judgement){0};
    const struct link *link = model_link(model);
    bool is_up = link == NULL || link->state == LINK_UP;
    if (is_up)
        judge_sources(model, ret);
    else
        add(ret, VERDICT_UNKNOWN, &link->e, KIND_LINK, "no connection%s%s",
            KNOWN(link, LINK_message) && link->message[0] ? ": " : "",
            KNOWN(link, LINK_message) ? link->message : "");
    for (size_t i = 0; i < model_count(model, KIND_CONTAINER); i++) {
        const struct entity *entity = model_at(model, KIND_CONTAINER, i);
        const struct container *container = (const struct container *)entity;
        char text[sizeof(ret->findings[0].text)];
        enum verdict level = container_judge(container, text, sizeof(text));
        /* What was wrong a while ago is not known to be wrong now, but is worth saying. */
        bool stale = model_stale_ms(model, entity, now) > 0;
        if (level != VERDICT_OK)
            add(ret, level, entity, KIND_CONTAINER, "%s %s%s", container->name, text,
                stale ? " (stale)" : "");
    }
    for (size_t i = 0; i < model_count(model, KIND_DISK); i++)
        judge_disk(ret, (const struct disk *)model_at(model, KIND_DISK, i));

    ret->verdict = ret->criticals > 0  ? VERDICT_DOWN
                   : ret->warnings > 0 ? VERDICT_DEGRADED
                   : ret->unknowns > 0 ? VERDICT_UNKNOWN
                                       : VERDICT_OK;
}
