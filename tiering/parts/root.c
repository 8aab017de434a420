/* Reading a manifest's root, and who waits for that. */
#include <stdlib.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/parts/parts_int.h"

static const int64_t MS = 1000000;

/* Is it of this partition and version, and what its head says? */
static int
check(struct vrv_read_root *r, struct vrv_manifest *m, struct vrv_err *e)
{
    const struct vrv_store_call *c = &r->call;
    const struct vrv_log_id *id = &r->part->id;
    uint32_t crc = vrv_crc32c(0, c->buf, c->got);

    if (r->head.size != 0 && (c->got != r->head.size || crc != r->head.crc))
        return vrv_err_set(e, VRV_E_CORRUPT, "%s isn't what was written", r->key);
    int rc = vrv_manifest_read(m, c->buf, c->got, e);
    if (rc < 0)
        return vrv_err_prefix(e, rc, "%s", r->key);
    r->head.size = c->got;
    r->head.crc = crc;
    return vrv_parts_check_root(m, id, r->head.version, e);
}

static void
came(struct vrv_done *d)
{
    struct vrv_read_root *r = VRV_LIST_OF(d, struct vrv_read_root, call.done);
    struct vrv_manifest m = { .version = 0 };
    struct vrv_err e = r->call.err;
    int rc = r->call.status;

    if (rc == 0)
        rc = check(r, &m, &e);
    free(r->call.buf);
    if (rc == VRV_E_CORRUPT && r->call.status == 0 && ++r->reads < VRV_STORE_DAMAGED_READS) {
        if (!r->cancelled) {
            vrv__root_read(r);
            return;
        }
        rc = vrv_err_set(&e, VRV_E_CANCELLED, "it is to stop"); /* perhaps it isn't damaged */
    }
    r->run(r, rc, &m, &e);
}

void
vrv__root_read(struct vrv_read_root *r)
{
    struct vrv_parts *ps = r->part->parts;
    struct vrv_clock *clock = ps->o.clock;
    size_t n = r->head.size != 0 ? r->head.size : VRV_MANIFEST_ROOT_MAX;

    vrv_parts_root_key(&r->part->id, r->head.version, r->key);
    r->call = (struct vrv_store_call){ .done = { .cq = ps->o.cq, .run = came },
        .op = VRV_STORE_GET, .lane = r->lane, .key = r->key, .size = n,
        .buf = vrv_mem_zero(n), .deadline_ns = clock->mono_ns(clock) + ps->o.read_ms * MS };
    vrv_retry_submit(ps->o.retry, &r->call);
}

/* The call may have been posted already, and then knows nothing of this. */
void
vrv__root_cancel(struct vrv_read_root *r)
{
    r->cancelled = true;
    vrv_retry_cancel(r->part->parts->o.retry, &r->call);
}

/* ---- who waits ---- */

static void
tell_all(struct vrv_part *p, int status, const struct vrv_err *e)
{
    struct vrv_list now;

    vrv_list_init(&now);
    while (!vrv_list_empty(&p->waiting)) {
        struct vrv_list *l = p->waiting.next;

        vrv_list_del(l);
        vrv_list_push(&now, l);
    }
    while (!vrv_list_empty(&now)) {
        struct vrv_part_wait *w = VRV_LIST_OF(now.next, struct vrv_part_wait, link);

        vrv_list_del(&w->link);
        w->run(w, status, e);
    }
}

/* Another one may count by now: then who waits looks again. */
static int
take(struct vrv_part *p, const struct vrv_head *h, struct vrv_manifest *m)
{
    p->looks = p->looks || p->now == NULL;
    if (p->now == NULL)
        vrv__part_set(p, h, m);
    else if (h->version == p->head.version)
        vrv__part_fill(p, m);
    vrv_manifest_fini(m);
    return 0;
}

/* Is there nothing to be read for who waits for it? */
static bool
is_there(const struct vrv_part *p)
{
    return p->now != NULL && !vrv_manifest_is_thin(&p->now->m);
}

