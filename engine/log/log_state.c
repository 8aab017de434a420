/*
 * What a checkpoint keeps of a log, and bringing a log back from it and from the WAL.
 *
 * The state is captured at some entry number; segments are written on meanwhile, so the records
 * of segments, taken later, may reach further.  Replay closes the gap: it walks the entries behind
 * the state through the segments again, and where the file has an entry's bytes already (they were
 * durable before the checkpoint was), nothing is left to write.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/log/log_int.h"

/* ---- formats, little-endian; see engine/README.md ----
 *
 * state    0 u8 version, 1 u8 has segment, 4 i32 epoch, 8 u64 entries below are in, 16 i64 start,
 *          24 i64 end, 32 i64 ceiling, 40 i64 base of the segment the next batch goes to,
 *          48 u64 and its place there, 56 u32 bytes of the producers, 60 u32 0, 64 i64 dropped
 *          below this, 72 epochs, producers
 * segment  0 i64 base, 8 i64 next, 16 u64 size, 24 u32 crc, 28 u32 index entries, 32 i64 created,
 *          40 i64 last append, 48 i64 min ts, 56 i64 max ts, 64 i64 max ts offset, 72 u64 position
 *          of the newest index entry, 80 u32 state, 84 u32 version, 88 u32 checksum of the index
 * open     any number of segments
 */
enum { STATE_VERSION = 1, STATE_FIXED = 72 };

static void
put_seg(uint8_t *p, const struct vrv_seg *s)
{
    vrv_put_le64(p, (uint64_t)s->base);
    vrv_put_le64(p + 8, (uint64_t)s->flushed_next);
    vrv_put_le64(p + 16, s->flushed);
    vrv_put_le32(p + 24, s->crc);
    vrv_put_le32(p + 28, s->index_n);
    vrv_put_le64(p + 32, (uint64_t)s->created_ms);
    vrv_put_le64(p + 40, (uint64_t)s->last_ms);
    vrv_put_le64(p + 48, (uint64_t)s->min_ts);
    vrv_put_le64(p + 56, (uint64_t)s->max_ts);
    vrv_put_le64(p + 64, (uint64_t)s->max_ts_offset);
    vrv_put_le64(p + 72, s->indexed);
    vrv_put_le32(p + 80, (uint32_t)s->state);
    vrv_put_le32(p + 84, STATE_VERSION);
    vrv_put_le32(p + 88, s->index_crc);
}

void
vrv_seg_record(const struct vrv_seg *s, uint8_t out[VRV_SEG_RECORD])
{
    VRV_ASSERT(s->flushed == s->size);
    put_seg(out, s);
}

static struct vrv_seg *
get_seg(struct vrv_log *log, const uint8_t *p, struct vrv_err *e)
{
    int64_t base = (int64_t)vrv_get_le64(p), next = (int64_t)vrv_get_le64(p + 8);
    uint32_t state = vrv_get_le32(p + 80);

    if (vrv_get_le32(p + 84) > STATE_VERSION) {
        (void)vrv_err_set(
            e, VRV_E_VERSION, "a segment's record has version %" PRIu32, vrv_get_le32(p + 84));
        return NULL;
    }
    if (base < 0 || next < base || state > VRV_SEG_SEALED ||
        (log->seg_n > 0 && log->segs[log->seg_n - 1]->next > base)) {
        (void)vrv_err_set(e, VRV_E_CORRUPT,
            "the record of segment %" PRId64 " (to %" PRId64 ") can't be right", base, next);
        return NULL;
    }
    struct vrv_seg *s = vrv_seg_new(log->env->files, &log->id, base, 0);
    s->next = s->flushed_next = next;
    s->size = s->flushed = vrv_get_le64(p + 16);
    s->crc = vrv_get_le32(p + 24);
    s->index_n = vrv_get_le32(p + 28);
    s->created_ms = (int64_t)vrv_get_le64(p + 32);
    s->last_ms = (int64_t)vrv_get_le64(p + 40);
    s->min_ts = (int64_t)vrv_get_le64(p + 48);
    s->max_ts = (int64_t)vrv_get_le64(p + 56);
    s->max_ts_offset = (int64_t)vrv_get_le64(p + 64);
    s->indexed = vrv_get_le64(p + 72);
    s->index_crc = vrv_get_le32(p + 88);
    s->interval = log->config->index_interval;
    return s;
}

/* ---- capture ---- */

