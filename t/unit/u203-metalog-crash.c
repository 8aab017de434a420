/*
 * The metadata log under power cuts and failing disks.
 *
 * A model follows what the store answers.  After each crash the store must hold the model's
 * state: all that was answered with 0 and nothing that was refused; of the batch whose
 * outcome was unknown, a prefix.  That also says that no half transaction is seen, and that
 * no revision comes to mean something else.
 *
 * VARVE_SEED=n runs one seed, VARVE_LONG=1 ten times as many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/meta/metalog.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { KEYS = 6, BATCH_MAX = 4, VALUE_MAX = 120 * 1000, SEEDS = 100, GENERATIONS = 4 };

/* ---- the model */

struct model {
    uint64_t revision;
    struct {
        uint64_t mod; /* 0: not there */
        size_t len;
        char fill;
    } key[KEYS];
};

struct write {
    int key;
    size_t len;
    char fill; /* 0: delete */
};

struct script {
    int compare;  /* key, or -1 */
    uint64_t mod; /* what it is compared with */
    struct write write[3];
    int writes;
};

/* Whether the transaction is done, when the store is in this state. */
static bool
model_apply(struct model *s, const struct script *t)
{
    if (t->compare >= 0 && s->key[t->compare].mod != t->mod)
        return false;
    s->revision += t->writes > 0;
    for (int i = 0; i < t->writes; i++) {
        const struct write *w = &t->write[i];

        s->key[w->key].mod = w->fill != 0 ? s->revision : 0;
        s->key[w->key].len = w->len;
        s->key[w->key].fill = w->fill;
    }
    return true;
}

static char value[VALUE_MAX];

/* In the words of metatest_dump(). */
static char *
model_dump(const struct model *s)
{
    char *text = vrv_mem_zero(KEYS * 120 + 40);
    size_t n = 0;

    for (int k = 0; k < KEYS; k++) {
        if (s->key[k].mod == 0)
            continue;
        memset(value, s->key[k].fill, s->key[k].len);
        n += (size_t)sprintf(text + n, "key/%d@%d=", k, (int)s->key[k].mod);
        if (s->key[k].len > 40)
            n += (size_t)sprintf(text + n, "(%zu bytes, %08x)\n", s->key[k].len,
                vrv_crc32c(0, value, s->key[k].len));
        else
            n += (size_t)sprintf(text + n, "%.*s\n", (int)s->key[k].len, value);
    }
    (void)sprintf(text + n, "#%d\n", (int)s->revision);
    return text;
}

/* ---- one run */

struct run {
    struct vrv_rand rand;
    bool big; /* values so large that files are replaced */
    struct simdisk *disk;
    struct vrv_metastore *store;
    struct model sure;             /* after all that was answered */
    struct model maybe[BATCH_MAX]; /* with more and more of a batch of unknown outcome */
    int maybes;
    const char *wrong; /* what did not hold */
    int rounds, unknown, refused;
};

static void
check(struct run *r, bool ok, const char *what)
{
    if (!ok && r->wrong == NULL)
        r->wrong = what;
}

static void
make_txn(struct run *r, const struct model *s, struct script *t)
{
    *t = (struct script){ .compare = -1 };
    if (vrv_rand_below(&r->rand, 2) == 0) {
        t->compare = (int)vrv_rand_below(&r->rand, KEYS);
        t->mod = vrv_rand_below(&r->rand, 5) == 0 ? 999 : s->key[t->compare].mod;
    }
    t->writes = (int)vrv_rand_below(&r->rand, 4);
    for (int i = 0; i < t->writes; i++) {
        bool big = r->big && vrv_rand_below(&r->rand, 2) == 0;

        t->write[i].key = (int)vrv_rand_below(&r->rand, KEYS / 3) * 3 + i; /* never twice */
        t->write[i].fill = (char)(vrv_rand_below(&r->rand, 5) == 0
                                      ? 0
                                      : 'a' + (int)vrv_rand_below(&r->rand, 26));
        t->write[i].len = vrv_rand_below(&r->rand, big ? VALUE_MAX : 60);
    }
}

