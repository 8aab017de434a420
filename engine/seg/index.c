/*
 * The sparse index file; its bytes are laid out in index_format.h.
 *
 * Nothing here is cached: a look-up is a binary search of single entries until the rest fits into
 * one buffer, which is read and walked at once.  The hot part of an index lives in the page cache,
 * and a segment of 1 GiB with an entry every 4 KiB takes 10 reads.
 *
 * What must stay true (IX-1 is checked wherever entries are read):
 *   IX-1  offset, pos and max_ts never decrease from entry to entry.
 *   IX-2  a sealed file holds exactly header, entries, aborted and footer: nothing behind.
 *   IX-3  no buffer depends on a number from the file.
 */
#include "engine/seg/index.h"

#include <inttypes.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/seg/index_format.h"

enum {
    CHUNK = 16 * 1024 / VRV_INDEX_ENTRY, /* entries that are read at once */
    CHUNK_BYTES = CHUNK * VRV_INDEX_ENTRY,
    WRITE_CHUNK = 128, /* entries that are written at once; a growing segment adds one */
};

static uint64_t
pos_of(uint32_t entry)
{
    return VRV_INDEX_HEADER + (uint64_t)entry * VRV_INDEX_ENTRY;
}

static void
put_entry(uint8_t *out, const struct vrv_index_entry *x)
{
    vrv_put_le64(out + VRV_IXE_OFFSET, (uint64_t)x->offset);
    vrv_put_le64(out + VRV_IXE_POS, x->pos);
    vrv_put_le64(out + VRV_IXE_MAX_TS, (uint64_t)x->max_ts);
}

static struct vrv_index_entry
get_entry(const uint8_t *in)
{
    return (struct vrv_index_entry){
        .offset = (int64_t)vrv_get_le64(in + VRV_IXE_OFFSET),
        .pos = vrv_get_le64(in + VRV_IXE_POS),
        .max_ts = (int64_t)vrv_get_le64(in + VRV_IXE_MAX_TS),
    };
}

/* IX-1 for two entries, not always neighbours; the second is at `at` or behind. */
static int
check_ascent(const struct vrv_file *f, const struct vrv_index_entry *a,
    const struct vrv_index_entry *b, uint32_t at, struct vrv_err *e)
{
    if (a->offset <= b->offset && a->pos <= b->pos && a->max_ts <= b->max_ts)
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT,
        "%s: entry {%" PRId64 ", %" PRIu64 ", %" PRId64 "} stands before {%" PRId64 ", %" PRIu64
        ", %" PRId64 "}, which is entry %" PRIu32 " or behind",
        f->path, a->offset, a->pos, a->max_ts, b->offset, b->pos, b->max_ts, at);
}

/* ---- writing ---- */

int
vrv_index_create(struct vrv_file *f, int64_t base, uint32_t *crc, struct vrv_err *e)
{
    uint8_t h[VRV_INDEX_HEADER] = { 0 };

    VRV_ASSERT(base >= 0);
    memcpy(h + VRV_IXH_MAGIC, VRV_INDEX_MAGIC, sizeof(VRV_INDEX_MAGIC));
    vrv_put_le32(h + VRV_IXH_VERSION, VRV_INDEX_VERSION);
    vrv_put_le32(h + VRV_IXH_ENTRY_SIZE, VRV_INDEX_ENTRY);
    vrv_put_le64(h + VRV_IXH_BASE, (uint64_t)base);
    vrv_put_le32(h + VRV_IXH_CRC, vrv_crc32c(0, h, VRV_IXH_CRC));
    *crc = vrv_crc32c(0, h, sizeof(h));
    return vrv_file_pwrite(f, h, sizeof(h), 0, e);
}

