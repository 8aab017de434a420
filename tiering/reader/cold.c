#include "tiering/reader/cold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"

/* A fetch that isn't answered yet. */
struct asked {
    struct vrv_list link, news;
    struct vrv_cold_reader *r;
    struct vrv_cold_fetch *f;
    struct vrv_log_id id;
    enum vrv_cold_want want;    /* NEWEST becomes AS_NEW when it is known how new that is */
    int64_t at, ts;             /* the batch ends at or behind `at`, with a max timestamp of ts or more */
    bool cancelled, waits;
    struct vrv_snap *snap;
    struct vrv_piece *page;     /* the one that is looked into, or NULL */
    struct vrv_piece *awaited;
    int64_t end;                /* of the chunk that is awaited */
    struct vrv_part_wait part_wait;
    struct vrv_piece_wait piece_wait;
};

enum { WAIT = 1 };

static void serve(struct asked *a);

/* ---- answers ---- */

struct view {
    struct vrv_cold_bytes b; /* first */
    struct vrv_piece *piece;
};

static void
free_view(struct vrv_cold_bytes *b)
{
    struct view *v = (struct view *)(void *)b;

    vrv_piece_unref(v->piece);
    free(v);
}

static struct vrv_cold_bytes *
view_of(struct vrv_piece *p, size_t pos, size_t n)
{
    struct view *v = VRV_NEW(struct view);

    atomic_init(&v->b.refs, 1);
    v->b.p = p->bytes + pos;
    v->b.n = n;
    v->b.free = free_view;
    (void)atomic_fetch_add(&p->refs, 1);
    v->piece = p;
    return &v->b;
}

/* Whoever cancels it later finds nothing. */
static void
answer(struct asked *a, int status, struct vrv_cold_bytes *b, const struct vrv_err *e)
{
    struct vrv_cold_reader *r = a->r;
    struct vrv_cold_fetch *f = a->f;

    vrv_lock(&r->lock);
    vrv_list_del(&a->link);
    vrv_list_del(&a->news);
    vrv_unlock(&r->lock);
    vrv_list_del(&a->part_wait.link);
    vrv_list_del(&a->piece_wait.link);
    vrv_piece_unref(a->awaited);
    vrv_piece_unref(a->page);
    vrv_snap_unref(a->snap);
    free(a);
    f->answer(f, status, b, e);
}

static void
refuse(struct asked *a, int status, const struct vrv_err *e)
{
    answer(a, status, NULL, e);
}

/* ---- where it is ---- */

static void
piece_came(struct vrv_piece_wait *w);

static int
wait_for(struct asked *a, struct vrv_piece *p)
{
    a->awaited = p;
    a->piece_wait.run = piece_came;
    vrv_list_push(&p->waiting, &a->piece_wait.link);
    return WAIT;
}

static int
need_page(struct asked *a, const struct vrv_cold_page *page, struct vrv_err *e)
{
    if (a->page != NULL && strcmp(a->page->key, page->key) == 0)
        return 0;
    vrv_piece_unref(a->page);
    a->page = NULL;
    struct vrv_piece *p = vrv_cache_page(&a->r->cache, &a->snap->m, page);
    if (!p->there)
        return wait_for(a, p);
    a->page = p;
    if (p->status < 0)
        *e = p->err;
    return p->status;
}

/* The first segment that reaches behind a->at and has something as new as ts; NULL: none of these. */
static const struct vrv_cold_seg *
first_of(const struct asked *a, const struct vrv_cold_seg *s, uint32_t n)
{
    for (uint32_t i = vrv_cold_seg_find(s, n, a->at); i < n; i++)
        if (s[i].max_ts >= a->ts)
            return &s[i];
    return NULL;
}

static int
find_seg(struct asked *a, const struct vrv_cold_seg **out, struct vrv_err *e)
{
    const struct vrv_manifest *m = &a->snap->m;

    for (uint32_t i = 0; i < m->page_n; i++) {
        if (m->page[i].next <= a->at || m->page[i].max_ts < a->ts)
            continue;
        int rc = need_page(a, &m->page[i], e);
        if (rc != 0)
            return rc;
        *out = first_of(a, a->page->seg, a->page->seg_n);
        if (*out != NULL)
            return 0;
    }
    *out = first_of(a, m->seg, m->seg_n);
    return *out != NULL ? 0
                        : vrv_err_set(e, VRV_E_RANGE, "the cold tier has nothing at or behind offset %"
                              PRId64, a->at);
}

