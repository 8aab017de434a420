#include "tiering/daemon/disk.h"

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

static uint64_t
too_much(enum vrv_disk_state now, const struct vrv_disk_marks *m, const struct vrv_disk_use *u)
{
    bool is_any = now == VRV_DISK_FINE || m->local_max >= INT64_MAX;

    return above(u->local, is_any ? m->local_max : m->local_max - m->local_max / 10);
}

static uint64_t
too_few(enum vrv_disk_state now, const struct vrv_disk_marks *m, const struct vrv_disk_use *u)
{
    uint64_t least = m->free_min > m->reserve ? m->free_min : m->reserve;

    return above(now == VRV_DISK_FINE ? least : more(least, least / 4), u->free);
}

uint64_t
vrv_disk_excess(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u)
{
    uint64_t much = too_much(now, m, u), few = too_few(now, m, u);

    return much > few ? much : few;
}

bool
vrv_disk_wants_room(enum vrv_disk_state now, const struct vrv_disk_marks *m,
    const struct vrv_disk_use *u)
{
    return too_few(now, m, u) > too_much(now, m, u);
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
