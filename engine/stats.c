/* What the engine tells of itself. */
#include "engine/base/assert.h"
#include "engine/engine_int.h"

static void
memory_stats(struct vrv_slab_pool *pool, struct vrv_engine_stats *s)
{
    s->memory_used = atomic_load(&pool->used);
    s->memory_budget = pool->budget;
    vrv_lock(&pool->lock);
    s->memory_free = pool->free_bytes;
    vrv_unlock(&pool->lock);
}

static void
wal_stats(struct vrv_engine *eng, struct vrv_engine_stats *s)
{
    struct vrv_journal_state j = vrv_journal_state(eng->env.journal);

    s->wal_groups = j.groups;
    s->wal_syncs = j.syncs;
    s->wal_bytes = j.bytes;
    s->wal_used = vrv_waldev_used(eng->dev);
    s->wal_capacity = eng->dev->capacity;
    vrv_hist_read(vrv_journal_syncs(eng->env.journal), &s->sync_times);
}

static void
file_stats(struct vrv_engine *eng, struct vrv_engine_stats *s)
{
    vrv_lock(&eng->files.lock);
    s->open_files = eng->files.open;
    vrv_unlock(&eng->files.lock);
    s->open_files_max = eng->files.max;
    if (vrv_vfs_free_bytes(eng->o.vfs, &s->disk_free, NULL) < 0)
        s->disk_free = 0;
    s->disk_reserve = eng->o.disk_reserve_bytes;
    s->disk_full = atomic_load(&eng->disk_full);
}

void
vrv_engine_stats(struct vrv_engine *eng, struct vrv_engine_stats *s)
{
    VRV_CHECK(eng, ENGINE_MAGIC);
    *s = (struct vrv_engine_stats){ .batches = atomic_load(&eng->env.appended_batches),
        .records = atomic_load(&eng->env.appended_records),
        .bytes = atomic_load(&eng->env.appended_bytes),
        .unflushed_bytes = atomic_load(&eng->env.unflushed_bytes),
        .checkpoints = atomic_load(&eng->checkpoints),
        .producers = atomic_load(&eng->env.producers), .producers_max = eng->env.producers_max,
        .cold_reads = atomic_load(&eng->fetches.waiting) };
    vrv_lock(&eng->lock);
    s->logs = eng->logs.n;
    vrv_unlock(&eng->lock);
    memory_stats(&eng->pool, s);
    wal_stats(eng, s);
    file_stats(eng, s);
    vrv_hist_read(&eng->checkpoint_times, &s->checkpoint_times);
}
