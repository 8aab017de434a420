#include "tiering/restore/restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_codec.h"
#include "engine/os/thread.h"
#include "engine/restore.h"
#include "tiering/daemon/owner.h"

#define HEAD VRV_CATKEY_CONFIG "tier/" /* of keys of manifests' heads */
#define STORE VRV_CATKEY_CONFIG "store"

enum { YOUNG_MS = 180000, THREADS_MAX = 64 };

/* A partition that was in the cold tier. */
struct part {
    struct vrv_catalog_kv *kv; /* its head */
    struct vrv_log_id id;
    struct vrv_found f;
    int status;
};

struct work {
    const struct vrv_restore_opts *o;
    struct vrv_restored *out;
    struct part *part;
    size_t n, next;
    uint8_t **made;            /* values of the catalog that are not the marker's */
    size_t made_n;
    struct vrv_err err;        /* the first that the store is to blame for */
    int rc;
    struct vrv_lock lock;      /* rank tier; guards next, rc, err, counts, and calls of found */
};

/* ---- partitions ---- */

/* "config/tier/<32 hex>/<partition>" */
static bool
read_head_key(const char *key, struct vrv_log_id *id)
{
    char *end;

    if (strncmp(key, HEAD, sizeof(HEAD) - 1) != 0)
        return false;
    key += sizeof(HEAD) - 1;
    if (!vrv_uuid_parse(&id->topic, key) || key[VRV_UUID_TEXT] != '/')
        return false;
    id->partition = (int32_t)strtol(key + VRV_UUID_TEXT + 1, &end, 10);
    return *end == '\0' && id->partition >= 0;
}

static void
tell(struct work *w, struct part *p, const struct vrv_err *e)
{
    vrv_lock(&w->lock);
    bool blame = p->status < 0 && p->status != VRV_E_NOTFOUND && p->status != VRV_E_CORRUPT &&
        p->status != VRV_E_VERSION;
    if (blame && w->rc == 0) {
        w->rc = p->status;
        w->err = *e;
    }
    w->out->found += p->status == 0;
    w->out->absent += p->status == VRV_E_NOTFOUND;
    w->out->bad += p->status < 0 && p->status != VRV_E_NOTFOUND;
    if (w->o->found != NULL)
        w->o->found(w->o->ctx, &p->id, p->status, &p->f, e);
    vrv_unlock(&w->lock);
}

static struct part *
take(struct work *w)
{
    vrv_lock(&w->lock);
    struct part *p = w->rc == 0 && w->next < w->n ? &w->part[w->next++] : NULL;
    vrv_unlock(&w->lock);
    return p;
}

static void *
search(void *ctx)
{
    struct work *w = ctx;
    struct vrv_sync s;
    struct part *p;

    vrv_sync_init(&s, w->o->store, w->o->clock, w->o->random, w->o->call_ms);
    while ((p = take(w)) != NULL) {
        struct vrv_err e = { 0 };

        p->status = vrv_find_partition(&s, &p->id, &p->f, &e);
        tell(w, p, &e);
    }
    vrv_sync_fini(&s);
    return NULL;
}

static int
search_all(struct work *w, struct vrv_err *e)
{
    pthread_t thread[THREADS_MAX];
    unsigned n = 0, want = w->o->threads < THREADS_MAX ? w->o->threads : THREADS_MAX;

    while (n + 1 < want && n + 1 < w->n &&
        vrv_thread_start(&thread[n], "varve-restore", search, w, NULL) == 0)
        n++;
    (void)search(w); /* so that one does */
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
    if (w->rc < 0 && e != NULL)
        *e = w->err;
    return w->rc;
}

/* ---- the catalog as it goes on ---- */

static int
set_value(struct work *w, struct vrv_catalog_kv *kv, const struct vrv_config_kv *v, size_t n,
    struct vrv_err *e)
{
    uint8_t **value = &w->made[w->made_n];
    int rc = vrv_catval_configs(v, n, value, &kv->n, e);

    if (rc == 0)
        kv->value = w->made[w->made_n++];
    return rc;
}

/* Whatever root was found is its head; version 0: none does, but what is left there is swept. */
static int
set_head(struct work *w, struct part *p, struct vrv_err *e)
{
    char crc[16], size[24], version[24];
    const struct vrv_config_kv v[] = { { (char[]){ "crc" }, crc }, { (char[]){ "size" }, size },
        { (char[]){ "version" }, version } };

    if (p->status < 0)
        p->f = (struct vrv_found){ .passed = 0 };
    (void)snprintf(crc, sizeof(crc), "%" PRIu32, p->f.root_crc);
    (void)snprintf(size, sizeof(size), "%" PRIu64, p->f.root_size);
    (void)snprintf(version, sizeof(version), "%" PRIu64, p->f.m.version);
    return set_value(w, p->kv, v, 3, e);
}

static int
set_owner(struct work *w, struct vrv_catalog_kv *kv, const struct vrv_uuid *id, struct vrv_err *e)
{
    char number[24], hex[VRV_UUID_TEXT + 1];
    const struct vrv_config_kv v[] = { { (char[]){ "id" }, hex }, { (char[]){ "owner" }, number } };

    (void)snprintf(number, sizeof(number), "%" PRIu64, w->out->owner);
    vrv_uuid_text(id, hex);
    return set_value(w, kv, v, 2, e);
}

