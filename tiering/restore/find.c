#include "tiering/restore/find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/daemon/owner.h"
#include "tiering/reader/extras.h"

enum { MARKER_MAX = 1 << 30, EPOCH = 16 };

/* ---- names ---- */

/* Names in order, with their sizes. */
struct names {
    struct vrv_store_name *v;
    size_t n, cap;
};

static int
keep_name(void *ctx, const struct vrv_store_name *name)
{
    struct names *l = ctx;

    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : 2 * l->cap;
        l->v = vrv_mem_grow(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n] = *name;
    l->v[l->n++].key = vrv_mem_strdup(name->key);
    return 0;
}

static void
names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].key);
    free(l->v);
}

static int
by_key(const void *key, const void *name)
{
    return strcmp(key, ((const struct vrv_store_name *)name)->key);
}

/* ---- markers and owners ---- */

int
vrv_find_marker(struct vrv_sync *s, struct vrv_marker *m, uint8_t **bytes, struct vrv_err *e)
{
    struct names l = { 0 };
    size_t n;
    int rc = vrv_sync_list(s, "marker/", keep_name, &l, e);

    if (rc == 0 && l.n == 0)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "the store has no marker: no server of varve's has used it");
    for (size_t i = l.n; i > 0 && rc == 0; i--) {
        rc = vrv_sync_get(s, l.v[i - 1].key, MARKER_MAX < l.v[i - 1].size ? MARKER_MAX :
            (size_t)l.v[i - 1].size + 1, bytes, &n, e);
        if (rc == 0)
            rc = vrv_marker_read(m, *bytes, n, e);
        if (rc == 0)
            break;
        free(*bytes);
        *bytes = NULL;
        if (rc == VRV_E_CORRUPT && i > 1)
            rc = 0; /* the one before */
    }
    names_fini(&l);
    return rc;
}

static int
newest_owner(void *ctx, const struct vrv_store_name *name)
{
    uint64_t *newest = ctx, number;

    if (vrv_owner_number(name->key, &number) && number > *newest)
        *newest = number;
    return 0;
}

int
vrv_find_owner(struct vrv_sync *s, uint64_t *number, struct vrv_err *e)
{
    *number = 0;
    return vrv_sync_list(s, "owner/", newest_owner, number, e);
}

/* ---- a manifest of which everything is there ---- */

struct search {
    struct vrv_sync *s;
    const struct vrv_log_id *id;
    struct names manifests, objects; /* the store's, of this partition */
    struct vrv_found *out;
};

static int
read_root(struct search *c, const char *key, uint64_t version, struct vrv_err *e)
{
    struct vrv_found *f = c->out;
    uint8_t *p;
    size_t n;
    int rc = vrv_sync_get(c->s, key, VRV_MANIFEST_ROOT_MAX, &p, &n, e);

    if (rc < 0)
        return rc;
    f->root_size = n;
    f->root_crc = vrv_crc32c(0, p, n);
    rc = vrv_manifest_read(&f->m, p, n, e);
    free(p);
    if (rc < 0)
        return vrv_err_prefix(e, rc, "%s", key);
    if (vrv_uuid_eq(&f->m.topic, &c->id->topic) && f->m.partition == c->id->partition &&
        f->m.version == version)
        return 0;
    vrv_manifest_fini(&f->m);
    return vrv_err_set(e, VRV_E_CORRUPT, "%s is another partition's manifest", key);
}

/* A list may lack what is there: so whoever isn't in it is asked for. */
static int
check_there(struct search *c, const struct names *in, const char *key, uint64_t end, struct vrv_err *e)
{
    const struct vrv_store_name *name = in->n > 0
        ? bsearch(key, in->v, in->n, sizeof(*in->v), by_key)
        : NULL;
    uint8_t byte;
    struct vrv_store_call call = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key, .size = 1,
        .buf = &byte };
    uint64_t size = name != NULL ? name->size : 0;

    if (name == NULL && vrv_sync_call(c->s, &call) < 0) {
        *e = call.err;
        return vrv_err_prefix(e, call.status, "%s", key);
    }
    size = name != NULL ? size : call.whole;
    return size >= end
        ? 0
        : vrv_err_set(e, VRV_E_CORRUPT, "%s has %" PRIu64 " bytes, expected %" PRIu64, key, size, end);
}

static int
check_all_there(struct search *c, struct vrv_err *e)
{
    const struct vrv_manifest *m = &c->out->m;
    int rc = 0;

    for (uint32_t i = 0; i < m->page_n && rc == 0; i++)
        rc = check_there(c, &c->manifests, m->page[i].key, m->page[i].size, e);
    for (uint32_t i = 0; i < m->seg_n && rc == 0; i++)
        rc = check_there(c, &c->objects, m->seg[i].key, m->seg[i].pos + m->seg[i].size, e);
    return rc;
}

/* ---- what else its segments say ---- */

