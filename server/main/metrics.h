/* All metrics of a server, from all its rooms, as Prometheus reads them. */
#ifndef VRV_MAIN_METRICS_H
#define VRV_MAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

struct vrv_prom;
struct vrv_server;
struct vrv_text;

/* s NULL: only what there is without a server.  It takes the locks of all rooms, one at a time, and
 * its time is bounded by the topics and partitions that the configuration lets it tell of. */
void vrv_metrics_write(struct vrv_server *s, bool ready, int64_t started_ms,
    struct vrv_text *out);

/* metrics_topics.c: families by topic, partition and group. */
void vrv__metrics_topics(struct vrv_server *s, struct vrv_prom *p);
/* metrics_tier.c: the cold tier, computed at this moment. */
void vrv__metrics_tier(struct vrv_server *s, struct vrv_prom *p);
void vrv__metrics_lag(struct vrv_server *s, struct vrv_prom *p, uint64_t offsets);

#endif
