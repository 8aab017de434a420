/* The settings of a topic or a broker: reading, showing and changing them. */
#ifndef VRV_TOOL_SETTINGS_H
#define VRV_TOOL_SETTINGS_H

#include "server/tool/kafka.h"

struct setting {
    char *name;
    char *value; /* NULL: none, or secret */
    rd_kafka_ConfigSource_t source;
    bool secret, fixed; /* fixed: only a restart changes it */
};

struct settings {
    rd_kafka_ResourceType_t type; /* TOPIC or BROKER */
    const char *of;               /* whose: a topic's name, a broker's number */
    struct setting *v;            /* by name */
    size_t n;
};

int settings_read(struct kafka *k, rd_kafka_ResourceType_t type, const char *of,
    struct settings *s, struct vrv_err *e) VRV_MUST_CHECK;
void settings_free(struct settings *s);
const struct setting *settings_find(const struct settings *s, const char *name);
/* Those that differ from Kafka's default, or all. */
void settings_print(struct kafka *k, const struct settings *s, bool all);
void settings_print_one(struct kafka *k, const struct settings *s, const struct setting *x);

/* `set` holds name=value, `unset` names; what is set besides stays as it is.
 *
 * Kafka's AlterConfigs, all that librdkafka 2.0 has, replaces everything that is set on the topic
 * or broker.  So this reads, changes, and writes the whole; what somebody else sets in between is
 * lost, and secrets, which can't be read, make it refuse. */
int settings_change(struct kafka *k, rd_kafka_ResourceType_t type, const char *of,
    const struct words *set, const struct words *unset, struct vrv_err *e) VRV_MUST_CHECK;

#endif
