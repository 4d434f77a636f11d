/* A pane is a const struct of functions and one line in the registry (panes/panes.c). It reads the
 * model, keeps what it derives in its own state, and draws on a canvas; frame, title, age and the
 * sentence that explains an empty pane are the screen's business. */
#ifndef UI_PANE_H
#define UI_PANE_H

#include "model/model.h"
#include "ui/canvas.h"
#include "ui/keymap.h"
#include "ui/table.h"
#include "ui/zone.h"

/* What a pane may know. Good for one call. */
struct pane_context {
    const struct model *model;
    int64_t now;      /* monotonic ms */
    int64_t wall;     /* unix ms by the host's clock, as far as its offset is known */
    int64_t own_wall; /* unix ms by ours */
    struct zone zone;
    bool focused; /* the keys go to this pane */
};

struct pane {
    const char *title;        /* "Containers" */
    enum entity_kind kind;    /* what it mainly shows; */
    uint32_t kinds;           /* ... and all of it: bit (1 << kind) */
    const char *source;       /* id of the source that brings it */
    const char *empty;        /* a sentence for when there is none */
    int weight;               /* its share of a row that it has with others */
    size_t state_size;        /* zeroed before init */
    int (*init)(void *state); /* 0 or a negative errno; may be NULL, as may all below but draw */
    void (*done)(void *state);
    /* A kind of `kinds` changed: derive what draw needs. Pointers into the model may be kept until
     * the next recalc. */
    void (*recalc)(void *state, const struct pane_context *context);
    void (*draw)(void *state, struct canvas *canvas, const struct pane_context *context);
    /* The counts that follow the title, e.g. "19, 2 down"; "" for none. */
    void (*count)(void *state, const struct pane_context *context, char *out, size_t size);
    /* A list's table: the screen moves, sorts, filters and opens through it. */
    struct table *(*table)(void *state);
    /* One line that stands for the whole pane where there is no room for it. */
    void (*summary)(void *state, struct canvas *line, const struct pane_context *context);
};

/* The registry, NULL-terminated; the order gives the numbers. */
extern const struct pane *const panes[];

#endif
