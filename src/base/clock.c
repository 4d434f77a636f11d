#include "base/clock.h"

#include <errno.h>
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
    struct tm tm = {0}, zone = {0};
    text = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (text == NULL)
        return -EINVAL;
    if (tm.tm_year + 1900 <= 1)
        return -ENODATA;

    int64_t fraction = 0, scale = 100;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
            fraction += (*text - '0') * scale;
    if (strptime(text, "%z", &zone) == NULL)
        return -EINVAL;
    *ret_ms = ((int64_t)timegm(&tm) - zone.tm_gmtoff) * 1000 + fraction;
    return 0;
}
