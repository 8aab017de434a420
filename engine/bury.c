/*
 * What is left of segments below the start, and of deleted topics: files, memory, records in the
 * checkpoint.
 *
 * Files go first, for good.  Then the next checkpoint forgets the segment; and the catalog, which
 * called the topic gone until then, forgets that.  So a crash only delays it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/engine_int.h"

/* ---- memory ---- */

/* Nothing in the journal belongs to it any more. */
static bool
drained(struct vrv_engine *eng, const struct vrv_log *log)
{
    struct vrv_entry *oldest = vrv_journal_oldest(eng->env.journal);

    return oldest == NULL || oldest->seq > log->seq_end;
}

/* Frees a topic's drained logs; false while some are not. */
static bool
free_logs(struct vrv_engine *eng, const struct vrv_uuid *id)
{
    bool all = true;

    vrv_lock(&eng->lock);
    size_t kept = 0;
    for (size_t i = 0; i < eng->retired_n; i++) {
        struct vrv_log *log = eng->retired[i];
        bool ours = vrv_uuid_eq(&log->id.topic, id);

        if (ours && drained(eng, log)) {
            vrv_log_unref(&log);
            continue;
        }
        all &= !ours;
        eng->retired[kept++] = log;
    }
    eng->retired_n = kept;
    vrv_unlock(&eng->lock);
    return all;
}

/* ---- files ---- */

struct names {
    char **v;
    size_t n, cap;
    const char *prefix;
};

static int
add_name(void *ctx, const char *name, bool is_dir)
{
    struct names *l = ctx;

    (void)is_dir;
    if (strncmp(name, l->prefix, strlen(l->prefix)) != 0)
        return 0;
    VRV_PUSH_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = vrv_mem_strdup(name);
    return 0;
}

static void
names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

static int
list_names(struct vrv_engine *eng, const char *dir, const char *prefix, struct names *l,
    struct vrv_err *e)
{
    *l = (struct names){ .prefix = prefix };
    int rc = vrv_vfs_list(eng->o.vfs, dir, add_name, l, e);

    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

static int
remove_dir(struct vrv_engine *eng, const char *dir, struct vrv_err *e)
{
    struct names l;
    char path[VRV_PATH_MAX * 4];
    int rc = list_names(eng, dir, "", &l, e);

    for (size_t i = 0; i < l.n && rc == 0; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, l.v[i]);
        rc = vrv_vfs_unlink(eng->o.vfs, path, e);
    }
    names_fini(&l);
    return rc == 0 ? vrv_vfs_rmdir(eng->o.vfs, dir, e) : rc;
}

int
vrv__engine_sync_removed(struct vrv_engine *eng, const char *dir, struct vrv_err *e)
{
    struct vrv_err err = { 0 };
    int rc = vrv_vfs_sync_dir(eng->o.vfs, dir, &err);

    if (rc == 0 || rc == VRV_E_NOTFOUND)
        return 0;
    vrv__engine_fail(eng, &err); /* trying again would prove nothing (L4) */
    if (e != NULL)
        *e = err;
    return rc;
}

static int
remove_files(struct vrv_engine *eng, const char *hex, struct vrv_err *e)
{
    struct names l;
    char top[16], prefix[VRV_UUID_TEXT + 2], dir[VRV_PATH_MAX * 3];

    (void)snprintf(top, sizeof(top), "log/%.2s", hex);
    (void)snprintf(prefix, sizeof(prefix), "%s.", hex);
    int rc = list_names(eng, top, prefix, &l, e);
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        (void)snprintf(dir, sizeof(dir), "%s/%s", top, l.v[i]);
        rc = remove_dir(eng, dir, e);
    }
    names_fini(&l);
    /* Also when there was nothing now: a try before this one may have come as far as here. */
    return rc == 0 ? vrv__engine_sync_removed(eng, top, e) : rc;
}

/* ---- files of segments ---- */

