/*
 * Whose roots are read first, and what ends early: who has time has a turn while others ask, one at a time; a partition
 * whose root is being read isn't forgotten; a commit that was given up sends nothing more, wherever it was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "t/lib/fakestore.h"
#include "t/lib/onelog.h"
#include "t/lib/tap.h"
#include "t/lib/tierrig.h"

enum { OFFSETS = 10, ROOT_BYTES = 1000, ASKED = 60, HAVE_TIME = 12, PARTS = ASKED + HAVE_TIME };

static struct tierrig tier;
static struct fakestore *fake;
static int status; /* of the last commit; 1: it goes on */

/* ---- the world ---- */

static void
up(uint64_t seed)
{
    tierrig_init(&tier, &rig.clock, fakestore_store(fake), seed);
    tier.parts.o.root_bytes = ROOT_BYTES;
    vrv_parts_attach(&tier.parts, rig.eng->catalog);
}

static void
begin_at(uint64_t seed)
{
    rig_init(&rig, seed);
    fake = fakestore_new(&rig.clock, seed);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, "retention.ms=-1");
    up(seed);
}

/* What it knew but for the catalog is gone. */
static void
restart(uint64_t seed)
{
    tierrig_fini(&tier);
    up(seed);
}

static void
end_it(void)
{
    tierrig_fini(&tier);
    rig_fini(&rig);
    fakestore_free(&fake);
}

static struct vrv_log_id
part(int i)
{
    return (struct vrv_log_id){ the_log()->id.topic, i };
}

/* ---- commits ---- */

static void
committed(struct vrv_parts_commit *c, int rc, const struct vrv_err *e)
{
    (void)c;
    VRV_ASSERT(status == 1);
    status = rc;
    tier.e = *e;
}

/* One segment more than what counts has. */
static void
begin_commit(struct vrv_parts_commit *c, const struct vrv_log_id *id)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_snap *s = NULL;
    struct vrv_err e;

    *c = (struct vrv_parts_commit){ .run = committed };
    int rc = vrv_parts_now(&tier.parts, id, &s, &e);
    VRV_ASSERT(rc == 0 || rc == VRV_E_NOTFOUND);
    if (s != NULL)
        vrv_manifest_copy(&c->next, &s->m);
    vrv_snap_unref(s);
    c->next.topic = id->topic;
    c->next.partition = id->partition;
    vrv_parts_segment_key(&tier.parts, id, c->next.next, key);
    struct vrv_cold_seg seg = { .base = c->next.next, .next = c->next.next + OFFSETS, .size = 300, .plain = 200,
        .chunk_n = 1, .chunk = vrv_mem_zero(sizeof(*seg.chunk)), .key = vrv_mem_strdup(key) };
    seg.chunk[0] = (struct vrv_chunk){ .base = seg.base, .pos = 64, .stored = 200, .plain = 200 };
    rc = vrv_parts_touch(&tier.parts, id, &e);
    VRV_ASSERT(rc == 0);
    rc = vrv_manifest_add(&c->next, &seg, &e);
    VRV_ASSERT(rc == 0);
    status = 1;
    vrv_parts_commit(&tier.parts, c);
}

static int
commit(const struct vrv_log_id *id)
{
    struct vrv_parts_commit c;

    begin_commit(&c, id);
    tierrig_run(&tier);
    return status;
}

/* So many partitions have roots, of which nothing is known. */
static void
make_roots(uint64_t seed)
{
    begin_at(seed);
    for (int i = 0; i < PARTS; i++) {
        const struct vrv_log_id id = part(i);
        if (commit(&id) != 0)
            OK(false, "a root of partition %d: %s", i, tier.e.msg);
    }
    restart(seed + 1);
}

/* ---- who waits ---- */

struct waiter {
    struct vrv_part_wait wait;
    int status; /* 1: it waits */
};

static struct waiter waiter[PARTS];

static void
told(struct vrv_part_wait *w, int rc, const struct vrv_err *e)
{
    struct waiter *x = VRV_LIST_OF(w, struct waiter, wait);

    (void)e;
    VRV_ASSERT(x->status == 1);
    x->status = rc;
}

static void
ask(int i, bool has_time)
{
    const struct vrv_log_id id = part(i);

    waiter[i] = (struct waiter){ .wait = { .run = told, .has_time = has_time }, .status = 1 };
    vrv_list_init(&waiter[i].wait.link);
    vrv_parts_read(&tier.parts, &id, &waiter[i].wait);
}

static int
count(int from, int to, int with)
{
    int n = 0;

    for (int i = from; i < to; i++)
        n += waiter[i].status == with;
    return n;
}

