/*
 * Any bytes as what the cold tier keeps in stores: an object, a root or a page of a manifest, a marker, an
 * owner's file.  Each is read, or refused with CORRUPT or VERSION; what was read is written, and reads the same.
 *
 * Input: what it is, and flags; the file.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/batch.h"
#include "engine/log/producers.h"
#include "t/fuzz/peak.h"
#include "tiering/daemon/owner.h"
#include "tiering/format/codec.h"
#include "tiering/format/manifest.h"
#include "tiering/format/object_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum kind { OBJECT, ROOT, PAGE, MARKER, OWNER, KINDS };

enum {
    CRCS_RIGHT = 0x80, /* which a fuzzer can't guess */
    CRC_AT = 12,       /* of all but objects */
    PER_BYTE = 64,     /* memory that a byte of input may take */
    PEAK = 1 << 20,    /* ... beside this */
    CHUNK_SMALL = 1 << 20, /* larger ones are fuzz_decompress's */
};

static bool
worked(int rc)
{
    VRV_ASSERT(rc == 0 || rc == VRV_E_CORRUPT || rc == VRV_E_VERSION);
    return rc == 0;
}

/* ---- checksums ---- */

static void
put_crc(uint8_t *p, size_t n, size_t at, uint64_t from, uint64_t to)
{
    if (from <= to && to <= n)
        vrv_put_le32(p + at, vrv_crc32c(0, p + from, (size_t)(to - from)));
}

static void
put_object_crcs(uint8_t *p, size_t n)
{
    uint8_t *f = p + n - VRV_OBJECT_FOOTER;
    uint64_t index_at = vrv_get_le64(f + VRV__F_INDEX_AT), table_at = vrv_get_le64(f + VRV__F_TABLE_AT),
        table_end = n - VRV_OBJECT_FOOTER;

    put_crc(p, n, VRV__H_CRC, 0, VRV__H_CRC);
    for (uint64_t at = table_at; at < table_end && table_end - at >= VRV_CHUNK_RECORD; at += VRV_CHUNK_RECORD) {
        uint64_t pos = vrv_get_le64(p + at + VRV__C_POS);

        if (pos <= n)
            put_crc(p, n, at + VRV__C_CRC, pos, pos + vrv_get_le32(p + at + VRV__C_STORED));
    }
    put_crc(p, n, n - VRV_OBJECT_FOOTER + VRV__F_EXTRAS_CRC, index_at, table_at);
    put_crc(p, n, n - VRV_OBJECT_FOOTER + VRV__F_TABLE_CRC, table_at, table_end);
    vrv_put_le32(f + VRV__F_CRC, vrv_crc32c(0, f, VRV__F_CRC));
}

static void
put_crcs(enum kind kind, uint8_t *p, size_t n)
{
    if (kind == OBJECT && n >= VRV_OBJECT_HEADER + VRV_OBJECT_FOOTER)
        put_object_crcs(p, n);
    else if (kind != OBJECT && n >= VRV_CODEC_HEAD)
        vrv_put_le32(p + CRC_AT, vrv_crc32c(vrv_crc32c(0, p, CRC_AT), p + VRV_CODEC_HEAD, n - VRV_CODEC_HEAD));
}

/* ---- an object ---- */

/* As many batches as its entry says, each good and behind the one before. */
static void
read_chunk(const struct vrv_chunk *c, const uint8_t *p)
{
    uint8_t *out;

    if (c->plain > CHUNK_SMALL || !worked(vrv_chunk_open(c, p + c->pos, c->stored, &out, NULL)))
        return;
    const uint8_t *plain = out != NULL ? out : p + c->pos;
    struct vrv_batch b;
    int64_t from = c->base;
    size_t at = 0;

    for (; at < c->plain; at += b.size) {
        VRV_ASSERT(vrv_batch_read(&b, plain + at, c->plain - at, NULL) == 0);
        VRV_ASSERT(vrv_batch_check_crc(plain + at, &b, NULL) == 0 && b.base_offset >= from);
        from = vrv_batch_last_offset(&b) + 1;
    }
    VRV_ASSERT(at == c->plain);
    free(out);
}

static void
read_extras(const struct vrv_object_info *i, const uint8_t *p)
{
    struct vrv_producers *producers;
    struct vrv_object_aborted a;

    for (uint32_t k = 0; k < i->aborted_n; k++)
        vrv_object_get_aborted(&a, p + i->aborted_at + (size_t)k * VRV_OBJECT_ABORTED);
    if (worked(vrv_producers_decode(&producers, p + i->producers_at, i->producer_bytes, NULL)))
        vrv_producers_free(&producers);
}

