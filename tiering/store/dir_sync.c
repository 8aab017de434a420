/*
 * What of a directory store is durable.
 *
 * A name is when the directory that holds it was synced after it was made.  Who finds a directory can't
 * know whether its maker has come that far, so each process syncs once what it relies on.  After a sync
 * that failed nothing is known of any name in that directory, whatever later ones say (L4): it is
 * broken until the store is opened again.
 */
#include <string.h>

#include "tiering/store/dir_int.h"

enum { DURABLE_MAX = 10000 };

int
vrv__dir_check(struct vrv__dir *d, const char *key, struct vrv_err *e)
{
    char at[VRV_STORE_KEY_MAX + 1];
    bool broken = false;

    vrv_lock(&d->lock);
    if (d->broken.n > 0) {
        (void)strncpy(at, key, sizeof(at) - 1);
        at[sizeof(at) - 1] = '\0';
        broken = vrv_names_has(&d->broken, at);
        while (!broken && at[0] != '\0') {
            vrv_store_parent(at, at);
            broken = vrv_names_has(&d->broken, at);
        }
    }
    vrv_unlock(&d->lock);
    return broken ? vrv_err_set(e, VRV_E_IO,
               "%s/%s: a sync failed there before, and what it was for may be lost; start again",
               d->path, key)
                  : 0;
}

void
vrv__dir_break(struct vrv__dir *d, const char *name)
{
    vrv_lock(&d->lock);
    vrv_names_add(&d->broken, name);
    vrv_unlock(&d->lock);
}

void
vrv__dir_forget(struct vrv__dir *d, const char *dir)
{
    vrv_lock(&d->lock);
    vrv_names_del(&d->durable, dir);
    vrv_unlock(&d->lock);
}

void
vrv__dir_forget_all(struct vrv__dir *d)
{
    vrv_names_clear(&d->durable);
    vrv_names_clear(&d->broken);
}

static bool
is_durable(struct vrv__dir *d, const char *dir)
{
    vrv_lock(&d->lock);
    bool is = dir[0] == '\0' || vrv_names_has(&d->durable, dir);
    vrv_unlock(&d->lock);
    return is;
}

/* All directories above it are. */
static void
learn(struct vrv__dir *d, const char *path)
{
    char dir[VRV_STORE_KEY_MAX + 1];

    vrv_lock(&d->lock);
    if (d->durable.n >= DURABLE_MAX)
        vrv_names_clear(&d->durable);
    vrv_store_parent(path, dir);
    while (dir[0] != '\0' && !vrv_names_has(&d->durable, dir)) {
        vrv_names_add(&d->durable, dir);
        vrv_store_parent(dir, dir);
    }
    vrv_unlock(&d->lock);
}

int
vrv__dir_sync_above(struct vrv__dir *d, const char *path, struct vrv_err *e)
{
    char dir[VRV_STORE_KEY_MAX + 1];
    int rc = vrv__dir_check(d, path, e);

    vrv_store_parent(path, dir);
    while (rc == 0) {
        rc = vrv_vfs_sync_dir(d->vfs, dir, e);
        if (rc < 0 && rc != VRV_E_NOTFOUND)
            vrv__dir_break(d, dir);
        if (rc < 0 || is_durable(d, dir))
            break;
        vrv_store_parent(dir, dir);
    }
    if (rc == 0)
        learn(d, path);
    return rc;
}
