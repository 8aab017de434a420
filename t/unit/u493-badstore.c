/*
 * Everything that an S3 server can do to a cold tier, each fault with each kind of request: nothing is lost,
 * nothing comes back wrong, a minute after S3 is well again all is as before, and in the end nothing is left there
 * that shouldn't be (t/lib/badstore.h says what is looked at meanwhile).
 *
 * A sample by seed; with VARVE_SAMPLE or VARVE_LONG each cell once.  VARVE_SEED: which one, and what happens in
 * it; VARVE_RUNS: how often each cell; VARVE_CELL="PUT ERROR": this one alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rand.h"
#include "t/lib/badstore.h"
#include "t/lib/names.h"
#include "t/lib/tap.h"
#include "t/lib/testcert.h"

enum {
    S = 1000,
    WARM_MS = 115 * S,     /* uploads that nobody ends are removed behind it, in the middle of the trouble */
    ALL_MS = 12 * S,       /* all such requests suffer, */
    SOME_MS = 40 * S,      /* then some */
    BACK_MS = 60 * S,
    CLEAN_MS = 4 * BADSTORE_ORPHAN_MS,
    SAMPLE = 12,
    CELLS = (int)S3_OPS * (int)S3_FAULTS,
};

static const char *const ops[] = {
#define NAME(name) #name,
    FAKES3_OPS(NAME)
};
static const char *const faults[] = {
    FAKES3_FAULTS(NAME)
#undef NAME
};

static uint64_t seed;
static const char *dir;

/* ---- one cell ---- */

struct result {
    unsigned wrong;
    uint64_t struck;
    int64_t back_ms; /* how long it took until all was as before; -1: longer */
};

static void
warm_up(struct badstore *b)
{
    badstore_leave_uploads(b, 3);
    b->appends = true;
    badstore_pass(b, 45 * S);
    badstore_extra_topic(b);
    b->appends = false;
    badstore_pass(b, WARM_MS - 45 * S);
}

static void
trouble(struct badstore *b, enum fakes3_op op, enum fakes3_fault fault, struct vrv_rand *rand)
{
    uint64_t when = vrv_rand_below(rand, 4);

    b->appends = b->may_fail = true;
    fakes3_fault(b->s3, op, fault, 100);
    badstore_delete_extra(b);
    badstore_delete_records(b, 2, b->log[2].end / 2);
    badstore_pass(b, ALL_MS);
    if (when == 0)
        badstore_crash(b);
    fakes3_fault(b->s3, op, fault, 40);
    badstore_pass(b, SOME_MS / 2);
    if (when == 1)
        badstore_crash(b);
    badstore_pass(b, SOME_MS / 2);
    /* what is asked for seldom may have been spared */
    for (int i = 0; i < 10 && fakes3_struck(b->s3, fault) == 0; i++)
        badstore_pass(b, SOME_MS);
}

/* With S3 well again, and what it still has to say about what was asked before. */
static int64_t
come_back(struct badstore *b)
{
    int64_t healed_ns = badstore_now_ns(b), ms = 0;

    fakes3_heal(b->s3);
    b->appends = false;
    while (ms < BACK_MS && !badstore_is_at_rest(b, healed_ns)) {
        badstore_pass(b, S);
        ms += S;
    }
    b->may_fail = false;
    if (badstore_is_at_rest(b, healed_ns))
        return ms;
    badstore_wrong(b, "a minute later it isn't as before", 0, 0);
    return -1;
}

static void
settle(struct badstore *b)
{
    b->calm = true;
    badstore_pass(b, CLEAN_MS);
    if (!badstore_is_clean(b))
        badstore_wrong(b, "something was left in the store", 0, 0);
    if (!badstore_scrub(b))
        badstore_wrong(b, "a scrub finds something", 0, 0);
}

/* An alert of TLS is one over TLS. */
static const char *
tls_file(enum fakes3_fault fault, const char *suffix)
{
    static char path[2][1024];
    char *out = path[strcmp(suffix, "key") == 0];

    if (fault != S3_FAULT_ALERT)
        return NULL;
    (void)snprintf(out, sizeof(path[0]), "%s/s3.%s", dir, suffix);
    return out;
}

