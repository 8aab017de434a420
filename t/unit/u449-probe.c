/* What a server will have to do in its store is tried when it starts: what isn't allowed is told then, and nothing
 * of others is touched. */
#include "tiering/check/probe.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "t/lib/fakestore.h"
#include "t/lib/tap.h"

enum { DAY_MS = 86400000, AGAIN_MS = 60000, STEP_MS = 100 };

static struct simclock clock_;
static struct fakestore *fake;
static struct vrv_cq cq;
static struct vrv_retry *retry;
static struct vrv_probe probe;
static bool is_ours;
static unsigned rounds, fails[VRV_STORE_OPS], works[VRV_STORE_OPS];

static void
told(void *ctx, enum vrv_store_op op, const struct vrv_err *e)
{
    (void)ctx;
    if (e != NULL)
        fails[op]++;
    else
        works[op]++;
}

static void
tried(void *ctx)
{
    (void)ctx;
    rounds++;
}

static void
begin(uint64_t seed)
{
    simclock_init(&clock_, 0);
    simclock_advance_ms(&clock_, (int64_t)10 * DAY_MS);
    fake = fakestore_new(&clock_, seed);
    int rc = vrv_cq_init(&cq, 0);
    VRV_ASSERT(rc == 0);
    retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = fakestore_store(fake), .clock = &clock_.clock,
        .cq = &cq, .random = seed, .base_ms = 100, .most_ms = 1000, .told = told });
    vrv_probe_init(&probe, &(struct vrv_probe_opts){ .retry = retry, .cq = &cq, .clock = &clock_.clock,
        .random = seed, .call_ms = 10000, .again_ms = AGAIN_MS, .tried = tried });
    is_ours = true;
    rounds = 0;
    memset(fails, 0, sizeof(fails));
    memset(works, 0, sizeof(works));
}

static void
pass(int64_t ms)
{
    for (int64_t at = 0; at < ms; at += STEP_MS) {
        struct vrv_done *d;
        bool more = true;

        while (more) {
            (void)vrv_probe_step(&probe, is_ours);
            (void)vrv_retry_step(retry);
            more = vrv_store_step(fakestore_store(fake));
            while ((d = vrv_cq_take(&cq, 0)) != NULL) {
                d->run(d);
                more = true;
            }
        }
        simclock_advance_ms(&clock_, STEP_MS);
    }
}

static void
end_it(void)
{
    vrv_probe_end(&probe);
    pass(20000);
    OK(!vrv_probe_is_busy(&probe), "... it ends");
}

static void
free_all(void)
{
    vrv_probe_fini(&probe);
    vrv_retry_free(&retry);
    vrv_cq_fini(&cq);
    fakestore_free(&fake);
}

static void
end(void)
{
    end_it();
    free_all();
}

static void
put(const char *key)
{
    struct vrv_cq back;
    struct iovec iov = { (void *)(uintptr_t)key, strlen(key) };
    struct vrv_store_call c = { .done = { .cq = &back }, .op = VRV_STORE_PUT, .key = key, .iov = &iov,
        .iov_n = 1, .size = iov.iov_len, .crc = vrv_crc32c(0, key, iov.iov_len), .deadline_ns = INT64_MAX };

    (void)vrv_cq_init(&back, 0);
    vrv_store_submit(fakestore_store(fake), &c);
    while (vrv_cq_take(&back, 0) == NULL)
        (void)vrv_store_step(fakestore_store(fake));
    vrv_cq_fini(&back);
}

static bool
is_there(const char *key)
{
    size_t n;

    return fakestore_object(fake, key, &n) != NULL;
}

/* ---- tests ---- */

static void
test_well(void)
{
    begin(1);
    pass(1000);
    IS(rounds, 1, "a store that does all of it: one round");
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_PUT), 1, "... writes");
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_GET), 1, "... reads");
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_LIST), 1, "... lists");
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_DELETE), 1, "... and deletes, once each");
    IS((int64_t)fakestore_objects(fake), 0, "... and nothing stays");
    pass(3 * (int64_t)AGAIN_MS);
    IS(rounds, 1, "... and that was it");
    end();
}

