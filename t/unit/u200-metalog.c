/* The metadata log as a metastore: what it does while nothing fails.  Its files are u202's,
 * crashes and faults u203's. */
#include "engine/meta/metalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

static struct simdisk *disk;
static struct vrv_metastore *m;

static void
begin(void)
{
    disk = simdisk_new(1);
    IS(vrv_metalog_open(&m, simdisk_vfs(disk), "meta", NULL, NULL), 0, "a new log opens");
}

static void
end(void)
{
    vrv_meta_close(&m);
    simdisk_free(&disk);
}

static void
reopen(void)
{
    struct vrv_err e = { 0 };
    uint64_t cut = 1;

    vrv_meta_close(&m);
    if (!IS(vrv_metalog_open(&m, simdisk_vfs(disk), "meta", &cut, &e), 0, "it opens again"))
        tap_note("%s", e.msg);
    IS(cut, 0, "nothing was cut");
}

static void
dump_is(const char *prefix, const char *want, const char *what)
{
    char *got = metatest_dump(m, prefix);

    IS_STR(got, want, "%s", what);
    free(got);
}

static void
test_basics(void)
{
    begin();
    dump_is("", "#0\n", "and is empty");
    IS(metatest_put(m, "b", "1"), 0, "a key is written");
    IS(metatest_put(m, "a", ""), 0, "an empty value is a value");
    IS(metatest_put_if(m, "b", 0, "2"), VRV_E_CONFLICT, "a key that exists isn't made again");
    IS(metatest_put_if(m, "b", 2, "2"), VRV_E_CONFLICT, "nor replaced by who saw another revision");
    IS(metatest_put_if(m, "b", 1, "2"), 0, "who saw this one may");
    IS(metatest_put_if(m, "gone", 7, "2"), VRV_E_CONFLICT, "a missing key has revision 0");
    dump_is("", "a@2=\nb@3=2\n#3\n", "keys come in order, with the revision of their change");
    IS(metatest_put(m, "b", NULL), 0, "a key is deleted");
    IS(metatest_put(m, "b", NULL), 0, "deleting what isn't there is no error");
    reopen();
    dump_is("", "a@2=\n#5\n", "all is as it was");
    IS(metatest_put_if(m, "b", 0, "new"), 0, "a deleted key may come back");
    dump_is("", "a@2=\nb@6=new\n#6\n", "at a revision never used before");
    end();
}

static void
test_prefix(void)
{
    static const char *const keys[] = {"p/1", "p/10", "p/2", "p", "q", "p0", "o\xff", "p/"};

    begin();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        IS(metatest_put(m, keys[i], ""), 0, "put %zu", i);
    dump_is("p/", "p/@8=\np/1@1=\np/10@2=\np/2@3=\n#8\n", "a range holds its prefix only");
    dump_is("p/1", "p/1@1=\np/10@2=\n#8\n", "a prefix is no path");
    dump_is("r", "#8\n", "a range may be empty");
    end();
}

/* ---- group commit */

static void
queue(struct metatest_answer *a, const char *compare, uint64_t mod, const char *key,
    const char *value)
{
    struct vrv_meta_compare c = {compare, mod};
    struct vrv_meta_write w = {key, value, value != NULL ? strlen(value) : 0};

    *a = (struct metatest_answer){0};
    vrv_meta_txn(m, &(struct vrv_meta_txn){&c, compare != NULL, &w, key != NULL}, metatest_txn_fn,
        a);
}

static void
test_batch(void)
{
    struct metatest_answer a[7];

    begin();
    queue(&a[0], "x", 0, "x", "1");
    queue(&a[1], "x", 0, "x", "2"); /* loses against the one before */
    queue(&a[2], "x", 1, "x", "3");
    queue(&a[3], "x", 2, NULL, NULL); /* only asks */
    queue(&a[4], "x", 2, "x", NULL);
    queue(&a[5], "x", 0, "y", "4");
    queue(&a[6], NULL, 0, "", "5");
    OK(a[0].calls == 0 && a[6].calls == 0, "nothing is called back before the step");
    uint64_t ops = simdisk_ops(disk);
    IS(vrv_meta_step(m, NULL), 7, "one step answers all");
    IS(simdisk_ops(disk) - ops, 2, "with one write and one sync");
    static const int want[] = {0, VRV_E_CONFLICT, 0, 0, 0, 0, VRV_E_INVALID};
    static const uint64_t revision[] = {1, 1, 2, 2, 3, 4};
    for (int i = 0; i < 7; i++)
        IS(a[i].status, want[i], "transaction %d sees those before it", i);
    for (int i = 0; i < 6; i++)
        IS(a[i].revision, revision[i], "and has its revision");
    dump_is("", "y@4=4\n#4\n", "all are done in order");
    ops = simdisk_ops(disk);
    IS(metatest_put_if(m, "y", 1, "no"), VRV_E_CONFLICT, "a conflict");
    IS(simdisk_ops(disk) - ops, 0, "touches no disk");
    reopen();
    dump_is("", "y@4=4\n#4\n", "and are so after opening again");
    end();
}

