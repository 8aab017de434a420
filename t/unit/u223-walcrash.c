/*
 * The file WAL on a disk that crashes and fails: after every crash, of every kind, and after
 * every failing operation, what was reported to be on stable storage is there, what is
 * there was written, and nothing else comes back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/wal/wal_file.h"
#include "t/lib/tap.h"
#include "t/lib/walrig.h"

enum { KIB = 1024, FILE_BYTES = 64 * KIB, BLOCK = VRV_DIRECT_ALIGN };

static char why[400]; /* of the first thing that was wrong */

static bool
wrong(const struct walrig *r, const char *what)
{
    if (why[0] == '\0')
        (void)snprintf(why, sizeof(why), "%.60s: %.300s", what,
            r->bad[0] != '\0' ? r->bad : r->err.msg);
    return false;
}

static bool
recovers(struct walrig *r, const char *when)
{
    int rc = walrig_open(r);

    return rc == 0 && r->bad[0] == '\0' ? true : wrong(r, when);
}

static void
power_cut(struct walrig *r, enum sim_policy policy, uint64_t seed)
{
    simdisk_crash(r->disk, policy, seed);
    walrig_close(r);
    simdisk_abandon(r->disk);
}

/* ---- crashes by chance ---- */

static size_t
some_size(struct vrv_rand *rand)
{
    size_t max = FILE_BYTES / 4 - 64;

    /* As large as can be, tiny, or about a block. */
    switch (vrv_rand_below(rand, 8)) {
    case 0:
        return max;
    case 1:
        return vrv_rand_below(rand, max);
    case 2:
        return vrv_rand_below(rand, 3);
    default:
        return vrv_rand_below(rand, 2 * BLOCK);
    }
}

static void
some_work(struct walrig *r, struct vrv_rand *rand)
{
    uint64_t steps = vrv_rand_below(rand, 30);

    for (uint64_t i = 0; i < steps && !r->stopped; i++) {
        switch (vrv_rand_below(rand, 12)) {
        case 0:
            (void)walrig_sync(r);
            break;
        case 1:
        case 2:
            (void)walrig_trim(r, r->trim + vrv_rand_below(rand, r->durable - r->trim + 1));
            break;
        case 3:
            (void)vrv_waldev_prepare(r->dev);
            break;
        default:
            (void)walrig_write(r, some_size(rand), vrv_rand_below(rand, 3) == 0);
            break;
        }
    }
}

/* A crash while it recovers, or none; then it must recover. */
static bool
recover_after(struct walrig *r, struct vrv_rand *rand, enum sim_policy policy)
{
    if (vrv_rand_below(rand, 3) == 0) {
        simdisk_crash_at(r->disk, 1 + vrv_rand_below(rand, 30));
        /* It may end before the power does: then what was replayed counts. */
        if (walrig_open(r) == 0 && r->bad[0] != '\0')
            return wrong(r, "recovery before the second crash");
        power_cut(r, policy, vrv_rand_next(rand));
    }
    if (!recovers(r, "recovery"))
        return false;
    if (vrv_rand_below(rand, 4) == 0) { /* at once again */
        uint64_t groups = r->found.groups;

        power_cut(r, SIM_DROP_ALL, 1);
        if (!recovers(r, "recovery again"))
            return false;
        if (r->found.groups != groups)
            return wrong(r, "other groups the second time");
    }
    return true;
}

static bool
crash_run(enum sim_policy policy, uint64_t seed)
{
    struct vrv_rand rand = { seed * SIM_POLICY_COUNT + policy };
    struct vrv_wal_file_opts o = { .dir = "wal", .wal_id = 42, .file_bytes = FILE_BYTES };
    struct walrig r;
    bool ok = true;

    o.files = 2 + (unsigned)vrv_rand_below(&rand, 3);
    o.direct = vrv_rand_below(&rand, 2);
    o.fill_first = (1 + vrv_rand_below(&rand, 2)) * FILE_BYTES / 2;
    walrig_init(&r, simdisk_new(seed), &o);
    r.count = (uint32_t)vrv_rand_below(&rand, 2);
    ok = walrig_create(&r) == 0;
    for (int epoch = 0; epoch < 5 && ok; epoch++) {
        if (vrv_rand_below(&rand, 2))
            simdisk_crash_at(r.disk, 1 + vrv_rand_below(&rand, 40));
        some_work(&r, &rand);
        power_cut(&r, policy, vrv_rand_next(&rand));
        ok = recover_after(&r, &rand, policy);
    }
    walrig_fini(&r);
    simdisk_free(&r.disk);
    return ok;
}

