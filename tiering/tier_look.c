/* A look at a partition: what is to become of its segments, and until when it needn't be looked at again. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "tiering/daemon/rules.h"
#include "tiering/tended.h"

static const int64_t MS = 1000000;
static const int64_t FAR_MS = INT64_MAX / 10000000; /* longer than anybody waits */

struct vrv_tier_local *
vrv__tier_local(struct vrv_log *log, uint32_t *n)
{
    struct vrv_log_seg *s = vrv_log_segs(log, n);
    struct vrv_tier_local *v = *n > 0 ? vrv_mem_zero(*n * sizeof(*v)) : NULL;

    for (uint32_t i = 0; i < *n; i++)
        v[i] = (struct vrv_tier_local){ s[i].base, s[i].next, s[i].size,
            s[i].max_ts >= 0 && s[i].max_ts < s[i].last_ms ? s[i].max_ts : s[i].last_ms,
            s[i].sealed, s[i].created_ms };
    free(s);
    return v;
}

/* What is older than the log's start has other reasons to go than that the store has it. */
static int
drop(struct vrv_log *log, const struct vrv_tier_plan *p, struct vrv_err *e)
{
    if (p->drop > p->start)
        VRV_STEP(EVICT);
    int rc = vrv_log_drop_local(log, p->drop, NULL, e);
    if (p->drop > p->start)
        VRV_STEP(EVICT);
    return rc;
}

/* False: it was refused, for want of room in the WAL say. */
static bool
let_go(struct vrv_tended *d, struct vrv_log *log, const struct vrv_tier_plan *p)
{
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_err e;
    int rc = 0;

    if (p->start > o.start) {
        VRV_STEP(RETAIN);
        rc = vrv_log_set_start(log, p->start, NULL, &e);
        VRV_STEP(RETAIN);
    }
    if (rc == 0 && p->drop > o.local_start && !d->empties)
        rc = drop(log, p, &e);
    if (rc == 0 && p->drop > d->dropped && !d->empties)
        d->dropped = p->drop;
    return rc == 0;
}

/* Somebody asked for what is here to go at once: it waits for nothing, but to be sealed.  True: it does
 * that. */
static bool
hasten(const struct vrv_tended *d, struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    bool waits = false;

    if (v->cold == NULL || v->cold->next < d->wanted)
        r->lag_ms = d->wanted > 0 ? 0 : r->lag_ms;
    for (uint32_t i = 0; i < v->local_n; i++)
        waits = waits || (!v->local[i].sealed && v->local[i].next <= d->wanted);
    if (waits)
        vrv_engine_want_checkpoint(d->t->eng);
    return waits;
}

/* A page that isn't there yet is at one of the next looks; until then it goes as a whole, or not.  True: it
 * isn't. */
static bool
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
    return wants && v->oldest_n == 0;
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

void
vrv__tier_rules(const struct vrv_tier *t, const struct vrv_log_config *c, struct vrv_tier_rules *r)
{
    vrv_tier_rules_of(c, r);
    if (t->disk.state >= VRV_DISK_SHORT)
        r->lag_ms = 0;
}

/* ---- one look ---- */

struct look {
    enum vrv_look as;
    struct vrv_tended *d;
    struct vrv_log *log;
    struct vrv_snap *s;          /* the manifest; NULL: nothing is cold */
    struct vrv_tier_rules r;
    struct vrv_tier_view v;
    struct vrv_tier_local *local;
    struct vrv_tier_plan p;
    uint64_t appended;           /* when it began */
    bool polls;                  /* something is awaited that nobody tells */
};

static void
see(struct look *l, const struct vrv_log_config *c)
{
    struct vrv_tended *d = l->d;

    l->appended = vrv_log_traffic(l->log).bytes;
    struct vrv_log_offsets o = vrv_log_offsets(l->log);
    l->v = (struct vrv_tier_view){ .cold = l->s != NULL ? &l->s->m : NULL, .start = o.start,
        .local_start = o.local_start > d->dropped ? o.local_start : d->dropped,
        .now_ms = vrv__tier_wall_ms(d->t) };
    l->v.local = l->local = vrv__tier_local(l->log, &l->v.local_n);
    vrv__tier_rules(d->t, c, &l->r);
    l->r.evicts = l->as == VRV_LOOK_EVICTS; /* a segment */
    bool unsealed = hasten(d, &l->r, &l->v);
    bool unread = show_oldest(d, &l->r, &l->v);
    vrv_tier_plan(&l->r, &l->v, &l->p);
    if (!vrv__tier_may_write(d->t) && l->p.drop > l->p.start) /* what is there may be another store: this is the copy */
        l->p.drop = l->p.start;
    l->polls = unsealed || unread;
}

