/*
 * A disk that fills up while the store takes nothing: what each topic's outage policy makes of it.  Under
 * block nothing is lost; what is lost under the others is told, and nothing else is.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/rand.h"
#include "engine/reader/reader.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/tier_ask.h"

#define SMALL "segment.bytes=1000 remote.storage.enable=true retention.ms=-1 "

enum { ROOM = 120000 };

static struct vrv_tier_limits limits;
static struct vrv_tier_news news[64];
static int news_n, disk_n;

static void
told(void *ctx, const struct vrv_tier_news *n)
{
    (void)ctx;
    disk_n += n->kind == VRV_TIER_NEWS_DISK;
    if (n->kind != VRV_TIER_NEWS_LOST || news_n == 64)
        return;
    news[news_n++] = *n;
    if (n->leaves_hole)
        lost(n->from, n->to);
}

static void
start(uint64_t seed)
{
    struct vrv_tier_opts o;

    vrv_tier_opts_default(&o);
    limits = o.limits;
    told_by_tier = told;
    news_n = disk_n = 0;
    lost(0, 0);
    begin(seed);
}

/* The disk has its reserve, or not. */
static void
full(bool is)
{
    limits.disk.reserve = is ? (uint64_t)1 << 60 : 0;
    vrv_tier_set(tier, &limits);
    pass(3000);
}

/* It has so much more than is used now. */
static void
leave(uint64_t bytes)
{
    const uint64_t large = (uint64_t)1 << 40;
    uint64_t n = 0;

    simdisk_capacity(rig.disk, large);
    int rc = vrv_vfs_free_bytes(rig.o.vfs, &n, &rig.e);
    OK(rc == 0, "a disk");
    simdisk_capacity(rig.disk, large - n + bytes);
}

static int64_t
append(const char *topic)
{
    char value[201];

    (void)snprintf(value, sizeof(value), "%0200d", (int)offsets(topic, 0).end);
    return rig_put_batch(&rig, rig_log(&rig, topic, 0), &(struct rig_batch){ .value = value, .records = 2 });
}

static void
outage(bool is)
{
    if (is)
        fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    else
        fakestore_heal(fake);
}

/* It is known to be full, and nothing was done about it yet. */
static void
full_at_once(void)
{
    limits.disk.reserve = (uint64_t)1 << 60;
    vrv_tier_set(tier, &limits);
    for (int i = 0; i < 1000 && stats().disk != VRV_DISK_FULL; i++) {
        int64_t next_ns;

        if (!vrv_tier_step(tier, &next_ns))
            pass(250);
    }
}

/* Is this partition's i-th segment told so?  It refuses appends, if it gives nothing up. */
static bool
told_of(const char *topic, uint32_t i, enum vrv_tier_fate fate)
{
    struct vrv_log_id id = rig_log(&rig, topic, 0)->id;
    struct vrv_tier_part p;

    tap_need(vrv_tier_part(tier, &id, NULL, true, &p, &rig.e), "a partition");
    bool is = p.refuses == (fate != VRV_TIER_LOST) && p.seg_n > i && p.seg[i].fate == fate &&
        (fate != VRV_TIER_LOST || p.seg[i].when.why == VRV_WHY_OUTAGE);
    vrv_tier_part_fini(&p);
    return is;
}

/* ---- block ---- */

