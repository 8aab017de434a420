/*
 * So many per second: when the next n may be done.
 *
 * Threads: one.
 */
#ifndef VRV_DAEMON_RATE_H
#define VRV_DAEMON_RATE_H

#include <stdint.h>

struct vrv_rate {
    int64_t per_second; /* INT64_MAX: no limit */
    int64_t next_ns;    /* nothing before that */
};

/* How many may be done at once: `most`, or a second's worth. */
unsigned vrv_rate_some(const struct vrv_rate *r, unsigned most);
/* n are to be done: when they may be, now or later. */
int64_t vrv_rate_take(struct vrv_rate *r, unsigned n, int64_t now_ns);

#endif
