/* The cold object: what was written is read back, to the byte; damage is found wherever it is. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/batch.h"
#include "engine/batch/build.h"
#include "engine/batch/compress.h"
#include "t/lib/kept.h"
#include "t/lib/tap.h"
#include "tiering/format/object.h"

enum { BASE = 1000, BATCHES = 40, STRIDE = 10, CHUNK = 4096 };

static int
refuse(void *ctx, const void *p, size_t n, struct vrv_err *e)
{
    (void)ctx;
    (void)p;
    (void)n;
    return vrv_err_set(e, VRV_E_NOSPACE, "no room");
}

/* A segment with holes between its batches: offsets BASE, BASE + STRIDE, ... */
static struct bytes
segment(enum vrv_codec codec, uint64_t seed)
{
    struct vrv_batch_builder w;
    struct vrv_rand r = { seed };
    struct bytes s = { 0 };

    vrv_batch_builder_init(&w);
    for (int i = 0; i < BATCHES; i++) {
        uint8_t value[400];
        const uint8_t *p;
        size_t n;

        for (size_t k = 0; k < sizeof(value); k++)
            value[k] = k < sizeof(value) / 2 ? 'x' : (uint8_t)vrv_rand_next(&r);
        vrv_batch_builder_add(&w, 5000 + i, NULL, -1, value, sizeof(value), NULL, 0);
        tap_need(vrv_batch_builder_finish(&w, codec, &p, &n, NULL), "no batch");
        (void)keep(&s, p, n, NULL);
        vrv_batch_stamp(s.p + s.n - n, BASE + i * STRIDE, 7);
    }
    vrv_batch_builder_fini(&w);
    return s;
}

static const struct vrv_object_info info_of_ours = { .topic = { { 1, 2, 3 } }, .partition = 4,
    .epoch = 7, .base = BASE, .next = BASE + BATCHES * STRIDE, .min_ts = 5000, .max_ts = 5039,
    .max_ts_offset = BASE + (BATCHES - 1) * STRIDE };

/* An object of a segment. */
static struct vrv_object_info
info_of(const struct bytes *seg)
{
    struct vrv_object_info i = info_of_ours;

    i.plain = seg->n;
    i.plain_crc = vrv_crc32c(0, seg->p, seg->n);
    return i;
}

static struct bytes
object_of(const struct bytes *seg, int level, struct vrv_object_writer *w)
{
    static const uint8_t index[48] = { 1 }, epochs[16] = { 7 };
    const struct vrv_object_extras x = { .index = index, .index_n = 2, .epochs = epochs,
        .epoch_n = 1, .producers = (const uint8_t *)"who", .producer_bytes = 3 };
    const struct vrv_object_info info = info_of(seg);
    struct bytes out = { 0 };
    size_t at = 0, used, piece = 1000;

    vrv_object_begin(w, &info, CHUNK, level, keep, &out);
    while (at < seg->n) { /* in pieces that end anywhere */
        size_t n = seg->n - at < piece ? seg->n - at : piece;

        tap_need(vrv_object_add(w, seg->p + at, n, &used, NULL), "not added");
        at += used;
        piece = used == 0 ? 2 * piece : 1000 + at % 777;
    }
    tap_need(vrv_object_end(w, &x, NULL), "not ended");
    return out;
}

/* The record batches of an object, or NULL and why. */
static int
read_back(const struct bytes *o, struct bytes *out, struct vrv_object_info *info, struct vrv_err *e)
{
    struct vrv_chunk *c = NULL;
    int rc = o->n < VRV_OBJECT_FOOTER
        ? vrv_err_set(e, VRV_E_CORRUPT, "short")
        : vrv_object_read_footer(info, o->p + o->n - VRV_OBJECT_FOOTER, o->n, e);

    *out = (struct bytes){ 0 };
    if (rc == 0)
        rc = vrv_object_read_table(&c, info, o->p + info->table_at,
            (size_t)info->chunk_n * VRV_CHUNK_RECORD, e);
    for (uint32_t i = 0; rc == 0 && i < info->chunk_n; i++) {
        uint8_t *own;

        rc = vrv_chunk_open(&c[i], o->p + c[i].pos, c[i].stored, &own, e);
        if (rc == 0)
            (void)keep(out, own != NULL ? own : o->p + c[i].pos, c[i].plain, NULL);
        free(own);
    }
    free(c);
    return rc;
}

