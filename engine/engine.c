#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/engine_int.h"
#include "engine/meta/metalog.h"
#include "engine/wal/wal_file.h"

static const char format_text[] = "varve data directory, format 1\n";
static const char format_word[] = "varve data directory, format ";
static const char wal_probe[] = "wal.probe"; /* there for a moment at each start */

void
vrv_engine_opts_default(struct vrv_engine_opts *o)
{
    *o = (struct vrv_engine_opts){ .clock = vrv_clock_real(),
        .memory_bytes = (size_t)512 << 20, .wal_files = 6,
        .wal_file_bytes = (size_t)64 << 20, .wal_fill_first = (size_t)6 << 20,
        .wal_direct = true, .group_bytes = (size_t)4 << 20, .flush_bytes = 512 << 10,
        .sync_ahead_logs = 256, .open_files_max = 512, .checkpoint_ms = 30000,
        .producer_expiry_ms = (int64_t)24 * 3600 * 1000, .producers_max = 250000,
        .disk_reserve_bytes = (uint64_t)256 << 20 };
}

/* ---- the table of logs ---- */

static size_t
id_hash(const struct vrv_log_id *id)
{
    uint64_t h = 0;

    memcpy(&h, id->topic.b, sizeof(h));
    h ^= (uint64_t)(uint32_t)id->partition * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return (size_t)(h ^ (h >> 32));
}

bool
vrv__log_id_eq(const struct vrv_log_id *a, const struct vrv_log_id *b)
{
    return a->partition == b->partition && vrv_uuid_eq(&a->topic, &b->topic);
}

/* Where the id is, or the empty place where it would be. */
static size_t
table_find(const struct log_table *t, const struct vrv_log_id *id)
{
    size_t at = id_hash(id) & (t->cap - 1);

    while (t->v[at] != NULL && !vrv__log_id_eq(&t->v[at]->id, id))
        at = (at + 1) & (t->cap - 1);
    return at;
}

struct vrv_log *
vrv__table_get(const struct log_table *t, const struct vrv_log_id *id)
{
    return t->cap > 0 ? t->v[table_find(t, id)] : NULL;
}

void
vrv__table_put(struct log_table *t, struct vrv_log *log)
{
    if (2 * (t->n + 1) > t->cap) {
        struct log_table old = *t;

        t->cap = old.cap ? old.cap * 2 : 16;
        t->v = vrv_mem_zero(t->cap * sizeof(struct vrv_log *));
        for (size_t i = 0; i < old.cap; i++)
            if (old.v[i] != NULL)
                t->v[table_find(t, &old.v[i]->id)] = old.v[i];
        free(old.v);
    }
    t->v[table_find(t, &log->id)] = log;
    t->n++;
}

void
vrv__table_del(struct log_table *t, const struct vrv_log_id *id)
{
    size_t at = table_find(t, id);

    VRV_ASSERT(t->v[at] != NULL);
    t->v[at] = NULL;
    t->n--;
    /* What was pushed on by the one that went moves up. */
    for (size_t i = (at + 1) & (t->cap - 1); t->v[i] != NULL; i = (i + 1) & (t->cap - 1)) {
        struct vrv_log *log = t->v[i];

        t->v[i] = NULL;
        t->v[table_find(t, &log->id)] = log;
    }
}

/* ---- a data directory ---- */

struct root {
    bool restoring;
    struct vrv_err e;
};

static int
root_entry(void *ctx, const char *name, bool is_dir)
{
    static const char *const dirs[] = { "meta", "checkpoint", "wal", "log" };
    static const char *const files[] = { "FORMAT", "FORMAT.tmp", "LOCK", wal_probe };
    struct root *r = ctx;
    struct vrv_err *e = &r->e;

    for (size_t i = 0; i < 4 && !is_dir; i++)
        if (strcmp(name, files[i]) == 0)
            return 0;
    for (size_t i = 0; i < 4 && is_dir; i++)
        if (strcmp(name, dirs[i]) == 0)
            return 0;
    if (strcmp(name, VRV_RESTORING) == 0 && r->restoring)
        return 0;
    if (strcmp(name, VRV_RESTORING) == 0)
        return vrv_err_set(e, VRV_E_FOREIGN,
            "a restore into this directory was not finished: empty it, and restore again");
    return vrv_err_set(e, VRV_E_FOREIGN, "\"%.60s\" does not belong in a varve data directory",
        name);
}

