/* The simulated disk while it has power: faults, failed syncs, space, NOWAIT, direct I/O, copies.
 * What a crash leaves is in u032-simcrash.c. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/os/vfs.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { CREATE = VRV_OPEN_WRITE | VRV_OPEN_CREATE };

static struct vrv_file *
must_open(struct simdisk *d, const char *path, unsigned flags)
{
    struct vrv_err e = { 0 };
    struct vrv_file *f = NULL;

    if (vrv_vfs_open(simdisk_vfs(d), path, flags, &f, &e) < 0)
        OK(0, "%s", e.msg);
    return f;
}

static int
put(struct vrv_file *f, const char *text, uint64_t pos)
{
    return vrv_file_pwrite(f, text, strlen(text), pos, NULL);
}

/* The text of a file, "" when it isn't there. */
static const char *
text_of(struct simdisk *d, const char *path)
{
    static char buf[256];
    struct vrv_file *f;

    memset(buf, 0, sizeof(buf));
    if (vrv_vfs_open(simdisk_vfs(d), path, 0, &f, NULL) < 0)
        return "";
    if (vrv_file_pread(f, buf, sizeof(buf) - 1, 0, 0, NULL) < 0)
        buf[0] = '?';
    vrv_file_close(&f);
    return buf;
}

/* "f" with durable text; still open. */
static struct vrv_file *
durable_file(struct simdisk *d, const char *text)
{
    struct vrv_file *f = must_open(d, "f", CREATE);

    OK(put(f, text, 0) == 0 && vrv_file_sync(f, NULL) == 0
            && vrv_vfs_sync_dir(simdisk_vfs(d), "", NULL) == 0,
        "a durable file");
    return f;
}

/* ---- failed syncs ---- */

static void
check_failed_sync(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f = durable_file(d, "old.");
    struct vrv_err e = { 0 };

    OK(put(f, "new!", 0) == 0, "overwritten");
    simdisk_fail(d, 1, SIM_EIO, false);
    IS(vrv_file_sync(f, &e), VRV_E_IO, "a sync fails: %s", e.msg);
    IS(simdisk_failed(d), 1, "by the fault that was set");
    IS_STR(text_of(d, "f"), "new!", "reads still show what was written");
    OK(put(f, "+", 4) == 0, "more is written");
    IS(vrv_file_sync(f, &e), 0, "the next sync succeeds");
    IS_STR(text_of(d, "f"), "new!+", "reads show all");
    vrv_file_close(&f);
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    IS_STR(text_of(d, "f"), "old.+", "but only what came after the failure is durable");
    simdisk_free(&d);
}

static void
check_failed_sync_dir(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_vfs *v = simdisk_vfs(d);
    struct vrv_file *f = durable_file(d, "x");

    IS(vrv_vfs_rename(v, "f", "g", NULL), 0, "renamed");
    simdisk_fail(d, 1, SIM_EIO, false);
    IS(vrv_vfs_sync_dir(v, "", NULL), VRV_E_IO, "the directory can't be synced");
    IS_STR(text_of(d, "g"), "x", "the new name shows");
    IS(vrv_vfs_sync_dir(v, "", NULL), 0, "a second sync succeeds");
    vrv_file_close(&f);
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    IS_STR(text_of(d, "f"), "x", "and the old name is what is there");
    IS_STR(text_of(d, "g"), "", "not the new one");
    simdisk_free(&d);
}

static void
check_failed_batch(void)
{
    struct simdisk *d = simdisk_new(7);
    struct vrv_vfs *v = simdisk_vfs(d);
    const char *names[3] = { "a", "b", "c" };
    struct vrv_file *f[3];
    int lost = 0;

    for (int i = 0; i < 3; i++) {
        f[i] = must_open(d, names[i], CREATE);
        OK(put(f[i], "x", 0) == 0, "%s is written", names[i]);
    }
    IS(vrv_vfs_sync_dir(v, "", NULL), 0, "the names are durable");
    simdisk_fail(d, 1, SIM_EIO, false);
    IS(vrv_vfs_sync_files(v, f, 3, NULL), VRV_E_IO, "a sync of three fails");
    IS(vrv_vfs_sync_all(v, NULL), 0, "a later one of all succeeds");
    for (int i = 0; i < 3; i++)
        vrv_file_close(&f[i]);
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    for (int i = 0; i < 3; i++)
        lost += text_of(d, names[i])[0] != 'x';
    IS(lost, 1, "one of the three is lost all the same");
    simdisk_free(&d);
}

