/*
 * What the cold tier counts of itself: who used the store for what, what was held back and for how long, where
 * readers had their bytes from, what is to be deleted and isn't, what nobody knew of.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/engine_int.h"
#include "engine/reader/fetch.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/store/usage.h"
#include "tiering/tier_ask.h"

#define SMALL "segment.bytes=1000 remote.storage.enable=true retention.ms=-1 "

static struct vrv_cq reads_cq;

static struct vrv_tier_state
state(void)
{
    struct vrv_tier_state s;

    vrv_tier_state(tier, &s);
    return s;
}

static struct vrv_tier_limits
limits(void)
{
    struct vrv_tier_opts o;

    vrv_tier_opts_default(&o);
    return o.limits;
}

/* What is new is read from memory otherwise. */
static void
forget_memory(void)
{
    vrv_engine_forget(rig.eng);
    rig_flush(&rig);
    VRV_ASSERT(rig_checkpoint(&rig));
}

/* ---- the store's use ---- */

static struct vrv_usage
used_by(const char *topic)
{
    struct vrv_usage u;

    if (topic != NULL)
        vrv_tier_usages(tier, &rig_log(&rig, topic, 0)->id.topic, 1, &u);
    else
        vrv_tier_usage(tier, &u);
    return u;
}

static uint64_t
requests_of(const struct vrv_usage *u)
{
    static const enum vrv_store_op ops[] = { VRV_STORE_PUT, VRV_STORE_BEGIN, VRV_STORE_PART_N, VRV_STORE_END,
        VRV_STORE_VERIFY, VRV_STORE_GET };
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        n += u->of[ops[i]][VRV_STORE_DONE].requests;
    return n;
}

/* What was planned is what is counted then. */
static void
test_plan(void)
{
    struct vrv_tier_part p;

    begin(9);
    rig_topic(&rig, "t", 1, SMALL);
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    put("t", 0, 40);
    tap_need(vrv_tier_part(tier, &id, NULL, false, &p, NULL), "no plan");
    uint64_t planned = p.sums.requests, segments = p.sums.copies.segments;
    vrv_tier_part_fini(&p);
    pass(60000);
    struct vrv_usage u = used_by("t");
    uint64_t counted = requests_of(&u);
    OK(segments > 10 && planned <= counted && counted <= planned + planned / 10 + 2,
        "%d segments: %d requests are planned, %d made", (int)segments, (int)planned, (int)counted);
    end();
}

/* All that topics did is in the sum. */
static void
test_usage(void)
{
    begin(1);
    rig_topic(&rig, "a", 1, SMALL "local.retention.ms=0");
    rig_topic(&rig, "b", 1, SMALL "local.retention.ms=0");
    rig_topic(&rig, "plain", 1, "segment.bytes=1000");
    put("a", 0, 9);
    put("b", 0, 3);
    put("plain", 0, 9);
    pass(20000);
    forget_memory();
    int64_t got = (int64_t)used_by("b").of[VRV_STORE_GET][VRV_STORE_DONE].requests;
    IS(read_all("a", 0), 18, "one is read, too");
    struct vrv_usage a = used_by("a"), b = used_by("b"), all = used_by(NULL);
    uint64_t puts = a.of[VRV_STORE_PUT][VRV_STORE_DONE].requests;
    OK(puts >= 2 * 4, "4 segments are put, and as many roots: %d", (int)puts);
    OK(a.of[VRV_STORE_PUT][VRV_STORE_DONE].bytes > 4000, "... with their bytes");
    OK(a.of[VRV_STORE_GET][VRV_STORE_DONE].bytes > 0, "what is got is counted");
    IS((int64_t)b.of[VRV_STORE_GET][VRV_STORE_DONE].requests, got, "... of who is read");
    OK(all.of[VRV_STORE_PUT][VRV_STORE_DONE].requests >=
            puts + b.of[VRV_STORE_PUT][VRV_STORE_DONE].requests, "the sum has both, and what is nobody's");
    IS((int64_t)all.of[VRV_STORE_PUT][VRV_STORE_DONE].requests,
        (int64_t)fakestore_attempts(fake, VRV_STORE_PUT), "... all that the store saw");
    IS((int64_t)used_by("plain").of[VRV_STORE_PUT][VRV_STORE_DONE].requests, 0,
        "who asks for no tier has used nothing");
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    put("a", 0, 3);
    pass(5000);
    OK(used_by("a").of[VRV_STORE_PUT][VRV_STORE_DENIED].requests > 0, "what is refused is, too");
    end();
}

