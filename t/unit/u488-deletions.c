/*
 * What is cold of a deleted topic: it stays for a while, in which the topic can come back, then all of it
 * goes; whatever the store does, and however often all of it starts anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rand.h"
#include "engine/engine_int.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/tier_int.h"

enum { ORPHAN_MS = 20000 }; /* as onetier has it */

#define SMALL "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true local.retention.ms=0 "

static size_t
objects(void)
{
    return fakestore_count(fake, "d/") + fakestore_count(fake, "m/");
}

static int
delete(const char *topic)
{
    return vrv_engine_delete_topic(rig.eng, topic, &rig.e);
}

static int
undelete(const char *topic)
{
    struct vrv_undelete u = { .done.cq = &rig.cq, .topic = topic };
    int64_t next_ns;

    vrv_tier_undelete(tier, &u);
    while (vrv_cq_take(&rig.cq, 0) != &u.done)
        if (!vrv_tier_step(tier, &next_ns))
            rig_pass(&rig, 250);
    rig.e = u.err;
    return u.status;
}

static int
count_one(void *ctx, const char *entity)
{
    (void)entity;
    ++*(int *)ctx;
    return 0;
}

/* Heads and records that the catalog has. */
static int
kept(void)
{
    struct vrv_catalog *c = vrv_engine_catalog(rig.eng);
    int n = 0;

    (void)vrv_catalog_each_entity(c, "tier/", count_one, &n);
    (void)vrv_catalog_each_entity(c, "deleted/", count_one, &n);
    (void)vrv_catalog_each_entity(c, "begin/", count_one, &n);
    return n;
}

static void
drop(const char *entity)
{
    struct vrv_catalog *c = vrv_engine_catalog(rig.eng);
    struct vrv_entity_configs v;

    vrv_catalog_configs(c, entity, &v);
    IS(vrv_catalog_drop_configs(c, entity, v.mod, &rig.e), 0, "%s is forgotten %s", entity, rig.e.msg);
    free(v.v);
}

static void
make(const char *configs)
{
    char text[200];

    (void)snprintf(text, sizeof(text), SMALL "%s", configs);
    rig_topic(&rig, "t", 2, text);
    put("t", 0, 10);
    put("t", 1, 6);
    pass(20000);
    OK(offsets("t", 0).local_start > 8, "most of it is cold only");
}

/* ---- tests ---- */

/* A catalog that isn't what it was: it has heads, and knows nothing of their topic.  Its objects are old. */
static void
test_unknown(void)
{
    struct vrv_uuid topic;
    char entity[VRV_ENTITY_MAX + 1] = "deleted/";

    begin(1);
    make("");
    size_t all = objects();
    topic = rig_log(&rig, "t", 0)->id.topic;
    pass(5 * MINUTE_MS);
    IS(delete("t"), 0, "a topic is deleted");
    rig_bury(&rig);
    vrv_uuid_text(&topic, entity + strlen(entity));
    drop(entity);
    (void)strcat(entity, "/000000");
    drop(entity);
    pass(ORPHAN_MS / 2);
    IS((int64_t)objects(), (int64_t)all, "what nothing is known of isn't deleted at once");
    simclock_set_wall_ms(&rig.clock, rig.clock.clock.wall_ms(&rig.clock.clock) - 1000 * MINUTE_MS);
    pass(ORPHAN_MS * 3 / 4);
    IS((int64_t)objects(), (int64_t)all, "... nor since somebody set the date");
    pass(ORPHAN_MS);
    OK(objects() < all, "... but later");
    pass(4 * MINUTE_MS);
    IS((int64_t)objects() + kept(), 0, "nothing is left");
    end();
}

