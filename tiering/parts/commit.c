/*
 * A manifest comes to count.
 *
 *   too large? page (fold.h), read back ──► root, if absent, read back ──► head ──► snapshot
 *                                     └─ there is one, or it is damaged (found.c) ─► CONFLICT, FENCED; the next version
 *
 * The first one in a life looks first, and so does one that follows on FENCED.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "tiering/parts/parts_int.h"

enum { AGAIN_MAX = 3 };

static const int64_t MS = 1000000;

static struct vrv_log_id
id_of(const struct vrv_parts_commit *c)
{
    return (struct vrv_log_id){ c->next.topic, c->next.partition };
}

static struct vrv_part *
part_of(const struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);

    return vrv__part_get(c->parts, &id);
}

static void
forget_old(struct vrv_parts_commit *c)
{
    vrv_cold_segs_free(c->old, c->old_n);
    c->old = NULL;
    c->old_n = 0;
}

static void
finish(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    vrv_manifest_fini(&c->next);
    forget_old(c);
    free(c->bytes);
    c->bytes = NULL;
    c->run(c, status, e);
}

/* Who cancelled it between two steps has done so for the next one. */
static void
submit(struct vrv_parts_commit *c)
{
    struct vrv_parts *ps = c->parts;

    if (!c->cancelled) {
        vrv_retry_submit(ps->o.retry, &c->call);
        return;
    }
    c->call.status = vrv_err_set(&c->call.err, VRV_E_CANCELLED, "the commit was given up");
    vrv_cq_post(ps->o.cq, &c->call.done, &c->call.done);
}

static void
put(struct vrv_parts_commit *c, void (*run)(struct vrv_done *d), bool if_absent)
{
    struct vrv_parts *ps = c->parts;
    struct vrv_clock *clock = ps->o.clock;

    c->iov = (struct iovec){ c->bytes, c->n };
    c->call = (struct vrv_store_call){ .done = { .cq = ps->o.cq, .run = run }, .op = VRV_STORE_PUT,
        .lane = VRV_STORE_UPLOAD, .key = c->key, .iov = &c->iov, .iov_n = 1, .size = c->n,
        .crc = vrv_crc32c(0, c->bytes, c->n), .if_absent = if_absent,
        .deadline_ns = clock->mono_ns(clock) + ps->o.write_ms * MS };
    submit(c);
}

/* ---- as it was written? ---- */

static void
get(struct vrv_parts_commit *c, const char *key, size_t n, void (*run)(struct vrv_done *d))
{
    struct vrv_parts *ps = c->parts;
    struct vrv_clock *clock = ps->o.clock;

    c->back = vrv_mem_zero(n);
    c->call = (struct vrv_store_call){ .done = { .cq = ps->o.cq, .run = run }, .op = VRV_STORE_GET,
        .lane = VRV_STORE_UPLOAD, .key = key, .buf = c->back, .size = n,
        .deadline_ns = clock->mono_ns(clock) + ps->o.read_ms * MS };
    submit(c);
}

static void
read_back(struct vrv_parts_commit *c, void (*run)(struct vrv_done *d))
{
    get(c, c->key, c->n + 1, run);
}

/* CORRUPT: no, or not there; or why nobody can tell. */
static int
compare(struct vrv_parts_commit *c, struct vrv_err *e)
{
    int rc = c->call.status;

    *e = c->call.err;
    if (rc == VRV_E_NOTFOUND ||
        (rc == 0 && (c->call.got != c->n || memcmp(c->back, c->bytes, c->n) != 0)))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%s was read back, and isn't what was written", c->key);
    free(c->back);
    c->back = NULL;
    return rc;
}

/* ---- the root ---- */

static void put_root(struct vrv_parts_commit *c);
static void put_page(struct vrv_parts_commit *c);

static void
refused(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);

    finish(c, c->call.status, &c->call.err);
}

static void
refuse(struct vrv_parts_commit *c, const struct vrv_err *e)
{
    c->call = (struct vrv_store_call){ .done = { .cq = c->parts->o.cq, .run = refused }, .status = e->code,
        .err = *e };
    vrv_cq_post(c->parts->o.cq, &c->call.done, &c->call.done);
}

static void
count(struct vrv_parts_commit *c)
{
    struct vrv_part *p = part_of(c);
    struct vrv_head h = { .version = c->next.version, .size = c->n, .crc = vrv_crc32c(0, c->bytes, c->n) };
    struct vrv_err e = { 0 };

    bool passes = c->next.next >= p->head.lost_to && p->now != NULL; /* what is lost, perhaps as the first */
    /* the one before stands in if this root is lost */
    vrv__head_follow(&h, &p->head, passes ? p->now->m.next : c->next.next);
    VRV_STEP(COMMIT);
    int rc = vrv__head_write(c->parts, &p->id, &h, &e);
    VRV_STEP(COMMIT);
    if (rc == 0)
        vrv__part_set(p, &h, &c->next);
    finish(c, rc, &e);
}

