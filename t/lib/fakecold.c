#include "t/lib/fakecold.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/coldparts.h"

enum { FAKECOLD_MAGIC = 0x434f4c44 };

/* Some batches of a partition, on their way or in memory. */
struct chunk {
    struct vrv_list link;
    _Atomic uint32_t refs;  /* the cache, each answer's bytes */
    struct fakecold *owner;
    struct coldpart *part;
    size_t first, batches;
    unsigned steps;         /* until it is there */
    bool there;
    int status;
    uint8_t *bytes;
    size_t n;
};

/* What an asker gets: the end of a chunk from some batch on. */
struct view {
    struct vrv_cold_bytes b; /* first */
    struct chunk *chunk;
    uint8_t *lie;            /* or this */
    struct vrv_cold_aborted *aborted;
};

struct waiting {
    struct vrv_list link;
    struct vrv_cold_fetch *f;
    struct chunk *chunk;     /* NULL: answer status */
    int status;
    size_t batch;
};

/* Somebody wants to hear when a partition can be asked about. */
struct listener {
    struct vrv_list link;
    struct coldpart *part;
    void (*ready)(void *ctx);
    void *ctx;
    unsigned steps;
};

struct fakecold {
    struct vrv_cold cold; /* first */
    uint32_t magic;
    struct fakecold_opts o;
    pthread_mutex_t mutex; /* guards what follows */
    struct vrv_rand rand;
    struct coldparts parts;
    struct vrv_list chunks; /* newest last */
    struct vrv_list waiting, listeners;
    unsigned loads;
    int fail_code;
    bool damage, hang, thread_on;
    enum fakecold_lie lie;
    _Atomic unsigned alive;
    _Atomic bool stop;
    pthread_t thread;
};

static struct fakecold *
of(struct vrv_cold *c)
{
    struct fakecold *f = (struct fakecold *)(void *)c;

    VRV_CHECK(f, FAKECOLD_MAGIC);
    return f;
}

static void
enter(struct fakecold *c)
{
    int rc = pthread_mutex_lock(&c->mutex);

    VRV_ASSERT(rc == 0);
}

static void
leave(struct fakecold *c)
{
    int rc = pthread_mutex_unlock(&c->mutex);

    VRV_ASSERT(rc == 0);
}

/* ---- chunks: mutex held ---- */

