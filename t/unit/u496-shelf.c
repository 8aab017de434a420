/*
 * The disk beside the cold tier's cache: what is kept there, for how long, and that nothing it does wrong is ever
 * seen but as a read of the store.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/reader/fetch.h"
#include "t/lib/coldlog.h"
#include "t/lib/simdisk.h"
#include "t/lib/simtree.h"
#include "t/lib/tap.h"

enum { SLOT = 1000, READ_MS = 5000 };

static struct simdisk *disk; /* the shelf's own */
static struct vrv_shelf *shelf;
static int told;
static struct vrv_err why;

static void
failed(void *ctx, const struct vrv_err *e)
{
    (void)ctx;
    told++;
    why = *e;
}

static int
open_shelf(struct vrv_cq *cq, struct vrv_clock *clock, unsigned slots)
{
    struct vrv_err e = { 0 };
    int rc = vrv_shelf_open(&shelf, &(struct vrv_shelf_opts){ .vfs = simdisk_vfs(disk), .cq = cq,
        .clock = clock, .bytes = (uint64_t)slots * SLOT, .slot_bytes = SLOT, .read_ms = READ_MS,
        .failed = failed }, &e);

    told = 0;
    why = e;
    return rc;
}

static struct vrv_shelf_stats
stats(void)
{
    struct vrv_shelf_stats s;

    vrv_shelf_stats(shelf, &s);
    return s;
}

/* ---- alone ---- */

static struct simclock sim;
static struct vrv_cq cq;
static unsigned released;

static void
release(void *hold)
{
    released++;
    free(hold);
}

static void
run(void)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&cq, 0)) != NULL)
        d->run(d);
}

/* Read of the store: n bytes of this kind.  Was it wanted? */
static bool
seen(const char *key, uint64_t pos, size_t n, char kind)
{
    if (!vrv_shelf_wants(shelf, key, pos, n))
        return false;
    uint8_t *bytes = vrv_mem_zero(n);
    memset(bytes, kind, n);
    vrv_shelf_put(shelf, key, pos, bytes, n, release, bytes);
    return true;
}

struct got {
    struct vrv_shelf_read r; /* first */
    int answers, status;
    size_t n;
    char kind; /* of all bytes; '?': several */
};

static void
came(struct vrv_shelf_read *r, int status, uint8_t *bytes, size_t n)
{
    struct got *g = (struct got *)(void *)r;

    g->answers++;
    g->status = status;
    g->n = n;
    g->kind = n > 0 ? (char)bytes[0] : '-';
    for (size_t i = 1; i < n; i++)
        if ((char)bytes[i] != g->kind)
            g->kind = '?';
    free(bytes);
}

/* What it gives back, '-': nothing. */
static char
read_back(const char *key, uint64_t pos)
{
    struct got g = { .r.run = came, .kind = '-' };

    if (vrv_shelf_get(shelf, key, pos, &g.r))
        run();
    return g.status == 0 ? g.kind : '!';
}

static void
begin_alone(unsigned slots)
{
    simclock_init(&sim, 0);
    (void)vrv_cq_init(&cq, 0);
    disk = simdisk_new(1);
    int rc = open_shelf(&cq, &sim.clock, slots);
    VRV_ASSERT(rc == 0);
    released = 0;
}

static void
end_alone(void)
{
    run();
    vrv_shelf_close(&shelf);
    vrv_cq_fini(&cq);
    simdisk_free(&disk);
}

