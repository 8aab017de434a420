/* What restore.c and make.c share. */
#ifndef VRV_RESTORE_RESTORE_INT_H
#define VRV_RESTORE_RESTORE_INT_H

#include "tiering/restore/restore.h"

/* fn for each partition, on so many threads, each with a vrv_sync of its own: its status.  The first failure
 * ends it. */
typedef int vrv__restore_fn(struct vrv_restore *r, struct vrv_sync *s, struct vrv_restore_part *p,
    struct vrv_err *e);
int vrv__restore_each(struct vrv_restore *r, vrv__restore_fn *fn, struct vrv_err *e) VRV_MUST_CHECK;

/* Look at one: into p.  Not zero: what the store says. */
int vrv__restore_find(struct vrv_sync *s, struct vrv_restore_part *p, struct vrv_err *e) VRV_MUST_CHECK;
/* The key of its head; out has VRV_CATKEY_MAX bytes. */
void vrv__restore_head_key(const struct vrv_log_id *id, char *out);
/* What the catalog has under a key, or NULL. */
struct vrv_catalog_kv *vrv__restore_kv(struct vrv_restore *r, const char *key);

#endif
