/* The machine itself: load, CPU, memory, network, clock, from /proc through the probe shell.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collect/collect.h"
#include "collect/host_parse.h"

#define INTERVAL_MS 2000
#define FIRST_MS 500 /* to the second reading: shares and rates need two */
#define FACTS_MS 60000
#define PACE_MIN_MS 100 /* two readings nearer than this make no rate */

struct state {
    struct collect_context *context;
    uv_timer_t *timer;
    bool up, now_asked, facts_asked;
    int64_t facts_at; /* monotonic ms of the last question, 0: never */
    int readings;     /* since the link came up */
    struct host_now before;
    int64_t before_us;
};

static void observe_host(struct state *state, struct host *host, uint64_t mask)
{
    host->e.id = HOST_ID;
    collect_observe_fields(state->context, &collector_host, KIND_HOST, &host->e, mask);
}

static void fail(struct state *state, const struct error *error)
{
    if (state->up)
        collect_source(state->context, &collector_host, SOURCE_FAILED, error->text);
}

/* --- the answers */

/* Our clock in the middle between question and answer is when the host read its own. */
static void set_offset(const struct host_now *now, const struct probe_answer *answer,
                       struct host *host)
{
    double took_ms = (double)(answer->answered_us - answer->sent_us) / 1000;
    double wall_ms =
        (double)clock_wall_ms() - (double)(clock_mono_us() - answer->answered_us) / 1000;
    double offset = (double)now->clock_us / 1000 - (wall_ms - took_ms / 2);
    double error = took_ms / 2;
    if (now->clock_us == 0)
        return;
    if (!now->clock_fine) { /* only whole seconds: it is somewhere in that second */
        offset += 500;
        error += 500;
    }
    /* A first answer waits for a shell to start: what it says is worth little then. */
    if (error < 250 || offset > error || offset < -error)
        SET(*host, HOST, clock_offset_ms, offset);
}

static void observe_nics(struct state *state, const struct host_now *now, int64_t us)
{
    struct collect_context *context = state->context;
    double seconds = (double)us / 1e6;
    collect_list(context, &collector_host, KIND_NIC, OBS_LIST_BEGIN);
    for (size_t i = 0; i < now->n_nics; i++) {
        const struct host_nic *is = &now->nics[i], *was = NULL;
        struct nic nic = {.e.id = is->name};
        SET(nic, NIC, name, is->name);
        SET(nic, NIC, rx_bytes, (int64_t)is->rx_bytes);
        SET(nic, NIC, tx_bytes, (int64_t)is->tx_bytes);
        SET(nic, NIC, errors, (int64_t)is->errors);
        for (size_t j = 0; j < state->before.n_nics && was == NULL; j++)
            if (strcmp(state->before.nics[j].name, is->name) == 0)
                was = &state->before.nics[j];
        if (was != NULL && us >= PACE_MIN_MS * 1000 && is->rx_bytes >= was->rx_bytes)
            SET(nic, NIC, rx_bytes_per_s, (double)(is->rx_bytes - was->rx_bytes) / seconds);
        if (was != NULL && us >= PACE_MIN_MS * 1000 && is->tx_bytes >= was->tx_bytes)
            SET(nic, NIC, tx_bytes_per_s, (double)(is->tx_bytes - was->tx_bytes) / seconds);
        collect_observe_fields(context, &collector_host, KIND_NIC, &nic.e,
                               FIELD_BIT(NIC__COUNT) - 1);
    }
    collect_list(context, &collector_host, KIND_NIC, OBS_LIST_END);
}

static void on_now(void *ctx, const struct probe_answer *answer)
{
    /* All that this script can say: what it did not say this time is unknown now. */
    static const uint64_t mask =
        FIELD_BIT(HOST_uptime_seconds) | FIELD_BIT(HOST_cpu_percent) |
        FIELD_BIT(HOST_iowait_percent) | FIELD_BIT(HOST_steal_percent) | FIELD_BIT(HOST_load_1m) |
        FIELD_BIT(HOST_load_5m) | FIELD_BIT(HOST_load_15m) | FIELD_BIT(HOST_processes) |
        FIELD_BIT(HOST_memory_bytes) | FIELD_BIT(HOST_memory_available_bytes) |
        FIELD_BIT(HOST_swap_bytes) | FIELD_BIT(HOST_swap_used_bytes) |
        FIELD_BIT(HOST_cpu_pressure_percent) | FIELD_BIT(HOST_memory_pressure_percent) |
        FIELD_BIT(HOST_io_pressure_percent) | FIELD_BIT(HOST_clock_offset_ms);
    struct state *state = ctx;
    struct host_now now;
    state->now_asked = false;
    if (answer->error.code != 0) {
        fail(state, &answer->error);
        return;
    }
    host_now_parse(answer->text, &now);
    if (!now.whole && now.host.e.known == 0) {
        fail(state,
             &(struct error){.text = "The host's /proc cannot be read: is it mounted, and is "
                                     "there an awk?"});
        return;
    }
    host_cpu_shares(&state->before.cpu, &now.cpu, &now.host);
    set_offset(&now, answer, &now.host);
    observe_host(state, &now.host, mask);
    observe_nics(state, &now, answer->answered_us - state->before_us);
    state->before = now;
    state->before_us = answer->answered_us;
    state->readings++;
    collect_source(state->context, &collector_host, SOURCE_OK, "");
    if (state->readings >= 2)
        collect_whole(state->context, &collector_host);
}

static void on_facts(void *ctx, const struct probe_answer *answer)
{
    struct state *state = ctx;
    struct host_facts facts;
    state->facts_asked = false;
    if (answer->error.code != 0)
        return; /* the next one will tell, or the load does */
    host_facts_parse(answer->text, &facts);
    observe_host(state, &facts.host, 0);
}

/* --- the questions */

static void on_tick(uv_timer_t *timer)
{
    struct state *state = timer->data;
    struct probe *probe = state->context->probe;
    int64_t now = clock_mono_ms();
    if (!state->now_asked)
        state->now_asked = probe_ask(probe, &host_now_script, on_now, state) == 0;
    if (!state->facts_asked && (state->facts_at == 0 || now - state->facts_at >= FACTS_MS)) {
        state->facts_asked = probe_ask(probe, &host_facts_script, on_facts, state) == 0;
        state->facts_at = now;
    }
}

/* --- a collector */

static void start(void *ctx, struct collect_context *context)
{
    struct state *state = ctx;
    struct host host = {.e.id = HOST_ID};
    state->context = context;
    state->timer = calloc(1, sizeof(*state->timer));
    if (state->timer != NULL) {
        uv_timer_init(context->loop, state->timer);
        state->timer->data = state;
    }
    /* There is a host before anything is known of it, and it is ours: others add what they know. */
    collect_observe(context, &collector_host, KIND_HOST, &host.e);
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
    state->readings = 0;
    state->facts_at = 0;
    state->before = (struct host_now){0}; /* a rate over a gap says nothing */
    uv_timer_start(state->timer, on_tick, FIRST_MS, INTERVAL_MS);
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

const struct collector collector_host = {
    .name = "host",
    .interval_ms = INTERVAL_MS,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .link = link_,
};
