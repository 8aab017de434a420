/*
 * The records of __consumer_offsets, in Kafka's own format (server/README.md has it to the byte).
 *
 * Written: offset commits (key 1; value 4, or 1 when the commit carries a time to expire), groups
 * (key 2, value 3), and tombstones of both.  Read: all versions that Kafka ever wrote of these,
 * keys 0 to 2 and values 0 to 4.  Records with other keys belong to what this server doesn't have.
 *
 * What is read borrows from the record.  Threads: any.
 */
#ifndef VRV_GROUP_GROUP_LOG_H
#define VRV_GROUP_GROUP_LOG_H

#include <stddef.h>

#include "engine/base/err.h"
#include "engine/base/uuid.h"
#include "engine/batch/build.h"
#include "engine/batch/record.h"
#include "server/group/span.h"

#define VRV_OFFSETS_TOPIC "__consumer_offsets"

enum vrv_grec_kind { VRV_GREC_OFFSET, VRV_GREC_GROUP, VRV_GREC_OTHER };

/* What is stored of one committed offset. */
struct vrv_commit {
    int64_t offset;
    int32_t leader_epoch;     /* -1: none */
    struct vrv_span metadata; /* never null */
    int64_t commit_ms;
    int64_t expire_ms;        /* -1: as the server's retention says */
    struct vrv_uuid topic_id; /* zero: unknown; so it is of one read with a time to expire */
};

/* What is stored of a group, but for its members. */
struct vrv_group_image {
    struct vrv_span protocol_type; /* empty: none */
    int32_t generation;
    struct vrv_span protocol, leader; /* null: none */
    int64_t since_ms;              /* when its state last changed; -1: unknown */
};

struct vrv_member_image {
    struct vrv_span id, instance; /* instance: null when dynamic */
    struct vrv_span client_id, client_host;
    int32_t rebalance_ms;         /* -1: the session's */
    int32_t session_ms;
    struct vrv_span subscription, assignment;
};

/* A record, decoded. */
struct vrv_grec {
    enum vrv_grec_kind kind;
    bool tombstone;
    struct vrv_span group;
    struct vrv_span topic;  /* offsets */
    int32_t partition;
    struct vrv_commit commit;
    struct vrv_group_image image; /* groups */
    int32_t member_n;
    /* the rest is for vrv_grec_member */
    const uint8_t *p, *end;
    int16_t version;
};

/* Decode and check one record, members too.  CORRUPT: it is not what its key says; VERSION: a value
 * of a version that isn't known. */
int vrv_grec_read(struct vrv_grec *g, const struct vrv_record *r, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The next of its member_n members; called as often as that. */
void vrv_grec_member(struct vrv_grec *g, struct vrv_member_image *m);

/* Add a record to a batch. */
void vrv_grec_put_commit(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    struct vrv_span topic, int32_t partition, const struct vrv_commit *c);
void vrv_grec_put_commit_gone(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    struct vrv_span topic, int32_t partition);
void vrv_grec_put_group(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group,
    const struct vrv_group_image *image, const struct vrv_member_image *members, int32_t member_n);
void vrv_grec_put_group_gone(struct vrv_batch_builder *b, int64_t now_ms, struct vrv_span group);

/* The topics of a consumer's subscription (protocol type "consumer"): the part that all versions
 * begin with.  Calls fn for each; what it points to is borrowed from the metadata.
 * -1: it can't be read, then fn was not called. */
typedef void vrv_topic_name_fn(void *ctx, struct vrv_span topic);
int vrv_subscription_topics(struct vrv_span metadata, vrv_topic_name_fn *fn, void *ctx);

#endif