static int
check_format(struct vrv_engine *eng, bool *is_new, struct vrv_err *e)
{
    char text[64] = { 0 };
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(eng->o.vfs, "FORMAT", 0, &f, e);

    *is_new = rc == VRV_E_NOTFOUND;
    if (rc < 0)
        return *is_new ? 0 : rc;
    ssize_t n = vrv_file_pread(f, text, sizeof(text) - 1, 0, 0, e);
    vrv_file_close(&f);
    if (n < 0)
        return (int)n;
    if (strcmp(text, format_text) == 0)
        return 0;
    if (strncmp(text, format_word, sizeof(format_word) - 1) == 0)
        return vrv_err_set(e, VRV_E_VERSION,
            "the data directory has format %ld; this version of varve knows format 1",
            strtol(text + sizeof(format_word) - 1, NULL, 10));
    *is_new = n == 0; /* torn while it was made */
    return n == 0 ? 0 : vrv_err_set(e, VRV_E_FOREIGN, "the file FORMAT is not varve's");
}

static int
write_format(struct vrv_engine *eng, struct vrv_err *e)
{
    struct vrv_file *f = NULL;
    int rc = vrv_vfs_open(eng->o.vfs, "FORMAT.tmp", VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, e);

    if (rc < 0)
        return rc;
    /* Whole under its name, or not there: a torn one would look foreign. */
    rc = vrv_file_truncate(f, 0, e);
    if (rc == 0)
        rc = vrv_file_pwrite(f, format_text, sizeof(format_text) - 1, 0, e);
    if (rc == 0)
        rc = vrv_file_sync(f, e);
    vrv_file_close(&f);
    if (rc == 0)
        rc = vrv_vfs_rename(eng->o.vfs, "FORMAT.tmp", "FORMAT", e);
    return rc == 0 ? vrv_vfs_sync_dir(eng->o.vfs, "", e) : rc;
}

static int
make_dirs(struct vrv_engine *eng, struct vrv_err *e)
{
    static const char *const dirs[] = { "meta", "checkpoint", "wal", "log" };

    for (size_t i = 0; i < 4; i++) {
        int rc = vrv_vfs_mkdir(eng->o.vfs, dirs[i], e);

        if (rc < 0 && rc != VRV_E_EXISTS)
            return rc;
    }
    return vrv_vfs_sync_dir(eng->o.vfs, "", e);
}

static int
find_meta(void *ctx, const char *name, bool is_dir)
{
    const char *dot = strrchr(name, '.');

    *(bool *)ctx |= !is_dir && dot != NULL && strcmp(dot, ".meta") == 0;
    return 0;
}

/* A directory that was used has both metadata logs: an empty one in place of what is missing would
 * mean that there never was anything, and the WAL would be trimmed. */
static int
check_whole(struct vrv_engine *eng, struct vrv_err *e)
{
    static const char *const dirs[] = { "meta", "checkpoint" };

    for (size_t i = eng->o.meta != NULL ? 1 : 0; i < 2; i++) {
        bool found = false;
        int rc = vrv_vfs_list(eng->o.vfs, dirs[i], find_meta, &found, e);

        if (rc < 0 && rc != VRV_E_NOTFOUND)
            return rc;
        if (!found)
            return vrv_err_set(e, VRV_E_FOREIGN,
                "the metadata log in %s/ is missing: it says what the rest is", dirs[i]);
    }
    return 0;
}

static int
was_used(struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_FOREIGN,
        "the file FORMAT is missing or empty, and the directory was "
        "used: that file is one line, \"%.*s\"",
        (int)sizeof(format_text) - 2, format_text);
}

static int
log_entry(void *ctx, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    return was_used(ctx);
}

static int
used_topic(void *ctx, const struct vrv_topic_info *t)
{
    (void)t;
    return was_used(ctx);
}

/* What would be made anew must not replace what there was: segments; topics are looked for when the
 * catalog is open. */
static int
check_unused(struct vrv_engine *eng, struct vrv_err *e)
{
    struct vrv_err list_err = { 0 };
    int rc = vrv_vfs_list(eng->o.vfs, "log", log_entry, &list_err, e);

    if (rc < 0 && list_err.code != 0 && e != NULL)
        *e = list_err;
    return rc == VRV_E_NOTFOUND ? 0 : rc;
}

