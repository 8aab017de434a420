/* What a coordinator tells of itself.  Each partition is looked at under its lock, one at a time. */

#include "server/group/coord_int.h"

static void
add_group(struct vrv_coord_stats *st, const struct vrv_group *g)
{
    st->groups++;
    st->in_state[g->state]++;
    st->members += vrv_group_size(g);
    st->offsets += g->offsets.n;
}

static void
add_shard(struct vrv_coord_stats *st, struct vrv_shard *s)
{
    vrv_lock(&s->lock);
    st->loading += s->state == SHARD_LOADING;
    st->serving += s->state == SHARD_SERVING;
    st->failed += s->state == SHARD_FAILED;
    for (struct vrv_omap_node *n = vrv_omap_first(&s->groups); n != NULL;) {
        const struct vrv_group *g = VRV_OMAP_OF(n, struct vrv_group, node);

        add_group(st, g);
        n = vrv_omap_after(&s->groups, &g->id);
    }
    vrv_unlock(&s->lock);
}

void
vrv_coord_stats(struct vrv_coord *c, struct vrv_coord_stats *st)
{
    *st = (struct vrv_coord_stats){ .memory = atomic_load(&c->used),
        .rebalances = atomic_load(&c->rebalances), .commits = atomic_load(&c->commits),
        .forgotten = atomic_load(&c->forgotten) };
    for (int32_t i = 0; i < c->o.partitions; i++)
        add_shard(st, &c->shards[i]);
}

struct giving {
    const struct vrv_group *g;
    vrv_coord_offset_fn *fn;
    void *ctx;
};

static int
give(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    const struct giving *gv = ctx;

    return v->shown ? gv->fn(gv->ctx, gv->g->id, topic, v->partition, v->commit.offset) : 0;
}

int
vrv_coord_each_offset(struct vrv_coord *c, vrv_coord_offset_fn *fn, void *ctx)
{
    int rc = 0;

    for (int32_t i = 0; rc == 0 && i < c->o.partitions; i++) {
        struct vrv_shard *s = &c->shards[i];

        vrv_lock(&s->lock);
        for (struct vrv_omap_node *n = vrv_omap_first(&s->groups); rc == 0 && n != NULL;) {
            struct giving gv = { VRV_OMAP_OF(n, struct vrv_group, node), fn, ctx };

            rc = vrv_offsets_each(&gv.g->offsets, give, &gv);
            n = vrv_omap_after(&s->groups, &gv.g->id);
        }
        vrv_unlock(&s->lock);
    }
    return rc;
}
