/* What a store has of a server: looked at, from its newest marker on. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog_codec.h"
#include "engine/os/thread.h"
#include "tiering/restore/restore_int.h"

#define HEAD VRV_CATKEY_CONFIG "tier/"  /* of keys of manifests' heads */
#define BEGIN VRV_CATKEY_CONFIG "begin/" /* where logs began on the lost disk (engine/remains.h) */

enum { THREADS_MAX = 64 };

/* ---- several threads ---- */

struct work {
    struct vrv_restore *r;
    vrv__restore_fn *fn;
    size_t next;
    int rc;
    struct vrv_err err;
    struct vrv_lock lock;      /* rank tier; guards all but r and fn, and calls of progress */
};

static struct vrv_restore_part *
take(struct work *w)
{
    vrv_lock(&w->lock);
    struct vrv_restore_part *p = w->rc == 0 && w->next < w->r->part_n ? &w->r->part[w->next++] : NULL;
    vrv_unlock(&w->lock);
    return p;
}

static void
done(struct work *w, int rc, const struct vrv_err *e)
{
    const struct vrv_restore_opts *o = &w->r->o;

    vrv_lock(&w->lock);
    if (rc < 0 && w->rc == 0) {
        w->rc = rc;
        w->err = *e;
    }
    if (o->progress != NULL)
        o->progress(o->ctx, w->r->part_n);
    vrv_unlock(&w->lock);
}

static void *
run(void *ctx)
{
    struct work *w = ctx;
    const struct vrv_restore_opts *o = &w->r->o;
    struct vrv_restore_part *p;
    struct vrv_sync s;

    vrv_sync_init(&s, o->store, o->clock, o->random, o->call_ms);
    while ((p = take(w)) != NULL) {
        struct vrv_err e = { 0 };
        int rc = w->fn(w->r, &s, p, &e);

        done(w, rc, &e);
    }
    vrv_sync_fini(&s);
    return NULL;
}

int
vrv__restore_each(struct vrv_restore *r, vrv__restore_fn *fn, struct vrv_err *e)
{
    struct work w = { .r = r, .fn = fn };
    pthread_t thread[THREADS_MAX];
    unsigned n = 0, want = r->o.threads < THREADS_MAX ? r->o.threads : THREADS_MAX;

    vrv_lock_init(&w.lock, VRV_LOCK_tier);
    while (n + 1 < want && n + 1 < r->part_n &&
        vrv_thread_start(&thread[n], "varve-restore", run, &w, NULL) == 0)
        n++;
    (void)run(&w); /* so that one does */
    while (n > 0)
        (void)pthread_join(thread[--n], NULL);
    vrv_lock_fini(&w.lock);
    if (w.rc < 0)
        *e = w.err;
    return w.rc;
}

/* ---- the catalog ---- */

static int
by_key(const void *key, const void *kv)
{
    return strcmp(key, ((const struct vrv_catalog_kv *)kv)->key);
}

struct vrv_catalog_kv *
vrv__restore_kv(struct vrv_restore *r, const char *key)
{
    return r->kv_n > 0 ? bsearch(key, r->kv, r->kv_n, sizeof(*r->kv), by_key) : NULL;
}

static int
compare_kv(const void *a, const void *b)
{
    return strcmp(((const struct vrv_catalog_kv *)a)->key, ((const struct vrv_catalog_kv *)b)->key);
}

/* A copy, which changes; without what was true of the lost disk only. */
static void
copy_catalog(struct vrv_restore *r)
{
    const struct vrv_catalog_kvs *c = &r->marker.m.catalog;

    r->kv = vrv_mem_zero((c->n + 1) * sizeof(*r->kv));
    for (size_t i = 0; i < c->n; i++)
        if (strncmp(c->v[i].key, BEGIN, sizeof(BEGIN) - 1) != 0)
            r->kv[r->kv_n++] = c->v[i];
    qsort(r->kv, r->kv_n, sizeof(*r->kv), compare_kv);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct vrv_topic_info *)a)->name, ((const struct vrv_topic_info *)b)->name);
}