static void start(struct vrv_parts *ps);

static void
was_read(struct vrv_read_root *r, int status, struct vrv_manifest *m, const struct vrv_err *e)
{
    struct vrv_part *p = r->part;
    struct vrv_parts *ps = p->parts;
    struct vrv_err lost;

    p->reading = NULL;
    ps->reads--;
    ps->later_reads -= r->lane == VRV_STORE_HOUSEKEEPING;
    if (status == 0)
        status = take(p, &r->head, m);
    else if (p->now != NULL && r->head.version != p->head.version)
        status = 0;
    if (status == VRV_E_NOTFOUND) { /* not that there is none: it was there when it came to count */
        status = vrv_store_lost(&lost, r->key);
        e = &lost;
    }
    tell_all(p, status, e);
    free(r);
    start(ps);
}

/* Its turn has come. */
static void
read_part(struct vrv_part *p, enum vrv_store_class lane)
{
    struct vrv_parts *ps = p->parts;
    struct vrv_head h = p->head; /* of the one that is there */
    struct vrv_err e = { 0 };
    int rc = p->now == NULL ? vrv__head_read(ps, &p->id, &h, &e) : 0;

    vrv_list_del(&p->turn);
    if (rc < 0 || is_there(p)) {
        tell_all(p, rc, &e);
        return;
    }
    p->reading = VRV_NEW(struct vrv_read_root);
    p->reading->part = p;
    p->reading->head = h;
    p->reading->lane = lane;
    p->reading->run = was_read;
    ps->reads++;
    ps->later_reads += lane == VRV_STORE_HOUSEKEEPING;
    vrv__root_read(p->reading);
}

static void
start(struct vrv_parts *ps)
{
    while (!vrv_list_empty(&ps->asked) && ps->reads - ps->later_reads < VRV_PARTS_ASKED)
        read_part(VRV_LIST_OF(ps->asked.next, struct vrv_part, turn), VRV_STORE_READ);
    while ((vrv_list_empty(&ps->asked) || ps->later_reads == 0) && !vrv_list_empty(&ps->later) &&
        ps->later_reads < VRV_PARTS_LATER) /* readers who never end don't put it off for ever */
        read_part(VRV_LIST_OF(ps->later.next, struct vrv_part, turn), VRV_STORE_HOUSEKEEPING);
}

void
vrv_parts_read(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_part_wait *w)
{
    struct vrv_part *p = vrv__part_get(ps, id);
    struct vrv_err e = { 0 };
    struct vrv_head h;
    bool has_time = w != NULL && w->has_time;
    int rc = 0;

    if (p->now == NULL && p->reading == NULL)
        rc = vrv__head_read(ps, id, &h, &e);
    if (is_there(p) || rc < 0) {
        if (w != NULL)
            w->run(w, rc, &e);
        return;
    }
    if (w != NULL)
        vrv_list_push(&p->waiting, &w->link);
    if (p->reading != NULL || (has_time && !vrv_list_empty(&p->turn)))
        return;
    vrv_list_del(&p->turn);
    vrv_list_push(has_time ? &ps->later : &ps->asked, &p->turn);
    start(ps);
}

void
vrv_parts_cancel_reads(struct vrv_parts *ps)
{
    static const struct vrv_err e = { .code = VRV_E_CANCELLED };
    struct vrv_list *queues[] = { &ps->asked, &ps->later };

    for (int i = 0; i < 2; i++)
        while (!vrv_list_empty(queues[i])) {
            struct vrv_part *p = VRV_LIST_OF(queues[i]->next, struct vrv_part, turn);

            vrv_list_del(&p->turn);
            tell_all(p, VRV_E_CANCELLED, &e);
        }
    for (struct vrv_omap_node *n = vrv_omap_first(&ps->map); n != NULL;) {
        struct vrv_part *p = VRV_OMAP_OF(n, struct vrv_part, node);

        if (p->reading != NULL)
            vrv__root_cancel(p->reading);
        n = vrv_omap_after(&ps->map, &p->id);
    }
}
