/* Waiting for records: woken by enough bytes, the deadline, a deletion or the asker; once. */
#include "t/lib/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rand.h"
#include "t/lib/tap.h"

static struct rig rig;
static struct vrv_log *the_log;
static struct vrv_cq waits; /* the waiters' */

static void
begin(void)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 2, NULL);
    the_log = rig_log(&rig, "t", 0);
    (void)vrv_cq_init(&waits, 0);
}

static void
end(void)
{
    OK(vrv_cq_take(&waits, 0) == NULL, "nothing is posted twice");
    vrv_cq_fini(&waits);
    rig_fini(&rig);
}

static void
wait_for(struct vrv_waiter *w, int64_t offset, uint64_t min_bytes, int64_t in_ms)
{
    *w = (struct vrv_waiter){ .done.cq = &waits };
    vrv_log_wait(the_log, w, offset, min_bytes,
        in_ms < 0 ? INT64_MAX : rig.clock.clock.mono_ns(&rig.clock.clock) + in_ms * 1000000);
}

/* Is it posted now, with this status? */
static bool
posted(const struct vrv_waiter *w, int status)
{
    return vrv_cq_take(&waits, 0) == &w->done && w->status == status;
}

static bool
quiet(void)
{
    return vrv_cq_take(&waits, 0) == NULL;
}

static void
put(size_t size)
{
    (void)rig_put_batch(&rig, the_log, &(struct rig_batch){ .size = size });
}

static void
test_bytes(void)
{
    struct rig_call c;
    struct vrv_waiter w;

    begin();
    put(100);
    uint64_t batch = the_log->segs[0]->size;
    wait_for(&w, 0, 1, -1);
    OK(posted(&w, 0), "what is there already: at once");
    wait_for(&w, 0, batch + 1, -1);
    OK(quiet(), "not enough: it waits");
    put(100);
    OK(posted(&w, 0), "the next batch makes it enough");
    wait_for(&w, 2, batch + 1, -1);
    IS(rig_append(&rig, the_log, &(struct rig_batch){ .size = 100 }, &c), 0, "an append");
    OK(quiet(), "uncommitted bytes don't count");
    rig_commit(&rig);
    OK(quiet(), "one batch is less than was asked for");
    put(100);
    OK(posted(&w, 0), "two are enough");
    wait_for(&w, 4, 0, -1);
    OK(posted(&w, 0), "nothing asked for: at once");
    (void)rig_put(&rig, rig_log(&rig, "t", 1), "other");
    wait_for(&w, 4, 1, -1);
    (void)rig_put(&rig, rig_log(&rig, "t", 1), "other");
    OK(quiet(), "another partition's records wake nobody");
    vrv_log_wait_cancel(the_log, &w);
    OK(posted(&w, VRV_E_CANCELLED), "cancelled");
    end();
}

/* Old records are in segments only: they count as enough. */
static void
test_old(void)
{
    struct vrv_waiter w;

    begin();
    put(1000);
    OK(rig_checkpoint(&rig), "a checkpoint");
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    the_log = rig_log(&rig, "t", 0);
    wait_for(&w, 0, 500, -1);
    OK(posted(&w, 0), "after a restart, for what is in a segment: at once");
    wait_for(&w, 1, 1, -1);
    OK(quiet(), "at the end: it waits");
    put(10);
    OK(posted(&w, 0), "... for the next batch");
    end();
}

static void
test_deadline(void)
{
    struct vrv_waiter a, b, c;
    begin();
    int64_t now = rig.clock.clock.mono_ns(&rig.clock.clock);
    wait_for(&a, 0, 1, 300);
    wait_for(&b, 0, 1, 100);
    wait_for(&c, 0, 1, 200);
    IS(vrv_engine_expire_step(rig.eng), now + 100000000, "the earliest deadline comes first");
    simclock_advance_ms(&rig.clock, 99);
    (void)vrv_engine_expire_step(rig.eng);
    OK(quiet(), "not before its time");
    simclock_advance_ms(&rig.clock, 1);
    IS(vrv_engine_expire_step(rig.eng), now + 200000000, "then the next");
    OK(posted(&b, VRV_E_TIMEDOUT) && quiet(), "timed out, that one only");
    simclock_set_wall_ms(&rig.clock, 1);
    (void)vrv_engine_expire_step(rig.eng);
    OK(quiet(), "a change of the date changes nothing");
    put(10);
    OK(vrv_cq_take(&waits, 0) && vrv_cq_take(&waits, 0) && quiet() && a.status == 0 &&
            c.status == 0,
        "a batch wakes the others");
    simclock_advance_ms(&rig.clock, 1000);
    IS(vrv_engine_expire_step(rig.eng), INT64_MAX, "no deadline is left");
    wait_for(&a, 1, 1, -5);
    wait_for(&b, 1, 1, 0);
    (void)vrv_engine_expire_step(rig.eng);
    OK(posted(&b, VRV_E_TIMEDOUT), "a deadline that is now");
    vrv_log_wait_cancel(the_log, &a);
    OK(posted(&a, VRV_E_CANCELLED), "the one without a deadline is still there");
    end();
}

