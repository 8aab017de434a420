/*
 * What may be set while the cold tier runs: how fast things go, and how full this disk may be.  Above its
 * marks what the store has, too, leaves early, the oldest first; what it hasn't never does.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/rand.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/tier_ask.h"

#define SMALL "segment.bytes=1000 remote.storage.enable=true retention.ms=-1 "

static struct vrv_tier_limits limits;

/* All of them as they are by default. */
static void
start(uint64_t seed)
{
    struct vrv_tier_opts o;

    vrv_tier_opts_default(&o);
    limits = o.limits;
    begin(seed);
}

static void
set(void)
{
    vrv_tier_set(tier, &limits);
}

static int64_t
segments_there(void)
{
    return (int64_t)fakestore_count(fake, "d/");
}

/* ---- how fast ---- */

static void
test_copy_rate(void)
{
    start(1);
    limits.copy_bytes_s = 1000;
    set();
    rig_topic(&rig, "t", 1, SMALL);
    pass(2000);
    put("t", 0, 40);
    pass(5000);
    int64_t slow = segments_there();
    OK(slow >= 3 && slow <= 8, "with 1000 bytes a second %d segments of 1000 go in 5 s", (int)slow);
    limits.copy_bytes_s = 100000;
    set();
    pass(3000);
    IS(segments_there(), 19, "with more, the rest does");
    end();
}

static void
test_grace(void)
{
    start(1);
    limits.keep_ms = 100 * (int64_t)MINUTE_MS;
    set();
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 9);
    pass(5000);
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "a topic is deleted");
    pass(2 * MINUTE_MS);
    IS(segments_there(), 4, "as long as it may come back its cold data stays");
    limits.keep_ms = MINUTE_MS;
    set();
    pass(10000);
    IS(segments_there(), 0, "... and not longer, when that is set to less");
    end();
}

/* What retention deletes may still be read, by who began before that. */
static void
test_delay(void)
{
    start(1);
    IS(limits.grace_ms, 10 * MINUTE_MS, "what is too old stays in the store for ten minutes more, by default");
    set();
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    put("t", 0, 9);
    pass(5000);
    IS(segments_there(), 4, "segments in the store");
    IS(rig_alter(&rig, "t", "retention.ms=300000"), 0, "some of them are too old");
    pass(20000);
    OK(offsets("t", 0).start > 0, "the log begins behind them");
    pass(9 * MINUTE_MS);
    IS(segments_there(), 4, "... and they are there for nine minutes");
    pass(2 * MINUTE_MS);
    OK(segments_there() < 4, "... but not for eleven");
    end();
    start(2);
    limits.grace_ms = 1000;
    set();
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    put("t", 0, 9);
    pass(5000);
    IS(rig_alter(&rig, "t", "retention.ms=300000"), 0, "with a second");
    pass(30000);
    OK(segments_there() < 4, "... they go at once");
    end();
}

/* ... also what leaves the manifest while that is over for what did before, and where there is other work to do. */
static void
test_delay_again(void)
{
    start(1);
    set();
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    put("t", 0, 20);
    pass(5000);
    int64_t all = segments_there();
    IS(rig_set_start(&rig, rig_log(&rig, "t", 0), 4), 0, "some is deleted");
    pass(5 * MINUTE_MS);
    IS(segments_there(), all, "... which stays for a while");
    IS(rig_set_start(&rig, rig_log(&rig, "t", 0), 12), 0, "more is");
    pass(6 * MINUTE_MS);
    int64_t left = segments_there();
    OK(left < all && left > all - 3, "when it goes what was deleted later stays: %d of %d", (int)left, (int)all);
    put("t", 0, 3);
    pass(MINUTE_MS);
    OK(segments_there() > left, "... also when more is moved,");
    left = segments_there();
    pass(10 * MINUTE_MS);
    OK(segments_there() < left, "... until its time is over, too");
    end();
}

/* ---- how full ---- */

