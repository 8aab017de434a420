/*
 * What truncation leaves of a log behind its new end: files and records of segments.
 *
 * One transaction keeps the log's new state together with the list of the segments that are away.
 * Their files go only then, and at the next start if a crash comes first; the list goes last, and
 * before anything is appended: a segment of the same name may begin then.
 */
#include <stdlib.h>

#include "engine/engine_int.h"

static int
delete_files(struct vrv_engine *eng, const struct vrv_log *log, struct vrv_err *e)
{
    char dir[VRV_PATH_MAX];
    int rc = 0;

    for (uint32_t i = 0; i < log->cut->gone_n && rc == 0; i++)
        rc = vrv_seg_delete_files(&eng->files, &log->id, log->cut->gone[i], e);
    vrv_log_dir(&log->id, dir);
    return rc == 0 ? vrv__engine_sync_removed(eng, dir, e) : rc;
}

/* The list is deleted by the last transaction. */
static int
delete_records(struct vrv_engine *eng, const struct vrv_log *log, struct vrv_err *e)
{
    struct vrv_meta_write w[VRV_META_OPS_MAX];
    char key[VRV_META_OPS_MAX][KEY_MAX];
    const struct vrv_cut *c = log->cut;
    size_t n = 0;
    int rc = 0;

    for (uint32_t i = 0; i < c->gone_n && rc == 0; i++) {
        vrv__key_seal(key[n], &log->id, c->gone[i]);
        w[n] = (struct vrv_meta_write){ .key = key[n] };
        if (++n == VRV_META_OPS_MAX - 1) {
            rc = vrv__meta_commit(eng->states, w, n, e);
            n = 0;
        }
    }
    if (rc < 0)
        return rc;
    vrv__key_gone(key[n], &log->id);
    w[n] = (struct vrv_meta_write){ .key = key[n] };
    return vrv__meta_commit(eng->states, w, n + 1, e);
}

int
vrv__engine_clean_cut(struct vrv_engine *eng, struct vrv_log *log, struct vrv_err *e)
{
    int rc = 0;

    if (log->cut->gone_n > 0)
        rc = delete_files(eng, log, e);
    if (rc == 0 && log->cut->gone_n > 0)
        rc = delete_records(eng, log, e);
    if (rc == 0)
        vrv_log_cut_done(log);
    return rc;
}

int
vrv_engine_truncate(struct vrv_engine *eng, const struct vrv_log_id *id, int64_t offset,
    struct vrv_err *e)
{
    int rc = vrv_engine_error(eng, e);
    bool begun = false;

    if (rc < 0)
        return rc;
    struct vrv_log *log = vrv_engine_log_ref(eng, id);
    if (log == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "there is no such partition");
    rc = vrv_log_truncate(log, offset, &begun, e);
    vrv_log_unref(&log);
    if (begun)
        vrv_engine_want_checkpoint(eng);
    return rc;
}
