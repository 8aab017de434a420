#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/thread.h"
#include "engine/wal/journal.h"
#include "tiering/daemon/rules.h"
#include "tiering/tier_int.h"

static const int64_t MS = 1000000;
static const int64_t LESSON_NS = 1000000000;

enum { MARKERS = 10 };

/* A partition whose segments are ours to move. */
struct tended {
    struct vrv_omap_node node;
    struct vrv_log_id id;
    struct vrv_tier *t;
    struct vrv_part_wait wait;
    bool waits;                  /* for its manifest */
    struct vrv_move *move;       /* under way, or NULL: */
    struct vrv_log *log;
    struct vrv_snap *from;
    struct vrv_producers *producers; /* as of `known`, where the manifest ends */
    int64_t known;
    struct vrv_parts_commit *trim;     /* a commit without what is deleted, under way; or NULL */
    bool empties;                /* ... for good: what it names isn't relied on any more */
    int64_t dropped;             /* what this disk lacks, or will when the journal is committed */
    int64_t again_ns;            /* nothing that failed before that */
    int64_t sweep_ns;            /* when to look through the store */
    struct vrv_piece *oldest;    /* the manifest's oldest page, while some of it may be too old; or NULL */
    int64_t wanted;              /* whatever is below goes without waiting for remote.copy.lag.* */
    int64_t began_ms;            /* what is under way (wall clock) */
    struct vrv_err last;         /* the newest failure, */
    int64_t last_ms;             /* and when */
    struct vrv_tier_counts counts;
};

static int64_t
now_ns(const struct vrv_tier *t)
{
    return t->o.clock->mono_ns(t->o.clock);
}

static int64_t
wall_ms(const struct vrv_tier *t)
{
    return t->o.clock->wall_ms(t->o.clock);
}

/* ---- life ---- */

void
vrv_tier_opts_default(struct vrv_tier_opts *o)
{
    *o = (struct vrv_tier_opts){ .clock = vrv_clock_real(), .cache_bytes = 64 << 20, .moves = 2,
        .parts = 3, .look_ms = 1000, .call_ms = 300000, .attempt_ms = 60000, .again_ms = 5000,
        .grace_ms = 60000, .orphan_ms = 86400000, .sweep_ms = 3600000, .settle_ms = 120000,
        .keep_ms = 86400000, .deletes_per_second = 1000, .copy_bytes_s = INT64_MAX,
        .marker_ms = 60000, .marker_idle_ms = 600000,
        .chunk_bytes = VRV_CHUNK_BYTES, .root_bytes = 256 << 10, .root_keeps = 16 };
}

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct vrv_log_id *a = key, *b = &VRV_OMAP_OF(n, struct tended, node)->id;
    int order = memcmp(&a->topic, &b->topic, sizeof(a->topic));

    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

struct vrv_tier *
vrv_tier_new(const struct vrv_tier_opts *o)
{
    struct vrv_tier *t = VRV_NEW(struct vrv_tier);

    t->o = *o;
    int rc = vrv_cq_init(&t->cq, 0);
    VRV_ASSERT(rc == 0);
    t->retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = o->store, .clock = o->clock,
        .cq = &t->cq, .random = o->random, .base_ms = 100, .most_ms = 10000,
        .attempt_ms = { o->attempt_ms, o->attempt_ms, o->attempt_ms } });
    vrv_parts_init(&t->parts, &(struct vrv_parts_opts){ .retry = t->retry, .cq = &t->cq,
        .clock = o->clock, .random = o->random, .read_ms = o->call_ms, .write_ms = o->call_ms,
        .adopt_ms = o->orphan_ms / 2, .root_bytes = o->root_bytes, .root_keeps = o->root_keeps });
    struct vrv_cache_opts cache;
    vrv_cache_opts_default(&cache);
    cache.retry = t->retry;
    cache.cq = &t->cq;
    cache.clock = o->clock;
    cache.bytes = o->cache_bytes;
    vrv_cold_reader_init(&t->reader, &t->parts, &cache);
    vrv_pace_init(&t->pace, o->clock, o->copy_bytes_s);
    vrv_source_init(&t->source);
    t->move = (struct vrv_move_opts){ .parts = &t->parts, .pace = &t->pace, .source = &t->source,
        .chunk_bytes = o->chunk_bytes, .zstd_level = o->zstd_level, .index_interval = 4096,
        .upload = { .store = o->store, .retry = t->retry, .cq = &t->cq, .clock = o->clock,
            .parts = o->parts, .call_ms = o->call_ms } };
    vrv__tier_house_init(t);
    vrv_omap_init(&t->tended, compare);
    vrv_lock_init(&t->lock, VRV_LOCK_tier);
    return t;
}

