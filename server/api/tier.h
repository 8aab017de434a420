/* What the handlers of the cold tier's requests share. */
#ifndef VRV_API_TIER_H
#define VRV_API_TIER_H

#include "server/api/find.h"
#include "tiering/tier_ask.h"

/* Errors, which every level of these answers has. */
#define VRV_TIER_REFUSE(r, at, code, text)                                                         \
    do {                                                                                           \
        (at)->error_code = (int16_t)(code);                                                        \
        (at)->error_message = vrv_request_str((r), (text));                                        \
    } while (0)

#define VRV_NO_TIER                                                                                \
    "this server has no cold tier: set remote.log.storage.system.enable=true and tier.store.url "  \
    "in its configuration, and start it again"

/* Or why there is none. */
static inline bool
vrv_tier_find(struct vrv_request *r, struct vrv_str name, struct vrv_found_topic *t, int16_t *code)
{
    bool there = vrv_find_topic(r->broker, name, t);

    *code = there ? 0 : (int16_t)vrv_find_why(name);
    return there;
}

/* How many partitions are meant, and which the i-th is: those that are named, or all. */
static inline int32_t
vrv_tier_partitions(const struct vrv_i32s *named, const struct vrv_found_topic *t)
{
    return named->n > 0 ? named->n : t->partitions;
}

static inline int32_t
vrv_tier_partition(const struct vrv_i32s *named, int32_t i)
{
    return named->n > 0 ? named->v[i] : i;
}

static inline enum vrv_kerror
vrv_tier_kerror(int rc)
{
    return rc == VRV_E_INVALID ? VRV_K_INVALID_CONFIG : vrv_kerror_of(rc);
}

#endif
