/*
 * What all handlers share: the engine, who we are, and where we can be reached.
 *
 * Fixed from start to stop, but for what says otherwise.
 */
#ifndef VRV_API_BROKER_H
#define VRV_API_BROKER_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "server/api/fetch_session.h"
#include "server/api/producer_ids.h"
#include "server/base/pool.h"

struct vrv_cold_quotas;
struct vrv_config_store;
struct vrv_coord;
struct vrv_stat;
struct vrv_tier;

struct vrv_endpoint {
    const char *name; /* of the listener */
    const char *host; /* as clients reach it */
    int32_t port;
};

struct vrv_broker {
    struct vrv_engine *engine;
    struct vrv_clock *clock;
    struct vrv_pool *pool;          /* for what must not run on a reactor */
    struct vrv_pool *large;         /* ... and would take much memory: one thread */
    struct vrv_pool *cold;          /* for what may wait for the cold tier; NULL: there is none */
    const char *data_dir;
    int32_t node_id;
    const char *cluster_id;
    const struct vrv_endpoint *endpoint; /* one per listener */
    unsigned endpoint_n;
    const char *rack;               /* or NULL */
    int32_t num_partitions;         /* of a topic whose creator doesn't say */
    int64_t max_partitions;         /* of all topics together */
    int32_t request_timeout_ms;     /* how long a request waits for room */
    bool auto_create;
    bool delete_topics;             /* clients may */
    int32_t fetch_max_bytes;
    _Atomic int32_t cold_wait_ms;   /* of a fetch for the cold tier; changes while it runs, as */
    _Atomic int64_t cold_lookup_ms; /* ... that of a look-up there */
    struct vrv_cold_quotas *cold_quotas; /* for what is read there; NULL: there are none */
    struct vrv_config_store *config;
    struct vrv_coord *coord;
    struct vrv_stat *stat;          /* where requests are counted, or NULL */
    struct vrv_tier *tier;          /* the cold one, or NULL */
    _Atomic size_t waiting_bytes;   /* memory of requests that wait for others; any thread */
    size_t waiting_max;             /* ... of large ones; they are answered at once beyond that */
    struct vrv_fetch_sessions sessions;
    struct vrv_producer_ids ids;
};

/* Random, and as Kafka likes them. */
int vrv_new_topic_id(struct vrv_uuid *id, struct vrv_err *e) VRV_MUST_CHECK;

#endif
