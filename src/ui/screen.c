#include "ui/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/screen_state.h"

#define TOAST_MS 4000

struct pane_context screen_context(const struct screen *screen)
{
    const struct host *host = model_host(screen->options.model);
    struct pane_context context = {.model = screen->options.model,
                                   .now = screen->now,
                                   .wall = screen->wall,
                                   .own_wall = screen->wall,
                                   .zone.mode = screen->zone};
    if (host != NULL && KNOWN(host, HOST_clock_offset_ms))
        context.wall += (int64_t)host->clock_offset_ms;
    if (host != NULL && KNOWN(host, HOST_zone))
        context.zone.host = host->zone;
    return context;
}

struct table *screen_table(struct screen *screen)
{
    struct slot *slot = &screen->slots[screen->focus];
    return slot->pane->table != NULL ? slot->pane->table(slot->state) : NULL;
}

enum context screen_keys(const struct screen *screen)
{
    if (screen->overlay != OVERLAY_NONE)
        return CONTEXT_READING;
    return screen->slots[screen->focus].pane->table != NULL ? CONTEXT_LIST : CONTEXT_PANES;
}

static uint64_t slot_version(const struct slot *slot, const struct model *model)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < KIND__COUNT; kind++)
        if (slot->pane->kinds & 1u << kind)
            sum += model_version(model, (enum entity_kind)kind);
    return sum;
}

static void slot_recalc(struct screen *screen, struct slot *slot)
{
    struct pane_context context = screen_context(screen);
    if (slot->pane->recalc != NULL)
        slot->pane->recalc(slot->state, &context);
    screen->dirty = true;
}

/* Panes keep pointers into the model: before any of them is used they must have seen its present
 * state. */
static void sync_model(struct screen *screen)
{
    const struct model *model = screen->options.model;
    uint64_t all = 0;
    for (int kind = 0; kind < KIND__COUNT; kind++)
        all += model_version(model, (enum entity_kind)kind);
    if (all + 1 == screen->version)
        return;
    screen->version = all + 1;
    screen->dirty = true; /* the first line shows the link, and what is wrong with anything */
    model_judge(model, screen->now, &screen->status.judgement);
    for (int i = 0; i < screen->n_slots; i++) {
        struct slot *slot = &screen->slots[i];
        uint64_t version = slot_version(slot, model) + 1; /* the first time differs from none */
        if (version == slot->version)
            continue;
        slot->version = version;
        slot_recalc(screen, slot);
    }
}

struct screen *screen_new(const struct screen_options *options)
{
    struct screen *screen = calloc(1, sizeof(*screen));
    if (screen == NULL)
        return NULL;
    screen->options = *options;
    screen->status = (struct status){.target = options->target,
                                     .environment = options->environment,
                                     .read_only = options->read_only,
                                     .cpu_percent = -1};
    screen->dirty = true;
    for (int i = 0; panes[i] != NULL && i < SCREEN_PANES_MAX; i++) {
        struct slot *slot = &screen->slots[i];
        slot->pane = panes[i];
        slot->state = calloc(1, panes[i]->state_size > 0 ? panes[i]->state_size : 1);
        screen->n_slots++;
        if (slot->state == NULL ||
            (slot->pane->init != NULL && slot->pane->init(slot->state) < 0)) {
            screen_free(screen);
            return NULL;
        }
    }
    return screen;
}

void screen_free(struct screen *screen)
{
    if (screen == NULL)
        return;
    for (int i = 0; i < screen->n_slots; i++) {
        struct slot *slot = &screen->slots[i];
        if (slot->state != NULL && slot->pane->done != NULL)
            slot->pane->done(slot->state);
        free(slot->state);
    }
    free(screen->details_id);
    edit_wipe(&screen->question.edit);
    free(screen);
}

void screen_tick(struct screen *screen, int64_t now, int64_t wall)
{
    /* Clocks and ages are shown in seconds. */
    if (wall / 1000 != screen->wall / 1000) {
        screen->dirty = true;
        if (screen->toast[0] != '\0' && now >= screen->toast_until)
            screen->toast[0] = '\0';
    }
    screen->now = now;
    screen->wall = wall;
    sync_model(screen);
}

bool screen_dirty(const struct screen *screen)
{
    return screen->dirty;
}

int64_t screen_deadline(const struct screen *screen)
{
    return screen->now + 1000 - screen->wall % 1000;
}

void screen_set_cost(struct screen *screen, double cpu_percent)
{
    screen->status.cpu_percent = cpu_percent;
}

void screen_say(struct screen *screen, enum role role, const char *text)
{
    text_clean(screen->toast, sizeof(screen->toast), text, SIZE_MAX);
    screen->toast_role = role;
    screen->toast_until = screen->now + TOAST_MS;
    screen->dirty = true;
}

static void answer(struct screen *screen, const char *text)
{
    struct question *question = &screen->question;
    /* Closed first: the callback may ask the next one. The text must outlive that. */
    struct question asked = *question;
    explicit_bzero(question, sizeof(*question));
    if (text == question->edit.text)
        text = asked.edit.text;
    asked.answered(asked.ctx, text);
    explicit_bzero(&asked, sizeof(asked));
}

