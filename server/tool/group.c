#include "server/tool/group.h"

#include <string.h>

const char *
group_state_name(rd_kafka_consumer_group_state_t s, enum out_colour *c)
{
    switch (s) {
    case RD_KAFKA_CONSUMER_GROUP_STATE_STABLE:
        *c = OUT_GREEN;
        return "stable";
    case RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE:
        *c = OUT_YELLOW;
        return "preparing rebalance";
    case RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE:
        *c = OUT_YELLOW;
        return "completing rebalance";
    case RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY:
        *c = OUT_DIM;
        return "empty";
    case RD_KAFKA_CONSUMER_GROUP_STATE_DEAD:
        *c = OUT_RED;
        return "dead";
    default:
        *c = OUT_PLAIN;
        return "unknown";
    }
}

int
group_state(struct kafka *k, const char *group, rd_kafka_event_t **ev,
    const rd_kafka_ConsumerGroupDescription_t **d, struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    size_t n;
    int rc = 0;

    rd_kafka_DescribeConsumerGroups(k->rk, &group, 1, o, k->queue);
    *ev = kafka_result(k, e);
    rd_kafka_AdminOptions_destroy(o);
    if (*ev == NULL)
        return e->code;
    *d = rd_kafka_DescribeConsumerGroups_result_groups(
        rd_kafka_event_DescribeConsumerGroups_result(*ev), &n)[0];
    const rd_kafka_error_t *error = rd_kafka_ConsumerGroupDescription_error(*d);
    if (error != NULL && rd_kafka_error_code(error) != 0)
        rc = kafka_err(e, rd_kafka_error_code(error), rd_kafka_error_string(error),
            "group \"%.100s\"", group);
    /* Kafka describes what it doesn't know as dead. */
    else if (rd_kafka_ConsumerGroupDescription_state(*d) == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD)
        rc = kafka_err(e, RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, NULL, "group \"%.100s\"", group);
    if (rc < 0) {
        rd_kafka_event_destroy(*ev);
        *ev = NULL;
    }
    return rc;
}

static int
by_name(const void *a, const void *b, void *opaque)
{
    const rd_kafka_topic_partition_t *x = a, *y = b;
    int rc = strcmp(x->topic, y->topic);

    (void)opaque;
    return rc != 0 ? rc : (x->partition > y->partition) - (x->partition < y->partition);
}

int
group_committed(struct kafka *k, const char *group, rd_kafka_topic_partition_list_t **list,
    struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *ask = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    size_t n;
    int rc = 0;

    rd_kafka_ListConsumerGroupOffsets(k->rk, &ask, 1, o, k->queue);
    rd_kafka_event_t *ev = kafka_result(k, e);
    rd_kafka_ListConsumerGroupOffsets_destroy(ask);
    rd_kafka_AdminOptions_destroy(o);
    if (ev == NULL)
        return e->code;
    const rd_kafka_group_result_t *r = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(ev), &n)[0];
    const rd_kafka_error_t *error = rd_kafka_group_result_error(r);
    if (error != NULL && rd_kafka_error_code(error) != 0) {
        rc = kafka_err(e, rd_kafka_error_code(error), rd_kafka_error_string(error),
            "group \"%.100s\"", group);
    } else {
        *list = rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(r));
        rd_kafka_topic_partition_list_sort(*list, by_name, NULL);
    }
    rd_kafka_event_destroy(ev);
    return rc;
}

int
group_offsets(struct kafka *k, const rd_kafka_topic_partition_list_t *of, int64_t time,
    rd_kafka_topic_partition_list_t **list, struct vrv_err *e)
{
    *list = rd_kafka_topic_partition_list_copy(of);
    for (int i = 0; i < (*list)->cnt; i++)
        (*list)->elems[i].offset = time;
    int rc = kafka_offsets(k, *list, e);
    rd_kafka_topic_partition_list_sort(*list, by_name, NULL);
    return rc;
}
