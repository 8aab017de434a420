/* Uploads step aside for producers: as fast as nobody notices, never faster than the cap. */
#include "tiering/daemon/pace.h"

#include "t/lib/simclock.h"
#include "t/lib/tap.h"

enum { MB = 1 << 20, TICK_MS = 10 };

static struct simclock clock_;
static struct vrv_cq cq;

/* A world in which commits take 1 ms, but 3 while more than `hurts` bytes leave in a second. */
struct world {
    struct vrv_pace pace;
    struct vrv_hist commits;
    struct vrv_pace_wait w;
    struct vrv_done done;
    uint64_t hurts, left, left_now; /* in all; since the last tick of a second */
    unsigned commits_s;             /* a second */
    unsigned rests, stumbles;       /* each so many seconds (0: never) next to nothing leaves, whatever may; commits
                                     * take 3 ms, whatever leaves */
    unsigned seconds;
};

static void
begin(struct world *w, uint64_t cap, uint64_t hurts, unsigned commits_s)
{
    *w = (struct world){ .hurts = hurts, .commits_s = commits_s };
    simclock_init(&clock_, 0);
    (void)vrv_cq_init(&cq, 0);
    vrv_pace_init(&w->pace, &clock_.clock, cap);
    w->done.cq = &cq;
    w->w = (struct vrv_pace_wait){ .done = &w->done, .bytes = MB };
    vrv_pace_ask(&w->pace, &w->w);
}

static void
second(struct world *w)
{
    struct vrv_hist_view v = { .sum_ns = 0 };

    bool rests = w->rests > 0 && w->seconds % w->rests == 0;
    bool stumbles = w->stumbles > 0 && w->seconds % w->stumbles == 0;

    w->seconds++;
    w->left_now = 0;
    for (int i = 0; i < 1000 / TICK_MS; i++) {
        (void)vrv_pace_step(&w->pace);
        while (!(rests && w->left_now > 0) && vrv_cq_take(&cq, 0) != NULL) {
            w->left_now += MB;
            vrv_pace_ask(&w->pace, &w->w);
            (void)vrv_pace_step(&w->pace);
        }
        simclock_advance_ms(&clock_, TICK_MS);
    }
    w->left += w->left_now;
    for (unsigned i = 0; i < w->commits_s; i++)
        vrv_hist_add(&w->commits, w->left_now > w->hurts || stumbles ? 3000000 : 1000000);
    vrv_hist_read(&w->commits, &v);
    vrv_pace_learn(&w->pace, &v);
}

static uint64_t
mean(struct world *w, int seconds)
{
    uint64_t before = w->left;

    for (int i = 0; i < seconds; i++)
        second(w);
    return (w->left - before) / (uint64_t)seconds;
}

static void
end(void)
{
    vrv_cq_fini(&cq);
}

static void
test_steps_aside(void)
{
    struct world w;

    begin(&w, UINT64_MAX, 50 * MB, 200);
    (void)mean(&w, 60);
    uint64_t rate = mean(&w, 120);
    OK(rate > 25 * MB && rate < 60 * MB, "about what nobody notices leaves: %d MB a second of 50",
        (int)(rate / MB));
    w.hurts = 400 * (uint64_t)MB;
    (void)mean(&w, 60);
    rate = mean(&w, 60);
    OK(rate > 200 * (uint64_t)MB, "more, when more doesn't hurt: %d MB of 400", (int)(rate / MB));
    w.hurts = 10 * MB;
    (void)mean(&w, 30);
    rate = mean(&w, 60);
    OK(rate < 14 * MB && rate > 2 * MB, "less, when that does: %d MB of 10", (int)(rate / MB));
    end();
}

/* Between two segments next to nothing leaves.  That commits take long just then tells little of what does otherwise. */
static void
test_rests(void)
{
    struct world w;

    begin(&w, 200 * MB, UINT64_MAX, 200);
    w.rests = 3;
    (void)mean(&w, 60);
    uint64_t rate = mean(&w, 210);
    OK(rate > 100 * MB, "what leaves by fits and starts: %d MB a second", (int)(rate / MB));
    w.stumbles = 7;
    uint64_t less = mean(&w, 210);
    OK(less > rate / 2, "... goes on, also where a disk stumbles now and then by itself: %d MB", (int)(less / MB));
    end();
}

