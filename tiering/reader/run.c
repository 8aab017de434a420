/* Reads of the store for the cache: one for a piece, or for neighbours; when they may begin. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/reader/cache.h"

static const int64_t MS = 1000000;

struct run {
    struct vrv_list link;
    struct vrv_cache *cache;
    struct vrv_piece **piece; /* references */
    uint32_t n;
    unsigned reads;           /* that have begun */
    uint64_t pos, size;
    uint64_t unpacks;         /* bytes that its chunks have more of when they are unpacked */
    bool of_store;            /* not of the disk */
    bool cancelled;
    int64_t since_ns;         /* when it was wanted; then, when it began */
    uint64_t held_ns;         /* how long the quota had held reads back when it was wanted of the store */
    struct vrv_cache_bytes *mem;
    struct vrv_store_call call;
    struct vrv_shelf_read shelf;
};

static void begin_runs(struct vrv_cache *c);
static struct run *run_of(struct vrv_cache *c, struct vrv_piece **p, uint32_t n);

static int64_t
now_ns(const struct vrv_cache *c)
{
    return c->o.clock->mono_ns(c->o.clock);
}

/* ---- bytes ---- */

static struct vrv_cache_bytes *
counted(struct vrv_cache *c, size_t n, uint8_t *p)
{
    struct vrv_cache_bytes *b = VRV_NEW(struct vrv_cache_bytes);

    atomic_init(&b->refs, 1);
    b->cache = c;
    b->n = n;
    b->p = p;
    (void)atomic_fetch_add(&c->used, n);
    return b;
}

static void
freed(struct vrv_done *d)
{
    struct vrv_cache *c = VRV_LIST_OF(d, struct vrv_cache, freed);

    atomic_store(&c->posted, false);
    begin_runs(c);
}

void
vrv__cache_wake(struct vrv_cache *c)
{
    if (!atomic_exchange(&c->starved, false) || atomic_exchange(&c->posted, true))
        return;
    c->freed = (struct vrv_done){ .cq = c->o.cq, .run = freed };
    vrv_cq_post(c->o.cq, &c->freed, &c->freed);
}

void
vrv__cache_bytes_unref(struct vrv_cache_bytes *b)
{
    if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
        return;
    struct vrv_cache *c = b->cache;

    free(b->p);
    (void)atomic_fetch_sub(&c->used, b->n);
    free(b);
    vrv__cache_wake(c);
}

/* ---- what came ---- */

/* Neighbours go their own ways: each has memory of its own. */
static uint8_t *
own_copy(const uint8_t *p, size_t n)
{
    return memcpy(vrv_mem_grow(NULL, n), p, n);
}

static int
open_chunk(const struct run *r, struct vrv_piece *p)
{
    uint64_t at = p->pos - r->pos, got = r->call.got > at ? r->call.got - at : 0;
    const uint8_t *stored = r->mem->p + at;
    uint8_t *opened = NULL;
    int rc = vrv_chunk_open(&p->chunk, stored, got < p->chunk.stored ? got : p->chunk.stored, &opened,
        &p->err);

    if (rc < 0)
        return rc;
    p->n = p->chunk.plain;
    if (opened == NULL && r->n == 1) {
        (void)atomic_fetch_add(&r->mem->refs, 1);
        p->mem = r->mem;
    } else {
        p->mem = counted(r->cache, p->n, opened != NULL ? opened : own_copy(stored, p->n));
    }
    p->bytes = p->mem->p;
    return 0;
}

static int
open_page(const struct run *r, struct vrv_piece *p)
{
    int rc = vrv_manifest_read_page(&p->id, &p->page, r->mem->p, r->call.got, &p->seg, &p->err);
    size_t n = 0;

    p->seg_n = rc == 0 ? p->page.segments : 0;
    for (uint32_t i = 0; i < p->seg_n; i++)
        n += sizeof(p->seg[i]) + p->seg[i].chunk_n * sizeof(struct vrv_chunk);
    p->n = n;
    p->mem = counted(r->cache, n, NULL);
    return rc;
}

