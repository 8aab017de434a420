/*
 * What the cold tier tells of itself: of each partition where its segments are, what is under way,
 * what failed and when it is tried again; what settings would change; that what somebody wants
 * moved goes at once; that what is forgotten is read again from where it is.
 */
#include <stdlib.h>

#include "engine/os/thread.h"
#include "engine/reader/reader.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/tier_ask.h"

#define SMALL "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true "

static struct vrv_err e;

static struct vrv_log_id
id_of(const char *topic)
{
    return rig_log(&rig, topic, 0)->id;
}

static struct vrv_tier_part
part(const char *topic, bool segments)
{
    struct vrv_log_id id = id_of(topic);
    struct vrv_tier_part p;

    IS(vrv_tier_part(tier, &id, NULL, segments, &p, &e), 0, "a partition can be told");
    return p;
}

/* With other settings: those it has, and these. */
static struct vrv_tier_sums
sums_with(const char *topic, void (*change)(struct vrv_log_config *c))
{
    struct vrv_log_config *now = vrv_log_config_ref(rig_log(&rig, topic, 0)), as = *now;
    struct vrv_log_id id = id_of(topic);
    struct vrv_tier_part p;

    change(&as);
    IS(vrv_tier_part(tier, &id, &as, false, &p, &e), 0, "... as it would be");
    vrv_log_config_unref(now);
    vrv_tier_part_fini(&p);
    return p.sums;
}

static int64_t
offload(const char *topic)
{
    struct vrv_log_id id = id_of(topic);
    int64_t to;
    int rc = vrv_tier_offload(tier, &id, &to, &e);

    return rc < 0 ? rc : to;
}

/* ---- tests ---- */

static void
test_part(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.bytes=1500");
    put("t", 0, 9);
    struct vrv_tier_part p = part("t", true);
    OK(p.tiered && p.cold_end == -1 && p.end == 18 && p.unknown == 0, "nothing is cold yet");
    OK(p.seg_n == 5 && p.sums.here.segments == 5 && p.sums.lag.segments == 4, "... and lags");
    OK(p.sums.lag_ms > 0 && p.sums.copies.segments == 4 && p.sums.requests == 16, "... by so much");
    vrv_tier_part_fini(&p);
    pass(20000);
    p = part("t", true);
    OK(p.counts.copies == 4 && p.counts.copied_bytes > 0 && p.counts.copy_errors == 0,
        "what was copied is counted");
    OK(p.cold_end == 16 && p.local_start > 0 && p.local_start < 16, "then all that is sealed is");
    down();
    up(2);
    IS(read_all("t", 0), 18, "it can be read");
    struct vrv_log_traffic came = vrv_log_traffic(rig_log(&rig, "t", 0));
    OK(came.cold_reads > 0 && came.cold_bytes > 200 && came.cold_errors == 0,
        "... and what came from the store is counted");
    vrv_tier_part_fini(&p);
    p = part("t", true);
    OK(p.sums.lag.segments == 0 && p.sums.lag_ms == 0, "... and nothing lags");
    OK(p.sums.cold.segments + p.sums.both.segments == 4 && p.sums.here.segments == 1,
        "... each segment is somewhere");
    OK(p.stored > p.sums.cold.bytes + p.sums.both.bytes, "what the store has of it");
    OK(p.seg[0].place == VRV_TIER_COLD, "segment by segment");
    const struct vrv_tier_seg *open = &p.seg[p.seg_n - 1];
    int64_t left = open->when.ms - rig.clock.clock.wall_ms(&rig.clock.clock);
    OK(open->fate == VRV_TIER_CLOSED && open->when.why == VRV_WHY_OPEN_MS && left > 0 && left <= 7 * 24 * 60 * MINUTE_MS &&
            open->when.more > 0 && open->when.more < 1000, "the open one is closed by segment.ms, or segment.bytes");
    vrv_tier_part_fini(&p);
    IS(rig_alter(&rig, "t", "varve.offload.max.age.ms=3600000"), 0, "or sooner:");
    p = part("t", true);
    open = &p.seg[p.seg_n - 1];
    left = open->when.ms - rig.clock.clock.wall_ms(&rig.clock.clock);
    OK(open->when.why == VRV_WHY_OPEN_MAX_AGE && left <= 60 * MINUTE_MS, "... by varve.offload.max.age.ms");
    vrv_tier_part_fini(&p);
    struct vrv_log_id nowhere = id_of("t");
    nowhere.partition = 7;
    IS(vrv_tier_part(tier, &nowhere, NULL, false, &p, &e), VRV_E_NOTFOUND, "no such partition");
    end();
}

