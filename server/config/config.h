/*
 * The configuration as the server reads it: one typed field per option of options.def that is not a
 * topic's default, and what is made of several of them.  Immutable once made, and counted.
 *
 * Threads: any.
 */
#ifndef VRV_CONFIG_CONFIG_H
#define VRV_CONFIG_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/meta/catalog.h"
#include "server/config/listeners.h"
#include "server/config/option.h"

#define VRV_FIELD_BOOLEAN bool
#define VRV_FIELD_INT int32_t
#define VRV_FIELD_LONG int64_t
#define VRV_FIELD_STRING const char * /* NULL: not set */
#define VRV_FIELD_LIST const char *   /* as it is written; vrv_setting_next() takes it apart */

/* Some values of options, by their place in the table; NULL: not set here. */
struct vrv_config_values {
    char *text[VRV_OPTIONS];
};

/* Where values come from: the first that has one wins. */
enum vrv_config_layer {
    VRV_LAYER_BROKER,  /* set for this broker while it runs */
    VRV_LAYER_CLUSTER, /* the same for all brokers */
    VRV_LAYER_STATIC,  /* the file and the command line */
    VRV_LAYERS,
};

struct vrv_config {
    uint32_t magic;
    _Atomic uint32_t refs;
#define VRV_SECTION(title)
#define VRV_OPTION(field, name, type, dflt, check, update, doc) VRV_FIELD_##type field;
#define VRV_TOPIC_DEFAULT(name, topic, dflt)
#define VRV_IN_UNITS(name, of, ms, dflt, doc)
#define VRV_IGNORED(name, type, dflt, check, doc)
#define VRV_PASSED_OVER(name, why)
#define VRV_REFUSED(name, but, why)
#include "server/config/options.def"
    /* made of several */
    int32_t id;                     /* of this broker */
    const char *data_dir;
    struct vrv_listeners clients, admin;
    struct vrv_ip_limit *ip_limit;  /* max.connections.per.ip.overrides */
    size_t ip_limit_n;
    struct vrv_config_kv *topic;    /* for vrv_engine_set_defaults: every topic setting that has */
    size_t topic_n;                 /* a default here */
    /* where it all comes from, as Kafka shows it */
    struct vrv_config_values set[VRV_LAYERS];
    char *text[VRV_OPTIONS];        /* the values in force; NULL: there is none */
};

void vrv_config_values_fini(struct vrv_config_values *v);
/* A copy of the text; NULL takes it away. */
void vrv_config_values_set(struct vrv_config_values *v, size_t option, const char *text);

/* Called with each thing that is wrong, as a sentence. */
typedef void vrv_config_wrong_fn(void *ctx, const char *sentence);

/* What the layers come to; NULL: an empty one.  Each value alone was checked.  What doesn't go
 * together is told, all of it; the result is NULL then. */
struct vrv_config *vrv_config_new(const struct vrv_config_values *const layer[VRV_LAYERS],
    vrv_config_wrong_fn *wrong, void *ctx);
struct vrv_config *vrv_config_ref(struct vrv_config *c);
/* NULL is fine; clears it. */
void vrv_config_unref(struct vrv_config **c);

/* Connections that an address may have: its own limit, or max.connections.per.ip. */
int32_t vrv_config_ip_max(const struct vrv_config *c, const char *address);

#endif
