#include "tiering/reader/cache.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

enum { MIB = 1 << 20 };
static const int64_t MS = 1000000;
/* One fetch asks several times for the same: what is wanted again so soon says nothing. */
static const int64_t SOON_NS = 1000000000;

struct name {
    const char *key;
    uint64_t pos;
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct vrv_piece *p = VRV_OMAP_OF(n, struct vrv_piece, node);
    const struct name *name = key;
    int order = strcmp(name->key, p->key);

    return order != 0 ? order : (name->pos > p->pos) - (name->pos < p->pos);
}

static int64_t
now_ns(const struct vrv_cache *c)
{
    return c->o.clock->mono_ns(c->o.clock);
}

void
vrv_cache_opts_default(struct vrv_cache_opts *o)
{
    /* a chunk is a batch larger than a MiB at most: eight of them fit, and four such reads ahead of who is
     * faster than the store */
    *o = (struct vrv_cache_opts){ .bytes = 64 * MIB, .run_bytes = 9 * MIB, .ahead_bytes = 40 * MIB,
        .read_ms = 30000, .again_ms = 1000 };
}

void
vrv_cache_init(struct vrv_cache *c, const struct vrv_cache_opts *o)
{
    *c = (struct vrv_cache){ .o = *o };
    vrv_omap_init(&c->map, compare);
    vrv_fifo_init(&c->fifo);
    vrv_list_init(&c->runs);
    vrv_list_init(&c->shelved);
    vrv_list_init(&c->under_way);
    c->ahead.most = o->ahead_bytes < o->bytes / 3 * 2 ? o->ahead_bytes : o->bytes / 3 * 2;
    vrv_lock_init(&c->lock, VRV_LOCK_cache);
}

/* ---- pieces: with the lock held, but for giving back ---- */

void
vrv_piece_unref(struct vrv_piece *p)
{
    if (p == NULL)
        return;
    struct vrv_cache *c = p->cache;
    if (atomic_fetch_sub(&p->refs, 1) > 1) {
        vrv__cache_wake(c); /* it may go now */
        return;
    }
    vrv_cold_segs_free(p->seg, p->seg_n);
    free(p->key);
    struct vrv_cache_bytes *mem = p->mem;
    free(p);
    vrv__cache_bytes_unref(mem);
    (void)atomic_fetch_sub(&c->pieces, 1);
}

static void
forget(struct vrv_cache *c, struct vrv_piece *p)
{
    struct name name = { p->key, p->pos };

    vrv_fifo_del(&c->fifo, &p->fifo);
    (void)vrv_omap_remove(&c->map, &name);
    c->counts.of[p->kind].bytes -= p->there ? p->n : 0;
    c->counts.wasted_bytes += p->ahead && p->status == 0 ? p->chunk.stored : 0;
    vrv_piece_unref(p);
}

static struct vrv_piece *
piece_of(const struct vrv_fifo_node *n)
{
    return VRV_LIST_OF((struct vrv_fifo_node *)n, struct vrv_piece, fifo);
}

/* In use, or read ahead of somebody who comes to it. */
static bool
must_stay(const struct vrv_fifo_node *n, void *ctx)
{
    const struct vrv_cache *c = ctx;
    const struct vrv_piece *p = piece_of(n);

    return atomic_load(&p->refs) > 1 || vrv_ahead_holds(&c->ahead, p->stream, p->end);
}

bool
vrv__cache_make_room(struct vrv_cache *c, size_t n, bool all)
{
    bool more = true;

    vrv_lock(&c->lock);
    while (more && atomic_load(&c->used) + n > c->o.bytes) {
        struct vrv_fifo_node *node = vrv_fifo_take(&c->fifo, must_stay, c);

        if (node != NULL) {
            c->counts.of[piece_of(node)->kind].evictions++;
            forget(c, piece_of(node));
        } else {
            more = all && vrv_ahead_forget(&c->ahead);
        }
    }
    vrv_unlock(&c->lock);
    return atomic_load(&c->used) + n <= c->o.bytes;
}

static struct vrv_piece *
find(struct vrv_cache *c, const struct name *name)
{
    struct vrv_omap_node *n = vrv_omap_find(&c->map, name);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_piece, node) : NULL;
}

static struct vrv_piece *
new_piece(struct vrv_cache *c, const struct name *name, enum vrv_piece_kind kind)
{
    struct vrv_piece *p = VRV_NEW(struct vrv_piece);
    struct name own = { vrv_mem_strdup(name->key), name->pos };

    atomic_init(&p->refs, 1);
    p->cache = c;
    p->kind = kind;
    p->key = (char *)own.key;
    p->pos = own.pos;
    vrv_list_init(&p->waiting);
    vrv_list_init(&p->fifo.link);
    vrv_omap_insert(&c->map, &own, &p->node);
    (void)atomic_fetch_add(&c->pieces, 1);
    return p;
}

/* A reference for who asks. */
static struct vrv_piece *
use(struct vrv_cache *c, struct vrv_piece *p)
{
    if (p->there && now_ns(c) - p->came_ns >= SOON_NS) {
        vrv_fifo_use(&p->fifo);
        p->came_ns = now_ns(c);
    }
    (void)atomic_fetch_add(&p->refs, 1);
    return p;
}

