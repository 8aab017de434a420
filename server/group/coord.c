#include "server/group/coord_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/assert.h"
#include "engine/os/thread.h"

enum { COORD_MAGIC = 0x67727063, NS_PER_MS = 1000000 };

void
vrv_coord_opts_default(struct vrv_coord_opts *o)
{
    *o = (struct vrv_coord_opts){ .partitions = VRV_OFFSETS_PARTITIONS };
    vrv_group_config_default(&o->config);
}

static struct vrv_config_kv
setting(const char *key, const char *value)
{
    return (struct vrv_config_kv){ (char *)(uintptr_t)key, (char *)(uintptr_t)value };
}

int
vrv_coord_make_topic(struct vrv_engine *eng, struct vrv_uuid id, int32_t *partitions,
    int32_t segment_bytes, struct vrv_err *e)
{
    char bytes[16];
    const struct vrv_config_kv kv[] = { setting("retention.bytes", "-1"),
        setting("retention.ms", "-1"), setting("segment.bytes", bytes) };
    struct vrv_uuid old;

    (void)snprintf(bytes, sizeof(bytes), "%" PRId32, segment_bytes);
    if (vrv_catalog_find(vrv_engine_catalog(eng), VRV_OFFSETS_TOPIC, &old, partitions))
        return 0;
    return vrv_engine_create_topic(eng, VRV_OFFSETS_TOPIC, *partitions, kv,
        sizeof(kv) / sizeof(kv[0]), &id, e);
}

/* ---- groups by id ---- */

static int
cmp_group(const void *key, const struct vrv_omap_node *n)
{
    return vrv_span_cmp(*(const struct vrv_span *)key, VRV_OMAP_OF(n, struct vrv_group, node)->id);
}

void
vrv__groups_init(struct vrv_omap *groups)
{
    vrv_omap_init(groups, cmp_group);
}

struct vrv_group *
vrv__groups_find(const struct vrv_omap *groups, struct vrv_span id)
{
    struct vrv_omap_node *n = vrv_omap_find(groups, &id);

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_group, node) : NULL;
}

struct vrv_group *
vrv__groups_add(struct vrv_omap *groups, const struct vrv_group_env *env, struct vrv_span id,
    const struct vrv_now *now)
{
    struct vrv_group *g = vrv_group_new(env, id, now);

    vrv_omap_insert(groups, &g->id, &g->node);
    return g;
}

void
vrv__groups_remove(struct vrv_omap *groups, struct vrv_group *g)
{
    (void)vrv_omap_remove(groups, &g->id);
    vrv_group_free(&g);
}

void
vrv__groups_clear(struct vrv_omap *groups, int error)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(groups)) != NULL) {
        struct vrv_group *g = VRV_OMAP_OF(n, struct vrv_group, node);

        vrv_group_drop(g, error);
        vrv_group_free(&g);
    }
}

/* ---- one operation ---- */

void
vrv__shard_enter(struct vrv_shard *s)
{
    struct vrv_clock *clock = s->coord->o.clock;

    vrv_lock(&s->lock);
    s->now = (struct vrv_now){ clock->mono_ns(clock), clock->wall_ms(clock) };
    s->last = NULL;
    s->failed = 0;
}

static void
wake(struct vrv_coord *c, int64_t when_ns)
{
    if (when_ns < atomic_load(&c->sleeps_until) && !atomic_exchange(&c->waking, true))
        vrv_cq_post(&c->cq, &c->wake, &c->wake);
}

void
vrv__shard_leave(struct vrv_shard *s)
{
    struct vrv_coord *c = s->coord;
    struct vrv_group_call *call = s->answered, *next;
    const struct vrv_timer *t = vrv_heap_first(&s->due);
    int64_t when_ns = t != NULL ? t->ns : INT64_MAX;
    struct vrv_err err = s->err;
    bool failed = s->failed != 0;

    s->answered = NULL;
    atomic_store(&s->next_ns, when_ns);
    vrv_unlock(&s->lock);
    for (; call != NULL; call = next) {
        next = call->next;
        vrv_cq_post(call->done.cq, &call->done, &call->done);
    }
    wake(c, when_ns);
    if (failed && c->o.failed != NULL)
        c->o.failed(c->o.ctx, s->partition, &err);
}

