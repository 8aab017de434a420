#include "tiering/daemon/disk.h"

#include <stdbool.h>

static uint64_t
above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t
more(uint64_t v, uint64_t by)
{
    return v < UINT64_MAX - by ? v + by : UINT64_MAX;
}

uint64_t
vrv_disk_missing(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u)
{
    return above(now == VRV_DISK_FULL ? more(m->reserve, m->reserve / 4) : m->reserve, u->free);
}

uint64_t
vrv_disk_excess(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u)
{
    bool is_fine = now == VRV_DISK_FINE;
    uint64_t most = is_fine || m->local_max >= INT64_MAX ? m->local_max
                                                         : m->local_max - m->local_max / 10;
    uint64_t least = m->free_min > m->reserve ? m->free_min : m->reserve;
    uint64_t much = above(u->local, most);
    uint64_t few = above(is_fine ? least : more(least, least / 4), u->free);

    return much > few ? much : few;
}

enum vrv_disk_state
vrv_disk_next(enum vrv_disk_state now, const struct vrv_disk_marks *m, const struct vrv_disk_use *u)
{
    uint64_t excess = vrv_disk_excess(now, m, u);

    if (excess == 0)
        return VRV_DISK_FINE;
    if (vrv_disk_missing(now, m, u) > 0 && (now == VRV_DISK_FULL || u->both == 0))
        return VRV_DISK_FULL;
    return now >= VRV_DISK_SHORT || u->both < excess ? VRV_DISK_SHORT : VRV_DISK_HIGH;
}
