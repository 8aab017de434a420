/* varve group: what its subcommands share. */
#ifndef VRV_TOOL_GROUP_H
#define VRV_TOOL_GROUP_H

#include "server/tool/kafka.h"

extern const char group_ls_help[], group_describe_help[], group_reset_help[];
int group_ls(struct kafka *k, struct args *a, struct vrv_err *e);
int group_describe(struct kafka *k, struct args *a, struct vrv_err *e);
int group_reset(struct kafka *k, struct args *a, struct vrv_err *e);

/* One group's state and members; the event, which holds it, is freed by the caller.  NOTFOUND when
 * there is none of this name. */
int group_state(struct kafka *k, const char *group, rd_kafka_event_t **ev,
    const rd_kafka_ConsumerGroupDescription_t **d, struct vrv_err *e) VRV_MUST_CHECK;
/* Its committed offsets, sorted by topic and partition; freed by the caller. */
int group_committed(struct kafka *k, const char *group, rd_kafka_topic_partition_list_t **list,
    struct vrv_err *e) VRV_MUST_CHECK;
/* "stable", and the colour for it. */
const char *group_state_name(rd_kafka_consumer_group_state_t s, enum out_colour *c);
/* A list of the same partitions with where they end, or begin, now. */
int group_offsets(struct kafka *k, const rd_kafka_topic_partition_list_t *of, int64_t time,
    rd_kafka_topic_partition_list_t **list, struct vrv_err *e) VRV_MUST_CHECK;

#endif
