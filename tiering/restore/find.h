/*
 * What a store has, found without the server that wrote it: from its names, and from what they hold.
 *
 * Threads: those of the vrv_sync.
 */
#ifndef VRV_RESTORE_FIND_H
#define VRV_RESTORE_FIND_H

#include "engine/log/epochs.h"
#include "engine/log/producers.h"
#include "engine/meta/catalog_codec.h"
#include "tiering/format/marker.h"
#include "tiering/parts/parts.h"
#include "tiering/store/sync.h"

/* It is wrong for good, and not only out of reach. */
static inline bool
vrv_find_is_lost(int rc)
{
    return rc == VRV_E_CORRUPT || rc == VRV_E_NOTFOUND;
}

/* Names in order, with their sizes. */
struct vrv_found_names {
    struct vrv_store_name *v;
    size_t n, cap;
};
int vrv_find_names(struct vrv_sync *s, const char *prefix, struct vrv_found_names *l,
    struct vrv_err *e) VRV_MUST_CHECK;
/* A partition's segments, however their names begin. */
int vrv_find_objects(struct vrv_sync *s, const struct vrv_log_id *id, struct vrv_found_names *l,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_found_names_fini(struct vrv_found_names *l);

/* Newer ones that are of no use: how many, and why not the newest of them. */
struct vrv_found_passed {
    unsigned n;
    struct vrv_err why;
};

/* All of an object that knows its checksum; read again where that is wrong, which may be so on its way only. */
int vrv_find_whole(struct vrv_sync *s, const char *key, size_t most, uint8_t **out, size_t *n,
    struct vrv_err *e)
    VRV_MUST_CHECK;

/* The newest marker that can be read. */
struct vrv_found_marker {
    struct vrv_marker m;         /* what it points to lies in */
    uint8_t *bytes;
    char key[VRV_STORE_KEY_MAX + 1];
    uint64_t size;
    int64_t age_ms;              /* of whichever is the youngest, damaged or not: by the store's
                                  * clock, or where it has none by ours, and its file's time or
                                  * its name */
    char newest[VRV_STORE_KEY_MAX + 1]; /* the last one's name, of use or not */
    struct vrv_found_passed passed;
};
/* NOTFOUND: there is none. */
int vrv_find_marker(struct vrv_sync *s, struct vrv_found_marker *out, struct vrv_err *e)
    VRV_MUST_CHECK;
void vrv_found_marker_fini(struct vrv_found_marker *f);

/* The newest owner's number; 0: there is none. */
int vrv_find_owner(struct vrv_sync *s, uint64_t *number, struct vrv_err *e) VRV_MUST_CHECK;

/* What a marker says of the head of a partition's manifest: which version counted then, and up to which those above it were
 * passed over for good; 0: none. */
struct vrv_found_head {
    uint64_t version, passed;
};
int vrv_find_head(const struct vrv_catalog_kv *kv, struct vrv_found_head *out, struct vrv_err *e) VRV_MUST_CHECK;

/* Versions of a partition's roots that there are, of use or not, in order.  A list may lack the newest ones:
 * so these are asked for, from the one that is known to have been (0: none is). */
struct vrv_found_versions {
    uint64_t *v;
    size_t n, cap;
};
int vrv_find_versions(struct vrv_sync *s, const struct vrv_log_id *id, uint64_t known,
    struct vrv_found_versions *l, struct vrv_err *e) VRV_MUST_CHECK;
/* Without those that were passed over. */
void vrv_found_leave_out(struct vrv_found_versions *l, const struct vrv_found_head *h);
void vrv_found_versions_fini(struct vrv_found_versions *l);

/* What is read, and can be believed: NOTFOUND, CORRUPT, VERSION, or what the store says.  m is to be
 * finished, and seg (the page's many) freed, only after 0. */
int vrv_find_root(struct vrv_sync *s, const struct vrv_log_id *id, uint64_t version, struct vrv_manifest *m,
    struct vrv_err *e) VRV_MUST_CHECK;
int vrv_find_page(struct vrv_sync *s, const struct vrv_manifest *m, const struct vrv_cold_page *page,
    struct vrv_cold_seg **seg, struct vrv_err *e) VRV_MUST_CHECK;
/* An object is there, up to this byte at least: NOTFOUND, CORRUPT.  A list may lack what is there: so whoever
 * isn't in it is asked for. */
int vrv_find_there(struct vrv_sync *s, const struct vrv_found_names *l, const char *key, uint64_t end,
    struct vrv_err *e) VRV_MUST_CHECK;

/*
 * A partition: its newest manifest of which everything is there.  Where there is none, the newest that can be
 * read, without what is missing and all that is older, or newer, than that: whichever leaves more.
 */
struct vrv_found {
    struct vrv_manifest m;
    uint64_t newest;             /* version of the newest root that there is, of use or not; 0: none */
    struct vrv_epochs epochs;    /* of all its records */
    struct vrv_producers *producers; /* as of its end */
    struct vrv_found_passed passed; /* of newer manifests */
    int64_t had_start, had_next; /* what the newest of them that can be read had */
};
/* known: NULL: nothing is.  NOTFOUND: there is no manifest.  CORRUPT, VERSION: none can be
 * read.  Or what the store says. */
int vrv_find_partition(struct vrv_sync *s, const struct vrv_log_id *id, const struct vrv_found_head *known,
    struct vrv_found *out, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_found_fini(struct vrv_found *f);
/* It is not all that there was. */
static inline bool
vrv_found_lacks(const struct vrv_found *f)
{
    return f->passed.n > 0;
}

#endif
