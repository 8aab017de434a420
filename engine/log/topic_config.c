#include "engine/log/topic_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"

/* How a value lies in the configuration.  A word is kept as its place among the words. */
enum kind { I64, U64, U32, WORD, FLAG };

struct setting {
    const char *key;
    enum vrv_setting_type type;
    enum kind kind;
    size_t at;
    int64_t min, max;
    const char *const *words; /* NULL at the end; NULL for numbers */
};

#define AT(field) offsetof(struct vrv_log_config, field)

static const char *const policies[] = { "sync", "interval", "none", NULL };
static const char *const stamps[] = { "CreateTime", "LogAppendTime", NULL };
static const char *const checks[] = { "header", "records", NULL };

_Static_assert(sizeof(enum vrv_flush_policy) == sizeof(uint32_t), "WORD stores it");

static const struct setting settings[] = {
    { "flush.messages", VRV_SETTING_LONG, I64, AT(flush_messages), 1, INT64_MAX, NULL },
    { "flush.ms", VRV_SETTING_LONG, I64, AT(flush_ms), 0, INT64_MAX, NULL },
    { "flush.policy", VRV_SETTING_WORD, WORD, AT(policy), 0, 2, policies },
    { "index.interval.bytes", VRV_SETTING_INT, U32, AT(index_interval), 0, INT32_MAX, NULL },
    { "max.message.bytes", VRV_SETTING_INT, U32, AT(batch_max), 0, INT32_MAX, NULL },
    { "message.timestamp.after.max.ms", VRV_SETTING_LONG, I64, AT(ts_after_max_ms), 0, INT64_MAX,
        NULL },
    { "message.timestamp.before.max.ms", VRV_SETTING_LONG, I64, AT(ts_before_max_ms), 0,
        INT64_MAX, NULL },
    { "message.timestamp.type", VRV_SETTING_WORD, FLAG, AT(log_append_time), 0, 1, stamps },
    { "retention.bytes", VRV_SETTING_LONG, I64, AT(retention_bytes), -1, INT64_MAX, NULL },
    { "retention.ms", VRV_SETTING_LONG, I64, AT(retention_ms), -1, INT64_MAX, NULL },
    { "segment.bytes", VRV_SETTING_INT, U64, AT(segment_bytes), 14, INT32_MAX, NULL },
    { "segment.jitter.ms", VRV_SETTING_LONG, I64, AT(segment_jitter_ms), 0, INT64_MAX, NULL },
    { "segment.ms", VRV_SETTING_LONG, I64, AT(segment_ms), 1, INT64_MAX, NULL },
    { "validation", VRV_SETTING_WORD, FLAG, AT(strict), 0, 1, checks },
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static void
store(struct vrv_log_config *c, const struct setting *s, int64_t v)
{
    void *at = (char *)c + s->at;

    switch (s->kind) {
    case I64:
        *(int64_t *)at = v;
        break;
    case U64:
        *(uint64_t *)at = (uint64_t)v;
        break;
    case U32:
        *(uint32_t *)at = (uint32_t)v;
        break;
    case WORD:
        c->policy = (enum vrv_flush_policy)v;
        break;
    case FLAG:
        *(bool *)at = v == 1;
        break;
    }
}

static int64_t
load(const struct vrv_log_config *c, const struct setting *s)
{
    const void *at = (const char *)c + s->at;

    switch (s->kind) {
    case I64:
        return *(const int64_t *)at;
    case U64:
        return (int64_t)*(const uint64_t *)at;
    case U32:
        return *(const uint32_t *)at;
    case WORD:
        return c->policy;
    default:
        return *(const bool *)at;
    }
}

static int
parse_number(const struct setting *s, const char *value, int64_t *v, struct vrv_err *e)
{
    char *end;

    errno = 0;
    *v = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0 || *v < s->min || *v > s->max)
        return vrv_err_set(e, VRV_E_INVALID,
            "%s is \"%.40s\", expected a whole number from %" PRId64 " to %" PRId64, s->key, value,
            s->min, s->max);
    return 0;
}

static int
parse_word(const struct setting *s, const char *value, int64_t *v, struct vrv_err *e)
{
    const char *const *w = s->words;

    for (*v = 0; w[*v] != NULL; (*v)++)
        if (strcmp(value, w[*v]) == 0)
            return 0;
    return vrv_err_set(e, VRV_E_INVALID, "%s is \"%.40s\", expected %s%s%s%s%s", s->key, value,
        w[0], s->max == 2 ? ", " : " or ", w[1], s->max == 2 ? " or " : "",
        s->max == 2 ? w[2] : "");
}

static const struct setting *
find(const char *key, struct vrv_err *e)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(key, settings[i].key) == 0)
            return &settings[i];
    (void)vrv_err_set(e, VRV_E_INVALID, "there is no topic setting \"%.60s\"", key);
    return NULL;
}

int
vrv_topic_config_set(struct vrv_log_config *c, const char *key, const char *value,
    struct vrv_err *e)
{
    const struct setting *s = find(key, e);
    int64_t v;

    if (s == NULL)
        return VRV_E_INVALID;
    if (value == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "the setting %s has no value", key);
    int rc = s->words != NULL ? parse_word(s, value, &v, e) : parse_number(s, value, &v, e);
    if (rc == 0)
        store(c, s, v);
    return rc;
}

int
vrv_topic_config_reset(struct vrv_log_config *c, const char *key, struct vrv_err *e)
{
    const struct setting *s = find(key, e);
    struct vrv_log_config d;

    if (s == NULL)
        return VRV_E_INVALID;
    vrv_log_config_default(&d);
    store(c, s, load(&d, s));
    return 0;
}

static void
to_text(const struct setting *s, const struct vrv_log_config *c, char out[VRV_SETTING_VALUE])
{
    int64_t v = load(c, s);

    if (s->words != NULL)
        (void)snprintf(out, VRV_SETTING_VALUE, "%s", s->words[v]);
    else
        (void)snprintf(out, VRV_SETTING_VALUE, "%" PRId64, v);
}

bool
vrv_topic_config_describe(const struct vrv_log_config *c, size_t i, struct vrv_setting *out)
{
    struct vrv_log_config d;

    if (i >= SETTINGS)
        return false;
    vrv_log_config_default(&d);
    out->key = settings[i].key;
    out->type = settings[i].type;
    out->own = false;
    to_text(&settings[i], c, out->value);
    to_text(&settings[i], &d, out->dflt);
    return true;
}