static void
test_keeps(void)
{
    begin_alone(4);
    OK(!seen("a", 0, 10, 'a') && !vrv_shelf_has(shelf, "a", 0), "what is read once isn't kept");
    OK(seen("a", 0, 10, 'a'), "what is read again is");
    OK(!vrv_shelf_has(shelf, "a", 0) && read_back("a", 0) == '-', "... once it is written");
    run();
    OK(vrv_shelf_has(shelf, "a", 0) && read_back("a", 0) == 'a', "... and can be had");
    IS(released, 1, "its bytes are given back");
    OK(!seen("a", 0, 10, 'a'), "it isn't kept twice");
    OK(!vrv_shelf_has(shelf, "a", 1) && !vrv_shelf_has(shelf, "b", 0), "other places are others");
    (void)seen("big", 0, SLOT + 1, 'x');
    OK(!seen("big", 0, SLOT + 1, 'x'), "what is larger than a slot isn't kept");
    (void)seen("full", 7, SLOT, 'f');
    OK(seen("full", 7, SLOT, 'f'), "what just fits is");
    run();
    IS(read_back("full", 7), 'f', "... as it was");
    struct vrv_shelf_stats s = stats();
    OK(s.writes == 2 && s.hits == 2 && s.bytes == 10 + SLOT && s.max_bytes == 4 * SLOT, "all is counted");
    end_alone();
}

static void
keep(const char *key, char kind)
{
    (void)seen(key, 0, 100, kind);
    (void)seen(key, 0, 100, kind);
    run();
}

static void
test_evicts(void)
{
    char key[40];
    int kept = 0;

    begin_alone(4);
    keep("a", 'a');
    keep("b", 'b');
    keep("c", 'c');
    keep("d", 'd');
    IS(read_back("b", 0), 'b', "one of those that fill it is used");
    keep("e", 'e');
    OK(!vrv_shelf_has(shelf, "a", 0) && vrv_shelf_has(shelf, "b", 0), "the oldest one leaves for the next,");
    keep("f", 'f');
    OK(vrv_shelf_has(shelf, "b", 0) && !vrv_shelf_has(shelf, "c", 0), "... but for what was used");
    IS(read_back("f", 0), 'f', "what came is there");
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "once-%d", i);
        (void)seen(key, 0, 100, 'x');
        run();
    }
    OK(vrv_shelf_has(shelf, "f", 0) && vrv_shelf_has(shelf, "b", 0), "who reads all once moves nothing");
    for (int i = 0; i < 8; i++) {
        (void)snprintf(key, sizeof(key), "many-%d", i);
        (void)seen(key, 0, 100, 'x');
    }
    for (int i = 0; i < 8; i++) {
        (void)snprintf(key, sizeof(key), "many-%d", i);
        kept += seen(key, 0, 100, 'x');
    }
    IS(kept, VRV_SHELF_WRITES, "so many are written at a time, and no more memory is held");
    run();
    IS(stats().bytes, 4 * 100, "it is full, and no more than that");
    end_alone();
}

static void
test_starts_empty(void)
{
    struct vrv_shelf *first;

    begin_alone(4);
    keep("a", 'a');
    first = shelf;
    IS(open_shelf(&cq, &sim.clock, 4), VRV_E_LOCKED, "another server can't have it: %s", why.msg);
    shelf = first;
    IS(read_back("a", 0), 'a', "... and doesn't disturb it");
    vrv_shelf_close(&shelf);
    IS(open_shelf(&cq, &sim.clock, 4), 0, "the next start");
    OK(!vrv_shelf_has(shelf, "a", 0), "... begins with nothing");
    vrv_shelf_close(&shelf);
    simdisk_capacity(disk, 3 * 4096);
    IS(open_shelf(&cq, &sim.clock, 400), VRV_E_NOSPACE, "a disk without room for it: %s", why.msg);
    simdisk_capacity(disk, UINT64_C(1) << 40);
    IS(open_shelf(&cq, &sim.clock, 4), 0, "one with room");
    end_alone();
}

static uint64_t
file_size(void)
{
    struct vrv_file *f = NULL;
    uint64_t size = 0;

    if (vrv_vfs_open(simdisk_vfs(disk), "varve-tier-cache", 0, &f, NULL) < 0 || vrv_file_size(f, &size, NULL) < 0)
        size = UINT64_MAX;
    vrv_file_close(&f);
    return size;
}