/* Of what never had anything in the store nothing is left in memory, either. */
static void
test_empty(void)
{
    begin(1);
    rig_topic(&rig, "stays", 1, SMALL);
    pass(5000);
    size_t before = tier->tended.n;
    for (int i = 0; i < 3; i++) {
        rig_topic(&rig, "t", 5, SMALL "remote.log.copy.disable=true");
        for (int32_t p = 0; p < 5; p++)
            put("t", p, 4);
        pass(5000);
        IS(tier->tended.n, before + 5, "each partition of a topic is looked after");
        IS(delete("t"), 0, "it is deleted before anything of it was moved");
        pass(5000);
    }
    IS(tier->tended.n, before, "nothing of it is looked after any more");
    end();
}

static void
test_goes(void)
{
    begin(1);
    make("");
    rig_topic(&rig, "other", 1, SMALL);
    put("other", 0, 10);
    pass(20000);
    size_t other = fakestore_count(fake, "d/"), all = objects();
    IS(delete("t"), 0, "a topic is deleted");
    pass(40000);
    IS((int64_t)objects(), (int64_t)all, "what is cold of it stays for a while");
    OK(stats().lag.partitions == 0 && kept() > 3, "... without being due");
    down();
    up(2);
    pass(40000);
    OK(objects() < other + 8, "also after a stop, and then goes");
    IS(read_all("other", 0), 20, "but nothing of others");
    pass(2 * MINUTE_MS);
    IS(kept(), 1, "in the end the catalog knows nothing of it");
    IS((int64_t)stats().lag.objects, 0, "there is nothing left to do");
    OK(stats().deleted > 8, "%d objects were deleted", (int)stats().deleted);
    IS(delete("other"), 0, "the other one is deleted");
    pass(4 * MINUTE_MS);
    IS((int64_t)objects() + kept(), 0, "and goes");
    end();
}

/* What is due is counted first; that nothing of it can be deleted then makes it no less. */
static void
test_counted(void)
{
    begin(1);
    make("");
    size_t all = objects();
    IS(delete("t"), 0, "a topic is deleted");
    fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
    pass(MINUTE_MS + 30000);
    IS((int64_t)objects(), (int64_t)all, "where nothing may be deleted all of it stays");
    IS((int64_t)stats().lag.objects, (int64_t)all, "... as is told");
    uint64_t bytes = stats().lag.bytes;
    pass(MINUTE_MS);
    OK(bytes > 0 && stats().lag.bytes == bytes && stats().lag.objects == all, "... however often it is tried");
    fakestore_heal(fake);
    pass(4 * MINUTE_MS);
    IS((int64_t)objects(), 0, "when it may be it goes");
    OK(stats().lag.objects == 0 && stats().lag.bytes == 0 && stats().deleted == all, "... which is counted, too");
    end();
}

static void
test_keeps(void)
{
    begin(1);
    make("varve.tier.on.delete=keep");
    size_t all = objects();
    IS(delete("t"), 0, "a topic is deleted whose cold data is to stay");
    rig_bury(&rig);
    pass(10 * MINUTE_MS);
    IS((int64_t)objects(), (int64_t)all, "it stays");
    IS(undelete("t"), 0, "and the topic can come back at any time %s", rig.e.msg);
    end();
}

/* It left the tier before, or nothing of it was cold yet. */
static void
test_nothing_kept(void)
{
    begin(1);
    make("");
    size_t all = objects();
    IS(rig_alter(&rig, "t", "remote.storage.enable=false"), 0, "off");
    IS(delete("t"), 0, "and deleted at once");
    for (uint64_t i = 0; i < 3; i++) {
        pass(ORPHAN_MS / 4);
        IS((int64_t)objects(), (int64_t)all, "it goes as orphans do, not at once");
        down(); /* it is known since when */
        up(i + 2);
    }
    simclock_set_wall_ms(&rig.clock, rig.clock.clock.wall_ms(&rig.clock.clock) + 1000 * MINUTE_MS);
    pass(ORPHAN_MS / 2);
    IS((int64_t)objects(), (int64_t)all, "... nor since a clock was set right behind the start");
    pass(ORPHAN_MS);
    OK(fakestore_count(fake, "d/") == 0, "... but when it was so for long");
    pass(2 * MINUTE_MS);
    IS((int64_t)objects() + kept(), 0, "nothing is left");
    rig_topic(&rig, "t", 3, SMALL);
    IS(delete("t"), 0, "a topic without records");
    IS(kept(), 2, "leaves its name");
    pass(3 * MINUTE_MS);
    IS(kept(), 0, "... for a while");
    end();
}

