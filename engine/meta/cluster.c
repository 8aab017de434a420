#include "engine/meta/cluster.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char entity[] = "cluster";
static const char key[] = "cluster.id";

/* 16 bytes as Kafka writes an id: base64 for URLs, without padding. */
static void
text_of(const struct vrv_uuid *u, char out[VRV_CLUSTER_ID + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (unsigned i = 0; i < VRV_CLUSTER_ID; i++) {
        unsigned at = i * 6 / 8, shift = i * 6 % 8;
        unsigned two = (unsigned)u->b[at] << 8 | (at + 1 < sizeof(u->b) ? u->b[at + 1] : 0);

        out[i] = digits[two >> (10 - shift) & 63];
    }
    out[VRV_CLUSTER_ID] = '\0';
}

int
vrv_cluster_id(struct vrv_catalog *c, const char *want, const struct vrv_uuid *random,
    char out[VRV_CLUSTER_ID + 1], struct vrv_err *e)
{
    struct vrv_entity_configs kept;
    int rc = 0;

    vrv_catalog_configs(c, entity, &kept);
    if (kept.n > 0)
        (void)snprintf(out, VRV_CLUSTER_ID + 1, "%s", kept.v[0].value);
    else if (want != NULL)
        (void)snprintf(out, VRV_CLUSTER_ID + 1, "%s", want);
    else
        text_of(random, out);
    if (want != NULL && strcmp(want, out) != 0)
        rc = vrv_err_set(e, VRV_E_INVALID,
            "cluster.id is \"%.60s\": expected \"%s\", which the data directory belongs to", want, out);
    struct vrv_config_kv kv = { (char *)(uintptr_t)key, out };
    if (rc == 0 && kept.n == 0)
        rc = vrv_catalog_set_configs(c, entity, kept.mod, &kv, 1, e);
    free(kept.v);
    return rc;
}