static uint64_t
count_of(uint64_t usual, uint64_t many)
{
    return getenv("VARVE_LONG") ? many : usual;
}

static void
test_crashes(void)
{
    uint64_t seeds = count_of(150, 20000);

    for (int p = 0; p < SIM_POLICY_COUNT; p++) {
        uint64_t bad = 0;

        why[0] = '\0';
        for (uint64_t s = 1; s <= seeds && bad == 0; s++)
            bad = crash_run((enum sim_policy)p, s) ? 0 : s;
        if (!IS(bad, 0, "%s: synced is kept, torn is cut, cut never comes back (first bad seed)",
                sim_policy_name((enum sim_policy)p)))
            tap_note("%s", why);
    }
}

/* ---- operations that fail ---- */

/* Create if need be, write, sync, trim, go round once; stop at the first failure. */
static bool
script(struct walrig *r, bool *created)
{
    bool ok = true;

    if (!*created) {
        ok = walrig_create(r) == 0;
        *created = ok;
    } else {
        ok = walrig_open(r) == 0;
    }
    for (int i = 0; i < 24 && ok; i++) {
        if (i % 4 == 0)
            (void)vrv_waldev_prepare(r->dev);
        enum walrig_result res = walrig_write(r, (size_t)i * 400, i % 3 == 2);
        ok &= res != WALRIG_FAILED;
        if (i % 8 == 7 && ok)
            ok = walrig_sync(r) == 0 && walrig_trim(r, r->durable - 1) == 0;
    }
    walrig_close(r);
    return ok;
}

/* One failing operation, or all from there on; then the same without faults.  With `cut`, power
 * fails in between. */
static bool
fault_run(uint64_t n, enum sim_fault kind, bool sticky, bool direct, bool cut, bool *struck)
{
    struct vrv_wal_file_opts o = { .dir = "wal", .wal_id = 42, .files = 3,
        .file_bytes = FILE_BYTES, .fill_first = FILE_BYTES / 2, .direct = direct };
    struct walrig r;
    bool created = false, ok = true;

    walrig_init(&r, simdisk_new(n), &o);
    simdisk_fail(r.disk, n, kind, sticky);
    bool worked = script(&r, &created) && script(&r, &created);
    *struck = simdisk_failed(r.disk) > 0;
    simdisk_fail(r.disk, 0, kind, false);
    if (!*struck && !worked)
        ok = wrong(&r, "the script fails without a fault");
    if (cut)
        power_cut(&r, SIM_DROP_ALL, n);
    walrig_close(&r);
    if (created)
        ok = ok && recovers(&r, "recovery after the fault");
    walrig_close(&r);
    ok = ok && (script(&r, &created) || wrong(&r, "the script after the fault"));
    power_cut(&r, SIM_DROP_ALL, n + 1);
    ok = ok && recovers(&r, "recovery after a power cut after the fault");
    walrig_fini(&r);
    simdisk_free(&r.disk);
    return ok;
}

static void
test_faults(void)
{
    static const char *const names[] = { "EIO", "ENOSPC", "SHORT", "EINTR", "ENOMEM" };
    static const enum sim_fault kinds[] = { SIM_EIO, SIM_ENOSPC, SIM_SHORT, SIM_ENOMEM };

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        uint64_t bad = 0, n = 0;
        bool struck = true;

        why[0] = '\0';
        for (n = 1; struck && bad == 0; n++) {
            struck = false;
            for (unsigned how = 0; how < 8 && bad == 0; how++) {
                bool s = false;

                bad = fault_run(n, kinds[k], how & 1, how & 2, how & 4, &s) ? 0 : n;
                struck |= s;
            }
        }
        if (!IS(bad, 0, "%s at each of %" PRIu64 " operations: nothing that was synced is lost",
                names[kinds[k]], n - 2))
            tap_note("%s", why);
    }
}

