/*
 * The cold tier over a store of the test's, run by its steps on the caller's thread.
 *
 * Threads: one.
 */
#ifndef VRV_T_TIERRIG_H
#define VRV_T_TIERRIG_H

#include "engine/log/log.h"
#include "t/lib/simclock.h"
#include "tiering/daemon/move.h"
#include "tiering/reader/cold.h"

enum { TIERRIG_CHUNK = 600, TIERRIG_AGAIN_MS = 100 }; /* what failed isn't tried again before that */

struct tierrig {
    struct simclock *clock;
    struct vrv_store *store;
    struct vrv_cq cq;
    struct vrv_retry *retry;
    struct vrv_parts parts;
    struct vrv_cold_reader reader;
    struct vrv_move_opts o;    /* of moves: small */
    uint64_t held;             /* bytes of theirs in memory */
    struct vrv_pace pace;
    struct vrv_source source;
    struct vrv_move *move;     /* under way, or NULL */
    struct vrv_log *log;       /* ... of this */
    struct vrv_snap *from;
    struct vrv_producers *producers; /* where the cold tier ends: */
    bool knows_producers;            /* else they are read */
    int status;                /* of the last one */
    struct vrv_err e;
};

void tierrig_init(struct tierrig *t, struct simclock *clock, struct vrv_store *store, uint64_t seed);
/* Nothing may be under way. */
void tierrig_fini(struct tierrig *t);

/* What can be done now: one thing; false: nothing. */
bool tierrig_step(struct tierrig *t);
/* Let time pass until something can be; false: nothing waits for that. */
bool tierrig_wait(struct tierrig *t);
/* Until nothing can be done; what waits for a time gets it. */
void tierrig_run(struct tierrig *t);
/* Begin to move the log's next sealed segment; false: there is none. */
bool tierrig_move(struct tierrig *t, struct vrv_log *log);
/* Move all that are sealed: 0, or what failed. */
int tierrig_offload(struct tierrig *t, struct vrv_log *log);
/* Where the cold tier ends. */
int64_t tierrig_end(struct tierrig *t, struct vrv_log *log);

#endif
