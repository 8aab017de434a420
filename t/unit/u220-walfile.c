/*
 * The file WAL, one behaviour after the other: order and bytes, the ring, room and filling, what
 * recovery accepts, cuts and refuses.  Crashes and faults by the thousand are u223-walcrash.c.
 */
#include "engine/wal/wal_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/wal/wal_format.h"
#include "t/lib/tap.h"
#include "t/lib/walrig.h"

enum { KIB = 1024, FILE_BYTES = 64 * KIB, GROUP_MAX = FILE_BYTES / 4, BLOCK = VRV_DIRECT_ALIGN };

static const struct vrv_wal_file_opts small = { .dir = "wal", .wal_id = 0x1122334455667788u,
    .files = 3, .file_bytes = FILE_BYTES, .fill_first = FILE_BYTES };

/* A new WAL on a new disk, filled to the end. */
static void
rig_new(struct walrig *r, const struct vrv_wal_file_opts *o)
{
    walrig_init(r, simdisk_new(1), o);
    tap_need(walrig_create(r), r->err.msg);
    while (vrv_waldev_prepare(r->dev) > 0)
        ;
}

static void
rig_free(struct walrig *r)
{
    walrig_fini(r);
    simdisk_free(&r->disk);
}

static void
crash(struct walrig *r, enum sim_policy policy, uint64_t seed)
{
    simdisk_crash(r->disk, policy, seed);
    walrig_close(r);
    simdisk_abandon(r->disk);
}

/* Open again and say why it failed, if it did or if the replay was wrong. */
static bool
reopens(struct walrig *r)
{
    walrig_close(r);
    int rc = walrig_open(r);
    if (rc < 0)
        tap_note("open: %s", r->err.msg);
    else if (r->bad[0] != '\0')
        tap_note("replay: %s", r->bad);
    return rc == 0 && r->bad[0] == '\0';
}

/* ---- bytes ---- */

/* One group with one entry, laid out by another program from the comments in wal_format.h. */
/* clang-format off */
static const uint8_t golden[] = {
    0x56, 0x57, 0x47, 0x31, 0xab, 0x0f, 0x4d, 0x19, 1, 2, 3, 4, 5, 6, 7, 8,
    0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x30, 0x12, 0, 0, 0, 0, 0, 0,
    0x88, 0x77, 0x66, 0x55, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0,
    0x35, 0, 0, 0, 0xcc, 0x99, 0x3c, 0x34, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 0, 0, 5, 0, 0, 0, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 7, 0, 0, 0, 0, 0, 0, 0,
    0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0x7b, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0,
    0x62, 0x61, 0x74, 0x63, 0x68,
};
/* clang-format on */

static void
test_golden(void)
{
    const struct vrv_wal_head want = { .wal_id = 0x0807060504030201u, .slot = 0x1234,
        .durable_end = 0x1230, .first_seq = 0x55667788, .session = 3, .count = 1, .bytes = 53,
        .payload_crc = vrv_get_le32(golden + 52) };
    struct vrv_wal_item it = { .type = VRV_WAL_BATCH, .flags = VRV_WAL_ROLL, .size = 5,
        .partition = 7, .arg = 0x1122334455, .time_ms = 1700000000123 };
    struct vrv_wal_head h = { 0 };
    struct vrv_wal_item got;
    uint8_t out[VRV_WAL_GROUP_HEADER];

    for (int i = 0; i < 16; i++)
        it.topic.b[i] = (uint8_t)(0x10 + i);
    vrv_wal_head_write(out, &want);
    OK(memcmp(out, golden, 64) == 0, "a group's header is written as it is documented");
    vrv_wal_item_write(out, &it);
    OK(memcmp(out, golden + 64, VRV_WAL_ENTRY_HEADER) == 0, "and an entry's");
    OK(vrv_wal_head_read(&h, golden) && h.slot == want.slot && h.durable_end == want.durable_end &&
            h.first_seq == want.first_seq && h.session == 3 && h.count == 1 && h.bytes == 53,
        "reading gives back what was written");
    OK(vrv_wal_payload_ok(&h, golden, sizeof(golden)), "with a payload that matches");
    OK(!vrv_wal_payload_ok(&h, golden, sizeof(golden) - 1), "... if it is there to the end");
    OK(vrv_wal_item_read(&got, golden + 64, sizeof(golden) - 64) && got.size == 5 &&
            got.arg == it.arg && got.time_ms == it.time_ms && got.partition == 7 &&
            got.flags == VRV_WAL_ROLL && vrv_uuid_eq(&got.topic, &it.topic),
        "and the entry");
    OK(!vrv_wal_item_read(&got, golden + 64, sizeof(golden) - 65),
        "an entry that reaches beyond the payload is none");
}

