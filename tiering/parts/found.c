/*
 * The name of a root is taken, or what is there isn't what was written: whose is it, and does it count?
 *
 *   read it ─► nothing, or our own
 *        │ └─► another one: newer owner's, or another life's ─► FENCED; too old, or too little ─► passed over; else it counts
 *        └► can't be read ─► is the store still ours? ─► passed over
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/parts/parts_int.h"

static const int64_t MS = 1000000;

struct vrv_root_found {
    struct vrv_read_root read;
    struct vrv_parts_commit *c;
    vrv__found_fn *run;
    struct vrv_store_call ask; /* is there another owner? */
    bool asks;
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_err why;        /* why it can't be read */
};

/* Nothing is in the way, or not any more. */
static bool
is_told(int status)
{
    return status == 0 || status == VRV_E_NOTFOUND || status == VRV_E_CONFLICT || status == VRV_E_AGAIN;
}

static void
finish(struct vrv_root_found *f, int status, const struct vrv_err *e)
{
    struct vrv_parts_commit *c = f->c;
    vrv__found_fn *run = f->run;
    struct vrv_err why = *e;

    if (status == VRV_E_FENCED || is_told(status))
        f->read.part->looks = status == VRV_E_FENCED;
    c->found = NULL;
    free(f);
    run(c, status, &why);
}

/* For good, before anything is written above it: a crash must not find it again, and think otherwise. */
static int
pass_over(struct vrv_root_found *f, struct vrv_err *e)
{
    struct vrv_part *p = f->read.part;
    struct vrv_head h = p->head;

    h.passed = f->c->next.version;
    int rc = vrv__head_write(p->parts, &p->id, &h, e);
    if (rc == 0)
        p->head = h;
    return rc;
}

/* ---- it can be read ---- */

/* No sweep has taken it for nobody's: 1; 0: one may have; negative: nobody can tell. */
static int
is_there(const struct vrv_part *p, char what, const char *key, uint64_t end, struct vrv_err *e)
{
    const struct vrv_parts_opts *o = &p->parts->o;
    struct vrv_part_key k;

    if (vrv_parts_read_key(&p->id, what, key, &k) && o->clock->wall_ms(o->clock) - k.made_ms < o->adopt_ms)
        return 1;
    int rc = o->there != NULL ? o->there(o->ctx, key, end, e) : VRV_E_NOTFOUND;
    return rc == 0 ? 1 : rc == VRV_E_NOTFOUND || rc == VRV_E_CORRUPT ? 0 : rc;
}

/* Everything that it names and the one that counts doesn't: likewise. */
static int
is_all_there(const struct vrv_part *p, const struct vrv_manifest *m, struct vrv_err *e)
{
    const struct vrv_manifest *now = p->now != NULL ? &p->now->m : &(const struct vrv_manifest){ 0 };
    uint32_t k = 0;
    int rc = 1;

    for (uint32_t i = 0; i < m->page_n && rc == 1; i++) {
        const struct vrv_cold_page *page = &m->page[i];

        while (k < now->page_n && now->page[k].base < page->base)
            k++;
        if (k == now->page_n || strcmp(now->page[k].key, page->key) != 0)
            rc = is_there(p, 'm', page->key, page->size, e);
    }
    k = 0;
    for (uint32_t i = 0; i < m->seg_n && rc == 1; i++) {
        const struct vrv_cold_seg *s = &m->seg[i];

        while (k < now->seg_n && now->seg[k].base < s->base)
            k++;
        /* also what a heal has put in the place of another one: it was nobody's since */
        if (k == now->seg_n || strcmp(now->seg[k].key, s->key) != 0)
            rc = is_there(p, 'd', s->key, s->pos + s->size, e);
    }
    return rc;
}

/* All that the log may still have and the one that counts names.  One that was to name less counts only if
 * nobody relied on that meanwhile, which nobody knows any more. */
static bool
is_whole(const struct vrv_parts_commit *c, const struct vrv_part *p, const struct vrv_manifest *m)
{
    return p->now == NULL ||
        (m->next >= p->now->m.next && vrv_manifest_base(m) <= c->next.start);
}

/* What it has more is what the log has at these offsets: it was written by the life that this disk
 * goes on with, and not by one that went on elsewhere, as when an older copy of this disk has taken
 * its place. */
static bool
goes_on(const struct vrv_part *p, const struct vrv_manifest *m)
{
    const struct vrv_parts_opts *o = &p->parts->o;
    int64_t from = p->now != NULL ? p->now->m.next : 0;

    if (o->has == NULL)
        return true;
    if (m->page_n > 0 && m->page[m->page_n - 1].next > from) /* the last one isn't put there yet */
        return false;
    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].next > from && !o->has(o->ctx, &p->id, &m->seg[i]))
            return false;
    return true;
}

