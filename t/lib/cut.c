#include "t/lib/cut.h"

#include "engine/base/assert.h"
#include "engine/seg/seg_walk.h"

void
cut_last(struct vrv_log *log, int64_t base)
{
    struct vrv_seg *s = vrv_log_sealed(log, base);
    struct vrv_seg_walk w;
    struct vrv_batch b, last = { .size = 0 };
    unsigned n = 0;

    VRV_ASSERT(s != NULL);
    vrv_seg_walk_init(&w, s, s->size);
    while (vrv_seg_walk_next(&w, &b, NULL) == 1) {
        if (n++ > 0) {
            s->max_ts = last.max_ts;
            s->max_ts_offset = vrv_batch_last_offset(&last);
        }
        last = b;
    }
    vrv_seg_walk_fini(&w);
    VRV_ASSERT(n > 1);
    s->flushed = s->size -= last.size;
    s->flushed_next = s->next = last.base_offset;
    vrv_seg_unref(s);
}