void
vrv_tier_fetch_rate(struct vrv_tier *t, uint64_t bytes_s)
{
    vrv_cold_reader_rate(&t->reader, bytes_s >= INT64_MAX ? 0 : bytes_s);
}

struct vrv_cold *
vrv_tier_cold(struct vrv_tier *t)
{
    return &t->reader.cold;
}

void
vrv_tier_attach(struct vrv_tier *t, struct vrv_engine *eng, const char *cluster,
    vrv_marker_records_fn *records, void *ctx)
{
    t->eng = eng;
    t->house.eng = eng;
    t->look_ns = 0;
    t->owns = cluster == NULL;
    vrv_parts_attach(&t->parts, vrv_engine_catalog(eng));
    vrv_owner_init(&t->owner, &(struct vrv_owner_opts){ .retry = t->retry, .cq = &t->cq,
        .clock = t->o.clock, .random = t->o.random, .cluster = cluster, .call_ms = t->o.call_ms,
        .every_ms = t->o.marker_ms, .idle_ms = t->o.marker_idle_ms, .keeps = MARKERS,
        .records = records, .ctx = ctx });
    if (cluster != NULL)
        vrv_owner_attach(&t->owner, vrv_engine_catalog(eng));
}

static bool
may_write(const struct vrv_tier *t)
{
    return t->owns || t->owner.state == VRV_OWNER_OWNS;
}

/* ---- what is told ---- */

void
vrv__tier_note_failure(void *ctx, const struct vrv_err *e)
{
    struct vrv_tier *t = ctx;

    vrv_lock(&t->lock);
    t->stats.failed++;
    t->stats.last = *e;
    t->stats.last_ms = wall_ms(t);
    vrv_unlock(&t->lock);
}

static void
failed(struct tended *d, const struct vrv_err *e)
{
    struct vrv_tier *t = d->t;

    d->again_ns = now_ns(t) + t->o.again_ms * MS;
    d->last = *e;
    d->last_ms = wall_ms(t);
    vrv__tier_note_failure(t, e);
}

void
vrv_tier_stats(struct vrv_tier *t, struct vrv_tier_stats *s)
{
    vrv_lock(&t->lock);
    *s = t->stats;
    vrv_unlock(&t->lock);
}

void
vrv__tier_doing(struct vrv_tier *t, const struct vrv_log_id *id, struct vrv_tier_part *p)
{
    struct vrv_omap_node *n = vrv_omap_find(&t->tended, id);

    if (n == NULL)
        return;
    const struct tended *d = VRV_OMAP_OF(n, struct tended, node);
    bool sweeps = t->sweep != NULL && t->sweep->owner == d;
    p->work = d->move != NULL ? VRV_TIER_MOVES : d->trim != NULL ? VRV_TIER_TRIMS
        : sweeps ? VRV_TIER_SWEEPS : d->waits ? VRV_TIER_READS : VRV_TIER_RESTS;
    p->since_ms = p->work == VRV_TIER_RESTS || p->work == VRV_TIER_READS ? 0 : d->began_ms;
    if (d->move != NULL) {
        p->at = d->move->seg->base;
        p->done = d->move->at;
        p->size = d->move->seg->size;
    }
    p->last = d->last;
    p->last_ms = d->last_ms;
    if (now_ns(t) < d->again_ns)
        p->again_ms = wall_ms(t) + (d->again_ns - now_ns(t)) / MS;
    p->counts = d->counts;
}

bool
vrv__tier_is_busy(struct vrv_tier *t, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&t->tended, id);
    const struct tended *d = n != NULL ? VRV_OMAP_OF(n, struct tended, node) : NULL;

    return d != NULL && (d->move != NULL || d->trim != NULL || d->waits ||
                            (t->sweep != NULL && t->sweep->owner == d));
}

static void
forget(struct tended *d)
{
    VRV_ASSERT(d->move == NULL && d->trim == NULL && !d->waits);
    vrv_producers_free(&d->producers);
    vrv_piece_unref(d->oldest);
    free(d);
}

