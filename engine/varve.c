/* The public face: opens an engine and runs its steps on threads.
 *
 * commit    waits for something to commit, commits it; posts waiters whose time has come
 * flusher   segments, checkpoints, eviction; every second what happens by time
 * sync      begins to sync what a checkpoint has written, while the flusher writes more
 * filler    zero-fills the WAL after it was made, as soon as the disk has room for it, then ends
 */
#include "engine/varve.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "engine/base/mem.h"
#include "engine/engine.h"
#include "engine/os/thread.h"
#include "engine/varve_int.h"

_Static_assert(sizeof(struct varve_error) == sizeof(struct vrv_err), "one is the other");
_Static_assert((int)VARVE_BOOLEAN == (int)VRV_SETTING_BOOLEAN &&
    (int)VARVE_STRING == (int)VRV_SETTING_STRING && (int)VARVE_INT == (int)VRV_SETTING_INT &&
    (int)VARVE_LONG == (int)VRV_SETTING_LONG && (int)VARVE_DOUBLE == (int)VRV_SETTING_DOUBLE &&
    (int)VARVE_LIST == (int)VRV_SETTING_LIST, "one is the other");

struct vrv_err *
vrv__err(struct varve_error *e)
{
    return (struct vrv_err *)(void *)e;
}

const char *
varve_strerror(int code)
{
    return vrv_err_text(code);
}

const char *
varve_version(void)
{
    return PACKAGE_VERSION;
}

/* The other half of the descriptors is the program's. */
static unsigned
half_of_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > 1 << 16)
        return 1 << 15;
    return r.rlim_cur < 32 ? 16 : (unsigned)r.rlim_cur / 2;
}

void
varve_options_init(struct varve_options *o)
{
    struct vrv_engine_opts d;

    vrv_engine_opts_default(&d);
    *o = (struct varve_options){ .memory_bytes = d.memory_bytes,
        .wal_bytes = d.wal_files * d.wal_file_bytes, .open_files = half_of_limit(),
        .checkpoint_ms = d.checkpoint_ms, .disk_reserve_bytes = d.disk_reserve_bytes,
        .producer_expiry_ms = d.producer_expiry_ms, .producers_max = d.producers_max };
}

/* ---- threads ---- */

static void *
commit_main(void *ctx)
{
    struct varve *v = ctx;
    struct vrv_journal *j = vrv_engine_env(v->engine)->journal;

    while (!atomic_load(&v->stop)) {
        int64_t next = vrv_engine_expire_step(v->engine);
        int64_t now = vrv_clock_real()->mono_ns(vrv_clock_real());
        int64_t wait_ms = next == INT64_MAX ? 1000 : (next - now) / 1000000 + 1;

        if (!vrv_engine_commit_step(v->engine))
            vrv_journal_wait(j, wait_ms < 1000 ? wait_ms : 1000);
    }
    return NULL;
}

/* Appends that wait for memory or WAL room try again. */
static void
tell_space(struct varve *v)
{
    vrv_lock(&v->wake);
    (void)pthread_cond_broadcast(&v->space);
    vrv_unlock(&v->wake);
}

static bool
flusher_work(struct varve *v)
{
    bool any = vrv_engine_flush_step(v->engine);

    any |= vrv_engine_checkpoint_step(v->engine);
    if (any)
        tell_space(v);
    return any;
}

/* A checkpoint in progress waits for commits: look again soon. */
static void
flusher_wait(struct varve *v)
{
    struct timespec until;

    vrv_deadline(&until, 10);
    vrv_lock(&v->wake);
    if (!v->flush_wanted && !atomic_load(&v->stop))
        (void)vrv_cond_wait_until(&v->work, &v->wake, &until);
    v->flush_wanted = false;
    vrv_unlock(&v->wake);
}

static void *
flusher_main(void *ctx)
{
    struct varve *v = ctx;
    int64_t tended = 0;

    while (!atomic_load(&v->stop)) {
        int64_t now = vrv_clock_real()->mono_ns(vrv_clock_real()) / 1000000;

        if (now - tended >= 1000) {
            vrv_engine_tend_step(v->engine);
            tended = now;
        }
        if (!flusher_work(v))
            flusher_wait(v);
    }
    return NULL;
}

