/*
 * A store in memory that misbehaves by seed, on a clock that the test moves: what stores were seen to
 * do, and what networks do to them.
 *
 * It has no threads: each vrv_store_step() ends one call, or lets time pass for one that hangs.  Calls
 * end in any order.
 */
#ifndef VRV_T_FAKESTORE_H
#define VRV_T_FAKESTORE_H

#include "engine/base/rand.h"
#include "t/lib/simclock.h"
#include "tiering/store/store.h"

#define FAKESTORE_FAULTS(F)                                                                        \
    F(BUSY)         /* 503, with or without a time */                                              \
    F(UNREACHABLE)  /* not sent */                                                                 \
    F(ERROR)        /* 500, nothing done */                                                        \
    F(ANSWER_LOST)  /* done, and nobody hears of it */                                             \
    F(REQUEST_LOST) /* not done, and nobody can know */                                            \
    F(LATE)         /* unknown now; done half a minute later */                                    \
    F(HANGS)        /* no answer until the deadline */                                             \
    F(MISSING)      /* says that what is there isn't */                                            \
    F(DENIED)       /* for a while */                                                              \
    F(FLIPPED)      /* written with one bit wrong: a segment, a page or a root; or read so */      \
    F(SHORT)        /* written, but for its end, likewise */                                       \
    F(STALE)        /* a list of what was there before */

enum fakestore_fault {
#define FAKESTORE_FAULT_ENUM(name) FAKE_##name,
    FAKESTORE_FAULTS(FAKESTORE_FAULT_ENUM)
#undef FAKESTORE_FAULT_ENUM
        FAKE_FAULTS
};

struct fakestore;

struct fakestore *fakestore_new(struct simclock *clock, uint64_t seed);
/* Ends the store, too. */
void fakestore_free(struct fakestore **f);
struct vrv_store *fakestore_store(struct fakestore *f);

/* Each call of `op` (VRV_STORE_OPS: any) suffers this fault so often of a hundred times. */
void fakestore_fault(struct fakestore *f, enum vrv_store_op op, enum fakestore_fault fault,
    unsigned percent);
/* Each kind of fault with one chance in three, and then for up to half of all calls. */
void fakestore_trouble(struct fakestore *f, struct vrv_rand *rnd);
/* From now on the line to it takes so many bytes in a second, of one call after the other; 0: any. */
void fakestore_line(struct fakestore *f, uint64_t per_s);
/* From now on it is well; what is late still comes. */
void fakestore_heal(struct fakestore *f);
/* From now on what is written under names that begin so is kept with another byte in its middle, and nobody is told;
 * NULL: no more.  Borrowed. */
void fakestore_damage(struct fakestore *f, const char *prefix);
/* From now on lists tell how old names are, by the clock that nobody sets. */
void fakestore_tell_ages(struct fakestore *f);
/* ... as a directory does: by the times of its files, which were given by a clock that is so far behind ours. */
void fakestore_tell_times(struct fakestore *f, int64_t behind_ms);
/* What happened so far. */
uint64_t fakestore_attempts(const struct fakestore *f, enum vrv_store_op op);
/* Calls that were under way at a time, at most, since it was asked last. */
size_t fakestore_most(struct fakestore *f, enum vrv_store_class lane);
uint64_t fakestore_struck(const struct fakestore *f, enum fakestore_fault fault);
/* What is there: bytes, or NULL. */
const uint8_t *fakestore_object(const struct fakestore *f, const char *key, size_t *n);
size_t fakestore_objects(const struct fakestore *f);
/* ... whose name begins so. */
size_t fakestore_count(const struct fakestore *f, const char *prefix);
/* Uploads that were begun and neither ended nor aborted. */
size_t fakestore_uploads(const struct fakestore *f);

#endif
