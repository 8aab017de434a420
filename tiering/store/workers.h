/*
 * Calls that wait for a thread, and the threads that do them: one call at a time, from its beginning to its
 * end, the oldest first.  A class of calls may have threads of its own, that a slow other one can't take.
 *
 * Nothing of a call that comes too late, or isn't wanted any more, is begun.
 *
 * Threads: any may call all but start and stop.
 */
#ifndef VRV_STORE_WORKERS_H
#define VRV_STORE_WORKERS_H

#include "engine/os/clock.h"
#include "tiering/store/store.h"

struct vrv_workers;

struct vrv_workers_opts {
    const char *what;          /* whose calls, for sentences; copied */
    struct vrv_clock *clock;   /* borrowed */
    int (*run)(void *ctx, struct vrv_store_call *c); /* does it: its status, c->err filled */
    void *ctx;
    unsigned own[VRV_STORE_CLASSES]; /* threads for a class alone */
    unsigned any;              /* ... and for all; none at all: vrv_workers_step() does it */
};

int vrv_workers_start(struct vrv_workers **out, const struct vrv_workers_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nothing may be under way. */
void vrv_workers_stop(struct vrv_workers **w);

void vrv_workers_submit(struct vrv_workers *w, struct vrv_store_call *c);
void vrv_workers_cancel(struct vrv_workers *w, struct vrv_store_call *c);
/* For who does it. */
bool vrv_workers_is_cancelled(struct vrv_workers *w, const struct vrv_store_call *c);
/* Answer those that have waited beyond their deadline: by who has to wait for something else, for all
 * threads may have to. */
void vrv_workers_expire(struct vrv_workers *w);
/* Without threads: do one call.  False: there is none. */
bool vrv_workers_step(struct vrv_workers *w);

#endif
