/* Inodes and names of the simulated disk, each twice: as programs see them, and as they are on
 * the disk, with the ordered list of what leads from the second to the first. */
#include "t/lib/simtree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

/* ---- inodes ---- */

struct sim_inode *
sim_inode_new(struct simdisk *d, bool is_dir)
{
    struct sim_inode *ino = VRV_NEW(struct sim_inode);

    vrv_list_push(&d->inodes, &ino->link);
    ino->is_dir = is_dir;
    return ino;
}

void
sim_inode_ref(struct sim_inode *ino)
{
    ino->refs++;
}

void
sim_inode_empty(struct sim_inode *ino)
{
    sim_data_lose(ino);
    sim_entops_clear(ino);
    sim_names_clear(&ino->live);
    sim_names_clear(&ino->stable);
}

void
sim_inode_unref(struct sim_inode *ino)
{
    VRV_ASSERT(ino->refs > 0);
    if (--ino->refs > 0)
        return;
    sim_inode_empty(ino);
    vrv_list_del(&ino->link);
    free(ino->rec);
    free(ino->op);
    free(ino->live.e);
    free(ino->stable.e);
    sim_image_fini(&ino->seen);
    sim_image_fini(&ino->durable);
    free(ino);
}

struct sim_inode **
sim_hold_all(struct simdisk *d, size_t *n)
{
    struct sim_inode **all = NULL;
    size_t cap = 0;

    *n = 0;
    for (struct vrv_list *l = d->inodes.next; l != &d->inodes; l = l->next) {
        VRV_PUSH_ROOM(all, *n, cap);
        all[*n] = VRV_LIST_OF(l, struct sim_inode, link);
        sim_inode_ref(all[(*n)++]);
    }
    return all;
}

/* A file without a live name or handle takes no room: Linux frees its blocks at once, although
 * its durable name may bring it back after a crash. */
