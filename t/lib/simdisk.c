/* The simulated disk as a vfs: its tree.  simgate.c decides what fails, simfile.c has the open
 * files, simtree.c the model, simcrash.c the loss of power. */
#include "t/lib/simdisk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/simtree.h"

#define CAPACITY_DEFAULT ((uint64_t)1 << 40)

/* The file of a path, made when the flags say so; NULL and errno. */
static struct sim_inode *
open_inode(struct simdisk *d, const char *path, unsigned flags)
{
    const char *last;
    struct sim_inode *dir = sim_walk(d, path, &last);

    if (dir == NULL)
        return NULL;
    struct sim_inode *ino = sim_names_get(&dir->live, last);
    if (ino == NULL && (flags & VRV_OPEN_CREATE)) {
        ino = sim_inode_new(d, false);
        sim_name_add(d, dir, last, ino, ++d->seq);
        return ino;
    }
    errno = ENOENT;
    if (ino != NULL && (flags & VRV_OPEN_CREATE) && (flags & VRV_OPEN_EXCL))
        errno = EEXIST;
    else if (ino != NULL && ino->is_dir)
        errno = EISDIR;
    else if (ino != NULL && ino->readonly && (flags & VRV_OPEN_WRITE))
        errno = EACCES;
    else
        return ino;
    return NULL;
}

static int
sim_open(struct vrv_vfs *vfs, const char *path, unsigned flags, struct vrv_file **out,
    struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    unsigned classes = flags & VRV_OPEN_CREATE ? OP_SPACE : OP_ANY;
    enum sim_verdict v = sim_enter(d, classes, "open", path, flags, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "open", path, e));
    struct sim_inode *ino = open_inode(d, path, flags);
    if (ino == NULL)
        return (int)sim_leave(d, vrv_err_sys(e, "open %s", path));
    *out = &sim_file_new(d, ino, path, flags)->file;
    return (int)sim_leave(d, 0);
}

static int
lock_locked(struct simdisk *d, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    struct sim_inode *ino = open_inode(d, path, VRV_OPEN_CREATE | VRV_OPEN_WRITE);

    if (ino == NULL)
        return vrv_err_sys(e, "lock %s", path);
    if (ino->locked)
        return vrv_err_set(e, VRV_E_LOCKED, "%s is in use by process %ld", path, (long)getpid());
    ino->locked = true;
    struct sim_file *f = sim_file_new(d, ino, path, VRV_OPEN_WRITE);
    f->lock = true;
    *out = &f->file;
    return 0;
}

static int
sim_lock(struct vrv_vfs *vfs, const char *path, struct vrv_file **out, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, "lock", path, 0, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "lock", path, e));
    return (int)sim_leave(d, lock_locked(d, path, out, e));
}

/* 0, or the errno for why `over` can't be replaced by `ino`. */
static int
cant_replace(const struct sim_inode *ino, const struct sim_inode *over)
{
    if (over == NULL)
        return 0;
    if (over->is_dir && !ino->is_dir)
        return EISDIR;
    if (!over->is_dir && ino->is_dir)
        return ENOTDIR;
    return over->is_dir && over->live.n > 0 ? ENOTEMPTY : 0;
}

static int
rename_locked(struct simdisk *d, const char *from, const char *to)
{
    const char *from_last, *to_last;
    struct sim_inode *from_dir = sim_walk(d, from, &from_last);
    struct sim_inode *to_dir = from_dir ? sim_walk(d, to, &to_last) : NULL;

    if (to_dir == NULL)
        return errno;
    struct sim_inode *ino = sim_names_get(&from_dir->live, from_last);
    if (ino == NULL)
        return ENOENT;
    struct sim_inode *over = sim_names_get(&to_dir->live, to_last);
    int sys = cant_replace(ino, over);
    if (sys != 0 || ino == over)
        return sys;
    if (from_dir == to_dir) {
        sim_name_move(d, from_dir, from_last, to_last, ++d->seq);
    } else {
        sim_name_add(d, to_dir, to_last, ino, ++d->seq);
        sim_name_del(d, from_dir, from_last, d->seq);
    }
    return 0;
}

static int
link_locked(struct simdisk *d, const char *from, const char *to)
{
    const char *from_last, *to_last;
    struct sim_inode *from_dir = sim_walk(d, from, &from_last);
    struct sim_inode *to_dir = from_dir ? sim_walk(d, to, &to_last) : NULL;

    if (to_dir == NULL)
        return errno;
    struct sim_inode *ino = sim_names_get(&from_dir->live, from_last);
    if (ino == NULL)
        return ENOENT;
    if (ino->is_dir)
        return EPERM;
    if (sim_names_get(&to_dir->live, to_last) != NULL)
        return EEXIST;
    sim_name_add(d, to_dir, to_last, ino, ++d->seq);
    return 0;
}

