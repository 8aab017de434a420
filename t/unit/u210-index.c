/* The sparse index file: bytes, look-ups against a walk over all entries, and every way in which
 * a sealed one can be damaged. */
#include "engine/seg/index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/rand.h"
#include "engine/seg/index_format.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

static uint32_t sum; /* of the index that was written last */
static struct simdisk *disk;

static struct vrv_file *
file_new(void)
{
    struct vrv_file *f = NULL;
    struct vrv_err e = { 0 };

    tap_need(vrv_vfs_open(simdisk_vfs(disk), "x.index", VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, &e),
        e.msg);
    tap_need(vrv_file_truncate(f, 0, &e), e.msg);
    return f;
}

static void
put(struct vrv_file *f, const uint8_t *p, size_t n, uint64_t pos)
{
    struct vrv_err e = { 0 };

    tap_need(vrv_file_pwrite(f, p, n, pos, &e), e.msg);
}

static void
put_entries(struct vrv_file *f, uint32_t at, const struct vrv_index_entry *v, uint32_t n)
{
    struct vrv_err e = { 0 };

    tap_need(vrv_index_write(f, at, v, n, &sum, &e), e.msg);
}

/* An index that isn't sealed; its checksum is in `sum`. */
static struct vrv_file *
index_new(int64_t base, const struct vrv_index_entry *v, uint32_t n)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };

    tap_need(vrv_index_create(f, base, &sum, &e), e.msg);
    put_entries(f, 0, v, n);
    return f;
}

static uint64_t
size_of(struct vrv_file *f)
{
    uint64_t size = 0;

    return vrv_file_size(f, &size, NULL) == 0 ? size : UINT64_MAX;
}

/* Written by another program from the comment in index_format.h. */
/* clang-format off */
static const uint8_t golden[] = {
    /* header */
    0x56, 0x52, 0x56, 0x49, 0x44, 0x58, 0x31, 0, 1, 0, 0, 0, 0x18, 0, 0, 0,
    0xe8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0x5f, 0x95, 0xa2,
    /* entries */
    0xe8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80,
    0xef, 3, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0,
    0, 0, 0, 0, 0x7b, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0,
    0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0, 0x28, 0x23, 0, 0,
    0, 0, 0, 0, 0xc8, 0x69, 0xe5, 0xcf, 0x8b, 1, 0, 0,
    /* footer */
    0x56, 0x52, 0x56, 0x53, 0x45, 0x41, 0x4c, 0, 1, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde,
    0xe8, 3, 0, 0, 0, 0, 0, 0, 0x90, 0x67, 0x45, 0x23, 1, 0, 0, 0,
    0x11, 0x27, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    0x18, 0x64, 0xe5, 0xcf, 0x8b, 1, 0, 0, 0x15, 0x6b, 0xe5, 0xcf, 0x8b, 1, 0, 0,
    0x89, 0x67, 0x45, 0x23, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x19, 0x2d, 0xdc,
};
/* clang-format on */

static const struct vrv_index_entry golden_entries[] = {
    {1000, 0, INT64_MIN},
    {1007, 4096, 1700000000123},
    {0x123456789, 9000, 1700000000456},
};

static const struct vrv_seal golden_seal = {
    .base = 1000,
    .next = 0x123456790,
    .data_size = 10001,
    .data_crc = 0xdeadbeef,
    .entries = 3,
    .min_ts = 1699999999000,
    .max_ts = 1700000000789,
    .max_ts_offset = 0x123456789,
};

static bool
is_seal(const struct vrv_seal *a, const struct vrv_seal *b)
{
    return a->base == b->base && a->next == b->next && a->data_size == b->data_size &&
           a->data_crc == b->data_crc && a->entries == b->entries && a->aborted == b->aborted &&
           a->min_ts == b->min_ts && a->max_ts == b->max_ts && a->max_ts_offset == b->max_ts_offset;
}

