/*
 * What a cold object has besides its chunks, read of the store: index, aborted transactions, producers,
 * epochs; found by its footer, and checked.
 *
 * Threads: the tier's.
 */
#ifndef VRV_READER_EXTRAS_H
#define VRV_READER_EXTRAS_H

#include "engine/os/clock.h"
#include "tiering/format/manifest.h"
#include "tiering/store/retry.h"

struct vrv_extras {
    /* the caller's, until run is called, once, never from within */
    struct vrv_retry *retry;
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    int64_t read_ms;
    /* 0: `x` lies in bytes of ours that are there until run returns. */
    void (*run)(struct vrv_extras *r, int status, const struct vrv_object_extras *x,
        const struct vrv_err *e);
    /* for run */
    bool gone;                 /* nothing has the object's name: it isn't only out of reach */
    /* ours */
    char *key;
    uint64_t pos, size;        /* where the object is */
    unsigned reads;            /* that have ended */
    bool cancelled;
    struct vrv_object_info info;
    uint8_t *bytes;
    struct vrv_store_call call;
};

void vrv_extras_read(struct vrv_extras *r, const struct vrv_cold_seg *s);
/* End it soon, with CANCELLED, also where what was asked for has just come. */
void vrv_extras_cancel(struct vrv_extras *r);

#endif
