/* What every vfs must do, over the real file system and over the simulated disk; then what only
 * the real one can. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/os/pages.h"
#include "engine/os/uring.h"
#include "engine/os/vfs.h"
#include "engine/os/vfs_posix.h"
#include "t/lib/simclock.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

/* ---- helpers ---- */

struct world {
    const char *name;
    struct vrv_vfs *vfs;
    bool modes_bind; /* a read-only file can't be opened for writing: not so for root */
};

static struct vrv_file *
must_open(struct vrv_vfs *v, const char *path, unsigned flags)
{
    struct vrv_err e = { 0 };
    struct vrv_file *f = NULL;

    if (vrv_vfs_open(v, path, flags, &f, &e) < 0)
        OK(0, "%s", e.msg);
    return f;
}

static int
open_code(struct vrv_vfs *v, const char *path, unsigned flags)
{
    struct vrv_file *f;
    int rc = vrv_vfs_open(v, path, flags, &f, NULL);

    vrv_file_close(&f);
    return rc;
}

static void
put(struct vrv_vfs *v, const char *path, const char *text)
{
    struct vrv_file *f = must_open(v, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE);

    IS(vrv_file_pwrite(f, text, strlen(text), 0, NULL), 0, "%s is written", path);
    vrv_file_close(&f);
}

static void
is_text(struct vrv_vfs *v, const char *path, const char *want)
{
    struct vrv_file *f = must_open(v, path, 0);
    char buf[64] = "";

    IS(vrv_file_pread(f, buf, sizeof(buf) - 1, 0, 0, NULL), strlen(want), "%s has its length",
        path);
    IS_STR(buf, want, "%s has its text", path);
    vrv_file_close(&f);
}

static uint64_t
size_of(struct vrv_file *f)
{
    uint64_t size;

    IS(vrv_file_size(f, &size, NULL), 0, "the size is known");
    return size;
}

/* ---- what both must do ---- */

