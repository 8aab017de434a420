/*
 * The metadata log as a metastore: a queue of calls, and the step that does them.
 *
 * A step takes the queue as it finds it.  Transactions that stand next to each other form a
 * batch: one write and one sync for all of them.  Each is decided against the keys and the batch's
 * earlier ones, but the keys change only after the sync, so that nothing in memory ever has to be
 * taken back.
 */
#include "engine/meta/metalog.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/metacall.h"
#include "engine/meta/metalog_impl.h"

/* What one sync may cover: enough to make its price small, little enough to keep the decision of a
 * compare, which looks through the batch, cheap. */
enum { BATCH_CALLS_MAX = 256, BATCH_BYTES_MAX = 1 << 20 };

struct batch {
    struct vrv_list calls;
    int n;
    uint64_t revision;
    struct vrv_metabuf buf;
};

static struct vrv_metalog *
log_of(struct vrv_metastore *m)
{
    struct vrv_metalog *l = (struct vrv_metalog *)(void *)m;

    VRV_CHECK(l, VRV_METALOG_MAGIC_MEM);
    return l;
}

static struct vrv_metacall *
call_of(struct vrv_list *link)
{
    return VRV_LIST_OF(link, struct vrv_metacall, link);
}

/* ---- one batch of transactions */

static uint64_t
mod_in_batch(const struct vrv_metalog *l, const struct batch *b, const char *key)
{
    for (struct vrv_list *at = b->calls.prev; at != &b->calls; at = at->prev) {
        const struct vrv_metacall *c = call_of(at);

        for (size_t i = 0; c->status == 0 && i < c->txn.write_n; i++)
            if (strcmp(c->txn.write[i].key, key) == 0)
                return c->txn.write[i].value != NULL ? c->revision : 0;
    }
    return vrv_metakeys_mod(&l->keys, key);
}

static int
compare(const struct vrv_metalog *l, const struct batch *b, struct vrv_metacall *c)
{
    for (size_t i = 0; i < c->txn.compare_n; i++) {
        const struct vrv_meta_compare *want = &c->txn.compare[i];
        uint64_t mod = mod_in_batch(l, b, want->key);

        if (mod != want->mod)
            return vrv_err_set(&c->err, VRV_E_CONFLICT,
                "%.160s was changed at revision %llu, not %llu", want->key, (unsigned long long)mod,
                (unsigned long long)want->mod);
    }
    return 0;
}

static void
encode(struct batch *b, const struct vrv_metacall *c, uint64_t durable)
{
    size_t frame = vrv_metabuf_begin(&b->buf, VRV_MFRAME_TXN, c->revision, durable);

    for (size_t i = 0; i < c->txn.write_n; i++) {
        const struct vrv_meta_write *w = &c->txn.write[i];

        vrv_metabuf_op(&b->buf, frame, &(struct vrv_meta_kv){w->key, w->value, w->value_len, 0});
    }
    vrv_metabuf_end(&b->buf, frame);
}

static void
decide(const struct vrv_metalog *l, struct batch *b, struct vrv_metacall *c)
{
    if (c->status == 0)
        c->status = compare(l, b, c);
    if (c->status == 0 && c->txn.write_n > 0) {
        c->revision = ++b->revision;
        encode(b, c, l->size);
    } else {
        c->revision = b->revision;
    }
}

static void
gather(const struct vrv_metalog *l, struct vrv_list *work, struct batch *b)
{
    while (!vrv_list_empty(work) && b->n < BATCH_CALLS_MAX && b->buf.n < BATCH_BYTES_MAX) {
        struct vrv_metacall *c = call_of(work->next);

        if (!c->is_txn)
            break;
        vrv_list_del(&c->link);
        decide(l, b, c);
        vrv_list_push(&b->calls, &c->link);
        b->n++;
    }
}

