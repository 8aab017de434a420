#include "tiering/reader/cold.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "tiering/reader/aborted.h"
#include "tiering/reader/forward.h"
#include "tiering/reader/place.h"

/* A fetch that isn't answered yet. */
struct asked {
    struct vrv_list news;
    struct vrv_cold_reader *r;
    struct vrv_cold_fetch *f;   /* guarded by r->lock; NULL: nobody waits for it any more */
    struct vrv_log_id id;
    int64_t offset;
    size_t max_bytes;
    bool wants_aborted;
    struct vrv_place place;
    struct vrv_cold_bytes *found;   /* all that is missing is which transactions were aborted: */
    struct vrv_aborted aborted;
    bool begun;                 /* the tier has begun to look for it */
    struct vrv_piece *awaited;
    struct vrv_part_wait part_wait;
    struct vrv_piece_wait piece_wait;
};

static void serve(struct asked *a);
static void awake(struct vrv_done *d);

/* ---- answers ---- */

/* Who waits for it, now that there is an answer; whoever cancels it later finds nothing. */
static struct vrv_cold_fetch *
asker_of(struct asked *a)
{
    struct vrv_cold_reader *r = a->r;

    vrv_lock(&r->lock);
    struct vrv_cold_fetch *f = a->f;
    if (f != NULL) {
        f->state = NULL;
        r->fetches--;
    }
    vrv_list_del(&a->news);
    vrv_unlock(&r->lock);
    return f;
}

/* Takes over the reference. */
static void
answer(struct asked *a, int status, struct vrv_cold_bytes *b, const struct vrv_err *e)
{
    struct vrv_cold_fetch *f = asker_of(a);

    vrv_list_del(&a->part_wait.link);
    vrv_list_del(&a->piece_wait.link);
    vrv_piece_unref(a->awaited);
    vrv_cold_bytes_unref(a->found);
    vrv_aborted_fini(&a->aborted);
    vrv_place_fini(&a->place);
    free(a);
    if (f != NULL)
        f->answer(f, status, b, e);
    else
        vrv_cold_bytes_unref(b);
}

static void
refuse(struct asked *a, int status, const struct vrv_err *e)
{
    answer(a, status, NULL, e);
}

/* ---- one thing after the other ---- */

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

/* Somebody had what was found, n bytes of it that he will not ask for again: perhaps he reads on. */
static void
note(struct vrv_cold_reader *r, const struct vrv_ahead_had *had, struct vrv_piece *chunk, size_t n)
{
    struct vrv_ahead_had h = *had;

    if (!vrv_cache_note(&r->cache, chunk, &h, n))
        return;
    vrv_lock(&r->lock);
    wake(r);
    vrv_unlock(&r->lock);
}

/* What was aborted is looked for in the range of these bytes. */
static void
begin_aborted(struct vrv_aborted *x, const struct vrv_cold_bytes *b, const struct vrv_place *at)
{
    vrv_aborted_init(x, (int64_t)vrv_get_be64(b->p), at->next);
}

/* The bytes were found.  True: go on looking. */
static bool
have(struct asked *a, struct vrv_cold_bytes *b)
{
    if (!a->wants_aborted) {
        answer(a, 0, b, NULL);
        return false;
    }
    a->found = b;
    begin_aborted(&a->aborted, b, &a->place);
    return true;
}

/* The chunk that was found, or what else was needed, is there.  True: go on looking. */
static bool
take(struct asked *a, struct vrv_piece *p)
{
    bool more = true;

    if (p->status < 0) {
        refuse(a, p->status, &p->err);
        vrv_piece_unref(p);
        return false;
    }
    if (a->found != NULL) {
        vrv_aborted_take(&a->aborted, p);
        return true;
    }
    if (p->page.key != NULL) {
        vrv_piece_unref(a->place.page);
        a->place.page = p;
        return true;
    }
    struct vrv_cold_bytes *b = vrv_place_look(&a->place, p, a->max_bytes);
    if (b != NULL) {
        struct vrv_ahead_had h = { .log = a->id, .from = a->offset, .next = a->place.next };

        if (a->place.want == VRV_COLD_ANY)
            note(a->r, &h, p, b->n < a->max_bytes ? b->n : a->max_bytes);
        more = have(a, b);
    }
    vrv_piece_unref(p);
    return more;
}