/* ---- order, the ring ---- */

static void
test_round_trip(void)
{
    static const size_t sizes[] = { 0, 1, 48, BLOCK - 64, BLOCK - 63, 5000, GROUP_MAX - 64 };
    struct walrig r;
    bool ok = true;

    rig_new(&r, &small);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        ok &= walrig_write(&r, sizes[i], i % 2) == WALRIG_DONE;
    OK(ok, "groups of every size fit, from nothing to group_max");
    ok = reopens(&r);
    OK(ok, "groups come back in order, byte for byte");
    IS(r.found.groups, 7, "all of them");
    IS(r.found.next_slot, 8, "the next slot follows the last one");
    IS(r.found.cut_groups, 0, "nothing was cut");
    IS(r.found.rewritten, 1, "the one that no later group testifies to is written again");
    OK(walrig_write(&r, 100, true) == WALRIG_DONE && reopens(&r) && r.found.groups == 8,
        "writing goes on behind them");
    rig_free(&r);
}

static void
test_wrap(void)
{
    struct walrig r;
    bool ok = true;

    rig_new(&r, &small);
    for (int i = 0; i < 400 && ok; i++) {
        while (walrig_write(&r, (size_t)(i * 997 % (GROUP_MAX - 64)), i % 3 == 0) == WALRIG_FULL)
            ok &= walrig_sync(&r) == 0 && walrig_trim(&r, r.durable) == 0;
        if (i % 50 == 49)
            ok &= reopens(&r);
    }
    OK(ok && walrig_next(&r) == 401, "the ring is used again and again, with what is live kept");
    ok = walrig_sync(&r) == 0 && walrig_trim(&r, r.durable) == 0;
    IS(vrv_waldev_used(r.dev), 0, "after everything was trimmed nothing is in use");
    OK(ok && reopens(&r) && r.found.groups == 0, "... and nothing is replayed");
    rig_free(&r);
}

static void
test_full(void)
{
    struct walrig r;
    size_t n = 0;

    rig_new(&r, &small);
    while (walrig_write(&r, 4000, false) == WALRIG_DONE)
        n++;
    IS(n, 3 * 15 - 4, "a full WAL refuses, with room for a largest group left over");
    OK(walrig_write(&r, 4000, false) == WALRIG_FULL, "... again and again");
    OK(walrig_sync(&r) == 0 && walrig_trim(&r, 12) == 0 &&
            walrig_write(&r, 4000, true) == WALRIG_FULL,
        "a file with one needed group is not used again");
    OK(walrig_trim(&r, 17) == 0 && walrig_write(&r, 4000, true) == WALRIG_DONE,
        "trimming a file's last group makes room");
    OK(reopens(&r), "what is live then is all there");
    rig_free(&r);
}

/* All that can be claimed, block by block; it is given back. */
static size_t
claimable(struct vrv_waldev *dev)
{
    size_t n = 0;

    while (vrv_waldev_reserve(dev, BLOCK))
        n += BLOCK;
    vrv_waldev_release(dev, n);
    return n;
}

static void
test_claims(void)
{
    struct walrig r;

    rig_new(&r, &small);
    IS(claimable(r.dev), r.dev->capacity, "claims add up to the capacity");
    IS(claimable(r.dev), r.dev->capacity, "what is released can be claimed again");
    rig_free(&r);
}

/* Files leave unused at their ends what the largest group so far might not have fit into. */
static void
test_small_groups(void)
{
    struct vrv_wal_file_opts o = small;
    struct walrig r;

    o.group_bytes = 100; /* rounded up to a block */
    rig_new(&r, &o);
    IS(claimable(r.dev), 3 * (FILE_BYTES - 2 * BLOCK),
        "small groups may fill the files but for a block");
    IS(claimable(r.dev), r.dev->capacity, "... which is the capacity");
    IS(walrig_write(&r, GROUP_MAX - 64, true), WALRIG_DONE, "a group of the largest size comes");
    IS(claimable(r.dev), 3 * (FILE_BYTES - BLOCK - GROUP_MAX) - GROUP_MAX,
        "from then on the ends of the files are kept for its like");
    rig_free(&r);
}

