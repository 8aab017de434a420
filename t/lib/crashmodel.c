/* The crash simulator's model: what was appended, and whether a log shows it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/reader/reader.h"
#include "t/lib/crashsim_int.h"

enum { HEADER = 61, ATOMICS = 1 << 16 };

void
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

void
model_reset(struct model *m)
{
    free(m->v);
    for (int p = 0; p < PRODUCERS; p++)
        free(m->last_batch[p]);
    memset(m, 0, sizeof(*m));
}

static struct rec *
find(struct model *m, int64_t base)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->v[i].base == base && !m->v[i].gone)
            return &m->v[i];
    return NULL;
}

uint64_t
model_bytes(const struct model *m, int64_t offset, int64_t hw)
{
    uint64_t n = 0;

    for (size_t i = m->n; i-- > 0;)
        if (!m->v[i].gone && m->v[i].last >= offset && m->v[i].last < hw)
            n += m->v[i].size;
    return n;
}

void
model_cut(struct sim *s, int log)
{
    struct model *m = &s->m[log];
    struct vrv_log_offsets off = vrv_log_offsets(get_log(s, log));

    m->cutting = false;
    if (m->floor > off.end)
        m->floor = off.end;
    for (size_t i = 0; i < m->n; i++) {
        struct rec *r = &m->v[i];

        if (r->fate == ACKED && !r->gone && r->last < m->cut_to && r->last >= off.end)
            broken(s, "log %d: truncated to %" PRId64 ", the batch at %" PRId64 " went, too", log,
                m->cut_to, r->base);
        r->gone |= r->last >= m->cut_to;
    }
}

/* It may go, or have gone, by a truncation that is under way. */
static bool
is_cut(const struct model *m, const struct rec *r)
{
    return m->cutting && r->last >= m->cut_to;
}

/* Did a crash come behind the truncation?  All of what it was to take is gone then; a log that was
 * lossy goes on above its ceiling. */
static bool
was_cut(const struct sim *s, const struct model *m, int64_t end)
{
    if (!m->cutting || end <= m->cut_to || !m->was_lossy)
        return m->cutting && end <= m->cut_to;
    for (size_t i = 0; i < m->n; i++)
        if (!m->v[i].gone && is_cut(m, &m->v[i]) && m->v[i].scan == s->scans)
            return false;
    return true;
}

/* ---- reading ---- */

/* A reader may only see what was appended, and remembers it. */
static void
see(struct sim *s, int log, const uint8_t *p, const struct vrv_batch *b)
{
    struct rec *r = find(&s->m[log], b->base_offset);

    if (r == NULL || r->crc != vrv_crc32c(0, p + HEADER, b->size - HEADER) || r->size != b->size) {
        broken(s, "log %d: a batch at %" PRId64 " that nobody appended (%s)", log, b->base_offset,
            r == NULL ? "unknown offset" : "other bytes");
        return;
    }
    r->seen = true;
    r->scan = s->scans;
}

static void
see_slice(struct sim *s, int log, const struct vrv_slice *sl, int64_t *at)
{
    struct vrv_err e = { 0 };

    for (size_t pos = 0; pos < sl->n;) {
        struct vrv_batch b;

        if (vrv_batch_read(&b, sl->bytes + pos, sl->n - pos, &e) < 0)
            break;
        if (vrv_batch_check_crc(sl->bytes + pos, &b, &e) < 0)
            broken(s, "log %d: corrupt batch served at %" PRId64, log, b.base_offset);
        if (vrv_batch_last_offset(&b) >= *at) {
            see(s, log, sl->bytes + pos, &b);
            *at = vrv_batch_last_offset(&b) + 1;
        }
        pos += b.size;
    }
}

/* One read, without waiting for the disk first, if chance says so. */
static int
read_once(struct sim *s, struct vrv_log *l, struct vrv_read *rd, struct vrv_err *e)
{
    if (pick(s, 4) == 0) {
        rd->flags = VRV_READ_NOWAIT;
        int rc = vrv_read(l, rd, e);
        if (rc != VRV_E_AGAIN)
            return rc;
        rd->flags = 0;
    }
    return vrv_read(l, rd, e);
}

