/* The crash simulator's scheduler: what happens, in which order, and when the power fails. */
#include "t/lib/crashsim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "engine/reader/reader.h"
#include "t/lib/crashsim_int.h"

static const uint64_t disk_large = (uint64_t)1 << 40;

uint64_t
pick(struct sim *s, uint64_t n)
{
    return vrv_rand_below(&s->rand, n);
}

struct vrv_log_id
log_id(const struct sim *s, int log)
{
    return (struct vrv_log_id){ s->topic[log / PARTS].id, log % PARTS };
}

struct vrv_log *
get_log(struct sim *s, int log)
{
    struct vrv_log_id id = log_id(s, log);

    return s->topic[log / PARTS].state == TOPIC_THERE ? vrv_engine_log(s->eng, &id) : NULL;
}

bool
no_excuse(struct sim *s)
{
    return !simdisk_is_off(s->disk) && simdisk_failed(s->disk) == s->struck;
}

/* ---- topics ---- */

struct setting {
    const char *key;
    char value[24];
};

static void
set(struct setting *v, size_t *n, const char *key, const char *word, uint64_t number)
{
    struct setting *c = &v[(*n)++];

    c->key = key;
    if (word != NULL)
        (void)snprintf(c->value, sizeof(c->value), "%s", word);
    else
        (void)snprintf(c->value, sizeof(c->value), "%" PRIu64, number);
}

/* Each topic is another kind of topic; what is drawn here decides how the model judges it. */
static size_t
draw_config(struct sim *s, int t, struct setting *v)
{
    static const char *const policies[] = { "sync", "none", "interval" };
    const char *policy = s->o->lossy && t > 0 ? policies[t] : "sync";
    bool retains = pick(s, 4) == 0;
    size_t n = 0;

    set(v, &n, "flush.policy", policy, 0);
    set(v, &n, "index.interval.bytes", NULL, pick(s, 3) * 512);
    set(v, &n, "segment.bytes", NULL, 3000 + pick(s, 12000));
    if (pick(s, 3) == 0)
        set(v, &n, "segment.ms", NULL, 300 + pick(s, 3000));
    if (pick(s, 4) == 0)
        set(v, &n, "message.timestamp.type", "LogAppendTime", 0);
    if (pick(s, 4) == 0)
        set(v, &n, "validation", "records", 0);
    if (pick(s, 2) == 0)
        set(v, &n, "flush.messages", NULL, 1 + pick(s, 20));
    if (retains && pick(s, 2) == 0)
        set(v, &n, "retention.ms", NULL, 500 + pick(s, 4000));
    else if (retains)
        set(v, &n, "retention.bytes", NULL, pick(s, 20000));
    for (int p = 0; p < PARTS; p++) {
        s->m[t * PARTS + p].lossy = strcmp(policy, "sync") != 0;
        s->m[t * PARTS + p].retains = retains;
    }
    return n;
}

static int
create_topic(struct sim *s, int t, struct vrv_err *e)
{
    struct setting v[CONFIGS];
    struct vrv_config_kv kv[CONFIGS];
    char name[16];
    size_t n = draw_config(s, t, v);

    for (size_t i = 0; i < n; i++)
        kv[i] = (struct vrv_config_kv){ (char *)(uintptr_t)v[i].key, v[i].value };
    for (int i = 0; i < 16; i++)
        s->topic[t].id.b[i] = (uint8_t)vrv_rand_next(&s->rand);
    (void)snprintf(name, sizeof(name), "topic-%d", t);
    s->topic[t].state = TOPIC_UNSURE;
    int rc = vrv_engine_create_topic(s->eng, name, PARTS, kv, n, &s->topic[t].id, e);
    if (rc == 0)
        s->topic[t].state = TOPIC_THERE;
    return rc;
}