int
vrv_index_write(struct vrv_file *f, uint32_t at, const struct vrv_index_entry *v, uint32_t n,
    uint32_t *crc, struct vrv_err *e)
{
    uint8_t buf[WRITE_CHUNK * VRV_INDEX_ENTRY];
    uint32_t sum = *crc;

    VRV_ASSERT(n <= UINT32_MAX - at);
    while (n > 0) {
        uint32_t k = n < WRITE_CHUNK ? n : WRITE_CHUNK;

        for (uint32_t i = 0; i < k; i++)
            put_entry(buf + (size_t)i * VRV_INDEX_ENTRY, &v[i]);

        int rc = vrv_file_pwrite(f, buf, (size_t)k * VRV_INDEX_ENTRY, pos_of(at), e);

        if (rc < 0)
            return rc;
        sum = vrv_crc32c(sum, buf, (size_t)k * VRV_INDEX_ENTRY);
        at += k;
        v += k;
        n -= k;
    }
    *crc = sum;
    return 0;
}

/* ---- whole files: at the seal, and when a sealed one is checked ---- */

/* The version comes after the checksum: a flipped bit must not pass for a newer program's work. */
static int
check_header(const struct vrv_file *f, const uint8_t *h, int64_t base, struct vrv_err *e)
{
    uint32_t crc = vrv_crc32c(0, h, VRV_IXH_CRC);
    uint32_t written = vrv_get_le32(h + VRV_IXH_CRC);
    uint32_t version = vrv_get_le32(h + VRV_IXH_VERSION);
    uint32_t entry_size = vrv_get_le32(h + VRV_IXH_ENTRY_SIZE);
    int64_t of = (int64_t)vrv_get_le64(h + VRV_IXH_BASE);

    if (memcmp(h + VRV_IXH_MAGIC, VRV_INDEX_MAGIC, sizeof(VRV_INDEX_MAGIC)) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "%s: not an index: begins with other bytes", f->path);
    if (crc != written)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: checksum of the header is %08" PRIx32 ", it says %08" PRIx32, f->path, crc,
            written);
    if (version > VRV_INDEX_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "%s: version %" PRIu32 ", this program knows %d",
            f->path, version, VRV_INDEX_VERSION);
    if (version != VRV_INDEX_VERSION || entry_size != VRV_INDEX_ENTRY)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: version %" PRIu32 " with entries of %" PRIu32 " bytes never was", f->path, version,
            entry_size);
    if (of != base)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: index of the segment at %" PRId64 ", not %" PRId64, f->path, of, base);
    return 0;
}

/* The header, checked; *crc is the checksum of all its bytes. */
static int
read_header(struct vrv_file *f, int64_t base, uint32_t *crc, struct vrv_err *e)
{
    uint8_t h[VRV_INDEX_HEADER];
    int rc = vrv_file_read_full(f, h, sizeof(h), 0, e);

    if (rc < 0)
        return rc;
    *crc = vrv_crc32c(0, h, sizeof(h));
    return check_header(f, h, base, e);
}

/* An entry must point into the segment that is being sealed, or was. */
static int
check_inside(const struct vrv_file *f, const struct vrv_seal *s, const struct vrv_index_entry *x,
    uint32_t at, struct vrv_err *e)
{
    if (x->offset >= s->base && x->offset < s->next && x->pos < s->data_size)
        return 0;
    return vrv_err_set(e, VRV_E_CORRUPT,
        "%s: entry %" PRIu32 " {%" PRId64 ", %" PRIu64 "} lies outside of offsets %" PRId64
        " to %" PRId64 " in %" PRIu64 " bytes",
        f->path, at, x->offset, x->pos, s->base, s->next, s->data_size);
}

/* Read all s->entries, check them, and take *crc on over their bytes. */
static int
walk_entries(struct vrv_file *f, const struct vrv_seal *s, uint32_t *crc, struct vrv_err *e)
{
    uint8_t buf[CHUNK_BYTES];
    struct vrv_index_entry low = {INT64_MIN, 0, INT64_MIN};

    for (uint32_t at = 0; at < s->entries;) {
        uint32_t k = s->entries - at < CHUNK ? s->entries - at : CHUNK;
        int rc = vrv_file_read_full(f, buf, (size_t)k * VRV_INDEX_ENTRY, pos_of(at), e);

        if (rc < 0)
            return rc;
        *crc = vrv_crc32c(*crc, buf, (size_t)k * VRV_INDEX_ENTRY);
        for (uint32_t i = 0; i < k; i++, at++) {
            struct vrv_index_entry x = get_entry(buf + (size_t)i * VRV_INDEX_ENTRY);

            rc = check_inside(f, s, &x, at, e);
            if (rc < 0)
                return rc;
            rc = check_ascent(f, &low, &x, at, e);
            if (rc < 0)
                return rc;
            low = x;
        }
    }
    return 0;
}