static void
check_failed_sync_all(void)
{
    struct simdisk *d = simdisk_new(7);
    struct vrv_file *f = durable_file(d, "old");

    OK(put(f, "new", 0) == 0, "overwritten");
    simdisk_fail(d, 1, SIM_ENOSPC, false);
    IS(vrv_vfs_sync_all(simdisk_vfs(d), NULL), VRV_E_NOSPACE, "a sync of all fails");
    IS(vrv_file_sync(f, NULL), 0, "a later one of the file succeeds");
    vrv_file_close(&f);
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    IS_STR(text_of(d, "f"), "old", "and doesn't help");
    simdisk_free(&d);
}

/* ---- faults ---- */

/* Five operations; the number of the first that failed, 0: none. */
static int
five_ops(struct simdisk *d, int *code)
{
    struct vrv_file *f = NULL;
    char c;
    int n = 0;

    *code = vrv_vfs_open(simdisk_vfs(d), "g", CREATE, &f, NULL);
    n += 1;
    if (*code == 0 && ++n)
        *code = put(f, "abc", 0);
    if (*code == 0 && ++n)
        *code = vrv_file_read_full(f, &c, 1, 0, NULL);
    if (*code == 0 && ++n)
        *code = vrv_file_sync(f, NULL);
    if (*code == 0 && ++n)
        *code = vrv_vfs_unlink(simdisk_vfs(d), "g", NULL);
    vrv_file_close(&f);
    return *code == 0 ? 0 : n;
}

static void
check_nth(void)
{
    static const struct {
        enum sim_fault kind;
        int code;
        int strikes[6]; /* which operation a fault set at the n-th one strikes */
        const char *what;
    } cases[] = {
        { SIM_EIO, VRV_E_IO, { 0, 1, 2, 3, 4, 5 }, "EIO strikes any operation" },
        { SIM_ENOMEM, VRV_E_NOMEM, { 0, 1, 2, 3, 4, 5 }, "ENOMEM strikes any operation" },
        { SIM_ENOSPC, VRV_E_NOSPACE, { 0, 1, 2, 4, 4, 0 }, "ENOSPC waits for a write or a sync" },
        { SIM_EINTR, 0, { 0, 0, 0, 0, 0, 0 }, "EINTR is never seen" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int bad = 0, code;

        for (int n = 1; n <= 5; n++) {
            struct simdisk *d = simdisk_new(1);

            simdisk_fail(d, (uint64_t)n, cases[i].kind, false);
            int at = five_ops(d, &code);
            bad += at != cases[i].strikes[n] || (at && code != cases[i].code);
            bad += five_ops(d, &code) != (n == 5 && cases[i].kind == SIM_ENOSPC ? 1 : 0);
            simdisk_free(&d);
        }
        IS(bad, 0, "%s, once", cases[i].what);
    }
}

static void
check_sticky(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f = durable_file(d, "abc");
    uint64_t size;
    int code;

    simdisk_fail(d, 1, SIM_ENOSPC, true);
    IS(put(f, "x", 3), VRV_E_NOSPACE, "a full disk takes no write");
    IS(put(f, "x", 0), VRV_E_NOSPACE, "nor a second one");
    IS(five_ops(d, &code), 1, "nor a new file");
    IS_STR(text_of(d, "f"), "abc", "but reads go on");
    IS(vrv_vfs_unlink(simdisk_vfs(d), "f", NULL), 0, "and unlink");
    simdisk_fail(d, 1, SIM_EIO, true);
    IS(vrv_file_size(f, &size, NULL), VRV_E_IO, "a dead disk does nothing");
    IS(vrv_vfs_list(simdisk_vfs(d), "", NULL, NULL, NULL), VRV_E_IO, "nothing at all");
    simdisk_fail(d, 0, SIM_EIO, false);
    IS(vrv_file_size(f, &size, NULL), 0, "until the fault is taken back");
    vrv_file_close(&f);
    simdisk_free(&d);
}

static void
check_short(void)
{
    char text[64], c;
    size_t most = 0, least = 99;

    memset(text, 'x', sizeof(text));
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct simdisk *d = simdisk_new(seed);
        struct vrv_file *f = must_open(d, "f", CREATE);
        uint64_t size = 0;

        simdisk_fail(d, 1, SIM_SHORT, false);
        int rc = vrv_file_pwrite(f, text, sizeof(text), 0, NULL);
        if (rc != VRV_E_NOSPACE || vrv_file_size(f, &size, NULL) < 0)
            OK(0, "a short write is a full disk");
        most = size > most ? (size_t)size : most;
        least = size < least ? (size_t)size : least;
        simdisk_fail(d, 1, SIM_SHORT, false);
        if (vrv_file_pread(f, &c, 1, 0, 0, NULL) != VRV_E_IO)
            OK(0, "a short read is an error");
        vrv_file_close(&f);
        simdisk_free(&d);
    }
    OK(least == 0 && most == sizeof(text) - 1, "a short write leaves any part but all of it");
}