/* It was there: if it isn't any more it may come back, as far as anybody knows. */
static void
root_found(struct vrv_parts_commit *c, int status, const struct vrv_err *why)
{
    struct vrv_err e = *why;

    if (status == VRV_E_NOTFOUND)
        status = vrv_store_lost(&e, c->key);
    if (status == 0) {
        count(c);
    } else if (status == VRV_E_AGAIN && c->again++ < AGAIN_MAX) {
        c->next.version = part_of(c)->head.passed + 1;
        put_root(c);
    } else {
        finish(c, status == VRV_E_AGAIN ? VRV_E_CORRUPT : status, &e);
    }
}

static void
look(struct vrv_parts_commit *c, vrv__found_fn *run)
{
    struct vrv_err e;

    if (c->cancelled) /* nobody waits for the answer any more */
        finish(c, vrv_err_set(&e, VRV_E_CANCELLED, "the commit was given up"), &e);
    else
        vrv__found_look(c, run);
}

static void
root_back(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);
    struct vrv_err e;
    int rc = compare(c, &e);

    if (rc == 0)
        count(c);
    else if (rc == VRV_E_CORRUPT)
        look(c, root_found);
    else
        finish(c, rc, &e);
}

static void
root_put(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);

    if (c->call.status == VRV_E_EXISTS)
        look(c, root_found);
    else if (c->call.status < 0)
        finish(c, c->call.status, &c->call.err);
    else
        read_back(c, root_back);
}

static void
put_root(struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);
    struct vrv_err e;

    for (int i = 0; i < 16; i += 8)
        vrv_put_le64(c->next.put_id.b + i, vrv_rand_next(&c->parts->random));
    free(c->bytes);
    c->bytes = vrv_manifest_write(&c->next, &c->n);
    if (c->n > VRV_MANIFEST_ROOT_MAX) {
        (void)vrv_err_set(&e, VRV_E_INVALID, "a manifest of %zu bytes: %d at most can be read", c->n,
            (int)VRV_MANIFEST_ROOT_MAX);
        refuse(c, &e);
        return;
    }
    vrv_parts_root_key(&id, c->next.version, c->key);
    put(c, root_put, true);
}

/* ---- a page ---- */

/* Nobody else has its name, and what is damaged is nobody's. */
static void
page_back(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);
    struct vrv_err e;
    int rc = compare(c, &e);

    if (rc == VRV_E_CORRUPT && c->again++ < AGAIN_MAX) {
        put_page(c);
        return;
    }
    if (rc == 0) {
        c->page.key = vrv_mem_strdup(c->key);
        vrv_manifest_fold(&c->next, c->fold.segments, &c->page, c->fold.joins);
        forget_old(c);
        put_root(c);
    } else {
        finish(c, rc, &e);
    }
}

static void
page_put(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);

    if (c->call.status < 0)
        finish(c, c->call.status, &c->call.err);
    else
        read_back(c, page_back);
}

static void
put_page(struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);
    uint32_t n = c->old_n + c->fold.segments;
    struct vrv_manifest part = { .topic = id.topic, .partition = id.partition, .seg_n = n,
        .seg = vrv_mem_zero(n * sizeof(*part.seg)) };

    for (uint32_t i = 0; i < n; i++)
        part.seg[i] = i < c->old_n ? c->old[i] : c->next.seg[i - c->old_n];
    free(c->bytes);
    c->bytes = vrv_manifest_write_page(&part, 0, n, &c->page, &c->n);
    free(part.seg);
    vrv_parts_page_key(c->parts, &id, c->page.base, c->key);
    put(c, page_put, false);
}

/* One that can't be read stays as it is: that is for others to tell. */
static void
newest_came(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);
    const struct vrv_cold_page *newest = &c->next.page[c->next.page_n - 1];
    struct vrv_err e = c->call.err;
    int rc = c->call.status;

    if (rc == 0)
        rc = vrv_manifest_read_page(&c->next, newest, c->back, c->call.got, &c->old, &e);
    c->old_n = rc == 0 ? newest->segments : 0;
    free(c->back);
    c->back = NULL;
    if (rc < 0)
        c->fold = vrv_fold_plan(&c->next, c->parts->o.root_bytes, true);
    if (rc == VRV_E_CANCELLED)
        finish(c, rc, &e);
    else if (c->fold.segments == 0)
        put_root(c);
    else
        put_page(c);
}

