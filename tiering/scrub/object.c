#include "tiering/scrub/object.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/log/producers.h"

enum { PIECE = 8 << 20 };

/* ---- bytes, in order ---- */

static int
get(struct vrv_object_walk *w, uint64_t pos, uint8_t *to, size_t n, struct vrv_err *e)
{
    struct vrv_store_call c = { .op = VRV_STORE_GET, .lane = VRV_STORE_HOUSEKEEPING, .key = w->seg->key,
        .pos = w->seg->pos + pos, .size = n, .buf = to };

    if (w->before != NULL)
        w->before(w->ctx, n);
    int rc = vrv_sync_call(w->s, &c);
    if (rc < 0)
        *e = c.err;
    else if (c.got != n)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "it ends at byte %" PRIu64 " of %" PRIu64, pos + c.got,
            w->seg->size);
    return rc;
}

/* The next piece, of n bytes or more. */
static int
fill(struct vrv_object_walk *w, size_t n, struct vrv_err *e)
{
    uint64_t left = w->seg->size - w->at;
    size_t want = left < PIECE ? (size_t)left : PIECE;

    if (n > left)
        return vrv_err_set(e, VRV_E_CORRUPT, "at byte %" PRIu64 " %zu bytes are wanted of %" PRIu64, w->at, n,
            left);
    want = want < n ? n : want;
    free(w->piece);
    w->piece = vrv_mem_try(want);
    w->piece_n = 0;
    if (w->piece == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %zu bytes of an object", want);
    int rc = get(w, w->at, w->piece, want, e);
    if (rc == 0) {
        w->piece_at = w->at;
        w->piece_n = want;
    }
    return rc;
}

/* The next n bytes: *p until it is called again. */
static int
take(struct vrv_object_walk *w, size_t n, const uint8_t **p, struct vrv_err *e)
{
    if (w->at + n > w->piece_at + w->piece_n) {
        int rc = fill(w, n, e);

        if (rc < 0)
            return rc;
    }
    *p = w->piece + (w->at - w->piece_at);
    w->crc = vrv_crc32c(w->crc, *p, n);
    w->at += n;
    return 0;
}

/* ---- header and footer ---- */

/* A segment that reaches over what was lost with a deleted topic ends behind its object. */
static int
check_whose(const struct vrv_object_walk *w, const char *what, const struct vrv_object_info *i,
    struct vrv_err *e)
{
    const struct vrv_cold_seg *s = w->seg;

    if (!vrv_uuid_eq(&i->topic, &w->id->topic) || i->partition != w->id->partition)
        return vrv_err_set(e, VRV_E_CORRUPT, "the %s is of another partition's object", what);
    if (i->base != s->base || i->next <= i->base || i->next > s->next)
        return vrv_err_set(e, VRV_E_CORRUPT, "the %s says offsets %" PRId64 " to %" PRId64
            ", the manifest %" PRId64 " to %" PRId64, what, i->base, i->next - 1, s->base, s->next - 1);
    return 0;
}

static int
check_header(struct vrv_object_walk *w, struct vrv_err *e)
{
    struct vrv_object_info i;
    const uint8_t *p;
    int rc = take(w, VRV_OBJECT_HEADER, &p, e);

    if (rc == 0)
        rc = vrv_object_read_header(&i, p, e);
    return rc == 0 ? check_whose(w, "header", &i, e) : rc;
}

static int
read_footer(struct vrv_object_walk *w, struct vrv_err *e)
{
    const struct vrv_cold_seg *s = w->seg;
    const struct vrv_object_info *i = &w->info;
    uint8_t p[VRV_OBJECT_FOOTER];

    if (s->size < VRV_OBJECT_HEADER + VRV_OBJECT_FOOTER)
        return vrv_err_set(e, VRV_E_CORRUPT, "%" PRIu64 " bytes are no object", s->size);
    int rc = get(w, s->size - sizeof(p), p, sizeof(p), e);
    if (rc == 0)
        rc = vrv_object_read_footer(&w->info, p, s->size, e);
    if (rc == 0)
        rc = check_whose(w, "footer", i, e);
    if (rc == 0 && (i->plain != s->plain || i->min_ts != s->min_ts || i->max_ts != s->max_ts ||
        i->max_ts_offset != s->max_ts_offset || i->chunk_n != s->chunk_n || (i->aborted_n > 0) != s->aborted))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "the footer says other than the manifest of bytes, chunks, times "
            "or aborted transactions");
    return rc;
}

/* ---- chunks ---- */

static int
check_batches(struct vrv_object_walk *w, const struct vrv_chunk *c, int64_t next, const uint8_t *p,
    struct vrv_err *e)
{
    struct vrv_batch b;

    for (size_t at = 0; at < c->plain; at += b.size) {
        int rc = vrv_batch_read(&b, p + at, c->plain - at, e); /* it was checked with its chunk */

        if (rc < 0)
            return rc;
        if (vrv_batch_last_offset(&b) >= next)
            return vrv_err_set(e, VRV_E_CORRUPT, "chunk of offset %" PRId64 ": a batch ends with offset %" PRId64
                ", the next one begins at %" PRId64, c->base, vrv_batch_last_offset(&b), next);
        if (b.leader_epoch < vrv_epochs_newest(&w->epochs))
            return vrv_err_set(e, VRV_E_CORRUPT, "offset %" PRId64 " is of epoch %" PRId32
                ", behind records of epoch %" PRId32, b.base_offset, b.leader_epoch,
                vrv_epochs_newest(&w->epochs));
        vrv_epochs_add(&w->epochs, b.leader_epoch, b.base_offset);
        w->batches++;
        if (w->batch != NULL)
            w->batch(w->ctx, &b);
    }
    w->plain_crc = vrv_crc32c(w->plain_crc, p, c->plain);
    return 0;
}

