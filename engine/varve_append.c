/* The public face: appending. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/batch/build.h"
#include "engine/varve_int.h"

struct varve_queue {
    struct vrv_cq cq;
};

/* An append on its way; lives from the call to the taking of its completion. */
struct flight {
    struct vrv_ticket t; /* first: the queue hands back its address */
    void *tag;
};

/* One try: copy the batch to memory that the engine shares, and append it. */
static int
try_append(struct varve_log *log, const void *batch, size_t n, struct vrv_ticket *t,
    struct vrv_err *e)
{
    struct varve *v = log->v;
    struct vrv_append a = { .log = log->log, .n = n, .leader_epoch = -1,
        .may_repack = true };
    int rc = vrv_engine_may_append(v->engine, e);

    if (rc < 0)
        return rc;
    if (n == 0 || n > ((size_t)1 << 30))
        return vrv_err_set(e, VRV_E_BATCH, "a batch of %zu bytes can't be", n);
    vrv_lock(&v->fill_lock);
    a.bytes = vrv_fill_take(&v->fill, vrv_engine_env(v->engine)->pool, n, false, &a.slab);
    vrv_unlock(&v->fill_lock);
    if (a.bytes == NULL)
        return vrv_err_set(e, VRV_E_AGAIN, "the memory for records is in use");
    memcpy(a.bytes, batch, n);
    rc = vrv_log_append(&a, 1, t, NULL, e);
    vrv_slab_unref(a.slab);
    return rc;
}

/* Memory or WAL are full: until the flusher has made room. */
static void
wait_for_space(struct varve *v)
{
    struct timespec until;

    vrv_deadline(&until, 20);
    vrv_lock(&v->wake);
    (void)vrv_cond_wait_until(&v->space, &v->wake, &until);
    vrv_unlock(&v->wake);
}

static int
append_and_wait(struct varve_log *log, const void *batch, size_t n, int64_t *offset,
    struct vrv_err *e)
{
    struct vrv_cq q;
    struct vrv_ticket t = { .done = { .cq = &q } };
    int rc;

    if (vrv_cq_init(&q, 0) < 0)
        return vrv_err_sys(e, "no completion queue");
    while ((rc = try_append(log, batch, n, &t, e)) == VRV_E_AGAIN)
        wait_for_space(log->v);
    if (rc == 0) {
        (void)vrv_cq_take(&q, -1);
        rc = t.status;
        if (rc < 0)
            (void)vrv_engine_error(log->v->engine, e);
        else if (offset != NULL)
            *offset = t.base_offset;
    }
    vrv_cq_fini(&q);
    return rc;
}

int
varve_append_batch(struct varve_log *log, const void *batch, size_t n, int64_t *offset,
    struct varve_error *e)
{
    return append_and_wait(log, batch, n, offset, vrv__err(e));
}

int
varve_append(struct varve_log *log, const struct varve_record *records, size_t n, int64_t *offset,
    struct varve_error *e)
{
    struct vrv_clock *clock = vrv_clock_real();
    int64_t now = clock->wall_ms(clock);
    struct vrv_batch_builder b;
    const uint8_t *bytes;
    size_t size;
    int rc;

    if (n == 0 || n > INT32_MAX)
        return vrv_err_set(vrv__err(e), VRV_E_INVALID, "%zu records can't be one batch", n);
    vrv_batch_builder_init(&b);
    for (size_t i = 0; i < n; i++) {
        const struct varve_record *r = &records[i];

        if (r->key_len > INT32_MAX || r->value_len > INT32_MAX) {
            vrv_batch_builder_fini(&b);
            return vrv_err_set(vrv__err(e), VRV_E_TOO_LARGE, "record %zu is larger than 2 GiB", i);
        }
        vrv_batch_builder_add(&b, r->timestamp == -1 ? now : r->timestamp, r->key,
            r->key != NULL ? (int32_t)r->key_len : -1, r->value,
            r->value != NULL ? (int32_t)r->value_len : -1, NULL, 0);
    }
    rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &bytes, &size, vrv__err(e));
    if (rc == 0)
        rc = append_and_wait(log, bytes, size, offset, vrv__err(e));
    vrv_batch_builder_fini(&b);
    return rc;
}

int
varve_append_async(struct varve_log *log, const void *batch, size_t n, struct varve_queue *q,
    void *tag, struct varve_error *e)
{
    struct flight *f = VRV_NEW(struct flight);

    f->t.done.cq = &q->cq;
    f->tag = tag;
    int rc = try_append(log, batch, n, &f->t, vrv__err(e));
    if (rc < 0)
        free(f);
    return rc;
}

int
varve_queue_open(struct varve_queue **out, struct varve_error *e)
{
    struct varve_queue *q = VRV_NEW(struct varve_queue);

    if (vrv_cq_init(&q->cq, 1) < 0) {
        int rc = vrv_err_sys(vrv__err(e), "no event descriptor");

        vrv_cq_fini(&q->cq);
        free(q);
        return rc;
    }
    *out = q;
    return 0;
}

void
varve_queue_close(struct varve_queue **q)
{
    if (*q == NULL)
        return;
    vrv_cq_fini(&(*q)->cq);
    free(*q);
    *q = NULL;
}

int
varve_queue_fd(struct varve_queue *q)
{
    return q->cq.fd;
}

bool
varve_queue_take(struct varve_queue *q, struct varve_completion *c, int64_t wait_ms)
{
    struct flight *f = (struct flight *)(void *)vrv_cq_take(&q->cq, wait_ms);

    if (f == NULL)
        return false;
    *c = (struct varve_completion){ .tag = f->tag, .status = f->t.status,
        .offset = f->t.status == 0 ? f->t.base_offset : -1 };
    free(f);
    return true;
}

int
varve_delete_records(struct varve_log *log, int64_t offset, struct varve_error *e)
{
    struct vrv_cq q;
    struct vrv_ticket t = { .done = { .cq = &q } };
    int rc;

    if (vrv_cq_init(&q, 0) < 0)
        return vrv_err_sys(vrv__err(e), "no completion queue");
    while ((rc = vrv_log_set_start(log->log, offset, &t, vrv__err(e))) == VRV_E_AGAIN)
        wait_for_space(log->v);
    if (rc == 0) {
        (void)vrv_cq_take(&q, -1);
        rc = t.status;
        if (rc < 0)
            (void)vrv_engine_error(log->v->engine, vrv__err(e));
    }
    vrv_cq_fini(&q);
    return rc;
}
