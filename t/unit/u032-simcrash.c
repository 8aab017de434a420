/*
 * What a crash of the simulated disk leaves, policy by policy; and that programs with the usual
 * bugs are caught by it, while the same programs without the bug never are.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/rand.h"
#include "engine/os/vfs.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { CREATE = VRV_OPEN_WRITE | VRV_OPEN_CREATE, SEEDS = 2000 };

static struct vrv_file *
must_open(struct vrv_vfs *v, const char *path, unsigned flags)
{
    struct vrv_err e = { 0 };
    struct vrv_file *f = NULL;

    if (vrv_vfs_open(v, path, flags, &f, &e) < 0)
        OK(0, "%s", e.msg);
    return f;
}

/* ---- policies ---- */

/*
 * A durable file "f" of 1000 bytes 'a'; then, unsynced: three appends of 700 bytes 'b', 'c', 'd',
 * an overwrite of the first 600 bytes with 'o', and the files "x" and "y", in this order.
 */
enum { OLD = 1000, ADD = 700, ADDS = 3, OVER = 600, FULL = OLD + ADDS * ADD };

static void
must(int rc)
{
    if (rc < 0)
        OK(0, "the scenario runs");
}

static void
write_run(struct vrv_file *f, char c, size_t n, uint64_t pos)
{
    char buf[1024];

    memset(buf, c, n);
    must(vrv_file_pwrite(f, buf, n, pos, NULL));
}

static struct simdisk *
scenario(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_vfs *v = simdisk_vfs(d);
    struct vrv_file *f = must_open(v, "f", CREATE), *g;

    write_run(f, 'a', OLD, 0);
    must(vrv_file_sync(f, NULL));
    must(vrv_vfs_sync_dir(v, "", NULL));
    for (int i = 0; i < ADDS; i++)
        write_run(f, (char)('b' + i), ADD, OLD + (uint64_t)i * ADD);
    write_run(f, 'o', OVER, 0);
    g = must_open(v, "x", CREATE);
    vrv_file_close(&g);
    g = must_open(v, "y", CREATE);
    vrv_file_close(&g);
    vrv_file_close(&f);
    return d;
}

/* What was seen of a policy over all seeds. */
struct seen {
    int unlike;     /* durable bytes are wrong: never allowed */
    int size_old, size_full, size_at_sector, size_odd;
    int zeros, noise; /* bytes in the appended part that nobody wrote there */
    int gap;        /* a later append is there, an earlier one isn't */
    int over_all, over_none, over_some;
    int x_only, y_only, both, none;
};

static char
wanted(size_t i)
{
    return i < OLD ? 'a' : (char)('b' + (i - OLD) / ADD);
}

/* The unsynced part, byte by byte. */
static void
look_at_appends(const char *buf, size_t size, struct seen *s)
{
    bool zeros = false, noise = false, gap = false;

    for (size_t i = OLD; i < size; i++) {
        if (buf[i] == wanted(i))
            gap = gap || zeros || noise;
        else if (buf[i] == 0)
            zeros = true;
        else
            noise = true;
    }
    s->zeros += zeros;
    s->noise += noise;
    s->gap += gap;
}

static void
look_at_overwrite(const char *buf, struct seen *s)
{
    int n = 0;

    for (size_t i = 0; i < OLD; i++) {
        n += buf[i] == 'o';
        s->unlike += buf[i] != 'a' && (buf[i] != 'o' || i >= OVER);
    }
    s->over_all += n == OVER;
    s->over_none += n == 0;
    s->over_some += n != OVER && n != 0;
}

static bool
exists(struct vrv_vfs *v, const char *path)
{
    struct vrv_file *f;
    bool found = vrv_vfs_open(v, path, 0, &f, NULL) == 0;

    vrv_file_close(&f);
    return found;
}

