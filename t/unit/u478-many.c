/*
 * What the upkeep of many partitions costs: requests of the store, and time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/scrub/known.h"
#include "tiering/tier_int.h"

enum { MANY = 300, SMALL_PARTS = 500, LARGE_PARTS = 5, LARGE = 1500 };

static size_t
objects(void)
{
    return fakestore_count(fake, "d/") + fakestore_count(fake, "m/");
}

/* Each partition of a topic has a segment in the store. */
static void
fill(const char *topic)
{
    for (int32_t i = 0; i < 2 * MANY; i++) {
        if (i % 20 == 0)
            VRV_ASSERT(rig_checkpoint(&rig));
        if (rig_put_batch(&rig, rig_log(&rig, topic, i / 2), &(struct rig_batch){ .size = 400 }) < 0)
            OK(false, "an append: %s", rig.e.msg);
    }
    for (int i = 0; i < 3; i++)
        VRV_ASSERT(rig_checkpoint(&rig));
    for (int i = 0; i < 200 && fakestore_count(fake, "d/") < MANY; i++)
        pass(1000);
}

static void
test_purge(void)
{
    int seconds = 0;

    moves_at_once = 50;
    sweep_every_ms = 1000 * (int64_t)MINUTE_MS;
    begin(1);
    rig_topic(&rig, "t", MANY, "segment.bytes=700 remote.storage.enable=true retention.ms=-1 local.retention.ms=0");
    fill("t");
    IS(fakestore_count(fake, "d/"), MANY, "a topic has something in the store of each of %d partitions", MANY);
    IS(vrv_engine_delete_topic(rig.eng, "t", &rig.e), 0, "it is deleted");
    pass(MINUTE_MS);
    for (; seconds < 3600 && objects() > 0; seconds++)
        pass(1000);
    OK(seconds < 60, "all of it is gone in %d s, not partition by partition, one a second", seconds);
    for (; seconds < 3600 && tier->tended.n > 0; seconds++)
        pass(1000);
    OK(seconds < 180, "... and forgotten after %d s, when what came late would be there", seconds);
    end();
}

static void
put_name(struct vrv_sync *s, const char *key)
{
    struct vrv_err e;

    if (vrv_sync_put(s, key, "x", 1, false, &e) < 0)
        OK(false, "%s: %s", key, e.msg);
}

/* Names as partitions leave them: few of some, many of others, and one that is none. */
static void
put_names(struct vrv_sync *s)
{
    struct vrv_log_id id = { .partition = 0 };
    char key[VRV_STORE_KEY_MAX + 1], prefix[VRV_STORE_KEY_MAX + 1];

    for (int p = 0; p < SMALL_PARTS + LARGE_PARTS; p++) {
        id.topic.b[0] = (uint8_t)(p % 7);
        id.partition = p;
        vrv_parts_prefix(&id, 'm', prefix);
        for (int i = 0; i < (p < SMALL_PARTS ? 3 : LARGE); i++) {
            (void)snprintf(key, sizeof(key), "%.400s%020d", prefix, i);
            put_name(s, key);
        }
    }
    put_name(s, "m/foreign");
}

static void
count_one(void *ctx, const char *key)
{
    (void)key;
    (*(int *)ctx)++;
}

static void
test_known(void)
{
    struct simclock clock;
    struct vrv_sync s;
    struct vrv_known known = { .n = 0 };
    struct vrv_known_parts parts;
    struct vrv_err e;
    int foreign = 0;

    simclock_init(&clock, 1700000000000);
    fake = fakestore_new(&clock, 1);
    vrv_sync_init(&s, fakestore_store(fake), &clock.clock, 1, 30000);
    put_names(&s);
    uint64_t before = fakestore_attempts(fake, VRV_STORE_LIST);
    IS(vrv_known_partitions(&s, &known, &parts, count_one, &foreign, &e), 0, "a store is looked through");
    uint64_t lists = fakestore_attempts(fake, VRV_STORE_LIST) - before;
    IS(parts.n, SMALL_PARTS + LARGE_PARTS, "all its partitions are found");
    IS(foreign, 1, "... and what is none");
    OK(lists < SMALL_PARTS / 4, "... with %" PRIu64 " lists, not one for each", lists);
    free(parts.v);
    vrv_sync_fini(&s);
    fakestore_free(&fake);
}

int
main(void)
{
    test_purge();
    test_known();
    return tap_done();
}
