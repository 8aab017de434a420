#include "tiering/parts/fold.h"

#include <inttypes.h>

enum {
    STEP = 256,             /* pages of one size */
    SEGMENTS_MAX = 512 << 10, /* what segments in a root take at most, with one that comes */
};

static size_t
full(const struct vrv_manifest *m, size_t root_bytes)
{
    uint64_t n = (uint64_t)root_bytes * (1 + m->page_n / STEP);

    return n < VRV_MANIFEST_PAGE_MAX ? (size_t)n : VRV_MANIFEST_PAGE_MAX;
}

struct vrv_fold
vrv_fold_plan(const struct vrv_manifest *m, size_t root_bytes, bool alone)
{
    size_t left = 0, most = full(m, root_bytes), size = VRV_MANIFEST_PAGE_HEAD;
    struct vrv_fold f = { .segments = 0 };

    for (uint32_t i = 0; i < m->seg_n; i++)
        left += vrv_cold_seg_encoded(&m->seg[i]);
    if (left <= root_bytes || m->seg_n < 2)
        return f;
    size_t first = vrv_cold_seg_encoded(&m->seg[0]);
    if (!alone && m->page_n > 0 && m->page[m->page_n - 1].size + first <= most) {
        f.joins = true;
        size = m->page[m->page_n - 1].size;
    } else if (size + first > most) { /* large as it is, it is a page */
        most = VRV_MANIFEST_PAGE_MAX;
    }
    while (f.segments + 1 < m->seg_n && left > root_bytes / 2) {
        size_t n = vrv_cold_seg_encoded(&m->seg[f.segments]);

        if (size + n > most)
            break;
        size += n;
        left -= n;
        f.segments++;
    }
    return f;
}

int
vrv_fold_room(const struct vrv_manifest *m, struct vrv_err *e)
{
    size_t n = vrv_manifest_encoded(m);

    for (uint32_t i = 0; i < m->seg_n; i++)
        n -= vrv_cold_seg_encoded(&m->seg[i]);
    if (n + SEGMENTS_MAX <= VRV_MANIFEST_ROOT_MAX)
        return 0;
    return vrv_err_set(e, VRV_E_INVALID, "the partition has as much in the cold tier as a manifest can name: %" PRIu32
        " pages of segments; let retention delete some of it (retention.ms, retention.bytes), or go on in another "
        "partition", m->page_n);
}
