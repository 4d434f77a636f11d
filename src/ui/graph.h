/* Gauges and graphs. */
#ifndef UI_GRAPH_H
#define UI_GRAPH_H

#include "ui/canvas.h"

/* Readings over time, the newest kept; NAN where there was none. */
#define HISTORY_MAX 512
struct history {
    float values[HISTORY_MAX];
    size_t n;    /* kept */
    size_t next; /* where the next goes */
};
void history_add(struct history *history, double value);
/* The i-th newest, 0 being the last; NAN where there is none. */
double history_back(const struct history *history, size_t i);

/* ROLE_LOW, ROLE_MIDDLE or ROLE_HIGH. */
enum role graph_role(double value, double middle, double high);
/* A bar of `width` cells, filled to `percent`. */
void graph_gauge(struct canvas *canvas, int x, int y, int width, double percent, enum role role);
/* Fills the canvas with a braille graph, 0 at the bottom and `max` at the top, the newest at the
 * right; two readings a column. */
void graph_history(struct canvas *canvas, const struct history *history, double max, double middle,
                   double high);

#endif