/* Claims of random sizes, used in random order by groups of other sizes: submit asserts that it
 * never runs out of room. */
static bool
claims_hold(uint64_t seed)
{
    struct vrv_rand rand = { seed };
    struct vrv_wal_file_opts o = small;
    struct walrig r;
    size_t claimed = 0; /* in blocks */
    bool ok = true;

    /* A group is no larger than one claim, or than this. */
    size_t largest = 1 + vrv_rand_below(&rand, 4);
    o.group_bytes = largest * BLOCK;
    o.files = 2 + (unsigned)vrv_rand_below(&rand, 3);
    o.fill_first = vrv_rand_below(&rand, FILE_BYTES + BLOCK);
    walrig_init(&r, simdisk_new(seed), &o);
    ok = walrig_create(&r) == 0;
    for (int i = 0; i < 150 && ok; i++) {
        uint64_t what = vrv_rand_below(&rand, 10);
        size_t blocks = 1 + vrv_rand_below(&rand, 4);

        if (what < 5 && vrv_waldev_reserve(r.dev, blocks * BLOCK)) {
            claimed += blocks;
            largest = blocks > largest ? blocks : largest;
        } else if (what < 8 && claimed >= blocks && blocks <= largest) {
            /* the rig claims for itself: give back what was claimed for this one */
            vrv_waldev_release(r.dev, blocks * BLOCK);
            claimed -= blocks;
            ok &= walrig_write(&r, blocks * BLOCK - 64, what == 7) == WALRIG_DONE;
        } else if (what == 8) {
            (void)vrv_waldev_prepare(r.dev);
        } else if (what == 9) {
            ok &= walrig_trim(&r, r.trim + vrv_rand_below(&rand, r.durable - r.trim + 1)) == 0;
        }
    }
    vrv_waldev_release(r.dev, claimed * BLOCK);
    ok = ok && reopens(&r);
    rig_free(&r);
    return ok;
}

static void
test_random_claims(void)
{
    uint64_t seeds = getenv("VARVE_LONG") ? 20000 : 300, bad = 0;

    for (uint64_t s = 1; s <= seeds && bad == 0; s++)
        bad = claims_hold(s) ? 0 : s;
    IS(bad, 0, "what was claimed can always be written, whatever sizes and trims (first bad seed)");
}

/* ---- filling ---- */

static void
test_filling(void)
{
    struct vrv_wal_file_opts o = { .dir = "wal", .wal_id = 7, .files = 2,
        .file_bytes = 4096 * KIB, .fill_first = 1024 * KIB };
    struct walrig r;

    walrig_init(&r, simdisk_new(1), &o);
    IS(walrig_create(&r), 0, "a new WAL is there before it is filled");
    OK(vrv_waldev_reserve(r.dev, BLOCK) == false,
        "as long as a largest group would not fit, nothing can be claimed");
    int steps = 0;
    size_t room = 0, grew = 0;
    while (vrv_waldev_prepare(r.dev) > 0) {
        size_t before = room;

        while (vrv_waldev_reserve(r.dev, BLOCK))
            room += BLOCK;
        grew += room > before;
        steps++;
    }
    OK(steps >= 7 && steps <= 9, "the rest is filled by steps (%d)", steps);
    OK(grew >= 5, "and what can be claimed grows with them (%zu times)", grew);
    IS(room, r.dev->capacity, "up to the capacity");
    vrv_waldev_release(r.dev, room);
    rig_free(&r);
}

static void
test_fill_first(void)
{
    struct vrv_wal_file_opts o = small;
    struct walrig r;

    o.fill_first = 10 * FILE_BYTES;
    walrig_init(&r, simdisk_new(1), &o);
    OK(walrig_create(&r) == 0 && walrig_write(&r, 100, true) == WALRIG_DONE,
        "filling first more than a file holds fills that file");
    rig_free(&r);
}

