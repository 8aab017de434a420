#include "server/base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { BLOCK_BYTES = 4096, ALIGN = alignof(max_align_t) };

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

/* The first block is kept unless somebody needed a large one at once. */
void
vrv_arena_reset(struct vrv_arena *a)
{
    if (a->first == NULL)
        return;
    if (a->first->size > BLOCK_BYTES) {
        vrv_arena_fini(a);
        return;
    }
    free_from(a->first->next);
    a->first->next = NULL;
    use_block(a, a->first);
    a->used = 0;
    a->over = false;
}

static bool
add_block(struct vrv_arena *a, size_t n)
{
    size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
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
