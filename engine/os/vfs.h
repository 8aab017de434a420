/*
 * The only door to files.
 *
 * A vfs is a directory tree; paths are relative to its root ("wal/000001.wal"), with
 * '/' between parts and never a name that a user chose.  vfs_posix.c is the real
 * one; t/lib/simdisk.c is a disk that forgets what was not synced, and fails on
 * command.  Durability is as on the weakest Linux file system:
 *
 *   - written bytes are durable after vrv_file_sync() of that file returned 0
 *     (or vrv_vfs_sync_all(), which syncs every file and directory);
 *   - a new name, a rename or an unlink is durable after vrv_vfs_sync_dir() of the
 *     directory that holds the name;
 *   - a sync that failed must not be tried again: what it should have written may
 *     be gone, though reads still show it (L4).
 *
 * Every call is complete or failed: short reads and writes, and EINTR, are handled
 * inside.  All functions may be called from any thread; calls on one file
 * may run at the same time.  Errors: VRV_E_IO, NOSPACE, NOTFOUND, EXISTS, READONLY,
 * with a sentence that names operation and path.
 */
#ifndef VRV_OS_VFS_H
#define VRV_OS_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "engine/base/err.h"

struct vrv_vfs;
struct vrv_file;

enum vrv_open_flags {
    VRV_OPEN_WRITE = 1,  /* else read only */
    VRV_OPEN_CREATE = 2, /* make it when it isn't there */
    VRV_OPEN_EXCL = 4,   /* with CREATE: fail with EXISTS when it is there */
    VRV_OPEN_DIRECT = 8, /* past the page cache: buffer, position and length are multiples of
                          * VRV_DIRECT_ALIGN; INVALID where the file system can't */
};

enum { VRV_DIRECT_ALIGN = 4096 };

enum vrv_read_flags {
    VRV_READ_NOWAIT = 1,    /* only what is in memory: AGAIN if not even the first byte is */
    VRV_READ_DONTCACHE = 2, /* leave the page cache as it was, as far as the kernel can */
};

/* Called for each entry but "." and ".."; not zero stops the listing and is returned. */
typedef int vrv_list_fn(void *ctx, const char *name, bool is_dir);

struct vrv_vfs_ops {
    int (*open)(struct vrv_vfs *v, const char *path, unsigned flags, struct vrv_file **out,
        struct vrv_err *e);
    int (*rename)(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e);
    int (*link)(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e);
    int (*unlink)(struct vrv_vfs *v, const char *path, struct vrv_err *e);
    int (*mkdir)(struct vrv_vfs *v, const char *path, struct vrv_err *e);
    int (*rmdir)(struct vrv_vfs *v, const char *path, struct vrv_err *e);
    int (*list)(struct vrv_vfs *v, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e);
    int (*sync_dir)(struct vrv_vfs *v, const char *dir, struct vrv_err *e);
    int (*sync_all)(struct vrv_vfs *v, struct vrv_err *e);
    int (*sync_files)(struct vrv_vfs *v, struct vrv_file **f, size_t n, struct vrv_err *e);
    int (*free_bytes)(struct vrv_vfs *v, uint64_t *bytes, struct vrv_err *e);
    int (*lock)(struct vrv_vfs *v, const char *path, struct vrv_file **out, struct vrv_err *e);
    void (*close)(struct vrv_vfs *v);
};

struct vrv_file_ops {
    ssize_t (*pread)(struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags,
        struct vrv_err *e);
    int (*pwritev)(struct vrv_file *f, const struct iovec *iov, int n, uint64_t pos,
        struct vrv_err *e);
    int (*sync)(struct vrv_file *f, struct vrv_err *e);
    void (*write_behind)(struct vrv_file *f, uint64_t pos, uint64_t n);
    void (*drop_cache)(struct vrv_file *f, uint64_t pos, uint64_t n);
    bool (*resident)(struct vrv_file *f, uint64_t pos, uint64_t n);
    int (*truncate)(struct vrv_file *f, uint64_t size, struct vrv_err *e);
    int (*size)(struct vrv_file *f, uint64_t *size, struct vrv_err *e);
    int64_t (*written_ms)(struct vrv_file *f); /* NULL: it doesn't say */
    int (*set_readonly)(struct vrv_file *f, bool readonly, struct vrv_err *e);
    int (*fd)(struct vrv_file *f);
    void (*close)(struct vrv_file *f);
};

