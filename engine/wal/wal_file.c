#include "engine/wal/wal_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/wal/wal_file_int.h"
#include "engine/wal/wal_format.h"

enum { FILL_STEP = 1024 * 1024, GROUP_LIMIT = 16 * 1024 * 1024 };

static struct wal_file *
of(struct vrv_waldev *d)
{
    struct wal_file *w = (struct wal_file *)(void *)d;

    VRV_CHECK(w, WAL_FILE_MAGIC);
    return w;
}

/* ---- room ---- */

/* What of a file can surely be used from `pos` on by groups of up to `most` bytes: one that doesn't
 * fit into the rest leaves up to its own size unused. */
static size_t
sure_room(const struct ring_file *rf, uint64_t pos, size_t most)
{
    return rf->filled > pos + most ? rf->filled - pos - most : 0;
}

/* Filled far enough for any group.  Others are passed over: while the ring is being filled, or
 * stays smaller on a full disk, it consists of those that are. */
static bool
usable(const struct wal_file *w, const struct ring_file *rf)
{
    return rf->filled >= VRV_WAL_FILE_HEADER + w->group_most;
}

static bool
reserve(struct vrv_waldev *d, size_t bytes)
{
    struct wal_file *w = of(d);

    vrv_lock(&w->lock);
    /* An append larger than all before is rare: files leave room for its like from now on. */
    size_t most = bytes > w->group_most ? bytes : w->group_most;
    size_t room = sure_room(&w->ring[w->cur], w->ring[w->cur].end, most);
    for (unsigned i = 1; i < w->n; i++) {
        const struct ring_file *rf = &w->ring[(w->cur + i) % w->n];

        if (rf->last_slot != 0)
            break;
        room += sure_room(rf, VRV_WAL_FILE_HEADER, most); /* 0 when it isn't usable */
    }
    bool ok = w->reserved + bytes <= room;
    if (ok) {
        w->reserved += bytes;
        w->group_most = most;
    }
    vrv_unlock(&w->lock);
    return ok;
}

static void
release(struct vrv_waldev *d, size_t bytes)
{
    struct wal_file *w = of(d);

    vrv_lock(&w->lock);
    VRV_ASSERT(w->reserved >= bytes);
    w->reserved -= bytes;
    vrv_unlock(&w->lock);
}

static size_t
used(struct vrv_waldev *d)
{
    struct wal_file *w = of(d);
    size_t n = 0;

    vrv_lock(&w->lock);
    for (unsigned i = 0; i < w->n; i++)
        if (w->ring[i].last_slot != 0)
            n += w->ring[i].end - VRV_WAL_FILE_HEADER;
    vrv_unlock(&w->lock);
    return n;
}

/* ---- writing ---- */

/* A failed sync of the filling may have been told of what groups wrote, and the next one would
 * know nothing of it (L4). */
static int
check_lost(struct wal_file *w, struct vrv_err *e)
{
    vrv_lock(&w->lock);
    bool lost = w->lost;
    vrv_unlock(&w->lock);
    return lost ? vrv_err_set(e, VRV_E_IO, "sync %s: failed before, while it was filled", w->dir)
                : 0;
}

static int
sync_dirty(struct wal_file *w, struct vrv_err *e)
{
    int rc = 0;

    /* Oldest first: what is durable is always a prefix. */
    for (unsigned i = 1; i <= w->n && rc == 0; i++) {
        struct ring_file *rf = &w->ring[(w->cur + i) % w->n];

        if (!rf->dirty)
            continue;
        rc = vrv_file_sync(rf->f, e);
        rf->dirty = rc != 0;
    }
    return rc == 0 ? check_lost(w, e) : rc;
}

/* Where the group goes; the claim that was made for it says that there is room. */
static struct ring_file *
place(struct wal_file *w, const struct vrv_wal_group *g, uint64_t *pos)
{
    vrv_lock(&w->lock);
    struct ring_file *rf = &w->ring[w->cur];
    if (rf->end + g->n > rf->filled) {
        do {
            w->cur = (w->cur + 1) % w->n;
            rf = &w->ring[w->cur];
            VRV_ASSERT(rf->last_slot == 0);
        } while (!usable(w, rf));
        rf->end = VRV_WAL_FILE_HEADER;
    }
    VRV_ASSERT(rf->end + g->n <= rf->filled);
    *pos = rf->end;
    rf->end += g->n;
    rf->last_slot = g->slot;
    VRV_ASSERT(w->reserved >= g->n);
    w->reserved -= g->n;
    vrv_unlock(&w->lock);
    return rf;
}

static void
submit(struct vrv_waldev *d, struct vrv_wal_group *g)
{
    struct wal_file *w = of(d);
    struct vrv_err e = { 0 };
    uint64_t pos;

    VRV_ASSERT(g->slot > 0);
    struct ring_file *rf = place(w, g, &pos);
    int rc = vrv_file_pwrite(rf->f, g->bytes, g->n, pos, &e);
    rf->dirty = true;
    if (rc == 0 && g->sync)
        rc = sync_dirty(w, &e);
    g->done(g, rc, &e);
}

