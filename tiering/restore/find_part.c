/*
 * A partition's manifest, found by trying: from the newest root on, each with its pages, the sizes of all
 * objects, and what the segments say of epochs and producers.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "tiering/reader/extras.h"
#include "tiering/restore/find.h"

struct search {
    struct vrv_sync *s;
    const struct vrv_log_id *id;
    struct vrv_found_versions roots;
    struct vrv_found_names objects; /* the store's, of this partition */
};

/* What a manifest names and isn't there, or isn't what it says. */
struct missing {
    int64_t from, to;      /* in these offsets; equal: nothing is missing */
    struct vrv_err why;    /* of the first */
};

static void
note_missing(struct missing *x, int64_t from, int64_t to, const struct vrv_err *why)
{
    if (x->to == x->from) {
        x->from = from;
        x->why = *why;
    }
    x->to = to;
}

/* ---- roots ---- */

struct list_roots {
    const struct vrv_log_id *id;
    struct vrv_found_versions *out;
};

static void
add_version(struct vrv_found_versions *l, uint64_t version)
{
    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = version;
}

static int
each_root(void *ctx, const struct vrv_store_name *name)
{
    const struct list_roots *c = ctx;
    struct vrv_part_key k;

    if (vrv_parts_read_key(c->id, 'm', name->key, &k) && k.root)
        add_version(c->out, k.number);
    return 0;
}

int
vrv_find_versions(struct vrv_sync *s, const struct vrv_log_id *id, uint64_t known,
    struct vrv_found_versions *l, struct vrv_err *e)
{
    struct list_roots c = { id, l };
    char key[VRV_STORE_KEY_MAX + 1];
    uint8_t byte;
    int rc;

    *l = (struct vrv_found_versions){ .n = 0 };
    vrv_parts_prefix(id, 'm', key);
    if ((rc = vrv_sync_list(s, key, each_root, &c, e)) < 0)
        return rc;
    uint64_t next = l->n > 0 ? l->v[l->n - 1] + 1 : 1;
    for (next = known > next ? known : next; rc == 0; next++) {
        struct vrv_store_call call = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key, .size = 1,
            .buf = &byte };

        vrv_parts_root_key(id, next, key);
        rc = vrv_sync_call(s, &call);
        if (rc == 0)
            add_version(l, next);
        *e = call.err;
    }
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

void
vrv_found_leave_out(struct vrv_found_versions *l, const struct vrv_found_head *h)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] <= h->version || l->v[i] > h->passed)
            l->v[n++] = l->v[i];
    l->n = n;
}

void
vrv_found_versions_fini(struct vrv_found_versions *l)
{
    free(l->v);
    *l = (struct vrv_found_versions){ .n = 0 };
}

int
vrv_find_root(struct vrv_sync *s, const struct vrv_log_id *id, uint64_t version, struct vrv_manifest *m,
    struct vrv_err *e)
{
    char key[VRV_STORE_KEY_MAX + 1];
    uint8_t *p;
    size_t n;

    vrv_parts_root_key(id, version, key);
    int rc = vrv_find_whole(s, key, VRV_MANIFEST_ROOT_MAX, &p, &n, e);
    if (rc < 0)
        return rc;
    rc = vrv_manifest_read(m, p, n, e);
    free(p);
    if (rc < 0)
        return vrv_err_prefix(e, rc, "%s", key);
    return vrv_parts_check_root(m, id, version, e);
}

/* ---- an object ---- */

static int
by_key(const void *key, const void *name)
{
    return strcmp(key, ((const struct vrv_store_name *)name)->key);
}

int
vrv_find_there(struct vrv_sync *s, const struct vrv_found_names *l, const char *key, uint64_t end,
    struct vrv_err *e)
{
    const struct vrv_store_name *name = l->n > 0 ? bsearch(key, l->v, l->n, sizeof(*l->v), by_key) : NULL;
    uint8_t byte;
    struct vrv_store_call call = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key, .size = 1,
        .buf = &byte };

    int rc = name != NULL ? 0 : vrv_sync_call(s, &call);
    if (rc == 0 && name == NULL && call.whole == 0) { /* the store doesn't say: is its last byte there? */
        call.pos = end - 1;
        rc = vrv_sync_call(s, &call);
        call.whole = call.pos + call.got;
    }
    if (rc < 0) {
        *e = call.err;
        return vrv_err_prefix(e, rc, "%s", key);
    }
    uint64_t size = name != NULL ? name->size : call.whole;
    return size >= end
        ? 0
        : vrv_err_set(e, VRV_E_CORRUPT, "%s has %" PRIu64 " bytes, expected %" PRIu64, key, size, end);
}

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
        vrv_epochs_add(&c->out->epochs, (int32_t)vrv_get_le32(x->epochs + (size_t)i * VRV_OBJECT_EPOCH),
            (int64_t)vrv_get_le64(x->epochs + (size_t)i * VRV_OBJECT_EPOCH + 8));
    if (status == 0 && c->is_last)
        status = vrv_producers_decode(&c->out->producers, x->producers, x->producer_bytes, &c->err);
    c->status = status;
    c->done = true;
}

