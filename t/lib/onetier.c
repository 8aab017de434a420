#include "t/lib/onetier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/engine_int.h"
#include "engine/reader/fetch.h"
#include "t/lib/tap.h"

enum { LARGE = 1 << 20 };

struct rig rig;
struct fakestore *fake;
struct vrv_tier *tier;
int64_t deletes_per_second = INT64_MAX;
unsigned moves_at_once = 2;
int64_t sweep_every_ms = 10000;
int64_t orphan_after_ms = 20000;
int64_t value_ahead;
bool idempotent;
void (*told_by_tier)(void *ctx, const struct vrv_tier_news *n);
static struct vrv_cq cq; /* of fetches */

void
up(uint64_t seed)
{
    struct vrv_tier_opts o;

    vrv_tier_opts_default(&o);
    o.store = fakestore_store(fake);
    o.clock = &rig.clock.clock;
    o.random = seed;
    o.hashed_names = seed % 2 == 1; /* a life after the other: names of both kinds lie side by side */
    o.cache_bytes = 4000;
    o.chunk_bytes = 600;
    o.root_bytes = 3000;
    o.index_bytes = 1;
    o.limits.grace_ms = 5000;
    o.orphan_ms = orphan_after_ms;
    o.sweep_ms = sweep_every_ms;
    o.settle_ms = 40000;
    o.limits.keep_ms = MINUTE_MS;
    o.limits.deletes_per_second = deletes_per_second;
    o.moves = moves_at_once;
    o.told = told_by_tier;
    tier = vrv_tier_new(&o);
    rig.o.cold = vrv_tier_cold(tier);
    rig_up(&rig);
    vrv_tier_attach(tier, rig.eng, "test", NULL, NULL);
}

void
begin(uint64_t seed)
{
    rig_init(&rig, seed);
    (void)vrv_cq_init(&cq, 0);
    fake = fakestore_new(&rig.clock, seed);
    up(seed);
}

static int64_t
now_ms(void)
{
    return rig.clock.clock.mono_ns(&rig.clock.clock) / 1000000;
}

void
pass(int64_t ms)
{
    int64_t next;

    for (int64_t end = now_ms() + ms; now_ms() < end;) {
        while (vrv_tier_step(tier, &next))
            ;
        rig_commit(&rig);
        rig_pass(&rig, 250);
    }
}

void
down(void)
{
    vrv_tier_detach(tier);
    IS(rig_close(&rig), 0, "an orderly stop %s", rig.e.msg);
    vrv_tier_free(&tier);
}

void
crash(uint64_t seed)
{
    vrv_tier_detach(tier);
    rig_crash(&rig, SIM_SUBSET, seed);
    vrv_tier_free(&tier);
}

void
end(void)
{
    down();
    rig_fini(&rig);
    fakestore_free(&fake);
    vrv_cq_fini(&cq);
}

struct vrv_tier_stats
stats(void)
{
    struct vrv_tier_stats s;

    vrv_tier_stats(tier, &s);
    return s;
}

struct vrv_log_offsets
offsets(const char *topic, int32_t partition)
{
    return vrv_log_offsets(rig_log(&rig, topic, partition));
}

void
put(const char *topic, int32_t partition, int batches)
{
    char value[201];

    for (int i = 0; i < batches; i++) {
        (void)snprintf(value, sizeof(value), "%0200" PRId64, offsets(topic, partition).end + value_ahead);
        if (rig_put_batch(&rig, rig_log(&rig, topic, partition), &(struct rig_batch){
                .value = value, .records = 2, .producer = idempotent,
                .producer_id = offsets(topic, partition).end }) < 0)
            OK(false, "an append: %s", rig.e.msg);
        simclock_advance_ms(&rig.clock, MINUTE_MS);
    }
    for (int i = 0; i < 3; i++)
        if (!rig_checkpoint(&rig))
            OK(false, "a checkpoint");
}

static struct {
    int64_t from, to;
} hole[64];
static unsigned hole_n;

void
lost(int64_t from, int64_t to)
{
    hole_n = to > 0 ? hole_n : 0;
    VRV_ASSERT(hole_n < sizeof(hole) / sizeof(hole[0]));
    hole[hole_n].from = from;
    hole[hole_n].to = to;
    hole_n += to > from;
}

static int64_t
behind_hole(int64_t from)
{
    for (unsigned i = 0; i < hole_n; i++)
        if (from >= hole[i].from && from < hole[i].to)
            from = hole[i].to;
    return from;
}

int64_t
read_all(const char *topic, int32_t partition)
{
    struct vrv_log *log = rig_log(&rig, topic, partition);
    int64_t from = offsets(topic, partition).start, next_ns;
    char want[201];

    while (from < vrv_log_offsets(log).end) {
        struct vrv_read r = { .offset = from, .max_bytes = LARGE, .whole_first = true };
        struct vrv_fetch f = { .done.cq = &cq, .read = &r };
        int rc = vrv_read(log, &r, &rig.e);

        if (rc == VRV_READ_COLD) {
            vrv_fetch(log, &f, INT64_MAX);
            while (vrv_tier_step(tier, &next_ns))
                ;
            if (vrv_cq_take(&cq, 0) != &f.done)
                return -1000;
            rc = f.status;
            if (rc < 0)
                tap_note("%s, offset %" PRId64 ": %s", topic, from, f.err.msg);
        }
        if (rc == 0)
            rc = vrv_read_load(log, &r, true, &rig.e);
        if (r.offset > from) { /* nothing is between */
            vrv_read_fini(&r);
            from = r.offset;
            continue;
        }
        if (rc < 0)
            return rc;
        if (r.slice_n == 0) { /* nothing is behind it */
            if (behind_hole(from) == from)
                return -2000;
            from = behind_hole(from);
            continue;
        }
        for (uint32_t i = 0; i < r.slice_n; i++) {
            struct vrv_batch b;

            for (size_t at = 0; at < r.slice[i].n; at += b.size) {
                const uint8_t *p = r.slice[i].bytes + at;

                if (vrv_batch_read(&b, p, r.slice[i].n - at, NULL) < 0)
                    return -3000;
                if (b.base_offset > from && b.base_offset <= behind_hole(from))
                    from = b.base_offset;
                (void)snprintf(want, sizeof(want), "%0200" PRId64, b.base_offset + value_ahead);
                if (vrv_batch_last_offset(&b) < from || b.base_offset > from ||
                    memmem(p, b.size, want, 200) == NULL)
                    return -4000;
                from = vrv_batch_last_offset(&b) + 1;
            }
        }
        vrv_read_fini(&r);
    }
    return from;
}
