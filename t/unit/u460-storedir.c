/* The directory store: the suite of all stores, on a real directory and on the simulated disk; and what
 * a power cut or a failing disk leaves of what it was doing.
 * VARVE_TEST_DIR=PATH runs the suite on that directory, which is empty, be it a mount of another machine's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/crc32c.h"
#include "t/lib/simclock.h"
#include "t/lib/simdisk.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/dir.h"

enum { SIZE = 3000, KEYS = 3 };

/* vfs NULL: `what` is its path. */
static void
suite_on(struct vrv_vfs *vfs, struct vrv_clock *clock, unsigned threads, const char *what)
{
    struct vrv_store_dir_opts o = { .vfs = vfs, .path = what, .clock = clock, .random = 460,
        .threads = threads };
    struct storesuite s = { .prefix = "suite/", .shared_clock = true };
    char text[1024];
    struct vrv_err e = { 0 };

    tap_note("%s, %u threads", what, threads);
    tap_need(vrv_store_dir(&s.store, &o, &e), e.msg);
    vrv_store_describe(s.store, text, sizeof(text));
    OK(strstr(text, what) != NULL, "... %s", text);
    storesuite_run(&s);
    vrv_store_close(&s.store);
}

static void
test_suite(void)
{
    struct vrv_vfs *real;
    struct vrv_err e = { 0 };

    tap_need(vrv_vfs_posix(tap_dir(), false, &real, &e), e.msg);
    suite_on(real, vrv_clock_real(), 0, "a real directory");
    suite_on(real, vrv_clock_real(), 4, "a real directory");
    vrv_vfs_close(&real);
    struct simdisk *d = simdisk_new(1);
    suite_on(simdisk_vfs(d), vrv_clock_real(), 0, "a simulated disk");
    simdisk_free(&d);
}

/* By the times of its files. */
static void
test_ages(void)
{
    struct simclock clock;
    struct vrv_store_dir_opts o = { .path = tap_dir(), .clock = &clock.clock, .random = 1 };
    struct storesuite s = { .prefix = "p/" };
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    simclock_init(&clock, now.tv_sec * (int64_t)1000 + 600000);
    tap_need(vrv_cq_init(&s.cq, 0) == 0 && vrv_store_dir(&s.store, &o, NULL) == 0, "a store");
    IS(storesuite_put(&s, "marker/1", "x", 1), 0, "something is written");
    struct vrv_store_call c = storesuite_call(&s, VRV_STORE_LIST, "marker/");
    c.max = 1;
    IS(storesuite_do(&s, &c), 0, "it is listed");
    OK(c.got == 1 && c.names[0].age_ms > 0 && c.names[0].age_ms <= 601000, "... with its age: %d ms",
        (int)c.names[0].age_ms);
    vrv_store_names_free(&c);
    simclock_set_wall_ms(&clock, 1000);
    IS(storesuite_do(&s, &c), 0, "it is listed by a clock that is far behind");
    OK(c.got == 1 && c.names[0].age_ms == -1, "... which can't tell");
    vrv_store_names_free(&c);
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
}

/* ---- power cuts and failures ---- */

static uint8_t bytes[SIZE];
static const char *const keys[KEYS] = { "d/ab/1.seg", "d/ab/2.seg", "d/cd/3.seg" };

struct deeds {
    int put[KEYS]; /* what each was told */
    int deleted;
};

/* Two objects, a third in parts, then the first is deleted. */
static void
do_deeds(struct storesuite *s, struct deeds *did)
{
    struct vrv_store_call c = storesuite_call(s, VRV_STORE_BEGIN, keys[2]);
    struct iovec iov = { bytes, SIZE };
    const char *first = keys[0];

    for (int i = 0; i < 2; i++)
        did->put[i] = storesuite_put(s, keys[i], bytes, SIZE);
    did->put[2] = storesuite_do(s, &c);
    struct vrv_store_upload *u = c.upload;
    for (enum vrv_store_op op = VRV_STORE_PART_N; u != NULL && op <= VRV_STORE_END; op++) {
        c = storesuite_call(s, op, keys[2]);
        c.iov = &iov;
        c.iov_n = 1;
        c.size = SIZE;
        c.crc = vrv_crc32c(0, bytes, SIZE);
        c.upload = u;
        if (did->put[2] == 0)
            did->put[2] = storesuite_do(s, &c);
    }
    vrv_store_upload_free(s->store, &u);
    c = storesuite_call(s, VRV_STORE_DELETE, NULL);
    c.keys = &first;
    c.max = 1;
    did->deleted = storesuite_do(s, &c);
}

