#include "ui/status.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TROUBLE_LINES 3

/* Writes " text " on its own ground and returns the column after it. */
static int badge(struct canvas *line, int x, const char *text, enum ground ground)
{
    int width = (int)text_width(text, SIZE_MAX) + 2;
    struct canvas part = canvas_part(line, x, 0, width, 1);
    canvas_ground(&part, ground);
    canvas_text(&part, 1, 0, width - 2, text, ROLE_STRONG);
    return x + width + 1;
}

static int draw_lost(struct canvas *line, int x, const struct link *link,
                     const struct pane_context *context)
{
    char text[96], down[TEXT_SHORT], next[TEXT_SHORT];
    /* The link's times are by our own clock. */
    int64_t wall = context->own_wall;
    text_duration(down, KNOWN(link, LINK_since) ? wall - link->since : 0);
    int64_t wait = KNOWN(link, LINK_retry_at) ? link->retry_at - wall : 0;
    if (wait > 0)
        snprintf(text, sizeof(text), "link lost %s · retry in %s", down,
                 text_duration(next, wait + 999));
    else
        snprintf(text, sizeof(text), "link lost %s · retrying", down);
    return badge(line, x, text, GROUND_ALARM);
}

static int draw_link(struct canvas *line, int x, const struct pane_context *context)
{
    const struct link *link = model_link(context->model);
    int state = link != NULL && KNOWN(link, LINK_state) ? link->state : LINK_IDLE;
    char rtt[TEXT_SHORT];
    switch (state) {
    case LINK_UP:
        x += canvas_text(line, x, 0, 2, "● ", ROLE_OK);
        x += canvas_text(line, x, 0, 2, "up", ROLE_NORMAL);
        if (KNOWN(link, LINK_rtt_ms))
            canvas_text(line, x + 1, 0, 6, text_latency(rtt, link->rtt_ms), ROLE_DIM);
        return x + 9; /* whatever the length: nothing may jump */
    case LINK_LOST:
        return draw_lost(line, x, link, context);
    case LINK_STOPPED:
        return badge(line, x, "not connected · r tries again", GROUND_ALARM);
    default:
        return x + canvas_text(line, x, 0, line->width - x, "◌ connecting", ROLE_INFO) + 2;
    }
}

static int draw_tally(struct canvas *line, int x, const char *sign, size_t n, const char *word,
                      enum role role)
{
    if (n == 0)
        return x;
    return x + 2 + canvas_printf(line, x, 0, line->width - x, role, "%s %zu %s", sign, n, word);
}

static bool link_is_up(const struct model *model)
{
    const struct link *link = model_link(model);
    return link != NULL && KNOWN(link, LINK_state) && link->state == LINK_UP;
}

/* Has anything been read at all? Before that, no finding is no good news. */
static bool anything_known(const struct model *model)
{
    for (size_t i = 0; i < model_count(model, KIND_SOURCE); i++) {
        const struct source *source = (const struct source *)model_at(model, KIND_SOURCE, i);
        if (KNOWN(source, SOURCE_state) && source->state == SOURCE_OK)
            return true;
    }
    return false;
}

static int draw_findings(struct canvas *line, int x, const struct judgement *judgement,
                         const struct pane_context *context)
{
    bool narrow = line->width < 75;
    const char *critical = narrow ? "crit" : "critical";
    const char *warning = narrow ? "warn" : judgement->warnings == 1 ? "warning" : "warnings";
    if (judgement->verdict == VERDICT_OK && !anything_known(context->model))
        return x;
    if (judgement->verdict == VERDICT_OK)
        return x + 2 + canvas_text(line, x, 0, line->width - x, "● all well", ROLE_OK);
    x = draw_tally(line, x, "✗", judgement->criticals, critical, ROLE_BAD);
    x = draw_tally(line, x, "▲", judgement->warnings, warning, ROLE_WARN);
    if (!link_is_up(context->model))
        return x; /* that nothing is known without a link need not be said twice */
    return draw_tally(line, x, "?", judgement->unknowns, "unknown", ROLE_UNKNOWN);
}

static bool is_production(const char *environment)
{
    return strncasecmp(environment, "prod", 4) == 0;
}

/* The host's clock where there is room, and before it whether the host can be changed, always. */
static void draw_right(struct canvas *line, int room, const char *word, enum role role,
                       const struct pane_context *context)
{
    char clock[16], zone[16], time[40];
    int words = (int)strlen(word);
    zone_clock(&context->zone, context->wall, clock, sizeof(clock));
    zone_name(&context->zone, context->wall, zone, sizeof(zone));
    snprintf(time, sizeof(time), "  %s %s", clock, zone);
    if (words + (int)strlen(time) > room)
        snprintf(time, sizeof(time), "  %s", clock);
    if (words + (int)strlen(time) > room)
        time[0] = '\0';
    int x = line->width - 1 - words - (int)strlen(time);
    x += canvas_text(line, x, 0, words, word, role);
    canvas_text(line, x, 0, line->width - x, time, ROLE_NORMAL);
}

