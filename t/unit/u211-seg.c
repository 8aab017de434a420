/* One segment: writing, sealing, finding by offset and time against a walk over all batches,
 * indexes made anew, and what flipped bits do. */
#include "engine/seg/seg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/build.h"
#include "engine/seg/index_format.h"
#include "engine/seg/seg_walk.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { BATCHES = 400, BASE = 1000 };

struct batch {
    uint8_t *bytes;
    size_t n;
    uint64_t pos;
    struct vrv_batch b;
};

static struct simdisk *disk;
static struct vrv_files files;
static struct vrv_rand rnd = { 1 };
static struct batch all[BATCHES];
static size_t all_n;
static const struct vrv_log_id id = { .topic = { { 0xab, 1, 2 } }, .partition = 7 };

static int64_t
below(int64_t n)
{
    return (int64_t)(vrv_rand_next(&rnd) % (uint64_t)n);
}

/* A batch of some records at `offset`; times go up by and large, not always. */
static void
make_batch(struct batch *out, struct vrv_batch_builder *bb, int64_t offset, int64_t ts)
{
    uint8_t value[700];
    struct vrv_err e = { 0 };
    const uint8_t *p;
    size_t n;

    for (int64_t i = 1 + below(4); i > 0; i--) {
        int32_t len = (int32_t)below((int64_t)sizeof(value));

        for (int32_t k = 0; k < len; k++)
            value[k] = (uint8_t)below(4);
        vrv_batch_builder_add(bb, ts + below(50), NULL, -1, value, len, NULL, 0);
    }
    tap_need(vrv_batch_builder_finish(bb, (enum vrv_codec)below(5), &p, &n, &e), e.msg);
    out->bytes = vrv_mem_zero(n);
    memcpy(out->bytes, p, n);
    vrv_batch_stamp(out->bytes, offset, 3);
    tap_need(vrv_batch_read(&out->b, out->bytes, n, &e), e.msg);
    out->n = n;
}

static void
forget_batches(void)
{
    for (size_t i = 0; i < all_n; i++)
        free(all[i].bytes);
    all_n = 0;
}

static void
make_batches(size_t n)
{
    struct vrv_batch_builder bb;
    int64_t offset = BASE;
    uint64_t pos = 0;

    forget_batches();
    vrv_batch_builder_init(&bb);
    for (all_n = 0; all_n < n; all_n++) {
        struct batch *b = &all[all_n];

        if (all_n > 0 && below(10) == 0)
            offset += below(100); /* a hole */
        make_batch(b, &bb, offset, 10000 + (int64_t)all_n * 10 - below(300));
        b->pos = pos;
        pos += b->n;
        offset = vrv_batch_last_offset(&b->b) + 1;
    }
    vrv_batch_builder_fini(&bb);
}

static struct vrv_seg *
seg_new(void)
{
    return vrv_seg_new(&files, &id, BASE, 5);
}

/* Write batches from..to-1, a few at a time, as the flusher does. */
static void
write_some(struct vrv_seg *s, size_t from, size_t to, uint32_t interval)
{
    struct vrv_err e = { 0 };

    while (from < to) {
        struct iovec iov[8];
        struct vrv_seg_written w;
        size_t n = (size_t)(1 + below(8));

        n = n < to - from ? n : to - from;
        for (size_t i = 0; i < n; i++) {
            iov[i] = (struct iovec){ all[from + i].bytes, all[from + i].n };
            s->size += all[from + i].n;
            s->next = vrv_batch_last_offset(&all[from + i].b) + 1;
        }
        tap_need(vrv_seg_write(s, iov, (int)n, interval, &w, &e), e.msg);
        vrv_seg_apply(s, &w);
        from += n;
    }
}

static void
seal(struct vrv_seg *s)
{
    struct vrv_seg_written w;
    struct vrv_err e = { 0 };

    s->state = VRV_SEG_CLOSED;
    tap_need(vrv_seg_foot(s, &w, &e), e.msg);
    vrv_seg_apply(s, &w);
    s->state = VRV_SEG_FOOTED;
    tap_need(vrv_vfs_sync_all(simdisk_vfs(disk), &e), e.msg);
    tap_need(vrv_seg_seal(s, &e), e.msg);
}

static void
start(uint64_t seed, size_t batches)
{
    struct vrv_err e = { 0 };

    rnd = (struct vrv_rand){ seed };
    disk = simdisk_new(seed);
    vrv_files_init(&files, simdisk_vfs(disk), 8);
    tap_need(vrv_vfs_mkdir(simdisk_vfs(disk), "log", &e), e.msg);
    make_batches(batches);
}

