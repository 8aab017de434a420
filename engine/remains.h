/*
 * What a deleted topic leaves where a cold tier has some of it: enough to bring it back.
 *
 *   deleted/<id>           its name, settings, age, number of partitions; since when it is deleted
 *   deleted/<id>/<first>   where partitions from this one on began and ended, and their leader epochs
 *   begin/<id>/<first>     the same of a topic that came back: where its logs begin here
 *
 * They are settings of such entities in the catalog, so they outlive the topic and are gone when the cold
 * tier says so.  They are kept before the topic is deleted, and again, exactly, when nobody can append any
 * more; in between a partition's end is told as higher than anybody can have made it.  So whatever happens,
 * no offset is used twice by what comes back.
 *
 * Threads: any, one at a time for a topic.
 */
#ifndef VRV_REMAINS_H
#define VRV_REMAINS_H

#include "engine/engine.h"

struct vrv_remains_part {
    int64_t start, end; /* of its log; what comes back goes on at `end` */
    int64_t gap;        /* from there to `end` nothing is left; as it is kept, `end` */
    int32_t epoch;      /* of its leader; what comes back has a higher one */
};

struct vrv_remains {
    struct vrv_topic_info topic;
    int64_t deleted_ms;
    bool purging;                  /* its cold data is being deleted: it can't come back */
    uint64_t mod;
    struct vrv_remains_part *part; /* one for each partition */
};

/* What is kept of one; NOTFOUND, CORRUPT. */
int vrv_remains_read(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_remains *out,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_remains_fini(struct vrv_remains *r);

/* All that are kept, in order of id; not zero stops and is returned. */
typedef int vrv_remains_fn(void *ctx, const struct vrv_uuid *id);
int vrv_remains_each(struct vrv_engine *eng, vrv_remains_fn *fn, void *ctx);

/* From now on it can't come back: durable when it returns 0. */
int vrv_remains_purge(struct vrv_engine *eng, struct vrv_remains *r, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nothing more is kept of one that is there: it came back, or never went.  NOTFOUND: there is no such topic;
 * AGAIN: some topic is being deleted now. */
int vrv_remains_settle(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nothing is kept of it any more. */
int vrv_remains_drop(struct vrv_engine *eng, const struct vrv_uuid *id, struct vrv_err *e)
    VRV_MUST_CHECK;

/* Bring it back under its name, with its settings: each log from part.start on, which lies in the cold tier
 * up to part.gap; it goes on at part.end.  Durable when it returns 0; may be repeated until then.  AGAIN: what this
 * disk had of it is not all removed yet.  EXISTS: another topic has the name. */
int vrv_engine_undelete_topic(struct vrv_engine *eng, const struct vrv_remains *r, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
