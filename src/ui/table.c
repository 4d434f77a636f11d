#include "ui/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ui/pane.h"

#define GAP 2

void table_init(struct table *table, const struct table_options *options)
{
    *table = (struct table){.options = *options, .sort = options->sort, .height = 1};
}

void table_done(struct table *table)
{
    free(table->rows);
    free(table->items);
    free(table->selected);
    *table = (struct table){0};
}

static const struct column *column_at(const struct table *table, int index)
{
    return &table->options.columns[index];
}

static void cell_print(const struct column *column, const struct entity *entity,
                       const struct pane_context *context, struct table_text *out)
{
    *out = (struct table_text){.role = ROLE_NORMAL};
    if (column->cell != NULL) {
        column->cell(entity, context, out);
        return;
    }
    field_print(&entity->type->fields[column->field], entity, out->text, sizeof(out->text));
    if ((entity->known & FIELD_BIT(column->field)) == 0)
        out->role = ROLE_DIM;
}

/* The filter looks at what the columns say, shown or not: what is seen can be found. */
static bool matches(const struct table *table, const struct entity *entity,
                    const struct pane_context *context)
{
    const char *filter = table->filter;
    bool negate = filter[0] == '!';
    filter += negate;
    if (filter[0] == '\0')
        return true;
    bool found = strncmp(entity->id, filter, strlen(filter)) == 0;
    for (int i = 0; i < table->options.n_columns && !found; i++) {
        struct table_text cell;
        cell_print(column_at(table, i), entity, context, &cell);
        found = text_contains(cell.text, filter);
    }
    return found != negate;
}

static bool is_unknown(const struct column *column, const struct entity *entity)
{
    return column->field >= 0 && (entity->known & FIELD_BIT(column->field)) == 0;
}

static int compare(const void *left, const void *right, void *arg)
{
    const struct table_item *item_a = left, *item_b = right;
    const struct entity *a = item_a->entity, *b = item_b->entity;
    const struct table *table = arg;
    const struct column *column = column_at(table, table->sort);
    int order;
    if (column->rank != NULL) {
        order = (item_a->rank > item_b->rank) - (item_a->rank < item_b->rank);
    } else {
        /* Unknown is last whichever way round. */
        bool no_a = is_unknown(column, a), no_b = is_unknown(column, b);
        if (no_a != no_b)
            return no_a ? 1 : -1;
        order = field_compare(&a->type->fields[column->field], a, b);
    }
    if (column->flags & COLUMN_DOWNWARD)
        order = -order;
    if (table->reversed)
        order = -order;
    if (order == 0 && table->options.name_field >= 0)
        order = field_compare(&a->type->fields[table->options.name_field], a, b);
    if (order != 0)
        return order;
    return table->options.name_field >= 0 ? (a->serial > b->serial) - (a->serial < b->serial)
                                          : (a->serial < b->serial) - (a->serial > b->serial);
}

static bool grow(struct table *table, size_t entities)
{
    size_t need = entities * 2; /* at worst a heading each */
    if (need <= table->size)
        return true;
    struct table_row *rows = realloc(table->rows, need * sizeof(rows[0]));
    if (rows != NULL)
        table->rows = rows;
    struct table_item *items = realloc(table->items, need * sizeof(items[0]));
    if (items != NULL)
        table->items = items;
    if (rows == NULL || items == NULL)
        return false;
    table->size = need;
    return true;
}

static const char *group_of(const struct table *table, const struct entity *entity)
{
    int field = table->options.group_field;
    if ((entity->known & FIELD_BIT(field)) == 0)
        return "";
    return field_text(&entity->type->fields[field], entity);
}

