#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/reader.h"
#include "ui/screen_state.h"

/* From this size on the panes stand side by side; below it they are tabs. */
#define TILED_WIDTH 96
#define TILED_HEIGHT 28

/* Why a pane has nothing to show, as a sentence; false when it has. */
static bool pane_explains(const struct screen *screen, const struct pane *pane, char *out,
                          size_t size)
{
    const struct model *model = screen->options.model;
    const struct link *link = model_link(model);
    const struct source *source = model_source(model, pane->source);
    int state = link != NULL && KNOWN(link, LINK_state) ? link->state : LINK_IDLE;
    if (model_count(model, pane->kind) > 0)
        return false;
    if (source != NULL && source->state == SOURCE_FAILED && KNOWN(source, SOURCE_message) &&
        source->message[0] != '\0' && state == LINK_UP)
        snprintf(out, size, "%s", source->message);
    else if (state == LINK_IDLE || state == LINK_CONNECTING)
        snprintf(out, size, "Connecting to %s…", screen->options.target);
    else if (state == LINK_STOPPED)
        snprintf(out, size, "Not connected to %s. Press r to try again.", screen->options.target);
    else if (state == LINK_LOST)
        snprintf(out, size, "No connection to %s yet; trying again.", screen->options.target);
    else if (source == NULL || source->state != SOURCE_OK)
        snprintf(out, size, "Waiting for the first answer…");
    else
        snprintf(out, size, "%s", pane->empty);
    return true;
}

/* What went wrong with a pane's source while there is still something old to show. */
static const char *pane_warns(const struct screen *screen, const struct pane *pane)
{
    const struct source *source = model_source(screen->options.model, pane->source);
    if (source == NULL || source->state != SOURCE_FAILED || !KNOWN(source, SOURCE_message))
        return "";
    return source->message;
}

static int64_t pane_stale_ms(const struct screen *screen, const struct pane *pane)
{
    const struct model *model = screen->options.model;
    if (model_count(model, pane->kind) == 0)
        return 0;
    return model_stale_ms(model, model_at(model, pane->kind, 0), screen->now);
}

/* " 1 Containers 19 · 17 running " into a frame's top. Returns the column after it. */
static int draw_title(const struct screen *screen, const struct slot *slot, int number,
                      struct canvas *frame, int x, bool focused)
{
    struct pane_context context = screen_context(screen);
    char count[96] = "";
    if (slot->pane->count != NULL && model_count(context.model, slot->pane->kind) > 0)
        slot->pane->count(slot->state, &context, count, sizeof(count));
    int room = frame->width - 2 - x;
    struct canvas top = canvas_part(frame, x, 0, room > 0 ? room : 0, 1);
    int at = canvas_printf(&top, 0, 0, top.width, ROLE_KEY, " %d ", number);
    at += canvas_printf(&top, at, 0, top.width - at, focused ? ROLE_FOCUS : ROLE_TITLE, "%s ",
                        slot->pane->title);
    if (count[0] != '\0')
        at += canvas_printf(&top, at, 0, top.width - at, ROLE_DIM, "%s ", count);
    return x + at;
}

/* At the right of a frame's top: what makes this list not the whole and fresh truth. */
static void draw_remarks(const struct screen *screen, const struct slot *slot, struct canvas *frame,
                         int from)
{
    char text[160] = "", age[TEXT_SHORT];
    size_t n = 0;
    const struct table *table = slot->pane->table != NULL ? slot->pane->table(slot->state) : NULL;
    int64_t stale = pane_stale_ms(screen, slot->pane);
    if (table != NULL && table->filter[0] != '\0')
        n += (size_t)snprintf(text, sizeof(text), " /%s ", table->filter);
    if (stale > 0 && n < sizeof(text))
        snprintf(text + n, sizeof(text) - n, " stale %s ", text_duration(age, stale));
    int width = (int)text_width(text, SIZE_MAX);
    if (width > 0 && frame->width - 2 - width >= from)
        canvas_text(frame, frame->width - 2 - width, 0, width, text, ROLE_WARN);
}

static void draw_body(const struct screen *screen, const struct slot *slot, struct canvas *body,
                      bool focused)
{
    struct pane_context context = screen_context(screen);
    char text[1024];
    context.focused = focused;
    if (pane_explains(screen, slot->pane, text, sizeof(text))) {
        canvas_paragraph(body, 2, body->height / 3, body->width - 4, 0, text, ROLE_NORMAL);
        return;
    }
    const char *warning = pane_warns(screen, slot->pane);
    if (warning[0] != '\0' && body->height > 4) {
        canvas_text(body, 1, body->height - 1, body->width - 2, warning, ROLE_WARN);
        body->height--;
    }
    slot->pane->draw(slot->state, body, &context);
}

