/* Inside the configuration room: what its files share. */
#ifndef VRV_CONFIG_STORE_INT_H
#define VRV_CONFIG_STORE_INT_H

#include "engine/meta/cluster.h"
#include "engine/os/lock.h"
#include "server/config/store.h"

enum { VRV_BROKER_ENTITY = 24 };

struct vrv_config_store {
    uint32_t magic;
    struct vrv_engine *engine;
    struct vrv_catalog *catalog;
    void (*in_force)(void *ctx, const struct vrv_config *c); /* the options', as ctx */
    void *ctx;
    char cluster_id[VRV_CLUSTER_ID + 1];
    struct vrv_lock changing;        /* rank config: who changes something, topics' settings too */
    struct vrv_lock lock;            /* rank snapshot */
    struct vrv_config *config;       /* guarded by lock */
};

/* The entity in the catalog of a layer that can be set; id: this broker's. */
void vrv__config_entity(enum vrv_config_layer layer, int32_t id, char out[VRV_BROKER_ENTITY]);
/* The configuration with this layer instead of its own; NULL: *e is INVALID, by the first
 * reason. */
struct vrv_config *vrv__config_with(struct vrv_config_store *s, enum vrv_config_layer layer,
    const struct vrv_config_values *values, struct vrv_err *e);
/* A value that was kept, if it still is one that can be set: INVALID says why not. */
int vrv__config_take(struct vrv_config_values *values, const struct vrv_config_kv *kept,
    struct vrv_err *e);
/* What topics have of the cold tier's limits when they set nothing: does it go together?  INVALID in
 * Kafka's words. */
int vrv__config_defaults_check(const struct vrv_config *c, struct vrv_err *e) VRV_MUST_CHECK;
/* The value of this key, or NULL. */
const char *vrv__config_value(const struct vrv_config_kv *v, size_t n, const char *key);
/* Put it in force; takes the reference over.  `changing` is held. */
void vrv__config_publish(struct vrv_config_store *s, struct vrv_config *c);

#endif
