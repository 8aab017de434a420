/* The open files of the real file system: whole reads and writes over calls that may be short,
 * interrupted, or unknown to the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "engine/os/pages.h"
#include "engine/os/vfs_posix.h"

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080 /* Linux 6.14; older C libraries don't name it */
#endif

enum { POSIX_FILE_MAGIC = 0x66696c78 };

struct posix_file {
    struct vrv_file file;
    uint32_t magic;
    int fd;
    bool direct;
    struct vrv__posix_vfs *vfs;
    char *path;
};

static struct posix_file *
file_of(struct vrv_file *f)
{
    struct posix_file *pf = (struct posix_file *)f; /* its first member */

    VRV_CHECK(pf, POSIX_FILE_MAGIC);
    return pf;
}

static bool
is_aligned(const void *p, size_t n, uint64_t pos)
{
    return (((uintptr_t)p | n | pos) & (VRV_DIRECT_ALIGN - 1)) == 0;
}

/* True for the errors of a read that was told not to wait and would have to.  A file system that
 * can't tell (EOPNOTSUPP) counts as one that would. */
static bool
would_wait(int sys, int rwf)
{
    return (rwf & RWF_NOWAIT) && (sys == EAGAIN || sys == EOPNOTSUPP);
}

/* How many bytes came, or a negative errno. */
static ssize_t
read_all(const struct posix_file *f, uint8_t *buf, size_t n, uint64_t pos, int rwf)
{
    size_t done = 0;

    while (done < n) {
        struct iovec iov = { buf + done, n - done };
        ssize_t got = preadv2(f->fd, &iov, 1, (off_t)(pos + done), rwf);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && done > 0 && would_wait(errno, rwf))
            break;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
        if (f->direct && done % VRV_DIRECT_ALIGN != 0)
            break; /* the end of the file; going on from here would be misaligned */
    }
    return (ssize_t)done;
}

/* What RWF_DONTCACHE does, without it: what a read brings into the page cache goes when it is done. */
static ssize_t
read_and_drop(const struct posix_file *f, uint8_t *buf, size_t n, uint64_t pos)
{
    size_t done = 0, want;
    ssize_t got;

    do {
        struct vrv__pages before;

        want = vrv__pages_look(&before, f->fd, pos + done, n - done);
        got = read_all(f, buf + done, want, pos + done, 0);
        vrv__pages_restore(&before);
        if (got < 0)
            return got;
        done += (size_t)got;
    } while (done < n && (size_t)got == want);
    return (ssize_t)done;
}

/* Nor does the kernel read ahead: who reads so does that himself, and where it is set up to take many MiB at once all
 * others wait behind those, the WAL's writer among them. */
static ssize_t
read_past_cache(const struct posix_file *f, uint8_t *buf, size_t n, uint64_t pos)
{
    atomic_bool *refused = &f->vfs->no_dontcache;

    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_RANDOM);
    if (!atomic_load_explicit(refused, memory_order_relaxed)) {
        ssize_t got = read_all(f, buf, n, pos, RWF_DONTCACHE);
        if (got != -EOPNOTSUPP && got != -EINVAL)
            return got;
        atomic_store_explicit(refused, true, memory_order_relaxed);
    }
    return read_and_drop(f, buf, n, pos);
}

/* With NOWAIT nothing comes into the page cache. */
static ssize_t
posix_pread(struct vrv_file *file, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    struct posix_file *f = file_of(file);
    int rwf = flags & VRV_READ_NOWAIT ? RWF_NOWAIT : 0;
    bool past = flags & VRV_READ_DONTCACHE && rwf == 0 && !f->direct && n > 0;

    VRV_ASSERT(!f->direct || is_aligned(buf, n, pos));
    ssize_t got = past ? read_past_cache(f, buf, n, pos) : read_all(f, buf, n, pos, rwf);
    if (got >= 0)
        return got;
    if (would_wait((int)-got, rwf))
        return vrv_err_set(e, VRV_E_AGAIN, "read %s: not in memory", f->path);
    errno = (int)-got;
    return vrv_err_sys(e, "read %s at %llu", f->path, (unsigned long long)pos);
}

/* Position in a caller's iovecs that is moved forward without changing them. */
struct iov_place {
    int i;      /* iovecs before this one are done */
    size_t off; /* and this many bytes of it */
};

/* Write from `at` on, as much as one call takes. After a short write the rest of the split iovec
 * goes alone, so that no copy of the array is needed. */
static ssize_t
write_once(struct posix_file *f, const struct iovec *iov, int n, struct iov_place at, uint64_t pos)
{
    if (VRV_FAILPOINT(WRITE))
        return -1;
    if (at.off > 0)
        return pwrite(f->fd, (const char *)iov[at.i].iov_base + at.off, iov[at.i].iov_len - at.off,
            (off_t)pos);
    return pwritev(f->fd, iov + at.i, n - at.i < IOV_MAX ? n - at.i : IOV_MAX, (off_t)pos);
}

