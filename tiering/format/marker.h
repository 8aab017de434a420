/*
 * A marker: what a server knew when it wrote it, besides what is in the cold tier's manifests.  A bucket
 * with one is enough to make the server anew.
 *
 * It holds the catalog as it is stored (topics, settings, heads of manifests), and records that go back
 * into a log of the server's: the offsets that groups have committed.  Both are packed where there
 * is much of them.
 */
#ifndef VRV_FORMAT_MARKER_H
#define VRV_FORMAT_MARKER_H

#include <stdbool.h>

#include "engine/meta/catalog.h"

enum {
    VRV_MARKER_VERSION = 1,
    VRV_MARKER_CLUSTER_MAX = 64,
    VRV_MARKER_MAX = 32 * 1024 * 1024,     /* bytes, as it is stored: every store takes that in one call */
    VRV_MARKER_PLAIN_MAX = 256 * 1024 * 1024, /* ... and of catalog and records, unpacked */
};

struct vrv_marker_record {
    const uint8_t *key, *value;
    uint32_t key_n, value_n;
};

struct vrv_marker {
    char cluster[VRV_MARKER_CLUSTER_MAX + 1]; /* whose: its id */
    uint64_t owner;          /* ... and as which owner of the store (daemon/owner.h) */
    int64_t ms;              /* when, wall clock */
    int64_t silent_ms;       /* if none follows for so long, and while two of this size are sent,
                              * its server is gone */
    bool last;               /* the server stopped behind it */
    struct vrv_catalog_kvs catalog;
    struct vrv_marker_record *record;
    uint32_t record_n;
    uint8_t *unpacked;       /* ours: what was read of a packed one */
};

enum { VRV_MARKER_KEY = 40 }; /* bytes of its name, which is in order of time */
void vrv_marker_key(int64_t ms, uint64_t random, char out[VRV_MARKER_KEY]);
/* Is it one, and of when? */
bool vrv_marker_key_ms(const char *key, int64_t *ms);

/* Its bytes, to be freed; or NULL, TOO_LARGE. */
uint8_t *vrv_marker_write(const struct vrv_marker *m, size_t *n, struct vrv_err *e);
/* What it points to lies in p, or is its own as the two arrays are: vrv_marker_fini().  Errors:
 * CORRUPT, VERSION, NOMEM. */
int vrv_marker_read(struct vrv_marker *m, const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_marker_fini(struct vrv_marker *m);

#endif
