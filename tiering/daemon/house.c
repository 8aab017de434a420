#include "tiering/daemon/house.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"

static const int64_t MS = 1000000;
static const int64_t SOON_MS = 1000;      /* what somebody is busy with */
static const int64_t HOUR_MS = 3600000;
enum { SEEN = 100 }; /* partitions, for one that may be swept */
static const int64_t FAR_MS = INT64_MAX / 10000000; /* longer than anybody waits */

/* A partition that goes. */
struct due {
    struct vrv_omap_node node;
    struct vrv_log_id id;
    struct vrv_house *h;
    int64_t since_ms;
    uint64_t objects, bytes;   /* left, as it was counted */
    bool counted;
    int64_t again_ns;          /* nothing before that */
    bool empty;                /* once nothing was found, after all was deleted */
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    return vrv_log_id_cmp(key, &VRV_OMAP_OF(n, struct due, node)->id);
}

static void
more_is_known(void *ctx)
{
    vrv_house_wake(ctx);
}

void
vrv_house_init(struct vrv_house *h, const struct vrv_house_opts *o)
{
    *h = (struct vrv_house){ .o = *o, .kept = { .parts = o->sweeps->parts, .clock = o->sweeps->clock,
        .again_ms = o->again_ms, .told = more_is_known, .ctx = h } };
    h->begun_ns = o->sweeps->clock->mono_ns(o->sweeps->clock);
    vrv_omap_init(&h->due, compare);
    vrv_kept_init(&h->kept);
}

bool
vrv_house_is_idle(const struct vrv_house *h)
{
    return h->sweep == NULL && !h->stale_runs;
}

void
vrv_house_fini(struct vrv_house *h)
{
    struct vrv_omap_node *n;

    VRV_ASSERT(vrv_house_is_idle(h));
    while ((n = vrv_omap_pop(&h->due)) != NULL)
        free(VRV_OMAP_OF(n, struct due, node));
    vrv_kept_fini(&h->kept);
}

static int64_t
now_ns(const struct vrv_house *h)
{
    return h->o.sweeps->clock->mono_ns(h->o.sweeps->clock);
}

static int64_t
wall_ms(const struct vrv_house *h)
{
    return h->o.sweeps->clock->wall_ms(h->o.sweeps->clock);
}

void
vrv_house_wake(struct vrv_house *h)
{
    h->look_ns = 0;
}

/* There is something to do then. */
static void
look_by(struct vrv_house *h, int64_t ns)
{
    if (ns < h->look_ns)
        h->look_ns = ns;
}

static void
look_in(struct vrv_house *h, int64_t ms)
{
    if (ms < FAR_MS)
        look_by(h, now_ns(h) + ms * MS);
}

/* ---- one partition ---- */

static void
forget(struct due *d)
{
    (void)vrv_omap_remove(&d->h->due, &d->id);
    free(d);
}

/* Its head goes, and with the last one of its topic the record. */
static void
end(struct due *d)
{
    struct vrv_house *h = d->h;
    struct vrv_uuid topic = d->id.topic;
    struct vrv_err e;

    if (vrv_parts_is_read(h->o.sweeps->parts, &d->id)) { /* for somebody who began before it was deleted */
        d->again_ns = now_ns(h) + SOON_MS * MS;
        look_by(h, d->again_ns);
        return;
    }
    int rc = vrv_parts_drop_head(h->o.sweeps->parts, &d->id, &e);
    VRV_STEP(DELETE);
    if (rc == 0 && !vrv_parts_has_topic(h->o.sweeps->parts, &topic))
        rc = vrv_remains_drop(h->eng, &topic, &e);
    if (rc < 0) {
        h->o.failed(h->o.ctx, &e);
        d->again_ns = now_ns(h) + h->o.again_ms * MS;
        look_by(h, d->again_ns);
        return;
    }
    h->o.gone(h->o.ctx, &d->id);
    forget(d);
}

static void sweep_next(struct vrv_house *h, const struct vrv_log_id *behind);

/* What a sweep that failed hasn't come to is still there. */
static uint64_t
left(int status, uint64_t before, uint64_t found, uint64_t deleted)
{
    return (status < 0 && before > found ? before : found) - deleted;
}

/* First it is counted; then deleted; then, when what was written late is there, looked at again. */
static void
swept(struct vrv_sweep *s, int status, const struct vrv_err *e)
{
    struct due *d = s->owner;
    struct vrv_house *h = d->h;
    struct vrv_log_id id = d->id;

    h->sweep = NULL;
    vrv_house_wake(h);
    h->deleted += s->deleted;
    d->objects = left(status, d->objects, s->found, s->deleted);
    d->bytes = left(status, d->bytes, s->found_bytes, s->deleted_bytes);
    d->again_ns = now_ns(h);
    if (status < 0) {
        d->again_ns += h->o.again_ms * MS;
        h->o.failed(h->o.ctx, e);
    } else if (s->dry) {
        d->counted = true;
    } else if (s->found > 0 || !d->empty) {
        d->empty = s->found == 0;
        d->again_ns += h->o.settle_ms * MS;
    } else if (h->eng != NULL) {
        end(d);
    }
    free(s);
    sweep_next(h, &id);
}

