#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "panes/panes.h"
#include "ui/graph.h"

#define LABEL 7 /* columns of the words at the left */
#define GRAPH_ROWS_MIN 3
#define DISKS_MAX 8
#define CLOCK_OFF_MS 1000.0 /* a clock that is off by more breaks tokens and certificates */

/* From where on a share is worth a look, and from where on it is bad. */
struct limits {
    double middle, high;
};
static const struct limits cpu_limits = {70, 90}, memory_limits = {80, 92}, swap_limits = {25, 60},
                           disk_limits = {85, 95};

struct state {
    struct history cpu;
    uint64_t version; /* of the host, when the history got its last reading */
};

static void recalc(void *data, const struct pane_context *context)
{
    struct state *state = data;
    const struct host *host = model_host(context->model);
    uint64_t version = model_version(context->model, KIND_HOST);
    if (host == NULL || version == state->version || !KNOWN(host, HOST_cpu_percent))
        return;
    state->version = version;
    history_add(&state->cpu, host->cpu_percent);
}

/* "CPU  ■■■■·····  38.2%": one line. `percent` NAN = unknown. Returns where the words begin. */
static int draw_share(struct canvas *canvas, int y, const char *label, double percent,
                      const struct limits *limits)
{
    int gauge = canvas->width - 46; /* what the longest of the words leave */
    gauge = gauge < 8 ? 8 : gauge > 40 ? 40 : gauge;
    enum role role = graph_role(percent, limits->middle, limits->high);
    char text[TEXT_SHORT] = "–";
    canvas_tail(canvas, 1, y, LABEL - 1, label, ROLE_ACCENT);
    if (!isnan(percent)) {
        graph_gauge(canvas, 1 + LABEL, y, gauge, percent, role);
        text_percent(text, percent);
    } else {
        canvas_hline(canvas, 1 + LABEL, y, gauge, 0xB7, ROLE_TRACK);
    }
    int x = 1 + LABEL + gauge;
    enum role number = isnan(percent)        ? ROLE_DIM
                       : role == ROLE_LOW    ? ROLE_NORMAL
                       : role == ROLE_MIDDLE ? ROLE_WARN
                                             : ROLE_BAD;
    canvas_number(canvas, x, y, 6, text, number);
    canvas_text(canvas, x + 6, y, 1, isnan(percent) ? "" : "%", ROLE_DIM);
    return x + 9;
}

/* A word and its value. Returns where the next may begin. */
static int draw_pair(struct canvas *canvas, int x, int y, const char *word, const char *value,
                     enum role role)
{
    int room = canvas->width - 1 - x;
    if ((int)(text_width(word, SIZE_MAX) + text_width(value, SIZE_MAX)) + 1 > room)
        return x; /* whole or not at all */
    x += canvas_text(canvas, x, y, room, word, ROLE_DIM);
    return x + 3 + canvas_text(canvas, x + 1, y, canvas->width - 1 - x, value, role);
}

static void draw_cpu(struct canvas *canvas, int y, const struct host *host)
{
    int x =
        draw_share(canvas, y, "CPU",
                   KNOWN(host, HOST_cpu_percent) ? host->cpu_percent : (double)NAN, &cpu_limits);
    char text[64] = "–";
    if (KNOWN(host, HOST_load_1m) && KNOWN(host, HOST_load_5m) && KNOWN(host, HOST_load_15m))
        snprintf(text, sizeof(text), "%.1f %.1f %.1f", host->load_1m, host->load_5m,
                 host->load_15m);
    x = draw_pair(canvas, x, y, "load", text, ROLE_NORMAL) - 1;
    if (KNOWN(host, HOST_cpus)) {
        snprintf(text, sizeof(text), "%lld CPUs", (long long)host->cpus);
        draw_pair(canvas, x, y, "on", text, ROLE_NORMAL);
    }
}

static void draw_part(struct canvas *canvas, int x, int y, double part, double whole)
{
    char a[TEXT_SHORT], b[TEXT_SHORT];
    x += canvas_text(canvas, x, y, 6, text_bytes(a, part), ROLE_NORMAL);
    x += canvas_text(canvas, x, y, 4, " of ", ROLE_DIM);
    canvas_text(canvas, x, y, 6, text_bytes(b, whole), ROLE_NORMAL);
}