static void
test_states(void)
{
    struct vrv_disk_marks m = { .local_max = 1000, .free_min = 400, .reserve = 200 };
    struct vrv_disk_use u = { 1000, 500, 400 };
    enum vrv_disk_state s = VRV_DISK_FINE;

    IS(vrv_disk_next(s, &m, &u), VRV_DISK_FINE, "at its marks it is fine");
    u.local = 1001;
    IS(vrv_disk_next(s, &m, &u), VRV_DISK_HIGH, "above them it isn't");
    IS(vrv_disk_excess(VRV_DISK_HIGH, &m, &u), 101, "... until there is some room below");
    u.both = 100;
    IS(vrv_disk_next(VRV_DISK_HIGH, &m, &u), VRV_DISK_SHORT, "... which what is in both must give");
    u.local = 950;
    u.free = 500;
    IS(vrv_disk_next(VRV_DISK_SHORT, &m, &u), VRV_DISK_SHORT, "it lasts");
    u.local = 900;
    IS(vrv_disk_next(VRV_DISK_SHORT, &m, &u), VRV_DISK_FINE, "... until then");
    u = (struct vrv_disk_use){ 0, 0, 399 };
    IS(vrv_disk_next(s, &m, &u), VRV_DISK_SHORT, "or the file system is to have more room");
    u.free = 199;
    IS(vrv_disk_next(s, &m, &u), VRV_DISK_FULL, "without a reserve it is full");
    u.free = 220;
    IS(vrv_disk_next(VRV_DISK_FULL, &m, &u), VRV_DISK_FULL, "... until there is a good one");
    u.free = 250;
    IS(vrv_disk_next(VRV_DISK_FULL, &m, &u), VRV_DISK_SHORT, "... again");
    u = (struct vrv_disk_use){ 5000, 5000, 100 };
    IS(vrv_disk_next(s, &m, &u), VRV_DISK_HIGH, "not where what is in both can make room");
    m = (struct vrv_disk_marks){ INT64_MAX, 0, 0 };
    IS(vrv_disk_next(s, &m, &u), VRV_DISK_FINE, "without marks it is fine");
    m = (struct vrv_disk_marks){ INT64_MAX, INT64_MAX, INT64_MAX };
    u.free = UINT64_MAX;
    IS(vrv_disk_next(VRV_DISK_FULL, &m, &u), VRV_DISK_FINE, "... or where nobody knows what is free");
}

/* From the moment that it is too full until they have gone. */
static void
told_early(void)
{
    struct vrv_log_id id = rig_log(&rig, "a", 0)->id;
    struct vrv_tier_state all;
    struct vrv_tier_part p = { .seg_n = 0 };
    bool is = false;

    for (int i = 0; i < 1000 && !is; i++) {
        int64_t next_ns;

        vrv_tier_part_fini(&p);
        if (!vrv_tier_step(tier, &next_ns))
            pass(250);
        tap_need(vrv_tier_part(tier, &id, NULL, true, &p, &rig.e), "partition a");
        is = p.seg_n > 0 && p.seg[0].when.why == VRV_WHY_LOCAL_MAX;
    }
    OK(is && p.seg[0].fate == VRV_TIER_DROPPED, "what leaves early is told, and why");
    vrv_tier_part_fini(&p);
    vrv_tier_state(tier, &all);
    OK(all.disk.state == VRV_DISK_HIGH && all.disk.use.local > all.disk.marks.local_max &&
            all.disk.marks.local_max == 10000, "... and how full the disk is, and of what limit");
}