void
sim_inode_charge(struct simdisk *d, struct sim_inode *ino)
{
    bool in_use = ino->nlink > 0 || ino->opens > 0;

    d->used -= ino->charge;
    ino->charge = in_use ? (ino->seen.size + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE : 0;
    d->used += ino->charge;
}

/* ---- bytes ---- */

void
sim_rec_push(struct simdisk *d, struct sim_inode *ino, struct sim_rec rec)
{
    VRV_PUSH_ROOM(ino->rec, ino->rec_n, ino->rec_cap);
    rec.seq = ++d->seq;
    ino->rec[ino->rec_n++] = rec;
}

void
sim_rec_apply(struct sim_inode *ino, const struct sim_rec *rec, size_t from, size_t to)
{
    if (rec->kind == REC_TRUNCATE)
        sim_image_resize(&ino->durable, rec->pos);
    else
        sim_image_write(&ino->durable, rec->data ? rec->data + from : NULL, to - from,
            rec->pos + from);
}

void
sim_data_lose(struct sim_inode *ino)
{
    for (size_t i = 0; i < ino->rec_n; i++)
        free(ino->rec[i].data);
    ino->rec_n = 0;
}

/* The size is part of a sync even where the bytes below it were lost by an earlier, failed one. */
void
sim_data_sync(struct sim_inode *ino)
{
    for (size_t i = 0; i < ino->rec_n; i++)
        sim_rec_apply(ino, &ino->rec[i], 0, ino->rec[i].len);
    sim_image_resize(&ino->durable, ino->seen.size);
    sim_data_lose(ino);
}

static void
overlay_write(const struct sim_rec *rec, uint8_t *buf, size_t n, uint64_t pos)
{
    uint64_t from = rec->pos > pos ? rec->pos : pos;
    uint64_t to = rec->pos + rec->len < pos + n ? rec->pos + rec->len : pos + n;

    if (from >= to)
        return;
    if (rec->data != NULL)
        memcpy(buf + (from - pos), rec->data + (from - rec->pos), (size_t)(to - from));
    else
        memset(buf + (from - pos), 0, (size_t)(to - from));
}

static void
overlay_truncate(const struct sim_rec *rec, uint8_t *buf, size_t n, uint64_t pos)
{
    uint64_t from = rec->pos > pos ? rec->pos : pos;

    if (from < pos + n)
        memset(buf + (from - pos), 0, (size_t)(pos + n - from));
}

void
sim_device_read(const struct sim_inode *ino, void *buf, size_t n, uint64_t pos)
{
    sim_image_read(&ino->durable, buf, n, pos);
    for (size_t i = 0; i < ino->rec_n; i++) {
        if (ino->rec[i].kind == REC_DIRECT)
            overlay_write(&ino->rec[i], buf, n, pos);
        else if (ino->rec[i].kind == REC_TRUNCATE)
            overlay_truncate(&ino->rec[i], buf, n, pos);
    }
}

/* ---- names ---- */

/* Where `name` is, or would be put. */
static size_t
names_place(const struct sim_names *names, const char *name, bool *found)
{
    size_t lo = 0, hi = names->n;

    *found = false;
    while (lo < hi && !*found) {
        size_t mid = lo + (hi - lo) / 2;
        int cmp = strcmp(names->e[mid].name, name);

        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
        if (cmp == 0) {
            lo = mid;
            *found = true;
        }
    }
    return lo;
}

struct sim_inode *
sim_names_get(const struct sim_names *names, const char *name)
{
    bool found;
    size_t i = names_place(names, name, &found);

    return found ? names->e[i].inode : NULL;
}

void
sim_names_set(struct sim_names *names, const char *name, struct sim_inode *ino)
{
    bool found;
    size_t i = names_place(names, name, &found);

    sim_inode_ref(ino); /* before the unref: it may be the same one */
    if (found) {
        sim_inode_unref(names->e[i].inode);
        names->e[i].inode = ino;
        return;
    }
    VRV_PUSH_ROOM(names->e, names->n, names->cap);
    memmove(&names->e[i + 1], &names->e[i], (names->n - i) * sizeof(names->e[0]));
    names->e[i] = (struct sim_entry){ vrv_mem_strdup(name), ino };
    names->n++;
}

void
sim_names_del(struct sim_names *names, const char *name)
{
    bool found;
    size_t i = names_place(names, name, &found);

    if (!found)
        return;
    struct sim_entry gone = names->e[i];
    memmove(&names->e[i], &names->e[i + 1], (names->n - i - 1) * sizeof(names->e[0]));
    names->n--;
    free(gone.name);
    sim_inode_unref(gone.inode);
}

void
sim_names_clear(struct sim_names *names)
{
    while (names->n > 0)
        sim_names_del(names, names->e[names->n - 1].name);
}

void
sim_names_assign(struct sim_names *to, const struct sim_names *from)
{
    sim_names_clear(to);
    for (size_t i = 0; i < from->n; i++)
        sim_names_set(to, from->e[i].name, from->e[i].inode);
}

static void
entop_push(struct sim_inode *dir, struct sim_entop op, const char *name, const char *to)
{
    VRV_PUSH_ROOM(dir->op, dir->op_n, dir->op_cap);
    if (op.inode != NULL)
        sim_inode_ref(op.inode);
    op.name = vrv_mem_strdup(name);
    op.to = to ? vrv_mem_strdup(to) : NULL;
    dir->op[dir->op_n++] = op;
}

/* A live name goes; the space with the last one. */
static void
live_del(struct simdisk *d, struct sim_inode *dir, const char *name)
{
    struct sim_inode *ino = sim_names_get(&dir->live, name);

    if (ino == NULL)
        return;
    ino->nlink--;
    sim_inode_charge(d, ino);
    sim_names_del(&dir->live, name);
}

static void
live_set(struct simdisk *d, struct sim_inode *dir, const char *name, struct sim_inode *ino)
{
    ino->nlink++;
    live_del(d, dir, name);
    sim_names_set(&dir->live, name, ino);
    sim_inode_charge(d, ino);
}

void
sim_name_add(struct simdisk *d, struct sim_inode *dir, const char *name, struct sim_inode *ino,
    uint64_t seq)
{
    entop_push(dir, (struct sim_entop){ .kind = ENT_ADD, .seq = seq, .inode = ino }, name, NULL);
    live_set(d, dir, name, ino);
}

void
sim_name_del(struct simdisk *d, struct sim_inode *dir, const char *name, uint64_t seq)
{
    entop_push(dir, (struct sim_entop){ .kind = ENT_DEL, .seq = seq }, name, NULL);
    live_del(d, dir, name);
}

void
sim_name_move(struct simdisk *d, struct sim_inode *dir, const char *from, const char *to,
    uint64_t seq)
{
    struct sim_inode *ino = sim_names_get(&dir->live, from);

    entop_push(dir, (struct sim_entop){ .kind = ENT_MOVE, .seq = seq, .inode = ino }, from, to);
    live_del(d, dir, from);
    live_set(d, dir, to, ino); /* alive so far by the reference of the pending change */
}

/* Any subset of changes may be applied: a move brings its inode along, even when the change that
 * made the old name was lost. */
void
sim_entop_apply(struct sim_inode *dir, const struct sim_entop *op)
{
    if (op->kind != ENT_ADD)
        sim_names_del(&dir->stable, op->name);
    if (op->kind != ENT_DEL)
        sim_names_set(&dir->stable, op->kind == ENT_MOVE ? op->to : op->name, op->inode);
}

void
sim_entops_clear(struct sim_inode *dir)
{
    size_t n = dir->op_n;

    dir->op_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct sim_entop *op = &dir->op[i];

        free(op->name);
        free(op->to);
        if (op->inode != NULL)
            sim_inode_unref(op->inode);
    }
}

void
sim_names_sync(struct sim_inode *dir)
{
    for (size_t i = 0; i < dir->op_n; i++)
        sim_entop_apply(dir, &dir->op[i]);
    sim_entops_clear(dir);
}

/* ---- paths ---- */

static struct sim_inode *
fail(int sys)
{
    errno = sys;
    return NULL;
}

struct sim_inode *
sim_walk(struct simdisk *d, const char *path, const char **last)
{
    struct sim_inode *dir = d->root;

    for (;;) {
        size_t n = strcspn(path, "/");
        char name[SIM_NAME_MAX + 1];

        if (n > SIM_NAME_MAX)
            return fail(ENAMETOOLONG);
        if (path[n] == '\0') {
            *last = path;
            return dir;
        }
        memcpy(name, path, n);
        name[n] = '\0';
        dir = sim_names_get(&dir->live, name);
        if (dir == NULL)
            return fail(ENOENT);
        if (!dir->is_dir)
            return fail(ENOTDIR);
        path += n + 1;
    }
}

struct sim_inode *
sim_lookup(struct simdisk *d, const char *path)
{
    const char *last;

    if (*path == '\0')
        return d->root;
    struct sim_inode *dir = sim_walk(d, path, &last);
    if (dir == NULL)
        return NULL;
    struct sim_inode *ino = sim_names_get(&dir->live, last);
    return ino != NULL ? ino : fail(ENOENT);
}