static int
sync_op(struct vrv_waldev *d, struct vrv_err *e)
{
    return sync_dirty(of(d), e);
}

static int
trim(struct vrv_waldev *d, uint64_t slot, struct vrv_err *e)
{
    struct wal_file *w = of(d);

    (void)e;
    vrv_lock(&w->lock);
    for (unsigned i = 0; i < w->n; i++) {
        struct ring_file *rf = &w->ring[i];

        /* The current one too: it may be the only one that the disk had room for. */
        if (rf->last_slot != 0 && rf->last_slot < slot) {
            rf->last_slot = 0;
            rf->end = VRV_WAL_FILE_HEADER;
        }
    }
    vrv_unlock(&w->lock);
    return 0;
}

/* ---- zero-filling ---- */

static int
zero_fill(struct wal_file *w, struct ring_file *rf, uint64_t upto, struct vrv_err *e)
{
    if (rf->filled >= upto)
        return 0;
    void *zero = NULL;
    size_t step = upto - rf->filled < FILL_STEP ? upto - rf->filled : FILL_STEP;
    int rc = posix_memalign(&zero, VRV_DIRECT_ALIGN, step);

    VRV_ASSERT(rc == 0);
    memset(zero, 0, step);
    while (rf->filled < upto) {
        size_t n = upto - rf->filled < step ? upto - rf->filled : step;

        rc = vrv_file_pwrite(rf->f, zero, n, rf->filled, e);
        if (rc < 0)
            break;
        /* The size must be durable before the space counts: then a group's sync is data only. */
        rc = vrv_file_sync(rf->f, e);
        vrv_lock(&w->lock);
        if (rc == 0)
            rf->filled += n;
        else if (rf->last_slot != 0)
            w->lost = true;
        vrv_unlock(&w->lock);
        if (rc < 0)
            break;
    }
    free(zero);
    return rc;
}