static void draw_pane(const struct screen *screen, int index, struct canvas frame)
{
    const struct slot *slot = &screen->slots[index];
    bool focused = index == screen->focus;
    if (frame.width < 4 || frame.height < 3)
        return;
    canvas_box(&frame, focused ? ROLE_FOCUS : ROLE_BORDER);
    int x = draw_title(screen, slot, index + 1, &frame, 1, focused);
    draw_remarks(screen, slot, &frame, x);
    struct canvas body = canvas_part(&frame, 1, 1, frame.width - 2, frame.height - 2);
    draw_body(screen, slot, &body, focused);
}

/* The first pane is the broad one; the others share the rows beneath it by their weights. */
static void draw_tiled(const struct screen *screen, struct canvas *area)
{
    int below = area->height * 2 / 5, x = 0, weights = 0;
    if (below < 11)
        below = 11;
    draw_pane(screen, 0, canvas_part(area, 0, 0, area->width, area->height - below));
    for (int i = 1; i < screen->n_slots; i++)
        weights += screen->slots[i].pane->weight;
    for (int i = 1; i < screen->n_slots; i++) {
        int weight = screen->slots[i].pane->weight;
        int width = (area->width - x) * weight / weights;
        draw_pane(screen, i, canvas_part(area, x, area->height - below, width, below));
        x += width;
        weights -= weight;
    }
}

/* One pane, with the names of the others in its frame, and one line for each that has a summary. */
static void draw_tabs(const struct screen *screen, struct canvas *area)
{
    struct pane_context context = screen_context(screen);
    const struct slot *focus = &screen->slots[screen->focus];
    int y = 0;
    for (int i = 0; i < screen->n_slots; i++) {
        const struct slot *slot = &screen->slots[i];
        if (i == screen->focus || slot->pane->summary == NULL)
            continue;
        struct canvas line = canvas_part(area, 0, y++, area->width, 1);
        slot->pane->summary(slot->state, &line, &context);
    }
    struct canvas frame = canvas_part(area, 0, y, area->width, area->height - y);
    canvas_box(&frame, ROLE_FOCUS);
    int x = 1;
    for (int i = 0; i < screen->n_slots; i++) {
        const struct slot *slot = &screen->slots[i];
        if (i == screen->focus)
            x = draw_title(screen, slot, i + 1, &frame, x, true) + 1;
        else
            x += canvas_printf(&frame, x, 0, frame.width - 1 - x, ROLE_DIM, " %d %s ", i + 1,
                               slot->pane->title);
    }
    draw_remarks(screen, focus, &frame, x);
    struct canvas body = canvas_part(&frame, 1, 1, frame.width - 2, frame.height - 2);
    draw_body(screen, focus, &body, true);
}

static void print_value(const struct field *field, const struct entity *entity,
                        const struct pane_context *context, char *out, size_t size)
{
    bool known = (entity->known & FIELD_BIT(field - entity->type->fields)) != 0;
    if (field->type == FIELD_TIME && known) {
        char date[40], age[TEXT_SHORT];
        int64_t time = field_int(field, entity), ago = context->wall - time;
        zone_date(&context->zone, time, date, sizeof(date));
        snprintf(out, size, ago >= 0 ? "%s, %s ago" : "%s, in %s", date,
                 text_duration(age, ago >= 0 ? ago : -ago));
    } else {
        field_print(field, entity, out, size);
    }
}