static void
stop(struct vrv_seg *s)
{
    vrv_seg_unref(s);
    vrv_files_fini(&files);
    simdisk_free(&disk);
}

/* The same segment, as a new process would know it. */
static struct vrv_seg *
reopened(const struct vrv_seg *s)
{
    struct vrv_seg *r = seg_new();

    r->next = r->flushed_next = s->flushed_next;
    r->size = r->flushed = s->flushed;
    r->crc = s->crc;
    r->index_n = s->index_n;
    r->index_crc = s->index_crc;
    r->indexed = s->indexed;
    r->min_ts = s->min_ts;
    r->max_ts = s->max_ts;
    r->max_ts_offset = s->max_ts_offset;
    r->state = atomic_load(&s->state);
    r->interval = s->interval;
    return r;
}

static void
path_of(const char *suffix, char out[VRV_PATH_MAX])
{
    vrv_seg_path(&id, BASE, suffix, out);
}

/* A whole file; the caller frees it. */
static uint8_t *
slurp(const char *suffix, uint64_t *n)
{
    char path[VRV_PATH_MAX];
    struct vrv_file *f = NULL;
    struct vrv_err e = { 0 };

    path_of(suffix, path);
    tap_need(vrv_vfs_open(simdisk_vfs(disk), path, 0, &f, &e), e.msg);
    tap_need(vrv_file_size(f, n, &e), e.msg);
    uint8_t *p = vrv_mem_zero(*n + 1);
    tap_need(vrv_file_read_full(f, p, *n, 0, &e), e.msg);
    vrv_file_close(&f);
    return p;
}

static bool
same_file(const char *suffix, const uint8_t *want, uint64_t want_n)
{
    uint64_t n;
    uint8_t *p = slurp(suffix, &n);
    bool same = n == want_n && memcmp(p, want, n) == 0;

    free(p);
    return same;
}

static void
drop(const char *suffix)
{
    char path[VRV_PATH_MAX];
    struct vrv_err e = { 0 };

    path_of(suffix, path);
    tap_need(vrv_vfs_unlink(simdisk_vfs(disk), path, &e), e.msg);
}

static void
flip(const char *suffix, uint64_t pos, uint8_t mask)
{
    char path[VRV_PATH_MAX];

    path_of(suffix, path);
    if (!simdisk_corrupt(disk, path, pos, mask))
        tap_bail("no byte %" PRIu64 " in %s", pos, path);
}

/* ---- finding, against a walk over what was written ---- */

static const struct batch *
brute(size_t written, bool by_time, int64_t key)
{
    for (size_t i = 0; i < written; i++)
        if ((by_time ? all[i].b.max_ts : vrv_batch_last_offset(&all[i].b)) >= key)
            return &all[i];
    return NULL;
}

/* 0 when the answer is right, 1 when it's wrong, negative when there is none. */
static int
ask(struct vrv_seg *s, size_t written, bool by_time, int64_t key, struct vrv_err *e)
{
    struct vrv_seg_view v = vrv_seg_view(s);
    struct vrv_seg_place at;
    const struct batch *want = brute(written, by_time, key);
    int rc = by_time ? vrv_seg_find_time(s, &v, key, 0, &at, e)
                     : vrv_seg_find(s, &v, key, 0, &at, e);

    if (rc < 0)
        return rc;
    if (want == NULL)
        return at.size != 0;
    return at.size != want->n || at.pos != want->pos || at.base != want->b.base_offset;
}

/* How many of many questions get a wrong answer or none. */
static int
wrong_of_each(struct vrv_seg *s, size_t written, int64_t step)
{
    struct vrv_err e = { 0 };
    int wrong = 0;

    for (int64_t o = BASE - 2; o < s->next + 3; o += step)
        wrong += ask(s, written, false, o, &e) != 0;
    for (int64_t ts = 9600; ts < 15000; ts += 7 * step)
        wrong += ask(s, written, true, ts, &e) != 0;
    if (wrong > 0)
        tap_note("last error: %s", e.msg);
    return wrong;
}

static int
wrong_answers(struct vrv_seg *s, size_t written)
{
    return wrong_of_each(s, written, 1);
}

static void
test_find(uint32_t interval)
{
    start(interval + 1, BATCHES);
    struct vrv_seg *s = seg_new();

    for (size_t part = 100; part <= BATCHES; part += 100) {
        write_some(s, part - 100, part, interval);
        IS(wrong_answers(s, part), 0, "interval %u: %zu batches written, each is found", interval,
            part);
    }
    seal(s);
    IS(wrong_answers(s, BATCHES), 0, "interval %u: sealed, each is found", interval);
    struct vrv_seg *r = reopened(s);
    IS(wrong_answers(r, BATCHES), 0, "interval %u: after a restart, each is found", interval);
    vrv_seg_unref(r);
    stop(s);
}

