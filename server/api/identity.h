/*
 * What a data directory gives out once and never again: its cluster's id, and producer ids.
 *
 * Both are kept in the catalog.  Producer ids are taken from it in blocks, durably, before one of
 * them is used; after a crash the rest of a block is lost, and none is given twice.
 */
#ifndef VRV_API_IDENTITY_H
#define VRV_API_IDENTITY_H

#include "engine/meta/catalog.h"
#include "engine/os/lock.h"

enum { VRV_CLUSTER_ID = 22 }; /* characters of a UUID in base64, as Kafka has them */

/* Read it, or make it up; `out` has room for it and a NUL. */
int vrv_cluster_id(struct vrv_catalog *c, char *out, struct vrv_err *e) VRV_MUST_CHECK;

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