/* Power fails while chunks are written: whatever of them is on the disk then, the next life has none of it,
 * and takes no more room than it may. */
static void
test_power_cut(void)
{
    char key[40];

    for (int policy = 0; policy < SIM_POLICY_COUNT; policy++) {
        begin_alone(40);
        keep("a", 'a');
        simdisk_crash_at(disk, 7);
        for (int i = 0; i < 20; i++) {
            (void)snprintf(key, sizeof(key), "b-%d", i);
            keep(key, 'b');
        }
        OK(told == 1 && stats().off, "power fails: %s", sim_policy_name((enum sim_policy)policy));
        run();
        vrv_shelf_close(&shelf);
        simdisk_crash(disk, (enum sim_policy)policy, 1 + (uint64_t)policy);
        IS(open_shelf(&cq, &sim.clock, 4), 0, "it begins anew");
        IS(file_size(), 4 * SLOT, "... with no more room than it may have");
        int left = vrv_shelf_has(shelf, "a", 0);
        for (int i = 0; i < 20; i++) {
            (void)snprintf(key, sizeof(key), "b-%d", i);
            left += vrv_shelf_has(shelf, key, 0);
        }
        IS(left, 0, "... and nothing");
        keep("a", 'A');
        IS(read_back("a", 0), 'A', "what is written now can be had");
        end_alone();
    }
}

/* The n-th operation from now on fails, whatever it is. */
static void
test_fails(void)
{
    static const enum sim_fault kinds[] = { SIM_EIO, SIM_ENOSPC, SIM_SHORT };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        begin_alone(4);
        keep("a", 'a');
        simdisk_fail(disk, 1, kinds[i], true);
        keep("b", 'b');
        OK(told == 1 && stats().off, "a write fails: that is told, once: %s", why.msg);
        OK(!vrv_shelf_has(shelf, "a", 0) && !vrv_shelf_has(shelf, "b", 0), "... and nothing is had of it");
        keep("b", 'b');
        OK(!vrv_shelf_has(shelf, "b", 0) && told == 1, "... nor given to it any more");
        IS(released, 2, "all bytes are given back");
        IS(stats().bytes, 0, "it has none");
        run();
        OK(kinds[i] != SIM_SHORT || file_size() == 0, "... and its room is given back");
        end_alone();
    }
    begin_alone(4);
    keep("a", 'a');
    keep("b", 'b');
    simdisk_fail(disk, 1, SIM_EIO, false);
    IS(read_back("a", 0), '!', "a read fails");
    OK(told == 1 && !vrv_shelf_has(shelf, "b", 0), "... and that is the end of it: %s", why.msg);
    end_alone();
    begin_alone(40);
    for (int i = 0; i < VRV_SHELF_BAD_MAX; i++) {
        char key[20];

        (void)snprintf(key, sizeof(key), "bad-%d", i);
        keep(key, 'x');
        IS(told, 0, "one is found to be damaged");
        vrv_shelf_bad(shelf, key, 0);
        OK(!vrv_shelf_has(shelf, key, 0), "... and is forgotten");
    }
    OK(told == 1 && stats().off, "a disk that does so again and again isn't used: %s", why.msg);
    end_alone();
}

/* A disk that hangs holds nobody up. */
static void
test_hangs(void)
{
    struct got g = { .r.run = came };
    struct vrv_done *d;
    struct vrv_err e;

    begin_alone(4);
    VRV_ASSERT(vrv_shelf_start(shelf, &e) == 0);
    (void)seen("a", 0, 100, 'a');
    (void)seen("a", 0, 100, 'a');
    while (!vrv_shelf_has(shelf, "a", 0))
        if ((d = vrv_cq_take(&cq, -1)) != NULL)
            d->run(d);
    sim_lock_disk(disk);
    OK(vrv_shelf_get(shelf, "a", 0, &g.r), "a read of a disk that hangs");
    int64_t at = vrv_shelf_step(shelf);
    IS((at - sim.clock.mono_ns(&sim.clock)) / 1000000, READ_MS, "... is given so long");
    simclock_advance_ms(&sim, READ_MS);
    IS(vrv_shelf_step(shelf), INT64_MAX, "... and no longer");
    OK(g.answers == 1 && g.status == VRV_E_TIMEDOUT, "who asked is told,");
    OK(told == 1 && stats().off, "... and everybody: %s", why.msg);
    OK(!vrv_shelf_is_idle(shelf), "the disk is still at it");
    sim_unlock_disk(disk);
    while (!vrv_shelf_is_idle(shelf))
        if ((d = vrv_cq_take(&cq, -1)) != NULL)
            d->run(d);
    IS(g.answers, 1, "what it says then is nobody's");
    end_alone();
}

