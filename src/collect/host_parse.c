#include "collect/host_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the next whole line off `*text` into `line` (cut to its size). False at the end; what has
 * no newline was cut off and does not count. */
static bool next_line(const char **text, char *line, size_t size)
{
    const char *end = strchr(*text, '\n');
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - *text);
    if (len >= size)
        len = size - 1;
    memcpy(line, *text, len);
    line[len] = '\0';
    *text = end + 1;
    return true;
}

/* The rest of `line` after "word ", or NULL when it begins otherwise. */
static const char *after(const char *line, const char *word)
{
    size_t len = strlen(word);
    return strncmp(line, word, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

/* Takes a whole number off `*at`, blanks before it too. False where there is none, or too great a
 * one. */
static bool take(const char **at, uint64_t *ret)
{
    char *end;
    const char *text = *at + strspn(*at, " \t");
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || value > INT64_MAX)
        return false;
    *ret = value;
    *at = end;
    return true;
}

/* The same for "12.34"; strtod() would want the decimal point of our locale. */
static bool take_real(const char **at, double *ret)
{
    uint64_t whole, part = 0, scale = 1;
    if (!take(at, &whole))
        return false;
    if (**at == '.')
        for ((*at)++; isdigit((unsigned char)**at); (*at)++) {
            if (scale >= 1000000000)
                continue; /* digits that no double would keep */
            part = part * 10 + (uint64_t)(**at - '0');
            scale *= 10;
        }
    *ret = (double)whole + (double)part / (double)scale;
    return true;
}

/* Takes a word off `*at` into `out`. False where there is none, or it does not fit. */
static bool take_word(const char **at, char *out, size_t size)
{
    const char *text = *at + strspn(*at, " \t");
    size_t len = strcspn(text, " \t");
    if (len == 0 || len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    *at = text + len;
    return true;
}

/* --- what changes all the time */

/* "1700000000.123456789"; a date that knows no %N leaves something else there. */
static void parse_clock(const char *at, struct host_now *ret)
{
    uint64_t seconds;
    if (!take(&at, &seconds) || seconds == 0 || seconds > INT64_MAX / 1000000 - 1)
        return;
    ret->clock_us = (int64_t)seconds * 1000000;
    if (*at != '.' || !isdigit((unsigned char)at[1]))
        return;
    ret->clock_fine = true;
    int64_t scale = 100000;
    for (at++; isdigit((unsigned char)*at); at++, scale /= 10)
        ret->clock_us += (*at - '0') * scale;
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guests count as user
 * already. Old kernels have fewer. */
static void parse_cpu(const char *line, struct host_cpu *cpu)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N };
    uint64_t ticks[N] = {0};
    const char *at = after(line, "cpu");
    int n = 0;
    while (at != NULL && n < N && take(&at, &ticks[n]))
        cpu->total += ticks[n++];
    cpu->known = n > IDLE;
    cpu->busy = cpu->total - ticks[IDLE] - ticks[IOWAIT];
    cpu->iowait = ticks[IOWAIT];
    cpu->steal = ticks[STEAL];
}

/* "0.08 0.03 0.05 1/234 5678" */
static void parse_load(const char *at, struct host *host)
{
    double one, five, fifteen;
    uint64_t running, threads;
    if (!take_real(&at, &one) || !take_real(&at, &five) || !take_real(&at, &fifteen))
        return;
    SET(*host, HOST, load_1m, one);
    SET(*host, HOST, load_5m, five);
    SET(*host, HOST, load_15m, fifteen);
    if (take(&at, &running) && *at++ == '/' && take(&at, &threads))
        SET(*host, HOST, processes, (int64_t)threads);
}

struct memory {
    int64_t total, free, available, buffers, cached, swap_total, swap_free; /* bytes, -1 unknown */
};

static void parse_memory(const char *rest, struct memory *memory)
{
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {
        {"MemTotal:", offsetof(struct memory, total)},
        {"MemFree:", offsetof(struct memory, free)},
        {"MemAvailable:", offsetof(struct memory, available)},
        {"Buffers:", offsetof(struct memory, buffers)},
        {"Cached:", offsetof(struct memory, cached)},
        {"SwapTotal:", offsetof(struct memory, swap_total)},
        {"SwapFree:", offsetof(struct memory, swap_free)},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *at = after(rest, members[i].name);
        uint64_t kib;
        if (at != NULL && take(&at, &kib) && kib < INT64_MAX / 1024)
            *(int64_t *)((char *)memory + members[i].offset) = (int64_t)kib * 1024;
    }
}

static void set_memory(const struct memory *memory, struct host *host)
{
    int64_t available = memory->available;
    /* Kernels before 3.14 do not say; this is what free(1) showed then. */
    if (available < 0 && memory->free >= 0 && memory->buffers >= 0 && memory->cached >= 0)
        available = memory->free + memory->buffers + memory->cached;
    if (memory->total > 0)
        SET(*host, HOST, memory_bytes, memory->total);
    if (available >= 0)
        SET(*host, HOST, memory_available_bytes, available);
    if (memory->swap_total >= 0)
        SET(*host, HOST, swap_bytes, memory->swap_total);
    if (memory->swap_total >= 0 && memory->swap_free >= 0 &&
        memory->swap_free <= memory->swap_total)
        SET(*host, HOST, swap_used_bytes, memory->swap_total - memory->swap_free);
}

/* "eth0 rx_bytes packets errs drop fifo frame compressed multicast tx_bytes packets errs drop ..."
 */
static void parse_nic(const char *at, struct host_now *ret)
{
    enum { RX_BYTES = 0, RX_ERRORS = 2, RX_DROPS, TX_BYTES = 8, TX_ERRORS = 10, TX_DROPS, N };
    uint64_t numbers[N];
    struct host_nic nic;
    if (ret->n_nics == HOST_NICS_MAX || !take_word(&at, nic.name, sizeof(nic.name)))
        return;
    for (int i = 0; i < N; i++)
        if (!take(&at, &numbers[i]))
            return;
    nic.rx_bytes = numbers[RX_BYTES];
    nic.tx_bytes = numbers[TX_BYTES];
    nic.errors = numbers[RX_ERRORS] + numbers[RX_DROPS] + numbers[TX_ERRORS] + numbers[TX_DROPS];
    ret->nics[ret->n_nics++] = nic;
}

/* "some avg10=0.12 avg60=..." */
static bool parse_pressure(const char *at, double *ret_percent)
{
    static const char head[] = "some avg10=";
    if (at == NULL || strncmp(at, head, sizeof(head) - 1) != 0)
        return false;
    at += sizeof(head) - 1;
    return take_real(&at, ret_percent);
}

void host_now_parse(const char *text, struct host_now *ret)
{
    struct memory memory = {-1, -1, -1, -1, -1, -1, -1};
    char line[1024];
    double value;
    *ret = (struct host_now){0};
    struct host *host = &ret->host;
    while (next_line(&text, line, sizeof(line))) {
        const char *rest;
        if ((rest = after(line, "clock")) != NULL)
            parse_clock(rest, ret);
        else if ((rest = after(line, "stat")) != NULL)
            parse_cpu(rest, &ret->cpu);
        else if ((rest = after(line, "load")) != NULL)
            parse_load(rest, host);
        else if ((rest = after(line, "uptime")) != NULL && take_real(&rest, &value))
            SET(*host, HOST, uptime_seconds, (int64_t)value);
        else if (parse_pressure(after(line, "psi_cpu"), &value))
            SET(*host, HOST, cpu_pressure_percent, value);
        else if (parse_pressure(after(line, "psi_memory"), &value))
            SET(*host, HOST, memory_pressure_percent, value);
        else if (parse_pressure(after(line, "psi_io"), &value))
            SET(*host, HOST, io_pressure_percent, value);
        else if ((rest = after(line, "mem")) != NULL)
            parse_memory(rest, &memory);
        else if ((rest = after(line, "nic")) != NULL)
            parse_nic(rest, ret);
        else if (strcmp(line, "end") == 0)
            ret->whole = true;
    }
    set_memory(&memory, host);
}

void host_cpu_shares(const struct host_cpu *before, const struct host_cpu *after_, struct host *ret)
{
    if (!before->known || !after_->known || after_->total <= before->total)
        return;
    double total = (double)(after_->total - before->total);
    if (after_->busy >= before->busy)
        SET(*ret, HOST, cpu_percent, (double)(after_->busy - before->busy) * 100 / total);
    if (after_->iowait >= before->iowait)
        SET(*ret, HOST, iowait_percent, (double)(after_->iowait - before->iowait) * 100 / total);
    if (after_->steal >= before->steal)
        SET(*ret, HOST, steal_percent, (double)(after_->steal - before->steal) * 100 / total);
}

/* --- what hardly ever changes */

/* The value of NAME="..." in os-release, quotes and backslashes taken off. */
static void unquote(const char *value, char *out, size_t size)
{
    char quote = *value == '"' || *value == '\'' ? *value++ : '\0';
    size_t n = 0;
    for (; *value != '\0' && *value != quote && n + 1 < size; value++) {
        if (*value == '\\' && quote != '\'' && value[1] != '\0')
            value++;
        out[n++] = *value;
    }
    out[n] = '\0';
}

void host_facts_parse(const char *text, struct host_facts *ret)
{
    char line[1024], name[128] = "", version[128] = "";
    *ret = (struct host_facts){0};
    struct host *host = &ret->host;
    while (next_line(&text, line, sizeof(line))) {
        const char *rest;
        uint64_t cpus;
        if (strncmp(line, "PRETTY_NAME=", 12) == 0)
            unquote(line + 12, ret->os, sizeof(ret->os));
        else if (strncmp(line, "NAME=", 5) == 0)
            unquote(line + 5, name, sizeof(name));
        else if (strncmp(line, "VERSION=", 8) == 0)
            unquote(line + 8, version, sizeof(version));
        else if ((rest = after(line, "hostname")) != NULL)
            snprintf(ret->name, sizeof(ret->name), "%.255s", rest);
        else if ((rest = after(line, "kernel")) != NULL)
            snprintf(ret->kernel, sizeof(ret->kernel), "%.255s", rest);
        else if ((rest = after(line, "zone")) != NULL && (*rest == '+' || *rest == '-'))
            snprintf(ret->zone, sizeof(ret->zone), "%.15s", rest);
        else if ((rest = after(line, "cpus")) != NULL && take(&rest, &cpus) && cpus > 0)
            SET(*host, HOST, cpus, (int64_t)cpus);
    }
    if (ret->os[0] == '\0')
        snprintf(ret->os, sizeof(ret->os), "%s%s%s", name, version[0] ? " " : "", version);
    if (ret->name[0] != '\0')
        SET(*host, HOST, name, ret->name);
    if (ret->os[0] != '\0')
        SET(*host, HOST, os, ret->os);
    if (ret->kernel[0] != '\0')
        SET(*host, HOST, kernel, ret->kernel);
    if (ret->zone[0] != '\0')
        SET(*host, HOST, zone, ret->zone);
}

/* --- disks */

static struct host_disk *disk_at(struct host_disk *disks, size_t n, const char *mount)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(disks[i].mount, mount) == 0)
            return &disks[i];
    return NULL;
}

