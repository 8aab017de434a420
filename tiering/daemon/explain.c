#include "tiering/daemon/explain.h"

#include "engine/base/later.h"
#include "engine/base/mem.h"
#include "tiering/store/store.h"

static const struct vrv_tier_event never = { INT64_MAX, UINT64_MAX, VRV_WHY_UNLIMITED };
static const enum vrv_tier_why closers[] = { [VRV_CLOSER_BYTES] = VRV_WHY_OPEN, [VRV_CLOSER_MS] = VRV_WHY_OPEN_MS,
    [VRV_CLOSER_MAX_AGE] = VRV_WHY_OPEN_MAX_AGE, [VRV_CLOSER_RETENTION] = VRV_WHY_OPEN_RETENTION };
static const struct vrv_tier_event leaves = { INT64_MAX, UINT64_MAX, VRV_WHY_LEAVES };

/* What is known while it goes through the segments, oldest first. */
struct walk {
    const struct vrv_tier_rules *r;
    const struct vrv_tier_view *v;
    struct vrv_tier_plan plan;
    uint32_t item_i;             /* of those as retention sees them: the next one, */
    struct vrv_tier_item item;   /* and the one before that */
    uint64_t left;               /* bytes behind that, in both tiers */
    struct vrv_tier_event gone;  /* when it is deleted */
    uint64_t local_left;         /* bytes on this disk behind the segment that it is at */
    struct vrv_tier_event drop;  /* when the one before may leave this disk, */
    struct vrv_tier_event copy;  /* and when it may go to the store */
    bool over;                   /* its own time on this disk is */
    uint64_t evicts, loses;      /* bytes that are still to leave early, or for good */
};

/* ---- events ---- */

static bool
is_due(const struct walk *w, const struct vrv_tier_event *ev)
{
    return ev->ms <= w->v->now_ms;
}

/* When a limit is exceeded, by age or by what is behind the segment. */
static struct vrv_tier_event
beyond(const struct walk *w, int64_t newest_ms, int64_t limit_ms, uint64_t behind,
    int64_t limit_bytes, enum vrv_tier_why by_age, enum vrv_tier_why by_size)
{
    struct vrv_tier_event ev = never;

    if (behind >= (uint64_t)limit_bytes)
        return (struct vrv_tier_event){ w->v->now_ms, 0, by_size };
    if (limit_bytes != INT64_MAX) {
        ev.more = (uint64_t)limit_bytes - behind;
        ev.why = by_size;
    }
    if (limit_ms != INT64_MAX) {
        ev.ms = vrv_later(vrv_later(newest_ms, limit_ms), 1);
        ev.why = by_age;
    }
    if (is_due(w, &ev))
        ev.more = 0;
    return ev;
}

/* Not before the one in front. */
static struct vrv_tier_event
behind(struct vrv_tier_event ev, const struct vrv_tier_event *front)
{
    if (front->ms > ev.ms) {
        ev.ms = front->ms;
        ev.why = VRV_WHY_BEHIND;
    }
    if (front->more > ev.more)
        ev.more = front->more;
    return ev;
}

static const struct vrv_tier_event *
sooner(const struct vrv_tier_event *a, const struct vrv_tier_event *b)
{
    return b->ms < a->ms || (b->ms == a->ms && b->more < a->more) ? b : a;
}

/* ---- deletion ---- */

static void
next_item(struct walk *w)
{
    const struct vrv_tier_rules *r = w->r;

    if (!vrv_tier_item_at(w->v, w->item_i++, &w->item)) {
        w->item.next = INT64_MAX;
        w->gone = never;
    } else if (w->item.next <= w->v->start) {
        w->gone = (struct vrv_tier_event){ w->v->now_ms, 0, VRV_WHY_BELOW_START };
    } else if (!r->deletes || !w->item.may_go) {
        w->gone = never;
    } else {
        w->left -= w->item.bytes;
        w->gone = behind(beyond(w, w->item.newest_ms, r->retention_ms, w->left, r->retention_bytes,
                             VRV_WHY_RETENTION_MS, VRV_WHY_RETENTION_BYTES), &w->gone);
    }
}

