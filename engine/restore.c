#include "engine/restore.h"

#include <stdlib.h>

#include "engine/engine_int.h"
#include "engine/log/log_int.h"
#include "engine/meta/metalog.h"

/* The first entry of an engine's life is number 1: all of them come behind this state. */
enum { BEFORE_ALL = 1 };

static int
check_empty(struct vrv_engine *eng, struct vrv_err *e)
{
    struct vrv_catalog_kvs kvs;
    int rc = vrv_catalog_dump(vrv_engine_catalog(eng), &kvs, e);

    if (rc == 0 && kvs.n > 0)
        rc = vrv_err_set(e, VRV_E_FOREIGN,
            "the data directory is in use (it has \"%.60s\"): only an empty one can be made anew",
            kvs.v[0].key);
    vrv_catalog_dump_fini(&kvs);
    return rc;
}

int
vrv_engine_make_empty(const struct vrv_engine_opts *o, struct vrv_err *e)
{
    struct vrv_engine *eng = NULL;
    struct vrv_recovery found;
    int rc = vrv_engine_open(&eng, o, &found, e);

    if (rc < 0)
        return rc;
    rc = check_empty(eng, e);
    int closed = vrv_engine_close(&eng, rc == 0 ? e : NULL);
    return rc == 0 ? closed : rc;
}

static int
mark(struct vrv_vfs *vfs, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(vfs, VRV_RESTORING, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, e);

    vrv_file_close(&f);
    return rc == 0 ? vrv_vfs_sync_dir(vfs, "", e) : rc;
}

/* ---- the catalog ---- */

/* Epochs that nobody has written in yet. */
static int
raise_epochs(struct vrv_catalog *c, const struct vrv_past *past, size_t n, struct vrv_err *e)
{
    struct vrv_catbump *v = calloc(n + 1, sizeof(*v));
    int rc = v != NULL ? 0 : vrv_err_set(e, VRV_E_NOMEM, "no memory for %zu partitions", n);

    for (size_t left = n; left > 0 && rc == 0;) {
        left = 0;
        for (size_t i = 0; i < n; i++) {
            const struct vrv_log_id *id = &past[i].id;

            if (vrv_catalog_epoch(c, &id->topic, id->partition) <= vrv_epochs_newest(&past[i].epochs))
                v[left++] = (struct vrv_catbump){ id->topic, id->partition, 0 };
        }
        if (left > 0)
            rc = vrv_catalog_bump(c, v, left, e);
    }
    free(v);
    return rc;
}

static int
restore_catalog(struct vrv_metastore *m, const struct vrv_catalog_kv *kv, size_t kv_n,
    const struct vrv_past *past, size_t past_n, struct vrv_err *e)
{
    struct vrv_catalog *c = NULL;
    int rc = vrv_catalog_open(&c, m, e);

    if (rc == 0)
        rc = vrv_catalog_load(c, kv, kv_n, e);
    vrv_catalog_close(&c);
    if (rc == 0)
        rc = vrv_catalog_open(&c, m, e);
    if (rc == 0)
        rc = raise_epochs(c, past, past_n, e);
    vrv_catalog_close(&c);
    return rc;
}

/* ---- what a checkpoint would know of the logs ---- */

static int
restore_state(struct vrv_metastore *states, const struct vrv_past *p, struct vrv_err *e)
{
    uint8_t *state;
    size_t n;
    char key[KEY_MAX];

    if (p->start < 0 || p->end < p->start)
        return vrv_err_set(e, VRV_E_INVALID, "a partition can't span offsets %lld to %lld",
            (long long)p->start, (long long)p->end);
    vrv__log_past_state(p->start, p->end, &p->epochs, p->producers, BEFORE_ALL, &state, &n);
    vrv__key_state(key, &p->id);
    int rc = vrv__meta_commit(states, &(struct vrv_meta_write){ key, state, n }, 1, e);
    free(state);
    return rc;
}

static int
restore_states(struct vrv_vfs *vfs, const struct vrv_past *past, size_t n, struct vrv_err *e)
{
    struct vrv_metastore *states = NULL;
    int rc = vrv_metalog_open(&states, vfs, "checkpoint", NULL, e);

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = restore_state(states, &past[i], e);
    vrv_meta_close(&states);
    return rc;
}

int
vrv_engine_restore(const struct vrv_engine_opts *o, const struct vrv_catalog_kv *kv, size_t kv_n,
    const struct vrv_past *past, size_t past_n, struct vrv_err *e)
{
    struct vrv_file *lock = NULL;
    struct vrv_metastore *own = NULL;
    int rc = vrv_engine_make_empty(o, e);

    if (rc == 0)
        rc = vrv_vfs_lock(o->vfs, "LOCK", &lock, e);
    if (rc == 0)
        rc = mark(o->vfs, e);
    if (rc == 0 && o->meta == NULL)
        rc = vrv_metalog_open(&own, o->vfs, "meta", NULL, e);
    if (rc == 0)
        rc = restore_catalog(own != NULL ? own : o->meta, kv, kv_n, past, past_n, e);
    vrv_meta_close(&own);
    if (rc == 0)
        rc = restore_states(o->vfs, past, past_n, e);
    vrv_file_close(&lock);
    return rc;
}

int
vrv_engine_restored(const struct vrv_engine_opts *o, struct vrv_err *e)
{
    int rc = vrv_vfs_unlink(o->vfs, VRV_RESTORING, e);

    return rc == 0 ? vrv_vfs_sync_dir(o->vfs, "", e) : rc;
}
