/*
 * Who reads on and on, and how far ahead of him to read.
 *
 * A reader that asks for what follows on what he had is sequential.  Ahead of him is read one chunk at
 * first, twice as much with each chunk that he comes to, up to a limit.  Those who do so at the same time
 * share that: what is read ahead of one isn't to drive out what was read ahead of another.  He doesn't
 * come to the next one: no more is read.  What he has not had yet stays in memory for him, as long as he
 * is remembered; he is forgotten when others need the memory, those first who came the longest ago.
 *
 * Pure: the caller's lock guards it.
 */
#ifndef VRV_READER_AHEAD_H
#define VRV_READER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/log/log.h"

enum { VRV_STREAMS = 128 };

struct vrv_stream {
    uint64_t id;          /* 0: none */
    uint64_t came;        /* when, in calls of vrv_ahead_note */
    struct vrv_log_id log;
    int64_t from, next;   /* what he had last */
    int64_t chunk_end;    /* of the chunk that he is in */
    size_t window;        /* bytes to be read ahead; 0: he isn't known to be sequential */
    bool wants;           /* ... that was not looked into yet */
};

struct vrv_ahead {
    struct vrv_stream v[VRV_STREAMS];
    uint64_t ids, calls;
    size_t most;          /* the largest window, and all together */
};

/* Somebody had [from, next), which lies in a chunk of so many bytes that ends before chunk_end. */
struct vrv_ahead_had {
    struct vrv_log_id log;
    int64_t from, next, chunk_end;
    size_t chunk_bytes;
};
struct vrv_stream *vrv_ahead_note(struct vrv_ahead *a, const struct vrv_ahead_had *h);
/* Is a piece that was read for this one, and ends before `end`, still to be read by him? */
bool vrv_ahead_holds(const struct vrv_ahead *a, uint64_t id, int64_t end);
/* Forget who came the longest ago; false: nobody is left. */
bool vrv_ahead_forget(struct vrv_ahead *a);

#endif