static void
send_txn(struct run *r, const struct script *t, struct metatest_answer *a)
{
    static char values[3][VALUE_MAX];
    char names[4][16];
    struct vrv_meta_compare c = {names[3], t->mod};
    struct vrv_meta_write w[3];

    (void)snprintf(names[3], sizeof(names[3]), "key/%d", t->compare);
    for (int i = 0; i < t->writes; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "key/%d", t->write[i].key);
        memset(values[i], t->write[i].fill, t->write[i].len);
        w[i] = (struct vrv_meta_write){names[i], t->write[i].fill ? values[i] : NULL,
            t->write[i].len};
    }
    *a = (struct metatest_answer){0};
    vrv_meta_txn(r->store, &(struct vrv_meta_txn){&c, t->compare >= 0, w, (size_t)t->writes},
        metatest_txn_fn, a);
}

/* One batch.  False: the store has stopped. */
static bool
round_of_txns(struct run *r)
{
    int n = 1 + (int)vrv_rand_below(&r->rand, BATCH_MAX), conflicts = 0, bad = 0;
    struct script t[BATCH_MAX];
    struct metatest_answer a[BATCH_MAX];
    bool expect[BATCH_MAX];
    struct model s = r->sure, steps[BATCH_MAX];

    for (int i = 0; i < n; i++) {
        make_txn(r, &s, &t[i]);
        send_txn(r, &t[i], &a[i]);
        expect[i] = model_apply(&s, &t[i]);
        steps[i] = s;
    }
    int rc = vrv_meta_step(r->store, NULL);
    r->rounds++;
    for (int i = 0; i < n; i++) {
        check(r, a[i].calls == 1, "each transaction is called back once");
        bad += a[i].status != 0 && a[i].status != VRV_E_CONFLICT;
        conflicts += a[i].status == VRV_E_CONFLICT;
    }
    if (bad == 0) {
        for (int i = 0; i < n; i++)
            check(r, (a[i].status == 0) == expect[i] && a[i].revision == steps[i].revision,
                "transactions of a batch see those before them");
        r->sure = s;
    } else {
        check(r, bad == n && conflicts == 0, "a batch fails as one");
        for (int i = 0; i < n; i++)
            check(r, a[i].status == a[0].status, "for one reason");
        r->refused++;
    }
    if (bad > 0 && a[0].status == VRV_E_UNKNOWN) {
        check(r, rc == VRV_E_STOPPED, "an unknown outcome stops the store");
        memcpy(r->maybe, steps, (size_t)n * sizeof(steps[0]));
        r->maybes = n;
        r->unknown++;
    }
    return rc >= 0;
}

/* The store, just opened, holds the state that is sure, or one that is possible: which from now
 * on is the sure one. */
static void
compare_state(struct run *r, const char *what)
{
    char *got = metatest_dump(r->store, "");
    bool found = false;

    for (int i = r->maybes; i >= 0 && !found; i--) {
        const struct model *s = i > 0 ? &r->maybe[i - 1] : &r->sure;
        char *want = model_dump(s);

        found = strcmp(got, want) == 0;
        if (found)
            r->sure = *s;
        else if (i == 0 && r->wrong == NULL)
            tap_note("expected, or more of its batch:\n%s# saw:\n%s#", want, got);
        free(want);
    }
    check(r, found, what);
    r->maybes = 0;
    free(got);
}

static int
open_store(struct run *r)
{
    struct vrv_err e = { 0 };
    int rc = vrv_metalog_open(&r->store, simdisk_vfs(r->disk), "meta", NULL, &e);

    check(r, (rc == 0) == (r->store != NULL), "a failed open gives no store");
    bool ok = rc == 0 || rc == VRV_E_IO || rc == VRV_E_NOSPACE || rc == VRV_E_NOMEM;

    if (!ok && r->wrong == NULL)
        tap_note("open: %s", e.msg);
    check(r, ok, "an open fails for the disk's reason only");
    return rc;
}