static int
check_chunk(struct vrv_object_walk *w, uint32_t n, struct vrv_err *e)
{
    const struct vrv_chunk *c = &w->seg->chunk[n];
    int64_t next = n + 1 < w->seg->chunk_n ? c[1].base : w->info.next;
    uint64_t began = w->at;
    const uint8_t *p;
    uint8_t *plain;

    if (c->pos != w->at)
        return vrv_err_set(e, VRV_E_CORRUPT, "the manifest says that chunk %" PRIu32 " begins at byte %" PRIu64
            ", the one before ends at byte %" PRIu64, n, c->pos, w->at);
    int rc = take(w, c->stored, &p, e);
    if (rc == 0 && (rc = vrv_chunk_open(c, p, c->stored, &plain, e)) == 0) {
        rc = check_batches(w, c, next, plain != NULL ? plain : p, e);
        free(plain);
    }
    return rc == VRV_E_CORRUPT ? vrv_err_prefix(e, rc, "chunk %" PRIu32 " at byte %" PRIu64, n, began) : rc;
}

/* ---- what is behind them ---- */

static int
check_epochs(const struct vrv_object_walk *w, const uint8_t *p, struct vrv_err *e)
{
    const struct vrv_epochs *h = &w->epochs;
    bool same = h->n == w->info.epoch_n && h->n > 0 && h->v[0].epoch == w->seg->first_epoch &&
        h->v[h->n - 1].epoch == w->seg->last_epoch;

    for (uint32_t i = 0; same && i < h->n; i++)
        same = (int32_t)vrv_get_le32(p + (size_t)i * VRV_OBJECT_EPOCH) == h->v[i].epoch &&
            (int64_t)vrv_get_le64(p + (size_t)i * VRV_OBJECT_EPOCH + 8) == h->v[i].start;
    return same ? 0 : vrv_err_set(e, VRV_E_CORRUPT, "its epochs aren't those of its records");
}

static int
at_or_behind(void *ctx, const struct vrv_producer_info *info)
{
    return info->last_offset >= *(const int64_t *)ctx;
}

static int
check_producers(const struct vrv_object_walk *w, const uint8_t *p, struct vrv_err *e)
{
    struct vrv_producers *t;
    int64_t next = w->info.next;
    int rc = vrv_producers_decode(&t, p, w->info.producer_bytes, e);

    if (rc == 0 && vrv_producers_each(t, at_or_behind, &next) != 0)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "its producers have records behind its own");
    vrv_producers_free(&t);
    return rc;
}

static int
check_table(const struct vrv_object_walk *w, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_chunk *c;
    int rc = vrv_object_read_table(&c, &w->info, p, n, e);

    for (uint32_t i = 0; rc == 0 && i < w->info.chunk_n; i++) {
        const struct vrv_chunk *s = &w->seg->chunk[i];

        if (c[i].base != s->base || c[i].pos != s->pos || c[i].stored != s->stored ||
            c[i].plain != s->plain || c[i].crc != s->crc || c[i].codec != s->codec ||
            c[i].max_ts != s->max_ts)
            rc = vrv_err_set(e, VRV_E_CORRUPT, "its chunk table and the manifest differ at chunk %" PRIu32, i);
    }
    free(c);
    return rc;
}

static int
check_rest(struct vrv_object_walk *w, struct vrv_err *e)
{
    const struct vrv_object_info *i = &w->info;
    size_t extras = (size_t)(i->table_at - i->index_at), table = (size_t)i->chunk_n * VRV_CHUNK_RECORD;
    const uint8_t *p;

    if (w->at != i->index_at)
        return vrv_err_set(e, VRV_E_CORRUPT, "the chunks end at byte %" PRIu64 ", the index begins at %" PRIu64,
            w->at, i->index_at);
    if (i->plain_crc != w->plain_crc)
        return vrv_err_set(e, VRV_E_CORRUPT, "the records don't match the segment's checksum");
    int rc = take(w, extras, &p, e);
    if (rc == 0 && vrv_crc32c(0, p, extras) != i->extras_crc)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "what is behind the chunks, from byte %" PRIu64
            ", doesn't match its checksum", i->index_at);
    if (rc == 0)
        rc = check_epochs(w, p + (i->epochs_at - i->index_at), e);
    if (rc == 0)
        rc = check_producers(w, p + (i->producers_at - i->index_at), e);
    if (rc == 0 && (rc = take(w, table, &p, e)) == 0)
        rc = check_table(w, p, table, e);
    if (rc == 0)
        rc = take(w, VRV_OBJECT_FOOTER, &p, e);
    if (rc == 0 && !w->any_crc && w->crc != w->seg->crc)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "it doesn't match the manifest's checksum of all of it");
    return rc;
}

int
vrv_object_walk(struct vrv_object_walk *w, struct vrv_err *e)
{
    int rc = read_footer(w, e);

    if (rc == 0)
        rc = check_header(w, e);
    for (uint32_t i = 0; i < w->seg->chunk_n && rc == 0; i++)
        rc = check_chunk(w, i, e);
    if (rc == 0)
        rc = check_rest(w, e);
    free(w->piece);
    vrv_epochs_fini(&w->epochs);
    w->piece = NULL;
    return rc;
}