void
vrv__tier_forget(struct vrv_tier *t, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_remove(&t->tended, id);

    if (n != NULL)
        forget(VRV_OMAP_OF(n, struct tended, node));
}

int64_t
vrv__tier_oldest_move(struct vrv_tier *t)
{
    int64_t oldest = 0;

    for (struct vrv_omap_node *n = vrv_omap_first(&t->tended); n != NULL;) {
        const struct tended *d = VRV_OMAP_OF(n, struct tended, node);

        if (d->move != NULL && (oldest == 0 || d->began_ms < oldest))
            oldest = d->began_ms;
        n = vrv_omap_after(&t->tended, &d->id);
    }
    return oldest;
}

/* ---- moving ---- */

static void
moved(struct vrv_move *m, int status, const struct vrv_err *e)
{
    struct tended *d = m->owner;
    struct vrv_tier *t = d->t;

    vrv_producers_free(&d->producers);
    d->producers = m->producers;
    d->known = status == 0 ? m->seg->next : -1;
    if (status == 0) {
        vrv_lock(&t->lock);
        t->stats.moved++;
        t->stats.moved_bytes += m->seg->size;
        vrv_unlock(&t->lock);
        d->counts.copied_bytes += m->seg->size;
        t->moved_ms = wall_ms(t);
        t->look_ns = 0; /* there may be more */
    } else {
        d->counts.copy_errors += status != VRV_E_CANCELLED;
        failed(d, e);
    }
    vrv_seg_unref(m->seg);
    vrv_snap_unref(d->from);
    vrv_log_unref(&d->log);
    d->from = NULL;
    d->move = NULL;
    free(m);
    t->moves--;
}

/* Takes over the reference to the manifest. */
static void
move(struct tended *d, struct vrv_log *log, struct vrv_snap *from, int64_t base)
{
    struct vrv_tier *t = d->t;
    struct vrv_seg *s = vrv_log_sealed(log, base);
    int64_t end = from != NULL ? from->m.next : -1;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_err e = { 0 };
    int rc = s != NULL ? vrv_parts_touch(&t->parts, &d->id, &e) : 0;

    if (rc < 0)
        failed(d, &e);
    if (s == NULL || rc < 0) { /* deleted meanwhile, or nobody could find it again */
        vrv_seg_unref(s);
        vrv_snap_unref(from);
        return;
    }
    d->from = from;
    d->log = vrv_log_ref(log);
    d->move = VRV_NEW(struct vrv_move);
    *d->move = (struct vrv_move){ .o = &t->move, .owner = d, .seg = s,
        .epoch = o.epoch, .start = o.start, .gap = o.gap, .gap_end = o.gap_end,
        .from = from != NULL ? &from->m : NULL, .run = moved };
    if (d->known == end) {
        d->move->producers = d->producers;
        d->move->knows_producers = true;
        d->producers = NULL;
    }
    t->moves++;
    d->began_ms = wall_ms(t);
    d->counts.copies++;
    vrv_move_begin(d->move);
}

/* ---- deleting ---- */

static void
trimmed(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    struct tended *d = c->owner;

    if (status == 0)
        d->sweep_ns = now_ns(d->t) + d->t->o.grace_ms * MS;
    else
        failed(d, e);
    d->counts.delete_errors += status < 0 && status != VRV_E_CANCELLED;
    d->trim = NULL;
    d->empties = false;
    d->t->moves--;
    free(c);
}

/* The manifest without what lies below.  One that has nothing left knows no more of where it ended: what
 * follows may be what this disk has kept of that. */
static void
trim(struct tended *d, const struct vrv_manifest *m, int64_t below, int64_t start)
{
    struct vrv_tier *t = d->t;

    d->trim = VRV_NEW(struct vrv_parts_commit);
    d->trim->owner = d;
    d->trim->run = trimmed;
    struct vrv_manifest *next = &d->trim->next;
    vrv_manifest_copy(next, m);
    (void)vrv_manifest_trim(next, below);
    if (next->page_n + next->seg_n == 0) {
        d->empties = start < next->next;
        next->start = start;
        next->next = d->empties ? start : next->next;
    }
    t->moves++;
    d->began_ms = wall_ms(t);
    d->counts.deletes++;
    vrv_parts_commit(&t->parts, d->trim);
}

