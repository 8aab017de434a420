/* Whose a data directory is: a cluster's id, which its catalog keeps.  Threads: one. */
#ifndef VRV_META_CLUSTER_H
#define VRV_META_CLUSTER_H

#include "engine/base/uuid.h"
#include "engine/meta/catalog.h"

enum { VRV_CLUSTER_ID = 22 }; /* characters at most */

/* The id that is kept; where none is, `want`, or if that is NULL one made of `random`, is kept from now
 * on.  INVALID: it is another one than wanted; and the catalog's errors. */
int vrv_cluster_id(struct vrv_catalog *c, const char *want, const struct vrv_uuid *random,
    char out[VRV_CLUSTER_ID + 1], struct vrv_err *e) VRV_MUST_CHECK;

#endif
