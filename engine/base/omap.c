#include "engine/base/omap.h"

#include "engine/base/assert.h"

void
vrv_omap_init(struct vrv_omap *m, vrv_omap_cmp *cmp)
{
    *m = (struct vrv_omap){ .cmp = cmp, .rand = { .state = 0x76617276 } };
}

struct vrv_omap_node *
vrv_omap_find(const struct vrv_omap *m, const void *key)
{
    struct vrv_omap_node *n = m->root;

    while (n != NULL) {
        int c = m->cmp(key, n);

        if (c == 0)
            return n;
        n = c < 0 ? n->left : n->right;
    }
    return NULL;
}

struct vrv_omap_node *
vrv_omap_first(const struct vrv_omap *m)
{
    struct vrv_omap_node *n = m->root;

    while (n != NULL && n->left != NULL)
        n = n->left;
    return n;
}

/* The lowest node whose comparison with key is below `limit`. */
static struct vrv_omap_node *
lowest(const struct vrv_omap *m, const void *key, int limit)
{
    struct vrv_omap_node *n = m->root, *best = NULL;

    while (n != NULL) {
        int c = m->cmp(key, n);

        if (c < limit) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

struct vrv_omap_node *
vrv_omap_from(const struct vrv_omap *m, const void *key)
{
    return lowest(m, key, 1);
}

struct vrv_omap_node *
vrv_omap_after(const struct vrv_omap *m, const void *key)
{
    return lowest(m, key, 0);
}

/* Divide tree t at key into two. */
static void
split(const struct vrv_omap *m, const void *key, struct vrv_omap_node *t,
    struct vrv_omap_node **left, struct vrv_omap_node **right)
{
    while (t != NULL) {
        int c = m->cmp(key, t);

        VRV_ASSERT(c != 0);
        if (c < 0) {
            *right = t;
            right = &t->left;
            t = t->left;
        } else {
            *left = t;
            left = &t->right;
            t = t->right;
        }
    }
    *left = NULL;
    *right = NULL;
}

void
vrv_omap_insert(struct vrv_omap *m, const void *key, struct vrv_omap_node *node)
{
    struct vrv_omap_node **link = &m->root;

    node->prio = (uint32_t)vrv_rand_next(&m->rand);
    while (*link != NULL && (*link)->prio >= node->prio) {
        int c = m->cmp(key, *link);

        VRV_ASSERT(c != 0);
        link = c < 0 ? &(*link)->left : &(*link)->right;
    }
    split(m, key, *link, &node->left, &node->right);
    *link = node;
    m->n++;
}

/* Put one tree where *link points in place of the node there: its left and right subtrees,
 * of which every key of the left is below every key of the right. */
static struct vrv_omap_node *
unlink_node(struct vrv_omap *m, struct vrv_omap_node **link)
{
    struct vrv_omap_node *node = *link;
    struct vrv_omap_node *l = node->left, *r = node->right;

    while (l != NULL && r != NULL) {
        if (l->prio >= r->prio) {
            *link = l;
            link = &l->right;
            l = l->right;
        } else {
            *link = r;
            link = &r->left;
            r = r->left;
        }
    }
    *link = l != NULL ? l : r;
    m->n--;
    return node;
}

struct vrv_omap_node *
vrv_omap_remove(struct vrv_omap *m, const void *key)
{
    struct vrv_omap_node **link = &m->root;

    while (*link != NULL) {
        int c = m->cmp(key, *link);

        if (c == 0)
            return unlink_node(m, link);
        link = c < 0 ? &(*link)->left : &(*link)->right;
    }
    return NULL;
}

struct vrv_omap_node *
vrv_omap_pop(struct vrv_omap *m)
{
    return m->root != NULL ? unlink_node(m, &m->root) : NULL;
}