static void
check_crash_at(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f = durable_file(d, "abc");
    struct vrv_file *g;
    uint64_t ops = simdisk_ops(d);

    simdisk_crash_at(d, 2);
    OK(put(f, "1", 0) == 0 && !simdisk_is_off(d), "before the point all goes well");
    OK(put(f, "2", 1) == VRV_E_IO && simdisk_is_off(d), "from the point on nothing does");
    IS(vrv_file_sync(f, NULL), VRV_E_IO, "no sync");
    IS(vrv_vfs_open(simdisk_vfs(d), "f", 0, &g, NULL), VRV_E_IO, "no open");
    IS(simdisk_ops(d), ops + 4, "what fails is counted");
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    IS_STR(text_of(d, "f"), "1bc", "what failed had no effect");
    IS(put(f, "3", 0), VRV_E_IO, "handles from before stay dead");
    vrv_file_close(&f);
    f = must_open(d, "f", CREATE);
    IS(put(f, "3", 0), 0, "new ones live");
    simdisk_abandon(d);
    simdisk_free(&d);
}

static void
check_lock_after_crash(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f, *g;

    IS(vrv_vfs_lock(simdisk_vfs(d), "lock", &f, NULL), 0, "locked");
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    IS(vrv_vfs_lock(simdisk_vfs(d), "lock", &g, NULL), 0, "a crash frees locks");
    vrv_file_close(&f);
    IS(vrv_vfs_lock(simdisk_vfs(d), "lock", &f, NULL), VRV_E_LOCKED,
        "closing a dead handle doesn't free the new holder's");
    simdisk_free(&d);
    OK(d == NULL, "a disk is freed with its handles");
}

/* ---- space ---- */

static uint64_t
free_of(struct simdisk *d)
{
    uint64_t bytes;

    return vrv_vfs_free_bytes(simdisk_vfs(d), &bytes, NULL) < 0 ? UINT64_MAX : bytes;
}

