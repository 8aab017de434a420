/* A clock that moves only when a test says so. */
#ifndef VRV_T_SIMCLOCK_H
#define VRV_T_SIMCLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/os/clock.h"

struct simclock {
    struct vrv_clock clock; /* hand out &c->clock */
    _Atomic int64_t wall_ms;
    _Atomic int64_t mono_ns;
};

/* Threads: any, for all but init. */
void simclock_init(struct simclock *c, int64_t wall_ms);
/* Time passes: both clocks move. */
void simclock_advance_ms(struct simclock *c, int64_t ms);
/* Somebody sets the date, forwards or back: only the wall clock moves. */
void simclock_set_wall_ms(struct simclock *c, int64_t wall_ms);

#endif