static int64_t
scan(struct sim *s, int log, int64_t from)
{
    struct vrv_log *l = get_log(s, log);
    int64_t at = from;

    s->scans++;
    for (;;) {
        struct vrv_read rd = { .offset = at, .max_bytes = 1 + pick(s, 6000), .whole_first = true };
        struct vrv_err e = { 0 };
        int64_t before = at;
        int rc = read_once(s, l, &rd, &e);

        if (rc == 0)
            rc = vrv_read_load(l, &rd, false, &e);
        if (rc < 0) {
            if (rc != VRV_E_NOMEM && no_excuse(s))
                broken(s, "log %d: reading at %" PRId64 ": %s", log, at, e.msg);
            return -1;
        }
        for (uint32_t i = 0; i < rd.slice_n; i++)
            see_slice(s, log, &rd.slice[i], &at);
        uint32_t slices = rd.slice_n;
        int64_t hw = rd.hw;
        vrv_read_fini(&rd);
        if (slices == 0)
            return hw;
        if (at == before) {
            broken(s, "log %d: a read at %" PRId64 " gave nothing of use", log, at);
            return -1;
        }
        if (at > hw)
            broken(
                s, "log %d: a read gave offset %" PRId64 ", the hw is %" PRId64, log, at - 1, hw);
    }
}

/* Nothing acknowledged may be passed over. */
static void
check_scan(struct sim *s, int log, int64_t from, int64_t hw)
{
    const struct model *m = &s->m[log];

    for (size_t i = 0; i < m->n; i++) {
        const struct rec *r = &m->v[i];

        if (r->fate == ACKED && !r->gone && !is_cut(m, r) && r->last >= from &&
            r->scan != s->scans)
            broken(s, "log %d: the batch at %" PRId64 " is acknowledged, but reading from %" PRId64
                      " to %" PRId64 " passed it over", log, r->base, from, hw);
    }
}

int64_t
model_read(struct sim *s, int log, int64_t from)
{
    int64_t hw = scan(s, log, from);

    if (hw >= 0)
        check_scan(s, log, from, hw);
    if (hw > s->m[log].floor)
        s->m[log].floor = hw;
    return hw;
}

/* All records of a batch have the same time here, so the model can name the record.  by_time: the
 * first with at least ts; otherwise the first with the highest. */
static int64_t
expected_time(const struct model *m, const struct vrv_log_offsets *off, bool by_time, int64_t ts)
{
    const struct rec *best = NULL;

    for (size_t i = 0; i < m->n; i++) {
        const struct rec *r = &m->v[i];

        if (r->gone || r->last < off->start || r->last >= off->hw)
            continue;
        if (by_time && r->max_ts >= ts && (best == NULL || r->base < best->base))
            best = r;
        if (!by_time && (best == NULL || r->max_ts > best->max_ts))
            best = r;
    }
    return best == NULL ? -1 : best->base > off->start ? best->base : off->start;
}

void
model_read_times(struct sim *s, int log)
{
    struct vrv_log *l = get_log(s, log);
    const struct model *m = &s->m[log];
    struct vrv_log_offsets off = vrv_log_offsets(l);
    struct vrv_read_found got;
    int64_t ts = m->n > 0 ? m->v[pick(s, m->n)].max_ts + (int64_t)pick(s, 3) - 1 : 0;
    struct vrv_err e = { 0 };
    int rc = vrv_read_time(l, ts, INT64_MAX, &got, &e);

    if (rc == 0 && got.offset != expected_time(m, &off, true, ts))
        broken(s, "log %d: time %" PRId64 " begins at %" PRId64 ", not at %" PRId64, log, ts,
            got.offset, expected_time(m, &off, true, ts));
    if (rc == 0)
        rc = vrv_read_max_time(l, INT64_MAX, &got, &e);
    if (rc == 0 && got.offset != expected_time(m, &off, false, 0))
        broken(s, "log %d: the newest time is at %" PRId64 ", not at %" PRId64, log, got.offset,
            expected_time(m, &off, false, 0));
    if (rc < 0 && rc != VRV_E_NOMEM && no_excuse(s))
        broken(s, "log %d: looking for a time: %s", log, e.msg);
}

/* ---- after recovery ---- */

struct atomics {
    bool there[ATOMICS], lost[ATOMICS];
};

static void
judge(struct sim *s, int log, struct rec *r, int64_t start, struct atomics *a)
{
    bool present = r->scan == s->scans, below = r->last < start;

    if (r->gone)
        return;
    if (!present && !below && is_cut(&s->m[log], r)) {
        r->gone = true;
        return;
    }
    if (!present && !below) {
        if ((!r->lossy || r->settled) && r->fate == ACKED)
            broken(s, "log %d: acknowledged batch at %" PRId64 " is lost (start %" PRId64 ")", log,
                r->base, start);
        if (!r->lossy && r->seen)
            broken(s, "log %d: the batch at %" PRId64 " was read and is lost", log, r->base);
        r->gone = true;
    }
    if (present) {
        r->fate = ACKED; /* what recovery serves, it must keep */
        r->seen = true;
    }
    if (r->atomic != 0 && !r->lossy && !below) {
        a->there[r->atomic % ATOMICS] |= present;
        a->lost[r->atomic % ATOMICS] |= !present;
    }
}

