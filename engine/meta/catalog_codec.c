#include "engine/meta/catalog_codec.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/contract/metastore.h"

enum {
    CATVAL_VERSION = 1,
    HEAD = 16, /* of a topic's value: what lies before its name */
    HEAD_NAME_LEN = 1,
    HEAD_PARTITIONS = 2,
    HEAD_CREATED = 6,
    HEAD_CONFIGS = 14,
    ENTITY_HEAD = 4, /* of an entity's value */
    ENTITY_CONFIGS = 2,
    CONFIG_HEAD = 6,
    CONFIG_KEY_MAX = UINT16_MAX,
    PART_DIGITS = 6, /* as VRV_PARTITIONS_MAX has */
};

/* ---- keys */

static char *
put_text(char *to, const char *s)
{
    size_t n = strlen(s);

    memcpy(to, s, n + 1);
    return to + n;
}

void
vrv_catkey_topic(char *out, const struct vrv_uuid *id)
{
    vrv_uuid_text(id, put_text(out, VRV_CATKEY_TOPIC));
}

void
vrv_catkey_name(char *out, const char *name)
{
    (void)put_text(put_text(out, VRV_CATKEY_NAME), name);
}

void
vrv_catkey_gone(char *out, const struct vrv_uuid *id)
{
    vrv_uuid_text(id, put_text(out, VRV_CATKEY_GONE));
}

void
vrv_catkey_config(char *out, const char *entity)
{
    (void)put_text(put_text(out, VRV_CATKEY_CONFIG), entity);
}

void
vrv_catkey_part(char *out, const struct vrv_uuid *id, int32_t part)
{
    char *to = put_text(out, VRV_CATKEY_PART);

    vrv_uuid_text(id, to);
    to = put_text(to + VRV_UUID_TEXT, "/");
    if (part >= 0)
        (void)snprintf(to, 16, "%0*" PRId32, PART_DIGITS, part);
}

bool
vrv_catkey_id(const char *key, const char *prefix, struct vrv_uuid *id)
{
    size_t n = strlen(prefix);

    return strncmp(key, prefix, n) == 0 && vrv_uuid_parse(id, key + n) &&
           key[n + VRV_UUID_TEXT] == '\0';
}

bool
vrv_catkey_id_part(const char *key, struct vrv_uuid *id, int32_t *part)
{
    size_t n = strlen(VRV_CATKEY_PART);

    if (strncmp(key, VRV_CATKEY_PART, n) != 0 || !vrv_uuid_parse(id, key + n))
        return false;
    key += n + VRV_UUID_TEXT;
    if (*key++ != '/' || strlen(key) != PART_DIGITS)
        return false;
    *part = 0;
    for (; *key != '\0'; key++) {
        if (*key < '0' || *key > '9')
            return false;
        *part = *part * 10 + (*key - '0');
    }
    return *part < VRV_PARTITIONS_MAX;
}

/* ---- values, written */

static int
by_key(const void *a, const void *b)
{
    const struct vrv_config_kv *x = a, *y = b;

    return strcmp(x->key, y->key);
}

/* A copy in order of key, `most` at most, and what it takes as bytes. */
static int
sort_configs(const struct vrv_config_kv *configs, size_t n, size_t most, struct vrv_config_kv *c, size_t *size,
    struct vrv_err *e)
{
    *size = 0;
    if (n > most)
        return vrv_err_set(e, VRV_E_INVALID, "%zu configurations: %zu are allowed", n, most);
    if (n > 0)
        memcpy(c, configs, n * sizeof(*c));
    if (n > 1)
        qsort(c, n, sizeof(*c), by_key);
    for (size_t i = 0; i < n; i++) {
        size_t key = strlen(c[i].key), value = strlen(c[i].value);

        if (key < 1 || key > CONFIG_KEY_MAX)
            return vrv_err_set(e, VRV_E_INVALID, "a configuration key of %zu bytes", key);
        if (i > 0 && strcmp(c[i - 1].key, c[i].key) == 0)
            return vrv_err_set(e, VRV_E_INVALID, "the configuration %.100s is given twice",
                c[i].key);
        *size += CONFIG_HEAD + key + value;
        if (value > VRV_META_VALUE_MAX || *size > VRV_META_VALUE_MAX - HEAD - VRV_TOPIC_NAME_MAX)
            return vrv_err_set(e, VRV_E_INVALID, "the configuration is larger than %d bytes",
                VRV_META_VALUE_MAX);
    }
    return 0;
}

