#include "tiering/daemon/rules.h"

enum { AS_TOTAL = -2, AS_LOCAL = -1 };

/* -1: none */
static int64_t
limit(int64_t v)
{
    return v < 0 ? INT64_MAX : v;
}

/* Without copies this disk is all that new records have: there is one limit then. */
static int64_t
local_limit(const struct vrv_log_config *c, int64_t total, int64_t local)
{
    return limit(local == AS_TOTAL || c->copy_disabled ? total : local);
}

void
vrv_tier_rules_of(const struct vrv_log_config *c, struct vrv_tier_rules *out)
{
    *out = (struct vrv_tier_rules){ .leaves = !c->tiered, .deletes = c->deletes, .copies = !c->copy_disabled,
        .retention_ms = limit(c->retention_ms), .retention_bytes = limit(c->retention_bytes),
        .local_ms = local_limit(c, c->retention_ms, c->local_ms),
        .local_bytes = local_limit(c, c->retention_bytes, c->local_bytes) };
    out->lag_ms = c->lag_ms == AS_LOCAL ? out->local_ms : c->lag_ms;
    out->outage = c->outage == VRV_OUTAGE_DROP_OLDEST ? VRV_TIER_DROP_OLDEST
        : c->outage == VRV_OUTAGE_EXPIRE ? VRV_TIER_EXPIRE : VRV_TIER_BLOCK;
    out->age_ms = limit(c->offload_age_ms);
    out->lag_bytes = c->lag_bytes == AS_LOCAL ? out->local_bytes : c->lag_bytes;
}
