/*
 * A disk beside the cache: chunks that were read of the store more than once, as they were stored there.
 *
 *   read of the store ─► seen lately? ─no──► remembered
 *                           └────yes──► a free slot, or one that was not used since the hand came by ─► written
 *   wanted ─► in a slot? ─► read, checked by who asked ─► his;   anything wrong ─► the store, as without it
 *
 * One file of fixed size, in slots of one size; what is in them is known in memory only, so every start
 * begins empty, and nothing on that disk is ever believed.  (What an old life left could be listed
 * and taken over.  It would have to be read, all of it, before a byte more may be written, or be
 * believed; and it is of use only to who reads the same again.)  A slot has no header: length and
 * checksum of what must be there are the manifest's, which a slot that tells another chunk's bytes,
 * or an older life's, can't agree with.  Who reads all of a log once writes nothing here.
 *
 * A failure of that disk harms nobody: what it was to do is done without it, its space is given
 * back, and it is not used again before the next start.  The same goes for one that is full, takes
 * too long, or gives back other bytes than it got again and again.
 *
 * Threads: the tier's; reads and writes are done by one of its own (before that is started, at once).
 */
#ifndef VRV_READER_SHELF_H
#define VRV_READER_SHELF_H

#include "engine/base/list.h"
#include "engine/os/clock.h"
#include "engine/os/cq.h"
#include "engine/os/vfs.h"

enum {
    VRV_SHELF_WRITES = 4, /* under way: what comes meanwhile is not kept */
    VRV_SHELF_BAD_MAX = 8, /* slots that held something else, then it is not used any more */
};

struct vrv_shelf_opts {
    struct vrv_vfs *vfs;     /* borrowed, as all; its root is where the file goes */
    struct vrv_cq *cq;
    struct vrv_clock *clock;
    uint64_t bytes;          /* of the file, at most */
    uint32_t slot_bytes;     /* larger chunks are not kept */
    int64_t read_ms;         /* a read that takes longer is given up */
    void (*failed)(void *ctx, const struct vrv_err *e); /* told once, when it is not used any more;
                                                         * may be NULL */
    void *ctx;
};

struct vrv_shelf;
struct vrv_shelf_slot;

/* LOCKED: another server has that directory.  NOSPACE, IO, ... */
int vrv_shelf_open(struct vrv_shelf **out, const struct vrv_shelf_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
int vrv_shelf_start(struct vrv_shelf *s, struct vrv_err *e) VRV_MUST_CHECK;
/* It is idle.  NULL is fine. */
void vrv_shelf_close(struct vrv_shelf **s);

/* What lies at `pos` of the object `key`: is it here? */
bool vrv_shelf_has(const struct vrv_shelf *s, const char *key, uint64_t pos);

/* A read of it: told once, on the tier's thread, with 0 and as many bytes as were put there; or with what
 * failed.  The bytes are malloc'd, and the asker's then. */
struct vrv_shelf_read {
    void (*run)(struct vrv_shelf_read *r, int status, uint8_t *bytes, size_t n);
    struct vrv_list link; /* ours */
};
/* False: it isn't here any more. */
bool vrv_shelf_get(struct vrv_shelf *s, const char *key, uint64_t pos, struct vrv_shelf_read *r);
/* These bytes weren't what was put there. */
void vrv_shelf_bad(struct vrv_shelf *s, const char *key, uint64_t pos);

/* This was read of the store: is it to be kept?  Then it is to be given to _put. */
bool vrv_shelf_wants(struct vrv_shelf *s, const char *key, uint64_t pos, size_t n);
/* `bytes` stay until release(hold) is called. */
void vrv_shelf_put(struct vrv_shelf *s, const char *key, uint64_t pos, const uint8_t *bytes, size_t n,
    void (*release)(void *hold), void *hold);

/* All whose key begins so. */
void vrv_shelf_forget(struct vrv_shelf *s, const char *prefix);

/* Give up what takes too long; when to look again (monotonic ns), or INT64_MAX. */
int64_t vrv_shelf_step(struct vrv_shelf *s);
/* Nothing is under way. */
bool vrv_shelf_is_idle(const struct vrv_shelf *s);

struct vrv_shelf_stats {
    uint64_t hits, writes, evictions, bad; /* reads that came, ... */
    uint64_t bytes, max_bytes;             /* that are kept, and may be */
    bool off;
};
void vrv_shelf_stats(const struct vrv_shelf *s, struct vrv_shelf_stats *out); /* any thread */

#endif