static void
test_big_batch(void)
{
    enum { N = 1000 };
    struct metatest_answer *a = vrv_mem_zero(N * sizeof(*a));
    uint64_t revision = 0;
    bool all = true;

    begin();
    for (int i = 0; i < N; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k%04d", i);
        queue(&a[i], NULL, 0, key, "v");
    }
    uint64_t ops = simdisk_ops(disk);
    IS(vrv_meta_step(m, NULL), N, "a thousand transactions take one step");
    OK(simdisk_ops(disk) - ops <= 20, "and few syncs");
    for (int i = 0; i < N; i++)
        all = all && a[i].calls == 1 && a[i].status == 0 && a[i].revision == ++revision;
    OK(all, "each is called back once, in order");
    free(a);
    end();
}

/* ---- bounds */

static int
write_n(size_t n, size_t value_len, const char *twice)
{
    struct vrv_meta_write *w = vrv_mem_zero((n + 1) * sizeof(*w));
    char *value = vrv_mem_zero(value_len);
    char(*key)[24] = vrv_mem_zero((n + 1) * sizeof(*key));

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(key[i], sizeof(key[i]), "n%03zu", i);
        w[i] = (struct vrv_meta_write){key[i], value, value_len};
    }
    if (twice != NULL)
        w[n - 1].key = twice;
    int rc = metatest_txn(m, &(struct vrv_meta_txn){NULL, 0, w, n}, NULL);
    free(w);
    free(value);
    free(key);
    return rc;
}

static void
test_bounds(void)
{
    char key[VRV_META_KEY_MAX + 2];

    begin();
    memset(key, 'k', sizeof(key));
    key[VRV_META_KEY_MAX + 1] = '\0';
    IS(metatest_put(m, key, "v"), VRV_E_INVALID, "a key that is too long is refused");
    IS(metatest_put_if(m, key, 0, "v"), VRV_E_INVALID, "also in a compare");
    key[VRV_META_KEY_MAX] = '\0';
    IS(metatest_put(m, key, "v"), 0, "the longest key is fine");
    IS(metatest_put(m, "", "v"), VRV_E_INVALID, "an empty key is refused");
    IS(write_n(VRV_META_OPS_MAX + 1, 1, NULL), VRV_E_INVALID, "too many writes are refused");
    IS(write_n(1, VRV_META_VALUE_MAX + 1, NULL), VRV_E_INVALID, "a value too long is refused");
    IS(write_n(5, 1, "n001"), VRV_E_INVALID, "one key written twice is refused");
    IS(write_n(VRV_META_OPS_MAX, 1, NULL), 0, "as many writes as allowed are fine");
    IS(write_n(3, VRV_META_VALUE_MAX, NULL), 0, "and values of any length allowed");
    char *before = metatest_dump(m, "");
    reopen();
    dump_is("", before, "they survive");
    free(before);
    end();
}

/* ---- watches */

struct seen {
    char text[512];
};

static void
watch_fn(void *ctx, const struct vrv_meta_kv *kv, uint64_t revision)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    (void)snprintf(s->text + n, sizeof(s->text) - n, "%s@%d%s%.*s ", kv->key, (int)revision,
        kv->value != NULL ? "=" : "!", (int)kv->value_len,
        kv->value != NULL ? (const char *)kv->value : "");
}

static void
step(void)
{
    if (vrv_meta_step(m, NULL) < 0)
        OK(false, "the step works");
}

static void
test_watch(void)
{
    struct seen all = {""}, some = {""}, late = {""};

    begin();
    (void)metatest_put(m, "a/1", "x");
    (void)metatest_put(m, "a/2", "y");
    vrv_meta_watch(m, "", 0, watch_fn, &all);
    vrv_meta_watch(m, "a/", 1, watch_fn, &some);
    (void)metatest_put(m, "b", "z");
    (void)metatest_put(m, "a/1", NULL);
    (void)metatest_put(m, "a/3", "3");
    (void)metatest_put(m, "a/3", NULL);
    (void)metatest_put(m, "a/1", "back");
    step();
    IS_STR(all.text, "a/1@1=x a/2@2=y b@3=z a/1@4! a/3@5=3 a/3@6! a/1@7=back ",
        "a watch from 0 sees all that exists and each change");
    IS_STR(some.text, "a/2@2=y a/1@4! a/3@5=3 a/3@6! a/1@7=back ",
        "another what came after its revision, of its prefix");
    vrv_meta_watch(m, "", 4, watch_fn, &late);
    step();
    IS_STR(late.text, "a/1@7=back a/3@6! ", "a late one sees the last state, deletions too");
    vrv_meta_unwatch(m, watch_fn, &all);
    all.text[0] = '\0';
    (void)metatest_put(m, "c", "");
    IS_STR(all.text, "", "a watch taken back is not called");
    IS_STR(late.text, "a/1@7=back a/3@6! c@8= ", "others are");
    end();
}

