/*
 * Allocation.  Sizes that we choose must succeed: a server that can't get a few
 * kilobytes has nothing useful left to do.  Sizes that a peer or a file chooses are
 * bounded first and then asked for with vrv_mem_try(), which may fail.
 */
#ifndef VRV_BASE_MEM_H
#define VRV_BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#include "engine/base/annot.h"

void *vrv_mem_zero(size_t n) __attribute__((malloc, returns_nonnull));
void *vrv_mem_grow(void *p, size_t n) __attribute__((returns_nonnull, warn_unused_result));
char *vrv_mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
void *vrv_mem_try(size_t n) __attribute__((malloc));

#define VRV_NEW(type) ((type *)vrv_mem_zero(sizeof(type)))

/* Make room for one more element behind n elements of p; cap doubles. */
#define VRV_PUSH_ROOM(p, n, cap)                                                                   \
    do {                                                                                           \
        if ((n) == (cap)) {                                                                        \
            (cap) = (cap) ? (cap) * 2 : 8;                                                         \
            (p) = vrv_mem_grow((p), (size_t)(cap) * sizeof(*(p)));                                 \
        }                                                                                          \
    } while (0)

#endif
