#include "engine/base/heap.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static void
put(struct vrv_heap *h, uint32_t at, struct vrv_timer *t)
{
    h->v[at] = t;
    t->at = at + 1;
}

static void
sift_up(struct vrv_heap *h, uint32_t at)
{
    struct vrv_timer *t = h->v[at];

    while (at > 0 && h->v[(at - 1) / 2]->ns > t->ns) {
        put(h, at, h->v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, t);
}

static void
sift_down(struct vrv_heap *h, uint32_t at)
{
    struct vrv_timer *t = h->v[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n && h->v[child + 1]->ns < h->v[child]->ns)
            child++;
        if (h->v[child]->ns >= t->ns)
            break;
        put(h, at, h->v[child]);
        at = child;
    }
    put(h, at, t);
}

void
vrv_heap_add(struct vrv_heap *h, struct vrv_timer *t, int64_t ns)
{
    VRV_ASSERT(t->at == 0);
    t->ns = ns;
    VRV_PUSH_ROOM(h->v, h->n, h->cap);
    h->v[h->n] = t;
    sift_up(h, h->n++);
}

void
vrv_heap_del(struct vrv_heap *h, struct vrv_timer *t)
{
    if (t->at == 0)
        return;
    uint32_t at = t->at - 1;
    struct vrv_timer *last = h->v[--h->n];
    t->at = 0;
    if (last == t)
        return;
    put(h, at, last);
    sift_up(h, at);
    sift_down(h, last->at - 1);
}

struct vrv_timer *
vrv_heap_first(const struct vrv_heap *h)
{
    return h->n > 0 ? h->v[0] : NULL;
}

void
vrv_heap_fini(struct vrv_heap *h)
{
    free(h->v);
    *h = (struct vrv_heap){ .v = NULL };
}
