/* A store has one owner, who knows itself again and is told when another one took over; and leaves there what
 * is needed to be made anew. */
#include "tiering/daemon/owner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/metalog.h"
#include "t/lib/fakestore.h"
#include "t/lib/simclock.h"
#include "t/lib/simdisk.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"

enum { MINUTE_MS = 60000, IDLE_MS = 600000 };

static struct simclock clock_;
static struct fakestore *fake;
static struct storesuite suite;

/* A server, as far as this knows it. */
struct server {
    struct simdisk *disk;
    struct vrv_metastore *meta;
    struct vrv_catalog *catalog;
    struct vrv_cq cq;
    struct vrv_retry *retry;
    struct vrv_owner owner;
};

static uint8_t offset = '7', *value = &offset; /* of the group */
static uint32_t value_n = 1;

static unsigned loading; /* so often groups are still read */
static unsigned asked;

static int
records(void *ctx, struct vrv_marker *m, struct vrv_err *e)
{
    (void)ctx;
    asked++;
    if (loading > 0) {
        loading--;
        return vrv_err_set(e, VRV_E_AGAIN, "groups are still loading");
    }
    m->record = VRV_NEW(struct vrv_marker_record);
    *m->record = (struct vrv_marker_record){ (const uint8_t *)"group", value, 5, value_n };
    m->record_n = 1;
    return 0;
}

static int64_t round_ms = 10000;
static int foreigns;

static void
foreign(void *ctx, const struct vrv_err *e)
{
    (void)ctx;
    foreigns += e->code != 0;
}

static void
up(struct server *s, const char *cluster, uint64_t seed)
{
    int rc = vrv_cq_init(&s->cq, 0);

    VRV_ASSERT(rc == 0);
    if (s->disk == NULL) {
        s->disk = simdisk_new(seed);
        rc = vrv_metalog_open(&s->meta, simdisk_vfs(s->disk), "meta", NULL, NULL);
        VRV_ASSERT(rc == 0);
        rc = vrv_catalog_open(&s->catalog, s->meta, NULL);
        VRV_ASSERT(rc == 0);
    }
    s->retry = vrv_retry_new(&(struct vrv_retry_opts){ .store = fakestore_store(fake),
        .clock = &clock_.clock, .cq = &s->cq, .random = seed, .base_ms = 100, .most_ms = 1000,
        .attempt_ms = { 1000, 1000, 1000 } });
    vrv_owner_init(&s->owner, &(struct vrv_owner_opts){ .retry = s->retry, .cq = &s->cq,
        .clock = &clock_.clock, .random = seed, .cluster = cluster, .round_ms = round_ms,
        .every_ms = MINUTE_MS, .idle_ms = IDLE_MS, .keeps = 3, .records = records,
        .foreign = foreign });
    vrv_owner_attach(&s->owner, s->catalog);
}

static void
pass(struct server *s, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 50) {
        struct vrv_done *d;
        bool more = true;

        while (more) {
            (void)vrv_owner_step(&s->owner);
            (void)vrv_retry_step(s->retry);
            more = vrv_store_step(fakestore_store(fake));
            while ((d = vrv_cq_take(&s->cq, 0)) != NULL) {
                d->run(d);
                more = true;
            }
        }
        simclock_advance_ms(&clock_, 50);
    }
}

/* As a crash would, but for what is under way. */
static void
down(struct server *s)
{
    for (int i = 0; vrv_owner_is_busy(&s->owner) && i < 100; i++)
        pass(s, 1000);
    vrv_owner_fini(&s->owner);
    vrv_retry_free(&s->retry);
    vrv_cq_fini(&s->cq);
}

static void
gone(struct server *s)
{
    down(s);
    vrv_catalog_close(&s->catalog);
    vrv_meta_close(&s->meta);
    simdisk_free(&s->disk);
}

static void
begin(uint64_t seed)
{
    simclock_init(&clock_, 1700000000000);
    fake = fakestore_new(&clock_, seed);
    suite = (struct storesuite){ .store = fakestore_store(fake), .prefix = "x/" };
    (void)vrv_cq_init(&suite.cq, 0);
}

static void
end(void)
{
    vrv_cq_fini(&suite.cq);
    fakestore_free(&fake);
}

