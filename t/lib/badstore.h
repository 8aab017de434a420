/*
 * The cold tier of a server whose S3 misbehaves (t/lib/fakes3.h), and somebody who uses it: all of it on one
 * thread and one clock.  He appends, reads on from the beginning again and again, and remembers what was
 * acknowledged.
 *
 *   append ─► engine, simulated disk ─► cold tier ─► S3 store ─► sockets ─► the fake S3
 *                                                            reader ◄──────────┘
 *
 * With each second that passes it is looked whether
 *   - what has left this disk is in the store, whole, and named by the manifest that counts;
 *   - no append is refused; logs end where was acknowledged, and begin where somebody asked for that, or retention
 *     allows it, and never before where they began;
 *   - what readers get is what was appended, in order, without a gap, and nothing that was deleted before they asked;
 *   - a deleted topic stays away;
 *   - memory is bounded by the configuration.
 * What is wrong is noted, with the seed, and counted.
 *
 * Two logs ("small") lie in objects that are put whole, and one ("large") in such as are uploaded in parts.
 *
 * Threads: one; in the end S3 has its own.
 */
#ifndef VRV_T_BADSTORE_H
#define VRV_T_BADSTORE_H

#include "engine/reader/fetch.h"
#include "t/lib/fakes3.h"
#include "t/lib/rig.h"
#include "tiering/tier.h"

enum {
    BADSTORE_LOGS = 3,
    BADSTORE_ORPHAN_MS = 120000,  /* what nothing has named for so long is nobody's */
    BADSTORE_RETENTION = 12000,   /* bytes of "small" */
};

struct badstore_reader {
    struct vrv_fetch f; /* first */
    struct vrv_read r;
    int64_t at;
    int64_t deleted_below; /* was asked for before this read */
    int64_t began_ns;   /* this time */
    int64_t ended_ns;   /* when the end was reached last, without an error on the way; 0: never */
    bool busy, failed;
    bool waits;         /* he was refused, and asks again a moment later */
    struct vrv_err err;
};

struct badstore_log {
    const char *topic;
    int32_t partition;
    int64_t end;        /* as acknowledged */
    int64_t start;      /* as asked for */
    int64_t seen;       /* where it began last */
    int64_t retention;  /* bytes that stay; INT64_MAX: all */
    struct badstore_reader reader;
};

struct badstore {
    uint64_t seed;
    struct rig rig;
    struct fakes3 *s3;
    struct vrv_store *store;
    struct vrv_tier *tier;
    struct vrv_cq cq;       /* of readers */
    struct badstore_log log[BADSTORE_LOGS];
    bool appends;           /* while time passes: a batch to each log now and then */
    bool may_fail;          /* ... reading may */
    bool extra_gone;        /* that topic was deleted */
    bool calm;              /* ... there is nothing much to look at */
    int64_t appended_ns, looked_ns, sealed_ns;
    uint64_t lives;
    size_t memory, memory_max; /* in the beginning; and the most that there may be more */
    unsigned wrong;
    char endpoint[64], credentials[560];
    const char *cert_file;  /* of S3; NULL: no TLS */
};

/* With S3 as it should be; its keys are in a file there; NULL: no TLS. */
void badstore_begin(struct badstore *b, uint64_t seed, const char *dir, const char *cert_file, const char *key_file);
void badstore_end(struct badstore *b);

/* So long; whatever there is to do is done. */
void badstore_pass(struct badstore *b, int64_t ms);
/* The power fails, and is there again; what was on its way reaches S3, or doesn't. */
void badstore_crash(struct badstore *b);
void badstore_delete_records(struct badstore *b, int log, int64_t to);
/* Another topic, of which some is in the store; and it goes. */
void badstore_extra_topic(struct badstore *b);
void badstore_delete_extra(struct badstore *b);
/* Uploads that nobody will end. */
void badstore_leave_uploads(struct badstore *b, int n);

/* Nothing waits to leave this disk, and all has been read from the beginning since `since_ns`. */
bool badstore_is_at_rest(struct badstore *b, int64_t since_ns);
/* Nothing is in the store that nothing names, nor an upload. */
bool badstore_is_clean(struct badstore *b);
/* A full scrub finds nothing.  The last that may be asked. */
bool badstore_scrub(struct badstore *b);
int64_t badstore_now_ns(const struct badstore *b);
/* All requests so far. */
uint64_t badstore_requests(struct badstore *b);
/* One more thing that is wrong. */
void badstore_wrong(struct badstore *b, const char *what, int64_t x, int64_t y);

#endif