/* Of the oldest page the segments are told, as soon as retention looks at them: what is due is what the
 * daemon does, not a page at a time. */
static void
test_pages(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 remote.storage.enable=true local.retention.ms=0 "
        "retention.ms=2000000000");
    put("t", 0, 40);
    pass(20000);
    struct vrv_tier_part p = part("t", true);
    OK(p.seg_n > 2 && p.seg[0].segments > 1, "older segments are told together");
    vrv_tier_part_fini(&p);
    IS(rig_alter(&rig, "t", "retention.ms=2100000"), 0, "until some of them are too old");
    pass(20000);
    p = part("t", true);
    OK(p.seg[0].segments == 1 && p.start > 0, "then each is told");
    for (uint32_t i = 0; i < p.seg_n; i++)
        if (p.seg[i].next > p.start && p.seg[i].fate == VRV_TIER_DELETED &&
            p.seg[i].when.ms <= rig.clock.clock.wall_ms(&rig.clock.clock))
            OK(false, "segment %d is due, and the daemon leaves it", (int)p.seg[i].base);
    vrv_tier_part_fini(&p);
    end();
}

static void
limit_local(struct vrv_log_config *c)
{
    c->local_bytes = 0;
}

static void
enable(struct vrv_log_config *c)
{
    c->tiered = true;
}

static void
leave(struct vrv_log_config *c)
{
    c->tiered = false;
}

static void
test_plan(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.bytes=1500");
    rig_topic(&rig, "plain", 1, "segment.bytes=1000 retention.ms=-1");
    put("t", 0, 9);
    put("plain", 0, 9);
    pass(20000);
    struct vrv_tier_sums s = sums_with("t", limit_local);
    OK(s.drops.segments == 2 && s.drops.bytes > 0 && s.copies.segments == 0,
        "a limit lets go of what is in the store");
    s = sums_with("plain", enable);
    OK(s.copies.segments == 4 && s.requests == 16 && s.drops.segments == 0,
        "a topic that is to be tiered moves what is sealed");
    s = sums_with("t", leave);
    OK(s.deletes.segments == 2 && s.copies.segments == 0,
        "a topic that leaves the tier loses what only the store has");
    IS(offsets("t", 0).start, 0, "and nothing of that is done");
    struct vrv_tier_part p = part("plain", false);
    OK(!p.tiered && p.cold_end == -1, "a topic that doesn't ask for it says so");
    end();
}

static void
test_failure(void)
{
    struct vrv_tier_state s;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    vrv_tier_state(tier, &s);
    OK(s.last_ms == 0 && s.good_ms == 0 && s.store[0] != '\0', "a store that nothing was asked of");
    OK(!s.owned, "... isn't known to be ours");
    pass(2000);
    vrv_tier_state(tier, &s);
    OK(s.owned && s.owner.code == 0, "... until it was asked");
    put("t", 0, 9);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    int64_t from_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    pass(2000);
    vrv_tier_state(tier, &s);
    OK(s.last_ms >= from_ms && s.last.code == VRV_E_DENIED, "what failed, and when");
    struct vrv_tier_part p = part("t", false);
    OK(p.last.code == VRV_E_DENIED && p.last_ms > 0 && p.again_ms > p.last_ms,
        "of the partition, too: %s", p.last.msg);
    OK(p.sums.held.segments == 4, "what is here only because it isn't there");
    OK(p.counts.copy_errors > 0 && p.counts.copied_bytes == 0, "and it is counted");
    fakestore_heal(fake);
    pass(20000);
    vrv_tier_state(tier, &s);
    OK(s.good_ms > s.last_ms && s.moved_ms > s.last_ms, "it does better");
    OK(s.written_bytes > 0 && s.cache_max == 4000, "... with its numbers");
    struct vrv_hist_view denied = { .sum_ns = 0 }, done = { .sum_ns = 0 };
    vrv_tier_requests(tier, VRV_STORE_PUT, VRV_STORE_DENIED, &denied);
    vrv_tier_requests(tier, VRV_STORE_PUT, VRV_STORE_DONE, &done);
    OK(vrv_hist_count(&denied) > 0 && vrv_hist_count(&done) >= 8, "each attempt is counted by what came of it");
    end();
}

