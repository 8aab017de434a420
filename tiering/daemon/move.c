#include "tiering/daemon/move.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/os/failpoint.h"

enum { PIECE = 1 << 20, BACK_MAX = 16 };

/* ---- its end ---- */

static void
finish(struct vrv_move *m, int status, const struct vrv_err *e)
{
    vrv_object_fini(&m->w);
    vrv_epochs_fini(&m->epochs);
    free(m->piece);
    free(m->out);
    free(m->index);
    free(m->producer_bytes);
    free(m->epoch_bytes);
    m->run(m, status, e);
}

static void
committed(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    VRV_STEP(OFFLOAD);
    finish(VRV_LIST_OF(c, struct vrv_move, commit), status, e);
}

/* ---- into the manifest ---- */

static struct vrv_cold_seg
entry_of(const struct vrv_move *m)
{
    const struct vrv_object_info *i = &m->w.info;
    struct vrv_clock *clock = m->o->upload.clock;
    struct vrv_cold_seg s = { .base = i->base, .next = i->next, .key = vrv_mem_strdup(m->key),
        .first_epoch = m->epochs.v[0].epoch, .last_epoch = vrv_epochs_newest(&m->epochs),
        .size = m->w.at, .crc = m->w.crc, .plain = i->plain, .min_ts = i->min_ts,
        .max_ts = i->max_ts, .max_ts_offset = i->max_ts_offset,
        .appended_ms = m->seg->last_ms, .moved_ms = clock->wall_ms(clock), .chunk_n = i->chunk_n };

    s.chunk = vrv_mem_zero(s.chunk_n * sizeof(*s.chunk));
    memcpy(s.chunk, m->w.chunk, s.chunk_n * sizeof(*s.chunk));
    return s;
}

/* The segment before it reaches up to there, then. */
static void
bridge(struct vrv_manifest *next, const struct vrv_move *m)
{
    if (!m->bridges || next->seg_n == 0 || next->next >= m->seg->base)
        return;
    next->next = next->seg[next->seg_n - 1].next = m->seg->base;
}

/* The manifest that it continues, but for its entry. */
static void
begin_next(struct vrv_move *m)
{
    struct vrv_manifest *next = &m->commit.next;

    if (m->from != NULL)
        vrv_manifest_copy(next, m->from);
    else
        *next = (struct vrv_manifest){ .topic = m->seg->log.topic,
            .partition = m->seg->log.partition, .next = m->seg->base };
    next->epoch = m->epoch;
    bridge(next, m);
    (void)vrv_manifest_trim(next, m->start);
    if (next->page_n + next->seg_n == 0) /* what was between is deleted, and was never cold */
        next->next = m->seg->base;
}

static void
uploaded(struct vrv_upload *u, int status, const struct vrv_err *e)
{
    struct vrv_move *m = VRV_LIST_OF(u, struct vrv_move, upload);
    struct vrv_manifest *next = &m->commit.next;
    struct vrv_err why;

    if (status < 0) {
        finish(m, status, e);
        return;
    }
    VRV_STEP(OFFLOAD);
    if (m->made != NULL) {
        *m->made = entry_of(m);
        finish(m, 0, e);
        return;
    }
    begin_next(m);
    struct vrv_cold_seg s = entry_of(m);
    status = vrv_manifest_add(next, &s, &why);
    if (status < 0) {
        vrv_cold_seg_fini(&s);
        vrv_manifest_fini(next);
        finish(m, status, &why);
        return;
    }
    m->phase = VRV_MOVE_COMMITS;
    m->commit.run = committed;
    vrv_parts_commit(m->o->parts, &m->commit);
}

/* ---- what goes with the batches ---- */

static void
add_entry(struct vrv_move *m, const struct vrv_batch *b)
{
    if (m->index_n == m->index_cap) {
        m->index_cap = m->index_cap == 0 ? 64 : 2 * m->index_cap;
        m->index = vrv_mem_grow(m->index, (size_t)m->index_cap * VRV_OBJECT_INDEX);
    }
    uint8_t *p = m->index + (size_t)m->index_n++ * VRV_OBJECT_INDEX;
    vrv_put_le64(p, (uint64_t)b->base_offset);
    vrv_put_le64(p + 8, m->pos);
    vrv_put_le64(p + 16, (uint64_t)m->max_ts);
    m->indexed = m->pos;
}

static void
note_batch(struct vrv_move *m, const struct vrv_batch *b)
{
    if (m->index_n == 0 || m->pos - m->indexed >= m->o->index_interval)
        add_entry(m, b);
    m->pos += b->size;
    if (b->max_ts > m->max_ts)
        m->max_ts = b->max_ts;
    vrv_epochs_add(&m->epochs, b->leader_epoch, b->base_offset);
    if (b->producer_id >= 0)
        vrv_producers_update(&m->producers, b);
}

