/* Two clocks, both in milliseconds: one that only goes forward, for ages and deadlines, and the
 * wall clock, for what people read. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Monotonic time in ms; its zero means nothing. */
int64_t clock_mono_ms(void);
/* The same in microseconds, for latencies. */
int64_t clock_mono_us(void);
/* Unix time in ms. */
int64_t clock_wall_ms(void);

/* Parses RFC 3339 ("2026-01-31T12:00:00.123456789Z", "+01:00") into unix ms.
 * Returns 0, or -EINVAL with `ret_ms` untouched. Docker's "0001-01-01T00:00:00Z" (never) is
 * -ENODATA. */
int clock_parse_rfc3339(const char *text, int64_t *ret_ms);

#endif
