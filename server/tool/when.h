/* A place in a partition as a person writes it: start, end, 1234, -100, a time. */
#ifndef VRV_TOOL_WHEN_H
#define VRV_TOOL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

enum when_kind {
    WHEN_NONE,   /* not given */
    WHEN_START,
    WHEN_END,
    WHEN_OFFSET, /* v */
    WHEN_BACK,   /* v records in front of the end */
    WHEN_TIME,   /* v milliseconds since 1970 */
};

struct when {
    enum when_kind kind;
    int64_t v;
};

/* "start", "end", an offset, "-N"; or a time as when_time() takes it. */
bool when_parse(const char *text, int64_t now_ms, struct when *w);
/* ISO 8601, "2025-06-01", "2025-06-01T12:00[:30[.123]]" with "Z", "+02:00" or nothing (UTC) behind;
 * "@1748779200000", milliseconds since 1970; "-90s", "-15m", "-1h", "-7d" before now. */
bool when_time(const char *text, int64_t now_ms, int64_t *ms);

/* What they take, for messages. */
#define WHEN_WORDS "start, end, an offset, -N, or a time (2025-06-01T12:00, @MS, -1h)"
#define WHEN_TIME_WORDS "2025-06-01T12:00, @MS or -1h"

#endif
