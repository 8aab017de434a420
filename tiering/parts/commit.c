/*
 * A manifest comes to count.
 *
 *   too large? page ──► root, if absent ──► head ──► snapshot
 *                          └─ there is one: it is read, and counts ──► CONFLICT, or FENCED
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/parts/parts_int.h"

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
finish(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    vrv_manifest_fini(&c->next);
    free(c->bytes);
    c->bytes = NULL;
    c->run(c, status, e);
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
    vrv_retry_submit(ps->o.retry, &c->call);
}

/* ---- the root of somebody else ---- */

struct vrv_root_found {
    struct vrv_read_root read; /* first */
    struct vrv_parts_commit *c;
};

/* Everything that it names and the one that counts doesn't. */
static bool
is_fresh(const struct vrv_part *p, const struct vrv_manifest *m)
{
    const struct vrv_parts *ps = p->parts;
    int64_t from = p->now != NULL ? p->now->m.next : 0;
    int64_t now_ms = ps->o.clock->wall_ms(ps->o.clock);
    struct vrv_part_key k;

    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].base >= from && (!vrv_parts_read_key(&p->id, 'd', m->seg[i].key, &k) ||
                now_ms - k.made_ms >= ps->o.adopt_ms))
            return false;
    return true;
}

/* All that the log may still have and the one that counts names.  One that was to name less counts only if
 * nobody relied on that meanwhile, which nobody knows any more. */
static bool
is_whole(const struct vrv_parts_commit *c, const struct vrv_part *p, const struct vrv_manifest *m)
{
    return p->now == NULL ||
        (m->next >= p->now->m.next && vrv_manifest_base(m) <= c->next.start);
}

static int
adopt(struct vrv_parts_commit *c, struct vrv_head *h, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_part *p = part_of(c);

    if (m->epoch > c->next.epoch)
        return vrv_err_set(e, VRV_E_FENCED, "%s was written by an owner of epoch %" PRId32
            ", this one has %" PRId32, c->key, m->epoch, c->next.epoch);
    if (!is_fresh(p, m) || !is_whole(c, p, m)) {
        p->passed = m->version;
        return vrv_err_set(e, VRV_E_CONFLICT, "%s is too old, or names too little, to count", c->key);
    }
    vrv__head_follow(h, &p->head, m->next);
    int rc = vrv__head_write(c->parts, &p->id, h, e);
    if (rc < 0)
        return rc;
    vrv__part_set(p, h, m);
    return vrv_err_set(e, VRV_E_CONFLICT, "%s was there already, and counts now", c->key);
}

static void
found(struct vrv_read_root *r, int status, struct vrv_manifest *m, const struct vrv_err *why)
{
    struct vrv_root_found *f = (struct vrv_root_found *)(void *)r;
    struct vrv_parts_commit *c = f->c;
    struct vrv_err e = *why;

    if (status == 0)
        status = adopt(c, &r->head, m, &e);
    vrv_manifest_fini(m);
    c->found = NULL;
    free(f);
    finish(c, status, &e);
}

static void
read_other(struct vrv_parts_commit *c)
{
    struct vrv_root_found *f = VRV_NEW(struct vrv_root_found);

    c->found = f;
    f->c = c;
    f->read.part = part_of(c);
    f->read.head.version = c->next.version;
    f->read.run = found;
    vrv__root_read(&f->read);
}

/* ---- our own ---- */

static void
root_put(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);
    struct vrv_part *p = part_of(c);
    struct vrv_head h = { .version = c->next.version, .size = c->n, .crc = c->call.crc };
    struct vrv_err e = c->call.err;
    int rc = c->call.status;

    if (rc == VRV_E_EXISTS) {
        read_other(c);
        return;
    }
    vrv__head_follow(&h, &p->head, c->next.next);
    if (rc == 0)
        rc = vrv__head_write(c->parts, &p->id, &h, &e);
    if (rc == 0)
        vrv__part_set(p, &h, &c->next);
    finish(c, rc, &e);
}

static void
put_root(struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);

    vrv__part_root_key(&id, c->next.version, c->key);
    put(c, root_put, true);
}