/* ---- growing and closing */

static int
count_fn(void *ctx, const char *name, bool is_dir)
{
    (void)is_dir;
    (void)name;
    (*(int *)ctx)++;
    return 0;
}

static int
files(void)
{
    int n = 0;
    int rc = vrv_vfs_list(simdisk_vfs(disk), "meta", count_fn, &n, NULL);

    return rc < 0 ? rc : n;
}

static int
put_big(const char *key, size_t n, char fill)
{
    char *value = vrv_mem_zero(n);

    memset(value, fill, n);
    struct vrv_meta_write w = {key, value, n};
    int rc = metatest_txn(m, &(struct vrv_meta_txn){NULL, 0, &w, 1}, NULL);
    free(value);
    return rc;
}

static void
test_rotation(void)
{
    size_t n = 0;
    int rc = 0;

    begin();
    (void)metatest_put(m, "keep", "me");
    (void)metatest_put(m, "drop", "me");
    (void)metatest_put(m, "drop", NULL);
    for (int i = 0; i < 70; i++)
        rc = rc < 0 ? rc : put_big("big", 100 * 1000, (char)('a' + i % 26));
    IS(rc, 0, "seven megabytes are written to one key");
    IS(files(), 1, "one file is left");
    char *before = metatest_dump(m, "");
    free(metatest_read(simdisk_vfs(disk), "meta/0000000007.meta", &n));
    OK(n < 2000 * 1000, "which is small: %zu bytes", n);
    reopen();
    dump_is("", before, "it has all keys, at their revisions");
    free(before);
    IS(metatest_put(m, "keep", "on"), 0, "and serves on");
    end();
}

static void
test_no_room_to_rotate(void)
{
    int rc = 0;

    begin();
    simdisk_capacity(disk, 1700 * 1000);
    for (int i = 0; i < 12; i++) /* the sum is over 1 MiB, and a snapshot of it doesn't fit */
        rc = rc < 0 ? rc : put_big((const char[]){(char)('a' + i), '\0'}, 100 * 1000, 'x');
    IS(rc, 0, "without room for a new file");
    IS(metatest_put(m, "small", "fits"), 0, "the old one serves on");
    IS(files(), 1, "and no part of a new one stays");
    char *before = metatest_dump(m, "");
    reopen();
    dump_is("", before, "all is there");
    free(before);
    end();
}

static void
range_end_fn(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    (void)revision;
    (void)e;
    if (kv == NULL)
        *(int *)ctx = status;
}

static void
test_close(void)
{
    struct metatest_answer a;
    int status = 0;

    begin();
    queue(&a, NULL, 0, "k", "v");
    vrv_meta_range(m, "", range_end_fn, &status);
    vrv_meta_close(&m);
    OK(m == NULL, "close clears the pointer");
    IS(a.status, VRV_E_CANCELLED, "a transaction that waits is cancelled");
    IS(status, VRV_E_CANCELLED, "so is a range");
    vrv_meta_close(&m);
    IS(vrv_metalog_open(&m, simdisk_vfs(disk), "meta", NULL, NULL), 0, "it opens again");
    dump_is("", "#0\n", "what was cancelled was not done");
    end();
}

/* Once on the real file system: all other tests run on the simulated disk. */
static void
test_posix(void)
{
    struct vrv_vfs *v = NULL;

    IS(vrv_vfs_posix(tap_dir(), false, &v, NULL), 0, "a real directory");
    IS(vrv_metalog_open(&m, v, "a/meta", NULL, NULL), VRV_E_NOTFOUND, "without the parent: none");
    IS(vrv_metalog_open(&m, v, "meta", NULL, NULL), 0, "a new log");
    IS(metatest_put(m, "k", "v"), 0, "takes a key");
    vrv_meta_close(&m);
    IS(vrv_metalog_open(&m, v, "meta", NULL, NULL), 0, "and opens again");
    dump_is("", "k@1=v\n#1\n", "with that key");
    vrv_meta_close(&m);
    vrv_vfs_close(&v);
}

int
main(void)
{
    test_basics();
    test_prefix();
    test_batch();
    test_big_batch();
    test_bounds();
    test_watch();
    test_rotation();
    test_no_room_to_rotate();
    test_close();
    test_posix();
    return tap_done();
}
