/*
 * Reading what is cold: asked of the cold tier, posted when it is there.
 *
 *   vrv_read ─VRV_READ_COLD─► vrv_fetch ─► ... ─► posted: the read has its slices, or a status
 *
 * What comes is checked before it is given out: each batch's checksum, that it is what was asked
 * for, that offsets ascend and end below the high watermark.  Reading goes on behind it, wherever
 * that is by then.
 *
 * Threads: any.  A fetch is worked on by the cold tier's threads; the engine's expire step ends
 * those whose time has come.
 */
#ifndef VRV_READER_FETCH_H
#define VRV_READER_FETCH_H

#include "engine/reader/reader.h"

struct vrv_fetch {
    struct vrv_done done;     /* done.cq is the caller's to set, as are: */
    struct vrv_read *read;    /* what is wanted (its flags say nothing here), and what was found */
    enum vrv_cold_want want;
    int64_t ts;
    /* The rest is ours until it is posted. */
    int status;               /* 0; RANGE, NOTFOUND and CORRUPT as vrv_read says them; IO: the tier has
                               * nothing where the log has something; TIMEDOUT;
                               * CANCELLED; or what failed in the cold tier */
    struct vrv_err err;       /* when status isn't 0 */
    struct vrv_log *log;
    struct vrv_cold_fetch cold;
    struct vrv_timer timer;
};

/* Begin to read at read->offset, which vrv_read says is cold.  f is posted, once, never from
 * within: when it is there, or at the deadline (of the monotonic clock; INT64_MAX: none), or when
 * it was cancelled.  Posted with 0 the read may still have no slices: the first batch is larger
 * than max_bytes and not wanted whole; or, with another want than ANY, the cold tier has no such
 * batch.  f must have been taken from its queue before the engine is closed. */
void vrv_fetch(struct vrv_log *log, struct vrv_fetch *f, int64_t deadline_ns);
/* Post it now, with CANCELLED, unless it is being answered: then it is posted soon, as it comes.  What
 * was asked for goes on its way and is at hand for the next who asks.  f must not have been taken from
 * its queue yet. */
void vrv_fetch_cancel(struct vrv_log *log, struct vrv_fetch *f);
/* The same as vrv_fetch, and wait for it: for a thread that may.  f->done needs no queue. */
int vrv_fetch_wait(struct vrv_log *log, struct vrv_fetch *f, int64_t deadline_ns,
    struct vrv_err *e) VRV_MUST_CHECK;

/* All that wait for the cold tier, of one engine. */
struct vrv_fetches {
    struct vrv_lock lock;     /* rank fetches: held while the cold tier is told to cancel */
    struct vrv_heap due;      /* guarded by lock, as the next two: all that wait, */
    struct vrv_list asks;     /* those that wait to be told where the cold tier's part ends, */
    bool stopped;             /* and nobody shall any more */
    _Atomic uint64_t waiting; /* not yet posted */
};

void vrv_fetches_init(struct vrv_fetches *fs);
void vrv_fetches_fini(struct vrv_fetches *fs); /* nothing may be waiting */

/* From now on nobody waits, since the server stops: who does, or would, is told CANCELLED, by the next expire
 * step. */
void vrv_fetches_stop(struct vrv_fetches *fs);

/* One who waits on a queue of his own; `ended` is posted there when nobody shall wait any more.  False:
 * nobody shall. */
struct vrv_fetches_ask {
    struct vrv_list link;
    struct vrv_done ended;
};
bool vrv_fetches_join(struct vrv_fetches *fs, struct vrv_fetches_ask *a);
/* False: nobody shall, and he was told. */
bool vrv_fetches_leave(struct vrv_fetches *fs, struct vrv_fetches_ask *a);

/* End those whose deadline has come; the next deadline, or INT64_MAX. */
int64_t vrv_fetches_expire(struct vrv_fetches *fs, struct vrv_cold *cold, int64_t now_ns);

#endif