/* The newest marker; to be freed with its bytes. */
static bool
newest(struct vrv_marker *m, uint8_t **bytes)
{
    struct vrv_store_call list = storesuite_call(&suite, VRV_STORE_LIST, "marker/");
    struct vrv_err e;

    list.max = 100;
    if (storesuite_do(&suite, &list) < 0 || list.got == 0)
        return false;
    struct vrv_store_call get = storesuite_call(&suite, VRV_STORE_GET, list.names[list.got - 1].key);
    get.size = list.names[list.got - 1].size;
    get.buf = *bytes = vrv_mem_zero(get.size);
    bool ok = storesuite_do(&suite, &get) == 0 && vrv_marker_read(m, *bytes, get.got, &e) == 0;
    vrv_store_names_free(&list);
    return ok;
}

/* ---- tests ---- */

static void
test_claims(void)
{
    struct server a = { .disk = NULL }, b = { .disk = NULL };

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    IS(a.owner.state, VRV_OWNER_OWNS, "an empty store is who comes first's");
    IS(fakestore_count(fake, "owner/"), 1, "who says so there");
    up(&b, "B", 2);
    pass(&b, 1000);
    IS(b.owner.state, VRV_OWNER_FOREIGN, "the next one is refused: %s", b.owner.err.msg);
    OK(strstr(b.owner.err.msg, "cluster A") != NULL, "... by name");
    down(&a);
    up(&a, "A", 3);
    pass(&a, 1000);
    IS(a.owner.state, VRV_OWNER_OWNS, "the owner knows itself again");
    IS(fakestore_count(fake, "owner/"), 1, "and says nothing twice");
    gone(&a);
    gone(&b);
    end();
}

/* A bucket of another name, a file system that isn't mounted: what goes there is missing in the right one. */
static void
test_another_store(void)
{
    struct server a = { .disk = NULL };

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    down(&a);
    struct fakestore *right = fake;
    fake = fakestore_new(&clock_, 2);
    up(&a, "A", 2);
    pass(&a, 10 * MINUTE_MS);
    OK(a.owner.state != VRV_OWNER_OWNS, "a server finds another store where its own should be");
    OK(strstr(a.owner.err.msg, "owner/00000000000000000001, which this server wrote, isn't there") != NULL &&
        strstr(a.owner.err.msg, "tier.store.url") != NULL, "... and says so: %s", a.owner.err.msg);
    IS(fakestore_count(fake, ""), 0, "nothing is written there");
    down(&a);
    fakestore_free(&fake);
    fake = right;
    up(&a, "A", 3);
    pass(&a, MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_OWNS, "with its own it goes on");
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    down(&a);
    up(&a, "A", 4);
    pass(&a, MINUTE_MS);
    OK(a.owner.state != VRV_OWNER_OWNS, "one that has nothing for a while");
    fakestore_heal(fake);
    pass(&a, MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_OWNS, "... is its own again by itself");
    foreigns = 0;
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    pass(&a, 3 * MINUTE_MS);
    OK(a.owner.state != VRV_OWNER_OWNS, "a store that is emptied while it is used isn't used any more");
    IS(foreigns, 1, "... which is told once");
    fakestore_heal(fake);
    pass(&a, MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_OWNS, "... until it is as it was");
    gone(&a);
    end();
}

/* Another object in its place, as nobody but who wrote it should be able to. */
static void
spoil_owner(uint64_t number)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_store_call c = storesuite_call(&suite, VRV_STORE_DELETE, NULL);

    vrv_owner_key(number, key);
    c.keys = &(const char *){ key };
    c.max = 1;
    IS(storesuite_do(&suite, &c), 0, "an owner's file goes");
    IS(storesuite_put(&suite, key, "damaged", 7), 0, "... and something else is there");
}

/* A claim counts when it was read back; until then nothing else is written. */
static void
test_damaged_claim(void)
{
    struct server a = { .disk = NULL }, b = { .disk = NULL };

    begin(1);
    fakestore_damage(fake, "owner/");
    up(&a, "A", 1);
    pass(&a, 60 * MINUTE_MS);
    OK(a.owner.state == VRV_OWNER_ASKS && a.owner.err.code == VRV_E_CORRUPT, "a store that damages its owner's file has "
        "none: %s", a.owner.err.msg);
    size_t n = fakestore_count(fake, "owner/");
    OK(n > 1 && n < 70, "it is tried again, but not for ever as often: %zu times in an hour", n);
    IS(fakestore_count(fake, ""), n, "and nothing else is written there");
    up(&b, "B", 2);
    pass(&b, 10 * MINUTE_MS);
    OK(b.owner.state == VRV_OWNER_ASKS && strstr(b.owner.err.msg, "whose the store is can't be read") != NULL,
        "nobody else takes it: %s", b.owner.err.msg);
    IS(fakestore_count(fake, ""), n, "... or writes there");
    fakestore_damage(fake, NULL);
    down(&a);
    up(&a, "A", 3);
    pass(&a, 20 * MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_OWNS, "once it keeps what it is given, it has one, also after a new start");
    IS(a.owner.number, n + 1, "... by the next number");
    pass(&b, MINUTE_MS);
    IS(b.owner.state, VRV_OWNER_FOREIGN, "the other one learns whose it is: %s", b.owner.err.msg);
    gone(&a);
    gone(&b);
    end();
}

