#include "t/lib/crashsim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/build.h"
#include "engine/engine.h"
#include "engine/reader/reader.h"
#include "engine/tail/fill.h"
#include "t/lib/simclock.h"

enum { TOPICS = 3, PARTS = 2, LOGS = TOPICS * PARTS, PRODUCERS = 2, BATCH_BYTES_MAX = 1500 };

enum fate { PENDING, ACKED, FAILED };

/* One appended batch, as the model knows it. */
struct rec {
    int64_t base, last;
    uint32_t crc, size;
    enum fate fate;
    uint32_t atomic;  /* same number: one append; 0: alone */
    bool seen;        /* a reader saw it */
    bool gone;        /* a crash took it: it must never come back */
};

struct model {
    struct rec *v;
    size_t n, cap;
    int64_t start_acked, start_asked; /* delete-records */
    int64_t floor;                    /* offsets below can't be given out again: seen or acked */
    bool lossy;
    int32_t seq[PRODUCERS];           /* next sequence of each producer */
    int16_t epoch[PRODUCERS];
    uint8_t *last_batch[PRODUCERS];   /* the newest batch, to repeat it */
    size_t last_n[PRODUCERS];
    size_t last_rec[PRODUCERS];
};

struct call {
    struct vrv_ticket t;
    int n;
    struct {
        int log;
        size_t rec;
    } part[LOGS];
    bool is_start;
    bool repeat;
    int64_t offset;
    struct call *next;
};

struct sim {
    const struct crashsim_opts *o;
    struct crashsim_result *r;
    struct simdisk *disk;
    struct simclock clock;
    struct vrv_rand rand;
    struct vrv_engine *eng;
    struct vrv_cq cq;
    struct vrv_fill fill;
    struct vrv_uuid topic[TOPICS];
    bool created[TOPICS];
    struct model m[LOGS];
    struct call *calls;
    uint32_t atomics;
    bool stopped;
};