static struct result
cell(int number, uint64_t run)
{
    enum fakes3_op op = (enum fakes3_op)(number / (int)S3_FAULTS);
    enum fakes3_fault fault = (enum fakes3_fault)(number % (int)S3_FAULTS);
    struct vrv_rand rand = { (seed + run) * CELLS + (uint64_t)number };
    struct result r;
    struct badstore b;

    badstore_begin(&b, vrv_rand_next(&rand), dir, tls_file(fault, "crt"), tls_file(fault, "key"));
    warm_up(&b);
    trouble(&b, op, fault, &rand);
    r.struck = fakes3_struck(b.s3, fault);
    r.back_ms = come_back(&b);
    if (b.wrong == 0)
        settle(&b);
    badstore_end(&b);
    r.wrong = b.wrong;
    if (r.struck == 0)
        tap_note("%s never suffered %s", ops[op], faults[fault]);
    if (r.wrong > 0)
        tap_note("that was VARVE_CELL=\"%s %s\" VARVE_SEED=%" PRIu64, ops[op], faults[fault], seed + run);
    return r;
}

/* ---- all of them ---- */

/* What the store never asks for can't suffer. */
static bool
makes_sense(int number)
{
    enum fakes3_op op = (enum fakes3_op)(number / (int)S3_FAULTS);

    return op != S3_DELETE && op != S3_BUCKET &&
        fakes3_has(op, (enum fakes3_fault)(number % (int)S3_FAULTS));
}

static bool
is_wanted(int number, const char *cell)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%s %s", ops[number / (int)S3_FAULTS],
        faults[number % (int)S3_FAULTS]);
    return cell == NULL || strcmp(cell, name) == 0;
}

static void
test_matrix(bool all)
{
    uint64_t runs = tap_number("VARVE_RUNS", 1), struck = 0;
    unsigned cells = 0, bad = 0, spared = 0;
    int64_t slowest = 0;
    struct vrv_rand rand = { seed };

    testcert_make(dir, "s3", "DNS:" NAMES_STORE, 7);
    for (int i = 0; i < CELLS; i++) {
        if (!makes_sense(i) || !is_wanted(i, getenv("VARVE_CELL")) ||
            (!all && vrv_rand_below(&rand, CELLS) >= SAMPLE))
            continue;
        for (uint64_t k = 0; k < runs; k++) {
            struct result r = cell(i, k);

            cells++;
            bad += r.wrong > 0;
            struck += r.struck;
            spared += r.struck == 0;
            slowest = r.back_ms > slowest ? r.back_ms : slowest;
        }
    }
    IS(bad, 0, "nothing lost, nothing wrong, nothing left, whatever S3 does");
    IS(spared, 0, "it did something each time");
    tap_note("%u cells of requests and faults from seed %" PRIu64 ", %" PRIu64
        " requests suffered; all was as before after %" PRId64 " s at most", cells, seed, struck,
        slowest / S);
}

/* ---- how much is asked for ---- */

static const enum fakes3_fault usual[] = { S3_FAULT_REQUEST_LOST, S3_FAULT_ANSWER_LOST, S3_FAULT_SLOW_DOWN,
    S3_FAULT_TOO_MANY, S3_FAULT_ERROR, S3_FAULT_ERROR_DONE, S3_FAULT_TIMEOUT, S3_FAULT_CUT, S3_FAULT_LATE,
    S3_FAULT_SILENT };

static uint64_t
requests(bool suffers)
{
    struct badstore b;

    badstore_begin(&b, seed, dir, NULL, NULL);
    b.appends = true;
    for (size_t i = 0; suffers && i < sizeof(usual) / sizeof(usual[0]); i++)
        for (int op = 0; op < (int)S3_OPS; op++)
            fakes3_fault(b.s3, (enum fakes3_op)op, usual[i], 1);
    b.may_fail = suffers;
    badstore_pass(&b, 240 * S);
    (void)come_back(&b);
    uint64_t n = badstore_requests(&b);
    settle(&b);
    badstore_end(&b);
    IS(b.wrong, 0, "nothing goes wrong");
    return n;
}

static void
test_requests(void)
{
    uint64_t ideal = requests(false), n = requests(true);

    OK(2 * n <= 3 * ideal, "where a tenth fails half as many more are sent at most: %" PRIu64
        " for %" PRIu64, n, ideal);
}

int
main(void)
{
    bool all = getenv("VARVE_LONG") != NULL || getenv("VARVE_SAMPLE") != NULL ||
        getenv("VARVE_CELL") != NULL;

    seed = tap_number("VARVE_SEED", 1);
    dir = tap_dir();
    test_matrix(all);
    if (getenv("VARVE_CELL") == NULL)
        test_requests();
    return tap_done();
}
