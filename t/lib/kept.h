/* What a writer of cold objects writes, kept in memory.  To be freed by whoever has it. */
#ifndef VRV_T_KEPT_H
#define VRV_T_KEPT_H

#include <stdint.h>
#include <string.h>

#include "engine/base/err.h"
#include "engine/base/mem.h"

struct bytes {
    uint8_t *p;
    size_t n;
};

/* For vrv_object_begin; ctx is a struct bytes. */
static inline int
keep(void *ctx, const void *p, size_t n, struct vrv_err *e)
{
    struct bytes *b = ctx;

    (void)e;
    b->p = vrv_mem_grow(b->p, b->n + n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

#endif
