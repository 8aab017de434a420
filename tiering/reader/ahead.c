#include "tiering/reader/ahead.h"

enum { RECENT = 2 * VRV_STREAMS }; /* who didn't come for so many calls doesn't read on just now */

/* He may ask again for the end of what he had: the limit of bytes cut it. */
static bool
follows(const struct vrv_stream *s, const struct vrv_ahead_had *h)
{
    return s->id != 0 && s->log.partition == h->log.partition &&
        vrv_uuid_eq(&s->log.topic, &h->log.topic) && h->from >= s->from && h->from <= s->next;
}

static struct vrv_stream *
oldest(struct vrv_ahead *a)
{
    struct vrv_stream *found = NULL;

    for (unsigned i = 0; i < VRV_STREAMS; i++) {
        struct vrv_stream *s = &a->v[i];

        if (s->id != 0 && (found == NULL || s->came < found->came))
            found = s;
    }
    return found;
}

static struct vrv_stream *
new_stream(struct vrv_ahead *a, const struct vrv_ahead_had *h)
{
    struct vrv_stream *s = NULL;

    for (unsigned i = 0; i < VRV_STREAMS && s == NULL; i++)
        if (a->v[i].id == 0)
            s = &a->v[i];
    if (s == NULL)
        s = oldest(a);
    *s = (struct vrv_stream){ .id = ++a->ids, .log = h->log, .chunk_end = h->chunk_end };
    return s;
}

/* Those who read on just now share what there is; each has a chunk at least. */
static size_t
share_of(const struct vrv_ahead *a, const struct vrv_stream *s, size_t chunk_bytes)
{
    size_t n = 1, least = chunk_bytes < a->most ? chunk_bytes : a->most;

    for (unsigned i = 0; i < VRV_STREAMS; i++) {
        const struct vrv_stream *v = &a->v[i];

        n += v != s && v->id != 0 && v->window > 0 && a->calls - v->came < RECENT;
    }
    return a->most / n < least ? least : a->most / n;
}

static void
widen(struct vrv_ahead *a, struct vrv_stream *s, size_t chunk_bytes)
{
    size_t most = share_of(a, s, chunk_bytes);

    s->window = s->window == 0 ? chunk_bytes : 2 * s->window;
    if (s->window > most)
        s->window = most;
    s->wants = s->window > 0;
}

struct vrv_stream *
vrv_ahead_note(struct vrv_ahead *a, const struct vrv_ahead_had *h)
{
    struct vrv_stream *s = NULL;

    for (unsigned i = 0; i < VRV_STREAMS && s == NULL; i++)
        if (follows(&a->v[i], h))
            s = &a->v[i];
    if (s == NULL)
        s = new_stream(a, h);
    else if (h->from == s->next && (s->window == 0 || h->chunk_end > s->chunk_end))
        widen(a, s, h->chunk_bytes);
    s->came = ++a->calls;
    s->from = h->from;
    if (h->next > s->next)
        s->next = h->next;
    if (h->chunk_end > s->chunk_end)
        s->chunk_end = h->chunk_end;
    return s;
}

bool
vrv_ahead_holds(const struct vrv_ahead *a, uint64_t id, int64_t end)
{
    for (unsigned i = 0; id != 0 && i < VRV_STREAMS; i++)
        if (a->v[i].id == id)
            return end > a->v[i].next;
    return false;
}

bool
vrv_ahead_forget(struct vrv_ahead *a)
{
    struct vrv_stream *s = oldest(a);

    if (s != NULL)
        s->id = 0;
    return s != NULL;
}