/* The heads, and the store's owner, where they are in the marker. */
static int
rewrite_catalog(struct work *w, const struct vrv_uuid *id, struct vrv_err *e)
{
    struct vrv_catalog_kvs *c = &w->out->m.catalog;
    int rc = 0;

    w->made = vrv_mem_zero((w->n + 1) * sizeof(*w->made));
    for (size_t i = 0; i < w->n && rc == 0; i++)
        rc = set_head(w, &w->part[i], e);
    for (size_t i = 0; i < c->n && rc == 0; i++)
        if (strcmp(c->v[i].key, STORE) == 0)
            rc = set_owner(w, &c->v[i], id, e);
    return rc;
}

/* ---- all of it ---- */

static int
check_left(const struct vrv_restore_opts *o, const struct vrv_marker *m, struct vrv_err *e)
{
    int64_t age = o->clock->wall_ms(o->clock) - m->ms;

    if (m->last || o->take_over || age >= YOUNG_MS)
        return 0;
    return vrv_err_set(e, VRV_E_LOCKED,
        "a server of cluster %s wrote to this store %" PRId64 " s ago, and did not stop since: stop it, or "
        "wait until it has been silent for %d s; --take-over if it is gone for good",
        m->cluster, age / 1000, YOUNG_MS / 1000);
}

static int
make_directory(struct work *w, struct vrv_err *e)
{
    const struct vrv_catalog_kvs *c = &w->out->m.catalog;
    struct vrv_past *past = vrv_mem_zero((w->n + 1) * sizeof(*past));
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++) {
        const struct part *p = &w->part[i];

        if (p->status == 0)
            past[n++] = (struct vrv_past){ p->id, p->f.m.start, p->f.m.next, p->f.epochs,
                p->f.producers };
    }
    int rc = vrv_engine_restore(w->o->engine, c->v, c->n, past, n, e);
    free(past);
    return rc;
}

/* The server that is lost, should it come back, finds that it isn't the owner any more. */
static int
take_store(struct vrv_sync *s, struct vrv_restored *out, const struct vrv_uuid *id, struct vrv_err *e)
{
    struct vrv_owner_file f = { .id = *id, .ms = s->clock->wall_ms(s->clock) };
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    (void)snprintf(f.cluster, sizeof(f.cluster), "%s", out->m.cluster);
    uint8_t *bytes = vrv_owner_write(&f, &n);
    vrv_owner_key(out->owner, key);
    int rc = vrv_sync_put(s, key, bytes, n, true, e);
    free(bytes);
    return rc;
}

static int
go_on(struct work *w, struct vrv_sync *s, struct vrv_err *e)
{
    struct vrv_rand r = { w->o->random };
    struct vrv_uuid id;
    uint64_t newest;

    for (size_t i = 0; i < sizeof(id.b); i++)
        id.b[i] = (uint8_t)vrv_rand_next(&r);
    int rc = vrv_find_owner(s, &newest, e);
    w->out->owner = (newest > w->out->m.owner ? newest : w->out->m.owner) + 1;
    if (rc == 0)
        rc = search_all(w, e);
    if (rc == 0)
        rc = rewrite_catalog(w, &id, e);
    if (rc == 0)
        rc = make_directory(w, e);
    return rc == 0 ? take_store(s, w->out, &id, e) : rc;
}

static void
list_parts(struct work *w)
{
    struct vrv_catalog_kvs *c = &w->out->m.catalog;
    struct vrv_log_id id;

    w->part = vrv_mem_zero((c->n + 1) * sizeof(*w->part));
    for (size_t i = 0; i < c->n; i++)
        if (read_head_key(c->v[i].key, &id))
            w->part[w->n++] = (struct part){ .kv = &c->v[i], .id = id };
}

static void
free_parts(struct work *w)
{
    for (size_t i = 0; i < w->n; i++)
        vrv_found_fini(&w->part[i].f);
    for (size_t i = 0; i < w->made_n; i++)
        free(w->made[i]);
    free(w->made);
    free(w->part);
}

int
vrv_restore(const struct vrv_restore_opts *o, struct vrv_restored *out, struct vrv_err *e)
{
    struct work w = { .o = o, .out = out };
    struct vrv_sync s;

    *out = (struct vrv_restored){ .bytes = NULL };
    vrv_lock_init(&w.lock, VRV_LOCK_tier);
    vrv_sync_init(&s, o->store, o->clock, o->random, o->call_ms);
    int rc = vrv_find_marker(&s, &out->m, &out->bytes, e);
    if (rc == 0)
        rc = check_left(o, &out->m, e);
    if (rc == 0) {
        list_parts(&w);
        rc = go_on(&w, &s, e);
    }
    free_parts(&w);
    vrv_sync_fini(&s);
    vrv_lock_fini(&w.lock);
    out->m.catalog.n = 0; /* what was made of it is gone */
    if (rc < 0)
        vrv_restored_fini(out);
    return rc;
}

void
vrv_restored_fini(struct vrv_restored *r)
{
    vrv_marker_fini(&r->m);
    free(r->bytes);
    r->bytes = NULL;
}