static void
read_object(const uint8_t *p, size_t n)
{
    struct vrv_object_info i;
    struct vrv_chunk *c;

    if (n < VRV_OBJECT_HEADER + VRV_OBJECT_FOOTER)
        return;
    (void)worked(vrv_object_read_header(&i, p, NULL));
    peak_start();
    if (!worked(vrv_object_read_footer(&i, p + n - VRV_OBJECT_FOOTER, n, NULL)))
        return;
    VRV_ASSERT(i.index_at <= i.aborted_at && i.aborted_at <= i.producers_at && i.producers_at <= i.epochs_at &&
        i.epochs_at <= i.table_at && i.table_at <= n);
    if (worked(vrv_object_read_tail(&i, p + i.index_at, n - i.index_at, n, NULL)))
        read_extras(&i, p);
    bool has_table =
        worked(vrv_object_read_table(&c, &i, p + i.table_at, (size_t)i.chunk_n * VRV_CHUNK_RECORD, NULL));
    peak_check(PEAK + PER_BYTE * n);
    for (uint32_t k = 0; has_table && k < i.chunk_n; k++)
        read_chunk(&c[k], p);
    free(c);
}

/* ---- manifests ---- */

/* What is written of something that was read is read, and is written the same. */
static void
check_root(const struct vrv_manifest *m)
{
    size_t n, again_n;
    uint8_t *p = vrv_manifest_write(m, &n), *again;
    struct vrv_manifest back;

    VRV_ASSERT(vrv_manifest_read(&back, p, n, NULL) == 0);
    again = vrv_manifest_write(&back, &again_n);
    VRV_ASSERT(again_n == n && memcmp(p, again, n) == 0);
    vrv_manifest_fini(&back);
    free(again);
    free(p);
}

static void
read_root(const uint8_t *p, size_t n)
{
    struct vrv_manifest m;

    peak_start();
    int rc = vrv_manifest_read(&m, p, n, NULL);
    peak_check(PEAK + PER_BYTE * n);
    if (!worked(rc))
        return;
    VRV_ASSERT(vrv_manifest_check(&m, NULL) == 0);
    check_root(&m);
    for (uint32_t i = 0; i < m.seg_n; i++) {
        VRV_ASSERT(vrv_cold_seg_find(m.seg, m.seg_n, m.seg[i].base) == i);
        VRV_ASSERT(vrv_chunk_find(&m.seg[i], m.seg[i].next - 1) < m.seg[i].chunk_n);
    }
    (void)vrv_manifest_trim(&m, m.start);
    vrv_manifest_fini(&m);
}

static void
read_page(const uint8_t *p, size_t n)
{
    struct vrv_cold_page page;
    struct vrv_cold_seg *s;
    struct vrv_manifest m;
    size_t out_n;

    peak_start();
    int rc = vrv_manifest_read_alone(&m, p, n, NULL);
    peak_check(PEAK + PER_BYTE * n);
    if (!worked(rc))
        return;
    uint8_t *out = vrv_manifest_write_page(&m, 0, m.seg_n, &page, &out_n);
    page.key = (char[]){ "m/x" };
    VRV_ASSERT(vrv_manifest_read_page(&m, &page, out, out_n, &s, NULL) == 0);
    for (uint32_t i = 0; i < m.seg_n; i++)
        VRV_ASSERT(s[i].base == m.seg[i].base && s[i].next == m.seg[i].next && s[i].crc == m.seg[i].crc);
    vrv_cold_segs_free(s, m.seg_n);
    free(out);
    vrv_manifest_fini(&m);
}

/* ---- marker and owner ---- */

/* What unpacks it has a budget of its own, as for chunks. */
static bool
is_packed(const uint8_t *p, size_t n)
{
    size_t at = n >= 20 ? 20 + (size_t)vrv_get_le32(p + 16) + 36 : n;

    return at + 4 <= n && vrv_get_le32(p + at) != 0;
}

static void
read_marker(const uint8_t *p, size_t n)
{
    size_t out_n;
    struct vrv_marker m;

    peak_start();
    int rc = vrv_marker_read(&m, p, n, NULL);
    if (!is_packed(p, n))
        peak_check(PEAK + PER_BYTE * n);
    if (!worked(rc))
        return;
    uint8_t *out = vrv_marker_write(&m, &out_n, NULL);
    if (out != NULL) {
        struct vrv_marker back;

        VRV_ASSERT(vrv_marker_read(&back, out, out_n, NULL) == 0);
        VRV_ASSERT(back.catalog.n == m.catalog.n && back.record_n == m.record_n);
        vrv_marker_fini(&back);
    }
    free(out);
    vrv_marker_fini(&m);
}

static void
read_owner(const uint8_t *p, size_t n)
{
    struct vrv_owner_file f;
    size_t out_n;

    if (!worked(vrv_owner_read(&f, p, n, NULL)))
        return;
    uint8_t *out = vrv_owner_write(&f, &out_n);
    VRV_ASSERT(out_n == n && memcmp(out, p, n) == 0);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static void (*const readers[KINDS])(const uint8_t *p, size_t n) = { [OBJECT] = read_object,
        [ROOT] = read_root, [PAGE] = read_page, [MARKER] = read_marker, [OWNER] = read_owner };

    if (n < 1)
        return 0;
    enum kind kind = (enum kind)((p[0] & ~CRCS_RIGHT) % KINDS);
    uint8_t *copy = malloc(n > 1 ? n - 1 : 1);
    VRV_ASSERT(copy != NULL);
    memcpy(copy, p + 1, n - 1);
    if (p[0] & CRCS_RIGHT)
        put_crcs(kind, copy, n - 1);
    readers[kind](copy, n - 1);
    free(copy);
    return 0;
}
