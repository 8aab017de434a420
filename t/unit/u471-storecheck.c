/* varve store check, over stores with one flaw each: the check that is about it says so and what it means, the
 * others hold, and nothing stays behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "t/lib/fakestore.h"
#include "t/lib/tap.h"
#include "tiering/check/check.h"

enum flaw {
    NONE,
    TWO_WIN,        /* some of those who write only if there is none replace what is there */
    NEVER_ABSENT,   /* all of them do */
    WINNER_LIES,    /* who is told that he won didn't */
    BUSY_RACE,      /* nobody hears what became of his write */
    NO_RANGES,      /* the object's first bytes, whatever is asked for */
    ANY_SUM,        /* whatever it should be, it is */
    ONE_CASE,       /* small letters only */
    KEEPS,          /* what is deleted stays */
    DENIES_DELETE,
    FULL,
    UNORDERED, FOREIGN_NAMES, LATE_NAMES,
    WRONG_BYTES, FINDS_ALL, LOSES,
    KEEPS_ABORTED,
    CLOCK_FAST, CLOCK_FAR,
};

/* All calls go to the one below, one at a time. */
static struct {
    struct vrv_store store;
    enum flaw flaw;
    unsigned puts, lists;
} flawed;
static struct simclock clock_;
static struct fakestore *fake;

static int
below(struct vrv_store_call *c)
{
    struct vrv_store *s = fakestore_store(fake);
    struct vrv_store_call copy = *c;
    struct vrv_cq cq;

    (void)vrv_cq_init(&cq, 0);
    copy.done = (struct vrv_done){ .cq = &cq };
    vrv_store_submit(s, &copy);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_store_step(s);
    vrv_cq_fini(&cq);
    copy.done = c->done;
    *c = copy;
    return c->status;
}

static void
delete_below(const char *key)
{
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .keys = &key, .max = 1,
        .deadline_ns = INT64_MAX };

    (void)below(&c);
}

static int
put(struct vrv_store_call *c)
{
    bool races = strstr(c->key, "/race/") != NULL;
    bool replaces = (flawed.flaw == TWO_WIN && races && ++flawed.puts % 5 == 0) ||
        flawed.flaw == NEVER_ABSENT;

    if (flawed.flaw == FULL)
        return c->status = vrv_err_set(&c->err, VRV_E_NOSPACE, "the store is full");
    if (c->if_absent && replaces)
        delete_below(c->key);
    if (below(c) == VRV_E_EXISTS && flawed.flaw == WINNER_LIES && races && ++flawed.puts == 1)
        return c->status = 0;
    if (flawed.flaw == BUSY_RACE && races)
        return c->status = vrv_err_set(&c->err, VRV_E_UNKNOWN, "hung up");
    return c->status;
}

static int
get(struct vrv_store_call *c)
{
    uint64_t pos = c->pos;

    if (flawed.flaw == LOSES && strstr(c->key, "/read") != NULL)
        return c->status = vrv_err_set(&c->err, VRV_E_NOTFOUND, "not there");
    if (flawed.flaw == NO_RANGES && strstr(c->key, "/ranges") != NULL)
        c->pos = 0;
    (void)below(c);
    c->pos = pos;
    if (flawed.flaw == WRONG_BYTES && c->got > 100)
        c->buf[100] ^= 1;
    if (flawed.flaw == FINDS_ALL && c->status == VRV_E_NOTFOUND)
        c->status = 0;
    return c->status;
}

static int
list(struct vrv_store_call *c)
{
    char prefix[7] = "check/";
    const char *key = c->key;

    if (flawed.flaw == FOREIGN_NAMES)
        c->key = prefix;
    (void)below(c);
    c->key = key;
    if (flawed.flaw == UNORDERED && c->got > 2) {
        struct vrv_store_name name = c->names[1];

        c->names[1] = c->names[0];
        c->names[0] = name;
    }
    if (flawed.flaw == LATE_NAMES && ++flawed.lists < 10 && c->got > 0) {
        free(c->names[--c->got].key);
        c->more = false;
    }
    int64_t now = clock_.clock.wall_ms(&clock_.clock);
    c->store_ms = flawed.flaw == CLOCK_FAST ? now + 60000 : flawed.flaw == CLOCK_FAR ? now - 600000 : now;
    return c->status;
}