/* Which can come back, and for how long. */
static void
test_told(void)
{
    struct vrv_tier_deleted *v = NULL;
    int64_t now_ms;
    size_t n;

    begin(1);
    make("");
    rig_topic(&rig, "u", 1, SMALL "varve.tier.on.delete=keep");
    IS(vrv_tier_deleted(tier, &v, &n, &now_ms, &rig.e), 0, "what is deleted");
    IS((int64_t)n, 0, "... nothing is");
    free(v);
    IS(delete("t"), 0, "a topic is");
    simclock_advance_ms(&rig.clock, 1000);
    IS(delete("u"), 0, "... and another one");
    IS(vrv_tier_deleted(tier, &v, &n, &now_ms, &rig.e), 0, "they are told");
    OK(n == 2 && strcmp(v[0].name, "t") == 0 && strcmp(v[1].name, "u") == 0, "... oldest first");
    OK(v[0].partitions == 2 && v[0].deleted_ms == now_ms - 1000, "... with their size and time");
    OK(v[0].bytes > 1000 && v[1].bytes == 0, "... what of them is in the store");
    OK(stats().lag.kept == 1 && (int64_t)stats().lag.kept_bytes == v[0].bytes &&
        stats().lag.kept_since_ms == v[0].deleted_ms, "... which is counted");
    OK(v[0].until_ms == v[0].deleted_ms + MINUTE_MS && v[1].until_ms == INT64_MAX,
        "... and how long they can come back");
    OK(!v[0].purging && !v[1].purging, "... as both can");
    int64_t bytes = v[0].bytes;
    free(v);
    down();
    up(2);
    pass(3000);
    IS(vrv_tier_deleted(tier, &v, &n, &now_ms, &rig.e), 0, "after a start");
    OK(n == 2 && v[0].bytes == bytes, "... it is read again how much that is");
    free(v);
    pass(MINUTE_MS + 5000);
    IS(vrv_tier_deleted(tier, &v, &n, &now_ms, &rig.e), 0, "when that is over");
    OK(n == 2 && v[0].purging && !v[1].purging, "... one can't any more");
    OK(stats().lag.kept == 0 && stats().lag.kept_bytes == 0, "... nor is it counted");
    free(v);
    rig_bury(&rig);
    IS(undelete("u"), 0, "one comes back %s", rig.e.msg);
    pass(5 * MINUTE_MS);
    IS(vrv_tier_deleted(tier, &v, &n, &now_ms, &rig.e), 0, "then");
    IS((int64_t)n, 0, "... nothing is deleted any more");
    free(v);
    end();
}

static void
test_comes_back(void)
{
    begin(1);
    make("segment.ms=600000");
    put("t", 0, 3);
    int64_t cold = offsets("t", 0).local_start, end_ = offsets("t", 0).end;
    OK(cold < end_, "some of it is on this disk only");
    IS(delete("t"), 0, "a topic is deleted");
    IS(undelete("x"), VRV_E_NOTFOUND, "another one doesn't come back");
    IS(undelete("t"), VRV_E_AGAIN, "nor it, before its files are removed: %s", rig.e.msg);
    rig_bury(&rig);
    rig_topic(&rig, "t", 1, NULL);
    IS(undelete("t"), VRV_E_EXISTS, "nor while its name is taken: %s", rig.e.msg);
    IS(delete("t"), 0, "that goes");
    down();
    up(2);
    rig_bury(&rig);
    IS(undelete("t"), 0, "then it comes back %s", rig.e.msg);
    struct vrv_log_offsets o = offsets("t", 0);
    OK(o.start == 0 && o.end == end_, "from where it began to where it ended");
    OK(o.gap == cold && o.gap_end == end_, "without what was on this disk only");
    lost(o.gap, o.gap_end);
    IS(read_all("t", 0), end_, "what is cold can be read");
    IS(read_all("t", 1), offsets("t", 1).end, "of all partitions");
    OK(rig_log(&rig, "t", 0)->config->segment_ms == 600000, "it has its settings");
    put("t", 0, 8);
    IS(read_all("t", 0), end_ + 16, "it goes on");
    pass(30000);
    OK(offsets("t", 0).local_start > end_, "also into the store");
    crash(1);
    up(3);
    IS(read_all("t", 0), end_ + 16, "all can be read after a crash");
    pass(5 * MINUTE_MS);
    IS(read_all("t", 0), end_ + 16, "nothing of it is deleted");
    IS(kept(), 3, "and nothing is kept but where it begins");
    lost(0, 0);
    end();
}

