/*
 * Readers of one log, while its records move from memory to segments to a cold tier, are deleted, and
 * while the machine crashes and the store fails: each reads on without a gap or a repetition, and never
 * anything but what was appended.
 *
 * One seed is one run.  VARVE_SEED: the first; VARVE_RUNS: how many.
 */
#ifndef VRV_T_COLDMODEL_H
#define VRV_T_COLDMODEL_H

#include "engine/base/rand.h"
#include "t/lib/rig.h"

/* The tier of the test. */
struct coldmodel_tier {
    /* One that is empty: r->o.cold. */
    void (*begin)(struct rig *r, uint64_t seed);
    /* The engine was opened. */
    void (*up)(struct rig *r);
    /* It is about to stop, or to crash: no fetch is left.  The tier may be another one then. */
    void (*down)(struct rig *r, bool crash);
    void (*end)(void);
    /* Time passes for it.  False: nothing waits. */
    bool (*step)(void);
    /* Copy what is sealed, or go on with that; how far it reaches now. */
    int64_t (*offload)(struct vrv_log *log);
    /* From now on it is well; or not, by chance. */
    void (*well)(void);
    void (*trouble)(struct vrv_rand *rand);
    /* A thread steps it, or no longer does. */
    void (*thread)(bool on);
};

/* All runs.  True: so many that all that may happen should have. */
bool coldmodel(const struct coldmodel_tier *tier);

#endif
