/* All keys of a metastore in memory, in byte order. */
#ifndef VRV_META_METAKEYS_H
#define VRV_META_METAKEYS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/omap.h"
#include "engine/contract/metastore.h"

/* One allocation per key: the name with its NUL, then the value. */
struct vrv_metakey {
    struct vrv_omap_node node;
    uint32_t value_len;
    uint64_t mod;
    uint16_t key_len;
    char bytes[];
};

struct vrv_metakeys {
    struct vrv_omap map;
    uint64_t revision; /* of the last change */
};

void vrv_metakeys_init(struct vrv_metakeys *k);
void vrv_metakeys_fini(struct vrv_metakeys *k);

/* 0: there is no such key. */
uint64_t vrv_metakeys_mod(const struct vrv_metakeys *k, const char *key);

/* Set or (value NULL) delete the key of key_len bytes, which needs no NUL behind it.  NOMEM leaves
 * all as it was. */
int vrv_metakeys_set(struct vrv_metakeys *k, const char *key, size_t key_len, const void *value,
    size_t value_len, uint64_t mod, struct vrv_err *e) VRV_MUST_CHECK;

/* The first key with this prefix, or the first after `last` (NULL: from the start); NULL at
 * the end. */
const struct vrv_metakey *vrv_metakeys_next(const struct vrv_metakeys *k, const char *prefix,
    const struct vrv_metakey *last);

static inline struct vrv_meta_kv
vrv_metakey_kv(const struct vrv_metakey *m)
{
    return (struct vrv_meta_kv){ .key = m->bytes, .value = m->bytes + m->key_len + 1,
        .value_len = m->value_len, .mod = m->mod };
}

#endif