/* A call that gives a file another name, or one more. */
static int
name_anew(struct vrv_vfs *vfs, const char *call, int (*locked)(struct simdisk *d, const char *from, const char *to),
    const char *from, const char *to, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, call, from, 0, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, call, from, e));
    int sys = locked(d, from, to);
    return (int)sim_leave(d, sys ? sim_refuse_sys(sys, call, from, e) : 0);
}

static int
sim_rename(struct vrv_vfs *vfs, const char *from, const char *to, struct vrv_err *e)
{
    return name_anew(vfs, "rename", rename_locked, from, to, e);
}

static int
sim_link(struct vrv_vfs *vfs, const char *from, const char *to, struct vrv_err *e)
{
    return name_anew(vfs, "link", link_locked, from, to, e);
}

static int
remove_locked(struct simdisk *d, const char *path, bool is_dir)
{
    const char *last;
    struct sim_inode *dir = sim_walk(d, path, &last);

    if (dir == NULL)
        return errno;
    struct sim_inode *ino = sim_names_get(&dir->live, last);
    if (ino == NULL)
        return ENOENT;
    if (ino->is_dir != is_dir)
        return is_dir ? ENOTDIR : EISDIR;
    if (is_dir && ino->live.n > 0)
        return ENOTEMPTY;
    sim_name_del(d, dir, last, ++d->seq);
    return 0;
}

static int
remove_name(struct vrv_vfs *vfs, const char *call, const char *path, bool is_dir, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_ANY, call, path, 0, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, call, path, e));
    int sys = remove_locked(d, path, is_dir);
    return (int)sim_leave(d, sys ? sim_refuse_sys(sys, call, path, e) : 0);
}

static int
sim_unlink(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    return remove_name(vfs, "unlink", path, false, e);
}

static int
sim_rmdir(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    return remove_name(vfs, "rmdir", path, true, e);
}

static int
mkdir_locked(struct simdisk *d, const char *path)
{
    const char *last;
    struct sim_inode *dir = sim_walk(d, path, &last);

    if (dir == NULL)
        return errno;
    if (sim_names_get(&dir->live, last) != NULL)
        return EEXIST;
    sim_name_add(d, dir, last, sim_inode_new(d, true), ++d->seq);
    return 0;
}

static int
sim_mkdir(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, "mkdir", path, 0, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "mkdir", path, e));
    int sys = mkdir_locked(d, path);
    return (int)sim_leave(d, sys ? sim_refuse_sys(sys, "mkdir", path, e) : 0);
}

/* NULL and errno when it isn't a directory. */
static struct sim_inode *
lookup_dir(struct simdisk *d, const char *path)
{
    struct sim_inode *dir = sim_lookup(d, path);

    if (dir != NULL && !dir->is_dir) {
        errno = ENOTDIR;
        return NULL;
    }
    return dir;
}

struct listed {
    char *name;
    bool is_dir;
};

/* A copy of the entries, because the callback may change the directory; it begins anywhere, because
 * nobody may rely on an order. */
static struct listed *
copy_entries(struct simdisk *d, const struct sim_inode *dir, size_t *n)
{
    const struct sim_names *names = &dir->live;
    struct listed *l = vrv_mem_zero(names->n * sizeof(*l));
    size_t first = names->n ? (size_t)vrv_rand_below(&d->rand, names->n) : 0;

    for (size_t i = 0; i < names->n; i++) {
        const struct sim_entry *from = &names->e[(first + i) % names->n];

        l[i] = (struct listed){ vrv_mem_strdup(from->name), from->inode->is_dir };
    }
    *n = names->n;
    return l;
}

static int
sim_list(struct vrv_vfs *vfs, const char *path, vrv_list_fn *fn, void *ctx, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_ANY, "list", path, 0, 0);
    int rc = 0;
    size_t n;

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "list", path, e));
    struct sim_inode *dir = lookup_dir(d, path);
    if (dir == NULL)
        return (int)sim_leave(d, vrv_err_sys(e, "list %s", path));
    struct listed *l = copy_entries(d, dir, &n);
    (void)sim_leave(d, 0);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = fn(ctx, l[i].name, l[i].is_dir);
        free(l[i].name);
    }
    free(l);
    return rc;
}

static int
sim_sync_dir(struct vrv_vfs *vfs, const char *path, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, "sync_dir", path, 0, 0);

    if (v == POWER_OFF)
        return (int)sim_leave(d, sim_refuse(d, v, "sync", path, e));
    struct sim_inode *dir = lookup_dir(d, path);
    if (dir == NULL)
        return (int)sim_leave(d, vrv_err_sys(e, "sync %s", path));
    if (v == FAULT) { /* as with data: these changes stay visible, and never become durable */
        sim_entops_clear(dir);
        return (int)sim_leave(d, sim_refuse(d, v, "sync", path, e));
    }
    sim_names_sync(dir);
    return (int)sim_leave(d, 0);
}

