/*
 * Bytes of a file that are not in the page cache: sendfile would make the reactor wait for the disk,
 * and all its connections with it.  A thread that may wait reads the next of them into memory, and
 * the connection sends them from there.
 */
#include <errno.h>

#include "server/net/net_int.h"

/* On that thread. */
static void
read_file(struct vrv_job *job)
{
    struct vrv_load *l = VRV_LIST_OF(job, struct vrv_load, job);
    ssize_t got = vrv_seg_pread(l->seg, l->slab->data, l->wanted, l->pos, VRV_READ_DONTCACHE, NULL);

    l->n = got > 0 ? (size_t)got : 0;
}

static void
loaded(struct vrv_done *d)
{
    struct vrv_conn *c = VRV_LIST_OF(d, struct vrv_conn, load.job.done);

    c->load.under_way = false;
    if (c->state >= VRV_CONN_LINGER)
        vrv__load_drop(c);
    else if (c->load.n == 0)
        vrv__conn_send_failed(c);
    else
        vrv__list_once(&c->r->to_send, &c->sending);
    vrv__conn_release(c);
}

/* One that is there is used again. */
static bool
has_slab(struct vrv_conn *c)
{
    struct vrv_load *l = &c->load;

    if (l->slab != NULL)
        return true;
    l->slab = vrv_slab_get(c->r->mem.pool, 1);
    if (l->slab == NULL) /* who doesn't take what is in it is closed, if there are many */
        l->slab = vrv_slab_get_over(c->r->mem.pool, 1);
    if (l->slab == NULL)
        return false;
    vrv__conn_holds_unsent(c, l->slab->counted);
    return true;
}

ssize_t
vrv__load_begin(struct vrv_conn *c, const struct vrv_slice *s, uint64_t pos, size_t n)
{
    struct vrv_load *l = &c->load;

    if (!has_slab(c))
        return -ENOMEM;
    vrv_seg_unref(l->seg);
    l->seg = vrv_seg_ref(s->seg);
    l->pos = pos;
    l->n = 0;
    l->wanted = n < l->slab->size ? n : l->slab->size;
    l->under_way = true;
    l->job = (struct vrv_job){ .done = { .cq = &c->r->cq, .run = loaded }, .work = read_file };
    vrv__conn_hold(c);
    VRV_COUNT(c->r, loads, 1);
    c->r->env->o.ops->block(c->r->env->o.ctx, &l->job);
    return -EINPROGRESS;
}

const uint8_t *
vrv__load_at(const struct vrv_conn *c, const struct vrv_slice *s, uint64_t pos, size_t *n)
{
    const struct vrv_load *l = &c->load;

    if (l->seg != s->seg || l->under_way || pos < l->pos || pos - l->pos >= l->n)
        return NULL;
    size_t before = (size_t)(pos - l->pos);
    if (*n > l->n - before)
        *n = l->n - before;
    return l->slab->data + before;
}

void
vrv__load_drop(struct vrv_conn *c)
{
    struct vrv_load *l = &c->load;

    if (l->under_way || l->slab == NULL)
        return; /* then it is dropped when it comes back */
    vrv__conn_lets_unsent(c, l->slab->counted);
    vrv_slab_unref(l->slab);
    vrv_seg_unref(l->seg);
    l->slab = NULL;
    l->seg = NULL;
}
