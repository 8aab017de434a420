#include "tiering/store/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"

enum { NAMES = 1000, STEP_MS = 50 };

static const int64_t MS = 1000000;

void
vrv_sync_init(struct vrv_sync *s, struct vrv_store *store, struct vrv_clock *clock, uint64_t random,
    int64_t call_ms)
{
    *s = (struct vrv_sync){ .store = store, .clock = clock, .call_ms = call_ms };
    int rc = vrv_cq_init(&s->cq, 0);
    VRV_ASSERT(rc == 0);
    s->retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = store, .clock = clock, .cq = &s->cq,
        .random = random, .base_ms = 100, .most_ms = 5000,
        .attempt_ms = { call_ms / 2, call_ms / 2, call_ms / 2 } });
}

void
vrv_sync_fini(struct vrv_sync *s)
{
    vrv_retry_free(&s->retry);
    vrv_cq_fini(&s->cq);
}

void
vrv_sync_wait(struct vrv_sync *s, const bool *done)
{
    while (!*done) {
        (void)vrv_retry_step(s->retry);
        bool stepped = vrv_store_step(s->store);
        struct vrv_done *d = vrv_cq_take(&s->cq, stepped ? 0 : STEP_MS);
        if (d != NULL)
            d->run(d);
    }
}

/* A call that tells when it is done. */
struct told {
    struct vrv_store_call call;
    bool done;
};

static void
ended(struct vrv_done *d)
{
    VRV_LIST_OF(d, struct told, call.done)->done = true;
}

int
vrv_sync_call(struct vrv_sync *s, struct vrv_store_call *c)
{
    struct told t = { .call = *c };

    t.call.done = (struct vrv_done){ .cq = &s->cq, .run = ended };
    t.call.deadline_ns = s->clock->mono_ns(s->clock) + s->call_ms * MS;
    vrv_retry_submit(s->retry, &t.call);
    vrv_sync_wait(s, &t.done);
    *c = t.call;
    return c->status;
}

static int
failed(const struct vrv_store_call *c, const char *what, struct vrv_err *e)
{
    if (e != NULL)
        *e = c->err;
    return e != NULL ? vrv_store_blame(e, c->status, what) : c->status;
}

int
vrv_sync_get(struct vrv_sync *s, const char *key, size_t most, uint8_t **out, size_t *n,
    struct vrv_err *e)
{
    struct vrv_store_call c = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = key, .size = most };

    *out = c.buf = vrv_mem_zero(most);
    int rc = vrv_sync_call(s, &c);
    *n = c.got;
    if (rc == 0 && c.whole > most)
        rc = c.status = vrv_err_set(&c.err, VRV_E_CORRUPT, "it is too large");
    if (rc == 0)
        return 0;
    free(*out);
    *out = NULL;
    return failed(&c, key, e);
}

/* Not every store would notice what a proxy has done to it on its way. */
static int
compare(struct vrv_sync *s, const char *key, const void *p, size_t n, struct vrv_err *e)
{
    uint8_t *there;
    size_t there_n;
    int rc = vrv_sync_get(s, key, n + 1, &there, &there_n, e);

    if (rc == 0 && (there_n != n || memcmp(there, p, n) != 0))
        rc = vrv_err_set(e, VRV_E_CORRUPT, "%.200s was read back, and isn't what was written", key);
    free(there);
    return rc;
}

int
vrv_sync_put(struct vrv_sync *s, const char *key, const void *p, size_t n, bool if_absent,
    struct vrv_err *e)
{
    struct iovec iov = { (void *)(uintptr_t)p, n };
    struct vrv_store_call c = { .op = VRV_STORE_PUT, .lane = VRV_STORE_HOUSEKEEPING, .key = key,
        .iov = &iov, .iov_n = 1, .size = n, .crc = vrv_crc32c(0, p, n), .if_absent = if_absent };

    return vrv_sync_call(s, &c) == 0 ? compare(s, key, p, n, e) : failed(&c, key, e);
}

int
vrv_sync_list(struct vrv_sync *s, const char *prefix, vrv_sync_name_fn *fn, void *ctx,
    struct vrv_err *e)
{
    char after[VRV_STORE_KEY_MAX + 1] = "";
    bool more = true;
    int rc = 0;

    while (more && rc == 0) {
        struct vrv_store_call c = { .op = VRV_STORE_LIST, .lane = VRV_STORE_HOUSEKEEPING,
            .key = prefix, .after = after[0] != '\0' ? after : NULL, .max = NAMES };

        if (vrv_sync_call(s, &c) < 0)
            return failed(&c, prefix, e);
        for (size_t i = 0; i < c.got && rc == 0; i++)
            rc = fn(ctx, &c.names[i]);
        more = c.more && c.got > 0;
        if (more)
            (void)snprintf(after, sizeof(after), "%s", c.names[c.got - 1].key);
        vrv_store_names_free(&c);
    }
    return rc;
}
