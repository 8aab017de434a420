/*
 * Whose roots are read first, and what ends early: who has time has a turn while others ask, one at a time; a partition
 * whose root is being read isn't forgotten; a commit that was given up sends nothing more, wherever it was.
 */
#include "engine/base/assert.h"
#include "t/lib/coldcommit.h"
#include "t/lib/tap.h"

enum { ROOT_BYTES = 1000, ASKED = 60, HAVE_TIME = 12, PARTS = ASKED + HAVE_TIME };

/* ---- the world ---- */

static void
small_roots(void)
{
    tier.parts.o.root_bytes = ROOT_BYTES;
}

static void
begin_at(uint64_t seed)
{
    coldlog_begin(seed, 1, "retention.ms=-1", small_roots);
}

static struct vrv_log_id
part(int i)
{
    return (struct vrv_log_id){ the_log()->id.topic, i };
}

/* So many partitions have roots, of which nothing is known. */
static void
make_roots(uint64_t seed)
{
    begin_at(seed);
    for (int i = 0; i < PARTS; i++) {
        const struct vrv_log_id id = part(i);
        if (coldcommit(&id) != 0)
            OK(false, "a root of partition %d: %s", i, tier.e.msg);
    }
    coldlog_tier_anew(seed + 1);
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
    coldlog_tier_anew(2);

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
    IS(most_asked, VRV_PARTS_ASKED, "so many at a time that somebody asked for");
    IS(most_beside, 1, "while some wait for their turn one is read for who has time");
    OK(early > 0 && early < HAVE_TIME, "... so that these get on: %d", early);
    IS(most_alone, VRV_PARTS_LATER, "... and more as soon as nobody does");
    coldlog_end();
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
    coldlog_end();
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
    coldlog_end();
}

/* ---- what is given up ---- */

/* Each moment of a commit that writes a page and a root: a store that answers nobody any more isn't waited for. */
static void
test_given_up(void)
{
    enum { SEGMENTS = 4, ATTEMPT_MS = 10000 }; /* of the rig */
    unsigned cut = 0, waited = 0, bad = 0, done = 0;

    for (unsigned at = 0; done == 0 && at < 1000; at++) {
        struct coldcommit c;
        struct vrv_log_id id;

        begin_at(20);
        id = part(0);
        for (int i = 0; i < SEGMENTS; i++)
            bad += coldcommit(&id) != 0;
        coldcommit_start(&c, &id);
        for (unsigned i = 0; i < at && c.status == 1; i++)
            if (!tierrig_step(&tier))
                (void)tierrig_wait(&tier);
        done += c.status == 0;
        if (c.status == 1) {
            int64_t began = rig.clock.clock.mono_ns(&rig.clock.clock);

            vrv_parts_cancel(&tier.parts, &c.c);
            fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 100);
            tierrig_run(&tier);
            cut += c.status == VRV_E_CANCELLED || c.status == VRV_E_UNKNOWN;
            bad += c.status == 1;
            waited += rig.clock.clock.mono_ns(&rig.clock.clock) - began > INT64_C(1100000) * ATTEMPT_MS;
            fakestore_heal(fake);
        }
        int rc = VRV_E_CONFLICT;
        for (int i = 0; i < 3 && rc == VRV_E_CONFLICT; i++) /* a root that it left counts first */
            rc = coldcommit(&id);
        bad += rc != 0;
        coldlog_end();
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

/* Up to `steps` of a commit, then it is given up: its status. */
static int
give_up_at(const struct vrv_log_id *id, unsigned steps)
{
    struct coldcommit c;

    may_ask = true;
    coldcommit_start(&c, id);
    for (unsigned i = 0; i < steps && c.status == 1; i++)
        if (!tierrig_step(&tier))
            (void)tierrig_wait(&tier);
    if (c.status == 1) {
        may_ask = false;
        vrv_parts_cancel(&tier.parts, &c.c);
        tierrig_run(&tier);
    }
    return c.status;
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
        if (coldcommit(&id) != 0)
            OK(false, "a commit: %s", tier.e.msg);
        (void)give_up_at(&id, at / MOMENTS);
        (void)give_up_at(&id, at % MOMENTS);
        coldlog_end();
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
        int status = give_up_at(&id, (unsigned)(seed % 10));
        fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 20);
        for (int i = 0; i < 20 && status != 0; i++)
            found += (status = coldcommit(&id)) == VRV_E_CONFLICT;
        int rc = vrv_parts_version(&tier.parts, &id, &version, &tier.e);
        VRV_ASSERT(rc == 0);
        passed += version > 2;
        coldlog_end();
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
