#include "server/api/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- the cluster ---- */

static const char cluster_entity[] = "cluster";

static int
make_cluster_id(char *out, struct vrv_err *e)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t b[VRV_CLUSTER_ID];

    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
        return vrv_err_sys(e, "no random numbers");
    for (int i = 0; i < VRV_CLUSTER_ID; i++)
        out[i] = digits[b[i] & 63];
    if (out[0] == '-') /* it would look like an option */
        out[0] = 'A';
    out[VRV_CLUSTER_ID - 1] = "AQgw"[b[0] & 3]; /* 128 bits end within it */
    out[VRV_CLUSTER_ID] = '\0';
    return 0;
}

int
vrv_cluster_id(struct vrv_catalog *c, char *out, struct vrv_err *e)
{
    struct vrv_entity_configs have;
    char key[] = "id";
    int rc = 0;

    vrv_catalog_configs(c, cluster_entity, &have);
    if (have.n == 1 && strlen(have.v[0].value) == VRV_CLUSTER_ID) {
        memcpy(out, have.v[0].value, VRV_CLUSTER_ID + 1);
    } else {
        struct vrv_config_kv kv = { key, out };

        rc = make_cluster_id(out, e);
        if (rc == 0)
            rc = vrv_catalog_set_configs(c, cluster_entity, have.mod, &kv, 1, e);
    }
    free(have.v);
    return rc;
}

/* ---- producers ---- */

enum { BLOCK = 1000 };
static const char ids_entity[] = "producer-ids";

void
vrv_producer_ids_init(struct vrv_producer_ids *ids)
{
    *ids = (struct vrv_producer_ids){ .next = 0 };
    vrv_lock_init(&ids->lock, VRV_LOCK_ids);
}

void
vrv_producer_ids_fini(struct vrv_producer_ids *ids)
{
    vrv_lock_fini(&ids->lock);
}

int64_t
vrv_producer_ids_take(struct vrv_producer_ids *ids)
{
    vrv_lock(&ids->lock);
    int64_t id = ids->next < ids->end ? ids->next++ : -1;
    vrv_unlock(&ids->lock);
    return id;
}

static bool
is_empty(struct vrv_producer_ids *ids)
{
    vrv_lock(&ids->lock);
    bool empty = ids->next == ids->end;
    vrv_unlock(&ids->lock);
    return empty;
}

/* Of two that ask at once each gets a block; the first one's is forgotten. */
int
vrv_producer_ids_refill(struct vrv_producer_ids *ids, struct vrv_catalog *c, struct vrv_err *e)
{
    int rc = VRV_E_CONFLICT;

    while (rc == VRV_E_CONFLICT && is_empty(ids)) {
        struct vrv_entity_configs have;
        char key[] = "next", value[24];

        vrv_catalog_configs(c, ids_entity, &have);
        int64_t next = have.n == 1 ? strtoll(have.v[0].value, NULL, 10) : 0;
        (void)snprintf(value, sizeof(value), "%" PRId64, next + BLOCK);
        struct vrv_config_kv kv = { key, value };
        rc = vrv_catalog_set_configs(c, ids_entity, have.mod, &kv, 1, e);
        free(have.v);
        if (rc == 0) {
            vrv_lock(&ids->lock);
            ids->next = next;
            ids->end = next + BLOCK;
            vrv_unlock(&ids->lock);
        }
    }
    return rc == VRV_E_CONFLICT ? 0 : rc;
}
