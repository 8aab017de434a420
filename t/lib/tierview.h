/*
 * A partition for tests of what the tier decides: segments of 100 offsets and 1,000 bytes, one per
 * minute, the newest open; what the store has of them, and rules without limits.  All is theirs to
 * change.
 *
 * Threads: one.
 */
#ifndef VRV_T_TIERVIEW_H
#define VRV_T_TIERVIEW_H

#include "engine/base/rand.h"
#include "tiering/daemon/rules.h"
#include "tiering/format/manifest.h"

enum { SEGS = 10, EACH = 100, BYTES = 1000, MINUTE = 60000, NOW = 1700000000 };

extern struct vrv_tier_local local[SEGS];
extern struct vrv_cold_seg cold_seg[SEGS];
extern struct vrv_manifest cold;
extern struct vrv_tier_rules rules;
extern struct vrv_tier_view view;

/* The first `moved` segments are cold, the first `dropped` of them only there. */
void begin(uint32_t moved, uint32_t dropped);
/* Any of that, with limits or without. */
void draw_limits(struct vrv_rand *r);

#endif
