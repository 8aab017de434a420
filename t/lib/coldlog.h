/*
 * An engine with one topic "t", and its cold tier over a fake store, run by steps on the caller's thread: what
 * tests of the tier's parts begin with.  All of it is theirs to use.
 *
 * Threads: one.
 */
#ifndef VRV_T_COLDLOG_H
#define VRV_T_COLDLOG_H

#include "engine/engine_int.h"
#include "t/lib/fakestore.h"
#include "t/lib/onelog.h"
#include "t/lib/tierrig.h"

extern struct tierrig tier;
extern struct fakestore *fake;
extern struct vrv_cq fetches;

/* An empty disk and an empty store.  `set`, where it isn't NULL, changes what a test is about, in each tier that
 * starts until the end. */
void coldlog_begin(uint64_t seed, int32_t partitions, const char *configs, void (*set)(void));
void coldlog_end(void);
/* The tier starts anew beside the engine: what it knew but for the catalog is gone. */
void coldlog_tier_anew(uint64_t seed);
/* An orderly stop and start of both: nothing is in memory any more. */
void coldlog_restart(uint64_t seed);

/* Segments of two batches of two records each, sealed; a value is its batch's offset in 200 digits. */
void coldlog_put(struct vrv_log *log, int segments);
/* What is in the store below the offset is to go from this disk: it does as time passes. */
void coldlog_drop(struct vrv_log *log, int64_t offset);
/* One read of the cold tier, to its answer: the status, rig.e. */
int coldlog_fetch(struct vrv_log *log, struct vrv_read *r);

#endif
