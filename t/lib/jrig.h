/*
 * A journal whose owners are numbers: every entry carries an id, in its `arg`, and bytes that
 * follow from it.  What was committed and what failed is noted in the order in which
 * the journal said so, and each ticket is posted to one queue.
 *
 * Threads: _append from any (the slabs it takes have a lock); the callbacks run on the one that
 * commits, as does _evict.
 */
#ifndef VRV_T_JRIG_H
#define VRV_T_JRIG_H

#include "engine/tail/fill.h"
#include "engine/wal/journal.h"

struct jrig_list {
    uint64_t *v;
    size_t n, cap;
};

struct jrig_ticket {
    struct vrv_ticket t; /* first: what the queue holds */
    uint64_t id;
};

struct jrig {
    struct vrv_journal *j;
    struct vrv_waldev *dev; /* borrowed */
    struct vrv_slab_pool pool;
    struct vrv_lock lock;   /* of fill */
    struct vrv_fill fill;
    struct vrv_cq cq;
    struct jrig_list committed, failed;
    int flaws;              /* an entry was told of twice, or when committed_seq said so already, or
                             * a wrong status was seen */
};

enum { JRIG_WAL_ID = 77 };

void jrig_init(struct jrig *r, struct vrv_waldev *dev, uint32_t session, size_t group_bytes);
/* Nothing may be in flight; tickets still queued are freed. */
void jrig_fini(struct jrig *r);

enum jrig_flags { JRIG_SYNC = 1, JRIG_NOTHING = 2 };

/* Append n entries of `size` bytes, atomically, with ids from `id` on, each with a ticket; what
 * reserve says. */
int jrig_append(struct jrig *r, uint64_t id, unsigned n, size_t size, unsigned flags);
/* Evict all that is committed or failed. */
void jrig_evict(struct jrig *r);
/* Tickets posted since the last call, with this status; others count as flaws. */
size_t jrig_tickets(struct jrig *r, int status);

/* The ids in a group's bytes, added to `l`; false when it is not well-formed, or an entry's
 * bytes aren't those of its id. */
bool jrig_ids(const uint8_t *bytes, size_t n, struct jrig_list *l);
/* Is the list just from, from + 1, ... ? */
bool jrig_is_run(const struct jrig_list *l, uint64_t from, size_t n);

#endif