static int
read_extras(struct search *c, struct vrv_found *f, const struct vrv_cold_seg *seg, struct vrv_err *e)
{
    struct extras x = { .r = { .retry = c->s->retry, .cq = &c->s->cq, .clock = c->s->clock,
                            .read_ms = c->s->call_ms, .run = extras_came },
        .out = f, .is_last = seg->next == f->m.next };

    vrv_extras_read(&x.r, seg);
    vrv_sync_wait(c->s, &x.done);
    if (x.status < 0)
        *e = x.err;
    return x.status;
}

static int
note_seg(struct search *c, struct vrv_found *f, const struct vrv_cold_seg *seg, struct missing *x,
    struct vrv_err *e)
{
    int rc = vrv_find_there(c->s, &c->objects, seg->key, seg->pos + seg->size, e);

    if (rc == 0 && (seg->first_epoch != seg->last_epoch || seg->next == f->m.next))
        rc = read_extras(c, f, seg, e);
    else if (rc == 0)
        vrv_epochs_add(&f->epochs, seg->first_epoch, seg->base);
    if (vrv_find_is_lost(rc))
        note_missing(x, seg->base, seg->next, e);
    return vrv_find_is_lost(rc) ? 0 : rc;
}

/* ---- a page ---- */

int
vrv_find_page(struct vrv_sync *s, const struct vrv_manifest *m, const struct vrv_cold_page *page,
    struct vrv_cold_seg **seg, struct vrv_err *e)
{
    uint8_t *p;
    size_t n;
    int rc = vrv_find_whole(s, page->key, (size_t)page->size, &p, &n, e);

    *seg = NULL;
    if (rc < 0)
        return rc;
    rc = vrv_manifest_read_page(m, page, p, n, seg, e);
    free(p);
    return rc;
}

static int
note_page(struct search *c, struct vrv_found *f, const struct vrv_cold_page *page, struct missing *x,
    struct vrv_err *e)
{
    struct vrv_cold_seg *seg;
    int rc = vrv_find_page(c->s, &f->m, page, &seg, e);

    if (vrv_find_is_lost(rc)) {
        note_missing(x, page->base, page->next, e);
        return 0;
    }
    for (uint32_t i = 0; rc == 0 && i < page->segments; i++)
        rc = note_seg(c, f, &seg[i], x, e);
    vrv_cold_segs_free(seg, page->segments);
    return rc;
}

static int
note_all(struct search *c, struct vrv_found *f, struct missing *x, struct vrv_err *e)
{
    const struct vrv_manifest *m = &f->m;
    int rc = 0;

    *x = (struct missing){ .from = 0 };
    for (uint32_t i = 0; i < m->page_n && rc == 0; i++)
        rc = note_page(c, f, &m->page[i], x, e);
    for (uint32_t i = 0; i < m->seg_n && rc == 0; i++)
        rc = note_seg(c, f, &m->seg[i], x, e);
    return rc;
}

/* ---- what is left of one ---- */

static void
forget_extras(struct vrv_found *f)
{
    vrv_epochs_fini(&f->epochs);
    vrv_producers_free(&f->producers);
}

void
vrv_found_fini(struct vrv_found *f)
{
    vrv_manifest_fini(&f->m);
    forget_extras(f);
}

/* Its last page is a page no more: the root itself names what that does.  What comes goes on from the root's last segment,
 * which may have to reach over a hole. */
static int
unfold(struct search *c, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_cold_page *page = &m->page[m->page_n - 1];
    struct vrv_cold_seg *seg;

    if (vrv_manifest_encoded(m) + page->size > VRV_MANIFEST_ROOT_MAX) /* so large are only those of thousands */
        return 0;
    int rc = vrv_find_page(c->s, m, page, &seg, e);
    if (rc < 0)
        return rc;
    free(m->seg);
    m->seg = seg;
    m->seg_n = m->seg_cap = page->segments;
    free(page->key);
    m->page_n--;
    (void)vrv_manifest_trim(m, m->start);
    return 0;
}