static void
check_bytes(const struct world *w)
{
    struct vrv_file *f = must_open(w->vfs, "bytes", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    struct vrv_err e = { 0 };
    char buf[16] = "";

    IS(vrv_file_pwrite(f, "hello", 5, 0, &e), 0, "%s: write at 0", w->name);
    IS(vrv_file_pwrite(f, "world", 5, 8, &e), 0, "write beyond the end");
    IS(size_of(f), 13, "the file ends where the last write did");
    IS(vrv_file_pread(f, buf, 16, 0, 0, &e), 13, "a read stops at the end");
    OK(memcmp(buf, "hello\0\0\0world", 13) == 0, "the hole reads as zeros");
    IS(vrv_file_pread(f, buf, 16, 13, 0, &e), 0, "nothing at the end");
    IS(vrv_file_pread(f, buf, 16, 99, 0, &e), 0, "nothing beyond it");
    IS(vrv_file_read_full(f, buf, 13, 0, &e), 0, "read_full gets all");
    IS(vrv_file_read_full(f, buf, 14, 0, &e), VRV_E_CORRUPT, "read_full wants all");
    OK(strstr(e.msg, "ends early") && strstr(e.msg, "bytes"), "and says what and where: %s", e.msg);
    IS(vrv_file_pread(f, buf, 5, 0, VRV_READ_DONTCACHE, &e), 5, "DONTCACHE reads the same");
    ssize_t got = vrv_file_pread(f, buf, 5, 0, VRV_READ_NOWAIT, &e);
    OK(got == 5 || got == VRV_E_AGAIN, "NOWAIT reads, or would wait");
    IS(vrv_file_sync(f, &e), 0, "sync");
    vrv_file_write_behind(f, 0, 13);
    vrv_file_drop_cache(f, 0, 13);
    IS(vrv_file_read_full(f, buf, 13, 0, &e), 0, "the hints change nothing");
    vrv_file_close(&f);
    OK(f == NULL, "close clears the pointer");
    vrv_file_close(&f);
}

static void
check_truncate(const struct world *w)
{
    struct vrv_file *f = must_open(w->vfs, "cut", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    char buf[8];

    IS(vrv_file_pwrite(f, "abcdefgh", 8, 0, NULL), 0, "%s: eight bytes", w->name);
    IS(vrv_file_truncate(f, 3, NULL), 0, "cut to three");
    IS(size_of(f), 3, "three are left");
    IS(vrv_file_truncate(f, 8, NULL), 0, "grown to eight");
    IS(vrv_file_read_full(f, buf, 8, 0, NULL), 0, "eight are there");
    OK(memcmp(buf, "abc\0\0\0\0\0", 8) == 0, "what was cut off doesn't come back");
    IS(vrv_file_truncate(f, 100000, NULL), 0, "grown far");
    IS(vrv_file_truncate(f, 0, NULL), 0, "cut to nothing");
    IS(size_of(f), 0, "empty");
    vrv_file_close(&f);
}

/* More iovecs than one system call takes, some of them empty. */
static void
check_many_iovecs(const struct world *w)
{
    enum { N = IOV_MAX * 2 + 77 };
    struct iovec *iov = vrv_mem_zero(N * sizeof(*iov));
    uint8_t *src = vrv_mem_zero(N * 7), *dst = vrv_mem_zero(N * 7);
    struct vrv_rand r = { 1 };
    size_t len = 0;

    for (int i = 0; i < N; i++) {
        size_t n = i == 0 ? 0 : (size_t)vrv_rand_below(&r, 8);

        iov[i] = (struct iovec){ src + len, n };
        for (size_t j = 0; j < n; j++)
            src[len + j] = (uint8_t)vrv_rand_next(&r);
        len += n;
    }
    struct iovec *before = vrv_mem_zero(N * sizeof(*iov));
    memcpy(before, iov, N * sizeof(*iov));
    struct vrv_file *f = must_open(w->vfs, "many", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    IS(vrv_file_pwritev(f, iov, N, 5, NULL), 0, "%s: %d iovecs at once", w->name, (int)N);
    IS(size_of(f), len + 5, "all bytes are in the file");
    IS(vrv_file_read_full(f, dst, len, 5, NULL), 0, "they can be read");
    OK(memcmp(src, dst, len) == 0, "in their order");
    OK(memcmp(before, iov, N * sizeof(*iov)) == 0, "the iovecs are as they were");
    IS(vrv_file_pwritev(f, iov, 1, 0, NULL), 0, "an empty iovec is fine");
    vrv_file_close(&f);
    free(before);
    free(iov);
    free(src);
    free(dst);
}

static void
check_open(const struct world *w)
{
    struct vrv_vfs *v = w->vfs;
    struct vrv_err e = { 0 };
    struct vrv_file *f;

    IS(vrv_vfs_open(v, "none", 0, &f, &e), VRV_E_NOTFOUND, "%s: open what isn't there", w->name);
    OK(strstr(e.msg, "none") && f == NULL, "the sentence names it: %s", e.msg);
    IS(open_code(v, "none/x", VRV_OPEN_WRITE | VRV_OPEN_CREATE), VRV_E_NOTFOUND,
        "a file needs its directory");
    put(v, "one", "1");
    IS(open_code(v, "one", VRV_OPEN_WRITE | VRV_OPEN_CREATE | VRV_OPEN_EXCL), VRV_E_EXISTS,
        "EXCL refuses what is there");
    IS(open_code(v, "two", VRV_OPEN_WRITE | VRV_OPEN_CREATE | VRV_OPEN_EXCL), 0,
        "EXCL makes what isn't");
    is_text(v, "one", "1");
    IS(open_code(v, "one/x", 0), VRV_E_IO, "a file is no directory");
}

static void
check_names(const struct world *w)
{
    struct vrv_vfs *v = w->vfs;

    put(v, "a", "A");
    put(v, "b", "B");
    struct vrv_file *held = must_open(v, "b", 0);
    IS(vrv_vfs_rename(v, "a", "b", NULL), 0, "%s: rename replaces", w->name);
    is_text(v, "b", "A");
    IS(open_code(v, "a", 0), VRV_E_NOTFOUND, "the old name is gone");
    char c = 0;
    IS(vrv_file_read_full(held, &c, 1, 0, NULL), 0, "the replaced file still reads");
    OK(c == 'B', "what it held");
    vrv_file_close(&held);
    IS(vrv_vfs_rename(v, "a", "c", NULL), VRV_E_NOTFOUND, "rename what isn't there");
    IS(vrv_vfs_rename(v, "b", "b", NULL), 0, "rename to itself");
    is_text(v, "b", "A");
    held = must_open(v, "b", VRV_OPEN_WRITE);
    IS(vrv_vfs_unlink(v, "b", NULL), 0, "unlink");
    IS(vrv_vfs_unlink(v, "b", NULL), VRV_E_NOTFOUND, "unlink again");
    IS(vrv_file_pwrite(held, "x", 1, 1, NULL), 0, "an unlinked file is written while open");
    vrv_file_close(&held);
}

static void
check_second_names(const struct world *w)
{
    struct vrv_vfs *v = w->vfs;

    put(v, "l", "L");
    put(v, "m", "M");
    IS(vrv_vfs_link(v, "l", "l2", NULL), 0, "%s: a second name", w->name);
    is_text(v, "l2", "L");
    IS(vrv_vfs_link(v, "l", "m", NULL), VRV_E_EXISTS, "not that of another file");
    is_text(v, "m", "M");
    IS(vrv_vfs_link(v, "none", "n", NULL), VRV_E_NOTFOUND, "nor one of what isn't there");
    IS(vrv_vfs_link(v, "l", "none/l", NULL), VRV_E_NOTFOUND, "nor where there is no directory");
    put(v, "l", "changed");
    is_text(v, "l2", "changed");
    IS(vrv_vfs_unlink(v, "l", NULL), 0, "the first name goes");
    is_text(v, "l2", "changed");
    IS(vrv_vfs_unlink(v, "l2", NULL), 0, "... and the second");
    IS(vrv_vfs_unlink(v, "m", NULL), 0, "... and the other");
}

struct seen {
    int files, dirs, stop_after;
    char last[32];
};

static int
see(void *ctx, const char *name, bool is_dir)
{
    struct seen *s = ctx;

    *(is_dir ? &s->dirs : &s->files) += 1;
    (void)snprintf(s->last, sizeof(s->last), "%s", name);
    return s->stop_after && s->files + s->dirs == s->stop_after ? 42 : 0;
}

static void
check_dirs(const struct world *w)
{
    struct vrv_vfs *v = w->vfs;
    struct seen s = { 0 };

    IS(vrv_vfs_mkdir(v, "d", NULL), 0, "%s: mkdir", w->name);
    IS(vrv_vfs_mkdir(v, "d", NULL), VRV_E_EXISTS, "mkdir again");
    IS(vrv_vfs_mkdir(v, "x/y", NULL), VRV_E_NOTFOUND, "mkdir needs the parent");
    IS(vrv_vfs_mkdir(v, "d/e", NULL), 0, "mkdir below");
    put(v, "d/f", "f");
    put(v, "d/g", "g");
    IS(vrv_vfs_list(v, "d", see, &s, NULL), 0, "list");
    OK(s.files == 2 && s.dirs == 1, "two files and a directory");
    s = (struct seen){ .stop_after = 1 };
    IS(vrv_vfs_list(v, "d", see, &s, NULL), 42, "a listing can be stopped");
    IS(s.files + s.dirs, 1, "at once");
    IS(vrv_vfs_list(v, "none", see, &s, NULL), VRV_E_NOTFOUND, "list what isn't there");
    OK(vrv_vfs_list(v, "d/f", see, &s, NULL) < 0, "list what is no directory");
    OK(vrv_vfs_rmdir(v, "d", NULL) < 0, "a full directory stays");
    OK(vrv_vfs_unlink(v, "d/e", NULL) < 0, "a directory is not unlinked");
    OK(vrv_vfs_rmdir(v, "d/f", NULL) < 0, "a file is no directory to remove");
    IS(vrv_vfs_rename(v, "d/f", "d/e/h", NULL), 0, "a file moves between directories");
    is_text(v, "d/e/h", "f");
    IS(vrv_vfs_sync_dir(v, "d", NULL), 0, "sync a directory");
    IS(vrv_vfs_sync_dir(v, "", NULL), 0, "sync the root");
    IS(vrv_vfs_sync_dir(v, "none", NULL), VRV_E_NOTFOUND, "sync what isn't there");
    IS(vrv_vfs_unlink(v, "d/e/h", NULL), 0, "empty it");
    IS(vrv_vfs_rmdir(v, "d/e", NULL), 0, "rmdir");
    IS(vrv_vfs_rmdir(v, "d/e", NULL), VRV_E_NOTFOUND, "rmdir again");
    s = (struct seen){ 0 };
    IS(vrv_vfs_list(v, "", see, &s, NULL), 0, "list the root");
    IS(s.dirs, 1, "one directory in it");
}

static void
check_syncs(const struct world *w)
{
    enum { N = 150 }; /* more than a ring is deep */
    struct vrv_file *f[N];
    char path[32];
    uint64_t bytes;

    IS(vrv_vfs_mkdir(w->vfs, "many.d", NULL), 0, "%s: a directory", w->name);
    for (int i = 0; i < N; i++) {
        (void)snprintf(path, sizeof(path), "many.d/%d", i);
        f[i] = must_open(w->vfs, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE);
        if (vrv_file_pwrite(f[i], path, sizeof(path), 0, NULL) < 0)
            OK(0, "write %s", path);
    }
    IS(vrv_vfs_sync_files(w->vfs, f, N, NULL), 0, "sync %d files", (int)N);
    IS(vrv_vfs_sync_files(w->vfs, f, 1, NULL), 0, "sync one");
    IS(vrv_vfs_sync_files(w->vfs, NULL, 0, NULL), 0, "sync none");
    IS(vrv_vfs_sync_all(w->vfs, NULL), 0, "sync all");
    for (int i = 0; i < N; i++)
        vrv_file_close(&f[i]);
    IS(vrv_vfs_free_bytes(w->vfs, &bytes, NULL), 0, "the free space is known");
    OK(bytes > 0, "and is there");
}

static void
check_lock(const struct world *w, struct vrv_vfs *second)
{
    struct vrv_err e = { 0 };
    struct vrv_file *a, *b;
    char pid[48];

    IS(vrv_vfs_lock(w->vfs, "lock", &a, &e), 0, "%s: lock", w->name);
    IS(vrv_vfs_lock(w->vfs, "lock", &b, &e), VRV_E_LOCKED, "a second time it is in use");
    OK(b == NULL, "and nothing is handed out");
    (void)snprintf(pid, sizeof(pid), "is in use by process %ld", (long)getpid());
    OK(strstr(e.msg, pid) != NULL, "the sentence says by whom: %s", e.msg);
    IS(vrv_vfs_lock(second, "lock", &b, &e), VRV_E_LOCKED, "through another vfs as well");
    vrv_file_close(&a);
    IS(vrv_vfs_lock(second, "lock", &b, &e), 0, "free after close");
    vrv_file_close(&b);
}

static void
check_readonly(const struct world *w)
{
    put(w->vfs, "sealed", "s");
    struct vrv_file *f = must_open(w->vfs, "sealed", VRV_OPEN_WRITE);

    IS(vrv_file_set_readonly(f, true, NULL), 0, "%s: seal", w->name);
    is_text(w->vfs, "sealed", "s");
    if (w->modes_bind)
        IS(open_code(w->vfs, "sealed", VRV_OPEN_WRITE), VRV_E_READONLY, "no more for writing");
    IS(vrv_file_set_readonly(f, false, NULL), 0, "break the seal");
    IS(open_code(w->vfs, "sealed", VRV_OPEN_WRITE), 0, "for writing again");
    vrv_file_close(&f);
}

static void
check_direct(const struct world *w)
{
    enum { N = VRV_DIRECT_ALIGN };
    unsigned flags = VRV_OPEN_WRITE | VRV_OPEN_CREATE | VRV_OPEN_EXCL;
    struct vrv_err e = { 0 };
    struct vrv_file *f;
    void *mem = NULL;

    if (vrv_vfs_open(w->vfs, "direct", flags | VRV_OPEN_DIRECT, &f, &e) < 0) {
        IS(e.code, VRV_E_INVALID, "%s: no direct I/O here: %s", w->name, e.msg);
        IS(open_code(w->vfs, "direct", flags), 0, "and the refused file is not there");
        return;
    }
    if (posix_memalign(&mem, N, 2 * N) != 0)
        abort();
    memset(mem, 'd', 2 * N);
    IS(vrv_file_pwrite(f, mem, 2 * N, 0, &e), 0, "%s: direct write", w->name);
    IS(vrv_file_sync(f, &e), 0, "sync");
    IS(vrv_file_truncate(f, N + 100, &e), 0, "an end between the blocks");
    memset(mem, 0, 2 * N);
    IS(vrv_file_pread(f, mem, 2 * N, 0, 0, &e), N + 100, "a direct read stops there");
    OK(((char *)mem)[N + 99] == 'd', "and has read all");
    vrv_file_close(&f);
    free(mem);
}

/* The page cache belongs to the kernel: a file system may have no other place for its bytes. */
static void
check_resident(const struct world *w)
{
    enum { N = 16 << 20, HOLE = 8 << 20, AT = 4 << 20 };
    struct vrv_file *f = must_open(w->vfs, "resident", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    char *bytes = vrv_mem_zero(N), byte;

    IS(vrv_file_pwrite(f, bytes, N, 0, NULL), 0, "%s: a file", w->name);
    OK(vrv_file_resident(f, 0, N) && vrv_file_resident(f, 7, N - 20) && vrv_file_resident(f, 9, 0),
        "what was just written is in memory");
    OK(!vrv_file_resident(f, N, 1), "what isn't there is not");
    IS(vrv_file_sync(f, NULL), 0, "sync");
    vrv_file_drop_cache(f, AT, HOLE);
    if (vrv_file_pread(f, &byte, 1, AT + HOLE / 2, VRV_READ_NOWAIT, NULL) == VRV_E_AGAIN) {
        OK(!vrv_file_resident(f, 0, N), "a hole in the middle is seen");
        OK(vrv_file_resident(f, 0, AT / 2), "... but not where there is none");
    }
    free(bytes);
    vrv_file_close(&f);
}

/* ---- reads past the page cache, also where the kernel doesn't know how ---- */

enum { PAST = 1200 * 1024 + 77, HOT_AT = 500 * 1024, HOT = 100 * 1024, COLD_READ = 60000, TRIES = 20 };

struct pages {
    size_t n;
    bool there[PAST / 1024];
};

static void
see_pages(struct vrv_file *f, struct pages *p)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);

    p->n = (PAST + size - 1) / size;
    for (size_t i = 0; i < p->n; i++)
        p->there[i] = vrv__pages_resident(vrv_file_fd(f), i * size, 1); /* which reads nothing itself */
}

static size_t
count_pages(const struct pages *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += p->there[i];
    return n;
}

/* All of it, a piece after the other as who uploads it does: what the kernel reads ahead for the next one is seen, too. */
static bool
read_past(struct vrv_file *f, const uint8_t *want)
{
    static uint8_t buf[COLD_READ];
    bool same = true;

    for (size_t at = 0; at < PAST; at += COLD_READ) {
        size_t n = PAST - at < COLD_READ ? PAST - at : COLD_READ;
        same = same && vrv_file_pread(f, buf, COLD_READ, at, VRV_READ_DONTCACHE, NULL) == (ssize_t)n
            && memcmp(buf, want + at, n) == 0;
    }
    return same;
}

/* What others need in the page cache the kernel alone decides: tried again, until nobody came between. */
static bool
leaves_pages(struct vrv_file *f, const uint8_t *bytes, bool hot)
{
    struct pages before, after;
    uint8_t buf[HOT];
    bool same = false;

    for (int i = 0; i < TRIES && !same; i++) {
        vrv_file_drop_cache(f, 0, PAST);
        if (hot)
            IS(vrv_file_read_full(f, buf, HOT, HOT_AT, NULL), 0, "a reader of what is hot");
        see_pages(f, &before);
        if (!OK(read_past(f, bytes), "read, %zu pages of it in memory", count_pages(&before)))
            return false;
        see_pages(f, &after);
        same = memcmp(before.there, after.there, before.n * sizeof(bool)) == 0
            && (hot ? vrv__pages_resident(vrv_file_fd(f), HOT_AT, HOT) : count_pages(&after) == 0);
    }
    return same;
}

/* A quarter of it, a piece after the other. */
static bool
reads_no_more(struct vrv_file *f)
{
    uint8_t buf[COLD_READ];
    bool more = true;

    for (int i = 0; i < TRIES && more; i++) {
        bool read = true;
        struct pages p;

        vrv_file_drop_cache(f, 0, PAST);
        for (size_t at = 0; at < PAST / 4; at += COLD_READ)
            read = read && vrv_file_pread(f, buf, COLD_READ, at, VRV_READ_DONTCACHE, NULL) == COLD_READ;
        see_pages(f, &p);
        more = !read || count_pages(&p) > 0;
    }
    return !more;
}

static void
check_past_cache(const char *dir, bool known)
{
    uint8_t *bytes = vrv_mem_zero(PAST);
    struct vrv_rand r = { 9 };
    struct vrv_vfs *v;
    struct pages p;

    IS(vrv_vfs_posix(dir, false, &v, NULL), 0, "a vfs");
    atomic_store(&((struct vrv__posix_vfs *)v)->no_dontcache, !known);
    struct vrv_file *f = must_open(v, "past", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    for (size_t i = 0; i < PAST; i++)
        bytes[i] = (uint8_t)vrv_rand_next(&r);
    IS(vrv_file_pwrite(f, bytes, PAST, 0, NULL), 0, "a file");
    IS(vrv_file_sync(f, NULL), 0, "... synced");
    vrv_file_drop_cache(f, 0, PAST);
    see_pages(f, &p);
    if (count_pages(&p) == p.n) {
        tap_note("this file system keeps all in memory");
        OK(read_past(f, bytes), "a read past the page cache has the bytes");
    } else {
        OK(leaves_pages(f, bytes, false), "a read past the page cache leaves nothing there");
        OK(leaves_pages(f, bytes, true), "... and doesn't take what was there");
        OK(reads_no_more(f), "... nor reads ahead");
    }
    vrv_file_close(&f);
    vrv_vfs_close(&v);
    free(bytes);
}

static void
check_all(const struct world *w, struct vrv_vfs *second)
{
    check_bytes(w);
    check_truncate(w);
    check_many_iovecs(w);
    check_open(w);
    check_names(w);
    check_second_names(w);
    check_dirs(w);
    check_syncs(w);
    check_lock(w, second);
    check_readonly(w);
    check_direct(w);
    check_resident(w);
}

/* ---- the real one ---- */

static void
check_root(const char *dir)
{
    char path[600];
    struct vrv_err e = { 0 };
    struct vrv_vfs *v;
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/x//y/z/", dir);
    IS(vrv_vfs_posix(path, false, &v, &e), VRV_E_NOTFOUND, "a root must be there");
    OK(v == NULL, "or nothing is handed out");
    (void)umask(0);
    IS(vrv_vfs_posix(path, true, &v, &e), 0, "unless it is to be made");
    OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700, "for the owner only");
    put(v, "f", "f");
    (void)snprintf(path, sizeof(path), "%s/x/y/z/f", dir);
    OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "the same with files");
    vrv_vfs_close(&v);
    OK(v == NULL, "close clears the pointer");
    vrv_vfs_close(&v);
    IS(vrv_vfs_posix(path, true, &v, &e), VRV_E_IO, "a file is no root: %s", e.msg);
    (void)snprintf(path, sizeof(path), "%s/x/y", dir);
    IS(vrv_vfs_posix(path, true, &v, &e), 0, "making what is there is fine");
    vrv_vfs_close(&v);
}

static void
check_links(struct vrv_vfs *v, const char *dir)
{
    char path[600];

    (void)snprintf(path, sizeof(path), "%s/link", dir);
    OK(symlink("/etc/passwd", path) == 0, "a symbolic link");
    OK(open_code(v, "link", 0) < 0, "is not followed");
    OK(open_code(v, "link", VRV_OPEN_WRITE | VRV_OPEN_CREATE) < 0, "nor written through");
    IS(vrv_vfs_unlink(v, "link", NULL), 0, "but can be removed");
}

/* The lock of a killed process is free, that of a living one names it. */
static void
check_lock_of_child(const char *dir)
{
    struct vrv_err e = { 0 };
    struct vrv_vfs *v;
    struct vrv_file *f;
    int ready[2], status;
    char want[48], c;

    IS(pipe2(ready, O_CLOEXEC), 0, "a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        if (vrv_vfs_posix(dir, false, &v, NULL) < 0 || vrv_vfs_lock(v, "child", &f, NULL) < 0)
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    OK(read(ready[0], &c, 1) == 1, "a child holds the lock");
    IS(vrv_vfs_posix(dir, false, &v, &e), 0, "the same directory");
    IS(vrv_vfs_lock(v, "child", &f, &e), VRV_E_LOCKED, "is in use");
    (void)snprintf(want, sizeof(want), "is in use by process %ld", (long)pid);
    OK(strstr(e.msg, want) != NULL, "by the child: %s", e.msg);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    IS(vrv_vfs_lock(v, "child", &f, &e), 0, "and free when it is dead");
    vrv_file_close(&f);
    vrv_vfs_close(&v);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* fdatasync of a bad descriptor and of a pipe fail, in the ring and in the loop alike; the others
 * in the batch are synced. */
static void
check_ring(const char *dir, bool forbid)
{
    char path[600];
    int fd[5], result[5], end[2];

    vrv__uring_forbid(forbid);
    struct vrv_uring *u = vrv__uring_new();
    (void)snprintf(path, sizeof(path), "%s/ring", dir);
    IS(pipe2(end, O_CLOEXEC), 0, "a pipe");
    for (int i = 0; i < 5; i++)
        fd[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)close(fd[1]);
    fd[1] = -1;
    (void)close(fd[3]);
    fd[3] = end[0];
    vrv__uring_fdatasync(u, fd, result, 5);
    OK(result[0] == 0 && result[2] == 0 && result[4] == 0, "%s: good ones are synced",
        forbid ? "without io_uring" : "with io_uring where it is allowed");
    IS(result[1], EBADF, "a bad descriptor is told");
    IS(result[3], EINVAL, "a pipe is told");
    if (forbid)
        OK(!vrv__uring_is_open(u), "no ring was used");
    else
        tap_note("io_uring: %s", vrv__uring_is_open(u) ? "used" : "refused by this kernel");
    vrv__uring_free(&u);
    for (int i = 0; i < 5; i++)
        if (fd[i] >= 0)
            (void)close(fd[i]);
    (void)close(end[1]);
    vrv__uring_forbid(false);
}

/* A limit on the size of files gives a short write in the middle of an iovec: the rest is tried
 * from there, and only then comes the error. */
static void
check_short_write(struct vrv_vfs *v)
{
    struct vrv_file *f = must_open(v, "limit", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    char a[4] = "abcd", b[4] = "efgh", c[4] = "ijkl", buf[16] = "";
    struct iovec iov[3] = { { a, 4 }, { b, 4 }, { c, 4 } };
    struct rlimit old, small;

    OK(getrlimit(RLIMIT_FSIZE, &old) == 0, "the limit is known");
    small = old;
    small.rlim_cur = 6;
    (void)signal(SIGXFSZ, SIG_IGN);
    OK(setrlimit(RLIMIT_FSIZE, &small) == 0, "files of six bytes only");
    int rc = vrv_file_pwritev(f, iov, 3, 0, NULL);
    OK(setrlimit(RLIMIT_FSIZE, &old) == 0, "of any size again");
    IS(rc, VRV_E_IO, "a write that doesn't fit fails");
    IS(vrv_file_pread(f, buf, 16, 0, 0, NULL), 6, "after what did fit");
    IS_STR(buf, "abcdef", "in the right order");
    vrv_file_close(&f);
}

static void
check_fd(struct vrv_vfs *v)
{
    struct vrv_file *f = must_open(v, "fd", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    struct stat st;

    OK(fstat(vrv_file_fd(f), &st) == 0, "a real file has a descriptor");
    OK((fcntl(vrv_file_fd(f), F_GETFD) & FD_CLOEXEC) != 0, "which programs we start don't get");
    vrv_file_close(&f);
}

static void
check_posix(void)
{
    const char *dir = tap_dir();
    struct vrv_err e = { 0 };
    struct world w = { .name = "posix", .modes_bind = geteuid() != 0 };
    struct vrv_vfs *second;

    check_root(tap_dir());
    IS(vrv_vfs_posix(dir, false, &w.vfs, &e), 0, "posix");
    IS(vrv_vfs_posix(dir, false, &second, &e), 0, "posix, a second time");
    check_all(&w, second);
    check_links(w.vfs, dir);
    check_fd(w.vfs);
    check_short_write(w.vfs);
    vrv_vfs_close(&second);
    vrv_vfs_close(&w.vfs);
    check_lock_of_child(dir);
    check_past_cache(dir, false);
    check_past_cache(dir, true);
    check_ring(dir, false);
    check_ring(dir, true);
}

/* ---- the simulated one ---- */

static void
check_sim(void)
{
    struct simdisk *d = simdisk_new(1);
    struct world w = { .name = "sim", .vfs = simdisk_vfs(d), .modes_bind = true };

    check_all(&w, simdisk_vfs(d));
    struct vrv_file *f = must_open(w.vfs, "fd", VRV_OPEN_WRITE | VRV_OPEN_CREATE);
    IS(vrv_file_fd(f), -1, "no descriptor");
    vrv_file_close(&f);
    simdisk_free(&d);
}

static void
check_clock(void)
{
    struct simclock c;

    simclock_init(&c, 1000);
    int64_t mono = c.clock.mono_ns(&c.clock);
    simclock_advance_ms(&c, 5);
    IS(c.clock.wall_ms(&c.clock), 1005, "time passes on the wall");
    IS(c.clock.mono_ns(&c.clock), mono + 5000000, "and inside");
    simclock_set_wall_ms(&c, 7);
    IS(c.clock.wall_ms(&c.clock), 7, "the date can be set back");
    IS(c.clock.mono_ns(&c.clock), mono + 5000000, "and time doesn't follow");
}

int
main(void)
{
    check_posix();
    check_sim();
    check_clock();
    return tap_done();
}