static void
check_capacity(void)
{
    struct simdisk *d = simdisk_new(1);
    char block[4096 * 3] = "x";
    struct vrv_file *f = must_open(d, "f", CREATE);
    uint64_t size;

    simdisk_capacity(d, 8192);
    IS(free_of(d), 8192, "an empty disk");
    IS(vrv_file_pwrite(f, block, 1, 0, NULL), 0, "a byte");
    IS(free_of(d), 4096, "takes a block");
    IS(vrv_file_pwrite(f, block, sizeof(block), 0, NULL), VRV_E_NOSPACE, "three don't fit");
    IS(vrv_file_size(f, &size, NULL), 0, "then");
    OK(size == 8192 && free_of(d) == 0, "the part that fits was written");
    IS(vrv_file_pwrite(f, block, 8192, 0, NULL), 0, "overwriting needs no space");
    IS(vrv_file_truncate(f, 8193, NULL), VRV_E_NOSPACE, "growing does");
    IS(vrv_vfs_unlink(simdisk_vfs(d), "f", NULL), 0, "unlinked");
    IS(free_of(d), 0, "an open file keeps its space");
    vrv_file_close(&f);
    IS(free_of(d), 8192, "and gives it back at the end");
    f = must_open(d, "g", CREATE);
    IS(vrv_file_pwrite(f, block, 4097, 0, NULL), 0, "two blocks again");
    simdisk_crash(d, SIM_DROP_ALL, 1);
    IS(free_of(d), 8192, "a crash gives back what it drops");
    simdisk_free(&d);
}

/* ---- reads ---- */

static void
check_nowait(void)
{
    struct simdisk *d = simdisk_new(3);
    struct vrv_file *f = must_open(d, "f", CREATE);
    static char buf[4096 * 4];
    int again = 0, part = 0, all = 0, bad = 0, resident = 0;

    memset(buf, 'n', sizeof(buf));
    IS(vrv_file_pwrite(f, buf, sizeof(buf), 0, NULL), 0, "four pages");
    simdisk_nowait(d, 50);
    for (int i = 0; i < 1000; i++) {
        ssize_t got = vrv_file_pread(f, buf, sizeof(buf), 0, VRV_READ_NOWAIT, NULL);

        again += got == VRV_E_AGAIN;
        part += got > 0 && got < (ssize_t)sizeof(buf);
        all += got == (ssize_t)sizeof(buf);
        bad += vrv_file_pread(f, buf, sizeof(buf), 0, 0, NULL) != (ssize_t)sizeof(buf);
        resident += vrv_file_resident(f, 0, sizeof(buf));
    }
    OK(resident > 20 && resident < 900, "resident %d times", resident);
    OK(again > 20 && part > 20 && all > 20, "NOWAIT: nothing %d, a part %d, all %d times", again,
        part, all);
    IS(bad, 0, "without it always all");
    simdisk_free(&d);
}

static char
first_byte(struct vrv_file *f, char *block)
{
    return vrv_file_pread(f, block, 4096, 0, 0, NULL) == 4096 ? block[0] : '?';
}

static void
check_direct(void)
{
    struct simdisk *d = simdisk_new(1);
    char *block = aligned_alloc(4096, 4096);
    struct vrv_file *f = must_open(d, "f", CREATE);
    struct vrv_file *g = must_open(d, "f", VRV_OPEN_WRITE | VRV_OPEN_DIRECT);

    memset(block, 'b', 4096);
    IS(vrv_file_pwrite(f, block, 4096, 0, NULL), 0, "a buffered write");
    OK(first_byte(f, block) == 'b', "is seen by a buffered read");
    OK(first_byte(g, block) == '\0', "not by a direct one");
    memset(block, 'd', 4096);
    IS(vrv_file_pwrite(g, block, 4096, 0, NULL), 0, "a direct write");
    OK(first_byte(g, block) == 'd' && first_byte(f, block) == 'd', "is seen by both");
    IS(vrv_file_sync(f, NULL), 0, "a sync of either handle");
    memset(block, 'x', 4096);
    IS(vrv_file_pwrite(f, block, 4096, 0, NULL), 0, "buffered again");
    simdisk_fail(d, 1, SIM_EIO, false);
    IS(vrv_file_sync(f, NULL), VRV_E_IO, "and its sync fails");
    OK(first_byte(f, block) == 'x', "buffered reads show what is lost");
    OK(first_byte(g, block) == 'd', "direct reads show the old data");
    IS(vrv_file_truncate(f, 0, NULL), 0, "cut");
    IS(vrv_file_truncate(f, 4096, NULL), 0, "and grown");
    OK(first_byte(g, block) == '\0', "a direct read sees the cut");
    simdisk_free(&d);
    free(block);
}

/* ---- looking at it ---- */

