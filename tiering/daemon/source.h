/*
 * Reads of segments on this disk, and what is made of them, for who must not wait for that: a thread does
 * them, one after the other.
 *
 * Threads: any; answers are posted.  Until it is started reads are done at once, on the caller's.
 */
#ifndef VRV_DAEMON_SOURCE_H
#define VRV_DAEMON_SOURCE_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/os/cq.h"
#include "engine/seg/seg.h"

struct vrv_source_read {
    struct vrv_done done;
    struct vrv_seg *seg;   /* the caller's reference, as the buffer */
    uint8_t *buf;
    size_t n;
    uint64_t pos;
    void (*use)(struct vrv_source_read *r); /* on that thread, as soon as it was read; or NULL */
    /* the result */
    ssize_t got;           /* or an error */
    struct vrv_err err;
    /* ours */
    struct vrv_source_read *next;
};

struct vrv_source {
    struct vrv_lock lock;  /* rank source; guards what follows */
    pthread_cond_t wanted;
    struct vrv_source_read *head, **tail;
    bool stop, started;
    pthread_t thread;
};

void vrv_source_init(struct vrv_source *s);
int vrv_source_start(struct vrv_source *s, struct vrv_err *e) VRV_MUST_CHECK;
/* Nothing may be asked for. */
void vrv_source_fini(struct vrv_source *s);

void vrv_source_submit(struct vrv_source *s, struct vrv_source_read *r);

#endif