static void
test_fill_no_space(void)
{
    struct vrv_wal_file_opts o = small;
    struct walrig r;
    bool ok = true;

    o.fill_first = FILE_BYTES;
    walrig_init(&r, simdisk_new(1), &o);
    simdisk_capacity(r.disk, FILE_BYTES + 8 * BLOCK);
    IS(walrig_create(&r), 0, "room for one file and a bit");
    for (int i = 0; i < 10; i++)
        (void)vrv_waldev_prepare(r.dev);
    for (int i = 0; i < 100 && ok; i++) {
        enum walrig_result res = walrig_write(&r, 4000, true);

        if (res == WALRIG_FULL)
            ok = walrig_trim(&r, r.durable) == 0 && walrig_write(&r, 4000, true) == WALRIG_DONE;
    }
    OK(ok, "a disk that fills up keeps the WAL smaller, and that much goes on being used");
    OK(reopens(&r), "... also after opening again");
    simdisk_capacity(r.disk, 1 << 30);
    while (vrv_waldev_prepare(r.dev) > 0)
        ;
    size_t room = 0;
    while (vrv_waldev_reserve(r.dev, BLOCK))
        room += BLOCK;
    OK(room >= 2 * (FILE_BYTES - BLOCK - GROUP_MAX),
        "when there is space again, filling goes on (%zu)", room);
    vrv_waldev_release(r.dev, room);
    rig_free(&r);
}

/* The filling syncs a file that has groups in it already.  When that fails, what the groups wrote
 * may be lost, and a later sync that works would hide it. */
static void
test_fill_sync_fails(void)
{
    struct vrv_wal_file_opts o = small;
    struct walrig r;
    uint64_t n;

    o.file_bytes = 4096 * KIB;
    o.fill_first = 2048 * KIB;
    walrig_init(&r, simdisk_new(1), &o);
    IS(walrig_create(&r), 0, "a WAL that is filled by half");
    OK(walrig_write(&r, 100, false) == WALRIG_DONE, "a group, not on stable storage yet");
    for (n = 1; n < 3; n++) {
        simdisk_fail(r.disk, 2, SIM_EIO, false); /* its write is 1, its sync 2 */
        (void)vrv_waldev_prepare(r.dev);
        if (simdisk_failed(r.disk))
            break;
    }
    IS(simdisk_failed(r.disk), 1, "the filling's sync failed");
    OK(walrig_write(&r, 100, true) == WALRIG_FAILED,
        "after that nothing is reported to be on stable storage (L4)");
    crash(&r, SIM_DROP_ALL, 1);
    OK(reopens(&r), "and recovery works");
    rig_free(&r);
}

/* ---- what is cut, what is refused ---- */

/* Where a slot's group lies: they are all in the first file. */
static uint64_t
position(const struct walrig *r, uint64_t slot)
{
    uint64_t pos = BLOCK;

    for (uint64_t s = 1; s < slot; s++)
        pos += (64 + (uint64_t)r->v[s - 1].payload + BLOCK - 1) / BLOCK * BLOCK;
    return pos;
}

/* Slots 1..4 synced one by one, 5..7 not: the proof ends at 5, which slots 5..7 carry. */
static void
seven(struct walrig *r)
{
    bool ok = true;

    rig_new(r, &small);
    for (int i = 1; i <= 7; i++)
        ok &= walrig_write(r, 1000 * (size_t)i, i <= 4) == WALRIG_DONE;
    if (!ok)
        OK(ok, "seven groups were written");
}

static void
test_damage_below(void)
{
    struct walrig r;
    char where[64];

    for (uint64_t slot = 1; slot <= 4; slot++) {
        seven(&r);
        simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
        walrig_close(&r);
        uint64_t pos = position(&r, slot);
        (void)simdisk_corrupt(r.disk, "wal/000001.wal", pos + 64 + 10, 4);
        uint64_t before = simdisk_hash(r.disk);
        IS(walrig_open(&r), VRV_E_CORRUPT, "slot %" PRIu64 ", durable, is damaged: refused", slot);
        (void)snprintf(where, sizeof(where), "wal/000001.wal: group %" PRIu64 " at byte %" PRIu64,
            slot, pos);
        OK(strstr(r.err.msg, where) != NULL, "... with file and place: %s", r.err.msg);
        OK(simdisk_hash(r.disk) == before, "... and nothing is changed on the disk");
        rig_free(&r);
    }
    seven(&r);
    simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
    walrig_close(&r);
    (void)simdisk_corrupt(r.disk, "wal/000001.wal", position(&r, 3) + 16, 1);
    uint64_t before = simdisk_hash(r.disk);
    IS(walrig_open(&r), VRV_E_CORRUPT, "a durable group whose header is damaged is missed");
    OK(strstr(r.err.msg, "group 3") != NULL && simdisk_hash(r.disk) == before,
        "... and named, and nothing is changed: %s", r.err.msg);
    rig_free(&r);
}

