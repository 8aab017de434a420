#include "t/lib/metatest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

/* No store of ours needs more steps for one call, the slowest fake included. */
enum { STEPS_MAX = 10000 };

void
metatest_txn_fn(void *ctx, int status, uint64_t revision, const struct vrv_err *e)
{
    struct metatest_answer *a = ctx;

    a->calls++;
    a->status = status;
    a->revision = revision;
    if (e != NULL)
        a->err = *e;
    VRV_ASSERT((status == 0) == (e == NULL));
}

int
metatest_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, struct metatest_answer *a)
{
    struct metatest_answer local = { 0 };

    if (a == NULL)
        a = &local;
    *a = (struct metatest_answer){0};
    vrv_meta_txn(m, t, metatest_txn_fn, a);
    for (int i = 0; i < STEPS_MAX && a->calls == 0; i++) {
        int rc = vrv_meta_step(m, NULL);

        VRV_ASSERT(rc >= 0 || a->calls > 0);
    }
    VRV_ASSERT(a->calls == 1);
    return a->status;
}

int
metatest_put(struct vrv_metastore *m, const char *key, const char *value)
{
    struct vrv_meta_write w = {key, value, value != NULL ? strlen(value) : 0};

    return metatest_txn(m, &(struct vrv_meta_txn){NULL, 0, &w, 1}, NULL);
}

int
metatest_put_if(struct vrv_metastore *m, const char *key, uint64_t mod, const char *value)
{
    struct vrv_meta_compare c = {key, mod};
    struct vrv_meta_write w = {key, value, value != NULL ? strlen(value) : 0};

    return metatest_txn(m, &(struct vrv_meta_txn){&c, 1, &w, 1}, NULL);
}

struct dump {
    char *text;
    size_t n, cap;
    bool done;
};

static void __attribute__((format(printf, 2, 3)))
add(struct dump *d, const char *fmt, ...)
{
    char line[VRV_META_KEY_MAX + 200];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    VRV_ASSERT(n >= 0 && n < (int)sizeof(line));
    if (d->cap - d->n <= (size_t)n) {
        d->cap = 2 * d->cap + (size_t)n + 1;
        d->text = vrv_mem_grow(d->text, d->cap);
    }
    memcpy(d->text + d->n, line, (size_t)n + 1);
    d->n += (size_t)n;
}

static void
dump_one(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    struct dump *d = ctx;

    VRV_ASSERT(!d->done);
    VRV_ASSERT((status == 0) == (e == NULL));
    if (kv == NULL) {
        if (status == 0)
            add(d, "#%" PRIu64 "\n", revision);
        else
            add(d, "%s\n", vrv_err_text(status));
        d->done = true;
    } else if (kv->value_len > 40) {
        add(d, "%s@%" PRIu64 "=(%zu bytes, %08x)\n", kv->key, kv->mod, kv->value_len,
            vrv_crc32c(0, kv->value, kv->value_len));
    } else {
        add(d, "%s@%" PRIu64 "=%.*s\n", kv->key, kv->mod, (int)kv->value_len,
            (const char *)kv->value);
    }
}

char *
metatest_dump(struct vrv_metastore *m, const char *prefix)
{
    struct dump d = { 0 };

    vrv_meta_range(m, prefix, dump_one, &d);
    for (int i = 0; i < STEPS_MAX && !d.done; i++) {
        int rc = vrv_meta_step(m, NULL);

        VRV_ASSERT(rc >= 0 || d.done);
    }
    VRV_ASSERT(d.done);
    return d.text;
}

struct simdisk *
metatest_disk(const char *dir, const char *name, const void *p, size_t n)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_vfs *v = simdisk_vfs(d);
    struct vrv_file *f = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    int rc = vrv_vfs_mkdir(v, dir, NULL);
    VRV_ASSERT(rc == 0);
    rc = vrv_vfs_open(v, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, NULL);
    VRV_ASSERT(rc == 0);
    rc = n > 0 ? vrv_file_pwrite(f, p, n, 0, NULL) : 0;
    VRV_ASSERT(rc == 0);
    vrv_file_close(&f);
    rc = vrv_vfs_sync_all(v, NULL);
    VRV_ASSERT(rc == 0);
    return d;
}

uint8_t *
metatest_read(struct vrv_vfs *v, const char *path, size_t *n)
{
    struct vrv_file *f = NULL;
    uint64_t size = 0;

    int rc = vrv_vfs_open(v, path, 0, &f, NULL);
    VRV_ASSERT(rc == 0);
    rc = vrv_file_size(f, &size, NULL);
    VRV_ASSERT(rc == 0);
    uint8_t *p = vrv_mem_zero((size_t)size);
    rc = vrv_file_read_full(f, p, (size_t)size, 0, NULL);
    VRV_ASSERT(rc == 0);
    vrv_file_close(&f);
    *n = (size_t)size;
    return p;
}