/* Recovery of what was just recovered changes nothing.  (A log without any transaction is an
 * exception: it is made again at each open.) */
static void
check_again(struct run *r)
{
    uint64_t hash = simdisk_hash(r->disk);

    vrv_meta_close(&r->store);
    check(r, open_store(r) == 0, "it opens once more");
    if (r->store == NULL)
        return;
    compare_state(r, "and holds the same");
    check(r, r->sure.revision == 0 || simdisk_hash(r->disk) == hash,
        "a second recovery changes no byte");
}

/* ---- power cuts */

static void
one_life(struct run *r, enum sim_policy policy)
{
    uint64_t at = 1 + vrv_rand_below(&r->rand, vrv_rand_below(&r->rand, 2) ? 12 : 60);

    simdisk_crash_at(r->disk, at);
    /* often a full disk right before: what was refused then must not come back */
    simdisk_fail(r->disk, vrv_rand_below(&r->rand, at), SIM_SHORT, false);
    if (open_store(r) == 0) {
        bool running = true;

        compare_state(r, "what was answered is there, and nothing else");
        for (int i = 0; i < 40 && running && !simdisk_is_off(r->disk); i++)
            running = round_of_txns(r);
    }
    vrv_meta_close(&r->store);
    simdisk_crash(r->disk, policy, vrv_rand_next(&r->rand));
    simdisk_abandon(r->disk);
}

static const char *
crash_run(enum sim_policy policy, uint64_t seed, struct run *r)
{
    r->rand.state = seed;
    r->big = seed % 4 == 0;
    r->disk = simdisk_new(seed);
    r->wrong = NULL;
    r->sure = (struct model){0};
    r->maybes = 0;
    for (int i = 0; i < GENERATIONS && r->wrong == NULL; i++)
        one_life(r, policy);
    check(r, open_store(r) == 0, "after the last crash it opens");
    if (r->store != NULL) {
        compare_state(r, "and what was answered is there, and nothing else");
        check_again(r);
    }
    vrv_meta_close(&r->store);
    simdisk_free(&r->disk);
    return r->wrong;
}

static void
test_crashes(void)
{
    const char *one = getenv("VARVE_SEED"), *many = getenv("VARVE_LONG");
    uint64_t from = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t n = one != NULL ? 1 : many != NULL ? 10 * SEEDS : SEEDS;

    for (int policy = 0; policy < SIM_POLICY_COUNT; policy++) {
        struct run r = { .store = NULL };
        uint64_t wrong = 0;

        for (uint64_t seed = from; seed < from + n; seed++) {
            const char *what = crash_run((enum sim_policy)policy, seed, &r);

            if (what != NULL && wrong++ == 0)
                tap_note("VARVE_SEED=%d: does not hold: %s", (int)seed, what);
        }
        IS(wrong, 0, "%s: all survives %d lives (%d batches, %d of unknown outcome)",
            sim_policy_name((enum sim_policy)policy), (int)n * GENERATIONS, r.rounds, r.unknown);
    }
}

/* ---- failing operations */

/* Runs into the fault, then opens without it, and at last cuts the power: what was answered
 * after the fault must survive too.  False: the run was too short for the fault to strike. */
static bool
fault_run(struct run *r, uint64_t n, enum sim_fault kind, bool sticky)
{
    *r = (struct run){ .rand = { .state = 77 }, .big = true, .disk = simdisk_new(n) };
    simdisk_fail(r->disk, n, kind, sticky);
    if (open_store(r) == 0)
        for (int i = 0; i < 40; i++)
            if (!round_of_txns(r))
                break;
    vrv_meta_close(&r->store);
    bool struck = simdisk_failed(r->disk) > 0;
    simdisk_fail(r->disk, 0, kind, false);

    check(r, open_store(r) == 0, "without the fault it opens");
    if (r->store != NULL) {
        compare_state(r, "what was answered is there, and nothing else");
        for (int i = 0; i < 3; i++)
            check(r, round_of_txns(r), "it serves on");
        vrv_meta_close(&r->store);
        simdisk_crash(r->disk, SIM_DROP_ALL, n);
        check(r, open_store(r) == 0, "it opens after a power cut");
    }
    if (r->store != NULL) {
        compare_state(r, "after a power cut, too");
        check_again(r);
    }
    vrv_meta_close(&r->store);
    simdisk_free(&r->disk);
    return struck;
}

