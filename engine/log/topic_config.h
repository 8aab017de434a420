/* A topic's configuration: Kafka's names and values, to what a log needs. */
#ifndef VRV_LOG_TOPIC_CONFIG_H
#define VRV_LOG_TOPIC_CONFIG_H

#include "engine/log/log.h"

/* Set one; INVALID names the key and what it would take.  Keys: retention.ms, retention.bytes,
 * segment.bytes, segment.ms, segment.jitter.ms, index.interval.bytes, max.message.bytes,
 * flush.ms, flush.messages, message.timestamp.type, message.timestamp.before.max.ms,
 * message.timestamp.after.max.ms, and varve's own flush.policy (sync, interval, none) and
 * validation (header, records). */
int vrv_topic_config_set(struct vrv_log_config *c, const char *key, const char *value,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Back to its default; INVALID when there is no such setting. */
int vrv_topic_config_reset(struct vrv_log_config *c, const char *key, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Kafka's types: 32 bits, 64 bits, one of some words. */
enum vrv_setting_type { VRV_SETTING_INT, VRV_SETTING_LONG, VRV_SETTING_WORD };

enum { VRV_SETTING_VALUE = 24 }; /* room for any, with its NUL */

struct vrv_setting {
    const char *key;
    enum vrv_setting_type type;
    bool own;                        /* the topic's, though it may equal the default */
    char value[VRV_SETTING_VALUE];   /* in force */
    char dflt[VRV_SETTING_VALUE];
};

/* The i-th setting, in order of key, as it is in c (own: false); false: there are no more. */
bool vrv_topic_config_describe(const struct vrv_log_config *c, size_t i, struct vrv_setting *out);

#endif