/* The first chunk that may hold the batch. */
static int
find_chunk(struct asked *a, const struct vrv_cold_seg **seg, uint32_t *chunk, struct vrv_err *e)
{
    for (;;) {
        int rc = find_seg(a, seg, e);

        if (rc != 0)
            return rc;
        const struct vrv_cold_seg *s = *seg;
        for (uint32_t i = vrv_chunk_find(s, a->at); i < s->chunk_n; i++) {
            if (s->chunk[i].max_ts < a->ts)
                continue;
            *chunk = i;
            a->end = i + 1 < s->chunk_n ? s->chunk[i + 1].base : s->next;
            return 0;
        }
        a->at = s->next;
    }
}

/* ---- the newest of all from a->at on ---- */

/* How new is the newest batch of what begins at or behind a->at? */
static int64_t
newest_behind(const struct asked *a, const struct vrv_cold_seg *partial)
{
    const struct vrv_manifest *m = &a->snap->m;
    int64_t ts = INT64_MIN;

    for (uint32_t i = 0; i < m->page_n; i++)
        if (m->page[i].base >= a->at && m->page[i].max_ts > ts)
            ts = m->page[i].max_ts;
    for (uint32_t i = 0; a->page != NULL && i < a->page->seg_n; i++)
        if (a->page->seg[i].base >= a->at && a->page->seg[i].max_ts > ts)
            ts = a->page->seg[i].max_ts;
    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].base >= a->at && m->seg[i].max_ts > ts)
            ts = m->seg[i].max_ts;
    for (uint32_t i = 0; i < partial->chunk_n; i++)
        if (partial->chunk[i].base >= a->at && partial->chunk[i].max_ts > ts)
            ts = partial->chunk[i].max_ts;
    return ts;
}

/* The chunk that a->at lies in may have its newest batch before that: only reading it can tell.  0: it is
 * to be read (*seg, *chunk), with a->ts how new the others are; or it is known, and AS_NEW is wanted. */
static int
find_newest(struct asked *a, const struct vrv_cold_seg **seg, uint32_t *chunk, struct vrv_err *e)
{
    int rc = find_chunk(a, seg, chunk, e); /* a->ts is INT64_MIN */

    if (rc != 0)
        return rc;
    a->ts = newest_behind(a, *seg);
    const struct vrv_chunk *c = &(*seg)->chunk[*chunk];
    if (c->base < a->at && c->max_ts >= a->ts)
        return 0;
    a->want = VRV_COLD_AS_NEW;
    return find_chunk(a, seg, chunk, e);
}

/* ---- within a chunk ---- */

/* Where the wanted batch begins; p->n: it isn't here. */
static size_t
find_batch(const struct asked *a, const struct vrv_piece *p)
{
    int64_t ts = a->ts;
    size_t found = p->n;
    struct vrv_batch b;

    for (size_t at = 0; at < p->n; at += b.size) {
        int rc = vrv_batch_read(&b, p->bytes + at, p->n - at, NULL);

        VRV_ASSERT(rc == 0); /* the chunk's checksum was right */
        if (vrv_batch_last_offset(&b) < a->at || b.max_ts < ts)
            continue;
        if (a->want != VRV_COLD_NEWEST)
            return at;
        if (found == p->n || b.max_ts > ts)
            found = at;
        ts = b.max_ts;
    }
    return found;
}

/* Whole batches from there on, as many as may be, but one at least. */
static size_t
bytes_from(const struct asked *a, const struct vrv_piece *p, size_t from)
{
    struct vrv_batch b;
    size_t n = 0;

    while (from + n < p->n) {
        int rc = vrv_batch_read(&b, p->bytes + from + n, p->n - from - n, NULL);

        VRV_ASSERT(rc == 0);
        if (n > 0 && n + b.size > a->f->max_bytes)
            break;
        n += b.size;
    }
    return n;
}

/* True: it is answered; else the batch lies behind this chunk. */
static bool
take_from(struct asked *a, struct vrv_piece *p)
{
    struct vrv_err e = { 0 };

    if (p->status < 0) {
        refuse(a, p->status, &p->err);
        return true;
    }
    size_t at = find_batch(a, p);
    if (at < p->n) {
        answer(a, 0, view_of(p, at, bytes_from(a, p, at)), &e);
        return true;
    }
    if (a->want == VRV_COLD_NEWEST)
        a->want = VRV_COLD_AS_NEW;
    a->at = a->end;
    return false;
}

