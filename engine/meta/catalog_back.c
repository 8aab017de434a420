/*
 * Epochs of a topic that comes back: its new life goes on above those of the one before, which what is left
 * of that carries.
 *
 * They are written before the topic is, each where there is none.  One that is there is of a try before
 * this one, or the caller has taken the wrong id.
 */

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_call.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/catalog_impl.h"

/* Epochs that one transaction takes. */
enum { SOME = VRV_META_OPS_MAX / 2 };

struct some {
    struct vrv_uuid id;
    const int32_t *epochs;
    int32_t from, n;
    struct vrv_meta_compare compare[SOME];
    struct vrv_meta_write write[SOME];
    char key[SOME][VRV_CATKEY_MAX];
    uint8_t value[SOME][VRV_CATVAL_PART];
    int32_t there; /* how many are as they should be */
};

static void
add_epoch(struct some *s, int32_t part, size_t at)
{
    vrv_catkey_part(s->key[at], &s->id, part);
    vrv_catval_part(s->value[at], s->epochs[part]);
    s->compare[at] = (struct vrv_meta_compare){ s->key[at], 0 };
    s->write[at] = (struct vrv_meta_write){ s->key[at], s->value[at], VRV_CATVAL_PART };
}

static int
count_fn(void *ctx, const struct vrv_meta_kv *kv, struct vrv_err *e)
{
    struct some *s = ctx;
    struct vrv_uuid id;
    int32_t part, epoch;

    if (!vrv_catkey_id_part(kv->key, &id, &part) || part < s->from || part >= s->from + s->n)
        return 0;
    int rc = vrv_catval_part_parse(&epoch, kv->key, kv->value, kv->value_len, e);
    s->there += rc == 0 && epoch == s->epochs[part];
    return rc;
}

/* Epochs begin with 0, of which there is no key. */
static int
set_some(struct vrv_catalog *c, struct some *s, struct vrv_err *e)
{
    char prefix[VRV_CATKEY_MAX];
    uint64_t revision;
    size_t n = 0;
    int rc = VRV_E_UNKNOWN;

    for (int32_t i = s->from; i < s->from + s->n; i++)
        if (s->epochs[i] > 0)
            add_epoch(s, i, n++);
    vrv_catkey_part(prefix, &s->id, -1);
    for (int i = 0; i < VRV_CATALOG_TRIES_MAX && n > 0; i++) {
        rc = vrv_catcall_txn(c->m, &(struct vrv_meta_txn){ s->compare, n, s->write, n }, &revision, e);
        if (rc != VRV_E_UNKNOWN && rc != VRV_E_CONFLICT)
            return rc;
        s->there = 0;
        int again = vrv_catcall_range(c->m, prefix, count_fn, s, &revision, e);
        if (again < 0 && again != VRV_E_UNKNOWN)
            return again;
        if (again == 0 && s->there == (int32_t)n)
            return 0;
        if (again == 0 && rc == VRV_E_CONFLICT)
            return vrv_err_set(e, rc, "the topic has leader epochs already, and they are others");
    }
    return n == 0 ? 0 : rc;
}

int
vrv_catalog_set_epochs(struct vrv_catalog *c, const struct vrv_uuid *id, const int32_t *epochs,
    int32_t n, struct vrv_err *e)
{
    int rc = vrv_catalog_begin(c, e);

    if (rc < 0)
        return rc;
    struct some *s = VRV_NEW(struct some);
    s->id = *id;
    s->epochs = epochs;
    VRV_ASSERT(vrv_catimage_by_id(&c->img, id) == NULL);
    for (s->from = 0; s->from < n && rc == 0; s->from += s->n) {
        s->n = n - s->from < SOME ? n - s->from : SOME;
        rc = set_some(c, s, e);
    }
    free(s);
    if (rc == 0) {
        struct vrv_catread r = { .c = c };
        char prefix[VRV_CATKEY_MAX];

        vrv_catkey_part(prefix, id, -1);
        rc = vrv_catalog_read(&r, prefix, e);
    }
    vrv_catalog_end(c);
    return rc;
}
