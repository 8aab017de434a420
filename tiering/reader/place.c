#include "tiering/reader/place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"

void
vrv_place_fini(struct vrv_place *p)
{
    vrv_piece_unref(p->page);
    vrv_snap_unref(p->snap);
    p->page = NULL;
    p->snap = NULL;
}

/* ---- which segment, and which chunk of it ---- */

static bool
has_page(const struct vrv_place *p, const struct vrv_cold_page *page)
{
    return p->page != NULL && strcmp(p->page->key, page->key) == 0;
}

/* The first segment that reaches behind p->at and has something as new as ts; NULL: none of these. */
static const struct vrv_cold_seg *
first_of(const struct vrv_place *p, const struct vrv_cold_seg *s, uint32_t n)
{
    for (uint32_t i = vrv_cold_seg_find(s, n, p->at); i < n; i++)
        if (s[i].max_ts >= p->ts)
            return &s[i];
    return NULL;
}

static int
find_seg(struct vrv_place *p, struct vrv_err *e)
{
    const struct vrv_manifest *m = &p->snap->m;

    for (uint32_t i = 0; i < m->page_n; i++) {
        if (m->page[i].next <= p->at || m->page[i].max_ts < p->ts)
            continue;
        p->needs = &m->page[i];
        if (!has_page(p, p->needs))
            return VRV_PLACE_PAGE;
        p->seg = first_of(p, p->page->seg, p->page->seg_n);
        if (p->seg != NULL)
            return 0;
        p->at = p->needs->next; /* with the next page at hand this one is not looked into again */
    }
    p->seg = first_of(p, m->seg, m->seg_n);
    return p->seg != NULL
        ? 0
        : vrv_err_set(e, VRV_E_RANGE, "the cold tier has nothing at or behind offset %" PRId64, p->at);
}

/* The first chunk that may hold the batch. */
static int
find_chunk(struct vrv_place *p, struct vrv_err *e)
{
    for (;;) {
        int rc = find_seg(p, e);

        if (rc != 0)
            return rc;
        const struct vrv_cold_seg *s = p->seg;
        if (s->chunk_n == 0)
            return VRV_PLACE_ROOT;
        for (uint32_t i = vrv_chunk_find(s, p->at); i < s->chunk_n; i++) {
            if (s->chunk[i].max_ts < p->ts)
                continue;
            p->chunk = i;
            p->end = i + 1 < s->chunk_n ? s->chunk[i + 1].base : s->next;
            return 0;
        }
        p->at = s->next;
    }
}

/* ---- the newest of all from p->at on ---- */

/* How new is the newest batch of what begins at or behind p->at? */
static int64_t
newest_behind(const struct vrv_place *p, const struct vrv_cold_seg *partial)
{
    const struct vrv_manifest *m = &p->snap->m;
    int64_t ts = INT64_MIN;

    for (uint32_t i = 0; i < m->page_n; i++)
        if (m->page[i].base >= p->at && m->page[i].max_ts > ts)
            ts = m->page[i].max_ts;
    for (uint32_t i = 0; p->page != NULL && i < p->page->seg_n; i++)
        if (p->page->seg[i].base >= p->at && p->page->seg[i].max_ts > ts)
            ts = p->page->seg[i].max_ts;
    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].base >= p->at && m->seg[i].max_ts > ts)
            ts = m->seg[i].max_ts;
    for (uint32_t i = 0; i < partial->chunk_n; i++)
        if (partial->chunk[i].base >= p->at && partial->chunk[i].max_ts > ts)
            ts = partial->chunk[i].max_ts;
    return ts;
}

/* The chunk that p->at lies in may have its newest batch before that: only reading it can tell.  0: it is
 * to be read, with p->ts how new the others are; or it is known, and AS_NEW is wanted. */
static int
find_newest(struct vrv_place *p, struct vrv_err *e)
{
    int rc = find_chunk(p, e); /* p->ts is INT64_MIN */

    if (rc != 0)
        return rc;
    p->ts = newest_behind(p, p->seg);
    const struct vrv_chunk *c = &p->seg->chunk[p->chunk];
    if (c->base < p->at && c->max_ts >= p->ts)
        return 0;
    p->want = VRV_COLD_AS_NEW;
    return find_chunk(p, e);
}

int
vrv_place_find(struct vrv_place *p, struct vrv_err *e)
{
    return p->want == VRV_COLD_NEWEST ? find_newest(p, e) : find_chunk(p, e);
}

/* ---- within a chunk ---- */

/* Where the wanted batch begins; c->n: it isn't here. */
static size_t
find_batch(const struct vrv_place *p, const struct vrv_piece *c)
{
    int64_t ts = p->ts;
    size_t found = c->n;
    struct vrv_batch b;

    for (size_t at = 0; at < c->n; at += b.size) {
        int rc = vrv_batch_read(&b, c->bytes + at, c->n - at, NULL);

        VRV_ASSERT(rc == 0); /* the chunk's checksum was right */
        if (vrv_batch_last_offset(&b) < p->at || b.max_ts < ts)
            continue;
        if (p->want != VRV_COLD_NEWEST)
            return at;
        if (found == c->n || b.max_ts > ts)
            found = at;
        ts = b.max_ts;
    }
    return found;
}

/* Whole batches from there on, as many as may be, but one at least. */
static size_t
bytes_from(const struct vrv_piece *c, size_t from, size_t max_bytes, int64_t *next)
{
    struct vrv_batch b;
    size_t n = 0;

    while (from + n < c->n) {
        int rc = vrv_batch_read(&b, c->bytes + from + n, c->n - from - n, NULL);

        VRV_ASSERT(rc == 0);
        if (n > 0 && n + b.size > max_bytes)
            break;
        n += b.size;
        *next = vrv_batch_last_offset(&b) + 1;
    }
    return n;
}

struct view {
    struct vrv_cold_bytes b;
    struct vrv_piece *piece;
    struct vrv_cold_aborted *aborted;
};

static void
free_view(struct vrv_cold_bytes *b)
{
    struct view *v = VRV_LIST_OF(b, struct view, b);

    vrv_piece_unref(v->piece);
    free(v->aborted);
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

void
vrv_place_give(struct vrv_cold_bytes *b, struct vrv_cold_aborted **v, size_t n)
{
    struct view *w = VRV_LIST_OF(b, struct view, b);

    b->aborted = w->aborted = *v;
    b->aborted_n = n;
    *v = NULL;
}

struct vrv_cold_bytes *
vrv_place_look(struct vrv_place *p, struct vrv_piece *chunk, size_t max_bytes)
{
    size_t at = find_batch(p, chunk);

    if (at < chunk->n)
        return view_of(chunk, at, bytes_from(chunk, at, max_bytes, &p->next));
    if (p->want == VRV_COLD_NEWEST)
        p->want = VRV_COLD_AS_NEW;
    p->at = p->end;
    return NULL;
}
