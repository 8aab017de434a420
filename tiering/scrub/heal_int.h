/* What heal.c, heal_here.c, heal_left.c, heal_root.c and heal_younger.c share. */
#ifndef VRV_SCRUB_HEAL_INT_H
#define VRV_SCRUB_HEAL_INT_H

#include "tiering/scrub/heal.h"

/* A partition of which something is healed, and what is on its way. */
struct vrv__healing {
    struct vrv_heal *h;
    const struct vrv_log_id *id;
    struct vrv_log *log;
    struct vrv_seg *seg;         /* here; of one segment, as all from here to `made` */
    struct vrv_snap *snap;       /* what counts */
    struct vrv_cold_seg *v;      /* of the page, or the root, that has it, */
    uint32_t n, at;              /* ... and which of them it is */
    int page;                    /* -1: the root has it */
    struct vrv_cold_seg *earlier; /* of a page before, where what is before it lies there */
    uint32_t earlier_n;
    struct vrv_cold_seg made;    /* as it is now */
    bool done;
    int status;
    struct vrv_err err;
};

/* What counts, into o->snap: a whole one, since segments are found by it, and checked against it. */
int vrv__heal_read(struct vrv__healing *o, struct vrv_err *e) VRV_MUST_CHECK;
/* These segments as a page, which is named in the place of this one. */
int vrv__heal_write_page(struct vrv__healing *o, struct vrv_cold_seg *v, uint32_t segments,
    struct vrv_cold_page *in_place_of, struct vrv_err *e) VRV_MUST_CHECK;
/* Is what this disk has of s what is left of it, of which something was cut? */
bool vrv__heal_is_left(struct vrv_heal *h, const struct vrv_log_id *id, const struct vrv_cold_seg *s);
/* What m names and is damaged, or gone, gives way to what was written of it later, and is whole.
 * NOTFOUND, CORRUPT: there is none of what is gone, nor has this disk got it. */
int vrv__heal_younger(struct vrv__healing *o, struct vrv_manifest *m, struct vrv_err *e) VRV_MUST_CHECK;
/* This counts next, or (looks) only what is in its way is settled; it is used up. */
int vrv__heal_commit(struct vrv__healing *o, struct vrv_manifest *next, bool looks, struct vrv_err *e) VRV_MUST_CHECK;

#endif
