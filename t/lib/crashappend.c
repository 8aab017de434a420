/* The crash simulator's clients: appends, repetitions, delete-records, waiting; their answers. */
#include "t/lib/crashsim_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/build.h"

/* ---- appending ---- */

static void
build(struct sim *s, struct vrv_batch_builder *b, int producer, int16_t epoch, int32_t seq)
{
    char value[BATCH_BYTES_MAX];
    int n = 1 + (int)pick(s, 4);
    size_t max = pick(s, 8) == 0 ? BATCH_BYTES_MAX / (size_t)n : 100;
    int64_t ts = s->clock.clock.wall_ms(&s->clock.clock) - (int64_t)pick(s, 500);

    if (producer >= 0) {
        b->producer_id = 1000 + producer;
        b->producer_epoch = epoch;
        b->base_seq = seq;
    }
    for (int i = 0; i < n; i++) {
        size_t len = 1 + pick(s, max);
        uint64_t fill = vrv_rand_next(&s->rand);

        for (size_t k = 0; k < len; k++)
            value[k] = (char)(fill >> (k % 8 * 8));
        vrv_batch_builder_add(b, ts, NULL, -1, value, (int32_t)len, NULL, 0);
    }
}

static struct call *
new_call(struct sim *s)
{
    struct call *c = VRV_NEW(struct call);

    c->t.done.cq = &s->cq;
    c->next = s->calls;
    s->calls = c;
    return c;
}

void
drop_call(struct sim *s, struct call *c)
{
    struct call **at = &s->calls;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    free(c);
}

static void
note_append(struct sim *s, struct call *c, int log, const struct vrv_append *a, uint32_t atomic)
{
    struct model *m = &s->m[log];
    struct vrv_batch b;
    struct vrv_err e;

    if (vrv_batch_read(&b, a->bytes, a->n, &e) < 0)
        abort();
    if (a->base_offset < m->floor || (m->n > 0 && a->base_offset <= m->v[m->n - 1].base &&
                                         !m->v[m->n - 1].gone))
        broken(s, "log %d: offset %" PRId64 " was given out before", log, a->base_offset);
    VRV_PUSH_ROOM(m->v, m->n, m->cap);
    m->v[m->n] = (struct rec){ .base = a->base_offset, .last = vrv_batch_last_offset(&b),
        .max_ts = b.max_ts, .crc = vrv_crc32c(0, a->bytes + 61, a->n - 61), .size = b.size,
        .lossy = m->lossy, .atomic = atomic };
    c->part[c->n].log = log;
    c->part[c->n].rec = m->n;
    c->part[c->n].lossy = m->lossy;
    c->n++;
    m->n++;
    s->r->appended++;
}

static bool
stage(struct sim *s, struct vrv_append *a, int log, const uint8_t *bytes, size_t n)
{
    struct vrv_slab_pool *pool = vrv_engine_env(s->eng)->pool;

    a->n = n;
    a->log = get_log(s, log);
    a->leader_epoch = -1;
    if (s->slab_each) {
        a->slab = vrv_slab_get(pool, n);
        a->bytes = a->slab != NULL ? a->slab->data : NULL;
    } else {
        a->bytes = vrv_fill_take(&s->fill, pool, n, false, &a->slab);
    }
    if (a->bytes != NULL)
        memcpy(a->bytes, bytes, n);
    return a->bytes != NULL;
}

static void
remember(struct model *m, int producer, const uint8_t *p, size_t n)
{
    free(m->last_batch[producer]);
    m->last_batch[producer] = vrv_mem_zero(n);
    memcpy(m->last_batch[producer], p, n);
    m->last_n[producer] = n;
    m->last_rec[producer] = m->n - 1;
}

/* Was the producer's newest batch lost, so that its next one comes too early?  Then it begins
 * anew with a higher epoch, as clients do. */
