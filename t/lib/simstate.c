/* Looking at a simulated disk from outside, copying it, and damaging it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/simtree.h"

static void
image_flip(struct sim_image *img, uint64_t pos, uint8_t mask)
{
    uint8_t b;

    if (pos >= img->size)
        return;
    sim_image_read(img, &b, 1, pos);
    b ^= mask;
    sim_image_write(img, &b, 1, pos);
}

bool
simdisk_corrupt(struct simdisk *d, const char *path, uint64_t pos, uint8_t mask)
{
    sim_lock_disk(d);
    struct sim_inode *ino = sim_lookup(d, path);
    bool found = ino != NULL && !ino->is_dir && pos < ino->seen.size;
    if (found) {
        image_flip(&ino->seen, pos, mask);
        image_flip(&ino->durable, pos, mask);
    }
    sim_unlock_disk(d);
    return found;
}

/* ---- copies ---- */

static void
copy_names(struct sim_names *to, const struct sim_names *from)
{
    for (size_t i = 0; i < from->n; i++)
        sim_names_set(to, from->e[i].name, from->e[i].inode->twin);
}

static void
copy_recs(struct sim_inode *to, const struct sim_inode *from)
{
    for (size_t i = 0; i < from->rec_n; i++) {
        struct sim_rec rec = from->rec[i];

        if (rec.data != NULL) {
            rec.data = vrv_mem_grow(NULL, rec.len);
            memcpy(rec.data, from->rec[i].data, rec.len);
        }
        VRV_PUSH_ROOM(to->rec, to->rec_n, to->rec_cap);
        to->rec[to->rec_n++] = rec;
    }
}

static void
copy_entops(struct sim_inode *to, const struct sim_inode *from)
{
    for (size_t i = 0; i < from->op_n; i++) {
        struct sim_entop op = from->op[i];

        op.name = vrv_mem_strdup(op.name);
        op.to = op.to ? vrv_mem_strdup(op.to) : NULL;
        op.inode = op.inode ? op.inode->twin : NULL;
        if (op.inode != NULL)
            sim_inode_ref(op.inode);
        VRV_PUSH_ROOM(to->op, to->op_n, to->op_cap);
        to->op[to->op_n++] = op;
    }
}

static void
copy_inode(const struct sim_inode *from)
{
    struct sim_inode *to = from->twin;

    to->nlink = from->nlink;
    to->readonly = from->readonly;
    sim_image_assign(&to->seen, &from->seen);
    sim_image_assign(&to->durable, &from->durable);
    copy_recs(to, from);
    copy_names(&to->live, &from->live);
    copy_names(&to->stable, &from->stable);
    copy_entops(to, from);
}

struct simdisk *
simdisk_copy(struct simdisk *d)
{
    struct simdisk *to = simdisk_new(0);
    size_t n;

    sim_lock_disk(d);
    to->rand = d->rand;
    to->seq = d->seq;
    to->ops = d->ops;
    to->capacity = d->capacity;
    to->nowait = d->nowait;
    struct sim_inode **all = sim_hold_all(d, &n);
    for (size_t i = 0; i < n; i++) {
        all[i]->twin = all[i] == d->root ? to->root : sim_inode_new(to, all[i]->is_dir);
        sim_inode_ref(all[i]->twin); /* until all is linked: it may have no name */
    }
    for (size_t i = 0; i < n; i++)
        copy_inode(all[i]);
    for (size_t i = 0; i < n; i++) {
        sim_inode_charge(to, all[i]->twin);
        sim_inode_unref(all[i]->twin);
        sim_inode_unref(all[i]);
    }
    free(all);
    sim_unlock_disk(d);
    return to;
}

/* ---- walks over the durable tree; as deep as the tree that a test made ---- */

static uint64_t
hash_dir(const struct sim_inode *dir, uint64_t hash)
{
    for (size_t i = 0; i < dir->stable.n; i++) {
        const struct sim_entry *e = &dir->stable.e[i];

        hash = sim_hash_bytes(hash, e->name, strlen(e->name) + 1);
        if (e->inode->is_dir)
            hash = hash_dir(e->inode, hash ^ 1);
        else
            hash = sim_image_hash(&e->inode->durable, hash ^ 2);
    }
    return sim_hash_bytes(hash, "/", 1);
}

uint64_t
simdisk_hash(struct simdisk *d)
{
    sim_lock_disk(d);
    uint64_t hash = hash_dir(d->root, 0);
    sim_unlock_disk(d);
    return hash;
}

static void
list_dir(const struct sim_inode *dir, int depth, FILE *out)
{
    for (size_t i = 0; i < dir->stable.n; i++) {
        const struct sim_entry *e = &dir->stable.e[i];
        const struct sim_inode *ino = e->inode;

        if (ino->is_dir) {
            (void)fprintf(out, "# %*s%s/ (%zu changes of names pending)\n", depth * 2, "", e->name,
                ino->op_n);
            list_dir(ino, depth + 1, out);
        } else {
            (void)fprintf(out, "# %*s%s %" PRIu64 " bytes (seen %" PRIu64 ", %zu writes pending)\n",
                depth * 2, "", e->name, ino->durable.size, ino->seen.size, ino->rec_n);
        }
    }
}

void
simdisk_list(struct simdisk *d, FILE *out)
{
    sim_lock_disk(d);
    (void)fprintf(out, "# / (%zu changes of names pending)\n", d->root->op_n);
    list_dir(d->root, 1, out);
    sim_unlock_disk(d);
}