static void
put_configs(uint8_t *p, const struct vrv_config_kv *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t key = strlen(c[i].key), value = strlen(c[i].value);

        vrv_put_le16(p, (uint16_t)key);
        vrv_put_le32(p + 2, (uint32_t)value);
        memcpy(p + CONFIG_HEAD, c[i].key, key);
        memcpy(p + CONFIG_HEAD + key, c[i].value, value);
        p += CONFIG_HEAD + key + value;
    }
}

int
vrv_catval_topic(const char *name, int32_t partitions, int64_t created_ms,
    const struct vrv_config_kv *configs, size_t n, uint8_t **out, size_t *len, struct vrv_err *e)
{
    struct vrv_config_kv sorted[VRV_CONFIGS_MAX];
    size_t name_len = strlen(name), size;

    VRV_ASSERT(name_len <= VRV_TOPIC_NAME_MAX);
    int rc = sort_configs(configs, n, VRV_CONFIGS_MAX, sorted, &size, e);
    if (rc < 0)
        return rc;
    *len = HEAD + name_len + size;
    uint8_t *p = *out = vrv_mem_zero(*len);
    p[0] = CATVAL_VERSION;
    p[HEAD_NAME_LEN] = (uint8_t)name_len;
    vrv_put_le32(p + HEAD_PARTITIONS, (uint32_t)partitions);
    vrv_put_le64(p + HEAD_CREATED, (uint64_t)created_ms);
    vrv_put_le16(p + HEAD_CONFIGS, (uint16_t)n);
    memcpy(p + HEAD, name, name_len);
    put_configs(p + HEAD + name_len, sorted, n);
    return 0;
}

int
vrv_catval_configs(const struct vrv_config_kv *configs, size_t n, uint8_t **out, size_t *len,
    struct vrv_err *e)
{
    struct vrv_config_kv sorted[VRV_ENTITY_CONFIGS_MAX];
    size_t size;
    int rc = sort_configs(configs, n, VRV_ENTITY_CONFIGS_MAX, sorted, &size, e);

    if (rc < 0)
        return rc;
    *len = ENTITY_HEAD + size;
    uint8_t *p = *out = vrv_mem_zero(*len);
    p[0] = CATVAL_VERSION;
    vrv_put_le16(p + ENTITY_CONFIGS, (uint16_t)n);
    put_configs(p + ENTITY_HEAD, sorted, n);
    return 0;
}

void
vrv_catval_name(uint8_t *out, const struct vrv_uuid *id)
{
    out[0] = CATVAL_VERSION;
    memcpy(out + 1, id->b, sizeof(id->b));
}

void
vrv_catval_part(uint8_t *out, int32_t epoch)
{
    out[0] = CATVAL_VERSION;
    vrv_put_le32(out + 1, (uint32_t)epoch);
}

void
vrv_catval_fence(uint8_t *out)
{
    out[0] = CATVAL_VERSION;
}

void
vrv_catval_gone(const char *name, uint8_t **out, size_t *len)
{
    *len = 1 + strlen(name);
    *out = vrv_mem_zero(*len);
    (*out)[0] = CATVAL_VERSION;
    memcpy(*out + 1, name, *len - 1);
}

/* ---- values, read */

static int
bad(const char *key, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_CORRUPT, "the catalog's key %.100s has a value that makes no sense",
        key);
}

static int
check_version(const char *key, const uint8_t *p, size_t n, struct vrv_err *e)
{
    if (n < 1 || p[0] < CATVAL_VERSION)
        return bad(key, e);
    if (p[0] > CATVAL_VERSION)
        return vrv_err_set(e, VRV_E_VERSION,
            "the catalog's key %.100s has a value of version %d, known is %d", key, p[0],
            CATVAL_VERSION);
    return 0;
}

/* The size of one configuration at p, or 0 when it is not whole or no text. */
static size_t
config_size(const uint8_t *p, size_t n)
{
    if (n < CONFIG_HEAD)
        return 0;
    size_t key = vrv_get_le16(p), value = vrv_get_le32(p + 2);
    if (key < 1 || value > VRV_META_VALUE_MAX || n - CONFIG_HEAD < key + value)
        return 0;
    return memchr(p + CONFIG_HEAD, '\0', key + value) == NULL ? CONFIG_HEAD + key + value : 0;
}

