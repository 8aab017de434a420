/*
 * Which aborted transactions have records in a range of offsets: what readers of committed records leave
 * out.  A transaction is listed in the segment that its marker lies in, which may be a later one than those
 * of its records; each entry says up to where all was settled then, and the search ends with the first that
 * reaches behind the range, or where the cold tier does.
 *
 * Nothing is read here: what must be had first is said, as in place.h.  Segments and pages without aborted
 * transactions are passed over.
 *
 * Threads: any, one at a time for each search.
 */
#ifndef VRV_READER_ABORTED_H
#define VRV_READER_ABORTED_H

#include "engine/contract/cold.h"
#include "tiering/reader/cache.h"

struct vrv_aborted {
    int64_t from, to;        /* the range: what was aborted has records in [from, to) */
    struct vrv_cold_aborted *v; /* found so far, malloc'd; by their first offset at the end */
    size_t n, cap;
    /* inside: */
    int64_t at;              /* segments below it were looked into */
    struct vrv_piece *page;  /* a reference, or NULL */
    bool settled;
    /* what is needed: */
    const struct vrv_cold_page *needs;
    const struct vrv_cold_seg *seg;
};

void vrv_aborted_init(struct vrv_aborted *a, int64_t from, int64_t to);
void vrv_aborted_fini(struct vrv_aborted *a);
/* 0: that is all.  Else this page (needs) or this segment's tail (seg) is to be given to _take first. */
enum { VRV_ABORTED_PAGE = 1, VRV_ABORTED_TAIL = 2 };
int vrv_aborted_find(struct vrv_aborted *a, const struct vrv_manifest *m) VRV_MUST_CHECK;
/* Takes over the reference. */
void vrv_aborted_take(struct vrv_aborted *a, struct vrv_piece *p);

#endif