/* ---- one after the other ---- */

static void
piece_came(struct vrv_piece_wait *w)
{
    struct asked *a = VRV_LIST_OF(w, struct asked, piece_wait);
    struct vrv_piece *p = a->awaited;

    a->awaited = NULL;
    if (p->page.key != NULL && p->status == 0) {
        a->page = p; /* with its reference */
        serve(a);
        return;
    }
    if (!take_from(a, p))
        serve(a);
    vrv_piece_unref(p);
}

static void
part_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct asked *a = VRV_LIST_OF(w, struct asked, part_wait);

    if (status < 0)
        refuse(a, status, e);
    else
        serve(a);
}

static void
search(struct asked *a)
{
    const struct vrv_cold_seg *s;
    struct vrv_err e = { 0 };
    uint32_t i;

    for (;;) {
        int rc = a->want == VRV_COLD_NEWEST ? find_newest(a, &s, &i, &e) : find_chunk(a, &s, &i, &e);

        if (rc == WAIT)
            return;
        if (rc < 0) {
            refuse(a, rc, &e);
            return;
        }
        struct vrv_piece *p = vrv_cache_chunk(&a->r->cache, s, &s->chunk[i]);
        if (!p->there) {
            (void)wait_for(a, p);
            return;
        }
        bool done = take_from(a, p);
        vrv_piece_unref(p);
        if (done)
            return;
    }
}

static void
serve(struct asked *a)
{
    struct vrv_err e = { 0 };
    int rc = 0;

    if (a->snap == NULL)
        rc = vrv_parts_now(a->r->parts, &a->id, &a->snap, &e);
    if (rc == VRV_E_AGAIN) {
        a->part_wait.run = part_came;
        vrv_parts_read(a->r->parts, &a->id, &a->part_wait);
    } else if (rc < 0) {
        refuse(a, rc, &e);
    } else {
        search(a);
    }
}

/* ---- from the engine ---- */

/* Somebody waits for a manifest. */
struct ask {
    struct vrv_list link;
    struct vrv_cold_reader *r;
    struct vrv_log_id id;
    struct vrv_part_wait wait;
    void (*ready)(void *ctx);
    void *ctx;
};

static void
manifest_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct ask *k = VRV_LIST_OF(w, struct ask, wait);

    (void)status; /* who asks again is told */
    (void)e;
    k->ready(k->ctx);
    free(k);
}

static struct vrv_list *
next_of(struct vrv_cold_reader *r, struct vrv_list *head)
{
    vrv_lock(&r->lock);
    struct vrv_list *l = vrv_list_empty(head) ? NULL : head->next;
    if (l != NULL)
        vrv_list_del(l);
    vrv_unlock(&r->lock);
    return l;
}

static void
awake(struct vrv_done *d)
{
    struct vrv_cold_reader *r = VRV_LIST_OF(d, struct vrv_cold_reader, wake);
    struct vrv_err e = { 0 };
    struct vrv_list *l;

    vrv_lock(&r->lock);
    r->woken = false;
    vrv_unlock(&r->lock);
    while ((l = next_of(r, &r->news)) != NULL) {
        struct asked *a = VRV_LIST_OF(l, struct asked, news);

        if (a->cancelled)
            refuse(a, vrv_err_set(&e, VRV_E_CANCELLED, "nobody waits for it any more"), &e);
        else
            serve(a);
    }
    while ((l = next_of(r, &r->asks)) != NULL) {
        struct ask *k = VRV_LIST_OF(l, struct ask, link);

        k->wait.run = manifest_came;
        vrv_parts_read(r->parts, &k->id, &k->wait);
    }
}

/* With the lock held. */
static void
wake(struct vrv_cold_reader *r)
{
    if (r->woken)
        return;
    r->woken = true;
    r->wake = (struct vrv_done){ .cq = r->cq, .run = awake };
    vrv_cq_post(r->cq, &r->wake, &r->wake);
}

static struct vrv_cold_reader *
reader_of(struct vrv_cold *c)
{
    return (struct vrv_cold_reader *)(void *)c;
}

