/*
 * Settings as DescribeConfigs tells them: value, where it comes from, what else could have set it.
 *
 * Threads: any; a configuration is immutable.
 */
#ifndef VRV_CONFIG_DESCRIBE_H
#define VRV_CONFIG_DESCRIBE_H

#include "server/config/config.h"

struct vrv_engine;

/* Kafka's numbers. */
enum vrv_config_source {
    VRV_SOURCE_TOPIC = 1,
    VRV_SOURCE_BROKER = 2,  /* set while it runs, for this broker, */
    VRV_SOURCE_CLUSTER = 3, /* and for all */
    VRV_SOURCE_STATIC = 4,
    VRV_SOURCE_DEFAULT = 5,
};

struct vrv_config_synonym {
    const char *name, *value; /* value NULL: secret */
    enum vrv_config_source source;
};

enum { VRV_SYNONYMS_MAX = 1 + VRV_OPTION_FAMILY * (VRV_LAYERS + 1) };

struct vrv_config_entry {
    const char *name;
    const char *value; /* NULL: none, or secret */
    enum vrv_config_source source;
    enum vrv_setting_type type;
    bool read_only, sensitive;
    const char *doc;
    struct vrv_config_synonym synonym[VRV_SYNONYMS_MAX]; /* the one in force first */
    size_t synonym_n;
};

/* Borrowed for the call; not zero stops and is returned. */
typedef int vrv_config_entry_fn(void *ctx, const struct vrv_config_entry *entry);

/* This broker's: every option. */
int vrv_config_each(const struct vrv_config *c, vrv_config_entry_fn *fn, void *ctx);
/* What all brokers share: only what is set for them while they run. */
int vrv_config_each_cluster(const struct vrv_config *c, vrv_config_entry_fn *fn, void *ctx);
/* A topic's, or (name NULL) a new one's.  NOTFOUND. */
int vrv_config_each_topic(const struct vrv_config *c, struct vrv_engine *eng, const char *topic,
    vrv_config_entry_fn *fn, void *ctx, struct vrv_err *e);

#endif
