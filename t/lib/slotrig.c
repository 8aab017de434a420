#include "t/lib/slotrig.h"

#include <stddef.h>

#include "engine/base/assert.h"
#include "engine/wal/wal_format.h"

enum { CAPACITY = 2 << 20 };

static bool
io_step(struct rig *r)
{
    return slotwal_step(((struct slotrig *)(void *)r)->dev);
}

struct skip {
    vrv_wal_replay_fn *fn;
    void *ctx;
    struct vrv_wal_found *found;
};

/* What the checkpoint has is not replayed; numbers go on over the sessions. */
static int
replay_new(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    struct skip *s = ctx;
    struct vrv_wal_head h;

    VRV_ASSERT(vrv_wal_head_read(&h, bytes));
    if (h.first_seq + h.count <= s->found->next_seq)
        return 0;
    s->found->next_seq = h.first_seq + h.count;
    s->found->groups++;
    return s->fn(s->ctx, bytes, n, slab, e);
}

int
slotrig_replay(struct slotstore *store, struct slotname name, vrv_wal_replay_fn *fn, void *ctx,
    struct vrv_err *e)
{
    uint64_t seal = slotwal_fence(store, name), from = 1;

    while (from < seal && !slotwal_holds(store, name, from))
        from++;
    return slotwal_replay(store, name, from, fn, ctx, e);
}

/* `trim`, a slot of some session before, isn't looked at: next_seq says the same. */
static int
open_slots(struct vrv_wal_opener *op, const struct vrv_wal_open *what, struct vrv_wal_found *found,
    struct vrv_waldev **dev, struct vrv_err *e)
{
    struct slotrig *o = (struct slotrig *)(void *)((char *)op - offsetof(struct slotrig, opener));
    struct slotname name = { o->misled != 0 ? o->misled : what->wal_id, 0 };
    struct skip s = { what->fn, what->ctx, found };
    int rc = 0;

    found->next_slot = 1;
    found->next_seq = what->next_seq;
    while (++name.session < what->session && rc == 0)
        rc = slotrig_replay(o->store, name, replay_new, &s, e);
    if (rc < 0)
        return rc;
    *dev = o->dev = slotwal_new(o->store, name, o->k, CAPACITY, o->seed + name.session);
    o->name = name;
    return 0;
}

void
slotrig_init(struct slotrig *o, struct slotstore *store, unsigned k, uint64_t seed)
{
    rig_init(&o->rig, seed);
    o->opener.open = open_slots;
    o->store = store;
    o->k = k;
    o->seed = seed;
    o->rig.o.wal = &o->opener;
    o->rig.o.group_bytes = 600;
    o->rig.io = io_step;
    rig_up(&o->rig);
}

void
slotrig_crash(struct slotrig *o, enum sim_policy policy, uint64_t seed)
{
    slotwal_kill(o->dev);
    rig_crash(&o->rig, policy, seed);
}

void
slotrig_fini(struct slotrig *o)
{
    if (o->rig.eng != NULL)
        slotwal_kill(o->dev);
    rig_fini(&o->rig);
}