/* In small letters; it lives as long as the test. */
static const char *
lower(const char *key)
{
    static char *all[1000];
    static unsigned n;
    char *copy = vrv_mem_strdup(key);

    free(all[n % 1000]);
    all[n++ % 1000] = copy;
    for (char *p = copy; *p != '\0'; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    return copy;
}

static int
do_call(struct vrv_store_call *c)
{
    if (flawed.flaw == ONE_CASE && c->key != NULL)
        c->key = lower(c->key);
    switch (c->op) {
    case VRV_STORE_PUT:
        return put(c);
    case VRV_STORE_GET:
        return get(c);
    case VRV_STORE_LIST:
        return list(c);
    case VRV_STORE_VERIFY:
        return below(c) == VRV_E_CORRUPT && flawed.flaw == ANY_SUM ? (c->status = 0) : c->status;
    case VRV_STORE_DELETE:
        if (flawed.flaw == DENIES_DELETE)
            return c->status = vrv_err_set(&c->err, VRV_E_DENIED, "not allowed: grant s3:DeleteObject");
        return flawed.flaw == KEEPS ? (c->status = 0) : below(c);
    case VRV_STORE_ABORT:
        if (flawed.flaw == KEEPS_ABORTED) {
            c->op = VRV_STORE_END;
            c->size = 1 << 20;
            (void)below(c);
            c->op = VRV_STORE_ABORT;
        }
        return below(c);
    default:
        return below(c);
    }
}

static void
submit(struct vrv_store *s, struct vrv_store_call *c)
{
    (void)s;
    (void)do_call(c);
    vrv_cq_post(c->done.cq, &c->done, &c->done);
}

static void
upload_free(struct vrv_store *s, struct vrv_store_upload *u)
{
    (void)s;
    vrv_store_upload_free(fakestore_store(fake), &u);
}

static bool
step(struct vrv_store *s)
{
    (void)s;
    return false;
}

static const struct vrv_store_ops ops = { .submit = submit, .step = step, .upload_free = upload_free };

/* ---- a run ---- */

static char failed[200], noted[200], said[2000];
static unsigned lines, ends_at, stop_n;
static uint64_t told_done, told_total, told_well; /* how far it is, and how many came to their end */

static bool
stops(void *ctx)
{
    (void)ctx;
    return ends_at > 0 && ++stop_n >= ends_at;
}

static void
progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    if (done != 0 && (done <= told_done || done > total || total != told_total))
        tap_bail("%llu of %llu bytes after %llu", (unsigned long long)done, (unsigned long long)total,
            (unsigned long long)told_done);
    told_done = done;
    told_total = total;
    told_well += done == total;
}