/* Every field there is, from the entity's own table. */
static int write_details(const struct screen *screen, struct reader reader)
{
    struct pane_context context = screen_context(screen);
    const struct entity *entity =
        model_find(context.model, screen->details_kind, screen->details_id);
    char text[4200], age[TEXT_SHORT];
    if (entity == NULL) {
        reader_line(&reader, NULL, ROLE_NORMAL, "It is no more: the host does not list it now.",
                    ROLE_WARN);
        return reader.y;
    }
    int64_t stale = model_stale_ms(context.model, entity, context.now);
    for (size_t i = 0; i < entity->type->n_fields; i++) {
        const struct field *field = &entity->type->fields[i];
        bool known = (entity->known & FIELD_BIT(i)) != 0;
        print_value(field, entity, &context, text, sizeof(text));
        if (text[0] == '\0')
            snprintf(text, sizeof(text), "none"), known = false;
        reader_line(&reader, field->title, ROLE_ACCENT, text,
                    !known      ? ROLE_DIM
                    : stale > 0 ? ROLE_STALE
                                : ROLE_NORMAL);
    }
    reader_line(&reader, "Id", ROLE_ACCENT, entity->id, ROLE_NORMAL);
    if (stale > 0)
        snprintf(text, sizeof(text), "%s, stale: as it was %s ago", entity->source,
                 text_duration(age, stale));
    else
        snprintf(text, sizeof(text), "%s", entity->source);
    reader_line(&reader, "Told by", ROLE_ACCENT, text, stale > 0 ? ROLE_WARN : ROLE_NORMAL);
    return reader.y;
}

/* All keys of a line of help: its own, and those of the lines below it that have no text. */
static void print_keys(const struct screen *screen, size_t index, char *out, size_t size)
{
    char name[16];
    if (bindings[index].action == ACTION_PANE_1) {
        snprintf(out, size, " 1-%d", screen->n_slots);
        return;
    }
    int n = snprintf(out, size, " %s", input_name(bindings[index].key, name, sizeof(name)));
    for (size_t i = index + 1; i < n_bindings && bindings[i].help == NULL && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, " %s",
                      input_name(bindings[i].key, name, sizeof(name)));
}

static int write_help(const struct screen *screen, struct reader reader)
{
    /* Lists first: that is where one is. */
    static const enum context order[] = {CONTEXT_LIST, CONTEXT_PANES, CONTEXT_READING, CONTEXT_ANY};
    char keys[64];
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        if (k > 0)
            reader_line(&reader, NULL, ROLE_NORMAL, "", ROLE_NORMAL);
        reader_line(&reader, NULL, ROLE_NORMAL, context_titles[order[k]], ROLE_STRONG);
        for (size_t i = 0; i < n_bindings; i++) {
            if (bindings[i].context != order[k] || bindings[i].help == NULL)
                continue;
            print_keys(screen, i, keys, sizeof(keys));
            reader_line(&reader, keys, ROLE_KEY, bindings[i].help, ROLE_NORMAL);
        }
    }
    return reader.y;
}

/* An empty box in the middle, of at most this size; returns its inside. */
static struct canvas open_box(struct canvas *canvas, int width, int height, const char *title)
{
    width = width < canvas->width - 2 ? width : canvas->width - 2;
    height = height < canvas->height - 2 ? height : canvas->height - 2;
    struct canvas box = canvas_part(canvas, (canvas->width - width) / 2,
                                    (canvas->height - height) / 2, width, height);
    canvas_clear(&box, GROUND_DIALOG);
    canvas_box(&box, ROLE_FOCUS);
    if (title[0] != '\0')
        canvas_printf(&box, 2, 0, box.width - 4, ROLE_FOCUS, " %s ", title);
    return canvas_part(&box, 2, 1, box.width - 4, box.height - 2);
}

static void draw_overlay(struct screen *screen, struct canvas *canvas)
{
    bool help = screen->overlay == OVERLAY_HELP;
    int (*write)(const struct screen *, struct reader) = help ? write_help : write_details;
    int label = help ? 17 : 13, width = help ? 76 : 100;
    char title[256] = "Keys";
    if (width > canvas->width - 6)
        width = canvas->width - 6;
    screen->lines = write(screen, reader_begin(NULL, width - 4, label, 0));
    if (!help) {
        const struct entity *entity =
            model_find(screen->options.model, screen->details_kind, screen->details_id);
        const struct entity_type *type = &entity_types[screen->details_kind];
        bool named = entity != NULL && type->fields[0].type == FIELD_TEXT && (entity->known & 1);
        snprintf(title, sizeof(title), "%s %s", type->name,
                 named ? field_text(&type->fields[0], entity) : screen->details_id);
    }
    struct canvas body = open_box(canvas, width, screen->lines + 2, title);
    screen->height = body.height;
    int end = screen->lines > body.height ? screen->lines - body.height : 0;
    if (screen->scroll > end)
        screen->scroll = end;
    write(screen, reader_begin(&body, body.width, label, screen->scroll));
    if (end > 0) {
        /* The last row of the frame, which the body does not reach. */
        struct canvas frame = {.cells = body.cells,
                               .stride = body.stride,
                               .width = body.width,
                               .height = body.height + 1};
        canvas_printf(&frame, body.width - 18, body.height, 18, ROLE_ACCENT, " %d-%d of %d ",
                      screen->scroll + 1, screen->scroll + body.height, screen->lines);
    }
}