/* It and a reference for who asks; *is_new: nothing is known of it, or no longer. */
static struct vrv_piece *
get(struct vrv_cache *c, const struct name *name, enum vrv_piece_kind kind, bool *is_new)
{
    vrv_lock(&c->lock);
    struct vrv_piece *p = find(c, name);
    if (p != NULL && p->there && p->status < 0 && now_ns(c) - p->came_ns >= c->o.again_ms * MS) {
        forget(c, p);
        p = NULL;
    }
    *is_new = p == NULL;
    c->counts.of[kind].hits += p != NULL;
    c->counts.of[kind].misses += p == NULL;
    p = use(c, p != NULL ? p : new_piece(c, name, kind));
    vrv_unlock(&c->lock);
    return p;
}

struct vrv_piece *
vrv_cache_now(struct vrv_cache *c, const char *key, uint64_t pos)
{
    struct name name = { key, pos };

    vrv_lock(&c->lock);
    struct vrv_piece *p = find(c, &name);
    if (p != NULL && p->there && p->status == 0)
        (void)use(c, p);
    else
        p = NULL;
    if (p != NULL)
        c->counts.of[p->kind].hits++;
    vrv_unlock(&c->lock);
    return p;
}

/* ---- what came ---- */

static uint64_t
hash_of(const struct vrv_piece *p)
{
    return (uint64_t)vrv_crc32c(0, p->key, strlen(p->key)) << 32 ^ p->pos;
}

void
vrv__cache_arrived(struct vrv_cache *c, struct vrv_piece *p)
{
    (void)atomic_fetch_add(&p->refs, 1); /* for as long as this takes */
    vrv_lock(&c->lock);
    p->there = true;
    p->came_ns = now_ns(c);
    c->counts.of[p->kind].bytes += p->n;
    p->awaited = p->kind == VRV_PIECE_CHUNK && !vrv_list_empty(&p->waiting) ? p->n : 0;
    /* a page leads to many chunks */
    vrv_fifo_add(&c->fifo, &p->fifo, hash_of(p), sizeof(*p) + p->n, p->kind == VRV_PIECE_PAGE);
    vrv_unlock(&c->lock);
    while (!vrv_list_empty(&p->waiting)) {
        struct vrv_piece_wait *w = VRV_LIST_OF(p->waiting.next, struct vrv_piece_wait, link);

        vrv_list_del(&w->link);
        w->run(w);
    }
    vrv_piece_unref(p);
}

/* ---- what is wanted ---- */

static struct vrv_piece *
get_chunk(struct vrv_cache *c, const struct vrv_cold_seg *s, uint32_t chunk, bool *is_new)
{
    struct name name = { s->key, s->pos + s->chunk[chunk].pos };
    struct vrv_piece *p = get(c, &name, VRV_PIECE_CHUNK, is_new);

    if (*is_new) {
        p->chunk = s->chunk[chunk];
        p->end = chunk + 1 < s->chunk_n ? s->chunk[chunk + 1].base : s->next;
    }
    return p;
}

struct vrv_piece *
vrv_cache_chunk(struct vrv_cache *c, const struct vrv_cold_seg *s, uint32_t chunk)
{
    bool is_new;
    struct vrv_piece *p = get_chunk(c, s, chunk, &is_new);

    if (is_new)
        vrv__cache_run(c, &p, 1);
    return p;
}

struct vrv_piece *
vrv_cache_page(struct vrv_cache *c, const struct vrv_manifest *m, const struct vrv_cold_page *page)
{
    bool is_new;
    struct vrv_piece *p = get(c, &(struct name){ page->key, 0 }, VRV_PIECE_PAGE, &is_new);

    if (is_new) {
        p->id = (struct vrv_manifest){ .topic = m->topic, .partition = m->partition };
        p->page = *page;
        p->page.key = p->key;
        vrv__cache_run(c, &p, 1);
    }
    return p;
}

/* Where what is behind the chunks begins. */
static uint64_t
tail_of(const struct vrv_cold_seg *s)
{
    const struct vrv_chunk *last = &s->chunk[s->chunk_n - 1];

    return last->pos + last->stored;
}

struct vrv_piece *
vrv_cache_aborted(struct vrv_cache *c, const struct vrv_cold_seg *s)
{
    bool is_new;
    struct name name = { s->key, s->pos + tail_of(s) };
    struct vrv_piece *p = get(c, &name, VRV_PIECE_ABORTED, &is_new);

    if (is_new) {
        p->object = s->size;
        p->tail = s->size - tail_of(s);
        vrv__cache_run(c, &p, 1);
    }
    return p;
}

struct vrv_piece *
vrv_cache_aborted_now(struct vrv_cache *c, const struct vrv_cold_seg *s)
{
    return vrv_cache_now(c, s->key, s->pos + tail_of(s));
}

bool
vrv_cache_has(struct vrv_cache *c, const struct vrv_cold_seg *s, uint32_t chunk)
{
    struct name name = { s->key, s->pos + s->chunk[chunk].pos };

    vrv_lock(&c->lock);
    bool has = find(c, &name) != NULL;
    vrv_unlock(&c->lock);
    return has;
}

