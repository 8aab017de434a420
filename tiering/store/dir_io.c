/*
 * What the directory store does for a call, at once.
 *
 *   put:  write ~tmp/x ─► sync ─► link to the key ─► sync the directories above ─► unlink ~tmp/x
 *
 * A power cut in between leaves the object whole, or not there, and perhaps a file in ~tmp/.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/store/dir_int.h"
#include "tiering/store/pieces.h"

enum { READ_AT_ONCE = 1 << 20, SYNC_AT_ONCE = 1 << 20, TMP_PATH = sizeof(VRV__DIR_TMP) + VRV_TMP_NAME, TRIES = 8 };

struct vrv_store_upload {
    _Atomic unsigned refs;    /* its caller's, and one of each call that is done on it, or still hangs */
    struct vrv_store_call end; /* when nobody has one any more */
    struct vrv_file *file;
    char name[VRV_TMP_NAME], tmp[TMP_PATH]; /* below VRV__DIR_TMP, and with it */
    struct vrv_pieces pieces;
    atomic_bool broken;       /* a sync of it failed */
};

/* ---- names ---- */

/* All directories that lead to `path`; vrv__dir_sync_above makes them durable. */
static int
make_parents(struct vrv__dir *d, const char *path, struct vrv_err *e)
{
    char dir[VRV_STORE_KEY_MAX + 1];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - path);

        memcpy(dir, path, n);
        dir[n] = '\0';
        int rc = vrv_vfs_mkdir(d->vfs, dir, e);
        if (rc < 0 && rc != VRV_E_EXISTS)
            return rc;
    }
    return 0;
}

/* What stays is swept one day. */
static void
discard(struct vrv__dir *d, const char *path)
{
    int rc = vrv_vfs_unlink(d->vfs, path, NULL);

    (void)rc;
}

static int
no_place(const char *path, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_IO, "%s: its directory is removed again and again", path);
}

/* ---- writing ---- */

static void
draw_name(struct vrv__dir *d, struct vrv_store_upload *u)
{
    vrv_tmp_drop(&d->tmp, u->name);
    vrv_tmp_draw(&d->tmp, u->name);
    (void)snprintf(u->tmp, sizeof(u->tmp), VRV__DIR_TMP "/%s", u->name);
}

static int
make_tmp(struct vrv__dir *d, struct vrv_store_upload *u, struct vrv_err *e)
{
    for (int i = 0; i < TRIES; i++) {
        draw_name(d, u);
        int rc = vrv_vfs_open(d->vfs, u->tmp, VRV_OPEN_WRITE | VRV_OPEN_CREATE | VRV_OPEN_EXCL,
            &u->file, e);
        if (rc == VRV_E_NOTFOUND)
            rc = make_parents(d, u->tmp, e);
        else if (rc != VRV_E_EXISTS)
            return rc;
        if (rc < 0 && rc != VRV_E_EXISTS)
            return rc;
    }
    return no_place(u->tmp, e);
}

static void
drop_tmp(struct vrv__dir *d, struct vrv_store_upload *u)
{
    vrv_file_close(&u->file);
    if (u->tmp[0] != '\0')
        discard(d, u->tmp);
    vrv_tmp_drop(&d->tmp, u->name);
    u->tmp[0] = '\0';
}

/* A directory on the way may be removed as empty just then. */
static int
link_to(struct vrv__dir *d, const char *tmp, const char *key, struct vrv_err *e)
{
    for (int i = 0; i < TRIES; i++) {
        int rc = vrv_vfs_link(d->vfs, tmp, key, e);
        if (rc == VRV_E_NOTFOUND)
            rc = make_parents(d, key, e);
        else
            return rc == VRV_E_IO ? VRV_E_UNKNOWN : rc; /* over a network it may be there */
        if (rc < 0)
            return rc;
    }
    return no_place(key, e);
}

static int
unwanted(struct vrv_store_call *c)
{
    return vrv_err_set(&c->err, VRV_E_CANCELLED, "nobody waits for it any more");
}