static void
test_ends(void)
{
    struct vrv_waiter a, b;

    begin();
    wait_for(&a, 0, 1, 100);
    vrv_log_wait_cancel(the_log, &a);
    vrv_log_wait_cancel(the_log, &a);
    OK(posted(&a, VRV_E_CANCELLED), "cancelled twice: posted once");
    wait_for(&a, 0, 1, 100);
    put(10);
    vrv_log_wait_cancel(the_log, &a);
    OK(posted(&a, 0) && quiet(), "cancelled after it was woken: woken");
    simclock_advance_ms(&rig.clock, 1000);
    (void)vrv_engine_expire_step(rig.eng);
    OK(quiet(), "its deadline is gone, too");
    wait_for(&a, 1, 1, 100);
    wait_for(&b, 1, 1, -1);
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "the topic is deleted");
    OK(vrv_cq_take(&waits, 0) && vrv_cq_take(&waits, 0) && a.status == VRV_E_NOTFOUND &&
            b.status == VRV_E_NOTFOUND,
        "its waiters hear of it");
    simclock_advance_ms(&rig.clock, 1000);
    (void)vrv_engine_expire_step(rig.eng);
    end();
}

/* Beyond what is committed lies what isn't: only bytes at or behind the offset count. */
static void
test_ahead(void)
{
    struct vrv_waiter w;
    struct rig_call c;

    begin();
    IS(rig_append(&rig, the_log, &(struct rig_batch){ .size = 10 }, &c), 0, "an append");
    wait_for(&w, 1, 1, -1);
    rig_commit(&rig);
    OK(quiet(), "a batch below the offset doesn't wake");
    put(10);
    OK(posted(&w, 0), "the one at it does");
    end();
}

/* Many at a time, ended in all ways: each is posted once, with the right status. */
static void
test_many(void)
{
    enum { N = 400 };
    static struct vrv_waiter w[N];
    struct vrv_rand rnd = { 7 };
    int n[3] = { 0 }, wrong = 0;

    begin();
    int64_t t0 = rig.clock.clock.mono_ns(&rig.clock.clock);
    for (int i = 0; i < N; i++)
        wait_for(&w[i], 0, 1 + vrv_rand_below(&rnd, 2000), (int64_t)vrv_rand_below(&rnd, 1000));
    for (int step = 0; step < 1200; step++) {
        simclock_advance_ms(&rig.clock, 1);
        (void)vrv_engine_expire_step(rig.eng);
        if (step % 100 == 50)
            put(60);
        if (step % 5 == 0 && step < 600) {
            struct vrv_waiter *c = &w[vrv_rand_below(&rnd, N)];

            if (c->log != NULL)
                vrv_log_wait_cancel(the_log, c);
        }
    }
    int64_t now = rig.clock.clock.mono_ns(&rig.clock.clock);
    for (struct vrv_done *d; (d = vrv_cq_take(&waits, 0)) != NULL;) {
        struct vrv_waiter *x = (struct vrv_waiter *)(void *)d;

        n[0] += x->status == 0;
        n[1] += x->status == VRV_E_TIMEDOUT;
        n[2] += x->status == VRV_E_CANCELLED;
        wrong += x->status == 0 && x->have < x->min_bytes;
        wrong += x->status == VRV_E_TIMEDOUT && (x->timer.ns > now || x->timer.ns < t0);
    }
    IS(n[0] + n[1] + n[2], N, "each of %d waiters is posted once", N);
    OK(n[0] > 20 && n[1] > 20 && n[2] > 20 && wrong == 0,
        "%d were woken, %d timed out, %d were cancelled", n[0], n[1], n[2]);
    end();
}

int
main(void)
{
    test_bytes();
    test_old();
    test_deadline();
    test_ends();
    test_ahead();
    test_many();
    return tap_done();
}
