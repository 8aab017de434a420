#include "tiering/tier_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "tiering/tier_int.h"

/* ---- to the tier's thread, and back ---- */

struct ask {
    struct vrv_done done;
    struct vrv_tier *t;
    struct vrv_cq back;
    void (*run)(struct ask *a);
    /* what is asked, and told: each has its own */
    const struct vrv_log_id *id;
    const struct vrv_log_config *as;
    bool segments;
    struct vrv_tier_state *state;
    const struct vrv_uuid *topic;
    struct vrv_usage *usage;
    struct vrv_tier_part *part;
    struct vrv_tier_asked *asked;
    size_t n;              /* of topics, or of those asked about */
    int64_t to;
    struct vrv_tier_deleted *deleted;
    size_t deleted_n, deleted_cap;
    int rc;
    struct vrv_err *e;
};

static void
run(struct vrv_done *d)
{
    struct ask *a = VRV_LIST_OF(d, struct ask, done);

    a->run(a);
    vrv_cq_post(&a->back, &a->done, &a->done);
}

static int
ask(struct ask *a)
{
    if (!a->t->started) {
        a->run(a);
        return a->rc;
    }
    int rc = vrv_cq_init(&a->back, 0);
    VRV_ASSERT(rc == 0);
    a->done = (struct vrv_done){ .cq = &a->t->cq, .run = run };
    vrv_cq_post(&a->t->cq, &a->done, &a->done);
    (void)vrv_cq_take(&a->back, -1);
    vrv_cq_fini(&a->back);
    return a->rc;
}

/* Of so many that are left: no more than the tier may be held up by. */
static size_t
slice(size_t n)
{
    return n < VRV_TIER_AT_ONCE ? n : VRV_TIER_AT_ONCE;
}

/* ---- all of it ---- */

static void
tell_state(struct ask *a)
{
    struct vrv_tier *t = a->t;
    struct vrv_tier_state *s = a->state;
    const struct vrv_retry_stats *r = vrv_retry_stats(t->retry);
    const struct vrv_usage *u = &r->usage.all;
    struct vrv_cache *c = &t->reader.cache;

    *s = (struct vrv_tier_state){ .now_ms = vrv__tier_wall_ms(t), .last = r->last,
        .last_ms = r->last_ms, .good_ms = r->good_ms, .moved_ms = t->moved_ms,
        .marked_ms = t->owner.marked_ms, .marks_failed = t->owner.failures,
        .deleted_ms = t->deleted_ms, .swept_ms = t->swept_ms,
        .oldest_ms = vrv__tier_oldest_move(t), .moves = t->moves, .queued = c->reading,
        .swept = t->stats.swept, .settled = r->settled, .read_bytes = u->of[VRV_STORE_GET][VRV_STORE_DONE].bytes,
        .written_bytes = u->of[VRV_STORE_PUT][VRV_STORE_DONE].bytes +
            u->of[VRV_STORE_PART_N][VRV_STORE_DONE].bytes,
        .copy_waited_ns = t->pace.waited_ns,
        .read_waited_ns = c->quota.throttled_ns, .upload_bytes = t->upload_bytes,
        .cache_bytes = atomic_load(&c->used), .cache_max = c->o.bytes,
        .kind = t->o.store->caps.kind, .skew_ms = atomic_load(&t->o.store->skew_ms),
        .owned = vrv__tier_may_write(t),
        .owner = vrv__tier_may_write(t) ? t->owner.unmarked : t->owner.err };
    s->copy_waits = vrv_recent_view(&t->pace.waits, vrv__tier_now_ns(t));
    s->read_waits = vrv_recent_view(&c->quota.waits, vrv__tier_now_ns(t));
    s->manifest_bytes = vrv_parts_bytes(&t->parts, &s->index_bytes);
    if (t->shelf != NULL)
        vrv_shelf_stats(t->shelf, &s->shelf);
    vrv_cache_counts(c, &s->cache);
    vrv__tier_disk_tell(t, &s->disk);
    memcpy(s->bad, r->bad, sizeof(s->bad));
    memcpy(s->sent, r->sent, sizeof(s->sent));
    memcpy(s->waiting, r->waiting, sizeof(s->waiting));
    vrv_store_describe(t->o.store, s->store, sizeof(s->store));
}

void
vrv_tier_state(struct vrv_tier *t, struct vrv_tier_state *s)
{
    (void)ask(&(struct ask){ .t = t, .run = tell_state, .state = s });
}

static void
tell_usage(struct ask *a)
{
    *a->usage = vrv_retry_stats(a->t->retry)->usage.all;
}

void
vrv_tier_usage(struct vrv_tier *t, struct vrv_usage *out)
{
    (void)ask(&(struct ask){ .t = t, .run = tell_usage, .usage = out });
}

