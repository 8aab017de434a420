/*
 * Who is served next by the cold tier, and what it costs to know that: the segment whose time comes first
 * goes first, and a partition in which nothing happens isn't looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/tier_ask.h"

enum { MANY = 10000, TOPICS = 5, KINDS = 3 /* of names: d/, h/ and m/ */ };

#define SMALL "segment.bytes=1000 remote.storage.enable=true "

/* How often a partition was looked at while this went on. */
static int64_t
looks_in(int64_t ms)
{
    struct vrv_tier_stats before, after;

    vrv_tier_stats(tier, &before);
    pass(ms);
    vrv_tier_stats(tier, &after);
    return (int64_t)(after.looks - before.looks);
}

/* Objects of a topic's segments. */
static size_t
objects_of(const char *topic)
{
    struct vrv_log_id id = rig_log(&rig, topic, 0)->id;
    char prefix[VRV_STORE_KEY_MAX + 1];
    size_t n = 0;

    for (; id.partition < MANY; id.partition++) {
        vrv_parts_prefix(&id, 'd', prefix);
        n += fakestore_count(fake, prefix);
        vrv_parts_prefix(&id, 'h', prefix);
        n += fakestore_count(fake, prefix);
    }
    return n;
}

/* ---- what it costs ---- */

static void
test_looks(void)
{
    begin(1);
    rig_topic(&rig, "many", MANY, SMALL "local.retention.ms=0 retention.ms=-1");
    OK(looks_in(20000) >= MANY, "each of %d partitions is looked at once", MANY);
    OK(rig_checkpoint(&rig), "a checkpoint");
    (void)looks_in(20000);
    IS(looks_in(30000), 0, "then none, as long as nothing happens");
    put("many", 7, 1);
    IS(looks_in(10000), 0, "... also while one gets records");
    put("many", 7, 40);
    int64_t looks = looks_in(30000);
    IS(objects_of("many"), 20, "twenty segments of one go to the store");
    OK(looks > 20 && looks < 20 * 8, "... which takes so many looks: %d", (int)looks);
    IS(rig_alter(&rig, "many", "retention.ms=100000000000"), 0, "a setting of all");
    looks = looks_in(10000);
    OK(looks >= MANY && looks < MANY + 10, "... makes each be looked at again: %d", (int)looks);
    end();
}

/* What is decided by time is, at its time. */
static void
test_times(void)
{
    sweep_every_ms = 10 * 60 * MINUTE_MS; /* which is a look, too */
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=3600000 retention.ms=7200000");
    put("t", 0, 8);
    pass(20000);
    IS(offsets("t", 0).local_start, 0, "all is to stay for an hour");
    (void)looks_in(40 * MINUTE_MS);
    IS(offsets("t", 0).local_start, 0, "... and does, for 50 minutes");
    int64_t looks = looks_in(18 * MINUTE_MS);
    IS(offsets("t", 0).local_start, 12, "then it goes, segment by segment");
    OK(looks <= 3 * 4, "... without being looked at every second: %d looks", (int)looks);
    (void)looks_in(60 * MINUTE_MS);
    IS(offsets("t", 0).start, 12, "and from the store in another hour");
    pass(MINUTE_MS);
    IS(objects_of("t"), 0, "... for good");
    IS(looks_in(MINUTE_MS), 0, "... which nobody looks at any more");
    end();
    sweep_every_ms = 10000;
}

static void
test_clock(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=3600000 retention.ms=-1");
    put("t", 0, 8);
    pass(20000);
    IS(offsets("t", 0).local_start, 0, "all is to stay for an hour");
    simclock_set_wall_ms(&rig.clock, rig.clock.wall_ms + 120 * (int64_t)MINUTE_MS);
    pass(5000);
    IS(offsets("t", 0).local_start, 12, "somebody sets the clock, and it is over");
    end();
}

/* So much of a partition stays here, whatever comes. */
static void
test_bytes(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=4000 remote.storage.enable=true retention.ms=-1 "
        "local.retention.bytes=6000");
    put("t", 0, 32);
    pass(20000);
    int64_t local = offsets("t", 0).local_start;
    OK(local > 0, "what is too much goes");
    for (int i = 0; i < 20; i++) {
        put("t", 0, 1);
        pass(3000);
        struct vrv_log_offsets o = offsets("t", 0);
        if (o.bytes >= 6000 + 4000)
            OK(false, "%d bytes are here of 6000 and a segment, from %d on", (int)o.bytes,
                (int)o.local_start);
    }
    OK(offsets("t", 0).local_start > local, "... also as what is open grows");
    end();
}

