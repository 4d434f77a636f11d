#include <stdio.h>
#include <string.h>

#include "panes/panes.h"

static const struct event *as_event(const struct entity *entity)
{
    return (const struct event *)entity;
}

static void cell_time(const struct entity *entity, const struct pane_context *context,
                      struct table_text *out)
{
    const struct event *event = as_event(entity);
    out->role = ROLE_DIM;
    if (KNOWN(event, EVENT_time))
        zone_when(&context->zone, event->time, context->wall, out->text, sizeof(out->text));
    else
        snprintf(out->text, sizeof(out->text), "–");
}

static void cell_action(const struct entity *entity, const struct pane_context *context,
                        struct table_text *out)
{
    static const char *const signs[] = {"·", "●", "▲", "✗"};
    static const enum role roles[] = {ROLE_DIM, ROLE_OK, ROLE_WARN, ROLE_BAD};
    static const enum role words[] = {ROLE_NORMAL, ROLE_NORMAL, ROLE_WARN, ROLE_BAD};
    const struct event *event = as_event(entity);
    int level = KNOWN(event, EVENT_level) ? event->level : EVENT_INFO;
    (void)context;
    snprintf(out->text, sizeof(out->text), "%s %s", signs[level],
             KNOWN(event, EVENT_action) ? event->action : "–");
    out->sign = strlen(signs[level]);
    out->sign_role = roles[level];
    out->role = words[level];
}

static void cell_detail(const struct entity *entity, const struct pane_context *context,
                        struct table_text *out)
{
    const struct event *event = as_event(entity);
    (void)context;
    snprintf(out->text, sizeof(out->text), "%s", KNOWN(event, EVENT_detail) ? event->detail : "–");
    out->role = ROLE_DIM;
}

static const struct column columns[] = {
    {"Time", EVENT_time, 1, 8, 12, COLUMN_DOWNWARD, cell_time, NULL},
    {"Event", EVENT_action, 1, 11, 15, 0, cell_action, NULL},
    {"What", EVENT_subject, 1, 12, 34, 0, NULL, NULL},
    {"Detail", EVENT_detail, 2, 12, 80, 0, cell_detail, NULL},
};

static const struct table_options options = {
    .kind = KIND_EVENT,
    .columns = columns,
    .n_columns = sizeof(columns) / sizeof(columns[0]),
    .sort = 0,
    .name_field = -1,
    .group_field = -1,
    .follow = true,
};

static int init(void *data)
{
    table_init(data, &options);
    return 0;
}

static void done(void *data)
{
    table_done(data);
}

static void recalc(void *data, const struct pane_context *context)
{
    table_recalc(data, context);
}

static void draw(void *data, struct canvas *canvas, const struct pane_context *context)
{
    table_draw(data, canvas, context);
}

static void count(void *data, const struct pane_context *context, char *out, size_t size)
{
    char total[32];
    uint64_t dropped = model_dropped(context->model, KIND_EVENT);
    table_count(data, total, sizeof(total));
    if (dropped > 0)
        snprintf(out, size, "%s · %llu older dropped", total, (unsigned long long)dropped);
    else
        snprintf(out, size, "%s", total);
}

static struct table *get_table(void *data)
{
    return data;
}

const struct pane pane_events = {
    .title = "Events",
    .kind = KIND_EVENT,
    .kinds = 1u << KIND_EVENT | 1u << KIND_SOURCE,
    .source = "docker",
    .weight = 5,
    .empty = "Nothing has happened since we began to watch.",
    .state_size = sizeof(struct table),
    .init = init,
    .done = done,
    .recalc = recalc,
    .draw = draw,
    .count = count,
    .table = get_table,
};