static bool
lost_batch(struct model *m, int producer)
{
    if (m->last_batch[producer] == NULL || !m->v[m->last_rec[producer]].gone)
        return false;
    m->epoch[producer]++;
    m->seq[producer] = 0;
    free(m->last_batch[producer]);
    m->last_batch[producer] = NULL;
    return true;
}

bool
make_part(struct sim *s, struct parts *ps, int log)
{
    const struct model *m = &s->m[log];
    struct vrv_batch_builder b;
    struct vrv_err e;
    const uint8_t *p;
    size_t len;

    vrv_batch_builder_init(&b);
    build(s, &b, ps->producer, ps->producer >= 0 ? m->epoch[ps->producer] : (int16_t)-1,
        ps->producer >= 0 ? m->seq[ps->producer] : -1);
    if (vrv_batch_builder_finish(&b, (enum vrv_codec)pick(s, 2), &p, &len, &e) < 0)
        abort();
    bool ok = stage(s, &ps->a[ps->n], log, p, len);
    if (ok) {
        ps->sent[ps->n] = vrv_mem_zero(len);
        memcpy(ps->sent[ps->n], p, len);
        ps->log[ps->n++] = log;
    }
    vrv_batch_builder_fini(&b);
    return ok;
}

static void
note_parts(struct sim *s, struct parts *ps, struct call *c)
{
    uint32_t atomic = ps->n > 1 ? ++s->atomics : 0;

    for (int i = 0; i < ps->n; i++) {
        struct model *m = &s->m[ps->log[i]];
        struct vrv_batch b;
        struct vrv_err e;

        note_append(s, c, ps->log[i], &ps->a[i], atomic);
        if (ps->producer < 0)
            continue;
        if (vrv_batch_read(&b, ps->sent[i], ps->a[i].n, &e) < 0)
            abort();
        m->seq[ps->producer] += b.count;
        remember(m, ps->producer, ps->sent[i], ps->a[i].n);
    }
}

int
append(struct sim *s, struct parts *ps, bool staged, struct vrv_err *e)
{
    struct call *c = new_call(s);
    int rc = staged ? vrv_engine_may_append(s->eng, e) : VRV_E_AGAIN;

    if (rc == 0)
        rc = vrv_log_append(ps->a, (size_t)ps->n, &c->t, NULL, e);
    if (rc == 0)
        note_parts(s, ps, c);
    else
        drop_call(s, c);
    for (int i = 0; i < ps->n; i++) {
        vrv_slab_unref(ps->a[i].slab);
        free(ps->sent[i]);
    }
    return rc;
}

void
act_append(struct sim *s)
{
    int first = (int)pick(s, LOGS), n = pick(s, 6) == 0 ? 1 + (int)pick(s, LOGS) : 1;
    struct parts ps = { .producer = n == 1 && pick(s, 3) == 0 ? (int)pick(s, PRODUCERS) : -1 };
    struct vrv_err e = { 0 };
    bool staged = true;

    for (int i = 0; i < n && staged; i++)
        if (get_log(s, (first + i) % LOGS) != NULL)
            staged = make_part(s, &ps, (first + i) % LOGS);
    if (ps.n == 0)
        return;
    int rc = append(s, &ps, staged, &e);
    if (rc < 0 && !(rc == VRV_E_SEQUENCE && lost_batch(&s->m[first], ps.producer)) &&
        !expected_refusal(s, rc))
        broken(s, "append refused: %s", e.msg);
}

/* Where producers expire a batch may be stored twice, and a crash may leave the older one. */
static size_t
stored_at(const struct model *m, size_t newest, int64_t base)
{
    size_t i = m->n;

    while (i-- > 0)
        if (m->v[i].base == base && m->v[i].crc == m->v[newest].crc && !m->v[i].gone)
            return i;
    return newest;
}