static void
tell_usages(struct ask *a)
{
    for (size_t i = 0; i < a->n; i++)
        vrv_usages_get(&vrv_retry_stats(a->t->retry)->usage, &a->topic[i], &a->usage[i]);
}

void
vrv_tier_usages(struct vrv_tier *t, const struct vrv_uuid *topic, size_t n, struct vrv_usage *out)
{
    for (size_t i = 0; i < n; i += VRV_TIER_AT_ONCE)
        (void)ask(&(struct ask){ .t = t, .run = tell_usages, .topic = topic + i, .usage = out + i,
            .n = slice(n - i) });
}

void
vrv_tier_times(struct vrv_tier *t, struct vrv_tier_times *out)
{
    *out = (struct vrv_tier_times){ .wait.sum_ns = 0 };
    vrv_hist_read(&t->reader.cache.wait, &out->wait);
    vrv_hist_read(&t->reader.cache.took, &out->read);
    vrv_hist_read(&t->move_time, &out->move);
}

int64_t
vrv_tier_idle_ns(struct vrv_tier *t)
{
    return vrv_idle_ns(&t->idle, t->o.clock);
}

void
vrv_tier_requests(struct vrv_tier *t, enum vrv_store_op op, enum vrv_store_outcome outcome,
    struct vrv_hist_view *v)
{
    vrv_hist_read(&vrv_retry_stats(t->retry)->times[op][outcome], v);
}

/* ---- a partition ---- */

static int
find(struct ask *a, struct vrv_log **log)
{
    if (a->t->eng == NULL)
        return vrv_err_set(a->e, VRV_E_STOPPED, "the server is stopping");
    *log = vrv_engine_log_ref(a->t->eng, a->id);
    return *log != NULL ? 0 : vrv_err_set(a->e, VRV_E_NOTFOUND, "there is no such partition");
}

static void
explain(struct ask *a, const struct vrv_log_config *c, struct vrv_log *log,
    const struct vrv_manifest *cold)
{
    struct vrv_tier_part *p = a->part;
    struct vrv_tier_rules r;
    struct vrv_tier_view v = { .cold = cold, .start = p->start, .local_start = p->local_start,
        .now_ms = vrv__tier_wall_ms(a->t) };
    struct vrv_tier_local *local = vrv__tier_local(log, &v.local_n);

    v.local = local;
    if (!vrv_log_closing(log, c, &v.closing))
        v.closing = (struct vrv_log_closing){ INT64_MAX, UINT64_MAX, VRV_CLOSER_BYTES };
    vrv__tier_rules(a->t, c, &r);
    vrv__tier_disk_rules(a->t, &r);
    vrv__tier_oldest(a->t, a->id, &v);
    p->seg = vrv_tier_explain(&r, &v, &p->seg_n);
    vrv_tier_sum(&v, p->seg, p->seg_n, &p->sums);
    if (!a->segments) {
        free(p->seg);
        p->seg = NULL;
        p->seg_n = 0;
    }
    free(local);
}

static void
tell_part(struct ask *a)
{
    struct vrv_tier_part *p = a->part;
    struct vrv_snap *s = NULL;
    struct vrv_log *log;

    a->rc = find(a, &log);
    if (a->rc < 0)
        return;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_log_config *c = vrv_log_config_ref(log);
    *p = (struct vrv_tier_part){ .tiered = c->tiered, .paused = c->copy_disabled, .start = o.start,
        .local_start = o.local_start, .end = o.end, .cold_end = -1 };
    p->unknown = vrv_parts_now(&a->t->parts, a->id, &s, &p->why);
    if (p->unknown == VRV_E_NOTFOUND)
        p->unknown = 0;
    if (s != NULL) {
        p->cold_end = s->m.next;
        p->stored = vrv_manifest_stored(&s->m);
    }
    if (p->unknown == 0)
        explain(a, a->as != NULL ? a->as : c, log, s != NULL ? &s->m : NULL);
    vrv__tier_doing(a->t, a->id, p);
    vrv_snap_unref(s);
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
}

int
vrv_tier_part(struct vrv_tier *t, const struct vrv_log_id *id, const struct vrv_log_config *as,
    bool segments, struct vrv_tier_part *p, struct vrv_err *e)
{
    return ask(&(struct ask){ .t = t, .run = tell_part, .id = id, .as = as, .segments = segments,
        .part = p, .e = e });
}

static void
tell_parts(struct ask *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct vrv_tier_asked *v = &a->asked[i];
        struct ask one = { .t = a->t, .id = &v->id, .part = &v->p };

        tell_part(&one);
        v->rc = one.rc;
    }
}

void
vrv_tier_parts(struct vrv_tier *t, struct vrv_tier_asked *v, size_t n)
{
    for (size_t i = 0; i < n; i += VRV_TIER_AT_ONCE)
        (void)ask(&(struct ask){ .t = t, .run = tell_parts, .asked = v + i, .n = slice(n - i) });
}

