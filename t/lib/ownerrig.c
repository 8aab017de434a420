#include "t/lib/ownerrig.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/metalog.h"

struct simclock clock_;
struct fakestore *fake;
struct storesuite suite;
int64_t round_ms = 10000;
uint8_t offset = '7', *value = &offset;
uint32_t value_n = 1;
unsigned loading;
unsigned asked;
int foreigns;

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

static void
foreign(void *ctx, const struct vrv_err *e)
{
    (void)ctx;
    foreigns += e->code != 0;
}

void
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

void
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

void
down(struct server *s)
{
    for (int i = 0; vrv_owner_is_busy(&s->owner) && i < 100; i++)
        pass(s, 1000);
    VRV_ASSERT(!vrv_owner_is_busy(&s->owner));
    vrv_retry_free(&s->retry);
    vrv_cq_fini(&s->cq);
}

void
gone(struct server *s)
{
    down(s);
    vrv_catalog_close(&s->catalog);
    vrv_meta_close(&s->meta);
    simdisk_free(&s->disk);
}

void
begin(uint64_t seed)
{
    simclock_init(&clock_, 1700000000000);
    fake = fakestore_new(&clock_, seed);
    suite = (struct storesuite){ .store = fakestore_store(fake), .prefix = "x/" };
    (void)vrv_cq_init(&suite.cq, 0);
}

void
end(void)
{
    vrv_cq_fini(&suite.cq);
    fakestore_free(&fake);
}

bool
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
