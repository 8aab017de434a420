#include "tiering/daemon/undelete.h"

#include <stdio.h>
#include <string.h>

static void
finish(struct vrv_undelete *u, int status)
{
    u->status = status;
    u->id = u->r.topic.id;
    vrv_remains_fini(&u->r);
    u->run(u);
    vrv_cq_post(u->done.cq, &u->done, &u->done);
}

/* ---- which ---- */

/* Of those with its name the newest; another is freed. */
static int
find(void *ctx, const struct vrv_uuid *id)
{
    struct vrv_undelete *u = ctx;
    struct vrv_remains r;

    if (vrv_remains_read(u->eng, id, &r, &u->err) < 0)
        return 0; /* what can't be read is nobody's */
    bool better = strcmp(r.topic.name, u->topic) == 0 &&
        (u->r.part == NULL || r.deleted_ms > u->r.deleted_ms);
    if (better) {
        vrv_remains_fini(&u->r);
        u->r = r;
    } else {
        vrv_remains_fini(&r);
    }
    return 0;
}

/* ---- what is left of it ---- */

/* From where it began or the cold tier does, to where that ends: the rest is lost. */
static void
note_cold(struct vrv_remains_part *p, const struct vrv_manifest *m)
{
    int64_t base = vrv_manifest_base(m);

    if (p->start < base)
        p->start = base;
    p->gap = m->next < p->end ? m->next : p->end;
    if (m->page_n + m->seg_n == 0 || p->start >= p->gap)
        p->start = p->gap = p->end;
}

static void
bring_back(struct vrv_undelete *u)
{
    struct vrv_remains now;
    int rc = vrv_remains_read(u->eng, &u->r.topic.id, &now, &u->err);

    if (rc == 0) { /* as it is now: the grace may have passed meanwhile */
        u->r.purging = now.purging;
        vrv_remains_fini(&now);
        if (u->as != NULL)
            (void)snprintf(u->r.topic.name, sizeof(u->r.topic.name), "%s", u->as);
        rc = vrv_engine_undelete_topic(u->eng, &u->r, &u->err);
    }
    if (rc == 0)
        rc = vrv_remains_drop(u->eng, &u->r.topic.id, &u->err);
    finish(u, rc);
}

static void go_on(struct vrv_undelete *u);

static void
manifest_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct vrv_undelete *u = VRV_LIST_OF(w, struct vrv_undelete, wait);

    u->err = *e;
    if (status < 0)
        finish(u, status);
    else
        go_on(u);
}

static void
go_on(struct vrv_undelete *u)
{
    for (; u->at < u->r.topic.partitions; u->at++) {
        struct vrv_remains_part *p = &u->r.part[u->at];
        struct vrv_log_id id = { u->r.topic.id, u->at };
        struct vrv_snap *s = NULL;
        int rc;

        if (!u->is_still(u->owner, &id)) {
            finish(u, vrv_err_set(&u->err, VRV_E_AGAIN, "what of %.150s was on its way to the store when it "
                "was deleted is still being given up: try again", u->topic));
            return;
        }
        rc = vrv_parts_now(u->parts, &id, &s, &u->err);
        if (rc == VRV_E_AGAIN) {
            u->wait.run = manifest_came;
            vrv_parts_read(u->parts, &id, &u->wait);
            return;
        }
        if (rc < 0 && rc != VRV_E_NOTFOUND) {
            finish(u, rc);
            return;
        }
        if (s == NULL)
            p->start = p->gap = p->end;
        else
            note_cold(p, &s->m);
        vrv_snap_unref(s);
    }
    bring_back(u);
}

void
vrv_undelete_begin(struct vrv_undelete *u)
{
    u->r = (struct vrv_remains){ .part = NULL };
    u->at = 0;
    vrv_list_init(&u->wait.link);
    (void)vrv_remains_each(u->eng, find, u);
    if (u->r.part == NULL)
        finish(u, vrv_err_set(&u->err, VRV_E_NOTFOUND,
            "no deleted topic %.150s has left anything in the cold tier", u->topic));
    else if (u->r.purging)
        bring_back(u); /* which says why it can't */
    else
        go_on(u);
}

void
vrv_undelete_cancel(struct vrv_undelete *u)
{
    vrv_list_del(&u->wait.link);
    finish(u, vrv_err_set(&u->err, VRV_E_CANCELLED, "the engine is being closed"));
}
