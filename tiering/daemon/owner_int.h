/* What owner.c and marks.c share. */
#ifndef VRV_DAEMON_OWNER_INT_H
#define VRV_DAEMON_OWNER_INT_H

#include "tiering/daemon/owner.h"

/* The next call to the store; run is told of its end. */
void vrv__owner_call(struct vrv_owner *o, struct vrv_store_call *c, enum vrv_store_op op,
    const char *key, void (*run)(struct vrv_done *d));
/* All that was due is done: go on so much later; or it failed. */
void vrv__owner_done(struct vrv_owner *o, int64_t again_ms);
void vrv__owner_failed(struct vrv_owner *o, const struct vrv_err *e);
/* Write these bytes, which become its own. */
void vrv__owner_put(struct vrv_owner *o, const char *key, uint8_t *bytes, size_t n, bool if_absent,
    void (*run)(struct vrv_done *d));
/* A marker, unless nothing has changed. */
void vrv__owner_mark(struct vrv_owner *o);

#endif