static struct iov_place
iov_advance(const struct iovec *iov, int n, struct iov_place at, size_t by)
{
    at.off += by;
    while (at.i < n && at.off >= iov[at.i].iov_len)
        at.off -= iov[at.i++].iov_len;
    return at;
}

static int
posix_pwritev(struct vrv_file *file, const struct iovec *iov, int n, uint64_t pos,
    struct vrv_err *e)
{
    struct posix_file *f = file_of(file);
    struct iov_place at = iov_advance(iov, n, (struct iov_place){ 0, 0 }, 0);

    for (int i = 0; f->direct && i < n; i++)
        VRV_ASSERT(is_aligned(iov[i].iov_base, iov[i].iov_len, pos));
    while (at.i < n) {
        ssize_t put = write_once(f, iov, n, at, pos);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0) { /* not expected of a regular file, and would loop for ever */
            put = -1;
            errno = EIO;
        }
        if (put < 0)
            return vrv_err_sys(e, "write %s at %llu", f->path, (unsigned long long)pos);
        pos += (uint64_t)put;
        at = iov_advance(iov, n, at, (size_t)put);
    }
    return 0;
}

int
vrv__posix_sync(int fd, bool metadata)
{
    int rc;

    if (metadata ? VRV_FAILPOINT(SYNC_DIR) : VRV_FAILPOINT(SYNC))
        return -1;
    do {
        rc = metadata ? fsync(fd) : fdatasync(fd);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

static int
posix_sync(struct vrv_file *file, struct vrv_err *e)
{
    struct posix_file *f = file_of(file);

    return vrv__posix_sync(f->fd, false) < 0 ? vrv_err_sys(e, "sync %s", f->path) : 0;
}

/* WRITE alone starts the transfer and doesn't report errors, so none is swallowed here that
 * the next sync must see. */
static void
posix_write_behind(struct vrv_file *file, uint64_t pos, uint64_t n)
{
    (void)sync_file_range(file_of(file)->fd, (off_t)pos, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

static void
posix_drop_cache(struct vrv_file *file, uint64_t pos, uint64_t n)
{
    (void)posix_fadvise(file_of(file)->fd, (off_t)pos, (off_t)n, POSIX_FADV_DONTNEED);
}

static bool
posix_resident(struct vrv_file *file, uint64_t pos, uint64_t n)
{
    return vrv__pages_resident(file_of(file)->fd, pos, n);
}

static int
posix_truncate(struct vrv_file *file, uint64_t size, struct vrv_err *e)
{
    struct posix_file *f = file_of(file);
    int rc;

    do {
        rc = VRV_FAILPOINT(TRUNCATE) ? -1 : ftruncate(f->fd, (off_t)size);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return vrv_err_sys(e, "truncate %s to %llu", f->path, (unsigned long long)size);
    return 0;
}

static int
posix_size(struct vrv_file *file, uint64_t *size, struct vrv_err *e)
{
    struct posix_file *f = file_of(file);
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return vrv_err_sys(e, "stat %s", f->path);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int64_t
posix_written_ms(struct vrv_file *file)
{
    struct stat st;

    return fstat(file_of(file)->fd, &st) == 0 ? st.st_mtim.tv_sec * (int64_t)1000 + st.st_mtim.tv_nsec / 1000000 : -1;
}

static int
posix_set_readonly(struct vrv_file *file, bool readonly, struct vrv_err *e)
{
    struct posix_file *f = file_of(file);

    if (VRV_FAILPOINT(CHMOD) || fchmod(f->fd, readonly ? VRV__SEALED_MODE : VRV__FILE_MODE) < 0)
        return vrv_err_sys(e, "change the mode of %s", f->path);
    return 0;
}

int
vrv__posix_fd(struct vrv_file *file)
{
    return file_of(file)->fd;
}

static void
posix_file_close(struct vrv_file *file)
{
    struct posix_file *f = file_of(file);

    (void)close(f->fd); /* what had to be durable was synced before */
    f->magic = 0;
    free(f->path);
    free(f);
}

static const struct vrv_file_ops posix_file_ops = {
    .pread = posix_pread,
    .pwritev = posix_pwritev,
    .sync = posix_sync,
    .write_behind = posix_write_behind,
    .drop_cache = posix_drop_cache,
    .resident = posix_resident,
    .truncate = posix_truncate,
    .size = posix_size,
    .written_ms = posix_written_ms,
    .set_readonly = posix_set_readonly,
    .fd = vrv__posix_fd,
    .close = posix_file_close,
};

struct vrv_file *
vrv__posix_file_new(struct vrv__posix_vfs *v, int fd, const char *path, bool direct)
{
    struct posix_file *f = VRV_NEW(struct posix_file);

    f->file.ops = &posix_file_ops;
    f->magic = POSIX_FILE_MAGIC;
    f->fd = fd;
    f->direct = direct;
    f->vfs = v;
    f->path = vrv_mem_strdup(path);
    f->file.path = f->path;
    return &f->file;
}