void
vrv__answer(struct vrv_shard *s, struct vrv_group_call *c, int error)
{
    c->error = error;
    c->next = s->answered;
    s->answered = c;
}

/* ---- topics ---- */

bool
vrv__topic_id(struct vrv_coord *c, struct vrv_span topic, struct vrv_uuid *id)
{
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;

    if (topic.n >= sizeof(name) || memchr(topic.p, '\0', topic.n) != NULL)
        return false;
    memcpy(name, topic.p, topic.n);
    name[topic.n] = '\0';
    return vrv_catalog_find(vrv_engine_catalog(c->o.eng), name, id, &partitions);
}

bool
vrv__offset_is_stale(struct vrv_coord *c, struct vrv_span topic, const struct vrv_offset *v)
{
    static const struct vrv_uuid unknown;
    struct vrv_uuid id;

    if (!v->shown)
        return false;
    return !vrv__topic_id(c, topic, &id) ||
        (!vrv_uuid_eq(&v->commit.topic_id, &id) && !vrv_uuid_eq(&v->commit.topic_id, &unknown));
}

/* Nothing of it is left, here or in the log. */
static bool
is_nothing(const struct vrv_group *g)
{
    return g->state == VRV_GROUP_EMPTY && g->pending.n == 0 && g->writes == 0 && !g->shown &&
        g->offsets.n == 0;
}

void
vrv__shard_touch(struct vrv_shard *s, struct vrv_group *g)
{
    vrv_group_expire(g, &s->now);
    vrv_heap_del(&s->due, &g->timer);
    if (is_nothing(g)) {
        vrv__groups_remove(&s->groups, g);
        return;
    }
    int64_t when_ns = vrv_group_deadline(g);
    if (when_ns != INT64_MAX)
        vrv_heap_add(&s->due, &g->timer, when_ns);
}

/* ---- what groups ask of us ---- */

static void
group_answer(void *ctx, struct vrv_group_call *c)
{
    vrv__answer(ctx, c, c->error);
}

static void
group_uuid(void *ctx, struct vrv_uuid *out)
{
    struct vrv_shard *s = ctx;
    uint64_t r[2] = { vrv_rand_next(&s->rand), vrv_rand_next(&s->rand) };

    memcpy(out->b, r, sizeof(out->b));
    out->b[6] = (uint8_t)((out->b[6] & 0x0f) | 0x40);
    out->b[8] = (uint8_t)((out->b[8] & 0x3f) | 0x80);
}

/* ---- ownership ---- */

static struct vrv_log *
find_log(struct vrv_coord *c, int32_t partition)
{
    struct vrv_topic_info t;

    if (vrv_catalog_by_name(vrv_engine_catalog(c->o.eng), VRV_OFFSETS_TOPIC, &t, NULL) < 0)
        return NULL;
    struct vrv_log_id id = { t.id, partition };
    vrv_topic_info_fini(&t);
    return vrv_engine_log_ref(c->o.eng, &id);
}

/* Who waits for a write is told; the write itself stays until its ticket comes. */
static void
give_up_writes(struct vrv_shard *s)
{
    for (struct vrv_list *l = s->writes.next; l != &s->writes; l = l->next) {
        struct vrv_write *w = VRV_LIST_OF(l, struct vrv_write, link);

        for (struct vrv_group_call *call = w->calls, *next; call != NULL; call = next) {
            next = call->next;
            vrv__answer(s, call, VRV_K_NOT_COORDINATOR);
        }
        w->calls = NULL;
    }
}

void
vrv__shard_drop(struct vrv_shard *s, enum shard_state state)
{
    while (vrv_heap_first(&s->due) != NULL)
        vrv_heap_del(&s->due, vrv_heap_first(&s->due));
    give_up_writes(s);
    vrv__groups_clear(&s->groups, VRV_K_NOT_COORDINATOR);
    vrv_log_unref(&s->log);
    s->tenure++;
    s->state = state;
}

void
vrv_coord_gained(struct vrv_coord *c, int32_t partition, int32_t epoch)
{
    VRV_CHECK(c, COORD_MAGIC);
    VRV_ASSERT(partition >= 0 && partition < c->o.partitions);
    struct vrv_shard *s = &c->shards[partition];
    struct vrv_log *log = find_log(c, partition);

    vrv__shard_enter(s);
    if (log != NULL &&
        (s->state == SHARD_LOST || s->state == SHARD_FAILED || s->epoch != epoch)) {
        vrv__shard_drop(s, SHARD_LOADING);
        s->epoch = epoch;
        s->log = log;
        log = NULL;
        vrv__shard_load(s);
    }
    vrv__shard_leave(s);
    vrv_log_unref(&log);
}