/* The root's own segments from this offset on are not named any more. */
static int
cut(struct search *c, struct vrv_manifest *m, int64_t from, struct vrv_err *e)
{
    while (m->seg_n > 0 && m->seg[m->seg_n - 1].next > from)
        vrv_cold_seg_fini(&m->seg[--m->seg_n]);
    m->next = from;
    return m->seg_n == 0 && m->page_n > 0 ? unfold(c, m, e) : 0;
}

/* Without what is missing.  A log has no hole: so without all that is older, too; or newer, where
 * more is left then.  Then what is left is noted anew. */
static int
leave_out(struct search *c, struct vrv_found *f, const struct missing *x, struct vrv_err *e)
{
    struct vrv_manifest *m = &f->m;
    struct missing again;
    int64_t pages_end = m->page_n > 0 ? m->page[m->page_n - 1].next : vrv_manifest_base(m);

    int rc = 0;
    if (x->from >= pages_end && x->from > m->start && x->from - m->start > m->next - x->to)
        rc = cut(c, m, x->from, e);
    else
        (void)vrv_manifest_trim(m, x->to);
    forget_extras(f);
    rc = rc == 0 ? note_all(c, f, &again, e) : rc;
    vrv_epochs_trim_start(&f->epochs, m->start);
    return rc;
}

/* ---- from the newest root on ---- */

static void
pass_over(struct vrv_found *out, const struct vrv_err *why)
{
    if (out->passed.n++ == 0)
        out->passed.why = *why;
}

/* One root: into out->m when all is there; the first that can be read and isn't whole is kept in *part. */
static int
try_root(struct search *c, uint64_t version, struct vrv_found *out, struct vrv_found *part,
    struct missing *lacks, struct vrv_err *e)
{
    struct missing x = { .from = 0 };
    int rc = vrv_find_root(c->s, c->id, version, &out->m, e);

    if (rc < 0)
        return rc;
    if (out->had_next == 0) {
        out->had_start = out->m.start;
        out->had_next = out->m.next;
    }
    rc = note_all(c, out, &x, e);
    if (rc == 0 && x.from == x.to)
        return 0;
    if (rc == 0) {
        *e = x.why;
        rc = VRV_E_NOTFOUND;
        if (part->m.version == 0) {
            part->m = out->m;
            out->m = (struct vrv_manifest){ 0 };
            *lacks = x;
        }
    }
    vrv_manifest_fini(&out->m);
    forget_extras(out);
    return rc;
}

static int
try_roots(struct search *c, struct vrv_found *out, struct vrv_err *e)
{
    struct vrv_found part = { .newest = 0 };
    struct missing lacks = { .from = 0 };
    int rc = vrv_err_set(e, VRV_E_NOTFOUND, "nothing of the partition is in the store");

    for (size_t i = c->roots.n; i > 0; i--) {
        rc = try_root(c, c->roots.v[i - 1], out, &part, &lacks, e);
        if (!vrv_find_is_lost(rc))
            break; /* found; or it isn't its fault */
        pass_over(out, e);
    }
    if (vrv_find_is_lost(rc) && part.m.version != 0) {
        out->m = part.m;
        rc = leave_out(c, out, &lacks, e);
    } else {
        vrv_found_fini(&part);
        if (rc == VRV_E_NOTFOUND && out->passed.n > 0)
            rc = VRV_E_CORRUPT; /* something was there */
    }
    return rc;
}

int
vrv_find_partition(struct vrv_sync *s, const struct vrv_log_id *id, const struct vrv_found_head *known,
    struct vrv_found *out, struct vrv_err *e)
{
    struct vrv_found_head head = known != NULL ? *known : (struct vrv_found_head){ 0 };
    struct search c = { .s = s, .id = id };

    *out = (struct vrv_found){ .newest = 0 };
    int rc = vrv_find_versions(s, id, head.version, &c.roots, e);
    out->newest = c.roots.n > 0 ? c.roots.v[c.roots.n - 1] : 0;
    vrv_found_leave_out(&c.roots, &head);
    if (rc == 0)
        rc = vrv_find_objects(s, id, &c.objects, e);
    if (rc == 0)
        rc = try_roots(&c, out, e);
    if (rc < 0)
        vrv_found_fini(out);
    vrv_found_names_fini(&c.objects);
    vrv_found_versions_fini(&c.roots);
    return rc;
}