/* Who is late goes first; whoever has time goes behind all who haven't. */
static int64_t
rank_of(const struct look *l, bool trims)
{
    const struct vrv_tier_plan *p = &l->p;

    if (trims)
        return l->v.now_ms;
    if (l->v.local[p->move].base < l->d->wanted)
        return 0; /* somebody waits for it */
    if (l->d->t->disk.state >= VRV_DISK_SHORT)
        return l->v.local[p->move].newest_ms;
    return p->due_ms != INT64_MAX ? p->due_ms : INT64_MAX / 2 + p->move_ms;
}

/* What is to be done in the store, now or in its turn.  A sweep is alone: what counts doesn't change
 * meanwhile. */
static void
act(struct look *l)
{
    struct vrv_tended *d = l->d;
    struct vrv_tier *t = d->t;
    bool sweeps = (l->s != NULL || l->r.leaves) && vrv__tier_now_ns(t) >= d->sweep_ns;
    bool trims = l->s != NULL && names_below(&l->s->m, l->p.trim);
    bool moves = l->p.move < l->v.local_n, its_turn = l->as == VRV_LOOK_ACTS;

    if (sweeps && t->sweep == NULL)
        vrv__tended_sweep(d, l->r.leaves);
    else if (its_turn && trims)
        vrv__tended_trim(d, &l->s->m, l->p.trim, l->v.start);
    else if (its_turn && moves)
        vrv__tended_move(d, l->log, l->s != NULL ? vrv_snap_ref(l->s) : NULL,
            l->v.local[l->p.move].base);
    else if (trims || moves)
        vrv__tended_ready(d, rank_of(l, trims));
    if (sweeps && (t->sweep == NULL || t->sweep->owner != d))
        vrv_list_push(&t->sweepers, &d->sweeper);
}

/* What goes where the disk is full: told by the topic's policy, and only what is known to be nowhere else. */
static void
account_outage(struct look *l, struct vrv_tier_here *here)
{
    struct vrv_tended *d = l->d;
    struct vrv_tier *t = d->t;
    uint32_t i = vrv_tier_losable(&l->r, &l->v);
    const struct vrv_tier_local *open = l->v.local_n > 0 ? &l->v.local[l->v.local_n - 1] : NULL;
    bool full = t->disk.state == VRV_DISK_FULL, drops = l->r.outage == VRV_TIER_DROP_OLDEST;

    if (full && i < l->v.local_n && !d->ends)
        here->lose_ms = l->v.local[i].newest_ms;
    vrv__tended_refuse(d, l->log, full && !l->r.leaves && l->r.copies && !drops &&
        (l->r.outage == VRV_TIER_BLOCK || i == l->v.local_n));
    if (!full || !drops || i < l->v.local_n || vrv_heap_first(&t->disk.losable) != NULL)
        return;
    if (open != NULL && !open->sealed && open->bytes > 0) { /* it can go when it is sealed */
        vrv_log_roll(l->log);
        vrv_engine_want_checkpoint(t->eng);
    }
    l->polls = true;
}

/* What is under way might name it: first that ends. */
static void
lose(struct look *l, bool busy)
{
    struct vrv_tended *d = l->d;
    uint32_t i = vrv_tier_losable(&l->r, &l->v);
    int64_t cold = l->v.cold != NULL ? l->v.cold->next : INT64_MIN;

    vrv__tended_wake(d); /* for what else there is to do */
    if (busy && !d->ends)
        vrv__tended_end(d);
    if (busy || i == l->v.local_n)
        return;
    if (vrv__tended_lose(d, l->log, cold > l->v.start ? cold : l->v.start, &l->v.local[i]))
        l->v.local_start = d->dropped;
}

static void
account(struct look *l)
{
    struct vrv_tier_here here = { .lose_ms = INT64_MAX };
    int64_t start = vrv_log_offsets(l->log).local_start;

    if (start < l->d->dropped)
        start = l->d->dropped;
    for (uint32_t i = 0; i < l->v.local_n && l->v.local[i].sealed && !l->r.leaves; i++) {
        const struct vrv_tier_local *s = &l->v.local[i];

        if (s->next <= start) {
            here.leaving += s->bytes;
            continue;
        }
        here.local += s->bytes;
        if (l->v.cold == NULL || s->next > l->v.cold->next)
            continue;
        if (here.both == 0)
            here.oldest_ms = s->newest_ms;
        here.both += s->bytes;
    }
    account_outage(l, &here);
    vrv__tended_account(l->d, &here);
}

