/*
 * What is counted of requests, and the list of all metrics.
 *
 * Counting is cheap, takes no lock and may be done by any thread: each of the first ones has a shard
 * of its own, to which nobody else writes; only who reads adds the shards up.  So a number that is
 * read is one that was true at about that time, and none ever goes back but gauges.
 *
 * What other rooms count of themselves (vrv_net_stats, vrv_engine_stats, vrv_coord_stats) is not
 * here; server/main/metrics.c brings all of it together.
 */
#ifndef VRV_STAT_STAT_H
#define VRV_STAT_STAT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/hist.h"

/* ---- the list ---- */

enum vrv_metric_type { VRV_COUNTER, VRV_GAUGE, VRV_HISTOGRAM };

enum vrv_metric {
#define VRV_SECTION(title)
#define VRV_METRIC(id, type, name, labels, help) VRV_M_##id,
#define VRV_COUNTED(id, metric, labels)
#include "server/stat/counters.def"
    VRV_METRICS
};

struct vrv_metric_info {
    enum vrv_metric_type type;
    const char *name, *labels, *help;
};
const struct vrv_metric_info *vrv_metric_info(enum vrv_metric m);

/* ---- counting ---- */

enum vrv_counted {
#define VRV_SECTION(title)
#define VRV_METRIC(id, type, name, labels, help)
#define VRV_COUNTED(id, metric, labels) VRV_C_##id,
#include "server/stat/counters.def"
    VRV_COUNTEDS
};

/* APIs, by their place in the list, are below APIS, their versions below VERSIONS, Kafka's error codes below ERRORS. */
enum { VRV_STAT_APIS = 96, VRV_STAT_VERSIONS = 24, VRV_STAT_ERRORS = 192 };

/* Which metric a number is in, and its labels. */
enum vrv_metric vrv_counted_metric(enum vrv_counted c, const char **labels);

struct vrv_stat;

struct vrv_stat *vrv_stat_new(void);
void vrv_stat_free(struct vrv_stat **s); /* nobody counts any more */

/* All of these: s may be NULL, and nothing is counted then. */

/* Also less: n is added as it is. */
void vrv_stat_count(struct vrv_stat *s, enum vrv_counted what, uint64_t n);

/* A request that was answered. */
struct vrv_stat_answered {
    int16_t api, version;
    uint64_t bytes_in, bytes_out;
    int64_t queue_ns; /* it waited for earlier ones, */
    int64_t wait_ns;  /* for others, */
    int64_t local_ns; /* for us */
};
void vrv_stat_answered(struct vrv_stat *s, const struct vrv_stat_answered *a);
/* An error in its answer; 0 is none. */
void vrv_stat_error(struct vrv_stat *s, int16_t api, int16_t code);

/* ---- reading ---- */

uint64_t vrv_stat_counted(const struct vrv_stat *s, enum vrv_counted what);

struct vrv_stat_api {
    uint64_t n[VRV_STAT_VERSIONS]; /* requests, by version */
    uint64_t all;                  /* of them */
    uint64_t bytes_in, bytes_out;
    struct vrv_hist_view total, queue, local, wait;
};
void vrv_stat_api(const struct vrv_stat *s, int16_t api, struct vrv_stat_api *out);
/* How often a code was in answers; -1 (UNKNOWN_SERVER_ERROR) is one, too. */
uint64_t vrv_stat_errors(const struct vrv_stat *s, int16_t api, int16_t code);

#endif
