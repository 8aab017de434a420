/*
 * Topics, partitions, ids and configurations, on a metastore.
 *
 * Keys: "topic/<uuid>" holds name, partition count, creation time and configuration;
 * "name/<topic name>" holds the uuid (so two creations of one name conflict);
 * "part/<uuid>/<partition>" holds the leader epoch.  A deleted topic stays as
 * "gone/<uuid>" until its files are gone, so that a crash in between only delays that.
 * "config/<entity>" holds settings that are no topic's: a broker's, say.
 * "fence" rules out creations whose outcome was unknown.
 * Names are data: on disk a topic is its uuid.
 *
 * The catalog keeps an image of these in memory, fed by the watch, and offers calls that wait
 * for their outcome by stepping the metastore ("unknown" is settled by reading again).
 * Threads: any; one call changes at a time (lock rank meta).
 */
#ifndef VRV_META_CATALOG_H
#define VRV_META_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/uuid.h"

struct vrv_catalog;
struct vrv_metastore;

enum {
    VRV_TOPIC_NAME_MAX = 249,
    VRV_ENTITY_MAX = 247,
    VRV_PARTITIONS_MAX = 100000,
    VRV_CONFIGS_MAX = 128,        /* of a topic */
    VRV_ENTITY_CONFIGS_MAX = 160, /* of an entity: all that a topic has, with what is kept of it besides */
};

struct vrv_config_kv {
    char *key, *value;
};

struct vrv_topic_info {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;
    int64_t created_ms;
    uint64_t mod; /* revision: give it to vrv_catalog_alter to be told of a change in between */
    struct vrv_config_kv *configs; /* sorted by key; owned by the info */
    size_t config_n;
};