static void
piece_came(struct vrv_piece_wait *w)
{
    struct asked *a = VRV_LIST_OF(w, struct asked, piece_wait);
    struct vrv_piece *p = a->awaited;

    a->awaited = NULL;
    if (take(a, p))
        serve(a);
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

/* Where the chunks lie isn't in memory any more; the search goes on in what counts by then. */
static void
await_whole(struct asked *a)
{
    vrv_snap_unref(a->place.snap);
    a->place.snap = NULL;
    a->part_wait.run = part_came;
    vrv_parts_read(a->r->parts, &a->id, &a->part_wait);
}

/* What is to be had next of where the records lie; NULL: not now. */
static struct vrv_piece *
next_of_place(struct asked *a)
{
    struct vrv_place *at = &a->place;
    struct vrv_err e = { 0 };
    int rc = vrv_place_find(at, &e);

    if (rc < 0) {
        refuse(a, rc, &e);
        return NULL;
    }
    if (rc == VRV_PLACE_ROOT) {
        await_whole(a);
        return NULL;
    }
    return rc == VRV_PLACE_PAGE ? vrv_cache_page(&a->r->cache, &at->snap->m, at->needs)
                                : vrv_cache_chunk(&a->r->cache, at->seg, at->chunk);
}

/* ... of what was aborted. */
static struct vrv_piece *
next_of_aborted(struct asked *a)
{
    const struct vrv_manifest *m = &a->place.snap->m;
    struct vrv_aborted *x = &a->aborted;
    int rc = vrv_aborted_find(x, m);

    if (rc == 0) {
        struct vrv_cold_bytes *b = a->found;

        a->found = NULL;
        vrv_place_give(b, &x->v, x->n);
        answer(a, 0, b, NULL);
        return NULL;
    }
    if (rc == VRV_ABORTED_TAIL && x->seg->chunk_n == 0) {
        await_whole(a);
        return NULL;
    }
    return rc == VRV_ABORTED_PAGE ? vrv_cache_page(&a->r->cache, m, x->needs)
                                  : vrv_cache_aborted(&a->r->cache, x->seg);
}

static void
search(struct asked *a)
{
    struct vrv_piece *p;

    do {
        p = a->found != NULL ? next_of_aborted(a) : next_of_place(a);
        if (p == NULL)
            return;
        if (!p->there) {
            a->awaited = p;
            a->piece_wait.run = piece_came;
            vrv_list_push(&p->waiting, &a->piece_wait.link);
            return;
        }
    } while (take(a, p));
}

static void
serve(struct asked *a)
{
    struct vrv_err e = { 0 };
    int rc = 0;

    if (a->place.snap == NULL)
        rc = vrv_parts_now(a->r->parts, &a->id, &a->place.snap, &e);
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

/* One that was cancelled is begun all the same, so that what it asked for comes to be at hand; when it was
 * begun, what it waits for goes on without it. */
static void
begin_or_end(struct asked *a)
{
    static const struct vrv_err cancelled = { .code = VRV_E_CANCELLED };

    if (a->begun) {
        refuse(a, VRV_E_CANCELLED, &cancelled);
        return;
    }
    a->begun = true;
    serve(a);
}

static void
awake(struct vrv_done *d)
{
    struct vrv_cold_reader *r = VRV_LIST_OF(d, struct vrv_cold_reader, wake);
    struct vrv_stream s;
    struct vrv_list *l;

    vrv_lock(&r->lock);
    r->woken = false;
    vrv_unlock(&r->lock);
    while ((l = next_of(r, &r->news)) != NULL)
        begin_or_end(VRV_LIST_OF(l, struct asked, news));
    while ((l = next_of(r, &r->asks)) != NULL) {
        struct ask *k = VRV_LIST_OF(l, struct ask, link);

        k->wait.run = manifest_came;
        vrv_parts_read(r->parts, &k->id, &k->wait);
    }
    while (vrv_cache_ahead(&r->cache, &s))
        vrv_forward(&r->cache, r->parts, &s);
}

static struct vrv_cold_reader *
reader_of(struct vrv_cold *c)
{
    return VRV_LIST_OF(c, struct vrv_cold_reader, cold);
}

static void
fetch(struct vrv_cold *c, struct vrv_cold_fetch *f)
{
    struct vrv_cold_reader *r = reader_of(c);
    struct asked *a = VRV_NEW(struct asked);

    *a = (struct asked){ .r = r, .f = f, .id = { f->topic, f->partition }, .offset = f->offset,
        .max_bytes = f->max_bytes, .wants_aborted = f->aborted, .place = { .want = f->want, .at = f->offset,
            .ts = f->want == VRV_COLD_AS_NEW ? f->ts : INT64_MIN } };
    vrv_list_init(&a->news);
    vrv_list_init(&a->part_wait.link);
    vrv_list_init(&a->piece_wait.link);
    vrv_lock(&r->lock);
    f->state = a;
    r->fetches++;
    vrv_list_push(&r->news, &a->news);
    wake(r);
    vrv_unlock(&r->lock);
}

static bool
cancel(struct vrv_cold *c, struct vrv_cold_fetch *f)
{
    struct vrv_cold_reader *r = reader_of(c);

    vrv_lock(&r->lock);
    struct asked *a = f->state;
    if (a != NULL) {
        a->f = NULL;
        f->state = NULL;
        r->fetches--;
        vrv_list_del(&a->news);
        vrv_list_push(&r->news, &a->news);
        wake(r);
    }
    vrv_unlock(&r->lock);
    return a != NULL;
}

/* The page or chunk that is looked for, if it and where it lies are in memory: a reference. */
static struct vrv_piece *
piece_now(struct vrv_cold_reader *r, const struct vrv_place *at, int found)
{
    if (found == VRV_PLACE_ROOT)
        return NULL;
    return found == VRV_PLACE_PAGE
        ? vrv_cache_now(&r->cache, at->needs->key, 0)
        : vrv_cache_now(&r->cache, at->seg->key, at->seg->pos + at->seg->chunk[at->chunk].pos);
}

/* Which transactions of theirs were aborted, if all that tells it is in memory. */
static bool
aborted_now(struct vrv_cold_reader *r, const struct vrv_place *at, struct vrv_cold_bytes *b)
{
    struct vrv_aborted x;
    int rc;

    begin_aborted(&x, b, at);
    while ((rc = vrv_aborted_find(&x, &at->snap->m)) > 0) {
        struct vrv_piece *p = rc == VRV_ABORTED_PAGE ? vrv_cache_now(&r->cache, x.needs->key, 0)
            : x.seg->chunk_n > 0                     ? vrv_cache_aborted_now(&r->cache, x.seg)
                                                     : NULL;

        if (p == NULL)
            break;
        vrv_aborted_take(&x, p);
    }
    if (rc == 0)
        vrv_place_give(b, &x.v, x.n);
    vrv_aborted_fini(&x);
    return rc == 0;
}

static struct vrv_cold_bytes *
now(struct vrv_cold *c, const struct vrv_cold_wanted *w)
{
    struct vrv_cold_reader *r = reader_of(c);
    struct vrv_log_id id = { w->topic, w->partition };
    struct vrv_place at = { .want = VRV_COLD_ANY, .at = w->offset, .ts = INT64_MIN };
    struct vrv_cold_bytes *b = NULL;
    struct vrv_piece *p;
    int rc = vrv_parts_now(r->parts, &id, &at.snap, NULL);

    while (rc >= 0 && b == NULL && (rc = vrv_place_find(&at, NULL)) >= 0) {
        p = piece_now(r, &at, rc);
        if (p == NULL)
            break;
        if (rc == VRV_PLACE_PAGE) {
            vrv_piece_unref(at.page);
            at.page = p;
            continue;
        }
        b = vrv_place_look(&at, p, w->max_bytes);
        if (b != NULL && w->aborted && !aborted_now(r, &at, b)) {
            vrv_cold_bytes_unref(b);
            b = NULL;
            rc = VRV_E_AGAIN;
        } else if (b != NULL && b->n <= w->max_bytes) { /* else there may be no room for it */
            note(r, &(struct vrv_ahead_had){ .log = id, .from = w->offset, .next = at.next }, p, b->n);
        }
        vrv_piece_unref(p);
    }
    vrv_place_fini(&at);
    return b;
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

static int
next(struct vrv_cold *c, const struct vrv_cold_ask *a, int64_t *offset, struct vrv_err *e)
{
    struct vrv_snap *s;
    int rc = ask(c, a, &s, e);

    if (rc == 0)
        *offset = s->m.next;
    vrv_snap_unref(s);
    return rc;
}

static const struct vrv_cold_ops ops = { fetch, cancel, now, earliest, next };

void
vrv_cold_reader_init(struct vrv_cold_reader *r, struct vrv_parts *parts,
    const struct vrv_cache_opts *o)
{
    *r = (struct vrv_cold_reader){ .cold.ops = &ops, .parts = parts, .cq = o->cq };
    vrv_cache_init(&r->cache, o);
    vrv_lock_init(&r->lock, VRV_LOCK_cold);
    vrv_list_init(&r->news);
    vrv_list_init(&r->asks);
}

void
vrv_cold_reader_rate(struct vrv_cold_reader *r, uint64_t bytes_s)
{
    atomic_store(&r->cache.quota.rate, bytes_s);
    vrv_lock(&r->lock);
    wake(r); /* who waits for his turn may have it earlier */
    vrv_unlock(&r->lock);
}

void
vrv_cold_reader_fini(struct vrv_cold_reader *r)
{
    VRV_ASSERT(r->fetches == 0 && vrv_list_empty(&r->news) && vrv_list_empty(&r->asks));
    vrv_cache_fini(&r->cache);
    vrv_lock_fini(&r->lock);
}

bool
vrv_cold_reader_is_idle(struct vrv_cold_reader *r)
{
    vrv_lock(&r->lock);
    bool idle = r->fetches == 0 && vrv_list_empty(&r->asks) && !r->woken;
    vrv_unlock(&r->lock);
    return idle && vrv_cache_is_idle(&r->cache);
}
