/*
 * Whose a store is, and what its owner leaves there for the day when its disk is gone.
 *
 *   owner/<n, 20 digits>                   the n-th owner: written once, if absent; the newest one owns it
 *   marker/<ms, 13 digits>-<random>        what the owner knew (format/marker.h)
 *
 *   claim ─► read back ─► owned ─every so often─► am I still? ─► marker ─► is it there as it was written? ─► old markers go
 *     └► somebody else's: nothing is written there
 *
 * Who owns it is kept in the catalog before the store is asked, so that a crash in between finds itself
 * again; and that its file was seen there, so that a store without it isn't taken for the same one.
 * A server that was made anew from the bucket is its next owner; the one before finds that out
 * here, and, whatever it writes until then, at the manifests (parts/parts.h).
 *
 * Threads: the tier's.
 */
#ifndef VRV_DAEMON_OWNER_H
#define VRV_DAEMON_OWNER_H

#include "engine/base/rand.h"
#include "tiering/format/marker.h"
#include "tiering/store/retry.h"

/* The offsets of groups, and what else is in no manifest, into m->record; what they point to is there until
 * this is called again.  A failure: no marker now. */
typedef int vrv_marker_records_fn(void *ctx, struct vrv_marker *m, struct vrv_err *e);

struct vrv_owner_opts {
    struct vrv_retry *retry;     /* borrowed, as the next ones */
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    uint64_t random;
    const char *cluster;
    int64_t round_ms;            /* all that is asked of the store for a marker, with all attempts,
                                  * but for the time that sending it takes: markers tell for how
                                  * long their server may be silent */
    int64_t every_ms;            /* a marker, when something has changed */
    int64_t idle_ms;             /* ... and when nothing has */
    unsigned keeps;              /* markers */
    vrv_marker_records_fn *records; /* NULL: there are none */
    void *ctx;
    /* Told once when it turns out to be somebody else's, or without its owner's file; or NULL. */
    void (*foreign)(void *ctx, const struct vrv_err *e);
    void *foreign_ctx;
};

enum { VRV_OWNER_DOUBTS = 8 };

enum vrv_owner_state { VRV_OWNER_ASKS, VRV_OWNER_OWNS, VRV_OWNER_FOREIGN };

struct vrv_owner {
    struct vrv_owner_opts o;
    enum vrv_owner_state state;  /* nothing is written before it owns it */
    struct vrv_err err;          /* why it doesn't, or what failed last; code 0: all is well */
    struct vrv_err unmarked;     /* why there is no newer marker; code 0: there need be none */
    uint64_t number;             /* as which it owns it, or asks for it */
    uint64_t owned;              /* ... and did so last, as it was read there */
    int64_t marked_ms;           /* when the newest marker was written (wall clock); 0: none was */
    uint64_t failures;           /* markers that couldn't be written */
    unsigned early;              /* tries before a server that starts knew all that is in one, since
                                  * the last one */
    /* ours */
    int64_t mark_ms, newest_ms;  /* by their names: our newest marker, and the newest that was seen there */
    struct vrv_catalog *catalog; /* NULL: there is no engine */
    struct vrv_rand random;
    struct vrv_uuid id;
    uint64_t known;              /* the revision of what the catalog has of it */
    bool was_there;              /* ... and that its file was in the store */
    unsigned missed;             /* looks in a row that found our file gone, or a next owner's that
                                  * can't be read */
    unsigned spoiled;            /* ... and that couldn't read whose it is; no more than matter are counted */
    bool wrote;                  /* something in this life: where that is must not change any more */
    bool told;                   /* that it isn't ours */
    struct vrv_store_call call, list;
    struct vrv_store_call *busy; /* which of them is under way; NULL: none */
    int64_t due_ns;              /* when to go on */
    int64_t round_ns;            /* until when the store may take for what is under way, and what
                                  * comes of it */
    uint32_t crc;                /* of what the newest marker knew, but for its time */
    enum { VRV_OWNER_GOES_ON, VRV_OWNER_ENDS, VRV_OWNER_WRITES_LAST, VRV_OWNER_ENDED } end;
    struct iovec iov;
    uint8_t *bytes;
    char key[VRV_STORE_KEY_MAX + 1];
    const char **old;            /* markers that go: of the list */
    unsigned missing;            /* markers that couldn't be written, since the last one that was */
    char doubt[VRV_OWNER_DOUBTS][VRV_MARKER_KEY]; /* ours that the store may have, and that may not
                                                   * be whole: they go, the oldest first */
    unsigned doubt_n, going_n;
    bool is_damaged;             /* the newest of these is not */
    const char *going[VRV_OWNER_DOUBTS];
};

void vrv_owner_init(struct vrv_owner *o, const struct vrv_owner_opts *opts);
/* The engine is open. */
void vrv_owner_attach(struct vrv_owner *o, struct vrv_catalog *catalog);
/* Begin what is due; when to call again (monotonic ns), or INT64_MAX: when what is under way is done. */
int64_t vrv_owner_step(struct vrv_owner *o);
/* The engine is about to close.  marks: with a last marker, unless the store doesn't take it within a moment. */
void vrv_owner_end(struct vrv_owner *o, bool marks);
bool vrv_owner_is_busy(const struct vrv_owner *o);
/* As which owner the catalog knows its server; 0: as none. */
uint64_t vrv_owner_known(struct vrv_catalog *catalog);

/* What an owner's file says, and what it is called; out has VRV_STORE_KEY_MAX + 1 bytes. */
struct vrv_owner_file {
    char cluster[VRV_MARKER_CLUSTER_MAX + 1];
    struct vrv_uuid id;
    int64_t ms;              /* when it was written */
};
uint8_t *vrv_owner_write(const struct vrv_owner_file *f, size_t *n); /* to be freed */
int vrv_owner_read(struct vrv_owner_file *f, const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;
void vrv_owner_key(uint64_t number, char *out);
bool vrv_owner_number(const char *key, uint64_t *number);

#endif
