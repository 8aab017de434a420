/* Within the room: what the checks share. */
#ifndef VRV_CHECK_CHECK_INT_H
#define VRV_CHECK_CHECK_INT_H

#include <inttypes.h>

#include "engine/base/rand.h"
#include "tiering/check/check.h"
#include "tiering/store/sync.h"

/* What names of a check begin with: when, and something random. */
#define VRV__CHECK_NAME "check/%013" PRId64 "-%016" PRIx64 "/"

enum { VRV__CHECK_KEYS = 4096, VRV__CHECK_SMALL = 1024 };

struct vrv__check {
    struct vrv_check_opts o;
    struct vrv_sync sync;
    struct vrv_rand random;
    char prefix[64];               /* "check/<ms>-<random>/" */
    char *key[VRV__CHECK_KEYS];    /* all that may be there */
    unsigned key_n;
    struct vrv_check_line line;    /* of the one that runs */
    uint64_t done, total;          /* ... and bytes that it moves; 0: that is no matter */
    bool gives_up;                 /* the rest would tell nothing */
};

/* ---- what a check says; each returns 0 or, of fails, the status ---- */

void vrv__check_says(struct vrv__check *c, const char *fmt, ...) VRV_PRINTF(2, 3);
void vrv__check_notes(struct vrv__check *c, const char *fmt, ...) VRV_PRINTF(2, 3);
/* The store isn't what it should be. */
int vrv__check_fails(struct vrv__check *c, const char *fmt, ...) VRV_PRINTF(2, 3);
/* A call has failed that must not: what it was, in front of what the store says. */
int vrv__check_refused(struct vrv__check *c, int status, const struct vrv_err *e, const char *what);
void vrv__check_figure(struct vrv__check *c, const char *name, int64_t value);

/* So many bytes will be sent or come by vrv__check_all(), which tells how far that is. */
void vrv__check_goal(struct vrv__check *c, uint64_t bytes);

/* Does somebody want it to end?  Then CANCELLED. */
int vrv__check_stops(const struct vrv__check *c);

/* ---- the store ---- */

int64_t vrv__check_now_us(const struct vrv__check *c);
/* A name below the prefix, which is remembered for the clean-up. */
const char *vrv__check_key(struct vrv__check *c, const char *name);
/* Bytes that are nobody else's. */
void vrv__check_fill(struct vrv__check *c, uint8_t *p, size_t n);
/* A call of a small object, as vrv_store_call wants it. */
struct vrv_store_call vrv__check_put(const char *key, struct iovec *iov, const uint8_t *p, size_t n,
    bool if_absent);
/* One attempt, whatever comes of it; the status. */
int vrv__check_once(struct vrv__check *c, struct vrv_store_call *call);
/* Several at once, one attempt each; or (tries) until they are settled. */
void vrv__check_all(struct vrv__check *c, struct vrv_store_call *calls, unsigned n, bool tries);
/* So many bytes of an object, or a status. */
int64_t vrv__check_get(struct vrv__check *c, const char *key, uint64_t pos, uint8_t *buf, size_t n,
    struct vrv_err *e);
int vrv__check_delete(struct vrv__check *c, const char *const *keys, unsigned n, struct vrv_err *e);

/* ---- checks: 0, or why it failed ---- */

typedef int vrv__check_fn(struct vrv__check *c);
/* check_small.c */
vrv__check_fn vrv__check_answers, vrv__check_writes, vrv__check_reads, vrv__check_deletes,
    vrv__check_absent, vrv__check_ranges, vrv__check_verifies, vrv__check_names;
/* check_list.c */
vrv__check_fn vrv__check_lists, vrv__check_clock;
/* check_race.c */
vrv__check_fn vrv__check_race;
/* check_large.c */
vrv__check_fn vrv__check_parts, vrv__check_latency, vrv__check_throughput;

#endif
