#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/judge.h"
#include "panes/panes.h"

#define MEMORY_HIGH 90.0 /* percent of its limit */

static const struct container *as_container(const struct entity *entity)
{
    return (const struct container *)entity;
}

static bool is_up(const struct container *c)
{
    return KNOWN(c, CONTAINER_state) &&
           (c->state == CONTAINER_RUNNING || c->state == CONTAINER_PAUSED);
}

static enum role verdict_role(enum verdict verdict, enum role fine)
{
    return verdict == VERDICT_DOWN ? ROLE_BAD : verdict == VERDICT_DEGRADED ? ROLE_WARN : fine;
}

/* A sign and a word: what is wrong must be readable without colours. */
struct face {
    const char *sign, *word;
    enum role role; /* where nothing is wrong */
};

static struct face face_of(const struct container *c, enum verdict verdict)
{
    int health = KNOWN(c, CONTAINER_health) ? c->health : HEALTH_NONE;
    const char *word = container_state_words[c->state];
    switch (c->state) {
    case CONTAINER_RUNNING:
        if (health == HEALTH_UNHEALTHY)
            return (struct face){"▲", "unhealthy", ROLE_WARN};
        if (health == HEALTH_STARTING)
            return (struct face){"◐", "starting", ROLE_INFO};
        return (struct face){"●", word, ROLE_OK};
    case CONTAINER_PAUSED:
        return (struct face){"‖", word, ROLE_WARN};
    case CONTAINER_RESTARTING:
        return (struct face){"↻", word, ROLE_BAD};
    default:
        return (struct face){verdict == VERDICT_DOWN ? "✗" : "○", word, ROLE_DIM};
    }
}

static void cell_state(const struct entity *entity, const struct pane_context *context,
                       struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    char why[16], code[24] = "";
    if (!KNOWN(c, CONTAINER_state)) {
        snprintf(out->text, sizeof(out->text), "–");
        out->role = ROLE_DIM;
        return;
    }
    enum verdict verdict = container_judge(c, why, sizeof(why));
    struct face face = face_of(c, verdict);
    bool ended = c->state == CONTAINER_EXITED || c->state == CONTAINER_RESTARTING;
    bool oom = ended && KNOWN(c, CONTAINER_oom_killed) && c->oom_killed;
    if (ended && KNOWN(c, CONTAINER_exit_code))
        snprintf(code, sizeof(code), " %lld", (long long)c->exit_code);
    snprintf(out->text, sizeof(out->text), "%s %s%s%s", face.sign, face.word, code,
             oom ? " OOM" : "");
    out->sign = strlen(face.sign);
    out->sign_role = verdict_role(verdict, face.role);
    out->role = verdict_role(verdict, face.role == ROLE_DIM ? ROLE_DIM : ROLE_NORMAL);
}

/* Worst first; among what is well, the running before the ended. */
enum { RANK_DOWN, RANK_WARNING, RANK_FINE, RANK_STARTING = RANK_FINE, RANK_RUNNING, RANK_ENDED };

static long rank_state(const struct entity *entity)
{
    const struct container *c = as_container(entity);
    char why[16];
    switch (container_judge(c, why, sizeof(why))) {
    case VERDICT_DOWN:
        return RANK_DOWN;
    case VERDICT_DEGRADED:
        return RANK_WARNING;
    default:
        break;
    }
    if (!KNOWN(c, CONTAINER_state) || (KNOWN(c, CONTAINER_health) && c->health == HEALTH_STARTING))
        return RANK_STARTING;
    return c->state == CONTAINER_RUNNING ? RANK_RUNNING : RANK_ENDED;
}

static void cell_name(const struct entity *entity, const struct pane_context *context,
                      struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    if (KNOWN(c, CONTAINER_name))
        snprintf(out->text, sizeof(out->text), "%s", c->name);
    else
        snprintf(out->text, sizeof(out->text), "%.12s", entity->id);
    long rank = rank_state(entity);
    out->role = rank < RANK_FINE ? ROLE_STRONG : rank == RANK_ENDED ? ROLE_DIM : ROLE_NORMAL;
}

