/*
 * Stores for who can wait: one call after the other, with its retries.
 *
 * Threads: one for each of these; several may share a store.
 */
#ifndef VRV_STORE_SYNC_H
#define VRV_STORE_SYNC_H

#include "tiering/store/retry.h"

struct vrv_sync {
    struct vrv_store *store; /* borrowed, as the next one */
    struct vrv_clock *clock;
    int64_t call_ms;         /* for each call, with all its attempts */
    struct vrv_cq cq;
    struct vrv_retry *retry;
};

void vrv_sync_init(struct vrv_sync *s, struct vrv_store *store, struct vrv_clock *clock, uint64_t random,
    int64_t call_ms);
void vrv_sync_fini(struct vrv_sync *s);

/* Whatever was asked through `retry`, until it says that it is done. */
void vrv_sync_wait(struct vrv_sync *s, const bool *done);
/* The call's status; c is filled in but for its queue and deadline. */
int vrv_sync_call(struct vrv_sync *s, struct vrv_store_call *c);

/* All of an object of at most `most` bytes, to be freed. */
int vrv_sync_get(struct vrv_sync *s, const char *key, size_t most, uint8_t **out, size_t *n,
    struct vrv_err *e) VRV_MUST_CHECK;
/* A small one, which is read back; CORRUPT: that is something else. */
int vrv_sync_put(struct vrv_sync *s, const char *key, const void *p, size_t n, bool if_absent,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Each name that begins so, in order; not zero stops and is returned. */
typedef int vrv_sync_name_fn(void *ctx, const struct vrv_store_name *name);
int vrv_sync_list(struct vrv_sync *s, const char *prefix, vrv_sync_name_fn *fn, void *ctx,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
