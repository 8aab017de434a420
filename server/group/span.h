/*
 * A string or blob by pointer and length: group ids and such are data and may hold any byte.  With
 * p == NULL it is null, which Kafka tells from empty.  Borrowed, unless who holds it says
 * otherwise.
 */
#ifndef VRV_GROUP_SPAN_H
#define VRV_GROUP_SPAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct vrv_span {
    const uint8_t *p;
    uint32_t n;
};

#define VRV_SPAN_EMPTY ((struct vrv_span){ (const uint8_t *)"", 0 })
#define VRV_SPAN_NULL  ((struct vrv_span){ NULL, 0 })

static inline struct vrv_span
vrv_span_str(const char *s)
{
    return (struct vrv_span){ (const uint8_t *)s, s != NULL ? (uint32_t)strlen(s) : 0 };
}

/* Null and empty sort alike. */
static inline int
vrv_span_cmp(struct vrv_span a, struct vrv_span b)
{
    uint32_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static inline bool
vrv_span_eq(struct vrv_span a, struct vrv_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* A copy on the heap, to be given back with vrv_span_free; null stays null.  Who copies has bounded
 * the length: it is that of bytes that are in memory. */
static inline struct vrv_span
vrv_span_dup(struct vrv_span s)
{
    if (s.p == NULL)
        return s;
    uint8_t *p = vrv_mem_zero((size_t)s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct vrv_span){ p, s.n };
}

/* Frees an owned one and makes it null. */
static inline void
vrv_span_free(struct vrv_span *s)
{
    free((void *)(uintptr_t)s->p);
    *s = VRV_SPAN_NULL;
}

#endif