/* The right for one thing is missing; later it is granted. */
static void
test_denied(enum vrv_store_op op, size_t stays)
{
    begin(2 + (uint64_t)op);
    tap_note("without the right to %s", vrv_store_op_name(op));
    fakestore_fault(fake, op, FAKE_DENIED, 100);
    pass(1000);
    IS(rounds, 1, "who may not do one of them");
    IS(fails[op], 1, "... is told that");
    unsigned others = 0;
    for (unsigned i = 0; i < VRV_STORE_OPS; i++)
        others += i != op ? fails[i] : 0;
    IS(others, 0, "... and nothing else");
    IS((int64_t)fakestore_objects(fake), (int64_t)stays, "... what can be deleted was");
    OK(vrv_retry_stats(retry)->bad[op].since_ms != 0, "... a status shows it");
    pass(3 * (int64_t)AGAIN_MS);
    IS(fails[op], 1, "... it is told once");
    IS((int64_t)fakestore_objects(fake), (int64_t)stays, "... and no more stays than before");
    fakestore_heal(fake);
    pass(2 * (int64_t)AGAIN_MS);
    IS(works[op], 1, "... and that it works, when it does");
    IS((int64_t)fakestore_objects(fake), 0, "... with nothing left");
    end();
}

static void
test_leftovers(void)
{
    static const char old[] = "check/0000000000007-00000000000000ab/start",
                      older[] = "check/0000000000001-00000000000000cd/race/3",
                      short_[] = "check/7-ab/start", other[] = "check/mine", far[] = "owner/00000000000000000001";

    begin(20);
    put(old);
    put(older);
    put(short_);
    put(other);
    put(far);
    pass(1000);
    OK(!is_there(old) && !is_there(older), "what a check of long ago has left goes");
    OK(is_there(short_) && is_there(other) && is_there(far), "... what isn't named so stays");
    IS((int64_t)fakestore_objects(fake), 3, "... and our own goes");
    end();
    begin(21);
    struct vrv_probe other_server = probe;
    put(other_server.key);
    vrv_probe_init(&probe, &(struct vrv_probe_opts){ .retry = retry, .cq = &cq, .clock = &clock_.clock,
        .random = 77, .call_ms = 10000, .again_ms = AGAIN_MS, .tried = tried });
    pass(1000);
    OK(is_there(other_server.key), "what a check of another server writes just now stays");
    end();
}

static void
test_hangs(void)
{
    begin(30);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    pass(15000);
    IS(fails[VRV_STORE_PUT], 1, "a store that hangs is told");
    IS(rounds, 1, "... and doesn't hold it");
    fakestore_heal(fake);
    end();
    begin(31);
    while (fakestore_objects(fake) == 0) {
        struct vrv_done *d = vrv_cq_take(&cq, 0);

        if (d != NULL)
            d->run(d);
        (void)vrv_probe_step(&probe, true);
        (void)vrv_store_step(fakestore_store(fake));
    }
    IS((int64_t)fakestore_objects(fake), 1, "in the middle of it");
    end_it();
    IS((int64_t)fakestore_objects(fake), 0, "... nothing stays behind");
    free_all();
}

/* It may be another server's. */
static void
test_not_ours(void)
{
    begin(40);
    is_ours = false;
    pass(2 * (int64_t)AGAIN_MS);
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_LIST), 1, "a store that may not be ours is listed, once");
    IS((int64_t)(fakestore_attempts(fake, VRV_STORE_PUT) + fakestore_attempts(fake, VRV_STORE_DELETE)), 0,
        "... and nothing is written there");
    IS(rounds, 0, "... so that it isn't tried yet");
    is_ours = true;
    pass(1000);
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_PUT), 1, "when it is known to be, the rest is");
    IS(rounds, 1, "... tried");
    end();
    begin(41);
    is_ours = false;
    fakestore_fault(fake, VRV_STORE_LIST, FAKE_DENIED, 100);
    pass(1000);
    IS(fails[VRV_STORE_LIST], 1, "one that can't be listed is told");
    IS(rounds, 1, "... to who waits, too");
    fakestore_heal(fake);
    end();
}

static void
test_storm(void)
{
    unsigned left = 0;

    for (uint64_t seed = 100; seed < 150; seed++) {
        struct vrv_rand rnd = { seed };

        begin(seed);
        fakestore_trouble(fake, &rnd);
        pass(2 * (int64_t)AGAIN_MS);
        fakestore_heal(fake);
        pass(3 * (int64_t)AGAIN_MS);
        left += probe.left != 0;
        free_all();
    }
    IS(left, 0, "whatever a store did: when it is well, all was tried and done");
}

int
main(void)
{
    test_well();
    test_denied(VRV_STORE_PUT, 0);
    test_denied(VRV_STORE_GET, 0);
    test_denied(VRV_STORE_LIST, 0);
    test_denied(VRV_STORE_DELETE, 1);
    test_leftovers();
    test_hangs();
    test_not_ours();
    test_storm();
    return tap_done();
}
