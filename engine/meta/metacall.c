#include "engine/meta/metacall.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static int
check_key(const char *key, struct vrv_err *e)
{
    size_t n = key != NULL ? strlen(key) : 0;

    if (n < 1 || n > VRV_META_KEY_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "a key of %zu bytes: 1 to %d are allowed", n,
            VRV_META_KEY_MAX);
    return 0;
}

static int
check_write(const struct vrv_meta_txn *t, size_t i, struct vrv_err *e)
{
    const struct vrv_meta_write *w = &t->write[i];
    int rc = check_key(w->key, e);

    if (rc < 0)
        return rc;
    if (w->value != NULL && w->value_len > VRV_META_VALUE_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "the value of %s has %zu bytes: %d are allowed",
            w->key, w->value_len, VRV_META_VALUE_MAX);
    for (size_t k = 0; k < i; k++)
        if (strcmp(t->write[k].key, w->key) == 0)
            return vrv_err_set(e, VRV_E_INVALID, "one transaction writes %s twice", w->key);
    return 0;
}

static int
check(const struct vrv_meta_txn *t, struct vrv_err *e)
{
    int rc = 0;

    if (t->compare_n > VRV_META_OPS_MAX || t->write_n > VRV_META_OPS_MAX)
        return vrv_err_set(e, VRV_E_INVALID, "%zu compares and %zu writes: %d each are allowed",
            t->compare_n, t->write_n, VRV_META_OPS_MAX);
    for (size_t i = 0; i < t->compare_n && rc == 0; i++)
        rc = check_key(t->compare[i].key, e);
    for (size_t i = 0; i < t->write_n && rc == 0; i++)
        rc = check_write(t, i, e);
    return rc;
}

static size_t
copy_size(const struct vrv_meta_txn *t)
{
    size_t n = t->compare_n * sizeof(*t->compare) + t->write_n * sizeof(*t->write);

    for (size_t i = 0; i < t->compare_n; i++)
        n += strlen(t->compare[i].key) + 1;
    for (size_t i = 0; i < t->write_n; i++)
        n += strlen(t->write[i].key) + 1 + (t->write[i].value != NULL ? t->write[i].value_len : 0);
    return n;
}

static void *
put(char **to, const void *p, size_t n)
{
    char *at = *to;

    if (n > 0)
        memcpy(at, p, n);
    *to += n;
    return at;
}

/* The arrays first, which need their alignment; then the strings and values. */
static void
copy(struct vrv_metacall *c, const struct vrv_meta_txn *t)
{
    char *to = c->bytes;
    struct vrv_meta_compare *compare = put(&to, t->compare, t->compare_n * sizeof(*compare));
    struct vrv_meta_write *write = put(&to, t->write, t->write_n * sizeof(*write));

    for (size_t i = 0; i < t->compare_n; i++)
        compare[i].key = put(&to, compare[i].key, strlen(compare[i].key) + 1);
    for (size_t i = 0; i < t->write_n; i++) {
        write[i].key = put(&to, write[i].key, strlen(write[i].key) + 1);
        if (write[i].value != NULL)
            write[i].value = put(&to, write[i].value, write[i].value_len);
    }
    c->txn = (struct vrv_meta_txn){compare, t->compare_n, write, t->write_n};
}

_Static_assert(offsetof(struct vrv_metacall, bytes) % _Alignof(struct vrv_meta_write) == 0,
    "the copied arrays begin aligned");

struct vrv_metacall *
vrv_metacall_txn(const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn, void *ctx)
{
    struct vrv_err e = { 0 };
    int rc = check(t, &e);
    struct vrv_metacall *c = vrv_mem_zero(sizeof(*c) + (rc == 0 ? copy_size(t) : 0));

    vrv_list_init(&c->link);
    c->is_txn = true;
    c->txn_fn = fn;
    c->ctx = ctx;
    c->status = rc;
    c->err = e;
    if (rc == 0)
        copy(c, t);
    return c;
}

struct vrv_metacall *
vrv_metacall_range(const char *prefix, vrv_meta_range_fn *fn, void *ctx)
{
    size_t n = strlen(prefix) + 1;
    struct vrv_metacall *c = vrv_mem_zero(sizeof(*c) + n);

    vrv_list_init(&c->link);
    c->prefix = memcpy(c->bytes, prefix, n);
    c->range_fn = fn;
    c->ctx = ctx;
    return c;
}

void
vrv_metacall_finish(struct vrv_metacall **cp, int code, const struct vrv_err *e)
{
    struct vrv_metacall *c = *cp;

    *cp = NULL;
    vrv_list_del(&c->link);
    if (code != 0) {
        c->status = code;
        c->err = e != NULL ? *e : (struct vrv_err){ .code = code };
    }
    VRV_ASSERT(c->status == 0 || c->err.code == c->status);
    const struct vrv_err *err = c->status != 0 ? &c->err : NULL;
    if (c->is_txn)
        c->txn_fn(c->ctx, c->status, c->revision, err);
    else
        c->range_fn(c->ctx, c->status, NULL, c->revision, err);
    free(c);
}