/* Of all that is behind the chunks only these are kept. */
static int
open_tail(const struct run *r, struct vrv_piece *p)
{
    struct vrv_object_info i;
    int rc = vrv_object_read_tail(&i, r->mem->p, r->call.got, p->object, &p->err);

    if (rc < 0)
        return rc;
    p->n = (size_t)i.aborted_n * VRV_OBJECT_ABORTED;
    p->mem = counted(r->cache, p->n, own_copy(r->mem->p + (i.aborted_at - i.index_at), p->n));
    p->bytes = p->mem->p;
    return 0;
}

static int
open_piece(const struct run *r, struct vrv_piece *p)
{
    if (p->kind == VRV_PIECE_PAGE)
        return open_page(r, p);
    return p->kind == VRV_PIECE_ABORTED ? open_tail(r, p) : open_chunk(r, p);
}

static bool
is_chunk(const struct vrv_piece *p)
{
    return p->kind == VRV_PIECE_CHUNK;
}

static int
stopped(struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_CANCELLED, "the tier stops");
}

/* First of all, and alone: its neighbours were well. */
static bool
reads_again(const struct run *r, struct vrv_piece *p)
{
    if (p->status != VRV_E_CORRUPT || r->call.status < 0 || r->reads >= VRV_STORE_DAMAGED_READS)
        return false;
    if (r->cancelled) { /* perhaps it isn't damaged */
        p->status = stopped(&p->err);
        return false;
    }
    vrv__cache_bytes_unref(p->mem);
    p->mem = NULL;
    struct run *again = run_of(r->cache, &p, 1);
    again->reads = r->reads;
    vrv_list_push(r->cache->runs.next, &again->link);
    return true;
}

/* False: it isn't there yet. */
static bool
tell(const struct run *r, struct vrv_piece *p)
{
    p->status = r->call.status;
    p->err = r->call.err;
    p->shelved = !r->of_store;
    if (p->status == 0)
        p->status = open_piece(r, p);
    if (reads_again(r, p))
        return false;
    if (p->status == VRV_E_NOTFOUND)
        p->status = vrv_store_lost(&p->err, p->key);
    else if (p->status < 0)
        (void)vrv_store_blame(&p->err, p->status, p->key);
    vrv__cache_arrived(r->cache, p);
    return true;
}

static void
release(void *hold)
{
    vrv__cache_bytes_unref(hold);
}

/* What came of the store may be for the disk, as it was stored. */
static void
offer(const struct run *r, const struct vrv_piece *p)
{
    struct vrv_shelf *s = r->cache->o.shelf;

    if (s == NULL || p->status < 0 || !is_chunk(p) || !vrv_shelf_wants(s, p->key, p->pos, p->chunk.stored))
        return;
    (void)atomic_fetch_add(&r->mem->refs, 1);
    vrv_shelf_put(s, p->key, p->pos, r->mem->p + (p->pos - r->pos), p->chunk.stored, release, r->mem);
}

/* What they turn into counts by itself from here on. */
static void
end(struct run *r)
{
    if (r->mem != NULL)
        (void)atomic_fetch_sub(&r->cache->used, r->unpacks);
    for (uint32_t i = 0; i < r->n; i++) {
        if (tell(r, r->piece[i]) && r->of_store)
            offer(r, r->piece[i]);
        vrv_piece_unref(r->piece[i]);
    }
    vrv__cache_bytes_unref(r->mem);
    free(r->piece);
    free(r);
}

static void
was_read(struct vrv_done *d)
{
    struct run *r = VRV_LIST_OF(d, struct run, call.done);
    struct vrv_cache *c = r->cache;

    c->reading--;
    vrv_list_del(&r->link);
    vrv_hist_add_alone(&c->took, now_ns(c) - r->since_ns);
    vrv_read_quota_charge(&c->quota, -(int64_t)(r->size - (r->call.status == 0 ? r->call.got : 0)));
    end(r);
    begin_runs(c);
}

/* ---- when ---- */

