/* The directory store: what is asked of it goes to threads, or waits for a step. */
#include "tiering/store/dir.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "tiering/store/dir_int.h"

static struct vrv__dir *
dir_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct vrv__dir, store);
}

/* ---- where it is ---- */

/* Who began to open it may come back late: another has then. */
static int
open_it(struct vrv__dir *d, struct vrv_err *e)
{
    struct vrv_vfs *vfs;
    int rc = vrv_vfs_posix(d->path, d->create, &vfs, e);

    if (rc < 0)
        return vrv_err_prefix(e, rc == VRV_E_READONLY ? VRV_E_DENIED : VRV_E_UNREACHABLE, "the directory can't "
            "be used: is it mounted, and may this user write there?");
    vrv_lock(&d->lock);
    if (d->vfs == NULL) {
        d->vfs = vfs;
        vfs = NULL;
    }
    vrv_unlock(&d->lock);
    vrv_vfs_close(&vfs);
    return 0;
}

/* Its vfs is there until the call leaves; and until an upload that it began is forgotten, which has
 * a file there. */
static int
enter(struct vrv__dir *d, struct vrv_err *e)
{
    struct vrv_vfs *old = NULL;

    vrv_lock(&d->lock);
    if (d->anew && d->busy == 0) {
        old = d->vfs;
        d->vfs = NULL;
        d->anew = false;
        vrv__dir_forget_all(d);
    }
    bool is_open = d->vfs != NULL;
    d->busy++;
    vrv_unlock(&d->lock);
    vrv_vfs_close(&old);
    return is_open ? 0 : open_it(d, e);
}

void
vrv__dir_stay(struct vrv__dir *d)
{
    vrv_lock(&d->lock);
    d->busy++;
    vrv_unlock(&d->lock);
}

void
vrv__dir_leave(struct vrv__dir *d)
{
    vrv_lock(&d->lock);
    d->busy--;
    vrv_unlock(&d->lock);
}

static void
dir_reopen(struct vrv_store *s)
{
    struct vrv__dir *d = dir_of(s);

    vrv_lock(&d->lock);
    d->anew = d->own;
    vrv_unlock(&d->lock);
}

/* ---- calls ---- */

static int
run(void *ctx, struct vrv_store_call *c)
{
    int rc = enter(ctx, &c->err);

    if (rc == 0)
        rc = vrv__dir_do(ctx, c);
    vrv__dir_leave(ctx);
    if (rc == VRV_E_READONLY)
        return vrv_err_prefix(&c->err, VRV_E_DENIED, "not allowed");
    if (rc == VRV_E_NOSPACE)
        return vrv_err_prefix(&c->err, rc, "no space in the store's directory, give it more or free some");
    return rc == VRV_E_NOMEM ? vrv_err_prefix(&c->err, VRV_E_BUSY, "no memory") : rc;
}

static void
hold(void *ctx, struct vrv_store_call *c)
{
    (void)ctx;
    if (c->upload != NULL && c->op != VRV_STORE_BEGIN && c->done.cq != NULL)
        vrv__dir_upload_ref(c->upload);
}

static void
let_go(void *ctx, struct vrv_store_call *c, bool unwanted)
{
    if (c->upload != NULL && (c->op != VRV_STORE_BEGIN || unwanted))
        vrv__dir_upload_unref(ctx, c->upload);
    if (c->op == VRV_STORE_LIST && unwanted)
        vrv_store_names_free(c);
}

static void
dir_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    vrv_workers_submit(dir_of(s)->workers, c);
}

static void
dir_cancel(struct vrv_store *s, struct vrv_store_call *c)
{
    vrv_workers_cancel(dir_of(s)->workers, c);
}

static bool
dir_step(struct vrv_store *s)
{
    return vrv_workers_step(dir_of(s)->workers);
}

/* By a thread that may hang; without any, at once. */
static void
dir_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    struct vrv__dir *d = dir_of(s);

    if (d->threads == 0)
        vrv__dir_upload_unref(d, u);
    else
        vrv_workers_submit(d->workers, vrv__dir_upload_end(u));
}

static void
dir_describe(const struct vrv_store *s, char *out, size_t n)
{
    const struct vrv__dir *d = (const struct vrv__dir *)s;

    (void)snprintf(out, n, "directory %s", d->path);
}

static void
dir_close(struct vrv_store *s)
{
    struct vrv__dir *d = dir_of(s);

    if (!vrv_workers_stop(&d->workers))
        return; /* who hangs there still needs all of it */
    vrv_tmp_fini(&d->tmp);
    vrv_lock_fini(&d->lock);
    vrv__dir_forget_all(d);
    if (d->own)
        vrv_vfs_close(&d->vfs);
    free(d->path);
    free(d);
}

static const struct vrv_store_ops dir_ops = {
    .submit = dir_submit,
    .cancel = dir_cancel,
    .step = dir_step,
    .reopen = dir_reopen,
    .upload_free = dir_upload_free,
    .describe = dir_describe,
    .close = dir_close,
};

int
vrv_store_dir(struct vrv_store **out, const struct vrv_store_dir_opts *o, struct vrv_err *e)
{
    struct vrv__dir *d = vrv_mem_zero(sizeof(*d));

    *out = NULL;
    d->store = (struct vrv_store){ .ops = &dir_ops,
        .caps = { .kind = "directory", .atomic_end = true } };
    d->clock = o->clock;
    d->vfs = o->vfs;
    d->own = o->vfs == NULL;
    d->create = o->create;
    d->threads = o->threads;
    d->path = vrv_mem_strdup(o->path);
    vrv_tmp_init(&d->tmp, o->clock, o->random);
    vrv_lock_init(&d->lock, VRV_LOCK_store);
    struct vrv_workers_opts w = { .what = o->path, .clock = o->clock, .run = run, .hangs = true,
        .hold = hold, .let_go = let_go, .ctx = d };
    w.own[VRV_STORE_READ] = o->threads > 1;
    w.any = o->threads - w.own[VRV_STORE_READ];
    int rc = d->own && !o->waits ? vrv_vfs_posix(o->path, o->create, &d->vfs, e) : 0;
    if (rc == 0)
        rc = vrv_workers_start(&d->workers, &w, e);
    if (rc < 0)
        dir_close(&d->store);
    else
        *out = &d->store;
    return rc;
}
