#include "collect/collect.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "client/probe.h"
#include "collect/resolve.h"

#define LINK_INTERVAL_MS 1000

const struct collector *const collectors[] = {
    &collector_host,
    &collector_docker,
    &collector_disks,
    NULL,
};
#define N_COLLECTORS (sizeof(collectors) / sizeof(collectors[0]) - 1)

struct collection {
    struct collect_context context;
    void *states[N_COLLECTORS];
    enum source_state sources[N_COLLECTORS];
    bool whole[N_COLLECTORS];
    bool up;
    void (*changed)(void *ctx);
    void *ctx;
    bool dirty;            /* the model changed in this loop turn */
    uv_prepare_t *prepare; /* runs before the loop sleeps: tells of the change, once a turn */
    uv_timer_t *timer;
    /* The link's rates: bytes at the last reading. */
    uint64_t rx_bytes, tx_bytes;
    int64_t bytes_at; /* monotonic ms, 0: no reading yet */
    bool have_rates;
    double rx_rate, tx_rate;
};

static size_t index_of(const struct collector *collector)
{
    size_t i = 0;
    while (collectors[i] != NULL && collectors[i] != collector)
        i++;
    return i;
}

static void apply(struct collect_context *context, const struct obs *obs)
{
    if (model_apply(context->model, obs) > 0)
        context->collection->dirty = true;
}

/* --- for collectors */

void collect_observe_fields(struct collect_context *context, const struct collector *collector,
                            enum entity_kind kind, const struct entity *payload, uint64_t mask)
{
    apply(context, &(struct obs){
                       .kind = kind,
                       .op = OBS_UPSERT,
                       .id = payload->id,
                       .source = collector->name,
                       .t_local = clock_mono_ms(),
                       .mask = mask,
                       .payload = payload,
                   });
}

void collect_observe(struct collect_context *context, const struct collector *collector,
                     enum entity_kind kind, const struct entity *payload)
{
    collect_observe_fields(context, collector, kind, payload, 0);
}

void collect_gone(struct collect_context *context, const struct collector *collector,
                  enum entity_kind kind, const char *id)
{
    apply(context, &(struct obs){
                       .kind = kind,
                       .op = OBS_GONE,
                       .id = id,
                       .source = collector->name,
                       .t_local = clock_mono_ms(),
                   });
}

void collect_list(struct collect_context *context, const struct collector *collector,
                  enum entity_kind kind, enum obs_op begin_or_end)
{
    apply(context, &(struct obs){
                       .kind = kind,
                       .op = begin_or_end,
                       .source = collector->name,
                       .t_local = clock_mono_ms(),
                   });
}

void collect_source(struct collect_context *context, const struct collector *collector,
                    enum source_state state, const char *message)
{
    struct collection *collection = context->collection;
    size_t i = index_of(collector);
    struct source source = {.e.id = collector->name};
    SET(source, SOURCE, state, state);
    SET(source, SOURCE, message, message != NULL ? message : "");
    SET(source, SOURCE, interval_ms, collector->interval_ms);
    /* What is told by events was right until the moment in which the telling ended. */
    if (state == SOURCE_OK || (collection->sources[i] == SOURCE_OK && collector->interval_ms == 0))
        SET(source, SOURCE, good_at_ms, clock_mono_ms());
    collection->sources[i] = state;
    collect_observe(context, collector, KIND_SOURCE, &source.e);
}

void collect_whole(struct collect_context *context, const struct collector *collector)
{
    struct collection *collection = context->collection;
    size_t i = index_of(collector);
    collection->dirty = collection->dirty || !collection->whole[i];
    collection->whole[i] = true;
}

/* --- the link */

static void read_rates(struct collection *collection, const struct remote_status *status)
{
    int64_t now = clock_mono_ms(), ms = now - collection->bytes_at;
    if (status->state != REMOTE_UP) {
        collection->bytes_at = 0;
        collection->have_rates = false;
        return;
    }
    if (collection->bytes_at != 0 && ms < LINK_INTERVAL_MS / 2)
        return; /* too short for a rate */
    bool forward =
        status->rx_bytes >= collection->rx_bytes && status->tx_bytes >= collection->tx_bytes;
    if (collection->bytes_at != 0 && forward) {
        collection->rx_rate = (double)(status->rx_bytes - collection->rx_bytes) * 1000 / (double)ms;
        collection->tx_rate = (double)(status->tx_bytes - collection->tx_bytes) * 1000 / (double)ms;
        collection->have_rates = true;
    }
    collection->rx_bytes = status->rx_bytes;
    collection->tx_bytes = status->tx_bytes;
    collection->bytes_at = now;
}