/* Damaged when it had been read for a long time. */
static void
test_damaged_later(bool taken)
{
    struct server a = { .disk = NULL };
    struct vrv_owner_file f = { .cluster = "A", .ms = 5 };
    struct vrv_marker m;
    uint8_t *bytes;
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    begin(1);
    up(&a, "A", 1);
    pass(&a, MINUTE_MS);
    spoil_owner(1);
    if (taken) {
        bytes = vrv_owner_write(&f, &n);
        vrv_owner_key(2, key);
        IS(storesuite_put(&suite, key, bytes, n), 0, "its server is made anew elsewhere");
        free(bytes);
    }
    offset++;
    pass(&a, 5 * MINUTE_MS);
    if (taken) {
        IS(a.owner.state, VRV_OWNER_FOREIGN, "then the one before is told: %s", a.owner.err.msg);
        IS(fakestore_count(fake, "owner/"), 2, "... and claims nothing");
    } else {
        OK(a.owner.state == VRV_OWNER_OWNS && a.owner.number == 2, "its owner claims the next number");
        tap_need(newest(&m, &bytes), "a marker");
        OK(m.owner == 2 && *m.record[0].value == offset, "... and goes on with its markers");
        vrv_marker_fini(&m);
        free(bytes);
        down(&a);
        up(&a, "A", 2);
        pass(&a, MINUTE_MS);
        OK(a.owner.state == VRV_OWNER_OWNS && a.owner.number == 2, "it knows itself again");
    }
    gone(&a);
    end();
}

/* Somebody was to be made anew, and his claim was damaged. */
static void
test_damaged_next(void)
{
    struct server a = { .disk = NULL };

    begin(1);
    up(&a, "A", 1);
    pass(&a, MINUTE_MS);
    IS(storesuite_put(&suite, "owner/00000000000000000002", "damaged", 7), 0, "another server has claimed the store");
    foreigns = 0;
    for (int i = 0; i < 2; i++) {
        offset++;
        pass(&a, 5 * MINUTE_MS);
        IS(a.owner.state, VRV_OWNER_ASKS, "the one before doesn't use it any more: %s", a.owner.err.msg);
        IS(foreigns, i + 1, "... which is told once");
        IS(fakestore_count(fake, ""), 3, "... and writes nothing there");
        down(&a);
        up(&a, "A", 2);
    }
    gone(&a);
    end();
}

/* Who asked, and doesn't know what came of it, doesn't know that it is its own. */
static void
test_unknown_claim(void)
{
    struct server a = { .disk = NULL };

    begin(1);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_DENIED, 100);
    up(&a, "A", 1);
    pass(&a, MINUTE_MS);
    down(&a);
    fakestore_heal(fake);
    IS(storesuite_put(&suite, "owner/00000000000000000001", "damaged", 7), 0, "another one has claimed it meanwhile");
    up(&a, "A", 2);
    pass(&a, 20 * MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_ASKS, "it may be that one's: %s", a.owner.err.msg);
    IS(fakestore_count(fake, ""), 1, "... so nothing is written there");
    gone(&a);
    end();
}

static void
test_race(void)
{
    int owners = 0, bad = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct server a = { .disk = NULL }, b = { .disk = NULL };

        begin(seed);
        for (int f = 0; f < FAKE_FAULTS; f++)
            fakestore_fault(fake, VRV_STORE_OPS, (enum fakestore_fault)f,
                (unsigned)seed % 20);
        up(&a, "A", seed);
        up(&b, "B", seed + 1000);
        for (int i = 0; i < 100; i++) {
            pass(&a, 50 * (int64_t)(1 + seed % 3));
            pass(&b, 50 * (int64_t)(1 + seed / 3 % 3));
            if (i == 20 && seed % 2 == 0) { /* it crashes, at whatever point it is */
                down(&a);
                up(&a, "A", seed + 2000);
            }
        }
        fakestore_heal(fake);
        pass(&a, 30000);
        pass(&b, 30000);
        int n = (a.owner.state == VRV_OWNER_OWNS) + (b.owner.state == VRV_OWNER_OWNS);
        owners += n;
        bad += n > 1;
        gone(&a);
        gone(&b);
        end();
    }
    IS(bad, 0, "of two that claim it at the same time, never both get it");
    IS(owners, 200, "but one does, whatever the store did meanwhile");
}

