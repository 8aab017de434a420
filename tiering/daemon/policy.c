#include "tiering/daemon/policy.h"

#include "engine/base/later.h"

/* ---- both tiers as one row of segments, oldest first ---- */

static int64_t
cold_end(const struct vrv_tier_view *v)
{
    return v->cold != NULL ? v->cold->next : INT64_MIN;
}

/* The first local segment that the store hasn't, and that isn't leaving either. */
static uint32_t
first_local_only(const struct vrv_tier_view *v)
{
    uint32_t i = 0;

    while (i < v->local_n &&
        (v->local[i].next <= cold_end(v) || v->local[i].next <= v->local_start))
        i++;
    return i;
}

static struct vrv_tier_item
of_seg(const struct vrv_cold_seg *s)
{
    return (struct vrv_tier_item){ s->base, s->next, 1, s->plain, vrv_cold_seg_newest(s), true, true, s->size };
}

/* The i-th of the store: the oldest segments, pages as a whole, segments of the root. */
static struct vrv_tier_item
cold_at(const struct vrv_tier_view *v, uint32_t i)
{
    const struct vrv_manifest *m = v->cold;

    if (i < v->oldest_n)
        return of_seg(&v->oldest[i]);
    i = i - v->oldest_n + (v->oldest_n > 0 ? 1 : 0);
    if (i >= m->page_n)
        return of_seg(&m->seg[i - m->page_n]);
    const struct vrv_cold_page *p = &m->page[i];
    return (struct vrv_tier_item){ p->base, p->next, p->segments, p->plain, p->newest_ms, true, true,
        p->stored };
}

bool
vrv_tier_item_at(const struct vrv_tier_view *v, uint32_t i, struct vrv_tier_item *out)
{
    uint32_t cold = v->cold == NULL ? 0
        : v->oldest_n + v->cold->page_n - (v->oldest_n > 0 ? 1 : 0) + v->cold->seg_n;

    if (i < cold) {
        *out = cold_at(v, i);
        return true;
    }
    i = i - cold + first_local_only(v);
    if (i >= v->local_n)
        return false;
    const struct vrv_tier_local *l = &v->local[i];
    *out = (struct vrv_tier_item){ l->base, l->next, 1, l->bytes, l->newest_ms, false, l->sealed, 0 };
    return true;
}

/* From where the log begins on. */
static uint64_t
bytes_of(const struct vrv_tier_view *v)
{
    uint64_t total = 0;
    struct vrv_tier_item it;

    for (uint32_t i = 0; vrv_tier_item_at(v, i, &it); i++)
        total += it.next > v->start ? it.bytes : 0;
    return total;
}

/* The first local segment that the store hasn't, from `start` on, and what is behind it; local_n:
 * none that is sealed. */
static uint32_t
first_to_go(const struct vrv_tier_view *v, int64_t start, uint64_t *behind)
{
    uint32_t i = first_local_only(v);

    *behind = 0;
    while (i < v->local_n && v->local[i].next <= start)
        i++;
    if (i == v->local_n || !v->local[i].sealed)
        return v->local_n;
    for (uint32_t k = i + 1; k < v->local_n; k++)
        *behind += v->local[k].bytes;
    return i;
}

static bool
is_older(int64_t newest_ms, int64_t limit_ms, int64_t now_ms)
{
    return limit_ms != INT64_MAX && now_ms - newest_ms > limit_ms;
}

/* ---- what is to come ---- */

static void
note_time(const struct vrv_tier_view *v, struct vrv_tier_plan *out, int64_t ms)
{
    if (ms > v->now_ms && ms < out->next_ms)
        out->next_ms = ms;
}

/* A limit that is exceeded when this gets older, or more comes to what is behind it. */
static void
note_limit(const struct vrv_tier_view *v, struct vrv_tier_plan *out, int64_t newest_ms,
    int64_t limit_ms, uint64_t behind, int64_t limit_bytes)
{
    if (limit_ms != INT64_MAX)
        note_time(v, out, vrv_later(vrv_later(newest_ms, limit_ms), 1));
    if (limit_bytes != INT64_MAX && behind < (uint64_t)limit_bytes &&
        (uint64_t)limit_bytes - behind < out->more)
        out->more = (uint64_t)limit_bytes - behind;
}

/* ---- both tiers ---- */

/* From the front, as long as they are too old, or what is behind them is enough. */
static int64_t
new_start(const struct vrv_tier_rules *r, const struct vrv_tier_view *v, struct vrv_tier_plan *out)
{
    int64_t start = v->start;
    struct vrv_tier_item it;

    if (!r->deletes)
        return start;
    uint64_t total = bytes_of(v);
    for (uint32_t i = 0; vrv_tier_item_at(v, i, &it) && it.may_go; i++) {
        if (it.next <= v->start)
            continue;
        if (!is_older(it.newest_ms, r->retention_ms, v->now_ms) &&
            total - it.bytes < (uint64_t)r->retention_bytes) {
            note_limit(v, out, it.newest_ms, r->retention_ms, total - it.bytes,
                r->retention_bytes);
            break;
        }
        total -= it.bytes;
        start = it.next;
    }
    return start;
}

/* ---- this disk ---- */

