/*
 * The real file system, below one directory that is held open.
 *
 * Every path is resolved from that descriptor (openat(2)), so the tree may be moved or mounted
 * over while in use, and the last part of a path is never followed when it is a symbolic link.
 * Interrupted and short calls are continued; callers see complete or failed.
 *
 * Nothing here retries a failed sync (L4): after EIO Linux marks the pages clean, and a second
 * fsync returns 0 for data that is gone.
 */
#include "engine/os/vfs_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"
#include "engine/os/uring.h"

enum {
    POSIX_VFS_MAGIC = 0x76667378,
    SYNC_PART = 64, /* descriptors handed to the ring at once */
};

static struct vrv__posix_vfs *
vfs_of(struct vrv_vfs *v)
{
    struct vrv__posix_vfs *pv = (struct vrv__posix_vfs *)v; /* its first member */

    VRV_CHECK(pv, POSIX_VFS_MAGIC);
    return pv;
}

/* openat(2) below `dir`, never through a symbolic link at the end; "" is `dir` itself. */
static int
open_below(int dir, const char *path, int flags)
{
    int fd;

    if ((flags & O_CREAT) && VRV_FAILPOINT(CREATE))
        return -1;
    do {
        fd = openat(dir, *path ? path : ".", flags | O_CLOEXEC | O_NOFOLLOW, VRV__FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int
posix_open(struct vrv_vfs *vfs, const char *path, unsigned flags, struct vrv_file **out,
    struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    bool create = flags & VRV_OPEN_CREATE;
    bool excl = create && (flags & VRV_OPEN_EXCL);
    bool direct = flags & VRV_OPEN_DIRECT;
    int fd = open_below(v->root, path,
        (flags & VRV_OPEN_WRITE ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0)
            | (excl ? O_EXCL : 0) | (direct ? O_DIRECT : 0));

    if (fd < 0 && errno == EINVAL && direct) {
        /* The kernel makes the file first and refuses then; the caller's second try, without
         * DIRECT, must not find it. */
        if (excl)
            (void)unlinkat(v->root, path, 0);
        return vrv_err_set(e, VRV_E_INVALID, "open %s/%s: no direct I/O here", v->path, path);
    }
    if (fd < 0)
        return vrv_err_sys(e, "open %s/%s", v->path, path);
    *out = vrv__posix_file_new(v, fd, path, direct);
    return 0;
}

static int
posix_rename(struct vrv_vfs *vfs, const char *from, const char *to, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    if (VRV_FAILPOINT(RENAME) || renameat(v->root, from, v->root, to) < 0)
        return vrv_err_sys(e, "rename %s/%s to %s", v->path, from, to);
    return 0;
}

static int
posix_link(struct vrv_vfs *vfs, const char *from, const char *to, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    if (VRV_FAILPOINT(LINK) || linkat(v->root, from, v->root, to, 0) < 0)
        return vrv_err_sys(e, "link %s/%s to %s", v->path, from, to);
    return 0;
}

static int
posix_unlink(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    if (VRV_FAILPOINT(UNLINK) || unlinkat(v->root, path, 0) < 0)
        return vrv_err_sys(e, "unlink %s/%s", v->path, path);
    return 0;
}

static int
posix_mkdir(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    if (VRV_FAILPOINT(MKDIR) || mkdirat(v->root, path, VRV__DIR_MODE) < 0)
        return vrv_err_sys(e, "mkdir %s/%s", v->path, path);
    return 0;
}

static int
posix_rmdir(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    if (VRV_FAILPOINT(RMDIR) || unlinkat(v->root, path, AT_REMOVEDIR) < 0)
        return vrv_err_sys(e, "rmdir %s/%s", v->path, path);
    return 0;
}

static bool
is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int
entry_is_dir(int dir, const struct dirent *de, bool *is_dir)
{
    struct stat st;

    *is_dir = de->d_type == DT_DIR;
    if (de->d_type != DT_UNKNOWN) /* some file systems don't say */
        return 0;
    if (fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *is_dir = S_ISDIR(st.st_mode);
    return 0;
}

static int
list_entries(DIR *d, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
{
    for (;;) {
        errno = 0; /* readdir(3) tells the end from an error by it only */
        const struct dirent *de = readdir(d);
        bool is_dir;

        if (de == NULL)
            return errno ? vrv_err_sys(e, "list %s", dir) : 0;
        if (is_dot(de->d_name))
            continue;
        if (entry_is_dir(dirfd(d), de, &is_dir) < 0) {
            if (errno == ENOENT)
                continue; /* unlinked since */
            return vrv_err_sys(e, "list %s: stat %s", dir, de->d_name);
        }
        int rc = fn(ctx, de->d_name, is_dir);
        if (rc != 0)
            return rc;
    }
}

static int
posix_list(struct vrv_vfs *vfs, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    int fd = open_below(v->root, dir, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return vrv_err_sys(e, "list %s/%s", v->path, dir);
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        int rc = vrv_err_sys(e, "list %s/%s", v->path, dir);

        (void)close(fd);
        return rc;
    }
    int rc = list_entries(d, dir, fn, ctx, e);
    (void)closedir(d);
    return rc;
}

static int
posix_sync_dir(struct vrv_vfs *vfs, const char *dir, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    int fd = open_below(v->root, dir, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return vrv_err_sys(e, "sync %s/%s", v->path, dir);
    int rc = vrv__posix_sync(fd, true) < 0 ? vrv_err_sys(e, "sync %s/%s", v->path, dir) : 0;
    (void)close(fd);
    return rc;
}

/* Since Linux 5.8 syncfs(2) reports write-back errors of any file since the root was opened. */
static int
posix_sync_all(struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    int rc;

    do {
        rc = VRV_FAILPOINT(SYNC_ALL) ? -1 : syncfs(v->root);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? vrv_err_sys(e, "sync all of %s", v->path) : 0;
}

static int
posix_sync_files(struct vrv_vfs *vfs, struct vrv_file **f, size_t n, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    int fds[SYNC_PART], result[SYNC_PART];
    int rc = 0;

    for (size_t done = 0; done < n;) {
        size_t part = n - done < SYNC_PART ? n - done : SYNC_PART;

        for (size_t i = 0; i < part; i++)
            fds[i] = vrv__posix_fd(f[done + i]);
        vrv__uring_fdatasync(v->uring, fds, result, part);
        for (size_t i = 0; i < part; i++) {
            errno = result[i];
            if (result[i] != 0 && rc == 0) /* the first failure is told, the others synced */
                rc = vrv_err_sys(e, "sync %s", f[done + i]->path);
        }
        done += part;
    }
    return rc;
}

static int
posix_free_bytes(struct vrv_vfs *vfs, uint64_t *bytes, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    struct statvfs st;

    if (fstatvfs(v->root, &st) < 0)
        return vrv_err_sys(e, "statvfs %s", v->path);
    *bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

/* ---- the lock ---- */

/* The holder writes its process id after it got the lock, so it may be missing for a moment. */
static int
say_locked(struct vrv__posix_vfs *v, int fd, const char *path, struct vrv_err *e)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0)
        return vrv_err_set(e, VRV_E_LOCKED, "%s/%s is in use by process %ld", v->path, path, pid);
    return vrv_err_set(e, VRV_E_LOCKED, "%s/%s is in use by another process", v->path, path);
}

/* An open file description lock: unlike the older kind it also conflicts inside one process, and
 * isn't lost when some other descriptor of the file is closed. */
static int
lock_whole(int fd)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    return fcntl(fd, F_OFD_SETLK, &fl);
}

static int
write_pid(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) < 0)
        return -1;
    return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -1;
}

static int
posix_lock(struct vrv_vfs *vfs, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);
    int fd = open_below(v->root, path, O_RDWR | O_CREAT);
    int rc;

    if (fd < 0)
        return vrv_err_sys(e, "open %s/%s", v->path, path);
    if (lock_whole(fd) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            rc = say_locked(v, fd, path, e);
        else
            rc = vrv_err_sys(e, "lock %s/%s", v->path, path);
        (void)close(fd);
        return rc;
    }
    (void)write_pid(fd); /* for the sentence only: a full disk must not keep us from starting */
    *out = vrv__posix_file_new(v, fd, path, false);
    return 0;
}

/* ---- opening the root ---- */

static void
posix_close(struct vrv_vfs *vfs)
{
    struct vrv__posix_vfs *v = vfs_of(vfs);

    (void)close(v->root);
    vrv__uring_free(&v->uring);
    v->magic = 0;
    free(v->path);
    free(v);
}

static const struct vrv_vfs_ops posix_ops = {
    .open = posix_open,
    .rename = posix_rename,
    .link = posix_link,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .list = posix_list,
    .sync_dir = posix_sync_dir,
    .sync_all = posix_sync_all,
    .sync_files = posix_sync_files,
    .free_bytes = posix_free_bytes,
    .lock = posix_lock,
    .close = posix_close,
};

/* Make durable the name of `path` in its parent. */
static int
sync_parent(const char *path)
{
    char *parent = vrv_mem_strdup(path);
    char *slash = strrchr(parent, '/');
    int fd, rc;

    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = '\0'; /* the parent of "/x" is "/" */
    fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (fd < 0)
        return -1;
    rc = vrv__posix_sync(fd, true);
    int sys = errno;
    (void)close(fd);
    errno = sys;
    return rc;
}

/* The root's name is synced even when it is there already, for it may have been made by a process
 * that died before its own sync; but then the parent need not be ours to open. */
static int
make_dir(const char *path, bool is_root, struct vrv_err *e)
{
    bool made = !VRV_FAILPOINT(MKDIR) && mkdir(path, VRV__DIR_MODE) == 0;

    if (!made && errno != EEXIST)
        return vrv_err_sys(e, "mkdir %s", path);
    if (!made && !is_root)
        return 0;
    if (sync_parent(path) < 0 && (made || errno != EACCES))
        return vrv_err_sys(e, "sync the directory above %s", path);
    return 0;
}

/* mkdir -p.  `path` ends without '/', unless it is "/". */
static int
make_dirs(char *path, struct vrv_err *e)
{
    for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        if (p[1] == '/')
            continue;
        *p = '\0';
        int rc = make_dir(path, false, e);
        *p = '/';
        if (rc < 0)
            return rc;
    }
    return make_dir(path, true, e);
}

int
vrv_vfs_posix(const char *root, bool create, struct vrv_vfs **out, struct vrv_err *e)
{
    char *path = vrv_mem_strdup(root);
    int rc = 0;

    *out = NULL;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    if (create)
        rc = make_dirs(path, e);
    int fd = rc < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && fd < 0)
        rc = vrv_err_sys(e, "open %s", path);
    if (rc < 0) {
        free(path);
        return rc;
    }
    struct vrv__posix_vfs *v = VRV_NEW(struct vrv__posix_vfs);
    v->vfs.ops = &posix_ops;
    v->magic = POSIX_VFS_MAGIC;
    v->root = fd;
    v->path = path;
    v->uring = vrv__uring_new();
    *out = &v->vfs;
    return 0;
}