/* The kernel tells whoever of several writers asks first that bytes are lost, and no other, nor
 * later: then what is there can't be told from what is in memory only, and nothing of it counts
 * (L4). */
static int
sync_file(struct vrv_store_upload *u, struct vrv_err *e)
{
    int rc = vrv_file_sync(u->file, e);

    if (rc < 0)
        atomic_store(&u->broken, true);
    else if (atomic_load(&u->broken))
        rc = vrv_err_set(e, VRV_E_IO, "a sync of %s failed before, and what it was for may be lost; it is written anew", u->tmp);
    return rc;
}

/* What is written so far gets its name, unless who wanted that has been answered meanwhile: nobody
 * would know of it. */
static int
publish(struct vrv__dir *d, struct vrv_store_upload *u, struct vrv_store_call *c)
{
    int rc = vrv__dir_check(d, c->key, &c->err);

    if (rc == 0)
        rc = sync_file(u, &c->err);
    if (rc == 0)
        rc = vrv_file_set_readonly(u->file, true, &c->err);
    if (rc == 0)
        rc = vrv_workers_goes_on(d->workers, c) ? link_to(d, u->tmp, c->key, &c->err) : unwanted(c);
    if (rc == 0 && vrv__dir_sync_above(d, c->key, &c->err) < 0)
        rc = VRV_E_UNKNOWN; /* it is there, for now */
    return rc;
}

/* What is to be written, to this position, and synced as it goes: all at the end would take too
 * long for a call, and who has the same disk, the WAL's writer perhaps, would wait behind all of
 * it. */
static int
write_all(struct vrv__dir *d, struct vrv_store_upload *u, struct vrv_store_call *c, uint64_t pos)
{
    uint8_t *piece = vrv_workers_piece(c);
    int rc = 0;

    for (uint64_t at = 0, end; at < c->size && rc == 0; at = end) {
        end = c->size - at < VRV_WORKERS_PIECE ? c->size : at + VRV_WORKERS_PIECE;
        rc = vrv_workers_take(d->workers, c, piece, at, (size_t)(end - at))
            ? vrv_file_pwrite(u->file, piece, (size_t)(end - at), pos + at, &c->err)
            : unwanted(c);
        if (rc == 0 && (end == c->size || end % SYNC_AT_ONCE == 0))
            rc = sync_file(u, &c->err);
    }
    return rc;
}

static int
put(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct vrv_store_upload u = { 0 };
    int rc = make_tmp(d, &u, &c->err);

    if (rc == 0)
        rc = write_all(d, &u, c, 0);
    if (rc == 0)
        rc = publish(d, &u, c);
    drop_tmp(d, &u);
    return rc;
}

static int
begin(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct vrv_store_upload *u = vrv_mem_zero(sizeof(*u));

    atomic_store(&u->refs, 1);
    vrv__dir_stay(d);
    int rc = make_tmp(d, u, &c->err);
    if (rc < 0)
        vrv__dir_upload_unref(d, u);
    else
        c->upload = u;
    return rc;
}

static int
write_part(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct vrv_store_upload *u = c->upload;
    int rc = write_all(d, u, c, (uint64_t)c->part * VRV_STORE_PART);

    if (rc < 0)
        return rc;
    vrv_lock(&d->lock);
    vrv_pieces_set(&u->pieces, c->part, (struct vrv_piece){ .size = (uint32_t)c->size });
    vrv_unlock(&d->lock);
    return 0;
}

static int
end(struct vrv__dir *d, struct vrv_store_call *c)
{
    vrv_lock(&d->lock);
    bool is_all = vrv_pieces_are(&c->upload->pieces, c->size);
    vrv_unlock(&d->lock);
    if (!is_all)
        return vrv_err_set(&c->err, VRV_E_INVALID, "%s: its parts aren't %" PRIu64 " bytes", c->key,
            c->size);
    return publish(d, c->upload, c);
}

