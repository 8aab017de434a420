/* An upload, and time: what a slow line needs it gets; and one that is to stop does so soon, however it stands then, and
 * whatever the store does. */
#include <stdlib.h>

#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "t/lib/fakestore.h"
#include "t/lib/tap.h"
#include "tiering/daemon/upload.h"

enum { MS = 1000000, CALL_MS = 240000, TRY_MS = 60000, SOON_MS = 2000, STEPS = 1000, SLOW = 64 << 10 };

static struct {
    struct simclock clock;
    struct fakestore *fake;
    struct vrv_cq cq;
    struct vrv_retry *retry;
    struct vrv_upload_opts o;
    struct vrv_upload u;
    bool over;
    int status;
} w;

static void
room(struct vrv_upload *u)
{
    (void)u;
}

static void
over(struct vrv_upload *u, int status, const struct vrv_err *e)
{
    (void)u;
    (void)e;
    w.over = true;
    w.status = status;
}

/* One that goes in parts. */
static void
begin(void)
{
    simclock_init(&w.clock, 1700000000000);
    w.over = false;
    tap_need(vrv_cq_init(&w.cq, 0), "no queue");
    w.fake = fakestore_new(&w.clock, 452);
    w.retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = fakestore_store(w.fake), .clock = &w.clock.clock,
        .cq = &w.cq, .random = 452, .base_ms = 100, .most_ms = 10000,
        .attempt_ms = { TRY_MS, TRY_MS, TRY_MS } });
    w.o = (struct vrv_upload_opts){ .store = fakestore_store(w.fake), .retry = w.retry, .cq = &w.cq,
        .clock = &w.clock.clock, .parts = 4, .call_ms = CALL_MS, .put_max = 1000 };
    w.u = (struct vrv_upload){ .o = &w.o, .key = "d/x", .room = room, .run = over };
    vrv_upload_begin(&w.u);
}

static void
end(void)
{
    vrv_retry_free(&w.retry);
    fakestore_free(&w.fake);
    vrv_cq_fini(&w.cq);
}

static void
put(size_t n)
{
    uint8_t *bytes = vrv_mem_zero(n);

    vrv_upload_put(&w.u, bytes, n);
    free(bytes);
}

static void
put_part(void)
{
    put(VRV_STORE_PART);
}

static void
step(void)
{
    struct vrv_done *d;

    (void)vrv_retry_step(w.retry);
    (void)vrv_store_step(fakestore_store(w.fake));
    while ((d = vrv_cq_take(&w.cq, 0)) != NULL)
        d->run(d);
}

/* Until it was asked for that. */
static void
until_asked(enum vrv_store_op op)
{
    for (int i = 0; i < STEPS && fakestore_attempts(w.fake, op) == 0; i++)
        step();
    IS(fakestore_attempts(w.fake, op), 1u, "%s is under way", vrv_store_op_name(op));
}

/* How long it takes until all is over. */
static void
is_over_soon(int64_t since_ns, int status)
{
    for (int i = 0; i < STEPS && !w.over; i++)
        step();
    int64_t ms = (w.clock.clock.mono_ns(&w.clock.clock) - since_ns) / MS;
    OK(w.over && ms < SOON_MS, "it is over, %d ms later", (int)ms);
    IS(w.status, status, "... as what it was");
    IS(fakestore_uploads(w.fake), 1u, "... and its parts are left to the sweep");
}

/* 64 KiB/s: a part takes four minutes and the whole five, more than an attempt or a call may without its bytes. */
static void
test_slow(uint64_t put_max, enum vrv_store_op op, unsigned calls)
{
    enum { SIZE = 20 << 20 };
    size_t n;

    begin();
    w.o.put_max = put_max;
    fakestore_line(w.fake, SLOW);
    put(SIZE);
    vrv_upload_end(&w.u, 0, NULL);
    for (int i = 0; i < STEPS && !w.over; i++)
        step();
    IS(w.status, 0, "on a slow line an object goes by %s: %s", vrv_store_op_name(op), w.u.err.msg);
    OK(fakestore_object(w.fake, "d/x", &n) != NULL && n == SIZE, "... and is there");
    IS(fakestore_attempts(w.fake, op), calls, "... sent once");
    end();
}

static void
stop(void)
{
    struct vrv_err e;

    vrv_upload_cancel(&w.u);
    if (!w.u.ends)
        vrv_upload_end(&w.u, vrv_err_set(&e, VRV_E_CANCELLED, "a stop"), &e);
}

/* A part is under way, in a store that hangs. */
static void
test_part(void)
{
    begin();
    fakestore_fault(w.fake, VRV_STORE_PART_N, FAKE_HANGS, 100);
    fakestore_fault(w.fake, VRV_STORE_ABORT, FAKE_HANGS, 100);
    put_part();
    until_asked(VRV_STORE_PART_N);
    int64_t since = w.clock.clock.mono_ns(&w.clock.clock);
    stop();
    is_over_soon(since, VRV_E_CANCELLED);
    end();
}

/* One has failed before, and nobody has come to end it yet. */
static void
test_failed(void)
{
    begin();
    fakestore_fault(w.fake, VRV_STORE_PART_N, FAKE_DENIED, 100);
    fakestore_fault(w.fake, VRV_STORE_ABORT, FAKE_HANGS, 100);
    put_part();
    for (int i = 0; i < STEPS && vrv_upload_status(&w.u) == 0; i++)
        step();
    IS(vrv_upload_status(&w.u), VRV_E_DENIED, "a part has failed");
    int64_t since = w.clock.clock.mono_ns(&w.clock.clock);
    stop();
    is_over_soon(since, VRV_E_DENIED);
    IS(fakestore_attempts(w.fake, VRV_STORE_ABORT), 0u, "... which nobody asks to be removed now");
    end();
}

/* It failed, and its parts are being removed. */
static void
test_abort(void)
{
    struct vrv_err e;

    begin();
    put_part();
    until_asked(VRV_STORE_PART_N);
    fakestore_fault(w.fake, VRV_STORE_ABORT, FAKE_HANGS, 100);
    vrv_upload_end(&w.u, vrv_err_set(&e, VRV_E_CORRUPT, "the segment is"), &e);
    until_asked(VRV_STORE_ABORT);
    int64_t since = w.clock.clock.mono_ns(&w.clock.clock);
    stop();
    is_over_soon(since, VRV_E_CORRUPT);
    end();
}

int
main(void)
{
    test_slow(1000, VRV_STORE_PART_N, 2);
    test_slow(VRV_STORE_PUT_MAX, VRV_STORE_PUT, 1);
    test_part();
    test_failed();
    test_abort();
    return tap_done();
}