/* What is deleted, or makes room, while somebody is given it: he has all of it, and nothing of what comes next. */
static void
test_forgotten_while_read(void)
{
    struct got g = { .r.run = came };
    struct vrv_done *d;
    struct vrv_err e;

    begin_alone(1);
    keep("a", 'a');
    VRV_ASSERT(vrv_shelf_start(shelf, &e) == 0);
    sim_lock_disk(disk);
    OK(vrv_shelf_get(shelf, "a", 0, &g.r), "somebody is given what is kept");
    vrv_shelf_forget(shelf, "a");
    OK(!vrv_shelf_has(shelf, "a", 0) && stats().bytes == 0, "... and it is deleted");
    (void)seen("b", 0, 100, 'b');
    (void)seen("b", 0, 100, 'b');
    IS(released, 2, "its place isn't free for another one yet");
    sim_unlock_disk(disk);
    while (!vrv_shelf_is_idle(shelf))
        if ((d = vrv_cq_take(&cq, -1)) != NULL)
            d->run(d);
    OK(g.answers == 1 && g.status == 0 && g.n == 100 && g.kind == 'a', "he has it as it was");
    (void)seen("b", 0, 100, 'b');
    while (!vrv_shelf_is_idle(shelf))
        if ((d = vrv_cq_take(&cq, -1)) != NULL)
            d->run(d);
    OK(vrv_shelf_has(shelf, "b", 0) && stats().bytes == 100, "then it is");
    end_alone();
}

/* ---- beside the cache ---- */

/* A chunk is one batch of one record; a segment is many.  The cache has room for few. */
enum { CHUNKS = 60, CACHE = 8, VALUE = 400 };

static void
chunks_alone(void)
{
    tier.parts.o.root_bytes = SIZE_MAX / 2; /* no page is in the cache */
}

static void
begin_cold(unsigned slots)
{
    char value[VALUE + 1];

    coldlog_begin(1, 1, "segment.bytes=10000 retention.ms=-1", chunks_alone);
    for (int i = 0; i < CHUNKS; i++) {
        (void)snprintf(value, sizeof(value), "%0*d", VALUE, i);
        VRV_ASSERT(rig_put_batch(&rig, the_log(), &(struct rig_batch){ .value = value, .ts = 1000 }) == i);
    }
    vrv_log_roll(the_log());
    bool ok = rig_checkpoint(&rig);
    VRV_ASSERT(ok && rig_checkpoint(&rig));
    VRV_ASSERT(tierrig_offload(&tier, the_log()) == 0);
    coldlog_drop(the_log(), CHUNKS);
    coldlog_restart(2);
    disk = simdisk_new(1);
    VRV_ASSERT(open_shelf(&tier.cq, &rig.clock.clock, slots) == 0);
    tier.reader.cache.o.shelf = shelf;
    tier.reader.cache.o.bytes = CACHE * (VALUE + 80);
    tier.reader.cache.o.run_bytes = 3 * (VALUE + 80);
    tier.reader.cache.ahead.most = CACHE * (VALUE + 80) / 2;
}

static void
end(void)
{
    coldlog_end();
    vrv_shelf_close(&shelf);
    simdisk_free(&disk);
}