static void
sweep(struct due *d)
{
    struct vrv_house *h = d->h;
    struct vrv_sweep *s = h->sweep = VRV_NEW(struct vrv_sweep);

    *s = (struct vrv_sweep){ .o = h->o.sweeps, .id = d->id, .all = true, .dry = !d->counted, .run = swept, .owner = d };
    vrv_sweep_begin(s);
}

/* The next one that may be: a topic can have thousands, and a look sees all of them to begin one.  What it
 * takes long to find is left to that. */
static void
sweep_next(struct vrv_house *h, const struct vrv_log_id *behind)
{
    struct vrv_omap_node *n = vrv_omap_after(&h->due, behind);

    for (int i = 0; i < SEEN && n != NULL && h->eng != NULL && h->sweep == NULL; i++) {
        struct due *d = VRV_OMAP_OF(n, struct due, node);

        n = vrv_omap_after(&h->due, &d->id);
        if (now_ns(h) >= d->again_ns && !h->o.busy(h->o.ctx, &d->id) && !vrv_kept_reads(&h->kept, &d->id))
            sweep(d);
    }
}

/* ---- which ---- */

bool
vrv_house_keeps(const struct vrv_remains *r)
{
    for (size_t i = 0; i < r->topic.config_n; i++)
        if (strcmp(r->topic.configs[i].key, "varve.tier.on.delete") == 0)
            return strcmp(r->topic.configs[i].value, "keep") == 0;
    return false;
}

/* May all of it go, and since when might it?  Then it can't come back any more. */
static bool
is_due(struct vrv_house *h, const struct vrv_uuid *topic, int64_t *since_ms, int64_t *deleted_ms)
{
    struct vrv_remains r;
    struct vrv_err e;
    int rc = vrv_remains_read(h->eng, topic, &r, &e);

    *since_ms = wall_ms(h);
    *deleted_ms = -1;
    bool due = rc == 0 && r.purging;
    if (rc == 0) {
        *since_ms = r.deleted_ms + h->o.keep_ms;
        *deleted_ms = r.deleted_ms;
    }
    if (rc == 0 && !due && !vrv_house_keeps(&r) && wall_ms(h) >= *since_ms) {
        rc = vrv_remains_purge(h->eng, &r, &e);
        due = rc == 0;
    } else if (rc == 0 && !due && !vrv_house_keeps(&r)) {
        look_in(h, *since_ms - wall_ms(h));
    }
    if (rc < 0 && rc != VRV_E_NOTFOUND) {
        h->o.failed(h->o.ctx, &e);
        look_in(h, h->o.again_ms);
    }
    h->asked.alone = rc == VRV_E_NOTFOUND;
    vrv_remains_fini(&r);
    return due;
}

/* Likewise of a partition whose topic nothing else is known of. */
static bool
is_nobodys(struct vrv_house *h, const struct vrv_log_id *id, int64_t *since_ms)
{
    struct vrv_err e;
    int rc = vrv_parts_alone(h->o.sweeps->parts, id, since_ms, &e);

    *since_ms += h->o.orphan_ms;
    if (rc < 0)
        h->o.failed(h->o.ctx, &e);
    /* A clock that was set right after the start tells nothing of how long that was. */
    int64_t up_ms = (now_ns(h) - h->begun_ns) / MS, least_ms = h->o.orphan_ms < HOUR_MS ? h->o.orphan_ms : HOUR_MS;
    if (rc == 0 && wall_ms(h) >= *since_ms && up_ms >= least_ms)
        return true;
    int64_t left_ms = *since_ms > wall_ms(h) ? *since_ms - wall_ms(h) : least_ms - up_ms;
    look_in(h, rc < 0 ? h->o.again_ms : left_ms);
    return false;
}

/* The partitions of a topic come one after the other. */
static void
ask(struct vrv_house *h, const struct vrv_uuid *topic)
{
    if (h->asked.known && vrv_uuid_eq(&h->asked.topic, topic))
        return;
    h->asked.known = true;
    h->asked.topic = *topic;
    h->asked.due = is_due(h, topic, &h->asked.since_ms, &h->asked.deleted_ms);
    if (h->asked.due || h->asked.deleted_ms < 0)
        return;
    h->lag.kept++;
    if (h->lag.kept_since_ms == 0 || h->asked.deleted_ms < h->lag.kept_since_ms)
        h->lag.kept_since_ms = h->asked.deleted_ms;
}

static struct due *
due_of(struct vrv_house *h, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&h->due, id);

    if (n != NULL)
        return VRV_OMAP_OF(n, struct due, node);
    ask(h, &id->topic);
    int64_t since_ms = h->asked.since_ms;
    if (h->asked.alone ? !is_nobodys(h, id, &since_ms) : !h->asked.due)
        return NULL;
    struct due *d = VRV_NEW(struct due);
    d->id = *id;
    d->h = h;
    d->since_ms = since_ms;
    vrv_omap_insert(&h->due, &d->id, &d->node);
    return d;
}

