/* Attempts become outcomes: what is told to be written is there, once, whatever the store does; and a
 * store in trouble isn't asked more than it must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/fakestore.h"
#include "t/lib/tap.h"
#include "tiering/store/retry.h"

enum { SEEDS = 300, PUTS = 20, SIZE = 100, MS = 1000000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

static struct simclock clock_;
static struct fakestore *fake;
static struct vrv_retry *retry;
static struct vrv_cq cq;
static unsigned under_way;

static void
ended(struct vrv_done *d)
{
    (void)d;
    under_way--;
}

static int64_t
now_ms(void)
{
    return atomic_load(&clock_.mono_ns) / MS;
}

static unsigned told_bad, told_good;
static enum vrv_store_op told_op;

static void
told(void *ctx, enum vrv_store_op op, const struct vrv_err *e)
{
    (void)ctx;
    told_op = op;
    *(e != NULL ? &told_bad : &told_good) += 1;
}

static void
setup(uint64_t seed)
{
    simclock_init(&clock_, 1700000000000);
    fake = fakestore_new(&clock_, seed);
    tap_need(vrv_cq_init(&cq, 0), "no queue");
    retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = fakestore_store(fake),
        .clock = &clock_.clock, .cq = &cq, .random = seed, .base_ms = 100, .most_ms = 5000,
        .attempt_ms = { 10000, 10000, 10000 }, .told = told });
    told_bad = told_good = 0;
}

static void
teardown(void)
{
    vrv_retry_free(&retry);
    vrv_cq_fini(&cq);
    fakestore_free(&fake);
}

static struct vrv_store_call
call_of(enum vrv_store_op op, const char *key, int64_t within_ms)
{
    return (struct vrv_store_call){ .done = { .cq = &cq, .run = ended }, .op = op, .key = key,
        .lane = VRV_STORE_UPLOAD, .deadline_ns = (now_ms() + within_ms) * MS };
}

static void
begin(struct vrv_store_call *c)
{
    under_way++;
    vrv_retry_submit(retry, c);
}

/* Until all that was begun has ended. */
static void
finish(void)
{
    while (under_way > 0) {
        struct vrv_done *d = vrv_cq_take(&cq, 0);

        if (d != NULL) {
            d->run(d);
            continue;
        }
        int64_t due = vrv_retry_step(retry);
        if (!vrv_store_step(fakestore_store(fake)) && due != INT64_MAX && due / MS >= now_ms())
            simclock_advance_ms(&clock_, due / MS - now_ms() + 1);
    }
}

static int
do_call(struct vrv_store_call *c)
{
    begin(c);
    finish();
    return c->status;
}

struct body {
    uint8_t bytes[SIZE];
    struct iovec iov;
    char key[32];
};

static void
set_body(struct vrv_store_call *c, struct body *b, uint64_t seed)
{
    for (size_t i = 0; i < SIZE; i++)
        b->bytes[i] = (uint8_t)(seed * 31 + i);
    b->iov = (struct iovec){ b->bytes, SIZE };
    c->iov = &b->iov;
    c->iov_n = 1;
    c->size = SIZE;
    c->crc = vrv_crc32c(0, b->bytes, SIZE);
}

static bool
is_there(const char *key, const struct body *b)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, key, &n);

    return p != NULL && n == SIZE && memcmp(p, b->bytes, SIZE) == 0;
}

/* ---- one fault after the other ---- */

static void
test_each_fault(void)
{
    static const char *const names[] = {
#define FAULT_NAME(name) #name,
        FAKESTORE_FAULTS(FAULT_NAME)
#undef FAULT_NAME
    };

    for (int f = 0; f < FAKE_FAULTS; f++) {
        struct body b;

        setup(1);
        struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
        set_body(&c, &b, 1);
        fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)f, 40);
        int rc = do_call(&c);
        if (f != FAKE_DENIED) {
            IS(rc, 0, "a put, while the store does %s in 2 of 5 cases", names[f]);
            OK(is_there("k", &b), "... is there");
        }
        teardown();
    }
}

static void
test_lost_answer(void)
{
    struct body b;

    setup(2);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &b, 1);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_ANSWER_LOST, 100);
    IS(do_call(&c), 0, "a put whose answer is lost is done");
    IS(fakestore_attempts(fake, VRV_STORE_PUT), 1, "... and not done again");
    IS(vrv_retry_stats(retry)->settled, 1, "... by a look");
    IS(fakestore_objects(fake), 1, "... one object is there");
    teardown();
}