void
repeat(struct sim *s, int log, int producer)
{
    struct model *m = &s->m[log];
    struct vrv_append a = { 0 };
    struct vrv_err e = { 0 };

    if (get_log(s, log) == NULL || m->last_batch[producer] == NULL ||
        !stage(s, &a, log, m->last_batch[producer], m->last_n[producer]))
        return;
    struct call *c = new_call(s);
    int rc = vrv_log_append(&a, 1, &c->t, NULL, &e);
    if (rc == 0 && s->expires)
        m->last_rec[producer] = stored_at(m, m->last_rec[producer], a.base_offset);
    struct rec *r = &m->v[m->last_rec[producer]];
    bool below = r->last < vrv_log_offsets(a.log).start, gone = r->gone;
    if (rc < 0 && !expected_refusal(s, rc) && !(rc == VRV_E_SEQUENCE && (gone || m->was_lossy)))
        broken(s, "log %d: repetition refused: %s", log, e.msg);
    if (rc == 0 && (gone || a.base_offset != r->base)) {
        if (!gone && !below && !s->expires)
            broken(s, "log %d: repetition of %" PRId64 " was appended at %" PRId64, log, r->base,
                a.base_offset);
        note_append(s, c, log, &a, 0);
        m->last_rec[producer] = m->n - 1;
    } else if (rc == 0) {
        c->part[0].log = log;
        c->part[0].rec = m->last_rec[producer];
        c->part[0].lossy = m->lossy;
        c->n = 1;
    }
    if (rc < 0)
        drop_call(s, c);
    vrv_slab_unref(a.slab);
}

void
act_repeat(struct sim *s)
{
    repeat(s, (int)pick(s, LOGS), (int)pick(s, PRODUCERS));
}

void
act_set_start(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);
    struct vrv_err e = { 0 };

    if (l == NULL || pick(s, 4) != 0)
        return;
    struct vrv_log_offsets off = vrv_log_offsets(l);
    if (off.hw == off.start)
        return;
    struct call *c = new_call(s);
    c->is_start = true;
    c->part[0].log = log;
    c->offset = off.start + (int64_t)pick(s, (uint64_t)(off.hw - off.start) + 1);
    int rc = vrv_log_set_start(l, c->offset, &c->t, &e);
    if (rc < 0)
        drop_call(s, c);
    else if (c->offset > s->m[log].start_asked)
        s->m[log].start_asked = c->offset;
    if (rc < 0 && !expected_refusal(s, rc))
        broken(s, "log %d: delete-records refused: %s", log, e.msg);
}

/* ---- truncation ---- */

/* Is one that was asked for over? */
static void
poll_cut(struct sim *s, int log)
{
    struct model *m = &s->m[log];
    struct vrv_log_id id = log_id(s, log);
    struct vrv_err e = { 0 };
    int rc = vrv_engine_truncate(s->eng, &id, m->cut_to, &e);

    if (rc == 0 && vrv_log_offsets(get_log(s, log)).end > m->cut_to)
        broken(s, "log %d: truncated to %" PRId64 ", it ends behind that", log, m->cut_to);
    if (rc == 0)
        model_cut(s, log);
    else if (rc != VRV_E_AGAIN && rc != VRV_E_STOPPED)
        m->cutting = false; /* nothing was changed */
    if (rc == VRV_E_RANGE && (m->retains || m->cut_to < m->start_asked))
        return;
    if (rc < 0 && !expected_refusal(s, rc))
        broken(s, "log %d: truncation refused: %s", log, e.msg);
}

void
poll_cuts(struct sim *s)
{
    for (int log = 0; log < LOGS; log++)
        if (s->m[log].cutting && get_log(s, log) != NULL)
            poll_cut(s, log);
}

void
act_truncate(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);

    if (l == NULL || s->m[log].cutting || pick(s, 4) != 0)
        return;
    struct vrv_log_offsets off = vrv_log_offsets(l);
    uint64_t most = (uint64_t)(off.end - off.start) + 1;
    if (pick(s, 4) != 0 && most > 12) /* a little, mostly */
        most = 12;
    s->m[log].cut_to = off.end - (int64_t)pick(s, most);
    s->m[log].cutting = true;
    poll_cut(s, log);
}

/* ---- what comes back ---- */

