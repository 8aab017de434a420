/*
 * Commits of manifests, by steps, of segments that are nowhere: what tests of roots and pages begin with
 * (t/lib/coldlog.h).
 *
 * Threads: one.
 */
#ifndef VRV_T_COLDCOMMIT_H
#define VRV_T_COLDCOMMIT_H

#include "t/lib/coldlog.h"

enum { COLDCOMMIT_OFFSETS = 10 }; /* of a segment */

struct coldcommit {
    struct vrv_parts_commit c;
    int status; /* 1: it goes on; then as tier.e */
};

/* The manifest that counts, to be given back; NULL: there is none.  It is read where it must be. */
struct vrv_snap *coldcommit_now(const struct vrv_log_id *id);
/* A commit of what counts, to be changed: c->c.next. */
void coldcommit_begin(struct coldcommit *c, const struct vrv_log_id *id);
/* ... by a segment more. */
void coldcommit_add(struct coldcommit *c);
/* One segment more than what counts has: it is on its way. */
void coldcommit_start(struct coldcommit *c, const struct vrv_log_id *id);
/* ... and ends: the status. */
int coldcommit(const struct vrv_log_id *id);

#endif
