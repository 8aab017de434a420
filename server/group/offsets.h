/*
 * The committed offsets of one group, by topic and partition.
 *
 * A change, a commit or a tombstone, goes through two steps.  _begin, when its record is appended:
 * the partition is remembered, and that something is on its way.  _commit or _remove, when the
 * record is durable: only now it is shown.  Records become durable in the order in which they were
 * appended, so what is shown is always what a prefix of the log says (GRP-2).  What is on its way
 * counts where the group is deleted: a tombstone has to come behind every record that it is to
 * cover.
 *
 * Memory: `used` counts every byte that is kept, for who bounds it.  Threads: one at a time.
 */
#ifndef VRV_GROUP_OFFSETS_H
#define VRV_GROUP_OFFSETS_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/base/omap.h"
#include "server/group/group_log.h"

struct vrv_offsets {
    struct vrv_omap topics;
    size_t n;             /* partitions with an entry, shown or on its way */
    _Atomic size_t *used; /* borrowed */
};

struct vrv_offset {
    struct vrv_omap_node node;
    int32_t partition;
    uint32_t begun;          /* changes on their way */
    bool shown;              /* commit is what was committed last; its metadata is owned */
    struct vrv_commit commit;
};

void vrv_offsets_init(struct vrv_offsets *o, _Atomic size_t *used);
void vrv_offsets_fini(struct vrv_offsets *o);

/* NULL: nothing is shown, and nothing on its way. */
const struct vrv_offset *vrv_offsets_find(const struct vrv_offsets *o, struct vrv_span topic,
    int32_t partition);

void vrv_offsets_begin(struct vrv_offsets *o, struct vrv_span topic, int32_t partition);
/* What was begun is durable: show it, or that there is none. */
void vrv_offsets_commit(struct vrv_offsets *o, struct vrv_span topic, int32_t partition,
    const struct vrv_commit *c);
void vrv_offsets_remove(struct vrv_offsets *o, struct vrv_span topic, int32_t partition);

/* In order of topic and partition.  fn must not change anything; not zero stops and is returned. */
typedef int vrv_offset_fn(void *ctx, struct vrv_span topic, const struct vrv_offset *v);
int vrv_offsets_each(const struct vrv_offsets *o, vrv_offset_fn *fn, void *ctx);
int vrv_offsets_each_of(const struct vrv_offsets *o, struct vrv_span topic, vrv_offset_fn *fn,
    void *ctx);

/* From when on the retention of an offset is counted. */
enum vrv_offsets_since {
    VRV_SINCE_NEVER,  /* nothing expires now */
    VRV_SINCE_COMMIT, /* its commit */
    VRV_SINCE_EMPTY,  /* the group lost its last member, at empty_ms; its commit where that is -1 */
};
struct vrv_offsets_rule {
    enum vrv_offsets_since since;
    int64_t empty_ms;
    int64_t retention_ms;
};
/* Kafka's rule: a commit that came with a time of its own expires then, others when the retention
 * has passed.  What has a change on its way stays. */
bool vrv_offset_expired(const struct vrv_offset *v, const struct vrv_offsets_rule *rule,
    int64_t now_ms);

#endif