static void
look(struct simdisk *d, struct seen *s)
{
    struct vrv_vfs *v = simdisk_vfs(d);
    struct vrv_file *f = must_open(v, "f", 0);
    char buf[FULL + 1];
    ssize_t n = vrv_file_pread(f, buf, sizeof(buf), 0, 0, NULL);
    size_t size = n < 0 ? 0 : (size_t)n;

    vrv_file_close(&f);
    if (size < OLD || size > FULL) {
        s->unlike++;
        return;
    }
    s->size_old += size == OLD;
    s->size_full += size == FULL;
    if (size != FULL && (size - OLD) % ADD != 0)
        *(size % 512 == 0 ? &s->size_at_sector : &s->size_odd) += 1;
    look_at_appends(buf, size, s);
    look_at_overwrite(buf, s);
    bool x = exists(v, "x"), y = exists(v, "y");
    *(x && y ? &s->both : x ? &s->x_only : y ? &s->y_only : &s->none) += 1;
}

static struct seen
crash_often(struct simdisk *d, enum sim_policy policy)
{
    struct seen s = { 0 };

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct simdisk *copy = simdisk_copy(d);

        simdisk_crash(copy, policy, seed);
        look(copy, &s);
        simdisk_free(&copy);
    }
    return s;
}

static void
check_simple_policies(struct simdisk *d)
{
    struct seen s = crash_often(d, SIM_DROP_ALL);

    OK(s.size_old == SEEDS && s.over_none == SEEDS && s.none == SEEDS,
        "DROP_ALL: what was synced, and that's all");
    s = crash_often(d, SIM_KEEP_ALL);
    OK(s.size_full == SEEDS && s.over_all == SEEDS && s.both == SEEDS && !s.zeros && !s.noise,
        "KEEP_ALL: everything");
    s = crash_often(d, SIM_PREFIX);
    OK(s.size_old && s.size_full && s.over_all && s.over_none, "PREFIX: none, some or all writes");
    OK(!s.size_odd && !s.size_at_sector && !s.over_some && !s.zeros && !s.noise, "each whole");
    OK(s.both && s.x_only && s.none && !s.y_only, "and names in their order");
}

static void
check_torn_policies(struct simdisk *d)
{
    struct seen s = crash_often(d, SIM_TORN_SECTOR);

    OK(s.size_at_sector && !s.size_odd && s.over_some, "TORN_SECTOR: a write ends at a sector");
    OK(!s.gap && !s.zeros && !s.noise, "what is before it is whole");
    s = crash_often(d, SIM_TORN_BYTE);
    OK(s.size_odd && s.over_some, "TORN_BYTE: a write ends anywhere");
    OK(!s.gap && !s.zeros && !s.noise, "what is before it is whole");
    s = crash_often(d, SIM_SUBSET);
    OK(s.gap && s.zeros && s.over_some, "SUBSET: sectors are missing in the middle");
    OK(s.size_full && s.size_old && !s.noise, "nothing is invented");
    OK(!s.y_only, "names come in their order");
}

static void
check_extend_policies(struct simdisk *d)
{
    struct seen s = crash_often(d, SIM_ZERO_EXTEND);

    OK(s.zeros && s.size_full && s.size_odd, "ZERO_EXTEND: the size grew over zeros");
    OK(!s.noise && !s.gap, "and nothing else is there");
    s = crash_often(d, SIM_GARBAGE_EXTEND);
    OK(s.noise && s.size_full && s.size_odd, "GARBAGE_EXTEND: the size grew over noise");
    OK(s.gap, "some of it old sectors that look right");
}

static void
check_wild_policies(struct simdisk *d)
{
    struct seen s = crash_often(d, SIM_ORDERED);

    OK(!s.zeros && !s.noise && !s.gap && !s.size_odd && !s.size_at_sector,
        "ORDERED: a grown size shows only what was written there");
    OK(s.size_full && s.none && s.both && s.x_only && !s.y_only, "names come after data and size");
    OK(s.over_some && s.size_old, "overwrites come when they like");
    s = crash_often(d, SIM_ARBITRARY);
    OK(s.gap && s.zeros && s.noise && s.over_some, "ARBITRARY: anything unsynced");
    OK(s.x_only && s.y_only && s.both && s.none, "any of the names");
}

static void
check_policies(void)
{
    struct simdisk *d = scenario();

    for (int p = 0; p < SIM_POLICY_COUNT; p++) {
        struct seen s = crash_often(d, (enum sim_policy)p);

        IS(s.unlike, 0, "%s: what was synced and not written again survives",
            sim_policy_name((enum sim_policy)p));
    }
    check_simple_policies(d);
    check_torn_policies(d);
    check_extend_policies(d);
    check_wild_policies(d);
    simdisk_free(&d);
}

