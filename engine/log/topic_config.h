/*
 * A topic's settings: Kafka's names and values (topic_options.def), of which a log needs some.
 *
 * All of Kafka's are known here, so that the library and the server agree on what a topic can be
 * given; those that no log looks at are the server's.
 */
#ifndef VRV_LOG_TOPIC_CONFIG_H
#define VRV_LOG_TOPIC_CONFIG_H

#include "engine/base/setting.h"
#include "engine/log/log.h"

enum { VRV_SETTING_VALUE = 24 }; /* room for any topic setting's, with its NUL */

enum {
#define VRV_TOPIC_OPTION(key, type, dflt, check, where, doc) +1
    VRV_TOPIC_SETTINGS = 0
#include "engine/log/topic_options.def"
};

/* What topics have that set nothing of their own. */
struct vrv_topic_defaults {
    struct vrv_log_config config;
    char text[VRV_TOPIC_SETTINGS][VRV_SETTING_VALUE];
};

/* Those of topic_options.def. */
void vrv_topic_defaults_init(struct vrv_topic_defaults *d);
int vrv_topic_defaults_set(struct vrv_topic_defaults *d, const char *key, const char *value,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Could it be set?  INVALID names the key and what it would take, as Kafka does.  value NULL: is
 * there such a setting? */
int vrv_topic_config_check(const char *key, const char *value, struct vrv_err *e) VRV_MUST_CHECK;
/* Set one; as vrv_topic_config_check. */
int vrv_topic_config_set(struct vrv_log_config *c, const char *key, const char *value,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What is to know about one setting, whatever its value. */
struct vrv_topic_setting {
    struct vrv_setting_rule rule;
    const char *dflt, *doc;
};
/* The i-th of VRV_TOPIC_SETTINGS, in order of key. */
const struct vrv_topic_setting *vrv_topic_setting(size_t i);
const struct vrv_topic_setting *vrv_topic_setting_find(const char *key); /* or NULL */

/* One setting of a topic. */
struct vrv_setting {
    const char *key, *doc;
    enum vrv_setting_type type;
    bool own;                        /* the topic's, though it may equal the default */
    char value[VRV_SETTING_VALUE];   /* in force */
    char dflt[VRV_SETTING_VALUE];
};

/* The i-th setting of a topic that sets it to `own`; NULL: doesn't. */
void vrv_topic_config_describe(const struct vrv_topic_defaults *d, size_t i, const char *own,
    struct vrv_setting *out);

#endif
