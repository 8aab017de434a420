/*
 * How often a store was asked for what, with what outcome and how many bytes: of all, and of each
 * topic, whose names tell (parts/parts.h): stores bill by the request.
 *
 * Of so many topics it is kept; of more, the one that was heard of the longest ago begins anew when
 * it comes again.
 *
 * Threads: one.
 */
#ifndef VRV_STORE_USAGE_H
#define VRV_STORE_USAGE_H

#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "engine/base/uuid.h"
#include "tiering/store/store.h"

enum { VRV_USAGE_TOPICS_MAX = 4096 };

struct vrv_usage {
    struct {
        uint64_t requests;
        uint64_t bytes; /* of objects: read; or sent to be written, also where that failed */
    } of[VRV_STORE_OPS][VRV_STORE_OUTCOMES];
};

struct vrv_usages {
    struct vrv_usage all;
    struct vrv_omap map;  /* by topic */
    struct vrv_list used; /* the same, who came last at the end */
};

void vrv_usages_init(struct vrv_usages *u);
void vrv_usages_fini(struct vrv_usages *u);
/* A call was answered. */
void vrv_usages_add(struct vrv_usages *u, const struct vrv_store_call *c);
/* What a topic has used; zero where nothing is known. */
void vrv_usages_get(const struct vrv_usages *u, const struct vrv_uuid *topic, struct vrv_usage *out);

#endif