static void
fetch(struct vrv_cold *c, struct vrv_cold_fetch *f)
{
    struct vrv_cold_reader *r = reader_of(c);
    struct asked *a = VRV_NEW(struct asked);

    *a = (struct asked){ .r = r, .f = f, .id = { f->topic, f->partition }, .want = f->want,
        .at = f->offset, .ts = f->want == VRV_COLD_AS_NEW ? f->ts : INT64_MIN };
    vrv_list_init(&a->link);
    vrv_list_init(&a->news);
    vrv_list_init(&a->part_wait.link);
    vrv_list_init(&a->piece_wait.link);
    vrv_lock(&r->lock);
    vrv_list_push(&r->fetches, &a->link);
    vrv_list_push(&r->news, &a->news);
    wake(r);
    vrv_unlock(&r->lock);
}

static void
cancel(struct vrv_cold *c, struct vrv_cold_fetch *f)
{
    struct vrv_cold_reader *r = reader_of(c);

    vrv_lock(&r->lock);
    for (struct vrv_list *l = r->fetches.next; l != &r->fetches; l = l->next) {
        struct asked *a = VRV_LIST_OF(l, struct asked, link);

        if (a->f != f)
            continue;
        a->cancelled = true;
        vrv_list_del(&a->news);
        vrv_list_push(&r->news, &a->news);
        wake(r);
        break;
    }
    vrv_unlock(&r->lock);
}

/* What counts of the partition: a reference; or AGAIN, and who asks will be told. */
static int
ask(struct vrv_cold *c, const struct vrv_cold_ask *a, struct vrv_snap **snap, struct vrv_err *e)
{
    struct vrv_cold_reader *r = reader_of(c);
    struct vrv_log_id id = { a->topic, a->partition };
    int rc = vrv_parts_now(r->parts, &id, snap, e);

    if (rc == VRV_E_AGAIN && a->ready != NULL) {
        struct ask *k = VRV_NEW(struct ask);

        *k = (struct ask){ .r = r, .id = id, .ready = a->ready, .ctx = a->ctx };
        vrv_list_init(&k->link);
        vrv_list_init(&k->wait.link);
        vrv_lock(&r->lock);
        vrv_list_push(&r->asks, &k->link);
        wake(r);
        vrv_unlock(&r->lock);
    }
    return rc;
}

static int
earliest(struct vrv_cold *c, const struct vrv_cold_ask *a, int64_t *offset, struct vrv_err *e)
{
    struct vrv_snap *s;
    int rc = ask(c, a, &s, e);

    if (rc == 0)
        *offset = vrv_manifest_base(&s->m);
    vrv_snap_unref(s);
    return rc;
}

/* No segment says that it has any: nothing is appended of transactions yet. */
static int
aborted(struct vrv_cold *c, const struct vrv_cold_ask *a, int64_t from, int64_t to,
    void (*add)(void *ctx, int64_t producer, int64_t first), void *ctx, struct vrv_err *e)
{
    struct vrv_snap *s;
    int rc = ask(c, a, &s, e);

    (void)add;
    (void)ctx;
    for (uint32_t i = 0; rc == 0 && i < s->m.seg_n; i++)
        if (s->m.seg[i].aborted && s->m.seg[i].base < to && s->m.seg[i].next > from)
            rc = vrv_err_set(e, VRV_E_VERSION, "segment %" PRId64
                " has aborted transactions, which this version can't read", s->m.seg[i].base);
    vrv_snap_unref(s);
    return rc;
}

static const struct vrv_cold_ops ops = { fetch, cancel, earliest, aborted };

void
vrv_cold_reader_init(struct vrv_cold_reader *r, struct vrv_parts *parts,
    const struct vrv_cache_opts *o)
{
    *r = (struct vrv_cold_reader){ .cold.ops = &ops, .parts = parts, .cq = o->cq };
    vrv_cache_init(&r->cache, o);
    vrv_lock_init(&r->lock, VRV_LOCK_cold);
    vrv_list_init(&r->fetches);
    vrv_list_init(&r->news);
    vrv_list_init(&r->asks);
}

void
vrv_cold_reader_fini(struct vrv_cold_reader *r)
{
    VRV_ASSERT(vrv_list_empty(&r->fetches) && vrv_list_empty(&r->asks));
    vrv_cache_fini(&r->cache);
    vrv_lock_fini(&r->lock);
}

bool
vrv_cold_reader_is_idle(struct vrv_cold_reader *r)
{
    vrv_lock(&r->lock);
    bool idle = vrv_list_empty(&r->fetches) && vrv_list_empty(&r->asks) && !r->woken;
    vrv_unlock(&r->lock);
    return idle && r->cache.reading == 0;
}