static void
test_round_trip(void)
{
    static const struct {
        enum vrv_codec codec;
        int level;
        const char *what;
    } kinds[] = { { VRV_CODEC_NONE, 0, "plain batches, plain chunks" },
        { VRV_CODEC_NONE, 3, "plain batches, packed chunks" },
        { VRV_CODEC_LZ4, 3, "packed batches, chunks to be packed" } };

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        struct bytes seg = segment(kinds[k].codec, 1), back;
        struct vrv_object_writer w;
        struct bytes o = object_of(&seg, kinds[k].level, &w);
        struct vrv_object_info info;
        struct vrv_err e = { 0 };
        uint32_t packed = 0;

        IS(read_back(&o, &back, &info, &e), 0, "%s: read back (%s)", kinds[k].what, e.msg);
        OK(back.n == seg.n && memcmp(back.p, seg.p, seg.n) == 0, "... as they were");
        IS(w.at, o.n, "... the writer knows the size");
        IS(w.crc, vrv_crc32c(0, o.p, o.n), "... and the checksum");
        IS(info.plain_crc, vrv_crc32c(0, seg.p, seg.n), "... and the segment's");
        IS(info.next, info_of_ours.next, "... the footer has the offsets");
        IS(info.max_ts, 5039, "... and times");
        OK(info.index_n == 2 && o.p[info.index_at] == 1 && info.epoch_n == 1 &&
               o.p[info.epochs_at] == 7 && memcmp(o.p + info.producers_at, "who", 3) == 0,
            "... and what else was to be kept");
        OK(info.chunk_n > 2, "... in %d chunks", (int)info.chunk_n);
        for (uint32_t i = 0; i < info.chunk_n; i++)
            packed += w.chunk[i].codec == VRV_CHUNK_ZSTD;
        IS(packed, k == 1 ? info.chunk_n : 0, "... packed only where that helps");
        IS(w.chunk[0].max_ts, 5000 + (w.chunk[1].base - BASE) / STRIDE - 1, "... each knows its time");
        vrv_object_fini(&w);
        free(o.p);
        free(back.p);
        free(seg.p);
    }
}

/* Of each byte of an object that readers look at, a bit: found, or without effect. */
static void
test_damage(int level)
{
    struct bytes seg = segment(VRV_CODEC_NONE, 2), back;
    struct vrv_object_writer w;
    struct bytes o = object_of(&seg, level, &w);
    struct vrv_object_info info;
    int passed = 0, served = 0;

    for (size_t at = VRV_OBJECT_HEADER; at < o.n; at++) {
        uint8_t bit = (uint8_t)(1u << (at * 5) % 8);

        if (at >= w.info.index_at && at < w.info.table_at)
            continue; /* for who restores: extras_crc */
        o.p[at] ^= bit;
        if (read_back(&o, &back, &info, NULL) == 0) {
            passed++;
            served += back.n != seg.n || memcmp(back.p, seg.p, seg.n) != 0;
        }
        free(back.p);
        o.p[at] ^= bit;
    }
    IS(served, 0, "level %d: no damaged byte is served", level);
    IS(passed, 0, "... and none is missed");
    passed = 0;
    for (size_t n = 0; n < o.n; n++) {
        struct bytes cut = { o.p, n };

        passed += read_back(&cut, &back, &info, NULL) == 0;
        free(back.p);
    }
    IS(passed, 0, "... nor is a cut");
    vrv_object_fini(&w);
    free(o.p);
    free(seg.p);
}

/* A frame that unpacks to other bytes than its table says, as somebody may have put it there. */
static void
test_lies(void)
{
    enum { BOMB = 64 << 20, SAID = 4096 };
    struct bytes seg = segment(VRV_CODEC_NONE, 4);
    uint8_t *out, *frame, *zeros = vrv_mem_zero(BOMB);
    struct vrv_err e = { 0 };
    size_t n;

    tap_need(vrv_compress(VRV_CODEC_ZSTD, 3, zeros, BOMB, &frame, &n, NULL), "not packed");
    struct vrv_chunk c = { .base = BASE, .stored = (uint32_t)n, .plain = (uint32_t)n + SAID,
        .crc = vrv_crc32c(0, frame, n), .codec = VRV_CHUNK_ZSTD };
    IS(vrv_chunk_open(&c, frame, n, &out, &e), VRV_E_CORRUPT, "64 MiB in a chunk of %d KiB: %s",
        (int)c.plain >> 10, e.msg);
    OK(out == NULL, "... nothing of it is handed out");
    free(frame);
    free(zeros);
    tap_need(vrv_compress(VRV_CODEC_ZSTD, 3, seg.p, seg.n, &frame, &n, NULL), "not packed");
    c = (struct vrv_chunk){ .base = BASE, .stored = (uint32_t)n, .plain = (uint32_t)seg.n,
        .crc = vrv_crc32c(0, frame, n), .codec = VRV_CHUNK_ZSTD };
    IS(vrv_chunk_open(&c, frame, n, &out, &e), 0, "a chunk that tells the truth");
    free(out);
    for (int by = -1; by <= 1; by += 2) {
        c.plain = (uint32_t)((int64_t)seg.n + by);
        IS(vrv_chunk_open(&c, frame, n, &out, &e), VRV_E_CORRUPT, "... one off: %s", e.msg);
    }
    c.plain = (uint32_t)n - 1;
    IS(vrv_chunk_open(&c, frame, n, &out, &e), VRV_E_CORRUPT, "... larger packed than not: %s", e.msg);
    free(frame);
    free(seg.p);
}