static void
check_corrupt(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f = durable_file(d, "abc");

    OK(simdisk_corrupt(d, "f", 1, 3), "a byte is damaged");
    IS_STR(text_of(d, "f"), "aac", "in memory");
    simdisk_crash(d, SIM_DROP_ALL, 1);
    IS_STR(text_of(d, "f"), "aac", "and on the disk");
    OK(!simdisk_corrupt(d, "f", 3, 1), "there is no byte at the end");
    OK(!simdisk_corrupt(d, "g", 0, 1), "nor in a file that isn't there");
    vrv_file_close(&f);
    simdisk_free(&d);
}

static void
check_copy(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_file *f = durable_file(d, "abc");

    IS(vrv_vfs_mkdir(simdisk_vfs(d), "dir", NULL), 0, "an unsynced directory");
    OK(put(f, "xyz", 0) == 0 && put(f, "q", 5000) == 0, "and writes");
    vrv_file_close(&f);
    IS(vrv_vfs_rename(simdisk_vfs(d), "f", "dir/g", NULL), 0, "and a rename");
    struct simdisk *twin = simdisk_copy(d);
    OK(simdisk_hash(d) == simdisk_hash(twin), "a copy has the same hash");
    IS_STR(text_of(twin, "dir/g"), "xyz", "and shows the same");
    int same = 0, changed = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct simdisk *a = simdisk_copy(d), *b = simdisk_copy(twin);
        uint64_t before = simdisk_hash(a);

        simdisk_crash(a, SIM_ARBITRARY, seed);
        simdisk_crash(b, SIM_ARBITRARY, seed);
        same += simdisk_hash(a) == simdisk_hash(b);
        changed += simdisk_hash(a) != before;
        simdisk_free(&a);
        simdisk_free(&b);
    }
    IS(same, 200, "the same crash of two copies gives the same bytes");
    OK(changed > 50, "most crashes leave something (%d of 200)", changed);
    simdisk_free(&d);
    IS_STR(text_of(twin, "dir/g"), "xyz", "a copy outlives the first");
    f = must_open(twin, "dir/g", CREATE);
    uint64_t hash = simdisk_hash(twin);
    OK(vrv_vfs_sync_all(simdisk_vfs(twin), NULL) == 0 && simdisk_hash(twin) != hash,
        "the hash is of what is durable");
    vrv_file_close(&f);
    simdisk_free(&twin);
}

static void
check_trace(void)
{
    struct simdisk *d = simdisk_new(1);
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    int code;

    simdisk_trace(d, out);
    IS(five_ops(d, &code), 0, "five operations");
    simdisk_trace(d, NULL);
    simdisk_list(d, out);
    (void)fclose(out);
    OK(strstr(text, "2 pwritev g 0 3 = 0\n") != NULL, "are traced with what they were told");
    OK(strstr(text, "changes of names pending") != NULL, "and the disk can be listed");
    free(text);
    simdisk_free(&d);
}

/* ---- threads ---- */

static void *
writer(void *arg)
{
    struct simdisk *d = arg;
    int code;

    for (int i = 0; i < 200; i++) {
        struct simdisk *copy = simdisk_copy(d); /* shares pages with what others write */

        (void)five_ops(copy, &code);
        (void)five_ops(d, &code);
        simdisk_free(&copy);
    }
    return NULL;
}

static void
check_threads(void)
{
    struct simdisk *d = simdisk_new(1);
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, writer, d) != 0)
            abort();
    for (int i = 0; i < 4; i++)
        (void)pthread_join(t[i], NULL);
    OK(simdisk_ops(d) >= 4 * 200, "four threads on one disk");
    simdisk_free(&d);
}

int
main(void)
{
    check_failed_sync();
    check_failed_sync_dir();
    check_failed_batch();
    check_failed_sync_all();
    check_nth();
    check_sticky();
    check_short();
    check_crash_at();
    check_lock_after_crash();
    check_capacity();
    check_nowait();
    check_direct();
    check_corrupt();
    check_copy();
    check_trace();
    check_threads();
    return tap_done();
}
