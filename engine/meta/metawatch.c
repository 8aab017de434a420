#include "engine/meta/metawatch.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

struct watch {
    struct vrv_list link;
    vrv_meta_watch_fn *fn; /* NULL: taken back; freed when no callback runs */
    void *ctx;
    uint64_t from;
    bool live; /* has been told all up to now */
    char prefix[];
};

static struct watch *
watch_of(struct vrv_list *l)
{
    return VRV_LIST_OF(l, struct watch, link);
}

void
vrv_metawatches_init(struct vrv_metawatches *w, uint64_t revision)
{
    *w = (struct vrv_metawatches){ .floor = revision };
    vrv_list_init(&w->list);
}

void
vrv_metawatches_fini(struct vrv_metawatches *w)
{
    while (!vrv_list_empty(&w->list)) {
        struct watch *x = watch_of(w->list.next);

        vrv_list_del(&x->link);
        free(x);
    }
    for (size_t i = 0; i < VRV_METAWATCH_GONE_MAX; i++)
        free(w->gone[i].key);
}

void
vrv_metawatches_add(struct vrv_metawatches *w, const char *prefix, uint64_t from,
    vrv_meta_watch_fn *fn, void *ctx)
{
    size_t n = strlen(prefix) + 1;
    struct watch *x = vrv_mem_zero(sizeof(*x) + n);

    VRV_ASSERT(from == 0 || from >= w->floor);
    x->fn = fn;
    x->ctx = ctx;
    x->from = from;
    memcpy(x->prefix, prefix, n);
    vrv_list_push(&w->list, &x->link);
}

void
vrv_metawatches_remove(struct vrv_metawatches *w, vrv_meta_watch_fn *fn, void *ctx)
{
    for (struct vrv_list *l = w->list.next; l != &w->list; l = l->next)
        if (watch_of(l)->fn == fn && watch_of(l)->ctx == ctx)
            watch_of(l)->fn = NULL;
}

static bool
begins(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static int
tell_one(struct watch *x, const struct vrv_meta_kv *kv, uint64_t revision)
{
    if (x->fn == NULL || !begins(kv->key, x->prefix))
        return 0;
    x->fn(x->ctx, kv, revision);
    return 1;
}

/* What happened in between is left out: a watch may be late, and then only the last state of a
 * key is news. */
static int
catch_up(struct vrv_metawatches *w, struct watch *x, const struct vrv_metakeys *keys)
{
    const struct vrv_metakey *m = NULL;
    int calls = 0;

    while ((m = vrv_metakeys_next(keys, x->prefix, m)) != NULL) {
        struct vrv_meta_kv kv = vrv_metakey_kv(m);

        if (kv.mod > x->from)
            calls += tell_one(x, &kv, kv.mod);
    }
    /* a key deleted more than once is in the ring more than once: older first, as in time */
    for (size_t i = 0; i < VRV_METAWATCH_GONE_MAX && x->from > 0; i++) {
        struct vrv_metawatch_gone *g = &w->gone[(w->gone_n + i) % VRV_METAWATCH_GONE_MAX];

        if (g->key != NULL && g->revision > x->from && vrv_metakeys_mod(keys, g->key) == 0)
            calls += tell_one(x, &(struct vrv_meta_kv){ .key = g->key, .mod = g->revision },
                g->revision);
    }
    x->live = true;
    return calls;
}

int
vrv_metawatches_catch_up(struct vrv_metawatches *w, const struct vrv_metakeys *keys)
{
    int calls = 0;

    for (struct vrv_list *l = w->list.next, *next; l != &w->list; l = next) {
        struct watch *x = watch_of(l);

        if (x->fn != NULL && !x->live)
            calls += catch_up(w, x, keys);
        next = l->next; /* read late: the callback may have added one */
        if (x->fn == NULL) {
            vrv_list_del(&x->link);
            free(x);
        }
    }
    return calls;
}

static void
remember_gone(struct vrv_metawatches *w, const char *key, uint64_t revision)
{
    struct vrv_metawatch_gone *g = &w->gone[w->gone_n++ % VRV_METAWATCH_GONE_MAX];

    if (g->key != NULL) {
        w->floor = g->revision;
        free(g->key);
    }
    *g = (struct vrv_metawatch_gone){vrv_mem_strdup(key), revision};
}

int
vrv_metawatches_tell(struct vrv_metawatches *w, const struct vrv_meta_txn *t, uint64_t revision)
{
    int calls = 0;

    for (size_t i = 0; i < t->write_n; i++) {
        const struct vrv_meta_write *wr = &t->write[i];
        struct vrv_meta_kv kv = {wr->key, wr->value, wr->value ? wr->value_len : 0, revision};

        if (wr->value == NULL)
            remember_gone(w, wr->key, revision);
        for (struct vrv_list *l = w->list.next; l != &w->list; l = l->next)
            if (watch_of(l)->live)
                calls += tell_one(watch_of(l), &kv, revision);
    }
    return calls;
}
