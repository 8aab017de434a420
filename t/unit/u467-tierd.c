/*
 * The cold tier as it runs beside an engine: topics that ask for it drain into the store, keep here what
 * they are to keep, lose what is too old in both; whatever the store does, and however often all of it
 * starts anew.
 */
#include <stdio.h>

#include "engine/base/rand.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"

/* ---- tests ---- */

#define SMALL "segment.bytes=1000 remote.storage.enable=true "

static void
test_drains(void)
{
    begin(1);
    rig_topic(&rig, "t", 3, SMALL "local.retention.ms=0 retention.ms=-1 segment.ms=1000");
    rig_topic(&rig, "plain", 1, "segment.bytes=1000 retention.ms=-1");
    for (int32_t i = 0; i < 3; i++)
        put("t", i, 10);
    put("plain", 0, 10);
    pass(30000);
    IS(rig_checkpoint(&rig) && rig_checkpoint(&rig), 1, "the last segments are sealed by their age");
    pass(30000);
    for (int32_t i = 0; i < 3; i++)
        IS(offsets("t", i).local_start, 20, "an idle partition drains completely");
    IS(offsets("plain", 0).local_start, 0, "a topic that doesn't ask for it stays");
    IS(offsets("t", 0).start, 0, "nothing is deleted");
    IS(read_all("t", 1), 20, "all can be read");
    down();
    up(2);
    put("t", 1, 4);
    pass(30000);
    IS(read_all("t", 1), 28, "also when it has started anew, and goes on");
    end();
}

static void
test_keeps(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.bytes=2000 retention.ms=1200000");
    put("t", 0, 12);
    pass(20000);
    struct vrv_log_offsets o = offsets("t", 0);
    OK(o.local_start > 8 && o.local_start < 20, "so much stays here as is to stay (from %d on)",
        (int)o.local_start);
    IS(o.start, 0, "what isn't too old is there");
    put("t", 0, 12);
    pass(20000);
    o = offsets("t", 0);
    OK(o.start > 4 && o.start < 12, "what is too old goes, also where it is cold (up to %d)",
        (int)o.start);
    IS(read_all("t", 0), 48, "the rest can be read");
    int64_t segs = (o.end - o.start) / 4;
    int64_t there = (int64_t)fakestore_count(fake, "d/");
    OK(there >= segs - 2 && there <= segs + 1, "the store has what can be read, and no more: %d",
        (int)there);
    OK(fakestore_count(fake, "m/") <= 6, "and its manifest");
    end();
}

/* Also of a page of the manifest only what is too old goes. */
static void
test_pages(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1");
    put("t", 0, 60);
    pass(60000);
    OK(fakestore_count(fake, "m/") > 3 && offsets("t", 0).local_start > 100, "most is in pages");
    IS(rig_alter(&rig, "t", "retention.ms=3000000"), 0, "50 minutes are to stay");
    pass(10000);
    int64_t start = offsets("t", 0).start;
    OK(start >= 16 && start <= 24, "what is older goes, and not much more or less: up to %d", (int)start);
    IS(read_all("t", 0), 120, "the rest can be read");
    IS(rig_alter(&rig, "t", "retention.ms=-1 retention.bytes=20000"), 0, "or so many bytes");
    pass(10000);
    int64_t less = offsets("t", 0).start;
    OK(less > start, "what is too much goes (up to %d)", (int)less);
    IS(read_all("t", 0), 120, "the rest can be read");
    end();
}

static void
alter(const char *configs)
{
    IS(rig_alter(&rig, "t", configs), 0, "%s %s", configs, rig.e.msg);
}

/* Nothing more goes there; what is there stays until it is too old in all. */
static void
test_copies_no_more(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=1800000");
    put("t", 0, 12);
    pass(20000);
    int64_t cold = offsets("t", 0).local_start;
    alter("local.retention.ms= remote.log.copy.disable=true");
    size_t objects = fakestore_count(fake, "d/");
    put("t", 0, 12);
    pass(20000);
    IS(offsets("t", 0).local_start, cold, "what was not moved stays here");
    IS((int64_t)fakestore_count(fake, "d/"), (int64_t)objects, "and nothing more is in the store");
    IS(read_all("t", 0), 48, "all can be read");
    put("t", 0, 20);
    pass(20000);
    OK(offsets("t", 0).start > cold, "what is too old goes, in both (up to %d)",
        (int)offsets("t", 0).start);
    IS((int64_t)fakestore_count(fake, "d/"), 0, "until the store has nothing");
    alter("remote.log.copy.disable= local.retention.ms=0");
    pass(20000);
    OK(offsets("t", 0).local_start > 80 && offsets("t", 0).start < 60, "it can go on (from %d to %d)",
        (int)offsets("t", 0).start, (int)offsets("t", 0).local_start);
    IS(read_all("t", 0), 88, "without a hole");
    end();
}

