/* Inside the public face: varve.c (opening, threads, topics), varve_append.c, varve_cursor.c. */
#ifndef VARVE_INT_H
#define VARVE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/reader/fetch.h"
#include "engine/tail/fill.h"
#include "engine/varve.h"

enum { VARVE_THREADS = 4 };

struct varve_log {
    struct varve *v;
    struct vrv_log *log;
};

/* What serves the engine from above it, and is made and ended with it: tiering/varve_tier.c. */
struct vrv_above {
    void (*stop)(void *ctx); /* the engine is about to close; NULL: nothing to do */
    void (*end)(void *ctx);  /* it is closed; NULL: there is none */
    void *ctx;
};

struct varve {
    struct vrv_vfs *vfs;
    struct vrv_engine *engine;
    pthread_t thread[VARVE_THREADS];
    int thread_n;
    _Atomic bool stop;
    struct vrv_lock wake; /* a leaf */
    pthread_cond_t work;  /* for the flusher */
    pthread_cond_t space; /* for appends that wait for room */
    pthread_cond_t sync;  /* for the syncing thread */
    bool flush_wanted, sync_wanted;
    struct vrv_lock lock; /* rank varve */
    struct varve_log **handles;
    size_t handle_n, handle_cap;
    struct vrv_lock fill_lock; /* rank fill */
    struct vrv_fill fill;      /* appended bytes are copied here */
    struct vrv_above above;
};

struct vrv_err *vrv__err(struct varve_error *e);
/* An engine's options for these; without a vfs. */
int vrv__engine_opts(const struct varve_options *o, struct vrv_engine_opts *eo, struct vrv_err *e);
/* varve_open in two parts, with a cold tier, which outlives it; NULL: none.  Loaded it is as
 * recovery left it: nothing happens by time until it runs, so that vrv_engine_set_defaults comes
 * before retention does.  What can't run is closed, and *v is NULL. */
int vrv__load(struct varve **out, const char *dir, const struct varve_options *o,
    struct vrv_cold *cold, struct varve_found *found, struct varve_error *e);
int vrv__run(struct varve **v, struct varve_error *e);
/* Both. */
int vrv__open(struct varve **out, const char *dir, const struct varve_options *o,
    struct vrv_cold *cold, struct varve_found *found, struct varve_error *e);

#endif