static double memory_used(const struct host *host)
{
    bool known = KNOWN(host, HOST_memory_bytes) && KNOWN(host, HOST_memory_available_bytes);
    return known ? (double)(host->memory_bytes - host->memory_available_bytes) : (double)NAN;
}

static double memory_percent(const struct host *host)
{
    return host->memory_bytes > 0 ? 100 * memory_used(host) / (double)host->memory_bytes
                                  : (double)NAN;
}

static void draw_memory(struct canvas *canvas, int y, const struct host *host)
{
    double used = memory_used(host);
    int x = draw_share(canvas, y, "Memory", memory_percent(host), &memory_limits);
    if (!isnan(used))
        draw_part(canvas, x, y, used, (double)host->memory_bytes);
}

static void draw_swap(struct canvas *canvas, int y, const struct host *host)
{
    bool known = KNOWN(host, HOST_swap_bytes) && KNOWN(host, HOST_swap_used_bytes);
    if (known && host->swap_bytes == 0) {
        canvas_text(canvas, 1, y, LABEL, "Swap", ROLE_ACCENT);
        canvas_text(canvas, 1 + LABEL, y, canvas->width - LABEL - 2, "none", ROLE_DIM);
        return;
    }
    double used = (double)host->swap_used_bytes, whole = (double)host->swap_bytes;
    int x = draw_share(canvas, y, "Swap", known ? 100 * used / whole : (double)NAN, &swap_limits);
    if (known)
        draw_part(canvas, x, y, used, whole);
}

static void draw_disk(struct canvas *canvas, int y, const struct disk *disk)
{
    char value[TEXT_SHORT];
    int x =
        draw_share(canvas, y, "Disk",
                   KNOWN(disk, DISK_used_percent) ? disk->used_percent : (double)NAN, &disk_limits);
    if (KNOWN(disk, DISK_available_bytes)) {
        x += canvas_text(canvas, x, y, 5, text_bytes(value, (double)disk->available_bytes),
                         ROLE_NORMAL);
        /* Where it is matters more than the word. */
        x += canvas_text(canvas, x, y, 7, canvas->width - x > 24 ? " free  " : "  ", ROLE_DIM);
    }
    if (KNOWN(disk, DISK_inodes_used_percent) && disk->inodes_used_percent >= disk_limits.middle) {
        snprintf(value, sizeof(value), "%.0f%%", disk->inodes_used_percent);
        x = draw_pair(canvas, x, y, "inodes", value,
                      disk->inodes_used_percent >= disk_limits.high ? ROLE_BAD : ROLE_WARN);
    }
    canvas_tail(canvas, x, y, canvas->width - 1 - x, disk->e.id, ROLE_NORMAL);
}

static double disk_use(const struct disk *disk)
{
    return KNOWN(disk, DISK_used_percent) ? disk->used_percent : -1;
}

/* The fullest disks, fullest first. Returns how many, at most `max`. */
static int fullest_disks(const struct model *model, const struct disk **out, int max)
{
    int n = 0;
    for (size_t i = 0; i < model_count(model, KIND_DISK); i++) {
        const struct disk *disk = (const struct disk *)model_at(model, KIND_DISK, i);
        int at = n;
        while (at > 0 && disk_use(out[at - 1]) < disk_use(disk))
            at--;
        if (at == max)
            continue;
        n += n < max;
        for (int k = n - 1; k > at; k--)
            out[k] = out[k - 1];
        out[at] = disk;
    }
    return n;
}

/* Returns the lines drawn. */
static int draw_disks(struct canvas *canvas, int y, int rows, const struct model *model)
{
    const struct disk *disks[DISKS_MAX];
    int n = fullest_disks(model, disks, rows < DISKS_MAX ? rows : DISKS_MAX);
    for (int i = 0; i < n; i++)
        draw_disk(canvas, y + i, disks[i]);
    return n;
}

