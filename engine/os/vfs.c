/*
 * The door to files: one function per operation that checks its arguments and calls the
 * implementation.  What holds for every implementation is here and not in each of them.
 */
#include "engine/os/vfs.h"

#include <inttypes.h>

#include "engine/base/assert.h"

/* Names below the root only: an absolute path would leave it unseen. */
static bool
is_below_root(const char *path)
{
    return path != NULL && path[0] != '\0' && path[0] != '/';
}

void
vrv_vfs_close(struct vrv_vfs **v)
{
    struct vrv_vfs *old = *v;

    *v = NULL;
    if (old != NULL)
        old->ops->close(old);
}

int
vrv_vfs_open(struct vrv_vfs *v, const char *path, unsigned flags, struct vrv_file **out,
    struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(path));
    *out = NULL;
    return v->ops->open(v, path, flags, out, e);
}

int
vrv_vfs_rename(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(from));
    VRV_ASSERT(is_below_root(to));
    return v->ops->rename(v, from, to, e);
}

int
vrv_vfs_link(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(from));
    VRV_ASSERT(is_below_root(to));
    return v->ops->link(v, from, to, e);
}

int
vrv_vfs_unlink(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(path));
    return v->ops->unlink(v, path, e);
}

int
vrv_vfs_mkdir(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(path));
    return v->ops->mkdir(v, path, e);
}

int
vrv_vfs_rmdir(struct vrv_vfs *v, const char *path, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(path));
    return v->ops->rmdir(v, path, e);
}

int
vrv_vfs_list(struct vrv_vfs *v, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
{
    VRV_ASSERT(dir[0] != '/');
    return v->ops->list(v, dir, fn, ctx, e);
}

int
vrv_vfs_sync_dir(struct vrv_vfs *v, const char *dir, struct vrv_err *e)
{
    VRV_ASSERT(dir[0] != '/');
    return v->ops->sync_dir(v, dir, e);
}

int
vrv_vfs_sync_all(struct vrv_vfs *v, struct vrv_err *e)
{
    return v->ops->sync_all(v, e);
}

int
vrv_vfs_sync_files(struct vrv_vfs *v, struct vrv_file **f, size_t n, struct vrv_err *e)
{
    return n == 0 ? 0 : v->ops->sync_files(v, f, n, e);
}

int
vrv_vfs_free_bytes(struct vrv_vfs *v, uint64_t *bytes, struct vrv_err *e)
{
    *bytes = 0;
    return v->ops->free_bytes(v, bytes, e);
}

int
vrv_vfs_lock(struct vrv_vfs *v, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    VRV_ASSERT(is_below_root(path));
    *out = NULL;
    return v->ops->lock(v, path, out, e);
}

ssize_t
vrv_file_pread(struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    ssize_t got = f->ops->pread(f, buf, n, pos, flags, e);

    VRV_ASSERT(got < 0 || (size_t)got <= n);
    return got;
}

int
vrv_file_read_full(struct vrv_file *f, void *buf, size_t n, uint64_t pos, struct vrv_err *e)
{
    ssize_t got = vrv_file_pread(f, buf, n, pos, 0, e);

    if (got < 0)
        return (int)got;
    if ((size_t)got < n)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "read %s: ends early: wanted %zu bytes at %" PRIu64 ", got %zd", f->path, n, pos, got);
    return 0;
}

int
vrv_file_pwritev(struct vrv_file *f, const struct iovec *iov, int n, uint64_t pos,
    struct vrv_err *e)
{
    return f->ops->pwritev(f, iov, n, pos, e);
}

int
vrv_file_pwrite(struct vrv_file *f, const void *buf, size_t n, uint64_t pos, struct vrv_err *e)
{
    struct iovec iov = { .iov_len = n };

    /* An iovec serves reads and writes and so has no const; pwritev only reads it. */
    iov.iov_base = (void *)(uintptr_t)buf;
    return f->ops->pwritev(f, &iov, 1, pos, e);
}

int
vrv_file_sync(struct vrv_file *f, struct vrv_err *e)
{
    return f->ops->sync(f, e);
}

void
vrv_file_write_behind(struct vrv_file *f, uint64_t pos, uint64_t n)
{
    f->ops->write_behind(f, pos, n);
}

void
vrv_file_drop_cache(struct vrv_file *f, uint64_t pos, uint64_t n)
{
    f->ops->drop_cache(f, pos, n);
}

/* A page that is on its way from the disk is in the page cache already, but a read knows: asked at the
 * ends, where reading ahead has begun, or has not come to. */
static bool
can_read(struct vrv_file *f, uint64_t pos)
{
    uint8_t byte;

    return f->ops->pread(f, &byte, 1, pos, VRV_READ_NOWAIT, NULL) == 1;
}

bool
vrv_file_resident(struct vrv_file *f, uint64_t pos, uint64_t n)
{
    return n == 0 ||
        (can_read(f, pos) && can_read(f, pos + n - 1) && f->ops->resident(f, pos, n));
}

int
vrv_file_truncate(struct vrv_file *f, uint64_t size, struct vrv_err *e)
{
    return f->ops->truncate(f, size, e);
}

int
vrv_file_size(struct vrv_file *f, uint64_t *size, struct vrv_err *e)
{
    *size = 0;
    return f->ops->size(f, size, e);
}

int64_t
vrv_file_written_ms(struct vrv_file *f)
{
    return f->ops->written_ms != NULL ? f->ops->written_ms(f) : -1;
}

int
vrv_file_set_readonly(struct vrv_file *f, bool readonly, struct vrv_err *e)
{
    return f->ops->set_readonly(f, readonly, e);
}

int
vrv_file_fd(struct vrv_file *f)
{
    return f->ops->fd(f);
}

void
vrv_file_close(struct vrv_file **f)
{
    struct vrv_file *old = *f;

    *f = NULL;
    if (old != NULL)
        old->ops->close(old);
}
