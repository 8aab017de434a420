#include "t/lib/fakemeta.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/meta/metacall.h"
#include "engine/meta/metakeys.h"

/* A call on its way: `apply_at` then `answer_at`, or, when late, the other way round. */
struct pending {
    struct vrv_list link;
    struct vrv_metacall *call; /* NULL once answered */
    struct vrv_metacall *late; /* a copy that takes effect after the answer */
    uint64_t apply_at, answer_at;
    bool applied, unknown, never;
};

/* All that ever changed, in order; watches read along. */
struct change {
    char *key;
    void *value; /* NULL: deleted */
    size_t value_len;
    uint64_t revision;
};

struct watch {
    struct vrv_list link;
    char *prefix;
    vrv_meta_watch_fn *fn; /* NULL: taken back */
    void *ctx;
    size_t from, next; /* indices into the changes */
};

struct fakemeta {
    struct vrv_metastore store;
    struct fakemeta_opts o;
    struct vrv_rand rand;
    uint64_t now;
    struct vrv_metakeys keys;
    struct vrv_list pending, watches;
    struct change *change;
    size_t change_n, change_cap;
    unsigned unknown, done;
};

static struct fakemeta *
fake_of(const struct vrv_metastore *m)
{
    return VRV_LIST_OF(m, struct fakemeta, store);
}

static bool
chance(struct fakemeta *f, unsigned percent)
{
    return vrv_rand_below(&f->rand, 100) < percent;
}

/* ---- taking effect */

static void
note_change(struct fakemeta *f, const struct vrv_meta_write *w)
{
    VRV_PUSH_ROOM(f->change, f->change_n, f->change_cap);
    struct change *c = &f->change[f->change_n++];

    *c = (struct change){vrv_mem_strdup(w->key), NULL, 0, f->keys.revision};
    if (w->value == NULL)
        return;
    c->value = vrv_mem_zero(w->value_len);
    c->value_len = w->value_len;
    if (w->value_len > 0)
        memcpy(c->value, w->value, w->value_len);
}

static int
apply(struct fakemeta *f, const struct vrv_meta_txn *t, struct vrv_err *e)
{
    for (size_t i = 0; i < t->compare_n; i++)
        if (vrv_metakeys_mod(&f->keys, t->compare[i].key) != t->compare[i].mod)
            return vrv_err_set(e, VRV_E_CONFLICT, "%.100s has changed", t->compare[i].key);
    f->keys.revision += t->write_n > 0;
    for (size_t i = 0; i < t->write_n; i++) {
        const struct vrv_meta_write *w = &t->write[i];
        int rc = vrv_metakeys_set(&f->keys, w->key, strlen(w->key), w->value, w->value_len,
            f->keys.revision, NULL);

        VRV_ASSERT(rc == 0);
        note_change(f, w);
    }
    return 0;
}

static void
take_effect(struct fakemeta *f, struct pending *p)
{
    struct vrv_metacall *c = p->late != NULL ? p->late : p->call;

    p->applied = true;
    if (c == NULL || !c->is_txn || c->status != 0)
        return;
    int rc = p->never ? 0 : apply(f, &c->txn, &c->err);
    f->done += p->unknown && !p->never && rc == 0;
    if (!p->unknown) {
        c->status = rc;
        c->revision = f->keys.revision;
    }
}

/* ---- answering */

static int
answer_range(struct fakemeta *f, struct pending *p)
{
    const struct vrv_metakey *m = NULL;
    struct vrv_metacall *c = p->call;
    int calls = 0;

    c->revision = f->keys.revision;
    while ((m = vrv_metakeys_next(&f->keys, c->prefix, m)) != NULL) {
        struct vrv_meta_kv kv = vrv_metakey_kv(m);

        if (p->unknown && chance(f, 30))
            break; /* it breaks off somewhere */
        c->range_fn(c->ctx, 0, &kv, c->revision, NULL);
        calls++;
    }
    return calls;
}

static int
answer(struct fakemeta *f, struct pending *p)
{
    struct vrv_err e = { 0 };
    int calls = 1;

    if (!p->call->is_txn)
        calls += answer_range(f, p);
    if (p->unknown && p->call->status == 0) {
        (void)vrv_err_set(&e, VRV_E_UNKNOWN, "the connection was lost");
        f->unknown++;
        if (p->call->is_txn && !p->applied) /* what is not answered yet may still come */
            p->late = vrv_metacall_txn(&p->call->txn, p->call->txn_fn, p->call->ctx);
    }
    vrv_metacall_finish(&p->call, e.code, &e);
    return calls;
}

/* ---- watches */

static int
tell(struct fakemeta *f, struct watch *w)
{
    size_t n = vrv_rand_below(&f->rand, 4);
    int calls = 0;

    if (f->o.delay_max == 0)
        n = SIZE_MAX;
    if (w->next > w->from && chance(f, f->o.rewind_percent))
        w->next = w->from + vrv_rand_below(&f->rand, w->next - w->from);
    for (; w->next < f->change_n && n > 0 && w->fn != NULL; n--) {
        const struct change *c = &f->change[w->next++];
        struct vrv_meta_kv kv = {c->key, c->value, c->value_len, c->revision};

        if (strncmp(c->key, w->prefix, strlen(w->prefix)) != 0)
            continue;
        w->fn(w->ctx, &kv, c->revision);
        calls++;
    }
    return calls;
}