/* Nobody will ask for it again. */
static void
bury_topic(struct sim *s, int t)
{
    s->dead[s->dead_n++ % DEAD_MAX] = s->topic[t].id;
    s->topic[t].state = TOPIC_NONE;
    for (struct call *c = s->calls; c != NULL; c = c->next)
        for (int i = 0; i < c->n + c->is_start; i++)
            if (c->part[i].log / PARTS == t)
                c->part[i].log = -1;
    for (int p = 0; p < PARTS; p++)
        model_reset(&s->m[t * PARTS + p]);
}

/* After a start the catalog knows what became of calls that a crash cut off. */
static void
settle_topics(struct sim *s)
{
    for (int t = 0; t < TOPICS; t++) {
        struct vrv_topic_info info;

        if (s->topic[t].state != TOPIC_UNSURE)
            continue;
        if (vrv_catalog_by_id(vrv_engine_catalog(s->eng), &s->topic[t].id, &info, NULL) == 0) {
            vrv_topic_info_fini(&info);
            s->topic[t].state = TOPIC_THERE;
        } else {
            bury_topic(s, t);
        }
    }
}

static int
create_topics(struct sim *s, struct vrv_err *e)
{
    int rc = 0;

    for (int t = 0; t < TOPICS && rc == 0; t++)
        if (s->topic[t].state == TOPIC_NONE)
            rc = create_topic(s, t, e);
    return rc;
}

static bool
expected_refusal(struct sim *s, int rc)
{
    switch (rc) {
    case VRV_E_AGAIN:
        return true;
    case VRV_E_NOSPACE:
        return s->full || s->o->fail_at > 0;
    default:
        return vrv_engine_error(s->eng, NULL) != 0 || !no_excuse(s);
    }
}

/* A topic is deleted, or a missing one made. */
static void
act_topic(struct sim *s)
{
    int t = (int)pick(s, TOPICS);
    struct vrv_err e = { 0 };
    char name[16];
    int rc = 0;

    (void)snprintf(name, sizeof(name), "topic-%d", t);
    if (s->topic[t].state == TOPIC_NONE) {
        rc = create_topic(s, t, &e);
    } else if (s->topic[t].state == TOPIC_THERE && pick(s, 6) == 0) {
        s->topic[t].state = TOPIC_UNSURE;
        rc = vrv_engine_delete_topic(s->eng, name, &e);
        if (rc == 0)
            bury_topic(s, t);
    }
    /* A catalog that a fault has stopped refuses from then on. */
    bool faulty = s->r->fault_hit || simdisk_failed(s->disk) > 0;
    if (rc < 0 && !expected_refusal(s, rc) && !(rc == VRV_E_STOPPED && faulty))
        broken(s, "creating or deleting %s: %s", name, e.msg);
}

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

static void
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
        .atomic = atomic };
    c->part[c->n].log = log;
    c->part[c->n].rec = m->n;
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

/* The parts of one append, and the bytes as they were sent. */
struct parts {
    struct vrv_append a[LOGS];
    uint8_t *sent[LOGS];
    int log[LOGS], n, producer;
};

static bool
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

static int
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

static void
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

/* A client that heard nothing, or didn't listen, sends its last batch again. */
static void
repeat(struct sim *s, int log, int producer)
{
    struct model *m = &s->m[log];
    struct vrv_append a = { 0 };
    struct vrv_err e = { 0 };

    if (get_log(s, log) == NULL || m->last_batch[producer] == NULL ||
        !stage(s, &a, log, m->last_batch[producer], m->last_n[producer]))
        return;
    struct rec *r = &m->v[m->last_rec[producer]];
    struct call *c = new_call(s);
    int rc = vrv_log_append(&a, 1, &c->t, NULL, &e);
    bool below = r->last < vrv_log_offsets(a.log).start, gone = r->gone;
    if (rc < 0 && !expected_refusal(s, rc) && !(rc == VRV_E_SEQUENCE && (gone || m->lossy)))
        broken(s, "log %d: repetition refused: %s", log, e.msg);
    if (rc == 0 && (gone || a.base_offset != r->base)) {
        if (!gone && !below)
            broken(s, "log %d: repetition of %" PRId64 " was appended at %" PRId64, log, r->base,
                a.base_offset);
        note_append(s, c, log, &a, 0);
        m->last_rec[producer] = m->n - 1;
    } else if (rc == 0) {
        c->part[0].log = log;
        c->part[0].rec = m->last_rec[producer];
        c->n = 1;
    }
    if (rc < 0)
        drop_call(s, c);
    vrv_slab_unref(a.slab);
}

