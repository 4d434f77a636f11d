/* A list of entities as a table: columns by priority, sort, filter, groups, and a selection that is
 * bound to an entity's id. Which columns there are is data of the pane. */
#ifndef UI_TABLE_H
#define UI_TABLE_H

#include "model/model.h"
#include "ui/canvas.h"

struct pane_context;

/* The text of one cell. */
struct table_text {
    char text[192];
    enum role role;
    size_t sign; /* bytes at its start that have a role of their own, ... */
    enum role sign_role;
};

enum column_flags {
    COLUMN_NUMBER = 1,   /* right-aligned, whole or not at all */
    COLUMN_TAIL = 2,     /* where it is cut, the end is kept */
    COLUMN_DOWNWARD = 4, /* sorted by, it begins with the greatest */
    COLUMN_FIXED = 8,    /* cannot be sorted by */
};

struct column {
    const char *title;
    int field;    /* its index in the entity's table; sorts by it, prints it when `cell` is NULL */
    int priority; /* 1 stays to the last, greater go first when room is short */
    int min, max; /* columns on the screen */
    unsigned flags;
    void (*cell)(const struct entity *entity, const struct pane_context *context,
                 struct table_text *out);
    long (*rank)(const struct entity *entity); /* sorts by this, not by the field; small first */
};

struct table_options {
    enum entity_kind kind;
    const struct column *columns;
    int n_columns;
    int sort;        /* column that it is sorted by at first */
    int name_field;  /* how an entity is called, also the second order; -1: by age */
    int group_field; /* text field to group by; -1: cannot be grouped */
    bool follow;     /* stays at the top until the operator moves */
};

struct table_row {
    const struct entity *entity; /* NULL: the heading of a group */
    const char *group;
    int members; /* heading: how many */
};

/* What is sorted: an entity with its rank, so that a rank is worked out only once. */
struct table_item {
    const struct entity *entity;
    long rank;
};

#define TABLE_FILTER_MAX 80
#define TABLE_COLUMNS_MAX 16

struct table {
    struct table_options options;
    struct table_row *rows;
    struct table_item *items; /* scratch */
    size_t n, size;           /* rows shown, headings included; rows allocated */
    size_t matches, total;    /* entities that pass the filter; all */
    int sort;
    bool reversed, grouped;
    char filter[TABLE_FILTER_MAX]; /* "!text" negates; "" shows all */
    char *selected;                /* id; NULL: none */
    size_t cursor;                 /* row where the selection is, or was when it vanished */
    bool vanished;                 /* what was selected is no more (or is filtered out) */
    size_t top, height;            /* first row on the screen, rows on it */
    int widths[TABLE_COLUMNS_MAX]; /* of the widest text in each column */
};

void table_init(struct table *table, const struct table_options *options);
void table_done(struct table *table);
/* Reads the model anew. Out of memory shows fewer rows, never wrong ones. */
void table_recalc(struct table *table, const struct pane_context *context);
void table_draw(struct table *table, struct canvas *canvas, const struct pane_context *context);

/* Moves the selection by rows (headings are skipped); SIZE_MAX / 2 is as far as it goes. */
void table_move(struct table *table, long by);
void table_first(struct table *table);
void table_last(struct table *table);
/* Sorts by the next column that can be sorted by; reverses; groups. Recalc afterwards. */
void table_sort_next(struct table *table);
void table_set_filter(struct table *table, const char *filter);
/* The selected entity, or NULL when there is none or it is no more. */
const struct entity *table_selected(const struct table *table);
/* Title of the column it is sorted by. */
const char *table_sort_title(const struct table *table);
/* "19", or "3/19" while filtered. Returns `out`. */
const char *table_count(const struct table *table, char *out, size_t size);

#endif