static bool
names_below(const struct vrv_manifest *m, int64_t below)
{
    return m->page_n + m->seg_n > 0 && (m->page_n > 0 ? m->page[0].next : m->seg[0].next) <= below;
}

static void
swept(struct vrv_sweep *s, int status, const struct vrv_err *e)
{
    struct tended *d = s->owner;
    struct vrv_tier *t = d->t;

    d->sweep_ns = now_ns(t) + t->o.sweep_ms * MS;
    vrv_lock(&t->lock);
    t->stats.swept += s->deleted;
    vrv_unlock(&t->lock);
    if (s->deleted > 0)
        t->deleted_ms = wall_ms(t);
    if (status < 0)
        failed(d, e);
    else
        t->swept_ms = wall_ms(t);
    d->counts.delete_errors += status < 0 && status != VRV_E_CANCELLED;
    t->sweep = NULL;
    free(s);
}

static void
sweep(struct tended *d, bool leaves)
{
    struct vrv_tier *t = d->t;
    struct vrv_sweep *s = t->sweep = VRV_NEW(struct vrv_sweep);

    s->parts = &t->parts;
    s->cache = &t->reader.cache;
    s->retry = t->retry;
    s->cq = &t->cq;
    s->clock = t->o.clock;
    s->rate = &t->deletes;
    s->id = d->id;
    s->leaves = leaves;
    s->orphan_ms = t->o.orphan_ms;
    s->call_ms = t->o.call_ms;
    s->run = swept;
    s->owner = d;
    d->began_ms = wall_ms(t);
    vrv_sweep_begin(s);
}

/* ---- a look at a partition ---- */

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
let_go(struct tended *d, struct vrv_log *log, const struct vrv_tier_plan *p)
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
hasten(const struct tended *d, struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    if (v->cold == NULL || v->cold->next < d->wanted)
        r->lag_ms = d->wanted > 0 ? 0 : r->lag_ms;
    for (uint32_t i = 0; i < v->local_n; i++)
        if (!v->local[i].sealed && v->local[i].next <= d->wanted)
            vrv_engine_want_checkpoint(d->t->eng);
}

/* A page that isn't there yet is at one of the next looks; until then it goes as a whole, or not. */
static void
show_oldest(struct tended *d, const struct vrv_tier_rules *r, struct vrv_tier_view *v)
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
    struct vrv_omap_node *n = vrv_omap_find(&t->tended, id);
    const struct vrv_piece *p = n != NULL ? VRV_OMAP_OF(n, struct tended, node)->oldest : NULL;

    if (p == NULL || !p->there || p->status < 0 || v->cold == NULL || v->cold->page_n == 0 ||
        strcmp(p->key, v->cold->page[0].key) != 0)
        return;
    v->oldest = p->seg;
    v->oldest_n = p->seg_n;
}

/* Takes over the reference to the manifest, which is NULL where nothing is cold. */
static void
decide(struct tended *d, struct vrv_log *log, const struct vrv_log_config *c, struct vrv_snap *s)
{
    struct vrv_tier *t = d->t;
    struct vrv_tier_rules r;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_tier_view v = { .cold = s != NULL ? &s->m : NULL, .start = o.start,
        .local_start = o.local_start > d->dropped ? o.local_start : d->dropped,
        .now_ms = wall_ms(t) };
    struct vrv_tier_local *local = vrv__tier_local(log, &v.local_n);
    struct vrv_tier_plan p;

    v.local = local;
    vrv_tier_rules_of(c, &r);
    hasten(d, &r, &v);
    show_oldest(d, &r, &v);
    vrv_tier_plan(&r, &v, &p);
    let_go(d, log, &p);
    bool swept_ = t->sweep != NULL && t->sweep->owner == d;
    bool free_ = may_write(t) && d->move == NULL && d->trim == NULL && !swept_ &&
        now_ns(t) >= d->again_ns;
    if (free_ && (s != NULL || r.leaves) && t->sweep == NULL && now_ns(t) >= d->sweep_ns)
        sweep(d, r.leaves); /* alone: what counts doesn't change meanwhile */
    else if (free_ && s != NULL && names_below(&s->m, p.trim))
        trim(d, &s->m, p.trim, v.start);
    else if (free_ && p.move < v.local_n && t->moves < t->o.moves)
        move(d, log, s != NULL ? vrv_snap_ref(s) : NULL, local[p.move].base);
    vrv_snap_unref(s);
    free(local);
}