void
vrv__log_state(const struct vrv_log *log, uint8_t **out, size_t *n)
{
    uint8_t *prod = NULL;
    size_t prod_n = 0;

    const struct vrv_seg *open = vrv__log_open_seg(log);
    size_t epochs_n = vrv_epochs_encoded(&log->epochs);
    vrv_producers_encode(log->producers, &prod, &prod_n);
    uint8_t *p = vrv_mem_zero(STATE_FIXED + epochs_n + prod_n);
    p[0] = STATE_VERSION;
    p[1] = open != NULL;
    vrv_put_le32(p + 4, (uint32_t)log->epoch);
    vrv_put_le64(p + 8, log->seq_end);
    vrv_put_le64(p + 16, (uint64_t)log->start_next);
    vrv_put_le64(p + 24, (uint64_t)log->end);
    vrv_put_le64(p + 32, (uint64_t)log->ceiling);
    vrv_put_le64(p + 40, open != NULL ? (uint64_t)open->base : 0);
    vrv_put_le64(p + 48, open != NULL ? open->size : 0);
    vrv_put_le32(p + 56, (uint32_t)prod_n);
    vrv_put_le64(p + 64, (uint64_t)log->local_next);
    vrv_epochs_encode(&log->epochs, p + STATE_FIXED);
    if (prod_n > 0)
        memcpy(p + STATE_FIXED + epochs_n, prod, prod_n);
    free(prod);
    *out = p;
    *n = STATE_FIXED + epochs_n + prod_n;
}

void
vrv__log_past_state(int64_t start, int64_t end, const struct vrv_epochs *epochs,
    const struct vrv_producers *producers, uint64_t seq, uint8_t **out, size_t *n)
{
    const struct vrv_log log = { .start_next = start, .end = end, .local_next = end,
        .epochs = *epochs, .epoch = vrv_epochs_newest(epochs), .seq_end = seq,
        .producers = (struct vrv_producers *)(uintptr_t)producers };

    vrv__log_state(&log, out, n);
}

void
vrv_log_capture(struct vrv_log *log, uint8_t **out, size_t *n, uint64_t *seq)
{
    vrv_lock(&log->lock);
    log->touched = false;
    vrv__log_state(log, out, n);
    *seq = log->seq_end;
    vrv_unlock(&log->lock);
}

void
vrv_log_capture_open(struct vrv_log *log, uint8_t **out, size_t *n)
{
    uint32_t first;

    vrv_lock(&log->lock);
    for (first = log->seg_n; first > 0 && log->segs[first - 1]->state < VRV_SEG_FOOTED; first--)
        ;
    *n = 0;
    *out = vrv_mem_zero((size_t)(log->seg_n - first) * VRV_SEG_RECORD);
    for (uint32_t i = first; i < log->seg_n; i++) {
        if (log->segs[i]->flushed == 0)
            continue; /* its first batch makes it again at replay */
        put_seg(*out + *n, log->segs[i]);
        *n += VRV_SEG_RECORD;
    }
    vrv_unlock(&log->lock);
}

/* ---- restore ---- */

static int
restore_seg(struct vrv_log *log, const uint8_t *in, bool sealed, struct vrv_err *e)
{
    struct vrv_seg *s = get_seg(log, in, e);

    if (s == NULL)
        return e != NULL && e->code == VRV_E_VERSION ? VRV_E_VERSION : VRV_E_CORRUPT;
    s->state = sealed ? VRV_SEG_SEALED : VRV_SEG_OPEN;
    if (log->seg_n > 0 && log->segs[log->seg_n - 1]->state == VRV_SEG_OPEN) {
        log->segs[log->seg_n - 1]->state = VRV_SEG_CLOSED;
        log->seals_pending = true;
    }
    vrv__log_add_seg(log, s);
    return 0;
}

/* Truncation had taken it out of the log. */
static bool
is_gone(const struct vrv_log *log, int64_t base)
{
    const struct vrv_cut *c = log->cut;

    for (uint32_t i = 0; c != NULL && i < c->gone_n; i++)
        if (c->gone[i] == base)
            return true;
    return false;
}