static void
test_learns(void)
{
    struct world w;
    int calm = 0;

    begin(&w, UINT64_MAX, 0, 200); /* however little leaves hurts */
    for (int i = 0; i < 120; i++) {
        second(&w);
        calm += w.left_now == 0;
    }
    OK(calm >= 3 && calm < 12, "for a second, now and then, nothing leaves (%d of 120)", calm);
    OK(w.pace.usual_ns < 1100000, "so that what is usual is known, and not what uploads make of it");
    OK(mean(&w, 30) >= MB, "it never stands still for longer");
    end();
}

static void
test_nobody(void)
{
    struct world w;

    begin(&w, UINT64_MAX, 0, 0);
    (void)mean(&w, 60);
    OK(mean(&w, 10) > 500 * (uint64_t)MB, "without producers it is as fast as can be");
    end();
    begin(&w, UINT64_MAX, 100 * MB, 0);
    (void)mean(&w, 6);
    OK(mean(&w, 1) > 500 * (uint64_t)MB, "... within a few seconds");
    w.commits_s = 200;
    second(&w); /* of which it hears at its end */
    OK(mean(&w, 20) < 90 * (uint64_t)MB, "when one comes, it begins anew, as slowly as it did first");
    end();
    begin(&w, UINT64_MAX, 100 * MB, 0);
    (void)mean(&w, 7);
    vrv_pace_cancel(&w.w);
    while (vrv_cq_take(&cq, 0) != NULL)
        ;
    w.commits_s = 200;
    OK(mean(&w, 3) == 0, "when one comes while nothing leaves");
    vrv_pace_ask(&w.pace, &w.w);
    OK(mean(&w, 1) < 90 * (uint64_t)MB, "... that has told, too");
    end();
}

static void
test_cap(void)
{
    struct world w;

    begin(&w, 20 * MB, UINT64_MAX, 200);
    uint64_t rate = mean(&w, 60);
    OK(rate <= 21 * MB && rate > 18 * MB, "never more than the cap: %d MB of 20", (int)(rate / MB));
    w.hurts = 5 * MB;
    w.pace.hurry = true;
    rate = mean(&w, 60);
    OK(rate <= 21 * MB && rate > 18 * MB, "which is all that counts in a hurry");
    w.pace.hurry = false;
    (void)mean(&w, 30);
    OK(mean(&w, 30) < 8 * MB, "and not behind it");
    end();
}

static void
test_cancel(void)
{
    struct world w;

    begin(&w, 1, UINT64_MAX, 0);
    (void)vrv_pace_step(&w.pace);
    vrv_pace_cancel(&w.w);
    OK(vrv_cq_take(&cq, 0) == &w.done, "who doesn't want to wait is told so");
    vrv_pace_cancel(&w.w);
    OK(vrv_cq_take(&cq, 0) == NULL, "once");
    OK(vrv_pace_step(&w.pace) == INT64_MAX, "and nobody waits");
    end();
}

static void
test_waits(void)
{
    struct world w;

    begin(&w, 2 * MB, UINT64_MAX, 0);
    (void)mean(&w, 30);
    struct vrv_recent_view v = vrv_recent_view(&w.pace.waits, clock_.clock.mono_ns(&clock_.clock));
    OK(v.mean > 400000000 && v.mean < 600000000 && v.max >= v.mean, "at 2 MB a second each MB waits for half a second: %d ms",
        (int)(v.mean / 1000000));
    simclock_advance_ms(&clock_, 60000);
    v = vrv_recent_view(&w.pace.waits, clock_.clock.mono_ns(&clock_.clock));
    OK(v.mean == 0 && v.max == 0, "... which is forgotten in a minute");
    end();
    begin(&w, UINT64_MAX, UINT64_MAX, 0);
    (void)vrv_pace_step(&w.pace);
    v = vrv_recent_view(&w.pace.waits, clock_.clock.mono_ns(&clock_.clock));
    OK(vrv_cq_take(&cq, 0) == &w.done && v.max == 0, "who leaves at once hasn't waited");
    end();
}

int
main(void)
{
    test_steps_aside();
    test_rests();
    test_learns();
    test_nobody();
    test_cap();
    test_cancel();
    test_waits();
    return tap_done();
}
