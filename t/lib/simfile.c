/* The open files of the simulated disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/simtree.h"

static bool
is_aligned(const void *p, size_t n, uint64_t pos)
{
    return (((uintptr_t)p | n | pos) & (VRV_DIRECT_ALIGN - 1)) == 0;
}

/* How much of n bytes a NOWAIT read gets by chance: all, whole pages of it, or nothing. */
static size_t
resident_part(struct simdisk *d, size_t n, uint64_t pos)
{
    if (d->nowait == 0 || vrv_rand_below(&d->rand, 100) >= d->nowait)
        return n;
    uint64_t pages = (pos + n) / SIM_PAGE - pos / SIM_PAGE;
    uint64_t end = (pos / SIM_PAGE + vrv_rand_below(&d->rand, pages + 1)) * SIM_PAGE;
    return end > pos ? (size_t)(end - pos) : 0;
}

static ssize_t
read_locked(struct sim_file *f, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    uint64_t size = f->inode->seen.size;

    if (pos >= size)
        return 0;
    if (n > size - pos)
        n = (size_t)(size - pos);
    if (flags & VRV_READ_NOWAIT) {
        n = resident_part(f->disk, n, pos);
        if (n == 0)
            return vrv_err_set(e, VRV_E_AGAIN, "read %s: not in memory", f->path);
    }
    if (f->direct)
        sim_device_read(f->inode, buf, n, pos);
    else
        sim_image_read(&f->inode->seen, buf, n, pos);
    return (ssize_t)n;
}

static ssize_t
sim_pread(struct vrv_file *file, void *buf, size_t n, uint64_t pos, unsigned flags,
    struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    enum sim_verdict v = sim_enter_file(f, OP_DATA, "pread", pos, n);

    VRV_ASSERT(!f->direct || is_aligned(buf, n, pos));
    if (v == FAULT && f->disk->fault.kind == SIM_SHORT)
        return sim_leave(f->disk, sim_refuse_sys(EIO, "read", f->path, e));
    if (v != GO)
        return sim_leave(f->disk, sim_refuse(f->disk, v, "read", f->path, e));
    return sim_leave(f->disk, read_locked(f, buf, n, pos, flags, e));
}

/* How many of n bytes at pos fit on the disk. */
static size_t
room_for(const struct simdisk *d, const struct sim_inode *ino, size_t n, uint64_t pos)
{
    uint64_t left = d->used < d->capacity ? (d->capacity - d->used) / SIM_PAGE * SIM_PAGE : 0;
    uint64_t end_max = ino->charge + left;

    if (end_max < ino->seen.size)
        end_max = ino->seen.size;
    if (pos >= end_max)
        return 0;
    return end_max - pos < n ? (size_t)(end_max - pos) : n;
}

/* The first n bytes of the iovecs; NULL when they are all zero. */
static uint8_t *
gather(const struct iovec *iov, size_t n)
{
    uint8_t *data = vrv_mem_grow(NULL, n);

    for (size_t done = 0; done < n; iov++) {
        size_t part = n - done < iov->iov_len ? n - done : iov->iov_len;

        if (part > 0)
            memcpy(data + done, iov->iov_base, part);
        done += part;
    }
    if (n == 0 || (data[0] == 0 && memcmp(data, data + 1, n - 1) == 0)) {
        free(data);
        return NULL;
    }
    return data;
}

static void
write_locked(struct sim_file *f, const struct iovec *iov, size_t n, uint64_t pos)
{
    struct sim_rec rec = { .kind = f->direct ? REC_DIRECT : REC_BUFFERED, .pos = pos, .len = n };

    if (n == 0)
        return;
    rec.data = gather(iov, n);
    sim_image_write(&f->inode->seen, rec.data, n, pos);
    sim_rec_push(f->disk, f->inode, rec);
    sim_inode_charge(f->disk, f->inode);
}

static int
sim_pwritev(struct vrv_file *file, const struct iovec *iov, int n, uint64_t pos,
    struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    struct simdisk *d = f->disk;
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        VRV_ASSERT(!f->direct || is_aligned(iov[i].iov_base, iov[i].iov_len, pos));
        len += iov[i].iov_len;
    }
    VRV_ASSERT(f->write);
    enum sim_verdict v = sim_enter_file(f, OP_SPACE | OP_DATA, "pwritev", pos, len);
    if (v == FAULT && d->fault.kind == SIM_SHORT && len > 0)
        write_locked(f, iov, (size_t)vrv_rand_below(&d->rand, len), pos);
    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "write", f->path, e));
    size_t fits = room_for(d, f->inode, len, pos);
    write_locked(f, iov, fits, pos);
    return (int)sim_leave(d, fits < len ? sim_refuse_sys(ENOSPC, "write", f->path, e) : 0);
}