static void
line(void *ctx, const struct vrv_check_line *l)
{
    char *to = l->result == VRV_CHECK_FAILED ? failed : l->result == VRV_CHECK_NOTE ? noted : NULL;

    (void)ctx;
    lines++;
    if (l->text[0] == '\0')
        tap_note("%s says nothing", l->name);
    if (to == NULL)
        return;
    (void)snprintf(to + strlen(to), sizeof(failed) - strlen(to), "%s;", l->name);
    (void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s", l->text);
}

static int
check(enum flaw flaw, struct vrv_check_counts *counts)
{
    struct vrv_err e;

    failed[0] = noted[0] = said[0] = '\0';
    told_well = 0;
    lines = stop_n = flawed.puts = flawed.lists = 0;
    flawed.flaw = flaw;
    flawed.store = (struct vrv_store){ .ops = &ops, .caps = { .kind = "flawed" } };
    simclock_init(&clock_, 1700000000000);
    fake = fakestore_new(&clock_, 1);
    int rc = vrv_check(&(struct vrv_check_opts){ .store = &flawed.store, .clock = &clock_.clock, .random = 5,
        .call_ms = 1000, .rounds = 5, .writers = 8, .load_bytes = 20 << 20, .line = line,
        .progress = progress, .stops = stops }, counts, &e);
    return rc;
}

static void
expect(enum flaw flaw, int rc, const char *fails, const char *notes, const char *words)
{
    struct vrv_check_counts n;

    IS(check(flaw, &n), rc, "a store with flaw %d", (int)flaw);
    IS_STR(failed, fails, "... is found to have it");
    IS_STR(noted, notes, "... and no other");
    OK(strstr(said, words) != NULL, "... and told: %s", said);
    IS(n.ok + n.notes + n.failed, lines, "... each check in a line");
    if (flaw != KEEPS && flaw != DENIES_DELETE)
        IS(fakestore_objects(fake) + fakestore_uploads(fake), 0, "... of which nothing stays behind");
    fakestore_free(&fake);
}

/* What moves many bytes tells how far it is, to its end: two checks do. */
static void
test_progress(void)
{
    struct vrv_check_counts n;

    IS(check(NONE, &n), 0, "a store that is well");
    IS((int64_t)told_well, 2, "... has all bytes in the end");
    IS((int64_t)told_total, 2 * (20 << 20), "... those of the load twice");
    fakestore_free(&fake);
}

static void
test_interrupted(void)
{
    struct vrv_check_counts n;

    for (ends_at = 1; check(NONE, &n) == VRV_E_CANCELLED; ends_at++) {
        OK(n.interrupted && n.failed == 0, "interrupted the %u-th time that somebody may", ends_at);
        IS(fakestore_objects(fake) + fakestore_uploads(fake), 0, "... nothing stays behind");
        fakestore_free(&fake);
    }
    OK(ends_at > 40, "in each check, and within the long ones");
    fakestore_free(&fake);
    ends_at = 0;
}

int
main(void)
{
    expect(NONE, 0, "", "", "");
    expect(TWO_WIN, VRV_E_CORRUPT, "race;", "", "two servers could both believe that it is theirs");
    expect(NEVER_ABSENT, VRV_E_CORRUPT, "if absent;race;", "", "If-None-Match");
    expect(WINNER_LIES, VRV_E_CORRUPT, "race;", "", "up to 2 were told that they won");
    expect(BUSY_RACE, 0, "", "race;", "try again");
    expect(NO_RANGES, VRV_E_CORRUPT, "ranges;", "", "doesn't know ranges");
    expect(ANY_SUM, VRV_E_CORRUPT, "checksums;", "", "damage would not be found");
    expect(ONE_CASE, VRV_E_EXISTS, "names;", "", "n/upper");
    expect(KEEPS, VRV_E_CORRUPT, "deletes;", "clean-up;", "a cache lies between");
    expect(DENIES_DELETE, VRV_E_DENIED, "deletes;clean-up;", "", "delete it yourself");
    expect(FULL, VRV_E_NOSPACE, "writes;", "", "the store is full");
    expect(UNORDERED, VRV_E_CORRUPT, "lists;", "", "in the order of their bytes");
    expect(FOREIGN_NAMES, VRV_E_CORRUPT, "lists;", "", "isn't its own");
    expect(LATE_NAMES, 0, "", "lists;", "were listed at once, 25 in the end");
    expect(WRONG_BYTES, VRV_E_CORRUPT, "reads;if absent;ranges;names;throughput;", "", "changes them");
    expect(FINDS_ALL, VRV_E_CORRUPT, "reads;deletes;", "", "what isn't there can be read");
    expect(LOSES, VRV_E_CORRUPT, "reads;", "", "shows it later");
    expect(KEEPS_ABORTED, VRV_E_CORRUPT, "parts;", "", "half of a segment");
    expect(CLOCK_FAST, 0, "", "clock;", "60 s ahead");
    expect(CLOCK_FAR, 0, "", "clock;", " s behind");
    test_progress();
    test_interrupted();
    return tap_done();
}
