/*
 * How many bytes of heap an input makes the code hold at once, for targets that promise a bound.
 *
 * Counts through the sanitizers' hooks; a build without them has no such symbols, and then
 * nothing is counted and every bound holds.
 */
#ifndef VRV_T_FUZZ_PEAK_H
#define VRV_T_FUZZ_PEAK_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
    void (*on_free)(const volatile void *)) __attribute__((weak));
size_t __sanitizer_get_allocated_size(const volatile void *p) __attribute__((weak));

static size_t peak_live, peak_max;

static inline void
peak_on_malloc(const volatile void *p, size_t n)
{
    (void)p;
    peak_live += n;
    if (peak_live > peak_max)
        peak_max = peak_live;
}

static inline void
peak_on_free(const volatile void *p)
{
    size_t n = p ? __sanitizer_get_allocated_size(p) : 0;

    peak_live -= n < peak_live ? n : peak_live; /* some blocks are older than the count */
}

static inline void
peak_start(void)
{
    static int installed;

    if (!installed && __sanitizer_install_malloc_and_free_hooks != NULL)
        (void)__sanitizer_install_malloc_and_free_hooks(peak_on_malloc, peak_on_free);
    installed = 1;
    peak_live = peak_max = 0;
}

/* Abort, as a sanitizer does, when more than `bound` bytes were held since peak_start(). */
static inline void
peak_check(size_t bound)
{
    if (peak_max <= bound)
        return;
    (void)fprintf(stderr, "peak of %zu bytes of heap, expected at most %zu\n", peak_max, bound);
    abort();
}

#endif
