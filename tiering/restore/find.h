/*
 * What a store has, found without the server that wrote it: from its names, and from what they hold.
 *
 * Threads: those of the vrv_sync.
 */
#ifndef VRV_RESTORE_FIND_H
#define VRV_RESTORE_FIND_H

#include "engine/log/epochs.h"
#include "engine/log/producers.h"
#include "tiering/format/marker.h"
#include "tiering/parts/parts.h"
#include "tiering/store/sync.h"

/* The newest marker that can be read; what it points to lies in *bytes, to be freed behind it.  NOTFOUND:
 * there is none. */
int vrv_find_marker(struct vrv_sync *s, struct vrv_marker *m, uint8_t **bytes, struct vrv_err *e)
    VRV_MUST_CHECK;

/* The newest owner's number; 0: there is none. */
int vrv_find_owner(struct vrv_sync *s, uint64_t *number, struct vrv_err *e) VRV_MUST_CHECK;

/* A partition: its newest manifest of which everything is there. */
struct vrv_found {
    struct vrv_manifest m;
    uint64_t root_size;          /* of the manifest's root, and its checksum */
    uint32_t root_crc;
    struct vrv_epochs epochs;    /* of all its records */
    struct vrv_producers *producers; /* as of its end */
    unsigned passed;             /* newer ones that can't be read, or name what isn't there: */
    struct vrv_err why;
};
/* NOTFOUND: nothing of it is there.  Else what is wrong with the oldest one that was tried. */
int vrv_find_partition(struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_found *out,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_found_fini(struct vrv_found *f);

#endif