static void
broken(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
broken(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (s->r->broken++ > 3)
        return;
    (void)printf("# seed %" PRIu64 ": ", s->o->seed);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf("\n");
}

static uint64_t
pick(struct sim *s, uint64_t n)
{
    return vrv_rand_below(&s->rand, n);
}

static struct vrv_log_id
log_id(const struct sim *s, int log)
{
    return (struct vrv_log_id){ s->topic[log / PARTS], log % PARTS };
}

static struct vrv_log *
get_log(struct sim *s, int log)
{
    struct vrv_log_id id = log_id(s, log);

    return vrv_engine_log(s->eng, &id);
}

/* ---- opening ---- */

static const char *const policies[TOPICS] = { "sync", "none", "interval" };

static int
create_topics(struct sim *s, struct vrv_err *e)
{
    for (int t = 0; t < TOPICS; t++) {
        char name[16], seg[16];
        struct vrv_config_kv kv[] = { { (char *)(uintptr_t) "flush.policy",
                                          (char *)(uintptr_t)(s->o->lossy ? policies[t] : "sync") },
            { (char *)(uintptr_t) "index.interval.bytes", (char *)(uintptr_t) "512" },
            { (char *)(uintptr_t) "segment.bytes", seg } };
        int rc;

        if (s->created[t])
            continue;
        (void)snprintf(name, sizeof(name), "topic-%d", t);
        (void)snprintf(seg, sizeof(seg), "%d", 4000 + 3000 * t);
        rc = vrv_engine_create_topic(s->eng, name, PARTS, kv, 3, &s->topic[t], e);
        struct vrv_topic_info known;
        if (rc < 0 && vrv_catalog_by_id(vrv_engine_catalog(s->eng), &s->topic[t], &known, NULL) == 0) {
            vrv_topic_info_fini(&known);
            rc = 0; /* done before the crash, though nobody heard of it */
        }
        if (rc < 0)
            return rc;
        s->created[t] = true;
        for (int p = 0; p < PARTS; p++)
            s->m[t * PARTS + p].lossy = s->o->lossy && t > 0;
    }
    return 0;
}

static int
open_engine(struct sim *s, struct vrv_err *e)
{
    struct vrv_engine_opts o;
    struct vrv_recovery found;

    vrv_engine_opts_default(&o);
    o.vfs = simdisk_vfs(s->disk);
    o.clock = &s->clock.clock;
    o.random = vrv_rand_next(&s->rand);
    o.memory_bytes = (size_t)3 << 20;
    o.wal_files = 3;
    o.wal_file_bytes = 64 * 1024;
    o.wal_fill_first = 32 * 1024;
    o.wal_direct = s->o->direct;
    o.group_bytes = 8192;
    o.flush_bytes = 4096;
    o.open_files_max = 8;
    o.checkpoint_ms = 500;
    o.disk_reserve_bytes = 0;
    int rc = vrv_engine_open(&s->eng, &o, &found, e);
    if (rc == 0)
        s->r->recovered += found.replayed;
    if (getenv("SIMDBG"))
        printf("# open rc %d %s: replayed %" PRIu64 " cut %" PRIu64 " rewritten %" PRIu64 " clean %d\n", rc, rc ? e->msg : "", found.replayed, found.cut_groups, found.rewritten, found.clean);
    return rc;
}

/* ---- the model against what is there ---- */

static struct rec *
model_find(struct model *m, int64_t base, size_t *hint)
{
    for (size_t i = *hint; i < m->n; i++)
        if (m->v[i].base == base && !m->v[i].gone && m->v[i].fate != FAILED) {
            *hint = i + 1;
            return &m->v[i];
        }
    return NULL;
}

typedef void batch_fn(struct sim *s, int log, const uint8_t *p, const struct vrv_batch *b);

/* Read a log from `from` on, batch by batch. */
static int64_t
scan_log(struct sim *s, int log, int64_t from, batch_fn *fn)
{
    struct vrv_log *l = get_log(s, log);
    int64_t at = from;

    for (;;) {
        struct vrv_read rd = { .offset = at, .max_bytes = 1 + pick(s, 6000), .whole_first = true };
        struct vrv_err e = { 0 };
        int rc = vrv_read(l, &rd, &e);

        if (rc < 0) {
            if (!simdisk_is_off(s->disk) && s->o->fail_at == 0)
                broken(s, "log %d: reading at %" PRId64 ": %s", log, at, e.msg);
            return -1;
        }
        if (rd.slice_n == 0) {
            vrv_read_fini(&rd);
            return rd.hw;
        }
        for (uint32_t i = 0; i < rd.slice_n; i++) {
            struct vrv_slice *sl = &rd.slice[i];

            rc = vrv_slice_load(sl, vrv_engine_env(s->eng)->pool, &e);
            if (rc < 0) {
                if (rc != VRV_E_NOMEM && !simdisk_is_off(s->disk) && s->o->fail_at == 0)
                    broken(s, "log %d: loading at %" PRId64 ": %s", log, at, e.msg);
                vrv_read_fini(&rd);
                return -1;
            }
            for (size_t pos = 0; pos < sl->n;) {
                struct vrv_batch b;

                if (vrv_batch_read(&b, sl->bytes + pos, sl->n - pos, &e) < 0)
                    break; /* cut off: the next read begins with it */
                if (vrv_batch_check_crc(sl->bytes + pos, &b, &e) < 0)
                    broken(s, "log %d: corrupt batch served at %" PRId64, log, b.base_offset);
                if (vrv_batch_last_offset(&b) >= at) {
                    fn(s, log, sl->bytes + pos, &b);
                    at = vrv_batch_last_offset(&b) + 1;
                }
                pos += b.size;
            }
        }
        vrv_read_fini(&rd);
    }
}

/* A reader looks at some of the log: it may only see what was appended, and remembers it. */
static void
see(struct sim *s, int log, const uint8_t *p, const struct vrv_batch *b)
{
    struct model *m = &s->m[log];
    size_t hint = 0;
    struct rec *r = model_find(m, b->base_offset, &hint);

    if (r == NULL || r->crc != vrv_crc32c(0, p + 61, b->size - 61) || r->size != b->size) {
        broken(s, "log %d: a batch at %" PRId64 " that nobody appended (%s)", log, b->base_offset,
            r == NULL ? "unknown offset" : "other bytes");
        return;
    }
    r->seen = true;
}

/* After recovery: mark what is there. */
static bool *present;

static void
mark(struct sim *s, int log, const uint8_t *p, const struct vrv_batch *b)
{
    struct model *m = &s->m[log];
    size_t hint = 0;
    struct rec *r = model_find(m, b->base_offset, &hint);

    see(s, log, p, b);
    if (r != NULL)
        present[r - m->v] = true;
}

static bool atomic_there[1 << 16], atomic_lost[1 << 16];

static void
judge_rec(struct sim *s, int log, size_t i, int64_t start)
{
    struct model *m = &s->m[log];
    struct rec *r = &m->v[i];
    bool below = r->last < start;

    if (r->gone || r->fate == FAILED)
        return;
    if (!present[i] && !below) {
        if (!m->lossy && r->fate == ACKED)
            broken(s, "log %d: acknowledged batch at %" PRId64 " is lost (start %" PRId64 ")", log,
                r->base, start);
        if (!m->lossy && r->seen)
            broken(s, "log %d: the batch at %" PRId64 " was read and is lost", log, r->base);
        r->gone = true;
        if (getenv("SIMDBG"))
            printf("# log %d: %" PRId64 " gone\n", log, r->base);
    }
    if (present[i]) {
        r->fate = ACKED; /* what recovery serves, it must keep */
        r->seen = true;
    }
    if (r->atomic != 0 && !m->lossy && !below) {
        atomic_there[r->atomic % (1 << 16)] |= present[i];
        atomic_lost[r->atomic % (1 << 16)] |= !present[i];
    }
}

/* No log may have lost its tail and given its offsets out again when somebody knew them. */
static void
check_all(struct sim *s)
{
    memset(atomic_there, 0, sizeof(atomic_there));
    memset(atomic_lost, 0, sizeof(atomic_lost));
    for (int log = 0; log < LOGS && s->created[log / PARTS]; log++) {
        struct model *m = &s->m[log];
        struct vrv_log *l = get_log(s, log);

        if (l == NULL) {
            broken(s, "log %d is not there", log);
            continue;
        }
        struct vrv_log_offsets off = vrv_log_offsets(l);
        if (off.start < m->start_acked)
            broken(s, "log %d: start is %" PRId64 ", records to %" PRId64 " were deleted", log,
                off.start, m->start_acked);
        if (off.start > m->start_asked && off.start > m->start_acked)
            broken(s, "log %d: start is %" PRId64 ", nobody asked for more than %" PRId64, log,
                off.start, m->start_asked);
        present = vrv_mem_zero(m->n + 1);
        if (scan_log(s, log, off.start, mark) >= 0)
            for (size_t i = 0; i < m->n; i++)
                judge_rec(s, log, i, off.start);
        free(present);
        if (m->lossy && off.end < m->floor)
            broken(s, "log %d: offsets below %" PRId64 " were known, the log ends at %" PRId64, log,
                m->floor, off.end);
    }
    for (uint32_t i = 0; i < 1 << 16; i++)
        if (atomic_there[i] && atomic_lost[i])
            broken(s, "atomic append %u is there in part", i);
}

/* ---- actions ---- */

static void
build(struct sim *s, struct vrv_batch_builder *b, int producer, int16_t epoch, int32_t seq)
{
    char value[BATCH_BYTES_MAX];
    int n = 1 + (int)pick(s, 4);
    size_t max = pick(s, 8) == 0 ? BATCH_BYTES_MAX / (size_t)n : 100;

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
        vrv_batch_builder_add(b, s->clock.clock.wall_ms(&s->clock.clock), NULL, -1, value,
            (int32_t)len, NULL, 0);
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
    VRV_PUSH_ROOM(m->v, m->n, m->cap);
    m->v[m->n] = (struct rec){ .base = a->base_offset, .last = vrv_batch_last_offset(&b),
        .crc = vrv_crc32c(0, a->bytes + 61, a->n - 61), .size = b.size, .atomic = atomic };
    c->part[c->n].log = log;
    c->part[c->n].rec = m->n;
    c->n++;
    m->n++;
    s->r->appended++;
}

static bool
expected_refusal(int rc)
{
    return rc == VRV_E_AGAIN || rc == VRV_E_STOPPED || rc == VRV_E_NOSPACE || rc == VRV_E_NOMEM;
}

static bool
stage(struct sim *s, struct vrv_append *a, int log, const uint8_t *bytes, size_t n)
{
    a->n = n;
    a->log = get_log(s, log);
    a->leader_epoch = -1;
    a->bytes = vrv_fill_take(&s->fill, vrv_engine_env(s->eng)->pool, n, false, &a->slab);
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
    struct rec *r = &m->v[m->last_rec[producer]];

    if (m->last_batch[producer] == NULL || !(r->gone || r->fate == FAILED))
        return false;
    m->epoch[producer]++;
    m->seq[producer] = 0;
    free(m->last_batch[producer]);
    m->last_batch[producer] = NULL;
    return true;
}

static void
act_append(struct sim *s)
{
    struct vrv_append a[LOGS] = { 0 };
    struct vrv_err e = { 0 };
    int first = (int)pick(s, LOGS), n = pick(s, 6) == 0 ? 1 + (int)pick(s, LOGS) : 1, staged = 0;
    int producer = n == 1 && pick(s, 3) == 0 ? (int)pick(s, PRODUCERS) : -1;
    uint32_t atomic = n > 1 ? ++s->atomics : 0;

    for (; staged < n; staged++) {
        int log = (first + staged) % LOGS;
        struct vrv_batch_builder b;
        const uint8_t *p;
        size_t len;

        vrv_batch_builder_init(&b);
        build(s, &b, producer, producer >= 0 ? s->m[log].epoch[producer] : (int16_t)-1,
            producer >= 0 ? s->m[log].seq[producer] : -1);
        if (vrv_batch_builder_finish(&b, (enum vrv_codec)pick(s, 2), &p, &len, &e) < 0)
            abort();
        bool ok = stage(s, &a[staged], log, p, len);
        vrv_batch_builder_fini(&b);
        if (!ok)
            break;
    }
    struct call *c = new_call(s);
    size_t at = 0;
    int rc = staged == n ? vrv_engine_may_append(s->eng, &e) : VRV_E_AGAIN;
    if (rc == 0)
        rc = vrv_log_append(a, (size_t)n, &c->t, &at, &e);
    if (rc < 0 && !(rc == VRV_E_SEQUENCE && lost_batch(&s->m[first], producer)) &&
        !expected_refusal(rc))
        broken(s, "append refused: %s", e.msg);
    if (rc < 0)
        drop_call(s, c);
    for (int i = 0; i < n && rc == 0; i++) {
        int log = (first + i) % LOGS;

        note_append(s, c, log, &a[i], atomic);
        if (producer >= 0) {
            struct vrv_batch b;

            if (vrv_batch_read(&b, a[i].bytes, a[i].n, &e) < 0)
                abort();
            s->m[log].seq[producer] += b.count;
            vrv_batch_stamp(a[i].bytes, 0, -1);
            remember(&s->m[log], producer, a[i].bytes, a[i].n);
            vrv_batch_stamp(a[i].bytes, a[i].base_offset, vrv_log_offsets(a[i].log).epoch);
        }
    }
    for (int i = 0; i < staged; i++)
        vrv_slab_unref(a[i].slab);
}

/* A client that heard nothing, or didn't listen, sends its last batch again. */
static void
act_repeat(struct sim *s)
{
    int log = (int)pick(s, LOGS), producer = (int)pick(s, PRODUCERS);
    struct model *m = &s->m[log];
    struct vrv_append a = { 0 };
    struct vrv_err e = { 0 };

    if (m->last_batch[producer] == NULL ||
        !stage(s, &a, log, m->last_batch[producer], m->last_n[producer]))
        return;
    struct rec *r = &m->v[m->last_rec[producer]];
    struct call *c = new_call(s);
    c->repeat = true;
    int rc = vrv_log_append(&a, 1, &c->t, NULL, &e);
    bool below = a.log != NULL && r->last < vrv_log_offsets(a.log).start;
    if (rc < 0 && !expected_refusal(rc) && !(rc == VRV_E_SEQUENCE && (r->gone || m->lossy)))
        broken(s, "log %d: repetition refused: %s", log, e.msg);
    bool lost = r->gone || r->fate == FAILED;
    if (rc == 0 && (lost || a.base_offset != r->base)) {
        if (!lost && !below)
            broken(s, "log %d: repetition of %" PRId64 " was appended at %" PRId64, log, r->base,
                a.base_offset);
        note_append(s, c, log, &a, 0);
        m->last_rec[producer] = m->n - 1;
    } else if (rc == 0) {
        c->part[0].log = log;
        c->part[0].rec = (size_t)(r - m->v);
        c->n = 1;
    }
    if (rc < 0)
        drop_call(s, c);
    vrv_slab_unref(a.slab);
}

static void
act_set_start(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);
    struct vrv_log_offsets off = vrv_log_offsets(l);
    struct vrv_err e = { 0 };

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
    if (rc < 0 && !expected_refusal(rc))
        broken(s, "log %d: delete-records refused: %s", log, e.msg);
}

