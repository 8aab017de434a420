#include "engine/seg/seg_walk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

enum {
    PIECE = 1024 * 1024,
    AT_MAGIC = 16, /* batch.h */
    AT_SUMMED = 21,
};

void
vrv_seg_walk_init(struct vrv_seg_walk *w, struct vrv_seg *s, uint64_t size)
{
    *w = (struct vrv_seg_walk){ .s = s, .size = size, .next = s->base,
        .end = s->flushed_next > s->base ? s->flushed_next : INT64_MAX,
        .buf = vrv_mem_zero(PIECE) };
}

void
vrv_seg_walk_fini(struct vrv_seg_walk *w)
{
    free(w->buf);
    w->buf = NULL;
}

/* Every damage is told with its file and place. */
static int
damaged(const struct vrv_seg_walk *w, uint64_t pos, const struct vrv_err *why, struct vrv_err *e)
{
    char path[VRV_PATH_MAX];

    vrv_seg_path(&w->s->log, w->s->base, "log", path);
    return vrv_err_set(e, VRV_E_CORRUPT, "%s, byte %" PRIu64 ", offset %" PRId64 ": %.120s", path,
        pos, w->next, why->msg);
}

/* Bytes at pos, as many as are in memory, but at least `need` unless w->size comes before; *n says
 * how many.  NULL: an error. */
static const uint8_t *
window(struct vrv_seg_walk *w, uint64_t pos, size_t need, size_t *n, int *rc, struct vrv_err *e)
{
    uint64_t left = w->size - pos;

    VRV_ASSERT(pos <= w->size && need <= PIECE);
    *rc = 0;
    if (need > left)
        need = (size_t)left;
    if (pos < w->buf_pos || pos + need > w->buf_pos + w->buf_n) {
        size_t want = left < PIECE ? (size_t)left : PIECE;
        ssize_t got = vrv_seg_pread(w->s, w->buf, want, pos, VRV_READ_DONTCACHE, e);

        w->buf_n = 0;
        if (got < 0) {
            *rc = (int)got;
            return NULL;
        }
        if ((size_t)got < need) {
            struct vrv_err why;

            (void)vrv_err_set(&why, VRV_E_CORRUPT, "the file ends at byte %" PRIu64 " of %" PRIu64,
                pos + (uint64_t)got, w->size);
            *rc = damaged(w, pos, &why, e);
            return NULL;
        }
        w->buf_pos = pos;
        w->buf_n = (size_t)got;
    }
    *n = (size_t)(w->buf_pos + w->buf_n - pos);
    return w->buf + (pos - w->buf_pos);
}

/* What a header must fulfil besides being one. */
static int
check_header(const struct vrv_seg_walk *w, const struct vrv_batch *b, struct vrv_err *why)
{
    if (b->base_offset < w->next)
        return vrv_err_set(why, VRV_E_CORRUPT, "a batch of offset %" PRId64 " can't follow",
            b->base_offset);
    if (vrv_batch_last_offset(b) >= w->end)
        return vrv_err_set(why, VRV_E_CORRUPT, "a batch of offset %" PRId64
            " doesn't belong in the segment, which ends at %" PRId64, b->base_offset, w->end);
    return 0;
}

/* The checksum of a batch doesn't cover its offset.  One that is too high would make all batches
 * behind it look wrong: where a hole is, the next batch is asked which of the two it is. */
static int
check_hole(struct vrv_seg_walk *w, const struct vrv_batch *b, struct vrv_err *why,
    struct vrv_err *e)
{
    uint64_t pos = w->pos + b->size;
    struct vrv_batch next;
    size_t n;
    int rc;

    if (b->base_offset == w->next || pos + VRV_BATCH_HEADER > w->size)
        return 0;
    const uint8_t *p = window(w, pos, VRV_BATCH_HEADER, &n, &rc, e);
    if (p == NULL)
        return rc == VRV_E_CORRUPT ? 0 : rc;
    if (vrv_batch_read(&next, p, w->size - pos, NULL) < 0 || next.base_offset < w->next ||
        next.base_offset > vrv_batch_last_offset(b))
        return 0;
    return vrv_err_set(why, VRV_E_CORRUPT,
        "a batch of offset %" PRId64 ", with one of offset %" PRId64 " behind it", b->base_offset,
        next.base_offset);
}

/* Checksums of the batch at pos: its own in *own, and the file's taken on over it.  The batch
 * may be larger than a piece. */
static int
sum(struct vrv_seg_walk *w, uint64_t pos, uint32_t size, uint32_t *own, uint32_t *all,
    struct vrv_err *e)
{
    uint64_t end = pos + size, from = pos + AT_SUMMED;

