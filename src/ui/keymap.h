/* The one table of keys: what each does, where, and how to say so. Key hints and help are made from
 * it, so they cannot promise what is not there. */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include <stddef.h>

#include "ui/input.h"

enum action {
    ACTION_NONE,
    ACTION_HELP,
    ACTION_BACK,   /* q: back, and quits at the top */
    ACTION_ESCAPE, /* Esc: back, and never quits */
    ACTION_QUIT,
    ACTION_SUSPEND,
    ACTION_REDRAW,
    ACTION_RETRY,
    ACTION_ZONE,
    ACTION_UP,
    ACTION_DOWN,
    ACTION_PAGE_UP,
    ACTION_PAGE_DOWN,
    ACTION_FIRST,
    ACTION_LAST,
    ACTION_PANE_1, /* ... to PANE_9 */
    ACTION_PANE_9 = ACTION_PANE_1 + 8,
    ACTION_PANE_NEXT,
    ACTION_PANE_PREVIOUS,
    ACTION_ZOOM,
    ACTION_OPEN,
    ACTION_FILTER,
    ACTION_SORT,
    ACTION_SORT_REVERSE,
    ACTION_GROUP,
    ACTION__COUNT,
};

/* Where the keys go. A context looks into its own bindings first, then into CONTEXT_ANY's. Text
 * prompts and questions take every key as text and have no bindings. */
enum context {
    CONTEXT_ANY,     /* everywhere but in prompts */
    CONTEXT_PANES,   /* no overlay is open */
    CONTEXT_LIST,    /* ... and the pane with the keys is a list */
    CONTEXT_READING, /* details and help */
    CONTEXT__COUNT,
};
extern const char *const context_titles[CONTEXT__COUNT];

struct binding {
    uint32_t key;
    enum context context;
    enum action action;
    int priority;     /* of its hint at the bottom: 1 = last to go; 0 = none */
    const char *hint; /* one or two words */
    const char *help; /* a phrase; NULL: a further key for the line above it */
};

extern const struct binding bindings[];
extern const size_t n_bindings;

/* What a key does in a context. CONTEXT_LIST also knows the keys of CONTEXT_PANES. */
enum action keymap_find(enum context context, uint32_t key);
/* Do keys of `context` work in `active`? */
bool keymap_reaches(enum context active, enum context context);

#endif
