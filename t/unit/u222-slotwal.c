/*
 * The journal over a WAL in slots of a shared store: groups in flight that arrive in any order,
 * an owner that is fenced at any moment, and its stream replayed by the next one.
 */
#include "t/lib/slotwal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/rand.h"
#include "t/lib/jrig.h"
#include "t/lib/tap.h"

enum { CAPACITY = 4 << 20 };

static struct slotname
own(uint32_t session)
{
    return (struct slotname){ JRIG_WAL_ID, session };
}

static void
settle(struct jrig *r)
{
    bool any;

    do {
        any = vrv_journal_commit_step(r->j);
        any |= slotwal_step(r->dev);
    } while (any);
}

static int
note_ids(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    (void)slab;
    return jrig_ids(bytes, n, ctx) ? 0 : vrv_err_set(e, VRV_E_CORRUPT, "not what was pushed");
}

static void
rig_fini(struct jrig *r)
{
    jrig_evict(r);
    jrig_fini(r);
    vrv_waldev_close(&r->dev);
}

/* ---- window and prefix ---- */

static void
test_window(void)
{
    struct slotstore *s = slotstore_new();
    struct jrig r;

    jrig_init(&r, slotwal_new(s, own(1), 4, CAPACITY, 1), 1, 256);
    for (uint64_t id = 1; id <= 10; id++)
        (void)jrig_append(&r, id, 1, 150, JRIG_SYNC);
    while (vrv_journal_commit_step(r.j))
        ;
    IS(slotwal_in_flight(r.dev), 4, "up to K groups are in flight at the same time");
    IS(r.committed.n, 0, "nothing is acknowledged before the store answers");
    settle(&r);
    OK(jrig_is_run(&r.committed, 1, 10), "all are committed, in the order of the pushes");
    IS(jrig_tickets(&r, 0), 10, "each ticket is posted once");
    IS(slotwal_reserved(r.dev), 0, "all claims have been used or given back");
    IS(vrv_journal_state(r.j).durable_slot, 11, "all slots are durable");
    rig_fini(&r);
    slotstore_free(&s);
}

/* What is acknowledged at any moment lies in slots that have arrived, with all slots below. */
static bool
prefix_holds(uint64_t seed)
{
    struct vrv_rand rand = { seed };
    struct slotstore *s = slotstore_new();
    struct jrig r;
    uint64_t id = 1;
    bool ok = true;

    jrig_init(&r, slotwal_new(s, own(1), 1 + (unsigned)vrv_rand_below(&rand, 8), CAPACITY, seed), 1,
        512);
    for (int i = 0; i < 200 && ok; i++) {
        unsigned n = 1 + (unsigned)vrv_rand_below(&rand, 3);

        if (vrv_rand_below(&rand, 3) == 0 && jrig_append(&r, id, n, 100, 0) == 0)
            id += n;
        (void)vrv_journal_commit_step(r.j);
        (void)slotwal_step(r.dev);
        struct vrv_journal_state st = vrv_journal_state(r.j);
        ok &= st.committed_seq == 1 + r.committed.n;
        for (uint64_t slot = 1; slot < st.durable_slot && ok; slot++)
            ok &= slotwal_holds(s, own(1), slot);
        jrig_evict(&r);
    }
    settle(&r);
    ok &= jrig_is_run(&r.committed, 1, id - 1) && jrig_tickets(&r, 0) == id - 1;
    ok &= slotwal_reserved(r.dev) == 0 && r.flaws == 0;
    rig_fini(&r);
    slotstore_free(&s);
    return ok;
}

/* ---- fencing ---- */

