/*
 * Loss of power on the simulated disk: which pending changes reached it.
 *
 * Each file and each directory has an ordered list of pending changes.  A policy picks from
 * them, by a seed; then the picked ones are applied to the durable state, the rest is forgotten,
 * and what programs see begins anew from the durable state.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/simtree.h"

const char *
sim_policy_name(enum sim_policy policy)
{
#define NAME(name) [SIM_##name] = #name,
    static const char *const names[] = { SIM_POLICIES(NAME) };
#undef NAME

    VRV_ASSERT((unsigned)policy < SIM_POLICY_COUNT);
    return names[policy];
}

struct crash {
    enum sim_policy policy;
    struct vrv_rand rand;
    uint64_t cut; /* ORDERED: changes before this moment are on the disk */
};

/* 0 .. n, both included. */
static size_t
upto(struct crash *c, size_t n)
{
    return (size_t)vrv_rand_below(&c->rand, (uint64_t)n + 1);
}

/* A chance of `quarters` in four.  Drawn per file, so that all of nothing, nearly nothing, half,
 * nearly all and all of it occur. */
static bool
chance(struct crash *c, unsigned quarters)
{
    return vrv_rand_below(&c->rand, 4) < quarters;
}

/* ---- bytes ---- */

static void
apply_first(struct sim_inode *ino, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sim_rec_apply(ino, &ino->rec[i], 0, ino->rec[i].len);
}

/* The length from `from` on of the piece that lies in one sector. */
static size_t
sector_end(const struct sim_rec *rec, size_t from)
{
    size_t to = from + SIM_SECTOR - (size_t)((rec->pos + from) % SIM_SECTOR);

    return to < rec->len ? to : rec->len;
}

/* Any of the sectors of a write below position `end`. */
static void
apply_some_sectors(struct crash *c, struct sim_inode *ino, const struct sim_rec *rec,
    unsigned quarters, uint64_t end)
{
    for (size_t from = 0, to; from < rec->len; from = to) {
        to = sector_end(rec, from);
        if (rec->pos + from >= end)
            break;
        if (rec->pos + to > end)
            to = (size_t)(end - rec->pos);
        if (chance(c, quarters))
            sim_rec_apply(ino, rec, from, to);
    }
}

/* A prefix of the writes, and a part of the next one. */
static void
resolve_torn(struct crash *c, struct sim_inode *ino)
{
    size_t whole = upto(c, ino->rec_n);

    apply_first(ino, whole);
    if (whole == ino->rec_n || ino->rec[whole].kind == REC_TRUNCATE)
        return;
    const struct sim_rec *rec = &ino->rec[whole];
    uint64_t end = rec->pos + upto(c, rec->len);
    if (c->policy == SIM_TORN_SECTOR)
        end -= end % SIM_SECTOR;
    if (end > rec->pos)
        sim_rec_apply(ino, rec, 0, (size_t)(end - rec->pos));
}

static void
fill_noise(struct crash *c, uint8_t *buf)
{
    for (size_t i = 0; i < SIM_SECTOR; i += sizeof(uint64_t)) {
        uint64_t v = vrv_rand_next(&c->rand);

        memcpy(buf + i, &v, sizeof(v));
    }
}

/* What lay in a block before it became part of this file: nothing, noise, or (the worst, because
 * it may pass every check but that of its place) a sector of this very file. */
static void
fill_sector(struct crash *c, struct sim_inode *ino, uint64_t pos, size_t n)
{
    uint64_t sectors = ino->seen.size / SIM_SECTOR;
    uint8_t buf[SIM_SECTOR] = { 0 };

    switch (vrv_rand_below(&c->rand, sectors > 0 ? 3 : 2)) {
    case 1:
        fill_noise(c, buf);
        break;
    case 2:
        sim_image_read(&ino->seen, buf, sizeof(buf),
            vrv_rand_below(&c->rand, sectors) * SIM_SECTOR);
        break;
    default:
        break;
    }
    sim_image_write(&ino->durable, buf, n, pos);
}

static void
fill_garbage(struct crash *c, struct sim_inode *ino, uint64_t pos, uint64_t end)
{
    while (pos < end) {
        uint64_t to = pos + SIM_SECTOR - pos % SIM_SECTOR;

        if (to > end)
            to = end;
        fill_sector(c, ino, pos, (size_t)(to - pos));
        pos = to;
    }
}

/* Where the size of a file may end that was growing: as it was, at its aim, or between. */
static uint64_t
some_size(struct crash *c, const struct sim_inode *ino)
{
    uint64_t old = ino->durable.size, aim = ino->seen.size;

    if (aim <= old || chance(c, 1))
        return old;
    return chance(c, 2) ? aim : old + upto(c, (size_t)(aim - old));
}

/* The size came to the disk before the data. */
static void
resolve_extend(struct crash *c, struct sim_inode *ino)
{
    apply_first(ino, chance(c, 2) ? 0 : upto(c, ino->rec_n));
    uint64_t old = ino->durable.size;
    uint64_t size = some_size(c, ino);
    if (size > old)
        sim_image_resize(&ino->durable, size);
    if (c->policy == SIM_GARBAGE_EXTEND)
        fill_garbage(c, ino, old, size);
}

static void
resolve_subset(struct crash *c, struct sim_inode *ino)
{
    unsigned quarters = (unsigned)upto(c, 4);
    uint64_t old = ino->durable.size;
    uint64_t size = some_size(c, ino);

    if (size > old)
        sim_image_resize(&ino->durable, size);
    if (c->policy == SIM_ARBITRARY && chance(c, 2))
        fill_garbage(c, ino, old, size);
    for (size_t i = 0; i < ino->rec_n; i++) {
        if (ino->rec[i].kind != REC_TRUNCATE)
            apply_some_sectors(c, ino, &ino->rec[i], quarters, UINT64_MAX);
        else if (chance(c, quarters))
            sim_rec_apply(ino, &ino->rec[i], 0, 0);
    }
}

