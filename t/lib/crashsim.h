/*
 * A data directory on a simulated disk, worked on by a random scheduler, and a model that knows
 * what must be there.
 *
 * One seed is one run: appends (also atomic ones over several logs, idempotent ones and
 * repetitions), rolls, delete-records, truncation, retention, topics that come, change, grow and
 * go, readers that wait, time passing, a disk that fills up, and the engine's steps in any order;
 * how often each happens, and the settings of engine and topics, are drawn per run.  The power
 * fails at a random operation, or only the process dies; the engine is thrown away, the disk
 * decides what it kept, and after recovery the model is held against what can be read:
 *
 *   - what was acknowledged under `sync` is there, at its offset, byte for byte;
 *   - nothing is there that wasn't appended, and no offset changed its meaning;
 *   - a reader never saw more than survives (sync);
 *   - atomic appends are there as a whole or not at all;
 *   - an acknowledged delete-records stays, and so does a truncation: one that a crash came before
 *     has happened as a whole or not at all;
 *   - a repetition of an acknowledged batch gets the same offset;
 *   - recovering twice gives the same;
 *   - a deleted topic stays deleted, an altered or grown one is as it was left, a sealed segment is
 *     what was sealed, to the byte;
 *   - while it runs: no read passes over what was acknowledged, look-ups by time find the record,
 *     waiting readers are woken, and at rest an append is taken.
 *
 * A broken promise is printed with the seed, and counted.
 */
#ifndef VRV_T_CRASHSIM_H
#define VRV_T_CRASHSIM_H

#include <stdbool.h>
#include <stdint.h>

#include "t/lib/simdisk.h"

struct crashsim_opts {
    uint64_t seed;
    int generations;        /* crashes in this run */
    int steps;              /* at most so many actions between them */
    int policy;             /* enum sim_policy, or -1: any */
    bool lossy;             /* some topics have flush.policy none or interval, for a while */
    bool direct;            /* WAL past the page cache */
    /* instead of a crash: the n-th operation from the start fails in this way */
    uint64_t fail_at;
    enum sim_fault fault;
    bool sticky;
    bool warm;              /* counted not from the first start, but from one after a crash */
};

struct crashsim_result {
    int broken;             /* promises */
    uint64_t ops;           /* disk operations */
    uint64_t fault_ops;     /* those of them that fail_at counts */
    uint64_t appended, acked, recovered, crashes, checkpoints, sealed, failed_stop;
    bool fault_hit;
};

void crashsim_run(const struct crashsim_opts *o, struct crashsim_result *r);

#endif
