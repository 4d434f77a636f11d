/* The whole screen of one host: status line, panes, overlays, questions. It turns keys and the
 * model into cells and does no I/O, so it can be tested and snapshotted without a terminal. */
#ifndef UI_SCREEN_H
#define UI_SCREEN_H

#include "model/model.h"
#include "ui/canvas.h"
#include "ui/input.h"

struct screen;

struct screen_options {
    const struct model *model;
    const char *target;      /* as the operator named it */
    const char *environment; /* "production", or NULL */
    bool read_only;
    /* A question opens: throw away what was typed and not yet read. May be NULL. */
    void (*discard_input)(void *ctx);
    void *ctx;
};

/* What a key wants of the program. */
enum screen_intent { SCREEN_NOTHING, SCREEN_QUIT, SCREEN_SUSPEND, SCREEN_REDRAW, SCREEN_RETRY };

/* NULL when memory is out. The strings of `options` are borrowed for the screen's life. */
struct screen *screen_new(const struct screen_options *options);
void screen_free(struct screen *screen);

/* `now` is monotonic, `wall` unix, both ms by our own clock. */
enum screen_intent screen_key(struct screen *screen, const struct key_event *event, int64_t now,
                              int64_t wall);
/* To be called after the model changed and when screen_deadline() comes; marks it dirty if there is
 * something new to see. */
void screen_tick(struct screen *screen, int64_t now, int64_t wall);
bool screen_dirty(const struct screen *screen);
/* Draws everything, as of the last tick or key, and is not dirty any more. */
void screen_render(struct screen *screen, struct canvas *canvas);
/* Monotonic ms when it changes by itself: clocks and ages. */
int64_t screen_deadline(const struct screen *screen);

/* The cost of this program itself, in percent of a processor. */
void screen_set_cost(struct screen *screen, double cpu_percent);
/* A line at the bottom for some seconds. Copied. */
void screen_say(struct screen *screen, enum role role, const char *text);

enum screen_question { ASK_SECRET, ASK_TEXT, ASK_YES_NO };
/* Opens a dialog, over everything. `answered` is called from within screen_key(): with the text (or
 * "yes"), which is wiped afterwards, or with NULL when it was declined. A question that is still
 * open is declined first. Title and detail are copied. */
void screen_ask(struct screen *screen, enum screen_question kind, const char *title,
                const char *detail, void (*answered)(void *ctx, const char *answer), void *ctx);
/* The question has no meaning any more: closes it, without an answer. */
void screen_unask(struct screen *screen);

#endif