/* Looking through the store costs requests: where nothing is written there is little to be found. */
static void
test_sweeps(void)
{
    sweep_every_ms = 1000;
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1");
    put("t", 0, 8);
    pass(MINUTE_MS);
    uint64_t lists = fakestore_attempts(fake, VRV_STORE_LIST);
    pass(4 * MINUTE_MS);
    uint64_t quiet = fakestore_attempts(fake, VRV_STORE_LIST) - lists;
    OK(quiet >= KINDS * 8 && quiet <= KINDS * 14, "a quiet partition is swept as often as there may be orphans: %d lists",
        (int)quiet);
    put("t", 0, 4);
    lists = fakestore_attempts(fake, VRV_STORE_LIST);
    pass(8000);
    OK(fakestore_attempts(fake, VRV_STORE_LIST) > lists, "after something was written soon");
    end();
    sweep_every_ms = 10000;
}

/* Whoever is refused sends it again, all of it: ever more seldom, and yet soon enough when that is over. */
static void
test_refused(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1");
    put("t", 0, 8);
    pass(20000);
    IS(offsets("t", 0).local_start, 12, "what is sealed goes");
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    uint64_t puts = fakestore_attempts(fake, VRV_STORE_PUT);
    put("t", 0, 8);
    pass(10 * MINUTE_MS);
    puts = fakestore_attempts(fake, VRV_STORE_PUT) - puts;
    OK(puts >= 10 && puts < 60, "a store that refuses for ten minutes is sent a segment %d times", (int)puts);
    fakestore_heal(fake);
    pass(MINUTE_MS);
    IS(offsets("t", 0).local_start, 28, "a minute later all is there");
    end();
}

/* ---- the order ---- */

/* In which order the first segments of topics arrive, one letter each. */
static const char *
order(const char *topics)
{
    static char seen[TOPICS + 1];
    int64_t next;
    size_t n = 0;

    for (int idle = 0; n < strlen(topics) && idle < 200;) {
        for (const char *p = topics; *p != '\0'; p++) {
            char name[2] = { *p, '\0' };

            if (memchr(seen, *p, n) == NULL && objects_of(name) > 0)
                seen[n++] = *p;
        }
        if (vrv_tier_step(tier, &next))
            continue;
        idle++;
        rig_commit(&rig);
        rig_pass(&rig, 250);
    }
    seen[n] = '\0';
    return seen;
}

static void
topic(const char *name, const char *settings)
{
    char all[300];

    (void)snprintf(all, sizeof(all), SMALL "remote.log.copy.disable=true retention.ms=-1 %s",
        settings);
    rig_topic(&rig, name, 1, all);
    put(name, 0, 5);
}

/* Whatever there is may go from now on. */
static void
open_gate(const char *topics)
{
    for (const char *p = topics; *p != '\0'; p++) {
        char name[2] = { *p, '\0' };

        if (rig_alter(&rig, name, "remote.log.copy.disable=") < 0)
            OK(false, "the gate: %s", rig.e.msg);
    }
}

static void
test_order(void)
{
    struct vrv_err e;
    int64_t to;

    moves_at_once = 1;
    begin(1);
    topic("a", ""); /* the oldest records, and no limit */
    topic("b", "local.retention.ms=86400000");
    topic("c", "local.retention.ms=3600000");
    topic("d", "varve.offload.max.age.ms=1800000");
    topic("e", "local.retention.bytes=500");
    pass(10000);
    open_gate("abcde");
    IS_STR(order("abcde"), "edcba", "who is late already, then whose time comes first, then the others");
    end();
    begin(1);
    topic("a", "");
    topic("b", "local.retention.ms=3600000");
    pass(10000);
    open_gate("ab");
    struct vrv_log_id id = rig_log(&rig, "a", 0)->id;
    IS(vrv_tier_offload(tier, &id, &to, &e), 0, "who is waited for");
    IS_STR(order("ab"), "ab", "... goes first of all");
    end();
    moves_at_once = 2;
}

/* Nothing more comes, and it is all there soon. */
static void
test_drains(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, "remote.storage.enable=true retention.ms=-1 local.retention.ms=0 "
        "varve.offload.max.age.ms=600000 remote.copy.lag.ms=0");
    rig_topic(&rig, "u", 1, "remote.storage.enable=true retention.ms=-1 varve.offload.max.age.ms=600000 "
        "remote.copy.lag.ms=86400000 segment.bytes=1000");
    rig_topic(&rig, "v", 1, "retention.ms=-1 varve.offload.max.age.ms=600000");
    put("t", 0, 2);
    put("v", 0, 2);
    put("u", 0, 4);
    pass(MINUTE_MS);
    OK(offsets("t", 0).local_start == 0 && objects_of("u") == 0, "all of it is young");
    for (int i = 0; i < 12; i++) {
        pass(MINUTE_MS);
        OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
    }
    pass(5000);
    IS(offsets("t", 0).local_start, 4, "a topic that gets no more drains completely");
    OK(objects_of("u") >= 2, "... without waiting for remote.copy.lag.ms");
    IS(offsets("v", 0).segments, 1, "one that asks for no tier has nothing of it");
    end();
}

int
main(void)
{
    test_looks();
    test_sweeps();
    test_refused();
    test_times();
    test_clock();
    test_bytes();
    test_order();
    test_drains();
    return tap_done();
}
