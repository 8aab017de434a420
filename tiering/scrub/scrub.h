/*
 * Is a store what its manifests say?  Found without the server that wrote it, and beside one that goes on.
 *
 *   names in the store ─► partitions ─► each one's newest manifest ─► pages ─► segments: there? as large?
 *                                              │                                  └─full─► read, and checked
 *                                              └─► what nothing names: made long ago? an orphan
 *
 * What is wrong is told as a finding.  A list is a hint, and a server goes on: so whoever finds something
 * looks once more, at the manifest that is the newest then, before he says so.
 *
 * Orphans are what nothing names, was made before the grace (its name says when), and isn't retention's:
 * what begins below the manifest, and all of a deleted topic, is its server's to delete.  Nothing is judged
 * where a manifest can't be read, or should be there and isn't.  Nothing is deleted unless that is asked for.
 *
 * A topic of which the newest marker doesn't know yet that its cold data is being deleted is told as missing
 * objects; that is over with the next marker.
 *
 * Memory: the names of one partition for each thread, and a piece of an object.
 *
 * Threads: the caller's, and some for the partitions.
 */
#ifndef VRV_SCRUB_SCRUB_H
#define VRV_SCRUB_SCRUB_H

#include "engine/seg/seg.h"
#include "tiering/store/sync.h"

enum vrv_scrub_kind {
    VRV_SCRUB_MARKER,   /* none, or one that can't be read */
    VRV_SCRUB_MANIFEST, /* a root or page: missing, damaged, or with holes or overlaps */
    VRV_SCRUB_MISSING,  /* a segment's object isn't there, */
    VRV_SCRUB_SHORT,    /* or ends too early, */
    VRV_SCRUB_DAMAGED,  /* or isn't what was written (full) */
    VRV_SCRUB_ORPHAN,   /* nothing names it */
    VRV_SCRUB_UNKNOWN,  /* a topic that the newest marker doesn't know, with manifests */
    VRV_SCRUB_FOREIGN,  /* a name that isn't varve's, among its own */
    VRV_SCRUB_KINDS,
};

struct vrv_finding {
    enum vrv_scrub_kind kind;
    const char *key;     /* of the object; NULL: of none */
    const char *topic;   /* its name, or its id where none is known; NULL: of none */
    struct vrv_log_id id; /* the partition: a topic that is deleted may have lost its name to another one */
    int64_t from, to;    /* offsets concerned, to is not one of them; equal: none */
    uint64_t size;       /* of an orphan */
    bool deleted;        /* ... which is gone now */
    const char *text;    /* a sentence */
};

enum { VRV_SCRUB_GRACE_LEAST_MS = 600000 }; /* of what is deleted beside a server */

struct vrv_scrub_opts {
    struct vrv_store *store;      /* borrowed, as all */
    struct vrv_clock *clock;
    uint64_t random;
    int64_t call_ms;              /* for one call to the store, with its attempts */
    bool full;                    /* read everything */
    int64_t bytes_per_second;     /* ... so fast at most; INT64_MAX: no limit */
    int64_t grace_ms;
    bool delete_orphans;          /* and uploads that nobody has ended within the grace */
    const char *const *topic;     /* only these, by name or id; */
    size_t topic_n;               /* 0: all, and what is of none */
    unsigned threads;
    /* Called one at a time, from any thread. */
    void (*tell)(void *ctx, const struct vrv_finding *f);
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* partitions, or bytes when it is full;
                                   * may be NULL */
    void *ctx;
};

struct vrv_scrubbed {
    uint64_t partitions, objects, bytes;      /* that manifests name */
    uint64_t pages, batches, read_bytes;      /* read, and checked */
    uint64_t found[VRV_SCRUB_KINDS];
    uint64_t orphan_bytes, deleted, deleted_bytes;
    uint64_t waiting, waiting_bytes;          /* objects that retention has left, for the server to delete */
    uint64_t uploads;                         /* that were removed */
};

/* Errors: NOTFOUND (no such topic; nothing of varve's in the store), LOCKED (orphans are to be
 * deleted with too short a grace, and its server hasn't said that it stopped), VERSION, and the
 * store's: then it isn't known whether all is well. */
int vrv_scrub(const struct vrv_scrub_opts *o, struct vrv_scrubbed *out, struct vrv_err *e) VRV_MUST_CHECK;

/* "missing" */
const char *vrv_scrub_kind_name(enum vrv_scrub_kind kind);

#endif