/* FORMAT comes last: a directory without it, but with nothing foreign in it, was never used. */
static int
open_directory(struct vrv_engine *eng, bool *is_new, struct vrv_err *e)
{
    struct root root = { .restoring = eng->o.restoring };
    int rc = vrv_vfs_list(eng->o.vfs, "", root_entry, &root, e);

    if (rc < 0) {
        if (root.e.code != 0 && e != NULL)
            *e = root.e;
        return rc;
    }
    rc = check_format(eng, is_new, e);
    if (rc == 0)
        rc = vrv_vfs_lock(eng->o.vfs, "LOCK", &eng->lock_file, e);
    if (rc == 0)
        rc = *is_new ? check_unused(eng, e) : check_whole(eng, e);
    if (rc < 0)
        return rc;
    /* Who made FORMAT may have died before its name was synced: nothing is to rest on less. */
    return *is_new ? make_dirs(eng, e) : vrv_vfs_sync_dir(eng->o.vfs, "", e);
}

static int
open_stores(struct vrv_engine *eng, bool is_new, struct vrv_recovery *found, struct vrv_err *e)
{
    int rc = 0;

    eng->meta = eng->o.meta;
    if (eng->meta == NULL)
        rc = vrv_metalog_open(&eng->meta, eng->o.vfs, "meta", &found->catalog_cut_bytes, e);
    if (rc == 0)
        rc = vrv_catalog_open(&eng->catalog, eng->meta, e);
    if (rc == 0 && is_new && eng->o.meta == NULL)
        rc = vrv_catalog_each(eng->catalog, used_topic, e);
    if (rc == 0)
        rc = vrv_metalog_open(&eng->states, eng->o.vfs, "checkpoint", &found->states_cut_bytes, e);
    return rc;
}

static struct vrv_engine *
engine_new(const struct vrv_engine_opts *o)
{
    struct vrv_engine *eng = VRV_NEW(struct vrv_engine);
    struct vrv_rand r = { o->random };

    eng->magic = ENGINE_MAGIC;
    eng->o = *o;
    eng->wal_id = vrv_rand_next(&r);
    vrv_lock_init(&eng->lock, VRV_LOCK_engine);
    vrv_lock_init(&eng->room_lock, VRV_LOCK_room);
    vrv_topic_defaults_init(&eng->defaults);
    vrv_files_init(&eng->files, o->vfs, o->open_files_max);
    vrv_slab_pool_init(&eng->pool, o->memory_bytes);
    eng->env = (struct vrv_log_env){ .clock = o->clock, .files = &eng->files,
        .pool = &eng->pool, .cold = o->cold, .flush_bytes = o->flush_bytes, .seed = 0,
        .producers_max = o->producers_max,
        .flush_wanted = o->flush_wanted, .ctx = o->ctx, .sync_due_ns = INT64_MAX };
    vrv_lock_init(&eng->env.lock, VRV_LOCK_lists);
    vrv_list_init(&eng->env.touched);
    vrv_list_init(&eng->env.flushable);
    vrv_list_init(&eng->env.changed);
    atomic_init(&eng->disk_free, UINT64_MAX);
    vrv_fetches_init(&eng->fetches);
    eng->env.fetches = &eng->fetches;
    eng->ckpt.last_ms = o->clock->mono_ns(o->clock) / 1000000;
    return eng;
}

int
vrv_engine_open(struct vrv_engine **out, const struct vrv_engine_opts *o,
    struct vrv_recovery *found, struct vrv_err *e)
{
    struct vrv_engine *eng = engine_new(o);
    bool is_new = false;

    *found = (struct vrv_recovery){ 0 };
    int rc = open_directory(eng, &is_new, e);
    if (rc == 0 && o->wal_direct && o->wal_probe)
        eng->o.wal_direct = vrv_wal_direct_pays(o->vfs, o->clock, wal_probe);
    if (rc == 0)
        rc = open_stores(eng, is_new, found, e);
    if (rc == 0)
        rc = vrv__engine_recover(eng, is_new, found, e);
    if (rc == 0 && is_new)
        rc = write_format(eng, e);
    if (rc < 0)
        vrv_engine_abandon(&eng);
    *out = eng;
    return rc;
}

/* NULL when there is none; else its reference is the caller's. */
static struct vrv_log *
take_flushable(struct vrv_log_env *env)
{
    struct vrv_log *log = NULL;

    vrv_lock(&env->lock);
    if (!vrv_list_empty(&env->flushable)) {
        log = VRV_LIST_OF(env->flushable.next, struct vrv_log, flush_link);
        vrv_list_del(&log->flush_link);
    }
    vrv_unlock(&env->lock);
    return log;
}