static void draw_pressure(struct canvas *canvas, int y, const struct host *host)
{
    static const struct {
        const char *word;
        int field;
    } shares[] = {
        {"cpu", HOST_cpu_pressure_percent}, {"mem", HOST_memory_pressure_percent},
        {"io", HOST_io_pressure_percent},   {"iowait", HOST_iowait_percent},
        {"steal", HOST_steal_percent},
    };
    int x = 1 + LABEL;
    canvas_text(canvas, 1, y, LABEL - 1, "Waits", ROLE_ACCENT);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        char value[32];
        const struct field *field = &host->e.type->fields[shares[i].field];
        field_print(field, &host->e, value, sizeof(value));
        bool known = (host->e.known & FIELD_BIT(shares[i].field)) != 0;
        double number = known ? field_number(field, &host->e) : 0;
        x = draw_pair(canvas, x, y, shares[i].word, value,
                      !known || number < 0.05 ? ROLE_DIM
                      : number >= 40          ? ROLE_WARN
                                              : ROLE_NORMAL);
    }
}

/* The busiest interface stands for all: others are bridges and veths, as a rule. */
static void draw_net(struct canvas *canvas, int y, const struct model *model)
{
    const struct nic *best = NULL;
    size_t n = model_count(model, KIND_NIC);
    for (size_t i = 0; i < n; i++) {
        const struct nic *nic = (const struct nic *)model_at(model, KIND_NIC, i);
        if (best == NULL || nic->rx_bytes + nic->tx_bytes > best->rx_bytes + best->tx_bytes)
            best = nic;
    }
    int x = 1 + LABEL;
    canvas_text(canvas, 1, y, LABEL - 1, "Net", ROLE_ACCENT);
    if (best == NULL) {
        canvas_text(canvas, x, y, 1, "–", ROLE_DIM);
        return;
    }
    static const struct {
        const char *word;
        int field;
    } rates[] = {{"↓", NIC_rx_bytes_per_s}, {"↑", NIC_tx_bytes_per_s}};
    for (size_t i = 0; i < 2; i++) {
        char value[32], padded[32];
        field_print(&best->e.type->fields[rates[i].field], &best->e, value, sizeof(value));
        snprintf(padded, sizeof(padded), "%6s", value);
        x = draw_pair(canvas, x, y, rates[i].word, padded, ROLE_NORMAL);
    }
    x += canvas_text(canvas, x, y, canvas->width - 1 - x, best->e.id, ROLE_DIM) + 2;
    if (KNOWN(best, NIC_errors) && best->errors > 0) {
        char errors[24];
        snprintf(errors, sizeof(errors), "%lld", (long long)best->errors);
        draw_pair(canvas, x, y, "errors", errors, ROLE_WARN);
    }
}

static void draw_system(struct canvas *canvas, int y, const struct host *host)
{
    char value[64];
    int x = 1 + LABEL;
    canvas_text(canvas, 1, y, LABEL - 1, "Up", ROLE_ACCENT);
    field_print(&host->e.type->fields[HOST_uptime_seconds], &host->e, value, sizeof(value));
    x += canvas_text(canvas, x, y, 8, value, ROLE_NORMAL) + 2;
    if (KNOWN(host, HOST_clock_offset_ms)) {
        double off = host->clock_offset_ms;
        char size[TEXT_SHORT];
        snprintf(value, sizeof(value), "%s%s", off < 0 ? "-" : "+", text_latency(size, fabs(off)));
        x = draw_pair(canvas, x, y, "clock", value,
                      fabs(off) >= CLOCK_OFF_MS ? ROLE_WARN : ROLE_NORMAL);
    }
    if (KNOWN(host, HOST_docker_version))
        x = draw_pair(canvas, x, y, "docker", host->docker_version, ROLE_NORMAL);
    if (KNOWN(host, HOST_kernel))
        draw_pair(canvas, x, y, "kernel", host->kernel, ROLE_NORMAL);
}

