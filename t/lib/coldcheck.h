/*
 * Is in a store what the catalog says?  Found out from the heads in the catalog and the formats alone, over
 * bytes that the test hands out: the daemon, and what it remembers, isn't asked.
 *
 *   head ─► root ─► pages ─► segments ─► objects: each there, of its size and checksum, and what it says it is
 *
 * Threads: none.
 */
#ifndef VRV_T_COLDCHECK_H
#define VRV_T_COLDCHECK_H

#include "engine/meta/catalog.h"
#include "tiering/format/manifest.h"

/* A copy of an object, for free(); NULL: it isn't there. */
typedef uint8_t *coldcheck_get_fn(void *ctx, const char *key, size_t *n);

/* A partition: which offsets its manifest covers, and the version of that. */
struct coldcheck_part {
    struct vrv_uuid topic;
    int32_t partition;
    uint64_t version, before;
    int64_t base, next;
};

struct coldcheck {
    char why[800];                 /* the first thing that is wrong; "": nothing is */
    struct coldcheck_part *part;
    unsigned part_n, part_cap;
    char **named;                  /* keys of all that is named */
    unsigned named_n, named_cap;
};

/* True: all is there. */
bool coldcheck_run(struct coldcheck *c, struct vrv_catalog *catalog, coldcheck_get_fn *get, void *ctx);
void coldcheck_fini(struct coldcheck *c);

/* NULL: nothing of it is cold. */
const struct coldcheck_part *coldcheck_part(const struct coldcheck *c, const struct vrv_uuid *topic,
    int32_t partition);
/* Nothing names it; but the newest roots are no orphans, nor is what isn't of a partition. */
bool coldcheck_is_orphan(const struct coldcheck *c, const char *key);

#endif