static void
test_nowait(void)
{
    struct vrv_err e = { 0 };
    struct vrv_seg_place at;

    start(3, 100);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 100, 1000);
    seal(s);
    struct vrv_seg *r = reopened(s);
    struct vrv_seg_view v = vrv_seg_view(r);
    IS(vrv_seg_find(r, &v, BASE + 50, VRV_READ_NOWAIT, &at, &e), VRV_E_AGAIN,
        "an index that was not checked yet is not checked by who can't wait");
    IS(vrv_seg_find(r, &v, BASE + 50, 0, &at, &e), 0, "who can, does");
    IS(vrv_seg_find(r, &v, BASE + 50, VRV_READ_NOWAIT, &at, &e), 0, "then it's there for all");
    vrv_seg_unref(r);
    stop(s);
}

/* ---- check ---- */

static void
test_check(void)
{
    struct vrv_err e = { 0 };
    struct vrv_seal seal;

    start(4, 200);
    struct vrv_seg *s = seg_new();
    IS(vrv_seg_check(s, 0, &seal, &e), 0, "nothing is sound");
    write_some(s, 0, 200, 4096);
    IS(vrv_seg_check(s, s->flushed, &seal, &e), 0, "a segment is sound");
    OK(seal.next == s->next && seal.data_size == s->size && seal.data_crc == s->crc,
        "the check counts what writing counted");
    OK(seal.min_ts == s->min_ts && seal.max_ts == s->max_ts &&
            seal.max_ts_offset == s->max_ts_offset,
        "with its times");
    IS(vrv_seg_check(s, s->flushed - 1, &seal, &e), VRV_E_CORRUPT, "cut within a batch: found");
    OK(seal.data_size == all[199].pos && seal.next == vrv_batch_last_offset(&all[198].b) + 1,
        "and what is before it told");
    IS(vrv_seg_check(s, s->flushed + 10, &seal, &e), VRV_E_CORRUPT, "too short a file: found");
    OK(strstr(e.msg, ".log, byte ") != NULL && strstr(e.msg, "offset ") != NULL,
        "named with file, byte and offset: %s", e.msg);
    stop(s);
}

static void
test_large_batch(void)
{
    struct vrv_batch_builder bb;
    struct vrv_err e = { 0 };
    struct vrv_seal seal;
    size_t n = 3000000;
    uint8_t *value = vrv_mem_zero(n);
    const uint8_t *p;

    start(5, 3);
    free(all[1].bytes);
    vrv_batch_builder_init(&bb);
    vrv_batch_builder_add(&bb, 10000, NULL, -1, value, (int32_t)n, NULL, 0);
    tap_need(vrv_batch_builder_finish(&bb, VRV_CODEC_NONE, &p, &all[1].n, &e), e.msg);
    all[1].bytes = vrv_mem_zero(all[1].n);
    memcpy(all[1].bytes, p, all[1].n);
    vrv_batch_stamp(all[1].bytes, vrv_batch_last_offset(&all[0].b) + 1, 3);
    tap_need(vrv_batch_read(&all[1].b, all[1].bytes, all[1].n, &e), e.msg);
    vrv_batch_stamp(all[2].bytes, all[1].b.base_offset + 10, 3);
    tap_need(vrv_batch_read(&all[2].b, all[2].bytes, all[2].n, &e), e.msg);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 3, 4096);
    IS(vrv_seg_check(s, s->flushed, &seal, &e), 0, "a batch larger than a piece is checked whole");
    flip("log", all[0].n + 2500000, 1);
    IS(vrv_seg_check(s, s->flushed, &seal, &e), VRV_E_CORRUPT, "also where it ends");
    IS(seal.data_size, all[0].n, "the batches before it are counted");
    struct vrv_seg_walk k;
    struct vrv_batch b;
    vrv_seg_walk_init(&k, s, s->flushed);
    k.pos = all[0].n;
    k.next = all[1].b.base_offset;
    IS(vrv_seg_walk_skip(&k, s->next, &e), 1, "a walk goes on behind it");
    IS(vrv_seg_walk_next(&k, &b, &e), 1, "with a whole batch");
    IS(b.base_offset, all[1].b.base_offset + 10, "the next one");
    vrv_seg_walk_fini(&k);
    vrv_batch_builder_fini(&bb);
    free(value);
    stop(s);
}

