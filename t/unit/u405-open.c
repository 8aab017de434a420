/* Directories that can't be opened: each has its own error, and is left as it was. */
#include "t/lib/rig.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/lib/tap.h"

static struct rig rig;

/* A directory with something in it, closed cleanly or not. */
static void
make(bool clean)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 2, "segment.bytes=2000");
    for (int i = 0; i < 8; i++)
        (void)rig_put_batch(&rig, rig_log(&rig, "t", i % 2), &(struct rig_batch){ .size = 900 });
    if (!rig_checkpoint(&rig) || !rig_checkpoint(&rig))
        OK(false, "checkpoints");
    (void)rig_put(&rig, rig_log(&rig, "t", 0), "newest");
    if (clean)
        OK(rig_close(&rig) == 0, "a stop");
    else
        rig_crash(&rig, SIM_KEEP_ALL, 1);
}

static void
write_file(const char *path, const char *text)
{
    struct vrv_file *f = NULL;

    if (vrv_vfs_open(rig.o.vfs, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, &rig.e) < 0 ||
        vrv_file_truncate(f, 0, &rig.e) < 0 ||
        vrv_file_pwrite(f, text, strlen(text), 0, &rig.e) < 0 || vrv_file_sync(f, &rig.e) < 0)
        OK(false, "writing %s: %s", path, rig.e.msg);
    vrv_file_close(&f);
}

static void
unlink_file(const char *path)
{
    int rc = vrv_vfs_unlink(rig.o.vfs, path, &rig.e);

    if (rc < 0)
        OK(false, "removing: %s", rig.e.msg);
}

/* Opening fails so, and changes nothing. */
static void
refused(int code, const char *word, const char *what)
{
    uint64_t before = rig_tree(&rig);

    IS(rig_open(&rig), code, "%s: refused (%s)", what, rig.e.msg);
    OK(strstr(rig.e.msg, word) != NULL, "... the sentence names it");
    OK(rig_tree(&rig) == before, "... and nothing was changed");
    if (rig.eng != NULL)
        rig_crash(&rig, SIM_KEEP_ALL, 1);
}

static void
test_locked(void)
{
    struct vrv_engine *second = NULL;
    struct vrv_recovery found;

    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    uint64_t before = rig_tree(&rig);
    IS(vrv_engine_open(&second, &rig.o, &found, &rig.e), VRV_E_LOCKED,
        "opened already: refused (%s)", rig.e.msg);
    OK(second == NULL && rig_tree(&rig) == before, "nothing was changed");
    IS(rig_put(&rig, rig_log(&rig, "t", 0), "x"), 0, "the first one goes on");
    IS(rig_close(&rig), 0, "... until it is closed");
    IS(rig_open(&rig), 0, "then it can be opened");
    rig_fini(&rig);
}

static void
test_format(void)
{
    make(true);
    write_file("FORMAT", "varve data directory, format 2\n");
    refused(VRV_E_VERSION, "has format 2", "a newer format");
    write_file("FORMAT", "something else\n");
    refused(VRV_E_FOREIGN, "FORMAT", "another program's FORMAT");
    write_file("FORMAT", "varve data directory, format 1\n");
    IS(rig_open(&rig), 0, "with the right one it opens");
    IS(rig_count(&rig, rig_log(&rig, "t", 0), 0), 5, "and all is there");
    rig_fini(&rig);
}

/* The power fails at some operation of the first opening; false: that comes to its end before. */
static bool
new_crash_at(uint64_t op, enum sim_policy policy, uint64_t seed, int *refusals)
{
    rig_init(&rig, 1);
    simdisk_crash_at(rig.disk, op);
    (void)rig_open(&rig);
    bool off = simdisk_is_off(rig.disk);
    rig_crash(&rig, policy, seed);
    if (rig_open(&rig) < 0 && (*refusals)++ == 0)
        tap_note("operation %d, %s: %s", (int)op, sim_policy_name(policy), rig.e.msg);
    rig_fini(&rig);
    return off;
}

static void
test_new_crash(void)
{
    uint64_t op = 0;
    int refusals = 0;
    bool more = true;

    while (more) {
        op++;
        for (int p = 0; p < SIM_POLICY_COUNT; p++)
            for (uint64_t seed = 1; seed <= 4; seed++)
                more = new_crash_at(op, (enum sim_policy)p, seed, &refusals);
    }
    OK(op > 20, "a crash at any of %d operations of the first opening,", (int)op - 1);
    IS(refusals, 0, "whatever of them reached the disk: it can be opened again");
}

/* The process dies at some operation of the first opening, is started again and used; then the power
 * fails.  What the first one wrote and never synced carries the second one's topic. */