static void
test_taken_over(void)
{
    struct server a = { .disk = NULL };
    struct vrv_owner_file f = { .cluster = "A", .ms = 5 };
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    begin(1);
    foreigns = 0;
    up(&a, "A", 1);
    pass(&a, 1000);
    uint8_t *bytes = vrv_owner_write(&f, &n);
    vrv_owner_key(2, key);
    IS(storesuite_put(&suite, key, bytes, n), 0, "somebody is made anew from the store");
    free(bytes);
    pass(&a, 2 * MINUTE_MS);
    IS(a.owner.state, VRV_OWNER_FOREIGN, "the one before is told: %s", a.owner.err.msg);
    IS(foreigns, 1, "... and tells it");
    pass(&a, 10 * MINUTE_MS);
    IS(foreigns, 1, "once");
    gone(&a);
    end();
}

static void
test_marks(void)
{
    struct server a = { .disk = NULL };
    struct vrv_marker m;
    uint8_t *bytes = NULL;

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    OK(newest(&m, &bytes), "there is a marker at once");
    OK(strcmp(m.cluster, "A") == 0 && m.owner == 1 && !m.last, "it says whose it is");
    OK(m.catalog.n > 0 && m.record_n == 1 && m.record[0].key_n == 5, "and has catalog and records");
    vrv_marker_fini(&m);
    free(bytes);
    pass(&a, 3 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 1, "no other one while nothing changes");
    IS(vrv_catalog_set_configs(a.catalog, "broker/1", 0, NULL, 0, NULL), 0, "something changes");
    pass(&a, MINUTE_MS + 1000);
    IS(fakestore_count(fake, "marker/"), 2, "then there is, a minute later");
    pass(&a, IDLE_MS + 2 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 3, "now and then one all the same");
    pass(&a, 5 * IDLE_MS);
    IS(fakestore_count(fake, "marker/"), 3, "old ones go");
    vrv_owner_end(&a.owner, true);
    pass(&a, 1000);
    OK(!vrv_owner_is_busy(&a.owner), "it ends");
    OK(newest(&m, &bytes) && m.last, "with a marker that says so");
    vrv_marker_fini(&m);
    free(bytes);
    gone(&a);
    end();
}

/* A server that starts reads its groups first: for a minute that is no failure. */
static void
test_loading(void)
{
    struct server a = { .disk = NULL };
    struct vrv_marker m;
    uint8_t *bytes;
    int told = 0;

    begin(1);
    asked = 0;
    loading = 12;
    up(&a, "A", 1);
    while (asked < 12) {
        pass(&a, 50);
        told += a.owner.err.code != 0 || a.owner.unmarked.code != 0;
    }
    pass(&a, 50);
    told += a.owner.err.code != 0 || a.owner.unmarked.code != 0;
    OK(told == 0 && a.owner.failures == 0, "while groups are still loading nothing is told as a failure");
    IS(fakestore_count(fake, "marker/"), 0, "... and there is no marker, which would lack their offsets");
    pass(&a, 10000);
    tap_need(newest(&m, &bytes), "a marker");
    OK(m.record_n == 1 && a.owner.err.code == 0, "once they are there is one, a few seconds later");
    vrv_marker_fini(&m);
    free(bytes);
    gone(&a);
    end();

    begin(2);
    asked = 0;
    loading = UINT_MAX;
    up(&a, "A", 2);
    while (asked < 13)
        pass(&a, 50);
    pass(&a, 50);
    OK(a.owner.failures == 1 && strstr(a.owner.unmarked.msg, "a marker can't be written: groups are still loading") != NULL,
        "a server that never gets them says so: %s", a.owner.unmarked.msg);
    pass(&a, 5 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 0, "... and writes no marker without");
    loading = 0;
    pass(&a, 2 * MINUTE_MS);
    OK(fakestore_count(fake, "marker/") == 1 && a.owner.unmarked.code == 0, "until it has them");
    gone(&a);
    end();
}