/* One bit in each byte of a batch's header and in some of its payload: a damage is found, and the
 * walk finds all other batches.  Bytes outside of the checksum: by the offsets' order, or by the
 * checksum of the whole. */
static void
test_data_flips(void)
{
    struct vrv_err e = { 0 };
    struct vrv_seal was, now;
    int missed = 0, lost = 0;

    start(6, 60);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 60, 4096);
    tap_need(vrv_seg_check(s, s->flushed, &was, &e), e.msg);
    for (uint64_t at = 0; at < all[30].n; at += at < 70 ? 1 : 17) {
        uint8_t mask = (uint8_t)(1 << below(8));

        flip("log", all[30].pos + at, mask);
        int rc = vrv_seg_check(s, s->flushed, &now, &e);
        missed += rc == 0 && now.data_crc == was.data_crc;
        if (rc == VRV_E_CORRUPT) {
            struct vrv_seg_walk k;
            struct vrv_batch b;
            int n = 0;

            vrv_seg_walk_init(&k, s, s->flushed);
            while ((rc = vrv_seg_walk_next(&k, &b, &e)) != 0) {
                n += rc > 0;
                if (rc < 0 && vrv_seg_walk_skip(&k, s->next, &e) == 0)
                    break;
            }
            vrv_seg_walk_fini(&k);
            lost += n < 59;
        }
        flip("log", all[30].pos + at, mask);
    }
    IS(missed, 0, "every flipped bit of a batch is found");
    IS(lost, 0, "and costs no other batch");
    stop(s);
}

/* ---- the index made anew ---- */

static void
test_rebuild(uint32_t interval)
{
    struct vrv_err e = { 0 };
    uint64_t n;

    start(interval + 7, 300);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 300, interval);
    seal(s);
    uint8_t *was = slurp("index", &n);
    drop("index");
    IS(vrv_seg_rebuild_index(s, interval, &e), 0, "interval %u: the index is made anew",
        interval);
    OK(same_file("index", was, n), "byte for byte the one that was (%" PRIu64 " bytes)", n);
    IS(vrv_seg_rebuild_index(s, interval * 3 + 1, &e), 0,
        "and with another interval");
    IS(wrong_answers(s, 300), 0, "which answers right, too");
    free(was);
    stop(s);
}

/* Missing, cut, or with any byte changed: what a reader asks first makes it anew. */
static void
test_sealed_damage(void)
{
    int wrong = 0, kept = 0, tried = 0;
    uint64_t n;

    start(20, 200);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 200, 4096);
    seal(s);
    uint8_t *was = slurp("index", &n);
    for (uint64_t at = 0; at < n; at++, tried++) {
        struct vrv_seg *r = reopened(s);

        flip("index", at, (uint8_t)(1 << (at % 8)));
        wrong += wrong_of_each(r, 200, 31) > 0;
        kept += !same_file("index", was, n);
        vrv_seg_unref(r);
    }
    IS(wrong, 0, "no bit of a sealed index makes a wrong answer (%d tried)", tried);
    IS(kept, 0, "each damaged index was replaced by the right one");
    drop("index");
    struct vrv_seg *r = reopened(s);
    IS(wrong_answers(r, 200), 0, "a missing one is missed by nobody");
    OK(same_file("index", was, n), "and there again");
    vrv_seg_unref(r);
    free(was);
    stop(s);
}

/* No room for a new index, and a damaged old one. */
static void
test_no_rebuild(void)
{
    uint64_t n;

    start(21, 200);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 200, 4096);
    seal(s);
    struct vrv_seg *r = reopened(s);
    flip("index", 70, 1);
    free(slurp("index", &n));
    simdisk_fail(disk, 1, SIM_ENOSPC, true);
    IS(wrong_answers(r, 200), 0, "where it can't be made anew, look-ups do without");
    simdisk_fail(disk, 0, SIM_ENOSPC, false);
    vrv_seg_unref(r);
    flip("log", all[150].pos + 16, 1);
    r = reopened(s);
    struct vrv_err e = { 0 };
    IS(ask(r, 200, false, all[100].b.base_offset, &e), 0,
        "index and data damaged: batches before the damage are found");
    IS(ask(r, 200, false, all[150].b.base_offset, &e), VRV_E_CORRUPT, "the damage is told: %s",
        e.msg);
    vrv_seg_unref(r);
    stop(s);
}

static void
protect(const char *suffix)
{
    char path[VRV_PATH_MAX];
    struct vrv_file *f = NULL;
    struct vrv_err e = { 0 };

    path_of(suffix, path);
    tap_need(vrv_vfs_open(simdisk_vfs(disk), path, 0, &f, &e), e.msg);
    tap_need(vrv_file_set_readonly(f, true, &e), e.msg);
    vrv_file_close(&f);
}