static struct vrv_store *
store_on(struct simdisk *d, struct simclock *clock, uint64_t random)
{
    struct vrv_store_dir_opts o = { .vfs = simdisk_vfs(d), .path = "sim", .clock = &clock->clock,
        .random = random };
    struct vrv_store *store = NULL;

    tap_need(vrv_store_dir(&store, &o, NULL), "no store");
    return store;
}

/* Each object is whole, or not there; what was acknowledged is as was said.  1: all is well. */
static bool
is_as_told(struct storesuite *s, const struct deeds *did, bool crashed)
{
    bool good = true;

    for (int i = 0; i < KEYS; i++) {
        struct vrv_store_call c = storesuite_call(s, VRV_STORE_VERIFY, keys[i]);

        c.size = SIZE;
        c.crc = vrv_crc32c(0, bytes, SIZE);
        int rc = storesuite_do(s, &c);
        good &= rc == 0 || rc == VRV_E_NOTFOUND;
        if (i == 0 && did->deleted == 0)
            good &= rc == VRV_E_NOTFOUND;
        else if (i > 0 && did->put[i] == 0)
            good &= rc == 0;
        else if (i > 0 && !crashed && did->put[i] != VRV_E_UNKNOWN)
            good &= rc == VRV_E_NOTFOUND; /* it was told that it was not done */
        good &= did->put[i] != VRV_E_NOTFOUND && did->put[i] != VRV_E_EXISTS;
    }
    return good;
}

static bool
cut_power(struct simdisk *d, uint64_t at)
{
    simdisk_crash_at(d, at);
    return true;
}

/* The deeds on a disk that something happens to, then a look with a new store. */
static bool
holds(uint64_t at, bool (*strike)(struct simdisk *d, uint64_t at), enum sim_policy policy, bool crash,
    bool *struck)
{
    bool cut = strike == cut_power;

    struct simdisk *d = simdisk_new(at);
    struct simclock clock;
    struct deeds did = { 0 };
    struct storesuite s = { 0 };

    simclock_init(&clock, 1700000000000);
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    (void)strike(d, at);
    s.store = store_on(d, &clock, 1);
    do_deeds(&s, &did);
    *struck = cut ? simdisk_is_off(d) : simdisk_failed(d) > 0;
    vrv_store_close(&s.store);
    simdisk_fail(d, 0, SIM_EIO, false);
    if (crash)
        simdisk_crash(d, policy, at);
    s.store = store_on(d, &clock, 2);
    bool good = is_as_told(&s, &did, crash);
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
    simdisk_free(&d);
    return good;
}

static void
test_power_cuts(void)
{
    uint64_t cuts = 0, broken = 0;
    bool struck = true;

    for (uint64_t at = 1; struck; at++)
        for (int p = 0; p < SIM_POLICY_COUNT; p++) {
            broken += !holds(at, cut_power, (enum sim_policy)p, true, &struck);
            cuts += struck;
        }
    tap_note("%llu power cuts", (unsigned long long)cuts);
    IS(broken, 0, "an object is whole or not there, wherever the power goes; what was told holds");
    OK(cuts > 200, "... at many places");
}

static bool
fail_once(struct simdisk *d, uint64_t at)
{
    simdisk_fail(d, at, SIM_EIO, false);
    return true;
}

static bool
run_full(struct simdisk *d, uint64_t at)
{
    simdisk_fail(d, at, SIM_ENOSPC, false);
    return true;
}

static void
test_failures(void)
{
    uint64_t failures = 0, broken = 0;
    bool eio = true, full = true;

    for (uint64_t at = 1; eio || full; at++) {
        broken += !holds(at, fail_once, SIM_DROP_ALL, false, &eio);
        broken += !holds(at, fail_once, SIM_DROP_ALL, true, &eio);
        broken += !holds(at, run_full, SIM_DROP_ALL, false, &full);
        broken += !holds(at, run_full, SIM_DROP_ALL, true, &full);
        failures += (uint64_t)eio + (uint64_t)full;
    }
    tap_note("%llu failures", (unsigned long long)failures);
    IS(broken, 0, "a failing disk: what was done is durable, and what was not done isn't there");
    OK(failures > 40, "... at many places");
}