static bool
killed_then_crash(uint64_t op, int *refusals)
{
    rig_init(&rig, 1);
    simdisk_crash_at(rig.disk, op);
    (void)rig_open(&rig);
    bool off = simdisk_is_off(rig.disk);
    vrv_engine_abandon(&rig.eng);
    simdisk_abandon(rig.disk);
    simdisk_crash_at(rig.disk, 0);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    rig_crash(&rig, SIM_DROP_ALL, 1);
    if ((rig_open(&rig) < 0 || rig_log(&rig, "t", 0) == NULL) && (*refusals)++ == 0)
        tap_note("operation %d: %s", (int)op, rig.e.msg);
    rig_fini(&rig);
    return off;
}

static void
test_new_killed(void)
{
    uint64_t op = 1;
    int refusals = 0;

    while (killed_then_crash(op, &refusals))
        op++;
    OK(op > 20, "killed at any of %d operations of the first opening, used, and a power cut:",
        (int)op - 1);
    IS(refusals, 0, "it opens, with the topic");
}

static void
test_foreign(void)
{
    make(true);
    write_file("notes.txt", "mine");
    refused(VRV_E_FOREIGN, "notes.txt", "a strange file");
    unlink_file("notes.txt");
    int rc = vrv_vfs_mkdir(rig.o.vfs, "lost+found", &rig.e);
    if (rc == 0)
        refused(VRV_E_FOREIGN, "lost+found", "a strange directory");
    rc = vrv_vfs_rmdir(rig.o.vfs, "lost+found", &rig.e);
    OK(rc == 0, "which is removed");
    write_file("wal/notes", "mine");
    refused(VRV_E_FOREIGN, "wal/notes", "a strange file in wal/");
    unlink_file("wal/notes");
    write_file("meta/notes", "mine");
    refused(VRV_E_FOREIGN, "meta/notes", "a strange file in meta/");
    unlink_file("meta/notes");
    IS(rig_open(&rig), 0, "without them it opens");
    rig_fini(&rig);
}

/* ---- something is missing ---- */

struct first {
    char path[128];
    const char *dir;
};

static int
note_first(void *ctx, const char *name, bool is_dir)
{
    struct first *f = ctx;

    if (!is_dir && (f->path[0] == '\0' || strcmp(name, f->path + strlen(f->dir) + 1) < 0))
        (void)snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
    return 0;
}

static int
remove_first(const char *dir)
{
    struct first f = { .dir = dir };
    int rc = vrv_vfs_list(rig.o.vfs, dir, note_first, &f, &rig.e);

    if (rc < 0 || f.path[0] == '\0')
        return -1;
    unlink_file(f.path);
    return 0;
}

static void
missing(const char *dir, bool clean)
{
    char what[128];

    make(clean);
    IS(remove_first(dir), 0, "the first file of %s/ is removed after a %s stop", dir,
        clean ? "clean" : "hard");
    (void)snprintf(what, sizeof(what), "a missing file in %s/", dir);
    refused(VRV_E_FOREIGN, dir, what);
    rig_fini(&rig);
}

/* Who has no FORMAT is new, unless it was used: then nothing is made anew in it. */
static void
test_missing_format(void)
{
    make(true);
    unlink_file("FORMAT");
    refused(VRV_E_FOREIGN, "FORMAT", "no FORMAT, but segments");
    write_file("FORMAT", "");
    refused(VRV_E_FOREIGN, "FORMAT", "an empty FORMAT");
    write_file("FORMAT", "varve data directory, format 1\n");
    rig_up(&rig);
    IS(rig_count(&rig, rig_log(&rig, "t", 0), 0), 5, "with that line all is there");
    rig_fini(&rig);
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, NULL);
    IS(rig_put(&rig, rig_log(&rig, "t", 0), "a"), 0, "a record that is in the WAL only");
    rig_crash(&rig, SIM_DROP_ALL, 1);
    unlink_file("FORMAT");
    IS(remove_first("checkpoint"), 0, "FORMAT and the checkpoint are removed");
    refused(VRV_E_FOREIGN, "FORMAT", "no FORMAT, but topics");
    rig_fini(&rig);
}

/* A sealed segment's file doesn't keep the rest from being served. */
static void
test_missing_segment(void)
{
    make(true);
    rig_up(&rig);
    struct vrv_log_id id = rig_log(&rig, "t", 0)->id;
    char path[VRV_PATH_MAX];
    IS(rig_close(&rig), 0, "a stop");
    vrv_seg_path(&id, 0, "log", path);
    unlink_file(path);
    rig_up(&rig);
    OK(rig_count(&rig, rig_log(&rig, "t", 0), 0) < 0, "a missing segment is an error (%s)",
        rig.e.msg);
    OK(strstr(rig.e.msg, "00000000000000000000") != NULL, "... that names it");
    IS(rig_count(&rig, rig_log(&rig, "t", 0), 2), 3, "behind it all is there");
    IS(rig_count(&rig, rig_log(&rig, "t", 1), 0), 4, "and so are other partitions");
    IS(rig_put(&rig, rig_log(&rig, "t", 0), "x"), 5, "which can be appended to, too");
    rig_fini(&rig);
}

/* ---- the catalog has lost its end ---- */