static void
test_not_ours(void)
{
    struct body ours, theirs;

    setup(3);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &theirs, 1);
    IS(do_call(&c), 0, "somebody's object");
    c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &ours, 2);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_ANSWER_LOST, 50);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_ERROR, 20);
    IS(do_call(&c), VRV_E_EXISTS, "isn't taken for ours");
    OK(strstr(c.err.msg, "isn't what we write") != NULL, "... %s", c.err.msg);
    OK(is_there("k", &theirs), "... and stays");
    teardown();
}

static void
test_deadline(void)
{
    struct body b;

    setup(4);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", MINUTE_MS);
    set_body(&c, &b, 1);
    int64_t from = now_ms();
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    IS(do_call(&c), VRV_E_UNREACHABLE, "a store that is away: the deadline, with its reason");
    OK(now_ms() - from >= MINUTE_MS / 2 && now_ms() - from <= MINUTE_MS, "... after %d ms",
        (int)(now_ms() - from));
    OK(fakestore_attempts(fake, VRV_STORE_PUT) < 30, "... and %d attempts, not more and more",
        (int)fakestore_attempts(fake, VRV_STORE_PUT));
    c = call_of(VRV_STORE_GET, "k", MINUTE_MS);
    c.buf = b.bytes;
    c.size = SIZE;
    fakestore_heal(fake);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 100);
    from = now_ms();
    IS(do_call(&c), VRV_E_TIMEDOUT, "one that hangs");
    OK(now_ms() - from <= MINUTE_MS + 1000, "... likewise, after %d ms", (int)(now_ms() - from));
    teardown();
}

/* It may come late: that isn't to be taken for "not done". */
static void
test_unsure(void)
{
    struct body b;

    setup(8);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", MINUTE_MS / 4);
    set_body(&c, &b, 1);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_LATE, 100);
    begin(&c);
    (void)vrv_store_step(fakestore_store(fake));
    fakestore_heal(fake);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    finish();
    IS(c.status, VRV_E_UNKNOWN, "a write without an answer, and then nobody is there: it is unknown (%s)",
        c.err.msg);
    fakestore_heal(fake);
    simclock_advance_ms(&clock_, MINUTE_MS);
    (void)vrv_store_step(fakestore_store(fake));
    OK(is_there("k", &b), "... and there it is");
    teardown();
}

static void
test_denied(void)
{
    struct body b;

    setup(9);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &b, 1);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_DENIED, 100);
    IS(do_call(&c), VRV_E_DENIED, "what is denied is told");
    IS(fakestore_attempts(fake, VRV_STORE_PUT), 1, "... and not tried again");
    teardown();
}

static void
test_cancel(void)
{
    struct body b;

    setup(5);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &b, 1);
    begin(&c);
    vrv_retry_cancel(retry, &c);
    finish();
    IS(c.status, VRV_E_CANCELLED, "cancelled while it is under way");
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_BUSY, 100);
    c = call_of(VRV_STORE_PUT, "k", HOUR_MS);
    set_body(&c, &b, 1);
    begin(&c);
    (void)vrv_store_step(fakestore_store(fake));
    struct vrv_done *d = vrv_cq_take(&cq, 0);
    d->run(d);
    int64_t from = now_ms();
    vrv_retry_cancel(retry, &c);
    finish();
    OK(c.status == VRV_E_BUSY && now_ms() == from, "cancelled while it waits: at once");
    teardown();
}

/* Who can't be reached may be there in a moment; who asks us to slow down wants that for longer. */
static void
test_waits(void)
{
    static const enum fakestore_fault fault[] = { FAKE_UNREACHABLE, FAKE_BUSY };
    int64_t least[2] = { INT64_MAX, INT64_MAX };

    for (uint64_t seed = 1; seed <= 40; seed++) {
        int k = seed % 2;

        setup(seed);
        fakestore_fault(fake, VRV_STORE_OPS, fault[k], 100);
        struct vrv_store_call c = call_of(VRV_STORE_VERIFY, "k", HOUR_MS);
        begin(&c);
        (void)vrv_store_step(fakestore_store(fake));
        struct vrv_done *d = vrv_cq_take(&cq, 0);
        d->run(d);
        int64_t ms = vrv_retry_step(retry) / MS - now_ms();
        least[k] = ms < least[k] ? ms : least[k];
        vrv_retry_cancel(retry, &c);
        finish();
        teardown();
    }
    OK(least[0] >= 49 && least[0] < 100, "who can't be reached is asked again soon: in %d ms at least", (int)least[0]);
    OK(least[1] >= 199, "who is busy isn't: in %d ms at least", (int)least[1]);
}

