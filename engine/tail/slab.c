#include "engine/tail/slab.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "engine/base/assert.h"

/* The header takes a cache line of its own: reference counts and record bytes don't share one. */
enum { HEADER = 64 };

_Static_assert(sizeof(struct vrv_slab) <= HEADER, "the bytes begin behind the header");

void
vrv_slab_pool_init(struct vrv_slab_pool *pool, size_t budget)
{
    vrv_lock_init(&pool->lock, VRV_LOCK_slabs);
    pool->budget = budget;
    atomic_init(&pool->used, 0);
    for (int i = 0; i < VRV_SLAB_CLASSES; i++)
        pool->free[i] = NULL;
    pool->free_bytes = 0;
    pool->free_max = budget / 4;
}

/* Takes one class of free slabs off the pool. */
static struct vrv_slab *
drain(struct vrv_slab_pool *pool, int class)
{
    vrv_lock(&pool->lock);
    struct vrv_slab *all = pool->free[class];
    pool->free[class] = NULL;
    for (const struct vrv_slab *s = all; s != NULL; s = s->next_free)
        pool->free_bytes -= s->counted;
    vrv_unlock(&pool->lock);
    return all;
}

void
vrv_slab_pool_shrink(struct vrv_slab_pool *pool)
{
    for (int i = 0; i < VRV_SLAB_CLASSES; i++) {
        for (struct vrv_slab *s = drain(pool, i), *next; s != NULL; s = next) {
            next = s->next_free;
            (void)munmap(s, s->counted);
        }
    }
}

void
vrv_slab_pool_fini(struct vrv_slab_pool *pool)
{
    vrv_slab_pool_shrink(pool);
    VRV_ASSERT(atomic_load(&pool->used) == 0);
    vrv_lock_fini(&pool->lock);
}

static size_t
counted_size(size_t n)
{
    return (n + HEADER + VRV_SLAB_BYTES - 1) / VRV_SLAB_BYTES * VRV_SLAB_BYTES;
}

/* Its place in the free lists; VRV_SLAB_CLASSES or more: not kept. */
static size_t
class_of(size_t counted)
{
    return counted / VRV_SLAB_BYTES - 1;
}

static struct vrv_slab *
take_free(struct vrv_slab_pool *pool, size_t counted)
{
    size_t class = class_of(counted);

    if (class >= VRV_SLAB_CLASSES)
        return NULL;
    vrv_lock(&pool->lock);
    struct vrv_slab *s = pool->free[class];
    if (s != NULL) {
        pool->free[class] = s->next_free;
        pool->free_bytes -= s->counted;
    }
    bool crowded = s == NULL && atomic_load(&pool->used) + pool->free_bytes > pool->budget;
    vrv_unlock(&pool->lock);
    if (crowded) /* slabs of other sizes must not keep us above the budget */
        vrv_slab_pool_shrink(pool);
    return s;
}

/* True: it is kept for reuse. */
static bool
give_free(struct vrv_slab_pool *pool, struct vrv_slab *s)
{
    size_t class = class_of(s->counted);

    vrv_lock(&pool->lock);
    bool keep = class < VRV_SLAB_CLASSES && pool->free_bytes + s->counted <= pool->free_max;
    if (keep) {
        s->next_free = pool->free[class];
        pool->free[class] = s;
        pool->free_bytes += s->counted;
    }
    vrv_unlock(&pool->lock);
    return keep;
}

static struct vrv_slab *
slab_new(struct vrv_slab_pool *pool, size_t counted)
{
    struct vrv_slab *s = take_free(pool, counted);

    if (s == NULL) {
        /* Mapped, not malloc'd: what is given back leaves the process at once. */
        s = mmap(NULL, counted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s == MAP_FAILED)
            return NULL;
        s->counted = counted;
        s->size = (uint32_t)(counted - HEADER);
        s->pool = pool;
        s->data = (uint8_t *)s + HEADER;
    }
    atomic_init(&s->refs, 1);
    return s;
}

struct vrv_slab *
vrv_slab_get(struct vrv_slab_pool *pool, size_t n)
{
    size_t counted = counted_size(n);
    size_t before = atomic_fetch_add(&pool->used, counted);
    struct vrv_slab *s = before + counted <= pool->budget ? slab_new(pool, counted) : NULL;

    VRV_ASSERT(n < UINT32_MAX / 2);
    if (s == NULL)
        (void)atomic_fetch_sub(&pool->used, counted);
    return s;
}

struct vrv_slab *
vrv_slab_get_over(struct vrv_slab_pool *pool, size_t n)
{
    size_t counted = counted_size(n);
    struct vrv_slab *s = slab_new(pool, counted);

    VRV_ASSERT(n < UINT32_MAX / 2);
    if (s != NULL)
        (void)atomic_fetch_add(&pool->used, counted);
    return s;
}

struct vrv_slab *
vrv_slab_get_must(struct vrv_slab_pool *pool, size_t n)
{
    struct vrv_slab *s = vrv_slab_get_over(pool, n);

    VRV_ASSERT(s != NULL);
    return s;
}

struct vrv_slab *
vrv_slab_ref(struct vrv_slab *s)
{
    uint32_t before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);

    VRV_ASSERT(before > 0);
    return s;
}

void
vrv_slab_unref(struct vrv_slab *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct vrv_slab_pool *pool = s->pool;

    (void)atomic_fetch_sub(&pool->used, s->counted);
    if (!give_free(pool, s))
        (void)munmap(s, s->counted);
}