/* Groups come in the order of their best row, and keep the order within. */
static void fill_grouped(struct table *table)
{
    for (size_t i = 0; i < table->matches; i++) {
        if (table->items[i].entity == NULL)
            continue;
        const char *group = group_of(table, table->items[i].entity);
        struct table_row *heading = &table->rows[table->n++];
        *heading = (struct table_row){.group = group};
        for (size_t k = i; k < table->matches; k++) {
            const struct entity *entity = table->items[k].entity;
            if (entity == NULL || strcmp(group_of(table, entity), group) != 0)
                continue;
            heading->members++;
            table->rows[table->n++] = (struct table_row){.entity = entity, .group = group};
            table->items[k].entity = NULL;
        }
    }
}

static void select_row(struct table *table, size_t row)
{
    char *id = strdup(table->rows[row].entity->id);
    if (id == NULL)
        return;
    free(table->selected);
    table->selected = id;
    table->cursor = row;
    table->vanished = false;
}

static size_t next_entity(const struct table *table, size_t row)
{
    while (row < table->n && table->rows[row].entity == NULL)
        row++;
    return row;
}

/* Finds the selected id again. What is gone leaves nothing selected: the selection never slides
 * onto another entity by itself. */
static void find_selected(struct table *table)
{
    if (table->selected == NULL) {
        table->cursor = 0;
        if (!table->options.follow && next_entity(table, 0) < table->n)
            select_row(table, next_entity(table, 0));
        return;
    }
    for (size_t i = 0; i < table->n; i++) {
        if (table->rows[i].entity == NULL ||
            strcmp(table->rows[i].entity->id, table->selected) != 0)
            continue;
        table->cursor = i;
        table->vanished = false;
        return;
    }
    table->vanished = true;
    if (table->cursor >= table->n)
        table->cursor = table->n > 0 ? table->n - 1 : 0;
}