static void
put_flushable(struct vrv_log_env *env, struct vrv_log *log)
{
    vrv_lock(&env->lock);
    bool there = !vrv_list_empty(&log->flush_link);
    if (!there)
        vrv_list_push(&env->flushable, &log->flush_link);
    vrv_unlock(&env->lock);
    if (there)
        vrv_log_unref(&log);
}

static void
forget_lists(struct vrv_log_env *env)
{
    struct vrv_log *log;

    while ((log = take_flushable(env)) != NULL || (log = vrv_log_take_changed(env)) != NULL)
        vrv_log_unref(&log);
    while (!vrv_list_empty(&env->touched)) {
        log = VRV_LIST_OF(env->touched.next, struct vrv_log, touched_link);
        vrv_list_del(&log->touched_link);
        vrv_log_unref(&log);
    }
}

void
vrv_engine_abandon(struct vrv_engine **engp)
{
    struct vrv_engine *eng = *engp;

    if (eng == NULL)
        return;
    VRV_CHECK(eng, ENGINE_MAGIC);
    vrv__checkpoint_forget(&eng->ckpt);
    free(eng->ckpt.v);
    free(eng->dead);
    vrv_fill_fini(&eng->replay_fill);
    vrv_journal_free(&eng->env.journal);
    forget_lists(&eng->env);
    for (size_t i = 0; i < eng->logs.cap; i++)
        vrv_log_unref(&eng->logs.v[i]);
    free(eng->logs.v);
    for (size_t i = 0; i < eng->retired_n; i++)
        vrv_log_unref(&eng->retired[i]);
    free(eng->retired);
    vrv_heap_fini(&eng->env.waits);
    vrv_fetches_fini(&eng->fetches);
    vrv_waldev_close(&eng->dev);
    vrv_catalog_close(&eng->catalog);
    vrv_meta_close(&eng->states);
    if (eng->o.meta == NULL)
        vrv_meta_close(&eng->meta);
    vrv_slab_pool_fini(&eng->pool);
    vrv_files_fini(&eng->files);
    vrv_file_close(&eng->lock_file);
    vrv_lock_fini(&eng->env.lock);
    vrv_lock_fini(&eng->room_lock);
    vrv_lock_fini(&eng->lock);
    free(eng);
    *engp = NULL;
}

int
vrv_engine_close(struct vrv_engine **engp, struct vrv_err *e)
{
    struct vrv_engine *eng = *engp;
    /* One that is on its way doesn't hold what came since it began: then another one follows. */
    uint64_t want = atomic_load(&eng->checkpoints) + 1 + (eng->ckpt.phase != CKPT_IDLE);
    int rc = 0;

    while (vrv_engine_commit_step(eng))
        ;
    vrv_engine_want_checkpoint(eng);
    while (atomic_load(&eng->checkpoints) < want && rc == 0) {
        (void)vrv_engine_commit_step(eng);
        (void)vrv_engine_checkpoint_step(eng);
        rc = vrv_engine_error(eng, e);
        if (rc == 0 && eng->ckpt.no_room)
            rc = vrv_err_set(e, VRV_E_NOSPACE,
                "no room to write the segments; they will be made at the next start");
    }
    if (rc == 0)
        rc = vrv__engine_mark(eng, true, e);
    vrv_engine_abandon(engp);
    return rc;
}

struct vrv_catalog *
vrv_engine_catalog(struct vrv_engine *eng)
{
    return eng->catalog;
}

struct vrv_log_env *
vrv_engine_env(struct vrv_engine *eng)
{
    return &eng->env;
}

struct vrv_log *
vrv_engine_log(struct vrv_engine *eng, const struct vrv_log_id *id)
{
    VRV_CHECK(eng, ENGINE_MAGIC);
    vrv_lock(&eng->lock);
    struct vrv_log *log = vrv__table_get(&eng->logs, id);
    vrv_unlock(&eng->lock);
    return log;
}

struct vrv_log *
vrv_engine_log_ref(struct vrv_engine *eng, const struct vrv_log_id *id)
{
    vrv_lock(&eng->lock);
    struct vrv_log *log = vrv__table_get(&eng->logs, id);
    if (log != NULL)
        vrv_log_ref(log);
    vrv_unlock(&eng->lock);
    return log;
}

