/* Containers and what happens to them, from the Docker Engine: one list, then its events; state is
 * never polled. The list says what there is at once; an inspection of each container adds what only
 * it knows, and is repeated for one to which something happened. */
#include "client/docker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "collect/collect.h"
#include "collect/docker_event.h"
#include "collect/docker_parse.h"

#define RETRY_MS 1000
#define RETRY_MAX_MS 3000
#define INSPECTS_MAX 4 /* at once */
#define CONTAINERS_MAX 4096
#define SEEN_MAX 1024 /* events remembered so that none is told twice; the Engine keeps 256 */
#define HELD_MAX 1024 /* events that may wait for the list */
#define OVERLAP_NS INT64_C(2000000000)
#define ASKED_NS INT64_C(60000000000) /* an exit this soon after a signal is its doing */

/* Everything the Engine remembers (256 events), then what happens. Health checks make exec events
 * by the thousand: they are not asked for. */
#define EVENTS_PATH                                                                                \
    "/events?filters=%%7B%%22type%%22:%%5B%%22container%%22,%%22network%%22%%5D,"                  \
    "%%22event%%22:%%5B%%22create%%22,%%22start%%22,%%22restart%%22,%%22stop%%22,%%22die%%22,"     \
    "%%22kill%%22,%%22oom%%22,%%22pause%%22,%%22unpause%%22,%%22rename%%22,%%22destroy%%22,"       \
    "%%22update%%22,%%22health_status%%22,%%22connect%%22,%%22disconnect%%22%%5D%%7D"              \
    "&since=%" PRId64 ".%09" PRId64

/* The latest event of a sort, whose words an inspection can better. 0: none. */
struct latest {
    int64_t id;
    int exit_code;
};

struct member {
    TAILQ_ENTRY(member) link; /* in `waiting` */
    struct state *state;
    char id[DOCKER_ID_MAX + 1];
    char name[128];
    bool listed;  /* the present list named it */
    bool waiting; /* something happened: it is to be inspected (again) */
    struct docker_request *inspect;
    bool running;     /* as its events and inspections say */
    bool oom;         /* killed for memory since it last started */
    int64_t asked_ns; /* when it was last sent a signal */
    int64_t restarts; /* by its policy, when it last started; -1: not known yet */
    struct latest died, started, unhealthy;
};
TAILQ_HEAD(member_list, member);

struct state {
    struct collect_context *context;
    struct docker *docker;
    uv_timer_t *timer; /* the next attempt */
    bool up;
    int failures;
    struct docker_request *list, *events, *version;
    bool listed; /* the list is in the model; events before that are held */
    json_t *held;
    struct member **members;
    size_t n_members;
    struct member_list waiting;
    size_t n_inspects;
    int64_t event_id;                     /* of the last event told */
    uint64_t seen[SEEN_MAX], seen_cursor; /* hashes */
    int64_t newest_ns;                    /* of all events so far */
};

static void begin(struct state *state);
static void fail(struct state *state, const struct error *error);

/* --- members */

static struct member *member_find(struct state *state, const char *id)
{
    for (size_t i = 0; id != NULL && i < state->n_members; i++)
        if (strcmp(state->members[i]->id, id) == 0)
            return state->members[i];
    return NULL;
}

static struct member *member_add(struct state *state, const char *id)
{
    struct member *member = member_find(state, id);
    if (member != NULL || state->n_members == CONTAINERS_MAX)
        return member;
    if (state->members == NULL)
        state->members = calloc(CONTAINERS_MAX, sizeof(struct member *));
    member = calloc(1, sizeof(*member));
    if (state->members == NULL || member == NULL) {
        free(member);
        return NULL;
    }
    member->state = state;
    member->restarts = -1;
    snprintf(member->id, sizeof(member->id), "%s", id);
    state->members[state->n_members++] = member;
    return member;
}

static void inspect_cancel(struct member *member)
{
    if (member->inspect != NULL) {
        docker_cancel(member->inspect);
        member->inspect = NULL;
        member->state->n_inspects--;
    }
    if (member->waiting)
        TAILQ_REMOVE(&member->state->waiting, member, link);
    member->waiting = false;
}

static void member_remove(struct state *state, size_t index)
{
    struct member *member = state->members[index];
    state->members[index] = state->members[--state->n_members];
    inspect_cancel(member);
    free(member);
}

/* --- events into the model */