/* Reads everything; the catalog borrows m, which must outlive it. */
int vrv_catalog_open(struct vrv_catalog **out, struct vrv_metastore *m, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_catalog_close(struct vrv_catalog **c);
/* 0, or why nothing can be changed any more: STOPPED after a sync that failed, for one.  Waits for a
 * change that is under way. */
int vrv_catalog_error(struct vrv_catalog *c, struct vrv_err *e) VRV_MUST_CHECK;

/* [A-Za-z0-9._-]{1,249}, not "." or "..": INVALID with a sentence otherwise. */
int vrv_topic_name_check(const char *name, struct vrv_err *e) VRV_MUST_CHECK;

/* Durable when it returns 0.  id is the caller's (random).  Errors: EXISTS, INVALID, IO. */
int vrv_catalog_create(struct vrv_catalog *c, const struct vrv_uuid *id, const char *name,
    int32_t partitions, int64_t now_ms, const struct vrv_config_kv *configs, size_t config_n,
    struct vrv_err *e) VRV_MUST_CHECK;
/* The topic is gone when this returns 0, and remembered as "gone" until vrv_catalog_forget.  *id
 * (may be NULL) is which one it was. */
int vrv_catalog_delete(struct vrv_catalog *c, const char *name, struct vrv_uuid *id,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_catalog_forget(struct vrv_catalog *c, const struct vrv_uuid *id, struct vrv_err *e)
    VRV_MUST_CHECK;
/* More partitions, never fewer (INVALID).  *id: as above. */
int vrv_catalog_grow(struct vrv_catalog *c, const char *name, int32_t partitions,
    struct vrv_uuid *id, struct vrv_err *e) VRV_MUST_CHECK;
/* Replace the configuration; CONFLICT when the topic changed after `mod` (0: don't care). */
int vrv_catalog_alter(struct vrv_catalog *c, const char *name, uint64_t mod,
    const struct vrv_config_kv *configs, size_t config_n, struct vrv_err *e) VRV_MUST_CHECK;

/* Settings that are no topic's: whose they are is any text of 1 to VRV_ENTITY_MAX bytes, as
 * "broker/1". */
struct vrv_entity_configs {
    uint64_t mod;            /* revision of the last change; 0: never set */
    struct vrv_config_kv *v; /* sorted by key; one block, to be freed */
    size_t n;
};
void vrv_catalog_configs(struct vrv_catalog *c, const char *entity,
    struct vrv_entity_configs *out);
/* Who has such settings: in order, all whose name begins with `prefix`.  The name is borrowed for the
 * call; not zero stops and is returned. */
typedef int vrv_entity_fn(void *ctx, const char *entity);
int vrv_catalog_each_entity(struct vrv_catalog *c, const char *prefix, vrv_entity_fn *fn, void *ctx);
/* Replace them all; durable when it returns 0.  CONFLICT when they were changed after `mod`;
 * INVALID. */
int vrv_catalog_set_configs(struct vrv_catalog *c, const char *entity, uint64_t mod,
    const struct vrv_config_kv *v, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
/* Nothing more is known of them, not even a revision: what was decided by "never set" long ago may still
 * be done then.  For who is done with an entity for good.  CONFLICT as above. */
int vrv_catalog_drop_configs(struct vrv_catalog *c, const char *entity, uint64_t mod,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Raise the leader epochs of n partitions, of any topics, by one each, durably: sorts v by topic
 * and partition and fills in the new ones.  When an outcome was unknown an epoch may be skipped;
 * none is ever given twice.  Errors: NOTFOUND, INVALID (before anything is done); some may be
 * raised when it fails. */
struct vrv_catbump {
    struct vrv_uuid id;
    int32_t part, epoch;
};
int vrv_catalog_bump(struct vrv_catalog *c, struct vrv_catbump *v, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The epochs of partitions 0 to n - 1 of a topic that is not there yet: what vrv_catalog_create makes of
 * this id then has them.  May be repeated.  CONFLICT: they are others. */
int vrv_catalog_set_epochs(struct vrv_catalog *c, const struct vrv_uuid *id, const int32_t *epochs,
    int32_t n, struct vrv_err *e) VRV_MUST_CHECK;
/* 0 until the first bump; -1: there is no such partition. */
int32_t vrv_catalog_epoch(struct vrv_catalog *c, const struct vrv_uuid *id, int32_t part);

/* A copy, to be freed with vrv_topic_info_fini; NOTFOUND. */
int vrv_catalog_by_name(struct vrv_catalog *c, const char *name, struct vrv_topic_info *out,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_catalog_by_id(struct vrv_catalog *c, const struct vrv_uuid *id, struct vrv_topic_info *out,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_topic_info_fini(struct vrv_topic_info *t);

/* The same for who asks often: only what it is called, and how many partitions it has; name has
 * room for VRV_TOPIC_NAME_MAX + 1.  False: there is none. */
bool vrv_catalog_find(struct vrv_catalog *c, const char *name, struct vrv_uuid *id,
    int32_t *partitions);
bool vrv_catalog_find_id(struct vrv_catalog *c, const struct vrv_uuid *id, char *name,
    int32_t *partitions);

/* In order of name; the info is borrowed for the call.  Not zero stops and is returned. */
typedef int vrv_topic_fn(void *ctx, const struct vrv_topic_info *t);
int vrv_catalog_each(struct vrv_catalog *c, vrv_topic_fn *fn, void *ctx);
/* Topics deleted but not yet forgotten. */
typedef int vrv_gone_fn(void *ctx, const struct vrv_uuid *id);
int vrv_catalog_each_gone(struct vrv_catalog *c, vrv_gone_fn *fn, void *ctx);

/* Everything as it is stored, in order of key, all of one moment; to be freed with the next one. */
struct vrv_catalog_kv {
    char *key;
    const void *value;
    size_t n;
};
struct vrv_catalog_kvs {
    struct vrv_catalog_kv *v;
    size_t n;
};
int vrv_catalog_dump(struct vrv_catalog *c, struct vrv_catalog_kvs *out, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_catalog_dump_fini(struct vrv_catalog_kvs *d);
/* The same into the store of an empty one, which must be opened again to see it.  CONFLICT: it isn't
 * empty; some may be there when it fails. */
int vrv_catalog_load(struct vrv_catalog *c, const struct vrv_catalog_kv *v, size_t n,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
