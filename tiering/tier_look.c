/* A look at a partition: what is to become of its segments, and the beginning of that. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/daemon/rules.h"
#include "tiering/tended.h"

static const int64_t MS = 1000000;

struct vrv_tier_local *
vrv__tier_local(struct vrv_log *log, uint32_t *n)
{
    struct vrv_log_seg *s = vrv_log_segs(log, n);
    struct vrv_tier_local *v = *n > 0 ? vrv_mem_zero(*n * sizeof(*v)) : NULL;

    for (uint32_t i = 0; i < *n; i++)
        v[i] = (struct vrv_tier_local){ s[i].base, s[i].next, s[i].size,
            s[i].max_ts >= 0 && s[i].max_ts < s[i].last_ms ? s[i].max_ts : s[i].last_ms,
            s[i].sealed };
    free(s);
    return v;
}

/* What is refused now, for want of room in the WAL say, is done at the next look. */
static void
let_go(struct vrv_tended *d, struct vrv_log *log, const struct vrv_tier_plan *p)
{
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_err e;
    int rc = 0;

    if (p->start > o.start)
        rc = vrv_log_set_start(log, p->start, NULL, &e);
    if (rc == 0 && p->drop > o.local_start && !d->empties)
        rc = vrv_log_drop_local(log, p->drop, NULL, &e);
    if (rc == 0 && p->drop > d->dropped && !d->empties)
        d->dropped = p->drop;
}

/* Somebody asked for what is here to go at once: it waits for nothing, but to be sealed. */
static void
hasten(const struct vrv_tended *d, struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    if (v->cold == NULL || v->cold->next < d->wanted)
        r->lag_ms = d->wanted > 0 ? 0 : r->lag_ms;
    for (uint32_t i = 0; i < v->local_n; i++)
        if (!v->local[i].sealed && v->local[i].next <= d->wanted)
            vrv_engine_want_checkpoint(d->t->eng);
}

/* A page that isn't there yet is at one of the next looks; until then it goes as a whole, or not. */
static void
show_oldest(struct vrv_tended *d, const struct vrv_tier_rules *r, struct vrv_tier_view *v)
{
    bool wants = vrv_tier_wants_oldest(r, v);
    bool is_there = d->oldest != NULL && d->oldest->there;

    if (d->oldest != NULL && (!wants || strcmp(d->oldest->key, v->cold->page[0].key) != 0 ||
            (is_there && d->oldest->status < 0))) {
        vrv_piece_unref(d->oldest);
        d->oldest = NULL;
        is_there = false;
    }
    if (wants && d->oldest == NULL) {
        d->oldest = vrv_cache_page(&d->t->reader.cache, v->cold, &v->cold->page[0]);
        is_there = d->oldest->there;
    }
    if (is_there && d->oldest->status == 0) {
        v->oldest = d->oldest->seg;
        v->oldest_n = d->oldest->seg_n;
    }
}

void
vrv__tier_oldest(struct vrv_tier *t, const struct vrv_log_id *id, struct vrv_tier_view *v)
{
    const struct vrv_tended *d = vrv__tended_find(t, id);
    const struct vrv_piece *p = d != NULL ? d->oldest : NULL;

    if (p == NULL || !p->there || p->status < 0 || v->cold == NULL || v->cold->page_n == 0 ||
        strcmp(p->key, v->cold->page[0].key) != 0)
        return;
    v->oldest = p->seg;
    v->oldest_n = p->seg_n;
}

static bool
names_below(const struct vrv_manifest *m, int64_t below)
{
    return m->page_n + m->seg_n > 0 && (m->page_n > 0 ? m->page[0].next : m->seg[0].next) <= below;
}