/* When what ends at `next` is deleted; they are asked for in order. */
static struct vrv_tier_event
gone_of(struct walk *w, int64_t next)
{
    while (w->item.next < next)
        next_item(w);
    if (next <= w->v->start) /* it may be a part of a page */
        return (struct vrv_tier_event){ w->v->now_ms, 0, VRV_WHY_BELOW_START };
    if (w->r->leaves)
        return next <= w->v->local_start
            ? (struct vrv_tier_event){ w->v->now_ms, 0, VRV_WHY_LEAVES } : leaves;
    return w->gone;
}

/* ---- this disk, and the way from there ---- */

static bool
take(uint64_t *bytes, const struct vrv_tier_local *l)
{
    bool any = *bytes > 0;

    *bytes -= l->bytes < *bytes ? l->bytes : *bytes;
    return any;
}

/* Before its time, so that there is room. */
static bool
leaves_early(struct walk *w, const struct vrv_tier_local *l, const struct vrv_tier_event *gone)
{
    bool cold = w->v->cold != NULL && l->next <= w->v->cold->next;

    return cold && !w->over && !is_due(w, gone) && l->next > w->v->local_start && take(&w->evicts, l);
}

/* Though the store hasn't got it; the first that stays ends that. */
static bool
is_lost(struct walk *w, const struct vrv_tier_local *l, const struct vrv_tier_event *gone)
{
    const struct vrv_tier_rules *r = w->r;
    bool may = r->copies && (r->outage == VRV_TIER_DROP_OLDEST || (r->outage == VRV_TIER_EXPIRE && w->over));

    if (is_due(w, gone))
        return false;
    if (!may)
        w->loses = 0;
    return take(&w->loses, l);
}

/* When it may leave this disk, if the store has it. */
static struct vrv_tier_event
drop_of(struct walk *w, const struct vrv_tier_local *l, const struct vrv_tier_event *gone)
{
    struct vrv_tier_event own = beyond(w, l->newest_ms, w->r->local_ms, w->local_left,
        w->r->local_bytes, VRV_WHY_LOCAL_MS, VRV_WHY_LOCAL_BYTES);
    struct vrv_tier_event front = w->drop;

    w->over = is_due(w, &own);
    if (leaves_early(w, l, gone))
        own = (struct vrv_tier_event){ w->v->now_ms, 0, w->r->wants_room ? VRV_WHY_DISK_FREE : VRV_WHY_LOCAL_MAX };
    w->drop = behind(*sooner(&own, gone), &front);
    return behind(own, &front);
}

/* When it may go to the store. */
static struct vrv_tier_event
copy_of(struct walk *w, const struct vrv_tier_local *l)
{
    const struct vrv_tier_rules *r = w->r;
    struct vrv_tier_event ev = never;
    bool in_future = l->newest_ms > w->v->now_ms;

    if (!r->copies)
        return (struct vrv_tier_event){ INT64_MAX, UINT64_MAX, VRV_WHY_COPY_OFF };
    if (r->lag_bytes != INT64_MAX && w->local_left < (uint64_t)r->lag_bytes) {
        ev.more = (uint64_t)r->lag_bytes - w->local_left;
        ev.why = VRV_WHY_LAG_BYTES;
    }
    if (w->local_left >= (uint64_t)r->lag_bytes || (r->lag_ms != INT64_MAX && in_future)) {
        ev = (struct vrv_tier_event){ w->v->now_ms, 0, VRV_WHY_BEHIND };
    } else if (r->lag_ms != INT64_MAX) {
        ev.ms = vrv_later(l->newest_ms, r->lag_ms);
        ev.why = is_due(w, &ev) ? VRV_WHY_BEHIND : VRV_WHY_LAG_MS;
    }
    if (vrv_later(l->since_ms, r->age_ms) < ev.ms) {
        ev.ms = vrv_later(l->since_ms, r->age_ms);
        ev.why = is_due(w, &ev) ? VRV_WHY_BEHIND : VRV_WHY_MAX_AGE;
    }
    if (is_due(w, &ev))
        ev.more = 0;
    w->copy = behind(ev, &w->copy);
    return w->copy;
}