/* ---- storms ---- */

static void
draw_faults(struct vrv_rand *r)
{
    for (int f = 0; f < FAKE_FAULTS; f++)
        if (f != FAKE_DENIED && vrv_rand_below(r, 2) == 0)
            fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)f,
                (unsigned)vrv_rand_below(r, 25));
}

/* An object in two parts. */
static int
upload(struct body *b, const char *key)
{
    struct vrv_store_call c = call_of(VRV_STORE_BEGIN, key, HOUR_MS);
    int rc = do_call(&c);
    struct vrv_store_upload *u = c.upload;

    for (unsigned i = 0; rc == 0 && i < 2; i++) {
        struct iovec half = { b->bytes + i * SIZE / 2, SIZE / 2 };

        c = call_of(VRV_STORE_PART_N, key, HOUR_MS);
        c.upload = u;
        c.part = i;
        c.iov = &half;
        c.iov_n = 1;
        c.size = SIZE / 2;
        c.crc = vrv_crc32c(0, half.iov_base, SIZE / 2);
        rc = do_call(&c);
    }
    if (rc == 0) {
        c = call_of(VRV_STORE_END, key, HOUR_MS);
        c.upload = u;
        c.size = SIZE;
        c.crc = vrv_crc32c(0, b->bytes, SIZE);
        rc = do_call(&c);
    }
    vrv_store_upload_free(fakestore_store(fake), &u);
    return rc;
}

static bool
storm(uint64_t seed)
{
    struct vrv_store_call put[PUTS];
    struct body b[PUTS], up;
    struct vrv_rand r = { seed };
    bool good = true;

    setup(seed);
    draw_faults(&r);
    for (int i = 0; i < PUTS; i++) {
        (void)snprintf(b[i].key, sizeof(b[i].key), "k/%d", i);
        put[i] = call_of(VRV_STORE_PUT, b[i].key, HOUR_MS);
        set_body(&put[i], &b[i], seed + (uint64_t)i);
        begin(&put[i]);
    }
    finish();
    for (int i = 0; i < PUTS; i++)
        good &= HELD(put[i].status == 0) && HELD(is_there(b[i].key, &b[i]));
    struct vrv_store_call any = call_of(VRV_STORE_PUT, "x", HOUR_MS);
    set_body(&any, &up, seed);
    good &= HELD(upload(&up, "up/1") == 0) && HELD(is_there("up/1", &up));
    fakestore_heal(fake);
    simclock_advance_ms(&clock_, MINUTE_MS); /* what is late has come */
    (void)vrv_store_step(fakestore_store(fake));
    good &= HELD(fakestore_objects(fake) == PUTS + 1);
    int64_t from = now_ms();
    struct vrv_store_call get = call_of(VRV_STORE_GET, "k/1", HOUR_MS);
    uint8_t buf[SIZE];
    get.buf = buf;
    get.size = SIZE;
    good &= HELD(do_call(&get) == 0) && HELD(memcmp(buf, b[1].bytes, SIZE) == 0);
    good &= HELD(now_ms() - from < 1000);
    teardown();
    return good;
}

static void
test_storms(void)
{
    int broken = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        if (!storm(seed)) {
            tap_note("seed %d", (int)seed);
            broken++;
        }
    IS(broken, 0, "%d storms of all faults together: all is written, once, and can be read", SEEDS);
}

/* reliability: a store that fails one attempt in ten is asked half as much again at most. */
static void
test_budget(void)
{
    enum { N = 2000 };
    uint64_t attempts = 0;

    setup(7);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_BUSY, 4);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_ERROR, 3);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_ANSWER_LOST, 3);
    for (int i = 0; i < N; i++) {
        struct body b;
        char key[32];

        (void)snprintf(key, sizeof(key), "k/%d", i);
        struct vrv_store_call c = call_of(VRV_STORE_PUT, key, HOUR_MS);
        set_body(&c, &b, (uint64_t)i);
        if (do_call(&c) < 0)
            attempts += N;
    }
    for (int op = 0; op < VRV_STORE_OPS; op++)
        attempts += fakestore_attempts(fake, (enum vrv_store_op)op);
    OK(attempts <= N * 3 / 2, "%d writes, one attempt in ten fails: %d attempts", N, (int)attempts);
    teardown();
}