static void
test_block(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    rig_topic(&rig, "plain", 1, "retention.ms=-1");
    outage(true);
    put("t", 0, 9);
    full(true);
    IS(stats().disk, VRV_DISK_FULL, "the reserve is reached");
    IS(append("t"), VRV_E_NOSPACE, "appends are refused");
    IS_STR(rig.e.msg, "the disk is full of what the cold tier hasn't taken yet: appends go on when it has",
        "... with the reason");
    IS(stats().refusing, 1, "... which is counted");
    OK(told_of("t", 0, VRV_TIER_COPIED), "... and told, segment by segment: they wait for the store");
    OK(append("plain") >= 0, "who has nothing to do with the store goes on");
    down();
    up(2);
    vrv_tier_set(tier, &limits);
    pass(3000);
    IS(append("t"), VRV_E_NOSPACE, "... also after a start");
    outage(false);
    pass(20000);
    IS(append("t"), VRV_E_NOSPACE, "as long as there is no room");
    full(false);
    OK(append("t") >= 0 && stats().refusing == 0, "then they go on by themselves");
    IS(news_n, 0, "nothing is lost");
    IS(offsets("t", 0).start, 0, "... from the first record on");
    IS(read_all("t", 0), 20, "... to the last");
    end();
}

/* As it comes: it fills up, the store is back, it drains. */
static void
test_fills_up(void)
{
    start(1);
    limits.disk.reserve = 40000;
    limits.disk.free_min = 60000;
    rig_topic(&rig, "t", 1, SMALL);
    outage(true);
    leave(ROOM);
    vrv_tier_set(tier, &limits);
    int64_t rc = 0, n = 0;
    for (; n < 2000 && (rc = append("t")) >= 0; n++) {
        if (n % 4 == 3)
            OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
        pass(1000);
    }
    IS(rc, VRV_E_NOSPACE, "appends fill the disk, until they are refused");
    OK(n > 10, "... (%d)", (int)n);
    uint64_t left = 0;
    IS(vrv_vfs_free_bytes(rig.o.vfs, &left, &rig.e), 0, "what is left");
    OK(left > 20000, "... is most of the reserve: %d", (int)left);
    outage(false);
    pass(30000);
    OK(stats().disk < VRV_DISK_FULL, "with the store there is room again");
    OK(append("t") >= 0, "... and appends go on");
    IS(read_all("t", 0), 2 * n + 2, "all that was acknowledged is there");
    OK(offsets("t", 0).start == 0 && news_n == 0, "... from the first on");
    end();
}

/* ---- named losses ---- */

static int
read_at(const char *topic, int64_t offset)
{
    struct vrv_read r = { .offset = offset, .max_bytes = 1000, .whole_first = true };
    int rc = vrv_read(rig_log(&rig, topic, 0), &r, &rig.e);

    vrv_read_fini(&r);
    return rc;
}

/* Nothing of it is cold: the log begins behind what went. */
static void
test_drop_from_start(void)
{
    int64_t from = -1, to = -1;

    start(1);
    rig_topic(&rig, "t", 1, SMALL "varve.tier.outage.policy=drop-oldest");
    rig_topic(&rig, "b", 1, SMALL);
    outage(true);
    put("t", 0, 9);
    put("b", 0, 3);
    full_at_once();
    OK(told_of("t", 0, VRV_TIER_LOST), "what will be given up is told");
    full(true);
    OK(append("t") >= 0, "it takes appends on a full disk");
    IS(append("b"), VRV_E_NOSPACE, "... where others don't");
    pass(MINUTE_MS);
    struct vrv_log_offsets o = offsets("t", 0);
    IS(o.start, 16, "the oldest are lost");
    IS(o.local_start, 16, "... all that was closed");
    IS(read_at("t", 15), VRV_E_RANGE, "who reads there is told that it is outside the log");
    OK(news_n >= 4 && news[0].from == 0 && news[0].to == 4 && !news[0].leaves_hole,
        "what is lost is told, segment by segment");
    OK(stats().lost_segments == (uint64_t)news_n && stats().lost_bytes > 3500, "... and counted");
    IS(offsets("b", 0).start, 0, "others lose nothing");
    full(false);
    outage(false);
    put("t", 0, 6);
    pass(30000);
    IS(offsets("t", 0).start, 16, "when the store is back nothing more is lost");
    IS(read_all("t", 0), 32, "... and the rest can be read");
    down();
    up(2);
    IS(read_all("t", 0), 32, "... after a start, too");
    struct vrv_parts_opts none = { .random = 1 };
    struct vrv_parts ps;
    vrv_parts_init(&ps, &none);
    vrv_parts_attach(&ps, vrv_engine_catalog(rig.eng));
    OK(!vrv_parts_lost(&ps, &rig_log(&rig, "t", 0)->id, &from, &to), "nothing of the loss is left to say");
    vrv_parts_fini(&ps);
    end();
}

