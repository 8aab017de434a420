#include "server/main/cold.h"

#include "engine/os/vfs.h"
#include "server/base/random.h"
#include "server/main/coldstore.h"
#include "tiering/tier.h"

int
vrv_server_cold_open(struct vrv_server_cold *c, const struct vrv_config *config, struct vrv_err *e)
{
    struct vrv_tier_opts o;

    *c = (struct vrv_server_cold){ NULL, NULL, NULL };
    if (!config->remote_log_storage_system_enable)
        return 0;
    vrv_tier_opts_default(&o);
    int rc = vrv_coldstore_open(&c->store, &c->vfs, config, e);
    if (rc == 0)
        rc = vrv_random(&o.random, sizeof(o.random), e);
    if (rc < 0) {
        vrv_server_cold_close(c);
        return rc;
    }
    o.store = c->store;
    c->tier = vrv_tier_new(&o);
    return 0;
}

struct vrv_cold *
vrv_server_cold(const struct vrv_server_cold *c)
{
    return c->tier != NULL ? vrv_tier_cold(c->tier) : NULL;
}

int
vrv_server_cold_start(struct vrv_server_cold *c, struct vrv_engine *eng, struct vrv_err *e)
{
    if (c->tier == NULL)
        return 0;
    vrv_tier_attach(c->tier, eng);
    return vrv_tier_start(c->tier, e);
}

void
vrv_server_cold_stop(struct vrv_server_cold *c)
{
    if (c->tier != NULL)
        vrv_tier_detach(c->tier);
}

void
vrv_server_cold_close(struct vrv_server_cold *c)
{
    vrv_tier_free(&c->tier);
    if (c->store != NULL)
        vrv_store_close(&c->store);
    vrv_vfs_close(&c->vfs);
}