/* ---- what people hear of it ---- */

static int
put_one(int64_t within_ms)
{
    static int n;
    static struct body b;
    char key[32];

    (void)snprintf(key, sizeof(key), "k%d", n++);
    struct vrv_store_call c = call_of(VRV_STORE_PUT, key, within_ms);
    set_body(&c, &b, 1);
    return do_call(&c);
}

static int
delete_one(void)
{
    const char *key = "k";
    struct vrv_store_call c = call_of(VRV_STORE_DELETE, NULL, HOUR_MS);

    c.keys = &key;
    c.max = 1;
    return do_call(&c);
}

static void
test_told(void)
{
    setup(9);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_ANSWER_LOST, 20);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_BUSY, 20);
    for (int i = 0; i < 50; i++)
        tap_need(put_one(HOUR_MS), "a put");
    IS(told_bad + told_good, 0, "what is done in the end is no news");
    fakestore_heal(fake);
    fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
    IS(delete_one(), VRV_E_DENIED, "deletions are denied");
    OK(told_bad == 1 && told_op == VRV_STORE_DELETE, "... which is told");
    const struct vrv_store_bad *bad = vrv_retry_stats(retry)->bad;
    int64_t since_ms = bad[VRV_STORE_DELETE].since_ms;
    for (int i = 0; i < 20; i++) {
        (void)delete_one();
        tap_need(put_one(HOUR_MS), "a put");
        simclock_advance_ms(&clock_, MINUTE_MS);
    }
    OK(told_bad == 1 && told_good == 0, "once, though all else is done");
    OK(since_ms > 0 && bad[VRV_STORE_DELETE].since_ms == since_ms &&
        bad[VRV_STORE_DELETE].err.code == VRV_E_DENIED, "since when, and why, can be asked");
    IS(bad[VRV_STORE_PUT].since_ms, 0, "... which says nothing of what works");
    fakestore_heal(fake);
    IS(delete_one(), 0, "they are allowed");
    OK(told_good == 1 && told_op == VRV_STORE_DELETE, "... which is told, too");
    IS(bad[VRV_STORE_DELETE].since_ms, 0, "... and asked");
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    struct body b;
    struct vrv_store_call c = call_of(VRV_STORE_PUT, "late", HOUR_MS);
    set_body(&c, &b, 1);
    begin(&c);
    for (int i = 0; i < 100; i++) {
        (void)vrv_store_step(fakestore_store(fake));
        struct vrv_done *d = vrv_cq_take(&cq, 0);
        if (d != NULL)
            d->run(d);
        simclock_advance_ms(&clock_, 300);
        (void)vrv_retry_step(retry);
    }
    OK(told_bad == 2 && under_way == 1, "what fails for a while is told before it is given up");
    fakestore_heal(fake);
    finish();
    OK(c.status == 0 && told_good == 2, "... and when it is done");
    fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
    for (int i = 0; i < 50; i++) { /* now and then it works */
        (void)delete_one();
        fakestore_heal(fake);
        (void)delete_one();
        fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
        simclock_advance_ms(&clock_, 1000);
    }
    OK(told_bad <= 3, "what comes and goes isn't told each time (%u)", told_bad - 2);
    teardown();
}

/* An object's name in a sentence: once. */
static void
test_named(void)
{
    struct vrv_err e;

    (void)vrv_err_set(&e, VRV_E_IO, "no route to 10.0.0.1");
    IS(vrv_store_blame(&e, VRV_E_IO, "d/x"), VRV_E_IO, "a failure that names no object");
    IS_STR(e.msg, "d/x: no route to 10.0.0.1", "... is told with it");
    (void)vrv_err_set(&e, VRV_E_DENIED, "get of d/x: not allowed");
    IS(vrv_store_blame(&e, VRV_E_DENIED, "d/x"), VRV_E_DENIED, "one that does");
    IS_STR(e.msg, "get of d/x: not allowed", "... as it is");
}

int
main(void)
{
    test_each_fault();
    test_lost_answer();
    test_not_ours();
    test_deadline();
    test_unsure();
    test_denied();
    test_cancel();
    test_waits();
    test_storms();
    test_budget();
    test_told();
    test_named();
    return tap_done();
}