static int
sim_sync_all(struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, "sync_all", "/", 0, 0);
    size_t n;

    if (v == POWER_OFF)
        return (int)sim_leave(d, sim_refuse(d, v, "sync", "all", e));
    struct sim_inode **all = sim_hold_all(d, &n);
    for (size_t i = 0; i < n; i++) {
        if (v == FAULT) {
            sim_data_lose(all[i]);
            sim_entops_clear(all[i]);
        } else {
            if (!all[i]->is_dir)
                sim_data_sync(all[i]);
            sim_names_sync(all[i]);
        }
        sim_inode_unref(all[i]);
    }
    free(all);
    return (int)sim_leave(d, v == FAULT ? sim_refuse(d, v, "sync", "all", e) : 0);
}

/* One operation; a fault strikes one of the files, and the others are synced. */
static int
sim_sync_files(struct vrv_vfs *vfs, struct vrv_file **f, size_t n, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_SPACE, "sync_files", f[0]->path, 0, n);
    size_t victim = v == FAULT ? (size_t)vrv_rand_below(&d->rand, n) : n;

    for (size_t i = 0; i < n; i++)
        if (sim_file_of(f[i])->inode == NULL)
            v = POWER_OFF;
    for (size_t i = 0; v != POWER_OFF && i < n; i++) {
        if (i == victim)
            sim_data_lose(sim_file_of(f[i])->inode);
        else
            sim_data_sync(sim_file_of(f[i])->inode);
    }
    const char *path = f[victim < n ? victim : 0]->path;
    return (int)sim_leave(d, v == GO ? 0 : sim_refuse(d, v, "sync", path, e));
}

static int
sim_free_bytes(struct vrv_vfs *vfs, uint64_t *bytes, struct vrv_err *e)
{
    struct simdisk *d = sim_disk_of(vfs);
    enum sim_verdict v = sim_enter(d, OP_ANY, "free_bytes", "/", 0, 0);

    if (v != GO)
        return (int)sim_leave(d, sim_refuse(d, v, "statvfs", "/", e));
    *bytes = d->used < d->capacity ? d->capacity - d->used : 0;
    return (int)sim_leave(d, 0);
}

static void
sim_close(struct vrv_vfs *vfs)
{
    (void)sim_disk_of(vfs); /* the disk outlives those who mount it */
}

static const struct vrv_vfs_ops vfs_ops = {
    .open = sim_open,
    .rename = sim_rename,
    .link = sim_link,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .list = sim_list,
    .sync_dir = sim_sync_dir,
    .sync_all = sim_sync_all,
    .sync_files = sim_sync_files,
    .free_bytes = sim_free_bytes,
    .lock = sim_lock,
    .close = sim_close,
};

/* ---- the disk ---- */

struct simdisk *
simdisk_new(uint64_t seed)
{
    struct simdisk *d = VRV_NEW(struct simdisk);
    int rc = pthread_mutex_init(&d->mutex, NULL);

    VRV_ASSERT(rc == 0);
    d->vfs.ops = &vfs_ops;
    d->magic = SIM_DISK_MAGIC;
    d->rand.state = seed;
    d->capacity = CAPACITY_DEFAULT;
    vrv_list_init(&d->inodes);
    vrv_list_init(&d->handles);
    d->root = sim_inode_new(d, true);
    sim_inode_ref(d->root);
    return d;
}

void
simdisk_abandon(struct simdisk *d)
{
    sim_lock_disk(d);
    while (!vrv_list_empty(&d->handles))
        sim_file_free(VRV_LIST_OF(d->handles.next, struct sim_file, link));
    sim_unlock_disk(d);
}

void
simdisk_free(struct simdisk **dp)
{
    struct simdisk *d = *dp;
    size_t n;

    *dp = NULL;
    if (d == NULL)
        return;
    simdisk_abandon(d);
    struct sim_inode **all = sim_hold_all(d, &n);
    for (size_t i = 0; i < n; i++) /* not by counting down from the root: there may be cycles */
        sim_inode_empty(all[i]);
    sim_inode_unref(d->root);
    for (size_t i = 0; i < n; i++)
        sim_inode_unref(all[i]);
    free(all);
    VRV_ASSERT(vrv_list_empty(&d->inodes));
    (void)pthread_mutex_destroy(&d->mutex);
    d->magic = 0;
    free(d);
}

struct vrv_vfs *
simdisk_vfs(struct simdisk *d)
{
    return &d->vfs;
}
