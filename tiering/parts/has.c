#include "tiering/parts/has.h"

bool
vrv_parts_log_has(struct vrv_engine *eng, const struct vrv_log_id *id, const struct vrv_cold_seg *s)
{
    struct vrv_log *log = vrv_engine_log_ref(eng, id);

    if (log == NULL)
        return false;
    struct vrv_seg *seg = vrv_log_sealed(log, s->base);
    bool same = seg != NULL && seg->size == s->plain && seg->next <= s->next && seg->min_ts == s->min_ts &&
        seg->max_ts == s->max_ts && seg->max_ts_offset == s->max_ts_offset;
    if (seg == NULL)
        same = s->next <= vrv_log_offsets(log).local_start;
    vrv_seg_unref(seg);
    vrv_log_unref(&log);
    return same;
}

bool
vrv_parts_is_hole(const struct vrv_log_offsets *o, int64_t lost_from, int64_t lost_to,
    int64_t from, int64_t to)
{
    return o->local_start <= from || (from >= o->gap && from < o->gap_end && to == o->gap_end) ||
        (from >= lost_from && from < lost_to && to == lost_to);
}
