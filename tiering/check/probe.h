/*
 * May a server do in its store what it will have to?  Tried when it starts, so that a right that is
 * missing shows then, and not when the first segment is to leave or the first one to be deleted:
 *
 *   list, as long as nothing may be written (the store may be another server's); then
 *   put ─► get a range of it ─► list ─► delete, with what crashes left here a day ago and before
 *
 * under a name of its own, below check/ as those of check.h.  One attempt for each; what fails is told as any
 * failure of the store is (retry.h), and is tried again after a while until it is done.
 *
 * Threads: the one that takes the queue.
 */
#ifndef VRV_CHECK_PROBE_H
#define VRV_CHECK_PROBE_H

#include "engine/base/rand.h"
#include "tiering/store/retry.h"

enum { VRV__PROBE_BYTES = 64 };

struct vrv_probe_opts {
    struct vrv_retry *retry;      /* borrowed, as the next ones */
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    uint64_t random;              /* unpredictable: its name is made of it */
    int64_t call_ms;              /* how long an attempt may take */
    int64_t again_ms;             /* until what failed is tried again */
    void (*tried)(void *ctx);     /* after each round, but one that went well as far as it may; may be NULL */
    void *ctx;
};

struct vrv_probe {
    struct vrv_probe_opts o;
    struct vrv_rand random;
    /* ours */
    unsigned left;                /* what is still to be done, by its place in the round */
    unsigned at;                  /* the place that is under way; 0: none is */
    bool writes;                  /* it may */
    bool maybe;                   /* our object may be there */
    bool ends;
    int64_t due_ns;               /* the next round */
    struct vrv_store_call call, list;
    struct iovec iov;
    uint8_t bytes[VRV__PROBE_BYTES], got[VRV__PROBE_BYTES];
    const char **gone;            /* what is deleted: ours, and of the list */
    char key[VRV_STORE_KEY_MAX + 1];
};

void vrv_probe_init(struct vrv_probe *p, const struct vrv_probe_opts *o);
void vrv_probe_fini(struct vrv_probe *p); /* nothing may be under way */
/* Begin what is due, or of that only what doesn't write; when to call again (monotonic ns), or
 * INT64_MAX: when what is under way is done, or never. */
int64_t vrv_probe_step(struct vrv_probe *p, bool writes);
/* No more of it, but that its object goes, if the store does that soon. */
void vrv_probe_end(struct vrv_probe *p);
bool vrv_probe_is_busy(const struct vrv_probe *p);

#endif
