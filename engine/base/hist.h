/*
 * Histograms of durations: log-linear buckets, cheap to fill from any thread.
 *
 *   10 us, 20, 40, 60, 80, 100 us, 200, ... 80 s, 100 s, and all above
 *
 * A bucket holds what is at most its bound and above the one before.  Five per power of ten: a
 * quantile that is read off them is wrong by a factor of two at most, mostly by far less.
 *
 * Threads: any; a reader sees each number at some moment, not all at the same one.
 */
#ifndef VRV_BASE_HIST_H
#define VRV_BASE_HIST_H

#include <stdatomic.h>
#include <stdint.h>

enum { VRV_HIST_BOUNDS = 36, VRV_HIST_BUCKETS = VRV_HIST_BOUNDS + 1 };

struct vrv_hist {
    _Atomic uint64_t n[VRV_HIST_BUCKETS];
    _Atomic uint64_t sum_ns;
};

/* One that was read: n counts each bucket alone. */
struct vrv_hist_view {
    uint64_t n[VRV_HIST_BUCKETS];
    uint64_t sum_ns;
};

/* The largest duration that bucket i (below VRV_HIST_BOUNDS) takes. */
uint64_t vrv_hist_bound(unsigned i);
/* Negative counts as zero. */
void vrv_hist_add(struct vrv_hist *h, int64_t ns);
/* The same, and cheaper, for a thread that is the only one to add to h. */
void vrv_hist_add_alone(struct vrv_hist *h, int64_t ns);

/* *to += n where only this thread changes it: others see it before or after, which needs no locked
 * instruction. */
static inline void
vrv_count_alone(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
        memory_order_relaxed);
}

/* Adds what h holds to *v, which several may be read into. */
void vrv_hist_read(const struct vrv_hist *h, struct vrv_hist_view *v);

/* How many they are. */
uint64_t vrv_hist_count(const struct vrv_hist_view *v);
/* Of q (0 to 1) of them, the largest, if they lie evenly within their bucket; 0 of none. */
uint64_t vrv_hist_quantile(const struct vrv_hist_view *v, double q);

#endif