/* What is synced is durable with all before it. */
static void
synced(struct model *m, size_t upto)
{
    for (size_t i = 0; i <= upto && m->was_lossy; i++)
        m->v[i].lossy = false;
}

void
acknowledged(struct sim *s, const struct call *c)
{
    for (int i = 0; i < c->n; i++) {
        if (c->part[i].log < 0)
            continue;
        struct model *m = &s->m[c->part[i].log];
        struct rec *r = &m->v[c->part[i].rec];

        if (r->gone) /* truncated since; the answer to a repetition may have been on its way */
            continue;
        r->fate = ACKED;
        if (!c->part[i].lossy)
            synced(m, c->part[i].rec);
        if (r->last + 1 > m->floor)
            m->floor = r->last + 1;
        s->r->acked++;
    }
    if (!c->is_start || c->part[0].log < 0)
        return;
    struct model *m = &s->m[c->part[0].log];
    struct vrv_log *l = get_log(s, c->part[0].log);
    if (c->offset > m->start_acked)
        m->start_acked = c->offset;
    if (l != NULL && vrv_log_offsets(l).start < c->offset)
        broken(s, "log %d: start is %" PRId64 " after a delete up to %" PRId64, c->part[0].log,
            vrv_log_offsets(l).start, c->offset);
}

/* One who waits hears in time, and not too early. */
static void
judge_waiter(struct sim *s, struct waiter *w)
{
    struct vrv_log *l = get_log(s, w->log);
    uint64_t bytes = l == NULL ? 0 : model_bytes(&s->m[w->log], w->w.offset,
                                         vrv_log_offsets(l).hw);

    if (w->active && l != NULL && bytes >= w->w.min_bytes)
        broken(s, "log %d: somebody waits at %" PRId64 " for %" PRIu64 " bytes, and %" PRIu64
                  " are there", w->log, w->w.offset, w->w.min_bytes, bytes);
    if (w->active)
        return;
    if (w->w.status == 0 && w->strict && l != NULL && bytes < w->w.min_bytes)
        broken(s, "log %d: woken for %" PRIu64 " bytes of %" PRIu64, w->log, bytes, w->w.min_bytes);
    if (w->w.status == VRV_E_TIMEDOUT &&
        s->clock.clock.mono_ns(&s->clock.clock) < w->w.timer.ns)
        broken(s, "log %d: woken before the deadline", w->log);
}

void
take_waiters(struct sim *s)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&s->wait_cq, 0)) != NULL) {
        struct waiter *w = (struct waiter *)(void *)d;

        w->active = false;
        judge_waiter(s, w);
    }
    for (int i = 0; i < WAITERS; i++)
        if (s->waiter[i].active)
            judge_waiter(s, &s->waiter[i]);
}

void
take_done(struct sim *s)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&s->cq, 0)) != NULL) {
        struct call *c = (struct call *)(void *)d;

        if (c->t.status == 0)
            acknowledged(s, c);
        drop_call(s, c);
    }
    poll_cuts(s);
    take_waiters(s);
}

void
act_wait(struct sim *s)
{
    struct waiter *w = &s->waiter[pick(s, WAITERS)];
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);

    if (w->active && pick(s, 3) == 0 && get_log(s, w->log) != NULL)
        vrv_log_wait_cancel(get_log(s, w->log), &w->w);
    take_waiters(s);
    if (w->active || l == NULL)
        return;
    struct vrv_log_offsets off = vrv_log_offsets(l);
    int64_t back = (int64_t)pick(s, 4), wait_ns = (int64_t)pick(s, 1000) * 1000000;
    *w = (struct waiter){ .log = log, .active = true };
    w->w.done.cq = &s->wait_cq;
    w->strict = off.hw - back < off.start || back == 0;
    vrv_log_wait(l, &w->w, w->strict ? off.hw : off.hw - back, 1 + pick(s, 3000),
        pick(s, 3) == 0 ? INT64_MAX : s->clock.clock.mono_ns(&s->clock.clock) + wait_ns);
    take_waiters(s);
}
