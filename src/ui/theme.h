/* What a role looks like. A theme is data: a table of looks for roles and grounds. It is written in
 * 24-bit colours with the 16 colours beside them, because the nearest of 16 is seldom the right
 * one; the 256 are found by distance. Without colours, attributes alone carry the meaning. */
#ifndef UI_THEME_H
#define UI_THEME_H

#include "ui/canvas.h"

enum look_attr { LOOK_BOLD = 1, LOOK_DIM = 2, LOOK_UNDERLINE = 4, LOOK_REVERSE = 8 };

#define THEME_DEFAULT (-1) /* the terminal's own colour */

struct look {
    const char *name; /* in theme files */
    int rgb;          /* 0xRRGGBB, or THEME_DEFAULT */
    int ansi;         /* 0..15, or THEME_DEFAULT */
    uint8_t attrs;    /* with colours */
    uint8_t mono;     /* without */
};

struct theme {
    const char *name;
    struct look roles[ROLE__COUNT];
    struct look grounds[GROUND__COUNT];
    struct look normal_on[GROUND__COUNT]; /* the text colour of roles without one of their own */
};

extern const struct theme theme_default;

/* How many colours a terminal is given. */
enum theme_depth { DEPTH_MONO, DEPTH_8, DEPTH_16, DEPTH_256, DEPTH_RGB };

/* A cell's looks for a depth: colour numbers in that depth's own numbering (0xRRGGBB for DEPTH_RGB)
 * or THEME_DEFAULT, and attributes. */
struct theme_ink {
    int foreground, background;
    unsigned attrs; /* of enum look_attr */
};
struct theme_ink theme_ink(const struct theme *theme, enum theme_depth depth, enum role role,
                           enum ground ground);

/* The nearest of the 256 colours' fixed part (16..255). */
int theme_nearest_256(int rgb);

#endif