static struct vrv_object_extras
extras(struct vrv_move *m)
{
    struct vrv_object_extras x = { .index = m->index, .index_n = m->index_n,
        .epoch_n = m->epochs.n };
    size_t n;

    vrv_producers_encode(m->producers, &m->producer_bytes, &n);
    x.producers = m->producer_bytes;
    x.producer_bytes = (uint32_t)n;
    m->epoch_bytes = vrv_mem_zero((size_t)x.epoch_n * VRV_OBJECT_EPOCH);
    x.epochs = m->epoch_bytes;
    for (uint32_t i = 0; i < x.epoch_n; i++) {
        vrv_put_le32(m->epoch_bytes + (size_t)i * VRV_OBJECT_EPOCH, (uint32_t)m->epochs.v[i].epoch);
        vrv_put_le64(m->epoch_bytes + (size_t)i * VRV_OBJECT_EPOCH + 8, (uint64_t)m->epochs.v[i].start);
    }
    return x;
}

/* ---- out of the segment ---- */

static int
sink(void *ctx, const void *p, size_t n, struct vrv_err *e)
{
    struct vrv_move *m = ctx;

    (void)e;
    if (m->out_n + n > m->out_cap) {
        m->out_cap = m->out_n + n > PIECE ? m->out_n + n : PIECE;
        m->out = vrv_mem_grow(m->out, m->out_cap);
    }
    memcpy(m->out + m->out_n, p, n);
    m->out_n += n;
    return 0;
}

static int
write_piece(struct vrv_move *m, struct vrv_err *e)
{
    struct vrv_batch b;
    size_t used = 0;
    int rc = vrv_object_add(&m->w, m->piece, m->n, &used, e);

    if (rc < 0)
        return rc;
    for (size_t at = 0; at < used; at += b.size) {
        rc = vrv_batch_read(&b, m->piece + at, used - at, e);
        VRV_ASSERT(rc == 0); /* the writer has checked it */
        note_batch(m, &b);
    }
    memmove(m->piece, m->piece + used, m->n - used);
    m->n -= used;
    return 0;
}

static int
write_end(struct vrv_move *m, struct vrv_err *e)
{
    struct vrv_object_extras x = extras(m);

    return vrv_object_end(&m->w, &x, e);
}

/* On the thread that reads: a piece becomes a part of the object, the last one its end, too. */
static void
use_piece(struct vrv_source_read *r)
{
    struct vrv_move *m = VRV_LIST_OF(r, struct vrv_move, read);
    int rc = r->got < 0 ? (int)r->got : 0;

    if (rc == 0 && (size_t)r->got != r->n)
        rc = vrv_err_set(&r->err, VRV_E_CORRUPT, "segment %" PRId64 " ends at byte %" PRIu64 " of %" PRIu64,
            m->seg->base, r->pos + (uint64_t)r->got, m->seg->size);
    if (rc == 0) {
        m->n += r->n;
        rc = write_piece(m, &r->err);
    }
    if (rc == 0 && r->pos + r->n == m->seg->size)
        rc = write_end(m, &r->err);
    r->got = rc < 0 ? rc : r->got;
}

static void go_on(struct vrv_move *m, int rc, const struct vrv_err *e);

static void
piece_came(struct vrv_done *d)
{
    struct vrv_move *m = VRV_LIST_OF(d, struct vrv_move, read.done);
    int rc = m->read.got < 0 ? (int)m->read.got : 0;

    if (rc == 0) {
        m->at += m->read.n;
        m->all_in = m->at == m->seg->size;
        vrv_upload_put(&m->upload, m->out, m->out_n);
        m->out_n = 0;
    }
    go_on(m, rc, &m->read.err);
}

static size_t
piece_size(const struct vrv_move *m)
{
    uint64_t left = m->seg->size - m->at;

    return left < PIECE ? (size_t)left : PIECE;
}

/* A piece more, behind what is there. */
static void
my_turn(struct vrv_done *d)
{
    struct vrv_move *m = VRV_LIST_OF(d, struct vrv_move, next);
    size_t want = piece_size(m);

    if (vrv_upload_status(&m->upload) < 0) {
        go_on(m, 0, NULL);
        return;
    }
    if (m->n + want > m->cap) {
        m->cap = m->n + want;
        m->piece = vrv_mem_grow(m->piece, m->cap);
    }
    m->read = (struct vrv_source_read){ .done = { .cq = m->o->upload.cq, .run = piece_came },
        .seg = m->seg, .buf = m->piece + m->n, .n = want, .pos = m->at, .use = use_piece };
    vrv_source_submit(m->o->source, &m->read);
}

static void
ask(struct vrv_move *m)
{
    m->busy = true;
    m->next = (struct vrv_done){ .cq = m->o->upload.cq, .run = my_turn };
    m->turn = (struct vrv_pace_wait){ .done = &m->next, .bytes = piece_size(m) };
    vrv_pace_ask(m->o->pace, &m->turn);
}