static void
test_damage_above(void)
{
    struct walrig r;

    for (uint64_t slot = 5; slot <= 7; slot++) {
        seven(&r);
        simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
        walrig_close(&r);
        (void)simdisk_corrupt(r.disk, "wal/000001.wal", position(&r, slot) + 64 + 10, 4);
        OK(reopens(&r) && r.found.next_slot == slot,
            "slot %" PRIu64 ", not known durable, is damaged: cut there", slot);
        IS(r.found.cut_groups, 8 - slot, "... with all that lies behind");
        OK(walrig_write(&r, 500, true) == WALRIG_DONE && reopens(&r) && r.found.groups == slot,
            "... and writing goes on at that slot");
        rig_free(&r);
    }
}

/* A cut group must not come back: not when its slot is used again, and not when the new one in the
 * slot before it is trimmed. */
static void
test_stale(void)
{
    struct walrig r;

    for (uint32_t count = 1; count <= 2; count++) {
        rig_new(&r, &small);
        r.count = 1;
        bool ok = true;
        for (int i = 1; i <= 7; i++)
            ok &= walrig_write(&r, 5000, i <= 4) == WALRIG_DONE;
        simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
        (void)simdisk_corrupt(r.disk, "wal/000001.wal", position(&r, 5) + 64 + 10, 4);
        OK(ok && reopens(&r) && r.found.next_slot == 5, "slot 5 is lost, 6 and 7 are cut");

        /* With one entry in it as before, even the entry numbers of the old slot 6 would fit. */
        r.count = count;
        OK(walrig_write(&r, 5000, true) == WALRIG_DONE, "slot 5 is written anew");
        crash(&r, SIM_DROP_ALL, 1);
        OK(reopens(&r) && r.found.next_slot == 6, "the old slot 6 does not come back behind it");
        OK(walrig_trim(&r, 6) == 0, "a checkpoint needs slot 5 no more");
        crash(&r, SIM_DROP_ALL, 1);
        OK(reopens(&r) && r.found.groups == 0, "the old slot 6 does not begin the log either");
        rig_free(&r);
    }
}

/* The same without a recovery in between that could have seen them: the stale groups lie where the
 * ring's new groups have not come to yet. */
static void
test_stale_far(void)
{
    struct walrig r;
    bool ok = true;

    rig_new(&r, &small);
    r.count = 1;
    for (int i = 1; i <= 9; i++)
        ok &= walrig_write(&r, 4000, i <= 4) == WALRIG_DONE;
    simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
    (void)simdisk_corrupt(r.disk, "wal/000001.wal", position(&r, 5) + 70, 4);
    OK(ok && reopens(&r) && r.found.next_slot == 5, "slots 5 to 9 are cut");
    /* One large group in slot 5 lies over the old 5 to 7; the old 8 and 9 are behind it. */
    ok = walrig_write(&r, 3 * BLOCK - 64, true) == WALRIG_DONE;
    for (int i = 6; i <= 8; i++)
        ok &= walrig_write(&r, 9000, true) == WALRIG_DONE;
    crash(&r, SIM_DROP_ALL, 1);
    OK(ok && reopens(&r) && r.found.next_slot == 9, "what was written anew is there");
    OK(walrig_trim(&r, 9) == 0, "all of it is trimmed");
    crash(&r, SIM_DROP_ALL, 1);
    OK(reopens(&r) && r.found.groups == 0, "no cut group comes back");
    rig_free(&r);
}

/* A write that the disk said was durable is not there: old bytes are, with a trimmed group whose
 * length reaches over its follower. */