/* ---- steps ---- */

int
vrv_engine_error(struct vrv_engine *eng, struct vrv_err *e)
{
    int rc = vrv_journal_error(eng->env.journal, e);

    if (rc == 0 && (rc = atomic_load(&eng->status)) != 0 && e != NULL) {
        vrv_lock(&eng->lock);
        *e = eng->failure;
        vrv_unlock(&eng->lock);
    }
    return rc;
}

void
vrv__engine_fail(struct vrv_engine *eng, const struct vrv_err *e)
{
    int code = e->code == VRV_E_FENCED ? VRV_E_FENCED : VRV_E_STOPPED;

    vrv_lock(&eng->lock);
    if (atomic_load(&eng->status) == 0) { /* the first one tells why */
        (void)vrv_err_set(&eng->failure, code, "%.*s", (int)sizeof(e->msg) - 1, e->msg);
        atomic_store(&eng->status, code);
    }
    struct vrv_err why = eng->failure;
    vrv_unlock(&eng->lock);
    if (eng->env.journal != NULL)
        vrv_journal_stop(eng->env.journal, &why);
}

int
vrv_engine_may_append(struct vrv_engine *eng, struct vrv_err *e)
{
    int rc = vrv_engine_error(eng, e);

    if (rc == 0 && atomic_load(&eng->disk_full))
        rc = vrv_err_set(e, VRV_E_NOSPACE,
            "the disk is full: appends go on when there is space again");
    return rc;
}

uint64_t
vrv_engine_disk_free(struct vrv_engine *eng)
{
    return atomic_load(&eng->disk_free);
}

bool
vrv_engine_commit_step(struct vrv_engine *eng)
{
    return vrv_journal_commit_step(eng->env.journal);
}

int
vrv_engine_prepare_step(struct vrv_engine *eng)
{
    return vrv_waldev_prepare(eng->dev);
}

/* Give the oldest batches' memory back when new ones will want it. */
static bool
evict(struct vrv_engine *eng)
{
    size_t high = eng->pool.budget - eng->pool.budget / 8;
    bool any = false;

    for (;;) {
        struct vrv_entry *en = vrv_journal_oldest(eng->env.journal);

        if (en == NULL)
            return any;
        if (atomic_load(&eng->pool.used) <= high && eng->retired_n == 0 &&
            en->seq >= atomic_load(&eng->forget_seq))
            return any;
        if (!atomic_load(&en->flushed)) {
            struct vrv_log *log = en->owner;
            struct vrv_err e = { 0 };
            int rc = vrv_log_flush(log, &e);

            if (rc < 0 && rc != VRV_E_NOSPACE)
                vrv__engine_fail(eng, &e);
            if (rc < 0 || !atomic_load(&en->flushed))
                return any;
        }
        vrv_log_evict_first(en->owner, en);
        vrv_journal_evict(eng->env.journal);
        any = true;
    }
}

static bool
flush_some(struct vrv_engine *eng)
{
    struct vrv_err e = { 0 };

    if (atomic_load(&eng->status) != 0)
        return false;
    /* What a checkpoint is about to keep must not grow beyond what it has waited for. */
    if (eng->ckpt.phase == CKPT_DURABLE || eng->ckpt.phase == CKPT_SYNC)
        return false;
    bool any = evict(eng);
    struct vrv_log *log = take_flushable(&eng->env);
    if (log == NULL)
        return any;
    int rc = vrv_log_flush(log, &e);
    if (rc == VRV_E_NOSPACE) {
        atomic_store(&eng->disk_full, true);
        put_flushable(&eng->env, log);
        return any;
    }
    vrv_log_unref(&log);
    if (rc < 0)
        vrv__engine_fail(eng, &e);
    return true;
}

bool
vrv_engine_flush_step(struct vrv_engine *eng)
{
    VRV_CHECK(eng, ENGINE_MAGIC);
    bool any = flush_some(eng);
    vrv__engine_tell_room(eng);
    return any;
}

void
vrv_engine_want_checkpoint(struct vrv_engine *eng)
{
    atomic_store(&eng->want_checkpoint, true);
}

void
vrv_engine_forget(struct vrv_engine *eng)
{
    atomic_store(&eng->forget_seq, vrv_journal_state(eng->env.journal).committed_seq);
    atomic_store(&eng->want_checkpoint, true);
    if (eng->o.flush_wanted != NULL)
        eng->o.flush_wanted(eng->o.ctx);
}

