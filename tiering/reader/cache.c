#include "tiering/reader/cache.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static const int64_t MS = 1000000;

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

void
vrv_cache_init(struct vrv_cache *c, const struct vrv_cache_opts *o)
{
    *c = (struct vrv_cache){ .o = *o };
    vrv_omap_init(&c->map, compare);
    vrv_list_init(&c->recent);
    vrv_lock_init(&c->lock, VRV_LOCK_cache);
}

/* ---- pieces: with the lock held, but for giving back ---- */

static size_t
weight(const struct vrv_piece *p)
{
    size_t n = sizeof(*p) + p->n;

    for (uint32_t i = 0; i < p->seg_n; i++)
        n += sizeof(p->seg[i]) + p->seg[i].chunk_n * sizeof(struct vrv_chunk);
    return n;
}

void
vrv_piece_unref(struct vrv_piece *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    for (uint32_t i = 0; i < p->seg_n; i++)
        vrv_cold_seg_fini(&p->seg[i]);
    free(p->seg);
    free(p->stored);
    free(p->opened);
    free(p->key);
    (void)atomic_fetch_sub(&p->cache->pieces, 1);
    free(p);
}

static void
forget(struct vrv_cache *c, struct vrv_piece *p)
{
    struct name name = { p->key, p->pos };

    if (p->there && p->status == 0)
        c->used -= weight(p);
    vrv_list_del(&p->recent);
    (void)vrv_omap_remove(&c->map, &name);
    vrv_piece_unref(p);
}

static void
make_room(struct vrv_cache *c)
{
    struct vrv_list *next;

    for (struct vrv_list *l = c->recent.next; l != &c->recent && c->used > c->o.bytes; l = next) {
        struct vrv_piece *p = VRV_LIST_OF(l, struct vrv_piece, recent);

        next = l->next;
        if (p->there && atomic_load(&p->refs) == 1) {
            forget(c, p);
            c->evictions++;
        }
    }
}

void
vrv_cache_fini(struct vrv_cache *c)
{
    VRV_ASSERT(c->reading == 0);
    while (!vrv_list_empty(&c->recent))
        forget(c, VRV_LIST_OF(c->recent.next, struct vrv_piece, recent));
    VRV_ASSERT(atomic_load(&c->pieces) == 0);
    vrv_lock_fini(&c->lock);
}

/* ---- reading ---- */

static int
open_chunk(struct vrv_piece *p, struct vrv_err *e)
{
    int rc = vrv_chunk_open(&p->chunk, p->stored, p->call.got, &p->opened, e);

    p->bytes = p->opened != NULL ? p->opened : p->stored;
    p->n = p->chunk.plain;
    if (rc == 0 && p->opened != NULL) {
        free(p->stored);
        p->stored = NULL;
    }
    return rc;
}

static int
open_page(struct vrv_piece *p, struct vrv_err *e)
{
    int rc = vrv_manifest_read_page(&p->id, &p->page, p->stored, p->call.got, &p->seg, e);

    p->seg_n = rc == 0 ? p->page.segments : 0;
    free(p->stored);
    p->stored = NULL;
    return rc;
}

static void
tell_all(struct vrv_piece *p)
{
    while (!vrv_list_empty(&p->waiting)) {
        struct vrv_piece_wait *w = VRV_LIST_OF(p->waiting.next, struct vrv_piece_wait, link);

        vrv_list_del(&w->link);
        w->run(w);
    }
}

static void
was_read(struct vrv_done *d)
{
    struct vrv_piece *p = VRV_LIST_OF(d, struct vrv_piece, call.done);
    struct vrv_cache *c = p->cache;

    c->reading--;
    p->status = p->call.status;
    p->err = p->call.err;
    if (p->status == 0)
        p->status = p->page.key != NULL ? open_page(p, &p->err) : open_chunk(p, &p->err);
    if (p->status < 0)
        (void)vrv_err_prefix(&p->err, p->status, "%.100s", p->key);
    vrv_lock(&c->lock);
    (void)atomic_fetch_add(&p->refs, 1); /* for as long as this takes */
    p->there = true;
    if (p->status < 0) {
        forget(c, p);
    } else {
        c->used += weight(p);
        make_room(c);
    }
    vrv_unlock(&c->lock);
    tell_all(p);
    vrv_piece_unref(p);
}

