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

void
draw_limits(struct vrv_rand *r)
{
    uint32_t moved = (uint32_t)vrv_rand_below(r, SEGS);

    begin(moved, (uint32_t)vrv_rand_below(r, moved + 1));
    int64_t *limit[] = { &rules.retention_ms, &rules.retention_bytes, &rules.local_ms,
        &rules.local_bytes, &rules.lag_ms, &rules.lag_bytes, &rules.age_ms };
    for (int k = 0; k < 7; k++)
        if (vrv_rand_below(r, 2) == 0)
            *limit[k] = (int64_t)vrv_rand_below(r, k % 2 ? 12000 : 12 * MINUTE);
}
