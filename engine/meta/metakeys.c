#include "engine/meta/metakeys.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

struct name {
    const char *p;
    size_t n;
};

static struct vrv_metakey *
key_of(const struct vrv_omap_node *n)
{
    return VRV_OMAP_OF(n, struct vrv_metakey, node);
}

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct name *a = key;
    const struct vrv_metakey *b = key_of(n);
    int c = memcmp(a->p, b->bytes, a->n < b->key_len ? a->n : b->key_len);

    return c != 0 ? c : (a->n > b->key_len) - (a->n < b->key_len);
}

void
vrv_metakeys_init(struct vrv_metakeys *k)
{
    vrv_omap_init(&k->map, compare);
    k->revision = 0;
}

void
vrv_metakeys_fini(struct vrv_metakeys *k)
{
    struct vrv_omap_node *n;

    while ((n = vrv_omap_pop(&k->map)) != NULL)
        free(key_of(n));
}

uint64_t
vrv_metakeys_mod(const struct vrv_metakeys *k, const char *key)
{
    struct vrv_omap_node *n = vrv_omap_find(&k->map, &(struct name){key, strlen(key)});

    return n != NULL ? key_of(n)->mod : 0;
}

int
vrv_metakeys_set(struct vrv_metakeys *k, const char *key, size_t key_len, const void *value,
    size_t value_len, uint64_t mod, struct vrv_err *e)
{
    struct name name = {key, key_len};
    struct vrv_metakey *fresh = NULL;

    VRV_ASSERT(key_len > 0 && key_len <= VRV_META_KEY_MAX);
    VRV_ASSERT(value_len <= VRV_META_VALUE_MAX);
    if (value != NULL) {
        fresh = vrv_mem_try(sizeof(*fresh) + key_len + 1 + value_len);
        if (fresh == NULL)
            return vrv_err_set(e, VRV_E_NOMEM, "no memory for key %.*s", (int)key_len, key);
        fresh->value_len = (uint32_t)value_len;
        fresh->mod = mod;
        fresh->key_len = (uint16_t)key_len;
        memcpy(fresh->bytes, key, key_len);
        fresh->bytes[key_len] = '\0';
        memcpy(fresh->bytes + key_len + 1, value, value_len);
    }
    struct vrv_omap_node *old = vrv_omap_remove(&k->map, &name);
    if (old != NULL)
        free(key_of(old));
    if (fresh != NULL)
        vrv_omap_insert(&k->map, &(struct name){fresh->bytes, key_len}, &fresh->node);
    return 0;
}

const struct vrv_metakey *
vrv_metakeys_next(const struct vrv_metakeys *k, const char *prefix, const struct vrv_metakey *last)
{
    size_t n = strlen(prefix);
    struct vrv_omap_node *at;

    if (last != NULL)
        at = vrv_omap_after(&k->map, &(struct name){last->bytes, last->key_len});
    else
        at = vrv_omap_from(&k->map, &(struct name){prefix, n});
    if (at == NULL || key_of(at)->key_len < n || memcmp(key_of(at)->bytes, prefix, n) != 0)
        return NULL;
    return key_of(at);
}