/* ---- small programs, with and without their bug ---- */

/* What a program told its user, before the power failed. */
struct promise {
    int acked;
};

struct app {
    const char *name;
    /* Runs until an operation fails. */
    void (*run)(struct vrv_vfs *v, bool bug, struct promise *p);
    /* After the crash: is the promise kept? */
    bool (*kept)(struct vrv_vfs *v, const struct promise *p);
};

enum { RECORD = 300, RECORDS = 12 };

static void
fill_record(char *rec, int i)
{
    memset(rec, 'A' + i, RECORD);
}

static bool
has_record(struct vrv_file *f, int i, uint64_t pos)
{
    char want[RECORD], got[RECORD];

    fill_record(want, i);
    return vrv_file_read_full(f, got, RECORD, pos, NULL) == 0 && memcmp(got, want, RECORD) == 0;
}

static bool
has_records(struct vrv_vfs *v, const char *path, int n)
{
    struct vrv_file *f;
    bool all = true;

    if (n == 0)
        return true;
    if (vrv_vfs_open(v, path, 0, &f, NULL) < 0)
        return false;
    for (int i = 0; i < n; i++)
        all = all && has_record(f, i, (uint64_t)i * RECORD);
    vrv_file_close(&f);
    return all;
}

static int
create_durable(struct vrv_vfs *v, const char *path, struct vrv_file **f)
{
    int rc = vrv_vfs_open(v, path, CREATE, f, NULL);

    if (rc == 0)
        rc = vrv_file_sync(*f, NULL);
    return rc == 0 ? vrv_vfs_sync_dir(v, "", NULL) : rc;
}

static int
append(struct vrv_file *f, int i)
{
    char rec[RECORD];

    fill_record(rec, i);
    return vrv_file_pwrite(f, rec, RECORD, (uint64_t)i * RECORD, NULL);
}

/* Append to a log.  Bug: no sync at all. */
static void
run_log(struct vrv_vfs *v, bool bug, struct promise *p)
{
    struct vrv_file *f = NULL;
    int rc = create_durable(v, "log", &f);

    for (int i = 0; rc == 0 && i < RECORDS; i++) {
        rc = append(f, i);
        if (rc == 0 && !bug)
            rc = vrv_file_sync(f, NULL);
        p->acked += rc == 0;
    }
    vrv_file_close(&f);
}

/* The same.  Bug: tells its user first, and syncs then. */
static void
run_log_ack(struct vrv_vfs *v, bool bug, struct promise *p)
{
    struct vrv_file *f = NULL;
    int rc = create_durable(v, "log", &f);

    for (int i = 0; rc == 0 && i < RECORDS; i++) {
        rc = append(f, i);
        p->acked += rc == 0 && bug;
        if (rc == 0)
            rc = vrv_file_sync(f, NULL);
        p->acked += rc == 0 && !bug;
    }
    vrv_file_close(&f);
}

/* Records to a log that was opened if rc is 0, each with a sync. */
static void
fill_log(struct vrv_file *f, int rc, struct promise *p)
{
    for (int i = 0; rc == 0 && i < RECORDS; i++) {
        rc = append(f, i);
        if (rc == 0)
            rc = vrv_file_sync(f, NULL);
        p->acked += rc == 0;
    }
    vrv_file_close(&f);
}

/* The same.  Bug: forgets to sync the directory that holds the log. */
static void
run_log_name(struct vrv_vfs *v, bool bug, struct promise *p)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(v, "log", CREATE, &f, NULL);

    if (rc == 0 && !bug)
        rc = vrv_vfs_sync_dir(v, "", NULL);
    fill_log(f, rc, p);
}

static bool
kept_log(struct vrv_vfs *v, const struct promise *p)
{
    return has_records(v, "log", p->acked);
}

/* A log in a new directory.  Bug: syncs that directory, but not the name it has in its parent. */
static void
run_log_dir(struct vrv_vfs *v, bool bug, struct promise *p)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_mkdir(v, "d", NULL);

    if (rc == 0 && !bug)
        rc = vrv_vfs_sync_dir(v, "", NULL);
    if (rc == 0)
        rc = vrv_vfs_open(v, "d/log", CREATE, &f, NULL);
    if (rc == 0)
        rc = vrv_vfs_sync_dir(v, "d", NULL);
    fill_log(f, rc, p);
}