static void
test_turns(void)
{
    unsigned most_beside = 0, most_alone = 0, most_asked = 0;
    int early = 0;

    make_roots(1);
    for (int i = 0; i < PARTS; i++)
        ask(i, false);
    tierrig_run(&tier);
    IS(count(0, PARTS, 0), PARTS, "all are read that somebody asked for");
    restart(2);

    for (int i = 0; i < ASKED; i++)
        ask(i, false);
    for (int i = ASKED; i < PARTS; i++)
        ask(i, true);
    while (count(0, PARTS, 1) > 0) {
        const struct vrv_parts *ps = &tier.parts;
        unsigned beside = ps->later_reads, asked = ps->reads - ps->later_reads;

        most_asked = asked > most_asked ? asked : most_asked;
        if (!vrv_list_empty(&ps->asked)) {
            most_beside = beside > most_beside ? beside : most_beside;
            early = count(ASKED, PARTS, 0);
        } else {
            most_alone = beside > most_alone ? beside : most_alone;
        }
        if (!tierrig_step(&tier) && !tierrig_wait(&tier))
            break;
    }
    IS(count(0, PARTS, 0), PARTS, "all are read in the end, also for who has time");
    IS(most_asked, VRV_PARTS_READS - VRV_PARTS_LATER, "so many at a time that somebody asked for");
    IS(most_beside, 1, "while some wait for their turn one is read for who has time");
    OK(early > 0 && early < HAVE_TIME, "... so that these get on: %d", early);
    IS(most_alone, VRV_PARTS_LATER, "... and more as soon as nobody does");
    end_it();
}

/* Somebody comes who hasn't. */
static void
test_in_a_hurry(void)
{
    int at = 0;

    make_roots(5);
    for (int i = 0; i < PARTS; i++)
        ask(i, true);
    const struct vrv_log_id last = part(PARTS - 1);
    struct waiter hurried = { .wait = { .run = told }, .status = 1 };
    vrv_list_init(&hurried.wait.link);
    vrv_parts_read(&tier.parts, &last, &hurried.wait);
    while (hurried.status == 1 && (tierrig_step(&tier) || tierrig_wait(&tier)))
        at = count(0, PARTS, 0);
    IS(hurried.status, 0, "one that is read for who has time is asked for");
    OK(at < PARTS / 2, "... and isn't the last one: %d were before it", at);
    tierrig_run(&tier);
    IS(count(0, PARTS, 0), PARTS, "all are read in the end");
    end_it();
}

/* ---- who is forgotten ---- */

static void
test_forgotten(void)
{
    struct vrv_snap *s = NULL;
    struct vrv_err e;
    size_t index;

    make_roots(10);
    const struct vrv_log_id one = part(0), behind = part(ASKED - 1);
    OK(!vrv_parts_is_read(&tier.parts, &one), "nobody reads what nobody asked for");
    for (int i = 0; i < ASKED; i++)
        ask(i, false);
    OK(vrv_parts_is_read(&tier.parts, &one), "a root is being read");
    OK(vrv_parts_is_read(&tier.parts, &behind), "... one that has to wait for its turn, too");
    vrv_parts_cancel_reads(&tier.parts);
    OK(vrv_parts_is_read(&tier.parts, &one), "who is under way is so until that has ended");
    OK(!vrv_parts_is_read(&tier.parts, &behind), "... who waits for his turn no longer");
    tierrig_run(&tier);
    OK(tier.parts.reads == 0 && !vrv_parts_is_read(&tier.parts, &one), "then it isn't");
    IS(count(0, ASKED, VRV_E_CANCELLED), ASKED, "all who waited are told");
    IS(vrv_parts_drop_head(&tier.parts, &one, &e), 0, "now it can go");
    IS(vrv_parts_now(&tier.parts, &one, &s, &e), VRV_E_NOTFOUND, "... and nothing of it is cold");

    for (int i = 1; i < ASKED; i++) { /* read ahead of time: nobody waits */
        const struct vrv_log_id id = part(i);
        vrv_parts_read(&tier.parts, &id, NULL);
    }
    OK(!vrv_parts_is_read(&tier.parts, &behind), "what nobody waits for, and hasn't had its turn");
    IS(vrv_parts_drop_head(&tier.parts, &behind, &e), 0, "... can go");
    tierrig_run(&tier);
    IS(vrv_parts_now(&tier.parts, &behind, &s, &e), VRV_E_NOTFOUND, "... and doesn't come back by its turn");
    size_t all = vrv_parts_bytes(&tier.parts, &index);
    const struct vrv_log_id two = part(1);
    IS(vrv_parts_now(&tier.parts, &two, &s, &e), 0, "the others were read");
    vrv_snap_unref(s);
    IS(vrv_parts_drop_head(&tier.parts, &two, &e), 0, "one of them goes");
    OK(vrv_parts_bytes(&tier.parts, &index) < all, "... with its memory");
    end_it();
}

