/* The metadata log's files: the format, what recovery cuts and what it refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/meta/metaframe.h"
#include "engine/meta/metalog.h"
#include "t/lib/golden.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

/* t/data/metalog-v1.meta was written by a few lines of Python from the format's description: file
 * number 7, base revision 5; the batches of revisions 6 and 7, and of 8, begin at these. */
#define NAME "0000000007.meta"
enum { BATCH_1 = 155, REV_7 = 192, BATCH_2 = 239, SIZE = 275 };

static uint8_t *file;
static size_t file_n;

struct outcome {
    int rc;
    uint64_t cut;
    struct vrv_err e;
    uint64_t revision;
    bool writes; /* a transaction worked, and was there after another open */
};

static void
revision_fn(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    (void)e;
    if (kv == NULL && status == 0)
        *(uint64_t *)ctx = revision;
}

/* Open a directory that holds just these bytes. */
static struct outcome
open_bytes(const char *name, const uint8_t *p, size_t n)
{
    struct simdisk *d = metatest_disk("meta", name, p, n);
    struct vrv_metastore *m = NULL;
    struct outcome o = { 0 };

    o.rc = vrv_metalog_open(&m, simdisk_vfs(d), "meta", &o.cut, &o.e);
    if (o.rc == 0) {
        vrv_meta_range(m, "", revision_fn, &o.revision);
        o.writes = metatest_put(m, "after", "all") == 0;
        char *before = metatest_dump(m, "");
        vrv_meta_close(&m);
        o.writes = o.writes && vrv_metalog_open(&m, simdisk_vfs(d), "meta", NULL, NULL) == 0;
        char *after = o.writes ? metatest_dump(m, "") : vrv_mem_strdup("?");
        o.writes = o.writes && strcmp(before, after) == 0;
        free(before);
        free(after);
    }
    vrv_meta_close(&m);
    simdisk_free(&d);
    return o;
}

static void
golden_fn(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    static const struct vrv_meta_kv want[] = {{"b/1", "", 0, 5}, {"b/2", "two", 3, 7},
        {"c", "\0\xff", 2, 6}, {"d", "x", 1, 8}};
    size_t *i = ctx;

    (void)e;
    if (kv == NULL) {
        OK(status == 0 && *i == 4 && revision == 8, "and has four keys at revision 8");
    } else if (*i < 4) {
        OK(strcmp(kv->key, want[*i].key) == 0 && kv->mod == want[*i].mod &&
                kv->value_len == want[*i].value_len &&
                memcmp(kv->value, want[*i].value, kv->value_len) == 0,
            "key %s is as it should be", want[*i].key);
        ++*i;
    }
}

static void
test_golden(void)
{
    struct simdisk *d = metatest_disk("meta", NAME, file, file_n);
    struct vrv_metastore *m = NULL;
    uint64_t cut = 1;
    size_t n = 0, keys = 0;

    IS(vrv_metalog_open(&m, simdisk_vfs(d), "meta", &cut, NULL), 0, "a foreign encoder's file");
    IS(cut, 0, "is whole");
    vrv_meta_range(m, "", golden_fn, &keys);
    OK(vrv_meta_step(m, NULL) > 0, "it is listed");
    vrv_meta_close(&m);
    uint8_t *p = metatest_read(simdisk_vfs(d), "meta/" NAME, &n);
    OK(n == file_n && memcmp(p, file, n) == 0, "opening it changes no byte");
    free(p);
    simdisk_free(&d);
}

/* Our own encoder makes the same bytes. */
static void
test_encode(void)
{
    struct vrv_metabuf b = { .number = 7 };
    size_t f;

    vrv_metabuf_header(&b, 5);
    f = vrv_metabuf_begin(&b, VRV_MFRAME_SNAPSHOT, 5, 0);
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"a", "one", 3, 3});
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"b/1", "", 0, 5});
    vrv_metabuf_end(&b, f);
    vrv_metabuf_end(&b, vrv_metabuf_begin(&b, VRV_MFRAME_SNAPSHOT_END, 5, 0));
    f = vrv_metabuf_begin(&b, VRV_MFRAME_TXN, 6, BATCH_1);
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"c", "\0\xff", 2, 0});
    vrv_metabuf_end(&b, f);
    f = vrv_metabuf_begin(&b, VRV_MFRAME_TXN, 7, BATCH_1);
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"a", NULL, 0, 0});
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"b/2", "two", 3, 0});
    vrv_metabuf_end(&b, f);
    f = vrv_metabuf_begin(&b, VRV_MFRAME_TXN, 8, BATCH_2);
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"d", "x", 1, 0});
    vrv_metabuf_end(&b, f);
    OK(b.n == file_n && memcmp(b.p, file, b.n) == 0, "our encoder makes the same bytes");
    vrv_metabuf_fini(&b);
}

