/* Within the room: threads that do calls, and what each does. */
#ifndef VRV_STORE_WORKERS_INT_H
#define VRV_STORE_WORKERS_INT_H

#include <pthread.h>

#include "tiering/store/workers.h"

struct vrv_workers_queue {
    struct vrv_store_call *head, **tail;
};

struct vrv_worker {
    struct vrv_workers *all;
    pthread_t thread;
    int class;
    bool gone;
    struct vrv_store_call *asked; /* what it does; NULL: nothing, or nobody waits for it any more */
    /* Where that may hang: */
    struct vrv_store_call copy;   /* of that */
    char key[VRV_STORE_KEY_MAX + 1], after[VRV_STORE_KEY_MAX + 1];
    char **keys;                  /* ... so many: copy.max */
    uint8_t *piece;
    int64_t went_on_ns;
};

struct vrv_workers {
    struct vrv_workers_opts o;
    char *what;
    struct vrv_lock lock;      /* rank store: queues, what each does, whether calls are cancelled, stop */
    pthread_cond_t wake, watch, left;
    struct vrv_workers_queue queue[VRV_STORE_CLASSES];
    bool stop;
    struct vrv_worker *v;      /* the last one: who calls vrv_workers_step() */
    unsigned n, gone;
    unsigned calls;            /* that weren't answered yet */
    unsigned stuck;            /* threads that do what nobody waits for */
    pthread_t watcher;         /* where calls may hang, and there are threads */
    bool watches, rests;       /* rests: it waits for something to watch */
};

int64_t vrv__workers_now(const struct vrv_workers *w);
/* A call is answered; NULL: one that nobody waits for. */
void vrv__workers_post(struct vrv_workers *w, struct vrv_store_call *c);

/* ---- where calls may hang (workers_copy.c) ---- */

void vrv__worker_begin(struct vrv_worker *me, struct vrv_store_call *c);
/* me->copy.status is what came of it. */
void vrv__worker_end(struct vrv_worker *me);
/* Answer those that hang. */
void vrv__workers_give_up(struct vrv_workers *w);

#endif
