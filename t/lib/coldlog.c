#include "t/lib/coldlog.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/assert.h"
#include "engine/reader/fetch.h"
#include "t/lib/tap.h"

struct tierrig tier;
struct fakestore *fake;
struct vrv_cq fetches;

static void (*set_tier)(void);

static void
start_tier(uint64_t seed)
{
    tierrig_init(&tier, &rig.clock, fakestore_store(fake), seed);
    if (set_tier != NULL)
        set_tier();
}

static void
start_both(uint64_t seed)
{
    start_tier(seed);
    rig.o.cold = &tier.reader.cold;
    rig_up(&rig);
    vrv_parts_attach(&tier.parts, rig.eng->catalog);
}

void
coldlog_begin(uint64_t seed, int32_t partitions, const char *configs, void (*set)(void))
{
    int rc = vrv_cq_init(&fetches, 0);

    VRV_ASSERT(rc == 0);
    set_tier = set;
    rig_init(&rig, seed);
    fake = fakestore_new(&rig.clock, seed);
    start_both(seed);
    rig_topic(&rig, "t", partitions, configs);
}

void
coldlog_end(void)
{
    rig_fini(&rig);
    tierrig_run(&tier);
    tierrig_fini(&tier);
    fakestore_free(&fake);
    vrv_cq_fini(&fetches);
}

void
coldlog_tier_anew(uint64_t seed)
{
    tierrig_fini(&tier);
    start_tier(seed);
    vrv_parts_attach(&tier.parts, rig.eng->catalog);
}

void
coldlog_restart(uint64_t seed)
{
    if (rig_close(&rig) < 0)
        OK(false, "an orderly stop: %s", rig.e.msg);
    tierrig_fini(&tier);
    start_both(seed);
}

void
coldlog_put(struct vrv_log *log, int segments)
{
    char value[201];

    for (int i = 0; i < segments * 2; i++) {
        int64_t end = vrv_log_offsets(log).end;

        (void)snprintf(value, sizeof(value), "%0200" PRId64, end);
        int64_t at = rig_put_batch(&rig, log, &(struct rig_batch){ .value = value, .records = 2, .ts = 1000 + end });
        VRV_ASSERT(at == end);
    }
    vrv_log_roll(log);
    for (int i = 0; i < 2; i++) { /* the first one seals it */
        bool ok = rig_checkpoint(&rig);
        VRV_ASSERT(ok);
    }
}

void
coldlog_drop(struct vrv_log *log, int64_t offset)
{
    struct rig_call c = { .t.done.cq = &rig.cq };
    int rc = vrv_log_drop_local(log, offset, &c.t, &rig.e);

    VRV_ASSERT(rc == 0);
    rig_commit(&rig);
    VRV_ASSERT(c.t.status == 0);
}

int
coldlog_fetch(struct vrv_log *log, struct vrv_read *r)
{
    struct vrv_fetch f = { .done.cq = &fetches, .read = r };

    vrv_fetch(log, &f, INT64_MAX);
    tierrig_run(&tier);
    struct vrv_done *d = vrv_cq_take(&fetches, 0);
    VRV_ASSERT(d == &f.done);
    rig.e = f.err;
    return f.status;
}