/* A store that was told no checksum can keep what it likes (HDFS): no marker is believed that wasn't asked for. */
static void
test_damaged(void)
{
    struct server a = { .disk = NULL };
    struct vrv_marker m;
    uint8_t *bytes = NULL;

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    int64_t first = a.owner.marked_ms;
    offset++;
    fakestore_damage(fake, "marker/");
    pass(&a, 5 * MINUTE_MS);
    IS(a.owner.err.code, VRV_E_CORRUPT, "a marker that the store has damaged counts as not written: %s", a.owner.err.msg);
    OK(strstr(a.owner.err.msg, "a marker can't be written") != NULL, "... which is said");
    IS(a.owner.marked_ms, first, "the one before is the newest");
    OK(fakestore_attempts(fake, VRV_STORE_PUT) > 5, "it is tried again and again");
    OK(fakestore_count(fake, "marker/") <= 2, "... and what is damaged goes, with the next try");
    fakestore_damage(fake, NULL);
    pass(&a, 2 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 2, "... all of it");
    OK(a.owner.err.code == 0 && a.owner.marked_ms > first, "once the store keeps what it is given, there is one");
    VRV_ASSERT(newest(&m, &bytes));
    IS(*m.record[0].value, offset, "... which has what changed");
    vrv_marker_fini(&m);
    free(bytes);
    fakestore_damage(fake, "marker/");
    vrv_owner_end(&a.owner, true);
    pass(&a, 1000);
    OK(!vrv_owner_is_busy(&a.owner) && a.owner.err.code == VRV_E_CORRUPT, "a last one that is damaged holds nobody up");
    gone(&a);
    end();
}

/* An hour in which no marker can be relied on; the most that there were of them. */
static size_t
bad_hour(struct server *a, uint64_t *tries)
{
    uint64_t before = fakestore_attempts(fake, VRV_STORE_PUT);
    size_t most = 0;

    for (int i = 0; i < 3600; i++) {
        offset++;
        pass(a, 1000);
        size_t n = fakestore_count(fake, "marker/");
        most = n > most ? n : most;
    }
    *tries = fakestore_attempts(fake, VRV_STORE_PUT) - before;
    return most;
}

static void
test_pile(void)
{
    struct server a = { .disk = NULL };
    uint64_t tries;

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    fakestore_damage(fake, "marker/");
    IS(bad_hour(&a, &tries), 2, "a store that damages all markers for an hour never has more than one that is damaged");
    OK(tries > 30 && tries <= 70, "... and is given no more of them than when all is well: %d", (int)tries);
    fakestore_damage(fake, NULL);
    pass(&a, 3 * MINUTE_MS);
    OK(a.owner.err.code == 0 && a.owner.doubt_n == 0, "then all is well");

    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_DENIED, 100);
    size_t had = fakestore_count(fake, "marker/");
    OK(bad_hour(&a, &tries) <= had + 2, "one that tells nothing of them has two that may be whole");
    OK(fakestore_count(fake, "marker/") > had, "... of which the newest stays: it may be the best there is");
    fakestore_heal(fake);
    pass(&a, 3 * MINUTE_MS);
    OK(a.owner.err.code == 0 && a.owner.doubt_n == 0, "then all is well");

    fakestore_damage(fake, "marker/");
    fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
    OK(bad_hour(&a, &tries) <= 75, "one that damages them and deletes nothing has as many as tries: %d", (int)tries);
    fakestore_heal(fake);
    fakestore_damage(fake, NULL);
    pass(&a, 3 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 3, "... until it deletes: then they go as old ones do");
    gone(&a);
    end();
}

static int64_t
now_ms(void)
{
    return atomic_load(&clock_.mono_ns) / 1000000;
}

static void
until(struct server *s, int64_t ms)
{
    while (now_ms() < ms)
        pass(s, 50);
}