static void cell_health(const struct entity *entity, const struct pane_context *context,
                        struct table_text *out)
{
    (void)context;
    static const enum role roles[] = {ROLE_DIM, ROLE_INFO, ROLE_OK, ROLE_WARN};
    const struct container *c = as_container(entity);
    bool known = KNOWN(c, CONTAINER_health) && is_up(c);
    if (known && c->health == HEALTH_NONE)
        snprintf(out->text, sizeof(out->text), "no check");
    else
        snprintf(out->text, sizeof(out->text), "%s",
                 known ? container_health_words[c->health] : "–");
    out->role = known ? roles[c->health] : ROLE_DIM;
}

/* When its present state began; 0 = not known. */
static int64_t since(const struct container *c)
{
    if (KNOWN(c, CONTAINER_state) && !is_up(c) && KNOWN(c, CONTAINER_finished_at))
        return c->finished_at;
    if (is_up(c) && KNOWN(c, CONTAINER_started_at))
        return c->started_at;
    return 0;
}

static void cell_since(const struct entity *entity, const struct pane_context *context,
                       struct table_text *out)
{
    int64_t began = since(as_container(entity));
    if (began != 0)
        text_duration(out->text, context->wall - began);
    else
        snprintf(out->text, sizeof(out->text), "–");
    out->role = began != 0 ? ROLE_NORMAL : ROLE_DIM;
}

/* The latest change first. */
static long rank_since(const struct entity *entity)
{
    return -(long)(since(as_container(entity)) / 1000);
}

static void cell_restarts(const struct entity *entity, const struct pane_context *context,
                          struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    bool known = KNOWN(c, CONTAINER_restarts);
    if (known)
        snprintf(out->text, sizeof(out->text), "%lld", (long long)c->restarts);
    else
        snprintf(out->text, sizeof(out->text), "–");
    out->role = known && c->restarts > 0 ? ROLE_NORMAL : ROLE_DIM;
}

static void cell_cpu(const struct entity *entity, const struct pane_context *context,
                     struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    bool known = KNOWN(c, CONTAINER_cpu_percent) && is_up(c);
    if (known)
        text_percent(out->text, c->cpu_percent);
    else
        snprintf(out->text, sizeof(out->text), "–");
    out->role = known && c->cpu_percent >= 0.05 ? ROLE_NORMAL : ROLE_DIM;
}

/* Percent of its limit; below 0 when that is not known or there is none. */
static double memory_share(const struct container *c)
{
    bool known = KNOWN(c, CONTAINER_memory_bytes) && KNOWN(c, CONTAINER_memory_limit_bytes) &&
                 c->memory_limit_bytes > 0 && is_up(c);
    return known ? 100.0 * (double)c->memory_bytes / (double)c->memory_limit_bytes : -1;
}

static void cell_memory(const struct entity *entity, const struct pane_context *context,
                        struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    bool known = KNOWN(c, CONTAINER_memory_bytes) && is_up(c);
    if (known)
        text_bytes(out->text, (double)c->memory_bytes);
    else
        snprintf(out->text, sizeof(out->text), "–");
    out->role = !known ? ROLE_DIM : memory_share(c) >= MEMORY_HIGH ? ROLE_WARN : ROLE_NORMAL;
}

static void cell_memory_share(const struct entity *entity, const struct pane_context *context,
                              struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    double share = memory_share(c);
    if (share < 0) {
        snprintf(out->text, sizeof(out->text), "–");
        out->role = ROLE_DIM;
        return;
    }
    snprintf(out->text, sizeof(out->text), "%.0f", share);
    out->role = share >= MEMORY_HIGH ? ROLE_WARN : ROLE_NORMAL;
}

/* "443" for "443->443/tcp", "8080->80", "127.0.0.1:5432", "53/udp": short, and only what differs.
 */
static size_t print_port(const char *item, size_t len, char *out, size_t size)
{
    const char *arrow = memmem(item, len, "->", 2);
    const char *slash = memrchr(item, '/', len);
    size_t bare =
        slash != NULL && len - (size_t)(slash - item) == 4 && memcmp(slash, "/tcp", 4) == 0
            ? (size_t)(slash - item)
            : len;
    if (arrow != NULL) {
        size_t host = (size_t)(arrow - item), inner = bare - host - 2;
        bool same = slash != NULL && bare == (size_t)(slash - item) && host >= inner &&
                    memcmp(arrow - inner, arrow + 2, inner) == 0 &&
                    (host == inner || arrow[-(ptrdiff_t)inner - 1] == ':');
        if (same)
            bare = host;
    }
    return (size_t)snprintf(out, size, "%.*s", (int)bare, item);
}