static void
go_on(struct vrv_move *m, int rc, const struct vrv_err *e)
{
    m->busy = false;
    if (rc == 0)
        rc = vrv_upload_status(&m->upload);
    if (rc < 0 || m->all_in)
        vrv_upload_end(&m->upload, rc, e);
    else if (!vrv_upload_is_full(&m->upload))
        ask(m);
}

static void
room(struct vrv_upload *u)
{
    struct vrv_move *m = VRV_LIST_OF(u, struct vrv_move, upload);

    if (!m->busy) /* one that has failed, or is to stop, waits for no turn */
        go_on(m, 0, NULL);
}

static void
begin(struct vrv_move *m)
{
    const struct vrv_seg *s = m->seg;
    struct vrv_object_info info = { .topic = s->log.topic, .partition = s->log.partition,
        .epoch = m->epoch, .base = s->base, .next = s->next, .plain = s->size, .plain_crc = s->crc,
        .min_ts = s->min_ts, .max_ts = s->max_ts, .max_ts_offset = s->max_ts_offset };

    VRV_STEP(OFFLOAD);
    m->phase = VRV_MOVE_WRITES;
    vrv_list_init(&m->turn.link);
    vrv_parts_segment_key(m->o->parts, &s->log, s->base, m->key);
    m->max_ts = INT64_MIN;
    m->upload.o = &m->o->upload;
    m->upload.key = m->key;
    m->upload.room = room;
    m->upload.run = uploaded;
    vrv_upload_begin(&m->upload);
    vrv_object_begin(&m->w, &info, m->o->chunk_bytes, m->zstd_level, sink, m);
    ask(m);
}

static void read_producers(struct vrv_move *m);

/* What is lost for good is in nobody's way: the one before it is the next best. */
static void
producers_came(struct vrv_extras *r, int status, const struct vrv_object_extras *x,
    const struct vrv_err *e)
{
    struct vrv_move *m = VRV_LIST_OF(r, struct vrv_move, extras);
    struct vrv_err why = *e;

    if (status == 0)
        status = vrv_producers_decode(&m->producers, x->producers, x->producer_bytes, &why);
    if (r->gone || status == VRV_E_CORRUPT) {
        if (m->back++ == 0)
            m->lacks = why;
        read_producers(m);
    } else if (status < 0) {
        finish(m, status, &why);
    } else {
        begin(m);
    }
}

static void
read_producers(struct vrv_move *m)
{
    const struct vrv_upload_opts *o = &m->o->upload;

    if (m->before_n == 0 || m->back == BACK_MAX) {
        begin(m);
        return;
    }
    m->extras = (struct vrv_extras){ .retry = o->retry, .cq = o->cq, .clock = o->clock,
        .read_ms = o->call_ms, .run = producers_came };
    vrv_extras_read(&m->extras, &m->before[--m->before_n]);
}

int
vrv_move_check(const struct vrv_move *m, struct vrv_err *e)
{
    const struct vrv_manifest *from = m->from;

    if (from == NULL || from->next == m->seg->base || from->next <= m->start ||
        from->page_n + from->seg_n == 0 || (m->bridges && from->seg_n > 0 && from->next < m->seg->base))
        return 0;
    return vrv_err_set(e, VRV_E_CONFLICT, "the store has offsets up to %" PRId64 ", and the segment begins at %"
        PRId64 ": nobody knows of what is in between", from->next, m->seg->base);
}

static void
prepare(struct vrv_move *m)
{
    m->phase = VRV_MOVE_PREPARES;
    if (m->before == NULL && m->from != NULL) {
        m->before = m->from->seg;
        m->before_n = m->from->seg_n;
    }
    if (m->knows_producers)
        begin(m);
    else
        read_producers(m);
}

static void
looked(struct vrv_parts_commit *c, int status, const struct vrv_err *e)
{
    struct vrv_move *m = VRV_LIST_OF(c, struct vrv_move, commit);

    if (status < 0) {
        finish(m, status, e);
        return;
    }
    m->commit = (struct vrv_parts_commit){ .looks = false };
    prepare(m);
}

void
vrv_move_begin(struct vrv_move *m)
{
    if (m->made != NULL || !vrv_parts_looks(m->o->parts, &m->seg->log)) {
        prepare(m);
        return;
    }
    m->phase = VRV_MOVE_LOOKS;
    m->commit.looks = true;
    m->commit.run = looked;
    begin_next(m);
    vrv_parts_commit(m->o->parts, &m->commit);
}

static void
cancel_writing(struct vrv_move *m)
{
    vrv_upload_cancel(&m->upload);
    vrv_pace_cancel(&m->turn);
}

void
vrv_move_cancel(struct vrv_move *m)
{
    if (m->phase == VRV_MOVE_PREPARES)
        vrv_extras_cancel(&m->extras);
    else if (m->phase == VRV_MOVE_WRITES)
        cancel_writing(m);
    else
        vrv_parts_cancel(m->o->parts, &m->commit);
}