/* The store takes as long as a round may, at both ends of a time in which nothing changes. */
static void
test_slow(void)
{
    struct server a = { .disk = NULL };
    struct vrv_marker m;
    uint8_t *bytes = NULL;

    begin(1);
    round_ms = 5 * MINUTE_MS;
    up(&a, "A", 1);
    int64_t from = now_ms();
    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_HANGS, 100);
    while (fakestore_count(fake, "marker/") == 0)
        pass(&a, 50);
    int64_t first = now_ms();
    until(&a, from + round_ms - 10000);
    fakestore_heal(fake);
    pass(&a, 9000);
    VRV_ASSERT(a.owner.marked_ms > 0 && newest(&m, &bytes));
    pass(&a, IDLE_MS - 10000);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_HANGS, 100);
    while (!vrv_owner_is_busy(&a.owner))
        pass(&a, 50);
    from = now_ms();
    until(&a, from + round_ms - 10000);
    fakestore_heal(fake);
    while (fakestore_count(fake, "marker/") == 1)
        pass(&a, 50);
    int64_t gap = now_ms() - first;
    IS(a.owner.failures, 0, "a server whose store is as slow as it may be writes its markers");
    OK(gap > IDLE_MS + 2 * MINUTE_MS && gap < m.silent_ms, "... and is silent for %d s, which is less than the %d s that "
        "they say", (int)(gap / 1000), (int)(m.silent_ms / 1000));
    vrv_marker_fini(&m);
    free(bytes);
    pass(&a, IDLE_MS);
    offset++;
    fakestore_fault(fake, VRV_STORE_GET, FAKE_HANGS, 100);
    while (!vrv_owner_is_busy(&a.owner))
        pass(&a, 50);
    from = now_ms();
    until(&a, from + round_ms - 10000);
    fakestore_heal(fake);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    until(&a, from + round_ms + 2000);
    IS(a.owner.failures, 1, "all that is asked for a marker takes no longer than that, or fails: %s", a.owner.err.msg);
    fakestore_heal(fake);
    round_ms = 10000;
    gone(&a);
    end();
}

/* More than a marker takes: it is said, and the one before stays. */
static void
test_too_much(void)
{
    struct server a = { .disk = NULL };
    struct vrv_rand r = { 1 };

    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
    value_n = VRV_MARKER_MAX;
    value = vrv_mem_zero(value_n);
    for (uint32_t i = 0; i + 8 <= value_n; i += 8) { /* which doesn't shrink */
        uint64_t v = vrv_rand_next(&r);

        memcpy(value + i, &v, sizeof(v));
    }
    pass(&a, MINUTE_MS + 1000);
    OK(a.owner.err.code == VRV_E_TOO_LARGE && a.owner.failures > 0, "more than a marker takes is told: %s", a.owner.err.msg);
    IS(fakestore_count(fake, "marker/"), 1, "... and the one before stays");
    uint64_t failures = a.owner.failures;
    free(value);
    value = &offset;
    value_n = 1;
    pass(&a, MINUTE_MS);
    OK(a.owner.err.code == 0 && a.owner.failures == failures, "with less of it all is well");
    gone(&a);
    end();
}

/* What was written last counts, whatever the clock says. */
static void
test_clock_set_back(void)
{
    struct server a = { .disk = NULL };
    struct vrv_marker m;
    uint8_t *bytes;
    int wrong = 0;
    int64_t last = 0;

    begin(1);
    up(&a, "A", 1);
    for (int i = 0; i < 10; i++) {
        if (i == 5)
            atomic_fetch_sub(&clock_.wall_ms, 1440 * MINUTE_MS);
        offset++;
        pass(&a, 2 * MINUTE_MS);
        tap_need(newest(&m, &bytes), "a marker");
        wrong += m.ms <= last || *m.record[0].value != offset;
        last = m.ms;
        vrv_marker_fini(&m);
        free(bytes);
    }
    IS(wrong, 0, "the newest marker is the one that was written last, also after the clock was set back");
    IS(fakestore_count(fake, "marker/"), 3, "... and old ones go as before");
    gone(&a);
    end();
}

static void
test_ends(void)
{
    int late = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct server a = { .disk = NULL };

        begin(seed);
        up(&a, "A", seed);
        pass(&a, (int64_t)(seed % 7) * 50);
        fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 100);
        pass(&a, (int64_t)(seed % 5) * 40000);
        vrv_owner_end(&a.owner, true);
        pass(&a, 12000);
        late += vrv_owner_is_busy(&a.owner);
        fakestore_heal(fake);
        gone(&a);
        end();
    }
    IS(late, 0, "a store that hangs doesn't hold up who ends");
}

int
main(void)
{
    test_claims();
    test_another_store();
    test_damaged_claim();
    test_damaged_later(false);
    test_damaged_later(true);
    test_damaged_next();
    test_unknown_claim();
    test_race();
    test_taken_over();
    test_marks();
    test_loading();
    test_damaged();
    test_pile();
    test_slow();
    test_too_much();
    test_clock_set_back();
    test_ends();
    return tap_done();
}
