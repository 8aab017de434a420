/* A store has one owner, who knows itself again and is told when another one took over. */
#include "tiering/daemon/owner.h"

#include <stdlib.h>
#include <string.h>

#include "t/lib/ownerrig.h"
#include "t/lib/tap.h"

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
    test_ends();
    return tap_done();
}
