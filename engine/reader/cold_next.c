/* Where the cold tier's part of a log ends: what it has in memory, or loads first. */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/clock.h"
#include "engine/reader/fetch.h"
#include "engine/reader/reader.h"

/* Waiting for the tier; whoever is the last to need it frees it. */
struct wait {
    _Atomic unsigned refs;
    struct vrv_cq cq;
    struct vrv_done done;
    struct vrv_fetches_ask ask;
};

static void
unref(struct wait *w)
{
    if (atomic_fetch_sub(&w->refs, 1) > 1)
        return;
    while (vrv_cq_take(&w->cq, 0) != NULL)
        ;
    vrv_cq_fini(&w->cq);
    free(w);
}

static void
ready(void *ctx)
{
    struct wait *w = ctx;

    vrv_cq_post(&w->cq, &w->done, &w->done);
    unref(w);
}

/* Until the tier calls, or nobody shall wait any more: AGAIN; TIMEDOUT, CANCELLED. */
static int
wait_for(struct vrv_log *log, struct wait *w, int64_t deadline_ns, struct vrv_err *e)
{
    struct vrv_fetches *fs = log->env->fetches;
    struct vrv_clock *clock = log->env->clock;
    int64_t left = deadline_ns - clock->mono_ns(clock);
    int64_t ms = deadline_ns == INT64_MAX ? -1 : left <= 0 ? 0 : left / 1000000 + 1;
    bool told = false;

    w->ask.ended = (struct vrv_done){ .cq = &w->cq };
    if (vrv_fetches_join(fs, &w->ask)) {
        told = vrv_cq_take(&w->cq, ms) != NULL;
        if (vrv_fetches_leave(fs, &w->ask))
            return told ? VRV_E_AGAIN
                        : vrv_err_set(e, VRV_E_TIMEDOUT, "the cold tier had not answered by the deadline");
    }
    return vrv_err_set(e, VRV_E_CANCELLED, "the server is stopping");
}

/* Ask, and if that is in vain wait until it is worth asking again: AGAIN; TIMEDOUT, CANCELLED. */
static int
ask_and_wait(struct vrv_log *log, int64_t deadline_ns, int64_t *next, struct vrv_err *e)
{
    struct vrv_cold *cold = log->env->cold;
    struct wait *w = VRV_NEW(struct wait);
    struct vrv_cold_ask a = { .topic = log->id.topic, .partition = log->id.partition, .ready = ready,
        .ctx = w };
    int rc = vrv_cq_init(&w->cq, 0);

    VRV_ASSERT(rc == 0);
    atomic_init(&w->refs, 2);
    rc = cold->ops->next(cold, &a, next, e);
    if (rc != VRV_E_AGAIN) { /* then nobody will call */
        unref(w);
    } else {
        rc = wait_for(log, w, deadline_ns, e);
    }
    unref(w);
    return rc;
}

int
vrv_read_cold_next(struct vrv_log *log, int64_t deadline_ns, int64_t *next, struct vrv_err *e)
{
    struct vrv_cold *cold = log->env->cold;
    const struct vrv_cold_ask a = { .topic = log->id.topic, .partition = log->id.partition };
    int rc;

    if (cold == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "there is no cold tier");
    rc = cold->ops->next(cold, &a, next, e);
    while (rc == VRV_E_AGAIN && deadline_ns != VRV_READ_NOT_COLD)
        rc = ask_and_wait(log, deadline_ns, next, e);
    return rc;
}