/* The old owner goes on after the seal, with answers on their way, until it notices. */
static bool
fence_run(uint64_t seed, bool kill)
{
    struct vrv_rand rand = { seed };
    struct slotstore *s = slotstore_new();
    struct jrig_list seen = { 0 }, again = { 0 };
    struct vrv_err e = { 0 };
    struct jrig r;
    uint64_t id = 1, when = vrv_rand_below(&rand, 150), seal = 0;
    size_t acked_at_seal = 0;
    bool ok = true;

    jrig_init(&r, slotwal_new(s, own(7), 1 + (unsigned)vrv_rand_below(&rand, 6), CAPACITY, seed), 7,
        512);
    for (uint64_t i = 0; i < 200; i++) {
        if (i == when) {
            seal = slotwal_fence(s, own(7));
            acked_at_seal = r.committed.n;
            ok &= slotwal_replay(s, own(7), 1, note_ids, &seen, &e) == 0;
            if (kill)
                break;
        }
        if (vrv_rand_below(&rand, 2) == 0 && jrig_append(&r, id, 1, 100, JRIG_SYNC) == 0)
            id++;
        for (uint64_t k = vrv_rand_below(&rand, 3); k > 0; k--)
            (void)vrv_journal_commit_step(r.j);
        for (uint64_t k = vrv_rand_below(&rand, 3); k > 0; k--)
            (void)slotwal_step(r.dev);
    }
    if (kill)
        slotwal_kill(r.dev);
    settle(&r);
    int status = vrv_journal_state(r.j).status;
    ok &= status == VRV_E_FENCED || status == VRV_E_STOPPED || slotwal_in_flight(r.dev) == 0;
    /* All that was acknowledged, then or later, is below the seal, and was replayed. */
    ok &= acked_at_seal <= seen.n && r.committed.n <= seen.n && jrig_is_run(&seen, 1, seen.n) &&
        jrig_is_run(&r.committed, 1, r.committed.n);
    ok &= r.committed.n + r.failed.n == id - 1;
    ok &= vrv_journal_state(r.j).durable_slot <= seal;
    /* The stream below the seal never changes. */
    ok &= slotwal_fence(s, own(7)) == seal &&
          slotwal_replay(s, own(7), 1, note_ids, &again, &e) == 0 && again.n == seen.n;
    rig_fini(&r);
    free(seen.v);
    free(again.v);
    slotstore_free(&s);
    return ok;
}

static void
test_by_seed(void)
{
    uint64_t seeds = getenv("VARVE_LONG") ? 20000 : 500, prefix = 0, fenced = 0, killed = 0;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        prefix = prefix || prefix_holds(seed) ? prefix : seed;
        fenced = fenced || fence_run(seed, false) ? fenced : seed;
        killed = killed || fence_run(seed, true) ? killed : seed;
    }
    IS(prefix, 0, "nothing is committed before all lower slots are stored (first bad seed)");
    IS(fenced, 0, "all that is acknowledged before or after a seal lies below it (first bad seed)");
    IS(killed, 0, "the same when the owner dies with writes on their way (first bad seed)");
}

static void
test_fenced(void)
{
    struct slotstore *s = slotstore_new();
    struct vrv_err e = { 0 };
    struct jrig r;
    size_t claim;

    jrig_init(&r, slotwal_new(s, own(1), 2, CAPACITY, 3), 1, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        (void)jrig_append(&r, id, 1, 100, JRIG_SYNC);
        settle(&r);
    }
    IS(vrv_waldev_trim(r.dev, 2, &e), 0, "the owner may trim");
    IS(slotwal_fence(s, own(1)), 4, "a seal takes the next slot");
    IS(vrv_waldev_trim(r.dev, 3, &e), VRV_E_FENCED, "after it the old owner trims no more");
    (void)jrig_append(&r, 4, 2, 100, JRIG_SYNC);
    settle(&r);
    IS(vrv_journal_state(r.j).status, VRV_E_FENCED, "the old owner finds it at its next write");
    OK(vrv_journal_error(r.j, &e) == VRV_E_FENCED && e.msg[0] != '\0', "... and says: %s", e.msg);
    OK(jrig_is_run(&r.failed, 4, 2), "that write fails");
    IS(jrig_tickets(&r, 0), 5, "all have got their answer");
    IS(r.flaws, 2, "two of them are that it failed");
    IS(vrv_journal_reserve(r.j, 10, 1, &claim, &e), VRV_E_FENCED, "nothing more is let in");
    IS(slotwal_reserved(r.dev), 0, "no claim is left over");
    rig_fini(&r);
    slotstore_free(&s);
}

static int
stop_at_two(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    (void)bytes;
    (void)n;
    (void)slab;
    return ++*(int *)ctx == 2 ? vrv_err_set(e, VRV_E_INVALID, "enough") : 0;
}