static void
add(struct vrv_usages *u, int topic)
{
    char key[100];
    struct vrv_store_call c = { .op = VRV_STORE_GET, .key = key, .got = 10 };

    (void)snprintf(key, sizeof(key), "d/%032x/0/%020d-%013d-%016x", topic, 0, 0, 0);
    vrv_usages_add(u, &c);
}

static uint64_t
gets_of(const struct vrv_usages *u, int topic)
{
    struct vrv_uuid id = { { 0 } };
    struct vrv_usage x;

    for (int i = 0; i < 4; i++)
        id.b[15 - i] = (uint8_t)(topic >> 8 * i);
    vrv_usages_get(u, &id, &x);
    return x.of[VRV_STORE_GET][VRV_STORE_DONE].requests;
}

static void
test_many_topics(void)
{
    struct vrv_store_call owner = { .op = VRV_STORE_GET, .key = "owner/00000000000000000001" };
    static const char *const nobodys[] = { "d", "d/", "d/ab", "d/ab/", "d/ab/0", "m/ab" };
    enum { NOBODYS = sizeof(nobodys) / sizeof(nobodys[0]) };
    struct vrv_usages u;

    vrv_usages_init(&u);
    for (int i = 0; i < VRV_USAGE_TOPICS_MAX; i++)
        add(&u, i);
    add(&u, 0);
    vrv_usages_add(&u, &owner);
    for (int i = 0; i < NOBODYS; i++) {
        struct vrv_store_call c = { .op = VRV_STORE_GET, .key = vrv_mem_strdup(nobodys[i]) };

        vrv_usages_add(&u, &c);
        free((char *)(uintptr_t)c.key);
    }
    IS((int64_t)gets_of(&u, 0), 2, "as many topics as there may be are known");
    add(&u, VRV_USAGE_TOPICS_MAX);
    IS((int64_t)gets_of(&u, VRV_USAGE_TOPICS_MAX), 1, "one more is");
    IS((int64_t)gets_of(&u, 1), 0, "... for who did nothing for the longest time");
    IS((int64_t)gets_of(&u, 0), 2, "... and for no other");
    IS((int64_t)u.all.of[VRV_STORE_GET][VRV_STORE_DONE].requests, VRV_USAGE_TOPICS_MAX + 3 + NOBODYS,
        "the sum has all, and what is no topic's");
    vrv_usages_fini(&u);
}

/* ---- what is held back ---- */

static void
test_held_back(void)
{
    struct vrv_tier_limits l = limits();

    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    pass(2000);
    put("t", 0, 20);
    pass(10000);
    IS((int64_t)(state().copy_waited_ns / 1000000000), 0, "without a limit nothing is held back");
    l.copy_bytes_s = 1000;
    vrv_tier_set(tier, &l);
    pass(2000);
    put("t", 0, 20);
    pass(5000);
    double s = (double)state().copy_waited_ns / 1e9;
    OK(s > 3 && s <= 7, "with one segments are: %.1f of 7 s", s);
    struct vrv_recent_view waits = state().copy_waits;
    OK(waits.mean > 250000000 && waits.max >= waits.mean && waits.max <= INT64_C(7000000000),
        "... a piece for %d ms, or %d at most", (int)(waits.mean / 1000000), (int)(waits.max / 1000000));
    pass(60000);
    s = (double)state().copy_waited_ns / 1e9;
    pass(60000);
    OK((double)state().copy_waited_ns / 1e9 == s, "... until all are there");
    IS((int64_t)state().read_waited_ns, 0, "readers aren't");
    OK(state().copy_waits.max == 0 && state().read_waits.max == 0, "... and lately nobody was");
    end();
}

