#include "server/base/out.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* Memory that an empty one keeps. */
enum { KEEP_BYTES = 16 * 1024, KEEP_SLICES = 64 };

void
vrv_out_fini(struct vrv_out *o)
{
    vrv_out_clear(o);
    free(o->own);
    free(o->slice);
    *o = (struct vrv_out){ 0 };
}

void
vrv_out_clear(struct vrv_out *o)
{
    for (uint32_t i = 0; i < o->slice_n; i++)
        vrv_slice_fini(&o->slice[i].slice);
    if (o->cap > KEEP_BYTES) {
        free(o->own);
        o->own = NULL;
        o->cap = 0;
    }
    if (o->slice_cap > KEEP_SLICES) {
        free(o->slice);
        o->slice = NULL;
        o->slice_cap = 0;
    }
    o->n = 0;
    o->slice_n = 0;
    o->slice_bytes = 0;
}

uint8_t *
vrv_out_room(struct vrv_out *o, size_t n)
{
    if (o->cap - o->n < n) {
        size_t cap = o->cap > 0 ? o->cap : 256;

        while (cap - o->n < n)
            cap *= 2;
        o->own = vrv_mem_grow(o->own, cap);
        o->cap = cap;
    }
    o->n += n;
    return o->own + o->n - n;
}

void
vrv_out_put(struct vrv_out *o, const void *p, size_t n)
{
    if (n > 0)
        memcpy(vrv_out_room(o, n), p, n);
}

void
vrv_out_take(struct vrv_out *o, struct vrv_slice *s)
{
    VRV_PUSH_ROOM(o->slice, o->slice_n, o->slice_cap);
    o->slice[o->slice_n++] = (struct vrv_out_slice){ .at = o->n, .slice = *s };
    o->slice_bytes += s->n;
    *s = (struct vrv_slice){ 0 };
}