static void
take_done(struct sim *s)
{
    struct vrv_done *d;

    while ((d = vrv_cq_take(&s->cq, 0)) != NULL) {
        struct call *c = (struct call *)(void *)d;

        if (c->is_start && c->t.status == 0) {
            struct model *m = &s->m[c->part[0].log];

            if (c->offset > m->start_acked)
                m->start_acked = c->offset;
        }
        for (int i = 0; i < c->n && !c->is_start && c->t.status == 0; i++) {
            struct model *m = &s->m[c->part[i].log];
            struct rec *r = &m->v[c->part[i].rec];

            r->fate = ACKED;
            if (r->last + 1 > m->floor)
                m->floor = r->last + 1;
            s->r->acked++;
        }
        drop_call(s, c);
    }
}

static void
act_read(struct sim *s)
{
    int log = (int)pick(s, LOGS);
    struct vrv_log *l = get_log(s, log);
    struct vrv_log_offsets off = vrv_log_offsets(l);
    int64_t hw = scan_log(s, log, off.start + (int64_t)pick(s, (uint64_t)(off.hw - off.start) + 1),
        see);

    if (hw > s->m[log].floor)
        s->m[log].floor = hw;
}

static void
act_time(struct sim *s)
{
    simclock_advance_ms(&s->clock, (int64_t)pick(s, 400));
    vrv_engine_tend_step(s->eng);
}

