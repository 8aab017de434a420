#include "engine/os/clock.h"

#include <time.h>

static int64_t
real_wall_ms(struct vrv_clock *c)
{
    struct timespec ts;

    (void)c;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
real_mono_ns(struct vrv_clock *c)
{
    struct timespec ts;

    (void)c;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct vrv_clock *
vrv_clock_real(void)
{
    static struct vrv_clock real = { real_wall_ms, real_mono_ns };

    return &real;
}
