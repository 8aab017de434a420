/*
 * Calls that wait for a thread, and the threads that do them: one call at a time, from its beginning to its
 * end, the oldest first.  A class of calls may have threads of its own, that a slow other one can't take.
 *
 * Nothing of a call that comes too late, or isn't wanted any more, is begun.
 *
 * Where calls may hang for good, as in a file system whose server is gone, each is done on a copy:
 * what isn't done by its deadline, nor goes on, is answered without, and what the thread does then,
 * whenever that is, nobody hears of.  No thread is added for one that hangs: when all do, what
 * comes waits for its own deadline.
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
    /* Calls may hang: run gets a copy, and has the caller's bytes only by the functions below. */
    bool hangs;
    void (*hold)(void *ctx, struct vrv_store_call *c); /* what the copy uses stays; waits for nothing, */
    void (*let_go)(void *ctx, struct vrv_store_call *c, bool unwanted); /* ... no longer; nor does its result */
    void *ctx;
    unsigned own[VRV_STORE_CLASSES]; /* threads for a class alone */
    unsigned any;              /* ... and for all; none at all: vrv_workers_step() does it */
};

int vrv_workers_start(struct vrv_workers **out, const struct vrv_workers_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nothing may be under way.  False: a thread still hangs, all that it uses must stay. */
bool vrv_workers_stop(struct vrv_workers **w);

/* One whose done has no queue is posted nowhere; let_go may free it. */
void vrv_workers_submit(struct vrv_workers *w, struct vrv_store_call *c);
void vrv_workers_cancel(struct vrv_workers *w, struct vrv_store_call *c);
/* For who does it. */
bool vrv_workers_is_cancelled(struct vrv_workers *w, const struct vrv_store_call *c);
/* ... on a copy: it goes on; what is to be written, from there on, a piece; and what was read.  False: nobody
 * waits for it any more. */
enum { VRV_WORKERS_PIECE = 256 << 10 };
bool vrv_workers_goes_on(struct vrv_workers *w, struct vrv_store_call *copy);
bool vrv_workers_take(struct vrv_workers *w, struct vrv_store_call *copy, void *to, uint64_t at, size_t n);
bool vrv_workers_give(struct vrv_workers *w, struct vrv_store_call *copy, const void *from,
    uint64_t at, size_t n);
/* ... a piece of memory for that. */
uint8_t *vrv_workers_piece(struct vrv_store_call *copy);
/* Answer those that have waited beyond their deadline: by who has to wait for something else, for all
 * threads may have to. */
void vrv_workers_expire(struct vrv_workers *w);
/* Without threads: do one call.  False: there is none. */
bool vrv_workers_step(struct vrv_workers *w);

#endif