static int draw_environment(struct canvas *line, int x, const char *environment)
{
    char text[32];
    if (!is_production(environment))
        return x + 2 + canvas_text(line, x, 0, 16, environment, ROLE_ACCENT);
    snprintf(text, sizeof(text), "%s", environment);
    for (char *c = text; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return badge(line, x - 1, text, GROUND_ALARM) + 1;
}

void status_draw(const struct status *status, struct canvas *line,
                 const struct pane_context *context)
{
    const char *word = status->read_only ? "read-only" : "armed";
    canvas_clear(line, GROUND_BAR);
    struct canvas left = canvas_part(line, 0, 0, line->width - (int)strlen(word) - 2, 1);
    int x = 1 + canvas_text(&left, 1, 0, left.width / 3, status->target, ROLE_STRONG) + 2;
    if (status->environment != NULL)
        x = draw_environment(&left, x, status->environment);
    x = draw_link(&left, x, context);
    x = draw_findings(&left, x, &status->judgement, context);
    draw_right(line, line->width - x, word, status->read_only ? ROLE_DIM : ROLE_WARN, context);
}

int status_draw_cost(const struct status *status, struct canvas *line,
                     const struct pane_context *context)
{
    const struct link *link = model_link(context->model);
    char cpu[TEXT_SHORT] = "–", bytes[TEXT_SHORT] = "–", text[64];
    if (status->cpu_percent >= 0)
        text_percent(cpu, status->cpu_percent);
    if (link != NULL && KNOWN(link, LINK_rx_bytes_per_s) && KNOWN(link, LINK_tx_bytes_per_s))
        text_bytes(bytes, link->rx_bytes_per_s + link->tx_bytes_per_s);
    snprintf(text, sizeof(text), "we use %s%% %s/s", cpu, bytes);
    int width = (int)text_width(text, SIZE_MAX);
    int x = line->width - 1 - (width > 19 ? width : 19); /* wide enough for what comes next */
    canvas_text(line, line->width - 1 - width, 0, width, text, ROLE_DIM);
    return x - 1;
}

/* The sentence that says why there is no link; NULL when there is nothing to say. */
static const char *trouble(const struct pane_context *context)
{
    const struct link *link = model_link(context->model);
    if (link == NULL || !KNOWN(link, LINK_state) || link->state == LINK_UP ||
        !KNOWN(link, LINK_message) || link->message[0] == '\0')
        return NULL;
    return link->message;
}

int status_trouble_height(const struct pane_context *context, int width)
{
    const char *text = trouble(context);
    struct canvas none = {0};
    int lines = text != NULL ? canvas_paragraph(&none, 0, 0, width - 4, 0, text, ROLE_WARN) : 0;
    return lines < TROUBLE_LINES ? lines : TROUBLE_LINES;
}

void status_draw_trouble(struct canvas *canvas, const struct pane_context *context)
{
    const char *text = trouble(context);
    if (text == NULL)
        return;
    canvas_char(canvas, 1, 0, 0x25B2, ROLE_WARN);
    canvas_paragraph(canvas, 3, 0, canvas->width - 4, 0, text, ROLE_WARN);
}

/* The hint of `priority` in a context, if there is one. */
static const struct binding *hint_at(enum context active, int priority, size_t *index)
{
    for (; *index < n_bindings; ++*index) {
        const struct binding *binding = &bindings[*index];
        if (binding->hint != NULL && binding->priority == priority &&
            keymap_reaches(active, binding->context))
            return &bindings[(*index)++];
    }
    return NULL;
}

static int draw_hint(struct canvas *line, int x, const struct binding *binding, const char *text)
{
    char name[16];
    input_name(binding->key, name, sizeof(name));
    int width = (int)(text_width(name, SIZE_MAX) + text_width(text, SIZE_MAX)) + 1;
    if (x + width > line->width - 1)
        return x;
    x += canvas_text(line, x, 0, line->width - x, name, ROLE_KEY) + 1;
    return x + canvas_text(line, x, 0, line->width - x, text, ROLE_DIM) + 2;
}

void status_draw_hints(struct canvas *line, enum context active, const char *back)
{
    int x = 1;
    for (int priority = 1; priority < 10; priority++) {
        const struct binding *binding;
        for (size_t i = 0; (binding = hint_at(active, priority, &i)) != NULL;)
            x = draw_hint(line, x, binding, binding->action == ACTION_BACK ? back : binding->hint);
    }
}
