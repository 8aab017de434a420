/* Within the room: a partition, and the head of its manifest. */
#ifndef VRV_PARTS_PARTS_INT_H
#define VRV_PARTS_PARTS_INT_H

#include "engine/base/list.h"
#include "tiering/parts/parts.h"

/* What the catalog keeps: which root counts, and what it is. */
struct vrv_head {
    uint64_t mod;     /* the catalog's revision of it; 0: there is none */
    uint64_t version; /* 0: none counts yet, but something may be in the store */
    uint64_t size;
    uint32_t crc;
    int64_t lost_from, lost_to; /* in between records were given up that never were in the store;
                                 * equal: none.  Known until the manifest before the one that
                                 * counts ends behind it, too */
    int64_t alone_ms; /* since when nothing else is known of its topic (wall clock); 0: something is */
    uint64_t stood_in; /* in memory only: the version before it whose manifest counts in its place;
                        * 0: its own does */
    uint64_t passed;  /* above version: up to this one none is to be written, or to count; else 0 */
};

struct vrv_part {
    struct vrv_omap_node node;
    struct vrv_parts *parts;
    struct vrv_log_id id;
    struct vrv_snap *now;    /* NULL: not read.  Guarded by the lock, as */
    struct vrv_list whole;   /* ... where it is among those that are; the rest is the tier's thread's */
    struct vrv_head head;    /* of that */
    struct vrv_list turn;    /* to be read: among those asked for, or that have time */
    struct vrv_list waiting; /* who waits for its root */
    struct vrv_read_root *reading; /* NULL: nobody does */
    bool looks;              /* before the next commit: a root may be in its way */
};

/* There is one now. */
struct vrv_part *vrv__part_get(struct vrv_parts *ps, const struct vrv_log_id *id);
/* This is what counts; takes m over. */
void vrv__part_set(struct vrv_part *p, const struct vrv_head *head, struct vrv_manifest *m);
/* The same, of the one that counts already. */
void vrv__part_fill(struct vrv_part *p, struct vrv_manifest *m);

/* NOTFOUND (then only h->mod is known), CORRUPT. */
int vrv__head_read(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_head *h,
    struct vrv_err *e) VRV_MUST_CHECK;
/* One that follows `before`: what is lost behind `end` still is. */
void vrv__head_follow(struct vrv_head *h, const struct vrv_head *before, int64_t end);
/* In the place of the one with h->mod (CONFLICT: that is no longer there); then h->mod is its own. */
int vrv__head_write(struct vrv_parts *ps, const struct vrv_log_id *id, struct vrv_head *h,
    struct vrv_err *e) VRV_MUST_CHECK;

/* Read the root that h describes; with size 0 whatever is there of its version, and h says the rest.
 * run is called once, never from within; *m is the callee's with 0. */
struct vrv_read_root {
    struct vrv_part *part;
    struct vrv_head head;
    enum vrv_store_class lane;
    void (*run)(struct vrv_read_root *r, int status, struct vrv_manifest *m, const struct vrv_err *e);
    unsigned reads;   /* that have ended */
    bool cancelled;
    struct vrv_store_call call;
    char key[VRV_STORE_KEY_MAX + 1];
};
void vrv__root_read(struct vrv_read_root *r);
/* End it soon: with CANCELLED, or what becomes known in time.  What came damaged isn't read again. */
void vrv__root_cancel(struct vrv_read_root *r);

/* What has the name of c's root?  0: c's own; NOTFOUND: nothing; CONFLICT: another one, which
 * counts now; AGAIN: one that never will, and the next version may be written; FENCED, or what
 * failed.  run is called once, never from within. */
typedef void vrv__found_fn(struct vrv_parts_commit *c, int status, const struct vrv_err *e);
void vrv__found_look(struct vrv_parts_commit *c, vrv__found_fn *run);
void vrv__found_cancel(struct vrv_root_found *f);

/* Where the chunks of c->next lie that it has let go of, as its objects say it: for when the root
 * can't be read any more, which is why.  run is called once: 0, or what failed. */
typedef void vrv__fill_fn(struct vrv_parts_commit *c, int status, const struct vrv_err *e);
void vrv__fill_begin(struct vrv_parts_commit *c, const struct vrv_err *why, vrv__fill_fn *run);
void vrv__fill_cancel(struct vrv_root_fill *f);

#endif