static void
test_lost_write(void)
{
    struct walrig r;
    struct simdisk *old;
    uint8_t block[BLOCK];
    struct vrv_file *f = NULL;
    bool ok = true;

    rig_new(&r, &small);
    ok &= walrig_write(&r, 3 * BLOCK - 64, true) == WALRIG_DONE;
    while (ok && walrig_write(&r, 3 * BLOCK - 64, true) == WALRIG_DONE)
        ;
    ok &= walrig_trim(&r, r.durable) == 0;
    old = simdisk_copy(r.disk);
    ok &= walrig_write(&r, 100, true) == WALRIG_DONE && walrig_write(&r, 100, true) == WALRIG_DONE;
    uint64_t first = r.n - 1;
    walrig_close(&r);
    /* Put the old block back under the first of the two. */
    for (int i = 1; i <= 3; i++) {
        char path[32];
        uint8_t now[BLOCK];

        (void)snprintf(path, sizeof(path), "wal/%06d.wal", i);
        ok &= vrv_vfs_open(simdisk_vfs(r.disk), path, VRV_OPEN_WRITE, &f, NULL) == 0;
        for (uint64_t pos = BLOCK; pos < FILE_BYTES && ok; pos += BLOCK) {
            ok &= vrv_file_read_full(f, now, BLOCK, pos, NULL) == 0;
            if (vrv_get_le64(now + 16) != first || vrv_get_le32(now + 44) > 3)
                continue;
            struct vrv_file *g = NULL;
            ok &= vrv_vfs_open(simdisk_vfs(old), path, 0, &g, NULL) == 0 &&
                vrv_file_read_full(g, block, BLOCK, pos, NULL) == 0 &&
                vrv_file_pwrite(f, block, BLOCK, pos, NULL) == 0 && vrv_file_sync(f, NULL) == 0;
            vrv_file_close(&g);
        }
        vrv_file_close(&f);
    }
    OK(ok, "two groups over a trimmed one; then the first is gone, as if never written");
    IS(walrig_open(&r), VRV_E_CORRUPT, "that it was durable is found in the second");
    simdisk_free(&old);
    rig_free(&r);
}

/* ---- files that are not ours ---- */

static int
open_after(const char *unlink, const char *add, const uint8_t *header, struct walrig *r)
{
    struct vrv_vfs *v;
    struct vrv_file *f = NULL;
    int rc = 0;

    rig_new(r, &small);
    (void)walrig_write(r, 100, true);
    walrig_close(r);
    v = simdisk_vfs(r->disk);
    if (unlink != NULL)
        rc = vrv_vfs_unlink(v, unlink, NULL);
    if (rc == 0 && add != NULL)
        rc = vrv_vfs_open(v, add, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, NULL);
    if (rc == 0 && header != NULL)
        rc = vrv_file_pwrite(f, header, BLOCK, 0, NULL);
    vrv_file_close(&f);
    if (rc < 0)
        OK(0, "the scenario runs");
    rc = walrig_open(r);
    if (rc != 0 && strstr(r->err.msg, unlink ? unlink : add) == NULL)
        OK(0, "the error names the file: %s", r->err.msg);
    return rc;
}

static void
header_of(uint8_t *h, uint32_t version, uint64_t wal_id, uint32_t number)
{
    memset(h, 0, BLOCK);
    memcpy(h, "VRVWAL1", 8);
    vrv_put_le32(h + 8, version);
    vrv_put_le32(h + 12, number);
    vrv_put_le64(h + 16, wal_id);
    vrv_put_le64(h + 24, small.file_bytes);
    vrv_put_le32(h + 32, small.files);
    vrv_put_le32(h + BLOCK - 4, vrv_crc32c(0, h, BLOCK - 4));
}

static void
test_foreign(void)
{
    uint8_t h[BLOCK];
    struct walrig r;

    IS(open_after("wal/000002.wal", NULL, NULL, &r), VRV_E_FOREIGN, "a file is missing");
    rig_free(&r);
    IS(open_after(NULL, "wal/000004.wal", NULL, &r), VRV_E_FOREIGN, "a file too many");
    rig_free(&r);
    IS(open_after(NULL, "wal/notes.txt", NULL, &r), VRV_E_FOREIGN, "a file that isn't ours");
    rig_free(&r);
    header_of(h, 1, small.wal_id, 2);
    IS(open_after(NULL, "wal/000002.wal", h, &r), 0, "(the header as it is documented)");
    rig_free(&r);
    header_of(h, 2, small.wal_id, 2);
    IS(open_after(NULL, "wal/000002.wal", h, &r), VRV_E_VERSION, "a newer format");
    rig_free(&r);
    header_of(h, 1, small.wal_id + 1, 2);
    IS(open_after(NULL, "wal/000002.wal", h, &r), VRV_E_CORRUPT, "another WAL's file");
    rig_free(&r);
    header_of(h, 1, small.wal_id, 1);
    IS(open_after(NULL, "wal/000002.wal", h, &r), VRV_E_CORRUPT, "two files have changed places");
    rig_free(&r);
    header_of(h, 0, small.wal_id, 2);
    IS(open_after(NULL, "wal/000002.wal", h, &r), VRV_E_CORRUPT, "a format that never was");
    rig_free(&r);
}