static void
test_bytes(void)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };
    struct vrv_seal s;
    uint8_t got[sizeof(golden)];

    IS(vrv_index_create(f, 1000, &sum, &e), 0, "an index is created");
    IS(size_of(f), VRV_INDEX_HEADER, "as a header");
    IS(vrv_index_write(f, 0, golden_entries, 2, &sum, &e), 0, "two entries are written");
    IS(vrv_index_write(f, 2, golden_entries + 2, 1, &sum, &e), 0, "and one behind them");
    uint32_t three = sum;
    IS(vrv_index_write(f, 3, golden_entries, 3, &sum, &e), 0, "and some that are not to stay");
    IS(vrv_index_seal(f, &golden_seal, three, &e), 0, "three entries are sealed");
    IS(size_of(f), sizeof(golden), "the others are cut off");
    OK(vrv_file_read_full(f, got, sizeof(got), 0, &e) == 0 &&
            memcmp(got, golden, sizeof(golden)) == 0,
        "the bytes are as documented");
    IS(vrv_index_read_seal(f, 1000, &s, &e), 0, "the seal can be read");
    OK(is_seal(&s, &golden_seal), "and says what was sealed");
    IS(vrv_index_seal(f, &golden_seal, three, &e), 0, "sealing again does no harm");
    IS(vrv_index_read_seal(f, 1000, &s, &e), 0, "and gives the same");
    vrv_file_close(&f);
}

/* Another `next` in an index without entries, and a checksum that is right. */
static void
forge_next(struct vrv_file *f, int64_t next)
{
    uint8_t b[VRV_INDEX_HEADER + VRV_INDEX_FOOTER];
    struct vrv_err e = { 0 };

    tap_need(vrv_file_read_full(f, b, sizeof(b), 0, &e), e.msg);
    vrv_put_le64(b + VRV_INDEX_HEADER + VRV_IXF_NEXT, (uint64_t)next);
    vrv_put_le32(b + sizeof(b) - 4, vrv_crc32c(0, b, sizeof(b) - 4));
    put(f, b, sizeof(b), 0);
}

static void
test_empty(void)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };
    struct vrv_index_entry x;
    struct vrv_seal s,
        none = {
            .base = 7, .next = 7, .min_ts = INT64_MAX, .max_ts = INT64_MIN, .max_ts_offset = -1};
    bool found = true;

    IS(vrv_index_create(f, 7, &sum, &e), 0, "an index without entries");
    IS(vrv_index_find(f, 0, 7, 0, &x, &found, &e), 0, "can be searched");
    OK(!found, "in vain");
    IS(vrv_index_read_seal(f, 7, &s, &e), VRV_E_CORRUPT, "it isn't sealed yet");
    IS_STR(e.msg, "x.index: not sealed: no room for a footer in 64 bytes", "which is said");
    IS(vrv_index_seal(f, &none, sum, &e), 0, "it can be sealed");
    IS(vrv_index_read_seal(f, 7, &s, &e), 0, "and read");
    OK(is_seal(&s, &none), "as an empty one");
    forge_next(f, 6);
    IS(vrv_index_read_seal(f, 7, &s, &e), VRV_E_CORRUPT, "it can't end before it begins: %s",
        e.msg);
    vrv_file_close(&f);
}

static void
test_unsealed(void)
{
    struct vrv_err e = { 0 };
    struct vrv_index_entry v[10];
    struct vrv_seal s;

    for (int i = 0; i < 10; i++)
        v[i] = (struct vrv_index_entry){5 + i, (uint64_t)i * 100, i};

    struct vrv_file *f = index_new(5, v, 10);

    IS(vrv_index_read_seal(f, 5, &s, &e), VRV_E_CORRUPT, "a growing index isn't a sealed one");
    IS_STR(e.msg, "x.index: not sealed: no footer at the end of 304 bytes", "which is said");
    vrv_file_close(&f);
}