static bool
kept_log_dir(struct vrv_vfs *v, const struct promise *p)
{
    return has_records(v, "d/log", p->acked);
}

/* Tries again when a sync fails, as if that would help: the fault is set by the caller. */
static void
run_log_retry(struct vrv_vfs *v, bool bug, struct promise *p)
{
    struct vrv_file *f = NULL;
    int rc = create_durable(v, "log", &f);

    for (int i = 0; rc == 0 && i < RECORDS; i++) {
        rc = append(f, i);
        if (rc < 0)
            break;
        rc = vrv_file_sync(f, NULL);
        if (rc < 0 && bug)
            rc = vrv_file_sync(f, NULL);
        p->acked += rc == 0;
    }
    vrv_file_close(&f);
}

/* One version of the file to be replaced: one record. */
static int
replace(struct vrv_vfs *v, int i, bool sync_file, bool sync_dir)
{
    char rec[RECORD];
    struct vrv_file *f;
    int rc = vrv_vfs_open(v, "new", CREATE, &f, NULL);

    if (rc < 0)
        return rc;
    fill_record(rec, i);
    rc = vrv_file_truncate(f, 0, NULL);
    if (rc == 0)
        rc = vrv_file_pwrite(f, rec, RECORD, 0, NULL);
    if (rc == 0 && sync_file)
        rc = vrv_file_sync(f, NULL);
    vrv_file_close(&f);
    if (rc == 0)
        rc = vrv_vfs_rename(v, "new", "cur", NULL);
    return rc == 0 && sync_dir ? vrv_vfs_sync_dir(v, "", NULL) : rc;
}

/* Replace a file by rename.  Bug: the new file isn't synced before. */
static void
run_replace(struct vrv_vfs *v, bool bug, struct promise *p)
{
    for (int i = 0; i < RECORDS && replace(v, i, !bug, true) == 0; i++)
        p->acked = i + 1;
}

/* Bug: the directory isn't synced after. */
static void
run_replace_name(struct vrv_vfs *v, bool bug, struct promise *p)
{
    for (int i = 0; i < RECORDS && replace(v, i, true, !bug) == 0; i++)
        p->acked = i + 1;
}

/* The last version told of, or the one that was being made. */
static bool
kept_replace(struct vrv_vfs *v, const struct promise *p)
{
    struct vrv_file *f;
    bool ok;

    if (vrv_vfs_open(v, "cur", 0, &f, NULL) < 0)
        return p->acked == 0;
    ok = (p->acked > 0 && has_record(f, p->acked - 1, 0)) || has_record(f, p->acked, 0);
    vrv_file_close(&f);
    return ok;
}

static const struct app apps[] = {
    { "a log without sync", run_log, kept_log },
    { "a log that acknowledges before the sync", run_log_ack, kept_log },
    { "a log whose name isn't synced", run_log_name, kept_log },
    { "a log in a directory whose name isn't synced", run_log_dir, kept_log_dir },
    { "a log that tries a failed sync again", run_log_retry, kept_log },
    { "a rename without sync of the file", run_replace, kept_replace },
    { "a rename without sync of the directory", run_replace_name, kept_replace },
};

/* One run, cut at a random point, perhaps with a failing operation before. */
static bool
survives(const struct app *app, bool bug, uint64_t seed)
{
    struct vrv_rand r = { seed };
    struct simdisk *d = simdisk_new(seed);
    enum sim_policy policy = (enum sim_policy)vrv_rand_below(&r, SIM_POLICY_COUNT);
    struct promise p = { 0 };

    simdisk_crash_at(d, 1 + vrv_rand_below(&r, 5 * RECORDS));
    if (vrv_rand_below(&r, 2) == 0)
        simdisk_fail(d, 1 + vrv_rand_below(&r, 3 * RECORDS), SIM_EIO, false);
    app->run(simdisk_vfs(d), bug, &p);
    simdisk_crash(d, policy, vrv_rand_next(&r));
    bool kept = app->kept(simdisk_vfs(d), &p);
    simdisk_free(&d);
    return kept;
}