/* A printable copy that keeps its lines. */
static void copy_lines(char *out, size_t size, const char *text)
{
    size_t n = 0;
    while (*text != '\0' && n + 1 < size) {
        size_t len = strcspn(text, "\n");
        n += text_clean(out + n, size - n, text, len);
        text += len;
        if (*text == '\n' && n + 1 < size) {
            out[n++] = '\n';
            text++;
        }
    }
    out[n] = '\0';
}

void screen_ask(struct screen *screen, enum screen_question kind, const char *title,
                const char *detail, void (*answered)(void *ctx, const char *answer), void *ctx)
{
    struct question *question = &screen->question;
    if (question->open)
        answer(screen, NULL);
    *question = (struct question){.open = true, .kind = kind, .answered = answered, .ctx = ctx};
    text_clean(question->title, sizeof(question->title), title, SIZE_MAX);
    copy_lines(question->detail, sizeof(question->detail), detail != NULL ? detail : "");
    if (screen->options.discard_input != NULL)
        screen->options.discard_input(screen->options.ctx);
    screen->dirty = true;
}

void screen_unask(struct screen *screen)
{
    explicit_bzero(&screen->question, sizeof(screen->question));
    screen->dirty = true;
}

/* Enter alone is never a yes. */
static void key_question(struct screen *screen, const struct key_event *event)
{
    struct question *question = &screen->question;
    if (event->key == INPUT_ESC || event->key == INPUT_CTRL('C')) {
        answer(screen, NULL);
    } else if (question->kind == ASK_YES_NO) {
        if (event->key == 'y' || event->key == 'Y')
            answer(screen, "yes");
        else if (event->key == 'n' || event->key == 'N' || event->key == 'q' ||
                 event->key == INPUT_ENTER)
            answer(screen, NULL);
    } else if (event->key == INPUT_ENTER) {
        answer(screen, question->edit.text);
    } else {
        edit_key(&question->edit, event);
    }
}

static void apply_filter(struct screen *screen, const char *filter)
{
    struct table *table = screen_table(screen);
    table_set_filter(table, filter);
    slot_recalc(screen, &screen->slots[screen->focus]);
    /* The operator is looking for something: the first that matches is a fair guess. */
    if (table->vanished)
        table_first(table);
}

static void key_filter(struct screen *screen, const struct key_event *event)
{
    if (event->key == INPUT_ENTER) {
        screen->filtering = false;
    } else if (event->key == INPUT_ESC || event->key == INPUT_CTRL('C')) {
        screen->filtering = false;
        apply_filter(screen, screen->filter_before);
    } else if (event->key == INPUT_UP || event->key == INPUT_DOWN) {
        table_move(screen_table(screen), event->key == INPUT_UP ? -1 : 1);
    } else if (edit_key(&screen->filter, event)) {
        if (screen->filter.len >= TABLE_FILTER_MAX)
            screen_say(screen, ROLE_WARN, "The filter is as long as it can be.");
        apply_filter(screen, screen->filter.text);
    }
}

/* What the focused pane would open; says why not when there is nothing. */
static const struct entity *opened(struct screen *screen)
{
    const struct model *model = screen->options.model;
    enum entity_kind kind = screen->slots[screen->focus].pane->kind;
    const struct table *table = screen_table(screen);
    const struct entity *entity = NULL;
    if (table != NULL)
        entity = table_selected(table);
    else if (model_count(model, kind) > 0)
        entity = model_at(model, kind, 0);
    if (entity == NULL)
        screen_say(screen, ROLE_WARN,
                   table == NULL     ? "Nothing is known yet."
                   : table->vanished ? "What was selected is gone. Choose another with j or k."
                                     : "Nothing is selected. Choose with j or k.");
    return entity;
}

static void open_details(struct screen *screen)
{
    const struct entity *entity = opened(screen);
    char *id = entity != NULL ? strdup(entity->id) : NULL;
    if (id == NULL)
        return;
    free(screen->details_id);
    screen->details_id = id;
    screen->details_kind = screen->slots[screen->focus].pane->kind;
    screen->overlay = OVERLAY_DETAILS;
    screen->scroll = 0;
}

static void scroll_overlay(struct screen *screen, enum action action)
{
    int page = screen->height > 2 ? screen->height - 1 : 1;
    int end = screen->lines > screen->height ? screen->lines - screen->height : 0;
    int to = screen->scroll;
    switch (action) {
    case ACTION_DOWN:
        to++;
        break;
    case ACTION_UP:
        to--;
        break;
    case ACTION_PAGE_DOWN:
        to += page;
        break;
    case ACTION_PAGE_UP:
        to -= page;
        break;
    case ACTION_FIRST:
        to = 0;
        break;
    default:
        to = end;
    }
    screen->scroll = to < 0 ? 0 : to > end ? end : to;
}