static void
act_repeat(struct sim *s)
{
    repeat(s, (int)pick(s, LOGS), (int)pick(s, PRODUCERS));
}

static void
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

/* ---- what comes back ---- */

static void
acknowledged(struct sim *s, const struct call *c)
{
    for (int i = 0; i < c->n; i++) {
        if (c->part[i].log < 0)
            continue;
        struct model *m = &s->m[c->part[i].log];
        struct rec *r = &m->v[c->part[i].rec];

        r->fate = ACKED;
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

static void
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

static void
take_done(struct sim *s)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&s->cq, 0)) != NULL) {
        struct call *c = (struct call *)(void *)d;

        if (c->t.status == 0)
            acknowledged(s, c);
        drop_call(s, c);
    }
    take_waiters(s);
}

static void
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

/* ---- reading, time, space ---- */

static void
act_read(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);

    if (l == NULL)
        return;
    struct vrv_log_offsets off = vrv_log_offsets(l);
    (void)model_read(s, log, off.start + (int64_t)pick(s, (uint64_t)(off.hw - off.start) + 1));
    if (pick(s, 3) == 0)
        model_read_times(s, log);
}

static void
tend(struct sim *s)
{
    vrv_engine_tend_step(s->eng);
    uint64_t left = 0;
    if (vrv_vfs_free_bytes(s->eng_opts.vfs, &left, NULL) == 0 && left > disk_large / 2)
        s->full = false;
}

static void
act_time(struct sim *s)
{
    simclock_advance_ms(&s->clock, (int64_t)pick(s, 400));
    tend(s);
    (void)vrv_engine_expire_step(s->eng);
    take_waiters(s);
}

/* The disk becomes nearly full, or as large as it was. */
static void
act_space(struct sim *s)
{
    uint64_t left;

    if (s->full || pick(s, 4) != 0) {
        simdisk_capacity(s->disk, disk_large);
        return;
    }
    if (vrv_vfs_free_bytes(s->eng_opts.vfs, &left, NULL) != 0 || left < disk_large / 2)
        return;
    simdisk_capacity(s->disk, disk_large - left + pick(s, 12) * 4096);
    s->full = true;
}

/* ---- the engine's steps ---- */

/* Between its write and its sync is where a group is in the most danger: end there more often. */
static void
act_commit(struct sim *s)
{
    if (s->o->fail_at == 0 && !simdisk_is_off(s->disk) && pick(s, 80) == 0)
        simdisk_crash_at(s->disk, 1 + pick(s, 3));
    (void)vrv_engine_commit_step(s->eng);
    take_done(s);
}

static void
act_flush(struct sim *s)
{
    (void)vrv_engine_flush_step(s->eng);
}

static void
act_checkpoint(struct sim *s)
{
    (void)vrv_engine_checkpoint_step(s->eng);
}

static void
act_want_checkpoint(struct sim *s)
{
    if (pick(s, 4) == 0)
        vrv_engine_want_checkpoint(s->eng);
}

/* A whole one, as in a quiet moment. */
static void
act_whole_checkpoint(struct sim *s)
{
    uint64_t before = vrv_engine_checkpoints(s->eng);

    if (pick(s, 6) != 0)
        return;
    vrv_engine_want_checkpoint(s->eng);
    for (int i = 0; i < 60 && vrv_engine_checkpoints(s->eng) == before; i++) {
        act_commit(s);
        act_checkpoint(s);
    }
}

