#include "server/main/cold.h"

#include <string.h>

#include "engine/os/vfs.h"
#include "server/base/random.h"
#include "tiering/store/dir.h"
#include "tiering/tier.h"

enum { STORE_THREADS = 4 };

/* "file:///srv/cold": the path, or NULL. */
static const char *
path_of(const char *url)
{
    static const char scheme[] = "file://";

    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || url[sizeof(scheme) - 1] != '/')
        return NULL;
    return url + sizeof(scheme) - 1;
}

static int
open_store(struct vrv_server_cold *c, const char *url, struct vrv_err *e)
{
    struct vrv_store_dir_opts o = { .path = path_of(url), .clock = vrv_clock_real(),
        .threads = STORE_THREADS };
    int rc = o.path != NULL
        ? vrv_vfs_posix(o.path, true, &c->vfs, e)
        : vrv_err_set(e, VRV_E_INVALID, "expected file:// and the path of a directory");

    if (rc == 0)
        rc = vrv_random(&o.random, sizeof(o.random), e);
    o.vfs = c->vfs;
    if (rc == 0)
        rc = vrv_store_dir(&c->store, &o, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "tier.store.url=%.100s", url) : 0;
}

int
vrv_server_cold_open(struct vrv_server_cold *c, const struct vrv_config *config, struct vrv_err *e)
{
    struct vrv_tier_opts o;

    *c = (struct vrv_server_cold){ NULL, NULL, NULL };
    if (!config->remote_log_storage_system_enable)
        return 0;
    vrv_tier_opts_default(&o);
    int rc = open_store(c, config->tier_store_url, e);
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
