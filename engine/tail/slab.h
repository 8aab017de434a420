/*
 * Memory for record bytes: counted slabs, bounded in total.
 *
 * A producer's bytes are put into a slab once and stay there: the WAL writes them from it, the
 * segment writer too, and tailing readers are served from it.  Each of them holds a
 * reference; the last one to let go gives the slab back.  A slab counts against the
 * pool's budget with its whole size from get to the last unref, however little of it is in use.
 * Threads: any.
 */
#ifndef VRV_TAIL_SLAB_H
#define VRV_TAIL_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/list.h"
#include "engine/os/lock.h"

/* A standard slab, its header included; larger ones are multiples of it, and kept for reuse up to
 * VRV_SLAB_CLASSES of them. */
enum { VRV_SLAB_BYTES = 256 * 1024, VRV_SLAB_CLASSES = 16 };

struct vrv_slab_pool {
    struct vrv_lock lock;
    size_t budget;                    /* fixed */
    _Atomic size_t used;              /* bytes of slabs with references */
    struct vrv_slab *free[VRV_SLAB_CLASSES] VRV_GUARDED_BY(lock); /* for reuse, by size */
    size_t free_bytes VRV_GUARDED_BY(lock);
    size_t free_max;                  /* keep at most so many bytes of them */
};

struct vrv_slab {
    _Atomic uint32_t refs;
    uint32_t size;    /* bytes at data */
    size_t counted;   /* what it counts against the budget */
    struct vrv_slab_pool *pool;
    struct vrv_slab *next_free;
    uint8_t *data;
};

void vrv_slab_pool_init(struct vrv_slab_pool *pool, size_t budget);
/* All slabs must have been given back. */
void vrv_slab_pool_fini(struct vrv_slab_pool *pool);
/* Give the free list back to the system. */
void vrv_slab_pool_shrink(struct vrv_slab_pool *pool);

/* A slab with room for at least n bytes and one reference; NULL when that would exceed the
 * budget. */
struct vrv_slab *vrv_slab_get(struct vrv_slab_pool *pool, size_t n);
/* The same past the budget, for who can't wait and is bounded otherwise: a cursor, to one batch.
 * NULL when the system has none. */
struct vrv_slab *vrv_slab_get_over(struct vrv_slab_pool *pool, size_t n);
/* That must succeed: only for recovery, whose need the WAL's size bounds. */
struct vrv_slab *vrv_slab_get_must(struct vrv_slab_pool *pool, size_t n);
struct vrv_slab *vrv_slab_ref(struct vrv_slab *s);
void vrv_slab_unref(struct vrv_slab *s); /* NULL is fine */

#endif
