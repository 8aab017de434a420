#include "server/api/producer_ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