static void *
sync_main(void *ctx)
{
    struct varve *v = ctx;

    while (!atomic_load(&v->stop)) {
        if (vrv_engine_sync_step(v->engine))
            continue;
        vrv_lock(&v->wake);
        while (!v->sync_wanted && !atomic_load(&v->stop))
            vrv_cond_wait(&v->sync, &v->wake);
        v->sync_wanted = false;
        vrv_unlock(&v->wake);
    }
    return NULL;
}

/* Nobody tells when the disk has room again. */
static void
filler_wait(struct varve *v)
{
    struct timespec until;

    vrv_deadline(&until, 1000);
    vrv_lock(&v->wake);
    while (!atomic_load(&v->stop) && vrv_cond_wait_until(&v->space, &v->wake, &until))
        ;
    vrv_unlock(&v->wake);
}

static void *
filler_main(void *ctx)
{
    struct varve *v = ctx;
    int rc;

    while (!atomic_load(&v->stop) && (rc = vrv_engine_prepare_step(v->engine)) != 0) {
        if (rc > 0)
            tell_space(v);
        else
            filler_wait(v);
    }
    return NULL;
}

static void
flush_wanted(void *ctx)
{
    struct varve *v = ctx;

    vrv_lock(&v->wake);
    v->flush_wanted = true;
    (void)pthread_cond_signal(&v->work);
    vrv_unlock(&v->wake);
}

static void
sync_wanted(void *ctx)
{
    struct varve *v = ctx;

    vrv_lock(&v->wake);
    v->sync_wanted = true;
    (void)pthread_cond_signal(&v->sync);
    vrv_unlock(&v->wake);
}

static int
start_threads(struct varve *v, struct vrv_err *e)
{
    static const struct {
        const char *name;
        void *(*run)(void *);
    } threads[VARVE_THREADS] = { { "varve-commit", commit_main }, { "varve-flush", flusher_main },
        { "varve-sync", sync_main }, { "varve-fill", filler_main } };

    for (int i = 0; i < VARVE_THREADS; i++) {
        int rc = vrv_thread_start(&v->thread[i], threads[i].name, threads[i].run, v, e);
        if (rc < 0)
            return rc;
        v->thread_n++;
    }
    return 0;
}

static void
stop_threads(struct varve *v)
{
    atomic_store(&v->stop, true);
    vrv_journal_wake(vrv_engine_env(v->engine)->journal);
    flush_wanted(v);
    sync_wanted(v);
    tell_space(v);
    for (int i = 0; i < v->thread_n; i++)
        (void)pthread_join(v->thread[i], NULL);
}

/* ---- opening and closing ---- */

/* The WAL as files of at most 64 MiB. */
static void
wal_shape(struct vrv_engine_opts *o, size_t bytes)
{
    size_t file = (size_t)64 << 20;

    while (file > (size_t)1 << 20 && bytes / file < 4)
        file /= 2;
    o->wal_file_bytes = file;
    o->wal_files = bytes / file < 4 ? 4 : (unsigned)(bytes / file);
    if (o->wal_files > 64)
        o->wal_files = 64;
}

int
vrv__engine_opts(const struct varve_options *o, struct vrv_engine_opts *eo, struct vrv_err *e)
{
    vrv_engine_opts_default(eo);
    eo->memory_bytes = o->memory_bytes;
    wal_shape(eo, o->wal_bytes);
    eo->open_files_max = o->open_files;
    eo->checkpoint_ms = o->checkpoint_ms;
    eo->disk_reserve_bytes = o->disk_reserve_bytes;
    eo->producer_expiry_ms = o->producer_expiry_ms;
    eo->producers_max = o->producers_max;
    eo->wal_direct = eo->wal_probe = !o->buffered_wal;
    if (o->memory_bytes < eo->wal_files * eo->wal_file_bytes)
        return vrv_err_set(e, VRV_E_INVALID,
            "memory_bytes is %zu, less than the write-ahead log (%zu): what the log holds must fit",
            o->memory_bytes, eo->wal_files * eo->wal_file_bytes);
    if (o->producer_expiry_ms < 1)
        return vrv_err_set(e, VRV_E_INVALID, "producer_expiry_ms is %lld, expected 1 or more",
            (long long)o->producer_expiry_ms);
    if (getrandom(&eo->random, sizeof(eo->random), 0) != (ssize_t)sizeof(eo->random))
        return vrv_err_sys(e, "no random numbers");
    return 0;
}