/* Take *crc on over the bytes from `pos` to `end`. */
static int
walk_bytes(struct vrv_file *f, uint64_t pos, uint64_t end, uint32_t *crc, struct vrv_err *e)
{
    uint8_t buf[CHUNK_BYTES];

    while (pos < end) {
        size_t k = end - pos < sizeof(buf) ? (size_t)(end - pos) : sizeof(buf);
        int rc = vrv_file_read_full(f, buf, k, pos, e);

        if (rc < 0)
            return rc;
        *crc = vrv_crc32c(*crc, buf, k);
        pos += k;
    }
    return 0;
}

/* All of the footer but its checksum. */
static void
put_footer(uint8_t *out, const struct vrv_seal *s)
{
    memset(out, 0, VRV_INDEX_FOOTER);
    memcpy(out + VRV_IXF_MAGIC, VRV_SEAL_MAGIC, sizeof(VRV_SEAL_MAGIC));
    vrv_put_le32(out + VRV_IXF_VERSION, VRV_INDEX_VERSION);
    vrv_put_le32(out + VRV_IXF_DATA_CRC, s->data_crc);
    vrv_put_le64(out + VRV_IXF_BASE, (uint64_t)s->base);
    vrv_put_le64(out + VRV_IXF_NEXT, (uint64_t)s->next);
    vrv_put_le64(out + VRV_IXF_DATA_SIZE, s->data_size);
    vrv_put_le32(out + VRV_IXF_ENTRIES, s->entries);
    vrv_put_le32(out + VRV_IXF_ABORTED, s->aborted);
    vrv_put_le64(out + VRV_IXF_MIN_TS, (uint64_t)s->min_ts);
    vrv_put_le64(out + VRV_IXF_MAX_TS, (uint64_t)s->max_ts);
    vrv_put_le64(out + VRV_IXF_MAX_TS_OFFSET, (uint64_t)s->max_ts_offset);
}

static void
get_footer(struct vrv_seal *s, const uint8_t *in)
{
    *s = (struct vrv_seal){
        .base = (int64_t)vrv_get_le64(in + VRV_IXF_BASE),
        .next = (int64_t)vrv_get_le64(in + VRV_IXF_NEXT),
        .data_size = vrv_get_le64(in + VRV_IXF_DATA_SIZE),
        .data_crc = vrv_get_le32(in + VRV_IXF_DATA_CRC),
        .entries = vrv_get_le32(in + VRV_IXF_ENTRIES),
        .aborted = vrv_get_le32(in + VRV_IXF_ABORTED),
        .min_ts = (int64_t)vrv_get_le64(in + VRV_IXF_MIN_TS),
        .max_ts = (int64_t)vrv_get_le64(in + VRV_IXF_MAX_TS),
        .max_ts_offset = (int64_t)vrv_get_le64(in + VRV_IXF_MAX_TS_OFFSET),
    };
}

int
vrv_index_seal(struct vrv_file *f, const struct vrv_seal *s, uint32_t crc, struct vrv_err *e)
{
    uint8_t footer[VRV_INDEX_FOOTER];
    uint64_t end = pos_of(s->entries);

    VRV_ASSERT(s->aborted == 0); /* nobody writes that section yet */
    VRV_ASSERT(s->next >= s->base);
    put_footer(footer, s);
    vrv_put_le32(footer + VRV_IXF_CRC, vrv_crc32c(crc, footer, VRV_IXF_CRC));
    /* Cut first: a file that was written further before a crash has something behind (IX-2). */
    int rc = vrv_file_truncate(f, end, e);
    return rc < 0 ? rc : vrv_file_pwrite(f, footer, sizeof(footer), end, e);
}

