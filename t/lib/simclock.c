#include "t/lib/simclock.h"

#include "engine/base/assert.h"

static int64_t
sim_wall_ms(struct vrv_clock *c)
{
    return atomic_load(&((struct simclock *)c)->wall_ms); /* its first member */
}

static int64_t
sim_mono_ns(struct vrv_clock *c)
{
    return atomic_load(&((struct simclock *)c)->mono_ns);
}

void
simclock_init(struct simclock *c, int64_t wall_ms)
{
    c->clock = (struct vrv_clock){ sim_wall_ms, sim_mono_ns };
    atomic_init(&c->wall_ms, wall_ms);
    atomic_init(&c->mono_ns, 1); /* not 0, which code may take for "never" */
}

void
simclock_advance_ms(struct simclock *c, int64_t ms)
{
    VRV_ASSERT(ms >= 0);
    (void)atomic_fetch_add(&c->wall_ms, ms);
    (void)atomic_fetch_add(&c->mono_ns, ms * 1000000);
}

void
simclock_set_wall_ms(struct simclock *c, int64_t wall_ms)
{
    atomic_store(&c->wall_ms, wall_ms);
}
