/* What scrub.c and part.c share. */
#ifndef VRV_SCRUB_SCRUB_INT_H
#define VRV_SCRUB_SCRUB_INT_H

#include "engine/os/thread.h"
#include "tiering/daemon/rate.h"
#include "tiering/scrub/known.h"
#include "tiering/scrub/scrub.h"

struct vrv__scrub {
    const struct vrv_scrub_opts *o;
    struct vrv_known known;
    struct vrv_known_parts parts;
    struct vrv_lock lock;      /* rank scrub; guards the rest, and calls of tell and progress */
    struct vrv_scrubbed *out;
    struct vrv_rate rate;
    size_t next;               /* of the partitions */
    uint64_t done, total;
    int rc;
    struct vrv_err err;
};

/* Count and tell. */
void vrv__scrub_found(struct vrv__scrub *c, const struct vrv_finding *f);
/* So much is done, of what progress is told of. */
void vrv__scrub_done(struct vrv__scrub *c, uint64_t n);
/* So many bytes are read now: not faster than is allowed. */
void vrv__scrub_before(void *c, size_t n);

/* All of a partition. */
int vrv__scrub_part(struct vrv__scrub *c, struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
