/* Log-linear histogram of times in nanoseconds: 64 steps per power of two, so a value is known to
 * 1.6 %; no bound, no allocation.  One thread writes. */
#ifndef VRV_SERVER_QUANTILES_H
#define VRV_SERVER_QUANTILES_H

#include <stdint.h>

enum {
    VRV_QUANTILES_SUB_BITS = 6,
    VRV_QUANTILES_SUB = 1 << VRV_QUANTILES_SUB_BITS,
    VRV_QUANTILES_BUCKETS = (64 - VRV_QUANTILES_SUB_BITS + 1) * VRV_QUANTILES_SUB,
};

struct vrv_quantiles {
    uint64_t n, max;
    uint64_t count[VRV_QUANTILES_BUCKETS];
};

static inline uint32_t
vrv_quantiles_bucket(uint64_t v)
{
    if (v < VRV_QUANTILES_SUB)
        return (uint32_t)v;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(v) - VRV_QUANTILES_SUB_BITS;

    return (shift + 1) * VRV_QUANTILES_SUB + (uint32_t)((v >> shift) - VRV_QUANTILES_SUB);
}

/* The largest value that falls into a bucket. */
static inline uint64_t
vrv_quantiles_bucket_top(uint32_t b)
{
    if (b < VRV_QUANTILES_SUB)
        return b;
    uint32_t shift = b / VRV_QUANTILES_SUB - 1;

    return ((uint64_t)(b % VRV_QUANTILES_SUB + VRV_QUANTILES_SUB + 1) << shift) - 1;
}

static inline void
vrv_quantiles_add(struct vrv_quantiles *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    h->count[vrv_quantiles_bucket(v)]++;
    h->n++;
    if (v > h->max)
        h->max = v;
}

static inline void
vrv_quantiles_merge(struct vrv_quantiles *to, const struct vrv_quantiles *from)
{
    for (uint32_t i = 0; i < VRV_QUANTILES_BUCKETS; i++)
        to->count[i] += from->count[i];
    to->n += from->n;
    if (from->max > to->max)
        to->max = from->max;
}

/* The value that a share q (0 to 1) of all values does not exceed; 0 when there are none. */
static inline uint64_t
vrv_quantiles_at(const struct vrv_quantiles *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;

    if (want >= h->n)
        return h->max;
    for (uint32_t i = 0; i < VRV_QUANTILES_BUCKETS; i++) {
        seen += h->count[i];
        if (seen > want)
            return vrv_quantiles_bucket_top(i) < h->max ? vrv_quantiles_bucket_top(i) : h->max;
    }
    return h->max;
}

#endif
