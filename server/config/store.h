/*
 * The configuration of a running server.
 *
 * What it was started with stays; over it lie the values that were set while it ran, for all
 * brokers ("") and for this one (its number).  Those are kept in the catalog ("config/broker/",
 * "config/broker/1").  Every change makes a new struct vrv_config, which takes the place of the
 * old one as a whole.
 *
 *   alter: applied to the text, checked together, kept in the catalog, told the engine and who
 *          asked for it, in force
 *
 * Threads: any.  One change at a time (lock rank config, held while the catalog writes to the
 * disk).
 */
#ifndef VRV_CONFIG_STORE_H
#define VRV_CONFIG_STORE_H

#include "engine/base/uuid.h"
#include "server/config/input.h"

struct vrv_engine;
struct vrv_config_store;

struct vrv_config_store_opts {
    struct vrv_engine *engine;              /* borrowed; opened, and no step was run yet */
    const struct vrv_config_values *values; /* what it is started with: checked; copied */
    struct vrv_uuid random;                 /* the cluster's id, should there be none yet */
    vrv_config_note_fn *note;               /* values in the catalog that are not known here */
    /* Called with each configuration that comes in force, the first one within _open; one at a
     * time, with the lock `config` held.  May be NULL. */
    void (*in_force)(void *ctx, const struct vrv_config *c);
    void *ctx;
};

/* Reads what was set, gives the engine its defaults.  INVALID: something doesn't go together, or
 * cluster.id is another one than the data directory's; and the catalog's errors. */
int vrv_config_store_open(struct vrv_config_store **out, const struct vrv_config_store_opts *o,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_config_store_close(struct vrv_config_store **s);

/* 22 characters, as Kafka's. */
const char *vrv_config_cluster_id(const struct vrv_config_store *s);

/* A reference to what is in force.  It takes a lock: not for what happens with every request. */
struct vrv_config *vrv_config_get(struct vrv_config_store *s);

/* ---- changes ---- */

enum vrv_config_op { VRV_CONFIG_SET, VRV_CONFIG_DELETE, VRV_CONFIG_APPEND, VRV_CONFIG_SUBTRACT };

struct vrv_config_change {
    const char *name;
    enum vrv_config_op op; /* Kafka's numbers */
    const char *value;     /* not of DELETE */
};

enum {
    VRV_ALTER_REPLACE = 1,  /* what isn't named is deleted (AlterConfigs) */
    VRV_ALTER_VALIDATE = 2, /* only say whether it could be done */
};

/* What Kafka calls an invalid request, not an invalid value: a name twice, a value missing, an
 * operation that there isn't. */
int vrv_config_changes_check(const struct vrv_config_change *v, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Durable and in force when it returns 0.  broker: "" for all, or this one's number.  INVALID in
 * Kafka's words, and nothing is changed; the catalog's errors. */
int vrv_config_alter(struct vrv_config_store *s, const char *broker,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e) VRV_MUST_CHECK;
/* The same for a topic; NOTFOUND. */
int vrv_config_alter_topic(struct vrv_config_store *s, const char *topic,
    const struct vrv_config_change *v, size_t n, unsigned flags, struct vrv_err *e) VRV_MUST_CHECK;
/* What a topic would set itself, by what it is; of two of one name the first one counts. */
struct vrv_config_topic {
    const char *name;
    bool was_tiered; /* remote.storage.enable is true so far */
    const struct vrv_config_kv *v;
    size_t n;
};
/* Does all of it go together (each alone is the engine's to check)?  INVALID in Kafka's words. */
int vrv_config_topic_check(struct vrv_config_store *s, const struct vrv_config_topic *t,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
