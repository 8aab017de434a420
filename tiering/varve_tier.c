/*
 * The public face, with a cold tier: varve_open() of the engine, and what serves it from above.
 *
 *   the store ─► the tier ─► the engine opens with it, and runs ─► the tier is told whose it is, and runs
 *
 * Closing goes the other way: the engine calls what it was told of the tier (engine/varve_int.h), since
 * it doesn't know it.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "engine/base/mem.h"
#include "engine/meta/cluster.h"
#include "engine/varve_int.h"
#include "tiering/store/named.h"
#include "tiering/tier.h"

struct served {
    struct vrv_store *store;
    struct vrv_tier *tier;
    char cluster[VRV_CLUSTER_ID + 1];
    void (*foreign)(void *ctx, const char *message);
    void *ctx;
};

static void
tell_foreign(void *ctx, const struct vrv_err *e)
{
    const struct served *s = ctx;

    s->foreign(s->ctx, e->msg);
}

/* The engine is about to close. */
static void
stop(void *ctx)
{
    struct served *s = ctx;

    vrv_tier_detach(s->tier);
}

static void
end(void *ctx)
{
    struct served *s = ctx;

    vrv_tier_free(&s->tier);
    if (s->store != NULL)
        vrv_store_close(&s->store);
    free(s);
}

static int
draw(void *p, size_t n, struct vrv_err *e)
{
    return getrandom(p, n, 0) == (ssize_t)n ? 0 : vrv_err_sys(e, "no random numbers");
}

static int
make(struct served *s, const struct varve_tier_options *t, struct vrv_err *e)
{
    struct vrv_store_named n = { .url = t->url, .create = true, .ca_file = t->ca_file,
        .proxy = t->proxy, .proxy_credentials = t->proxy_credentials,
        .s3_endpoint = t->s3_endpoint, .s3_region = t->s3_region,
        .s3_credentials = t->s3_credentials, .s3_path_style = t->s3_path_style,
        .hdfs_user = t->hdfs_user, .hdfs_token_file = t->hdfs_token_file };
    struct vrv_tier_opts o;

    if (t->url == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "the cold tier has no URL");
    vrv_tier_opts_default(&o);
    int rc = vrv_store_named(&s->store, &n, e);
    if (rc == 0)
        rc = draw(&o.random, sizeof(o.random), e);
    if (rc < 0)
        return rc;
    o.store = s->store;
    if (t->foreign != NULL) {
        s->foreign = t->foreign;
        s->ctx = t->ctx;
        o.foreign = tell_foreign;
        o.ctx = s;
    }
    s->tier = vrv_tier_new(&o);
    return 0;
}

/* From now on segments leave.  The store belongs to who was there first: another data directory is kept
 * from it by the cluster's id. */
static int
serve(struct served *s, struct varve *v, struct vrv_err *e)
{
    struct vrv_uuid random;
    int rc = draw(&random, sizeof(random), e);

    if (rc == 0)
        rc = vrv_cluster_id(vrv_engine_catalog(v->engine), NULL, &random, s->cluster, e);
    if (rc < 0)
        return rc;
    vrv_tier_attach(s->tier, v->engine, s->cluster, NULL, NULL);
    v->above.stop = stop;
    return vrv_tier_start(s->tier, e);
}

int
varve_open_tiered(struct varve **out, const char *dir, const struct varve_options *o,
    const struct varve_tier_options *t, struct varve_found *found, struct varve_error *e)
{
    struct served *s = VRV_NEW(struct served);
    struct varve *v;

    *out = NULL;
    int rc = make(s, t, vrv__err(e));
    if (rc == 0)
        rc = vrv__open(&v, dir, o, vrv_tier_cold(s->tier), found, e);
    if (rc < 0) {
        end(s);
        return rc;
    }
    v->above = (struct vrv_above){ .end = end, .ctx = s };
    rc = serve(s, v, vrv__err(e));
    if (rc == 0)
        *out = v;
    else
        (void)varve_close(&v, NULL);
    return rc;
}