/* All records from the first on, one by one: how many came, each the one that it should be. */
static int
read_all(void)
{
    char want[VALUE + 1];
    int n = 0;

    for (; n < CHUNKS; n++) {
        struct vrv_read r = { .offset = n, .max_bytes = 1, .whole_first = true };
        int rc = vrv_read(the_log(), &r, &rig.e);

        if (rc == VRV_READ_COLD)
            rc = coldlog_fetch(the_log(), &r);
        (void)snprintf(want, sizeof(want), "%0*d", VALUE, n);
        bool is = rc == 0 && r.slice_n == 1 && memmem(r.slice[0].bytes, r.slice[0].n, want, VALUE) != NULL;
        vrv_read_fini(&r);
        if (!is)
            break;
    }
    tierrig_run(&tier);
    return n;
}

static uint64_t
gets(void)
{
    return fakestore_attempts(fake, VRV_STORE_GET);
}

static struct vrv_cache_counts
counts(void)
{
    struct vrv_cache_counts c;

    vrv_cache_counts(&tier.reader.cache, &c);
    return c;
}

static void
test_cache(void)
{
    begin_cold(2 * CHUNKS);
    IS(read_all(), CHUNKS, "all is read once");
    OK(counts().awaited_bytes > 0 && counts().shelved_bytes == 0, "readers waited for the store alone");
    OK(stats().writes <= CACHE, "... of which nothing is kept, but what was read twice (%d)", (int)stats().writes);
    uint64_t once = gets();
    IS(read_all(), CHUNKS, "and again");
    for (int i = 0; i < 4; i++)
        (void)read_all(); /* few are written at a time */
    OK(stats().writes >= CHUNKS / 2, "... then much of it is: %d", (int)stats().writes);
    uint64_t before = gets();
    IS(read_all(), CHUNKS, "from then on");
    OK(gets() - before <= once / 4, "the store is hardly asked: %" PRIu64 " times, at first %" PRIu64,
        gets() - before, once);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_UNREACHABLE, 100);
    int n = 0;
    for (int i = 0; i < 3; i++)
        n = read_all();
    fakestore_heal(fake);
    OK(n > 0, "what is on the disk can be had without a store");
    atomic_store(&tier.reader.cache.quota.rate, 1);
    int64_t began = rig.clock.clock.mono_ns(&rig.clock.clock);
    struct vrv_cache_counts had = counts();
    struct vrv_read r = { .offset = 1, .max_bytes = 1, .whole_first = true };
    struct vrv_fetch f = { .done.cq = &fetches, .read = &r };
    vrv_fetch(the_log(), &f, INT64_MAX);
    while (tierrig_step(&tier))
        ;
    OK(vrv_cq_take(&fetches, 0) == &f.done && f.status == 0 &&
            rig.clock.clock.mono_ns(&rig.clock.clock) == began, "nor does the store's rate hold for it");
    OK(counts().shelved_bytes > had.shelved_bytes && counts().awaited_bytes == had.awaited_bytes,
        "... and he is counted as one who waited for the disk");
    vrv_read_fini(&r);
    atomic_store(&tier.reader.cache.quota.rate, 0);
    end();
}

/* Each look at the clock takes a while. */
static int64_t
ticking(struct vrv_clock *c)
{
    return atomic_fetch_add(&((struct simclock *)c)->mono_ns, 1000);
}

/* A chunk of a segment that the disk has, or hasn't. */
static struct vrv_piece *
ask_chunk(const struct vrv_cold_seg *s, bool shelved)
{
    uint32_t i = 0;

    while (i < s->chunk_n && (vrv_shelf_has(shelf, s->key, s->pos + s->chunk[i].pos) != shelved ||
                                 vrv_cache_has(&tier.reader.cache, s, i)))
        i++;
    tap_need(i < s->chunk_n ? 0 : -1, "no such chunk");
    return vrv_cache_chunk(&tier.reader.cache, s, i);
}