/* "ext4 /srv/data" */
static bool parse_mount(const char *at, struct host_disk *disk)
{
    *disk = (struct host_disk){0};
    if (!take_word(&at, disk->filesystem, sizeof(disk->filesystem)) || at[0] != ' ' ||
        at[1] != '/' || strlen(at + 1) >= sizeof(disk->mount))
        return false;
    snprintf(disk->mount, sizeof(disk->mount), "%s", at + 1);
    return true;
}

/* A row of df -P: device, three numbers, "12%", mount point. What df does not know is "-". */
struct row {
    char device[256];
    uint64_t total, used, available;
    double percent;
    bool has_total, has_used, has_available, has_percent;
    const char *mount; /* in the line */
};

static bool parse_row(const char *line, struct row *ret)
{
    const char *at = line, *number;
    char words[4][32];
    if (!take_word(&at, ret->device, sizeof(ret->device)))
        return false;
    for (int i = 0; i < 4; i++)
        if (!take_word(&at, words[i], sizeof(words[i])))
            return false;
    const uint64_t max = INT64_MAX / 1024;
    ret->has_total = (number = words[0], take(&number, &ret->total)) && ret->total < max;
    ret->has_used = (number = words[1], take(&number, &ret->used)) && ret->used < max;
    ret->has_available =
        (number = words[2], take(&number, &ret->available)) && ret->available < max;
    ret->has_percent = (number = words[3], take_real(&number, &ret->percent)) && *number == '%';
    ret->mount = at + strspn(at, " ");
    return true;
}