/* What comes first: that, or deletion. */
static void
decide(const struct walk *w, struct vrv_tier_seg *s, enum vrv_tier_fate fate,
    const struct vrv_tier_event *when)
{
    bool gone_first = is_due(w, &s->gone) ||
        (s->gone.ms <= when->ms && (when->ms != INT64_MAX || s->gone.more <= when->more));

    s->when = gone_first ? s->gone : *when;
    s->fate = gone_first ? VRV_TIER_DELETED : fate;
    if (s->when.ms == INT64_MAX && s->when.more == UINT64_MAX)
        s->fate = VRV_TIER_STAYS;
    if (s->fate == VRV_TIER_STAYS && gone_first && when->why != VRV_WHY_UNLIMITED)
        s->when.why = when->why;
}

static int64_t
stored_of(const struct vrv_manifest *m, int64_t base)
{
    for (uint32_t i = 0; i < m->seg_n; i++)
        if (m->seg[i].base == base)
            return (int64_t)m->seg[i].size;
    return -1;
}

/* A closed one is behind it, or what closes it. */
static void
explain_open(const struct walk *w, uint32_t i, struct vrv_tier_seg *s)
{
    const struct vrv_log_closing *c = &w->v->closing;

    s->when = never;
    s->when.why = VRV_WHY_CLOSED;
    if (i + 1 < w->v->local_n)
        return;
    s->when = (struct vrv_tier_event){ c->ms, c->more, closers[c->by] };
    s->fate = c->ms == INT64_MAX && c->more == UINT64_MAX ? VRV_TIER_STAYS : VRV_TIER_CLOSED;
    if (is_due(w, &s->when))
        s->when.more = 0;
}

static void
explain_local(struct walk *w, uint32_t i, struct vrv_tier_seg *s)
{
    const struct vrv_tier_local *l = &w->v->local[i];

    *s = (struct vrv_tier_seg){ .base = l->base, .next = l->next, .segments = 1, .bytes = l->bytes,
        .newest_ms = l->newest_ms, .gone = gone_of(w, l->next) };
    bool cold = w->v->cold != NULL && l->next <= w->v->cold->next;
    s->place = cold ? VRV_TIER_BOTH : VRV_TIER_HERE;
    s->stored = cold ? stored_of(w->v->cold, l->base) : 0;
    w->local_left -= l->bytes;
    if (!l->sealed) {
        explain_open(w, i, s);
        return;
    }
    if (w->r->leaves) {
        decide(w, s, VRV_TIER_STAYS, &leaves);
        return;
    }
    struct vrv_tier_event drop = drop_of(w, l, &s->gone);
    bool over = is_due(w, &drop) && !is_due(w, &s->gone);
    if (cold) {
        decide(w, s, VRV_TIER_DROPPED, &drop);
        return;
    }
    s->held = over;
    if (is_lost(w, l, &s->gone)) {
        decide(w, s, VRV_TIER_LOST, &(struct vrv_tier_event){ w->v->now_ms, 0, VRV_WHY_OUTAGE });
        return;
    }
    struct vrv_tier_event copy = is_due(w, &s->gone) ? never : copy_of(w, l);
    decide(w, s, VRV_TIER_COPIED, &copy);
    if (s->fate == VRV_TIER_DELETED && !is_due(w, &s->gone))
        w->copy = *sooner(&copy, &s->gone); /* nobody waits for who is gone */
    if (i == w->plan.move)
        s->when.why = VRV_WHY_NEXT;
}

/* ---- all ---- */

/* As much of an item as this disk doesn't have; false: nothing. */
static bool
cold_part(const struct vrv_tier_view *v, const struct vrv_tier_item *it, struct vrv_tier_seg *s)
{
    int64_t here = v->local_n > 0 ? v->local[0].base : INT64_MAX;

    if (!it->cold || it->base >= here)
        return false;
    *s = (struct vrv_tier_seg){ .base = it->base, .next = it->next, .segments = it->segments,
        .bytes = it->bytes, .stored = (int64_t)it->stored, .newest_ms = it->newest_ms, .place = VRV_TIER_COLD };
    for (uint32_t i = 0; i < v->local_n && v->local[i].next <= it->next; i++) {
        s->next = here;
        s->stored = -1;
        s->segments -= s->segments > 1;
        s->bytes -= v->local[i].bytes < s->bytes ? v->local[i].bytes : s->bytes;
    }
    return true;
}

