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

#endif
