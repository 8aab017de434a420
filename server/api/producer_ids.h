/*
 * Producer ids: given out once, and never again.
 *
 * They are taken from the catalog in blocks, durably, before one of a block is used; after a crash
 * the rest of it is lost.
 */
#ifndef VRV_API_PRODUCER_IDS_H
#define VRV_API_PRODUCER_IDS_H

#include "engine/meta/catalog.h"
#include "engine/os/lock.h"

struct vrv_producer_ids {
    struct vrv_lock lock;
    int64_t next, end; /* guarded by lock: what is left of the block */
};

void vrv_producer_ids_init(struct vrv_producer_ids *ids);
void vrv_producer_ids_fini(struct vrv_producer_ids *ids);
/* One that is at hand, or -1. */
int64_t vrv_producer_ids_take(struct vrv_producer_ids *ids);
/* Get a new block where the last one is used up.  Waits for the disk. */
int vrv_producer_ids_refill(struct vrv_producer_ids *ids, struct vrv_catalog *c,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
