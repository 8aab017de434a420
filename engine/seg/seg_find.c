/*
 * Where in a segment is an offset, or a time?
 *
 * The index says where to begin, and from there batch headers are walked.  Without an index, or
 * behind its last entry, the walk is longer, never wrong.
 */
#include <inttypes.h>

#include "engine/seg/seg_int.h"

/* Bytes of the data file around a header: small batches have several in one piece. */
struct piece {
    uint64_t pos;
    size_t n;
    uint8_t buf[4096];
};

static int
load_piece(struct vrv_seg *s, struct piece *p, uint64_t pos, uint64_t flushed, unsigned flags,
    struct vrv_err *e)
{
    size_t want = flushed - pos < sizeof(p->buf) ? (size_t)(flushed - pos) : sizeof(p->buf);
    ssize_t got = vrv_seg_pread(s, p->buf, want, pos, flags, e);

    p->n = 0;
    if (got < 0)
        return (int)got;
    if ((flags & VRV_READ_NOWAIT) && got < VRV_BATCH_HEADER && (size_t)got < want)
        return vrv_err_set(e, VRV_E_AGAIN, "the rest of a batch header is not in memory");
    p->pos = pos;
    p->n = (size_t)got;
    return 0;
}

/* The header at pos.  1; 0 at the end of the written part. */
static int
header_at(struct vrv_seg *s, struct piece *p, uint64_t pos, uint64_t flushed, unsigned flags,
    struct vrv_batch *b, struct vrv_err *e)
{
    if (pos >= flushed)
        return 0;
    if (pos < p->pos || pos + VRV_BATCH_HEADER > p->pos + p->n) {
        int rc = load_piece(s, p, pos, flushed, flags, e);
        if (rc < 0)
            return rc;
    }
    size_t have = p->n - (size_t)(pos - p->pos);
    if (have < VRV_BATCH_HEADER ||
        vrv_batch_read(b, p->buf + (pos - p->pos), flushed - pos, NULL) < 0)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 ": no record batch at byte %" PRIu64, s->base, pos);
    return 1;
}

/* What is looked for: the first batch whose last offset is >= offset, or whose max_ts is >= ts. */
struct sought {
    bool by_time;
    int64_t key;
};

/* Offsets lie outside a batch's checksum: hold them against what comes before and behind.  Where
 * nothing was ever taken out of a segment, that finds every wrong one. */
static int
check_offsets(const struct vrv_seg *s, const struct vrv_batch *b, uint64_t pos, int64_t least,
    int64_t most, struct vrv_err *e)
{
    if (b->base_offset >= least && vrv_batch_last_offset(b) < most)
        return 1;
    return vrv_err_set(e, VRV_E_CORRUPT,
        "segment %" PRId64 ": the batch at byte %" PRIu64 " says offset %" PRId64 " to %" PRId64
        ", expected %" PRId64 " or more, below %" PRId64, s->base, pos, b->base_offset,
        vrv_batch_last_offset(b), least, most);
}

/* The batch that was looked for: is the one behind it behind it? */
static int
check_found(struct vrv_seg *s, struct piece *p, const struct vrv_seg_view *v,
    const struct vrv_batch *b, uint64_t pos, unsigned flags, struct vrv_err *e)
{
    struct vrv_batch next;
    int rc = header_at(s, p, pos + b->size, v->flushed, flags, &next, e);

    return rc > 0 ? check_offsets(s, b, pos, b->base_offset, next.base_offset, e)
                  : rc < 0 && rc != VRV_E_CORRUPT ? rc
                                                  : 1;
}

/* Walk headers until one is it.  1; 0: the index named a batch that isn't there. */
static int
walk(struct vrv_seg *s, const struct vrv_seg_view *v, const struct sought *q,
    const struct vrv_index_entry *from, unsigned flags, struct vrv_seg_place *out,
    struct vrv_err *e)
{
    int64_t least = s->base;
    struct piece p = { .n = 0 };
    struct vrv_batch b;

    for (uint64_t pos = from != NULL ? from->pos : 0;; pos += b.size) {
        int rc = header_at(s, &p, pos, v->flushed, flags, &b, e);

        if (rc > 0)
            rc = check_offsets(s, &b, pos, least, v->flushed_next, e);

        if (from != NULL && (rc == VRV_E_CORRUPT || (rc > 0 && b.base_offset != from->offset)))
            return 0;
        if (rc < 0)
            return rc;
        from = NULL;
        *out = (struct vrv_seg_place){ .pos = pos };
        if (rc == 0)
            return 1;
        least = vrv_batch_last_offset(&b) + 1;
        if ((q->by_time ? b.max_ts : vrv_batch_last_offset(&b)) >= q->key) {
            out->size = b.size;
            out->base = b.base_offset;
            return check_found(s, &p, v, &b, pos, flags, e);
        }
    }
}

/* What the index says.  1: begin at *en; 0: at the start of the file. */
static int
ask_index(struct vrv_seg *s, const struct vrv_seg_view *v, const struct sought *q, unsigned flags,
    struct vrv_index_entry *en, struct vrv_err *e)
{
    struct vrv_file *f;
    bool found = false;
    int rc;

    if (v->index_n == 0)
        return 0;
    rc = vrv__seg_index_ready(s, v, flags, e);
    if (rc <= 0)
        return rc;
    rc = vrv__seg_index_get(s, &f, e);
    if (rc == 0) {
        rc = q->by_time ? vrv_index_find_time(f, v->index_n, q->key, flags, en, &found, e)
                        : vrv_index_find(f, v->index_n, q->key, flags, en, &found, e);
        vrv_files_put(s->files, &s->index);
    }
    /* The walk is longer without it, not wrong. */
    if (rc == VRV_E_NOTFOUND || rc == VRV_E_CORRUPT)
        return 0;
    return rc < 0 ? rc : found;
}

static int
find(struct vrv_seg *s, const struct vrv_seg_view *v, const struct sought *q, unsigned flags,
    struct vrv_seg_place *out, struct vrv_err *e)
{
    struct vrv_index_entry en = { 0 };
    int rc = ask_index(s, v, q, flags, &en, e);

    if (rc > 0) {
        rc = walk(s, v, q, &en, flags, out, e);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    if (rc == 0)
        rc = walk(s, v, q, NULL, flags, out, e);
    return rc < 0 ? rc : 0;
}

int
vrv_seg_find(struct vrv_seg *s, const struct vrv_seg_view *v, int64_t offset, unsigned flags,
    struct vrv_seg_place *out, struct vrv_err *e)
{
    struct sought q = { .key = offset };

    return find(s, v, &q, flags, out, e);
}

int
vrv_seg_find_time(struct vrv_seg *s, const struct vrv_seg_view *v, int64_t ts, unsigned flags,
    struct vrv_seg_place *out, struct vrv_err *e)
{
    struct sought q = { .by_time = true, .key = ts };

    return find(s, v, &q, flags, out, e);
}