static int
step(struct vrv_metastore *m, struct vrv_err *e)
{
    struct fakemeta *f = fake_of(m);
    int calls = 0;

    (void)e;
    f->now++;
    for (struct vrv_list *l = f->pending.next, *next; l != &f->pending; l = next) {
        struct pending *p = VRV_LIST_OF(l, struct pending, link);

        if (!p->applied && p->apply_at <= f->now)
            take_effect(f, p);
        if (p->call != NULL && p->answer_at <= f->now)
            calls += answer(f, p);
        next = l->next;
        if (p->applied && p->call == NULL) {
            vrv_list_del(&p->link);
            free(p->late);
            free(p);
        }
    }
    for (struct vrv_list *l = f->watches.next; l != &f->watches; l = l->next)
        calls += tell(f, VRV_LIST_OF(l, struct watch, link));
    return calls;
}

/* ---- the other calls */

static void
push(struct fakemeta *f, struct vrv_metacall *c)
{
    struct pending *p = VRV_NEW(struct pending);

    p->call = c;
    p->unknown = chance(f, f->o.unknown_percent);
    p->never = p->unknown && c->is_txn && chance(f, 50);
    p->apply_at = f->now + 1 + vrv_rand_below(&f->rand, f->o.delay_max + 1);
    p->answer_at = p->apply_at + vrv_rand_below(&f->rand, f->o.delay_max + 1);
    if (p->unknown && c->is_txn && f->o.late_max > 0 && chance(f, 40))
        p->apply_at = p->answer_at + 1 + vrv_rand_below(&f->rand, f->o.late_max);
    vrv_list_push(&f->pending, &p->link);
}

static void
txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn, void *ctx)
{
    push(fake_of(m), vrv_metacall_txn(t, fn, ctx));
}

static void
range(struct vrv_metastore *m, const char *prefix, vrv_meta_range_fn *fn, void *ctx)
{
    push(fake_of(m), vrv_metacall_range(prefix, fn, ctx));
}

static void
watch(struct vrv_metastore *m, const char *prefix, uint64_t from, vrv_meta_watch_fn *fn, void *ctx)
{
    struct fakemeta *f = fake_of(m);
    struct watch *w = VRV_NEW(struct watch);

    w->prefix = vrv_mem_strdup(prefix);
    w->fn = fn;
    w->ctx = ctx;
    while (w->from < f->change_n && f->change[w->from].revision <= from)
        w->from++;
    w->next = w->from;
    vrv_list_push(&f->watches, &w->link);
}

static void
unwatch(struct vrv_metastore *m, vrv_meta_watch_fn *fn, void *ctx)
{
    struct fakemeta *f = fake_of(m);

    for (struct vrv_list *l = f->watches.next; l != &f->watches; l = l->next) {
        struct watch *w = VRV_LIST_OF(l, struct watch, link);

        if (w->fn == fn && w->ctx == ctx)
            w->fn = NULL;
    }
}

static void
close_fake(struct vrv_metastore *m)
{
    struct fakemeta *f = fake_of(m);
    struct vrv_err e = { 0 };

    (void)vrv_err_set(&e, VRV_E_CANCELLED, "closed");
    while (!vrv_list_empty(&f->pending)) {
        struct pending *p = VRV_LIST_OF(f->pending.next, struct pending, link);

        vrv_list_del(&p->link);
        if (p->call != NULL)
            vrv_metacall_finish(&p->call, VRV_E_CANCELLED, &e);
        free(p->late);
        free(p);
    }
    while (!vrv_list_empty(&f->watches)) {
        struct watch *w = VRV_LIST_OF(f->watches.next, struct watch, link);

        vrv_list_del(&w->link);
        free(w->prefix);
        free(w);
    }
    for (size_t i = 0; i < f->change_n; i++) {
        free(f->change[i].key);
        free(f->change[i].value);
    }
    free(f->change);
    vrv_metakeys_fini(&f->keys);
    free(f);
}

struct vrv_metastore *
fakemeta_new(const struct fakemeta_opts *o)
{
    static const struct vrv_metastore_ops ops = {
        .txn = txn,
        .range = range,
        .watch = watch,
        .unwatch = unwatch,
        .step = step,
        .close = close_fake,
    };
    struct fakemeta *f = VRV_NEW(struct fakemeta);

    f->store.ops = &ops;
    f->o = *o;
    f->rand.state = o->seed;
    vrv_metakeys_init(&f->keys);
    vrv_list_init(&f->pending);
    vrv_list_init(&f->watches);
    return &f->store;
}

void
fakemeta_counts(const struct vrv_metastore *m, unsigned *unknown, unsigned *done)
{
    *unknown = fake_of(m)->unknown;
    *done = fake_of(m)->done;
}

int
fakemeta_intrude(struct vrv_metastore *m, const struct vrv_meta_txn *t)
{
    return apply(fake_of(m), t, NULL);
}