static void measure(struct table *table, const struct entity *entity,
                    const struct pane_context *context)
{
    for (int i = 0; i < table->options.n_columns; i++) {
        const struct column *column = column_at(table, i);
        if (column->min == column->max)
            continue;
        struct table_text cell;
        cell_print(column, entity, context, &cell);
        int width = (int)text_width(cell.text, SIZE_MAX);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
}

void table_recalc(struct table *table, const struct pane_context *context)
{
    const struct table_options *options = &table->options;
    long (*rank)(const struct entity *) = column_at(table, table->sort)->rank;
    table->n = table->matches = 0;
    table->total = model_count(context->model, options->kind);
    if (!grow(table, table->total))
        return;
    for (int i = 0; i < options->n_columns; i++)
        table->widths[i] = (int)strlen(column_at(table, i)->title);
    for (size_t i = 0; i < table->total; i++) {
        const struct entity *entity = model_at(context->model, options->kind, i);
        measure(table, entity, context);
        if (matches(table, entity, context))
            table->items[table->matches++] =
                (struct table_item){entity, rank != NULL ? rank(entity) : 0};
    }
    if (table->matches > 1)
        qsort_r(table->items, table->matches, sizeof(table->items[0]), compare, table);
    if (table->grouped) {
        fill_grouped(table);
    } else {
        for (size_t i = 0; i < table->matches; i++)
            table->rows[table->n++] = (struct table_row){.entity = table->items[i].entity};
    }
    find_selected(table);
}

/* Lets the columns of one priority grow towards their widest text. Returns the room that is left.
 */
static int widen(const struct table *table, int priority, int room, int *widths)
{
    for (int i = 0; i < table->options.n_columns; i++) {
        const struct column *column = column_at(table, i);
        int wish = table->widths[i] < column->max ? table->widths[i] : column->max;
        if (column->priority != priority || widths[i] == 0 || wish <= widths[i])
            continue;
        int more = wish - widths[i] < room ? wish - widths[i] : room;
        widths[i] += more;
        room -= more;
    }
    return room;
}

/* Widths of the columns that are shown, 0 for the others. What matters most gets all it wants; then
 * each priority gets its least, and once one finds no room nothing that matters less is shown. */
static void layout(const struct table *table, int room, int *widths)
{
    int n = table->options.n_columns;
    bool full = false;
    memset(widths, 0, sizeof(widths[0]) * (size_t)n);
    for (int priority = 1; priority <= n && !full; priority++) {
        for (int i = 0; i < n; i++) {
            const struct column *column = column_at(table, i);
            if (column->priority != priority)
                continue;
            if (column->min + GAP > room) {
                full = true;
                continue;
            }
            widths[i] = column->min;
            room -= column->min + GAP;
        }
        if (priority == 1)
            room = widen(table, 1, room, widths);
    }
    for (int priority = 2; priority <= n; priority++)
        room = widen(table, priority, room, widths);
}

static void draw_head(const struct table *table, struct canvas *canvas, const int *widths)
{
    int x = 1;
    for (int i = 0; i < table->options.n_columns; i++) {
        const struct column *column = column_at(table, i);
        if (widths[i] == 0)
            continue;
        bool sorted = i == table->sort;
        bool down = ((column->flags & COLUMN_DOWNWARD) != 0) != table->reversed;
        char title[64];
        snprintf(title, sizeof(title), "%s%s", column->title, !sorted ? "" : down ? "▾" : "▴");
        enum role role = sorted ? ROLE_ACCENT : ROLE_DIM;
        /* The arrow may use the gap: a narrow column must not lose its name for it. */
        if (column->flags & COLUMN_NUMBER) {
            int w = (int)text_width(title, SIZE_MAX);
            canvas_text(canvas, x + widths[i] - w + (sorted ? 1 : 0), 0, w, title, role);
        } else {
            canvas_text(canvas, x, 0, widths[i] + 1, title, role);
        }
        x += widths[i] + GAP;
    }
}

static void draw_cell(struct canvas *canvas, const struct column *column, int x, int y, int width,
                      const struct table_text *cell)
{
    if (column->flags & COLUMN_NUMBER) {
        canvas_number(canvas, x, y, width, cell->text, cell->role);
    } else if (column->flags & COLUMN_TAIL) {
        canvas_tail(canvas, x, y, width, cell->text, cell->role);
    } else {
        canvas_text(canvas, x, y, width, cell->text, cell->role);
        if (cell->sign > 0) {
            struct canvas sign =
                canvas_part(canvas, x, y, (int)text_width(cell->text, cell->sign), 1);
            canvas_role(&sign, cell->sign_role);
        }
    }
}

static void draw_heading(const struct table_row *row, struct canvas *line)
{
    canvas_hline(line, 1, 0, line->width - 2, 0x2504, ROLE_BORDER);
    int x = 1 + canvas_printf(line, 1, 0, line->width - 12, ROLE_STRONG, "%s ",
                              row->group[0] != '\0' ? row->group : "no project");
    canvas_printf(line, x, 0, 8, ROLE_DIM, "%d ", row->members);
}

static void draw_row(const struct table *table, size_t index, struct canvas *line,
                     const int *widths, const struct pane_context *context)
{
    const struct table_row *row = &table->rows[index];
    if (row->entity == NULL) {
        draw_heading(row, line);
        return;
    }
    int x = 1;
    for (int i = 0; i < table->options.n_columns; i++) {
        if (widths[i] == 0)
            continue;
        struct table_text cell;
        cell_print(column_at(table, i), row->entity, context, &cell);
        draw_cell(line, column_at(table, i), x, 0, widths[i], &cell);
        x += widths[i] + GAP;
    }
    if (model_stale_ms(context->model, row->entity, context->now) > 0)
        canvas_role(line, ROLE_STALE);
    if (index != table->cursor || table->selected == NULL || table->vanished)
        return;
    canvas_ground(line, GROUND_SELECTED);
    /* Where there is no colour and no reverse, the mark still says which. */
    canvas_char(line, 0, 0, 0x25B8, context->focused ? ROLE_KEY : ROLE_DIM);
}

static void scroll(struct table *table)
{
    if (table->selected == NULL)
        table->top = 0;
    if (table->cursor < table->top)
        table->top = table->cursor;
    /* The heading of the first group belongs to its first row. */
    if (table->top == 1 && table->rows[0].entity == NULL)
        table->top = 0;
    if (table->cursor >= table->top + table->height)
        table->top = table->cursor - table->height + 1;
    if (table->top + table->height > table->n)
        table->top = table->n > table->height ? table->n - table->height : 0;
}

/* A thumb on the frame's right edge, which the canvas's last column is next to. */
static void draw_more(const struct table *table, struct canvas *canvas)
{
    size_t below = table->n - table->top - table->height;
    if (table->n <= table->height)
        return;
    if (table->top > 0)
        canvas_char(canvas, canvas->width - 1, 1, 0x2191, ROLE_ACCENT);
    if (below > 0)
        canvas_char(canvas, canvas->width - 1, canvas->height - 1, 0x2193, ROLE_ACCENT);
}

void table_draw(struct table *table, struct canvas *canvas, const struct pane_context *context)
{
    int widths[TABLE_COLUMNS_MAX];
    table->height = canvas->height > 1 ? (size_t)canvas->height - 1 : 1;
    scroll(table);
    layout(table, canvas->width - 1 + GAP - 1, widths);
    draw_head(table, canvas, widths);
    if (table->n == 0 && table->total > 0) {
        canvas_printf(canvas, 1, 2, canvas->width - 2, ROLE_DIM,
                      "Nothing matches the filter \"%s\". Esc clears it.", table->filter);
        return;
    }
    for (size_t i = 0; i < table->height && table->top + i < table->n; i++) {
        struct canvas line = canvas_part(canvas, 0, (int)i + 1, canvas->width, 1);
        draw_row(table, table->top + i, &line, widths, context);
    }
    draw_more(table, canvas);
}

/* The nearest row with an entity, `by` rows on; without one that way, the nearest the other way. */
void table_move(struct table *table, long by)
{
    if (table->n == 0)
        return;
    long last = (long)table->n - 1, at = (long)table->cursor + by;
    if (table->selected == NULL || table->vanished)
        at = (long)table->cursor + (by > 1 ? by : 0);
    at = at < 0 ? 0 : at > last ? last : at;
    long way = by < 0 ? -1 : 1, row = at;
    while (row >= 0 && row <= last && table->rows[row].entity == NULL)
        row += way;
    if (row < 0 || row > last)
        for (row = at; table->rows[row].entity == NULL;)
            row -= way;
    select_row(table, (size_t)row);
}

void table_first(struct table *table)
{
    if (table->options.follow) {
        free(table->selected);
        table->selected = NULL;
        table->cursor = table->top = 0;
        return;
    }
    table->cursor = 0;
    table->vanished = true;
    table_move(table, 1);
}

void table_last(struct table *table)
{
    table->cursor = table->n > 0 ? table->n - 1 : 0;
    table->vanished = true;
    table_move(table, 1);
}

void table_sort_next(struct table *table)
{
    do
        table->sort = (table->sort + 1) % table->options.n_columns;
    while (column_at(table, table->sort)->flags & COLUMN_FIXED);
    table->reversed = false;
}

void table_set_filter(struct table *table, const char *filter)
{
    snprintf(table->filter, sizeof(table->filter), "%s", filter);
}

const struct entity *table_selected(const struct table *table)
{
    if (table->selected == NULL || table->vanished || table->cursor >= table->n)
        return NULL;
    return table->rows[table->cursor].entity;
}

const char *table_sort_title(const struct table *table)
{
    return column_at(table, table->sort)->title;
}

const char *table_count(const struct table *table, char *out, size_t size)
{
    if (table->filter[0] != '\0')
        snprintf(out, size, "%zu/%zu", table->matches, table->total);
    else
        snprintf(out, size, "%zu", table->total);
    return out;
}
