/*
 * The mean and the largest of what was measured lately: in the last half minute at least, in the last
 * minute at most, as far as something was.
 *
 * Threads: one at a time.
 */
#ifndef VRV_BASE_RECENT_H
#define VRV_BASE_RECENT_H

#include <stdint.h>

#define VRV_RECENT_NS INT64_C(30000000000)

/* All zero is empty. */
struct vrv_recent {
    int64_t since_ns;   /* this half minute's begin */
    struct vrv_recent_span {
        uint64_t n, sum, max;
    } now, before;      /* of this half minute and the one before */
};

void vrv_recent_add(struct vrv_recent *r, int64_t now_ns, uint64_t v);

struct vrv_recent_view {
    uint64_t mean, max; /* 0: nothing was measured */
};
struct vrv_recent_view vrv_recent_view(struct vrv_recent *r, int64_t now_ns);

#endif