int
vrv_log_restore_sealed(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
{
    if (n != VRV_SEG_RECORD)
        return vrv_err_set(
            e, VRV_E_CORRUPT, "a segment's record has %zu bytes, expected %d", n, VRV_SEG_RECORD);
    if (is_gone(log, (int64_t)vrv_get_le64(in)))
        return 0;
    return restore_seg(log, in, true, e);
}

int
vrv_log_restore_open(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
{
    int rc = 0;

    if (n % VRV_SEG_RECORD != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "the open segments' record has %zu bytes", n);
    for (size_t at = 0; at < n && rc == 0; at += VRV_SEG_RECORD) {
        uint32_t state = vrv_get_le32(in + at + 80);

        /* Sealed records may be newer than this one, when a checkpoint was cut short. */
        if (log->seg_n > 0 && (int64_t)vrv_get_le64(in + at) < log->segs[log->seg_n - 1]->next)
            continue;
        rc = restore_seg(log, in + at, false, e);
        if (rc == 0 && state == VRV_SEG_CLOSED)
            vrv__log_close_open_seg(log);
    }
    return rc;
}

int
vrv_log_restore_state(struct vrv_log *log, const uint8_t *in, size_t n, struct vrv_err *e)
{
    size_t used;

    if (n < STATE_FIXED)
        return vrv_err_set(
            e, VRV_E_CORRUPT, "a log's state has %zu bytes, at least %d expected", n, STATE_FIXED);
    if (in[0] > STATE_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "a log's state has version %d", in[0]);
    int32_t epoch = (int32_t)vrv_get_le32(in + 4);
    log->epoch = epoch > log->epoch ? epoch : log->epoch;
    log->state_seq = log->seq_end = vrv_get_le64(in + 8);
    log->start = log->start_next = (int64_t)vrv_get_le64(in + 16);
    log->end = log->hw = (int64_t)vrv_get_le64(in + 24);
    log->ceiling = (int64_t)vrv_get_le64(in + 32);
    log->replay_base = in[1] ? (int64_t)vrv_get_le64(in + 40) : -1;
    log->replay_pos = vrv_get_le64(in + 48);
    log->local = log->local_next = (int64_t)vrv_get_le64(in + 64);
    if (log->start < 0 || log->end < log->start || log->local < 0 || log->local > log->end ||
        in[0] == 0)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "a log's state says it spans offsets %" PRId64 " to %" PRId64 ", here from %" PRId64
            " on", log->start, log->end, log->local);
    int rc = vrv_epochs_decode(&log->epochs, in + STATE_FIXED, n - STATE_FIXED, &used, e);
    if (rc < 0)
        return rc;
    size_t prod_n = vrv_get_le32(in + 56);
    if (prod_n != n - STATE_FIXED - used)
        return vrv_err_set(e, VRV_E_CORRUPT, "a log's state has %zu bytes of producers, not %zu",
            n - STATE_FIXED - used, prod_n);
    rc = vrv_producers_decode(&log->producers, in + STATE_FIXED + used, prod_n, e);
    vrv__log_count_producers(log, 0);
    return rc;
}

/* ---- replay ---- */

static struct vrv_seg *
seg_with_base(struct vrv_log *log, int64_t base)
{
    for (uint32_t i = log->seg_n; i-- > 0;)
        if (log->segs[i]->base == base)
            return log->segs[i];
    return NULL;
}

/* The place that the entry had: in a segment that the checkpoint knows further than the state, or
 * behind all that is known. */
static int
replay_place(struct vrv_log *log, struct vrv_entry *en, struct vrv_err *e)
{
    struct vrv_seg *s;

    if ((en->item.flags & VRV_WAL_ROLL) || log->replay_base < 0) {
        log->replay_base = en->base;
        log->replay_pos = 0;
    }
    s = seg_with_base(log, log->replay_base);
    if (s == NULL && log->seg_n > 0 && log->segs[log->seg_n - 1]->next > en->base)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "the batch at offset %" PRId64 " begins a segment, but segment %" PRId64
            " reaches up to %" PRId64, en->base, log->segs[log->seg_n - 1]->base,
            log->segs[log->seg_n - 1]->next);
    if (s == NULL) {
        vrv__log_close_open_seg(log);
        s = vrv_seg_new(log->env->files, &log->id, en->base, en->item.time_ms);
        vrv__log_add_seg(log, s);
    }
    en->seg_base = s->base;
    en->pos = log->replay_pos;
    log->replay_pos += en->item.size;
    if (log->replay_pos <= s->flushed)
        return 0;
    if (en->pos != s->size || s->state == VRV_SEG_SEALED)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "the batch at offset %" PRId64 " belongs to byte %" PRIu64 " of segment %" PRId64
            ", which has %" PRIu64 " bytes",
            en->base, en->pos, s->base, s->size);
    /* Rolled on demand, not yet sealed, and a batch came after all: it is open again. */
    s->state = VRV_SEG_OPEN;
    s->size = log->replay_pos;
    s->next = en->last + 1;
    s->last_ms = en->item.time_ms;
    return 0;
}

