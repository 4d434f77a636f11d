/* Times as people read them: in the host's zone unless the operator asks for UTC or their own. */
#ifndef UI_ZONE_H
#define UI_ZONE_H

#include <stddef.h>
#include <stdint.h>

enum zone_mode { ZONE_HOST, ZONE_UTC, ZONE_LOCAL, ZONE__COUNT };

struct zone {
    enum zone_mode mode;
    const char *host; /* "+hhmm" as the host says, or NULL: then UTC stands in and says so */
};

/* "14:03:22". `out` holds 16 bytes at least. Returns `out`, as all of these do. */
const char *zone_clock(const struct zone *zone, int64_t unix_ms, char *out, size_t size);
/* "2026-01-31 14:03:22 +0100" */
const char *zone_date(const struct zone *zone, int64_t unix_ms, char *out, size_t size);
/* "14:03:22" when it lies within 20 hours of `wall`, else "31 Jan 14:03"; at most 12 columns. */
const char *zone_when(const struct zone *zone, int64_t unix_ms, int64_t wall, char *out,
                      size_t size);
/* "+0100", "UTC" */
const char *zone_name(const struct zone *zone, int64_t unix_ms, char *out, size_t size);

#endif
