/* A grid of character cells that everything is drawn on: the terminal, text snapshots and golden
 * tests all start from the same canvas. Only clean text can get in; what it looks like is said by
 * role, never by colour. All drawing is clipped to the canvas it is given. */
#ifndef UI_CANVAS_H
#define UI_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What a character means. The theme knows what that looks like. */
enum role {
    ROLE_NORMAL,
    ROLE_DIM,
    ROLE_STRONG,
    ROLE_TITLE,
    ROLE_BORDER,
    ROLE_FOCUS, /* the border and title of the pane that has the keys */
    ROLE_OK,
    ROLE_WARN,
    ROLE_BAD,
    ROLE_UNKNOWN,
    ROLE_INFO,
    ROLE_ACCENT,
    ROLE_STALE,
    ROLE_KEY, /* a key that can be pressed */
    ROLE_LOW, /* gauges and graphs, by how full they are */
    ROLE_MIDDLE,
    ROLE_HIGH,
    ROLE_TRACK, /* the empty part of a gauge */
    ROLE__COUNT,
};

/* What a character stands on. */
enum ground {
    GROUND_NORMAL,
    GROUND_SELECTED,
    GROUND_BAR,    /* status line and key hints */
    GROUND_DIALOG, /* overlays */
    GROUND_ALARM,  /* must not be overlooked */
    GROUND_CURSOR,
    GROUND__COUNT,
};

struct cell {
    uint32_t chars[3]; /* a base character and up to two that combine with it; 0 = none */
    uint8_t width;     /* 1 or 2; 0 = the right half of the wide character before it */
    uint8_t role, ground;
};

/* Either a whole grid (canvas_init) or a part of one (canvas_part), which is only borrowed. */
struct canvas {
    struct cell *cells; /* the top left one */
    int stride;         /* cells from one row to the next */
    int width, height;
};

/* A blank grid. Returns 0, -EINVAL for a size outside 1..CANVAS_MAX, or -ENOMEM. */
#define CANVAS_MAX 1000
int canvas_init(struct canvas *canvas, int width, int height);
/* Only for what canvas_init made. */
void canvas_done(struct canvas *canvas);
/* The part of a canvas at x, y, clipped to it; it may be empty. */
struct canvas canvas_part(const struct canvas *canvas, int x, int y, int width, int height);

/* Fills with blanks on `ground`. */
void canvas_clear(struct canvas *canvas, enum ground ground);
/* Changes the ground and leaves the characters. */
void canvas_ground(struct canvas *canvas, enum ground ground);
/* Changes the role of every character. */
void canvas_role(struct canvas *canvas, enum role role);

/* Everything below keeps the ground. They return the columns used (0 when nothing was drawn). */
int canvas_char(struct canvas *canvas, int x, int y, uint32_t ch, enum role role);
/* Left-aligned in at most `width` columns. What does not fit ends in "…", which never stands inside
 * a number: "restarts 12…" for 1234 would be a lie. */
int canvas_text(struct canvas *canvas, int x, int y, int width, const char *text, enum role role);
/* The same, but keeps the end: "…/content-service:2.4". */
int canvas_tail(struct canvas *canvas, int x, int y, int width, const char *text, enum role role);
/* Right-aligned; whole, or only "…". For numbers. Always returns `width`. */
int canvas_number(struct canvas *canvas, int x, int y, int width, const char *text, enum role role);
int canvas_printf(struct canvas *canvas, int x, int y, int width, enum role role,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));

void canvas_hline(struct canvas *canvas, int x, int y, int width, uint32_t ch, enum role role);
/* A frame around the canvas's edge. */
void canvas_box(struct canvas *canvas, enum role role);

/* Bytes of `text` that make the next line of at most `width` columns, broken at a space or newline
 * where there is one (it is counted in, to be skipped). 0 at the end of the text. `ret_len` gets
 * the bytes to show. */
size_t canvas_wrap(const char *text, int width, size_t *ret_len);
/* Draws wrapped text from line `skip` of it on; draws nothing where y is past the edge. Returns the
 * number of lines the whole text takes. */
int canvas_paragraph(struct canvas *canvas, int x, int y, int width, int skip, const char *text,
                     enum role role);

/* The ASCII character that stands for `ch` ('?' when none does), for each of its columns. */
char canvas_ascii(uint32_t ch);
/* The text of the canvas, a line a row, blanks at line ends removed. Returns 0 or an error of buf.
 */
int canvas_export(const struct canvas *canvas, bool ascii, struct buf *out);
/* The same shape, but a letter a cell for its role, or for its ground where that is not the normal
 * one: what golden tests compare so that colours cannot change unseen. */
int canvas_export_roles(const struct canvas *canvas, struct buf *out);

#endif