/* Are these n bytes so many configurations? */
static bool
are_configs(const uint8_t *p, size_t n, size_t count, size_t most)
{
    size_t at = 0;

    if (count > most)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t size = config_size(p + at, n - at);

        if (size == 0)
            return false;
        at += size;
    }
    return at == n;
}

/* The array, then the texts; each has its head's place for its two NULs. */
static struct vrv_config_kv *
read_configs(const uint8_t *p, size_t n, size_t count)
{
    if (count == 0)
        return NULL;
    struct vrv_config_kv *v = vrv_mem_zero(count * sizeof(*v) + n);
    char *to = (char *)(v + count);
    for (size_t i = 0; i < count; i++) {
        size_t key = vrv_get_le16(p), len = vrv_get_le32(p + 2);

        v[i].key = memcpy(to, p + CONFIG_HEAD, key);
        v[i].value = memcpy(to + key + 1, p + CONFIG_HEAD + key, len);
        to += key + 1 + len + 1;
        p += CONFIG_HEAD + key + len;
    }
    return v;
}

int
vrv_cathead_parse(struct vrv_cathead *h, const char *key, const void *value, size_t n,
    struct vrv_err *e)
{
    const uint8_t *p = value;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int rc = check_version(key, p, n, e);

    if (rc < 0)
        return rc;
    if (n < HEAD || n - HEAD < p[HEAD_NAME_LEN] || p[HEAD_NAME_LEN] > VRV_TOPIC_NAME_MAX)
        return bad(key, e);
    h->name = (const char *)p + HEAD;
    h->name_len = p[HEAD_NAME_LEN];
    h->partitions = (int32_t)vrv_get_le32(p + HEAD_PARTITIONS);
    h->created_ms = (int64_t)vrv_get_le64(p + HEAD_CREATED);
    h->config_n = vrv_get_le16(p + HEAD_CONFIGS);
    memcpy(name, h->name, h->name_len);
    name[h->name_len] = '\0';
    if (strlen(name) != h->name_len || vrv_topic_name_check(name, NULL) < 0 || h->partitions < 1 ||
        h->partitions > VRV_PARTITIONS_MAX)
        return bad(key, e);
    size_t at = HEAD + h->name_len;
    return are_configs(p + at, n - at, h->config_n, VRV_CONFIGS_MAX) ? 0 : bad(key, e);
}

void
vrv_catinfo_parse(struct vrv_topic_info *t, const void *value, size_t n)
{
    const uint8_t *p = value;
    size_t name_len = p[HEAD_NAME_LEN];

    t->partitions = (int32_t)vrv_get_le32(p + HEAD_PARTITIONS);
    t->created_ms = (int64_t)vrv_get_le64(p + HEAD_CREATED);
    t->config_n = vrv_get_le16(p + HEAD_CONFIGS);
    memcpy(t->name, p + HEAD, name_len);
    t->name[name_len] = '\0';
    t->configs = read_configs(p + HEAD + name_len, n - HEAD - name_len, t->config_n);
}

int
vrv_catconfigs_check(const char *key, const void *value, size_t n, struct vrv_err *e)
{
    const uint8_t *p = value;
    int rc = check_version(key, p, n, e);

    if (rc < 0)
        return rc;
    if (n < ENTITY_HEAD ||
        !are_configs(p + ENTITY_HEAD, n - ENTITY_HEAD, vrv_get_le16(p + ENTITY_CONFIGS), VRV_ENTITY_CONFIGS_MAX))
        return bad(key, e);
    return 0;
}

void
vrv_catconfigs_parse(struct vrv_entity_configs *out, const void *value, size_t n)
{
    const uint8_t *p = value;

    out->n = vrv_get_le16(p + ENTITY_CONFIGS);
    out->v = read_configs(p + ENTITY_HEAD, n - ENTITY_HEAD, out->n);
}

int
vrv_catval_part_parse(int32_t *epoch, const char *key, const void *value, size_t n,
    struct vrv_err *e)
{
    const uint8_t *p = value;
    int rc = check_version(key, p, n, e);

    if (rc < 0)
        return rc;
    if (n != VRV_CATVAL_PART || (int32_t)vrv_get_le32(p + 1) < 1)
        return bad(key, e);
    *epoch = (int32_t)vrv_get_le32(p + 1);
    return 0;
}
