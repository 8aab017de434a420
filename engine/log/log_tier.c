/* What a log shows to who moves its segments away. */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/log/log_int.h"

/* ---- what has changed ---- */

void
vrv_log_note_change(struct vrv_log *log)
{
    struct vrv_log_env *env = log->env;

    if (env->cold == NULL)
        return;
    vrv_lock(&env->lock);
    if (vrv_list_empty(&log->change_link))
        vrv_list_push(&env->changed, &vrv_log_ref(log)->change_link);
    vrv_unlock(&env->lock);
}

struct vrv_log *
vrv_log_take_changed(struct vrv_log_env *env)
{
    struct vrv_log *log = NULL;

    vrv_lock(&env->lock);
    if (!vrv_list_empty(&env->changed)) {
        log = VRV_LIST_OF(env->changed.next, struct vrv_log, change_link);
        vrv_list_del(&log->change_link);
    }
    vrv_unlock(&env->lock);
    return log;
}

void
vrv_log_tell_at(struct vrv_log *log, uint64_t bytes)
{
    vrv_lock(&log->lock);
    log->tell_at = bytes;
    if (log->batch_bytes >= bytes) {
        log->tell_at = UINT64_MAX;
        vrv_log_note_change(log);
    }
    vrv_unlock(&log->lock);
}

int
vrv_log_cold_level(struct vrv_log *log)
{
    struct vrv_log_config *c = vrv_log_config_ref(log);
    int level = c->cold_level;

    vrv_log_config_unref(c);
    return level;
}

/* ---- when the tier can't take what is here ---- */

void
vrv_log_set_lost(struct vrv_log *log, int64_t from, int64_t to)
{
    vrv_lock(&log->lock);
    log->lost = from;
    log->lost_end = to;
    if (to > from && to > log->lost_below)
        log->lost_below = to;
    vrv_unlock(&log->lock);
}

bool
vrv_log_set_refuses(struct vrv_log *log, bool refuses)
{
    vrv_lock(&log->lock);
    bool changes = log->refuses != refuses;
    log->refuses = refuses;
    vrv_unlock(&log->lock);
    return changes;
}

/* ---- what there is ---- */

struct vrv_log_seg *
vrv_log_segs(struct vrv_log *log, uint32_t *n)
{
    struct vrv_log_seg *v = NULL;

    vrv_lock(&log->lock);
    *n = log->seg_n;
    if (*n > 0)
        v = vrv_mem_zero(*n * sizeof(*v));
    for (uint32_t i = 0; i < *n; i++) {
        const struct vrv_seg *s = log->segs[i];

        v[i] = (struct vrv_log_seg){ s->base, s->next, s->size,
            s->flushed == s->size ? s->max_ts : -1, s->last_ms, s->state == VRV_SEG_SEALED,
            s->created_ms };
    }
    vrv_unlock(&log->lock);
    return v;
}

struct vrv_seg *
vrv_log_sealed(struct vrv_log *log, int64_t base)
{
    struct vrv_seg *found = NULL;

    vrv_lock(&log->lock);
    for (uint32_t i = 0; i < log->seg_n && found == NULL; i++)
        if (log->segs[i]->base == base && log->segs[i]->state == VRV_SEG_SEALED)
            found = vrv_seg_ref(log->segs[i]);
    vrv_unlock(&log->lock);
    return found;
}

static void
drop_pages(struct vrv_seg *s)
{
    struct vrv_file *f;

    if (vrv_seg_file_get(s, &f, NULL) < 0) /* it has left this disk meanwhile */
        return;
    vrv_file_drop_cache(f, 0, 0);
    vrv_seg_file_put(s);
}

bool
vrv_log_forget(struct vrv_log *log, bool pages)
{
    vrv_lock(&log->lock);
    bool all = log->ring.first == log->ring.end;
    uint32_t n = log->seg_n;
    struct vrv_seg **v = vrv_mem_zero((n + 1) * sizeof(struct vrv_seg *));
    for (uint32_t i = 0; i < n; i++) {
        v[i] = vrv_seg_ref(log->segs[i]);
        all &= !v[i]->dirty && v[i]->flushed == v[i]->size;
    }
    vrv_unlock(&log->lock);
    for (uint32_t i = 0; i < n; i++) {
        if (pages)
            drop_pages(v[i]);
        vrv_seg_unref(v[i]);
    }
    free(v);
    return all;
}

struct vrv_log_config *
vrv_log_config_ref(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    struct vrv_log_config *c = log->config;
    (void)atomic_fetch_add(&c->refs, 1);
    vrv_unlock(&log->lock);
    return c;
}
