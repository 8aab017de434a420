#include "engine/contract/waldev.h"

#include "engine/base/assert.h"

bool
vrv_waldev_reserve(struct vrv_waldev *d, size_t bytes)
{
    return d->ops->reserve(d, bytes);
}

void
vrv_waldev_release(struct vrv_waldev *d, size_t bytes)
{
    d->ops->release(d, bytes);
}

void
vrv_waldev_submit(struct vrv_waldev *d, struct vrv_wal_group *g)
{
    VRV_ASSERT(g->n > 0);
    VRV_ASSERT(g->n % d->align == 0);
    VRV_ASSERT((uintptr_t)g->bytes % d->align == 0);
    d->ops->submit(d, g);
}

int
vrv_waldev_sync(struct vrv_waldev *d, struct vrv_err *e)
{
    return d->ops->sync(d, e);
}

int
vrv_waldev_trim(struct vrv_waldev *d, uint64_t slot, struct vrv_err *e)
{
    return d->ops->trim(d, slot, e);
}

int
vrv_waldev_prepare(struct vrv_waldev *d)
{
    return d->ops->prepare(d);
}

size_t
vrv_waldev_used(struct vrv_waldev *d)
{
    return d->ops->used(d);
}

void
vrv_waldev_close(struct vrv_waldev **d)
{
    if (*d == NULL)
        return;
    (*d)->ops->close(*d);
    *d = NULL;
}
