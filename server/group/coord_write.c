/* Changes that must survive: appended in one order, applied in that order once they are durable. */
#include "engine/base/assert.h"
#include "server/group/coord_int.h"

/* ---- a write ---- */

static void write_done(struct vrv_done *d);

struct vrv_write *
vrv__write_new(struct vrv_shard *s)
{
    struct vrv_write *w = VRV_NEW(struct vrv_write);

    w->shard = s;
    w->tenure = s->tenure;
    w->t.done = (struct vrv_done){ .cq = &s->coord->cq, .run = write_done };
    vrv_list_init(&w->link);
    vrv_batch_builder_init(&w->b);
    return w;
}

void
vrv__write_free(struct vrv_write **wp)
{
    struct vrv_write *w = *wp;

    if (w == NULL)
        return;
    VRV_ASSERT(w->calls == NULL);
    for (size_t i = 0; i < w->change_n; i++) {
        vrv_span_free(&w->changes[i].topic);
        vrv_span_free(&w->changes[i].commit.metadata);
    }
    free(w->changes);
    vrv_list_del(&w->link);
    vrv_batch_builder_fini(&w->b);
    free(w);
    *wp = NULL;
}

static struct vrv_change *
push(struct vrv_write *w, enum change_kind what, struct vrv_group *g, struct vrv_span topic,
    int32_t partition)
{
    VRV_PUSH_ROOM(w->changes, w->change_n, w->change_cap);
    struct vrv_change *ch = &w->changes[w->change_n++];
    *ch = (struct vrv_change){ .what = what, .g = g, .topic = vrv_span_dup(topic),
        .partition = partition };
    return ch;
}

static void
write_group(struct vrv_write *w, struct vrv_group *g, enum vrv_store_kind kind,
    const struct vrv_member *member)
{
    struct vrv_change *ch =
        push(w, CHANGE_STORE, g, member != NULL ? member->id : VRV_SPAN_NULL, 0);
    struct vrv_group_image image;
    struct vrv_member_image *members;
    int32_t n;

    ch->kind = kind;
    ch->generation = g->generation;
    vrv_group_image_of(g, &image, &members, &n);
    vrv_grec_put_group(&w->b, w->shard->now.wall_ms, g->id, &image, members, n);
    free(members);
}

void
vrv__write_commit(struct vrv_write *w, struct vrv_group *g, struct vrv_span topic,
    int32_t partition, const struct vrv_commit *commit)
{
    struct vrv_change *ch = push(w, CHANGE_COMMIT, g, topic, partition);

    ch->commit = *commit;
    ch->commit.metadata = vrv_span_dup(commit->metadata);
    vrv_grec_put_commit(&w->b, w->shard->now.wall_ms, g->id, topic, partition, commit);
}

void
vrv__write_uncommit(struct vrv_write *w, struct vrv_group *g, struct vrv_span topic,
    int32_t partition)
{
    (void)push(w, CHANGE_UNCOMMIT, g, topic, partition);
    vrv_grec_put_commit_gone(&w->b, w->shard->now.wall_ms, g->id, topic, partition);
}

void
vrv__write_delete(struct vrv_write *w, struct vrv_group *g)
{
    (void)push(w, CHANGE_DELETE, g, VRV_SPAN_NULL, 0);
    vrv_grec_put_group_gone(&w->b, w->shard->now.wall_ms, g->id);
}

static bool
is_full(const struct vrv_write *w)
{
    return w->change_n >= VRV_COORD_BATCH_RECORDS || w->b.n >= VRV_COORD_BATCH_BYTES;
}

/* ---- appending ---- */

/* As Kafka maps what its log says. */
static int
append_error(int rc)
{
    switch (rc) {
    case VRV_E_AGAIN:
    case VRV_E_NOTFOUND:
    case VRV_E_TIMEDOUT:
    case VRV_E_NOMEM:
        return VRV_K_COORDINATOR_NOT_AVAILABLE;
    case VRV_E_NOSPACE:
    case VRV_E_IO:
    case VRV_E_STOPPED:
    case VRV_E_FENCED:
    case VRV_E_EPOCH_OLD:
    case VRV_E_EPOCH_NEW:
        return VRV_K_NOT_COORDINATOR;
    default:
        return VRV_K_UNKNOWN_SERVER_ERROR;
    }
}