static struct walk
begin(const struct vrv_tier_rules *r, const struct vrv_tier_view *v)
{
    struct walk w = { .r = r, .v = v, .gone = { INT64_MIN, 0, VRV_WHY_UNLIMITED },
        .drop = { INT64_MIN, 0, VRV_WHY_UNLIMITED }, .copy = { INT64_MIN, 0, VRV_WHY_UNLIMITED },
        .item.next = INT64_MIN, .evicts = r->evicts, .loses = r->loses };
    struct vrv_tier_item it;

    vrv_tier_plan(r, v, &w.plan);
    for (uint32_t i = 0; vrv_tier_item_at(v, i, &it); i++)
        w.left += it.next > v->start ? it.bytes : 0;
    for (uint32_t i = 0; i < v->local_n; i++)
        w.local_left += v->local[i].bytes;
    return w;
}

struct vrv_tier_seg *
vrv_tier_explain(const struct vrv_tier_rules *r, const struct vrv_tier_view *v, uint32_t *n)
{
    struct walk w = begin(r, v);
    struct vrv_tier_seg *out = NULL;
    struct vrv_tier_item it;
    size_t k = 0, cap = 0;

    for (uint32_t i = 0; vrv_tier_item_at(v, i, &it) && it.cold; i++) {
        VRV_PUSH_ROOM(out, k, cap);
        if (!cold_part(v, &it, &out[k]))
            break;
        out[k].gone = gone_of(&w, out[k].next);
        decide(&w, &out[k], VRV_TIER_STAYS, &never);
        k++;
    }
    for (uint32_t i = 0; i < v->local_n; i++) {
        VRV_PUSH_ROOM(out, k, cap);
        explain_local(&w, i, &out[k++]);
    }
    *n = (uint32_t)k;
    return out;
}

/* ---- sums ---- */

static void
add(struct vrv_tier_amount *a, const struct vrv_tier_seg *s)
{
    a->segments += s->segments;
    a->bytes += s->bytes;
}

/* Requests that a segment of so many bytes takes: its object, in parts if it is large, which is
 * looked at when it is there; a root, which is read back.  An object has more than its batches:
 * what finds them. */
static uint64_t
requests_of(uint64_t bytes)
{
    uint64_t object = bytes + bytes / 256 + 1024;

    if (object <= VRV_STORE_PUT_MAX)
        return 4;
    return (object + VRV_STORE_PART - 1) / VRV_STORE_PART + 5; /* begun and ended, too */
}

static void
add_due(const struct vrv_tier_seg *s, struct vrv_tier_sums *out)
{
    bool deleted = s->fate == VRV_TIER_DELETED || s->fate == VRV_TIER_LOST;

    if (deleted && s->when.why != VRV_WHY_BELOW_START)
        add(&out->deletes, s);
    if (s->fate == VRV_TIER_COPIED) {
        add(&out->copies, s);
        out->requests += requests_of(s->bytes);
    }
    if (s->fate == VRV_TIER_DROPPED || (s->fate == VRV_TIER_COPIED && s->held) ||
        (deleted && s->place != VRV_TIER_COLD))
        add(&out->drops, s);
}

/* Where it became due by bytes nobody knows when: its newest record is older than that. */
static int64_t
late_by(const struct vrv_tier_seg *s, int64_t now_ms)
{
    int64_t since = s->when.ms < now_ms ? s->when.ms : s->newest_ms;

    return now_ms > since ? now_ms - since : 0;
}

void
vrv_tier_sum(const struct vrv_tier_view *v, const struct vrv_tier_seg *s, uint32_t n,
    struct vrv_tier_sums *out)
{
    *out = (struct vrv_tier_sums){ .lag_ms = 0 };
    for (uint32_t i = 0; i < n; i++) {
        bool due = s[i].when.ms <= v->now_ms;

        add(s[i].place == VRV_TIER_HERE ? &out->here
                : s[i].place == VRV_TIER_BOTH ? &out->both : &out->cold, &s[i]);
        if (s[i].held)
            add(&out->held, &s[i]);
        if (due)
            add_due(&s[i], out);
        if (due && s[i].place != VRV_TIER_HERE && s[i].when.why == VRV_WHY_BELOW_START)
            add(&out->dead, &s[i]);
        if (!due || (s[i].fate != VRV_TIER_COPIED && s[i].fate != VRV_TIER_LOST))
            continue;
        if (out->lag.segments == 0)
            out->lag_ms = late_by(&s[i], v->now_ms);
        add(&out->lag, &s[i]);
    }
}
