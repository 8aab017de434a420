/* From the ring to the segments, and out of memory.  The flusher's part of a log. */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/log/log_int.h"

enum { IOV_MAX_BATCHES = 256, WRITE_MAX = 4 * 1024 * 1024 };

/* Committed entries that go to one segment, as iovecs. */
static struct vrv_seg *
gather(struct vrv_log *log, struct iovec *iov, int *n)
{
    const struct vrv_ring *r = &log->ring;
    size_t bytes = 0;
    struct vrv_seg *s = NULL;

    *n = 0;
    for (uint64_t i = r->flushed; i < r->committed && *n < IOV_MAX_BATCHES; i++) {
        const struct vrv_entry *en = vrv_ring_at(r, i);

        if (s == NULL) {
            uint32_t at = vrv_log_seg_for(log, en->base);

            VRV_ASSERT(at < log->seg_n);
            s = log->segs[at];
            VRV_ASSERT(s->base == en->seg_base);
            VRV_ASSERT(s->flushed == en->pos);
        }
        if (en->seg_base != s->base || bytes + en->item.size > WRITE_MAX * 2u ||
            (bytes > 0 && bytes + en->item.size > WRITE_MAX))
            break;
        iov[*n].iov_base = (void *)(uintptr_t)en->bytes;
        iov[*n].iov_len = en->item.size;
        bytes += en->item.size;
        (*n)++;
    }
    return s;
}

static void
mark_flushed(struct vrv_log *log, int n)
{
    for (int i = 0; i < n; i++) {
        struct vrv_entry *en = vrv_ring_at(&log->ring, log->ring.flushed++);

        vrv__log_unflushed(log, -(int64_t)en->item.size);
        if (en->seq >= log->env->flushed_seq)
            log->env->flushed_seq = en->seq + 1;
        atomic_store(&en->flushed, true);
    }
}

/* One write.  How many batches it wrote, or an error. */
static int
flush_some(struct vrv_log *log, struct vrv_err *e)
{
    struct iovec iov[IOV_MAX_BATCHES];
    struct vrv_seg_written w;
    int n, rc;

    vrv_lock(&log->lock);
    struct vrv_seg *s = NULL;
    if (log->gone) { /* a deleted log's batches go nowhere */
        n = 0;
        mark_flushed(log, (int)(log->ring.committed - log->ring.flushed));
    } else {
        s = gather(log, iov, &n);
    }
    uint32_t interval = log->config->index_interval;
    vrv_unlock(&log->lock);
    if (n == 0)
        return 0;
    /* Only the flusher takes segments out of the log or entries out of the ring. */
    rc = vrv_seg_write(s, iov, n, interval, &w, e);
    if (rc < 0)
        return rc;
    vrv_lock(&log->lock);
    vrv_seg_apply(s, &w);
    mark_flushed(log, n);
    vrv_unlock(&log->lock);
    return n;
}

/* The first closed segment that is written as a whole and has no footer. */
static struct vrv_seg *
wants_footer(struct vrv_log *log)
{
    struct vrv_seg *found = NULL;
    bool pending = false;

    vrv_lock(&log->lock);
    for (uint32_t i = log->seg_n; i-- > 0 && !log->gone;) {
        struct vrv_seg *s = log->segs[i];

        if (s->state == VRV_SEG_SEALED)
            break;
        if (s->state != VRV_SEG_CLOSED)
            continue;
        pending = true;
        if (s->flushed == s->size)
            found = s;
    }
    log->seals_pending = pending;
    vrv_unlock(&log->lock);
    return found;
}

static int
write_footers(struct vrv_log *log, struct vrv_err *e)
{
    struct vrv_seg_written w;
    struct vrv_seg *s;

    while ((s = wants_footer(log)) != NULL) {
        int rc = vrv_seg_foot(s, &w, e);
        if (rc < 0)
            return rc;
        vrv_lock(&log->lock);
        vrv_seg_apply(s, &w);
        vrv_unlock(&log->lock);
        s->state = VRV_SEG_FOOTED;
    }
    return 0;
}

int
vrv_log_flush(struct vrv_log *log, struct vrv_err *e)
{
    int rc;

    VRV_CHECK(log, VRV_LOG_MAGIC);
    while ((rc = flush_some(log, e)) > 0)
        ;
    return rc < 0 ? rc : write_footers(log, e);
}

void
vrv_log_evict_first(struct vrv_log *log, const struct vrv_entry *en)
{
    if (en->item.type != VRV_WAL_BATCH)
        return;
    vrv_lock(&log->lock);
    VRV_ASSERT(vrv_ring_at(&log->ring, log->ring.first) == en);
    vrv__ring_pop(&log->ring);
    vrv_unlock(&log->lock);
}

struct vrv_seg *
vrv_log_take_dead(struct vrv_log *log)
{
    struct vrv_seg *s = NULL;

    vrv_lock(&log->lock);
    if (log->seg_n > 0 && log->segs[0]->state == VRV_SEG_SEALED &&
        (log->gone || log->segs[0]->next <= vrv_log_local(log))) {
        s = log->segs[0];
        vrv_seg_drop(s);
        log->seg_n--;
        for (uint32_t i = 0; i < log->seg_n; i++)
            log->segs[i] = log->segs[i + 1];
        vrv_log_note_change(log);
    }
    vrv_unlock(&log->lock);
    return s;
}

/* A client's clock may be ahead: the time of append bounds the record's time (L13).  Records may
 * have no time at all, or it is not known yet. */
int64_t
vrv__log_expires(const struct vrv_log_config *c, const struct vrv_seg *s)
{
    bool known = s->flushed == s->size && s->max_ts >= 0;
    int64_t newest = known && s->max_ts < s->last_ms ? s->max_ts : s->last_ms;

    if (!c->deletes || c->retention_ms < 0 || c->retention_ms >= INT64_MAX - 1 - newest)
        return INT64_MAX;
    return newest + c->retention_ms + 1;
}

/* Sealed segments from the front, as long as they are too old or the rest is big enough. */
int64_t
vrv_log_retention_start(struct vrv_log *log, int64_t now_ms)
{
    vrv_lock(&log->lock);
    const struct vrv_log_config *c = log->config;
    uint64_t total = 0;
    int64_t start = log->start;
    uint32_t n = c->tiered ? 0 : log->seg_n; /* what is cold counts, too: that is for the tier to say */
    for (uint32_t i = 0; i < n; i++)
        total += log->segs[i]->size;
    for (uint32_t i = 0; i < n; i++) {
        const struct vrv_seg *s = log->segs[i];

        if (s->state != VRV_SEG_SEALED)
            break;
        bool old = now_ms >= vrv__log_expires(log->config, s);
        bool big = c->deletes && c->retention_bytes >= 0 &&
            total - s->size >= (uint64_t)c->retention_bytes;
        if (!old && !big)
            break;
        total -= s->size;
        start = s->next;
    }
    vrv_unlock(&log->lock);
    return start;
}