static void
test_reads_held_back(void)
{
    struct vrv_tier_limits l = limits();
    struct vrv_log_id id;
    struct vrv_fetch f[2];
    struct vrv_read r[2];

    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    put("t", 0, 20);
    pass(20000);
    forget_memory();
    id = rig_log(&rig, "t", 0)->id;
    OK(vrv_tier_forget(tier, &id), "nothing is in memory");
    l.fetch_bytes_s = 100;
    vrv_tier_set(tier, &l);
    pass(2000); /* what may be read at once is that of a second */
    (void)vrv_cq_init(&reads_cq, 0);
    for (int i = 0; i < 2; i++) {
        r[i] = (struct vrv_read){ .offset = 20 * i, .max_bytes = 1 << 20, .whole_first = true };
        f[i] = (struct vrv_fetch){ .done.cq = &reads_cq, .read = &r[i] };
        IS(vrv_read(rig_log(&rig, "t", 0), &r[i], &rig.e), VRV_READ_COLD, "a read of the store");
        vrv_fetch(rig_log(&rig, "t", 0), &f[i], INT64_MAX);
    }
    int answered = 0;
    for (int i = 0; i < 600 && answered < 2; i++) {
        pass(250);
        answered += vrv_cq_take(&reads_cq, 0) != NULL;
    }
    IS(answered, 2, "both are answered in time");
    for (int i = 0; i < 2; i++)
        vrv_read_fini(&r[i]);
    struct vrv_recent_view v = state().read_waits;
    OK(v.mean > 0 && v.max >= v.mean && v.max <= state().read_waited_ns, "those held back were for %d ms, or %d at most",
        (int)(v.mean / 1000000), (int)(v.max / 1000000));
    IS((int64_t)state().copy_waits.max, 0, "and no segment was");
    pass(2 * MINUTE_MS);
    IS((int64_t)state().read_waits.max, 0, "... lately");
    vrv_cq_fini(&reads_cq);
    end();
}

/* ---- idle ---- */

static void
test_idle(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 20);
    pass(20000);
    IS(vrv_tier_idle_ns(tier), 0, "who steps and never waits isn't idle");
    tap_need(vrv_tier_start(tier, &rig.e), "a thread");
    /* When a thread of the tier's waits can be seen by its idle time alone: that is looked at, for ten seconds at most. */
    for (int i = 0; i < 10000 && vrv_tier_idle_ns(tier) < 100000000; i++) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        simclock_advance_ms(&rig.clock, 10);
    }
    OK(vrv_tier_idle_ns(tier) >= 100000000, "a thread that waits is, for as long as it does");
    end();
}

/* ---- readers ---- */