/* Not one bit of a file's header can change unnoticed, or be taken for a later version. */
static void
test_header_bits(void)
{
    int missed = 0;
    struct walrig r;

    rig_new(&r, &small);
    (void)walrig_write(&r, 100, true);
    walrig_close(&r);
    for (uint64_t bit = 0; bit < 8u * BLOCK; bit++) {
        uint8_t mask = (uint8_t)(1u << bit % 8);

        (void)simdisk_corrupt(r.disk, "wal/000002.wal", bit / 8, mask);
        missed += walrig_open(&r) != VRV_E_CORRUPT;
        walrig_close(&r);
        (void)simdisk_corrupt(r.disk, "wal/000002.wal", bit / 8, mask);
    }
    IS(missed, 0, "any bit of a file's header that is wrong is found");
    OK(reopens(&r), "with all of them right it opens");
    rig_free(&r);
}

/* A file in the middle of the ring that is shorter than it should be, but held nothing needed. */
static void
test_short_file(void)
{
    struct walrig r;
    struct vrv_file *f = NULL;
    bool ok = true;

    rig_new(&r, &small);
    (void)walrig_write(&r, 100, true);
    walrig_close(&r);
    ok &= vrv_vfs_open(simdisk_vfs(r.disk), "wal/000002.wal", VRV_OPEN_WRITE, &f, NULL) == 0 &&
        vrv_file_truncate(f, 2 * BLOCK, NULL) == 0;
    vrv_file_close(&f);
    OK(ok && reopens(&r), "a file of the ring that was cut short, where nothing was, is fine");
    while (walrig_write(&r, 9000, false) == WALRIG_DONE)
        ;
    OK(!r.stopped && reopens(&r), "... and is not written beyond its end");
    while (vrv_waldev_prepare(r.dev) > 0)
        ;
    OK(walrig_trim(&r, r.durable) == 0, "trimmed, and filled again");
    uint64_t before = r.n;
    while (walrig_write(&r, 9000, false) == WALRIG_DONE)
        ;
    OK(r.n - before == 13 && reopens(&r), "... all of the ring is used");
    rig_free(&r);
}

/* Recovery that creates: what an interrupted creation left is dropped. */
static void
test_create_again(void)
{
    struct walrig r;

    rig_new(&r, &small);
    (void)walrig_write(&r, 100, true);
    walrig_close(&r);
    r.n = 0;
    r.durable = 1;
    OK(walrig_create(&r) == 0 && walrig_write(&r, 100, true) == WALRIG_DONE && reopens(&r),
        "creating over the remains of an unfinished creation begins anew");
    rig_free(&r);
}

/* ---- the unproven tail ---- */

static void
test_failed_sync(bool direct)
{
    struct vrv_wal_file_opts o = small;
    struct walrig r;
    bool ok = true;

    o.direct = direct;
    rig_new(&r, &o);
    for (int i = 0; i < 3; i++)
        ok &= walrig_write(&r, 3000, true) == WALRIG_DONE;
    for (int i = 0; i < 2; i++)
        ok &= walrig_write(&r, 3000, false) == WALRIG_DONE;
    simdisk_fail(r.disk, 1, SIM_EIO, false);
    OK(ok && walrig_sync(&r) == VRV_E_IO, "a sync fails%s", direct ? ", O_DIRECT" : "");
    OK(reopens(&r), "the process starts again, without a power cut");
    uint64_t kept = r.found.groups;
    OK(direct || r.found.rewritten >= 2,
        "what only the page cache shows is written again (%" PRIu64 " kept)", kept);
    crash(&r, SIM_DROP_ALL, 1);
    OK(reopens(&r) && r.found.groups == kept, "what was replayed survives a power cut then");
    rig_free(&r);
}