/* What a growing index must not be. */
static void
test_refused(void)
{
    struct vrv_file *f = index_new(1000, golden_entries, 3);
    struct vrv_err e = { 0 };
    struct vrv_seal s = golden_seal;

    IS(vrv_index_check(f, &s, sum, &e), 0, "a growing index is checked: %s", e.msg);
    IS(vrv_index_check(f, &s, sum ^ 1, &e), VRV_E_CORRUPT, "other entries: %s", e.msg);
    s.entries = 4;
    IS(vrv_index_check(f, &s, sum, &e), VRV_E_CORRUPT, "more entries than there are: %s", e.msg);
    s = golden_seal;
    s.base = 999;
    IS(vrv_index_check(f, &s, sum, &e), VRV_E_CORRUPT, "another segment's index: %s", e.msg);
    s = golden_seal;
    s.next = 0x123456789;
    IS(vrv_index_check(f, &s, sum, &e), VRV_E_CORRUPT, "an entry at the end: %s", e.msg);
    s = golden_seal;
    s.data_size = 9000;
    IS(vrv_index_check(f, &s, sum, &e), VRV_E_CORRUPT, "an entry behind the data: %s", e.msg);
    vrv_file_close(&f);
}

/* Each field by itself must not decrease. */
static void
test_descent(void)
{
    struct vrv_index_entry bad[3][2] = {
        {{1008, 10, 10}, {1007, 20, 20}},
        {{1007, 21, 10}, {1008, 20, 20}},
        {{1007, 10, 21}, {1008, 20, 20}},
    };
    struct vrv_seal s = golden_seal;
    struct vrv_err e = { 0 };

    s.entries = 2;
    for (int i = 0; i < 3; i++) {
        struct vrv_file *f = index_new(1000, bad[i], 2);

        IS(vrv_index_check(f, &s, sum, &e), VRV_E_CORRUPT, "not ascending: %s", e.msg);
        vrv_file_close(&f);
    }
}

/* ---- damage ---- */

static void
test_flips(void)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };
    struct vrv_seal s;
    int missed = 0, other = 0;

    put(f, golden, sizeof(golden), 0);
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        uint8_t byte = (uint8_t)(golden[bit / 8] ^ 1 << bit % 8);

        e = (struct vrv_err){0};
        put(f, &byte, 1, bit / 8);

        int rc = vrv_index_read_seal(f, 1000, &s, &e);

        missed += rc == 0;
        other += rc != VRV_E_CORRUPT || e.code != rc || e.msg[0] == '\0';
        put(f, &golden[bit / 8], 1, bit / 8);
    }
    IS(missed, 0, "each of %zu flipped bits is found", sizeof(golden) * 8);
    IS(other, 0, "and is CORRUPT, with a sentence");
    IS(vrv_index_read_seal(f, 1000, &s, &e), 0, "unharmed, it is whole again");
    vrv_file_close(&f);
}

static void
test_lengths(void)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };
    struct vrv_seal s;
    int missed = 0;

    put(f, golden, sizeof(golden), 0);
    put(f, golden, 100, sizeof(golden));
    for (uint64_t n = sizeof(golden) + 100; n-- > 0;) {
        if (n == sizeof(golden))
            continue;
        tap_need(vrv_file_truncate(f, n, &e), e.msg);
        missed += vrv_index_read_seal(f, 1000, &s, &e) != VRV_E_CORRUPT;
    }
    IS(missed, 0, "every length but the right one is found");
    vrv_file_close(&f);
}