static int
list_topics(struct vrv_restore *r, struct vrv_err *e)
{
    struct vrv_cathead head;
    int rc = 0;

    r->topic = vrv_mem_zero((r->kv_n + 1) * sizeof(*r->topic));
    for (size_t i = 0; i < r->kv_n && rc == 0; i++) {
        const struct vrv_catalog_kv *kv = &r->kv[i];
        struct vrv_topic_info *t = &r->topic[r->topic_n];

        if (!vrv_catkey_id(kv->key, VRV_CATKEY_TOPIC, &t->id))
            continue;
        rc = vrv_cathead_parse(&head, kv->key, kv->value, kv->n, e);
        if (rc == 0) {
            vrv_catinfo_parse(t, kv->value, kv->n);
            r->topic_n++;
        }
    }
    qsort(r->topic, r->topic_n, sizeof(*r->topic), by_name);
    return rc;
}

bool
vrv_restore_is_tiered(const struct vrv_topic_info *t)
{
    for (size_t i = 0; i < t->config_n; i++)
        if (strcmp(t->configs[i].key, "remote.storage.enable") == 0)
            return strcmp(t->configs[i].value, "true") == 0;
    return false;
}

/* ---- its partitions ---- */

void
vrv__restore_head_key(const struct vrv_log_id *id, char *out)
{
    char topic[VRV_UUID_TEXT + 1];

    vrv_uuid_text(&id->topic, topic);
    (void)snprintf(out, VRV_CATKEY_MAX, HEAD "%s/%" PRId32, topic, id->partition);
}

static bool
read_head_key(const char *key, struct vrv_log_id *id)
{
    char again[VRV_CATKEY_MAX];
    const char *topic = key + sizeof(HEAD) - 1;

    if (strncmp(key, HEAD, sizeof(HEAD) - 1) != 0 || !vrv_uuid_parse(&id->topic, topic) ||
        topic[VRV_UUID_TEXT] != '/')
        return false;
    id->partition = (int32_t)strtol(topic + VRV_UUID_TEXT + 1, NULL, 10);
    vrv__restore_head_key(id, again);
    return strcmp(key, again) == 0;
}

static int
add_part(struct vrv_restore *r, const struct vrv_topic_info *t, const struct vrv_log_id *id,
    const struct vrv_catalog_kv *head, struct vrv_err *e)
{
    struct vrv_restore_part *p;
    char key[VRV_CATKEY_MAX];
    int rc = 0;

    VRV_PUSH_ROOM(r->part, r->part_n, r->part_cap);
    p = &r->part[r->part_n++];
    *p = (struct vrv_restore_part){ .id = *id, .topic = t };
    vrv_catkey_part(key, &id->topic, id->partition);
    const struct vrv_catalog_kv *epoch = vrv__restore_kv(r, key);
    if (epoch != NULL)
        rc = vrv_catval_part_parse(&p->epoch, key, epoch->value, epoch->n, e);
    return rc == 0 && head != NULL ? vrv_find_head(head, &p->head, e) : rc;
}

static int
add_topic(struct vrv_restore *r, const struct vrv_topic_info *t, struct vrv_err *e)
{
    bool tiered = vrv_restore_is_tiered(t);
    char key[VRV_CATKEY_MAX];
    int rc = 0;

    for (int32_t p = 0; p < t->partitions && rc == 0; p++) {
        struct vrv_log_id id = { t->id, p };

        vrv__restore_head_key(&id, key);
        const struct vrv_catalog_kv *head = vrv__restore_kv(r, key);
        if (tiered || head != NULL) /* it may have got one since */
            rc = add_part(r, t, &id, head, e);
    }
    return rc;
}

static int
add_deleted(struct vrv_restore *r, struct vrv_err *e)
{
    char key[VRV_CATKEY_MAX];
    int rc = 0;

    for (size_t i = 0; i < r->kv_n && rc == 0; i++) {
        struct vrv_log_id id;

        if (!read_head_key(r->kv[i].key, &id))
            continue;
        vrv_catkey_topic(key, &id.topic);
        if (vrv__restore_kv(r, key) == NULL)
            rc = add_part(r, NULL, &id, &r->kv[i], e);
    }
    return rc;
}

int
vrv__restore_find(struct vrv_sync *s, struct vrv_restore_part *p, struct vrv_err *e)
{
    vrv_found_fini(&p->f);
    p->err = (struct vrv_err){ 0 };
    p->status = vrv_find_partition(s, &p->id, &p->head, &p->f, &p->err);
    if (p->status == VRV_E_NOTFOUND && p->head.version > 0 && p->topic != NULL)
        p->status = vrv_err_set(&p->err, VRV_E_CORRUPT, "its manifest, which had version %" PRIu64
            ", isn't in the store", p->head.version);
    if (p->status == 0 || vrv_find_is_lost(p->status))
        return 0;
    *e = p->err;
    return p->status;
}