static int
prepare(struct vrv_waldev *d)
{
    struct wal_file *w = of(d);

    for (unsigned i = 0; i < w->n; i++) {
        struct ring_file *rf = &w->ring[(w->fill + i) % w->n];

        if (rf->filled == w->file_bytes)
            continue;
        uint64_t upto = rf->filled + FILL_STEP;
        w->fill = (w->fill + i) % w->n;
        /* No room on the disk: the WAL stays smaller for now, appends wait or are refused. */
        int rc = zero_fill(w, rf, upto < w->file_bytes ? upto : w->file_bytes, NULL);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

/* ---- opening and closing ---- */

static void
close_op(struct vrv_waldev *d)
{
    struct wal_file *w = of(d);

    for (unsigned i = 0; i < w->n; i++)
        vrv_file_close(&w->ring[i].f);
    vrv_lock_fini(&w->lock);
    free(w->ring);
    free(w->dir);
    free(w);
}

static const struct vrv_waldev_ops ops = { reserve, release, submit, sync_op, trim, prepare, used,
    close_op };

static void
file_path(const struct wal_file *w, unsigned i, char *out, size_t n)
{
    (void)snprintf(out, n, "%s/%06u.wal", w->dir, i + 1);
}

static int
open_one(struct wal_file *w, struct vrv_vfs *vfs, unsigned i, unsigned flags, struct vrv_err *e)
{
    char path[64];
    int rc = VRV_E_INVALID;

    file_path(w, i, path, sizeof(path));
    if (w->direct)
        rc = vrv_vfs_open(vfs, path, flags | VRV_OPEN_WRITE | VRV_OPEN_DIRECT, &w->ring[i].f, e);
    if (rc == VRV_E_INVALID) {
        w->direct = false;
        rc = vrv_vfs_open(vfs, path, flags | VRV_OPEN_WRITE, &w->ring[i].f, e);
    }
    if (rc == VRV_E_NOTFOUND)
        rc = vrv_err_set(e, VRV_E_FOREIGN, "%s is missing: it may hold the newest records", path);
    return rc;
}

static int
drop_old(void *ctx, const char *name, bool is_dir)
{
    struct wal_file *w = ctx;
    char path[320];

    (void)is_dir;
    (void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    return vrv_vfs_unlink(w->vfs, path, &w->list_err);
}

/* A creation that a crash interrupted left files: the catalog of checkpoints doesn't know them. */
static int
create_files(struct wal_file *w, size_t fill_first, struct vrv_err *e)
{
    int rc = vrv_vfs_list(w->vfs, w->dir, drop_old, w, e);

    if (rc < 0 && w->list_err.code != 0 && e != NULL)
        *e = w->list_err;
    for (unsigned i = 0; i < w->n && rc == 0; i++) {
        rc = open_one(w, w->vfs, i, VRV_OPEN_CREATE | VRV_OPEN_EXCL, e);
        if (rc == 0)
            rc = vrv__wal_file_header_write(w, i, e);
        if (rc == 0) {
            w->ring[i].filled = w->ring[i].end = VRV_WAL_FILE_HEADER;
            uint64_t upto = fill_first < w->file_bytes ? fill_first : w->file_bytes;
            if (i != 0)
                upto = VRV_WAL_FILE_HEADER;
            rc = zero_fill(w, &w->ring[i], upto & ~(uint64_t)(VRV_DIRECT_ALIGN - 1), e);
        }
        if (rc == 0)
            rc = vrv_file_sync(w->ring[i].f, e);
    }
    return rc == 0 ? vrv_vfs_sync_dir(w->vfs, w->dir, e) : rc;
}

static int
check_name(void *ctx, const char *name, bool is_dir)
{
    struct wal_file *w = ctx;

    for (unsigned i = 0; i < w->n && !is_dir; i++) {
        char want[32];

        (void)snprintf(want, sizeof(want), "%06u.wal", i + 1);
        if (strcmp(name, want) == 0)
            return 0;
    }
    return vrv_err_set(&w->list_err, VRV_E_FOREIGN, "%s/%s does not belong there", w->dir, name);
}

static int
open_files(struct wal_file *w, struct vrv_err *e)
{
    int rc = vrv_vfs_list(w->vfs, w->dir, check_name, w, e);

    if (rc < 0 && w->list_err.code != 0 && e != NULL)
        *e = w->list_err;
    for (unsigned i = 0; i < w->n && rc == 0; i++) {
        uint64_t size = 0;

        rc = open_one(w, w->vfs, i, 0, e);
        if (rc == 0)
            rc = vrv__wal_file_header_check(w, i, e);
        if (rc == 0)
            rc = vrv_file_size(w->ring[i].f, &size, e);
        if (rc == 0) {
            size = size < w->file_bytes ? size : w->file_bytes;
            w->ring[i].filled = size & ~(uint64_t)(VRV_DIRECT_ALIGN - 1);
            w->ring[i].end = VRV_WAL_FILE_HEADER;
            /* Without O_DIRECT the page cache may show what a failed sync has lost. */
            if (!w->direct)
                vrv_file_drop_cache(w->ring[i].f, 0, size);
        }
    }
    return rc;
}

static struct wal_file *
wal_file_new(struct vrv_vfs *vfs, const struct vrv_wal_file_opts *o)
{
    struct wal_file *w = VRV_NEW(struct wal_file);

    VRV_ASSERT(o->files >= 2 && o->files <= VRV_WAL_FILES_MAX);
    VRV_ASSERT(o->file_bytes >= VRV_WAL_FILE_MIN && o->file_bytes % VRV_DIRECT_ALIGN == 0);
    w->magic = WAL_FILE_MAGIC;
    w->dev.ops = &ops;
    w->dev.window = 1;
    w->dev.align = VRV_DIRECT_ALIGN;
    size_t quarter = o->file_bytes / 4 / VRV_DIRECT_ALIGN * VRV_DIRECT_ALIGN;
    size_t group = (o->group_bytes + VRV_DIRECT_ALIGN - 1) & ~(size_t)(VRV_DIRECT_ALIGN - 1);
    w->dev.group_max = quarter < GROUP_LIMIT ? quarter : GROUP_LIMIT;
    w->group_most = group > 0 && group < w->dev.group_max ? group : w->dev.group_max;
    w->dev.capacity = o->files * (o->file_bytes - VRV_WAL_FILE_HEADER - w->group_most);
    w->vfs = vfs;
    w->dir = vrv_mem_strdup(o->dir);
    w->wal_id = o->wal_id;
    w->n = o->files;
    w->file_bytes = o->file_bytes;
    w->pool = o->pool;
    w->direct = o->direct;
    w->ring = vrv_mem_zero(o->files * sizeof(*w->ring));
    vrv_lock_init(&w->lock, VRV_LOCK_waldev);
    return w;
}

int
vrv_wal_file_open(struct vrv_waldev **out, struct vrv_vfs *vfs, const struct vrv_wal_file_opts *o,
    uint64_t trim_slot, uint64_t durable_slot, uint64_t next_seq, vrv_wal_replay_fn *fn, void *ctx,
    struct vrv_wal_found *found, struct vrv_err *e)
{
    struct wal_file *w = wal_file_new(vfs, o);
    struct vrv_waldev *dev = &w->dev;
    int rc;

    *found = (struct vrv_wal_found){ .next_slot = trim_slot, .next_seq = next_seq };
    if (o->create)
        rc = create_files(w, o->fill_first, e);
    else
        rc = open_files(w, e);
    if (rc == 0 && !o->create)
        rc = vrv__wal_recover(w, trim_slot, durable_slot, fn, ctx, found, e);
    if (rc < 0) {
        vrv_waldev_close(&dev);
        return rc;
    }
    *out = dev;
    return 0;
}
