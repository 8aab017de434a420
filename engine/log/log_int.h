/* Inside the log room. */
#ifndef VRV_LOG_LOG_INT_H
#define VRV_LOG_LOG_INT_H

#include "engine/log/log.h"
#include "engine/log/log_ring.h"

enum { VRV_LOG_MAGIC = 0x4c4f4756 };

void vrv__ring_push(struct vrv_ring *r, struct vrv_entry *en);
void vrv__ring_pop(struct vrv_ring *r);

/* All with log->lock held. */
struct vrv_seg *vrv__log_open_seg(const struct vrv_log *log);
void vrv__log_add_seg(struct vrv_log *log, struct vrv_seg *s);
void vrv__log_touch(struct vrv_log *log);
void vrv__log_want_flush(struct vrv_log *log);
void vrv__log_close_open_seg(struct vrv_log *log);
/* Give a batch its place: rolls first when `roll`; sets pos and seg_base of the entry. */
void vrv__log_place(struct vrv_log *log, struct vrv_entry *en, bool roll);
void vrv__log_raise_local(struct vrv_log *log, int64_t offset);
/* So many bytes more are committed: take the waiters that are satisfied now, as a chain. */
struct vrv_waiter *vrv__log_take_ready(struct vrv_log *log, uint64_t bytes);
/* No lock is held. */
void vrv__waiters_post(struct vrv_waiter *chain);

#endif
