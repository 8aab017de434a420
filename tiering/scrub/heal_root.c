/* A root that can't be read any more: the one before counts once more, where this disk has what came since. */
#include <inttypes.h>
#include <stdlib.h>

#include "tiering/parts/has.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/heal_int.h"

enum { LEFT_MAX = 16 };

/* Is there a hole, between what it names and this disk, or before it? */
static int
check_whole(const struct vrv__healing *o, const struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_log_offsets at = vrv_log_offsets(o->log);
    int64_t from, to;

    if (!vrv_parts_lost(&o->h->parts, o->id, &from, &to))
        from = to = 0;
    if (vrv_manifest_base(m) <= at.start && vrv_parts_is_hole(&at, from, to, m->next, at.local_start))
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT, "what is left of manifests names offsets %" PRId64 " to %" PRId64 ", this disk "
        "begins at %" PRId64, vrv_manifest_base(m), m->next, at.local_start);
}

static int
check_segs(const struct vrv__healing *o, const struct vrv_cold_seg *v, uint32_t n, struct vrv_err *e)
{
    for (uint32_t i = 0; i < n; i++)
        if (!vrv_parts_log_has(o->h->eng, o->id, &v[i]) && !vrv__heal_is_left(o->h, o->id, &v[i]))
            return vrv_err_set(e, VRV_E_FENCED, "%s isn't what this disk has from offset %" PRId64 " on: it is older than "
                "its store; varve restore makes a server anew of what the store has", v[i].key, v[i].base);
    return 0;
}

/* Is it of the life that this disk goes on with?  Else records of that would leave the disk for
 * what another one wrote. */
static int
check_life(const struct vrv__healing *o, const struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_log_offsets at = vrv_log_offsets(o->log);
    int rc = 0;

    if (m->next > at.end)
        return vrv_err_set(e, VRV_E_FENCED, "version %" PRIu64 " of the manifest names offsets up to %" PRId64 ", this disk "
            "ends at %" PRId64 ": it is older than its store; varve restore makes a server anew of what the store has",
            m->version, m->next, at.end);
    for (uint32_t i = 0; i < m->page_n && rc == 0; i++) {
        struct vrv_cold_seg *v;

        if (m->page[i].next <= at.local_start)
            continue;
        rc = vrv_find_page(o->h->s, m, &m->page[i], &v, e);
        if (rc == 0)
            rc = check_segs(o, v, m->page[i].segments, e);
        vrv_cold_segs_free(v, m->page[i].segments);
    }
    return rc == 0 ? check_segs(o, m->seg, m->seg_n, e) : rc;
}

/* Nothing is left that would do, and this disk has all from the log's start on: that goes to the
 * store once more. */
static int
begin_anew(const struct vrv__healing *o, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_log_offsets at = vrv_log_offsets(o->log);
    uint32_t n, i = 0;
    struct vrv_log_seg *v = vrv_log_segs(o->log, &n);

    while (i < n && v[i].base < at.local_start && v[i].next <= at.local_start) /* what lies below is on its way out */
        i++;
    bool has_all = i < n && v[i].base <= at.start;
    *m = (struct vrv_manifest){ .topic = o->id->topic, .partition = o->id->partition, .start = at.start,
        .next = has_all ? v[i].base : 0 };
    free(v);
    return has_all ? 0 : vrv_err_prefix(e, VRV_E_CORRUPT, "only the damaged manifest knew all");
}

/* One of those above what counts that are not to: damaged, or too old, or of too little. */
static bool
was_passed_over(const struct vrv__healing *o, uint64_t version)
{
    struct vrv_parts *ps = &o->h->parts;
    struct vrv_err e;
    uint64_t counts;

    return vrv_parts_version(ps, o->id, &counts, &e) == 0 && version > counts && !vrv_parts_is_ahead(ps, o->id, version);
}

