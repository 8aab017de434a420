/* Readers over the cold tier on a store that misbehaves (t/lib/coldmodel.h). */
#include <pthread.h>
#include <sched.h>

#include "engine/base/assert.h"
#include "engine/engine_int.h"
#include "t/lib/coldmodel.h"
#include "t/lib/fakestore.h"
#include "t/lib/tap.h"
#include "t/lib/tierrig.h"

static struct tierrig tier;
static struct fakestore *fake;
static uint64_t lives;
static pthread_t thread_;
static _Atomic bool stop;
static unsigned abandoned, adopted;

static void
new_tier(struct rig *r)
{
    tierrig_init(&tier, &r->clock, fakestore_store(fake), lives++);
    r->o.cold = &tier.reader.cold;
}

static void
begin(struct rig *r, uint64_t seed)
{
    lives = seed;
    fake = fakestore_new(&r->clock, seed);
    new_tier(r);
}

static void
up(struct rig *r)
{
    vrv_parts_attach(&tier.parts, r->eng->catalog);
}

/* In a crash what is under way reaches the store, or doesn't, but nobody hears of it: no head is written. */
static void
down(struct rig *r, bool crash)
{
    if (crash && tier.move == NULL && tierrig_move(&tier, rig_log(r, "t", 0)))
        for (uint64_t i = 0; i < lives % 17; i++)
            (void)tierrig_step(&tier);
    if (crash) {
        abandoned += tier.move != NULL;
        vrv_parts_attach(&tier.parts, NULL);
        if (lives % 2 == 0)
            fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    }
    tierrig_run(&tier);
    fakestore_heal(fake);
    tierrig_fini(&tier);
    new_tier(r);
}

static void
end(void)
{
    tierrig_fini(&tier);
    fakestore_free(&fake);
}

static bool
step(void)
{
    if (tierrig_step(&tier))
        return true;
    return tierrig_wait(&tier);
}

static int64_t
offload(struct vrv_log *log)
{
    for (int i = 0; i < 3; i++) {
        bool moved = tier.move == NULL;
        adopted += moved && tier.status == VRV_E_CONFLICT;
        if (moved && !tierrig_move(&tier, log))
            break;
        for (int k = 0; k < 30 && tier.move != NULL; k++)
            (void)tierrig_step(&tier);
    }
    return tierrig_end(&tier, log);
}

static void
well(void)
{
    fakestore_heal(fake);
    tierrig_run(&tier); /* what has failed is told, */
    simclock_advance_ms(tier.clock, TIERRIG_AGAIN_MS); /* and isn't told any more */
}

static void
trouble(struct vrv_rand *rand)
{
    for (int i = 0; i < FAKE_FAULTS; i++)
        if (vrv_rand_below(rand, 3) == 0)
            fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)i,
                (unsigned)vrv_rand_below(rand, 60));
}

static void *
run_steps(void *ctx)
{
    (void)ctx;
    while (!atomic_load(&stop))
        if (!tierrig_step(&tier))
            (void)sched_yield();
    return NULL;
}

static void
thread(bool on)
{
    atomic_store(&stop, !on);
    int rc = on ? pthread_create(&thread_, NULL, run_steps, NULL) : pthread_join(thread_, NULL);
    VRV_ASSERT(rc == 0);
}

int
main(void)
{
    static const struct coldmodel_tier all = { begin, up, down, end, step, offload, well, trouble,
        thread };

    bool whole = coldmodel(&all);
    tap_note("crashes: %u moves were cut short, %u roots without a head counted then", abandoned,
        adopted);
    OK(!whole || (abandoned > 100 && adopted > 50), "in the middle of everything");
    return tap_done();
}
