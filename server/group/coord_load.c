/* Reading a partition of __consumer_offsets from its start: what it says last of each group. */
#include <inttypes.h>

#include "engine/reader/fetch.h"
#include "engine/reader/reader.h"
#include "server/group/coord_int.h"

enum { READ_BYTES = 1024 * 1024, NS_PER_MS = 1000000 };

/* ---- records ---- */

static struct vrv_group *
group_of(struct vrv_load *l, struct vrv_span id)
{
    struct vrv_group *g = vrv__groups_find(&l->groups, id);

    return g != NULL ? g : vrv__groups_add(&l->groups, &l->shard->env, id, &l->now);
}

static void
take_offset(struct vrv_load *l, const struct vrv_grec *rec)
{
    struct vrv_group *g = vrv__groups_find(&l->groups, rec->group);

    if (rec->tombstone) {
        if (g == NULL || vrv_offsets_find(&g->offsets, rec->topic, rec->partition) == NULL)
            return;
        vrv_offsets_begin(&g->offsets, rec->topic, rec->partition);
        vrv_offsets_remove(&g->offsets, rec->topic, rec->partition);
        return;
    }
    g = group_of(l, rec->group);
    vrv_offsets_begin(&g->offsets, rec->topic, rec->partition);
    vrv_offsets_commit(&g->offsets, rec->topic, rec->partition, &rec->commit);
}

static void
take_group(struct vrv_load *l, struct vrv_grec *rec)
{
    struct vrv_group *g = vrv__groups_find(&l->groups, rec->group);

    if (!rec->tombstone) {
        g = group_of(l, rec->group);
        vrv_group_load(g, rec);
        g->shown = true; /* there is a record of it, not only of offsets */
    } else if (g != NULL) {
        vrv_group_drop(g, 0);
        vrv__groups_remove(&l->groups, g);
    }
}

static int
take_batch(struct vrv_load *l, const uint8_t *p, const struct vrv_batch *b)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_grec rec;

    if (b->attrs & VRV_ATTR_CONTROL)
        return 0;
    if (b->attrs & VRV_ATTR_TRANSACTIONAL)
        return vrv_err_set(&l->err, VRV_E_VERSION,
            "the batch at offset %" PRId64 " holds offsets of a transaction, which this version "
            "can't serve", b->base_offset);
    int rc = vrv_record_iter_init(&it, p, b, &l->err);
    if (rc < 0)
        return rc;
    while ((rc = vrv_record_next(&it, &r, &l->err)) > 0) {
        rc = vrv_grec_read(&rec, &r, &l->err);
        if (rc < 0)
            break;
        if (rec.kind == VRV_GREC_OFFSET)
            take_offset(l, &rec);
        else if (rec.kind == VRV_GREC_GROUP)
            take_group(l, &rec);
    }
    vrv_record_iter_fini(&it);
    return rc;
}

static int
take_bytes(struct vrv_load *l, const uint8_t *p, size_t n, int64_t *at)
{
    struct vrv_batch b;
    int rc = 0;

    for (size_t pos = 0; rc == 0 && vrv_batch_read(&b, p + pos, n - pos, NULL) == 0;
         pos += b.size) {
        if (vrv_batch_last_offset(&b) >= *at) {
            rc = take_batch(l, p + pos, &b);
            *at = vrv_batch_last_offset(&b) + 1;
        }
    }
    return rc;
}

/* ---- reading ---- */

static int
read_some(struct vrv_load *l, struct vrv_read *rd)
{
    int rc = vrv_read(l->log, rd, &l->err);

    if (rc == 0)
        rc = vrv_read_load(l->log, rd, true, &l->err);
    if (rc != VRV_READ_COLD)
        return rc;
    struct vrv_fetch f = { .read = rd, .want = VRV_COLD_ANY };
    return vrv_fetch_wait(l->log, &f, INT64_MAX, &l->err);
}

/* One portion; 1: there is more, 0: the end. */
static int
read_portion(struct vrv_load *l, int64_t *at)
{
    struct vrv_read rd = { .offset = *at, .max_bytes = READ_BYTES, .whole_first = true };
    int64_t before = *at;
    int rc = read_some(l, &rd);

    for (uint32_t i = 0; rc == 0 && i < rd.slice_n; i++)
        rc = take_bytes(l, rd.slice[i].bytes, rd.slice[i].n, at);
    vrv_read_fini(&rd);
    return rc < 0 ? rc : *at > before;
}

static void
read_log(struct vrv_job *job)
{
    struct vrv_load *l = (struct vrv_load *)(void *)job;
    int64_t at = vrv_log_offsets(l->log).start;

    do
        l->rc = read_portion(l, &at);
    while (l->rc > 0);
}

/* ---- what was read comes to life ---- */

static void
adopt(struct vrv_shard *s, struct vrv_load *l)
{
    struct vrv_omap_node *n;
    int64_t check_ns = s->now.mono_ns + s->coord->o.config.retention_check_ms * NS_PER_MS;

    while ((n = vrv_omap_pop(&l->groups)) != NULL) {
        struct vrv_group *g = VRV_OMAP_OF(n, struct vrv_group, node);

        g->shown |= g->offsets.n > 0;
        vrv_omap_insert(&s->groups, &g->id, &g->node);
        vrv_group_loaded(g, &s->now);
        vrv__shard_touch(s, g);
    }
    vrv_heap_del(&s->due, &s->check);
    vrv_heap_add(&s->due, &s->check, check_ns);
}

static void
load_done(struct vrv_done *d)
{
    struct vrv_load *l = (struct vrv_load *)(void *)d;
    struct vrv_shard *s = l->shard;
    bool wanted;

    vrv__shard_enter(s);
    s->reading = false;
    wanted = s->state == SHARD_LOADING && s->tenure == l->tenure;
    if (wanted && l->rc < 0) {
        s->err = l->err;
        s->failed = 1;
        vrv__shard_drop(s, SHARD_FAILED);
    } else if (wanted) {
        s->state = SHARD_SERVING;
        adopt(s, l);
        vrv__shard_forget_stale(s, NULL);
    } else if (s->state == SHARD_LOADING)
        vrv__shard_load(s);
    vrv__groups_clear(&l->groups, 0);
    vrv_log_unref(&l->log);
    vrv__shard_leave(s);
    free(l);
}

static void
load_here(struct vrv_done *d)
{
    read_log((struct vrv_job *)(void *)d);
    load_done(d);
}

void
vrv__shard_load(struct vrv_shard *s)
{
    struct vrv_coord *c = s->coord;

    /* a record of ours that isn't committed yet would be missed */
    if (s->reading || !vrv_list_empty(&s->writes))
        return;
    struct vrv_load *l = VRV_NEW(struct vrv_load);
    *l = (struct vrv_load){ .shard = s, .tenure = s->tenure, .log = vrv_log_ref(s->log),
        .now = s->now };
    vrv__groups_init(&l->groups);
    l->job.done = (struct vrv_done){ .cq = &c->cq, .run = c->o.pool != NULL ? load_done
                                                                            : load_here };
    l->job.work = read_log;
    s->reading = true;
    if (c->o.pool != NULL)
        vrv_pool_give(c->o.pool, &l->job);
    else
        vrv_cq_post(&c->cq, &l->job.done, &l->job.done);
}
