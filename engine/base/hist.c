#include "engine/base/hist.h"

#include "engine/base/assert.h"

#define DECADE(ns) (ns), 2 * (ns), 4 * (ns), 6 * (ns), 8 * (ns)

static const uint64_t bounds[] = { DECADE(UINT64_C(10000)), DECADE(UINT64_C(100000)),
    DECADE(UINT64_C(1000000)), DECADE(UINT64_C(10000000)), DECADE(UINT64_C(100000000)),
    DECADE(UINT64_C(1000000000)), DECADE(UINT64_C(10000000000)), UINT64_C(100000000000) };

_Static_assert(sizeof(bounds) / sizeof(bounds[0]) == VRV_HIST_BOUNDS, "all bounds");

uint64_t
vrv_hist_bound(unsigned i)
{
    VRV_ASSERT(i < VRV_HIST_BOUNDS);
    return bounds[i];
}

/* The first bound that isn't below it. */
static unsigned
bucket_of(uint64_t ns)
{
    unsigned low = 0, high = VRV_HIST_BOUNDS;

    if (ns <= bounds[0]) /* many are: what didn't have to wait */
        return 0;
    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (bounds[mid] < ns)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void
vrv_hist_add(struct vrv_hist *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    (void)atomic_fetch_add_explicit(&h->n[bucket_of(v)], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&h->sum_ns, v, memory_order_relaxed);
}

void
vrv_hist_add_alone(struct vrv_hist *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    vrv_count_alone(&h->n[bucket_of(v)], 1);
    vrv_count_alone(&h->sum_ns, v);
}

void
vrv_hist_read(const struct vrv_hist *h, struct vrv_hist_view *v)
{
    for (unsigned i = 0; i < VRV_HIST_BUCKETS; i++)
        v->n[i] += atomic_load_explicit(&h->n[i], memory_order_relaxed);
    v->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
}

uint64_t
vrv_hist_count(const struct vrv_hist_view *v)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < VRV_HIST_BUCKETS; i++)
        n += v->n[i];
    return n;
}

uint64_t
vrv_hist_quantile(const struct vrv_hist_view *v, double q)
{
    double n = (double)vrv_hist_count(v), below = 0;
    unsigned i = 0;

    while (i < VRV_HIST_BOUNDS && below + (double)v->n[i] < n * q)
        below += (double)v->n[i++];
    if (n == 0 || i == VRV_HIST_BOUNDS)
        return n == 0 ? 0 : bounds[VRV_HIST_BOUNDS - 1];
    double low = i > 0 ? (double)bounds[i - 1] : 0;
    double part = v->n[i] > 0 ? (n * q - below) / (double)v->n[i] : 0;
    return (uint64_t)(low + ((double)bounds[i] - low) * part);
}