static void cell_ports(const struct entity *entity, const struct pane_context *context,
                       struct table_text *out)
{
    (void)context;
    const struct container *c = as_container(entity);
    size_t n = 0;
    if (!KNOWN(c, CONTAINER_ports)) {
        snprintf(out->text, sizeof(out->text), "–");
        out->role = ROLE_DIM;
        return;
    }
    for (const char *item = c->ports; *item != '\0' && n + 1 < sizeof(out->text);) {
        size_t len = strcspn(item, "\n");
        if (n > 0)
            out->text[n++] = ' ';
        n += print_port(item, len, out->text + n, sizeof(out->text) - n);
        item += len + (item[len] == '\n');
    }
}

static const struct column columns[] = {
    {"State", CONTAINER_state, 1, 13, 18, 0, cell_state, rank_state},
    {"Name", CONTAINER_name, 1, 12, 40, 0, cell_name, NULL},
    {"Health", CONTAINER_health, 5, 9, 9, 0, cell_health, NULL},
    {"For", CONTAINER_started_at, 2, 6, 6, COLUMN_NUMBER, cell_since, rank_since},
    {"Rst", CONTAINER_restarts, 4, 3, 3, COLUMN_NUMBER | COLUMN_DOWNWARD, cell_restarts, NULL},
    {"CPU%", CONTAINER_cpu_percent, 3, 5, 5, COLUMN_NUMBER | COLUMN_DOWNWARD, cell_cpu, NULL},
    {"Mem", CONTAINER_memory_bytes, 3, 5, 5, COLUMN_NUMBER | COLUMN_DOWNWARD, cell_memory, NULL},
    {"Lim%", CONTAINER_memory_limit_bytes, 9, 4, 4, COLUMN_NUMBER | COLUMN_FIXED, cell_memory_share,
     NULL},
    {"Project", CONTAINER_project, 6, 12, 16, 0, NULL, NULL},
    {"Image", CONTAINER_image, 7, 16, 48, COLUMN_TAIL, NULL, NULL},
    {"Ports", CONTAINER_ports, 8, 14, 40, 0, cell_ports, NULL},
};

static const struct table_options options = {
    .kind = KIND_CONTAINER,
    .columns = columns,
    .n_columns = sizeof(columns) / sizeof(columns[0]),
    .sort = 0,
    .name_field = CONTAINER_name,
    .group_field = CONTAINER_project,
};

struct state {
    struct table table;
    size_t running, failing;
};

static int init(void *data)
{
    table_init(&((struct state *)data)->table, &options);
    return 0;
}

static void done(void *data)
{
    table_done(&((struct state *)data)->table);
}

static void recalc(void *data, const struct pane_context *context)
{
    struct state *state = data;
    table_recalc(&state->table, context);
    state->running = state->failing = 0;
    for (size_t i = 0; i < model_count(context->model, KIND_CONTAINER); i++) {
        const struct entity *entity = model_at(context->model, KIND_CONTAINER, i);
        long rank = rank_state(entity);
        state->failing += rank < RANK_FINE;
        state->running += is_up(as_container(entity));
    }
}

static void draw(void *data, struct canvas *canvas, const struct pane_context *context)
{
    table_draw(&((struct state *)data)->table, canvas, context);
}

static void count(void *data, const struct pane_context *context, char *out, size_t size)
{
    struct state *state = data;
    char total[32];
    (void)context;
    table_count(&state->table, total, sizeof(total));
    int n = snprintf(out, size, "%s · %zu running", total, state->running);
    if (state->failing > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, " · %zu failing", state->failing);
}

static struct table *get_table(void *data)
{
    return &((struct state *)data)->table;
}

const struct pane pane_containers = {
    .title = "Containers",
    .kind = KIND_CONTAINER,
    .kinds = 1u << KIND_CONTAINER | 1u << KIND_SOURCE,
    .source = "docker",
    .empty = "No containers on this host.",
    .state_size = sizeof(struct state),
    .init = init,
    .done = done,
    .recalc = recalc,
    .draw = draw,
    .count = count,
    .table = get_table,
};