/* Memory to read into, and room for what it turns into. */
static void
take_room(struct run *r, uint8_t *p)
{
    r->mem = counted(r->cache, r->size, p);
    (void)atomic_fetch_add(&r->cache->used, r->unpacks);
}

static void
begin(struct run *r)
{
    struct vrv_cache *c = r->cache;

    vrv_list_push(&c->under_way, &r->link);
    take_room(r, vrv_mem_grow(NULL, r->size));
    r->call = (struct vrv_store_call){ .done = { .cq = c->o.cq, .run = was_read },
        .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = r->piece[0]->key, .pos = r->pos,
        .size = r->size, .buf = r->mem->p,
        .deadline_ns = now_ns(c) + c->o.read_ms * MS };
    vrv_hist_add_alone(&c->wait, now_ns(c) - r->since_ns);
    vrv_read_quota_note(&c->quota, r->held_ns, now_ns(c));
    r->since_ns = now_ns(c);
    c->reading++;
    r->of_store = true;
    r->reads++;
    vrv_read_quota_charge(&c->quota, (int64_t)r->size);
    vrv_retry_submit(c->o.retry, &r->call);
}

/* ---- of the disk ---- */

/* First of those of the store: who has waited for the disk in vain waits no longer. */
static void
read_store_instead(struct run *r)
{
    r->held_ns = vrv_read_quota_held_ns(&r->cache->quota, now_ns(r->cache));
    vrv_list_push(r->cache->runs.next, &r->link);
}

static bool
is_good(const struct run *r, const uint8_t *bytes, size_t n)
{
    const struct vrv_chunk *c = &r->piece[0]->chunk;

    return n == c->stored && vrv_crc32c(0, bytes, n) == c->crc;
}

static void
was_shelved(struct vrv_shelf_read *s, int status, uint8_t *bytes, size_t n)
{
    struct run *r = VRV_LIST_OF(s, struct run, shelf);
    struct vrv_cache *c = r->cache;

    c->reading--;
    r->mem->p = bytes;
    if (status == 0 && is_good(r, bytes, n)) {
        r->call.status = 0;
        r->call.got = n;
        end(r);
    } else {
        if (status == 0)
            vrv_shelf_bad(c->o.shelf, r->piece[0]->key, r->piece[0]->pos);
        (void)atomic_fetch_sub(&c->used, r->unpacks);
        vrv__cache_bytes_unref(r->mem);
        r->mem = NULL;
        read_store_instead(r);
    }
    begin_runs(c);
}

static void
begin_shelved(struct run *r)
{
    struct vrv_cache *c = r->cache;
    const struct vrv_piece *p = r->piece[0];

    r->shelf.run = was_shelved;
    if (!vrv_shelf_get(c->o.shelf, p->key, p->pos, &r->shelf)) {
        read_store_instead(r);
        return;
    }
    take_room(r, NULL);
    c->reading++;
}

/* The next that may begin; NULL: none, or there is no room.  One read is always allowed, whatever others
 * hold. */
static struct run *
next_run(struct vrv_cache *c, struct vrv_list *runs)
{
    struct run *r = VRV_LIST_OF(runs->next, struct run, link);

    if (vrv_list_empty(runs))
        return NULL;
    atomic_store(&c->starved, true); /* first: what is given back from here on is told */
    if (!vrv__cache_make_room(c, r->size + r->unpacks, true) && c->reading > 0)
        return NULL;
    vrv_list_del(&r->link);
    return r;
}

/* In order. */
static void
begin_some(struct vrv_cache *c)
{
    struct run *r;

    while ((r = next_run(c, &c->shelved)) != NULL)
        begin_shelved(r);
    while (vrv_read_quota_at(&c->quota, now_ns(c)) == 0 && (r = next_run(c, &c->runs)) != NULL)
        begin(r);
    if (vrv_list_empty(&c->runs) && vrv_list_empty(&c->shelved))
        atomic_store(&c->starved, false);
}

/* One that waits for its turn. */
static void
refuse(struct run *r)
{
    vrv_list_del(&r->link);
    r->call.status = stopped(&r->call.err);
    end(r);
}

