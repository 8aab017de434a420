/* Where a log begins: its start, and where what this disk holds of it begins. */
#include <inttypes.h>

#include "engine/base/assert.h"
#include "engine/log/log_int.h"

/* ---- log->lock is held ---- */

int64_t
vrv_log_local(const struct vrv_log *log)
{
    return log->start > log->local ? log->start : log->local;
}

void
vrv__log_raise_local(struct vrv_log *log, int64_t offset)
{
    if (offset > log->local)
        log->local = offset;
}

static int
check_start(const struct vrv_log *log, int64_t *offset, struct vrv_err *e)
{
    if (*offset == -1)
        *offset = log->hw;
    if (*offset >= 0 && *offset <= log->hw)
        return 0;
    return vrv_err_set(e, VRV_E_RANGE,
        "records can be deleted up to offset %" PRId64 ", not to %" PRId64, log->hw, *offset);
}

/* Whole sealed segments only: down to the first offset of the one that holds *offset. */
static int
check_local(const struct vrv_log *log, int64_t *offset, struct vrv_err *e)
{
    uint32_t at = vrv_log_seg_for(log, *offset);

    if (log->env->cold == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "there is no cold tier to read from instead");
    if (*offset < 0 || *offset > log->hw ||
        (at > 0 && log->segs[at - 1]->state != VRV_SEG_SEALED))
        return vrv_err_set(e, VRV_E_RANGE,
            "what lies below offset %" PRId64 " is not all sealed", *offset);
    if (at < log->seg_n && log->segs[at]->base < *offset)
        *offset = log->segs[at]->base;
    return 0;
}

/* The log begins there once this entry is committed; t may be NULL. */
static void
push_mark(struct vrv_log *log, struct vrv_entry *en, int64_t *next, struct vrv_ticket *t,
    size_t claim)
{
    int64_t offset = en->item.arg;

    if (offset > *next)
        *next = offset;
    if (t != NULL)
        *t = (struct vrv_ticket){ .done = t->done, .base_offset = offset, .last_offset = offset,
            .append_ms = -1, .start = log->start_next };
    en->owner = log;
    en->sync = true;
    en->ticket = t;
    vrv__log_touch(log);
    vrv_journal_push(log->env->journal, en, en, claim);
    log->seq_end = en->seq + 1;
}

/* ---- */

static int
mark(struct vrv_log *log, enum vrv_wal_type type, int64_t offset, struct vrv_ticket *t,
    struct vrv_err *e)
{
    bool is_start = type == VRV_WAL_START;
    size_t claim;
    int rc = vrv__log_reserve(log->env, 0, 1, &claim, e);

    if (rc < 0)
        return rc;
    struct vrv_entry *en = vrv_journal_entry(log->env->journal);
    vrv_lock(&log->lock);
    rc = vrv__log_check_cut(log, e);
    if (log->gone)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "the partition was deleted");
    else if (rc == 0)
        rc = is_start ? check_start(log, &offset, e) : check_local(log, &offset, e);
    if (rc == 0) {
        en->item = (struct vrv_wal_item){ .type = (uint8_t)type, .topic = log->id.topic,
            .partition = log->id.partition, .arg = offset };
        push_mark(log, en, is_start ? &log->start_next : &log->local_next, t, claim);
    }
    vrv_unlock(&log->lock);
    if (rc < 0) {
        vrv_journal_release(log->env->journal, claim);
        vrv_entry_free(en);
    }
    return rc;
}

bool
vrv_log_deletes(struct vrv_log *log)
{
    vrv_lock(&log->lock);
    bool deletes = log->config->deletes;
    vrv_unlock(&log->lock);
    return deletes;
}

bool
vrv_log_packs_with(struct vrv_log *log, enum vrv_codec codec)
{
    vrv_lock(&log->lock);
    bool packs = log->config->repacks && log->config->codec == codec;
    vrv_unlock(&log->lock);
    return packs;
}

int
vrv_log_set_start(struct vrv_log *log, int64_t offset, struct vrv_ticket *t, struct vrv_err *e)
{
    return mark(log, VRV_WAL_START, offset, t, e);
}

int
vrv_log_drop_local(struct vrv_log *log, int64_t offset, struct vrv_ticket *t, struct vrv_err *e)
{
    return mark(log, VRV_WAL_LOCAL, offset, t, e);
}

void
vrv_log_begin(struct vrv_log *log, int64_t start, int64_t gap, int64_t end)
{
    vrv_lock(&log->lock);
    VRV_ASSERT(log->end == 0 && log->seg_n == 0 && start <= gap && gap <= end);
    log->gap = gap;
    log->begin = log->local = log->local_next = log->hw = log->end = end;
    log->start = log->start_next = start;
    vrv_log_note_change(log);
    vrv_unlock(&log->lock);
}
