/*
 * What the newest marker in a store knows: topics, and which manifests counted then.
 *
 * Threads: none; once read, any may look.
 */
#ifndef VRV_SCRUB_KNOWN_H
#define VRV_SCRUB_KNOWN_H

#include "engine/seg/seg.h"
#include "tiering/restore/find.h"

struct vrv_known_topic {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1]; /* its id where that isn't known */
    int32_t partitions;
    bool deleted, purging;       /* the topic is; its cold data is being deleted */
};

struct vrv_known {
    struct vrv_found_marker marker;
    bool has_marker;
    struct vrv_err why;          /* ... and if not, why */
    struct vrv_known_topic *topic; /* in order of id */
    size_t n, cap;
};

/* NOTFOUND and CORRUPT markers are noted, and nothing is known then.  To be finished whatever it returns. */
int vrv_known_read(struct vrv_sync *s, struct vrv_known *k, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_known_fini(struct vrv_known *k);

/* NULL: it doesn't know it. */
const struct vrv_known_topic *vrv_known_topic(const struct vrv_known *k, const struct vrv_uuid *id);
/* By name, or by its id; of several that were called so, the one that isn't deleted. */
const struct vrv_known_topic *vrv_known_name(const struct vrv_known *k, const char *name);
/* False: it isn't known of the partition that anything was ever written. */
bool vrv_known_head(const struct vrv_known *k, const struct vrv_log_id *id, struct vrv_found_head *out);

/* Each partition of which there is a name in the store, or a head in the marker; in order. */
struct vrv_known_parts {
    struct vrv_log_id *v;
    size_t n, cap;
};
/* foreign: each name that is no partition's, among theirs; may be NULL. */
int vrv_known_partitions(struct vrv_sync *s, const struct vrv_known *k, struct vrv_known_parts *out,
    void (*foreign)(void *ctx, const char *key), void *ctx, struct vrv_err *e) VRV_MUST_CHECK;

#endif