static void
test_readers(void)
{
    struct vrv_tier_times times;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    rig_topic(&rig, "u", 1, SMALL "local.retention.ms=0");
    put("t", 0, 4);
    pass(30000);
    forget_memory();
    struct vrv_cache_counts none = state().cache;
    IS((int64_t)(none.awaited_bytes + none.had_bytes), 0, "nothing is read yet");
    IS(read_all("t", 0), 8, "a topic");
    struct vrv_cache_counts once = state().cache;
    OK(once.awaited_bytes > 0, "comes from the store,");
    OK(once.of[VRV_PIECE_CHUNK].misses > 0 && once.of[VRV_PIECE_CHUNK].bytes > 0,
        "chunks of it are in memory");
    IS(read_all("t", 0), 8, "once more");
    struct vrv_cache_counts twice = state().cache;
    IS((int64_t)twice.awaited_bytes, (int64_t)once.awaited_bytes, "it comes from there");
    OK(twice.had_bytes - once.had_bytes > 900, "... all of it: %d bytes",
        (int)(twice.had_bytes - once.had_bytes));
    OK(twice.of[VRV_PIECE_CHUNK].hits > once.of[VRV_PIECE_CHUNK].hits, "... which are hits");
    IS((int64_t)twice.of[VRV_PIECE_CHUNK].misses, (int64_t)once.of[VRV_PIECE_CHUNK].misses,
        "... and no misses");
    put("u", 0, 60);
    pass(30000);
    forget_memory();
    IS(read_all("u", 0), 120, "another topic is larger than memory");
    twice = state().cache;
    OK(twice.of[VRV_PIECE_CHUNK].evictions > 0, "so something has to go");
    OK(twice.used_bytes > 0 && twice.used_bytes <= twice.ahead_bytes, "some of it is there before it is wanted");
    OK(twice.of[VRV_PIECE_PAGE].misses > 0, "pages of manifests are counted apart");
    OK(state().manifest_bytes > 1000, "as are manifests themselves");
    vrv_tier_times(tier, &times);
    OK(vrv_hist_count(&times.read) > 10 && vrv_hist_count(&times.read) == vrv_hist_count(&times.wait), "each read was timed");
    IS((int64_t)vrv_hist_count(&times.move), (int64_t)stats().moved, "and each move");
    end();
}

/* So many reads of one that reads on. */
static int
read_some(int reads)
{
    struct vrv_log *log = rig_log(&rig, "t", 0);
    int64_t from = 0, next_ns;
    int bad = 0;

    for (int i = 0; i < reads; i++) {
        struct vrv_read r = { .offset = from, .max_bytes = 1, .whole_first = true };
        struct vrv_fetch f = { .done.cq = &reads_cq, .read = &r };

        if (vrv_read(log, &r, &rig.e) == VRV_READ_COLD) {
            vrv_fetch(log, &f, INT64_MAX);
            while (vrv_tier_step(tier, &next_ns))
                ;
            bad += vrv_cq_take(&reads_cq, 0) != &f.done || f.status != 0;
        }
        from += 2;
        vrv_read_fini(&r);
    }
    while (vrv_tier_step(tier, &next_ns)) /* what is read ahead of him comes */
        ;
    return bad;
}

/* Who goes away leaves what was read for him. */
static void
test_wasted(void)
{
    begin(1);
    (void)vrv_cq_init(&reads_cq, 0);
    rig_topic(&rig, "t", 1, SMALL "local.retention.ms=0");
    put("t", 0, 40);
    pass(30000);
    forget_memory();
    IS(read_some(4), 0, "somebody begins to read");
    struct vrv_cache_counts c = state().cache;
    uint64_t left = c.ahead_bytes - c.used_bytes;
    OK(left > 0, "more is read ahead of him");
    IS((int64_t)c.wasted_bytes, 0, "... and may still be used");
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    OK(vrv_tier_forget(tier, &id), "all of it can be forgotten");
    c = state().cache;
    IS((int64_t)c.of[VRV_PIECE_CHUNK].bytes, 0, "what is forgotten takes no memory");
    IS((int64_t)c.wasted_bytes, (int64_t)left, "... and was of no use, if nobody had it");
    vrv_cq_fini(&reads_cq);
    end();
}

/* ---- calls ---- */