static void
free_rest(struct varve *v)
{
    vrv_vfs_close(&v->vfs);
    free(v->handles);
    (void)pthread_cond_destroy(&v->space);
    (void)pthread_cond_destroy(&v->sync);
    (void)pthread_cond_destroy(&v->work);
    vrv_lock_fini(&v->fill_lock);
    vrv_lock_fini(&v->wake);
    vrv_lock_fini(&v->lock);
    free(v);
}

int
vrv__load(struct varve **out, const char *dir, const struct varve_options *o,
    struct vrv_cold *cold, struct varve_found *found, struct varve_error *e)
{
    struct varve *v = VRV_NEW(struct varve);
    struct varve_options dflt;
    struct vrv_engine_opts eo;
    struct vrv_recovery rec;

    *out = NULL;
    varve_options_init(&dflt);
    vrv_lock_init(&v->lock, VRV_LOCK_varve);
    vrv_lock_init(&v->fill_lock, VRV_LOCK_fill);
    vrv_lock_init(&v->wake, VRV_LOCK_wake);
    vrv_cond_init(&v->work);
    vrv_cond_init(&v->space);
    vrv_cond_init(&v->sync);
    int rc = vrv_vfs_posix(dir, true, &v->vfs, vrv__err(e));
    if (rc == 0)
        rc = vrv__engine_opts(o != NULL ? o : &dflt, &eo, vrv__err(e));
    eo.vfs = v->vfs;
    eo.flush_wanted = flush_wanted;
    eo.sync_wanted = sync_wanted;
    eo.ctx = v;
    eo.cold = cold;
    if (rc == 0)
        rc = vrv_engine_open(&v->engine, &eo, &rec, vrv__err(e));
    if (rc < 0) {
        free_rest(v);
        return rc;
    }
    if (found != NULL)
        *found = (struct varve_found){ .clean = rec.clean, .logs = rec.logs,
            .replayed = rec.replayed, .replayed_bytes = rec.replayed_bytes,
            .cut_groups = rec.cut_groups };
    *out = v;
    return 0;
}

int
vrv__run(struct varve **vp, struct varve_error *e)
{
    struct varve *v = *vp;
    int rc = start_threads(v, vrv__err(e));

    if (rc == 0)
        return 0;
    *vp = NULL;
    stop_threads(v);
    vrv_engine_abandon(&v->engine);
    free_rest(v);
    return rc;
}

int
vrv__open(struct varve **out, const char *dir, const struct varve_options *o,
    struct vrv_cold *cold, struct varve_found *found, struct varve_error *e)
{
    int rc = vrv__load(out, dir, o, cold, found, e);

    return rc == 0 ? vrv__run(out, e) : rc;
}

int
varve_open(struct varve **out, const char *dir, const struct varve_options *o,
    struct varve_found *found, struct varve_error *e)
{
    return vrv__open(out, dir, o, NULL, found, e);
}

int
varve_close(struct varve **vp, struct varve_error *e)
{
    struct varve *v = *vp;

    if (v == NULL)
        return 0;
    struct vrv_above above = v->above;
    if (above.stop != NULL)
        above.stop(above.ctx);
    stop_threads(v);
    vrv_fill_fini(&v->fill);
    for (size_t i = 0; i < v->handle_n; i++) {
        vrv_log_unref(&v->handles[i]->log);
        free(v->handles[i]);
    }
    int rc = vrv_engine_close(&v->engine, vrv__err(e));
    free_rest(v);
    if (above.end != NULL)
        above.end(above.ctx);
    *vp = NULL;
    return rc;
}

/* ---- topics ---- */

/* The engine's form of them, borrowed but for the array. */
static struct vrv_config_kv *
kv_of(const struct varve_config *configs, size_t n)
{
    struct vrv_config_kv *kv = vrv_mem_zero((n + 1) * sizeof(*kv));

    for (size_t i = 0; i < n; i++) {
        kv[i].key = (char *)(uintptr_t)configs[i].key;
        kv[i].value = (char *)(uintptr_t)configs[i].value;
    }
    return kv;
}

int
varve_topic_create(struct varve *v, const char *name, int32_t partitions,
    const struct varve_config *configs, size_t n, struct varve_error *e)
{
    struct vrv_uuid id;
    struct vrv_config_kv *kv = kv_of(configs, n);
    int rc = 0;

    if (getrandom(id.b, sizeof(id.b), 0) != (ssize_t)sizeof(id.b))
        rc = vrv_err_sys(vrv__err(e), "no random numbers");
    if (rc == 0)
        rc = vrv_engine_create_topic(v->engine, name, partitions, kv, n, &id, vrv__err(e));
    free(kv);
    return rc;
}

