/* What screen.c (keys, time) and screen_draw.c (looks) share; nobody else includes this. */
#ifndef UI_SCREEN_STATE_H
#define UI_SCREEN_STATE_H

#include "ui/edit.h"
#include "ui/pane.h"
#include "ui/screen.h"
#include "ui/status.h"

#define SCREEN_PANES_MAX 9 /* a digit each */
#define SCREEN_WIDTH_MIN 40
#define SCREEN_HEIGHT_MIN 10

struct slot {
    const struct pane *pane;
    void *state;
    uint64_t version; /* sum over the kinds it shows: each of them only grows */
};

enum overlay { OVERLAY_NONE, OVERLAY_DETAILS, OVERLAY_HELP };

struct question {
    bool open;
    enum screen_question kind;
    char title[256], detail[1024];
    struct edit edit;
    void (*answered)(void *ctx, const char *answer);
    void *ctx;
};

struct screen {
    struct screen_options options;
    struct slot slots[SCREEN_PANES_MAX];
    int n_slots, focus;
    bool zoomed, dirty;
    uint64_t version; /* of the whole model, as last seen */
    int64_t now, wall;
    enum zone_mode zone;
    struct status status;

    enum overlay overlay;
    enum entity_kind details_kind;
    char *details_id;
    int scroll, lines, height; /* of the overlay; the latter two as last drawn */

    bool filtering;
    struct edit filter;
    char filter_before[TABLE_FILTER_MAX];

    struct question question;

    char toast[256];
    enum role toast_role;
    int64_t toast_until;
};

struct pane_context screen_context(const struct screen *screen);
enum context screen_keys(const struct screen *screen);
/* The focused pane's table, or NULL. */
struct table *screen_table(struct screen *screen);

#endif
