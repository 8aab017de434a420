/*
 * Every n-th operation of the disk fails: at a first start and behind a crash, so that opening,
 * recovery, creating and deleting topics, appending, rolling, checkpoints and retention all have
 * their turn.  What must hold then is in t/lib/crashsim.h; a sync that failed counts as lost data
 * there, so an acknowledgement that relied on it is found.
 *
 * A share of all cases, chosen by VARVE_SEED, VARVE_RUNS of them; with VARVE_LONG every one.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/rand.h"
#include "t/lib/crashsim.h"
#include "t/lib/tap.h"

enum { SCENARIOS = 12, STEPS = 250, FAULTS = SIM_ENOMEM + 1 };

static const char *const fault_name[FAULTS] = { "EIO", "ENOSPC", "short write", "EINTR", "ENOMEM" };

static struct crashsim_opts
scenario(uint64_t seed, int i)
{
    return (struct crashsim_opts){ .seed = seed * SCENARIOS + (uint64_t)i, .steps = STEPS,
        .policy = i % 2 == 0 ? SIM_DROP_ALL : -1, .direct = i % 4 < 2, .lossy = i % 5 == 4,
        .warm = i % 3 != 0 };
}

struct sums {
    uint64_t runs, hit, stopped, acked, broken;
};

static void
run(struct crashsim_opts o, uint64_t at, enum sim_fault fault, bool sticky, struct sums *sum)
{
    struct crashsim_result r;

    o.fail_at = at;
    o.fault = fault;
    o.sticky = sticky;
    crashsim_run(&o, &r);
    sum->runs++;
    sum->hit += r.fault_hit;
    sum->stopped += r.failed_stop;
    sum->acked += r.acked;
    sum->broken += r.broken > 0;
    if (r.broken > 0)
        tap_note("scenario %" PRIu64 ": operation %" PRIu64 " fails with %s%s", o.seed, at,
            fault_name[fault], sticky ? ", and all behind it" : "");
}

/* How many operations there are to fail. */
static uint64_t
count(struct crashsim_opts o)
{
    struct crashsim_result r;

    o.fail_at = UINT64_MAX / 2;
    crashsim_run(&o, &r);
    IS(r.broken, 0, "scenario %" PRIu64 " without a fault: %" PRIu64 " operations", o.seed,
        r.fault_ops);
    return r.fault_ops;
}

static void
judge(const struct sums *sum, const char *what)
{
    OK(sum->hit > sum->runs / 2 && sum->stopped > 0 && sum->acked > 0, "%s: they struck", what);
    tap_note("%" PRIu64 " struck, %" PRIu64 " stopped the engine, %" PRIu64 " batches acknowledged",
        sum->hit, sum->stopped, sum->acked);
}

static void
every_one(uint64_t seed)
{
    struct sums sum = { 0 };

    for (int i = 0; i < SCENARIOS; i++) {
        struct crashsim_opts o = scenario(seed, i);
        uint64_t ops = count(o), runs = sum.runs, bad = sum.broken;

        for (uint64_t at = 1; at <= ops; at++)
            for (int k = 0; k < 2 * FAULTS; k++)
                run(o, at, (enum sim_fault)(k / 2), k % 2, &sum);
        IS(sum.broken - bad, 0, "scenario %" PRIu64 ": %" PRIu64 " faults, no promise broken",
            o.seed, sum.runs - runs);
    }
    judge(&sum, "every operation");
}

static void
some(uint64_t seed, uint64_t runs)
{
    struct vrv_rand rand = { seed };
    uint64_t ops[SCENARIOS];
    struct sums sum = { 0 };

    for (int i = 0; i < SCENARIOS; i++)
        ops[i] = count(scenario(seed, i));
    for (uint64_t n = 0; n < runs; n++) {
        int i = (int)(n % SCENARIOS), k = (int)vrv_rand_below(&rand, 2 * FAULTS);

        run(scenario(seed, i), 1 + vrv_rand_below(&rand, ops[i]), (enum sim_fault)(k / 2), k % 2,
            &sum);
    }
    IS(sum.broken, 0, "%" PRIu64 " faults, no promise broken", sum.runs);
    judge(&sum, "any operation");
}

int
main(void)
{
    uint64_t seed = tap_number("VARVE_SEED", 1);

    tap_note("seed %" PRIu64, seed);
    if (getenv("VARVE_LONG") != NULL)
        every_one(seed);
    else
        some(seed, tap_number("VARVE_RUNS", 5000));
    return tap_done();
}
