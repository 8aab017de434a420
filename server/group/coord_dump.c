/* All committed offsets as batches that can go back into __consumer_offsets.  Each partition is looked at under
 * its lock, one at a time. */
#include "server/group/coord_int.h"

enum { BATCH_BYTES = 256 * 1024 }; /* of records, before they are packed */

/* The batches of one partition. */
struct dump {
    struct vrv_coord *coord;
    vrv_coord_batch_fn *fn;
    void *ctx;
    int32_t partition;
    struct vrv_batch_builder b;
    const struct vrv_group *g;
    struct vrv_err *e;
};

static int
tell(struct dump *d)
{
    const uint8_t *batch;
    size_t n;

    if (d->b.count == 0)
        return 0;
    int rc = vrv_batch_builder_finish(&d->b, VRV_CODEC_ZSTD, &batch, &n, d->e);
    return rc == 0 ? d->fn(d->ctx, d->partition, batch, n) : rc;
}

static int
add(void *ctx, struct vrv_span topic, const struct vrv_offset *v)
{
    struct dump *d = ctx;

    if (!v->shown || vrv__offset_is_stale(d->coord, topic, v))
        return 0;
    vrv_grec_put_commit(&d->b, v->commit.commit_ms, d->g->id, topic, v->partition, &v->commit);
    return d->b.n >= BATCH_BYTES ? tell(d) : 0;
}

static int
dump_shard(struct dump *d, struct vrv_shard *s)
{
    int rc = 0;

    vrv_lock(&s->lock);
    if (s->state != SHARD_SERVING) /* what isn't known must not be told as nothing */
        rc = vrv_err_set(d->e, VRV_E_AGAIN, "groups of partition %d of " VRV_OFFSETS_TOPIC
            " are not known", (int)s->partition);
    for (struct vrv_omap_node *n = vrv_omap_first(&s->groups); rc == 0 && n != NULL;) {
        d->g = VRV_OMAP_OF(n, struct vrv_group, node);
        rc = vrv_offsets_each(&d->g->offsets, add, d);
        n = vrv_omap_after(&s->groups, &d->g->id);
    }
    vrv_unlock(&s->lock);
    return rc == 0 ? tell(d) : rc;
}

int
vrv_coord_dump(struct vrv_coord *c, vrv_coord_batch_fn *fn, void *ctx, struct vrv_err *e)
{
    struct dump d = { .coord = c, .fn = fn, .ctx = ctx, .e = e };
    int rc = 0;

    vrv_batch_builder_init(&d.b);
    for (int32_t i = 0; rc == 0 && i < c->o.partitions; i++) {
        d.partition = i;
        rc = dump_shard(&d, &c->shards[i]);
    }
    vrv_batch_builder_fini(&d.b);
    return rc;
}
