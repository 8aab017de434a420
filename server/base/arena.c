#include "server/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* The first block, and the largest that is kept, or made before somebody needs it. */
enum { BLOCK_BYTES = 4096, KEEP_BYTES = 128 * 1024, ALIGN = alignof(max_align_t) };

struct vrv_arena_block {
    struct vrv_arena_block *next;
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

void
vrv_arena_init(struct vrv_arena *a, size_t max)
{
    *a = (struct vrv_arena){ .max = max };
}

static void
free_from(struct vrv_arena_block *b)
{
    while (b != NULL) {
        struct vrv_arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void
vrv_arena_fini(struct vrv_arena *a)
{
    free_from(a->first);
    *a = (struct vrv_arena){ .max = a->max };
}

static void
use_block(struct vrv_arena *a, struct vrv_arena_block *b)
{
    a->last = b;
    a->at = b->bytes;
    a->end = b->bytes + b->size;
}

/* The largest block that may be kept is: after a few times one holds all that is taken. */
void
vrv_arena_reset(struct vrv_arena *a)
{
    struct vrv_arena_block **at = &a->first, *keep = NULL;

    for (struct vrv_arena_block *b = a->first; b != NULL; b = b->next)
        if (b->size <= KEEP_BYTES && (keep == NULL || b->size > keep->size))
            keep = b;
    while (*at != NULL && *at != keep)
        at = &(*at)->next;
    if (keep != NULL) {
        *at = keep->next;
        keep->next = NULL;
    }
    free_from(a->first);
    *a = (struct vrv_arena){ .max = a->max, .first = keep };
    if (keep != NULL)
        use_block(a, keep);
}

size_t
vrv_arena_kept(const struct vrv_arena *a)
{
    return a->first != NULL ? a->first->size : 0;
}

/* Each is twice as large as the one before, as long as it could be kept. */
static size_t
block_size(const struct vrv_arena *a, size_t n)
{
    size_t size = a->last != NULL ? 2 * a->last->size : BLOCK_BYTES;

    size = size > KEEP_BYTES ? KEEP_BYTES : size;
    return n > size ? n : size;
}

static bool
add_block(struct vrv_arena *a, size_t n)
{
    size_t size = block_size(a, n);
    struct vrv_arena_block *b = vrv_mem_try(sizeof(*b) + size);

    if (b == NULL)
        return false;
    b->next = NULL;
    b->size = size;
    if (a->last != NULL)
        a->last->next = b;
    else
        a->first = b;
    use_block(a, b);
    return true;
}

void *
vrv_arena_take(struct vrv_arena *a, size_t n)
{
    n = n > 0 ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (!a->over && (a->used > a->max || n > a->max - a->used))
        return NULL;
    if ((size_t)(a->end - a->at) < n && !add_block(a, n))
        return NULL;
    void *p = a->at;
    a->at += n;
    a->used += n;
    memset(p, 0, n);
    return p;
}

void *
vrv_arena_take_over(struct vrv_arena *a, size_t n)
{
    a->over = true;
    return vrv_arena_take(a, n);
}

char *
vrv_arena_copy(struct vrv_arena *a, const void *p, size_t n)
{
    char *to = vrv_arena_take(a, n + 1);

    if (to != NULL && n > 0)
        memcpy(to, p, n);
    return to;
}
