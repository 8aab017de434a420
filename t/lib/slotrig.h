/*
 * An engine over a WAL in the slots of a store (slotwal.h), whose sessions have a stream each.
 *
 * A restarted engine begins a new session, after it has sealed those before and replayed what they
 * left.  Engines may share a store, where each has its own name space; whoever takes its
 * partitions over reads there.
 */
#ifndef VRV_T_SLOTRIG_H
#define VRV_T_SLOTRIG_H

#include "t/lib/rig.h"
#include "t/lib/slotwal.h"

struct slotrig {
    struct rig rig; /* first */
    struct vrv_wal_opener opener;
    struct slotstore *store;
    struct vrv_waldev *dev; /* the session's; the engine closes it */
    struct slotname name; /* of the session */
    uint64_t misled;      /* not 0: it looks into the name space of this WAL instead of its own */
    unsigned k;
    uint64_t seed;
};

/* Open; k groups may be in flight.  The store is borrowed. */
void slotrig_init(struct slotrig *o, struct slotstore *store, unsigned k, uint64_t seed);
/* It dies, with writes on their way. */
void slotrig_crash(struct slotrig *o, enum sim_policy policy, uint64_t seed);
void slotrig_fini(struct slotrig *o);

/* Seal a session, unless it is sealed, and hand its stream out from where it was not trimmed. */
int slotrig_replay(struct slotstore *store, struct slotname name, vrv_wal_replay_fn *fn, void *ctx,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