static void
test_under_way(void)
{
    struct vrv_tier_state s;
    int64_t next;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    pass(2000); /* the store is ours */
    put("t", 0, 9);
    struct vrv_tier_part p = part("t", false);
    while (p.work == VRV_TIER_RESTS && vrv_tier_step(tier, &next))
        p = part("t", false);
    OK(p.work == VRV_TIER_MOVES && p.at == 0 && p.size > 0 && p.since_ms > 0,
        "what is under way is told");
    vrv_tier_state(tier, &s);
    OK(s.moves == 1 && s.oldest_ms == p.since_ms, "... since when");
    pass(20000);
    vrv_tier_state(tier, &s);
    OK(s.moves == 0 && s.oldest_ms == 0, "... until nothing is");
    end();
}

static void
test_offload(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=100000000 remote.copy.lag.ms=-1");
    rig_topic(&rig, "off", 1, SMALL "remote.log.copy.disable=true");
    rig_topic(&rig, "plain", 1, "segment.bytes=1000");
    put("t", 0, 3);
    pass(20000);
    IS(part("t", false).cold_end, -1, "what is to wait waits");
    IS(offload("t"), 6, "until somebody wants all that is there to go");
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "... and is sealed");
    pass(20000);
    struct vrv_tier_part p = part("t", false);
    IS(p.cold_end, 6, "... also what was open");
    put("t", 0, 3);
    pass(20000);
    p = part("t", false);
    IS(p.cold_end, 6, "what comes later doesn't");
    IS(offload("off"), VRV_E_INVALID, "not with copies switched off: %s", e.msg);
    IS(offload("plain"), VRV_E_INVALID, "nor of a topic that doesn't ask for it: %s", e.msg);
    IS(read_all("t", 0), 12, "all can be read");
    struct vrv_log_traffic came = vrv_log_traffic(rig_log(&rig, "t", 0));
    OK(came.cold_reads == 0 && came.cold_errors == 0, "... from here, as nothing has left");
    end();
}

static int
first_slice(const char *topic)
{
    struct vrv_read rd = { .max_bytes = 1, .whole_first = true };

    IS(vrv_read(rig_log(&rig, topic, 0), &rd, &e), 0, "it can be read");
    int kind = (int)rd.slice[0].kind;
    vrv_read_fini(&rd);
    return kind;
}

static void
forget_memory(void)
{
    vrv_engine_forget(rig.eng);
    rig_flush(&rig);
    OK(rig_checkpoint(&rig), "what is in memory goes to the disk");
}

static void
test_forget(void)
{
    struct vrv_tier_state s;
    uint64_t misses;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    rig_topic(&rig, "hot", 1, "segment.bytes=1000");
    put("t", 0, 9);
    pass(20000);
    forget_memory();
    IS(read_all("t", 0), 18, "what is cold");
    vrv_tier_state(tier, &s);
    misses = s.cache.of[VRV_PIECE_CHUNK].misses;
    IS(read_all("t", 0), 18, "... is read of the cache");
    vrv_tier_state(tier, &s);
    OK(s.cache_bytes > 0 && s.cache.of[VRV_PIECE_CHUNK].misses == misses, "... the second time");
    struct vrv_log_id id = id_of("hot"), cold = id_of("t");
    OK(vrv_tier_forget(tier, &id), "what isn't there is forgotten");
    vrv_tier_state(tier, &s);
    OK(s.cache_bytes > 0, "forgetting another topic doesn't change that");
    OK(vrv_tier_forget(tier, &cold), "... and so is what nobody uses");
    vrv_tier_state(tier, &s);
    IS(s.cache_bytes, 0, "... which takes no memory then");
    IS(read_all("t", 0), 18, "and it is read");
    vrv_tier_state(tier, &s);
    OK(s.cache.of[VRV_PIECE_CHUNK].misses > misses, "... of the store");

    put("hot", 0, 3);
    IS(first_slice("hot"), VRV_SLICE_MEMORY, "what is new is in memory");
    OK(!vrv_log_forget(rig_log(&rig, "hot", 0), false), "and must not be forgotten yet");
    forget_memory();
    OK(vrv_log_forget(rig_log(&rig, "hot", 0), true), "until it has gone to the disk");
    IS(first_slice("hot"), VRV_SLICE_FILE, "where it is read then");
    IS(read_all("hot", 0), 6, "... all of it");
    end();
}

