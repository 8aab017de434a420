/*
 * Opening a metadata log: which file counts, and making durable what it says.
 *
 * The highest number counts.  An older file beside it means that the step to the newer one was
 * interrupted, perhaps by a failed sync of the directory, after which the newer name may be visible
 * and still not durable.  Then, and when nothing was ever appended, all is written once more
 * to a file of a new name: only what has a name that certainly is durable is appended to.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/metalog_impl.h"

enum { NAME_DIGITS = 10 };

struct found {
    struct vrv_metalog *log;
    struct vrv_err *e;
    uint64_t *meta, *tmp; /* numbers */
    size_t meta_n, meta_cap, tmp_n, tmp_cap;
};

/* 0: not a number. */
static uint64_t
number_of(const char *name)
{
    uint64_t n = 0;

    for (int i = 0; i < NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(name[i] - '0');
    }
    return n;
}

static int
find_one(void *ctx, const char *name, bool is_dir)
{
    struct found *f = ctx;
    uint64_t n = number_of(name);

    if (n > 0 && !is_dir && strcmp(name + NAME_DIGITS, ".meta") == 0) {
        VRV_PUSH_ROOM(f->meta, f->meta_n, f->meta_cap);
        f->meta[f->meta_n++] = n;
        return 0;
    }
    if (n > 0 && !is_dir && strcmp(name + NAME_DIGITS, ".tmp") == 0) {
        VRV_PUSH_ROOM(f->tmp, f->tmp_n, f->tmp_cap);
        f->tmp[f->tmp_n++] = n;
        return 0;
    }
    return vrv_err_set(f->e, VRV_E_FOREIGN, "%s/%.100s does not belong to the metadata log",
        f->log->dir, name);
}

static int
unlink_all(struct vrv_metalog *l, const uint64_t *number, size_t n, const char *suffix,
    struct vrv_err *e)
{
    char path[VRV_METALOG_PATH_MAX];
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        vrv_metalog_path(l, number[i], suffix, path);
        rc = vrv_vfs_unlink(l->vfs, path, e);
    }
    return rc;
}

/* Make the directory, and its name durable.  One without a log in it may be left by an open that
 * failed to do so, and a failed sync is not to be tried again: then it is made anew. */
static int
make_dir(struct vrv_metalog *l, bool exists, struct vrv_err *e)
{
    const char *slash = strrchr(l->dir, '/');
    char parent[VRV_METALOG_DIR_MAX + 1];
    size_t n = slash != NULL ? (size_t)(slash - l->dir) : 0;
    int rc = exists ? vrv_vfs_rmdir(l->vfs, l->dir, e) : 0;

    memcpy(parent, l->dir, n);
    parent[n] = '\0';
    if (rc == 0)
        rc = vrv_vfs_mkdir(l->vfs, l->dir, e);
    return rc == 0 ? vrv_vfs_sync_dir(l->vfs, parent, e) : rc;
}

static int
read_all(struct vrv_file *f, const char *path, uint8_t **p, uint64_t *n, struct vrv_err *e)
{
    int rc = vrv_file_size(f, n, e);

    if (rc < 0)
        return rc;
    /* as many bytes as are there, so what a file claims can't make it more */
    *p = *n < SIZE_MAX ? vrv_mem_try((size_t)*n) : NULL;
    if (*p == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory to read the %" PRIu64 " bytes of %s", *n,
            path);
    return vrv_file_read_full(f, *p, (size_t)*n, 0, e);
}

/* L5: what was read may be in the page cache only, left there by a process that died before its
 * sync, or by a sync that failed.  What no mark says to be durable is written again before any
 * of it is served; the same bytes over themselves do no harm when this is interrupted. */
static int
settle(struct vrv_metalog *l, const struct vrv_metareplay *r, struct vrv_err *e)
{
    int rc = 0;

    if (r->end < r->n)
        rc = vrv_file_truncate(l->file, r->end, e);
    if (rc == 0 && r->durable < r->end)
        rc = vrv_file_pwrite(l->file, r->p + r->durable, (size_t)(r->end - r->durable), r->durable,
            e);
    if (rc == 0 && (r->end < r->n || r->durable < r->end))
        rc = vrv_file_sync(l->file, e);
    return rc;
}

static int
load(struct vrv_metalog *l, uint64_t number, uint64_t *cut, bool *appended, struct vrv_err *e)
{
    char path[VRV_METALOG_PATH_MAX];
    struct vrv_metareplay r = { .path = path, .number = number };
    uint8_t *p = NULL;

    vrv_metalog_path(l, number, ".meta", path);
    int rc = vrv_vfs_open(l->vfs, path, VRV_OPEN_WRITE, &l->file, e);
    if (rc == 0)
        rc = read_all(l->file, path, &p, &r.n, e);
    r.p = p;
    if (rc == 0)
        rc = vrv_metareplay(&r, &l->keys, e);
    if (rc == 0)
        rc = settle(l, &r, e);
    free(p);
    if (rc < 0)
        return rc;
    l->number = number;
    l->size = r.end;
    vrv_metalog_set_rotate(l, r.snapshot_end);
    *cut = r.n - r.end;
    *appended = l->keys.revision > 0;
    return 0;
}

/* Moves the highest number to the end. */
static void
newest_last(struct found *f)
{
    for (size_t i = 0; i + 1 < f->meta_n; i++)
        if (f->meta[i] > f->meta[f->meta_n - 1]) {
            uint64_t n = f->meta[i];

            f->meta[i] = f->meta[f->meta_n - 1];
            f->meta[f->meta_n - 1] = n;
        }
}

static int
recover(struct vrv_metalog *l, struct found *f, uint64_t *cut, struct vrv_err *e)
{
    uint64_t newest = 0;
    bool appended = false, in_doubt;

    int rc = vrv_vfs_list(l->vfs, l->dir, find_one, f, e);
    bool exists = rc != VRV_E_NOTFOUND;
    if (rc < 0 && exists)
        return rc;
    rc = unlink_all(l, f->tmp, f->tmp_n, ".tmp", e);
    if (rc == 0 && f->meta_n > 0) {
        newest_last(f);
        newest = f->meta[f->meta_n - 1];
        rc = load(l, newest, cut, &appended, e);
    } else if (rc == 0) {
        rc = make_dir(l, exists, e);
    }
    if (rc < 0 || (f->meta_n == 1 && appended))
        return rc;
    rc = vrv_metalog_new_file(l, newest + 1, &in_doubt, e);
    return rc == 0 ? unlink_all(l, f->meta, f->meta_n, ".meta", e) : rc;
}

int
vrv_metalog_recover(struct vrv_metalog *l, uint64_t *cut, struct vrv_err *e)
{
    struct found f = { .log = l, .e = e };
    int rc = recover(l, &f, cut, e);

    free(f.meta);
    free(f.tmp);
    return rc;
}