/* Takes over the reference to the manifest, which is NULL where nothing is cold. */
static void
decide(struct vrv_tended *d, struct vrv_log *log, const struct vrv_log_config *c, struct vrv_snap *s)
{
    struct vrv_tier *t = d->t;
    struct vrv_tier_rules r;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_tier_view v = { .cold = s != NULL ? &s->m : NULL, .start = o.start,
        .local_start = o.local_start > d->dropped ? o.local_start : d->dropped,
        .now_ms = vrv__tier_wall_ms(t) };
    struct vrv_tier_local *local = vrv__tier_local(log, &v.local_n);
    struct vrv_tier_plan p;

    v.local = local;
    vrv_tier_rules_of(c, &r);
    hasten(d, &r, &v);
    show_oldest(d, &r, &v);
    vrv_tier_plan(&r, &v, &p);
    let_go(d, log, &p);
    bool swept_ = t->sweep != NULL && t->sweep->owner == d;
    bool free_ = vrv__tier_may_write(t) && d->move == NULL && d->trim == NULL && !swept_ &&
        vrv__tier_now_ns(t) >= d->again_ns;
    if (free_ && (s != NULL || r.leaves) && t->sweep == NULL && vrv__tier_now_ns(t) >= d->sweep_ns)
        vrv__tended_sweep(d, r.leaves); /* alone: what counts doesn't change meanwhile */
    else if (free_ && s != NULL && names_below(&s->m, p.trim))
        vrv__tended_trim(d, &s->m, p.trim, v.start);
    else if (free_ && p.move < v.local_n && t->moves < t->o.moves)
        vrv__tended_move(d, log, s != NULL ? vrv_snap_ref(s) : NULL, local[p.move].base);
    vrv_snap_unref(s);
    free(local);
}

static void
manifest_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct vrv_tended *d = VRV_LIST_OF(w, struct vrv_tended, wait);

    d->waits = false;
    d->t->reads--;
    d->t->look_ns = 0;
    if (status < 0 && status != VRV_E_NOTFOUND)
        vrv__tended_failed(d, e);
}

void
vrv__tier_hurry(struct vrv_tier *t, const struct vrv_log_id *id, int64_t to)
{
    struct vrv_tended *d = vrv__tended_of(t, id, false);

    d->wanted = to;
    d->again_ns = 0;
    t->look_ns = 0;
    vrv_engine_want_checkpoint(t->eng);
}

static void
look_at(struct vrv_tier *t, struct vrv_log *log, const struct vrv_log_config *c)
{
    struct vrv_tended *d = vrv__tended_of(t, &log->id, !c->tiered);
    struct vrv_err e = { 0 };
    struct vrv_snap *s;
    int rc = vrv_parts_now(&t->parts, &log->id, &s, &e);

    if (rc == VRV_E_AGAIN && !d->waits && vrv__tier_now_ns(t) >= d->again_ns) {
        d->waits = true;
        d->wait.run = manifest_came;
        t->reads++;
        vrv_parts_read(&t->parts, &log->id, &d->wait);
    } else if (rc == 0 || rc == VRV_E_NOTFOUND) {
        decide(d, log, c, s);
    } else if (rc != VRV_E_AGAIN) {
        vrv__tended_failed(d, &e);
    }
}

static int
look_at_topic(void *ctx, const struct vrv_topic_info *info)
{
    struct vrv_tier *t = ctx;

    for (int32_t i = 0; i < info->partitions; i++) {
        struct vrv_log_id id = { info->id, i };
        struct vrv_log *log = vrv_engine_log_ref(t->eng, &id);

        if (log == NULL)
            continue;
        struct vrv_log_config *c = vrv_log_config_ref(log);
        if (c->tiered)
            look_at(t, log, c);
        vrv_log_config_unref(c);
        vrv_log_unref(&log);
    }
    return 0;
}

/* What is cold of a topic that asks for the tier no more. */
static int
look_at_head(void *ctx, const struct vrv_log_id *id)
{
    struct vrv_tier *t = ctx;
    struct vrv_log *log = vrv_engine_log_ref(t->eng, id);

    if (log == NULL)
        return 0;
    struct vrv_log_config *c = vrv_log_config_ref(log);
    if (!c->tiered)
        look_at(t, log, c);
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
    return 0;
}

void
vrv__tier_look(struct vrv_tier *t)
{
    t->look_ns = vrv__tier_now_ns(t) + t->o.look_ms * MS;
    (void)vrv_catalog_each(vrv_engine_catalog(t->eng), look_at_topic, t);
    (void)vrv_parts_each_head(&t->parts, look_at_head, t);
    if (vrv__tier_may_write(t))
        vrv__tier_house_look(t);
}