static void
chunk_unref(struct chunk *k)
{
    if (atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    (void)atomic_fetch_sub(&k->owner->alive, 1);
    free(k->bytes);
    free(k);
}

static struct chunk *
find_chunk(struct fakecold *c, const struct coldpart *p, size_t batch)
{
    for (struct vrv_list *l = c->chunks.next; l != &c->chunks; l = l->next) {
        struct chunk *k = VRV_LIST_OF(l, struct chunk, link);

        if (k->part == p && batch >= k->first && batch < k->first + k->batches && k->status == 0)
            return k; /* one that failed is loaded again */
    }
    return NULL;
}

static struct chunk *
load(struct fakecold *c, struct coldpart *p, size_t batch)
{
    struct chunk *k = VRV_NEW(struct chunk);

    atomic_init(&k->refs, 1);
    (void)atomic_fetch_add(&c->alive, 1);
    k->owner = c;
    k->part = p;
    k->first = batch - batch % c->o.chunk_batches;
    k->batches = p->n - k->first < c->o.chunk_batches ? p->n - k->first : c->o.chunk_batches;
    k->steps = 1 + (unsigned)vrv_rand_below(&c->rand, c->o.delay_max);
    vrv_list_push(&c->chunks, &k->link);
    c->loads++;
    return k;
}

static void
arrive(struct fakecold *c, struct chunk *k)
{
    size_t at = 0;

    for (size_t i = 0; i < k->batches; i++)
        k->n += k->part->v[k->first + i].head.size;
    k->bytes = vrv_mem_zero(k->n);
    for (size_t i = 0; i < k->batches; i++) {
        const struct coldbatch *b = &k->part->v[k->first + i];

        memcpy(k->bytes + at, b->bytes, b->head.size);
        at += b->head.size;
    }
    if (c->damage)
        k->bytes[k->n - 1] ^= 1;
    for (at = 0; at < k->n && k->status == 0;) { /* checked before use (L9) */
        struct vrv_batch b;

        k->status = vrv_batch_read(&b, k->bytes + at, k->n - at, NULL);
        if (k->status == 0 && vrv_batch_check_crc(k->bytes + at, &b, NULL) < 0)
            k->status = VRV_E_CORRUPT;
        at += b.size;
    }
    if (c->fail_code != 0) {
        k->status = c->fail_code;
        c->fail_code = 0;
    }
    k->there = true;
}

static bool
is_wanted(const struct fakecold *c, const struct chunk *k)
{
    for (struct vrv_list *l = c->waiting.next; l != &c->waiting; l = l->next)
        if (VRV_LIST_OF(l, struct waiting, link)->chunk == k)
            return true;
    return false;
}

/* What failed is forgotten once its askers know; of the rest stays what somebody holds, and the newest. */
static void
trim_cache(struct fakecold *c)
{
    unsigned there = 0;

    for (struct vrv_list *l = c->chunks.prev, *prev; l != &c->chunks; l = prev) {
        struct chunk *k = VRV_LIST_OF(l, struct chunk, link);

        prev = l->prev;
        if (!k->there || is_wanted(c, k))
            continue;
        if (k->status == 0 && (atomic_load(&k->refs) > 1 || ++there <= c->o.cache_chunks))
            continue;
        vrv_list_del(l);
        chunk_unref(k);
    }
}

/* ---- answering ---- */

static void
free_view(struct vrv_cold_bytes *b)
{
    struct view *v = (struct view *)(void *)b;

    chunk_unref(v->chunk);
    free(v->aborted);
    free(v->lie);
    free(v);
}

/* Other bytes in place of the right ones. */
static void
lie(struct fakecold *c, struct view *v, size_t batch)
{
    const struct chunk *k = v->chunk;
    const struct coldbatch *first = &k->part->v[batch], *before = batch > 0 ? first - 1 : NULL;
    size_t n = v->b.n, room = before != NULL ? before->head.size : 1;

    if (c->lie == FAKECOLD_MORE)
        v->b.n = k->n - (size_t)(v->b.p - k->bytes);
    if (c->lie == FAKECOLD_TRUE || c->lie == FAKECOLD_MORE)
        return;
    room = room > n ? room : n;
    v->lie = vrv_mem_zero(room + n);
    memcpy(v->lie, v->b.p, n);
    v->b.p = v->lie;
    if (c->lie == FAKECOLD_FLIPPED) {
        v->lie[n - 1] ^= 1;
    } else if (c->lie == FAKECOLD_CUT) {
        v->b.n--;
    } else if (c->lie == FAKECOLD_EMPTY) {
        v->b.n = 0;
    } else if (c->lie == FAKECOLD_BEFORE && before != NULL) {
        v->b.n = before->head.size;
        memcpy(v->lie, before->bytes, v->b.n);
    } else if (c->lie == FAKECOLD_TWICE) {
        memcpy(v->lie + first->head.size, first->bytes, first->head.size);
        v->b.n = 2 * first->head.size;
    }
}

/* Those with records in n batches from there on. */
static void
add_aborted(struct view *v, size_t batch, size_t n)
{
    const struct coldpart *p = v->chunk->part;
    int64_t from = p->v[batch].head.base_offset, to = vrv_batch_last_offset(&p->v[batch + n - 1].head);

    v->aborted = vrv_mem_zero((p->aborted_n + 1) * sizeof(*v->aborted));
    for (size_t i = 0; i < p->aborted_n; i++)
        if (p->aborted[i].first <= to && p->aborted[i].last >= from)
            v->aborted[v->b.aborted_n++] =
                (struct vrv_cold_aborted){ p->aborted[i].producer, p->aborted[i].first };
    v->b.aborted = v->aborted;
}

/* Whole batches up to max_bytes, but at least one. */
static struct vrv_cold_bytes *
view_of(struct fakecold *c, struct chunk *k, size_t batch, size_t max_bytes, bool aborted)
{
    struct view *v = VRV_NEW(struct view);
    size_t at = 0, n = 0, i = k->first;

    for (; i < batch; i++)
        at += k->part->v[i].head.size;
    for (; i < k->first + k->batches; i++) {
        if (n > 0 && n + k->part->v[i].head.size > max_bytes)
            break;
        n += k->part->v[i].head.size;
    }
    (void)atomic_fetch_add(&k->refs, 1);
    v->chunk = k;
    atomic_init(&v->b.refs, 1);
    v->b.p = k->bytes + at;
    v->b.n = n;
    v->b.free = free_view;
    if (aborted)
        add_aborted(v, batch, i - batch);
    lie(c, v, batch);
    return &v->b;
}

/* One that can be answered, out of the list; NULL: none. */
static struct waiting *
next_answer(struct fakecold *c)
{
    for (struct vrv_list *l = c->waiting.next; l != &c->waiting; l = l->next) {
        struct waiting *w = VRV_LIST_OF(l, struct waiting, link);

        if (w->chunk == NULL || w->chunk->there) {
            vrv_list_del(l);
            return w;
        }
    }
    return NULL;
}

/* The mutex is held, but not during the answer. */
static void
answer(struct fakecold *c, struct waiting *w)
{
    struct vrv_cold_bytes *b = NULL;
    struct vrv_err e = { 0 };
    int status = w->status;

    if (w->chunk != NULL)
        status = w->chunk->status;
    if (status == 0 && c->lie == FAKECOLD_NONE)
        status = VRV_E_RANGE;
    if (status == 0)
        b = view_of(c, w->chunk, w->batch, w->f->max_bytes, w->f->aborted);
    else
        (void)vrv_err_set(&e, status, "cold tier, offset %" PRId64 ": %s", w->f->offset,
            vrv_err_text(status));
    struct vrv_cold_fetch *f = w->f;
    free(w);
    leave(c);
    f->answer(f, status, b, &e);
    enter(c);
}

/* A listener whose partition can be asked about, out of the list. */
static struct listener *
next_ready(struct fakecold *c)
{
    for (struct vrv_list *l = c->listeners.next; l != &c->listeners; l = l->next) {
        struct listener *n = VRV_LIST_OF(l, struct listener, link);

        if (n->part->loaded || --n->steps == 0) {
            n->part->loaded = true;
            vrv_list_del(l);
            return n;
        }
    }
    return NULL;
}

bool
fakecold_step(struct vrv_cold *cold)
{
    struct fakecold *c = of(cold);
    struct waiting *w;
    struct listener *n;

    enter(c);
    bool any = !vrv_list_empty(&c->waiting) || !vrv_list_empty(&c->listeners);
    for (struct vrv_list *l = c->chunks.next; l != &c->chunks; l = l->next) {
        struct chunk *k = VRV_LIST_OF(l, struct chunk, link);

        any |= !k->there;
        if (!k->there && !c->hang && --k->steps == 0)
            arrive(c, k);
    }
    while ((w = next_answer(c)) != NULL)
        answer(c, w);
    if ((n = next_ready(c)) != NULL) {
        leave(c);
        n->ready(n->ctx);
        free(n);
        enter(c);
    }
    trim_cache(c);
    leave(c);
    return any;
}

static void *
step_main(void *ctx)
{
    struct fakecold *c = ctx;

    while (!atomic_load(&c->stop))
        if (!fakecold_step(&c->cold))
            (void)sched_yield();
    return NULL;
}

void
fakecold_thread(struct vrv_cold *cold, bool on)
{
    struct fakecold *c = of(cold);

    VRV_ASSERT(c->thread_on != on);
    atomic_store(&c->stop, !on);
    int rc = on ? pthread_create(&c->thread, NULL, step_main, c) : pthread_join(c->thread, NULL);
    VRV_ASSERT(rc == 0);
    c->thread_on = on;
}

/* ---- the contract ---- */

static void
fetch(struct vrv_cold *cold, struct vrv_cold_fetch *f)
{
    struct fakecold *c = of(cold);
    struct waiting *w = VRV_NEW(struct waiting);

    enter(c);
    struct coldpart *p = coldparts_find(&c->parts, &f->topic, f->partition);
    w->f = f;
    w->batch = p != NULL ? coldpart_batch(p, f->want, f->offset, f->ts) : 0;
    if (p == NULL) {
        w->status = VRV_E_NOTFOUND;
    } else if (w->batch == p->n) {
        w->status = VRV_E_RANGE;
    } else {
        w->chunk = find_chunk(c, p, w->batch);
        if (w->chunk == NULL)
            w->chunk = load(c, p, w->batch);
    }
    vrv_list_push(&c->waiting, &w->link);
    leave(c);
}

/* One that is answered already, or being answered, is not there any more. */
static bool
cancel(struct vrv_cold *cold, struct vrv_cold_fetch *f)
{
    struct fakecold *c = of(cold);
    bool found = false;

    enter(c);
    for (struct vrv_list *l = c->waiting.next; l != &c->waiting; l = l->next) {
        struct waiting *w = VRV_LIST_OF(l, struct waiting, link);

        if (w->f != f)
            continue;
        found = true;
        vrv_list_del(&w->link);
        free(w);
        break;
    }
    leave(c);
    return found;
}

static struct vrv_cold_bytes *
now(struct vrv_cold *cold, const struct vrv_cold_wanted *w)
{
    struct fakecold *c = of(cold);
    struct vrv_cold_bytes *b = NULL;

    enter(c);
    struct coldpart *p = coldparts_find(&c->parts, &w->topic, w->partition);
    size_t batch = p != NULL ? coldpart_batch(p, VRV_COLD_ANY, w->offset, 0) : 0;
    struct chunk *k = p != NULL && batch < p->n ? find_chunk(c, p, batch) : NULL;
    if (k != NULL && k->there && c->lie != FAKECOLD_NONE)
        b = view_of(c, k, batch, w->max_bytes, w->aborted);
    leave(c);
    return b;
}

/* The partition that is asked about, with the mutex held; NULL, and *rc: not now, or not at all. */
static struct coldpart *
ask(struct fakecold *c, const struct vrv_cold_ask *a, int *rc, struct vrv_err *e)
{
    enter(c);
    struct coldpart *p = coldparts_find(&c->parts, &a->topic, a->partition);
    *rc = 0;
    if (p == NULL) {
        *rc = vrv_err_set(e, VRV_E_NOTFOUND, "the cold tier has nothing of this partition");
    } else if (!p->loaded) {
        *rc = vrv_err_set(e, VRV_E_AGAIN, "what is known of the partition is being loaded");
        if (a->ready != NULL) {
            struct listener *l = VRV_NEW(struct listener);

            *l = (struct listener){ .part = p, .ready = a->ready, .ctx = a->ctx,
                .steps = 1 + (unsigned)vrv_rand_below(&c->rand, c->o.delay_max) };
            vrv_list_push(&c->listeners, &l->link);
        }
    }
    if (*rc == 0)
        return p;
    leave(c);
    return NULL;
}

static int
earliest(struct vrv_cold *cold, const struct vrv_cold_ask *a, int64_t *offset, struct vrv_err *e)
{
    int rc;
    const struct coldpart *p = ask(of(cold), a, &rc, e);

    if (p == NULL)
        return rc;
    *offset = p->v[0].head.base_offset;
    leave(of(cold));
    return 0;
}

static int
next(struct vrv_cold *cold, const struct vrv_cold_ask *a, int64_t *offset, struct vrv_err *e)
{
    int rc;
    const struct coldpart *p = ask(of(cold), a, &rc, e);

    if (p == NULL)
        return rc;
    *offset = coldpart_end(p);
    leave(of(cold));
    return 0;
}

/* ---- what it holds ---- */

struct vrv_cold *
fakecold_new(const struct fakecold_opts *o)
{
    static const struct vrv_cold_ops ops = { fetch, cancel, now, earliest, next };
    struct fakecold *c = VRV_NEW(struct fakecold);
    int rc = pthread_mutex_init(&c->mutex, NULL);

    VRV_ASSERT(rc == 0 && o->delay_max > 0 && o->chunk_batches > 0);
    c->cold.ops = &ops;
    c->magic = FAKECOLD_MAGIC;
    c->o = *o;
    c->rand.state = o->seed;
    vrv_list_init(&c->chunks);
    vrv_list_init(&c->waiting);
    vrv_list_init(&c->listeners);
    return &c->cold;
}

void
fakecold_free(struct vrv_cold **cold)
{
    struct fakecold *c = of(*cold);

    VRV_ASSERT(!c->thread_on && vrv_list_empty(&c->waiting) && vrv_list_empty(&c->listeners));
    while (!vrv_list_empty(&c->chunks)) {
        struct vrv_list *l = c->chunks.next;

        vrv_list_del(l);
        chunk_unref(VRV_LIST_OF(l, struct chunk, link));
    }
    VRV_ASSERT(atomic_load(&c->alive) == 0);
    coldparts_fini(&c->parts);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
    *cold = NULL;
}

void
fakecold_add(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition,
    const uint8_t *bytes, size_t n)
{
    struct fakecold *c = of(cold);

    enter(c);
    coldparts_add(&c->parts, topic, partition, bytes, n);
    leave(c);
}

int64_t
fakecold_end(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition)
{
    struct fakecold *c = of(cold);

    enter(c);
    const struct coldpart *p = coldparts_find(&c->parts, topic, partition);
    int64_t end = p != NULL ? coldpart_end(p) : 0;
    leave(c);
    return end;
}

void
fakecold_add_aborted(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition,
    int64_t producer, int64_t first, int64_t last)
{
    struct fakecold *c = of(cold);

    enter(c);
    coldparts_add_aborted(&c->parts, topic, partition, producer, first, last);
    leave(c);
}

void
fakecold_fail(struct vrv_cold *cold, int code)
{
    struct fakecold *c = of(cold);

    enter(c);
    c->fail_code = code;
    leave(c);
}

void
fakecold_damage(struct vrv_cold *cold, bool on)
{
    struct fakecold *c = of(cold);

    enter(c);
    c->damage = on;
    leave(c);
}

void
fakecold_hang(struct vrv_cold *cold, bool on)
{
    struct fakecold *c = of(cold);

    enter(c);
    c->hang = on;
    leave(c);
}

void
fakecold_lie(struct vrv_cold *cold, enum fakecold_lie what)
{
    struct fakecold *c = of(cold);

    enter(c);
    c->lie = what;
    leave(c);
}

unsigned
fakecold_loads(struct vrv_cold *cold)
{
    struct fakecold *c = of(cold);

    enter(c);
    unsigned n = c->loads;
    leave(c);
    return n;
}

unsigned
fakecold_chunks(struct vrv_cold *cold)
{
    return atomic_load(&of(cold)->alive);
}