static void tell(struct state *state, int64_t id, const struct docker_event *event,
                 const char *subject, const struct docker_words *words)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, id);
    struct event entity = {.e.id = number};
    if (event != NULL) {
        SET(entity, EVENT, time, event->time_ns / 1000000);
        SET(entity, EVENT, subject, subject);
        if (event->id != NULL)
            SET(entity, EVENT, subject_id, event->id);
    }
    SET(entity, EVENT, level, words->level);
    SET(entity, EVENT, action, words->action);
    SET(entity, EVENT, detail, words->detail);
    collect_observe(state->context, &collector_docker, KIND_EVENT, &entity.e);
}

/* Tells an event anew, of which more is known now. */
static void retell(struct state *state, struct latest *latest, const struct docker_words *words)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, latest->id);
    if (model_find(state->context->model, KIND_EVENT, number) != NULL)
        tell(state, latest->id, NULL, NULL, words);
    latest->id = 0;
}

/* --- inspections */

static void inspect_next(struct state *state);

static void refine_events(struct member *member, const struct docker_row *row)
{
    const struct container *container = &row->container;
    struct state *state = member->state;
    struct docker_words words;
    bool oom = KNOWN(container, CONTAINER_oom_killed) && container->oom_killed && !row->running;
    if (member->died.id != 0 && oom) {
        docker_words_exit(member->died.exit_code, true, false, &words);
        retell(state, &member->died, &words);
    }
    if (member->unhealthy.id != 0 && KNOWN(container, CONTAINER_health_output) &&
        KNOWN(container, CONTAINER_health) && container->health == HEALTH_UNHEALTHY) {
        docker_words_unhealthy(container->health_output, &words);
        retell(state, &member->unhealthy, &words);
    }
    if (!KNOWN(container, CONTAINER_restarts))
        return;
    /* The Engine counts a restart before it happens: only what runs has been restarted. */
    bool again = member->restarts >= 0 && container->restarts > member->restarts;
    if (member->started.id != 0 && again && row->running) {
        docker_words_restarted(container->restarts, &words);
        retell(state, &member->started, &words);
    }
    if (row->running)
        member->restarts = container->restarts;
    else if (member->restarts < 0)
        member->restarts = container->restarts > 0 ? container->restarts - 1 : 0;
}

static void container_gone(struct member *member)
{
    struct state *state = member->state;
    size_t i = 0;
    while (state->members[i] != member)
        i++;
    collect_gone(state->context, &collector_docker, KIND_CONTAINER, member->id);
    member_remove(state, i);
}

static void on_inspected(void *ctx, const struct docker_answer *answer)
{
    struct member *member = ctx;
    struct state *state = member->state;
    struct docker_row row;
    member->inspect = NULL;
    state->n_inspects--;
    if (answer->error.code == -ENOENT) {
        container_gone(member);
    } else if (answer->error.code == -ENOTCONN || answer->error.code == -ECONNREFUSED) {
        fail(state, &answer->error);
        return;
    } else if (answer->error.code == 0) {
        if (docker_parse_inspect(answer->json, &row) == 0 &&
            strcmp(row.container.e.id, member->id) == 0) {
            collect_observe_fields(state->context, &collector_docker, KIND_CONTAINER,
                                   &row.container.e, row.mask);
            if (!member->waiting) /* else this is older than an event */
                member->running = row.running;
            refine_events(member, &row);
        }
        docker_row_done(&row);
    }
    /* Any other error is of this one container: what the list said of it stays. */
    inspect_next(state);
}

static void inspect_next(struct state *state)
{
    struct member *member;
    char path[DOCKER_ID_MAX + 32];
    while (state->n_inspects < INSPECTS_MAX) {
        TAILQ_FOREACH(member, &state->waiting, link)
        if (member->inspect == NULL)
            break; /* one at a time of each: what is under way may be too old */
        if (member == NULL)
            break;
        TAILQ_REMOVE(&state->waiting, member, link);
        member->waiting = false;
        snprintf(path, sizeof(path), "/containers/%s/json", member->id);
        member->inspect = docker_get(state->docker, path, on_inspected, member);
        state->n_inspects += member->inspect != NULL;
    }
    if (state->listed && state->n_inspects == 0)
        collect_whole(state->context, &collector_docker);
}

static void inspect_later(struct member *member)
{
    if (!member->waiting)
        TAILQ_INSERT_TAIL(&member->state->waiting, member, link);
    member->waiting = true;
}

/* --- events */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

