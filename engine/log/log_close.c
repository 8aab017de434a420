/* When the open segment is closed: by age, for retention, or since somebody asks. */
#include "engine/base/later.h"
#include "engine/log/log_int.h"

/* INT64_MAX: no setting says so. */
static int64_t
old_at(const struct vrv_log *log, const struct vrv_log_config *c, const struct vrv_seg *s, enum vrv_log_closer *by)
{
    int64_t promised = c->tiered && c->offload_age_ms >= 0 ? vrv_later(s->created_ms, c->offload_age_ms)
        : INT64_MAX;

    *by = promised < INT64_MAX ? VRV_CLOSER_MAX_AGE : VRV_CLOSER_BYTES;
    if (c->segment_ms == INT64_MAX)
        return promised;
    /* Jitter spreads the rolls of partitions that began together; it is a function of the log, so
     * that a restart changes nothing. */
    uint64_t h = (log->env->seed ^ log->id.topic.b[0] ^ (uint64_t)log->id.partition * 2654435761u) *
                 0x9e3779b97f4a7c15u;
    int64_t most = c->segment_jitter_ms < c->segment_ms ? c->segment_jitter_ms : c->segment_ms;
    int64_t jitter = most > 0 ? (int64_t)((h >> 16) % (uint64_t)most) : 0;
    int64_t at = vrv_later(s->created_ms, c->segment_ms - jitter);

    if (promised <= at)
        return promised;
    *by = VRV_CLOSER_MS;
    return at;
}

bool
vrv__log_is_old(const struct vrv_log *log, const struct vrv_seg *s, int64_t now_ms)
{
    enum vrv_log_closer by;
    int64_t at = old_at(log, log->config, s, &by);

    return at != INT64_MAX && now_ms >= at;
}

void
vrv__log_close_open_seg(struct vrv_log *log)
{
    struct vrv_seg *s = vrv__log_open_seg(log);

    if (s == NULL)
        return;
    s->state = VRV_SEG_CLOSED;
    log->seals_pending = true;
}

void
vrv_log_roll(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    struct vrv_seg *s = vrv__log_open_seg(log);
    if (s != NULL && s->size > 0) {
        vrv__log_close_open_seg(log);
        vrv__log_touch(log);
        vrv__log_want_flush(log);
    }
    vrv_unlock(&log->lock);
}

/* Only sealed segments can be deleted: without this a log that gets little would keep its records
 * for segment.ms.  Where all that comes is old already, not a segment for every look. */
static int64_t
held_back_at(const struct vrv_log_config *c, const struct vrv_seg *s)
{
    const int64_t often = (int64_t)5 * 60 * 1000;
    int64_t ms = c->retention_ms, expired = vrv__log_expires(c, s);
    int64_t at = vrv_later(s->created_ms, ms < often ? ms : often);

    return expired > at ? expired : at;
}

bool
vrv_log_closing(struct vrv_log *log, const struct vrv_log_config *c, struct vrv_log_closing *out)
{
    vrv_lock(&log->lock);
    const struct vrv_seg *s = vrv__log_open_seg(log);
    bool is_open = s != NULL && s->size > 0;
    if (is_open) {
        int64_t held_back = held_back_at(c, s);

        out->ms = old_at(log, c, s, &out->by);
        out->more = c->segment_bytes > s->size ? c->segment_bytes - s->size : 0;
        if (held_back < out->ms) {
            out->ms = held_back;
            out->by = VRV_CLOSER_RETENTION;
        }
    }
    vrv_unlock(&log->lock);
    return is_open;
}

void
vrv_log_roll_if_old(struct vrv_log *log, int64_t now_ms)
{
    vrv_lock(&log->lock);
    const struct vrv_seg *s = vrv__log_open_seg(log);
    bool old = s != NULL && s->size > 0 &&
        (vrv__log_is_old(log, s, now_ms) || now_ms >= held_back_at(log->config, s));
    vrv_unlock(&log->lock);
    if (old)
        vrv_log_roll(log);
}
