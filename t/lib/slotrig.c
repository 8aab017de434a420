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
slotrig_replay(struct slotstore *store, uint32_t session, vrv_wal_replay_fn *fn, void *ctx,
    struct vrv_err *e)
{
    uint64_t seal = slotwal_fence(store, session), from = 1;

    while (from < seal && !slotwal_holds(store, session, from))
        from++;
    return slotwal_replay(store, session, from, fn, ctx, e);
}

static int
open_slots(struct vrv_wal_opener *op, uint32_t session, uint64_t trim, uint64_t next_seq,
    vrv_wal_replay_fn *fn, void *ctx, struct vrv_wal_found *found, struct vrv_waldev **dev,
    struct vrv_err *e)
{
    struct slotrig *o = (struct slotrig *)(void *)((char *)op - offsetof(struct slotrig, opener));
    struct skip s = { fn, ctx, found };
    int rc = 0;

    (void)trim; /* a slot of some session before: next_seq says the same */
    found->next_slot = 1;
    found->next_seq = next_seq;
    for (uint32_t i = 1; i < session && rc == 0; i++)
        rc = slotrig_replay(o->store, i, replay_new, &s, e);
    if (rc == 0)
        *dev = o->dev = slotwal_new(o->store, session, o->k, CAPACITY, o->seed + session);
    o->session = session;
    return rc;
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