static void
test_full(void)
{
    struct simdisk *d = simdisk_new(1);
    struct simclock clock;
    struct storesuite s = { 0 };
    struct iovec iov = { bytes, SIZE };

    simclock_init(&clock, 1700000000000);
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    s.store = store_on(d, &clock, 1);
    struct vrv_store_call c = storesuite_call(&s, VRV_STORE_PUT, keys[0]);
    c.iov = &iov;
    c.iov_n = 1;
    c.size = SIZE;
    c.crc = vrv_crc32c(0, bytes, SIZE);
    simdisk_fail(d, 1, SIM_ENOSPC, true);
    IS(storesuite_do(&s, &c), VRV_E_NOSPACE, "a full disk");
    OK(strstr(c.err.msg, "give it more or free some") != NULL, "... is told, with what to do: %s", c.err.msg);
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
    simdisk_free(&d);
}

/* A part of it, or its end. */
static int
go_on(struct storesuite *s, struct vrv_store_upload *u, enum vrv_store_op op)
{
    struct vrv_store_call c = storesuite_call(s, op, keys[2]);
    struct iovec iov = { bytes, SIZE };

    c.iov = &iov;
    c.iov_n = 1;
    c.size = SIZE;
    c.crc = vrv_crc32c(0, bytes, SIZE);
    c.upload = u;
    return storesuite_do(s, &c);
}

/* Several parts are written at once, and the kernel tells one of them what another one's bytes have met with. */
static void
test_lost_sync(void)
{
    struct simdisk *d = simdisk_new(1);
    struct simclock clock;
    struct storesuite s = { 0 };

    simclock_init(&clock, 1700000000000);
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    s.store = store_on(d, &clock, 1);
    for (int i = 0; i < 2; i++) {
        struct vrv_store_call c = storesuite_call(&s, VRV_STORE_BEGIN, keys[2]);

        IS(storesuite_do(&s, &c), 0, "an upload");
        if (i == 0) {
            simdisk_fail(d, 2, SIM_EIO, false);
            IS(go_on(&s, c.upload, VRV_STORE_PART_N), VRV_E_IO, "... whose sync fails");
            IS((int64_t)simdisk_failed(d), 1, "... once");
        }
        IS(go_on(&s, c.upload, VRV_STORE_PART_N), i == 0 ? VRV_E_IO : 0, i == 0 ? "... is never whole" : "... begun anew is");
        IS(go_on(&s, c.upload, VRV_STORE_END), i == 0 ? VRV_E_INVALID : 0, "... at its end");
        vrv_store_upload_free(s.store, &c.upload);
    }
    vrv_store_close(&s.store);
    vrv_cq_fini(&s.cq);
    simdisk_free(&d);
}

/* What is to be looked up anew is so when nothing of what is being written lies there any more. */
static void
test_reopen(void)
{
    struct storesuite s = { 0 };
    struct vrv_err e = { 0 };
    char at[512], away[512], tmp[sizeof(away) + 8];
    uint8_t byte;

    (void)snprintf(at, sizeof(at), "%s/at", tap_dir());
    (void)snprintf(away, sizeof(away), "%s/away", tap_dir());
    tap_need(mkdir(at, 0700), "no directory");
    tap_need(vrv_cq_init(&s.cq, 0), "no queue");
    tap_need(vrv_store_dir(&s.store, &(struct vrv_store_dir_opts){ .path = at, .clock = vrv_clock_real(),
        .random = 460 }, &e), e.msg);
    struct vrv_store_call c = storesuite_call(&s, VRV_STORE_BEGIN, keys[0]);
    IS(storesuite_do(&s, &c), 0, "an upload");
    struct vrv_store_upload *u = c.upload;
    tap_need(rename(at, away), "a directory can't be renamed");
    vrv_store_reopen(s.store);
    c = storesuite_call(&s, VRV_STORE_GET, keys[1]);
    c.buf = &byte;
    c.size = 1;
    IS(storesuite_do(&s, &c), VRV_E_NOTFOUND, "the directory is another one: the upload still has the first");
    vrv_store_upload_free(s.store, &u);
    c = storesuite_call(&s, VRV_STORE_GET, keys[1]);
    c.buf = &byte;
    c.size = 1;
    IS(storesuite_do(&s, &c), VRV_E_UNREACHABLE, "... when that is over it is looked up: %s", c.err.msg);
    vrv_store_close(&s.store);
    (void)snprintf(tmp, sizeof(tmp), "%s/~tmp", away);
    IS(rmdir(tmp), 0, "nothing of the upload is left");
    vrv_cq_fini(&s.cq);
}


int
main(void)
{
    const char *given = getenv("VARVE_TEST_DIR");

    if (given != NULL && *given != '\0') {
        suite_on(NULL, vrv_clock_real(), 4, given); /* as varved uses it */
        return tap_done();
    }
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7);
    test_suite();
    test_ages();
    test_power_cuts();
    test_failures();
    test_full();
    test_lost_sync();
    test_reopen();
    return tap_done();
}