static void
test_oldest_first(void)
{
    start(1);
    rig_topic(&rig, "a", 1, SMALL);
    rig_topic(&rig, "b", 1, SMALL);
    rig_topic(&rig, "plain", 1, "segment.bytes=1000 retention.ms=-1");
    put("plain", 0, 20);
    put("a", 0, 10);
    put("b", 0, 11);
    put("a", 0, 11);
    pass(10000);
    uint64_t all = stats().local_bytes;
    OK(all == stats().both_bytes && all > 14000, "all that is sealed is in both: %d bytes", (int)all);
    OK(offsets("a", 0).local_start == 0 && stats().disk == VRV_DISK_FINE, "... and stays without a mark");
    limits.disk.local_max = 10000;
    set();
    told_early();
    pass(5000);
    struct vrv_tier_stats s = stats();
    OK(s.local_bytes <= 9000 && s.local_bytes > 8000, "with one, what is too much goes: %d are left",
        (int)s.local_bytes);
    IS((int64_t)s.evicted_bytes, (int64_t)(all - s.local_bytes), "... which is counted");
    IS(s.disk, VRV_DISK_FINE, "... and then it is well");
    OK(offsets("a", 0).local_start == 20, "the oldest goes first (up to %d)",
        (int)offsets("a", 0).local_start);
    OK(offsets("b", 0).local_start == 4, "... of whatever topic (up to %d)",
        (int)offsets("b", 0).local_start);
    IS(offsets("plain", 0).local_start, 0, "who asks for no tier isn't touched");
    IS(read_all("a", 0), 42, "all can be read");
    IS(read_all("b", 0), 22, "... of all");
    put("b", 0, 2);
    pass(5000);
    IS(offsets("a", 0).local_start, 20, "a little more is no reason to begin again");
    limits.disk.local_max = 0;
    set();
    pass(5000);
    IS((int64_t)stats().local_bytes, 0, "all that is sealed may have to go");
    end();
}

/* Its file is gone: what is there may be another store, and this disk has the only copy. */
static void
test_another_store(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 20);
    pass(10000);
    int64_t all = (int64_t)stats().local_bytes;
    OK(all > 1000 && all == (int64_t)stats().both_bytes, "all that is sealed is in both");
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    pass(200000);
    limits.disk.local_max = 0;
    set();
    pass(10000);
    IS((int64_t)stats().local_bytes, all, "nothing leaves the disk for a store that isn't known to be ours");
    fakestore_heal(fake);
    pass(70000);
    IS((int64_t)stats().local_bytes, 0, "... until it is");
    IS(read_all("t", 0), 40, "... and all can be read");
    end();
}

/* What only this disk has stays, and hurries. */
static void
test_short(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL "remote.copy.lag.ms=86400000");
    put("t", 0, 13);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    limits.disk.local_max = 2000;
    set();
    pass(20000);
    OK(stats().disk == VRV_DISK_SHORT, "the disk is too full");
    IS(offsets("t", 0).local_start, 0, "what the store hasn't stays, whatever the marks say");
    OK(fakestore_attempts(fake, VRV_STORE_PUT) > 0, "... and is to go without waiting for its time");
    fakestore_heal(fake);
    pass(30000);
    OK(stats().disk == VRV_DISK_FINE && stats().local_bytes <= 2000, "when the store takes it, it leaves");
    int64_t there = segments_there();
    OK(there >= 5 && there <= 6, "%d segments are copied for that", (int)there);
    put("t", 0, 1);
    pass(20000);
    IS(segments_there(), there, "then the others wait for their time again");
    IS(read_all("t", 0), 28, "all can be read");
    end();
}

static uint64_t
free_bytes(void)
{
    uint64_t n = 0;
    int rc = vrv_vfs_free_bytes(rig.o.vfs, &n, &rig.e);

    return rc == 0 ? n : 0;
}

static void
test_free(void)
{
    const uint64_t large = (uint64_t)1 << 40;

    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 41);
    pass(10000);
    IS(offsets("t", 0).local_start, 0, "there is room");
    simdisk_capacity(rig.disk, large);
    simdisk_capacity(rig.disk, large - free_bytes() + 40000); /* somebody else uses the rest */
    limits.disk.free_min = 42000;
    set();
    pass(10000);
    int64_t local = offsets("t", 0).local_start;
    OK(local >= 44 && local < 76, "without, what is in both makes some (up to %d)", (int)local);
    OK(free_bytes() >= 42000, "... as much as is to be free, and a bit: %d", (int)free_bytes());
    IS(stats().disk, VRV_DISK_FINE, "... and then it is well");
    IS(read_all("t", 0), 82, "all can be read");
    end();
}