/* A footer with a right checksum, whose numbers are wrong all the same. */
static int
read_forged(size_t at, uint64_t value, size_t size, int64_t base, struct vrv_err *e)
{
    struct vrv_file *f = file_new();
    uint8_t b[sizeof(golden)];
    struct vrv_seal s;

    memcpy(b, golden, sizeof(b));
    for (size_t i = 0; i < size; i++)
        b[at + i] = (uint8_t)(value >> 8 * i);
    vrv_put_le32(b + VRV_IXH_CRC, vrv_crc32c(0, b, VRV_IXH_CRC));
    vrv_put_le32(b + sizeof(b) - 4, vrv_crc32c(0, b, sizeof(b) - 4));
    put(f, b, sizeof(b), 0);

    int rc = vrv_index_read_seal(f, base, &s, e);

    vrv_file_close(&f);
    return rc;
}

static void
test_forged(void)
{
    const size_t footer = sizeof(golden) - VRV_INDEX_FOOTER;
    struct vrv_err e = { 0 };

    IS(read_forged(0, 'V', 1, 1000, &e), 0, "checksums are put right");
    IS(read_forged(0, 'V', 1, 1001, &e), VRV_E_CORRUPT, "another segment's index: %s", e.msg);
    IS(read_forged(VRV_IXH_VERSION, 2, 4, 1000, &e), VRV_E_VERSION, "a newer version: %s", e.msg);
    IS(read_forged(VRV_IXH_VERSION, 0, 4, 1000, &e), VRV_E_CORRUPT, "version 0: %s", e.msg);
    IS(read_forged(VRV_IXH_ENTRY_SIZE, 32, 4, 1000, &e), VRV_E_CORRUPT, "larger entries: %s",
        e.msg);
    IS(read_forged(footer + VRV_IXF_VERSION, 2, 4, 1000, &e), VRV_E_CORRUPT, "two versions: %s",
        e.msg);
    IS(read_forged(footer + VRV_IXF_BASE, 999, 8, 1000, &e), VRV_E_CORRUPT, "two bases: %s", e.msg);
    IS(read_forged(footer + VRV_IXF_NEXT, 999, 8, 1000, &e), VRV_E_CORRUPT, "ends too early: %s",
        e.msg);
    IS(read_forged(footer + VRV_IXF_ENTRIES, UINT32_MAX, 4, 1000, &e), VRV_E_CORRUPT,
        "too many entries: %s", e.msg);
    IS(read_forged(footer + VRV_IXF_ENTRIES, 2, 4, 1000, &e), VRV_E_CORRUPT, "too few entries: %s",
        e.msg);
    IS(read_forged(footer + VRV_IXF_ABORTED, UINT32_MAX, 4, 1000, &e), VRV_E_CORRUPT,
        "too many aborted: %s", e.msg);
    IS(read_forged(VRV_INDEX_HEADER, 999, 8, 1000, &e), VRV_E_CORRUPT, "an entry outside: %s",
        e.msg);
    IS(read_forged(VRV_INDEX_HEADER + VRV_IXE_POS, 5000, 8, 1000, &e), VRV_E_CORRUPT,
        "entries descend: %s", e.msg);
}

/* ---- a file that counts reads, and says no ---- */

struct watched {
    struct vrv_file file;
    struct vrv_file *inner;
    int reads;
    int fail_at; /* the read that fails; 0 for none */
    int fail_rc; /* with this; VRV_E_AGAIN is a short answer where it can be */
};

static ssize_t
watched_pread(
    struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags, struct vrv_err *e)
{
    struct watched *w = (struct watched *)(void *)f;

    if (++w->reads == w->fail_at && w->fail_rc != 0)
        return vrv_err_set(e, w->fail_rc, "watched: told to");
    if (w->reads == w->fail_at)
        n /= 2;
    return vrv_file_pread(w->inner, buf, n, pos, flags, e);
}

static const struct vrv_file_ops watched_ops = { .pread = watched_pread };

enum { FIND_MAX = 70000 };

static struct vrv_index_entry all[FIND_MAX];

