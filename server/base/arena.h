/*
 * Memory for one request: taken piece by piece, given back all at once.
 *
 * What is read from the wire and what is answered live here, so that nothing is freed one by one and
 * in steady state nothing is allocated: a reset arena keeps its largest block, up to a bound.  How
 * much may be taken is bounded; who takes a size that a peer chose must expect NULL.
 *
 * Threads: one at a time.
 */
#ifndef VRV_SERVER_ARENA_H
#define VRV_SERVER_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vrv_arena_block;

struct vrv_arena {
    struct vrv_arena_block *first, *last;
    uint8_t *at, *end;
    size_t used, max;
    bool over;   /* the bound was passed */
};

/* Takes no memory yet. */
void vrv_arena_init(struct vrv_arena *a, size_t max);
void vrv_arena_fini(struct vrv_arena *a);
void vrv_arena_reset(struct vrv_arena *a);
/* Of one that was just reset: bytes that it keeps. */
size_t vrv_arena_kept(const struct vrv_arena *a);

/* n bytes, aligned for anything and all zero; NULL when that is more than is left of the bound. */
void *vrv_arena_take(struct vrv_arena *a, size_t n);
/* The same beyond the bound, which then no longer holds. */
void *vrv_arena_take_over(struct vrv_arena *a, size_t n);
/* A copy of n bytes, with a NUL behind it; NULL as above. */
char *vrv_arena_copy(struct vrv_arena *a, const void *p, size_t n);

#endif