static void
act_prepare(struct sim *s)
{
    (void)vrv_engine_prepare_step(s->eng);
}

static void
act_want_sync(struct sim *s)
{
    vrv_journal_want_sync(vrv_engine_env(s->eng)->journal);
}

static void
act_roll(struct sim *s)
{
    struct vrv_log *l = get_log(s, (int)pick(s, LOGS));

    if (l != NULL && pick(s, 4) == 0)
        vrv_log_roll(l);
}

static const struct {
    action_fn *fn;
    unsigned weight;
    bool always; /* a run without it shows nothing */
} actions[] = {
    { act_append, 12, true },
    { act_repeat, 2, false },
    { act_commit, 8, true },
    { act_flush, 2, false },
    { act_checkpoint, 4, true },
    { act_want_checkpoint, 2, false },
    { act_whole_checkpoint, 1, false },
    { act_time, 2, false },
    { act_set_start, 2, false },
    { act_roll, 2, false },
    { act_read, 2, false },
    { act_wait, 2, false },
    { act_prepare, 2, false },
    { act_want_sync, 1, false },
    { act_topic, 1, false },
    { act_space, 1, false },
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* Each run has a mixture of its own: some actions often, some never. */
static void
draw_weights(struct sim *s)
{
    static const unsigned factor[] = { 0, 1, 1, 2, 5 };

    for (int i = 0; i < ACTIONS; i++) {
        unsigned f = factor[pick(s, 5)];

        s->weight[i] = actions[i].weight * (f == 0 && actions[i].always ? 1 : f);
    }
}

static void
act(struct sim *s)
{
    unsigned sum = 0;

    s->struck = simdisk_failed(s->disk);
    for (int i = 0; i < ACTIONS; i++)
        sum += s->weight[i];
    uint64_t at = pick(s, sum);
    for (int i = 0; i < ACTIONS; i++) {
        if (at < s->weight[i]) {
            actions[i].fn(s);
            break;
        }
        at -= s->weight[i];
    }
    take_done(s); /* an answer that came too early is believed at once */
    struct vrv_err e = { 0 };
    if (vrv_engine_error(s->eng, &e) != 0 && !simdisk_is_off(s->disk) &&
        !s->r->fault_hit && simdisk_failed(s->disk) == 0 && s->r->failed_stop++ == 0)
        broken(s, "the engine stopped: %s", e.msg);
}

/* ---- a life ---- */

static void
draw_engine(struct sim *s)
{
    struct vrv_engine_opts *o = &s->eng_opts;

    vrv_engine_opts_default(o);
    o->vfs = simdisk_vfs(s->disk);
    o->clock = &s->clock.clock;
    o->memory_bytes = (size_t)(2 + pick(s, 3)) << 20;
    o->wal_files = 2 + (unsigned)pick(s, 3);
    o->wal_file_bytes = 64 * 1024 * (1 + (size_t)pick(s, 2));
    o->wal_fill_first = 32 * 1024;
    o->wal_direct = s->o->direct;
    o->group_bytes = 8192;
    o->flush_bytes = (size_t)1024 << pick(s, 4);
    o->open_files_max = 8;
    o->checkpoint_ms = 500;
    o->disk_reserve_bytes = 0;
}

static int
open_engine(struct sim *s, struct vrv_err *e)
{
    struct vrv_recovery found;

    s->struck = simdisk_failed(s->disk);
    s->eng_opts.random = vrv_rand_next(&s->rand);
    int rc = vrv_engine_open(&s->eng, &s->eng_opts, &found, e);
    if (rc == 0) {
        s->r->recovered += found.replayed;
        settle_topics(s);
    }
    return rc;
}

static void
abandon(struct sim *s)
{
    if (s->eng != NULL)
        s->r->checkpoints += vrv_engine_checkpoints(s->eng);
    vrv_fill_fini(&s->fill);
    vrv_engine_abandon(&s->eng);
    while (vrv_cq_take(&s->cq, 0) != NULL)
        ;
    while (vrv_cq_take(&s->wait_cq, 0) != NULL)
        ;
    memset(s->waiter, 0, sizeof(s->waiter));
    while (s->calls != NULL)
        drop_call(s, s->calls);
    simdisk_capacity(s->disk, disk_large);
    s->full = false;
}

static void
lose_power(struct sim *s)
{
    int policy = s->o->policy >= 0 ? s->o->policy : (int)pick(s, SIM_POLICY_COUNT);

    abandon(s);
    simdisk_crash(s->disk, (enum sim_policy)policy, vrv_rand_next(&s->rand));
    simdisk_abandon(s->disk);
    s->r->crashes++;
}

/* Perhaps only the process dies, at the operation where the power would have failed: what it wrote can
 * be read, synced or not. */
static void
lose_process(struct sim *s)
{
    if (pick(s, 5) >= 2) {
        lose_power(s);
        return;
    }
    abandon(s);
    simdisk_abandon(s->disk);
    simdisk_crash_at(s->disk, 0);
    s->r->crashes++;
}

/* Open until it works: the power may fail during recovery, too. */
static bool
start(struct sim *s, bool may_crash)
{
    for (int tries = 0; tries < 20; tries++) {
        struct vrv_err e = { 0 };

        if (may_crash && pick(s, 3) == 0)
            simdisk_crash_at(s->disk, 1 + pick(s, 120));
        int rc = open_engine(s, &e);
        if (rc == 0 && s->scans == 0)
            rc = create_topics(s, &e);
        if (rc == 0 && !simdisk_is_off(s->disk)) {
            simdisk_crash_at(s->disk, 0);
            return true;
        }
        if (no_excuse(s)) {
            broken(s, "opening failed: %s", e.msg);
            abandon(s);
            return false;
        }
        lose_process(s);
        may_crash = tries < 10;
    }
    broken(s, "it never opened");
    return false;
}

static void
live(struct sim *s)
{
    int steps = (int)pick(s, (uint64_t)(pick(s, 4) == 0 ? 30 : s->o->steps)) + 10;

    for (int i = 0; i < steps && !simdisk_is_off(s->disk); i++)
        act(s);
}

static int
any_name(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
    return 0;
}

/* At rest nothing is left of deleted topics. */
static void
check_buried(struct sim *s)
{
    for (unsigned i = 0; i < s->dead_n && i < DEAD_MAX; i++) {
        struct vrv_log_id id = { s->dead[i], 0 };
        char dir[VRV_PATH_MAX];
        struct vrv_err e;

        vrv_log_dir(&id, dir);
        if (vrv_vfs_list(s->eng_opts.vfs, dir, any_name, NULL, &e) != VRV_E_NOTFOUND &&
            !simdisk_is_off(s->disk))
            broken(s, "files of a deleted topic stay: %s", dir);
    }
}

/* All that waits is done, and the disk has room: an append must be taken and acknowledged. */
static void
check_goes_on(struct sim *s)
{
    struct parts ps = { .producer = -1 };
    struct vrv_err e = { 0 };
    int log = 0;

    s->struck = simdisk_failed(s->disk);
    simdisk_capacity(s->disk, disk_large);
    vrv_fill_fini(&s->fill);
    vrv_engine_want_checkpoint(s->eng);
    for (int i = 0; i < 60; i++) {
        act_commit(s);
        act_flush(s);
        act_checkpoint(s);
        act_prepare(s);
        tend(s);
    }
    while (log < LOGS && get_log(s, log) == NULL)
        log++;
    if (log == LOGS || vrv_engine_error(s->eng, NULL) != 0 || simdisk_is_off(s->disk))
        return;
    bool staged = make_part(s, &ps, log);
    int rc = append(s, &ps, staged, &e);
    act_commit(s);
    if (no_excuse(s) && rc < 0)
        broken(s, "at rest, an append is refused: %s", e.msg);
    if (no_excuse(s) && rc == 0 && s->m[log].v[s->m[log].n - 1].fate != ACKED)
        broken(s, "at rest, an append is not acknowledged");
    if (s->o->fail_at == 0)
        check_buried(s);
}

/* A second recovery of the same disk finds the same. */
static void
check_twice(struct sim *s)
{
    int64_t hw[LOGS];

    for (int log = 0; log < LOGS; log++)
        hw[log] = get_log(s, log) != NULL ? vrv_log_offsets(get_log(s, log)).hw : -1;
    lose_process(s);
    if (!start(s, false))
        return;
    for (int log = 0; log < LOGS; log++)
        if (hw[log] >= 0 && !s->m[log].lossy && vrv_log_offsets(get_log(s, log)).hw != hw[log])
            broken(s, "log %d: hw was %" PRId64 ", after a second recovery %" PRId64, log, hw[log],
                vrv_log_offsets(get_log(s, log)).hw);
    model_check(s);
}

static void
sim_init(struct sim *s, const struct crashsim_opts *o, struct crashsim_result *r)
{
    memset(s, 0, sizeof(*s));
    memset(r, 0, sizeof(*r));
    s->o = o;
    s->r = r;
    s->rand.state = o->seed * 0x9e3779b97f4a7c15u + 1;
    s->disk = simdisk_new(vrv_rand_next(&s->rand));
    simdisk_capacity(s->disk, disk_large);
    simdisk_nowait(s->disk, (unsigned)pick(s, 100));
    simclock_init(&s->clock, 1700000000000);
    (void)vrv_cq_init(&s->cq, 0);
    (void)vrv_cq_init(&s->wait_cq, 0);
    s->slab_each = pick(s, 2) == 0;
    draw_engine(s);
    draw_weights(s);
}

static void
sim_fini(struct sim *s)
{
    abandon(s);
    s->r->ops = simdisk_ops(s->disk);
    simdisk_free(&s->disk);
    vrv_cq_fini(&s->cq);
    vrv_cq_fini(&s->wait_cq);
    for (int log = 0; log < LOGS; log++)
        model_reset(&s->m[log]);
}

static void
stop_orderly(struct sim *s)
{
    struct vrv_err e = { 0 };

    if (pick(s, 2) == 0) { /* in the middle of a checkpoint, and of work */
        vrv_engine_want_checkpoint(s->eng);
        for (uint64_t i = pick(s, 14); i > 0; i--) {
            act_commit(s);
            act_checkpoint(s);
        }
        for (int i = 0; i < 4; i++)
            act_append(s);
    }
    take_done(s);
    vrv_fill_fini(&s->fill);
    int rc = vrv_engine_close(&s->eng, &e);
    if (rc < 0 && no_excuse(s) && !s->full)
        broken(s, "close: %s", e.msg);
    for (struct vrv_done *d; (d = vrv_cq_take(&s->cq, 0)) != NULL;) {
        struct call *c = (struct call *)(void *)d;

        c->is_start = false; /* there is no log any more to ask for its start */
        if (c->t.status == 0)
            acknowledged(s, c);
        drop_call(s, c);
    }
    for (int log = 0; log < LOGS && rc == 0; log++)
        for (size_t i = 0; i < s->m[log].n; i++)
            s->m[log].v[i].settled = s->m[log].v[i].fate == ACKED;
}

/* What clients do at once when a broker is back. */
static void
retry_all(struct sim *s)
{
    for (int log = 0; log < LOGS; log++)
        for (int p = 0; p < PRODUCERS; p++)
            if (pick(s, 2) == 0)
                repeat(s, log, p);
    if (pick(s, 2) == 0)
        act_commit(s);
}

static void
run_crashes(struct sim *s)
{
    bool up = start(s, true);

    for (int g = 0; g < s->o->generations && up; g++) {
        if (!simdisk_is_off(s->disk) && pick(s, 4) != 0)
            simdisk_crash_at(s->disk, 1 + pick(s, 3 * (uint64_t)s->o->steps));
        live(s);
        if (!simdisk_is_off(s->disk) && pick(s, 6) == 0)
            check_goes_on(s);
        if (!simdisk_is_off(s->disk) && pick(s, 5) == 0)
            stop_orderly(s);
        lose_process(s);
        up = start(s, true);
        if (up)
            model_check(s);
        if (up && pick(s, 3) == 0) {
            check_twice(s);
            up = s->eng != NULL;
        }
        if (up)
            retry_all(s);
    }
}

/* ---- one operation fails ---- */

/* Reads and refusals with the fault gone: what was acknowledged is served, stopped or not. */
static void
check_after_fault(struct sim *s)
{
    s->struck = simdisk_failed(s->disk);
    for (int log = 0; log < LOGS; log++)
        if (get_log(s, log) != NULL)
            (void)model_read(s, log, vrv_log_offsets(get_log(s, log)).start);
    s->r->failed_stop = vrv_engine_error(s->eng, NULL) != 0;
    if (s->r->failed_stop && s->o->fault == SIM_EINTR)
        broken(s, "an interrupted call stopped the engine");
    if (s->r->failed_stop && vrv_engine_may_append(s->eng, NULL) == 0)
        broken(s, "the engine stopped and takes appends");
    /* Its checkpoint would hide what the WAL has lost, so not always. */
    if (!s->r->failed_stop && s->o->fail_at % 2 == 0)
        check_goes_on(s);
}

/* Look at everything without being disturbed: the operations of that don't count. */
static void
check_undisturbed(struct sim *s, uint64_t *before)
{
    uint64_t done = simdisk_ops(s->disk) - *before;
    bool struck = simdisk_failed(s->disk) > 0;

    s->r->fault_hit = struck;
    simdisk_fail(s->disk, 0, SIM_EIO, false);
    s->struck = simdisk_failed(s->disk);
    model_check(s);
    if (!struck || s->o->sticky)
        simdisk_fail(s->disk, s->o->fail_at > done ? s->o->fail_at - done : 1, s->o->fault,
            s->o->sticky);
    *before = simdisk_ops(s->disk) - done;
}

/* Lives through it, from the opening on; then, at the latest, the machine is started again. */
static void
run_fault(struct sim *s)
{
    struct vrv_err e = { 0 };
    bool up = true;

    if (s->o->warm) {
        up = start(s, false);
        for (int i = 0; i < s->o->steps && up; i++)
            act(s);
        if (up)
            lose_process(s);
    }
    uint64_t before = simdisk_ops(s->disk);
    simdisk_fail(s->disk, s->o->fail_at, s->o->fault, s->o->sticky);
    int rc = open_engine(s, &e);
    if (rc == 0)
        rc = create_topics(s, &e);
    if (rc == 0 && s->o->warm)
        check_undisturbed(s, &before);
    for (int i = 0; i < s->o->steps && rc == 0; i++)
        act(s);
    s->r->fault_ops = simdisk_ops(s->disk) - before;
    s->r->fault_hit |= simdisk_failed(s->disk) > 0;
    if (rc < 0 && (!s->r->fault_hit || s->o->fault == SIM_EINTR))
        broken(s, "opening failed: %s", e.msg);
    if (rc == 0) {
        take_done(s);
        if (!s->o->sticky)
            check_after_fault(s);
    }
    simdisk_fail(s->disk, 0, SIM_EIO, false);
    if (rc == 0 && s->o->sticky)
        check_after_fault(s);
    lose_power(s);
    if (up && start(s, false)) {
        model_check(s);
        check_goes_on(s);
    }
}

void
crashsim_run(const struct crashsim_opts *o, struct crashsim_result *r)
{
    struct sim *s = VRV_NEW(struct sim);

    sim_init(s, o, r);
    if (o->fail_at > 0)
        run_fault(s);
    else
        run_crashes(s);
    sim_fini(s);
    free(s);
}
