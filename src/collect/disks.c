/* Disks: how full the host's real filesystems are, from df through the probe shell. Apart from the
 * host's load because it is asked less often, and may hang. */
#include <stdlib.h>

#include "collect/collect.h"
#include "collect/host_parse.h"

#define INTERVAL_MS 10000

struct state {
    struct collect_context *context;
    uv_timer_t *timer;
    bool up, asked;
};

static void on_answer(void *ctx, const struct probe_answer *answer)
{
    struct state *state = ctx;
    struct collect_context *context = state->context;
    const struct error *error = &answer->error;
    bool whole;
    state->asked = false;
    if (error->code != 0) {
        if (state->up)
            collect_source(context, &collector_disks, SOURCE_FAILED, error->text);
        return;
    }
    struct host_disk *disks = calloc(HOST_DISKS_MAX, sizeof(*disks));
    if (disks == NULL)
        return; /* it grows stale */
    size_t n = host_disks_parse(answer->text, disks, HOST_DISKS_MAX, &whole);
    collect_list(context, &collector_disks, KIND_DISK, OBS_LIST_BEGIN);
    for (size_t i = 0; i < n; i++)
        collect_observe_fields(context, &collector_disks, KIND_DISK, &disks[i].disk.e,
                               FIELD_BIT(DISK__COUNT) - 1);
    if (whole) /* a list that was cut says nothing of what it does not name */
        collect_list(context, &collector_disks, KIND_DISK, OBS_LIST_END);
    free(disks);
    collect_source(context, &collector_disks, SOURCE_OK, "");
    collect_whole(context, &collector_disks);
}

static void on_tick(uv_timer_t *timer)
{
    struct state *state = timer->data;
    if (!state->asked)
        state->asked = probe_ask(state->context->probe, &host_disks_script, on_answer, state) == 0;
}

static void start(void *ctx, struct collect_context *context)
{
    struct state *state = ctx;
    state->context = context;
    state->timer = calloc(1, sizeof(*state->timer));
    if (state->timer != NULL) {
        uv_timer_init(context->loop, state->timer);
        state->timer->data = state;
    }
}

static void link_(void *ctx, bool up)
{
    struct state *state = ctx;
    state->up = up;
    if (state->timer == NULL)
        return;
    uv_timer_stop(state->timer);
    if (!up)
        return;
    uv_timer_start(state->timer, on_tick, INTERVAL_MS, INTERVAL_MS);
    on_tick(state->timer);
}

static void timer_free(uv_handle_t *handle)
{
    free(handle);
}

static void stop(void *ctx)
{
    struct state *state = ctx;
    if (state->context == NULL)
        return;
    probe_forget(state->context->probe, state);
    if (state->timer != NULL)
        uv_close((uv_handle_t *)state->timer, timer_free);
}

const struct collector collector_disks = {
    .name = "disks",
    .interval_ms = INTERVAL_MS,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .link = link_,
};