/* The batch is durable: let the keys follow. */
static int
apply(struct vrv_metalog *l, struct batch *b, struct vrv_err *e)
{
    for (struct vrv_list *at = b->calls.next; at != &b->calls; at = at->next) {
        const struct vrv_metacall *c = call_of(at);

        for (size_t i = 0; c->status == 0 && i < c->txn.write_n; i++) {
            const struct vrv_meta_write *w = &c->txn.write[i];
            int rc = vrv_metakeys_set(&l->keys, w->key, strlen(w->key), w->value, w->value_len,
                c->revision, e);

            if (rc < 0)
                return vrv_metalog_stop(l, e);
        }
    }
    l->keys.revision = b->revision;
    return 0;
}

/* All of a refused batch fail, also those whose compare failed: it may have seen a write that now
 * is not done. */
static int
answer(struct vrv_metalog *l, struct batch *b, int rc, const struct vrv_err *e)
{
    int calls = 0;

    while (!vrv_list_empty(&b->calls)) {
        struct vrv_metacall *c = call_of(b->calls.next);
        struct vrv_meta_txn t = c->txn;
        uint64_t revision = c->revision;
        bool done = rc == 0 && c->status == 0;

        vrv_list_del(&c->link);
        /* the writes live in the call: tell the watchers before it is freed */
        if (done)
            calls += vrv_metawatches_tell(&l->watches, &t, revision);
        vrv_metacall_finish(&c, c->status == VRV_E_INVALID ? 0 : rc, e);
        calls++;
    }
    return calls;
}

static int
run_batch(struct vrv_metalog *l, struct vrv_list *work)
{
    struct batch b = { .revision = l->keys.revision, .buf = { .number = l->number,
        .base = l->size } };
    struct vrv_err e = { 0 };
    int rc = 0;

    vrv_list_init(&b.calls);
    gather(l, work, &b);
    if (b.buf.n > 0) {
        rc = vrv_metalog_append(l, &b.buf, &e);
        if (rc == 0)
            rc = apply(l, &b, &e);
        if (rc == VRV_E_STOPPED)
            rc = e.code = VRV_E_UNKNOWN;
    }
    vrv_metabuf_fini(&b.buf);
    return answer(l, &b, rc, &e);
}

/* ---- the step */

static int
run_range(struct vrv_metalog *l, struct vrv_metacall *c)
{
    const struct vrv_metakey *m = NULL;
    int calls = 1;

    vrv_list_del(&c->link);
    c->revision = l->keys.revision;
    while ((m = vrv_metakeys_next(&l->keys, c->prefix, m)) != NULL) {
        struct vrv_meta_kv kv = vrv_metakey_kv(m);

        c->range_fn(c->ctx, 0, &kv, c->revision, NULL);
        calls++;
    }
    vrv_metacall_finish(&c, 0, NULL);
    return calls;
}

static int
refuse(struct vrv_list *work, int code, const struct vrv_err *e)
{
    int calls = 0;

    while (!vrv_list_empty(work)) {
        struct vrv_metacall *c = call_of(work->next);

        vrv_metacall_finish(&c, code, e);
        calls++;
    }
    return calls;
}

/* A new file beside the old one, when that has grown.  Without space for it the old one serves on,
 * and the next attempt waits until it has grown again. */
static void
rotate(struct vrv_metalog *l)
{
    uint64_t old = l->number;
    char path[VRV_METALOG_PATH_MAX];
    struct vrv_err e = { 0 };
    bool in_doubt;

    if (l->stopped.code != 0 || l->size <= l->rotate_at)
        return;
    if (vrv_metalog_new_file(l, old + 1, &in_doubt, &e) < 0) {
        if (in_doubt)
            (void)vrv_metalog_stop(l, &e);
        l->rotate_at = l->size + VRV_METALOG_GROWTH_MIN;
        return;
    }
    vrv_metalog_path(l, old, ".meta", path);
    /* left behind it costs a rewrite at the next start, no more */
    int rc = vrv_vfs_unlink(l->vfs, path, NULL);
    (void)rc;
}