static void
page_put(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);

    if (c->call.status < 0) {
        finish(c, c->call.status, &c->call.err);
        return;
    }
    c->page.key = vrv_mem_strdup(c->key);
    vrv_manifest_fold(&c->next, c->next.seg_n - c->parts->o.root_keeps, &c->page);
    free(c->bytes);
    c->bytes = vrv_manifest_write(&c->next, &c->n);
    put_root(c);
}

static void
put_page(struct vrv_parts_commit *c)
{
    struct vrv_log_id id = id_of(c);

    free(c->bytes);
    c->bytes = vrv_manifest_write_page(&c->next, 0, c->next.seg_n - c->parts->o.root_keeps, &c->page, &c->n);
    vrv_parts_page_key(c->parts, &id, c->page.base, c->key);
    put(c, page_put, false);
}

static void
put_all(struct vrv_parts_commit *c)
{
    const struct vrv_parts *ps = c->parts;

    c->bytes = vrv_manifest_write(&c->next, &c->n);
    if (c->n > ps->o.root_bytes && c->next.seg_n > ps->o.root_keeps)
        put_page(c);
    else
        put_root(c);
}

static void
refused(struct vrv_done *d)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(d, struct vrv_parts_commit, call.done);

    finish(c, c->call.status, &c->call.err);
}

/* Never from within. */
static void
refuse(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    c->call = (struct vrv_store_call){ .done = { .cq = c->parts->o.cq, .run = refused }, .status = status,
        .err = *e };
    vrv_cq_post(c->parts->o.cq, &c->call.done, &c->call.done);
}

/* It has all again that a manifest says of its segments: as many as are not its own. */
static void
whole_came(struct vrv_part_wait *w, int status, const struct vrv_err *why)
{
    struct vrv_parts_commit *c = VRV_LIST_OF(w, struct vrv_parts_commit, wait);
    const struct vrv_part *p = part_of(c);
    struct vrv_err e = *why;

    c->waits = false;
    if (status == 0 && !vrv_manifest_fill(&c->next, &p->now->m))
        status = vrv_err_set(&e, VRV_E_CONFLICT, "another manifest counts than was changed");
    if (status == 0)
        status = vrv_manifest_check(&c->next, &e);
    if (status < 0)
        refuse(c, status, &e);
    else
        put_all(c);
}

/* Does it continue what counts?  Nothing may be written otherwise: it would be a hole (L7). */
static int
check(const struct vrv_parts_commit *c, uint64_t from, struct vrv_err *e)
{
    const struct vrv_manifest *m = &c->next;
    const struct vrv_part *p = part_of(c);
    uint64_t counts = p->head.version;

    if (from == counts && (counts == 0 || p->now != NULL))
        return vrv_manifest_is_thin(m) ? 0 : vrv_manifest_check(m, e);
    return vrv_err_set(e, VRV_E_CONFLICT, "version %" PRIu64 " of the manifest counts, not %" PRIu64,
        counts, from);
}

void
vrv_parts_commit(struct vrv_parts *ps, struct vrv_parts_commit *c)
{
    struct vrv_manifest *m = &c->next;

    c->parts = ps;
    const struct vrv_part *p = part_of(c);
    uint64_t from = m->version;
    m->version = (from > p->passed ? from : p->passed) + 1;
    struct vrv_err e = { 0 };
    int rc = check(c, from, &e);
    if (rc < 0) {
        refuse(c, rc, &e);
        return;
    }
    for (int i = 0; i < 16; i += 8)
        vrv_put_le64(m->put_id.b + i, vrv_rand_next(&ps->random));
    if (!vrv_manifest_is_thin(m)) {
        put_all(c);
        return;
    }
    struct vrv_log_id id = id_of(c);
    c->waits = true;
    c->wait.run = whole_came;
    vrv_parts_read(ps, &id, &c->wait);
}

void
vrv_parts_cancel(struct vrv_parts *ps, struct vrv_parts_commit *c)
{
    struct vrv_err e;

    if (c->waits) {
        c->waits = false;
        vrv_list_del(&c->wait.link);
        refuse(c, vrv_err_set(&e, VRV_E_CANCELLED, "the commit was given up"), &e);
        return;
    }
    vrv_retry_cancel(ps->o.retry, c->found != NULL ? &c->found->read.call : &c->call);
}