/* Has this been told already? A stream that is opened again overlaps with the one before. */
static bool is_repeated(struct state *state, const struct docker_event *event)
{
    uint64_t hash = hash_text(UINT64_C(14695981039346656037) ^ (uint64_t)event->time_ns, event->id);
    hash = hash_text(hash_text(hash, event->action), event->name) | 1; /* 0 marks a free place */
    for (size_t i = 0; i < SEEN_MAX; i++)
        if (state->seen[i] == hash)
            return true;
    state->seen[state->seen_cursor++ % SEEN_MAX] = hash;
    if (event->time_ns > state->newest_ns)
        state->newest_ns = event->time_ns;
    return false;
}

/* What an event says of a run that is over: the Engine forgets it when the container runs again. */
static void observe_exit(struct member *member, const struct docker_event *event)
{
    struct container container = {.e.id = member->id};
    if (event->exit_code >= 0)
        SET(container, CONTAINER, exit_code, event->exit_code);
    SET(container, CONTAINER, oom_killed, member->oom);
    SET(container, CONTAINER, finished_at, event->time_ns / 1000000);
    collect_observe(member->state->context, &collector_docker, KIND_CONTAINER, &container.e);
}

/* Follows the container's life; may better the words by what is known of it. */
static void member_event(struct member *member, const struct docker_event *event,
                         struct docker_words *words)
{
    int64_t id = member->state->event_id + 1; /* what tell() is about to use */
    if (strcmp(event->action, "kill") == 0) {
        member->asked_ns = event->time_ns;
    } else if (strcmp(event->action, "oom") == 0) {
        member->oom = true;
    } else if (strcmp(event->action, "start") == 0) {
        member->running = true;
        member->oom = false;
        member->asked_ns = 0;
        member->started.id = id;
    } else if (strcmp(event->action, "die") == 0) {
        member->running = false;
        bool asked = event->time_ns - member->asked_ns < ASKED_NS;
        docker_words_exit(event->exit_code, member->oom, asked, words);
        member->died = (struct latest){id, event->exit_code};
        observe_exit(member, event);
    } else if (strncmp(event->action, "health_status", 13) == 0) {
        member->unhealthy.id = strcmp(event->argument, "unhealthy") == 0 ? id : 0;
    }
}

static void on_event(struct state *state, json_t *json)
{
    struct docker_event event;
    struct docker_words words;
    if (docker_event_parse(json, &event) < 0 || is_repeated(state, &event))
        return;
    struct member *member = member_find(state, event.id);
    bool worth = docker_event_words(&event, &words);
    /* One that the list did not name is newer than it; or an event that tells its end follows. */
    if (member == NULL && !event.is_network && strcmp(event.action, "destroy") != 0)
        member = member_add(state, event.id);
    /* A container that starts or ends joins and leaves its networks: that is no news. */
    bool joins = event.is_network && event.id != NULL;
    worth = worth && !(joins && (member == NULL || !member->running));
    if (member != NULL && !event.is_network)
        member_event(member, &event, &words);
    const char *subject = event.name;
    if (joins)
        subject = member != NULL ? member->name : event.id;
    if (worth)
        tell(state, ++state->event_id, &event, subject, &words);
    if (member == NULL)
        return;
    if (!event.is_network && event.name[0] != '\0')
        snprintf(member->name, sizeof(member->name), "%.127s", event.name);
    if (strcmp(event.action, "destroy") == 0 && !event.is_network)
        container_gone(member);
    else
        inspect_later(member);
}

static void on_line(void *ctx, json_t *json)
{
    struct state *state = ctx;
    if (!state->listed) {
        if (json_array_size(state->held) < HELD_MAX)
            json_array_append(state->held, json);
        return;
    }
    on_event(state, json);
    inspect_next(state);
}

static void on_events_end(void *ctx, const struct docker_answer *answer)
{
    struct state *state = ctx;
    state->events = NULL;
    fail(state, &answer->error);
}

/* --- the list */

static void observe_item(struct state *state, json_t *item)
{
    struct docker_row row;
    if (docker_parse_item(item, &row) == 0) {
        struct member *member = member_add(state, row.container.e.id);
        collect_observe_fields(state->context, &collector_docker, KIND_CONTAINER, &row.container.e,
                               row.mask);
        if (member != NULL) {
            member->listed = true;
            if (KNOWN(&row.container, CONTAINER_name))
                snprintf(member->name, sizeof(member->name), "%.127s", row.container.name);
            inspect_later(member);
        }
    }
    docker_row_done(&row);
}

