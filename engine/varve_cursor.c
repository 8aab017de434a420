/* The public face: reading. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/batch/record.h"
#include "engine/varve_int.h"

enum { READ_BYTES = 256 * 1024 };

struct varve_cursor {
    struct varve_log *log;
    int64_t next;            /* offset of the next record */
    struct vrv_read read;    /* what was read last: all its slices are in memory */
    uint32_t slice;          /* where we are in it */
    size_t at;
    struct vrv_record_iter it;
    bool in_batch;
    struct vrv_cq cq;        /* for waiting */
};

int
varve_cursor_open(struct varve_cursor **out, struct varve_log *log, int64_t offset,
    struct varve_error *e)
{
    struct varve_cursor *c = VRV_NEW(struct varve_cursor);

    c->log = log;
    c->next = offset;
    if (vrv_cq_init(&c->cq, 0) < 0) {
        int rc = vrv_err_sys(vrv__err(e), "no completion queue");

        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

static void
end_batch(struct varve_cursor *c)
{
    if (c->in_batch)
        vrv_record_iter_fini(&c->it);
    c->in_batch = false;
}

void
varve_cursor_close(struct varve_cursor **cp)
{
    struct varve_cursor *c = *cp;

    if (c == NULL)
        return;
    end_batch(c);
    vrv_read_fini(&c->read);
    vrv_cq_fini(&c->cq);
    free(c);
    *cp = NULL;
}

static int64_t
now_ns(void)
{
    struct vrv_clock *clock = vrv_clock_real();

    return clock->mono_ns(clock);
}

static int64_t
deadline_of(int64_t wait_ms)
{
    if (wait_ms < 0 || wait_ms > INT64_MAX / 2000000)
        return INT64_MAX;
    return wait_ms == 0 ? 0 : now_ns() + wait_ms * 1000000;
}

/* Until a batch is there, or the time is over. */
static void
wait_for_batch(struct varve_cursor *c, int64_t deadline)
{
    struct vrv_waiter w = { .done = { .cq = &c->cq } };

    vrv_log_wait(c->log->log, &w, c->next, 1, deadline);
    (void)vrv_cq_take(&c->cq, -1);
}

/* From c->next on, into memory, wherever it is. */
static int
read_all(struct varve_cursor *c, size_t max, bool over, struct vrv_err *e)
{
    struct vrv_fetch f = { .read = &c->read };
    struct vrv_log *log = c->log->log;

    c->read = (struct vrv_read){ .offset = c->next, .max_bytes = max, .whole_first = true };
    int rc = vrv_read(log, &c->read, e);
    if (rc == 0)
        rc = vrv_read_load(log, &c->read, over, e);
    if (rc == VRV_READ_COLD)
        rc = vrv_fetch_wait(log, &f, INT64_MAX, e);
    if (rc < 0)
        vrv_read_fini(&c->read);
    return rc;
}

/* What failed to be read, by the names that its owner knows. */
static int
say_where(const struct varve_cursor *c, int64_t offset, int code, struct vrv_err *e)
{
    const struct vrv_log_id *id = &c->log->log->id;
    struct vrv_topic_info t;

    if (vrv_catalog_by_id(vrv_engine_catalog(c->log->v->engine), &id->topic, &t, NULL) < 0)
        return code; /* deleted meanwhile */
    (void)vrv_err_prefix(e, code, "topic %.100s, partition %" PRId32 ", offset %" PRId64, t.name,
        id->partition, offset);
    vrv_topic_info_fini(&t);
    return code;
}

/* Read on from c->next.  1; 0: nothing is there. */
static int
read_on(struct varve_cursor *c, size_t max, struct vrv_err *e)
{
    end_batch(c);
    vrv_read_fini(&c->read);
    c->slice = 0;
    c->at = 0;
    int rc = read_all(c, max, false, e);
    if (rc == VRV_E_NOMEM) /* producers have it all, and may want it as long: one batch, then */
        rc = read_all(c, 1, true, e);
    if (vrv_read_is_damage(rc))
        return say_where(c, c->next, rc, e);
    return rc < 0 ? rc : c->read.slice_n > 0;
}

static int
fetch(struct varve_cursor *c, size_t max, int64_t deadline, struct vrv_err *e)
{
    int rc;

    while ((rc = read_on(c, max, e)) == 0 && now_ns() < deadline)
        wait_for_batch(c, deadline);
    return rc;
}

/* Step to the next batch of what was read, which is whole and checked; false: there is none. */
static bool
next_batch(struct varve_cursor *c, struct vrv_batch *b, const uint8_t **p)
{
    while (c->slice < c->read.slice_n) {
        const struct vrv_slice *s = &c->read.slice[c->slice];

        *p = s->bytes + c->at;
        if (c->at < s->n && vrv_batch_read(b, *p, s->n - c->at, NULL) == 0) {
            c->at += b->size;
            return true;
        }
        c->slice++;
        c->at = 0;
    }
    return false;
}

int
varve_cursor_next(struct varve_cursor *c, struct varve_record *r, int64_t wait_ms,
    struct varve_error *e)
{
    struct vrv_batch b;
    struct vrv_record rec;
    const uint8_t *p;
    int64_t deadline = deadline_of(wait_ms);
    int rc;

    for (;;) {
        while (c->in_batch) {
            rc = vrv_record_next(&c->it, &rec, vrv__err(e));
            if (rc < 0)
                return rc;
            if (rc == 0) {
                c->next = vrv_batch_last_offset(&c->it.batch) + 1;
                end_batch(c);
            } else if (rec.offset >= c->next) {
                c->next = rec.offset + 1;
                *r = (struct varve_record){ .offset = rec.offset, .timestamp = rec.timestamp,
                    .key = rec.key, .key_len = rec.key != NULL ? (size_t)rec.key_len : 0,
                    .value = rec.value, .value_len = rec.value ? (size_t)rec.value_len : 0 };
                return 1;
            }
        }
        if (!next_batch(c, &b, &p)) {
            rc = fetch(c, READ_BYTES, deadline, vrv__err(e));
            if (rc <= 0)
                return rc;
            continue;
        }
        if (b.attrs & VRV_ATTR_CONTROL) {
            c->next = vrv_batch_last_offset(&b) + 1; /* markers are not records */
            continue;
        }
        rc = vrv_record_iter_init(&c->it, p, &b, vrv__err(e));
        if (rc < 0)
            return rc;
        c->in_batch = true;
    }
}

int
varve_cursor_batches(struct varve_cursor *c, size_t max, const void **bytes, size_t *n,
    int64_t wait_ms, struct varve_error *e)
{
    struct vrv_batch b;
    const uint8_t *p;
    int rc = fetch(c, max, deadline_of(wait_ms), vrv__err(e));

    if (rc <= 0)
        return rc;
    *bytes = c->read.slice[0].bytes;
    *n = 0;
    while (c->slice == 0 && next_batch(c, &b, &p) && c->slice == 0) {
        *n = c->at;
        c->next = vrv_batch_last_offset(&b) + 1;
    }
    return 1;
}
