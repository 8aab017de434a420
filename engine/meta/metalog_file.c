/* The metadata log's files: appending to one, and replacing it by a new one. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/base/assert.h"
#include "engine/meta/metalog_impl.h"

enum { SNAPSHOT_FRAME = 64 << 10, SNAPSHOT_WRITE = 256 << 10 };

void
vrv_metalog_path(const struct vrv_metalog *l, uint64_t number, const char *suffix, char *out)
{
    int n = snprintf(out, VRV_METALOG_PATH_MAX, "%s/%010" PRIu64 "%s", l->dir, number, suffix);

    VRV_ASSERT(n > 0 && n < VRV_METALOG_PATH_MAX);
}

void
vrv_metalog_set_rotate(struct vrv_metalog *l, uint64_t snapshot_size)
{
    l->rotate_at =
        2 * snapshot_size > VRV_METALOG_GROWTH_MIN ? 2 * snapshot_size : VRV_METALOG_GROWTH_MIN;
}

int
vrv_metalog_stop(struct vrv_metalog *l, struct vrv_err *e)
{
    VRV_ASSERT(l->stopped.code == 0);
    e->code = VRV_E_STOPPED;
    (void)vrv_err_prefix(e, VRV_E_STOPPED,
        "the metadata log in %.64s has stopped, open it again to recover", l->dir);
    l->stopped = *e;
    return VRV_E_STOPPED;
}

/* A write that failed may have left a part of itself, even whole frames.  Those must not come
 * back to life in a crash, so "not done" may only be answered when the old size is durable
 * again. */
static int
take_back(struct vrv_metalog *l, int rc, struct vrv_err *e)
{
    struct vrv_err cut = { 0 };
    int failed = vrv_file_truncate(l->file, l->size, &cut);

    if (failed == 0)
        failed = vrv_file_sync(l->file, &cut);
    if (failed == 0)
        return rc;
    *e = cut;
    return vrv_metalog_stop(l, e);
}

int
vrv_metalog_append(struct vrv_metalog *l, const struct vrv_metabuf *b, struct vrv_err *e)
{
    VRV_ASSERT(l->stopped.code == 0);
    VRV_ASSERT(b->base == l->size && b->number == l->number);
    int rc = vrv_file_pwrite(l->file, b->p, b->n, l->size, e);
    if (rc < 0)
        return take_back(l, rc, e);
    rc = vrv_file_sync(l->file, e);
    if (rc < 0)
        return vrv_metalog_stop(l, e); /* L4: what reached the disk only recovery can tell */
    l->size += b->n;
    return 0;
}

static int
flush(struct vrv_file *f, struct vrv_metabuf *b, struct vrv_err *e)
{
    int rc = vrv_file_pwrite(f, b->p, b->n, b->base, e);

    b->base += b->n;
    b->n = 0;
    return rc;
}

/* The frame closes after SNAPSHOT_FRAME bytes, or when it has as many operations as it may. */
static const struct vrv_metakey *
snapshot_frame(const struct vrv_metakeys *keys, const struct vrv_metakey *m, struct vrv_metabuf *b)
{
    size_t frame = vrv_metabuf_begin(b, VRV_MFRAME_SNAPSHOT, keys->revision, 0);

    for (int ops = 0; m != NULL && ops < VRV_META_OPS_MAX; ops++) {
        struct vrv_meta_kv kv = vrv_metakey_kv(m);

        vrv_metabuf_op(b, frame, &kv);
        m = vrv_metakeys_next(keys, "", m);
        if (b->n - frame >= SNAPSHOT_FRAME)
            break;
    }
    vrv_metabuf_end(b, frame);
    return m;
}

static int
write_snapshot(const struct vrv_metakeys *keys, struct vrv_file *f, struct vrv_metabuf *b,
    struct vrv_err *e)
{
    const struct vrv_metakey *m = vrv_metakeys_next(keys, "", NULL);
    int rc = 0;

    vrv_metabuf_header(b, keys->revision);
    while (m != NULL && rc == 0) {
        m = snapshot_frame(keys, m, b);
        if (b->n >= SNAPSHOT_WRITE)
            rc = flush(f, b, e);
    }
    if (rc == 0) {
        vrv_metabuf_end(b, vrv_metabuf_begin(b, VRV_MFRAME_SNAPSHOT_END, keys->revision, 0));
        rc = flush(f, b, e);
    }
    return rc;
}

/* A temporary file with all keys, not yet synced.  On failure nobody will miss it. */
static int
write_temporary(struct vrv_metalog *l, uint64_t number, struct vrv_file **f, uint64_t *size,
    struct vrv_err *e)
{
    struct vrv_metabuf b = { .number = number };
    char tmp[VRV_METALOG_PATH_MAX];

    vrv_metalog_path(l, number, ".tmp", tmp);
    int rc = vrv_vfs_open(l->vfs, tmp, VRV_OPEN_WRITE | VRV_OPEN_CREATE, f, e);
    if (rc < 0)
        return rc;
    rc = vrv_file_truncate(*f, 0, e); /* an earlier attempt may have left one */
    if (rc == 0)
        rc = write_snapshot(&l->keys, *f, &b, e);
    *size = b.base;
    vrv_metabuf_fini(&b);
    if (rc < 0) {
        vrv_file_close(f);
        int gone = vrv_vfs_unlink(l->vfs, tmp, NULL); /* else recovery removes it */
        (void)gone;
    }
    return rc;
}

/* Give the finished temporary its name, and open it by that, so that errors tell it. */
static int
publish(struct vrv_metalog *l, struct vrv_file **f, uint64_t number, struct vrv_err *e)
{
    char tmp[VRV_METALOG_PATH_MAX], path[VRV_METALOG_PATH_MAX];
    int rc = vrv_file_sync(*f, e);

    vrv_metalog_path(l, number, ".tmp", tmp);
    vrv_metalog_path(l, number, ".meta", path);
    if (rc == 0)
        rc = vrv_vfs_rename(l->vfs, tmp, path, e);
    if (rc == 0)
        rc = vrv_vfs_sync_dir(l->vfs, l->dir, e);
    vrv_file_close(f);
    return rc == 0 ? vrv_vfs_open(l->vfs, path, VRV_OPEN_WRITE, f, e) : rc;
}

int
vrv_metalog_new_file(struct vrv_metalog *l, uint64_t number, bool *in_doubt, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    uint64_t size = 0;

    *in_doubt = false;
    int rc = write_temporary(l, number, &f, &size, e);
    if (rc < 0)
        return rc;
    rc = publish(l, &f, number, e);
    if (rc < 0) {
        *in_doubt = true;
        return rc;
    }
    vrv_file_close(&l->file);
    l->file = f;
    l->number = number;
    l->size = size;
    vrv_metalog_set_rotate(l, size);
    return 0;
}