static void
act(struct sim *s)
{
    switch (pick(s, 16)) {
    case 0: case 1: case 2: case 3:
        act_append(s);
        break;
    case 4:
        act_repeat(s);
        break;
    case 5: case 6: case 7: case 8:
        (void)vrv_engine_commit_step(s->eng);
        take_done(s);
        break;
    case 9:
        (void)vrv_engine_flush_step(s->eng);
        break;
    case 10: case 11:
        (void)vrv_engine_checkpoint_step(s->eng);
        break;
    case 12:
        if (pick(s, 4) == 0)
            vrv_engine_want_checkpoint(s->eng);
        else
            act_time(s);
        break;
    case 13:
        if (pick(s, 6) == 0)
            act_set_start(s);
        else if (pick(s, 4) == 0)
            vrv_log_roll(get_log(s, (int)pick(s, LOGS)));
        break;
    case 14:
        act_read(s);
        break;
    default:
        (void)vrv_engine_prepare_step(s->eng);
        break;
    }
}

/* ---- a life ---- */

static void
abandon(struct sim *s)
{
    if (s->eng != NULL)
        s->r->checkpoints += vrv_engine_checkpoints(s->eng);
    vrv_fill_fini(&s->fill);
    vrv_engine_abandon(&s->eng);
    while (vrv_cq_take(&s->cq, 0) != NULL)
        ;
    while (s->calls != NULL)
        drop_call(s, s->calls);
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

/* Open until it works: the power may fail during recovery, too. */
static bool
start(struct sim *s, bool may_crash)
{
    for (int tries = 0; tries < 20; tries++) {
        struct vrv_err e = { 0 };

        if (may_crash && pick(s, 3) == 0)
            simdisk_crash_at(s->disk, 1 + pick(s, 120));
        int rc = open_engine(s, &e);
        if (rc == 0)
            rc = create_topics(s, &e);
        if (rc == 0 && !simdisk_is_off(s->disk)) {
            simdisk_crash_at(s->disk, 0);
            return true;
        }
        if (!simdisk_is_off(s->disk) && s->o->fail_at == 0) {
            broken(s, "opening failed: %s", e.msg);
            abandon(s);
            return false;
        }
        lose_power(s);
        may_crash = tries < 10;
    }
    broken(s, "it never opened");
    return false;
}

static void
live(struct sim *s)
{
    int steps = (int)pick(s, (uint64_t)s->o->steps) + 1;

    for (int i = 0; i < steps && !simdisk_is_off(s->disk); i++)
        act(s);
}

/* A second recovery of the same disk finds the same. */
static void
check_twice(struct sim *s)
{
    int64_t hw[LOGS];

    for (int log = 0; log < LOGS; log++)
        hw[log] = vrv_log_offsets(get_log(s, log)).hw;
    lose_power(s);
    if (!start(s, false))
        return;
    for (int log = 0; log < LOGS; log++)
        if (!s->m[log].lossy && vrv_log_offsets(get_log(s, log)).hw != hw[log])
            broken(s, "log %d: hw was %" PRId64 ", after a second recovery %" PRId64, log, hw[log],
                vrv_log_offsets(get_log(s, log)).hw);
    check_all(s);
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
    simclock_init(&s->clock, 1700000000000);
    (void)vrv_cq_init(&s->cq, 0);
    for (int t = 0; t < TOPICS; t++)
        for (int i = 0; i < 16; i++)
            s->topic[t].b[i] = (uint8_t)vrv_rand_next(&s->rand);
}

static void
sim_fini(struct sim *s)
{
    abandon(s);
    s->r->ops = simdisk_ops(s->disk);
    simdisk_free(&s->disk);
    vrv_cq_fini(&s->cq);
    for (int log = 0; log < LOGS; log++) {
        free(s->m[log].v);
        for (int p = 0; p < PRODUCERS; p++)
            free(s->m[log].last_batch[p]);
    }
}

static void
run_crashes(struct sim *s)
{
    bool up = start(s, true);

    for (int g = 0; g < s->o->generations && up; g++) {
        if (pick(s, 4) != 0)
            simdisk_crash_at(s->disk, 1 + pick(s, (uint64_t)s->o->steps));
        live(s);
        bool clean = !simdisk_is_off(s->disk) && pick(s, 8) == 0;
        if (clean) { /* an orderly stop, once in a while */
            struct vrv_err e = { 0 };

            take_done(s);
            vrv_fill_fini(&s->fill);
            if (vrv_engine_close(&s->eng, &e) < 0 && !simdisk_is_off(s->disk))
                broken(s, "close: %s", e.msg);
            take_done(s);
        }
        lose_power(s);
        up = start(s, true);
        if (up)
            check_all(s);
        if (up && pick(s, 4) == 0) {
            check_twice(s);
            up = s->eng != NULL;
        }
    }
}

/* One operation fails; then, at the latest, the machine is started again. */
static void
run_fault(struct sim *s)
{
    simdisk_fail(s->disk, s->o->fail_at, s->o->fault, s->o->sticky);
    struct vrv_err e = { 0 };
    int rc = open_engine(s, &e);
    if (rc == 0)
        rc = create_topics(s, &e);
    if (rc == 0) {
        for (int i = 0; i < s->o->steps; i++)
            act(s);
        take_done(s);
        s->r->failed_stop += vrv_engine_error(s->eng, NULL) != 0;
    }
    s->r->fault_hit = simdisk_failed(s->disk) > 0;
    simdisk_fail(s->disk, 0, SIM_EIO, false);
    lose_power(s);
    if (start(s, false))
        check_all(s);
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
