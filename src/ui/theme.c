#include "ui/theme.h"

#define NONE THEME_DEFAULT

/* The text colour of a terminal is left as it is on its own ground, so that the screen is at home
 * on a light terminal too; where we paint the ground we choose the text as well. */
const struct theme theme_default =
    {
        .name = "default",
        .roles =
            {
                [ROLE_NORMAL] = {"normal", NONE, NONE, 0, 0},
                [ROLE_DIM] = {"dim", 0x808890, 8, 0, LOOK_DIM},
                [ROLE_STRONG] = {"strong", NONE, NONE, LOOK_BOLD, LOOK_BOLD},
                [ROLE_TITLE] = {"title", NONE, NONE, LOOK_BOLD, LOOK_BOLD},
                [ROLE_BORDER] = {"border", 0x4e5661, 8, 0, LOOK_DIM},
                [ROLE_FOCUS] = {"focus", 0x5fafff, 14, LOOK_BOLD, LOOK_BOLD},
                [ROLE_OK] = {"ok", 0x5faf5f, 2, 0, 0},
                [ROLE_WARN] = {"warn", 0xd7af00, 3, LOOK_BOLD, LOOK_BOLD},
                [ROLE_BAD] = {"bad", 0xff5f5f, 9, LOOK_BOLD, LOOK_BOLD},
                [ROLE_UNKNOWN] = {"unknown", 0xaf87d7, 5, 0, LOOK_DIM},
                [ROLE_INFO] = {"info", 0x5fafd7, 6, 0, 0},
                [ROLE_ACCENT] = {"accent", 0x87afd7, 6, 0, 0},
                [ROLE_STALE] = {"stale", 0x8a8064, 8, 0, LOOK_DIM},
                [ROLE_KEY] = {"key", 0x5fafff, 14, LOOK_BOLD, LOOK_BOLD},
                [ROLE_LOW] = {"low", 0x5faf5f, 2, 0, 0},
                [ROLE_MIDDLE] = {"middle", 0xd7af00, 3, 0, 0},
                [ROLE_HIGH] = {"high", 0xff5f5f, 9, 0, LOOK_BOLD},
                [ROLE_TRACK] = {"track", 0x4e5661, 8, 0, LOOK_DIM},
            },
        .grounds =
            {
                [GROUND_NORMAL] = {"ground", NONE, NONE, 0, 0},
                [GROUND_SELECTED] = {"selected", 0x26405f, 6, 0, LOOK_REVERSE},
                [GROUND_BAR] = {"bar", 0x262a30, NONE, 0, 0},
                [GROUND_DIALOG] = {"dialog", 0x1c2026, NONE, 0, 0},
                [GROUND_ALARM] = {"alarm", 0xaf2b2b, 1, LOOK_BOLD, LOOK_REVERSE | LOOK_BOLD},
                [GROUND_CURSOR] = {"cursor", 0xd0d4da, 7, 0, LOOK_REVERSE},
            },
        .normal_on =
            {
                [GROUND_NORMAL] = {"ground-text", NONE, NONE, 0, 0},
                [GROUND_SELECTED] = {"selected-text", 0xf0f3f6, 0, 0, 0},
                [GROUND_BAR] = {"bar-text", 0xc6ccd4, NONE, 0, 0},
                [GROUND_DIALOG] = {"dialog-text", 0xd0d4da, NONE, 0, 0},
                [GROUND_ALARM] = {"alarm-text", 0xffffff, 15, 0, 0},
                [GROUND_CURSOR] = {"cursor-text", 0x16191d, 0, 0, 0},
            },
};

static int distance(int rgb, int r, int g, int b)
{
    int dr = (rgb >> 16 & 255) - r, dg = (rgb >> 8 & 255) - g, db = (rgb & 255) - b;
    return 3 * dr * dr + 4 * dg * dg + 2 * db * db; /* roughly as eyes weigh them */
}

int theme_nearest_256(int rgb)
{
    static const int steps[] = {0, 95, 135, 175, 215, 255};
    int best = 16, best_distance = distance(rgb, 0, 0, 0);
    for (int i = 0; i < 216; i++) {
        int d = distance(rgb, steps[i / 36], steps[i / 6 % 6], steps[i % 6]);
        if (d < best_distance) {
            best = 16 + i;
            best_distance = d;
        }
    }
    for (int i = 0; i < 24; i++) {
        int grey = 8 + 10 * i;
        int d = distance(rgb, grey, grey, grey);
        if (d < best_distance) {
            best = 232 + i;
            best_distance = d;
        }
    }
    return best;
}

static int colour(const struct look *look, enum theme_depth depth, unsigned *attrs)
{
    if (depth == DEPTH_MONO || (depth <= DEPTH_16 ? look->ansi : look->rgb) == NONE)
        return NONE;
    if (depth == DEPTH_RGB)
        return look->rgb;
    if (depth == DEPTH_256)
        return theme_nearest_256(look->rgb);
    if (depth == DEPTH_8 && look->ansi >= 8) {
        /* Black made bold is grey on some terminals and invisible on others. */
        if (look->ansi == 8) {
            *attrs |= LOOK_DIM;
            return NONE;
        }
        *attrs |= LOOK_BOLD;
        return look->ansi - 8;
    }
    return look->ansi;
}

struct theme_ink theme_ink(const struct theme *theme, enum theme_depth depth, enum role role,
                           enum ground ground)
{
    const struct look *text = &theme->roles[role], *under = &theme->grounds[ground];
    struct theme_ink ink;
    if (depth == DEPTH_MONO) {
        /* Dim on reverse cannot be read on many terminals. */
        unsigned attrs = text->mono | under->mono;
        ink.attrs = attrs & LOOK_REVERSE ? attrs & ~(unsigned)LOOK_DIM : attrs;
        ink.foreground = ink.background = THEME_DEFAULT;
        return ink;
    }
    unsigned ignored = 0;
    ink.attrs = text->attrs | under->attrs;
    /* On loud grounds only the ground's own text colour can be read. */
    bool few = depth <= DEPTH_16;
    bool own = (few ? text->ansi : text->rgb) == NONE || ground == GROUND_ALARM ||
               ground == GROUND_CURSOR || (few && ground == GROUND_SELECTED);
    ink.foreground = colour(own ? &theme->normal_on[ground] : text, depth, &ink.attrs);
    ink.background = colour(under, depth, &ignored);
    return ink;
}
