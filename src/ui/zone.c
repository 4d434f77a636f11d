#include "ui/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "+hhmm" into seconds. */
static bool host_offset(const struct zone *zone, long *ret_seconds)
{
    const char *text = zone->host;
    if (text == NULL || strlen(text) != 5 || strspn(text + 1, "0123456789") != 4 ||
        (text[0] != '+' && text[0] != '-'))
        return false;
    long number = strtol(text + 1, NULL, 10);
    long seconds = number / 100 * 3600 + number % 100 * 60;
    *ret_seconds = text[0] == '-' ? -seconds : seconds;
    return seconds < 16 * 3600L && number % 100 < 60;
}

static bool broken_down(const struct zone *zone, int64_t unix_ms, struct tm *ret)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    long offset = 0;
    if (zone->mode == ZONE_LOCAL)
        return localtime_r(&seconds, ret) != NULL;
    if (zone->mode == ZONE_HOST && host_offset(zone, &offset))
        seconds += offset;
    return gmtime_r(&seconds, ret) != NULL;
}

static const char *print(const struct zone *zone, int64_t unix_ms, char *out, size_t size,
                         const char *format)
{
    struct tm tm;
    out[0] = '\0';
    /* The formats are the literals below. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (!broken_down(zone, unix_ms, &tm) || strftime(out, size, format, &tm) == 0)
        snprintf(out, size, "–");
#pragma GCC diagnostic pop
    return out;
}

const char *zone_clock(const struct zone *zone, int64_t unix_ms, char *out, size_t size)
{
    return print(zone, unix_ms, out, size, "%H:%M:%S");
}

const char *zone_date(const struct zone *zone, int64_t unix_ms, char *out, size_t size)
{
    char date[32], name[16];
    print(zone, unix_ms, date, sizeof(date), "%Y-%m-%d %H:%M:%S");
    snprintf(out, size, "%s %s", date, zone_name(zone, unix_ms, name, sizeof(name)));
    return out;
}

const char *zone_when(const struct zone *zone, int64_t unix_ms, int64_t wall, char *out,
                      size_t size)
{
    int64_t ago = wall - unix_ms;
    bool near = ago < INT64_C(20) * 3600000 && ago > INT64_C(-20) * 3600000;
    return print(zone, unix_ms, out, size, near ? "%H:%M:%S" : "%d %b %H:%M");
}

const char *zone_name(const struct zone *zone, int64_t unix_ms, char *out, size_t size)
{
    long offset;
    if (zone->mode == ZONE_LOCAL)
        return print(zone, unix_ms, out, size, "%z");
    if (zone->mode == ZONE_HOST && host_offset(zone, &offset))
        snprintf(out, size, "%.5s", zone->host);
    else
        snprintf(out, size, "UTC");
    return out;
}
