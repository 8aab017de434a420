/* The manifest: bytes and back, what it refuses, and where things are in it. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "t/lib/tap.h"
#include "tiering/format/manifest.h"

enum { SEGS = 6, STRIDE = 100, CHUNKS = 3 };

static struct vrv_err e;

/* The i-th of a row: offsets i * STRIDE and up, with holes within. */
static struct vrv_cold_seg
seg(int i)
{
    struct vrv_cold_seg s = { .base = i * STRIDE, .next = (i + 1) * STRIDE, .first_epoch = i / 2,
        .last_epoch = (i + 1) / 2, .size = 1000, .crc = 77, .plain = 600, .min_ts = 5000 + i,
        .max_ts = 5010 + i, .max_ts_offset = i * STRIDE + 50, .appended_ms = 1600000000000, .moved_ms = 1700000000000,
        .chunk_n = CHUNKS, .aborted = i == 2 };

    s.key = vrv_mem_strdup("d/0123/0/00000000000000000000-7-abcdef.seg");
    s.chunk = vrv_mem_zero(CHUNKS * sizeof(*s.chunk));
    for (int k = 0; k < CHUNKS; k++)
        s.chunk[k] = (struct vrv_chunk){ .base = s.base + k * 30, .pos = 64 + (uint64_t)k * 150,
            .stored = 150, .plain = 200, .crc = (uint32_t)k, .codec = VRV_CHUNK_ZSTD,
            .max_ts = 5000 + k };
    return s;
}

static struct vrv_manifest
manifest(int from, int to)
{
    struct vrv_manifest m = { .topic = { { 9 } }, .put_id = { { 8 } }, .partition = 3, .epoch = 5,
        .version = 12, .start = from * STRIDE + 20, .next = from * STRIDE };

    for (int i = from; i < to; i++) {
        struct vrv_cold_seg s = seg(i);

        tap_need(vrv_manifest_add(&m, &s, &e), e.msg);
    }
    return m;
}

/* Takes the page's key. */
static void
add_page(struct vrv_manifest *m, struct vrv_cold_page page)
{
    m->page = vrv_mem_grow(m->page, (m->page_n + 1) * sizeof(*m->page));
    m->page[m->page_n++] = page;
}

static bool
is_same(const struct vrv_manifest *a, const struct vrv_manifest *b)
{
    size_t n, k;
    uint8_t *p = vrv_manifest_write(a, &n), *q = vrv_manifest_write(b, &k);
    bool same = n == k && memcmp(p, q, n) == 0;

    free(p);
    free(q);
    return same;
}

/* ---- bytes ---- */

static void
test_round_trip(void)
{
    struct vrv_manifest m = manifest(2, SEGS), old = manifest(0, 2), back, copy;
    struct vrv_cold_page page;
    struct vrv_cold_seg *s;
    size_t n, page_n;
    uint8_t *bytes = vrv_manifest_write_page(&old, 0, 2, &page, &page_n);

    page.key = vrv_mem_strdup("m/x.page");
    add_page(&m, page);
    uint8_t *p = vrv_manifest_write(&m, &n);
    IS(vrv_manifest_read(&back, p, n, &e), 0, "a root is read (%s)", e.msg);
    OK(is_same(&m, &back), "... as it was written");
    IS(back.version, 12, "... its version");
    IS(vrv_manifest_base(&back), 0, "... it begins with its page");
    IS(back.next, SEGS * STRIDE, "... and ends with its last segment");
    OK(back.seg[0].aborted && !back.seg[1].aborted && back.seg[0].copy_key == NULL &&
           back.seg[0].chunk[2].pos == 364 && back.seg[0].chunk[2].codec == VRV_CHUNK_ZSTD,
        "... with what there is of a segment");
    IS(vrv_manifest_read_page(&back, &back.page[0], bytes, page_n, &s, &e), 0, "its page is read (%s)",
        e.msg);
    OK(s[1].base == STRIDE && s[1].chunk_n == CHUNKS && strcmp(s[1].key, old.seg[1].key) == 0,
        "... as it was written");
    vrv_manifest_copy(&copy, &back);
    OK(is_same(&copy, &back), "a copy is the same");
    IS(vrv_manifest_add(&copy, &(struct vrv_cold_seg){ 0 }, &e), VRV_E_INVALID,
        "... nothing can't be added (%s)", e.msg);
    vrv_cold_segs_free(s, 2);
    free(p);
    free(bytes);
    vrv_manifest_fini(&copy);
    vrv_manifest_fini(&back);
    vrv_manifest_fini(&m);
    vrv_manifest_fini(&old);
}

static void
test_damage(void)
{
    struct vrv_manifest m = manifest(0, SEGS), back;
    size_t n;
    uint8_t *p = vrv_manifest_write(&m, &n);
    int passed = 0, opened = 0;

    for (size_t at = 0; at < n; at++) {
        p[at] ^= (uint8_t)(1u << at % 8);
        if (vrv_manifest_read(&back, p, n, NULL) == 0) {
            passed++;
            vrv_manifest_fini(&back);
        }
        p[at] ^= (uint8_t)(1u << at % 8);
    }
    IS(passed, 0, "no flipped bit is missed");
    for (size_t k = 0; k < n; k++)
        passed += vrv_manifest_read(&back, p, k, NULL) == 0;
    IS(passed, 0, "nor a cut");
    for (size_t at = 16; at < n; at++) { /* as a liar would: with a good checksum */
        p[at] ^= 0x55;
        vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
        if (vrv_manifest_read(&back, p, n, NULL) == 0) {
            static const uint8_t bytes[200];
            uint8_t *own;

            for (uint32_t i = 0; i < back.seg_n; i++)
                if (back.seg[i].chunk[0].stored <= sizeof(bytes)) {
                    opened += vrv_chunk_open(&back.seg[i].chunk[0], bytes,
                                  back.seg[i].chunk[0].stored, &own, NULL) == 0;
                    free(own);
                }
            vrv_manifest_fini(&back);
        }
        p[at] ^= 0x55;
    }
    IS(opened, 0, "bytes that lie are survived");
    vrv_put_le32(p + 8, 2);
    vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
    IS(vrv_manifest_read(&back, p, n, &e), VRV_E_VERSION, "a newer format is told: %s", e.msg);
    free(p);
    vrv_manifest_fini(&m);
}