/* Off: what is cold only is deleted, what this disk has stays; and on again. */
static void
test_leaves(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.bytes=2000 retention.ms=-1");
    put("t", 0, 12);
    pass(20000);
    int64_t local = offsets("t", 0).local_start;
    OK(local > 8 && fakestore_count(fake, "d/") > 2, "some of it is cold only");
    alter("remote.storage.enable=false");
    pass(3000);
    IS(offsets("t", 0).start, local, "off: the log begins where this disk does");
    OK(fakestore_count(fake, "d/") > 2, "who reads the rest may finish");
    down();
    up(2);
    IS(offsets("t", 0).start, local, "... also after a stop");
    pass(20000);
    IS((int64_t)fakestore_count(fake, "d/"), 0, "then the store has nothing of it");
    IS(read_all("t", 0), 24, "what this disk has can be read");
    put("t", 0, 4);
    alter("remote.storage.enable=true local.retention.bytes=0");
    pass(30000);
    OK(offsets("t", 0).local_start > 24, "on again: all that this disk has is moved");
    IS(offsets("t", 0).start, local, "... with the start where it was");
    IS(read_all("t", 0), 32, "... and can be read");
    end();
}

/* A log that isn't synced goes on above its ceiling after a crash: its segments leave a hole, and follow each
 * other in the store all the same. */
static void
test_skips(void)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        begin(seed);
        rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1 flush.policy=none");
        put("t", 0, 5);
        if (seed % 2 == 0)
            pass(20000);
        vrv_log_roll(rig_log(&rig, "t", 0));
        OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
        crash(seed);
        up(seed + 100);
        int64_t from = offsets("t", 0).end;
        OK(from > 1000, "it goes on above its ceiling (%d)", (int)from);
        put("t", 0, 5);
        pass(30000);
        IS(offsets("t", 0).local_start, from + 8, "... and drains");
        IS(fakestore_count(fake, "d/"), 5, "... all of it");
        lost(10, from);
        IS(read_all("t", 0), from + 10, "... which can be read");
        lost(0, 0);
        end();
    }
}

/* A store that does what it wants, and starts at bad moments. */
static void
test_storms(void)
{
    uint64_t first = tap_number("VARVE_SEED", 1), n = tap_number("VARVE_RUNS", 40);
    int bad = 0, held = 0;

    for (uint64_t seed = first; seed < first + n; seed++) {
        struct vrv_rand rnd = { seed };

        begin(seed);
        rig_topic(&rig, "t", 2, SMALL "local.retention.ms=0 retention.ms=-1");
        for (int i = 0; i < 6; i++) {
            fakestore_trouble(fake, &rnd);
            put("t", (int32_t)vrv_rand_below(&rnd, 2), 6);
            pass((int64_t)vrv_rand_below(&rnd, 20000));
            if (vrv_rand_below(&rnd, 2) == 0) {
                down();
                up(seed + (uint64_t)i);
            }
        }
        size_t objects = 0;
        held += offsets("t", 0).local_start + offsets("t", 1).local_start < 60;
        fakestore_heal(fake);
        pass(MINUTE_MS);
        pass(MINUTE_MS); /* what is orphaned is old now */
        for (int32_t i = 0; i < 2; i++) {
            struct vrv_log_offsets o = offsets("t", i);
            int64_t end_ = read_all("t", i);

            objects += (size_t)(o.end - o.start) / 4;
            if (o.end - o.local_start > 4 || end_ != o.end) {
                OK(false, "seed %d, partition %d: local from %d of %d, read to %d", (int)seed, (int)i,
                    (int)o.local_start, (int)o.end, (int)end_);
                bad++;
            }
        }
        if (fakestore_count(fake, "d/") > objects) {
            OK(false, "seed %d: %d objects, expected %d at most", (int)seed,
                (int)fakestore_count(fake, "d/"), (int)objects);
            bad++;
        }
        end();
    }
    IS(bad, 0, "%d storms (%d of them held it up): all is back within a minute, and can be read", (int)n,
        held);
}

/* One change of what is to become of the records. */
static void
change(struct vrv_rand *rnd)
{
    static const char *const configs[] = { "remote.storage.enable=false",
        "remote.storage.enable=true", "remote.storage.enable=true remote.log.copy.disable=true",
        "remote.log.copy.disable=", "local.retention.bytes=0", "local.retention.bytes=3000",
        "retention.bytes=9000", "retention.bytes=-1", "remote.copy.lag.ms=600000",
        "remote.copy.lag.ms=0", "varve.tier.compression.zstd.level=3" };
    struct vrv_log *log = rig_log(&rig, "t", (int32_t)vrv_rand_below(rnd, 2));
    struct vrv_log_offsets o = vrv_log_offsets(log);

    if (vrv_rand_below(rnd, 4) == 0)
        (void)rig_set_start(&rig, log,
            o.start + (int64_t)vrv_rand_below(rnd, (uint64_t)(o.end - o.start) + 1));
    else
        (void)rig_alter(&rig, "t",
            configs[vrv_rand_below(rnd, sizeof(configs) / sizeof(configs[0]))]);
}