struct extras {
    struct vrv_extras r;
    struct vrv_found *out;
    bool is_last, done;
    int status;
    struct vrv_err err;
};

static void
extras_came(struct vrv_extras *r, int status, const struct vrv_object_extras *x,
    const struct vrv_err *e)
{
    struct extras *c = VRV_LIST_OF(r, struct extras, r);

    c->err = *e;
    for (uint32_t i = 0; status == 0 && i < x->epoch_n; i++)
        vrv_epochs_add(&c->out->epochs, (int32_t)vrv_get_le32(x->epochs + (size_t)i * EPOCH),
            (int64_t)vrv_get_le64(x->epochs + (size_t)i * EPOCH + 8));
    if (status == 0 && c->is_last)
        status = vrv_producers_decode(&c->out->producers, x->producers, x->producer_bytes, &c->err);
    c->status = status;
    c->done = true;
}

static int
read_extras(struct search *c, const struct vrv_cold_seg *seg, bool is_last, struct vrv_err *e)
{
    struct extras x = { .r = { .retry = c->s->retry, .cq = &c->s->cq, .clock = c->s->clock,
                            .read_ms = c->s->call_ms, .run = extras_came },
        .out = c->out, .is_last = is_last };

    vrv_extras_read(&x.r, seg);
    vrv_sync_wait(c->s, &x.done);
    if (x.status < 0)
        *e = x.err;
    return x.status;
}

static int
note_seg(struct search *c, const struct vrv_cold_seg *seg, bool is_last, struct vrv_err *e)
{
    if (seg->first_epoch != seg->last_epoch || is_last)
        return read_extras(c, seg, is_last, e);
    vrv_epochs_add(&c->out->epochs, seg->first_epoch, seg->base);
    return 0;
}

static int
note_page(struct search *c, const struct vrv_cold_page *page, struct vrv_err *e)
{
    struct vrv_cold_seg *seg = NULL;
    uint8_t *p;
    size_t n;

    if (page->first_epoch == page->last_epoch) {
        vrv_epochs_add(&c->out->epochs, page->first_epoch, page->base);
        return 0;
    }
    int rc = vrv_sync_get(c->s, page->key, (size_t)page->size, &p, &n, e);
    if (rc < 0)
        return rc;
    rc = vrv_manifest_read_page(&c->out->m, page, p, n, &seg, e);
    free(p);
    for (uint32_t i = 0; rc == 0 && i < page->segments; i++)
        rc = note_seg(c, &seg[i], false, e);
    for (uint32_t i = 0; seg != NULL && i < page->segments; i++)
        vrv_cold_seg_fini(&seg[i]);
    free(seg);
    return rc;
}

static int
note_all(struct search *c, struct vrv_err *e)
{
    const struct vrv_manifest *m = &c->out->m;
    int rc = 0;

    for (uint32_t i = 0; i < m->page_n && rc == 0; i++)
        rc = note_page(c, &m->page[i], e);
    for (uint32_t i = 0; i < m->seg_n && rc == 0; i++)
        rc = note_seg(c, &m->seg[i], i + 1 == m->seg_n, e);
    return rc;
}

void
vrv_found_fini(struct vrv_found *f)
{
    vrv_manifest_fini(&f->m);
    vrv_epochs_fini(&f->epochs);
    vrv_producers_free(&f->producers);
}

/* From the newest on. */
static int
try_roots(struct search *c, struct vrv_err *e)
{
    int rc = vrv_err_set(e, VRV_E_NOTFOUND, "nothing of the partition is in the store");

    for (size_t i = c->manifests.n; i > 0; i--) {
        const char *key = c->manifests.v[i - 1].key;
        struct vrv_part_key k;

        if (!vrv_parts_read_key(c->id, 'm', key, &k) || !k.root)
            continue;
        rc = read_root(c, key, k.number, e);
        if (rc == 0)
            rc = check_all_there(c, e);
        if (rc == 0)
            rc = note_all(c, e);
        if (rc != VRV_E_CORRUPT && rc != VRV_E_NOTFOUND)
            return rc; /* found; or it isn't its fault */
        vrv_found_fini(c->out);
        c->out->passed++;
        c->out->why = *e;
    }
    return rc;
}

int
vrv_find_partition(struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_found *out,
    struct vrv_err *e)
{
    struct search c = { .s = s, .id = id, .out = out };
    char prefix[VRV_STORE_KEY_MAX + 1];

    *out = (struct vrv_found){ .passed = 0 };
    vrv_parts_prefix(id, 'm', prefix);
    int rc = vrv_sync_list(s, prefix, keep_name, &c.manifests, e);
    vrv_parts_prefix(id, 'd', prefix);
    if (rc == 0)
        rc = vrv_sync_list(s, prefix, keep_name, &c.objects, e);
    if (rc == 0)
        rc = try_roots(&c, e);
    names_fini(&c.manifests);
    names_fini(&c.objects);
    return rc;
}