static int64_t
new_local_start(const struct vrv_tier_rules *r, const struct vrv_tier_view *v,
    struct vrv_tier_plan *out)
{
    int64_t start = out->start, drop = start;
    uint64_t evicts = r->evicts;
    uint64_t total = 0;

    for (uint32_t i = 0; i < v->local_n; i++)
        total += v->local[i].bytes;
    for (uint32_t i = 0; i < v->local_n && v->local[i].sealed; i++) {
        const struct vrv_tier_local *l = &v->local[i];

        if (l->next > start && l->next > cold_end(v) && l->next > v->local_start) {
            if (r->outage == VRV_TIER_EXPIRE) /* which may lose it then */
                note_limit(v, out, l->newest_ms, r->local_ms, total - l->bytes, r->local_bytes);
            break;
        }
        if (l->next > start && !is_older(l->newest_ms, r->local_ms, v->now_ms) &&
            total - l->bytes < (uint64_t)r->local_bytes && l->next > v->local_start) {
            if (evicts == 0) {
                note_limit(v, out, l->newest_ms, r->local_ms, total - l->bytes, r->local_bytes);
                break;
            }
            evicts -= l->bytes < evicts ? l->bytes : evicts;
        }
        total -= l->bytes;
        if (l->next > drop)
            drop = l->next;
    }
    return drop;
}

/* ---- the store ---- */

/* By when it should be there: when it would leave this disk, or as somebody was promised. */
static int64_t
due_of(const struct vrv_tier_rules *r, const struct vrv_tier_local *l, uint64_t behind)
{
    int64_t due = vrv_later(l->newest_ms, r->local_ms), promised = vrv_later(l->since_ms, r->age_ms);

    if (behind >= (uint64_t)r->local_bytes && l->newest_ms < due)
        due = l->newest_ms;
    return promised < due ? promised : due;
}

static void
next_move(const struct vrv_tier_rules *r, const struct vrv_tier_view *v, struct vrv_tier_plan *out)
{
    uint64_t behind;
    uint32_t i = first_to_go(v, out->start, &behind); /* what is too old isn't worth the way */

    out->move = v->local_n;
    out->move_ms = out->due_ms = INT64_MAX;
    if (!r->copies || i == v->local_n)
        return;
    const struct vrv_tier_local *l = &v->local[i];
    bool in_future = l->newest_ms > v->now_ms;
    int64_t promised = vrv_later(l->since_ms, r->age_ms);
    if (r->lag_ms != INT64_MAX)
        out->move_ms = in_future ? v->now_ms : vrv_later(l->newest_ms, r->lag_ms);
    if (promised < out->move_ms)
        out->move_ms = promised;
    if (behind >= (uint64_t)r->lag_bytes)
        out->move_ms = v->now_ms;
    out->due_ms = due_of(r, l, behind);
    if (out->move_ms <= v->now_ms)
        out->move = i;
    else
        note_limit(v, out, l->newest_ms, INT64_MAX, behind, r->lag_bytes);
    note_time(v, out, out->move_ms);
}

/* The manifest keeps what the log has, until it begins on this disk. */
static void
plan_leaving(const struct vrv_tier_view *v, struct vrv_tier_plan *out)
{
    out->start = out->drop = v->local_start;
    out->trim = v->start < v->local_start ? v->start : INT64_MAX;
    out->move = v->local_n;
    out->move_ms = out->due_ms = INT64_MAX;
}

/* When it is worth reading, or goes as a whole. */
static void
note_oldest(const struct vrv_tier_rules *r, const struct vrv_tier_view *v,
    struct vrv_tier_plan *out)
{
    if (!r->deletes || v->oldest_n > 0 || v->cold == NULL || v->cold->page_n == 0)
        return;
    uint64_t total = bytes_of(v);
    note_limit(v, out, v->cold->page[0].min_ts, r->retention_ms, total > 0 ? total - 1 : 0,
        r->retention_bytes);
}

void
vrv_tier_plan(const struct vrv_tier_rules *r, const struct vrv_tier_view *v,
    struct vrv_tier_plan *out)
{
    out->next_ms = INT64_MAX;
    out->more = UINT64_MAX;
    if (r->leaves) {
        plan_leaving(v, out);
        return;
    }
    out->trim = v->start;
    out->start = new_start(r, v, out);
    out->drop = new_local_start(r, v, out);
    next_move(r, v, out);
    note_oldest(r, v, out);
}

uint32_t
vrv_tier_losable(const struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    uint64_t behind;
    uint32_t i = first_to_go(v, v->start, &behind);

    if (r->leaves || !r->copies || r->outage == VRV_TIER_BLOCK || i == v->local_n)
        return v->local_n;
    bool over = is_older(v->local[i].newest_ms, r->local_ms, v->now_ms) ||
        behind >= (uint64_t)r->local_bytes;
    return r->outage == VRV_TIER_DROP_OLDEST || over ? i : v->local_n;
}

bool
vrv_tier_wants_oldest(const struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    if (r->leaves || !r->deletes || v->cold == NULL || v->cold->page_n == 0)
        return false;
    return is_older(v->cold->page[0].min_ts, r->retention_ms, v->now_ms) ||
        bytes_of(v) > (uint64_t)r->retention_bytes;
}
