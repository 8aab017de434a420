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
#include "engine/batch/record.h"
#include "engine/log/epochs.h"
#include "engine/log/producers.h"

enum { FAKECOLD_MAGIC = 0x434f4c44, PARTS_MAX = 8 };

struct batch {
    struct vrv_batch head;
    uint8_t *bytes;
};

struct aborted {
    int64_t producer, first, last;
};

struct part {
    struct vrv_uuid topic;
    int32_t partition;
    struct batch *v;
    size_t n, cap;
    struct aborted *aborted;
    size_t aborted_n, aborted_cap;
    struct vrv_epochs epochs;
    bool times;             /* its time index is in memory */
};

/* Some batches of a partition, on their way or in memory. */
struct chunk {
    struct vrv_list link;
    _Atomic uint32_t refs;  /* the cache, each answer's bytes */
    struct fakecold *owner;
    struct part *part;
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
};

struct waiting {
    struct vrv_list link;
    struct vrv_cold_fetch *f;
    struct chunk *chunk;     /* NULL: answer RANGE */
    size_t batch;
    bool cancelled;
};

/* Somebody wants to hear when the times are in memory. */
struct listener {
    struct vrv_list link;
    struct part *part;
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
    struct part part[PARTS_MAX];
    unsigned part_n;
    struct vrv_list chunks; /* newest last */
    struct vrv_list waiting, listeners;
    unsigned loads;
    int fail_code;
    bool damage, thread_on;
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

static struct part *
part_of(struct fakecold *c, const struct vrv_uuid *topic, int32_t partition)
{
    for (unsigned i = 0; i < c->part_n; i++)
        if (c->part[i].partition == partition && vrv_uuid_eq(&c->part[i].topic, topic))
            return &c->part[i];
    return NULL;
}

/* The batch that contains offset or is the first behind it; p->n: none. */
static size_t
batch_at(const struct part *p, int64_t offset)
{
    size_t i = 0;

    while (i < p->n && vrv_batch_last_offset(&p->v[i].head) < offset)
        i++;
    return i;
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
find_chunk(struct fakecold *c, const struct part *p, size_t batch)
{
    for (struct vrv_list *l = c->chunks.next; l != &c->chunks; l = l->next) {
        struct chunk *k = VRV_LIST_OF(l, struct chunk, link);

        if (k->part == p && batch >= k->first && batch < k->first + k->batches && k->status == 0)
            return k; /* one that failed is loaded again */
    }
    return NULL;
}

static struct chunk *
load(struct fakecold *c, struct part *p, size_t batch)
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
        const struct batch *b = &k->part->v[k->first + i];

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

/* What failed is forgotten once its askers know; of the rest the newest stay. */
static void
trim_cache(struct fakecold *c)
{
    unsigned there = 0;

    for (struct vrv_list *l = c->chunks.prev, *prev; l != &c->chunks; l = prev) {
        struct chunk *k = VRV_LIST_OF(l, struct chunk, link);

        prev = l->prev;
        if (!k->there || is_wanted(c, k))
            continue;
        if (k->status == 0 && ++there <= c->o.cache_chunks)
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
    free(v);
}

/* Whole batches up to max_bytes, but at least one. */
static struct vrv_cold_bytes *
view_of(struct chunk *k, size_t batch, size_t max_bytes)
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
    return &v->b;
}

/* One that can be answered, out of the list; NULL: none. */
static struct waiting *
next_answer(struct fakecold *c)
{
    for (struct vrv_list *l = c->waiting.next; l != &c->waiting; l = l->next) {
        struct waiting *w = VRV_LIST_OF(l, struct waiting, link);

        if (w->chunk == NULL || w->cancelled || w->chunk->there) {
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
    int status = w->chunk == NULL ? VRV_E_RANGE : w->chunk->status;

    if (w->cancelled)
        status = VRV_E_CANCELLED;
    if (status == 0)
        b = view_of(w->chunk, w->batch, w->f->max_bytes);
    else
        (void)vrv_err_set(&e, status, "cold tier, offset %" PRId64 ": %s", w->f->offset,
            vrv_err_text(status));
    struct vrv_cold_fetch *f = w->f;
    free(w);
    leave(c);
    f->answer(f, status, b, &e);
    enter(c);
}

/* A listener whose times are there, out of the list. */
static struct listener *
next_ready(struct fakecold *c)
{
    for (struct vrv_list *l = c->listeners.next; l != &c->listeners; l = l->next) {
        struct listener *n = VRV_LIST_OF(l, struct listener, link);

        if (n->part->times || --n->steps == 0) {
            n->part->times = true;
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
        if (!k->there && --k->steps == 0)
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
    struct part *p = part_of(c, &f->topic, f->partition);
    w->f = f;
    w->batch = p != NULL ? batch_at(p, f->offset) : 0;
    if (p != NULL && w->batch < p->n) {
        w->chunk = find_chunk(c, p, w->batch);
        if (w->chunk == NULL)
            w->chunk = load(c, p, w->batch);
    }
    vrv_list_push(&c->waiting, &w->link);
    leave(c);
}

/* One that is answered already, or being answered, is not there any more. */
static void
cancel(struct vrv_cold *cold, struct vrv_cold_fetch *f)
{
    struct fakecold *c = of(cold);

    enter(c);
    for (struct vrv_list *l = c->waiting.next; l != &c->waiting; l = l->next)
        if (VRV_LIST_OF(l, struct waiting, link)->f == f)
            VRV_LIST_OF(l, struct waiting, link)->cancelled = true;
    leave(c);
}

static int
no_part(struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_NOTFOUND, "the cold tier has nothing of this partition");
}

static int
earliest(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition, int64_t *offset,
    struct vrv_err *e)
{
    struct fakecold *c = of(cold);

    enter(c);
    const struct part *p = part_of(c, topic, partition);
    *offset = p != NULL ? p->v[0].head.base_offset : -1;
    leave(c);
    return p != NULL ? 0 : no_part(e);
}

/* The first record in the batch at or after ts; -1: none. */
static int64_t
record_at(const struct batch *b, int64_t ts)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    int64_t found = -1;

    if (vrv_record_iter_init(&it, b->bytes, &b->head, NULL) < 0)
        return -1;
    while (found < 0 && vrv_record_next(&it, &r, NULL) > 0)
        if (r.timestamp >= ts)
            found = r.offset;
    vrv_record_iter_fini(&it);
    return found;
}

static int
by_time(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition, int64_t ts,
    int64_t *offset, void (*ready)(void *), void *ctx, struct vrv_err *e)
{
    struct fakecold *c = of(cold);
    int rc = 0;

    enter(c);
    struct part *p = part_of(c, topic, partition);
    *offset = -1;
    if (p == NULL) {
        rc = no_part(e);
    } else if (!p->times) {
        rc = vrv_err_set(e, VRV_E_AGAIN, "the times are being loaded");
        if (ready != NULL) {
            struct listener *l = VRV_NEW(struct listener);

            *l = (struct listener){ .part = p, .ready = ready, .ctx = ctx,
                .steps = 1 + (unsigned)vrv_rand_below(&c->rand, c->o.delay_max) };
            vrv_list_push(&c->listeners, &l->link);
        }
    }
    for (size_t i = 0; rc == 0 && *offset < 0 && i < p->n; i++)
        if (p->v[i].head.max_ts >= ts)
            *offset = record_at(&p->v[i], ts);
    leave(c);
    return rc;
}

static int
epoch_end(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition, int32_t epoch,
    int32_t *found, int64_t *end, struct vrv_err *e)
{
    struct fakecold *c = of(cold);

    enter(c);
    const struct part *p = part_of(c, topic, partition);
    if (p != NULL)
        vrv_epochs_end_of(&p->epochs, epoch, vrv_batch_last_offset(&p->v[p->n - 1].head) + 1,
            found, end);
    leave(c);
    return p != NULL ? 0 : no_part(e);
}

static int
aborted(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition, int64_t from,
    int64_t to, void (*add)(void *ctx, int64_t producer, int64_t first), void *ctx,
    struct vrv_err *e)
{
    struct fakecold *c = of(cold);

    enter(c);
    const struct part *p = part_of(c, topic, partition);
    for (size_t i = 0; p != NULL && i < p->aborted_n; i++)
        if (p->aborted[i].first < to && p->aborted[i].last >= from)
            add(ctx, p->aborted[i].producer, p->aborted[i].first);
    leave(c);
    return p != NULL ? 0 : no_part(e);
}

static int
producers(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition, int64_t offset,
    uint8_t **bytes, size_t *n, struct vrv_err *e)
{
    struct fakecold *c = of(cold);
    struct vrv_producers *state = NULL;

    enter(c);
    const struct part *p = part_of(c, topic, partition);
    for (size_t i = 0; p != NULL && i < p->n; i++)
        if (p->v[i].head.producer_id >= 0 && vrv_batch_last_offset(&p->v[i].head) < offset)
            vrv_producers_update(&state, &p->v[i].head);
    leave(c);
    vrv_producers_encode(state, bytes, n);
    vrv_producers_free(&state);
    return p != NULL ? 0 : no_part(e);
}

/* ---- what it holds ---- */

struct vrv_cold *
fakecold_new(const struct fakecold_opts *o)
{
    static const struct vrv_cold_ops ops = { fetch, cancel, earliest, by_time, epoch_end, aborted,
        producers };
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
    for (unsigned i = 0; i < c->part_n; i++) {
        for (size_t k = 0; k < c->part[i].n; k++)
            free(c->part[i].v[k].bytes);
        free(c->part[i].v);
        free(c->part[i].aborted);
        vrv_epochs_fini(&c->part[i].epochs);
    }
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
    *cold = NULL;
}

static struct part *
part_for(struct fakecold *c, const struct vrv_uuid *topic, int32_t partition)
{
    struct part *p = part_of(c, topic, partition);

    if (p != NULL)
        return p;
    VRV_ASSERT(c->part_n < PARTS_MAX);
    p = &c->part[c->part_n++];
    p->topic = *topic;
    p->partition = partition;
    return p;
}

void
fakecold_add(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition,
    const uint8_t *bytes, size_t n)
{
    struct part *p = part_for(of(cold), topic, partition);
    struct batch b = { .bytes = vrv_mem_zero(n) };
    int rc = vrv_batch_read(&b.head, bytes, n, NULL);

    VRV_ASSERT(rc == 0 && b.head.size == n);
    VRV_ASSERT(p->n == 0 || vrv_batch_last_offset(&p->v[p->n - 1].head) < b.head.base_offset);
    memcpy(b.bytes, bytes, n);
    VRV_PUSH_ROOM(p->v, p->n, p->cap);
    p->v[p->n++] = b;
    vrv_epochs_add(&p->epochs, b.head.leader_epoch, b.head.base_offset);
}

void
fakecold_add_aborted(struct vrv_cold *cold, const struct vrv_uuid *topic, int32_t partition,
    int64_t producer, int64_t first, int64_t last)
{
    struct part *p = part_for(of(cold), topic, partition);

    VRV_PUSH_ROOM(p->aborted, p->aborted_n, p->aborted_cap);
    p->aborted[p->aborted_n++] = (struct aborted){ producer, first, last };
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