static int
sim_sync(struct vrv_file *file, struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    enum sim_verdict v = sim_enter_file(f, OP_SPACE, "sync", 0, 0);

    if (v == GO)
        sim_data_sync(f->inode);
    if (v == FAULT)
        sim_data_lose(f->inode);
    return (int)sim_leave(f->disk, v == GO ? 0 : sim_refuse(f->disk, v, "sync", f->path, e));
}

static void
sim_hint(struct vrv_file *file, uint64_t pos, uint64_t n)
{
    (void)sim_file_of(file);
    (void)pos;
    (void)n;
}

static int
sim_truncate(struct vrv_file *file, uint64_t size, struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    struct simdisk *d = f->disk;
    enum sim_verdict v = sim_enter_file(f, OP_SPACE, "truncate", size, 0);

    VRV_ASSERT(f->write);
    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "truncate", f->path, e));
    uint64_t old = f->inode->seen.size;
    if (size > old && room_for(d, f->inode, (size_t)(size - old), old) < size - old)
        return (int)sim_leave(d, sim_refuse_sys(ENOSPC, "truncate", f->path, e));
    sim_image_resize(&f->inode->seen, size);
    sim_rec_push(d, f->inode, (struct sim_rec){ .kind = REC_TRUNCATE, .pos = size });
    sim_inode_charge(d, f->inode);
    return (int)sim_leave(d, 0);
}

static int
sim_size(struct vrv_file *file, uint64_t *size, struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    enum sim_verdict v = sim_enter_file(f, OP_ANY, "size", 0, 0);

    if (v != GO)
        return (int)sim_leave(f->disk, sim_refuse(f->disk, v, "stat", f->path, e));
    *size = f->inode->seen.size;
    return (int)sim_leave(f->disk, 0);
}

/* At once durable: nothing may depend on a mode. */
static int
sim_set_readonly(struct vrv_file *file, bool readonly, struct vrv_err *e)
{
    struct sim_file *f = sim_file_of(file);
    enum sim_verdict v = sim_enter_file(f, OP_ANY, "set_readonly", readonly, 0);

    if (v != GO)
        return (int)sim_leave(f->disk, sim_refuse(f->disk, v, "change the mode of", f->path, e));
    f->inode->readonly = readonly;
    return (int)sim_leave(f->disk, 0);
}

static bool
sim_resident(struct vrv_file *file, uint64_t pos, uint64_t n)
{
    struct simdisk *d = sim_file_of(file)->disk;

    sim_lock_disk(d);
    bool all = resident_part(d, n, pos) == n;
    sim_unlock_disk(d);
    return all;
}

static int
sim_fd(struct vrv_file *file)
{
    (void)sim_file_of(file);
    return -1;
}

void
sim_file_detach(struct sim_file *f)
{
    struct sim_inode *ino = f->inode;

    f->inode = NULL;
    if (ino == NULL)
        return;
    ino->opens--;
    if (f->lock)
        ino->locked = false;
    sim_inode_charge(f->disk, ino);
    sim_inode_unref(ino);
}

void
sim_file_free(struct sim_file *f)
{
    sim_file_detach(f);
    vrv_list_del(&f->link);
    f->magic = 0;
    free(f->path);
    free(f);
}

static void
sim_file_close(struct vrv_file *file)
{
    struct simdisk *d = sim_file_of(file)->disk;

    sim_lock_disk(d);
    sim_file_free(sim_file_of(file));
    sim_unlock_disk(d);
}

static const struct vrv_file_ops file_ops = {
    .pread = sim_pread,
    .pwritev = sim_pwritev,
    .sync = sim_sync,
    .write_behind = sim_hint,
    .drop_cache = sim_hint,
    .resident = sim_resident,
    .truncate = sim_truncate,
    .size = sim_size,
    .set_readonly = sim_set_readonly,
    .fd = sim_fd,
    .close = sim_file_close,
};

struct sim_file *
sim_file_new(struct simdisk *d, struct sim_inode *ino, const char *path, unsigned flags)
{
    struct sim_file *f = VRV_NEW(struct sim_file);

    f->file.ops = &file_ops;
    f->magic = SIM_FILE_MAGIC;
    f->disk = d;
    f->inode = ino;
    f->write = flags & VRV_OPEN_WRITE;
    f->direct = flags & VRV_OPEN_DIRECT;
    f->path = vrv_mem_strdup(path);
    f->file.path = f->path;
    sim_inode_ref(ino);
    ino->opens++;
    vrv_list_push(&d->handles, &f->link);
    return f;
}
