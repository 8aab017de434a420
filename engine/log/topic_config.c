#include "engine/log/topic_config.h"

#include <stddef.h>
#include <string.h>

#include "engine/base/assert.h"

/* How a value lies in the configuration.  A POLICY or OUTAGE is kept as its place among the words, a FLAG is
 * set for the second word; CLEANUP tells which of its words are in the list; of CODEC the last word is
 * none. */
enum kind { NONE, I64, U64, I32, U32, POLICY, OUTAGE, FLAG, CLEANUP, CODEC };

struct setting {
    struct vrv_topic_setting s;
    enum kind kind;
    size_t at;
};

static const char *const policies[] = { "sync", "interval", "none", NULL };
static const char *const stamps[] = { "CreateTime", "LogAppendTime", NULL };
static const char *const checks[] = { "header", "records", NULL };
static const char *const cleanups[] = { "compact", "delete", NULL };
static const char *const outages[] = { "block", "drop-oldest", "expire", NULL };
static const char *const on_deletes[] = { "delete", "keep", NULL };
static const char *const codecs[] = { "uncompressed", "zstd", "lz4", "snappy", "gzip", "producer",
    NULL };

#define RANGE(lo, hi) lo, hi, false, NULL
#define AT_LEAST(lo) lo, INT64_MAX, false, NULL
#define OR_MINUS_ONE(lo, hi) lo, hi, true, NULL
#define WORDS(list) 0, 0, false, list
#define ANY 0, 0, false, NULL
#define IN(kind, field) kind, offsetof(struct vrv_log_config, field)
#define CLEANS CLEANUP, 0
#define PACKS CODEC, 0
#define NOWHERE NONE, 0

static const struct setting settings[] = {
#define VRV_TOPIC_OPTION(key, type, dflt, check, where, doc)                                       \
    { { { key, VRV_SETTING_##type, check }, dflt, doc }, where },
#include "engine/log/topic_options.def"
};

_Static_assert(sizeof(settings) / sizeof(settings[0]) == VRV_TOPIC_SETTINGS, "one each");

/* By its place among the words. */
static void
store_codec(struct vrv_log_config *c, int64_t word)
{
    static const enum vrv_codec of[] = { VRV_CODEC_NONE, VRV_CODEC_ZSTD, VRV_CODEC_LZ4,
        VRV_CODEC_SNAPPY, VRV_CODEC_GZIP };

    c->repacks = word < (int64_t)(sizeof(of) / sizeof(of[0]));
    c->codec = c->repacks ? of[word] : VRV_CODEC_NONE;
}

static void
store(struct vrv_log_config *c, const struct setting *s, const struct vrv_setting_value *v)
{
    void *at = (char *)c + s->at;

    switch (s->kind) {
    case NONE:
        break;
    case I64:
        *(int64_t *)at = v->i;
        break;
    case U64:
        *(uint64_t *)at = (uint64_t)v->i;
        break;
    case I32:
        *(int32_t *)at = (int32_t)v->i;
        break;
    case U32:
        *(uint32_t *)at = (uint32_t)v->i;
        break;
    case POLICY:
        *(enum vrv_flush_policy *)at = (enum vrv_flush_policy)v->i;
        break;
    case OUTAGE:
        *(enum vrv_outage_policy *)at = (enum vrv_outage_policy)v->i;
        break;
    case FLAG:
        *(bool *)at = v->i == 1;
        break;
    case CLEANUP: /* the words are checked */
        c->deletes = strstr(v->text, "delete") != NULL;
        c->compacts = strstr(v->text, "compact") != NULL;
        break;
    case CODEC:
        store_codec(c, v->i);
        break;
    }
}

static const struct setting *
find(const char *key)
{
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++)
        if (strcmp(key, settings[i].s.rule.key) == 0)
            return &settings[i];
    return NULL;
}

/* Where it is, and what the value says. */
static int
parse(const char *key, const char *value, const struct setting **s, struct vrv_setting_value *v,
    struct vrv_err *e)
{
    *s = find(key);
    if (*s == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "Unknown topic config name: %.100s", key);
    if (value == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "Null value not supported for topic configs: %s",
            key);
    return vrv_setting_parse(&(*s)->s.rule, value, v, e);
}

int
vrv_topic_config_check(const char *key, const char *value, struct vrv_err *e)
{
    const struct setting *s = find(key);
    struct vrv_setting_value v;

    return s != NULL && value == NULL ? 0 : parse(key, value, &s, &v, e);
}

int
vrv_topic_config_set(struct vrv_log_config *c, const char *key, const char *value,
    struct vrv_err *e)
{
    const struct setting *s;
    struct vrv_setting_value v;
    int rc = parse(key, value, &s, &v, e);

    if (rc == 0)
        store(c, s, &v);
    return rc;
}

int
vrv_topic_defaults_set(struct vrv_topic_defaults *d, const char *key, const char *value,
    struct vrv_err *e)
{
    int rc = vrv_topic_config_set(&d->config, key, value, e);

    if (rc == 0) {
        const struct setting *s = find(key);

        vrv_setting_print(&s->s.rule, value, d->text[s - settings], VRV_SETTING_VALUE);
    }
    return rc;
}

void
vrv_topic_defaults_init(struct vrv_topic_defaults *d)
{
    memset(d, 0, sizeof(*d));
    for (size_t i = 0; i < VRV_TOPIC_SETTINGS; i++) {
        const struct vrv_topic_setting *s = &settings[i].s;
        int rc = vrv_topic_defaults_set(d, s->rule.key, s->dflt, NULL);

        VRV_ASSERT(rc == 0);
    }
}

const struct vrv_topic_setting *
vrv_topic_setting(size_t i)
{
    VRV_ASSERT(i < VRV_TOPIC_SETTINGS);
    return &settings[i].s;
}

const struct vrv_topic_setting *
vrv_topic_setting_find(const char *key)
{
    const struct setting *s = find(key);

    return s != NULL ? &s->s : NULL;
}

void
vrv_topic_config_describe(const struct vrv_topic_defaults *d, size_t i, const char *own,
    struct vrv_setting *out)
{
    const struct vrv_topic_setting *s = vrv_topic_setting(i);

    out->key = s->rule.key;
    out->doc = s->doc;
    out->type = s->rule.type;
    out->own = own != NULL;
    memcpy(out->dflt, d->text[i], VRV_SETTING_VALUE);
    if (own != NULL)
        vrv_setting_print(&s->rule, own, out->value, VRV_SETTING_VALUE);
    else
        memcpy(out->value, out->dflt, VRV_SETTING_VALUE);
}
