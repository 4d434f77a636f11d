#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collect/collect.h"
#include "collect/demo.h"

struct session {
    uv_loop_t *loop;
    const struct session_events *events;
    void *ctx;
    struct model *model;
    struct remote *remote;
    struct collection *collection;
    struct demo *demo;
    uv_timer_t *demo_timer;
};

static void on_changed(void *ctx)
{
    struct session *session = ctx;
    session->events->changed(session->ctx);
}

static void on_link(void *ctx, const struct remote_status *status)
{
    struct session *session = ctx;
    if (session->collection != NULL)
        collect_link(session->collection, status);
}

static void on_asked(void *ctx, const struct remote_question *question)
{
    struct session *session = ctx;
    session->events->asked(session->ctx, question);
}

static void on_noticed(void *ctx, const char *text)
{
    struct session *session = ctx;
    session->events->noticed(session->ctx, text);
}

static const struct remote_events remote_events = {
    .changed = on_link,
    .asked = on_asked,
    .noticed = on_noticed,
};

static void on_demo_timer(uv_timer_t *timer)
{
    struct session *session = timer->data;
    if (demo_step(session->demo, clock_mono_ms()))
        on_changed(session);
}

static int start_demo(struct session *session, uint64_t seed, struct error *error)
{
    session->demo = demo_new(session->model, seed, clock_mono_ms(), clock_wall_ms());
    session->demo_timer = malloc(sizeof(*session->demo_timer));
    if (session->demo == NULL || session->demo_timer == NULL)
        return error_set(error, -ENOMEM, "out of memory");
    uv_timer_init(session->loop, session->demo_timer);
    session->demo_timer->data = session;
    uv_timer_start(session->demo_timer, on_demo_timer, DEMO_STEP_MS, DEMO_STEP_MS);
    return 0;
}

static int start_remote(struct session *session, const struct cli *cli, bool batch,
                        struct error *error)
{
    if (strcmp(cli->target, "local") == 0) {
        session->remote = remote_local_new(session->loop, &remote_events, session, error);
    } else {
        struct remote_options options = {
            .target = cli->target,
            .ssh_config = cli->ssh_config,
            .batch = batch,
        };
        session->remote = remote_ssh_new(session->loop, &options, &remote_events, session, error);
    }
    if (session->remote == NULL)
        return error->code;
    session->collection =
        collect_new(session->loop, session->model, session->remote, on_changed, session);
    if (session->collection == NULL)
        return error_set(error, -ENOMEM, "out of memory");
    collect_link(session->collection, remote_status(session->remote));
    return 0;
}

struct session *session_new(uv_loop_t *loop, const struct cli *cli, bool batch,
                            const struct session_events *events, void *ctx, struct error *error)
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        error_set(error, -ENOMEM, "out of memory");
        return NULL;
    }
    *session = (struct session){.loop = loop, .events = events, .ctx = ctx, .model = model_new()};
    int status = session->model == NULL             ? error_set(error, -ENOMEM, "out of memory")
                 : strcmp(cli->target, "demo") == 0 ? start_demo(session, cli->seed, error)
                                                    : start_remote(session, cli, batch, error);
    if (status == 0)
        return session;
    session_free(session);
    return NULL;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    if (session->demo_timer != NULL)
        uv_close((uv_handle_t *)session->demo_timer, free_handle);
    collect_free(session->collection);
    remote_free(session->remote);
    demo_free(session->demo);
    model_free(session->model);
    free(session);
}

void session_drain(uv_loop_t *loop)
{
    /* A uv_stop() that came last makes the first run return at once. */
    while (uv_loop_close(loop) == UV_EBUSY)
        uv_run(loop, UV_RUN_DEFAULT);
}

const struct model *session_model(const struct session *session)
{
    return session->model;
}

const struct remote_status *session_status(const struct session *session)
{
    return session->remote != NULL ? remote_status(session->remote) : NULL;
}

void session_answer(struct session *session, const char *answer)
{
    if (session->remote != NULL)
        remote_answer(session->remote, answer);
}

void session_retry(struct session *session)
{
    if (session->remote != NULL)
        remote_retry(session->remote);
}

bool session_settled(const struct session *session)
{
    return session->collection == NULL || collect_settled(session->collection);
}
