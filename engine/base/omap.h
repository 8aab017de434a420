/*
 * Ordered map whose nodes lie inside the elements: find, insert, remove and "the next after"
 * in O(log n), whatever the order of insertion.
 *
 * It is a treap: a binary search tree by key that is a heap by random priority, which keeps
 * it balanced with two pointers per element and no rebalancing cases.  There are no iterators:
 * to walk the map ask for the first element after the last key seen, so that the map
 * may change between two steps of a walk.
 */
#ifndef VRV_BASE_OMAP_H
#define VRV_BASE_OMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/rand.h"

struct vrv_omap_node {
    struct vrv_omap_node *left, *right;
    uint32_t prio;
};

/* Below, equal to or above zero as `key` sorts before, with or after the key of n's element. */
typedef int vrv_omap_cmp(const void *key, const struct vrv_omap_node *n);

struct vrv_omap {
    struct vrv_omap_node *root;
    size_t n;
    vrv_omap_cmp *cmp;
    struct vrv_rand rand;
};

#define VRV_OMAP_OF(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void vrv_omap_init(struct vrv_omap *m, vrv_omap_cmp *cmp);

/* NULL when there is none. */
struct vrv_omap_node *vrv_omap_find(const struct vrv_omap *m, const void *key);
struct vrv_omap_node *vrv_omap_first(const struct vrv_omap *m);
/* The lowest one that is not below `key`, and the lowest one above it. */
struct vrv_omap_node *vrv_omap_from(const struct vrv_omap *m, const void *key);
struct vrv_omap_node *vrv_omap_after(const struct vrv_omap *m, const void *key);

/* The key, which is node's own, must not be there yet. */
void vrv_omap_insert(struct vrv_omap *m, const void *key, struct vrv_omap_node *node);
/* Take out the element with this key, or any one (to empty the map); NULL when there is none. */
struct vrv_omap_node *vrv_omap_remove(struct vrv_omap *m, const void *key);
struct vrv_omap_node *vrv_omap_pop(struct vrv_omap *m);

#endif