/* ---- flipped bits ---- */

enum { FLIP_GROUPS = 10, FLIP_SYNCED = 6 };

/* Ten groups, the first six known durable (the seventh says so). */
static void
flip_rig(struct walrig *r)
{
    static const struct vrv_wal_file_opts o = { .dir = "wal", .wal_id = 42, .files = 2,
        .file_bytes = FILE_BYTES, .fill_first = FILE_BYTES };
    bool ok;

    walrig_init(r, simdisk_new(1), &o);
    ok = walrig_create(r) == 0;
    while (vrv_waldev_prepare(r->dev) > 0)
        ;
    for (int i = 1; i <= FLIP_GROUPS; i++)
        ok &= walrig_write(r, (size_t)i * 800, i == FLIP_SYNCED) == WALRIG_DONE;
    simdisk_crash(r->disk, SIM_KEEP_ALL, 1);
    walrig_close(r);
    OK(ok, "a small WAL, to be damaged");
}

/* What one flip led to; false when that is not what it may. */
static bool
flip(const struct walrig *model, const char *path, uint64_t pos, uint8_t mask, uint64_t slot)
{
    struct walrig r = *model;
    bool in_header = slot == 0, ok = true;

    r.disk = simdisk_copy(model->disk);
    r.v = vrv_mem_grow(NULL, model->n * sizeof(*r.v));
    memcpy(r.v, model->v, model->n * sizeof(*r.v));
    (void)simdisk_corrupt(r.disk, path, pos, mask);
    uint64_t before = simdisk_hash(r.disk);
    int rc = walrig_open(&r);
    if (in_header)
        ok = rc == VRV_E_CORRUPT || rc == VRV_E_VERSION;
    else if (slot <= FLIP_SYNCED)
        ok = rc == VRV_E_CORRUPT;
    else
        ok = rc == 0 && r.bad[0] == '\0' && r.found.next_slot == slot;
    if (rc != 0)
        ok &= simdisk_hash(r.disk) == before;
    if (!ok && why[0] == '\0')
        (void)snprintf(why, sizeof(why), "%s byte %" PRIu64 " mask %02x: %d, next %" PRIu64 " %s",
            path, pos, mask, rc, r.found.next_slot, r.bad);
    walrig_close(&r);
    free(r.v);
    simdisk_free(&r.disk);
    return ok;
}

static int
flip_all(const struct walrig *r, const char *path, uint64_t pos, size_t n, uint64_t slot)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++)
            bad += !flip(r, path, pos + i, (uint8_t)(1 << bit), slot);
    return bad;
}

static void
test_flips(void)
{
    struct walrig r;
    uint64_t pos = BLOCK;
    int header = 0, group = 0, payload = 0;

    flip_rig(&r);
    why[0] = '\0';
    header += flip_all(&r, "wal/000001.wal", 0, 64, 0);
    header += flip_all(&r, "wal/000002.wal", 0, 64, 0);
    IS(header, 0, "every bit of the files' headers: refused, nothing changed");
    for (uint64_t slot = 1; slot <= FLIP_GROUPS; slot++) {
        size_t n = r.v[slot - 1].payload;

        group += flip_all(&r, "wal/000001.wal", pos, 64, slot);
        for (size_t i = 0; i < n; i += 64)
            payload += !flip(&r, "wal/000001.wal", pos + 64 + i, (uint8_t)(1 << i / 64 % 8), slot);
        payload += !flip(&r, "wal/000001.wal", pos + 64 + n - 1, 0x80, slot);
        pos += (64 + n + BLOCK - 1) / BLOCK * BLOCK;
    }
    IS(group, 0, "every bit of a group's header: refused below the durable end, else cut there");
    if (!IS(payload, 0, "a bit in each 64 bytes of payload: the same"))
        tap_note("%s", why);
    else if (why[0] != '\0')
        tap_note("%s", why);
    walrig_fini(&r);
    simdisk_free(&r.disk);
}

int
main(void)
{
    test_crashes();
    test_faults();
    test_flips();
    return tap_done();
}
