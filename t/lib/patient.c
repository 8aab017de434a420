#include "t/lib/patient.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/os/clock.h"
#include "t/lib/tap.h"

enum { STEP_MS = 10 };

struct patient {
    struct vrv_store store;
    struct vrv_store *inner;
    struct vrv_retry *retry;
    struct vrv_cq cq;
    unsigned calls;
};

/* The suite's calls come back to the queue of this one, to be counted. */
struct patient_call {
    struct vrv_store_call call;
    struct vrv_store_call *outer;
    struct patient *p;
};

static struct patient *
patient_of(struct vrv_store *s)
{
    return VRV_LIST_OF(s, struct patient, store);
}

static void
patient_done(struct vrv_done *d)
{
    struct patient_call *pc =
        VRV_LIST_OF(VRV_LIST_OF(d, struct vrv_store_call, done), struct patient_call, call);
    struct vrv_store_call *outer = pc->outer;
    struct vrv_done done = outer->done;

    *outer = pc->call;
    outer->done = done;
    pc->p->calls--;
    free(pc);
    vrv_cq_post(outer->done.cq, &outer->done, &outer->done);
}

static void
patient_submit(struct vrv_store *s, struct vrv_store_call *c)
{
    struct patient_call *pc = vrv_mem_zero(sizeof(*pc));

    pc->p = patient_of(s);
    pc->outer = c;
    pc->call = *c;
    pc->call.done = (struct vrv_done){ .cq = &pc->p->cq, .run = patient_done };
    pc->p->calls++;
    vrv_retry_submit(pc->p->retry, &pc->call);
}

static bool
patient_step(struct vrv_store *s)
{
    struct patient *p = patient_of(s);
    struct vrv_done *d = p->calls > 0 ? vrv_cq_take(&p->cq, STEP_MS) : NULL;

    if (d != NULL)
        d->run(d);
    (void)vrv_retry_step(p->retry);
    return p->calls > 0 || d != NULL;
}

static void
patient_upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    vrv_store_upload_free(patient_of(s)->inner, &u);
}

static void
patient_close(struct vrv_store *s)
{
    struct patient *p = patient_of(s);

    vrv_retry_free(&p->retry);
    vrv_cq_fini(&p->cq);
    free(p);
}

static void
patient_describe(const struct vrv_store *s, char *out, size_t n)
{
    vrv_store_describe(((const struct patient *)s)->inner, out, n);
}

static const struct vrv_store_ops patient_ops = { .submit = patient_submit, .step = patient_step,
    .upload_free = patient_upload_free, .describe = patient_describe, .close = patient_close };

struct vrv_store *
patient_new(struct vrv_store *inner, const struct vrv_retry_opts *o)
{
    struct patient *p = VRV_NEW(struct patient);
    struct vrv_retry_opts ours = *o;

    VRV_ASSERT(vrv_cq_init(&p->cq, 0) == 0);
    p->inner = inner;
    p->store = (struct vrv_store){ .ops = &patient_ops, .caps = inner->caps };
    ours.store = inner;
    ours.clock = vrv_clock_real();
    ours.cq = &p->cq;
    p->retry = vrv_retry_new(&ours);
    return &p->store;
}

void
patient_note(struct vrv_store *patient)
{
    const struct vrv_retry_stats *s = vrv_retry_stats(patient_of(patient)->retry);
    uint64_t calls = 0, attempts = 0;

    for (int i = 0; i < VRV_STORE_OPS; i++) {
        calls += s->calls[i];
        attempts += s->attempts[i];
    }
    tap_note("%llu calls, %llu attempts, %llu writes settled; the last failure: %s", (unsigned long long)calls,
        (unsigned long long)attempts, (unsigned long long)s->settled, s->last.msg);
}
