#include "tiering/reader/forward.h"

#include "tiering/reader/place.h"

struct walk {
    struct vrv_cache *c;
    const struct vrv_stream *s;
    struct vrv_place at;
    size_t seen;                    /* bytes walked over */
    const struct vrv_cold_seg *seg; /* the run that is being put together: chunks [from, to) of it, */
    uint32_t from, to;
    size_t bytes;                   /* so many bytes */
    bool full;                      /* there is no room for more */
};

static void
read_run(struct walk *w)
{
    if (w->bytes > 0 && !w->full)
        w->full = !vrv_cache_read_ahead(w->c, w->s, w->seg, w->from, w->to);
    w->bytes = 0;
}

/* One that ends with the window can still grow: reads are to be large. */
static void
read_last(struct walk *w)
{
    size_t least = w->s->window / 2 < w->c->o.run_bytes ? w->s->window / 2 : w->c->o.run_bytes;

    if (w->bytes >= least)
        read_run(w);
}

static void
add(struct walk *w)
{
    const struct vrv_place *at = &w->at;
    size_t n = at->seg->chunk[at->chunk].plain;

    if (w->bytes > 0 && (w->seg != at->seg || w->to != at->chunk || w->bytes + n > w->c->o.run_bytes))
        read_run(w);
    if (w->bytes == 0) {
        w->seg = at->seg;
        w->from = at->chunk;
    }
    w->to = at->chunk + 1;
    w->bytes += n;
}

/* False: it isn't there yet, but soon. */
static bool
open_page(struct walk *w)
{
    struct vrv_piece *p;

    read_run(w); /* it may lie in the page before */
    p = vrv_cache_now(w->c, w->at.needs->key, 0);
    if (p == NULL) {
        vrv_piece_unref(vrv_cache_page(w->c, &w->at.snap->m, w->at.needs));
        return false;
    }
    vrv_piece_unref(w->at.page);
    w->at.page = p;
    return true;
}

void
vrv_forward(struct vrv_cache *c, struct vrv_parts *parts, const struct vrv_stream *s)
{
    struct walk w = { .c = c, .s = s,
        .at = { .want = VRV_COLD_ANY, .at = s->chunk_end, .ts = INT64_MIN } };
    int rc = vrv_parts_now(parts, &s->log, &w.at.snap, NULL);

    while (rc >= 0 && !w.full && (rc = vrv_place_find(&w.at, NULL)) >= 0) {
        if (rc == VRV_PLACE_ROOT)
            break;
        if (rc == VRV_PLACE_PAGE) {
            if (!open_page(&w))
                break;
            continue;
        }
        w.seen += w.at.seg->chunk[w.at.chunk].plain;
        if (w.seen > s->window)
            break;
        if (vrv_cache_has(c, w.at.seg, w.at.chunk))
            read_run(&w);
        else
            add(&w);
        w.at.at = w.at.end;
    }
    if (rc == VRV_PLACE_ROOT)
        vrv_parts_read(parts, &s->log, NULL); /* he comes to it soon */
    if (rc < 0)
        read_run(&w); /* there is no more that it could grow by */
    else
        read_last(&w);
    vrv_place_fini(&w.at);
}