/* How many of a partition's records can't be read, or are where they shouldn't be. */
static int64_t
wrong(uint64_t seed, int32_t partition, bool cold)
{
    struct vrv_log_offsets o = offsets("t", partition);
    int64_t end_ = read_all("t", partition);
    bool bad = end_ != o.end || (cold ? o.end - o.local_start > 4 : o.start != o.local_start);

    if (bad)
        OK(false, "seed %d, partition %d: from %d, local from %d of %d, read to %d", (int)seed,
            (int)partition, (int)o.start, (int)o.local_start, (int)o.end, (int)end_);
    return bad;
}

/* The same while settings change, records are deleted, and power fails. */
static void
test_changes(void)
{
    uint64_t first = tap_number("VARVE_SEED", 1), n = tap_number("VARVE_RUNS", 300);
    int64_t bad = 0;

    for (uint64_t seed = first; seed < first + n; seed++) {
        struct vrv_rand rnd = { seed };
        bool cold = seed % 2 == 0;

        begin(seed);
        rig_topic(&rig, "t", 2, SMALL "local.retention.ms=0 retention.ms=-1");
        for (int i = 0; i < 12; i++) {
            if (vrv_rand_below(&rnd, 2) == 0)
                fakestore_trouble(fake, &rnd);
            put("t", (int32_t)vrv_rand_below(&rnd, 2), (int)vrv_rand_below(&rnd, 7));
            pass((int64_t)vrv_rand_below(&rnd, 20000));
            change(&rnd);
            if (vrv_rand_below(&rnd, 4) == 0)
                fakestore_heal(fake);
            if (vrv_rand_below(&rnd, 3) == 0) {
                crash(seed);
                up(seed * 100 + (uint64_t)i);
            }
        }
        fakestore_heal(fake);
        IS(rig_alter(&rig, "t", cold ? "remote.storage.enable=true remote.log.copy.disable= "
            "remote.copy.lag.ms= local.retention.bytes=0 retention.bytes=-1"
            : "remote.storage.enable=false"), 0, "at last, %s", cold ? "cold" : "not");
        for (int32_t i = 0; i < 2; i++)
            put("t", i, 3); /* closes a segment */
        pass(MINUTE_MS);
        pass(MINUTE_MS);
        int64_t objects = 0;
        for (int32_t i = 0; i < 2; i++) {
            bad += wrong(seed, i, cold);
            objects += cold ? (offsets("t", i).end - offsets("t", i).start) / 2 + 1 : 0;
        }
        if ((int64_t)fakestore_count(fake, "d/") > objects) {
            OK(false, "seed %d: %d objects, expected %d at most", (int)seed,
                (int)fakestore_count(fake, "d/"), (int)objects);
            bad++;
        }
        end();
    }
    IS(bad, 0, "%d storms of changes: nothing is lost, nothing is left", (int)n);
}

/* A manifest that is missing is a failure like others: it isn't asked for all the time. */
static void
test_lost_manifest(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1");
    put("t", 0, 12);
    pass(20000);
    down();
    up(2);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    uint64_t before = fakestore_attempts(fake, VRV_STORE_GET);
    pass(60000);
    uint64_t asked = fakestore_attempts(fake, VRV_STORE_GET) - before;
    OK(asked > 1 && asked < 200, "the store lost it: that is asked for now and then (%d times)", (int)asked);
    IS(offsets("t", 0).start, 0, "nothing is deleted for that");
    fakestore_heal(fake);
    pass(120000);
    IS(read_all("t", 0), 24, "it is back: all can be read");
    end();
}

/* Something more is too old every two seconds; what leaves the manifest stays in the store for five. */
static void
test_goes_on(void)
{
    enum { STEPS = 12, GRACE_STEPS = 2 };
    int there[STEPS + 1];
    bool early = false;
    char setting[40];

    sweep_every_ms = 3600000;
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 retention.ms=-1");
    put("t", 0, 2 * STEPS + 8);
    pass(20000);
    there[0] = (int)fakestore_count(fake, "d/");
    OK(there[0] > STEPS, "segments are in the store");
    for (int i = 1; i <= STEPS; i++) {
        (void)snprintf(setting, sizeof(setting), "retention.bytes=%d", (there[0] - i) * 1000);
        IS(rig_alter(&rig, "t", setting), 0, "fewer are to stay");
        pass(2000);
        there[i] = (int)fakestore_count(fake, "d/");
        early |= i > GRACE_STEPS && there[0] - there[i] > i - GRACE_STEPS;
    }
    OK(there[GRACE_STEPS] == there[0] && !early, "nothing goes before its time");
    OK(there[STEPS] < there[0] - 4, "what goes isn't put off by what follows: %d of %d are there",
        there[STEPS], there[0]);
    pass(12000);
    OK((int)fakestore_count(fake, "d/") < there[0] - STEPS + 2, "and the last goes, too");
    end();
    sweep_every_ms = 10000;
}

int
main(void)
{
    test_lost_manifest();
    test_drains();
    test_keeps();
    test_goes_on();
    test_pages();
    test_copies_no_more();
    test_leaves();
    test_skips();
    test_storms();
    test_changes();
    return tap_done();
}