    *own = 0;
    for (uint64_t at = pos; at < end;) {
        size_t n;
        int rc;
        const uint8_t *p = window(w, at, 1, &n, &rc, e);

        if (p == NULL)
            return rc;
        if (n > end - at)
            n = (size_t)(end - at);
        *all = vrv_crc32c(*all, p, n);
        if (at + n > from) {
            size_t skip = at < from ? (size_t)(from - at) : 0;

            *own = vrv_crc32c(*own, p + skip, n - skip);
        }
        at += n;
    }
    return 0;
}

int
vrv_seg_walk_next(struct vrv_seg_walk *w, struct vrv_batch *b, struct vrv_err *e)
{
    struct vrv_err why = { 0 };
    uint32_t own, all = w->crc;
    size_t n;
    int rc;

    if (w->pos >= w->size)
        return 0;
    const uint8_t *p = window(w, w->pos, VRV_BATCH_HEADER, &n, &rc, e);
    if (p == NULL)
        return rc;
    uint64_t left = w->size - w->pos;
    if (left < VRV_BATCH_HEADER)
        rc = vrv_err_set(&why, VRV_E_CORRUPT, "%" PRIu64 " bytes are left over", left);
    else
        rc = vrv_batch_read(b, p, left, &why);
    if (rc == 0)
        rc = check_header(w, b, &why);
    if (rc == 0)
        rc = check_hole(w, b, &why, e);
    if (rc < 0)
        return why.code != 0 ? damaged(w, w->pos, &why, e) : rc;
    rc = sum(w, w->pos, b->size, &own, &all, e);
    if (rc < 0)
        return rc;
    if (own != b->crc) {
        (void)vrv_err_set(&why, VRV_E_CORRUPT,
            "checksum of the batch is %08" PRIx32 ", it says %08" PRIx32, own, b->crc);
        return damaged(w, w->pos, &why, e);
    }
    w->crc = all;
    w->pos += b->size;
    w->next = vrv_batch_last_offset(b) + 1;
    return 1;
}

/* Cheap to refuse: only what could be a batch of this segment is worth a checksum. */
static bool
may_begin(const struct vrv_seg_walk *w, uint64_t pos, const uint8_t *p, int64_t end)
{
    struct vrv_batch b;
    int64_t offset = (int64_t)vrv_get_be64(p);

    return p[AT_MAGIC] == 2 && offset >= w->next && offset < end &&
        vrv_batch_read(&b, p, w->size - pos, NULL) == 0 && check_header(w, &b, NULL) == 0 &&
        vrv_batch_last_offset(&b) < end;
}

/* Is there a whole batch at pos? 1, 0, IO. */
static int
whole_at(struct vrv_seg_walk *w, uint64_t pos, int64_t end, struct vrv_err *e)
{
    uint32_t own, all = 0;
    struct vrv_batch b;
    size_t n;
    int rc;
    const uint8_t *p = window(w, pos, VRV_BATCH_HEADER, &n, &rc, e);

    if (p == NULL)
        return rc == VRV_E_CORRUPT ? 0 : rc;
    if (n < VRV_BATCH_HEADER || !may_begin(w, pos, p, end))
        return 0;
    rc = vrv_batch_read(&b, p, w->size - pos, NULL);
    VRV_ASSERT(rc == 0);
    rc = sum(w, pos, b.size, &own, &all, e);
    if (rc < 0)
        return rc == VRV_E_CORRUPT ? 0 : rc;
    return own == b.crc;
}

int
vrv_seg_walk_skip(struct vrv_seg_walk *w, int64_t end, struct vrv_err *e)
{
    uint64_t pos = w->pos + 1;

    while (w->size >= VRV_BATCH_HEADER && pos <= w->size - VRV_BATCH_HEADER) {
        size_t n;
        int rc;
        const uint8_t *p = window(w, pos, VRV_BATCH_HEADER, &n, &rc, e);

        if (p == NULL && rc != VRV_E_CORRUPT)
            return rc;
        if (p == NULL)
            break; /* the file is shorter */
        size_t i = 0;
        while (i + VRV_BATCH_HEADER <= n && !may_begin(w, pos + i, p + i, end))
            i++;
        pos += i;
        if (i + VRV_BATCH_HEADER > n)
            continue; /* the next piece begins at pos */
        rc = whole_at(w, pos, end, e);
        if (rc < 0)
            return rc;
        if (rc > 0) {
            w->pos = pos;
            return 1;
        }
        pos++;
    }
    w->pos = w->size;
    return 0;
}
