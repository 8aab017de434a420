/* Many small pieces of memory packed into slabs, one after the other; each piece holds a reference.
 * Not locked: one user at a time. */
#ifndef VRV_TAIL_FILL_H
#define VRV_TAIL_FILL_H

#include <stdbool.h>

#include "engine/tail/slab.h"

struct vrv_fill {
    struct vrv_slab *slab; /* being filled, or NULL */
    uint32_t used;
};

/* Room for n bytes at the result, and a reference to the slab around it in *slab; NULL when the
 * pool's budget is used up (never with `must`: recovery, whose need is bounded otherwise). */
uint8_t *vrv_fill_take(struct vrv_fill *f, struct vrv_slab_pool *pool, size_t n, bool must,
    struct vrv_slab **slab);
void vrv_fill_fini(struct vrv_fill *f);

#endif