int
vrv_index_check(struct vrv_file *f, const struct vrv_seal *s, uint32_t crc, struct vrv_err *e)
{
    uint32_t found;
    int rc = read_header(f, s->base, &found, e);

    if (rc == 0)
        rc = walk_entries(f, s, &found, e);
    if (rc == 0 && found != crc)
        rc = vrv_err_set(e, VRV_E_CORRUPT,
            "%s: checksum of %" PRIu32 " entries is %08" PRIx32 ", expected %08" PRIx32, f->path,
            s->entries, found, crc);
    return rc;
}

/* Numbers of a footer must fit the file before anything is read by them (IX-2). */
static int
check_footer(const struct vrv_file *f, uint64_t size, int64_t base, uint32_t version,
    const struct vrv_seal *s, struct vrv_err *e)
{
    uint64_t want =
        pos_of(s->entries) + (uint64_t)s->aborted * VRV_INDEX_ABORTED + VRV_INDEX_FOOTER;

    if (size != want)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: %" PRIu64 " bytes, where the footer's %" PRIu32 " entries and %" PRIu32
            " aborted make %" PRIu64,
            f->path, size, s->entries, s->aborted, want);
    if (version != VRV_INDEX_VERSION || s->base != base || s->next < s->base)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: footer of version %" PRIu32 ", offsets %" PRId64 " to %" PRId64
            ", in the segment at %" PRId64,
            f->path, version, s->base, s->next, base);
    return 0;
}

/* The footer of a file of `size` bytes; whether its numbers fit the file, but no checksum. */
static int
read_footer(struct vrv_file *f, uint64_t size, int64_t base, uint8_t *footer, struct vrv_seal *s,
    struct vrv_err *e)
{
    if (size < VRV_INDEX_HEADER + VRV_INDEX_FOOTER)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: not sealed: no room for a footer in %" PRIu64 " bytes", f->path, size);

    int rc = vrv_file_read_full(f, footer, VRV_INDEX_FOOTER, size - VRV_INDEX_FOOTER, e);