static void observe_link(struct collection *collection, const struct remote_status *status)
{
    static const enum link_state states[] = {
        [REMOTE_CONNECTING] = LINK_CONNECTING,
        [REMOTE_UP] = LINK_UP,
        [REMOTE_LOST] = LINK_LOST,
        [REMOTE_STOPPED] = LINK_STOPPED,
    };
    struct link link = {.e.id = LINK_ID};
    read_rates(collection, status);
    SET(link, LINK, state, states[status->state]);
    SET(link, LINK, transport, status->transport);
    SET(link, LINK, address, status->address);
    SET(link, LINK, message, status->error.code != 0 ? status->error.text : "");
    SET(link, LINK, since, status->since);
    SET(link, LINK, attempts, status->attempts);
    if (status->retry_at != 0)
        SET(link, LINK, retry_at, status->retry_at);
    if (status->rtt_ms >= 0 && status->state == REMOTE_UP)
        SET(link, LINK, rtt_ms, status->rtt_ms);
    if (collection->have_rates) {
        SET(link, LINK, rx_bytes_per_s, collection->rx_rate);
        SET(link, LINK, tx_bytes_per_s, collection->tx_rate);
    }
    apply(&collection->context, &(struct obs){
                                    .kind = KIND_LINK,
                                    .op = OBS_UPSERT,
                                    .id = LINK_ID,
                                    .source = LINK_ID,
                                    .t_local = clock_mono_ms(),
                                    .mask = FIELD_BIT(LINK__COUNT) - 1,
                                    .payload = &link.e,
                                });
}

void collect_link(struct collection *collection, const struct remote_status *status)
{
    struct collect_context *context = &collection->context;
    bool up = status->state == REMOTE_UP;
    bool turned = up != collection->up;
    collection->up = up;
    observe_link(collection, status);
    /* The probe shell first: before its first session sshd delays small packets. */
    if (turned)
        probe_link(context->probe, up);
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        if (turned)
            collectors[i]->link(collection->states[i], up);
        if (status->state == REMOTE_LOST || status->state == REMOTE_STOPPED || (turned && !up))
            collect_source(context, collectors[i], SOURCE_LOST, "");
    }
}

/* --- a collection's life */

static void on_prepare(uv_prepare_t *prepare)
{
    struct collection *collection = prepare->data;
    if (!collection->dirty)
        return;
    collection->dirty = false;
    collection->changed(collection->ctx); /* may free the collection */
}

static void on_timer(uv_timer_t *timer)
{
    struct collection *collection = timer->data;
    observe_link(collection, remote_status(collection->context.remote));
}

static void handle_free(uv_handle_t *handle)
{
    free(handle);
}

static int start_handles(struct collection *collection)
{
    uv_loop_t *loop = collection->context.loop;
    collection->prepare = calloc(1, sizeof(*collection->prepare));
    collection->timer = calloc(1, sizeof(*collection->timer));
    if (collection->prepare == NULL || collection->timer == NULL) {
        free(collection->prepare);
        free(collection->timer);
        collection->prepare = NULL;
        collection->timer = NULL;
        return -ENOMEM;
    }
    uv_prepare_init(loop, collection->prepare);
    uv_timer_init(loop, collection->timer);
    collection->prepare->data = collection;
    collection->timer->data = collection;
    uv_prepare_start(collection->prepare, on_prepare);
    uv_timer_start(collection->timer, on_timer, LINK_INTERVAL_MS, LINK_INTERVAL_MS);
    return 0;
}

struct collection *collect_new(uv_loop_t *loop, struct model *model, struct remote *remote,
                               void (*changed)(void *ctx), void *ctx)
{
    struct collection *collection = calloc(1, sizeof(*collection));
    if (collection == NULL)
        return NULL;
    struct collect_context *context = &collection->context;
    *context = (struct collect_context){loop, model, remote, NULL, collection};
    collection->changed = changed;
    collection->ctx = ctx;
    context->probe = probe_new(loop, remote);
    if (context->probe == NULL || start_handles(collection) < 0)
        goto fail;
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        collection->states[i] = calloc(1, collectors[i]->state_size);
        if (collection->states[i] == NULL)
            goto fail;
        collect_source(context, collectors[i], SOURCE_WAITING, "");
        collectors[i]->start(collection->states[i], context);
    }
    remote_set_resolver(remote, collect_resolve, model);
    collect_link(collection, remote_status(remote));
    return collection;
fail:
    collect_free(collection);
    return NULL;
}

void collect_free(struct collection *collection)
{
    if (collection == NULL)
        return;
    remote_set_resolver(collection->context.remote, NULL, NULL);
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        if (collection->states[i] != NULL)
            collectors[i]->stop(collection->states[i]);
        free(collection->states[i]);
    }
    probe_free(collection->context.probe);
    if (collection->prepare != NULL) {
        uv_close((uv_handle_t *)collection->prepare, handle_free);
        uv_close((uv_handle_t *)collection->timer, handle_free);
    }
    free(collection);
}

bool collect_settled(const struct collection *collection)
{
    for (size_t i = 0; i < N_COLLECTORS; i++) {
        enum source_state state = collection->sources[i];
        if (!collection->whole[i] && state != SOURCE_FAILED && state != SOURCE_LOST)
            return false;
    }
    return true;
}
