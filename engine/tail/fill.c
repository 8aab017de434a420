#include "engine/tail/fill.h"

uint8_t *
vrv_fill_take(struct vrv_fill *f, struct vrv_slab_pool *pool, size_t n, bool must,
    struct vrv_slab **slab)
{
    if (f->slab == NULL || f->slab->size - f->used < n) {
        struct vrv_slab *s = must ? vrv_slab_get_must(pool, n) : vrv_slab_get(pool, n);

        if (s == NULL)
            return NULL;
        vrv_slab_unref(f->slab);
        f->slab = s;
        f->used = 0;
    }
    uint8_t *p = f->slab->data + f->used;
    f->used += (uint32_t)n;
    *slab = vrv_slab_ref(f->slab);
    return p;
}

void
vrv_fill_fini(struct vrv_fill *f)
{
    vrv_slab_unref(f->slab);
    f->slab = NULL;
}