    if (rc < 0)
        return rc;
    if (memcmp(footer + VRV_IXF_MAGIC, VRV_SEAL_MAGIC, sizeof(VRV_SEAL_MAGIC)) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: not sealed: no footer at the end of %" PRIu64 " bytes", f->path, size);
    get_footer(s, footer);

    return check_footer(f, size, base, vrv_get_le32(footer + VRV_IXF_VERSION), s, e);
}

int
vrv_index_read_seal(struct vrv_file *f, int64_t base, struct vrv_seal *s, struct vrv_err *e)
{
    uint8_t footer[VRV_INDEX_FOOTER];
    uint64_t size;
    uint32_t crc;
    int rc;

    rc = vrv_file_size(f, &size, e);
    if (rc < 0)
        return rc;
    rc = read_header(f, base, &crc, e);
    if (rc < 0)
        return rc;
    rc = read_footer(f, size, base, footer, s, e);
    if (rc < 0)
        return rc;
    rc = walk_entries(f, s, &crc, e);
    if (rc < 0)
        return rc;
    rc = walk_bytes(f, pos_of(s->entries), size - VRV_INDEX_FOOTER, &crc, e);
    if (rc < 0)
        return rc;
    crc = vrv_crc32c(crc, footer, VRV_IXF_CRC);
    if (crc != vrv_get_le32(footer + VRV_IXF_CRC))
        return vrv_err_set(e, VRV_E_CORRUPT,
            "%s: checksum is %08" PRIx32 ", the footer says %08" PRIx32, f->path, crc,
            vrv_get_le32(footer + VRV_IXF_CRC));
    return 0;
}

/* ---- looking up ---- */

/* A search for the last of n entries that lies before the key.  All entries below `lo` do, the
 * entry at `hi` and those behind don't. */
struct search {
    struct vrv_file *f;
    unsigned flags;
    bool by_time;
    int64_t key;
    uint32_t lo, hi;
    struct vrv_index_entry low;  /* entry lo - 1, or less than any */
    struct vrv_index_entry high; /* entry hi, or more than any */
};

static bool
is_before(const struct search *q, const struct vrv_index_entry *x)
{
    return q->by_time ? x->max_ts < q->key : x->offset <= q->key;
}

static int
read_entries(const struct search *q, uint32_t at, uint32_t n, uint8_t *buf, struct vrv_err *e)
{
    size_t want = (size_t)n * VRV_INDEX_ENTRY;
    ssize_t got = vrv_file_pread(q->f, buf, want, pos_of(at), q->flags, e);

    if (got < 0)
        return (int)got;
    if ((size_t)got == want)
        return 0;
    /* With NOWAIT the rest may be on the disk; whether the file ends is for the next try. */
    if (q->flags & VRV_READ_NOWAIT)
        return vrv_err_set(
            e, VRV_E_AGAIN, "%s: entries from %" PRIu32 " on aren't in memory", q->f->path, at);
    return vrv_err_set(e, VRV_E_CORRUPT,
        "%s: ends early: %zd of the %zu bytes from entry %" PRIu32 " on are there", q->f->path, got,
        want, at);
}

/* Halve what is left. */
static int
search_probe(struct search *q, struct vrv_err *e)
{
    uint8_t buf[VRV_INDEX_ENTRY];
    uint32_t mid = q->lo + (q->hi - q->lo) / 2;
    int rc = read_entries(q, mid, 1, buf, e);

    if (rc < 0)
        return rc;

    struct vrv_index_entry x = get_entry(buf);

    rc = check_ascent(q->f, &q->low, &x, mid, e);
    if (rc < 0)
        return rc;
    rc = check_ascent(q->f, &x, &q->high, mid + 1, e);
    if (rc < 0)
        return rc;
    if (is_before(q, &x)) {
        q->lo = mid + 1;
        q->low = x;
    } else {
        q->hi = mid;
        q->high = x;
    }
    return 0;
}

/* Read what is left at once.  All of it is checked, also behind the answer. */
static int
search_rest(struct search *q, struct vrv_err *e)
{
    uint8_t buf[CHUNK_BYTES];
    uint32_t first = q->lo, n = q->hi - q->lo;
    struct vrv_index_entry prev = q->low;
    int rc = n > 0 ? read_entries(q, first, n, buf, e) : 0;

    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct vrv_index_entry x = get_entry(buf + (size_t)i * VRV_INDEX_ENTRY);

        rc = check_ascent(q->f, &prev, &x, first + i, e);
        if (is_before(q, &x)) {
            q->lo = first + i + 1;
            q->low = x;
        }
        prev = x;
    }
    return rc < 0 ? rc : check_ascent(q->f, &prev, &q->high, first + n, e);
}

static int
search(struct search *q, uint32_t n, struct vrv_index_entry *out, bool *found, struct vrv_err *e)
{
    q->lo = 0;
    q->hi = n;
    q->low = (struct vrv_index_entry){INT64_MIN, 0, INT64_MIN};
    q->high = (struct vrv_index_entry){INT64_MAX, UINT64_MAX, INT64_MAX};
    while (q->hi - q->lo > CHUNK) {
        int rc = search_probe(q, e);

        if (rc < 0)
            return rc;
    }

    int rc = search_rest(q, e);

    if (rc < 0)
        return rc;
    *found = q->lo > 0;
    if (*found)
        *out = q->low;
    return 0;
}

int
vrv_index_find(struct vrv_file *f, uint32_t n, int64_t offset, unsigned flags,
    struct vrv_index_entry *out, bool *found, struct vrv_err *e)
{
    struct search q = { .f = f, .flags = flags, .key = offset };

    return search(&q, n, out, found, e);
}

int
vrv_index_find_time(struct vrv_file *f, uint32_t n, int64_t ts, unsigned flags,
    struct vrv_index_entry *out, bool *found, struct vrv_err *e)
{
    struct search q = { .f = f, .flags = flags, .by_time = true, .key = ts };

    return search(&q, n, out, found, e);
}