static void parse_df(const char *line, bool inodes, struct host_disk *disks, size_t n)
{
    struct row row;
    struct host_disk *found = parse_row(line, &row) ? disk_at(disks, n, row.mount) : NULL;
    if (found == NULL)
        return; /* the head of the table, or not asked about */
    struct disk *disk = &found->disk;
    if (inodes) {
        /* btrfs makes inodes as it needs them: it has no number, and shows 0 */
        if (row.has_total && row.total > 0)
            SET(*disk, DISK, inodes, (int64_t)row.total);
        if (row.has_total && row.total > 0 && row.has_percent)
            SET(*disk, DISK, inodes_used_percent, row.percent);
        return;
    }
    snprintf(found->device, sizeof(found->device), "%s", row.device);
    SET(*disk, DISK, device, found->device);
    if (row.has_total)
        SET(*disk, DISK, size_bytes, (int64_t)row.total * 1024);
    if (row.has_used)
        SET(*disk, DISK, used_bytes, (int64_t)row.used * 1024);
    if (row.has_available)
        SET(*disk, DISK, available_bytes, (int64_t)row.available * 1024);
    if (row.has_percent)
        SET(*disk, DISK, used_percent, row.percent);
}

size_t host_disks_parse(const char *text, struct host_disk *disks, size_t max, bool *ret_whole)
{
    char line[1024];
    bool inodes = false, whole = false;
    size_t n = 0;
    while (next_line(&text, line, sizeof(line))) {
        const char *rest = after(line, "mount");
        if (rest != NULL && n < max && parse_mount(rest, &disks[n]) &&
            disk_at(disks, n, disks[n].mount) == NULL)
            n++;
        else if (strcmp(line, "inodes") == 0)
            inodes = true;
        else if (strcmp(line, "end") == 0)
            whole = true;
        else if (rest == NULL)
            parse_df(line, inodes, disks, n);
    }
    for (size_t i = 0; i < n; i++) {
        struct disk *disk = &disks[i].disk;
        disk->e.id = disks[i].mount;
        SET(*disk, DISK, mount, disks[i].mount);
        SET(*disk, DISK, filesystem, disks[i].filesystem);
    }
    *ret_whole = whole;
    return n;
}
