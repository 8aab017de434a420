#include "server/group/offsets.h"

#include "engine/base/assert.h"
#include "engine/base/mem.h"

struct topic {
    struct vrv_omap_node node;
    struct vrv_omap parts;
    struct vrv_span name; /* owned */
};

static int
cmp_topic(const void *key, const struct vrv_omap_node *n)
{
    return vrv_span_cmp(*(const struct vrv_span *)key, VRV_OMAP_OF(n, struct topic, node)->name);
}

static int
cmp_part(const void *key, const struct vrv_omap_node *n)
{
    int32_t a = *(const int32_t *)key;
    int32_t b = VRV_OMAP_OF(n, struct vrv_offset, node)->partition;

    return (a > b) - (a < b);
}

static void
count(struct vrv_offsets *o, int64_t n)
{
    atomic_fetch_add(o->used, (size_t)n);
}

void
vrv_offsets_init(struct vrv_offsets *o, _Atomic size_t *used)
{
    vrv_omap_init(&o->topics, cmp_topic);
    o->n = 0;
    o->used = used;
}

static void
free_offset(struct vrv_offsets *o, struct vrv_offset *v)
{
    count(o, -(int64_t)(sizeof(*v) + v->commit.metadata.n));
    vrv_span_free(&v->commit.metadata);
    free(v);
    o->n--;
}

static void
free_topic(struct vrv_offsets *o, struct topic *t)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&t->parts)) != NULL)
        free_offset(o, VRV_OMAP_OF(n, struct vrv_offset, node));
    count(o, -(int64_t)(sizeof(*t) + t->name.n));
    vrv_span_free(&t->name);
    free(t);
}

void
vrv_offsets_fini(struct vrv_offsets *o)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&o->topics)) != NULL)
        free_topic(o, VRV_OMAP_OF(n, struct topic, node));
    VRV_ASSERT(o->n == 0);
}

static struct topic *
find_topic(const struct vrv_offsets *o, struct vrv_span name)
{
    struct vrv_omap_node *n = vrv_omap_find(&o->topics, &name);

    return n != NULL ? VRV_OMAP_OF(n, struct topic, node) : NULL;
}

static struct vrv_offset *
find(const struct vrv_offsets *o, struct vrv_span topic, int32_t partition)
{
    struct topic *t = find_topic(o, topic);
    struct vrv_omap_node *n = t != NULL ? vrv_omap_find(&t->parts, &partition) : NULL;

    return n != NULL ? VRV_OMAP_OF(n, struct vrv_offset, node) : NULL;
}

const struct vrv_offset *
vrv_offsets_find(const struct vrv_offsets *o, struct vrv_span topic, int32_t partition)
{
    return find(o, topic, partition);
}

static struct vrv_offset *
find_or_add(struct vrv_offsets *o, struct vrv_span name, int32_t partition)
{
    struct vrv_offset *v = find(o, name, partition);

    if (v != NULL)
        return v;
    struct topic *t = find_topic(o, name);
    if (t == NULL) {
        t = VRV_NEW(struct topic);
        t->name = vrv_span_dup(name);
        vrv_omap_init(&t->parts, cmp_part);
        vrv_omap_insert(&o->topics, &name, &t->node);
        count(o, (int64_t)(sizeof(*t) + name.n));
    }
    v = VRV_NEW(struct vrv_offset);
    v->partition = partition;
    vrv_omap_insert(&t->parts, &partition, &v->node);
    count(o, sizeof(*v));
    o->n++;
    return v;
}

void
vrv_offsets_begin(struct vrv_offsets *o, struct vrv_span topic, int32_t partition)
{
    find_or_add(o, topic, partition)->begun++;
}

void
vrv_offsets_commit(struct vrv_offsets *o, struct vrv_span topic, int32_t partition,
    const struct vrv_commit *c)
{
    struct vrv_offset *v = find(o, topic, partition);

    VRV_ASSERT(v != NULL && v->begun > 0);
    v->begun--;
    count(o, (int64_t)c->metadata.n - v->commit.metadata.n);
    vrv_span_free(&v->commit.metadata);
    v->commit = *c;
    v->commit.metadata = vrv_span_dup(c->metadata);
    v->shown = true;
}

void
vrv_offsets_remove(struct vrv_offsets *o, struct vrv_span topic, int32_t partition)
{
    struct vrv_offset *v = find(o, topic, partition);

    VRV_ASSERT(v != NULL && v->begun > 0);
    v->shown = false;
    if (--v->begun > 0)
        return;
    struct topic *t = find_topic(o, topic);
    (void)vrv_omap_remove(&t->parts, &partition);
    free_offset(o, v);
    if (t->parts.n == 0) {
        (void)vrv_omap_remove(&o->topics, &topic);
        free_topic(o, t);
    }
}

static int
each_part(const struct topic *t, vrv_offset_fn *fn, void *ctx)
{
    struct vrv_omap_node *n = vrv_omap_first(&t->parts);
    int rc = 0;

    while (n != NULL && rc == 0) {
        const struct vrv_offset *v = VRV_OMAP_OF(n, struct vrv_offset, node);

        rc = fn(ctx, t->name, v);
        n = vrv_omap_after(&t->parts, &v->partition);
    }
    return rc;
}

int
vrv_offsets_each(const struct vrv_offsets *o, vrv_offset_fn *fn, void *ctx)
{
    struct vrv_omap_node *n = vrv_omap_first(&o->topics);
    int rc = 0;

    while (n != NULL && rc == 0) {
        const struct topic *t = VRV_OMAP_OF(n, struct topic, node);

        rc = each_part(t, fn, ctx);
        n = vrv_omap_after(&o->topics, &t->name);
    }
    return rc;
}

int
vrv_offsets_each_of(const struct vrv_offsets *o, struct vrv_span topic, vrv_offset_fn *fn,
    void *ctx)
{
    const struct topic *t = find_topic(o, topic);

    return t != NULL ? each_part(t, fn, ctx) : 0;
}

bool
vrv_offset_expired(const struct vrv_offset *v, const struct vrv_offsets_rule *rule, int64_t now_ms)
{
    if (rule->since == VRV_SINCE_NEVER || v->begun > 0 || !v->shown)
        return false;
    if (v->commit.expire_ms >= 0)
        return now_ms >= v->commit.expire_ms;
    int64_t since = v->commit.commit_ms;
    if (rule->since == VRV_SINCE_EMPTY && rule->empty_ms >= 0)
        since = rule->empty_ms;
    /* stored times are data and may be anything: no overflow */
    return since <= now_ms - rule->retention_ms;
}
