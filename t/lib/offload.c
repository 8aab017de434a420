#include "t/lib/offload.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

/* The first sealed segment that reaches behind `end`, with a reference; NULL: none. */
static struct vrv_seg *
next_sealed(struct vrv_log *log, int64_t end)
{
    struct vrv_seg *found = NULL;

    vrv_lock(&log->lock);
    for (uint32_t i = 0; i < log->seg_n && found == NULL; i++) {
        struct vrv_seg *s = log->segs[i];

        if (s->state == VRV_SEG_SEALED && s->next > end)
            found = vrv_seg_ref(s);
    }
    vrv_unlock(&log->lock);
    return found;
}

/* Its files may have gone, but only with deleted records. */
static void
copy_seg(struct vrv_log *log, struct vrv_cold *cold, struct vrv_seg *s)
{
    uint8_t *p = vrv_mem_zero(s->size);
    ssize_t got = vrv_seg_pread(s, p, s->size, 0, 0, NULL);
    bool there = got == (ssize_t)s->size;
    struct vrv_batch b;

    VRV_ASSERT(there || s->next <= vrv_log_offsets(log).start);
    for (size_t at = 0; there && at < s->size; at += b.size) {
        int rc = vrv_batch_read(&b, p + at, s->size - at, NULL);

        VRV_ASSERT(rc == 0);
        fakecold_add(cold, &log->id.topic, log->id.partition, p + at, b.size);
    }
    free(p);
}

int64_t
offload(struct vrv_log *log, struct vrv_cold *cold)
{
    int64_t end = fakecold_end(cold, &log->id.topic, log->id.partition);
    struct vrv_seg *s;

    while ((s = next_sealed(log, end)) != NULL) {
        end = s->next;
        copy_seg(log, cold, s);
        vrv_seg_unref(s);
    }
    return fakecold_end(cold, &log->id.topic, log->id.partition);
}