/* ---- every cut and every flip */

static void
test_truncations(void)
{
    size_t wrong = 0;

    for (size_t n = 0; n < file_n; n++) {
        struct outcome o = open_bytes(NAME, file, n);
        size_t keep = n >= BATCH_2 ? BATCH_2 : n >= REV_7 ? REV_7 : BATCH_1;
        uint64_t revision = n >= BATCH_2 ? 7 : n >= REV_7 ? 6 : 5;
        bool right = n < BATCH_1 ? o.rc == VRV_E_CORRUPT && strstr(o.e.msg, NAME) != NULL
                                 : o.rc == 0 && o.revision == revision && o.cut == n - keep &&
                                       o.writes;

        if (!right && wrong++ == 0)
            tap_note("cut at %zu: rc %d, revision %d, cut %d: %s", n, o.rc, (int)o.revision,
                (int)o.cut, o.e.msg);
    }
    IS(wrong, 0, "a file cut in its log keeps all whole frames, one cut before is refused");
}

/* What holds for one flipped bit, wherever it is: below what a later batch proves durable
 * (here all before the last batch) it is refused; in the last batch it can't be told from a write
 * that the power cut, and that batch is cut away, from the damage on. */
static void
test_flips(void)
{
    uint8_t *p = vrv_mem_zero(file_n);
    size_t wrong = 0;

    for (size_t bit = 0; bit < 8 * file_n; bit++) {
        memcpy(p, file, file_n);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct outcome o = open_bytes(NAME, p, file_n);
        bool right = bit / 8 < BATCH_2 ? o.rc == VRV_E_CORRUPT && strstr(o.e.msg, NAME) != NULL
                                       : o.rc == 0 && o.revision == 7 &&
                                             o.cut == SIZE - BATCH_2 && o.writes;

        if (!right && wrong++ == 0)
            tap_note("bit %zu of byte %zu: rc %d, revision %d, cut %d: %s", bit % 8, bit / 8, o.rc,
                (int)o.revision, (int)o.cut, o.e.msg);
    }
    IS(wrong, 0, "each flipped bit is refused, or cuts the last batch, which may be torn");
    free(p);
}

static void
test_damage(void)
{
    uint8_t *p = vrv_mem_zero(file_n);
    struct outcome o;

    memcpy(p, file, file_n);
    p[BATCH_1 + 30] ^= 1;
    o = open_bytes(NAME, p, file_n);
    IS(o.rc, VRV_E_CORRUPT, "damage below a later batch is refused");
    OK(strstr(o.e.msg, "meta/" NAME " is damaged at 155") != NULL &&
            strstr(o.e.msg, "frame at 239") != NULL,
        "with file, position and witness: %s", o.e.msg);
    o = open_bytes(NAME, p, BATCH_2);
    IS(o.rc, 0, "a batch whose first frame is torn and whose last is whole is a torn batch");
    OK(o.revision == 5 && o.cut == BATCH_2 - BATCH_1 && o.writes, "and is cut as a whole");

    /* the value of a transaction holds the bytes of a later frame, and then the tail is torn */
    memcpy(p, file, file_n);
    struct vrv_metabuf b = { .number = 7, .base = BATCH_2 };
    size_t f = vrv_metabuf_begin(&b, VRV_MFRAME_TXN, 8, BATCH_2);
    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){"trap", file + BATCH_2, SIZE - BATCH_2, 0});
    vrv_metabuf_end(&b, f);
    uint8_t *q = vrv_mem_zero(BATCH_2 + b.n);
    memcpy(q, file, BATCH_2);
    memcpy(q + BATCH_2, b.p, b.n);
    q[BATCH_2 + 5] ^= 1;
    o = open_bytes(NAME, q, BATCH_2 + b.n);
    OK(o.rc == 0 && o.revision == 7, "a frame inside a torn value is not taken for one");
    free(q);
    vrv_metabuf_fini(&b);
    free(p);
}

static int
open_frame(enum vrv_mframe_kind kind, uint64_t revision, uint64_t durable, const char *key)
{
    struct vrv_metabuf b = { .number = 7, .base = SIZE };
    size_t f = vrv_metabuf_begin(&b, kind, revision, durable);
    uint8_t *p;

    vrv_metabuf_op(&b, f, &(struct vrv_meta_kv){key, "v", 1, 0});
    if (strlen(key) == 2) /* as a key with a NUL in it, then */
        b.p[b.n - 2] = 0;
    vrv_metabuf_end(&b, f);
    p = vrv_mem_zero(file_n + b.n);
    memcpy(p, file, file_n);
    memcpy(p + file_n, b.p, b.n);
    int rc = open_bytes(NAME, p, file_n + b.n).rc;
    free(p);
    vrv_metabuf_fini(&b);
    return rc;
}

