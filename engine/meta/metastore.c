/* The face of every metastore: each call goes to the implementation's table. */
#include "engine/contract/metastore.h"

#include "engine/base/assert.h"

void
vrv_meta_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn, void *ctx)
{
    VRV_ASSERT(fn != NULL);
    m->ops->txn(m, t, fn, ctx);
}

void
vrv_meta_range(struct vrv_metastore *m, const char *prefix, vrv_meta_range_fn *fn, void *ctx)
{
    VRV_ASSERT(fn != NULL);
    m->ops->range(m, prefix, fn, ctx);
}

void
vrv_meta_watch(struct vrv_metastore *m, const char *prefix, uint64_t from_revision,
    vrv_meta_watch_fn *fn, void *ctx)
{
    VRV_ASSERT(fn != NULL);
    m->ops->watch(m, prefix, from_revision, fn, ctx);
}

void
vrv_meta_unwatch(struct vrv_metastore *m, vrv_meta_watch_fn *fn, void *ctx)
{
    m->ops->unwatch(m, fn, ctx);
}

int
vrv_meta_step(struct vrv_metastore *m, struct vrv_err *e)
{
    return m->ops->step(m, e);
}

void
vrv_meta_close(struct vrv_metastore **mp)
{
    struct vrv_metastore *m = *mp;

    *mp = NULL;
    if (m != NULL)
        m->ops->close(m);
}