/* What is in the store stays; readers pass over what is missing behind it. */
static void
test_drop_behind_cold(void)
{
    for (int crashes = 0; crashes < 2; crashes++) {
        start(1);
        rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 varve.tier.outage.policy=drop-oldest");
        put("t", 0, 9);
        pass(20000);
        IS(offsets("t", 0).local_start, 16, "some of it is cold");
        outage(true);
        put("t", 0, 8);
        full(true);
        pass(MINUTE_MS);
        OK(append("t") >= 0, "it takes appends on a full disk");
        struct vrv_log_offsets o = offsets("t", 0);
        OK(o.start == 0 && o.local_start > 28, "what only this disk had is lost (up to %d)",
            (int)o.local_start);
        OK(news_n > 0 && news[0].leaves_hole && news[0].from == 16, "... which is told");
        IS(read_all("t", 0), o.end, "the rest can be read, over the hole");
        IS(read_at("t", 17), 0, "... also from within it");
        full(false);
        if (crashes) {
            crash(7);
            up(2);
        } else {
            down();
            up(2);
        }
        vrv_tier_set(tier, &limits);
        IS(read_all("t", 0), offsets("t", 0).end, "... after a start, with a store that is still out");
        outage(false);
        put("t", 0, 9);
        pass(30000);
        OK(offsets("t", 0).local_start > o.end, "when it is back the log drains");
        IS(read_all("t", 0), offsets("t", 0).end, "... and can be read");
        IS(offsets("t", 0).start, 0, "... from its first record");
        down();
        up(3);
        IS(read_all("t", 0), offsets("t", 0).end, "... after a start, too");
        IS(rig_alter(&rig, "t", "retention.bytes=1"), 0, "and it ends");
        pass(30000);
        OK(offsets("t", 0).start > o.end, "... as others do");
        end();
    }
}

/* A move that hangs doesn't hold up who makes room. */
static void
test_drop_hanging(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0 varve.tier.outage.policy=drop-oldest");
    put("t", 0, 5);
    pass(20000);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    put("t", 0, 5);
    pass(5000);
    full(true);
    pass(20000);
    OK(news_n >= 2, "what hangs on its way to the store goes, too (%d)", news_n);
    full(false);
    fakestore_heal(fake);
    put("t", 0, 5);
    pass(2 * MINUTE_MS);
    IS(read_all("t", 0), offsets("t", 0).end, "the rest can be read");
    OK(offsets("t", 0).local_start > 20, "... and drains");
    end();
}

static void
test_expire(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=600000 varve.tier.outage.policy=expire");
    outage(true);
    put("t", 0, 9);
    full(true);
    int64_t first = offsets("t", 0).start;
    IS(append("t"), VRV_E_NOSPACE, "where nothing may expire appends are refused");
    OK(first == 0 && news_n == 0, "... and nothing is lost");
    simclock_advance_ms(&rig.clock, 5 * MINUTE_MS);
    pass(3000);
    OK(offsets("t", 0).start >= 4 && offsets("t", 0).start < 16, "what is over by local.retention.ms is lost (%d)",
        (int)offsets("t", 0).start);
    full(false);
    int64_t at = offsets("t", 0).start;
    simclock_advance_ms(&rig.clock, 60 * MINUTE_MS);
    pass(5000);
    IS(offsets("t", 0).start, at, "with room nothing is, whatever its time");
    OK(append("t") >= 0, "... and appends go on");
    outage(false);
    pass(30000);
    IS(read_all("t", 0), offsets("t", 0).end, "the rest can be read");
    end();
}