/* The tier does what there is to do until so many PUTs were begun: the last one is under way then. */
static void
until_puts(uint64_t n)
{
    int64_t next_ns;

    for (int i = 0; i < 10000 && fakestore_attempts(fake, VRV_STORE_PUT) < n; i++)
        if (!vrv_tier_step(tier, &next_ns))
            rig_pass(&rig, 250);
}

/* More is sealed, and moved as far as the first so many PUTs of it. */
static void
begin_to_move(unsigned puts)
{
    put("t", 0, 10);
    until_puts(fakestore_attempts(fake, VRV_STORE_PUT) + puts);
}

/* It comes back, and its next records reach the store, each once. */
static void
goes_on(void)
{
    int rc = VRV_E_AGAIN;

    for (int i = 0; i < 60 && rc == VRV_E_AGAIN; i++) {
        rc = undelete("t");
        pass(250);
    }
    IS(rc, 0, "... it comes back when that is given up: %s", rig.e.msg);
    fakestore_heal(fake);
    struct vrv_log_offsets o = offsets("t", 0);
    lost(o.gap, o.gap_end);
    put("t", 0, 10);
    pass(30000);
    OK(offsets("t", 0).local_start > o.end, "... and goes on, also into the store");
    struct vrv_tier_stats before = stats();
    pass(2 * MINUTE_MS);
    IS((int64_t)stats().failed, (int64_t)before.failed, "... after which nothing fails");
    IS((int64_t)stats().moved, (int64_t)before.moved, "... or is moved again");
    IS(read_all("t", 0), o.end + 20, "... and is read from there");
    lost(0, 0);
}

static void
test_while_moving(void)
{
    begin(1);
    make("varve.tier.on.delete=keep");
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    begin_to_move(1);
    IS(delete("t"), 0, "a topic is deleted while the store hangs with a segment of it");
    rig_bury(&rig);
    goes_on();
    end();
}

/* The newest manifest is in the store, but its answer was lost: it counts only later. */
static void
test_late_manifest(void)
{
    orphan_after_ms = 100 * MINUTE_MS;
    begin(1);
    make("varve.tier.on.delete=keep");
    begin_to_move(2);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_ANSWER_LOST, 100);
    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_HANGS, 100);
    for (int64_t next_ns; fakestore_struck(fake, FAKE_ANSWER_LOST) == 0;)
        (void)vrv_tier_step(tier, &next_ns);
    IS(delete("t"), 0, "a topic is deleted while nobody knows whether its manifest was written");
    rig_bury(&rig);
    goes_on();
    orphan_after_ms = 20000;
    end();
}

static void
test_too_late(void)
{
    begin(1);
    make("");
    deletes_per_second = 1;
    down();
    up(2);
    IS(delete("t"), 0, "a topic is deleted");
    rig_bury(&rig);
    pass(MINUTE_MS + 4000);
    struct vrv_tier_stats s = stats();
    OK(s.lag.partitions == 2 && s.lag.objects > 2 && s.lag.bytes > 1000 && s.lag.since_ms > 0,
        "what is due is counted: %d objects, %d bytes", (int)s.lag.objects, (int)s.lag.bytes);
    size_t before = objects();
    pass(3000);
    OK(objects() < before && before - objects() <= 4, "no more are deleted than may be (%d in 3 s)",
        (int)(before - objects()));
    IS(undelete("t"), VRV_E_INVALID, "it is too late: %s", rig.e.msg);
    pass(4 * MINUTE_MS);
    IS((int64_t)objects() + kept(), 0, "in the end nothing is left");
    deletes_per_second = INT64_MAX;
    end();
}