/* Until when nothing else is to be done, if nobody tells. */
static void
doze(const struct look *l)
{
    struct vrv_tended *d = l->d;
    struct vrv_tier *t = d->t;
    int64_t now_ns = vrv__tier_now_ns(t), ms = l->p.next_ms - l->v.now_ms;

    if (l->polls)
        vrv__tended_wake_at(d, now_ns + t->o.look_ms * MS);
    if (l->p.next_ms != INT64_MAX && ms < FAR_MS)
        vrv__tended_wake_at(d, now_ns + ms * MS);
    if (d->again_ns > now_ns)
        vrv__tended_wake_at(d, d->again_ns);
    if (d->stays_ns > now_ns)
        vrv__tended_wake_at(d, d->stays_ns);
    if ((l->s != NULL || l->r.leaves) && d->sweep_ns > now_ns)
        vrv__tended_wake_at(d, d->sweep_ns);
    vrv_log_tell_at(l->log, l->p.more < UINT64_MAX - l->appended ? l->appended + l->p.more : UINT64_MAX);
}

/* Takes over the reference to the manifest. */
static void
decide(struct look *l, const struct vrv_log_config *c)
{
    struct vrv_tended *d = l->d;
    struct vrv_tier *t = d->t;

    see(l, c);
    if (!let_go(d, l->log, &l->p))
        d->stays_ns = vrv__tier_now_ns(t) + t->o.look_ms * MS;
    if (l->s == NULL || !names_below(&l->s->m, l->p.trim))
        d->dead_ns = 0;
    else if (d->dead_ns == 0)
        d->dead_ns = vrv__tier_now_ns(t);
    if (l->p.move >= l->v.local_n)
        d->late_ns = 0;
    else if (d->late_ns == 0)
        d->late_ns = vrv__tier_now_ns(t);
    if (d->lost_from < d->lost_to)
        vrv__tended_pass_lost(d, l->log, l->s != NULL ? l->s->m.next : -1);
    bool is_swept = t->sweep != NULL && t->sweep->owner == d;
    bool busy = d->move != NULL || d->trim != NULL;
    if (l->as == VRV_LOOK_LOSES)
        lose(l, busy);
    else if (!busy && !is_swept && vrv__tier_may_write(t) && vrv__tier_now_ns(t) >= d->again_ns)
        act(l);
    account(l);
    doze(l);
    vrv_snap_unref(l->s);
    free(l->local);
}

static void
manifest_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct vrv_tended *d = VRV_LIST_OF(w, struct vrv_tended, wait);

    d->waits = false;
    d->t->reads--;
    if (status < 0 && status != VRV_E_NOTFOUND)
        vrv__tended_failed(d, e);
    else
        vrv__tended_wake(d);
}

static void
look_at(struct vrv_tended *d, struct vrv_log *log, const struct vrv_log_config *c, enum vrv_look as)
{
    struct vrv_tier *t = d->t;
    struct vrv_err e = { 0 };
    struct vrv_snap *s;
    int rc = vrv_parts_now(&t->parts, &d->id, &s, &e);

    if (rc == 0 || rc == VRV_E_NOTFOUND) {
        decide(&(struct look){ .as = as, .d = d, .log = log, .s = s }, c);
        return;
    }
    /* What isn't known to be in the store isn't given up. */
    vrv__tended_refuse(d, log, t->disk.state == VRV_DISK_FULL && c->tiered && !c->copy_disabled);
    if (rc != VRV_E_AGAIN) {
        vrv__tended_failed(d, &e);
    } else if (vrv__tier_now_ns(t) < d->again_ns) {
        vrv__tended_wake_at(d, d->again_ns);
    } else if (!d->waits) {
        d->waits = true;
        d->wait.run = manifest_came;
        d->wait.has_time = true;
        t->reads++;
        vrv_parts_read(&t->parts, &d->id, &d->wait);
    }
}

void
vrv__tended_look(struct vrv_tended *d, enum vrv_look as)
{
    struct vrv_log *log = vrv_engine_log_ref(d->t->eng, &d->id);

    vrv__tended_rest(d);
    vrv_lock(&d->t->lock);
    d->t->stats.looks++;
    vrv_unlock(&d->t->lock);
    if (log == NULL) { /* deleted: what is left of it is the house's, which tells when that is gone */
        vrv__tended_end(d);
        vrv__tended_refuse(d, NULL, false);
        vrv__tended_account(d, &(struct vrv_tier_here){ .lose_ms = INT64_MAX });
        if (!vrv__tier_is_busy(d->t, &d->id) && !vrv_parts_has_head(&d->t->parts, &d->id))
            vrv__tier_forget(d->t, &d->id);
        return;
    }
    struct vrv_log_config *c = vrv_log_config_ref(log);
    look_at(d, log, c, as);
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
}

void
vrv__tier_hurry(struct vrv_tier *t, const struct vrv_log_id *id, int64_t to)
{
    struct vrv_tended *d = vrv__tended_of(t, id, false);

    d->wanted = to;
    d->again_ns = 0;
    vrv__tended_wake(d);
    vrv_engine_want_checkpoint(t->eng);
}