static void draw_graph(const struct state *state, struct canvas *canvas, int y)
{
    struct canvas graph =
        canvas_part(canvas, 1 + LABEL, y, canvas->width - LABEL - 2, canvas->height - y);
    canvas_number(canvas, 1, y, LABEL - 1, "100%", ROLE_DIM);
    canvas_number(canvas, 1, (y + canvas->height - 1) / 2, LABEL - 1, "CPU", ROLE_DIM);
    canvas_number(canvas, 1, canvas->height - 1, LABEL - 1, "0%", ROLE_DIM);
    graph_history(&graph, &state->cpu, 100, cpu_limits.middle, cpu_limits.high);
}

static void draw(void *data, struct canvas *canvas, const struct pane_context *context)
{
    const struct host *host = model_host(context->model);
    int rows = canvas->height, y = 0;
    if (host == NULL)
        return;
    draw_cpu(canvas, y++, host);
    draw_memory(canvas, y++, host);
    draw_swap(canvas, y++, host);
    int disks = rows - y - 3; /* the three lines below them have their place */
    y += draw_disks(canvas, y, disks < 1 ? 1 : disks, context->model);
    draw_net(canvas, y++, context->model);
    draw_pressure(canvas, y++, host);
    draw_system(canvas, y++, host);
    bool stale = model_stale_ms(context->model, &host->e, context->now) > 0;
    if (rows - y >= GRAPH_ROWS_MIN)
        draw_graph(data, canvas, y);
    if (stale)
        canvas_role(canvas, ROLE_STALE);
}

static void count(void *data, const struct pane_context *context, char *out, size_t size)
{
    const struct host *host = model_host(context->model);
    (void)data;
    if (host != NULL && KNOWN(host, HOST_name))
        snprintf(out, size, "%s", host->name);
}

static int summary_share(struct canvas *line, int x, const char *word, double percent,
                         const struct limits *limits)
{
    char text[TEXT_SHORT], value[TEXT_SHORT + 2] = "–";
    enum role role = graph_role(percent, limits->middle, limits->high);
    if (!isnan(percent))
        snprintf(value, sizeof(value), "%s%%", text_percent(text, percent));
    if (x + (int)strlen(word) + 7 > line->width)
        return x;
    x += canvas_text(line, x, 0, line->width - x, word, ROLE_DIM) + 1;
    canvas_number(line, x, 0, 5, value,
                  isnan(percent)        ? ROLE_DIM
                  : role == ROLE_LOW    ? ROLE_NORMAL
                  : role == ROLE_MIDDLE ? ROLE_WARN
                                        : ROLE_BAD);
    return x + 5 + 2;
}

static void summary(void *data, struct canvas *line, const struct pane_context *context)
{
    const struct host *host = model_host(context->model);
    (void)data;
    if (host == NULL)
        return;
    int x = 1;
    x = summary_share(line, x, "cpu",
                      KNOWN(host, HOST_cpu_percent) ? host->cpu_percent : (double)NAN, &cpu_limits);
    x = summary_share(line, x, "mem", memory_percent(host), &memory_limits);
    const struct disk *fullest;
    if (fullest_disks(context->model, &fullest, 1) > 0 && KNOWN(fullest, DISK_used_percent)) {
        char word[64];
        snprintf(word, sizeof(word), "disk %s", fullest->e.id);
        x = summary_share(line, x, word, fullest->used_percent, &disk_limits);
    }
    char load[48] = "–";
    if (KNOWN(host, HOST_load_1m))
        snprintf(load, sizeof(load), "%.1f", host->load_1m);
    if (KNOWN(host, HOST_load_1m) && KNOWN(host, HOST_cpus))
        snprintf(load, sizeof(load), "%.1f on %lld CPUs", host->load_1m, (long long)host->cpus);
    draw_pair(line, x, 0, "load", load, ROLE_NORMAL);
    if (model_stale_ms(context->model, &host->e, context->now) > 0)
        canvas_role(line, ROLE_STALE);
}

const struct pane pane_host = {
    .title = "Host",
    .kind = KIND_HOST,
    .kinds = 1u << KIND_HOST | 1u << KIND_DISK | 1u << KIND_NIC | 1u << KIND_SOURCE,
    .source = "host",
    .weight = 4,
    .empty = "The host has not said anything yet.",
    .state_size = sizeof(struct state),
    .recalc = recalc,
    .draw = draw,
    .count = count,
    .summary = summary,
};