static void move(struct screen *screen, enum action action)
{
    if (screen->overlay != OVERLAY_NONE) {
        scroll_overlay(screen, action);
        return;
    }
    struct table *table = screen_table(screen);
    long page = table->height > 2 ? (long)table->height - 1 : 1;
    switch (action) {
    case ACTION_DOWN:
        table_move(table, 1);
        break;
    case ACTION_UP:
        table_move(table, -1);
        break;
    case ACTION_PAGE_DOWN:
        table_move(table, page);
        break;
    case ACTION_PAGE_UP:
        table_move(table, -page);
        break;
    case ACTION_FIRST:
        table_first(table);
        break;
    default:
        table_last(table);
    }
}

/* Closes what is open, step by step. False when there was nothing to close. */
static bool back(struct screen *screen)
{
    struct table *table = screen_table(screen);
    if (screen->overlay != OVERLAY_NONE)
        screen->overlay = OVERLAY_NONE;
    else if (table != NULL && table->filter[0] != '\0')
        apply_filter(screen, "");
    else if (screen->zoomed)
        screen->zoomed = false;
    else
        return false;
    return true;
}

static void start_filter(struct screen *screen)
{
    struct table *table = screen_table(screen);
    snprintf(screen->filter_before, sizeof(screen->filter_before), "%s", table->filter);
    edit_set(&screen->filter, "");
    screen->filtering = true;
    apply_filter(screen, "");
}

static void list_action(struct screen *screen, enum action action)
{
    struct table *table = screen_table(screen);
    char text[96];
    if (action == ACTION_SORT) {
        table_sort_next(table);
    } else if (action == ACTION_SORT_REVERSE) {
        table->reversed = !table->reversed;
    } else if (table->options.group_field < 0) {
        screen_say(screen, ROLE_WARN, "This list has nothing to group by.");
        return;
    } else {
        table->grouped = !table->grouped;
    }
    slot_recalc(screen, &screen->slots[screen->focus]);
    snprintf(text, sizeof(text), "Sorted by %s%s%s", table_sort_title(table),
             table->reversed ? ", reversed" : "", table->grouped ? ", grouped by project" : "");
    screen_say(screen, ROLE_NORMAL, text);
}

static void next_zone(struct screen *screen)
{
    static const char *const words[] = {"Times are the host's.", "Times are UTC.",
                                        "Times are in your own zone."};
    screen->zone = (screen->zone + 1) % ZONE__COUNT;
    screen_say(screen, ROLE_NORMAL, words[screen->zone]);
}

static void focus_pane(struct screen *screen, int index)
{
    if (index < screen->n_slots)
        screen->focus = index;
}

static enum screen_intent retry(struct screen *screen)
{
    const struct link *link = model_link(screen->options.model);
    if (link != NULL && KNOWN(link, LINK_state) && link->state == LINK_UP) {
        screen_say(screen, ROLE_NORMAL, "The link is up: nothing to connect.");
        return SCREEN_NOTHING;
    }
    return SCREEN_RETRY;
}

static enum screen_intent act(struct screen *screen, enum action action)
{
    switch (action) {
    case ACTION_QUIT:
        return SCREEN_QUIT;
    case ACTION_BACK:
        return back(screen) ? SCREEN_NOTHING : SCREEN_QUIT;
    case ACTION_SUSPEND:
        return SCREEN_SUSPEND;
    case ACTION_REDRAW:
        return SCREEN_REDRAW;
    case ACTION_RETRY:
        return retry(screen);
    case ACTION_ESCAPE:
        back(screen);
        break;
    case ACTION_HELP:
        screen->overlay = screen->overlay == OVERLAY_HELP ? OVERLAY_NONE : OVERLAY_HELP;
        screen->scroll = 0;
        break;
    case ACTION_ZONE:
        next_zone(screen);
        break;
    case ACTION_UP:
    case ACTION_DOWN:
    case ACTION_PAGE_UP:
    case ACTION_PAGE_DOWN:
    case ACTION_FIRST:
    case ACTION_LAST:
        move(screen, action);
        break;
    case ACTION_PANE_NEXT:
        focus_pane(screen, (screen->focus + 1) % screen->n_slots);
        break;
    case ACTION_PANE_PREVIOUS:
        focus_pane(screen, (screen->focus + screen->n_slots - 1) % screen->n_slots);
        break;
    case ACTION_ZOOM:
        screen->zoomed = !screen->zoomed;
        break;
    case ACTION_OPEN:
        open_details(screen);
        break;
    case ACTION_FILTER:
        start_filter(screen);
        break;
    case ACTION_SORT:
    case ACTION_SORT_REVERSE:
    case ACTION_GROUP:
        list_action(screen, action);
        break;
    default:
        if (action >= ACTION_PANE_1 && action <= ACTION_PANE_9)
            focus_pane(screen, (int)(action - ACTION_PANE_1));
    }
    return SCREEN_NOTHING;
}

enum screen_intent screen_key(struct screen *screen, const struct key_event *event, int64_t now,
                              int64_t wall)
{
    screen_tick(screen, now, wall);
    screen->dirty = true;
    if (screen->question.open) {
        key_question(screen, event);
        return SCREEN_NOTHING;
    }
    if (screen->filtering) {
        key_filter(screen, event);
        return SCREEN_NOTHING;
    }
    screen->toast[0] = '\0';
    return act(screen, keymap_find(screen_keys(screen), event->key));
}
