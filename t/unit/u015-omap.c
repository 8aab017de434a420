/* The ordered map, against a sorted array. */
#include "engine/base/omap.h"

#include <stdlib.h>
#include <string.h>

#include "t/lib/tap.h"

enum { N = 2000, ROUNDS = 200000 };

struct item {
    struct vrv_omap_node node;
    int key;
    bool in;
};

static struct item items[N]; /* items[k].key == k, so the array is the sorted model */

static struct item *
item_of(struct vrv_omap_node *n)
{
    return n != NULL ? VRV_OMAP_OF(n, struct item, node) : NULL;
}

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct item *b = (const struct item *)(const void *)n;
    int a = *(const int *)key;

    return (a > b->key) - (a < b->key);
}

static struct item *
model_from(int key)
{
    for (int k = key < 0 ? 0 : key; k < N; k++)
        if (items[k].in)
            return &items[k];
    return NULL;
}

static int
depth(const struct vrv_omap *m)
{
    const struct vrv_omap_node *stack[N];
    int level[N], n = 0, max = 0;

    if (m->root != NULL) {
        stack[n] = m->root;
        level[n++] = 1;
    }
    while (n > 0) {
        const struct vrv_omap_node *at = stack[--n];
        int l = level[n];

        max = l > max ? l : max;
        if (at->left != NULL) {
            stack[n] = at->left;
            level[n++] = l + 1;
        }
        if (at->right != NULL) {
            stack[n] = at->right;
            level[n++] = l + 1;
        }
    }
    return max;
}

static bool
same_order(const struct vrv_omap *m)
{
    struct item *want = model_from(0);

    for (struct item *got = item_of(vrv_omap_first(m)); got != NULL || want != NULL;) {
        if (got != want)
            return false;
        want = model_from(got->key + 1);
        got = item_of(vrv_omap_after(m, &got->key));
    }
    return true;
}

static bool
lookups_agree(const struct vrv_omap *m, int key)
{
    struct item *found = item_of(vrv_omap_find(m, &key));

    return found == (items[key].in ? &items[key] : NULL) &&
           item_of(vrv_omap_from(m, &key)) == model_from(key) &&
           item_of(vrv_omap_after(m, &key)) == model_from(key + 1);
}

static void
test_random(struct vrv_omap *m)
{
    struct vrv_rand r = { .state = 1 };
    bool agree = true, removed = true;
    size_t in = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int key = (int)vrv_rand_below(&r, N);
        struct item *it = &items[key];

        if (it->in) {
            removed = removed && item_of(vrv_omap_remove(m, &key)) == it;
            in--;
        } else {
            vrv_omap_insert(m, &key, &it->node);
            in++;
        }
        it->in = !it->in;
        if (i % 100 == 0)
            agree = agree && m->n == in && lookups_agree(m, (int)vrv_rand_below(&r, N));
    }
    OK(agree, "find, from and after agree with a sorted array, whatever came and went");
    OK(removed, "remove takes out what was there");
    OK(same_order(m), "a walk meets all in order");
}

static void
test_sorted_input(void)
{
    struct vrv_omap m;
    size_t n = 0;

    vrv_omap_init(&m, compare);
    for (int k = 0; k < N; k++)
        vrv_omap_insert(&m, &k, &items[k].node);
    OK(depth(&m) < 60, "sorted insertion keeps it shallow: depth %d of %d", depth(&m), N);
    while (vrv_omap_pop(&m) != NULL)
        n++;
    IS(n, N, "pop empties it");
    OK(vrv_omap_first(&m) == NULL && m.n == 0, "then it is empty");
}

int
main(void)
{
    struct vrv_omap m;
    int key = 3;

    for (int k = 0; k < N; k++)
        items[k].key = k;
    vrv_omap_init(&m, compare);
    OK(vrv_omap_first(&m) == NULL && vrv_omap_find(&m, &key) == NULL &&
            vrv_omap_remove(&m, &key) == NULL && vrv_omap_pop(&m) == NULL,
        "an empty map has nothing");
    test_random(&m);
    test_sorted_input();
    return tap_done();
}