/* Policies may be changed while it happens. */
static void
test_changes_mind(void)
{
    start(1);
    rig_topic(&rig, "t", 1, SMALL);
    outage(true);
    put("t", 0, 9);
    full(true);
    IS(append("t"), VRV_E_NOSPACE, "it blocks");
    IS(rig_alter(&rig, "t", "varve.tier.outage.policy=drop-oldest"), 0, "somebody would rather lose");
    pass(5000);
    OK(append("t") >= 0 && offsets("t", 0).start > 0, "... and it does");
    int64_t first = offsets("t", 0).start;
    IS(rig_alter(&rig, "t", "varve.tier.outage.policy=block"), 0, "... or not");
    pass(5000);
    IS(append("t"), VRV_E_NOSPACE, "... and it blocks");
    IS(offsets("t", 0).start, first, "... and loses no more");
    IS(rig_alter(&rig, "t", "remote.storage.enable=false"), 0, "who leaves the tier");
    pass(5000);
    OK(append("t") >= 0, "... has nothing to do with it");
    end();
}

/* What was told and not done when the power failed. */
static void
forget_what_stayed(void)
{
    int64_t local = offsets("t", 0).local_start;

    lost(0, 0);
    for (int i = 0; i < news_n; i++)
        if (news[i].leaves_hole && news[i].to <= local)
            lost(news[i].from, news[i].to);
}

/* A store that does what it wants, a disk that is full or not, crashes. */
static void
test_storms(bool drops)
{
    int bad = 0, gave_up = 0;

    for (uint64_t seed = 1; seed <= 80; seed++) {
        struct vrv_rand r = { seed };

        start(seed);
        rig_topic(&rig, "t", 1, drops ? SMALL "local.retention.ms=0 varve.tier.outage.policy=drop-oldest"
                                      : SMALL "local.retention.ms=0");
        for (int i = 0; i < 8; i++) {
            if (vrv_rand_below(&r, 3) > 0)
                fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)vrv_rand_below(&r, FAKE_FAULTS),
                    (unsigned)vrv_rand_below(&r, 100));
            else
                fakestore_heal(fake);
            limits.disk.reserve = vrv_rand_below(&r, 2) == 0 ? (uint64_t)1 << 60 : 0;
            vrv_tier_set(tier, &limits);
            for (int k = (int)vrv_rand_below(&r, 7); k > 0; k--)
                (void)append("t");
            (void)(rig_checkpoint(&rig) && rig_checkpoint(&rig));
            pass((int64_t)vrv_rand_below(&r, 20000));
            if (vrv_rand_below(&r, 3) == 0) {
                crash(seed);
                up(seed * 100 + (uint64_t)i);
                forget_what_stayed();
            }
        }
        full(false);
        fakestore_heal(fake);
        put("t", 0, 3);
        pass(3 * (int64_t)MINUTE_MS);
        gave_up += news_n > 0;
        struct vrv_log_offsets o = offsets("t", 0);
        int64_t end_ = read_all("t", 0);
        if (end_ != o.end || o.end - o.local_start > 4 || (!drops && (o.start != 0 || news_n > 0))) {
            OK(false, "seed %d: from %d, local from %d of %d, read to %d", (int)seed, (int)o.start,
                (int)o.local_start, (int)o.end, (int)end_);
            bad++;
        }
        end();
    }
    IS(bad, 0, drops ? "80 storms: what is lost was told, and the rest is there"
                     : "80 storms: under block nothing is lost");
    OK(!drops || gave_up > 20, "... with losses in %d of them", gave_up);
}

int
main(void)
{
    test_block();
    test_fills_up();
    test_drop_from_start();
    test_drop_behind_cold();
    test_drop_hanging();
    test_expire();
    test_changes_mind();
    test_storms(false);
    test_storms(true);
    return tap_done();
}
