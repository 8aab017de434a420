/*
 * Servers over one fake store, as far as whose it is knows them, run by steps on a clock that stands: what tests of
 * owners and of their markers begin with.  All of it is theirs to use.
 *
 * Threads: one.
 */
#ifndef VRV_T_OWNERRIG_H
#define VRV_T_OWNERRIG_H

#include "t/lib/fakestore.h"
#include "t/lib/simdisk.h"
#include "t/lib/storesuite.h"
#include "tiering/daemon/owner.h"

enum { MINUTE_MS = 60000, IDLE_MS = 600000 };

struct server {
    struct simdisk *disk; /* NULL: it has never started */
    struct vrv_metastore *meta;
    struct vrv_catalog *catalog;
    struct vrv_cq cq;
    struct vrv_retry *retry;
    struct vrv_owner owner;
};

extern struct simclock clock_;
extern struct fakestore *fake;
extern struct storesuite suite; /* calls of the test's */
extern int64_t round_ms;        /* of the next server that starts */
extern uint8_t offset;          /* of the one group that markers tell of: */
extern uint8_t *value;          /* where that is, */
extern uint32_t value_n;        /* ... and its bytes */
extern unsigned loading;        /* so often groups are still read */
extern unsigned asked;          /* for groups, so often */
extern int foreigns;            /* times that a server was told that the store isn't its own */

void begin(uint64_t seed);
void end(void);

void up(struct server *s, const char *cluster, uint64_t seed);
/* As a crash would, but for what is under way. */
void down(struct server *s);
/* ... with its disk. */
void gone(struct server *s);
/* It does what there is to do, for so long. */
void pass(struct server *s, int64_t ms);

/* The newest marker; to be freed with its bytes. */
bool newest(struct vrv_marker *m, uint8_t **bytes);

#endif