static void
test_faults(void)
{
    static const struct {
        enum sim_fault kind;
        const char *name;
    } faults[] = {{SIM_EIO, "EIO"}, {SIM_ENOSPC, "ENOSPC"}, {SIM_SHORT, "a short write"},
        {SIM_ENOMEM, "ENOMEM"}};

    for (size_t f = 0; f < 2 * sizeof(faults) / sizeof(faults[0]); f++) {
        bool sticky = f % 2 == 1, struck = true;
        struct run r;
        int wrong = 0, unknown = 0, refused = 0;
        uint64_t n;

        for (n = 1; struck; n++) {
            struck = fault_run(&r, n, faults[f / 2].kind, sticky);
            unknown += r.unknown;
            refused += r.refused - r.unknown;
            if (r.wrong != NULL && wrong++ == 0)
                tap_note("operation %d: does not hold: %s", (int)n, r.wrong);
        }
        IS(wrong, 0, "%s, %s, at each of %d operations (%d batches refused, %d unknown)",
            faults[f / 2].name, sticky ? "for good" : "once", (int)n - 2, refused, unknown);
    }
}

/* ---- the two failures by name */

static void
test_full_disk(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_metastore *m = NULL;

    IS(vrv_metalog_open(&m, simdisk_vfs(d), "meta", NULL, NULL), 0, "open");
    IS(metatest_put(m, "a", "1"), 0, "a write");
    simdisk_fail(d, 1, SIM_SHORT, false);
    IS(metatest_put(m, "b", "2"), VRV_E_NOSPACE, "a write that the full disk cuts is refused");
    simdisk_crash(d, SIM_KEEP_ALL, 1);
    vrv_meta_close(&m);
    IS(vrv_metalog_open(&m, simdisk_vfs(d), "meta", NULL, NULL), 0, "after a crash");
    char *text = metatest_dump(m, "");
    IS_STR(text, "a@1=1\n#1\n", "no part of it is there");
    free(text);
    simdisk_fail(d, 1, SIM_SHORT, false);
    IS(metatest_put(m, "b", "2"), VRV_E_NOSPACE, "the disk is full again");
    IS(metatest_put(m, "b", "2"), 0, "the store goes on when there is space");
    vrv_meta_close(&m);
    simdisk_free(&d);
}

static void
test_failed_sync(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_metastore *m = NULL;
    struct vrv_err e = { 0 };

    IS(vrv_metalog_open(&m, simdisk_vfs(d), "meta", NULL, NULL), 0, "open");
    simdisk_fail(d, 2, SIM_EIO, false);
    IS(metatest_put(m, "a", "1"), VRV_E_UNKNOWN, "a sync that fails leaves the outcome unknown");
    uint64_t ops = simdisk_ops(d);
    IS(metatest_put(m, "b", "1"), VRV_E_STOPPED, "then the store has stopped");
    char *text = metatest_dump(m, "");
    IS_STR(text, "stopped after a failed sync; open again to recover\n", "for reading too");
    free(text);
    IS(vrv_meta_step(m, &e), VRV_E_STOPPED, "each step says so");
    OK(strstr(e.msg, "has stopped") != NULL, "with the reason: %s", e.msg);
    IS(simdisk_ops(d), ops, "and the disk isn't touched");
    vrv_meta_close(&m);
    simdisk_free(&d);
}

int
main(void)
{
    test_full_disk();
    test_failed_sync();
    test_crashes();
    test_faults();
    return tap_done();
}