static void
manifest_came(struct vrv_part_wait *w, int status, const struct vrv_err *e)
{
    struct tended *d = VRV_LIST_OF(w, struct tended, wait);

    d->waits = false;
    d->t->reads--;
    d->t->look_ns = 0;
    if (status < 0 && status != VRV_E_NOTFOUND)
        failed(d, e);
}

static struct tended *
tended_of(struct vrv_tier *t, const struct vrv_log_id *id, bool leaves)
{
    struct vrv_omap_node *n = vrv_omap_find(&t->tended, id);
    struct tended *d = n != NULL ? VRV_OMAP_OF(n, struct tended, node) : VRV_NEW(struct tended);

    if (n == NULL) {
        d->id = *id;
        d->t = t;
        d->known = -1;
        d->sweep_ns = now_ns(t) + (leaves ? t->o.grace_ms : t->o.sweep_ms) * MS;
        vrv_list_init(&d->wait.link);
        vrv_omap_insert(&t->tended, &d->id, &d->node);
    }
    return d;
}

void
vrv__tier_hurry(struct vrv_tier *t, const struct vrv_log_id *id, int64_t to)
{
    struct tended *d = tended_of(t, id, false);

    d->wanted = to;
    d->again_ns = 0;
    t->look_ns = 0;
    vrv_engine_want_checkpoint(t->eng);
}

