/* varve consume: which partitions from where to where, and reading them. */
#ifndef VRV_TOOL_CONSUME_H
#define VRV_TOOL_CONSUME_H

#include "server/tool/format.h"
#include "server/tool/kafka.h"
#include "server/tool/progress.h"
#include "server/tool/when.h"

struct part {
    char *topic;
    int32_t partition;
    int64_t from; /* without a group */
    int64_t stop; /* the first offset that is not wanted */
    bool done;
    rd_kafka_topic_t *reading; /* without a group, once begun */
};

struct consume {
    struct kafka *k;
    /* what is wanted */
    char **topics;
    int topic_n;
    struct words partitions; /* none: all */
    const char *group;
    struct when from, to;
    bool follow;
    int64_t count; /* so many at most */
    struct format format;
    /* what is being read */
    struct part *parts;
    size_t part_n, part_cap;
    rd_kafka_queue_t *queue; /* without a group: what all parts bring */
    bool assigned; /* the group has told us our share */
    int rc;        /* of what failed in a callback, the sentence in `e` */
    struct vrv_err e;
    int64_t printed, committed_ns;
    bool stored; /* an offset that is not committed */
    struct progress bar;
};

/* Finds the partitions of all topics; where each begins and ends. */
int consume_plan(struct consume *c, struct vrv_err *e) VRV_MUST_CHECK;
/* A partition and its end as of now, INT64_MAX when following; for those that a group hands us. */
int consume_add(struct consume *c, const rd_kafka_topic_partition_list_t *list, struct vrv_err *e)
    VRV_MUST_CHECK;
void consume_remove(struct consume *c, const rd_kafka_topic_partition_list_t *list);
struct part *consume_find(struct consume *c, const char *topic, int32_t partition);
void consume_free(struct consume *c);

/* Before the connection: membership. */
void consume_set_client(struct consume *c);
/* Reads and prints to the end, the count, or Ctrl-C. */
int consume_run(struct consume *c, struct vrv_err *e) VRV_MUST_CHECK;

#endif