static bool
delete_seg(struct vrv_engine *eng, struct dead_seg *d)
{
    struct vrv_err e;

    if (d->deleted)
        return false;
    /* A reader that holds a reference keeps its open file; others find the next segment. */
    d->deleted = vrv_seg_delete_files(&eng->files, &d->log, d->base, &e) == 0;
    return d->deleted;
}

void
vrv__engine_bury_segs(struct vrv_engine *eng)
{
    char dir[VRV_PATH_MAX];
    bool unsynced = false;
    struct vrv_err e;

    for (size_t i = 0; i < eng->dead_n; i++) {
        struct dead_seg *d = &eng->dead[i];
        bool last = i + 1 == eng->dead_n || !vrv__log_id_eq(&d->log, &d[1].log);

        unsynced |= delete_seg(eng, d);
        if (!unsynced || !last)
            continue;
        vrv_log_dir(&d->log, dir);
        (void)vrv__engine_sync_removed(eng, dir, &e);
        unsynced = false;
    }
}

/* ---- records ---- */

struct keys {
    struct names l;
    bool done;
    int status;
};

static void
add_key(void *ctx, int status, const struct vrv_meta_kv *kv, uint64_t revision,
    const struct vrv_err *e)
{
    struct keys *k = ctx;

    (void)revision;
    (void)e;
    if (kv == NULL) {
        k->done = true;
        k->status = status;
    } else {
        (void)add_name(&k->l, kv->key, false);
    }
}

static int
remove_keys(struct vrv_engine *eng, const char *kind, const char *hex, struct vrv_err *e)
{
    struct vrv_meta_write w[VRV_META_OPS_MAX];
    char prefix[KEY_MAX];
    struct keys k = { .l = { .prefix = "" } };
    int rc = 0;

    (void)snprintf(prefix, sizeof(prefix), "%s/%s/", kind, hex);
    vrv_meta_range(eng->states, prefix, add_key, &k);
    while (!k.done && rc >= 0)
        rc = vrv_meta_step(eng->states, e);
    rc = rc < 0 ? rc : k.status;
    for (size_t i = 0, n = 0; i < k.l.n && rc == 0; i++) {
        w[n++] = (struct vrv_meta_write){ .key = k.l.v[i] };
        if (n == VRV_META_OPS_MAX || i + 1 == k.l.n) {
            rc = vrv__meta_commit(eng->states, w, n, e);
            n = 0;
        }
    }
    names_fini(&k.l);
    return rc;
}

/* ---- all of it ---- */

static int
bury_topic(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
{
    static const char *const kinds[] = { "state", "open", "seal", "gone" };
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(id, hex);
    int rc = remove_files(eng, hex, e);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && rc == 0; i++)
        rc = remove_keys(eng, kinds[i], hex, e);
    if (rc == 0)
        rc = vrv__remains_forget_begin(eng, id, e);
    return rc == 0 ? vrv_catalog_forget(eng->catalog, id, e) : rc;
}

struct gone {
    struct vrv_uuid *v;
    size_t n, cap;
};

static int
add_gone(void *ctx, const struct vrv_uuid *id)
{
    struct gone *g = ctx;

    VRV_PUSH_ROOM(g->v, g->n, g->cap);
    g->v[g->n++] = *id;
    return 0;
}

void
vrv__engine_bury_topics(struct vrv_engine *eng)
{
    struct gone g = { 0 };
    struct vrv_err e = { 0 };

    if (eng->ckpt.phase != CKPT_IDLE)
        return; /* it may hold on to one of the logs */
    (void)vrv_catalog_each_gone(eng->catalog, add_gone, &g);
    /* A deletion that the catalog knows already may not have retired its logs yet. */
    if (atomic_load(&eng->deleting) > 0)
        g.n = 0;
    for (size_t i = 0; i < g.n; i++) {
        /* An error is met again at the next tending, or by whoever writes next. */
        if (free_logs(eng, &g.v[i]))
            (void)bury_topic(eng, &g.v[i], &e);
    }
    free(g.v);
}