/* Frames with a checksum that holds, which no writer of ours makes. */
static void
test_nonsense(void)
{
    IS(open_frame(VRV_MFRAME_TXN, 9, BATCH_2, "k"), 0, "a frame that follows is taken");
    IS(open_frame(VRV_MFRAME_TXN, 10, BATCH_2, "k"), VRV_E_CORRUPT, "one that skips is refused");
    IS(open_frame(VRV_MFRAME_TXN, 8, BATCH_2, "k"), VRV_E_CORRUPT, "and one that repeats");
    IS(open_frame(VRV_MFRAME_TXN, 9, BATCH_1, "k"), VRV_E_CORRUPT,
        "one that knows less durable than the frame before is refused");
    IS(open_frame(VRV_MFRAME_SNAPSHOT, 9, BATCH_2, "k"), VRV_E_CORRUPT,
        "a snapshot's frame in the log is refused");
    IS(open_frame(VRV_MFRAME_TXN, 9, BATCH_2, "kk"), VRV_E_CORRUPT, "and a key with a NUL");
}

/* ---- the directory */

static void
test_directory(void)
{
    uint8_t p[SIZE];
    struct outcome o;

    memcpy(p, file, SIZE);
    vrv_put_le32(p + VRV_METALOG_H_VERSION, VRV_METALOG_VERSION + 1);
    vrv_put_le32(p + VRV_METALOG_H_CRC, vrv_crc32c(0, p, VRV_METALOG_H_CRC));
    o = open_bytes(NAME, p, SIZE);
    IS(o.rc, VRV_E_VERSION, "a newer version is refused");
    OK(strstr(o.e.msg, NAME) != NULL, "by name: %s", o.e.msg);
    o = open_bytes("0000000008.meta", file, SIZE);
    IS(o.rc, VRV_E_CORRUPT, "a file under another number is refused");
    static const char *const foreign[] = {"7.meta", "0000000007.meta~", "core", "0000000000.meta",
        "00000000007.meta", "000000000x.tmp"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        o = open_bytes(foreign[i], file, SIZE);
        IS(o.rc, VRV_E_FOREIGN, "a file that isn't ours is refused");
        OK(strstr(o.e.msg, foreign[i]) != NULL, "by name: %s", o.e.msg);
    }
    o = open_bytes("0000000001.tmp", file, 100);
    OK(o.rc == 0 && o.revision == 0 && o.writes, "a left-over temporary alone is no log");
}

static void
add_file(struct vrv_vfs *v, const char *path, const uint8_t *p, size_t n)
{
    struct vrv_file *f = NULL;

    OK(vrv_vfs_open(v, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, NULL) == 0 &&
            vrv_file_pwrite(f, p, n, 0, NULL) == 0,
        "(another file)");
    vrv_file_close(&f);
}

static int
list_fn(void *ctx, const char *name, bool is_dir)
{
    char *names = ctx;

    (void)is_dir;
    (void)snprintf(names + strlen(names), 100, "%s ", name);
    return 0;
}

static void
test_interrupted(void)
{
    struct simdisk *d = metatest_disk("meta", NAME, file, file_n);
    struct vrv_metastore *m = NULL;
    struct vrv_metabuf b = { .number = 8 };
    char names[200] = "";

    vrv_metabuf_header(&b, 9);
    vrv_metabuf_end(&b, vrv_metabuf_begin(&b, VRV_MFRAME_SNAPSHOT_END, 9, 0));
    add_file(simdisk_vfs(d), "meta/0000000008.meta", b.p, b.n);
    add_file(simdisk_vfs(d), "meta/0000000009.tmp", b.p, b.n / 2);
    vrv_metabuf_fini(&b);
    IS(vrv_metalog_open(&m, simdisk_vfs(d), "meta", NULL, NULL), 0, "of two files");
    char *text = metatest_dump(m, "");
    IS_STR(text, "#9\n", "the newer counts");
    free(text);
    vrv_meta_close(&m);
    IS(vrv_vfs_list(simdisk_vfs(d), "meta", list_fn, names, NULL), 0, "list");
    IS_STR(names, "0000000009.meta ",
        "a new file has replaced both: the newer one's name may not have been durable");
    simdisk_free(&d);
}

int
main(void)
{
    file = golden("metalog-v1.meta", &file_n);
    IS(file_n, SIZE, "the fixture is there");
    test_golden();
    test_encode();
    test_truncations();
    test_flips();
    test_damage();
    test_nonsense();
    test_directory();
    test_interrupted();
    free(file);
    return tap_done();
}