void
vrv__dir_upload_ref(struct vrv_store_upload *u)
{
    (void)atomic_fetch_add(&u->refs, 1);
}

void
vrv__dir_upload_unref(struct vrv__dir *d, struct vrv_store_upload *u)
{
    if (atomic_fetch_sub(&u->refs, 1) > 1)
        return;
    drop_tmp(d, u);
    vrv_pieces_clear(&u->pieces);
    free(u);
    vrv__dir_leave(d);
}

struct vrv_store_call *
vrv__dir_upload_end(struct vrv_store_upload *u)
{
    u->end = (struct vrv_store_call){ .op = VRV_STORE_ABORT, .lane = VRV_STORE_HOUSEKEEPING,
        .deadline_ns = INT64_MAX, .upload = u };
    return &u->end;
}

/* A call that hangs still uses it: then it goes with that. */
static int
drop(struct vrv__dir *d, struct vrv_store_call *c)
{
    unsigned own = c->done.cq != NULL ? 2 : 1; /* its caller's and this call's; or the last one */

    if (atomic_load(&c->upload->refs) == own)
        drop_tmp(d, c->upload);
    return 0;
}

/* ---- reading ---- */

/* A key that names a directory names no object. */
static int
no_directory(int rc, const struct vrv_err *e)
{
    return rc < 0 && e->sys == EISDIR ? VRV_E_NOTFOUND : rc;
}

