/* Power failures on a simulated disk.  VARVE_SEED and VARVE_RUNS choose others; one seed is one
 * run. */
#include <inttypes.h>
#include <stdlib.h>

#include "t/lib/crashsim.h"
#include "t/lib/tap.h"

static void
many(const char *what, uint64_t seed, uint64_t runs, bool lossy, bool direct)
{
    struct crashsim_result sum = { 0 };
    uint64_t bad = 0;

    for (uint64_t i = 0; i < runs; i++) {
        struct crashsim_opts o = { .seed = seed + i, .generations = 3, .steps = 400,
            .policy = -1, .lossy = lossy, .direct = direct };
        struct crashsim_result r;

        crashsim_run(&o, &r);
        sum.crashes += r.crashes;
        sum.appended += r.appended;
        sum.acked += r.acked;
        sum.recovered += r.recovered;
        sum.checkpoints += r.checkpoints;
        bad += r.broken > 0;
    }
    IS(bad, 0, "%s: %" PRIu64 " crashes, no promise broken (seeds from %" PRIu64 ")", what,
        sum.crashes, seed);
    tap_note("%" PRIu64 " batches appended, %" PRIu64 " acknowledged, %" PRIu64
             " replayed, %" PRIu64 " checkpoints",
        sum.appended, sum.acked, sum.recovered, sum.checkpoints);
    OK(sum.acked > runs && sum.recovered > runs && sum.checkpoints > 0,
        "%s: the runs did something", what);
}

int
main(void)
{
    bool is_long = getenv("VARVE_LONG") != NULL;
    uint64_t seed = tap_number("VARVE_SEED", 1), runs = tap_number("VARVE_RUNS", is_long ? 17000 : 220);

    many("sync, direct", seed, runs, false, true);
    many("sync, buffered", seed + 1000000, runs, false, false);
    many("with lossy logs", seed + 2000000, runs, true, true);
    return tap_done();
}