/* The rate held others back; one that was to come of the disk is read of the store, as soon as there is room. */
static void
test_no_longer_held(void)
{
    struct vrv_cache *c = &tier.reader.cache;
    struct vrv_snap *s = NULL;
    struct vrv_piece *p[4];
    struct vrv_err e;

    begin_cold(2 * CHUNKS);
    for (int i = 0; i < 6; i++)
        (void)read_all();
    c->o.shelf = NULL; /* memory forgets all, the disk nothing */
    (void)vrv_cache_forget(c, "");
    c->o.shelf = shelf;
    tap_need(vrv_parts_now(&tier.parts, &the_log()->id, &s, &e), "no manifest");
    tap_need(s->m.seg_n > 2 ? 0 : -1, "too few segments");
    rig.clock.clock.mono_ns = ticking;
    vrv_shelf_forget(shelf, s->m.seg[2].key);
    atomic_store(&c->quota.rate, 1);
    simclock_advance_ms(&rig.clock, 2000);
    p[0] = ask_chunk(&s->m.seg[2], false); /* is under way */
    p[1] = ask_chunk(&s->m.seg[2], false); /* is held back */
    c->o.bytes = 0;
    p[2] = ask_chunk(&s->m.seg[0], true);
    p[3] = ask_chunk(&s->m.seg[1], true);
    simclock_advance_ms(&rig.clock, 100);
    vrv_shelf_forget(shelf, s->m.seg[0].key);
    c->o.bytes = atomic_load(&c->used) + p[3]->chunk.plain; /* for one of them */
    atomic_store(&c->quota.rate, 0);
    (void)vrv_cache_step(c);
    OK(!vrv_list_empty(&c->runs) && c->reading == 2, "the disk has one, and no longer the other, for which there is no room");
    c->o.bytes = CACHE * (VALUE + 80);
    tierrig_run(&tier);
    int came = 0;
    for (int i = 0; i < 4; i++) {
        came += p[i]->there && p[i]->status == 0;
        vrv_piece_unref(p[i]);
    }
    IS(came, 4, "all come in the end");
    uint64_t most = vrv_recent_view(&c->quota.waits, rig.clock.clock.mono_ns(&rig.clock.clock)).max;
    OK(most >= 100000000 && most < 1000000000, "the rate held one back for a while, and none for longer: %" PRIu64 " ns", most);
    vrv_snap_unref(s);
    end();
}

static void
test_damaged(void)
{
    begin_cold(2 * CHUNKS);
    for (int i = 0; i < 6; i++)
        (void)read_all();
    uint64_t hits = stats().hits;
    IS(read_all(), CHUNKS, "much comes from the disk");
    OK(stats().hits > hits, "... it does");
    for (uint64_t at = 0; at < 2 * CHUNKS; at += 2)
        (void)simdisk_corrupt(disk, "varve-tier-cache", at * SLOT + 100, 4);
    for (int i = 0; i < 3; i++)
        IS(read_all(), CHUNKS, "a disk that gives back other bytes: nobody sees them");
    OK(stats().bad == VRV_SHELF_BAD_MAX && told == 1, "they are counted, and the disk isn't used any more: %s",
        why.msg);
    end();
}

static void
test_disk_fails(void)
{
    for (uint64_t n = 1; n < 40; n += 3) {
        begin_cold(2 * CHUNKS);
        (void)read_all();
        simdisk_fail(disk, n, SIM_EIO, true);
        int whole = 0;
        for (int i = 0; i < 3; i++)
            whole += read_all() == CHUNKS;
        OK(whole == 3 && told == 1, "a disk that fails at operation %d harms nobody", (int)n);
        end();
    }
}

int
main(void)
{
    test_keeps();
    test_evicts();
    test_starts_empty();
    test_power_cut();
    test_fails();
    test_hangs();
    test_forgotten_while_read();
    test_cache();
    test_no_longer_held();
    test_damaged();
    test_disk_fails();
    return tap_done();
}
