/* What is damaged on this disk, or was cut there for that (varve log repair), and whole in the store, is let go. */
#include <inttypes.h>
#include <stdlib.h>

#include "tiering/restore/find.h"
#include "tiering/scrub/heal_int.h"
#include "tiering/scrub/object.h"

/* ---- is what is here whole? ---- */

static int
check_here(struct vrv__healing *o, const struct vrv_log_seg *s, struct vrv_heal_here *out, struct vrv_err *e)
{
    struct vrv_seg *seg = s->sealed ? vrv_log_sealed(o->log, s->base) : NULL;
    struct vrv_seal seal;

    if (seg == NULL)
        return 0;
    int rc = vrv_seg_check(seg, seg->size, &seal, e);
    vrv_seg_unref(seg);
    out->segments++;
    out->bytes += s->size;
    if (o->h->checked != NULL)
        o->h->checked(o->h->ctx);
    if (rc != VRV_E_CORRUPT)
        return rc;
    out->damaged++;
    if (o->snap == NULL || s->next > o->snap->m.next)
        return vrv_err_prefix(e, rc, "segment %" PRId64 ", which only this disk has", s->base);
    out->to = s->next;
    return 0;
}

static int
check_all_here(struct vrv__healing *o, struct vrv_heal_here *out, struct vrv_err *e)
{
    uint32_t n;
    struct vrv_log_seg *v = vrv_log_segs(o->log, &n);
    int rc = 0;

    out->from = out->to = vrv_log_offsets(o->log).local_start;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if (v[i].next > out->from) /* what lies below is on its way out */
            rc = check_here(o, &v[i], out, e);
    free(v);
    return rc;
}

/* ---- what the manifest names of that ---- */

typedef int named_fn(struct vrv__healing *o, const struct vrv_cold_seg *v, uint32_t n, struct vrv_heal_here *out,
    struct vrv_err *e);

/* All from where this disk begins up to there, some at a time. */
static int
each_named(struct vrv__healing *o, int64_t to, named_fn *fn, struct vrv_heal_here *out, struct vrv_err *e)
{
    const struct vrv_manifest *m = &o->snap->m;
    int rc = 0;

    for (uint32_t i = 0; i < m->page_n && rc == 0; i++) {
        struct vrv_cold_seg *v;

        if (m->page[i].next <= out->from || m->page[i].base >= to)
            continue;
        rc = vrv_find_page(o->h->s, m, &m->page[i], &v, e);
        if (rc < 0)
            return rc;
        rc = fn(o, v, m->page[i].segments, out, e);
        vrv_cold_segs_free(v, m->page[i].segments);
    }
    return rc == 0 ? fn(o, m->seg, m->seg_n, out, e) : rc;
}

/* ---- is it all here? ---- */

/* Less of it than was moved, or nothing; where something else lies that is for others to tell. */
static bool
is_cut(const struct vrv_log_seg *v, uint32_t n, const struct vrv_cold_seg *s)
{
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].base == s->base)
            return v[i].sealed && v[i].size < s->plain;
        if (v[i].base < s->next && v[i].next > s->base)
            return false;
    }
    return true;
}

/* One that this disk had let go of already may reach up to here, be it only over a hole: then nothing was damaged. */
static int
note_cut(struct vrv__healing *o, const struct vrv_cold_seg *v, uint32_t n, struct vrv_heal_here *out, struct vrv_err *e)
{
    int64_t end = vrv_log_offsets(o->log).hw;
    uint32_t here_n;
    struct vrv_log_seg *here = vrv_log_segs(o->log, &here_n);

    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].next <= out->from || v[i].next > end || !is_cut(here, here_n, &v[i]))
            continue;
        out->damaged += v[i].base >= out->from;
        if (v[i].next > out->to)
            out->to = v[i].next;
    }
    free(here);
    return 0;
}

/* By a page that is damaged itself nobody can tell. */
static int
check_cut(struct vrv__healing *o, struct vrv_heal_here *out, struct vrv_err *e)
{
    int rc = each_named(o, o->snap->m.next, note_cut, out, e);

    return vrv_find_is_lost(rc) ? 0 : rc;
}

/* ---- is it all there? ---- */

static int
walk(struct vrv__healing *o, const struct vrv_cold_seg *v, uint32_t n, struct vrv_heal_here *out, struct vrv_err *e)
{
    int rc = 0;

    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct vrv_object_walk w = { .s = o->h->s, .id = o->id, .seg = &v[i] };

        if (v[i].next > out->from && v[i].base < out->to)
            rc = vrv_object_walk(&w, e);
    }
    return rc == VRV_E_NOTFOUND ? vrv_err_prefix(e, VRV_E_CORRUPT, "the store hasn't got it, either") : rc;
}

/* ---- it goes ---- */

static int
let_go(struct vrv__healing *o, int64_t to, struct vrv_err *e)
{
    struct vrv_cq cq;
    struct vrv_ticket t = { .done.cq = &cq };

    (void)vrv_cq_init(&cq, 0);
    int rc = vrv_log_drop_local(o->log, to, &t, e);
    if (rc == 0) {
        while (vrv_cq_take(&cq, 0) == NULL)
            (void)vrv_engine_commit_step(o->h->eng);
        rc = t.status < 0 ? vrv_err_set(e, t.status, "where this disk begins can't be written: %s",
                                vrv_err_text(t.status))
                          : 0;
    }
    vrv_cq_fini(&cq);
    return rc;
}

int
vrv_heal_here(struct vrv_heal *h, const struct vrv_log_id *id, struct vrv_heal_here *out,
    struct vrv_err *e)
{
    struct vrv__healing o = { .h = h, .id = id, .page = -1, .log = vrv_engine_log_ref(h->eng, id) };

    *out = (struct vrv_heal_here){ .segments = 0 };
    int rc = o.log == NULL ? vrv_err_set(e, VRV_E_NOTFOUND, "this server hasn't got the partition")
                           : vrv__heal_read(&o, e);
    if (rc == 0 || (rc == VRV_E_NOTFOUND && o.log != NULL)) /* nothing of it is cold */
        rc = check_all_here(&o, out, e);
    if (rc == 0 && o.snap != NULL)
        rc = check_cut(&o, out, e);
    if (rc == 0 && out->from < out->to)
        rc = each_named(&o, out->to, walk, out, e);
    if (rc == 0 && out->from < out->to)
        rc = let_go(&o, out->to, e);
    if (rc < 0)
        out->to = out->from;
    vrv_snap_unref(o.snap);
    vrv_log_unref(&o.log);
    return rc;
}