/* What is there of the topic can be read; 1: not so. */
static int
is_wrong(uint64_t seed)
{
    struct vrv_log_offsets o = offsets("t", 0);
    int64_t end_ = read_all("t", 0);

    if (end_ != o.end)
        OK(false, "seed %d: from %d, read to %d of %d", (int)seed, (int)o.start, (int)end_, (int)o.end);
    return end_ != o.end;
}

static struct vrv_rand rnd;
static bool there;           /* the topic is */
static int64_t cold;         /* when it was deleted, so much of it was on this disk no more */
static int back, bad;

static void
make_one(void)
{
    there = rig_create(&rig, "t", 1, SMALL) == 0;
    lost(0, 0);
}

static void
delete_it(void)
{
    struct vrv_log_offsets o = offsets("t", 0);

    cold = o.local_start == o.gap_end ? o.gap : o.local_start;
    there = delete("t") != 0;
    rig_bury(&rig);
    pass((int64_t)vrv_rand_below(&rnd, vrv_rand_below(&rnd, 2) == 0 ? 2000 : 90000));
    if (vrv_rand_below(&rnd, 3) == 0)
        fakestore_heal(fake);
}

static void
bring_back(uint64_t seed)
{
    there = undelete("t") == 0;
    if (!there)
        return;
    struct vrv_log_offsets o = offsets("t", 0);
    back++;
    lost(o.gap, o.gap_end);
    if (o.gap < cold) {
        OK(false, "seed %d: cold up to %d, back only up to %d", (int)seed, (int)cold, (int)o.gap);
        bad++;
    }
}

static void
end_storm(uint64_t seed)
{
    fakestore_heal(fake);
    pass(MINUTE_MS);
    if (there) {
        bad += is_wrong(seed);
        (void)delete("t");
    }
    there = false;
    rig_bury(&rig);
    pass(10 * MINUTE_MS);
    if (objects() + (size_t)kept() > 0) {
        OK(false, "seed %d: %d objects, %d keys are left", (int)seed, (int)objects(), kept());
        bad++;
    }
    end();
}

/* One topic after the other, deleted and brought back at bad moments. */
static void
test_storms(void)
{
    uint64_t first = tap_number("VARVE_SEED", 1), n = tap_number("VARVE_RUNS", 60);

    for (uint64_t seed = first; seed < first + n; seed++) {
        rnd = (struct vrv_rand){ seed };
        begin(seed);
        for (int i = 0; i < 15; i++) {
            if (!there)
                make_one();
            if (vrv_rand_below(&rnd, 2) == 0)
                fakestore_trouble(fake, &rnd);
            put("t", 0, (int)vrv_rand_below(&rnd, 9));
            pass((int64_t)vrv_rand_below(&rnd, 20000));
            if (vrv_rand_below(&rnd, 3) == 0)
                delete_it();
            if (vrv_rand_below(&rnd, 3) == 0) {
                crash(seed);
                up(seed * 100 + (uint64_t)i);
                rig_bury(&rig);
            }
            if (!there)
                bring_back(seed);
        }
        end_storm(seed);
    }
    IS(bad, 0, "%d storms, %d topics came back in them: nothing is lost, nothing is left", (int)n, back);
}

int
main(void)
{
    test_empty();
    test_goes();
    test_counted();
    test_keeps();
    test_nothing_kept();
    test_unknown();
    test_told();
    test_comes_back();
    test_while_moving();
    test_late_manifest();
    test_too_late();
    test_storms();
    return tap_done();
}