void
vrv_coord_lost(struct vrv_coord *c, int32_t partition)
{
    VRV_CHECK(c, COORD_MAGIC);
    VRV_ASSERT(partition >= 0 && partition < c->o.partitions);
    struct vrv_shard *s = &c->shards[partition];

    vrv__shard_enter(s);
    vrv__shard_drop(s, SHARD_LOST);
    vrv__shard_leave(s);
}

/* One character of UTF-8, at least a byte; what isn't one is U+FFFD, as in Java. */
static uint32_t
next_char(const uint8_t **p, const uint8_t *end)
{
    uint8_t b = *(*p)++;
    unsigned more = b >= 0xf0 && b < 0xf5 ? 3 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xc2 && b < 0xe0;
    uint32_t c = more > 0 ? b & (0x3fu >> more) : b;

    if (b < 0x80)
        return b;
    if (more == 0 || (size_t)(end - *p) < more)
        return 0xfffd;
    for (unsigned i = 0; i < more; i++) {
        if (((*p)[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | ((*p)[i] & 0x3f);
    }
    *p += more;
    return c;
}

int32_t
vrv_coord_partition(const struct vrv_coord *c, struct vrv_span group)
{
    const uint8_t *p = group.p, *end = p + group.n;
    uint32_t h = 0;

    while (p < end) {
        uint32_t u = next_char(&p, end);

        if (u >= 0x10000) { /* Java hashes UTF-16 */
            h = h * 31 + (0xd7c0 + (u >> 10));
            u = 0xdc00 + (u & 0x3ff);
        }
        h = h * 31 + u;
    }
    uint32_t abs = h > INT32_MAX ? 0 - h : h;
    return abs > INT32_MAX ? 0 : (int32_t)(abs % (uint32_t)c->o.partitions);
}

/* ---- time ---- */

static void
shard_due(struct vrv_shard *s)
{
    struct vrv_timer *t;

    vrv__shard_enter(s);
    while ((t = vrv_heap_first(&s->due)) != NULL && t->ns <= s->now.mono_ns) {
        if (t != &s->check) {
            vrv__shard_touch(s, VRV_TIMER_OF(t, struct vrv_group, timer));
            continue;
        }
        vrv_heap_del(&s->due, t);
        vrv_heap_add(&s->due, t,
            s->now.mono_ns + s->coord->o.config.retention_check_ms * NS_PER_MS);
        vrv__shard_expire_offsets(s);
    }
    vrv__shard_leave(s);
}

int64_t
vrv_coord_step(struct vrv_coord *c)
{
    struct vrv_done *d;
    int64_t next_ns = INT64_MAX;

    VRV_CHECK(c, COORD_MAGIC);
    while ((d = vrv_cq_take(&c->cq, 0)) != NULL)
        d->run(d);
    for (int32_t i = 0; i < c->o.partitions; i++) {
        struct vrv_shard *s = &c->shards[i];

        if (atomic_load(&s->next_ns) <= c->o.clock->mono_ns(c->o.clock))
            shard_due(s);
        if (atomic_load(&s->next_ns) < next_ns)
            next_ns = atomic_load(&s->next_ns);
    }
    return next_ns;
}

static void
wake_run(struct vrv_done *d)
{
    char *c = (char *)d - offsetof(struct vrv_coord, wake);

    atomic_store(&((struct vrv_coord *)(void *)c)->waking, false);
}

static void *
coord_main(void *ctx)
{
    struct vrv_coord *c = ctx;

    while (!atomic_load(&c->stop)) {
        /* until it is known how long, any deadline that is set wakes */
        atomic_store(&c->sleeps_until, INT64_MAX);
        int64_t next_ns = vrv_coord_step(c);
        int64_t left_ns = next_ns - c->o.clock->mono_ns(c->o.clock);
        atomic_store(&c->sleeps_until, next_ns);
        if (atomic_load(&c->stop)) /* the step may have taken the call to wake */
            break;
        struct vrv_done *d = vrv_cq_take(&c->cq,
            next_ns == INT64_MAX ? -1 : left_ns <= 0 ? 0 : left_ns / NS_PER_MS + 1);
        if (d != NULL)
            d->run(d);
    }
    return NULL;
}

/* ---- life ---- */

static void
shard_init(struct vrv_coord *c, struct vrv_shard *s, int32_t partition)
{
    s->coord = c;
    s->partition = partition;
    s->env = (struct vrv_group_env){ &c->o.config, &c->used, s, vrv__shard_store, group_answer,
        group_uuid };
    vrv_lock_init(&s->lock, VRV_LOCK_group);
    vrv__groups_init(&s->groups);
    vrv_list_init(&s->writes);
    s->rand.state = c->o.random ^ ((uint64_t)partition + 1) << 32;
    s->rand.state = vrv_rand_next(&s->rand);
    atomic_store(&s->next_ns, INT64_MAX);
}

struct vrv_coord *
vrv_coord_new(const struct vrv_coord_opts *o)
{
    struct vrv_coord *c = VRV_NEW(struct vrv_coord);

    VRV_ASSERT(o->partitions > 0);
    c->magic = COORD_MAGIC;
    c->o = *o;
    if (c->o.config.max_size > VRV_GROUP_MEMBERS_MAX)
        c->o.config.max_size = VRV_GROUP_MEMBERS_MAX;
    int rc = vrv_cq_init(&c->cq, 0);
    VRV_ASSERT(rc == 0); /* only an eventfd can fail */
    vrv_lock_init(&c->fill_lock, VRV_LOCK_fill);
    c->wake = (struct vrv_done){ .cq = &c->cq, .run = wake_run };
    atomic_store(&c->sleeps_until, INT64_MIN);
    c->shards = vrv_mem_zero((size_t)o->partitions * sizeof(*c->shards));
    for (int32_t i = 0; i < o->partitions; i++)
        shard_init(c, &c->shards[i], i);
    return c;
}

int
vrv_coord_start(struct vrv_coord *c, struct vrv_err *e)
{
    VRV_CHECK(c, COORD_MAGIC);
    int rc = vrv_thread_start(&c->thread, "groups", coord_main, c, e);
    c->running = rc == 0;
    return rc;
}

/* A load that is under way ends soon: nobody wants it any more. */
static void
wait_for_loads(struct vrv_coord *c)
{
    for (int32_t i = 0; i < c->o.partitions; i++)
        for (;;) {
            vrv_lock(&c->shards[i].lock);
            bool reading = c->shards[i].reading;
            vrv_unlock(&c->shards[i].lock);
            if (!reading)
                break;
            struct vrv_done *d = vrv_cq_take(&c->cq, -1);
            d->run(d);
        }
}

void
vrv_coord_stop(struct vrv_coord *c)
{
    VRV_CHECK(c, COORD_MAGIC);
    if (c->running) {
        atomic_store(&c->stop, true);
        atomic_store(&c->sleeps_until, INT64_MAX);
        wake(c, 0);
        (void)pthread_join(c->thread, NULL);
        c->running = false;
        atomic_store(&c->sleeps_until, INT64_MIN);
    }
    for (int32_t i = 0; i < c->o.partitions; i++)
        vrv_coord_lost(c, i);
    wait_for_loads(c);
    vrv_fill_fini(&c->fill);
}

void
vrv_coord_free(struct vrv_coord **cp)
{
    struct vrv_coord *c = *cp;
    struct vrv_done *d;

    if (c == NULL)
        return;
    VRV_CHECK(c, COORD_MAGIC);
    while ((d = vrv_cq_take(&c->cq, 0)) != NULL)
        d->run(d);
    for (int32_t i = 0; i < c->o.partitions; i++) {
        struct vrv_shard *s = &c->shards[i];

        /* whose ticket the engine didn't come to post */
        while (!vrv_list_empty(&s->writes)) {
            struct vrv_write *w = VRV_LIST_OF(s->writes.next, struct vrv_write, link);
            vrv__write_free(&w);
        }
        vrv_heap_fini(&s->due);
        vrv_lock_fini(&s->lock);
    }
    vrv_cq_fini(&c->cq);
    vrv_lock_fini(&c->fill_lock);
    free(c->shards);
    free(c);
    *cp = NULL;
}
