/*
 * What is cold of each partition: its manifest in memory, read when it is first asked for, replaced when a
 * new one counts.
 *
 *   head in the catalog ──► root in the store ──► snapshot in memory ──► readers
 *
 * In memory each has all but where the chunks of its newest segments lie, which is most of it: 48 bytes for a
 * MiB.  That is kept of those partitions that were used last, within a budget; of others the root is read
 * again by who needs it.  (Pages are the cache's: reader/cache.h.)
 *
 *   commit: a manifest n+1 ──► its root, if absent ──► the head, if it still says n ──► the snapshot
 *
 * A root counts when the head names it (L6).  One without a head is of a commit that a crash cut short, or
 * of a write that came late; who wants to write the same version finds it, and it counts from then on:
 * all that it names was there before it was written.  Unless that was so long ago that a sweep may have
 * taken it for nobody's, or it names less than what counts: then that version is passed over, for ever.
 *
 * What is written is read back before it counts: on its way to the store bytes may change, and not every
 * store would notice.  So a root that can't be read, and that no head names, was never relied on by its
 * owner; where that is still the same one it is passed over, too.  The head says so before a later version
 * is written: that one may turn out to be readable changes nothing any more.
 *
 * Keys in the store, where <topic> is the id's 32 hex digits:
 *
 *   m/<topic>/<partition>/<version, 20 digits>          a root
 *   m/<topic>/<partition>/<base, 20 digits>-<ms, 13 digits>-<random>    a page
 *   d/<topic>/<partition>/<base, 20 digits>-<ms, 13 digits>-<random>    a segment
 *   d/<hash, 2 hex digits>/<topic>/<partition>/<base...>                 or so, where that is asked for
 *
 * For stores that split their work by how names begin: the hash spreads the partitions of a topic.  Manifests
 * have whole names, and who lists asks for both kinds: so it can be switched on and off at any time.
 *
 * where ms is when the name was made, by the writer's clock: what nothing names can be told from what
 * nothing names yet.
 *
 * Threads: the tier's, but vrv_parts_now: any.
 */
#ifndef VRV_PARTS_PARTS_H
#define VRV_PARTS_PARTS_H

#include <stdatomic.h>

#include "engine/base/omap.h"
#include "engine/base/rand.h"
#include "engine/meta/catalog.h"
#include "engine/seg/seg.h"
#include "tiering/format/manifest.h"
#include "tiering/parts/fold.h"
#include "tiering/store/retry.h"

/* What names of segments begin with; nothing else is uploaded in parts. */
#define VRV_PARTS_OBJECTS "d/"

/* As a server has them, and who heals the store of one that is stopped: the two must agree. */
enum {
    VRV_PARTS_ROOT_BYTES = 256 << 10,
    VRV_PARTS_ORPHAN_MS = 86400000, /* what nothing has named for so long is nobody's */
};

/* A manifest that counts, or did; never changed. */
struct vrv_snap {
    _Atomic uint32_t refs;
    size_t bytes, index;        /* of memory; of that where chunks lie */
    struct vrv_manifest m;      /* perhaps without that (vrv_manifest_thin) */
};
struct vrv_snap *vrv_snap_none(void); /* of a partition of which nothing is cold */
struct vrv_snap *vrv_snap_ref(struct vrv_snap *s);
void vrv_snap_unref(struct vrv_snap *s); /* NULL is fine */

struct vrv_parts_opts {
    struct vrv_retry *retry;     /* borrowed, as all */
    struct vrv_cq *cq;           /* the tier's: what is asked of stores comes back there */
    struct vrv_clock *clock;
    uint64_t random;
    bool hashed;                 /* new names of segments begin with a hash */
    int64_t read_ms, write_ms;   /* how long reading and writing a root may take */
    int64_t adopt_ms;            /* so young must be what a root without a head names: half of what the
                                  * sweep calls an orphan */
    size_t root_bytes;           /* of a root's segments; what is more goes to pages (fold.h) */
    size_t index_bytes;          /* of where chunks lie, for all manifests; 0: no limit.  One is
                                  * always kept */
    /* What is in the store as soon as somebody else owns it, before he writes a manifest: 1; 0: nobody can;
     * BUSY: who owns it is being settled.  NULL: nobody can. */
    int (*successor)(void *ctx, char key[VRV_STORE_KEY_MAX + 1]);
    /* Does the log have what this segment does, or has it let go of that?  NULL: nobody can tell. */
    bool (*has)(void *ctx, const struct vrv_log_id *id, const struct vrv_cold_seg *s);
    /* Is an older one still there, up to this byte?  0; NOTFOUND, CORRUPT: no; or why nobody can tell.  NULL: its age says
     * that it may not be. */
    int (*there)(void *ctx, const char *key, uint64_t end, struct vrv_err *e);
    /* A root is passed over that can't be read: why.  Once for each; or NULL. */
    void (*passed)(void *ctx, const struct vrv_log_id *id, const struct vrv_err *why);
    void *ctx;
};