static void
check_apps(void)
{
    for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++) {
        int bad = 0, good = 0;

        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            bad += !survives(&apps[i], true, seed);
            good += !survives(&apps[i], false, seed);
        }
        OK(bad > 0, "%s is caught (%d of %d runs)", apps[i].name, bad, (int)SEEDS);
        IS(good, 0, "without the bug it never loses");
    }
}

/* A rename between directories: durable in both only when both are synced, the new one first. */
static void
check_move(void)
{
    int lost = 0, twice = 0, bad = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct simdisk *d = simdisk_new(seed);
        struct vrv_vfs *v = simdisk_vfs(d);
        struct vrv_file *f;

        must(vrv_vfs_mkdir(v, "a", NULL));
        must(vrv_vfs_mkdir(v, "b", NULL));
        must(create_durable(v, "a/f", &f));
        vrv_file_close(&f);
        must(vrv_vfs_sync_all(v, NULL));
        must(vrv_vfs_rename(v, "a/f", "b/f", NULL));
        if (seed % 2 == 0)
            must(vrv_vfs_sync_dir(v, "b", NULL));
        simdisk_crash(d, SIM_ARBITRARY, seed);
        bool here = exists(v, "a/f"), there = exists(v, "b/f");
        lost += !here && !there;
        twice += here && there;
        bad += seed % 2 == 0 && !there;
        simdisk_free(&d);
    }
    OK(lost > 0 && twice > 0, "a file that moves may be at neither place, or at both");
    IS(bad, 0, "but at the new one when that was synced");
}

/* A second name is durable with its own directory. */
static void
check_link(void)
{
    int bad = 0, lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct simdisk *d = simdisk_new(seed);
        struct vrv_vfs *v = simdisk_vfs(d);
        struct vrv_file *f;

        must(vrv_vfs_mkdir(v, "a", NULL));
        must(vrv_vfs_mkdir(v, "b", NULL));
        must(create_durable(v, "a/f", &f));
        vrv_file_close(&f);
        must(vrv_vfs_sync_all(v, NULL));
        must(vrv_vfs_link(v, "a/f", "b/f", NULL));
        if (seed % 2 == 0)
            must(vrv_vfs_sync_dir(v, "b", NULL));
        simdisk_crash(d, SIM_ARBITRARY, seed);
        lost += !exists(v, "b/f");
        bad += !exists(v, "a/f") || (seed % 2 == 0 && !exists(v, "b/f"));
        simdisk_free(&d);
    }
    OK(lost > 0, "a second name may be lost");
    IS(bad, 0, "but not when its directory was synced, and the first one never");
}

/* ---- speed ---- */

/* Some 200 operations on zero-filled files, a crash, and all of it read again. */
static void
check_speed(void)
{
    enum { RUNS = 200, WAL = 256 * 1024 };
    static char zeros[WAL], back[WAL];
    struct timespec from, to;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (uint64_t run = 0; run < RUNS; run++) {
        struct simdisk *d = simdisk_new(run);
        struct vrv_file *f = must_open(simdisk_vfs(d), "wal", CREATE);

        must(vrv_file_pwrite(f, zeros, WAL, 0, NULL));
        must(vrv_vfs_sync_all(simdisk_vfs(d), NULL));
        for (uint64_t i = 0; i < 100; i++) {
            write_run(f, (char)i, 1000, i * 1000);
            must(i % 4 ? 0 : vrv_file_sync(f, NULL));
        }
        for (uint64_t i = 0; i < 75; i++)
            must(vrv_file_read_full(f, back, 1000, i * 1000, NULL));
        vrv_file_close(&f);
        simdisk_crash(d, SIM_SUBSET, run);
        f = must_open(simdisk_vfs(d), "wal", 0);
        must(vrv_file_read_full(f, back, WAL, 0, NULL));
        vrv_file_close(&f);
        simdisk_free(&d);
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    tap_note("%.0f us of processor time per crash run",
        ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3)
            / RUNS);
}

int
main(void)
{
    check_policies();
    check_apps();
    check_move();
    check_link();
    check_speed();
    return tap_done();
}
