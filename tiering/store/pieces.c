#include "tiering/store/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/store/store.h"

enum { ROOM = 16 };

void
vrv_pieces_set(struct vrv_pieces *p, uint32_t i, struct vrv_piece piece)
{
    if (i >= p->n) {
        uint32_t n = i + ROOM;

        p->v = vrv_mem_grow(p->v, n * sizeof(*p->v));
        memset(p->v + p->n, 0, (n - p->n) * sizeof(*p->v));
        p->n = n;
    }
    p->v[i] = piece;
}

bool
vrv_pieces_are(const struct vrv_pieces *p, uint64_t size)
{
    uint64_t at = 0;
    bool last = false;

    for (uint32_t i = 0; i < p->n && p->v[i].size > 0; i++) {
        if (last)
            return false;
        last = p->v[i].size < VRV_STORE_PART;
        at += p->v[i].size;
    }
    return at == size;
}

void
vrv_pieces_clear(struct vrv_pieces *p)
{
    free(p->v);
    *p = (struct vrv_pieces){ 0 };
}