void
vrv_tier_part_fini(struct vrv_tier_part *p)
{
    free(p->seg);
    p->seg = NULL;
    p->seg_n = 0;
}

/* ---- offload ---- */

static int
may_offload(const struct vrv_log_config *c, struct vrv_err *e)
{
    if (!c->tiered)
        return vrv_err_set(e, VRV_E_INVALID,
            "the topic doesn't ask for the cold tier: set remote.storage.enable=true");
    if (c->copy_disabled)
        return vrv_err_set(e, VRV_E_INVALID,
            "the topic's copies are switched off: set remote.log.copy.disable=false");
    return 0;
}

static void
offload(struct ask *a)
{
    struct vrv_log *log;

    a->rc = find(a, &log);
    if (a->rc < 0)
        return;
    struct vrv_log_config *c = vrv_log_config_ref(log);
    a->rc = may_offload(c, a->e);
    if (a->rc == 0) {
        a->to = vrv_log_offsets(log).end;
        vrv_log_roll(log);
        vrv__tier_hurry(a->t, a->id, a->to);
    }
    vrv_log_config_unref(c);
    vrv_log_unref(&log);
}

int
vrv_tier_offload(struct vrv_tier *t, const struct vrv_log_id *id, int64_t *to, struct vrv_err *e)
{
    struct ask a = { .t = t, .run = offload, .id = id, .e = e };

    (void)ask(&a);
    *to = a.to;
    return a.rc;
}

/* ---- forget ---- */

static void
forget(struct ask *a)
{
    char prefix[VRV_STORE_KEY_MAX + 1];

    for (const char *what = "dhm"; *what != '\0'; what++) {
        vrv_parts_prefix(a->id, *what, prefix);
        if (!vrv_cache_forget(&a->t->reader.cache, prefix))
            a->rc = VRV_E_AGAIN;
    }
}

bool
vrv_tier_forget(struct vrv_tier *t, const struct vrv_log_id *id)
{
    return ask(&(struct ask){ .t = t, .run = forget, .id = id }) == 0;
}

/* ---- deleted topics ---- */

static int64_t
bytes_of(const struct vrv_tier *t, const struct vrv_topic_info *topic)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < topic->partitions; i++) {
        int64_t n = vrv_house_bytes(&t->house, &(struct vrv_log_id){ topic->id, i });

        if (n < 0)
            return -1;
        sum += n;
    }
    return sum;
}

static int
add_deleted(void *ctx, const struct vrv_uuid *id)
{
    struct ask *a = ctx;
    struct vrv_engine *eng = a->t->eng;
    struct vrv_remains r;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t n;

    /* One that is there has come back, or never went. */
    if (vrv_catalog_find_id(vrv_engine_catalog(eng), id, name, &n) ||
        vrv_remains_read(eng, id, &r, a->e) < 0)
        return 0;
    VRV_PUSH_ROOM(a->deleted, a->deleted_n, a->deleted_cap);
    struct vrv_tier_deleted *d = &a->deleted[a->deleted_n++];
    *d = (struct vrv_tier_deleted){ .id = *id, .partitions = r.topic.partitions,
        .bytes = vrv__tier_may_write(a->t) ? bytes_of(a->t, &r.topic) : -1,
        .deleted_ms = r.deleted_ms, .purging = r.purging,
        .until_ms = vrv_house_keeps(&r) ? INT64_MAX : r.deleted_ms + a->t->limits.keep_ms };
    (void)snprintf(d->name, sizeof(d->name), "%s", r.topic.name);
    vrv_remains_fini(&r);
    return 0;
}

static int
by_time(const void *pa, const void *pb)
{
    const struct vrv_tier_deleted *a = pa, *b = pb;

    return (a->deleted_ms > b->deleted_ms) - (a->deleted_ms < b->deleted_ms);
}

static void
tell_deleted(struct ask *a)
{
    a->to = vrv__tier_wall_ms(a->t);
    a->rc = a->t->eng != NULL ? 0 : vrv_err_set(a->e, VRV_E_STOPPED, "the server is stopping");
    if (a->rc < 0)
        return;
    vrv_house_wake(&a->t->house); /* of what was deleted a moment ago it may not know yet */
    if (vrv__tier_may_write(a->t))
        vrv__tier_house_look(a->t);
    (void)vrv_remains_each(a->t->eng, add_deleted, a);
    if (a->deleted_n > 0)
        qsort(a->deleted, a->deleted_n, sizeof(*a->deleted), by_time);
}

int
vrv_tier_deleted(struct vrv_tier *t, struct vrv_tier_deleted **v, size_t *n, int64_t *now_ms,
    struct vrv_err *e)
{
    struct ask a = { .t = t, .run = tell_deleted, .e = e };

    (void)ask(&a);
    *v = a.deleted;
    *n = a.deleted_n;
    *now_ms = a.to;
    return a.rc;
}