static void
get_newest(struct vrv_parts_commit *c)
{
    const struct vrv_cold_page *newest = &c->next.page[c->next.page_n - 1];

    get(c, newest->key, (size_t)newest->size, newest_came);
}

/* ---- all of it ---- */

static void
put_all(struct vrv_parts_commit *c)
{
    c->fold = vrv_fold_plan(&c->next, c->parts->o.root_bytes, false);
    if (c->fold.segments == 0)
        put_root(c);
    else if (c->fold.joins)
        get_newest(c);
    else
        put_page(c);
}

/* It has all again that a manifest says of its segments: as many as are not its own. */
static void
filled(struct vrv_parts_commit *c, int status, const struct vrv_err *why)
{
    struct vrv_err e = *why;

    if (status == 0)
        status = vrv_manifest_check(&c->next, &e);
    if (status < 0)
        refuse(c, &e);
    else
        put_all(c);
}

static void
whole_came(struct vrv_part_wait *w, int status, const struct vrv_err *why)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(w, struct vrv_parts_commit, wait);
    const struct vrv_part *p = part_of(c);
    struct vrv_err e = *why;

    c->waits = false;
    if (status == VRV_E_CORRUPT || status == VRV_E_IO) { /* it is damaged, or lost */
        if (p->now != NULL)
            c->next.before = p->now->m.before; /* the newest that can be read, and is kept */
        vrv__fill_begin(c, why, filled);
        return;
    }
    if (status == 0 && !vrv_manifest_fill(&c->next, &p->now->m))
        status = vrv_err_set(&e, VRV_E_CONFLICT, "another manifest counts than was changed");
    filled(c, status, &e);
}

/* What it has let go of comes first. */
static void
make_whole(struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);

    if (!vrv_manifest_is_thin(&c->next)) {
        put_all(c);
        return;
    }
    c->waits = true;
    c->wait.run = whole_came;
    vrv_parts_read(c->parts, &id, &c->wait);
}

/* Nothing is written yet. */
static void
way_seen(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    static const struct vrv_err none;
    bool is_free = status == VRV_E_NOTFOUND || status == 0;

    if (status == VRV_E_AGAIN && c->again++ < AGAIN_MAX) {
        c->next.version = part_of(c)->head.passed + 1;
        look(c, way_seen);
    } else if (is_free && !c->looks) {
        make_whole(c);
    } else {
        finish(c, is_free ? 0 : status == VRV_E_AGAIN ? VRV_E_CORRUPT : status, is_free ? &none : e);
    }
}

/* Does it continue what counts?  Nothing may be written otherwise: it would be a hole (L7). */
static int
check(const struct vrv_parts_commit *c, uint64_t from, struct vrv_err *e)
{
    const struct vrv_manifest *m = &c->next;
    const struct vrv_part *p = part_of(c);
    uint64_t counts = p->head.version;

    if (from == counts && (counts == 0 || p->now != NULL))
        return c->looks || vrv_manifest_is_thin(m) ? 0 : vrv_manifest_check(m, e);
    return vrv_err_set(e, VRV_E_CONFLICT, "version %" PRIu64 " of the manifest counts, not %" PRIu64,
        counts, from);
}

void
vrv_parts_commit(struct vrv_parts *ps, struct vrv_parts_commit *c)
{
    struct vrv_manifest *m = &c->next;
    struct vrv_err e;

    c->parts = ps;
    const struct vrv_part *p = part_of(c);
    uint64_t from = m->version;
    m->before = p->head.stood_in > 0 ? p->head.stood_in : from; /* one that can be read: it is kept */
    m->version = (from > p->head.passed ? from : p->head.passed) + 1;
    if (check(c, from, &e) < 0)
        refuse(c, &e);
    else if (c->looks || p->looks)
        look(c, way_seen);
    else
        make_whole(c);
}

void
vrv_parts_cancel(struct vrv_parts *ps, struct vrv_parts_commit *c)
{
    struct vrv_err e;

    c->cancelled = true;
    if (c->waits) {
        c->waits = false;
        vrv_list_del(&c->wait.link);
        (void)vrv_err_set(&e, VRV_E_CANCELLED, "the commit was given up");
        refuse(c, &e);
    } else if (c->found != NULL) {
        vrv__found_cancel(c->found);
    } else if (c->fill != NULL) {
        vrv__fill_cancel(c->fill);
    } else {
        vrv_retry_cancel(ps->o.retry, &c->call);
    }
}
