/* What a store's owner leaves there, so that it can be made anew: a marker when something has changed, and now and then
 * one all the same, each of which can be relied on. */
#include "tiering/daemon/owner.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/ownerrig.h"
#include "t/lib/tap.h"

static struct server a;

/* The store is its own, and has its first marker. */
static void
begin_owned(void)
{
    begin(1);
    up(&a, "A", 1);
    pass(&a, 1000);
}

static void
end_all(void)
{
    gone(&a);
    end();
}

static void
test_marks(void)
{
    struct vrv_marker m;
    uint8_t *bytes = NULL;

    begin_owned();
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
    end_all();
}

/* A server that starts reads its groups first: for a minute that is no failure. */
static void
test_loading(void)
{
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
    end_all();

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
    end_all();
}

/* A store that was told no checksum can keep what it likes (HDFS): no marker is believed that wasn't asked for. */
static void
test_damaged(void)
{
    struct vrv_marker m;
    uint8_t *bytes = NULL;

    begin_owned();
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
    end_all();
}

/* An hour in which no marker can be relied on; the most that there were of them. */
static size_t
bad_hour(uint64_t *tries)
{
    uint64_t before = fakestore_attempts(fake, VRV_STORE_PUT);
    size_t most = 0;

    for (int i = 0; i < 3600; i++) {
        offset++;
        pass(&a, 1000);
        size_t n = fakestore_count(fake, "marker/");
        most = n > most ? n : most;
    }
    *tries = fakestore_attempts(fake, VRV_STORE_PUT) - before;
    return most;
}

static void
test_pile(void)
{
    uint64_t tries;

    begin_owned();
    fakestore_damage(fake, "marker/");
    IS(bad_hour(&tries), 2, "a store that damages all markers for an hour never has more than one that is damaged");
    OK(tries > 30 && tries <= 70, "... and is given no more of them than when all is well: %d", (int)tries);
    fakestore_damage(fake, NULL);
    pass(&a, 3 * MINUTE_MS);
    OK(a.owner.err.code == 0 && a.owner.doubt_n == 0, "then all is well");

    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_DENIED, 100);
    size_t had = fakestore_count(fake, "marker/");
    OK(bad_hour(&tries) <= had + 2, "one that tells nothing of them has two that may be whole");
    OK(fakestore_count(fake, "marker/") > had, "... of which the newest stays: it may be the best there is");
    fakestore_heal(fake);
    pass(&a, 3 * MINUTE_MS);
    OK(a.owner.err.code == 0 && a.owner.doubt_n == 0, "then all is well");

    fakestore_damage(fake, "marker/");
    fakestore_fault(fake, VRV_STORE_DELETE, FAKE_DENIED, 100);
    OK(bad_hour(&tries) <= 75, "one that damages them and deletes nothing has as many as tries: %d", (int)tries);
    fakestore_heal(fake);
    fakestore_damage(fake, NULL);
    pass(&a, 3 * MINUTE_MS);
    IS(fakestore_count(fake, "marker/"), 3, "... until it deletes: then they go as old ones do");
    end_all();
}

static int64_t
now_ms(void)
{
    return atomic_load(&clock_.mono_ns) / 1000000;
}

static void
until(int64_t ms)
{
    while (now_ms() < ms)
        pass(&a, 50);
}

/* The store takes as long as a round may, at both ends of a time in which nothing changes. */
static void
test_slow(void)
{
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
    until(from + round_ms - 10000);
    fakestore_heal(fake);
    pass(&a, 9000);
    VRV_ASSERT(a.owner.marked_ms > 0 && newest(&m, &bytes));
    pass(&a, IDLE_MS - 10000);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_HANGS, 100);
    while (!vrv_owner_is_busy(&a.owner))
        pass(&a, 50);
    from = now_ms();
    until(from + round_ms - 10000);
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
    until(from + round_ms - 10000);
    fakestore_heal(fake);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    until(from + round_ms + 2000);
    IS(a.owner.failures, 1, "all that is asked for a marker takes no longer than that, or fails: %s", a.owner.err.msg);
    fakestore_heal(fake);
    round_ms = 10000;
    end_all();
}

/* More than a marker takes: it is said, and the one before stays. */
static void
test_too_much(void)
{
    struct vrv_rand r = { 1 };

    begin_owned();
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
    end_all();
}

/* What was written last counts, whatever the clock says. */
static void
test_clock_set_back(void)
{
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
    end_all();
}

int
main(void)
{
    test_marks();
    test_loading();
    test_damaged();
    test_pile();
    test_slow();
    test_too_much();
    test_clock_set_back();
    return tap_done();
}
