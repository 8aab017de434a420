#include "t/lib/tierview.h"

struct vrv_tier_local local[SEGS];
struct vrv_cold_seg cold_seg[SEGS];
struct vrv_manifest cold;
struct vrv_tier_rules rules;
struct vrv_tier_view view;

void
begin(uint32_t moved, uint32_t dropped)
{
    const int64_t none = INT64_MAX;

    for (int i = 0; i < SEGS; i++) {
        int64_t newest = NOW - (int64_t)(SEGS - 1 - i) * MINUTE;

        local[i] = (struct vrv_tier_local){ i * EACH, (i + 1) * EACH, BYTES, newest, i < SEGS - 1,
            newest };
        cold_seg[i] = (struct vrv_cold_seg){ .base = i * EACH, .next = (i + 1) * EACH,
            .plain = BYTES, .max_ts = newest, .appended_ms = newest };
    }
    cold = (struct vrv_manifest){ .next = moved * EACH, .seg = cold_seg, .seg_n = moved };
    view = (struct vrv_tier_view){ .cold = moved > 0 ? &cold : NULL, .local = local + dropped,
        .local_n = SEGS - dropped, .local_start = dropped * EACH,
        .closing = { none, UINT64_MAX, VRV_CLOSER_BYTES }, .now_ms = NOW };
    rules = (struct vrv_tier_rules){ .deletes = true, .copies = true, .retention_ms = none,
        .retention_bytes = none, .local_ms = none, .local_bytes = none, .lag_bytes = none,
        .age_ms = none };
}