/* ---- what is given up ---- */

/* Each moment of a commit that writes a page and a root: a store that answers nobody any more isn't waited for. */
static void
test_given_up(void)
{
    enum { SEGMENTS = 4, ATTEMPT_MS = 10000 }; /* of the rig */
    unsigned cut = 0, waited = 0, bad = 0, done = 0;

    for (unsigned at = 0; done == 0 && at < 1000; at++) {
        struct vrv_parts_commit c;
        struct vrv_log_id id;

        begin_at(20);
        id = part(0);
        for (int i = 0; i < SEGMENTS; i++)
            bad += commit(&id) != 0;
        begin_commit(&c, &id);
        for (unsigned i = 0; i < at && status == 1; i++)
            if (!tierrig_step(&tier))
                (void)tierrig_wait(&tier);
        done += status == 0;
        if (status == 1) {
            int64_t began = rig.clock.clock.mono_ns(&rig.clock.clock);

            vrv_parts_cancel(&tier.parts, &c);
            fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 100);
            tierrig_run(&tier);
            cut += status == VRV_E_CANCELLED || status == VRV_E_UNKNOWN;
            bad += status == 1;
            waited += rig.clock.clock.mono_ns(&rig.clock.clock) - began > INT64_C(1100000) * ATTEMPT_MS;
            fakestore_heal(fake);
        }
        for (int i = 0; i < 3 && commit(&id) == VRV_E_CONFLICT; i++) /* a root that it left counts first */
            ;
        bad += status != 0;
        end_it();
    }
    OK(done == 1 && cut > 8, "a commit is given up at %u moments", cut);
    IS(waited, 0, "... and waits for what is under way, sending nothing more");
    IS(bad, 0, "... each time the next one counts");
}

static bool may_ask;
static unsigned asked, asked_late;

/* There is an engine to be asked as long as commits aren't given up. */
static bool
has(void *ctx, const struct vrv_log_id *id, const struct vrv_cold_seg *s)
{
    (void)ctx;
    (void)id;
    (void)s;
    asked++;
    asked_late += !may_ask;
    return true;
}

/* Up to `steps` of a commit, then it is given up. */
static void
give_up_at(const struct vrv_log_id *id, unsigned steps)
{
    struct vrv_parts_commit c;

    may_ask = true;
    begin_commit(&c, id);
    for (unsigned i = 0; i < steps && status == 1; i++)
        if (!tierrig_step(&tier))
            (void)tierrig_wait(&tier);
    if (status == 1) {
        may_ask = false;
        vrv_parts_cancel(&tier.parts, &c);
        tierrig_run(&tier);
    }
}

/* The root of a commit that was given up is found by the next one, which is, too: whatever has come by then, nothing
 * is looked up any more. */
static void
test_given_up_twice(void)
{
    enum { MOMENTS = 14 };

    asked = asked_late = 0;
    for (unsigned at = 0; at < MOMENTS * MOMENTS; at++) {
        begin_at(30);
        tier.parts.o.has = has;
        const struct vrv_log_id id = part(0);
        may_ask = true;
        if (commit(&id) != 0)
            OK(false, "a commit: %s", tier.e.msg);
        give_up_at(&id, at / MOMENTS);
        give_up_at(&id, at % MOMENTS);
        end_it();
    }
    OK(asked > 0, "roots are found, and compared with the log, %u times", asked);
    IS(asked_late, 0, "... never behind the end of the commit");
}

/* A root that is there, and comes damaged once, is no damaged root. */
static void
test_found_flips(void)
{
    unsigned passed = 0, found = 0;

    for (uint64_t seed = 1; seed <= 600; seed++) {
        struct vrv_log_id id;
        uint64_t version = 0;

        begin_at(seed);
        id = part(0);
        give_up_at(&id, (unsigned)(seed % 10));
        fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 20);
        for (int i = 0; i < 20 && status != 0; i++)
            found += commit(&id) == VRV_E_CONFLICT;
        int rc = vrv_parts_version(&tier.parts, &id, &version, &tier.e);
        VRV_ASSERT(rc == 0);
        passed += version > 2;
        end_it();
    }
    OK(found > 100 && passed < 6, "%u roots are found on a bad line; %u versions are passed over", found, passed);
}

int
main(void)
{
    test_turns();
    test_in_a_hurry();
    test_forgotten();
    test_given_up();
    test_given_up_twice();
    test_found_flips();
    return tap_done();
}
