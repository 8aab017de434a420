/*
 * A root above the one that counts, which a crash has left, and a segment of this disk that it
 * names, from which damage was cut since (varve log repair): it isn't the one any more that was
 * moved.  Where what is left of it is what the store has, and nothing else came in the place of the
 * rest, both are of one life, and the store has what this disk lacks.
 */
#include <stdlib.h>

#include "engine/seg/seg_walk.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal_int.h"
#include "tiering/scrub/object.h"

struct left {
    struct vrv_seg_walk walk; /* of the segment here */
    struct vrv_batch b;       /* its next batch, */
    int more;                 /* 1; 0: there is none; negative: it can't be read */
    bool differs;
};

static void
next_here(struct left *x)
{
    struct vrv_err e;

    x->more = vrv_seg_walk_next(&x->walk, &x->b, &e);
}

/* The checksum covers all but offset, size and epoch. */
static bool
is_same(const struct vrv_batch *a, const struct vrv_batch *b)
{
    return a->base_offset == b->base_offset && a->size == b->size && a->leader_epoch == b->leader_epoch && a->crc == b->crc;
}

/* Each batch in the store, in order. */
static void
compare(void *ctx, const struct vrv_batch *there)
{
    struct left *x = ctx;

    if (x->more != 1 || x->b.base_offset > there->base_offset)
        return;
    x->differs = x->differs || !is_same(&x->b, there);
    next_here(x);
}

/* Nothing of this log is in the place of what was cut, and it goes on behind that. */
static bool
leaves_room(struct vrv_log *log, const struct vrv_seg *seg, int64_t next)
{
    uint32_t n;
    struct vrv_log_seg *v = vrv_log_segs(log, &n);
    bool room = seg->next <= next && vrv_log_offsets(log).end >= next;

    for (uint32_t i = 0; i < n; i++)
        room = room && (v[i].base <= seg->base || v[i].base >= next);
    free(v);
    return room;
}

bool
vrv__heal_is_left(struct vrv_heal *h, const struct vrv_log_id *id, const struct vrv_cold_seg *s)
{
    struct vrv_log *log = vrv_engine_log_ref(h->eng, id);
    struct vrv_seg *seg = log != NULL ? vrv_log_sealed(log, s->base) : NULL;
    bool is = false;

    if (seg != NULL && leaves_room(log, seg, s->next)) {
        struct left x = { .differs = false };
        struct vrv_object_walk w = { .s = h->s, .id = id, .seg = s, .batch = compare, .ctx = &x };
        struct vrv_err e;

        vrv_seg_walk_init(&x.walk, seg, seg->size);
        next_here(&x);
        is = x.more == 1 && vrv_object_walk(&w, &e) == 0 && x.more == 0 && !x.differs;
        vrv_seg_walk_fini(&x.walk);
    }
    vrv_seg_unref(seg);
    vrv_log_unref(&log);
    return is;
}

int
vrv_heal_above(struct vrv_heal *h, const struct vrv_log_id *id, bool *there, struct vrv_err *e)
{
    struct vrv_found_versions l = { .n = 0 };
    uint64_t counts;
    int rc = vrv_parts_version(&h->parts, id, &counts, e);

    if (rc == 0 || rc == VRV_E_NOTFOUND) /* a list may lack the newest ones */
        rc = vrv_find_versions(h->s, id, counts + 1, &l, e);
    *there = rc == 0 && l.n > 0 && vrv_parts_is_ahead(&h->parts, id, l.v[l.n - 1]);
    if (*there)
        rc = vrv_heal_root(h, id, e);
    vrv_found_versions_fini(&l);
    return rc;
}