static int
replay_batch(struct vrv_log *log, struct vrv_entry *en, struct vrv_err *e)
{
    struct vrv_batch b;
    int rc = vrv_batch_read(&b, en->bytes, en->item.size, e);

    if (rc < 0)
        return vrv_err_prefix(e, VRV_E_CORRUPT, "write-ahead log, entry %" PRIu64, en->seq);
    if (b.base_offset < log->begin) /* the topic was deleted since, and came back behind that */
        return 0;
    bool lossy_gap = b.base_offset > log->end && b.base_offset <= log->ceiling;
    if (b.size != en->item.size || (b.base_offset != log->end && !lossy_gap))
        return vrv_err_set(e, VRV_E_CORRUPT,
            "write-ahead log, entry %" PRIu64 ": a batch at offset %" PRId64
            ", the partition ends at %" PRId64,
            en->seq, b.base_offset, log->end);
    en->base = b.base_offset;
    en->last = vrv_batch_last_offset(&b);
    rc = replay_place(log, en, e);
    if (rc < 0)
        return rc;
    if (en->item.arg != 0) /* also lower: a batch that was synced takes a promise back */
        log->ceiling = en->item.arg;
    log->end = log->hw = en->last + 1;
    vrv_epochs_add(&log->epochs, b.leader_epoch, en->base);
    if (b.leader_epoch > log->epoch)
        log->epoch = b.leader_epoch;
    if (b.producer_id >= 0)
        vrv__log_note_producer(log, &b);
    vrv__ring_push(&log->ring, en);
    log->ring.committed++;
    const struct vrv_seg *s = seg_with_base(log, en->seg_base);
    if (en->pos + en->item.size <= s->flushed) {
        VRV_ASSERT(log->ring.flushed + 1 == log->ring.end);
        log->ring.flushed++;
        atomic_store(&en->flushed, true);
    } else {
        vrv__log_unflushed(log, en->item.size);
    }
    return 1;
}

int
vrv_log_replay(struct vrv_log *log, struct vrv_entry *en, uint64_t seq_end, struct vrv_err *e)
{
    struct vrv_waiter *ready = NULL;
    int rc = 0;

    vrv_lock(&log->lock);
    if (seq_end == 0 && (rc = vrv__log_check_cut(log, e)) < 0) {
        vrv_unlock(&log->lock);
        return rc;
    }
    if (seq_end == 0 || en->seq >= log->state_seq) {
        if (seq_end > log->seq_end)
            log->seq_end = seq_end;
        vrv__log_touch(log);
        if (en->item.type == VRV_WAL_BATCH) {
            rc = replay_batch(log, en, e);
        } else if (en->item.type == VRV_WAL_LOCAL) {
            vrv__log_raise_local(log, en->item.arg);
            log->local_next = log->local;
        } else if (en->item.arg > log->start) {
            log->start = log->start_next = en->item.arg;
            vrv_epochs_trim_start(&log->epochs, log->start);
        }
    }
    if (rc > 0 && seq_end == 0) { /* the engine runs: somebody may wait for this */
        ready = vrv__log_take_ready(log, en->item.size);
        if (log->unflushed >= log->env->flush_bytes)
            vrv__log_want_flush(log);
    }
    vrv_unlock(&log->lock);
    vrv__waiters_post(ready);
    return rc;
}

int
vrv_log_recovered(struct vrv_log *log, bool lossy_stop, bool *skipped, struct vrv_err *e)
{
    int rc = 0;

    *skipped = false;
    vrv_lock(&log->lock);
    const struct vrv_seg *s = log->seg_n > 0 ? log->segs[log->seg_n - 1] : NULL;
    if (s != NULL && s->next > log->end)
        rc = vrv_err_set(e, VRV_E_CORRUPT,
            "segment %" PRId64 " was written up to offset %" PRId64
            ", the write-ahead log ends at %" PRId64,
            s->base, s->next, log->end);
    if (rc == 0 && lossy_stop && log->ceiling > log->end) {
        log->end = log->hw = log->ceiling;
        *skipped = true;
        vrv__log_touch(log);
    }
    if (log->unflushed >= log->env->flush_bytes || log->seals_pending)
        vrv__log_want_flush(log);
    vrv_unlock(&log->lock);
    return rc;
}
