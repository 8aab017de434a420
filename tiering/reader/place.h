/*
 * Where in what is cold the wanted batch lies: from the manifest to the page, the segment, the chunk, and
 * the batch within it.  Nothing is read here: what must be had first is said.
 *
 * Threads: any, one at a time for each place.
 */
#ifndef VRV_READER_PLACE_H
#define VRV_READER_PLACE_H

#include "engine/contract/cold.h"
#include "tiering/parts/parts.h"
#include "tiering/reader/cache.h"

struct vrv_place {
    enum vrv_cold_want want; /* NEWEST becomes AS_NEW when it is known how new that is */
    int64_t at, ts;          /* the batch ends at or behind `at`, with a max timestamp of ts or more */
    struct vrv_snap *snap;   /* references, or NULL: the manifest, */
    struct vrv_piece *page;  /* and the page of it that is looked into */
    /* what was found: */
    const struct vrv_cold_page *needs;
    const struct vrv_cold_seg *seg;
    uint32_t chunk;
    int64_t end;             /* one past what that chunk holds */
    int64_t next;            /* one past the batches that were taken of it */
};

void vrv_place_fini(struct vrv_place *p);

/* Find the chunk that may hold the batch: 0.  RANGE: there is no such batch.  VRV_PLACE_PAGE: this page
 * (needs) is to be put into p->page first.  VRV_PLACE_ROOT: the manifest is thin just there, a whole one is
 * to take its place. */
enum { VRV_PLACE_PAGE = 1, VRV_PLACE_ROOT };
int vrv_place_find(struct vrv_place *p, struct vrv_err *e) VRV_MUST_CHECK;
/* Look in that chunk: whole batches from the wanted one on, up to max_bytes, but one at least (a
 * reference).  NULL: it isn't there, but behind: find again. */
struct vrv_cold_bytes *vrv_place_look(struct vrv_place *p, struct vrv_piece *chunk, size_t max_bytes);

/* These bytes tell of n aborted transactions from now on; takes over *v, which is malloc'd. */
void vrv_place_give(struct vrv_cold_bytes *b, struct vrv_cold_aborted **v, size_t n);

#endif
