/* Inside the log room. */
#ifndef VRV_LOG_LOG_INT_H
#define VRV_LOG_LOG_INT_H

#include "engine/log/log.h"
#include "engine/log/log_ring.h"

enum { VRV_LOG_MAGIC = 0x4c4f4756 };

void vrv__ring_push(struct vrv_ring *r, struct vrv_entry *en);
void vrv__ring_pop(struct vrv_ring *r);
/* Entries from `number` on leave it; all of them are flushed. */
void vrv__ring_cut(struct vrv_ring *r, uint64_t number);

/* All with log->lock held. */
struct vrv_seg *vrv__log_open_seg(const struct vrv_log *log);
void vrv__log_add_seg(struct vrv_log *log, struct vrv_seg *s);
void vrv__log_touch(struct vrv_log *log);
/* Room in the WAL, as vrv_journal_reserve; when there is none, a checkpoint is to make some. */
int vrv__log_reserve(struct vrv_log_env *env, size_t bytes, size_t n, size_t *claim,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv__log_want_flush(struct vrv_log *log);
void vrv__log_close_open_seg(struct vrv_log *log);
/* Does a setting close it by its age? */
bool vrv__log_is_old(const struct vrv_log *log, const struct vrv_seg *s, int64_t now_ms);
/* When all of it is older than retention.ms; INT64_MAX: never. */
int64_t vrv__log_expires(const struct vrv_log_config *c, const struct vrv_seg *s);
/* Remember the producer of a batch that was appended, and make room for it. */
void vrv__log_note_producer(struct vrv_log *log, const struct vrv_batch *b);
/* The table of producers had `before` of them. */
void vrv__log_count_producers(struct vrv_log *log, size_t before);
void vrv__log_raise_local(struct vrv_log *log, int64_t offset);
/* Committed bytes that no segment has: so many more, or (negative) fewer. */
void vrv__log_unflushed(struct vrv_log *log, int64_t bytes);
/* So many bytes more are committed: take the waiters that are satisfied now, as a chain. */
struct vrv_waiter *vrv__log_take_ready(struct vrv_log *log, uint64_t bytes);
/* All waiters, as a chain, with this status. */
struct vrv_waiter *vrv__log_take_all(struct vrv_log *log, int status);
/* AGAIN while it is being truncated. */
int vrv__log_check_cut(const struct vrv_log *log, struct vrv_err *e) VRV_MUST_CHECK;
/* The log's state as bytes (malloc'd). */
void vrv__log_state(const struct vrv_log *log, uint8_t **out, size_t *n);
/* That of a log which has nothing on this disk. */
void vrv__log_past_state(int64_t start, int64_t end, const struct vrv_epochs *epochs,
    const struct vrv_producers *producers, uint64_t seq, uint8_t **out, size_t *n);
/* No lock is held. */
void vrv__waiters_post(struct vrv_waiter *chain);

#endif