int
varve_topic_delete(struct varve *v, const char *name, struct varve_error *e)
{
    return vrv_engine_delete_topic(v->engine, name, vrv__err(e));
}

int
varve_topic_alter(struct varve *v, const char *name, const struct varve_config *changes, size_t n,
    struct varve_error *e)
{
    struct vrv_config_kv *kv = kv_of(changes, n);
    int rc = vrv_engine_alter_topic(v->engine, name, kv, n, vrv__err(e));

    free(kv);
    return rc;
}

int
varve_topic_grow(struct varve *v, const char *name, int32_t partitions, struct varve_error *e)
{
    return vrv_engine_grow_topic(v->engine, name, partitions, vrv__err(e));
}

struct each {
    varve_topic_fn *fn;
    void *ctx;
};

static int
each_topic(void *ctx, const struct vrv_topic_info *t)
{
    struct each *each = ctx;

    return each->fn(each->ctx, t->name, t->partitions);
}

int
varve_topic_each(struct varve *v, varve_topic_fn *fn, void *ctx)
{
    struct each each = { fn, ctx };

    return vrv_catalog_each(vrv_engine_catalog(v->engine), each_topic, &each);
}

struct describe {
    varve_setting_fn *fn;
    void *ctx;
};

static int
describe_one(void *ctx, const struct vrv_setting *s)
{
    struct describe *d = ctx;

    return d->fn(d->ctx, &(struct varve_setting){ .key = s->key, .value = s->value,
        .dflt = s->dflt, .doc = s->doc, .type = (enum varve_type)s->type, .own = s->own });
}

int
varve_topic_describe(struct varve *v, const char *topic, varve_setting_fn *fn, void *ctx,
    struct varve_error *e)
{
    struct describe d = { fn, ctx };

    return vrv_engine_describe_topic(v->engine, topic, describe_one, &d, vrv__err(e));
}

/* Handles live as long as v, one per partition that was asked for.  Takes over the reference. */
static struct varve_log *
handle_for(struct varve *v, struct vrv_log *log)
{
    vrv_lock(&v->lock);
    struct varve_log *h = log->face;
    if (h == NULL) {
        h = VRV_NEW(struct varve_log);
        h->v = v;
        h->log = vrv_log_ref(log);
        log->face = h;
        VRV_PUSH_ROOM(v->handles, v->handle_n, v->handle_cap);
        v->handles[v->handle_n++] = h;
    }
    vrv_unlock(&v->lock);
    vrv_log_unref(&log);
    return h;
}

struct varve_log *
varve_partition(struct varve *v, const char *topic, int32_t partition, struct varve_error *e)
{
    struct vrv_topic_info t;
    struct vrv_log *log = NULL;

    if (vrv_catalog_by_name(vrv_engine_catalog(v->engine), topic, &t, vrv__err(e)) < 0)
        return NULL;
    struct vrv_log_id id = { t.id, partition };
    if (partition >= 0 && partition < t.partitions)
        log = vrv_engine_log_ref(v->engine, &id);
    if (log == NULL)
        (void)vrv_err_set(vrv__err(e), VRV_E_NOTFOUND,
            "topic %s has partitions 0 to %d, there is no %d", topic, (int)t.partitions - 1,
            (int)partition);
    vrv_topic_info_fini(&t);
    return log != NULL ? handle_for(v, log) : NULL;
}

void
varve_offsets_get(struct varve_log *log, struct varve_offsets *o)
{
    struct vrv_log_offsets lo = vrv_log_offsets(log->log);

    *o = (struct varve_offsets){ .start = lo.start, .next = lo.hw, .end = lo.end,
        .local = lo.local_start };
}

void
varve_roll(struct varve_log *log)
{
    vrv_log_roll(log->log);
    vrv_engine_want_checkpoint(log->v->engine); /* sealed means: in a checkpoint */
    flush_wanted(log->v);
}

int
varve_offset_at(struct varve_log *log, int64_t ms, int64_t *offset, struct varve_error *e)
{
    struct vrv_read_found found;
    int rc = vrv_read_time(log->log, ms, INT64_MAX, &found, vrv__err(e));

    *offset = found.offset;
    return rc;
}