static void
damage_open(int how)
{
    if (how == 0)
        drop("index");
    else if (how == 1)
        flip("index", VRV_IXH_BASE, 1);
    else if (how == 2)
        flip("index", VRV_INDEX_HEADER + VRV_INDEX_ENTRY + VRV_IXE_POS + 6, 0x40);
    else if (how == 3)
        flip("index", VRV_INDEX_HEADER + 9 * VRV_INDEX_ENTRY + VRV_IXE_MAX_TS, 0x01);
    else { /* as if sealed, but nobody kept the record of that */
        protect("index");
        protect("log");
    }
}

/* After a restart the index of a growing segment is read by readers, then written on.  Entries that
 * hadn't been written are missing: a longer walk. */
static void
test_open_damage(int how)
{
    static const char *const what[] = { "missing", "with another header", "with a wild entry",
        "with a wrong time", "and data read-only" };
    struct vrv_seg_written w;
    struct vrv_err e = { 0 };
    uint64_t n;

    start(22, 300);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 200, 500);
    uint8_t *was = slurp("index", &n);
    OK(s->index_n > 0 && n == VRV_INDEX_HEADER + (uint64_t)s->index_n * VRV_INDEX_ENTRY,
        "an index of %u entries", s->index_n);
    struct vrv_seg *r = reopened(s);
    damage_open(how);
    IS(wrong_answers(r, 200), 0, "an open segment's index %s: each batch is found", what[how]);
    write_some(r, 200, 300, 500);
    IS(wrong_answers(r, 300), 0, "the segment grows on");
    uint64_t now_n;
    uint8_t *now = slurp("index", &now_n);
    OK(now_n > n && memcmp(now, was, n) == 0, "its index is what it was, and grows on");
    r->state = VRV_SEG_CLOSED;
    IS(vrv_seg_foot(r, &w, &e), 0, "and is sealed: %s", e.msg);
    vrv_seg_apply(r, &w);
    r->state = VRV_SEG_SEALED;
    struct vrv_seg *again = reopened(r);
    IS(wrong_answers(again, 300), 0, "sealed, each batch is found");
    OK(again->index_state == VRV_INDEX_GOOD, "by an index that is sound");
    vrv_seg_unref(again);
    vrv_seg_unref(r);
    free(now);
    free(was);
    stop(s);
}

/* A reader that still holds the old file, and one that comes after the rebuild. */
static void
test_renew(void)
{
    struct vrv_err e = { 0 };
    struct vrv_file *a, *b;
    char path[VRV_PATH_MAX];

    start(23, 100);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 100, 1000);
    seal(s);
    path_of("index", path);
    tap_need(vrv_files_get(&files, &s->index, path, 0, &a, &e), e.msg);
    IS(vrv_seg_rebuild_index(s, 1000, &e), 0,
        "an index is replaced while somebody reads it");
    tap_need(vrv_files_get(&files, &s->index, path, 0, &b, &e), e.msg);
    OK(a == b, "which goes on with the old file");
    vrv_files_put(&files, &s->index);
    vrv_files_put(&files, &s->index);
    IS(files.open, 1, "closed by the last of its users (the data file is open)");
    stop(s);
}

/* The handle was given up to make room, and a reader was faster than the sealing. */
static void
test_seal_while_read(void)
{
    struct vrv_seg_written w;
    struct vrv_err e = { 0 };
    struct vrv_file *f;

    start(24, 100);
    struct vrv_seg *s = seg_new();
    write_some(s, 0, 100, 1000);
    s->state = VRV_SEG_CLOSED;
    tap_need(vrv_seg_foot(s, &w, &e), e.msg);
    vrv_seg_apply(s, &w);
    vrv_files_clear(&files, &s->data);
    s->state = VRV_SEG_SEALED;
    tap_need(vrv_seg_file_get(s, &f, &e), e.msg);
    IS(vrv_seg_seal(s, &e), 0, "a segment is sealed while somebody reads it: %s", e.msg);
    vrv_seg_file_put(s);
    stop(s);
}

int
main(void)
{
    test_find(0);
    test_find(1000);
    test_find(4096);
    test_find(1 << 30);
    test_nowait();
    test_check();
    test_large_batch();
    test_data_flips();
    for (uint32_t interval = 0; interval < 20000; interval += 4096)
        test_rebuild(interval);
    test_sealed_damage();
    test_no_rebuild();
    for (int how = 0; how < 5; how++)
        test_open_damage(how);
    test_renew();
    test_seal_while_read();
    forget_batches();
    return tap_done();
}