/* What is there of what is wanted: the bytes, or what failed. */
static ssize_t
read_all(struct vrv__dir *d, struct vrv_file *f, struct vrv_store_call *c)
{
    uint8_t *piece = vrv_workers_piece(c);
    ssize_t n = VRV_WORKERS_PIECE;
    size_t at = 0;

    while (at < c->size && n == VRV_WORKERS_PIECE) {
        n = vrv_file_pread(f, piece, c->size - at < VRV_WORKERS_PIECE ? c->size - at : VRV_WORKERS_PIECE,
            c->pos + at, VRV_READ_DONTCACHE, &c->err);
        if (n > 0 && !vrv_workers_give(d->workers, c, piece, at, (size_t)n))
            n = unwanted(c);
        at += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? n : (ssize_t)at;
}

static int
get(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct vrv_file *f;
    int rc = vrv_vfs_open(d->vfs, c->key, 0, &f, &c->err);

    if (rc < 0)
        return rc;
    ssize_t n = vrv_file_size(f, &c->whole, &c->err);
    if (n == 0)
        n = read_all(d, f, c);
    vrv_file_close(&f);
    if (n < 0)
        return no_directory((int)n, &c->err);
    c->got = (size_t)n;
    return 0;
}

static int
checksum_of(struct vrv__dir *d, struct vrv_file *f, struct vrv_store_call *c, uint32_t *crc)
{
    uint64_t size = c->size;
    struct vrv_err *e = &c->err;
    uint8_t *buf = vrv_mem_zero(READ_AT_ONCE);
    uint64_t at = 0;
    ssize_t n = 0;

    *crc = 0;
    while (at < size && (n = vrv_file_pread(f, buf, READ_AT_ONCE, at, VRV_READ_DONTCACHE, e)) > 0) {
        *crc = vrv_crc32c(*crc, buf, (size_t)n);
        at += (uint64_t)n;
        if (!vrv_workers_goes_on(d->workers, c)) {
            n = unwanted(c);
            break;
        }
    }
    free(buf);
    return n < 0 ? no_directory((int)n, e) : 0;
}

static int
verify(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct vrv_file *f;
    uint64_t size = 0;
    uint32_t crc = 0;
    int rc = vrv_vfs_open(d->vfs, c->key, 0, &f, &c->err);

    if (rc < 0)
        return rc;
    rc = vrv_file_size(f, &size, &c->err);
    if (rc == 0 && size == c->size)
        rc = checksum_of(d, f, c, &crc);
    if (rc == 0 && crc == c->crc && vrv_file_sync(f, &c->err) < 0) {
        vrv__dir_break(d, c->key);
        rc = VRV_E_IO;
    }
    vrv_file_drop_cache(f, 0, size); /* it is read again late, if ever: the page cache is for others */
    vrv_file_close(&f);
    if (rc == 0 && size == c->size && crc == c->crc)
        rc = vrv__dir_sync_above(d, c->key, &c->err);
    if (rc == 0 && (size != c->size || crc != c->crc))
        rc = vrv_err_set(&c->err, VRV_E_CORRUPT,
            "%s has %" PRIu64 " bytes with checksum %08" PRIx32 ", not %" PRIu64 " with %08" PRIx32,
            c->key, size, crc, c->size, c->crc);
    return rc;
}

/* ---- deleting ---- */

/* Directories that have become empty go, too, as far as they are. */
static void
remove_empty(struct vrv__dir *d, const char *key)
{
    char dir[VRV_STORE_KEY_MAX + 1];

    vrv_store_parent(key, dir);
    while (dir[0] != '\0' && vrv_vfs_rmdir(d->vfs, dir, NULL) == 0) {
        vrv__dir_forget(d, dir);
        vrv_store_parent(dir, dir);
    }
}

static int
delete_one(struct vrv__dir *d, const char *key, struct vrv_err *e)
{
    char parent[VRV_STORE_KEY_MAX + 1];
    int rc = no_directory(vrv_vfs_unlink(d->vfs, key, e), e);

    if (rc < 0)
        return rc == VRV_E_NOTFOUND ? 0 : rc;
    vrv_store_parent(key, parent);
    rc = vrv_vfs_sync_dir(d->vfs, parent, e);
    if (rc < 0 && rc != VRV_E_NOTFOUND)
        return rc;
    remove_empty(d, key);
    return 0;
}

/* One that can't be deleted doesn't keep the others. */
static int
delete_all(struct vrv__dir *d, struct vrv_store_call *c)
{
    int first = 0;

    for (unsigned i = 0; i < c->max && vrv_workers_goes_on(d->workers, c); i++) {
        int rc = delete_one(d, c->keys[i], first == 0 ? &c->err : NULL);

        if (c->each != NULL)
            c->each[i] = rc;
        c->got += rc == 0;
        if (first == 0)
            first = rc;
    }
    return first;
}

struct sweep {
    struct vrv__dir *d;
    struct vrv_store_call *c;
};

static int
sweep_one(void *ctx, const char *name, bool is_dir)
{
    const struct sweep *s = ctx;
    char path[VRV_STORE_KEY_MAX + 1];

    if (is_dir || !vrv_tmp_is_left(&s->d->tmp, name, s->c->older_ms))
        return 0;
    (void)snprintf(path, sizeof(path), VRV__DIR_TMP "/%.400s", name);
    if (vrv_vfs_unlink(s->d->vfs, path, NULL) == 0)
        s->c->got++;
    return 0;
}

static int
sweep(struct vrv__dir *d, struct vrv_store_call *c)
{
    struct sweep s = { d, c };
    int rc = vrv_vfs_list(d->vfs, VRV__DIR_TMP, sweep_one, &s, &c->err);

    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

int
vrv__dir_do(struct vrv__dir *d, struct vrv_store_call *c)
{
    switch (c->op) {
    case VRV_STORE_PUT:
        return put(d, c);
    case VRV_STORE_BEGIN:
        return begin(d, c);
    case VRV_STORE_PART_N:
        return write_part(d, c);
    case VRV_STORE_END:
        return end(d, c);
    case VRV_STORE_ABORT:
        return drop(d, c);
    case VRV_STORE_GET:
        return get(d, c);
    case VRV_STORE_VERIFY:
        return verify(d, c);
    case VRV_STORE_LIST:
        return vrv__dir_list(d, c);
    case VRV_STORE_DELETE:
        return delete_all(d, c);
    case VRV_STORE_SWEEP:
        return sweep(d, c);
    case VRV_STORE_OPS:
        break;
    }
    VRV_ASSERT(false);
    return 0;
}