static void on_listed(void *ctx, const struct docker_answer *answer)
{
    struct state *state = ctx;
    struct collect_context *context = state->context;
    json_t *item;
    size_t i;
    state->list = NULL;
    if (answer->error.code != 0) {
        fail(state, &answer->error);
        return;
    }
    if (!json_is_array(answer->json)) {
        fail(state, &(struct error){.text = "The Docker Engine's list of containers is not a list: "
                                            "is something else on its socket?"});
        return;
    }
    for (i = 0; i < state->n_members; i++)
        state->members[i]->listed = false;
    collect_list(context, &collector_docker, KIND_CONTAINER, OBS_LIST_BEGIN);
    json_array_foreach(answer->json, i, item) observe_item(state, item);
    collect_list(context, &collector_docker, KIND_CONTAINER, OBS_LIST_END);
    for (i = state->n_members; i-- > 0;)
        if (!state->members[i]->listed)
            member_remove(state, i);
    state->listed = true;
    state->failures = 0;
    collect_source(context, &collector_docker, SOURCE_OK, "");
    json_array_foreach(state->held, i, item) on_event(state, item);
    json_decref(state->held);
    state->held = NULL;
    inspect_next(state);
}

static void on_version(void *ctx, const struct docker_answer *answer)
{
    struct state *state = ctx;
    struct host host = {.e.id = HOST_ID};
    const char *version = json_text(answer->json, "Version");
    state->version = NULL;
    if (version == NULL)
        return; /* the list tells what is wrong */
    SET(host, HOST, docker_version, version);
    SET(host, HOST, docker_api, docker_api(state->docker));
    collect_observe(state->context, &collector_docker, KIND_HOST, &host.e);
}

/* --- begin, fail, begin again */

static void drop(struct state *state)
{
    docker_cancel(state->list);
    docker_cancel(state->events);
    docker_cancel(state->version);
    state->list = state->events = state->version = NULL;
    for (size_t i = 0; i < state->n_members; i++)
        inspect_cancel(state->members[i]);
    json_decref(state->held);
    state->held = NULL;
    state->listed = false;
    if (state->timer != NULL)
        uv_timer_stop(state->timer);
}

static void on_retry(uv_timer_t *timer)
{
    begin(timer->data);
}

static void fail(struct state *state, const struct error *error)
{
    drop(state);
    if (!state->up || error->code == -ENOTCONN)
        return; /* that is the link's to tell */
    collect_source(state->context, &collector_docker, SOURCE_FAILED, error->text);
    int delay = RETRY_MS * ++state->failures;
    uv_timer_start(state->timer, on_retry, (uint64_t)(delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS),
                   0);
}

/* All at once: a round trip costs more than a connection. Nothing that happens between the list and
 * the first event is missed, for the stream begins in the past. */
static void begin(struct state *state)
{
    char path[640];
    int64_t since = state->newest_ns > OVERLAP_NS ? state->newest_ns - OVERLAP_NS : 1000000000;
    drop(state);
    snprintf(path, sizeof(path), EVENTS_PATH, since / 1000000000, since % 1000000000);
    state->held = json_array();
    state->list = docker_get(state->docker, "/containers/json?all=1", on_listed, state);
    state->events = docker_stream(state->docker, path, on_line, on_events_end, state);
    state->version = docker_get(state->docker, "/version", on_version, state);
    if (state->list == NULL || state->events == NULL)
        fail(state, &(struct error){.code = -EMFILE,
                                    .text = "No connection to Docker could be begun: memory or "
                                            "file descriptors are used up here."});
}

static void start(void *ctx, struct collect_context *context)
{
    struct state *state = ctx;
    state->context = context;
    TAILQ_INIT(&state->waiting);
    state->docker = docker_new(context->loop, context->remote, context->probe);
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
    state->failures = 0;
    if (!up)
        drop(state);
    else if (state->docker != NULL && state->timer != NULL)
        begin(state);
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
    drop(state);
    while (state->n_members > 0)
        member_remove(state, state->n_members - 1);
    free(state->members);
    docker_free(state->docker);
    if (state->timer != NULL)
        uv_close((uv_handle_t *)state->timer, timer_free);
}

const struct collector collector_docker = {
    .name = "docker",
    .interval_ms = 0,
    .state_size = sizeof(struct state),
    .start = start,
    .stop = stop,
    .link = link_,
};