/* What was deleted since doesn't come back, and may have left the store. */
static int
try_root(struct vrv__healing *o, uint64_t version, struct vrv_manifest *m, struct vrv_err *e)
{
    int rc = vrv_find_root(o->h->s, o->id, version, m, e);

    if (rc < 0)
        return rc;
    (void)vrv_manifest_trim(m, vrv_log_offsets(o->log).start);
    rc = check_life(o, m, e);
    if (rc == 0)
        rc = check_whole(o, m, e);
    if (rc == 0)
        rc = vrv__heal_younger(o, m, e);
    if (rc < 0)
        vrv_manifest_fini(m);
    return rc;
}

/*
 * The newest that will do.  One that is damaged, or lacks something, gives way to those before; one
 * of another life doesn't, be there older ones that fit: it says that this disk's server wasn't the
 * last one to write there, and whatever counted next would be that one's end.
 */
static int
find_before(struct vrv__healing *o, struct vrv_manifest *m, struct vrv_err *e)
{
    struct vrv_found_versions l;
    int rc = vrv_find_versions(o->h->s, o->id, 0, &l, e);
    bool is_known = rc == 0; /* what there is */

    if (is_known)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "no other root is in the store");
    for (size_t i = l.n; is_known && i > 0 && vrv_find_is_lost(rc); i--)
        if (!was_passed_over(o, l.v[i - 1]))
            rc = try_root(o, l.v[i - 1], m, e);
    vrv_found_versions_fini(&l);
    return is_known && vrv_find_is_lost(rc) ? begin_anew(o, m, e) : rc;
}

/* The one that counts: 1, negative. */
static int
is_lost(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_manifest m;
    struct vrv_err why;
    uint64_t version;
    int rc = vrv_parts_version(&o->h->parts, o->id, &version, &why);

    if (rc == 0)
        rc = vrv_find_root(o->h->s, o->id, version, &m, &why);
    if (rc == 0)
        vrv_manifest_fini(&m);
    return vrv_find_is_lost(rc) ? 1 : e->code;
}

static int
stand_in(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_manifest m;
    int rc = find_before(o, &m, e);

    if (rc == 0)
        rc = vrv_parts_stand_in(&o->h->parts, o->id, &m, e);
    return rc == 0 ? vrv__heal_read(o, e) : rc;
}

/* None counts yet; the first one may be what a crash has left. */
static int
settle_first(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_manifest none = { .topic = o->id->topic, .partition = o->id->partition };
    int rc = vrv_parts_touch(&o->h->parts, o->id, e);

    return rc == 0 ? vrv__heal_commit(o, &none, true, e) : rc;
}

static int
heal(struct vrv__healing *o, struct vrv_err *e)
{
    struct vrv_manifest next;
    int rc = vrv__heal_read(o, e);

    if (rc == VRV_E_NOTFOUND && vrv_parts_has_head(&o->h->parts, o->id))
        return settle_first(o, e);
    if (rc == VRV_E_CORRUPT || (rc == VRV_E_IO && (rc = is_lost(o, e)) == 1))
        rc = stand_in(o, e);
    if (rc < 0)
        return rc;
    vrv_manifest_copy(&next, &o->snap->m);
    rc = vrv__heal_commit(o, &next, false, e);
    vrv_snap_unref(o->snap);
    o->snap = NULL;
    return rc;
}

/* Each root that a crash has left is in the way once: it counts from then on, or is passed over. */
int
vrv_heal_root(struct vrv_heal *h, const struct vrv_log_id *id, struct vrv_err *e)
{
    struct vrv__healing o = { .h = h, .id = id, .page = -1, .log = vrv_engine_log_ref(h->eng, id) };

    if (o.log == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "this server hasn't got the partition");
    int rc = heal(&o, e);
    for (int left = LEFT_MAX; rc == VRV_E_CONFLICT && left > 0; left--)
        rc = heal(&o, e);
    if (rc < 0) /* what stands in, and came to nothing, isn't what counts: nothing may leave this disk for it */
        vrv_parts_forget(&h->parts, id);
    vrv_snap_unref(o.snap);
    vrv_log_unref(&o.log);
    return rc == VRV_E_CONFLICT ? vrv_err_prefix(e, VRV_E_AGAIN, "not healed yet, heal it again") : rc;
}
