/* Histograms: every duration is in one bucket, the right one, and none gets lost between threads. */
#include "engine/base/hist.h"
#include "engine/base/recent.h"

#include <pthread.h>

#include "t/lib/tap.h"

static unsigned
only_bucket(int64_t ns)
{
    struct vrv_hist h = { .sum_ns = 0 };
    struct vrv_hist_view v = { .sum_ns = 0 };
    unsigned at = VRV_HIST_BUCKETS, filled = 0;

    vrv_hist_add(&h, ns);
    vrv_hist_read(&h, &v);
    for (unsigned i = 0; i < VRV_HIST_BUCKETS; i++) {
        if (v.n[i] == 0)
            continue;
        filled += (unsigned)v.n[i];
        at = i;
    }
    return filled == 1 ? at : VRV_HIST_BUCKETS;
}

static void
test_bounds(void)
{
    bool ascend = true, at = true, above = true, coarse = false;

    IS(vrv_hist_bound(0), 10000, "the first bound is 10 us");
    IS(vrv_hist_bound(VRV_HIST_BOUNDS - 1), INT64_C(100000000000), "the last one 100 s");
    for (unsigned i = 0; i < VRV_HIST_BOUNDS; i++) {
        int64_t b = (int64_t)vrv_hist_bound(i);

        ascend &= i == 0 || b > (int64_t)vrv_hist_bound(i - 1);
        coarse |= i > 0 && b > 2 * (int64_t)vrv_hist_bound(i - 1);
        at &= only_bucket(b) == i && only_bucket(b - 1) == i;
        above &= only_bucket(b + 1) == i + 1;
    }
    OK(ascend, "bounds ascend");
    OK(!coarse, "none is more than twice the one before");
    OK(at, "a bound itself is in its bucket, and what is a bit less");
    OK(above, "what is a bit more is in the next one");
    IS(only_bucket(0), 0, "nothing is in the first bucket");
    IS(only_bucket(-5), 0, "so is what a clock that went back gives");
    IS(only_bucket(INT64_MAX), VRV_HIST_BOUNDS, "what is beyond all bounds is in the last one");
}

static void
test_quantiles(void)
{
    struct vrv_hist h = { .sum_ns = 0 };
    struct vrv_hist_view v = { .sum_ns = 0 };

    IS(vrv_hist_quantile(&v, 0.99), 0, "of nothing there is none");
    for (int64_t us = 1; us <= 1000; us++)
        vrv_hist_add(&h, us * 1000);
    vrv_hist_read(&h, &v);
    IS(vrv_hist_quantile(&v, 0.5), 500000, "a half is below the median, between two bounds, too");
    IS(vrv_hist_quantile(&v, 0.99), 990000, "99 of 100 are below the p99");
    IS(vrv_hist_quantile(&v, 1), 1000000, "all are below the largest");
    vrv_hist_add(&h, INT64_C(200000000000));
    vrv_hist_read(&h, &v);
    IS(vrv_hist_quantile(&v, 1), INT64_C(100000000000), "what is beyond the last bound counts as that");
}

static void
test_sum(void)
{
    struct vrv_hist a = { .sum_ns = 0 }, b = { .sum_ns = 0 };
    struct vrv_hist_view v = { .sum_ns = 0 };

    vrv_hist_add(&a, 7);
    vrv_hist_add(&a, 50000);
    vrv_hist_add(&b, 8);
    vrv_hist_add(&b, -1);
    vrv_hist_read(&a, &v);
    vrv_hist_read(&b, &v);
    IS(v.sum_ns, 50015, "sums of what is read into one view add up");
    IS(v.n[0], 3, "and so do buckets");
    IS(v.n[3], 1, "50 us is in the bucket up to 60");
    vrv_hist_add_alone(&a, 50000);
    vrv_hist_add_alone(&a, -1);
    v = (struct vrv_hist_view){ .sum_ns = 0 };
    vrv_hist_read(&a, &v);
    OK(v.sum_ns == 100007 && v.n[0] == 2 && v.n[3] == 2, "who adds alone adds the same");
}

enum { THREADS = 4, EACH = 20000 };

static void *
fill(void *ctx)
{
    for (int64_t i = 0; i < EACH; i++)
        vrv_hist_add(ctx, i * 1000);
    return NULL;
}

static void
test_threads(void)
{
    struct vrv_hist h = { .sum_ns = 0 };
    struct vrv_hist_view v = { .sum_ns = 0 };
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        (void)pthread_create(&t[i], NULL, fill, &h);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    vrv_hist_read(&h, &v);
    IS(vrv_hist_count(&v), THREADS * EACH, "threads lose none");
    IS(v.sum_ns, INT64_C(1000) * THREADS * EACH * (EACH - 1) / 2, "and nothing of the sum");
}

static void
test_recent(void)
{
    struct vrv_recent r = { 0 };
    int64_t now = INT64_C(1000) * VRV_RECENT_NS;

    IS(vrv_recent_view(&r, now).max, 0, "nothing was measured lately");
    vrv_recent_add(&r, now, 10);
    vrv_recent_add(&r, now + VRV_RECENT_NS - 1, 30);
    struct vrv_recent_view v = vrv_recent_view(&r, now + VRV_RECENT_NS - 1);
    OK(v.mean == 20 && v.max == 30, "mean and largest of what was");
    vrv_recent_add(&r, now + VRV_RECENT_NS, 2);
    v = vrv_recent_view(&r, now + 2 * VRV_RECENT_NS - 1);
    OK(v.mean == 14 && v.max == 30, "... for half a minute more");
    v = vrv_recent_view(&r, now + 2 * VRV_RECENT_NS);
    OK(v.mean == 2 && v.max == 2, "then that is over");
    v = vrv_recent_view(&r, now + 9 * VRV_RECENT_NS);
    OK(v.mean == 0 && v.max == 0, "... for all of it");
}

int
main(void)
{
    test_bounds();
    test_quantiles();
    test_sum();
    test_threads();
    test_recent();
    return tap_done();
}