static void
read_piece(struct vrv_piece *p, size_t n)
{
    struct vrv_cache *c = p->cache;

    p->stored = vrv_mem_grow(NULL, n);
    p->call = (struct vrv_store_call){ .done = { .cq = c->o.cq, .run = was_read },
        .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = p->key, .pos = p->pos, .size = n,
        .buf = p->stored, .deadline_ns = c->o.clock->mono_ns(c->o.clock) + c->o.read_ms * MS };
    c->reading++;
    vrv_retry_submit(c->o.retry, &p->call);
}

static struct vrv_piece *
find(struct vrv_cache *c, const struct name *name)
{
    struct vrv_omap_node *n = vrv_omap_find(&c->map, name);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_piece, node) : NULL;
}

static struct vrv_piece *
new_piece(struct vrv_cache *c, const struct name *name)
{
    struct vrv_piece *p = VRV_NEW(struct vrv_piece);
    struct name own = { vrv_mem_strdup(name->key), name->pos };

    atomic_init(&p->refs, 1);
    p->cache = c;
    p->key = (char *)own.key;
    p->pos = own.pos;
    vrv_list_init(&p->waiting);
    vrv_list_init(&p->recent);
    vrv_omap_insert(&c->map, &own, &p->node);
    (void)atomic_fetch_add(&c->pieces, 1);
    return p;
}

/* A reference for who asks. */
static struct vrv_piece *
use(struct vrv_cache *c, struct vrv_piece *p)
{
    vrv_list_del(&p->recent);
    vrv_list_push(&c->recent, &p->recent);
    (void)atomic_fetch_add(&p->refs, 1);
    return p;
}

/* It and a reference for who asks; *is_new: nothing is known of it yet. */
static struct vrv_piece *
get(struct vrv_cache *c, const char *key, uint64_t pos, bool *is_new)
{
    struct name name = { key, pos };

    vrv_lock(&c->lock);
    struct vrv_piece *p = find(c, &name);
    *is_new = p == NULL;
    c->hits += p != NULL;
    c->misses += p == NULL;
    p = use(c, p != NULL ? p : new_piece(c, &name));
    vrv_unlock(&c->lock);
    return p;
}

struct vrv_piece *
vrv_cache_now(struct vrv_cache *c, const char *key, uint64_t pos)
{
    struct name name = { key, pos };

    vrv_lock(&c->lock);
    struct vrv_piece *p = find(c, &name);
    if (p != NULL && p->there)
        (void)use(c, p);
    else
        p = NULL;
    c->hits += p != NULL;
    vrv_unlock(&c->lock);
    return p;
}

struct vrv_piece *
vrv_cache_chunk(struct vrv_cache *c, const struct vrv_cold_seg *s, const struct vrv_chunk *chunk)
{
    bool is_new;
    struct vrv_piece *p = get(c, s->key, s->pos + chunk->pos, &is_new);

    if (is_new) {
        p->chunk = *chunk;
        read_piece(p, chunk->stored);
    }
    return p;
}

struct vrv_piece *
vrv_cache_page(struct vrv_cache *c, const struct vrv_manifest *m, const struct vrv_cold_page *page)
{
    bool is_new;
    struct vrv_piece *p = get(c, page->key, 0, &is_new);

    if (is_new) {
        p->id = (struct vrv_manifest){ .topic = m->topic, .partition = m->partition };
        p->page = *page;
        p->page.key = p->key;
        read_piece(p, page->size);
    }
    return p;
}

void
vrv_cache_cancel(struct vrv_cache *c)
{
    for (struct vrv_list *l = c->recent.next; l != &c->recent; l = l->next) {
        struct vrv_piece *p = VRV_LIST_OF(l, struct vrv_piece, recent);

        if (!p->there)
            vrv_retry_cancel(c->o.retry, &p->call);
    }
}