/* As ext4 with data=ordered: growth and truncation come in order with all other metadata, new
 * blocks are written before the size that shows them; overwrites come at any time. */
static void
resolve_ordered(struct crash *c, struct sim_inode *ino)
{
    unsigned quarters = (unsigned)upto(c, 4);

    for (size_t i = 0; i < ino->rec_n; i++) {
        const struct sim_rec *rec = &ino->rec[i];
        bool grows = rec->kind == REC_TRUNCATE || rec->pos + rec->len > ino->durable.size;

        if (grows && rec->seq < c->cut)
            sim_rec_apply(ino, rec, 0, rec->len);
        else if (rec->kind != REC_TRUNCATE)
            apply_some_sectors(c, ino, rec, quarters, ino->durable.size);
    }
}

static void
resolve_data(struct crash *c, struct sim_inode *ino)
{
    if (ino->rec_n == 0)
        return;
    switch (c->policy) {
    case SIM_KEEP_ALL:
        apply_first(ino, ino->rec_n);
        break;
    case SIM_PREFIX:
        apply_first(ino, upto(c, ino->rec_n));
        break;
    case SIM_TORN_SECTOR:
    case SIM_TORN_BYTE:
        resolve_torn(c, ino);
        break;
    case SIM_ZERO_EXTEND:
    case SIM_GARBAGE_EXTEND:
        resolve_extend(c, ino);
        break;
    case SIM_SUBSET:
    case SIM_ARBITRARY:
        resolve_subset(c, ino);
        break;
    case SIM_ORDERED:
        resolve_ordered(c, ino);
        break;
    case SIM_DROP_ALL:
    case SIM_POLICY_COUNT:
        break;
    }
}

/* ---- names ---- */

static bool
keeps_name(struct crash *c, const struct sim_entop *op, bool in_prefix, unsigned quarters)
{
    switch (c->policy) {
    case SIM_DROP_ALL:
        return false;
    case SIM_KEEP_ALL:
        return true;
    case SIM_ORDERED:
        return op->seq < c->cut;
    case SIM_ARBITRARY:
        return chance(c, quarters);
    default:
        return in_prefix;
    }
}

static void
resolve_names(struct crash *c, struct sim_inode *dir)
{
    if (dir->op_n == 0)
        return;
    unsigned quarters = (unsigned)upto(c, 4);
    /* Half of the time all, or hardly any file would be there to show what its data became. */
    size_t prefix = chance(c, 2) ? dir->op_n : upto(c, dir->op_n);
    for (size_t i = 0; i < dir->op_n; i++)
        if (keeps_name(c, &dir->op[i], i < prefix, quarters))
            sim_entop_apply(dir, &dir->op[i]);
}

/* ---- the disk ---- */

/* A moment among the pending changes. */
static uint64_t
some_cut(struct crash *c, struct sim_inode *const *all, size_t n, uint64_t last)
{
    uint64_t first = last + 1;

    for (size_t i = 0; i < n; i++) {
        if (all[i]->rec_n > 0 && all[i]->rec[0].seq < first)
            first = all[i]->rec[0].seq;
        if (all[i]->op_n > 0 && all[i]->op[0].seq < first)
            first = all[i]->op[0].seq;
    }
    return first + upto(c, (size_t)(last + 1 - first));
}

/* From now on programs see what is durable. */
static void
restart(struct sim_inode *ino)
{
    sim_data_lose(ino);
    sim_entops_clear(ino);
    sim_image_assign(&ino->seen, &ino->durable);
    sim_names_assign(&ino->live, &ino->stable);
}

static void
detach_all(struct simdisk *d)
{
    for (struct vrv_list *l = d->handles.next; l != &d->handles; l = l->next)
        sim_file_detach(VRV_LIST_OF(l, struct sim_file, link));
}

static struct sim_inode *
inode_of(struct vrv_list *l)
{
    return VRV_LIST_OF(l, struct sim_inode, link);
}

/* Names came and went without count: begin again with what is left. */
static void
recount_space(struct simdisk *d)
{
    d->used = 0;
    for (struct vrv_list *l = d->inodes.next; l != &d->inodes; l = l->next) {
        inode_of(l)->nlink = 0;
        inode_of(l)->charge = 0;
    }
    for (struct vrv_list *l = d->inodes.next; l != &d->inodes; l = l->next) {
        const struct sim_names *names = &inode_of(l)->live;

        for (size_t i = 0; i < names->n; i++)
            names->e[i].inode->nlink++;
    }
    for (struct vrv_list *l = d->inodes.next; l != &d->inodes; l = l->next)
        sim_inode_charge(d, inode_of(l));
}

void
simdisk_crash(struct simdisk *d, enum sim_policy policy, uint64_t seed)
{
    struct crash c = { .policy = policy, .rand = { seed } };
    size_t n;

    sim_lock_disk(d);
    struct sim_inode **all = sim_hold_all(d, &n);
    detach_all(d);
    c.cut = some_cut(&c, all, n, d->seq);
    for (size_t i = 0; i < n; i++) {
        resolve_data(&c, all[i]);
        resolve_names(&c, all[i]);
    }
    for (size_t i = 0; i < n; i++)
        restart(all[i]);
    for (size_t i = 0; i < n; i++)
        sim_inode_unref(all[i]);
    free(all);
    recount_space(d);
    d->off_at = 0;
    d->fault = (struct sim_fault_plan){ 0 };
    sim_unlock_disk(d);
}