/* A session that takes over another's stream while its own journal is at work. */
static void
test_take_over(void)
{
    struct slotstore *s = slotstore_new();
    struct jrig_list seen = { 0 };
    struct vrv_err e = { 0 };
    struct jrig a, b;
    int calls = 0;

    jrig_init(&a, slotwal_new(s, own(1), 3, CAPACITY, 1), 1, 0);
    jrig_init(&b, slotwal_new(s, own(2), 3, CAPACITY, 2), 2, 0);
    for (uint64_t id = 1; id <= 6; id++) {
        (void)jrig_append(&a, id, 1, 100, JRIG_SYNC);
        (void)jrig_append(&b, 100 + id, 1, 100, JRIG_SYNC);
        settle(&a);
        settle(&b);
    }
    IS(slotwal_replay(s, own(1), 1, note_ids, &seen, &e), VRV_E_NOTFOUND,
        "a stream without a seal has no end: %s", e.msg);
    seen.n = 0;
    (void)slotwal_fence(s, own(1));
    IS(slotwal_replay(s, own(1), 3, note_ids, &seen, &e), 0,
        "another session's stream, from a slot on");
    OK(jrig_is_run(&seen, 3, 4), "... in order, up to the seal");
    IS(slotwal_replay(s, own(1), 1, stop_at_two, &calls, &e), VRV_E_INVALID,
        "who is handed the groups may stop it");
    IS(calls, 2, "... at once");
    (void)jrig_append(&b, 107, 1, 100, JRIG_SYNC);
    settle(&b);
    OK(jrig_is_run(&b.committed, 101, 7), "the session that took over is not disturbed");
    rig_fini(&a);
    rig_fini(&b);
    free(seen.v);
    slotstore_free(&s);
}

/* An answer that is lost: the journal stops, though the write may have arrived. */
static void
test_lost_answer(void)
{
    struct slotstore *s = slotstore_new();
    struct jrig_list seen = { 0 };
    struct vrv_err e = { 0 };
    struct jrig r;

    jrig_init(&r, slotwal_new(s, own(1), 4, CAPACITY, 5), 1, 200);
    slotwal_fail(r.dev, 2);
    for (uint64_t id = 1; id <= 8; id++)
        (void)jrig_append(&r, id, 1, 100, JRIG_SYNC);
    settle(&r);
    IS(vrv_journal_state(r.j).status, VRV_E_STOPPED, "a write with unknown outcome stops the log");
    OK(r.committed.n < 4 && r.committed.n + r.failed.n == 8, "all others have failed (%zu, %zu)",
        r.committed.n, r.failed.n);
    IS(slotwal_reserved(r.dev), 0, "no claim is left over");
    (void)slotwal_fence(s, own(1));
    OK(slotwal_replay(s, own(1), 1, note_ids, &seen, &e) == 0 && seen.n >= r.committed.n &&
            jrig_is_run(&seen, 1, seen.n), "what was acknowledged is replayed");
    rig_fini(&r);
    free(seen.v);
    slotstore_free(&s);
}

static void
test_full(void)
{
    struct slotstore *s = slotstore_new();
    struct vrv_err e = { 0 };
    struct jrig r;
    uint64_t id = 1;

    jrig_init(&r, slotwal_new(s, own(1), 4, 64 * 1024, 5), 1, 0);
    while (jrig_append(&r, id, 1, 1000, JRIG_SYNC) == 0) {
        id++;
        settle(&r);
    }
    IS(jrig_append(&r, id, 1, 1000, JRIG_SYNC), VRV_E_AGAIN, "a full device refuses claims");
    OK(vrv_waldev_trim(r.dev, vrv_journal_state(r.j).durable_slot, &e) == 0 &&
            vrv_waldev_used(r.dev) == 0 && jrig_append(&r, id, 1, 1000, JRIG_SYNC) == 0,
        "... until it is trimmed");
    settle(&r);
    rig_fini(&r);
    slotstore_free(&s);
}

int
main(void)
{
    test_window();
    test_fenced();
    test_take_over();
    test_lost_answer();
    test_full();
    test_by_seed();
    return tap_done();
}