static int
append(struct vrv_write *w, struct vrv_err *e)
{
    struct vrv_shard *s = w->shard;
    struct vrv_coord *c = s->coord;
    struct vrv_append a = { .log = s->log, .leader_epoch = s->epoch };
    const uint8_t *p;
    int rc = vrv_engine_may_append(c->o.eng, e);

    if (rc == 0)
        rc = vrv_batch_builder_finish(&w->b, VRV_CODEC_NONE, &p, &a.n, e);
    if (rc < 0)
        return rc;
    vrv_lock(&c->fill_lock);
    a.bytes = vrv_fill_take(&c->fill, vrv_engine_env(c->o.eng)->pool, a.n, false, &a.slab);
    vrv_unlock(&c->fill_lock);
    if (a.bytes == NULL)
        return vrv_err_set(e, VRV_E_AGAIN, "the memory for records is in use");
    memcpy(a.bytes, p, a.n);
    rc = vrv_log_append(&a, 1, &w->t, NULL, e);
    vrv_slab_unref(a.slab);
    return rc;
}

/* It is in the log's order now. */
static void
begin(struct vrv_change *ch)
{
    ch->g->writes++;
    ch->g->condemned = ch->what == CHANGE_DELETE;
    if (ch->what == CHANGE_COMMIT || ch->what == CHANGE_UNCOMMIT)
        vrv_offsets_begin(&ch->g->offsets, ch->topic, ch->partition);
}

int
vrv__write_append(struct vrv_write **wp)
{
    struct vrv_write *w = *wp;
    struct vrv_err e = { 0 };

    *wp = NULL;
    if (w->change_n == 0) {
        vrv__write_free(&w);
        return 0;
    }
    int rc = append(w, &e);
    if (rc < 0) {
        vrv__write_free(&w);
        return append_error(rc);
    }
    vrv_batch_builder_fini(&w->b);
    for (size_t i = 0; i < w->change_n; i++)
        begin(&w->changes[i]);
    vrv_list_push(&w->shard->writes, &w->link);
    w->shard->last = w;
    return 0;
}

int
vrv__write_more(struct vrv_write **w)
{
    struct vrv_shard *s = (*w)->shard;

    if (!is_full(*w))
        return 0;
    int rc = vrv__write_append(w);
    *w = vrv__write_new(s);
    return rc;
}

int
vrv__shard_store(void *ctx, struct vrv_group *g, enum vrv_store_kind kind,
    const struct vrv_member *member)
{
    struct vrv_write *w = vrv__write_new(ctx);

    write_group(w, g, kind, member);
    return vrv__write_append(&w);
}

/* ---- it is durable, or never will be ---- */