/* Who hears of it may ask for something else within. */
static void
refuse_all(struct vrv_list *runs)
{
    while (!vrv_list_empty(runs))
        refuse(VRV_LIST_OF(runs->next, struct run, link));
}

static void
begin_runs(struct vrv_cache *c)
{
    if (c->stops) {
        refuse_all(&c->shelved);
        refuse_all(&c->runs);
    }
    begin_some(c);
    int64_t now = now_ns(c);
    vrv_read_quota_hold(&c->quota, !vrv_list_empty(&c->runs) && vrv_read_quota_at(&c->quota, now) != 0, now);
}

static uint64_t
size_of(const struct vrv_piece *p)
{
    return p->kind == VRV_PIECE_PAGE ? p->page.size
        : p->kind == VRV_PIECE_ABORTED ? p->tail
                                       : p->chunk.stored;
}

static struct run *
run_of(struct vrv_cache *c, struct vrv_piece **p, uint32_t n)
{
    struct run *r = VRV_NEW(struct run);

    r->cache = c;
    r->piece = vrv_mem_zero(n * sizeof(struct vrv_piece *));
    r->n = n;
    r->pos = p[0]->pos;
    r->since_ns = now_ns(c);
    r->held_ns = vrv_read_quota_held_ns(&c->quota, r->since_ns);
    for (uint32_t i = 0; i < n; i++) {
        r->piece[i] = p[i];
        (void)atomic_fetch_add(&p[i]->refs, 1);
        r->size += size_of(p[i]);
        r->unpacks += is_chunk(p[i]) ? p[i]->chunk.plain - p[i]->chunk.stored : 0;
    }
    return r;
}

void
vrv__cache_run(struct vrv_cache *c, struct vrv_piece **p, uint32_t n)
{
    struct run *r = run_of(c, p, n);
    bool shelved = n == 1 && c->o.shelf != NULL && vrv_shelf_has(c->o.shelf, p[0]->key, p[0]->pos);
    vrv_list_push(shelved ? &c->shelved : &c->runs, &r->link);
    begin_runs(c);
}

int64_t
vrv_cache_step(struct vrv_cache *c)
{
    int64_t late_ns = c->o.shelf != NULL ? vrv_shelf_step(c->o.shelf) : INT64_MAX;

    begin_runs(c);
    int64_t at = vrv_read_quota_at(&c->quota, now_ns(c));
    if (vrv_list_empty(&c->runs) || at == 0)
        at = INT64_MAX;
    return at < late_ns ? at : late_ns;
}

bool
vrv_cache_is_idle(const struct vrv_cache *c)
{
    return c->reading == 0 && vrv_list_empty(&c->runs) && vrv_list_empty(&c->shelved) &&
           !atomic_load(&c->posted) && (c->o.shelf == NULL || vrv_shelf_is_idle(c->o.shelf));
}

static bool
is_of(const struct run *r, const struct vrv_piece *p)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->piece[i] == p)
            return true;
    return false;
}

static void
cancel_waiting(struct vrv_list *runs, const struct vrv_piece *p)
{
    for (struct vrv_list *l = runs->next; l != runs;) {
        struct run *r = VRV_LIST_OF(l, struct run, link);
        bool goes = is_of(r, p);

        l = l->next;
        if (goes) {
            refuse(r);
            l = runs->next; /* who waited for it may have begun others */
        }
    }
}

/* A read of the disk ends soon by itself; one of the store that has just ended isn't begun again. */
void
vrv_cache_cancel(struct vrv_cache *c, const struct vrv_piece *p)
{
    for (struct vrv_list *l = c->under_way.next; l != &c->under_way; l = l->next) {
        struct run *r = VRV_LIST_OF(l, struct run, link);

        if (p != NULL && !is_of(r, p))
            continue;
        r->cancelled = true;
        vrv_retry_cancel(c->o.retry, &r->call);
    }
    if (p == NULL) {
        c->stops = true;
        begin_runs(c);
        return;
    }
    cancel_waiting(&c->runs, p);
    cancel_waiting(&c->shelved, p);
}