struct vrv_vfs {
    const struct vrv_vfs_ops *ops;
};

struct vrv_file {
    const struct vrv_file_ops *ops;
    const char *path; /* as opened, for sentences; the implementation owns it */
};

/* The real file system below `root`, which must exist unless `create` (0700, parents too;
 * the new directory's own name is made durable). */
int vrv_vfs_posix(const char *root, bool create, struct vrv_vfs **out, struct vrv_err *e);
void vrv_vfs_close(struct vrv_vfs **v);

int vrv_vfs_open(struct vrv_vfs *v, const char *path, unsigned flags, struct vrv_file **out,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_vfs_rename(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
    VRV_MUST_CHECK;
/* A second name for a file; EXISTS when `to` is there, whatever else happens at the same time. */
int vrv_vfs_link(struct vrv_vfs *v, const char *from, const char *to, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_vfs_unlink(struct vrv_vfs *v, const char *path, struct vrv_err *e) VRV_MUST_CHECK;
/* EXISTS when it is there; the parent must be. */
int vrv_vfs_mkdir(struct vrv_vfs *v, const char *path, struct vrv_err *e) VRV_MUST_CHECK;
int vrv_vfs_rmdir(struct vrv_vfs *v, const char *path, struct vrv_err *e) VRV_MUST_CHECK;
/* In no particular order; "" is the root. */
int vrv_vfs_list(struct vrv_vfs *v, const char *dir, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_vfs_sync_dir(struct vrv_vfs *v, const char *dir, struct vrv_err *e) VRV_MUST_CHECK;
/* Everything in this file system: cheaper than one sync per file when there are many. */
int vrv_vfs_sync_all(struct vrv_vfs *v, struct vrv_err *e) VRV_MUST_CHECK;
/* Each of n files, at the same time where the kernel lets us. */
int vrv_vfs_sync_files(struct vrv_vfs *v, struct vrv_file **f, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_vfs_free_bytes(struct vrv_vfs *v, uint64_t *bytes, struct vrv_err *e) VRV_MUST_CHECK;
/* Create `path` and hold it until the file is closed (or the process ends): LOCKED when another
 * process, or another vfs of this one, does. */
int vrv_vfs_lock(struct vrv_vfs *v, const char *path, struct vrv_file **out, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Up to n bytes; fewer only at the end of the file (or, with NOWAIT, of what is in memory).
 * The count, or a negative error. */
ssize_t vrv_file_pread(struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Exactly n bytes, or CORRUPT with "ends early". */
int vrv_file_read_full(struct vrv_file *f, void *buf, size_t n, uint64_t pos, struct vrv_err *e)
    VRV_MUST_CHECK;
/* All of it.  The iovecs are not changed. */
int vrv_file_pwritev(struct vrv_file *f, const struct iovec *iov, int n, uint64_t pos,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_file_pwrite(struct vrv_file *f, const void *buf, size_t n, uint64_t pos, struct vrv_err *e)
    VRV_MUST_CHECK;
/* fdatasync: data, and the size. */
int vrv_file_sync(struct vrv_file *f, struct vrv_err *e) VRV_MUST_CHECK;
/* Hints: start writing these bytes to the disk; forget them in the page cache. */
void vrv_file_write_behind(struct vrv_file *f, uint64_t pos, uint64_t n);
void vrv_file_drop_cache(struct vrv_file *f, uint64_t pos, uint64_t n);
/* Are all of these bytes in memory, so that nobody who reads them now waits for the disk?  What can't
 * be told counts as no. */
bool vrv_file_resident(struct vrv_file *f, uint64_t pos, uint64_t n);
int vrv_file_truncate(struct vrv_file *f, uint64_t size, struct vrv_err *e) VRV_MUST_CHECK;
int vrv_file_size(struct vrv_file *f, uint64_t *size, struct vrv_err *e) VRV_MUST_CHECK;
/* When its bytes were changed last, as the file system has it (wall clock); -1: it doesn't say. */
int64_t vrv_file_written_ms(struct vrv_file *f);
/* Mode 0400, or back to 0600. */
int vrv_file_set_readonly(struct vrv_file *f, bool readonly, struct vrv_err *e) VRV_MUST_CHECK;
/* For sendfile; -1 where there is none (the simulated disk). */
int vrv_file_fd(struct vrv_file *f);
/* NULL is fine; clears the pointer. */
void vrv_file_close(struct vrv_file **f);

#endif