static int
note_size(void *ctx, const char *name, bool is_dir)
{
    struct vrv_file *f = NULL;
    char path[64];

    (void)is_dir;
    (void)snprintf(path, sizeof(path), "meta/%.40s", name);
    int rc = vrv_vfs_open(rig.o.vfs, path, 0, &f, &rig.e);
    if (rc == 0)
        rc = vrv_file_size(f, ctx, &rig.e);
    vrv_file_close(&f);
    return rc;
}

/* Its newest change is no longer whole, as if it had been torn by a crash. */
static void
lose_newest_change(void)
{
    struct first f = { .dir = "meta" };
    uint64_t size = 0;

    if (vrv_vfs_list(rig.o.vfs, "meta", note_first, &f, &rig.e) < 0 ||
        vrv_vfs_list(rig.o.vfs, "meta", note_size, &size, &rig.e) < 0)
        OK(false, "looking for the catalog: %s", rig.e.msg);
    OK(simdisk_corrupt(rig.disk, f.path, size - 1, 1), "the catalog's newest change is damaged");
}

/* A checkpoint of a partition of u, and the catalog forgets why. */
static void
refused_unknown(int32_t partition, const char *what)
{
    (void)rig_put(&rig, rig_log(&rig, "u", partition), "x");
    OK(rig_checkpoint(&rig) && rig_close(&rig) == 0, "it is in a checkpoint");
    lose_newest_change();
    IS(rig_open(&rig), VRV_E_CORRUPT, "%s: refused (%s)", what, rig.e.msg);
    refused(VRV_E_CORRUPT, "the catalog", "and again");
    rig_fini(&rig);
}

static void
test_lost_topic(void)
{
    make(true);
    rig_up(&rig);
    rig_topic(&rig, "u", 1, NULL);
    refused_unknown(0, "a topic that the catalog does not have any more");

    make(true);
    rig_up(&rig);
    rig_topic(&rig, "u", 1, NULL);
    IS(vrv_engine_grow_topic(rig.eng, "u", 2, &rig.e), 0, "a second partition");
    IS(rig_close(&rig), 0, "a stop");
    rig_up(&rig);
    refused_unknown(1, "a partition that the catalog does not have any more");

    /* Nothing was appended before the checkpoint; what is after it, only the WAL has. */
    make(true);
    rig_up(&rig);
    rig_topic(&rig, "u", 1, NULL);
    OK(rig_checkpoint(&rig), "a checkpoint has a topic without records");
    (void)rig_put(&rig, rig_log(&rig, "u", 0), "x");
    rig_crash(&rig, SIM_KEEP_ALL, 1);
    lose_newest_change();
    IS(rig_open(&rig), VRV_E_CORRUPT, "with a topic that is gone, refused (%s)", rig.e.msg);
    rig_fini(&rig);
}

/* ---- a real directory that may not be written ---- */

/* Modes don't bind root: there it takes a mount of our own, where we may make one. */
static bool
protect(const char *dir, bool on)
{
    if (geteuid() != 0)
        return chmod(dir, on ? 0500 : 0700) == 0;
    if (!on)
        return umount(dir) == 0;
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount(dir, dir, NULL, MS_BIND, NULL) == 0 &&
        mount("", dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

static void
refused_readonly(const char *dir, const char *what)
{
    struct vrv_engine *eng = NULL;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };

    if (!protect(dir, true)) {
        tap_note("SKIP %s: as root, and without the right to mount", what);
        return;
    }
    /* Looked up anew, so that it is the mounted one. */
    IS(vrv_vfs_posix(dir, false, &rig.o.vfs, &e), 0, "a real directory");
    IS(vrv_engine_open(&eng, &rig.o, &found, &e), VRV_E_READONLY, "%s: refused (%s)", what, e.msg);
    vrv_engine_abandon(&eng);
    vrv_vfs_close(&rig.o.vfs);
    OK(protect(dir, false), "it may be written again");
}

static void
test_readonly(void)
{
    struct vrv_engine *eng = NULL;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };

    const char *dir = tap_dir();

    rig_init(&rig, 1);
    refused_readonly(dir, "an empty directory that is read-only");
    IS(vrv_vfs_posix(dir, false, &rig.o.vfs, &e), 0, "a real directory");
    IS(vrv_engine_open(&eng, &rig.o, &found, &e), 0, "it can be used (%s)", e.msg);
    IS(eng != NULL ? vrv_engine_close(&eng, &e) : -1, 0, "a stop (%s)", e.msg);
    vrv_vfs_close(&rig.o.vfs);
    if (geteuid() == 0) /* who is not may write the files in it still */
        refused_readonly(dir, "a used directory on a read-only file system");
    rig_fini(&rig);
}

int
main(void)
{
    test_locked();
    test_format();
    test_new_crash();
    test_new_killed();
    test_foreign();
    missing("wal", true);
    missing("wal", false);
    missing("meta", true);
    missing("meta", false);
    missing("checkpoint", true);
    missing("checkpoint", false);
    test_missing_format();
    test_missing_segment();
    test_lost_topic();
    test_readonly();
    return tap_done();
}