static void
count(struct vrv_house_lag *lag, const struct due *d)
{
    lag->partitions++;
    lag->objects += d->objects;
    lag->bytes += d->bytes;
    if (lag->since_ms == 0 || d->since_ms < lag->since_ms)
        lag->since_ms = d->since_ms;
}

static bool
has_topic(struct vrv_house *h, const struct vrv_uuid *topic)
{
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;

    return vrv_catalog_find_id(vrv_engine_catalog(h->eng), topic, name, &partitions);
}

static int
look_at_head(void *ctx, const struct vrv_log_id *id)
{
    struct vrv_house *h = ctx;

    if (has_topic(h, &id->topic))
        return 0;
    struct due *d = due_of(h, id);
    if (d == NULL) {
        vrv_kept_see(&h->kept, id);
        return 0;
    }
    count(&h->lag, d);
    if (now_ns(h) < d->again_ns)
        look_by(h, d->again_ns);
    else if (h->o.busy(h->o.ctx, id) || vrv_kept_reads(&h->kept, id))
        look_in(h, SOON_MS);
    else if (h->sweep == NULL)
        sweep(d); /* the others when that has ended */
    return 0;
}

/* Of a topic that came back, or never had a partition there, nothing else tells. */
static int
look_at_record(void *ctx, const struct vrv_uuid *topic)
{
    struct vrv_house *h = ctx;
    struct vrv_err e;
    int64_t since_ms, deleted_ms;
    int rc = vrv_remains_settle(h->eng, topic, &e);

    if (rc == VRV_E_NOTFOUND && !vrv_parts_has_topic(h->o.sweeps->parts, topic))
        rc = is_due(h, topic, &since_ms, &deleted_ms) ? vrv_remains_drop(h->eng, topic, &e) : 0;
    if (rc < 0 && rc != VRV_E_NOTFOUND && rc != VRV_E_AGAIN)
        h->o.failed(h->o.ctx, &e);
    if (rc < 0 && rc != VRV_E_NOTFOUND)
        look_in(h, SOON_MS);
    return 0;
}

/* ---- uploads that nobody ends ---- */

static void
stale_removed(struct vrv_done *done)
{
    struct vrv_house *h = VRV_LIST_OF(done, struct vrv_house, stale.done);

    h->stale_runs = false;
    h->stale_removed += h->stale.got;
    vrv_house_wake(h); /* who asks how many hears of these */
    if (h->stale.status < 0 && h->stale.status != VRV_E_CANCELLED)
        h->o.failed(h->o.ctx, &h->stale.err);
}

static void
remove_stale(struct vrv_house *h)
{
    int64_t now = now_ns(h);

    h->stale_runs = true;
    h->stale_ns = now + h->o.stale_ms * MS;
    h->stale = (struct vrv_store_call){ .done = { .cq = h->o.sweeps->cq, .run = stale_removed },
        .op = VRV_STORE_SWEEP, .lane = VRV_STORE_HOUSEKEEPING, .key = VRV_PARTS_OBJECTS, .older_ms = h->o.stale_ms,
        .deadline_ns = now + h->o.sweeps->call_ms * MS };
    vrv_retry_submit(h->o.sweeps->retry, &h->stale);
}

/* ---- from time to time ---- */

void
vrv_house_look(struct vrv_house *h)
{
    h->lag = (struct vrv_house_lag){ 0 };
    h->asked.known = false;
    h->look_ns = INT64_MAX;
    vrv_kept_begin(&h->kept);
    (void)vrv_parts_each_head(h->o.sweeps->parts, look_at_head, h);
    (void)vrv_remains_each(h->eng, look_at_record, h);
    if (!h->stale_runs && now_ns(h) >= h->stale_ns)
        remove_stale(h);
    look_by(h, h->stale_ns);
    look_by(h, vrv_kept_end(&h->kept));
    h->lag.kept_bytes = h->kept.bytes;
}

int64_t
vrv_house_step(struct vrv_house *h)
{
    return h->sweep != NULL ? vrv_sweep_step(h->sweep) : INT64_MAX;
}

void
vrv_house_cancel(struct vrv_house *h)
{
    if (h->sweep != NULL)
        vrv_sweep_cancel(h->sweep);
    if (h->stale_runs)
        vrv_retry_cancel(h->o.sweeps->retry, &h->stale);
    vrv_kept_cancel(&h->kept);
}

int64_t
vrv_house_bytes(const struct vrv_house *h, const struct vrv_log_id *id)
{
    struct vrv_omap_node *n = vrv_omap_find(&h->due, id);
    const struct due *d = n != NULL ? VRV_OMAP_OF(n, struct due, node) : NULL;

    if (d == NULL)
        return vrv_kept_bytes(&h->kept, id);
    return d->counted ? (int64_t)d->bytes : -1;
}
