/*
 * Keys and values of the catalog.  Numbers are little-endian; each value begins with its version.
 *
 *   topic/<32 hex>            u8 1, u8 name length, i32 partitions, i64 created (ms), u16
 *                             configs, name, then per config, sorted by key: u16 key length, u32
 *                             value length, key, value
 *   name/<topic name>         u8 1, uuid[16]
 *   part/<32 hex>/<6 digits>  u8 1, i32 leader epoch; there is none while the epoch is 0
 *   gone/<32 hex>             u8 1, name (for humans)
 *   config/<entity>           u8 1, u8 0, u16 configs, then those as above; stays without any, so
 *                             that its revision only rises, until it is dropped
 *   fence                     u8 1; what counts is its revision
 */
#ifndef VRV_META_CATALOG_CODEC_H
#define VRV_META_CATALOG_CODEC_H

#include <stddef.h>

#include "engine/meta/catalog.h"

#define VRV_CATKEY_TOPIC "topic/"
#define VRV_CATKEY_NAME "name/"
#define VRV_CATKEY_PART "part/"
#define VRV_CATKEY_GONE "gone/"
#define VRV_CATKEY_CONFIG "config/"
#define VRV_CATKEY_FENCE "fence"

enum {
    VRV_CATKEY_MAX = 7 + VRV_ENTITY_MAX + 1, /* room for any key, with its NUL */
    VRV_CATVAL_NAME = 17,
    VRV_CATVAL_PART = 5,
    VRV_CATVAL_FENCE = 1,
};

void vrv_catkey_topic(char *out, const struct vrv_uuid *id);
void vrv_catkey_name(char *out, const char *name);
void vrv_catkey_gone(char *out, const struct vrv_uuid *id);
void vrv_catkey_config(char *out, const char *entity);
/* part -1: the prefix of all partitions of the topic. */
void vrv_catkey_part(char *out, const struct vrv_uuid *id, int32_t part);

/* The id (and partition) in a key that begins with that prefix; false: no such key. */
bool vrv_catkey_id(const char *key, const char *prefix, struct vrv_uuid *id);
bool vrv_catkey_id_part(const char *key, struct vrv_uuid *id, int32_t *part);

/* A topic's value, in one block to be freed; INVALID when a configuration breaks a bound or names
 * a key twice. */
int vrv_catval_topic(const char *name, int32_t partitions, int64_t created_ms,
    const struct vrv_config_kv *configs, size_t n, uint8_t **out, size_t *len,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_catval_name(uint8_t *out, const struct vrv_uuid *id);
void vrv_catval_part(uint8_t *out, int32_t epoch);
void vrv_catval_fence(uint8_t *out);
/* As vrv_catval_topic. */
void vrv_catval_gone(const char *name, uint8_t **out, size_t *len);

/* The value all but the configurations, checked to the end: CORRUPT, VERSION with `key` named. */
struct vrv_cathead {
    const char *name; /* borrowed, no NUL behind it */
    size_t name_len;
    int32_t partitions;
    int64_t created_ms;
    size_t config_n;
};
int vrv_cathead_parse(struct vrv_cathead *h, const char *key, const void *p, size_t n,
    struct vrv_err *e) VRV_MUST_CHECK;

/* All of a value that vrv_cathead_parse() took; its id and mod are the caller's to fill.  The
 * configurations are one block. */
void vrv_catinfo_parse(struct vrv_topic_info *t, const void *p, size_t n);

/* As vrv_catval_topic, vrv_cathead_parse and vrv_catinfo_parse. */
int vrv_catval_configs(const struct vrv_config_kv *configs, size_t n, uint8_t **out, size_t *len,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_catconfigs_check(const char *key, const void *p, size_t n, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_catconfigs_parse(struct vrv_entity_configs *out, const void *p, size_t n);

int vrv_catval_part_parse(int32_t *epoch, const char *key, const void *p, size_t n,
    struct vrv_err *e) VRV_MUST_CHECK;

#endif
