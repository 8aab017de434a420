/*
 * An engine on the simulated disk with the cold tier beside it, over a store of the test's: what
 * tests of the tier as a whole begin with.  Rig, store and tier are theirs to use.
 *
 * Threads: one.
 */
#ifndef VRV_T_ONETIER_H
#define VRV_T_ONETIER_H

#include "t/lib/fakestore.h"
#include "t/lib/rig.h"
#include "tiering/tier.h"

enum { MINUTE_MS = 60000 };

extern struct rig rig;
extern struct fakestore *fake;
extern struct vrv_tier *tier;
/* For the next tier that starts. */
extern int64_t deletes_per_second;
extern unsigned moves_at_once;
extern int64_t sweep_every_ms;
extern int64_t orphan_after_ms;
extern void (*told_by_tier)(void *ctx, const struct vrv_tier_news *n);

void begin(uint64_t seed);
void end(void);
/* An orderly stop. */
void down(void);
/* Power fails; what is on its way reaches the store, or doesn't, and nobody hears of it. */
void crash(uint64_t seed);
void up(uint64_t seed);

/* The tier and the engine do what there is to do, for so long. */
void pass(int64_t ms);
struct vrv_tier_stats stats(void);
struct vrv_log_offsets offsets(const char *topic, int32_t partition);
/* So many batches of two records of 200 bytes, a minute apart; each with its offset, and this more: another life has
 * others at the same offsets. */
extern int64_t value_ahead;
extern bool idempotent; /* each batch has a producer of its own */
void put(const char *topic, int32_t partition, int batches);
/* These offsets may have gone with a topic that has come back since (a store that doesn't tell all yet may turn out
 * to have some of them); 0, 0: none did. */
void lost(int64_t from, int64_t to);
/* Read it from its start: where that ends, or what failed. */
int64_t read_all(const char *topic, int32_t partition);

#endif
