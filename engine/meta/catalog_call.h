/* Calls to a metastore that wait for their outcome by stepping it. */
#ifndef VRV_META_CATALOG_CALL_H
#define VRV_META_CATALOG_CALL_H

#include "engine/contract/metastore.h"

/* Start a transaction, of which many may be on their way.  Each is ended: its outcome, as the
 * callback got it; UNKNOWN also when there was none within VRV_CATCALL_STEPS_MAX steps. */
struct vrv_catcall;
struct vrv_catcall *vrv_catcall_start(struct vrv_metastore *m, const struct vrv_meta_txn *t);
int vrv_catcall_end(struct vrv_metastore *m, struct vrv_catcall **call, uint64_t *revision,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Both at once. */
int vrv_catcall_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, uint64_t *revision,
    struct vrv_err *e) VRV_MUST_CHECK;

/* fn for each key, which must not start calls; a failure of it is returned, and no more keys
 * follow.  Keys told before a failure stay told. */
typedef int vrv_catcall_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e);
int vrv_catcall_range(struct vrv_metastore *m, const char *prefix, vrv_catcall_fn *fn, void *ctx,
    uint64_t *revision, struct vrv_err *e) VRV_MUST_CHECK;

/* A store that waits for a network returns from a step after a while without news: this many are
 * long enough for any answer that will come. */
enum { VRV_CATCALL_STEPS_MAX = 100000 };

#endif
