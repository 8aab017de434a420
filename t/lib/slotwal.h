/*
 * A WAL in the slots of a shared store, in memory: the other implementation of waldev.h.
 *
 * The store outlives its users, and many share it: each WAL has a name space of its own.  There it
 * holds one stream of slots per session, from slot 1 on; a slot is written once, by
 * create-if-absent.  A session's device has up to K groups in flight: each write arrives some time
 * after it was submitted, or not at all, and its answer comes back some time after that.  When, and
 * in what order, is decided by a seed, one slotwal_step() at a time; a test that wants threads
 * calls it from one of them.
 *
 * Another owner takes a session over by occupying its next slot with a SEAL (L15).  The old owner
 * finds it there sooner or later, and what it had stored above the seal is garbage.
 *
 * Threads: every function from any, but free and close only when no other call runs.
 */
#ifndef VRV_T_SLOTWAL_H
#define VRV_T_SLOTWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/contract/waldev.h"

struct slotstore;

/* Of a stream. */
struct slotname {
    uint64_t wal_id;
    uint32_t session;
};

enum { SLOTWAL_GROUP_MAX = 64 * 1024, SLOTWAL_ALIGN = 64 };

struct slotstore *slotstore_new(void);
void slotstore_free(struct slotstore **s);

/* The device of a session, whose stream is made if it isn't there; `capacity` is
 * in bytes.  Its first slot is 1. */
struct vrv_waldev *slotwal_new(struct slotstore *s, struct slotname name, unsigned k,
    size_t capacity, uint64_t seed);

/* One write arrives, or one answer comes back.  False: nothing is in flight. */
bool slotwal_step(struct vrv_waldev *d);
/* Groups that were submitted and not answered yet. */
unsigned slotwal_in_flight(struct vrv_waldev *d);
/* Bytes claimed and neither used nor given back. */
size_t slotwal_reserved(struct vrv_waldev *d);
/* The n-th answer from now (1 is the next) is an IO error, whether the write arrived or not. */
void slotwal_fail(struct vrv_waldev *d, unsigned n);
/* Its owner is dead: each write in flight may still arrive, but all are answered with an error. */
void slotwal_kill(struct vrv_waldev *d);

/* Take over: occupy the session's first free slot with a SEAL, unless one is there already, and
 * let it trim no more.  The slot of the SEAL: all that was ever acknowledged lies below. */
uint64_t slotwal_fence(struct slotstore *s, struct slotname name);
/* Hand out the groups of a sealed session, in order, from slot `from` up to the SEAL.  Not zero:
 * what fn returned, CORRUPT for a group that isn't what it should be, NOTFOUND for a gap. */
int slotwal_replay(struct slotstore *s, struct slotname name, uint64_t from, vrv_wal_replay_fn *fn,
    void *ctx, struct vrv_err *e) VRV_MUST_CHECK;
/* Is there a group in this slot? */
bool slotwal_holds(struct slotstore *s, struct slotname name, uint64_t slot);

#endif
