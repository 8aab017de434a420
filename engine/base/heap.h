/*
 * What is to happen at some time, the earliest first: a binary heap, whose elements are members of
 * what they belong to.  No threads of its own.
 */
#ifndef VRV_BASE_HEAP_H
#define VRV_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct vrv_timer {
    int64_t ns;
    uint32_t at; /* its place and one, 0: it is in no heap */
};

#define VRV_TIMER_OF(t, type, member) ((type *)(void *)((char *)(t)-offsetof(type, member)))

struct vrv_heap {
    struct vrv_timer **v;
    uint32_t n, cap;
};

void vrv_heap_add(struct vrv_heap *h, struct vrv_timer *t, int64_t ns);
void vrv_heap_del(struct vrv_heap *h, struct vrv_timer *t); /* harmless on one that is in none */
/* The earliest, or NULL. */
struct vrv_timer *vrv_heap_first(const struct vrv_heap *h);
void vrv_heap_fini(struct vrv_heap *h);

#endif