static int
find(struct vrv_restore *r, struct vrv_sync *s, struct vrv_restore_part *p, struct vrv_err *e)
{
    (void)r;
    return vrv__restore_find(s, p, e);
}

static void
count(struct vrv_restore *r)
{
    for (size_t i = 0; i < r->part_n; i++) {
        const struct vrv_restore_part *p = &r->part[i];

        r->found += p->status == 0;
        r->absent += p->status == VRV_E_NOTFOUND;
        r->bad += p->status == VRV_E_CORRUPT;
        r->lacking += p->status == 0 && vrv_found_lacks(&p->f);
    }
}

static int
compare_parts(const void *key, const void *part)
{
    const struct vrv_restore_part *a = key, *b = part;
    int order = (a->topic > b->topic) - (a->topic < b->topic); /* they lie in one array */

    return order != 0 ? order : (a->id.partition > b->id.partition) - (a->id.partition < b->id.partition);
}

static int
by_topic_name(const void *key, const void *topic)
{
    return strcmp(key, ((const struct vrv_topic_info *)topic)->name);
}

int64_t
vrv_restore_end(const struct vrv_restore *r, const char *topic, int32_t partition)
{
    const struct vrv_topic_info *t = r->topic_n > 0
        ? bsearch(topic, r->topic, r->topic_n, sizeof(*r->topic), by_topic_name)
        : NULL;

    if (t == NULL || partition < 0 || partition >= t->partitions)
        return -1;
    const struct vrv_restore_part key = { .id = { t->id, partition }, .topic = t };
    const struct vrv_restore_part *p = r->live_n > 0
        ? bsearch(&key, r->part, r->live_n, sizeof(*r->part), compare_parts)
        : NULL;
    return p != NULL ? p->f.m.next : 0;
}

/* ---- all of it ---- */

/* For how long its server may be silent: as it says, and what sending it and the next one takes a slow line. */
static int64_t
silence_of(const struct vrv_restore *r)
{
    const struct vrv_store_call c = { .size = r->marker.size };

    return r->marker.m.silent_ms + 2 * vrv_store_sending_ms(&c, VRV_STORE_PUT);
}

/* A newer one that can't be read was written behind the last word of this one. */
static int
check_left(const struct vrv_restore *r, struct vrv_err *e)
{
    const struct vrv_marker *m = &r->marker.m;
    int64_t age = r->marker.age_ms, silence = silence_of(r);

    if ((m->last && r->marker.passed.n == 0) || r->o.gone || age >= silence)
        return 0;
    return vrv_err_set(e, VRV_E_LOCKED,
        "a server of cluster %s wrote to this store %" PRId64 " s ago, and did not stop since: stop it, or "
        "wait until it has been silent for %" PRId64 " s; --take-over if it is gone for good",
        m->cluster, age < 0 ? 0 : age / 1000, (silence + 999) / 1000);
}

int
vrv_restore_look(struct vrv_restore *r, const struct vrv_restore_opts *o, struct vrv_err *e)
{
    *r = (struct vrv_restore){ .o = *o };
    vrv_sync_init(&r->sync, o->store, o->clock, o->random, o->call_ms);
    int rc = vrv_find_marker(&r->sync, &r->marker, e);
    if (rc == 0)
        rc = check_left(r, e);
    if (rc < 0)
        return rc;
    copy_catalog(r);
    rc = list_topics(r, e);
    for (size_t i = 0; i < r->topic_n && rc == 0; i++)
        rc = add_topic(r, &r->topic[i], e);
    r->live_n = r->part_n;
    if (rc == 0)
        rc = add_deleted(r, e);
    if (rc == 0)
        rc = vrv__restore_each(r, find, e);
    count(r);
    return rc;
}

void
vrv_restore_fini(struct vrv_restore *r)
{
    for (size_t i = 0; i < r->part_n; i++)
        vrv_found_fini(&r->part[i].f);
    for (size_t i = 0; i < r->topic_n; i++)
        vrv_topic_info_fini(&r->topic[i]);
    for (size_t i = 0; i < r->made_n; i++)
        free(r->made[i]);
    free(r->part);
    free(r->topic);
    free(r->made);
    free(r->added);
    free(r->kv);
    vrv_found_marker_fini(&r->marker);
    if (r->sync.store != NULL)
        vrv_sync_fini(&r->sync);
    *r = (struct vrv_restore){ .part_n = 0 };
}
