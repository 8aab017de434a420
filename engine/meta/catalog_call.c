#include "engine/meta/catalog_call.h"

#include "engine/base/assert.h"
#include "engine/base/mem.h"

/* Lives until both are through with it, the waiting side and the callback: who gives up waiting
 * leaves it to the callback to free. */
struct vrv_catcall {
    bool done, given_up;
    int status;
    uint64_t revision;
    struct vrv_err err;
    vrv_catcall_fn *fn; /* of a range */
    void *ctx;
};

static void
finish(struct vrv_catcall *c, int status, uint64_t revision, const struct vrv_err *e)
{
    if (c->given_up) {
        free(c);
        return;
    }
    VRV_ASSERT(!c->done);
    c->done = true;
    c->revision = revision;
    if (c->status == 0 && status < 0) {
        c->status = status;
        c->err = *e;
    }
}

static void
txn_fn(void *ctx, int status, uint64_t revision, const struct vrv_err *e)
{
    finish(ctx, status, revision, e);
}

static void
range_fn(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    struct vrv_catcall *c = ctx;

    if (kv == NULL)
        finish(c, status, revision, e);
    else if (!c->given_up && c->status == 0)
        c->status = c->fn(c->ctx, kv, &c->err);
}

struct vrv_catcall *
vrv_catcall_start(struct vrv_metastore *m, const struct vrv_meta_txn *t)
{
    struct vrv_catcall *c = VRV_NEW(struct vrv_catcall);

    vrv_meta_txn(m, t, txn_fn, c);
    return c;
}

int
vrv_catcall_end(struct vrv_metastore *m, struct vrv_catcall **call, uint64_t *revision,
    struct vrv_err *e)
{
    struct vrv_catcall *c = *call;
    struct vrv_err stopped = { 0 };
    int rc = 0;

    *call = NULL;
    for (int i = 0; i < VRV_CATCALL_STEPS_MAX && !c->done && rc >= 0; i++)
        rc = vrv_meta_step(m, &stopped);
    if (!c->done) {
        c->given_up = true;
        if (rc >= 0)
            return vrv_err_set(e, VRV_E_UNKNOWN, "the metadata store does not answer");
        if (e != NULL)
            *e = stopped;
        return rc;
    }
    rc = c->status;
    *revision = c->revision;
    if (rc < 0 && e != NULL)
        *e = c->err;
    free(c);
    return rc;
}

int
vrv_catcall_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, uint64_t *revision,
    struct vrv_err *e)
{
    struct vrv_catcall *c = vrv_catcall_start(m, t);

    return vrv_catcall_end(m, &c, revision, e);
}

int
vrv_catcall_range(struct vrv_metastore *m, const char *prefix, vrv_catcall_fn *fn, void *ctx,
    uint64_t *revision, struct vrv_err *e)
{
    struct vrv_catcall *c = VRV_NEW(struct vrv_catcall);

    c->fn = fn;
    c->ctx = ctx;
    vrv_meta_range(m, prefix, range_fn, c);
    return vrv_catcall_end(m, &c, revision, e);
}
