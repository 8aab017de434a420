#include "engine/tail/slab.h"

#include <sys/mman.h>

#include "engine/base/assert.h"

/* The header takes a cache line of its own: reference counts and record bytes don't share one. */
enum { HEADER = 64, FREE_MAX = 32 * 1024 * 1024 };

_Static_assert(sizeof(struct vrv_slab) <= HEADER, "the bytes begin behind the header");

void
vrv_slab_pool_init(struct vrv_slab_pool *pool, size_t budget)
{
    vrv_lock_init(&pool->lock, VRV_LOCK_slabs);
    pool->budget = budget;
    atomic_init(&pool->used, 0);
    pool->free = NULL;
    pool->free_bytes = 0;
    pool->free_max = budget / 2 < FREE_MAX ? budget / 2 : FREE_MAX;
}

void
vrv_slab_pool_shrink(struct vrv_slab_pool *pool)
{
    vrv_lock(&pool->lock);
    struct vrv_slab *s = pool->free;
    pool->free = NULL;
    pool->free_bytes = 0;
    vrv_unlock(&pool->lock);
    while (s != NULL) {
        struct vrv_slab *next = s->next_free;

        (void)munmap(s, s->counted);
        s = next;
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
    size_t whole = n + HEADER;

    return whole <= VRV_SLAB_BYTES ? VRV_SLAB_BYTES : (whole + 4095) & ~(size_t)4095;
}

static struct vrv_slab *
take_free(struct vrv_slab_pool *pool)
{
    vrv_lock(&pool->lock);
    struct vrv_slab *s = pool->free;
    if (s != NULL) {
        pool->free = s->next_free;
        pool->free_bytes -= s->counted;
    }
    vrv_unlock(&pool->lock);
    return s;
}

static struct vrv_slab *
slab_new(struct vrv_slab_pool *pool, size_t counted)
{
    struct vrv_slab *s = counted == VRV_SLAB_BYTES ? take_free(pool) : NULL;

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
vrv_slab_get_must(struct vrv_slab_pool *pool, size_t n)
{
    size_t counted = counted_size(n);
    struct vrv_slab *s = slab_new(pool, counted);

    VRV_ASSERT(n < UINT32_MAX / 2);
    VRV_ASSERT(s != NULL);
    (void)atomic_fetch_add(&pool->used, counted);
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
    if (s->counted == VRV_SLAB_BYTES) {
        vrv_lock(&pool->lock);
        if (pool->free_bytes + s->counted <= pool->free_max) {
            s->next_free = pool->free;
            pool->free = s;
            pool->free_bytes += s->counted;
            s = NULL;
        }
        vrv_unlock(&pool->lock);
    }
    if (s != NULL)
        (void)munmap(s, s->counted);
}
