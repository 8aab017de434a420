/* All of a catalog as it is stored, and back into an empty one. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

void
vrv_catalog_dump_fini(struct vrv_catalog_kvs *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->v[i].key); /* the value lies behind it */
    free(d->v);
    *d = (struct vrv_catalog_kvs){ NULL, 0 };
}

static int
dump_key(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct vrv_catalog_kvs *d = ctx;
    size_t key_n = strlen(kv->key) + 1;
    char *p = vrv_mem_zero(key_n + kv->value_len);

    (void)e;
    memcpy(p, kv->key, key_n);
    if (kv->value_len > 0)
        memcpy(p + key_n, kv->value, kv->value_len);
    if ((d->n & (d->n - 1)) == 0) /* full: twice as many, then */
        d->v = vrv_mem_grow(d->v, (d->n > 0 ? 2 * d->n : 1) * sizeof(*d->v));
    d->v[d->n++] = (struct vrv_catalog_kv){ p, p + key_n, kv->value_len };
    return 0;
}

int
vrv_catalog_dump(struct vrv_catalog *c, struct vrv_catalog_kvs *out, struct vrv_err *e)
{
    uint64_t revision;

    *out = (struct vrv_catalog_kvs){ NULL, 0 };
    int rc = vrv_catalog_begin(c, e);
    if (rc < 0)
        return rc;
    rc = VRV_E_UNKNOWN;
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++) {
        vrv_catalog_dump_fini(out);
        rc = vrv_catcall_range(c->m, "", dump_key, out, &revision, e);
    }
    vrv_catalog_end(c);
    if (rc < 0)
        vrv_catalog_dump_fini(out);
    return rc;
}

/* Is a key there, with this value? */
struct there {
    const struct vrv_catalog_kv *kv;
    bool is;
};

static int
compare_key(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct there *t = ctx;

    (void)e;
    t->is |= strcmp(kv->key, t->kv->key) == 0 && kv->value_len == t->kv->n &&
        memcmp(kv->value, t->kv->value, t->kv->n) == 0;
    return 0;
}

/* All or nothing, and once: sent again where the outcome was unknown, it is done or finds itself. */
static int
load_some(struct vrv_catalog *c, const struct vrv_catalog_kv *v, size_t n, struct vrv_err *e)
{
    struct vrv_meta_compare compare[VRV_META_OPS_MAX];
    struct vrv_meta_write write[VRV_META_OPS_MAX];
    struct there t = { v, false };
    uint64_t revision;
    int rc = VRV_E_UNKNOWN, tries = 0;

    for (size_t i = 0; i < n; i++) {
        compare[i] = (struct vrv_meta_compare){ v[i].key, 0 };
        write[i] = (struct vrv_meta_write){ v[i].key, v[i].value, v[i].n };
    }
    for (; rc == VRV_E_UNKNOWN && tries < VRV_CATALOG_TRIES_MAX; tries++)
        rc = vrv_catcall_txn(c->m, &(struct vrv_meta_txn){ compare, n, write, n }, &revision, e);
    if (rc != VRV_E_CONFLICT || tries == 1)
        return rc;
    rc = VRV_E_UNKNOWN;
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && rc == VRV_E_UNKNOWN; i++)
        rc = vrv_catcall_range(c->m, v->key, compare_key, &t, &revision, e);
    return rc < 0 || t.is
        ? rc
        : vrv_err_set(e, VRV_E_CONFLICT, "the catalog isn't empty: it has \"%.60s\"", v->key);
}

int
vrv_catalog_load(struct vrv_catalog *c, const struct vrv_catalog_kv *v, size_t n, struct vrv_err *e)
{
    const size_t most = VRV_META_OPS_MAX / 2; /* a compare and a write for each */

    int rc = vrv_catalog_begin(c, e);
    if (rc < 0)
        return rc;
    for (size_t at = 0; at < n && rc == 0; at += most)
        rc = load_some(c, v + at, n - at < most ? n - at : most, e);
    vrv_catalog_end(c);
    return rc;
}
