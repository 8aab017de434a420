/* The server made anew of what was found: the store is told first, then comes the data directory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/meta/catalog_codec.h"
#include "engine/restore.h"
#include "tiering/daemon/owner.h"
#include "tiering/restore/restore_int.h"

#define STORE VRV_CATKEY_CONFIG "store"

enum { TRIES = 16 };

/* ---- the catalog as it goes on ---- */

static void *
keep(struct vrv_restore *r, void *p)
{
    VRV_PUSH_ROOM(r->made, r->made_n, r->made_cap);
    r->made[r->made_n++] = p;
    return p;
}

/* In the place of what has this key among the first n, or behind all others. */
static int
set(struct vrv_restore *r, const char *key, const struct vrv_config_kv *v, size_t n, struct vrv_err *e)
{
    struct vrv_catalog_kv *kv = vrv__restore_kv(r, key);
    uint8_t *value;
    size_t len;
    int rc = vrv_catval_configs(v, n, &value, &len, e);

    if (rc < 0)
        return rc;
    (void)keep(r, value);
    if (kv == NULL) {
        kv = &r->added[r->added_n++];
        kv->key = keep(r, vrv_mem_strdup(key));
    }
    kv->value = value;
    kv->n = len;
    return 0;
}

static int
set_head(struct vrv_restore *r, const struct vrv_restore_part *p, struct vrv_err *e)
{
    char key[VRV_CATKEY_MAX], crc[16], size[24], version[24];
    const struct vrv_config_kv v[] = { { (char[]){ "crc" }, crc }, { (char[]){ "size" }, size },
        { (char[]){ "version" }, version } };

    vrv__restore_head_key(&p->id, key);
    (void)snprintf(crc, sizeof(crc), "%" PRIu32, p->root_crc);
    (void)snprintf(size, sizeof(size), "%" PRIu64, p->root_size);
    (void)snprintf(version, sizeof(version), "%" PRIu64, p->f.m.version);
    return set(r, key, v, 3, e);
}

static int
set_owner(struct vrv_restore *r, const struct vrv_uuid *id, struct vrv_err *e)
{
    char number[24], hex[VRV_UUID_TEXT + 1];
    const struct vrv_config_kv v[] = { { (char[]){ "id" }, hex }, { (char[]){ "owner" }, number },
        { (char[]){ "there" }, (char[]){ "1" } } }; /* it was read back */

    (void)snprintf(number, sizeof(number), "%" PRIu64, r->owner);
    vrv_uuid_text(id, hex);
    return set(r, STORE, v, 3, e);
}

/* A deleted topic of which nothing can be read keeps what is known: its house is put in order by names. */
static bool
is_sealed(const struct vrv_restore_part *p)
{
    return p->topic != NULL || p->status == 0;
}

static int
rewrite_catalog(struct vrv_restore *r, const struct vrv_uuid *id, struct vrv_err *e)
{
    r->added = vrv_mem_zero((r->part_n + 1) * sizeof(*r->added));
    int rc = set_owner(r, id, e);

    for (size_t i = 0; i < r->part_n && rc == 0; i++)
        if (is_sealed(&r->part[i]))
            rc = set_head(r, &r->part[i], e);
    r->kv = vrv_mem_grow(r->kv, (r->kv_n + r->added_n + 1) * sizeof(*r->kv));
    if (r->added_n > 0)
        memcpy(r->kv + r->kv_n, r->added, r->added_n * sizeof(*r->kv));
    r->kv_n += r->added_n;
    return rc;
}

/* ---- the store ---- */

/* The server that is lost, should it come back, finds that it isn't the owner any more. */
static int
take_store(struct vrv_restore *r, struct vrv_uuid *id, struct vrv_err *e)
{
    struct vrv_owner_file f = { .ms = r->o.clock->wall_ms(r->o.clock) };
    struct vrv_rand random = { r->o.random };
    char key[VRV_STORE_KEY_MAX + 1];
    uint64_t newest;
    size_t n;
    int rc = vrv_find_owner(&r->sync, &newest, e);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(id->b); i++)
        id->b[i] = (uint8_t)vrv_rand_below(&random, 256);
    r->owner = (newest > r->marker.m.owner ? newest : r->marker.m.owner) + 1;
    f.id = *id;
    (void)snprintf(f.cluster, sizeof(f.cluster), "%s", r->marker.m.cluster);
    uint8_t *bytes = vrv_owner_write(&f, &n);
    vrv_owner_key(r->owner, key);
    rc = vrv_sync_put(&r->sync, key, bytes, n, true, e);
    free(bytes);
    if (rc == VRV_E_EXISTS)
        rc = vrv_err_set(e, VRV_E_LOCKED, "somebody else makes a server anew from this store, too");
    return rc;
}