static void
check_start(struct sim *s, int log, const struct vrv_log_offsets *off)
{
    const struct model *m = &s->m[log];

    if (off->start < m->start_acked)
        broken(s, "log %d: start is %" PRId64 ", records to %" PRId64 " were deleted", log,
            off->start, m->start_acked);
    if (off->start > m->start_asked && off->start > m->start_acked && !m->retains)
        broken(s, "log %d: start is %" PRId64 ", nobody asked for more than %" PRId64, log,
            off->start, m->start_asked);
    if (off->end < m->floor)
        broken(s, "log %d: offsets below %" PRId64 " were known, the log ends at %" PRId64, log,
            m->floor, off->end);
}

static void
check_log(struct sim *s, int log, struct atomics *a)
{
    struct model *m = &s->m[log];
    struct vrv_log *l = get_log(s, log);

    if (l == NULL) {
        broken(s, "log %d is not there", log);
        return;
    }
    struct vrv_log_offsets off = vrv_log_offsets(l);
    int64_t hw = scan(s, log, off.start);
    /* The crash came while a truncation was under way: all of what it was to take is there, or
     * none; but in a lossy log each may be lost. */
    if (was_cut(s, m, off.end))
        model_cut(s, log);
    m->cutting = m->cutting && m->was_lossy;
    check_start(s, log, &off);
    if (hw >= 0)
        for (size_t i = 0; i < m->n; i++)
            judge(s, log, &m->v[i], off.start, a);
    m->cutting = false;
}

/* Sealed files are for ever: not a byte more or less, and the checksum that was kept. */
static void
check_sealed(struct sim *s, int log, struct vrv_seg *seg)
{
    struct vrv_seal seal;
    struct vrv_file *f;
    struct vrv_err e = { 0 };
    uint64_t size = 0;
    int rc = vrv_seg_file_get(seg, &f, &e);

    if (rc == 0) {
        rc = vrv_file_size(f, &size, &e);
        vrv_seg_file_put(seg);
    }
    if (rc == 0)
        rc = vrv_seg_check(seg, seg->size, &seal, &e);
    if (rc < 0 && no_excuse(s))
        broken(s, "log %d: sealed segment %" PRId64 ": %s", log, seg->base, e.msg);
    if (rc == 0 && (size != seg->size || seal.data_crc != seg->crc || seal.next != seg->next))
        broken(s, "log %d: sealed segment %" PRId64 " has %" PRIu64 " bytes up to offset %" PRId64
                  ", should have %" PRIu64 " up to %" PRId64, log, seg->base, size, seal.next,
            seg->size, seg->next);
}

static void
check_segments(struct sim *s, int log)
{
    const struct vrv_log *l = get_log(s, log);

    for (uint32_t i = 0; l != NULL && i < l->seg_n; i++)
        if (l->segs[i]->state == VRV_SEG_SEALED && l->segs[i]->next > l->start)
            check_sealed(s, log, l->segs[i]);
}

/* What was deleted stays deleted. */
static void
check_dead(struct sim *s)
{
    for (unsigned i = 0; i < s->dead_n && i < DEAD_MAX; i++) {
        struct vrv_log_id id = { s->dead[i], 0 };
        struct vrv_topic_info t;

        if (vrv_catalog_by_id(vrv_engine_catalog(s->eng), &id.topic, &t, NULL) == 0) {
            broken(s, "a deleted topic is in the catalog again");
            vrv_topic_info_fini(&t);
        }
        if (vrv_engine_log(s->eng, &id) != NULL)
            broken(s, "a deleted topic has a log again");
    }
}

void
model_check(struct sim *s)
{
    struct atomics *a = VRV_NEW(struct atomics);

    for (int log = 0; log < LOGS; log++) {
        if (!log_exists(s, log))
            continue;
        check_log(s, log, a);
        check_segments(s, log);
        model_read_times(s, log);
    }
    for (uint32_t i = 0; i < ATOMICS; i++)
        if (a->there[i] && a->lost[i])
            broken(s, "atomic append %u is there in part", i);
    free(a);
    check_dead(s);
}
