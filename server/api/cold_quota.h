/*
 * Quotas for what is read of the cold tier, per client and per group: how many bytes of cold records may be
 * handed out in a second to all whose name fits, together.  Each has a second's worth in hand; who takes
 * more in one answer waits longer for the next.  Only reads of what is cold wait.
 *
 * A client is known by the client.id of its requests.  A fetch doesn't say for which group it is: that is
 * the group that a client of this client.id and address has last joined, shown to be alive in, or
 * committed offsets of, within the last minutes.
 *
 * Threads: any.
 */
#ifndef VRV_API_COLD_QUOTA_H
#define VRV_API_COLD_QUOTA_H

#include <stdatomic.h>

#include "engine/base/hist.h"
#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "engine/os/clock.h"
#include "engine/os/lock.h"
#include "server/config/quotas.h"
#include "server/wire/types.h"

/* Clients that are known to read for a group with a quota, at most, and for how long. */
enum { VRV_COLD_READERS_MAX = 10000, VRV_COLD_READER_MS = 300000 };

struct vrv_cold_bucket {
    double room;       /* bytes in hand; below zero: it is to be waited for */
    int64_t filled_ns; /* when that was so */
};

/* Quotas of a kind, and what each has in hand. */
struct vrv_cold_buckets {
    struct vrv_quotas quotas;
    struct vrv_cold_bucket *v; /* of each */
};

struct vrv_cold_quotas {
    struct vrv_clock *clock;
    _Atomic bool any, any_groups;
    struct vrv_hist waits;            /* of fetches; to be read by any thread */
    struct vrv_lock lock;             /* rank quotas; guards what follows */
    struct vrv_cold_buckets clients, groups;
    struct vrv_omap readers;          /* who reads for which group */
    struct vrv_list oldest;           /* ... the one first that was seen least lately */
};

/* Who reads. */
struct vrv_cold_who {
    struct vrv_str client_id;
    const char *host;
};

void vrv_cold_quotas_init(struct vrv_cold_quotas *q, struct vrv_clock *clock);
void vrv_cold_quotas_fini(struct vrv_cold_quotas *q);
/* From now on these hold, as vrv_quotas_parse reads them (they were checked); what those of the same name have
 * in hand stays. */
void vrv_cold_quotas_set(struct vrv_cold_quotas *q, const char *clients, const char *groups);

/* A client says for which group it is. */
void vrv_cold_quotas_reads_for(struct vrv_cold_quotas *q, const struct vrv_cold_who *who,
    struct vrv_str group);

static inline bool
vrv_cold_quotas_any(const struct vrv_cold_quotas *q)
{
    return q != NULL && atomic_load_explicit(&q->any, memory_order_relaxed);
}
/* When it may read of the cold tier (monotonic ns); 0: now. */
int64_t vrv_cold_quotas_ask(struct vrv_cold_quotas *q, const struct vrv_cold_who *who);
/* It did. */
void vrv_cold_quotas_took(struct vrv_cold_quotas *q, const struct vrv_cold_who *who, uint64_t bytes);

#endif