/* What it has told since is what counts.  (Its clean-up may have taken as many as came.) */
static int
check_silent(struct vrv_restore *r, struct vrv_err *e)
{
    struct vrv_found_names l;
    int rc = vrv_find_names(&r->sync, "marker/", &l, e);
    size_t newer = 0;
    bool is_new = false;

    for (size_t i = 0; i < l.n; i++) {
        newer += strcmp(l.v[i].key, r->marker.key) > 0;
        is_new |= strcmp(l.v[i].key, r->marker.newest) > 0;
    }
    vrv_found_names_fini(&l);
    if (rc < 0 || (newer <= r->marker.passed.n && !is_new))
        return rc;
    return vrv_err_set(e, VRV_E_AGAIN, "the server that owned the store was still at work, and has left a newer "
        "marker; it does not own it any more: do the same again");
}

/* An epoch in which nobody has written anything of this partition. */
static int32_t
next_epoch(struct vrv_restore_part *p)
{
    int32_t newest = vrv_epochs_newest(&p->f.epochs), last = p->epoch > newest ? p->epoch : newest;

    last = p->f.m.epoch > last ? p->f.m.epoch : last;
    if (last > newest) /* so that the engine goes on above it */
        vrv_epochs_add(&p->f.epochs, last, p->f.m.next);
    return last + 1;
}

/* Of all versions that are there, or were, or are never to be. */
static uint64_t
newest_known(const struct vrv_restore_part *p)
{
    uint64_t newest = p->f.newest > p->head.version ? p->f.newest : p->head.version;

    return newest > p->head.passed ? newest : p->head.passed;
}

static int
put_root(struct vrv_restore *r, struct vrv_sync *s, struct vrv_restore_part *p, struct vrv_err *e)
{
    struct vrv_rand random = { r->o.random + 1 + (uint64_t)(p - r->part) };
    struct vrv_manifest *m = &p->f.m;
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    m->topic = p->id.topic;
    m->partition = p->id.partition;
    m->before = m->version;
    m->version = newest_known(p) + 1;
    m->epoch = next_epoch(p);
    for (size_t i = 0; i < sizeof(m->put_id.b); i++)
        m->put_id.b[i] = (uint8_t)vrv_rand_below(&random, 256);
    vrv_parts_root_key(&p->id, m->version, key);
    uint8_t *bytes = vrv_manifest_write(m, &n);
    p->root_size = n;
    p->root_crc = vrv_crc32c(0, bytes, n);
    int rc = vrv_sync_put(s, key, bytes, n, true, e);
    free(bytes);
    return rc;
}

/* What was found counts, and nothing that the server before writes from now on.  It may have written one more
 * a moment ago: then that is what was found.  What was damaged on its way is the version before the next. */
static int
seal(struct vrv_restore *r, struct vrv_sync *s, struct vrv_restore_part *p, struct vrv_err *e)
{
    int rc = VRV_E_EXISTS;

    if (!is_sealed(p))
        return 0;
    for (int i = 0; i < TRIES && (rc == VRV_E_EXISTS || rc == VRV_E_CORRUPT); i++) {
        if (i > 0 && (rc = vrv__restore_find(s, p, e)) < 0)
            return rc;
        rc = put_root(r, s, p, e);
    }
    return rc;
}

/* ---- the data directory ---- */

static int
make_directory(struct vrv_restore *r, const struct vrv_engine_opts *engine, struct vrv_err *e)
{
    struct vrv_past *past = vrv_mem_zero((r->part_n + 1) * sizeof(*past));
    size_t n = 0;

    for (size_t i = 0; i < r->part_n; i++) {
        const struct vrv_restore_part *p = &r->part[i];

        if (p->topic != NULL)
            past[n++] = (struct vrv_past){ p->id, p->f.m.start, p->f.m.next, p->f.epochs,
                p->f.producers };
    }
    int rc = vrv_engine_restore(engine, r->kv, r->kv_n, past, n, e);
    free(past);
    return rc;
}

int
vrv_restore_make(struct vrv_restore *r, const struct vrv_engine_opts *engine, struct vrv_err *e)
{
    struct vrv_uuid id;
    int rc = vrv_engine_make_empty(engine, e);

    if (rc == 0)
        rc = take_store(r, &id, e);
    if (rc == 0)
        rc = check_silent(r, e);
    if (rc == 0)
        rc = vrv__restore_each(r, seal, e);
    if (rc == 0)
        rc = rewrite_catalog(r, &id, e);
    return rc == 0 ? make_directory(r, engine, e) : rc;
}