/* Entries with gaps, and with timestamps that often stay. */
static void
make_entries(uint32_t n, struct vrv_rand *r)
{
    struct vrv_index_entry x = {100, 0, INT64_MIN};

    for (uint32_t i = 0; i < n; i++) {
        all[i] = x;
        x.offset += 1 + (int64_t)vrv_rand_below(r, 20);
        x.pos += 61 + vrv_rand_below(r, 9000);
        x.max_ts = x.max_ts == INT64_MIN ? 50 : x.max_ts + (int64_t)vrv_rand_below(r, 3);
    }
}

/* One look-up, compared to a walk over all. */
static bool
find_right(struct vrv_file *f, uint32_t n, bool by_time, int64_t key)
{
    const struct vrv_index_entry *want = NULL;
    struct vrv_index_entry got = { 0 };
    bool found = false;
    int rc = by_time ? vrv_index_find_time(f, n, key, 0, &got, &found, NULL)
                     : vrv_index_find(f, n, key, 0, &got, &found, NULL);

    for (uint32_t i = 0; i < n; i++)
        if (by_time ? all[i].max_ts < key : all[i].offset <= key)
            want = &all[i];
    return rc == 0 && found == (want != NULL) &&
           (want == NULL || memcmp(&got, want, sizeof(got)) == 0);
}

static void
test_find(void)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 681, 682, 683, 684, 1365, 1366, 5000, FIND_MAX};
    struct vrv_rand r = {1};

    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct watched w = { .file = {&watched_ops, "watched"} };
        uint32_t n = sizes[k];
        int wrong = 0, most = 0, limit = 1;

        for (uint32_t left = n; left > 682; left -= left / 2)
            limit++;
        make_entries(n, &r);
        w.inner = index_new(100, all, n);
        for (int i = 0; i < 400; i++) {
            const struct vrv_index_entry *x = &all[vrv_rand_below(&r, n + 1) % FIND_MAX];
            int64_t off = (int64_t)vrv_rand_below(&r, 3) - 1;
            bool by_time = i % 2;

            w.reads = 0;
            if (i < 4)
                wrong += !find_right(&w.file, n, by_time, i < 2 ? INT64_MIN : INT64_MAX);
            else if (by_time)
                wrong += !find_right(&w.file, n, true, (x->max_ts < 0 ? 50 : x->max_ts) + off);
            else
                wrong += !find_right(&w.file, n, false, x->offset + off);
            most = w.reads > most ? w.reads : most;
        }
        IS(wrong, 0, "of %" PRIu32 " entries always the right one is found", n);
        OK(most <= limit, "with %d reads, at most %d", most, limit);
        vrv_file_close(&w.inner);
    }
}

static void
test_find_trouble(void)
{
    struct watched w = { .file = {&watched_ops, "watched"} };
    struct vrv_rand r = {2};
    struct vrv_err e = { 0 };
    struct vrv_index_entry x;
    bool found;

    make_entries(3000, &r);
    w.inner = index_new(100, all, 3000);
    for (w.fail_at = 1; w.fail_at <= 4; w.fail_at++) {
        w.reads = 0;
        w.fail_rc = VRV_E_IO;
        IS(vrv_index_find(&w.file, 3000, 500, 0, &x, &found, &e), VRV_E_IO,
            "read %d fails: that is the answer", w.fail_at);
        w.reads = 0;
        w.fail_rc = VRV_E_AGAIN;
        IS(vrv_index_find_time(&w.file, 3000, 500, VRV_READ_NOWAIT, &x, &found, &e), VRV_E_AGAIN,
            "it would have to wait: so would the caller");
        w.reads = w.fail_rc = 0;
        IS(vrv_index_find(&w.file, 3000, 500, VRV_READ_NOWAIT, &x, &found, &e), VRV_E_AGAIN,
            "a part is in memory: the rest would have to wait");
        w.reads = 0;
        IS(vrv_index_find(&w.file, 3000, 500, 0, &x, &found, &e), VRV_E_CORRUPT,
            "a part is all there is: %s", e.msg);
    }
    w.fail_at = 0;
    IS(vrv_index_find(&w.file, 3001, INT64_MAX, 0, &x, &found, &e), VRV_E_CORRUPT,
        "more entries than the file has: %s", e.msg);
    vrv_file_close(&w.inner);
}

