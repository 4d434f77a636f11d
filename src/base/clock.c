#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_wall_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6)
        return -EINVAL;
    if (tm.tm_year <= 1)
        return -ENODATA;
    text += used;

    int64_t fraction = 0, scale = 100;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
            fraction += (*text - '0') * scale;

    int offset = 0;
    if (*text == '+' || *text == '-') {
        int hours, minutes;
        if (sscanf(text + 1, "%2d:%2d", &hours, &minutes) != 2)
            return -EINVAL;
        offset = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    } else if (*text != 'Z') {
        return -EINVAL;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_ms = ((int64_t)timegm(&tm) - offset) * 1000 + fraction;
    return 0;
}