/* ---- read ahead ---- */

/* With the lock held. */
static void
count_had(struct vrv_cache *c, struct vrv_piece *p, size_t n)
{
    size_t awaited = n < p->awaited ? n : p->awaited;

    p->awaited -= awaited;
    *(p->shelved ? &c->counts.shelved_bytes : &c->counts.awaited_bytes) += awaited;
    c->counts.had_bytes += n - awaited;
    c->counts.used_bytes += p->ahead ? p->chunk.stored : 0;
    p->ahead = false;
}

bool
vrv_cache_note(struct vrv_cache *c, struct vrv_piece *p, struct vrv_ahead_had *h, size_t n)
{
    h->chunk_bytes = p->chunk.plain;
    h->chunk_end = p->end;
    vrv_lock(&c->lock);
    count_had(c, p, n);
    struct vrv_stream *s = vrv_ahead_note(&c->ahead, h);
    p->stream = s->id;
    bool wants = s->wants;
    vrv_unlock(&c->lock);
    return wants;
}

bool
vrv_cache_ahead(struct vrv_cache *c, struct vrv_stream *out)
{
    bool found = false;

    vrv_lock(&c->lock);
    for (unsigned i = 0; i < VRV_STREAMS && !found; i++) {
        struct vrv_stream *s = &c->ahead.v[i];

        found = s->id != 0 && s->wants;
        s->wants &= !found;
        if (found)
            *out = *s;
    }
    vrv_unlock(&c->lock);
    return found;
}

/* Those that the disk has one by one, what is between them at once. */
static void
read_all(struct vrv_cache *c, struct vrv_piece **p, uint32_t n)
{
    uint32_t from = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (c->o.shelf == NULL || !vrv_shelf_has(c->o.shelf, p[i]->key, p[i]->pos))
            continue;
        if (i > from)
            vrv__cache_run(c, p + from, i - from);
        vrv__cache_run(c, p + i, 1);
        from = i + 1;
    }
    if (n > from)
        vrv__cache_run(c, p + from, n - from);
}

bool
vrv_cache_read_ahead(struct vrv_cache *c, const struct vrv_stream *s, const struct vrv_cold_seg *seg,
    uint32_t from, uint32_t to)
{
    size_t n = 0, stored = 0;

    for (uint32_t i = from; i < to; i++) {
        n += seg->chunk[i].plain;
        stored += seg->chunk[i].stored;
    }
    if (!vrv_list_empty(&c->runs) || !vrv_list_empty(&c->shelved) || !vrv_read_quota_allows(&c->quota) ||
        !vrv__cache_make_room(c, n, false))
        return false;
    struct vrv_piece **p = vrv_mem_zero((to - from) * sizeof(struct vrv_piece *));
    for (uint32_t i = from; i < to; i++) {
        bool is_new;

        p[i - from] = get_chunk(c, seg, i, &is_new);
        VRV_ASSERT(is_new); /* the tier's thread alone adds some, and it has looked */
        p[i - from]->stream = s->id;
        p[i - from]->ahead = true;
    }
    vrv_lock(&c->lock);
    c->counts.ahead_bytes += stored;
    vrv_unlock(&c->lock);
    read_all(c, p, to - from);
    for (uint32_t i = from; i < to; i++)
        vrv_piece_unref(p[i - from]);
    free(p);
    return true;
}

void
vrv_cache_counts(struct vrv_cache *c, struct vrv_cache_counts *out)
{
    vrv_lock(&c->lock);
    *out = c->counts;
    vrv_unlock(&c->lock);
}

/* ---- nothing of it ---- */

bool
vrv_cache_forget(struct vrv_cache *c, const char *prefix)
{
    struct name at = { prefix, 0 };
    size_t n = strlen(prefix);
    bool all = true;

    if (c->o.shelf != NULL)
        vrv_shelf_forget(c->o.shelf, prefix);
    vrv_lock(&c->lock);
    for (struct vrv_omap_node *node = vrv_omap_from(&c->map, &at), *next; node != NULL; node = next) {
        struct vrv_piece *p = VRV_OMAP_OF(node, struct vrv_piece, node);

        if (strncmp(p->key, prefix, n) != 0)
            break;
        next = vrv_omap_after(&c->map, &(struct name){ p->key, p->pos });
        if (p->there && atomic_load(&p->refs) == 1)
            forget(c, p);
        else
            all &= p->kind != VRV_PIECE_CHUNK;
    }
    vrv_unlock(&c->lock);
    return all;
}

/* ---- life ---- */

void
vrv_cache_fini(struct vrv_cache *c)
{
    struct vrv_omap_node *n;

    VRV_ASSERT(vrv_cache_is_idle(c));
    while ((n = vrv_omap_first(&c->map)) != NULL)
        forget(c, VRV_OMAP_OF(n, struct vrv_piece, node));
    VRV_ASSERT(atomic_load(&c->pieces) == 0 && atomic_load(&c->used) == 0);
    vrv_lock_fini(&c->lock);
}