/* ---- what must hold ---- */

static void
refused(void (*change)(struct vrv_manifest *m), const char *what)
{
    struct vrv_manifest m = manifest(0, 3);

    change(&m);
    IS(vrv_manifest_check(&m, &e), VRV_E_CORRUPT, "%s (%s)", what, e.msg);
    vrv_manifest_fini(&m);
}

static void hole(struct vrv_manifest *m) { m->seg[1].next--; }
static void overlap(struct vrv_manifest *m) { m->seg[1].next++; }
static void empty(struct vrv_manifest *m) { m->seg[2].next = m->seg[2].base; }
static void epochs(struct vrv_manifest *m) { m->seg[1].first_epoch = m->seg[1].last_epoch = -1; }
static void no_key(struct vrv_manifest *m) { free(m->seg[1].key); m->seg[1].key = NULL; }
static void chunk_outside(struct vrv_manifest *m) { m->seg[1].chunk[2].stored = 5000; }
static void chunk_order(struct vrv_manifest *m) { m->seg[1].chunk[1].base = m->seg[1].base; }
static void chunk_sum(struct vrv_manifest *m) { m->seg[1].plain++; }
static void chunk_lies(struct vrv_manifest *m) { m->seg[1].chunk[1].codec = VRV_CHUNK_PLAIN; }
static void forgets_end(struct vrv_manifest *m) { m->next = 0; }

static void
test_rules(void)
{
    struct vrv_manifest m = manifest(0, 3);
    struct vrv_cold_seg s = seg(4);

    refused(hole, "a hole between two segments");
    refused(overlap, "segments that overlap");
    refused(empty, "a segment of nothing");
    refused(epochs, "an epoch that falls");
    refused(no_key, "a segment without an object");
    m.seg[1].encryption = 1;
    IS(vrv_manifest_check(&m, &e), VRV_E_VERSION, "one that this version can't read is told (%s)", e.msg);
    m.seg[1].encryption = 0;
    refused(chunk_outside, "a chunk behind the object's end");
    refused(chunk_order, "chunks out of order");
    refused(chunk_sum, "chunks that aren't all");
    refused(chunk_lies, "a plain chunk of other bytes than are stored");
    refused(forgets_end, "another end than its last segment's");
    IS(vrv_manifest_add(&m, &s, &e), VRV_E_INVALID, "what doesn't follow isn't added: %s", e.msg);
    IS(m.seg_n, 3, "... and nothing is changed");
    vrv_cold_seg_fini(&s);
    s = seg(3);
    IS(vrv_manifest_add(&m, &s, &e), 0, "what follows is");
    vrv_manifest_fini(&m);
}

/* What has expired leaves its end behind. */
static void
test_emptied(void)
{
    struct vrv_manifest m = manifest(0, 3), back;
    struct vrv_cold_seg s = seg(0);
    size_t n;

    while (m.seg_n > 0)
        vrv_cold_seg_fini(&m.seg[--m.seg_n]);
    m.start = m.next;
    uint8_t *p = vrv_manifest_write(&m, &n);
    IS(vrv_manifest_read(&back, p, n, &e), 0, "a manifest whose segments are gone (%s)", e.msg);
    IS(vrv_manifest_base(&back), 3 * STRIDE, "... begins where they ended");
    IS(vrv_manifest_add(&back, &s, &e), VRV_E_INVALID, "... and takes none from before");
    vrv_cold_seg_fini(&s);
    s = seg(3);
    IS(vrv_manifest_add(&back, &s, &e), 0, "... but the next");
    free(p);
    vrv_manifest_fini(&back);
    vrv_manifest_fini(&m);
}

static void
test_find(void)
{
    struct vrv_manifest m = manifest(0, SEGS);

    IS(vrv_cold_seg_find(m.seg, m.seg_n, 0), 0, "the first offset");
    IS(vrv_cold_seg_find(m.seg, m.seg_n, STRIDE - 1), 0, "the last of a segment");
    IS(vrv_cold_seg_find(m.seg, m.seg_n, STRIDE), 1, "the first of the next");
    IS(vrv_cold_seg_find(m.seg, m.seg_n, SEGS * STRIDE), SEGS, "none behind the end");
    IS(vrv_chunk_find(&m.seg[1], 100), 0, "the first chunk");
    IS(vrv_chunk_find(&m.seg[1], 129), 0, "... its last offset");
    IS(vrv_chunk_find(&m.seg[1], 130), 1, "the second");
    IS(vrv_chunk_find(&m.seg[1], 199), 2, "the last");
    vrv_manifest_fini(&m);
}

int
main(void)
{
    test_round_trip();
    test_damage();
    test_rules();
    test_emptied();
    test_find();
    return tap_done();
}
