#include "engine/log/topic_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { I64, U64, U32 };

struct number {
    const char *key;
    enum kind kind;
    size_t at;
    int64_t min, max;
};

#define AT(field) offsetof(struct vrv_log_config, field)

static const struct number numbers[] = {
    { "retention.ms", I64, AT(retention_ms), -1, INT64_MAX },
    { "retention.bytes", I64, AT(retention_bytes), -1, INT64_MAX },
    { "segment.bytes", U64, AT(segment_bytes), 14, INT32_MAX },
    { "segment.ms", I64, AT(segment_ms), 1, INT64_MAX },
    { "segment.jitter.ms", I64, AT(segment_jitter_ms), 0, INT64_MAX },
    { "index.interval.bytes", U32, AT(index_interval), 0, INT32_MAX },
    { "max.message.bytes", U32, AT(batch_max), 0, INT32_MAX },
    { "flush.ms", I64, AT(flush_ms), 0, INT64_MAX },
    { "flush.messages", I64, AT(flush_messages), 1, INT64_MAX },
    { "message.timestamp.before.max.ms", I64, AT(ts_before_max_ms), 0, INT64_MAX },
    { "message.timestamp.after.max.ms", I64, AT(ts_after_max_ms), 0, INT64_MAX },
};

static int
set_number(struct vrv_log_config *c, const struct number *n, const char *value, struct vrv_err *e)
{
    char *end;
    void *at = (char *)c + n->at;

    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || v < n->min || v > n->max)
        return vrv_err_set(e, VRV_E_INVALID,
            "%s is \"%.40s\", expected a whole number from %" PRId64 " to %" PRId64, n->key, value,
            n->min, n->max);
    if (n->kind == I64)
        *(int64_t *)at = v;
    else if (n->kind == U64)
        *(uint64_t *)at = (uint64_t)v;
    else
        *(uint32_t *)at = (uint32_t)v;
    return 0;
}

/* The index of value among n words, or INVALID. */
static int
word(const char *key, const char *value, const char *const *words, int n, struct vrv_err *e)
{
    for (int i = 0; i < n; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return vrv_err_set(e, VRV_E_INVALID, "%s is \"%.40s\", expected %s%s%s%s%s", key, value,
        words[0], n == 3 ? ", " : " or ", words[1], n == 3 ? " or " : "", n == 3 ? words[2] : "");
}

int
vrv_topic_config_set(struct vrv_log_config *c, const char *key, const char *value,
    struct vrv_err *e)
{
    static const char *const policies[] = { "sync", "interval", "none" };
    static const char *const stamps[] = { "CreateTime", "LogAppendTime" };
    static const char *const checks[] = { "header", "records" };
    int w;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(key, numbers[i].key) == 0)
            return set_number(c, &numbers[i], value, e);
    if (strcmp(key, "flush.policy") == 0) {
        w = word(key, value, policies, 3, e);
        if (w >= 0)
            c->policy = (enum vrv_flush_policy)w;
    } else if (strcmp(key, "message.timestamp.type") == 0) {
        w = word(key, value, stamps, 2, e);
        if (w >= 0)
            c->log_append_time = w == 1;
    } else if (strcmp(key, "validation") == 0) {
        w = word(key, value, checks, 2, e);
        if (w >= 0)
            c->strict = w == 1;
    } else {
        w = vrv_err_set(e, VRV_E_INVALID, "there is no topic setting \"%.60s\"", key);
    }
    return w < 0 ? w : 0;
}
