/* Readers over a cold tier in memory (t/lib/coldmodel.h): what the engine promises. */
#include "t/lib/coldmodel.h"
#include "t/lib/offload.h"
#include "t/lib/tap.h"

static struct vrv_cold *cold;

static void
begin(struct rig *r, uint64_t seed)
{
    struct vrv_rand rnd = { seed };

    cold = fakecold_new(&(struct fakecold_opts){ .seed = seed, .delay_max = 6,
        .chunk_batches = 1 + (unsigned)vrv_rand_below(&rnd, 8),
        .cache_chunks = (unsigned)vrv_rand_below(&rnd, 6) });
    r->o.cold = cold;
}

static void
up(struct rig *r)
{
    (void)r;
}

static void
down(struct rig *r, bool crash)
{
    (void)r;
    (void)crash;
}

static void
end(void)
{
    fakecold_free(&cold);
}

static bool
step(void)
{
    return fakecold_step(cold);
}

static int64_t
offload_more(struct vrv_log *log)
{
    return offload(log, cold);
}

static void
well(void)
{
    fakecold_hang(cold, false);
    fakecold_damage(cold, false);
    fakecold_fail(cold, 0);
}

static void
trouble(struct vrv_rand *rand)
{
    fakecold_damage(cold, vrv_rand_below(rand, 2) == 0);
    if (vrv_rand_below(rand, 2) == 0)
        fakecold_fail(cold, VRV_E_IO);
    if (vrv_rand_below(rand, 3) == 0)
        fakecold_hang(cold, true);
}

static void
thread(bool on)
{
    fakecold_thread(cold, on);
}

int
main(void)
{
    static const struct coldmodel_tier tier = { begin, up, down, end, step, offload_more,
        well, trouble, thread };

    (void)coldmodel(&tier);
    return tap_done();
}