static void
test_secure_fails(void)
{
    struct walrig r;
    uint64_t n;
    int failures = 0, wrong = 0;

    for (n = 1; n < 100; n++) {
        seven(&r);
        walrig_close(&r);
        simdisk_fail(r.disk, n, SIM_EIO, false);
        int rc = walrig_open(&r);
        bool struck = simdisk_failed(r.disk) > 0;
        simdisk_fail(r.disk, 0, SIM_EIO, false);
        failures += rc < 0;
        wrong += struck != (rc < 0);
        OK(rc < 0 || !struck, "opening, operation %" PRIu64 ": %s", n,
            struck ? "fails, and says so" : "is none");
        wrong += !reopens(&r);
        uint64_t kept = r.found.groups;
        crash(&r, SIM_DROP_ALL, n);
        wrong += !reopens(&r) || r.found.groups != kept;
        rig_free(&r);
        if (!struck)
            break;
    }
    IS(wrong, 0, "after %d kinds of failed recovery the next one works, and what it keeps stays",
        failures);
}

static void
test_idempotent(void)
{
    struct walrig r;

    seven(&r);
    simdisk_crash(r.disk, SIM_KEEP_ALL, 1);
    walrig_close(&r);
    (void)simdisk_corrupt(r.disk, "wal/000001.wal", position(&r, 6) + 64 + 10, 4);
    OK(reopens(&r), "recover");
    crash(&r, SIM_DROP_ALL, 1);
    uint64_t groups = r.found.groups, hash = simdisk_hash(r.disk);
    OK(reopens(&r) && r.found.groups == groups, "power cut, recover again: the same groups");
    crash(&r, SIM_DROP_ALL, 2);
    OK(simdisk_hash(r.disk) == hash, "... and the same bytes on the disk");
    rig_free(&r);
}

/* ---- O_DIRECT or not ---- */

/* It is read before and after each of nine writes: three that make the file, three direct ones,
 * three buffered ones. */
struct counting_clock {
    struct vrv_clock clock;
    int reads;
    int64_t now, direct_ns, buffered_ns;
};

static int64_t
read_counting(struct vrv_clock *clock)
{
    struct counting_clock *c = (struct counting_clock *)clock;
    int n = c->reads++;

    if (n % 2 == 1)
        c->now += n < 6 ? 1 : n < 12 ? c->direct_ns : c->buffered_ns;
    return c->now;
}

static bool
pays(struct simdisk *disk, int64_t direct_ns, int64_t buffered_ns)
{
    struct counting_clock c = { .clock = { .mono_ns = read_counting }, .direct_ns = direct_ns,
        .buffered_ns = buffered_ns };

    return vrv_wal_direct_pays(simdisk_vfs(disk), &c.clock, "probe");
}

static void
test_probe(void)
{
    struct simdisk *disk = simdisk_new(1);
    struct vrv_file *f = NULL;

    OK(pays(disk, 100, 120), "O_DIRECT is chosen where it is faster,");
    OK(pays(disk, 120, 100), "... or about as fast;");
    OK(!pays(disk, 200, 100), "... buffered writing where that is");
    IS(vrv_vfs_open(simdisk_vfs(disk), "probe", 0, &f, NULL), VRV_E_NOTFOUND,
        "nothing is left of the trial");
    simdisk_fail(disk, 1, SIM_ENOSPC, true);
    OK(pays(disk, 200, 100), "where nothing can be tried, it is O_DIRECT");
    OK(simdisk_failed(disk) > 0, "... as on a full disk");
    simdisk_free(&disk);
}

int
main(void)
{
    test_golden();
    test_round_trip();
    test_wrap();
    test_full();
    test_claims();
    test_small_groups();
    test_random_claims();
    test_filling();
    test_fill_first();
    test_fill_no_space();
    test_fill_sync_fails();
    test_damage_below();
    test_damage_above();
    test_stale();
    test_stale_far();
    test_lost_write();
    test_foreign();
    test_header_bits();
    test_short_file();
    test_create_again();
    test_failed_sync(false);
    test_failed_sync(true);
    test_secure_fails();
    test_idempotent();
    test_probe();
    return tap_done();
}