static int
adopt(struct vrv_root_found *f, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_part *p = f->read.part;
    const struct vrv_parts_commit *c = f->c;
    struct vrv_head *h = &f->read.head;

    if (vrv_uuid_eq(&m->put_id, &c->next.put_id))
        return 0;
    if (m->epoch > c->next.epoch)
        return vrv_err_set(e, VRV_E_FENCED, "%s was written by an owner of epoch %" PRId32
            ", this one has %" PRId32, f->read.key, m->epoch, c->next.epoch);
    if (!goes_on(p, m))
        return vrv_err_set(e, VRV_E_FENCED, "%s names records up to %" PRId64 " that this disk hasn't got: if varve log "
            "repair cut them, stop this server, and varve scrub --heal; if it is older than its store, varve restore",
            f->read.key, m->next - 1);
    int rc = is_whole(c, p, m) ? is_all_there(p, m, e) : 0;
    if (rc == 0) {
        rc = pass_over(f, e);
        return rc < 0 ? rc
                      : vrv_err_set(e, VRV_E_CONFLICT, "%s is too old, or names too little, to count", f->read.key);
    }
    if (rc < 0)
        return rc;
    vrv__head_follow(h, &p->head, m->next); /* what it names of that isn't lost */
    rc = vrv__head_write(p->parts, &p->id, h, e);
    if (rc < 0)
        return rc;
    vrv__part_set(p, h, m);
    return vrv_err_set(e, VRV_E_CONFLICT, "%s was there already, and counts now", f->read.key);
}

/* ---- it can't ---- */

static void
pass_over_damaged(struct vrv_root_found *f)
{
    const struct vrv_parts_opts *o = &f->read.part->parts->o;
    struct vrv_err e;
    int rc = pass_over(f, &e);

    if (rc < 0) {
        finish(f, rc, &e);
        return;
    }
    if (o->passed != NULL)
        o->passed(o->ctx, &f->read.part->id, &f->why);
    finish(f, VRV_E_AGAIN, &f->why);
}

static void
is_unsettled(struct vrv_root_found *f)
{
    struct vrv_err e;
    int rc = vrv_err_set(&e, VRV_E_BUSY, "%s can't be read, and who owns the store isn't settled yet", f->read.key);

    finish(f, rc, &e);
}

static void
successor_sought(struct vrv_done *d)
{
    struct vrv_root_found *f = VRV_LIST_OF(d, struct vrv_root_found, ask.done);
    const struct vrv_parts_opts *o = &f->read.part->parts->o;
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_err e = f->ask.err;
    int rc = f->ask.status;
    bool is_there = rc == 0 || rc == VRV_E_CORRUPT;

    if (rc == VRV_E_NOTFOUND)
        pass_over_damaged(f);
    else if (is_there && (o->successor(o->ctx, key) != 1 || strcmp(key, f->key) != 0))
        is_unsettled(f); /* it may be ourselves by now */
    else if (is_there)
        finish(f, vrv_err_set(&e, VRV_E_FENCED, "%s may be of the store's next owner: %s is there, too", f->read.key,
            f->key), &e);
    else
        finish(f, rc, &e);
}

/* What its own owner wrote he never relied on: he would have read it back.  Another one is in the
 * store before his first manifest. */
static void
seek_successor(struct vrv_root_found *f)
{
    const struct vrv_parts_opts *o = &f->read.part->parts->o;
    int rc = o->successor != NULL ? o->successor(o->ctx, f->key) : 0;

    if (rc == 0) {
        pass_over_damaged(f);
        return;
    }
    if (rc < 0) {
        is_unsettled(f);
        return;
    }
    f->asks = true;
    /* Whatever it is, if it is: an answer to GET may be an error that calls itself none. */
    f->ask = (struct vrv_store_call){ .done = { .cq = o->cq, .run = successor_sought }, .op = VRV_STORE_VERIFY,
        .lane = VRV_STORE_UPLOAD, .key = f->key, .size = 1,
        .deadline_ns = o->clock->mono_ns(o->clock) + o->read_ms * MS };
    vrv_retry_submit(o->retry, &f->ask);
}

static void
came(struct vrv_read_root *r, int status, struct vrv_manifest *m, const struct vrv_err *why)
{
    struct vrv_root_found *f = VRV_LIST_OF(r, struct vrv_root_found, read);
    struct vrv_err e = *why;

    if (f->c->cancelled) { /* there may be no engine any more */
        vrv_manifest_fini(m);
        finish(f, vrv_err_set(&e, VRV_E_CANCELLED, "the commit was given up"), &e);
        return;
    }
    if (status == VRV_E_CORRUPT) {
        f->why = *why;
        seek_successor(f);
        return;
    }
    if (status == 0)
        status = adopt(f, m, &e);
    vrv_manifest_fini(m);
    finish(f, status, &e);
}

void
vrv__found_look(struct vrv_parts_commit *c, vrv__found_fn *run)
{
    struct vrv_log_id id = { c->next.topic, c->next.partition };
    struct vrv_root_found *f = VRV_NEW(struct vrv_root_found);

    c->found = f;
    f->c = c;
    f->run = run;
    f->read.part = vrv__part_get(c->parts, &id);
    f->read.head.version = c->next.version;
    f->read.lane = VRV_STORE_UPLOAD;
    f->read.run = came;
    vrv__root_read(&f->read);
}

void
vrv__found_cancel(struct vrv_root_found *f)
{
    if (f->asks)
        vrv_retry_cancel(f->read.part->parts->o.retry, &f->ask);
    else
        vrv__root_cancel(&f->read);
}
