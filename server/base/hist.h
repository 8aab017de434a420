/* Log-linear histogram of times in nanoseconds: 64 steps per power of two, so a value is known to
 * 1.6 %; no bound, no allocation.  One thread writes. */
#ifndef VRV_SERVER_HIST_H
#define VRV_SERVER_HIST_H

#include <stdint.h>

enum {
    VRV_HIST_SUB_BITS = 6,
    VRV_HIST_SUB = 1 << VRV_HIST_SUB_BITS,
    VRV_HIST_BUCKETS = (64 - VRV_HIST_SUB_BITS + 1) * VRV_HIST_SUB,
};

struct vrv_hist {
    uint64_t n, max;
    uint64_t count[VRV_HIST_BUCKETS];
};

static inline uint32_t
vrv_hist_bucket(uint64_t v)
{
    if (v < VRV_HIST_SUB)
        return (uint32_t)v;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(v) - VRV_HIST_SUB_BITS;

    return (shift + 1) * VRV_HIST_SUB + (uint32_t)((v >> shift) - VRV_HIST_SUB);
}

/* The largest value that falls into a bucket. */
static inline uint64_t
vrv_hist_bucket_top(uint32_t b)
{
    if (b < VRV_HIST_SUB)
        return b;
    uint32_t shift = b / VRV_HIST_SUB - 1;

    return ((uint64_t)(b % VRV_HIST_SUB + VRV_HIST_SUB + 1) << shift) - 1;
}

static inline void
vrv_hist_add(struct vrv_hist *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    h->count[vrv_hist_bucket(v)]++;
    h->n++;
    if (v > h->max)
        h->max = v;
}

static inline void
vrv_hist_merge(struct vrv_hist *to, const struct vrv_hist *from)
{
    for (uint32_t i = 0; i < VRV_HIST_BUCKETS; i++)
        to->count[i] += from->count[i];
    to->n += from->n;
    if (from->max > to->max)
        to->max = from->max;
}

/* The value that a share q (0 to 1) of all values does not exceed; 0 when there are none. */
static inline uint64_t
vrv_hist_quantile(const struct vrv_hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;

    if (want >= h->n)
        return h->max;
    for (uint32_t i = 0; i < VRV_HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (seen > want)
            return vrv_hist_bucket_top(i) < h->max ? vrv_hist_bucket_top(i) : h->max;
    }
    return h->max;
}

#endif