static void draw_question(const struct screen *screen, struct canvas *canvas)
{
    const struct question *question = &screen->question;
    int width = canvas->width - 2 < 72 ? canvas->width - 2 : 72;
    struct canvas none = {0};
    int lines = canvas_paragraph(&none, 0, 0, width - 4, 0, question->detail, ROLE_NORMAL);
    struct canvas box = open_box(canvas, width, lines + (lines > 0) + 5, question->title);
    canvas_paragraph(&box, 0, 0, box.width, 0, question->detail, ROLE_NORMAL);
    int y = box.height - 3;
    if (question->kind == ASK_YES_NO) {
        canvas_text(&box, 0, y + 2, box.width, "y yes   n no (Enter and Esc mean no)", ROLE_KEY);
        return;
    }
    int x = canvas_text(&box, 0, y, 2, "> ", ROLE_KEY);
    edit_draw(&question->edit, &box, x, y, box.width - x, question->kind == ASK_SECRET);
    canvas_text(&box, 0, y + 2, box.width, "Enter answers   Esc declines", ROLE_DIM);
}

static void draw_last_line(struct screen *screen, struct canvas *line)
{
    char count[32];
    canvas_clear(line, GROUND_BAR);
    if (screen->question.open)
        return; /* the dialog says its own keys; no other does anything */
    if (screen->filtering) {
        int x = 1 + canvas_text(line, 1, 0, 2, "/", ROLE_KEY);
        edit_draw(&screen->filter, line, x, 0, line->width / 2 - x, false);
        canvas_printf(line, line->width / 2 + 1, 0, line->width / 2 - 2, ROLE_DIM,
                      "%s match · Enter keeps · Esc undoes",
                      table_count(screen_table(screen), count, sizeof(count)));
    } else if (screen->toast[0] != '\0') {
        canvas_text(line, 1, 0, line->width - 2, screen->toast, screen->toast_role);
    } else {
        bool top = screen->overlay == OVERLAY_NONE && !screen->zoomed;
        struct table *table = screen_table(screen);
        if (table != NULL && table->filter[0] != '\0')
            top = false;
        struct pane_context context = screen_context(screen);
        struct canvas left =
            canvas_part(line, 0, 0, status_draw_cost(&screen->status, line, &context), 1);
        status_draw_hints(&left, screen_keys(screen), top ? "quit" : "back");
    }
}

void screen_render(struct screen *screen, struct canvas *canvas)
{
    struct pane_context context = screen_context(screen);
    screen->dirty = false;
    canvas_clear(canvas, GROUND_NORMAL);
    if (canvas->width < SCREEN_WIDTH_MIN || canvas->height < SCREEN_HEIGHT_MIN) {
        char text[96];
        snprintf(text, sizeof(text), "Terminal too small (%dx%d), need %dx%d.", canvas->width,
                 canvas->height, SCREEN_WIDTH_MIN, SCREEN_HEIGHT_MIN);
        canvas_paragraph(canvas, 0, 0, canvas->width, 0, text, ROLE_NORMAL);
        return;
    }
    struct canvas first = canvas_part(canvas, 0, 0, canvas->width, 1);
    struct canvas last = canvas_part(canvas, 0, canvas->height - 1, canvas->width, 1);
    status_draw(&screen->status, &first, &context);
    int trouble = status_trouble_height(&context, canvas->width);
    struct canvas warning = canvas_part(canvas, 0, 1, canvas->width, trouble);
    status_draw_trouble(&warning, &context);

    struct canvas area =
        canvas_part(canvas, 0, 1 + trouble, canvas->width, canvas->height - 2 - trouble);
    if (area.width < TILED_WIDTH || canvas->height < TILED_HEIGHT)
        draw_tabs(screen, &area);
    else if (screen->zoomed)
        draw_pane(screen, screen->focus, area);
    else
        draw_tiled(screen, &area);
    if (screen->overlay != OVERLAY_NONE)
        draw_overlay(screen, &area);
    if (screen->question.open)
        draw_question(screen, &area);
    draw_last_line(screen, &last);
}
