/*
 * Which segments a root gives to a page, so that it stays small, and readers find the newest in it.
 *
 *   root: pages, then segments    more than root_bytes of these: the oldest go, until half of that is left
 *         newest page has room for the first of them: they join it, as many as fit (it is written anew)
 *         else: they are a new page
 *
 * A page has room up to `full`: root_bytes for each of the first 256, twice that for each of the
 * next 256, and so on, VRV_MANIFEST_PAGE_MAX at most.  So few pages are small, which is what a seek
 * reads, and many are large, so that a root can name them all; each but the newest is half full at
 * least, and nearly full where its segments' entries are much smaller than it is.  A page is
 * written anew for each half of root_bytes that joins it: that is less than a thousandth part of
 * what is moved.
 *
 * Pure.
 */
#ifndef VRV_PARTS_FOLD_H
#define VRV_PARTS_FOLD_H

#include "tiering/format/manifest.h"

struct vrv_fold {
    uint32_t segments; /* so many, the oldest; 0: none */
    bool joins;        /* the newest page; else they are a new one */
};
/* alone: the newest page is left as it is. */
struct vrv_fold vrv_fold_plan(const struct vrv_manifest *m, size_t root_bytes, bool alone);

/* Is there room for a segment more, and whatever it may take?  INVALID: the partition is as large
 * as it may be. */
int vrv_fold_room(const struct vrv_manifest *m, struct vrv_err *e) VRV_MUST_CHECK;

#endif
