/* The first line of the screen, what is wrong with the link beneath it, and the key hints at its
 * end. */
#ifndef UI_STATUS_H
#define UI_STATUS_H

#include "model/judge.h"
#include "ui/pane.h"

struct status {
    const char *target;      /* as the operator named it */
    const char *environment; /* "production", or NULL */
    bool read_only;
    double cpu_percent; /* of this program; < 0 = not known */
    struct judgement judgement;
};

void status_draw(const struct status *status, struct canvas *line,
                 const struct pane_context *context);
/* Lines that status_draw_trouble() wants: 0 while the link is up or was never down. */
int status_trouble_height(const struct pane_context *context, int width);
void status_draw_trouble(struct canvas *canvas, const struct pane_context *context);
/* At the right end of a line: what this program itself costs. Returns the columns left of it. */
int status_draw_cost(const struct status *status, struct canvas *line,
                     const struct pane_context *context);
/* Hints for the keys that work in `active`; `back` says what q does there. On a cleared line. */
void status_draw_hints(struct canvas *line, enum context active, const char *back);

#endif