uint64_t
vrv_engine_checkpoints(struct vrv_engine *eng)
{
    return atomic_load(&eng->checkpoints);
}

void
vrv_engine_stop_fetches(struct vrv_engine *eng)
{
    vrv_fetches_stop(&eng->fetches);
    vrv_journal_wake(eng->env.journal);
}

int64_t
vrv_engine_expire_step(struct vrv_engine *eng)
{
    int64_t now = eng->o.clock->mono_ns(eng->o.clock);
    int64_t next = vrv_log_expire_waiters(&eng->env, now);
    int64_t fetch = vrv_fetches_expire(&eng->fetches, eng->env.cold, now);
    int64_t due = atomic_load(&eng->env.sync_due_ns);

    if (due <= now && atomic_compare_exchange_strong(&eng->env.sync_due_ns, &due, INT64_MAX)) {
        vrv_journal_want_sync(eng->env.journal);
        due = INT64_MAX;
    }
    next = fetch < next ? fetch : next;
    return due < next ? due : next;
}

/* Appends stop while there is still room for what the WAL holds to become segments. */
static void
watch_space(struct vrv_engine *eng)
{
    uint64_t bytes;

    if (vrv_vfs_free_bytes(eng->o.vfs, &bytes, NULL) < 0)
        return;
    atomic_store(&eng->disk_free, bytes);
    atomic_store(&eng->disk_full, bytes < eng->o.disk_reserve_bytes + vrv_waldev_used(eng->dev));
}

/* The segments that retention or a deletion has left below the start. */
static void
note_dead(struct vrv_engine *eng, struct vrv_log *log)
{
    struct vrv_seg *s;

    while ((s = vrv_log_take_dead(log)) != NULL) {
        VRV_PUSH_ROOM(eng->dead, eng->dead_n, eng->dead_cap);
        eng->dead[eng->dead_n++] = (struct dead_seg){ .log = log->id, .base = s->base };
        vrv_seg_unref(s);
    }
}

static void
tend_log(struct vrv_engine *eng, struct vrv_log *log, int64_t now_ms, bool expire)
{
    struct vrv_err e = { 0 };

    if (expire)
        vrv_log_expire_producers(log, now_ms - eng->o.producer_expiry_ms + 1);
    vrv_log_roll_if_old(log, now_ms);
    int64_t start = vrv_log_retention_start(log, now_ms);
    /* Refused, for want of room in the WAL say: the next time, then. */
    if (start <= vrv_log_offsets(log).start || vrv_log_set_start(log, start, NULL, &e) == 0)
        note_dead(eng, log);
}

/* What a burst has left in the pool goes back to the system when nothing was appended since the
 * last tending. */
static void
release_memory(struct vrv_engine *eng)
{
    uint64_t appended = atomic_load(&eng->env.appended_bytes);

    if (appended == eng->tended_bytes)
        vrv_slab_pool_shrink(&eng->pool);
    eng->tended_bytes = appended;
}

/* Every ten minutes, as Kafka does, is often enough to look through all producers. */
static bool
expiry_due(struct vrv_engine *eng)
{
    const int64_t often = (int64_t)10 * 60 * 1000;
    int64_t now = eng->o.clock->mono_ns(eng->o.clock) / 1000000;

    if (now < eng->expire_at_ms)
        return false;
    eng->expire_at_ms =
        now + (eng->o.producer_expiry_ms < often ? eng->o.producer_expiry_ms : often);
    return true;
}

void
vrv_engine_tend_step(struct vrv_engine *eng)
{
    int64_t now_ms = eng->o.clock->wall_ms(eng->o.clock);

    VRV_CHECK(eng, ENGINE_MAGIC);
    if (vrv_engine_error(eng, NULL) != 0)
        return;
    bool expire = expiry_due(eng);
    release_memory(eng);
    for (size_t i = 0;; i++) {
        vrv_lock(&eng->lock);
        struct vrv_log *log = i < eng->logs.cap ? eng->logs.v[i] : NULL;
        bool end = i >= eng->logs.cap;
        vrv_unlock(&eng->lock);
        if (end)
            break;
        if (log != NULL)
            tend_log(eng, log, now_ms, expire);
    }
    vrv__engine_bury_segs(eng);
    vrv__engine_bury_topics(eng);
    watch_space(eng); /* with what that has made free */
}