/* What readers take of the end of an object: aborted transactions. */
static void
test_tail(void)
{
    struct bytes seg = segment(VRV_CODEC_NONE, 1), o = { 0 };
    const struct vrv_object_info info = info_of(&seg);
    uint8_t entry[2 * VRV_OBJECT_ABORTED] = { 7, [8] = 1, [16] = 3, [24] = 4, [32] = 9 };
    const struct vrv_object_extras x = { .aborted = entry, .aborted_n = 2 };
    struct vrv_object_aborted a;
    struct vrv_object_writer w;
    struct vrv_object_info i;
    int passed = 0;
    size_t used;

    vrv_object_begin(&w, &info, CHUNK, 0, keep, &o);
    tap_need(vrv_object_add(&w, seg.p, seg.n, &used, NULL), "not added");
    tap_need(vrv_object_end(&w, &x, NULL), "not ended");
    uint8_t *tail = o.p + w.info.index_at;
    size_t n = o.n - w.info.index_at;
    IS(vrv_object_read_tail(&i, tail, n, o.n, NULL), 0, "what is behind the chunks is read alone");
    IS(i.aborted_n, 2, "it tells of two aborted transactions");
    vrv_object_get_aborted(&a, tail + (i.aborted_at - i.index_at));
    OK(a.producer == 7 && a.first == 1 && a.last == 3 && a.last_stable == 4, "... as they were");
    for (size_t at = 0; at < n - VRV_OBJECT_FOOTER - w.info.chunk_n * VRV_CHUNK_RECORD; at++) {
        tail[at] ^= 4;
        passed += vrv_object_read_tail(&i, tail, n, o.n, NULL) == 0;
        tail[at] ^= 4;
    }
    for (size_t cut = 0; cut < n; cut++) {
        passed += vrv_object_read_tail(&i, tail, cut, o.n, NULL) == 0;
        passed += vrv_object_read_tail(&i, tail + n - cut, cut, o.n, NULL) == 0;
    }
    IS(passed, 0, "no damage to them is missed, and no cut");
    vrv_object_fini(&w);
    free(o.p);
    free(seg.p);
}

static void
test_bad_segments(void)
{
    struct bytes seg = segment(VRV_CODEC_NONE, 3), out = { 0 };
    struct vrv_object_info info = info_of(&seg);
    const struct vrv_object_extras none = { 0 };
    struct vrv_object_writer w;
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    size_t used;

    tap_need(vrv_batch_read(&b, seg.p, seg.n, NULL), "no batch");
    seg.p[b.size + 100] ^= 1;
    vrv_object_begin(&w, &info, CHUNK, 0, keep, &out);
    IS(vrv_object_add(&w, seg.p, seg.n, &used, &e), VRV_E_CORRUPT, "a damaged batch isn't written away");
    OK(strstr(e.msg, "segment 1000, byte") != NULL, "... %s", e.msg);
    IS(used, b.size, "... what is before it was taken");
    vrv_object_fini(&w);
    seg.p[b.size + 100] ^= 1;
    info.next = BASE + STRIDE;
    vrv_object_begin(&w, &info, CHUNK, 0, keep, &out);
    IS(vrv_object_add(&w, seg.p, seg.n, &used, &e), VRV_E_CORRUPT, "nor one behind the segment's end");
    vrv_object_fini(&w);
    info = info_of(&seg);
    vrv_object_begin(&w, &info, CHUNK, 0, keep, &out);
    IS(vrv_object_add(&w, seg.p + b.size, b.size, &used, NULL), 0, "of two batches the second");
    IS(vrv_object_add(&w, seg.p, b.size, &used, &e), VRV_E_CORRUPT, "... not before the first");
    vrv_object_fini(&w);
    vrv_object_begin(&w, &info, CHUNK, 0, keep, &out);
    IS(vrv_object_add(&w, seg.p, b.size, &used, NULL), 0, "one batch of many");
    IS(vrv_object_end(&w, &none, &e), VRV_E_CORRUPT, "... isn't all: %s", e.msg);
    vrv_object_fini(&w);
    seg.p[b.size + 15] ^= 1; /* the leader epoch, which the batch's checksum doesn't cover */
    vrv_object_begin(&w, &info, CHUNK, 0, keep, &out);
    IS(vrv_object_add(&w, seg.p, seg.n, &used, NULL), 0, "what only the segment's checksum shows");
    IS(vrv_object_end(&w, &none, &e), VRV_E_CORRUPT, "... is shown by it: %s", e.msg);
    vrv_object_fini(&w);
    vrv_object_begin(&w, &info, CHUNK, 0, refuse, NULL);
    IS(vrv_object_add(&w, seg.p, seg.n, &used, &e), VRV_E_NOSPACE, "what the sink says is passed on");
    vrv_object_fini(&w);
    free(out.p);
    free(seg.p);
}

int
main(void)
{
    test_round_trip();
    test_damage(0);
    test_damage(3);
    test_lies();
    test_tail();
    test_bad_segments();
    return tap_done();
}