static void
count(struct vrv_coord *c, const struct vrv_change *ch)
{
    _Atomic uint64_t *n = ch->what == CHANGE_COMMIT ? &c->commits
        : ch->what == CHANGE_UNCOMMIT               ? &c->forgotten
        : ch->what == CHANGE_STORE && ch->kind == VRV_STORE_ASSIGNMENT ? &c->rebalances
                                                                       : NULL;

    if (n != NULL)
        (void)atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static void
apply(struct vrv_shard *s, struct vrv_change *ch)
{
    struct vrv_group *g = ch->g;

    count(s->coord, ch);
    g->writes--;
    g->shown = ch->what != CHANGE_DELETE;
    switch (ch->what) {
    case CHANGE_STORE:
        vrv_group_stored(g, ch->kind, ch->generation,
            ch->topic.p != NULL ? ch->topic : VRV_SPAN_EMPTY, &s->now);
        break;
    case CHANGE_COMMIT:
        vrv_offsets_commit(&g->offsets, ch->topic, ch->partition, &ch->commit);
        break;
    case CHANGE_UNCOMMIT:
        vrv_offsets_remove(&g->offsets, ch->topic, ch->partition);
        break;
    case CHANGE_DELETE:
        break;
    }
}

static void
write_done(struct vrv_done *d)
{
    struct vrv_write *w = (struct vrv_write *)(void *)d;
    struct vrv_shard *s = w->shard;

    vrv__shard_enter(s);
    vrv_list_del(&w->link);
    if (w->tenure == s->tenure && w->t.status < 0) {
        vrv_list_push(&s->writes, &w->link); /* so that its calls are answered, too */
        (void)vrv_err_set(&s->err, w->t.status,
            "a change of groups could not be stored; they are not served any more");
        vrv__shard_drop(s, SHARD_FAILED);
        s->failed = 1;
    } else if (w->tenure == s->tenure) {
        for (size_t i = 0; i < w->change_n; i++)
            apply(s, &w->changes[i]);
        for (size_t i = 0; i < w->change_n; i++)
            /* only behind its last change here: it may be gone then */
            if (i + 1 == w->change_n || w->changes[i + 1].g != w->changes[i].g)
                vrv__shard_touch(s, w->changes[i].g);
        for (struct vrv_group_call *call = w->calls, *next; call != NULL; call = next) {
            next = call->next;
            vrv__answer(s, call, call->error);
        }
        w->calls = NULL;
    }
    vrv__write_free(&w);
    if (s->state == SHARD_LOADING)
        vrv__shard_load(s);
    vrv__shard_leave(s);
}

/* ---- what is to go ---- */

struct sweep {
    struct vrv_write **w;
    struct vrv_group *g;
    struct vrv_offsets_rule rule;
    int64_t now_ms;
    bool keeps; /* something stays */
};

static int
forget(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    struct sweep *sw = ctx;

    vrv__write_uncommit(*sw->w, sw->g, topic, v->partition);
    return vrv__write_more(sw->w);
}

int
vrv__write_forget(struct vrv_write **w, struct vrv_group *g)
{
    struct sweep sw = { .w = w, .g = g };

    return vrv_offsets_each(&g->offsets, forget, &sw);
}

/* What has a change on its way is settled by that: a tombstone behind it might take a commit for
 * the topic of today. */
static bool
is_stale(const struct sweep *sw, struct vrv_span topic, const struct vrv_offset *v)
{
    return v->begun == 0 && vrv__offset_is_stale((*sw->w)->shard->coord, topic, v);
}

static int
forget_stale(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    return is_stale(ctx, topic, v) ? forget(ctx, topic, v) : 0;
}

static int
forget_stale_of(struct vrv_write **w, struct vrv_group *g, const struct vrv_span *topic)
{
    struct sweep sw = { .w = w, .g = g };

    return topic != NULL ? vrv_offsets_each_of(&g->offsets, *topic, forget_stale, &sw)
                         : vrv_offsets_each(&g->offsets, forget_stale, &sw);
}

static int
expire(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    struct sweep *sw = ctx;

    if (is_stale(sw, topic, v) ||
        (!vrv_group_subscribes(sw->g, topic) && vrv_offset_expired(v, &sw->rule, sw->now_ms)))
        return forget(ctx, topic, v);
    sw->keeps = true;
    return 0;
}

/* Kafka's rule: without members and offsets the group goes, too. */
static int
expire_group(struct vrv_write **w, struct vrv_group *g, const struct vrv_span *all)
{
    (void)all;
    struct sweep sw = { w, g, vrv_group_expiry(g), (*w)->shard->now.wall_ms, false };
    int rc = vrv_offsets_each(&g->offsets, expire, &sw);

    if (rc == 0 && !sw.keeps && g->state == VRV_GROUP_EMPTY && g->pending.n == 0 && g->shown &&
        g->writes == 0)
        vrv__write_delete(*w, g);
    return rc;
}

typedef int sweep_fn(struct vrv_write **w, struct vrv_group *g, const struct vrv_span *topic);

/* Through all groups. */
static void
sweep(struct vrv_shard *s, sweep_fn *fn, const struct vrv_span *topic)
{
    struct vrv_write *w = vrv__write_new(s);
    struct vrv_omap_node *n = vrv_omap_first(&s->groups);
    int rc = 0;

    while (n != NULL && rc == 0) {
        struct vrv_group *g = VRV_OMAP_OF(n, struct vrv_group, node);

        rc = fn(&w, g, topic);
        n = vrv_omap_after(&s->groups, &g->id);
    }
    if (rc == 0)
        (void)vrv__write_append(&w);
    vrv__write_free(&w);
}

void
vrv__shard_expire_offsets(struct vrv_shard *s)
{
    sweep(s, expire_group, NULL);
}

void
vrv__shard_forget_stale(struct vrv_shard *s, const struct vrv_span *topic)
{
    sweep(s, forget_stale_of, topic);
}

void
vrv_coord_topic_deleted(struct vrv_coord *c, struct vrv_span topic)
{
    for (int32_t i = 0; i < c->o.partitions; i++) {
        struct vrv_shard *s = &c->shards[i];

        vrv__shard_enter(s);
        vrv__shard_forget_stale(s, &topic);
        vrv__shard_leave(s);
    }
}
