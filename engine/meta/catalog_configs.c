/*
 * Settings of entities that are not topics.
 *
 * As the other changes: a transaction compares the revision that the caller decided by, and after
 * an unknown outcome the key is read again.  Setting nothing leaves the key, so no revision comes back:
 * one that was compared in vain can't be met later.  Only who is done with an entity drops it.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

void
vrv_catalog_configs(struct vrv_catalog *c, const char *entity, struct vrv_entity_configs *out)
{
    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    *out = (struct vrv_entity_configs){ .mod = 0 };
    vrv_lock(&c->lock);
    const struct vrv_catentity *t = vrv_catimage_entity(&c->img, entity);
    if (t != NULL) {
        vrv_catconfigs_parse(out, t->value, t->value_len);
        out->mod = t->mod;
    }
    vrv_unlock(&c->lock);
}

/* The lock is not held while fn runs, so that it may call the catalog, also to change it. */
int
vrv_catalog_each_entity(struct vrv_catalog *c, const char *prefix, vrv_entity_fn *fn, void *ctx)
{
    char name[VRV_ENTITY_MAX + 1];
    int rc = 0;

    VRV_CHECK(c, VRV_CATALOG_MAGIC);
    (void)snprintf(name, sizeof(name), "%s", prefix);
    while (rc == 0) {
        vrv_lock(&c->lock);
        const struct vrv_catentity *t = vrv_catimage_entity_after(&c->img, name);
        bool more = t != NULL && strncmp(t->name, prefix, strlen(prefix)) == 0;
        if (more)
            (void)snprintf(name, sizeof(name), "%s", t->name);
        vrv_unlock(&c->lock);
        if (!more)
            break;
        rc = fn(ctx, name);
    }
    return rc;
}

static int
send_configs(struct vrv_catalog *c, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    const struct vrv_meta_compare compare = { kv->key, kv->mod };
    const struct vrv_meta_write write = { kv->key, kv->value, kv->value_len };
    struct vrv_meta_kv news = *kv;
    int rc = vrv_catcall_txn(c->m, &(struct vrv_meta_txn){ &compare, 1, &write, 1 }, &news.mod, e);

    return rc == 0 ? vrv_catalog_learn(c, &news, e) : rc;
}

/* kv->mod: decided by. */
static int
set_configs(struct vrv_catalog *c, const char *entity, const struct vrv_meta_kv *kv,
    struct vrv_err *e)
{
    struct vrv_catread r = { .c = c };
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++) {
        rc = send_configs(c, kv, e);
        if (rc != VRV_E_UNKNOWN && rc != VRV_E_CONFLICT)
            return rc;
        int again = vrv_catalog_read(&r, kv->key, e);
        if (again < 0)
            return again;
        const struct vrv_catentity *t = vrv_catimage_entity(&c->img, entity);
        if (t == NULL || t->mod == kv->mod)
            continue; /* it was not done, and may be yet: once, whoever sends it */
        if (i > 0 || rc == VRV_E_UNKNOWN) /* ours, or as good */
            if (t->value_len == kv->value_len && memcmp(t->value, kv->value, kv->value_len) == 0)
                return 0;
        rc = VRV_E_CONFLICT;
    }
    if (rc == VRV_E_CONFLICT)
        return vrv_err_set(e, rc, "the settings of %.200s were changed meanwhile", entity);
    return rc;
}

int
vrv_catalog_set_configs(struct vrv_catalog *c, const char *entity, uint64_t mod,
    const struct vrv_config_kv *v, size_t n, struct vrv_err *e)
{
    size_t entity_n = strnlen(entity, VRV_ENTITY_MAX + 1), len = 0;
    char key[VRV_CATKEY_MAX];
    uint8_t *value = NULL;

    if (entity_n < 1 || entity_n > VRV_ENTITY_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "settings of \"%.40s\": 1 to %d bytes are allowed",
            entity, VRV_ENTITY_MAX);
    vrv_catkey_config(key, entity);
    int rc = vrv_catval_configs(v, n, &value, &len, e);
    if (rc < 0)
        return rc;
    rc = vrv_catalog_begin(c, e);
    if (rc == 0) {
        rc = set_configs(c, entity, &(struct vrv_meta_kv){ key, value, len, mod }, e);
        vrv_catalog_end(c);
    }
    free(value);
    return rc;
}

/* ---- dropping ---- */

struct found {
    const char *key;
    bool there;
    uint64_t mod;
};

static int
find_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct found *f = ctx;

    (void)e;
    if (strcmp(kv->key, f->key) == 0)
        *f = (struct found){ f->key, true, kv->mod };
    return 0;
}

static int
drop_configs(struct vrv_catalog *c, const char *entity, const struct vrv_meta_kv *kv,
    struct vrv_err *e)
{
    struct found f = { .key = kv->key, .there = true, .mod = kv->mod };
    uint64_t revision;
    int rc = VRV_E_UNKNOWN;

    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && f.there && f.mod == kv->mod; i++) {
        rc = send_configs(c, kv, e);
        if (rc != VRV_E_UNKNOWN && rc != VRV_E_CONFLICT)
            return rc;
        f.there = false;
        int again = vrv_catcall_range(c->m, kv->key, find_fn, &f, &revision, e);
        if (again == VRV_E_UNKNOWN)
            f = (struct found){ kv->key, true, kv->mod };
        else if (again < 0)
            return again;
    }
    if (!f.there) /* by us, or as good */
        return vrv_catalog_learn(c, &(struct vrv_meta_kv){ kv->key, NULL, 0, revision }, e);
    return f.mod == kv->mod ? rc
                            : vrv_err_set(e, VRV_E_CONFLICT,
                                  "the settings of %.200s were changed meanwhile", entity);
}

int
vrv_catalog_drop_configs(struct vrv_catalog *c, const char *entity, uint64_t mod,
    struct vrv_err *e)
{
    char key[VRV_CATKEY_MAX];
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    vrv_catkey_config(key, entity);
    rc = drop_configs(c, entity, &(struct vrv_meta_kv){ key, NULL, 0, mod }, e);
    vrv_catalog_end(c);
    return rc;
}