static int
step(struct vrv_metastore *m, struct vrv_err *e)
{
    struct vrv_metalog *l = log_of(m);
    struct vrv_list work;
    int calls = 0;

    VRV_ASSERT(!l->stepping);
    l->stepping = true;
    vrv_list_init(&work);
    while (!vrv_list_empty(&l->queue)) {
        struct vrv_list *first = l->queue.next;

        vrv_list_del(first);
        vrv_list_push(&work, first);
    }
    if (l->stopped.code == 0)
        calls += vrv_metawatches_catch_up(&l->watches, &l->keys);
    while (!vrv_list_empty(&work) && l->stopped.code == 0)
        calls += call_of(work.next)->is_txn ? run_batch(l, &work)
                                            : run_range(l, call_of(work.next));
    calls += refuse(&work, VRV_E_STOPPED, &l->stopped);
    rotate(l);
    l->stepping = false;
    if (l->stopped.code == 0)
        return calls;
    if (e != NULL)
        *e = l->stopped;
    return VRV_E_STOPPED;
}

/* ---- the other calls */

static void
txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn, void *ctx)
{
    vrv_list_push(&log_of(m)->queue, &vrv_metacall_txn(t, fn, ctx)->link);
}

static void
range(struct vrv_metastore *m, const char *prefix, vrv_meta_range_fn *fn, void *ctx)
{
    vrv_list_push(&log_of(m)->queue, &vrv_metacall_range(prefix, fn, ctx)->link);
}

static void
watch(struct vrv_metastore *m, const char *prefix, uint64_t from, vrv_meta_watch_fn *fn, void *ctx)
{
    vrv_metawatches_add(&log_of(m)->watches, prefix, from, fn, ctx);
}

static void
unwatch(struct vrv_metastore *m, vrv_meta_watch_fn *fn, void *ctx)
{
    vrv_metawatches_remove(&log_of(m)->watches, fn, ctx);
}

static void
close_log(struct vrv_metastore *m)
{
    struct vrv_metalog *l = log_of(m);
    struct vrv_err e = { 0 };

    VRV_ASSERT(!l->stepping);
    (void)vrv_err_set(&e, VRV_E_CANCELLED, "the metadata log is closed");
    (void)refuse(&l->queue, VRV_E_CANCELLED, &e);
    vrv_file_close(&l->file);
    vrv_metawatches_fini(&l->watches);
    vrv_metakeys_fini(&l->keys);
    free(l->dir);
    l->magic = 0;
    free(l);
}

int
vrv_metalog_open(struct vrv_metastore **out, struct vrv_vfs *v, const char *dir,
    uint64_t *cut_bytes, struct vrv_err *e)
{
    static const struct vrv_metastore_ops ops = {
        .txn = txn,
        .range = range,
        .watch = watch,
        .unwatch = unwatch,
        .step = step,
        .close = close_log,
    };
    uint64_t cut = 0;

    if (strlen(dir) < 1 || strlen(dir) > VRV_METALOG_DIR_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "a metadata log's directory has 1 to %d bytes",
            VRV_METALOG_DIR_MAX);
    struct vrv_metalog *l = VRV_NEW(struct vrv_metalog);
    l->store.ops = &ops;
    l->magic = VRV_METALOG_MAGIC_MEM;
    l->vfs = v;
    l->dir = vrv_mem_strdup(dir);
    vrv_list_init(&l->queue);
    vrv_metakeys_init(&l->keys);
    vrv_metawatches_init(&l->watches, 0);
    int rc = vrv_metalog_recover(l, &cut, e);
    if (rc < 0) {
        close_log(&l->store);
        return rc;
    }
    l->watches.floor = l->keys.revision;
    if (cut_bytes != NULL)
        *cut_bytes = cut;
    *out = &l->store;
    return 0;
}
