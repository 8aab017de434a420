/*
 * A server made anew from its store: its data directory, with what is the server's own in it, the offsets that
 * groups have committed.
 *
 *   vrv_restore_look ─► vrv_revive_count ─► what would come back
 *                    └► vrv_revive ─► the data directory, whole
 *
 * A group that had committed beyond what came back goes on where its partition does: what it had read there is
 * lost, and what comes there now it has not read.
 *
 * Threads: one.
 */
#ifndef VRV_COLD_REVIVE_H
#define VRV_COLD_REVIVE_H

#include "server/config/config.h"
#include "tiering/restore/restore.h"

struct vrv_revived {
    uint64_t offsets;  /* that groups have committed, */
    uint64_t beyond;   /* ... of these beyond what came back */
};

/* What the marker has of groups. */
int vrv_revive_count(const struct vrv_restore *r, struct vrv_revived *out, struct vrv_err *e)
    VRV_MUST_CHECK;
/* In the data directory of the configuration.  Errors: vrv_restore_make's, and the engine's. */
int vrv_revive(struct vrv_restore *r, const struct vrv_config *c, struct vrv_revived *out, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