struct vrv_parts {
    struct vrv_parts_opts o;
    _Atomic(struct vrv_catalog *) catalog; /* borrowed; NULL before the engine is open */
    struct vrv_lock lock;        /* rank parts */
    struct vrv_omap map;         /* guarded by lock, as the next one */
    size_t bytes, index;         /* of the manifests that count; of that where chunks lie */
    struct vrv_list whole;       /* those that have that, what was used last at the end */
    struct vrv_rand random;
    struct vrv_list asked, later; /* those whose roots are to be read: first what somebody asked for */
    unsigned reads, later_reads; /* of roots, under way; of that for who has time */
};

void vrv_parts_init(struct vrv_parts *ps, const struct vrv_parts_opts *o);
/* Nothing may be under way. */
void vrv_parts_fini(struct vrv_parts *ps);

/* Where heads are, from now on; NULL: there is no engine any more. */
void vrv_parts_attach(struct vrv_parts *ps, struct vrv_catalog *catalog);

/* The manifest that counts: a reference.  NOTFOUND: nothing of the partition is cold.  AGAIN: it must be
 * read first (vrv_parts_read).  Perhaps it is thin: who needs more of it reads it, too, and asks again. */
int vrv_parts_now(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_snap **out,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Memory of the manifests that are known; *index: of that where chunks lie.  Any thread. */
size_t vrv_parts_bytes(struct vrv_parts *ps, size_t *index);

/* Every partition that has a head, so that something of it may be in the store: not zero stops and is
 * returned.  Only while there is an engine. */
typedef int vrv_head_fn(void *ctx, const struct vrv_log_id *id);
int vrv_parts_each_head(struct vrv_parts *ps, vrv_head_fn *fn, void *ctx);
/* Has any partition of a topic one? */
bool vrv_parts_has_topic(struct vrv_parts *ps, const struct vrv_uuid *topic);

/* Before the first object of a partition is written: from now on it has a head, so that what is left in the
 * store when nothing comes of that is found again. */
int vrv_parts_touch(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Has it one?  What hasn't has left nothing in the store. */
bool vrv_parts_has_head(struct vrv_parts *ps, const struct vrv_log_id *id);

/* Records from `from` up to `to` are given up, which this disk alone has: durable when it returns 0.  The
 * manifest must be known, and no commit under way; what it comes to name later isn't lost. */
int vrv_parts_lose(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t from, int64_t to,
    struct vrv_err *e) VRV_MUST_CHECK;
/* What was so, and isn't named by a later manifest, nor passed over by both the one that counts and
 * the one before it; false: nothing. */
bool vrv_parts_lost(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t *from, int64_t *to);

/* The catalog knows neither its topic nor what became of that: *since_ms is when that was first
 * told here (wall clock), durably. */
int vrv_parts_alone(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t *since_ms, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Nothing is left of it in the store, and never will be: its topic is gone.  Nothing of it may be under
 * way. */
int vrv_parts_drop_head(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Told when the manifest is in memory, whole, or why it can't be read (NOTFOUND, CORRUPT, VERSION, ...). */
struct vrv_part_wait {
    void (*run)(struct vrv_part_wait *w, int status, const struct vrv_err *e);
    struct vrv_list link;
    bool has_time;       /* who asks so has his turn behind all others, and a few at a time: no reader
                          * waits while the manifests of a whole server are read */
};
enum { VRV_PARTS_ASKED = 12, VRV_PARTS_LATER = 4 }; /* read at a time: asked for; for who has time */
/* May tell at once.  w NULL: nobody waits for it, but somebody will soon. */
void vrv_parts_read(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_part_wait *w);

/* Is its root being read, or waited for? */
bool vrv_parts_is_read(struct vrv_parts *ps, const struct vrv_log_id *id);

/* What is being read so ends soon, with CANCELLED: when `reads` is 0. */
void vrv_parts_cancel_reads(struct vrv_parts *ps);

/* Which version counts.  NOTFOUND: none does. */
int vrv_parts_version(struct vrv_parts *ps, const struct vrv_log_id *id, uint64_t *version, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Is a root of this version above all that count or were passed over: one that may come to? */
bool vrv_parts_is_ahead(struct vrv_parts *ps, const struct vrv_log_id *id, uint64_t version);
/* Its root is lost, or damaged for good: m, which it takes over, is what the next commit goes on from in its
 * stead, and says that it does, so that m's own root stays.  Only memory changes: where that commit
 * fails, forget it. */
int vrv_parts_stand_in(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_manifest *m,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What counts of it is read again by who asks next.  Nothing of it may be under way. */
void vrv_parts_forget(struct vrv_parts *ps, const struct vrv_log_id *id);

/* May a root be in the way of the next commit?  One was that nobody here may pass over, or let
 * count; or nobody has looked since what counts was read.  Then that commit looks before it writes
 * anything, and who has much to send for it does well to do so, too. */
bool vrv_parts_looks(struct vrv_parts *ps, const struct vrv_log_id *id);

/* Make a manifest count. */
struct vrv_parts_commit {
    /* the caller's */
    struct vrv_manifest next;  /* a copy of what counts, changed, but for its version; or the first one */
    bool looks;                /* only look whether anything is in its way: nothing is written for it */
    void (*run)(struct vrv_parts_commit *c, int status, const struct vrv_err *e);
    void *owner;
    /* ours */
    struct vrv_parts *parts;
    struct vrv_store_call call;
    struct vrv_part_wait wait;    /* for what the one that counts has let go of, */
    bool waits, cancelled;
    struct vrv_root_found *found; /* what has the name of our root, which is being looked at; or NULL */
    struct vrv_root_fill *fill;   /* of its segments' objects, since the root can't be read; or NULL */
    struct iovec iov;
    struct vrv_fold fold;      /* what goes to a page, */
    struct vrv_cold_page page; /* ... as which it is named, */
    struct vrv_cold_seg *old;  /* ... behind what the newest one has; NULL: that stays as it is */
    uint32_t old_n;
    uint8_t *bytes, *back;     /* what is written, and what was read back of it */
    size_t n;
    unsigned again;            /* how often it was written under another name */
    char key[VRV_STORE_KEY_MAX + 1];
};
/* c->run is called once, never from within: 0; CONFLICT when another one counts than c->next was made of,
 * be it that it was found only now; FENCED when a newer owner wrote it; or what failed: nothing has
 * changed, as far as anybody can tell.  One at a time of a partition.  c->next is used up.  One
 * that only looks: 0 when nothing is in its way. */
void vrv_parts_commit(struct vrv_parts *ps, struct vrv_parts_commit *c);
/* End it soon: with CANCELLED or UNKNOWN, or what becomes known in time. */
void vrv_parts_cancel(struct vrv_parts *ps, struct vrv_parts_commit *c);

/* A new name for a segment; out has VRV_STORE_KEY_MAX + 1 bytes. */
void vrv_parts_segment_key(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t base,
    char *out);
/* Likewise for a page. */
void vrv_parts_page_key(struct vrv_parts *ps, const struct vrv_log_id *id, int64_t base, char *out);
/* What a root is called. */
void vrv_parts_root_key(const struct vrv_log_id *id, uint64_t version, char *out);
/* Is m, which was read, what has this name?  Else CORRUPT, and m is finished. */
int vrv_parts_check_root(struct vrv_manifest *m, const struct vrv_log_id *id, uint64_t version,
    struct vrv_err *e)
    VRV_MUST_CHECK;
/* What a name says; `what` is 'd', with a hash or without, or 'm'.  False: it is none of these. */
struct vrv_part_key {
    bool root;
    uint64_t number;  /* version, or base */
    int64_t made_ms;  /* not of a root */
};
bool vrv_parts_read_key(const struct vrv_log_id *id, char what, const char *key,
    struct vrv_part_key *out);
/* Since when nothing names it, at the earliest, that m doesn't name.  A page may have been in the
 * place of one that was made later: readers may still have the manifest that named it, and where no
 * segment came since, that may be the one before (*before), which is what there is when the newest
 * root is lost. */
int64_t vrv_parts_unnamed_ms(const struct vrv_log_id *id, const struct vrv_manifest *m, char what,
    const struct vrv_part_key *k, bool *before);
/* With what all names of a kind begin: 'd', 'h' (segments with a hash) or 'm'. */
void vrv_parts_prefix(const struct vrv_log_id *id, char what, char *out);

#endif