/* Many are told as each is. */
static void
test_many(void)
{
    enum { PARTS = 2 * VRV_TIER_AT_ONCE + 5 };
    static struct vrv_tier_asked v[PARTS + 1];
    bool same = true;

    begin(1);
    rig_topic(&rig, "t", PARTS, SMALL);
    put("t", 0, 9);
    put("t", PARTS - 1, 5);
    pass(20000);
    for (int32_t i = 0; i <= PARTS; i++)
        v[i].id = (struct vrv_log_id){ id_of("t").topic, i };
    vrv_tier_parts(tier, v, PARTS + 1);
    for (int32_t i = 0; i < PARTS && same; i++) {
        struct vrv_tier_part p;

        same = vrv_tier_part(tier, &v[i].id, NULL, false, &p, &e) == 0 && v[i].rc == 0 &&
            v[i].p.cold_end == p.cold_end && v[i].p.counts.copies == p.counts.copies &&
            v[i].p.sums.both.bytes == p.sums.both.bytes && v[i].p.seg == NULL;
        vrv_tier_part_fini(&p);
    }
    OK(same, "many are told as each is");
    OK(v[0].p.cold_end == 16 && v[1].p.cold_end == -1 && v[PARTS - 1].p.cold_end == 8,
        "... the first and the last, too");
    IS(v[PARTS].rc, VRV_E_NOTFOUND, "... and the one that isn't there");
    end();
}

static void *
tell(void *ctx)
{
    bool *told = ctx;
    struct vrv_log_id id = id_of("t");
    struct vrv_tier_part p;
    struct vrv_tier_state s;

    vrv_tier_state(tier, &s);
    *told = s.store[0] != '\0' && vrv_tier_part(tier, &id, NULL, true, &p, NULL) == 0;
    vrv_tier_part_fini(&p);
    return NULL;
}

static void
test_threads(void)
{
    enum { ASKERS = 3 };
    pthread_t thread[ASKERS];
    bool told[ASKERS] = { false };

    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    IS(vrv_tier_start(tier, &e), 0, "with a thread of its own");
    for (int i = 0; i < ASKERS; i++)
        if (vrv_thread_start(&thread[i], "asker", tell, &told[i], &e) < 0)
            tap_bail("a thread: %s", e.msg);
    for (int i = 0; i < ASKERS; i++)
        (void)pthread_join(thread[i], NULL);
    OK(told[0] && told[1] && told[2], "it tells any other");
    end();
}

/* Late is what should have gone, for as long as it should. */
static void
test_late(void)
{
    begin(17);
    rig_topic(&rig, "t", 1, SMALL);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    put("t", 0, 9);
    pass(2000);
    struct vrv_tier_part p = part("t", false);
    OK(p.sums.lag.segments == 4 && p.sums.lag_ms < MINUTE_MS / 2, "old records that come in now aren't late: %d ms",
        (int)p.sums.lag_ms);
    vrv_tier_part_fini(&p);
    pass(3 * MINUTE_MS);
    p = part("t", false);
    OK(p.sums.lag_ms > 2 * MINUTE_MS && p.sums.lag_ms < 4 * MINUTE_MS, "... but get so: %d ms",
        (int)p.sums.lag_ms);
    vrv_tier_part_fini(&p);
    fakestore_heal(fake);
    pass(MINUTE_MS);
    p = part("t", false);
    OK(p.sums.lag.segments == 0 && p.sums.lag_ms == 0, "... until they have gone");
    vrv_tier_part_fini(&p);
    pass(60 * MINUTE_MS);
    p = part("t", false);
    OK(p.sums.here.segments == 1 && p.sums.lag_ms == 0, "what is open isn't late, however long nobody writes");
    vrv_tier_part_fini(&p);
    end();
}

int
main(void)
{
    test_part();
    test_late();
    test_pages();
    test_plan();
    test_failure();
    test_under_way();
    test_offload();
    test_forget();
    test_many();
    test_threads();
    return tap_done();
}