/* One wrong entry anywhere in what a look-up reads is noticed. */
static void
test_find_descent(void)
{
    struct vrv_rand r = {3};
    struct vrv_err e;
    struct vrv_index_entry x;
    int missed = 0;
    bool found;

    make_entries(3000, &r);

    struct vrv_file *f = index_new(100, all, 3000);

    for (uint32_t i = 1; i < 600; i++) {
        x = (struct vrv_index_entry){all[i - 1].offset - 1, all[i].pos, all[i].max_ts};
        put_entries(f, i, &x, 1);
        e = (struct vrv_err){0};
        missed +=
            vrv_index_find(f, 600, 100, 0, &x, &found, &e) != VRV_E_CORRUPT || e.msg[0] == '\0';
        put_entries(f, i, &all[i], 1);
    }
    IS(missed, 0, "each descending entry is found among those read");
    x = (struct vrv_index_entry){1, 1, 1};
    put_entries(f, 2250, &x, 1); /* the second probe of a search to the end */
    IS(vrv_index_find(f, 3000, INT64_MAX, 0, &x, &found, &e), VRV_E_CORRUPT,
        "a probe below the one before it is noticed: %s", e.msg);
    put_entries(f, 2250, &all[2250], 1);
    x = all[2999];
    put_entries(f, 750, &x, 1); /* the second probe of a search to the start */
    IS(vrv_index_find(f, 3000, 100, 0, &x, &found, &e), VRV_E_CORRUPT, "and one above it: %s",
        e.msg);
    put_entries(f, 750, &all[750], 1);
    x = all[2999];
    put_entries(f, 374, &x, 1); /* the last entry before the third */
    IS(vrv_index_find(f, 3000, 100, 0, &x, &found, &e), VRV_E_CORRUPT,
        "and the last of the rest above what follows: %s", e.msg);
    vrv_file_close(&f);
}

static int
write_all(struct vrv_file *f, struct vrv_err *e)
{
    int rc = vrv_index_create(f, 1000, &sum, e);

    if (rc == 0)
        rc = vrv_index_write(f, 0, golden_entries, 3, &sum, e);
    if (rc == 0)
        rc = vrv_index_seal(f, &golden_seal, sum, e);
    return rc;
}

/* Every operation fails once: it is reported, and what was half written is no sealed index. */
static void
test_faults(void)
{
    struct vrv_file *f = file_new();
    struct vrv_err e = { 0 };
    struct vrv_seal s;
    uint64_t ops = simdisk_ops(disk);
    int wrong = 0, taken = 0;

    tap_need(write_all(f, &e), e.msg);
    ops = simdisk_ops(disk) - ops;
    for (uint64_t n = 1; n <= ops; n++) {
        tap_need(vrv_file_truncate(f, 0, &e), e.msg);
        simdisk_fail(disk, n, SIM_EIO, false);
        wrong += write_all(f, &e) != VRV_E_IO;
        simdisk_fail(disk, 0, SIM_EIO, false);
        taken += vrv_index_read_seal(f, 1000, &s, &e) == 0;
    }
    OK(ops >= 4 && wrong == 0, "each of %" PRIu64 " operations fails once, and says so", ops);
    IS(taken, 0, "and leaves no index that looks sealed");
    vrv_file_close(&f);
}

int
main(void)
{
    disk = simdisk_new(1);
    test_bytes();
    test_empty();
    test_unsealed();
    test_refused();
    test_descent();
    test_flips();
    test_lengths();
    test_forged();
    test_find();
    test_find_trouble();
    test_find_descent();
    test_faults();
    simdisk_free(&disk);
    return tap_done();
}