static void
test_calls(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 5);
    pass(20000);
    struct vrv_tier_state s = state();
    OK(s.sent[VRV_STORE_UPLOAD] == 0 && s.waiting[VRV_STORE_UPLOAD] == 0, "nothing is asked of the store");
    OK(s.marked_ms > 0 && s.marked_ms <= s.now_ms, "a marker was written");
    int64_t marked = s.marked_ms;
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_BUSY, 100);
    put("t", 0, 5);
    unsigned waited = 0, under_way = 0;
    for (int i = 0; i < 20; i++) {
        pass(500);
        s = state();
        waited += s.waiting[VRV_STORE_UPLOAD] > 0;
        under_way += s.sent[VRV_STORE_UPLOAD] + s.waiting[VRV_STORE_UPLOAD];
    }
    OK(waited > 0 && under_way >= waited, "while it is busy something waits to be tried again");
    fakestore_heal(fake);
    pass(4 * MINUTE_MS);
    s = state();
    OK(s.sent[VRV_STORE_UPLOAD] + s.waiting[VRV_STORE_UPLOAD] == 0, "... until it isn't");
    OK(s.marked_ms > marked, "then there is a newer marker");
    put("t", 0, 5);
    bool sent = false;
    for (int i = 0; i < 5000 && !sent; i++) {
        int64_t next_ns;

        if (!vrv_tier_step(tier, &next_ns))
            pass(250);
        sent = state().sent[VRV_STORE_UPLOAD] > 0;
    }
    OK(sent, "what was sent is seen before it is answered");
    pass(MINUTE_MS);
    end();
}

/* ---- deletions ---- */

static int64_t
dead_for_ms(void)
{
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    struct vrv_tier_part p;
    int rc = vrv_tier_part(tier, &id, NULL, false, &p, &rig.e);

    VRV_ASSERT(rc == 0);
    vrv_tier_part_fini(&p);
    return p.dead_for_ms;
}

static void
test_dead(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 9);
    pass(20000);
    IS(dead_for_ms(), 0, "nothing is to be deleted");
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    IS(vrv_log_set_start(rig_log(&rig, "t", 0), 8, NULL, &rig.e), 0, "the log begins later");
    pass(10000);
    OK(dead_for_ms() > 8000 && dead_for_ms() <= 10250, "while the store refuses that lasts: %" PRId64 " ms",
        dead_for_ms());
    fakestore_heal(fake);
    pass(30000);
    IS(dead_for_ms(), 0, "then it is over");
    OK(stats().swept >= 2 && stats().swept_bytes > 1000, "what was deleted is counted");
    IS((int64_t)stats().orphans, 0, "... and no orphan");
    end();
}

static void
test_orphans(void)
{
    char key[VRV_STORE_KEY_MAX + 1], text[VRV_UUID_TEXT + 1];
    struct vrv_store *store;
    struct vrv_cq cq;

    begin(1);
    rig_topic(&rig, "t", 1, SMALL);
    put("t", 0, 5);
    pass(20000);
    store = fakestore_store(fake);
    vrv_uuid_text(&rig_log(&rig, "t", 0)->id.topic, text);
    (void)snprintf(key, sizeof(key), "d/%s/0/%020d-%013" PRId64 "-%016x", text, 1000,
        rig.clock.clock.wall_ms(&rig.clock.clock) - 60 * MINUTE_MS, 1);
    (void)vrv_cq_init(&cq, 0);
    struct iovec v = { key, 70 };
    struct vrv_store_call c = { .done.cq = &cq, .op = VRV_STORE_PUT, .key = key, .iov = &v, .iov_n = 1,
        .size = 70, .deadline_ns = INT64_MAX };
    vrv_store_submit(store, &c);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_store_step(store);
    vrv_cq_fini(&cq);
    IS(c.status, 0, "an object that nobody knows of");
    pass(30000);
    IS((int64_t)stats().orphans, 1, "is found,");
    IS((int64_t)stats().orphan_bytes, 70, "... with its bytes,");
    IS((int64_t)stats().swept_bytes, (int64_t)stats().orphan_bytes, "... and deleted");
    size_t n;
    OK(fakestore_object(fake, key, &n) == NULL, "it is gone");
    end();
}

int
main(void)
{
    test_usage();
    test_plan();
    test_many_topics();
    test_held_back();
    test_reads_held_back();
    test_idle();
    test_readers();
    test_wasted();
    test_calls();
    test_dead();
    test_orphans();
    return tap_done();
}
