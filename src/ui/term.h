/* The terminal: the one module that knows curses. A frame is made in memory and handed to a writer
 * thread, so a terminal that takes nothing (Ctrl-S, a stalled link) never holds up the caller: no
 * new frame is made until the last one is out, and then the newest. One terminal a process: curses
 * and the signal that restores it know no more. */
#ifndef UI_TERM_H
#define UI_TERM_H

#include "base/error.h"
#include "ui/canvas.h"
#include "ui/input.h"
#include "ui/theme.h"

struct term;

struct term_options {
    int fd;           /* a terminal; stays the caller's */
    const char *type; /* NULL: $TERM */
    bool ascii;       /* it cannot show UTF-8 */
    bool no_color;    /* NO_COLOR */
    bool truecolor;   /* COLORTERM says so; used where terminfo can express it */
    const struct theme *theme;
};

/* Reads NO_COLOR and COLORTERM into the options. */
void term_options_from_environment(struct term_options *options);
/* Takes the terminal over: raw, on its alternate screen. Returns 0, or a negative errno and the
 * sentence, the terminal left as it was. */
int term_new(const struct term_options *options, struct term **ret, struct error *error);
/* Gives it back as it was; waits at most half a second for a terminal that takes nothing. */
void term_free(struct term *term);

/* In cells. */
void term_size(const struct term *term, int *ret_width, int *ret_height);
/* After SIGWINCH. True when the size changed; the next draw is of everything. */
bool term_resize(struct term *term);
enum theme_depth term_depth(const struct term *term);

/* Can a frame be drawn now? When not: poll term_ready_fd() for reading, it tells when to ask again
 * (and term_ready() resets it). */
bool term_ready(struct term *term);
int term_ready_fd(const struct term *term);
/* Sends what differs from the last frame. Returns the bytes that takes (0: nothing changed),
 * -EAGAIN when the last frame is not out yet, or another negative errno. Never blocks. The canvas
 * must have the terminal's size: what is over is not shown. */
int term_draw(struct term *term, const struct canvas *canvas);
/* The next draw is of everything. */
void term_redraw(struct term *term);

/* Poll this for reading, then term_read(). */
int term_input_fd(const struct term *term);
/* Reads what was typed. Returns 0, or -EIO when the terminal is gone (hung up, end of input). */
int term_read(struct term *term, int64_t now);
/* The next key; call until false, after term_read() and when `now` reaches term_deadline(). */
bool term_key(struct term *term, struct key_event *ret, int64_t now);
int64_t term_deadline(const struct term *term);
/* Throws away what was typed and not yet handed out. */
void term_discard(struct term *term);

/* To the plain terminal, to ask or print there, and back. */
void term_leave(struct term *term);
void term_enter(struct term *term);
/* What Ctrl-Z does: leaves, stops the process group, and enters again when it is continued. */
void term_suspend(struct term *term);
/* Restores the terminal should the program crash: handlers for the fatal signals. Until term_free.
 */
void term_guard(struct term *term);

#endif
