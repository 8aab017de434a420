/*
 * A start with many partitions in the store: what is known of them comes a little at a time, and whoever asks
 * for one of them needn't wait for the others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/parts/parts.h"
#include "tiering/tier_int.h"

enum { MANY = 400, LAST = MANY - 1 };

/* Every partition has something in the store. */
static void
fill(void)
{
    rig_topic(&rig, "t", MANY, "segment.bytes=700 remote.storage.enable=true retention.ms=-1 local.retention.ms=0");
    for (int32_t i = 0; i < 2 * MANY; i++) {
        if (i % 20 == 0)
            VRV_ASSERT(rig_checkpoint(&rig));
        if (rig_put_batch(&rig, rig_log(&rig, "t", i / 2), &(struct rig_batch){ .size = 400 }) < 0)
            OK(false, "an append: %s", rig.e.msg);
    }
    for (int i = 0; i < 3; i++)
        VRV_ASSERT(rig_checkpoint(&rig));
}

static unsigned
known(void)
{
    unsigned n = 0;

    for (int32_t i = 0; i < MANY; i++) {
        struct vrv_log_id id = { rig_log(&rig, "t", i)->id.topic, i };
        struct vrv_snap *s;

        n += vrv_parts_now(&tier->parts, &id, &s, NULL) == 0;
        vrv_snap_unref(s);
    }
    return n;
}

static int told_after;

static void
ready(void *ctx)
{
    (void)ctx;
    told_after = (int)known();
}

static void
test_start(void)
{
    int64_t next, offset;
    struct vrv_err e;

    moves_at_once = 50;
    sweep_every_ms = 1000 * (int64_t)MINUTE_MS;
    begin(1);
    fill();
    for (int i = 0; i < 200 && known() < MANY; i++)
        pass(1000);
    IS(known(), MANY, "each of %d partitions has something in the store", MANY);
    down();
    (void)fakestore_most(fake, VRV_STORE_READ);
    (void)fakestore_most(fake, VRV_STORE_HOUSEKEEPING);
    up(2);
    for (int i = 0; i < 20 * MANY && known() == 0; i++)
        (void)vrv_tier_step(tier, &next);
    struct vrv_cold *cold = vrv_tier_cold(tier);
    struct vrv_cold_ask a = { rig_log(&rig, "t", LAST)->id.topic, LAST, ready, NULL };
    IS(cold->ops->earliest(cold, &a, &offset, &e), VRV_E_AGAIN, "after a start somebody asks for the last of them");
    for (int i = 0; i < 100 && known() < MANY; i++)
        pass(1000);
    IS(known(), MANY, "all are known in the end");
    OK(told_after > 0 && told_after < MANY / 4, "... and what was asked for is known first: after %d", told_after);
    size_t later = fakestore_most(fake, VRV_STORE_HOUSEKEEPING), asked = fakestore_most(fake, VRV_STORE_READ);
    OK(later > 1 && later <= VRV_PARTS_LATER + 2, "a few are read at a time: %zu", later); /* and what else keeps house */
    IS((int)asked, 1, "... and not in the way of who reads");
    end();
}

static void
count(void *ctx)
{
    (*(int *)ctx)++;
}

/* All of them are asked for at once. */
static void
test_asked(void)
{
    int64_t next, offset;
    struct vrv_err e;
    int n = 0, told = 0;

    begin(1);
    fill();
    for (int i = 0; i < 200 && known() < MANY; i++)
        pass(1000);
    down();
    (void)fakestore_most(fake, VRV_STORE_READ);
    up(2);
    struct vrv_cold *cold = vrv_tier_cold(tier);
    for (int32_t i = 0; i < MANY; i++) {
        struct vrv_cold_ask a = { rig_log(&rig, "t", i)->id.topic, i, count, &told };

        n += cold->ops->earliest(cold, &a, &offset, &e) == VRV_E_AGAIN;
    }
    IS(n, MANY, "after a start somebody asks for each of them");
    for (int i = 0; i < 4 * MANY && told < MANY / 2; i++)
        (void)vrv_tier_step(tier, &next);
    size_t asked = fakestore_most(fake, VRV_STORE_READ);
    OK(asked > 1 && asked <= VRV_PARTS_ASKED, "all are asked for: %zu are read at a time", asked);
    down();
    IS(told, MANY, "a stop ends what waits for its turn");
    up(3);
    end();
}

int
main(void)
{
    test_start();
    test_asked();
    return tap_done();
}