static void
look_at(struct vrv_tier *t, struct vrv_log *log, const struct vrv_log_config *c)
{
    struct tended *d = tended_of(t, &log->id, !c->tiered);
    struct vrv_err e = { 0 };
    struct vrv_snap *s;
    int rc = vrv_parts_now(&t->parts, &log->id, &s, &e);

    if (rc == VRV_E_AGAIN && !d->waits && now_ns(t) >= d->again_ns) {
        d->waits = true;
        d->wait.run = manifest_came;
        t->reads++;
        vrv_parts_read(&t->parts, &log->id, &d->wait);
    } else if (rc == 0 || rc == VRV_E_NOTFOUND) {
        decide(d, log, c, s);
    } else if (rc != VRV_E_AGAIN) {
        failed(d, &e);
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

static void
look(struct vrv_tier *t)
{
    t->look_ns = now_ns(t) + t->o.look_ms * MS;
    (void)vrv_catalog_each(vrv_engine_catalog(t->eng), look_at_topic, t);
    (void)vrv_parts_each_head(&t->parts, look_at_head, t);
    if (may_write(t))
        vrv__tier_house_look(t);
}

/* ---- steps ---- */

static void
learn(struct vrv_tier *t)
{
    struct vrv_hist_view v = { .sum_ns = 0 };

    vrv_hist_read(vrv_journal_syncs(vrv_engine_env(t->eng)->journal), &v);
    vrv_pace_learn(&t->pace, &v);
    t->learn_ns = now_ns(t) + LESSON_NS;
}

static bool
step(struct vrv_tier *t)
{
    (void)vrv_pace_step(&t->pace);
    (void)vrv__tier_delete_step(t);
    struct vrv_done *d = vrv_cq_take(&t->cq, 0);
    if (d != NULL) {
        d->run(d);
        return true;
    }
    if (t->eng != NULL && now_ns(t) >= t->look_ns) {
        look(t);
        return true;
    }
    if (t->eng != NULL && now_ns(t) >= t->learn_ns) {
        learn(t);
        return true;
    }
    return vrv_store_step(t->o.store);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool
vrv_tier_step(struct vrv_tier *t, int64_t *next_ns)
{
    if (step(t))
        return true;
    *next_ns = earlier(vrv_retry_step(t->retry),
        earlier(vrv_pace_step(&t->pace), vrv_cache_step(&t->reader.cache)));
    *next_ns = earlier(*next_ns, vrv__tier_delete_step(t));
    if (t->eng != NULL)
        *next_ns = earlier(*next_ns, earlier(t->look_ns, t->learn_ns));
    if (!t->owns)
        *next_ns = earlier(*next_ns, vrv_owner_step(&t->owner));
    return false;
}

/* As far as it goes, until something is posted or the time has come. */
static void
wait_step(struct vrv_tier *t)
{
    int64_t next_ns;

    if (vrv_tier_step(t, &next_ns))
        return;
    int64_t now = now_ns(t);
    int64_t ms = next_ns == INT64_MAX ? -1 : next_ns <= now ? 0 : (next_ns - now) / MS + 1;
    struct vrv_done *d = vrv_cq_take(&t->cq, ms);
    if (d != NULL)
        d->run(d);
}

/* ---- its thread, and the engine's end ---- */

struct leave {
    struct vrv_done done;
    struct vrv_tier *t;
    struct vrv_cq back;
};

static void
give_up(struct vrv_tier *t)
{
    struct vrv_omap_node *n = vrv_omap_first(&t->tended);

    t->eng = NULL;
    if (!t->owns)
        vrv_owner_end(&t->owner, t->started); /* time must pass for it */
    vrv__tier_house_give_up(t);
    if (t->sweep != NULL)
        vrv_sweep_cancel(t->sweep);
    while (n != NULL) {
        struct tended *d = VRV_OMAP_OF(n, struct tended, node);

        if (d->move != NULL)
            vrv_move_cancel(d->move);
        if (d->trim != NULL)
            vrv_parts_cancel(&t->parts, d->trim);
        n = vrv_omap_after(&t->tended, &d->id);
    }
}

static bool
has_left(const struct vrv_tier *t)
{
    return t->moves == 0 && t->sweep == NULL && vrv_house_is_idle(&t->house) &&
        !vrv_owner_is_busy(&t->owner);
}

static void
leave(struct vrv_done *d)
{
    struct leave *l = VRV_LIST_OF(d, struct leave, done);

    l->t->leaving = l;
    give_up(l->t);
}

static void *
tier_main(void *ctx)
{
    struct vrv_tier *t = ctx;

    while (!atomic_load(&t->stop)) {
        wait_step(t);
        if (t->leaving != NULL && has_left(t)) {
            struct leave *l = t->leaving;

            t->leaving = NULL;
            vrv_parts_attach(&t->parts, NULL);
            vrv_cq_post(&l->back, &l->done, &l->done);
        }
    }
    return NULL;
}

int
vrv_tier_start(struct vrv_tier *t, struct vrv_err *e)
{
    int rc = vrv_source_start(&t->source, e);

    if (rc == 0)
        rc = vrv_thread_start(&t->thread, "varve-tier", tier_main, t, e);
    t->started = rc == 0;
    return rc;
}

void
vrv_tier_detach(struct vrv_tier *t)
{
    struct leave l = { .done = { .cq = &t->cq, .run = leave }, .t = t };

    if (!t->started) {
        give_up(t);
        while (!has_left(t))
            wait_step(t);
        vrv_parts_attach(&t->parts, NULL);
        return;
    }
    int rc = vrv_cq_init(&l.back, 0);
    VRV_ASSERT(rc == 0);
    vrv_cq_post(&t->cq, &l.done, &l.done);
    (void)vrv_cq_take(&l.back, -1);
    vrv_cq_fini(&l.back);
}

static void
nothing(struct vrv_done *d)
{
    (void)d;
}

static void
stop_thread(struct vrv_tier *t)
{
    struct vrv_done wake = { .cq = &t->cq, .run = nothing };

    if (!t->started)
        return;
    atomic_store(&t->stop, true);
    vrv_cq_post(&t->cq, &wake, &wake);
    (void)pthread_join(t->thread, NULL);
    struct vrv_done *d;
    while ((d = vrv_cq_take(&t->cq, 0)) != NULL) /* it may still be there */
        d->run(d);
}

void
vrv_tier_free(struct vrv_tier **tp)
{
    struct vrv_tier *t = *tp;
    struct vrv_omap_node *n;

    if (t == NULL)
        return;
    VRV_ASSERT(t->eng == NULL && t->moves == 0);
    stop_thread(t);
    vrv_parts_cancel_reads(&t->parts);
    vrv_cache_cancel(&t->reader.cache, NULL);
    while (t->reads > 0 || !vrv_cold_reader_is_idle(&t->reader))
        wait_step(t);
    while ((n = vrv_omap_pop(&t->tended)) != NULL)
        forget(VRV_OMAP_OF(n, struct tended, node));
    vrv_house_fini(&t->house);
    vrv_cold_reader_fini(&t->reader);
    vrv_parts_fini(&t->parts);
    vrv_retry_free(&t->retry);
    vrv_source_fini(&t->source);
    vrv_cq_fini(&t->cq);
    vrv_lock_fini(&t->lock);
    free(t);
    *tp = NULL;
}