/* Marks that come and go, a store that does what it wants, crashes: nothing is lost. */
static void
test_storms(void)
{
    int bad = 0, evicted = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct vrv_rand r = { seed };

        start(seed);
        rig_topic(&rig, "t", 2, SMALL "remote.copy.lag.ms=600000");
        for (int i = 0; i < 8; i++) {
            limits.disk.local_max = vrv_rand_below(&r, 3) == 0 ? INT64_MAX : vrv_rand_below(&r, 8000);
            set();
            if (vrv_rand_below(&r, 3) == 0)
                fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)vrv_rand_below(&r, FAKE_FAULTS),
                    (unsigned)vrv_rand_below(&r, 50));
            else
                fakestore_heal(fake);
            put("t", (int32_t)vrv_rand_below(&r, 2), (int)vrv_rand_below(&r, 7));
            pass((int64_t)vrv_rand_below(&r, 20000));
            if (vrv_rand_below(&r, 4) == 0) {
                crash(seed);
                up(seed * 100 + (uint64_t)i);
            }
        }
        fakestore_heal(fake);
        pass(MINUTE_MS);
        evicted += stats().evicted_bytes > 0;
        for (int32_t i = 0; i < 2; i++)
            bad += read_all("t", i) != offsets("t", i).end || offsets("t", i).start != 0;
        end();
    }
    IS(bad, 0, "60 storms of marks: nothing is lost");
    OK(evicted > 20, "... and in %d of them something left early", evicted);
}

/* Steps that the tier makes of its own accord; 10000: without end. */
static int
steps(void)
{
    int64_t next_ns;
    int n = 0;

    while (n < 10000 && vrv_tier_step(tier, &next_ns))
        n++;
    return n;
}

/* Until the journal takes nothing more. */
static void
fill_journal(void)
{
    static char large[20001];

    memset(large, 'x', sizeof(large) - 1);
    rig_topic(&rig, "other", 1, "");
    for (const char *value = large; *value != '\0'; value += strlen(value) / 2 + 1)
        while (rig_put_batch(&rig, rig_log(&rig, "other", 0), &(struct rig_batch){
                .value = value, .records = 1 }) >= 0)
            ;
}

/* Whoever is to leave asks the journal for that, which has no room. */
static void
test_full_journal(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 40);
    pass(60000);
    OK(segments_there() > 10, "segments are in both places");
    fill_journal();
    limits.disk.local_max = 2000;
    set();
    simclock_advance_ms(&rig.clock, 1000);
    int n = steps();
    OK(n < 100, "one that can't leave is asked once, not for ever: %d steps", n);
    for (int i = 0; i < 10; i++) {
        simclock_advance_ms(&rig.clock, 1000);
        n += steps();
    }
    OK(n < 1000, "... and then now and again: %d steps", n);
    IS(offsets("t", 0).local_start, 0, "it stays so long");
    for (int i = 0; i < 3; i++)
        (void)rig_checkpoint(&rig);
    pass(5000);
    OK(offsets("t", 0).local_start > 40, "and leaves when there is room");
    end();
}

/* What waits for its time gets it, however much else there is to do. */
static void
test_fair(void)
{
    struct vrv_undelete u[100];
    int64_t next_ns;

    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_BUSY, 100);
    put("t", 0, 4);
    pass(20000);
    uint64_t before = fakestore_attempts(fake, VRV_STORE_PUT);
    for (size_t i = 0; i < sizeof(u) / sizeof(u[0]); i++) {
        u[i] = (struct vrv_undelete){ .done.cq = &rig.cq, .topic = "nobody" };
        vrv_tier_undelete(tier, &u[i]);
    }
    for (size_t i = 0; i < sizeof(u) / sizeof(u[0]); i++) {
        simclock_advance_ms(&rig.clock, 500);
        (void)vrv_tier_step(tier, &next_ns);
    }
    OK(fakestore_attempts(fake, VRV_STORE_PUT) > before, "a store that was busy is asked again meanwhile");
    fakestore_heal(fake);
    pass(20000);
    while (vrv_cq_take(&rig.cq, 0) != NULL)
        ;
    end();
}

int
main(void)
{
    test_full_journal();
    test_fair();
    test_copy_rate();
    test_grace();
    test_delay();
    test_delay_again();
    test_states();
    test_oldest_first();
    test_another_store();
    test_short();
    test_free();
    test_storms();
    return tap_done();
}
