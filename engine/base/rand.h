/* Seeded pseudo-random numbers (splitmix64): one seed is one run. Not for secrets. */
#ifndef VRV_BASE_RAND_H
#define VRV_BASE_RAND_H

#include <stdint.h>

struct vrv_rand {
    uint64_t state;
};

static inline uint64_t
vrv_rand_next(struct vrv_rand *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform enough in [0, n) for small n; n > 0. */
static inline uint64_t
vrv_rand_below(struct vrv_rand *r, uint64_t n)
{
    return vrv_rand_next(r) % n;
}

#endif
