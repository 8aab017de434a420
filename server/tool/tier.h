/*
 * `varve tier`: what a varved's cold tier has, why, and what becomes of it.  These requests are
 * varve's own, which librdkafka doesn't have: they are sent on a plain connection.
 */
#ifndef VRV_TOOL_TIER_H
#define VRV_TOOL_TIER_H

#include "server/tool/bench.h"
#include "server/tool/kafka.h"

struct tier {
    struct kafka *k;         /* options, and where it is printed */
    struct bench_link *link;
    struct vrv_arena a;      /* answers */
};

/* Connects: a broker has answered when this returns 0.  To be closed whatever it returns. */
int tier_open(struct tier *t, struct kafka *k, struct vrv_err *e) VRV_MUST_CHECK;
void tier_close(struct tier *t);
/* One of varve's own requests. */
int tier_ask(struct tier *t, enum vrv_api_key key, const void *request, void *response,
    struct vrv_err *e) VRV_MUST_CHECK;
/* What an answer says of all that was asked: its error, or 0. */
int tier_answer(const struct tier *t, int16_t code, struct vrv_str text, struct vrv_err *e) VRV_MUST_CHECK;
/* The same where it was asked about one topic: it tells of just that. */
int tier_answer_one(const struct tier *t, int16_t code, struct vrv_str text, int32_t topics, struct vrv_err *e)
    VRV_MUST_CHECK;
/* A sentence and a code of ours for an error in an answer: what it is about, the broker's words. */
int tier_err(struct vrv_err *e, int16_t code, struct vrv_str text, const char *fmt, ...)
    VRV_PRINTF(4, 5);

/* "TOPIC:PARTITION", or a topic with all of its (-1): "TOPIC". */
struct tier_named {
    char topic[256];
    int32_t partition;
};
/* What it does with a partition: on, paused, drains, leaves; */
const char *tier_state(const struct vrv_tier_describe_resp_topic *t,
    const struct vrv_tier_describe_resp_partition *p);
/* ... a sentence of what that means, unless it is on. */
void tier_note_state(const struct out *o, const char *topic, const struct vrv_tier_describe_resp_topic *t,
    const struct vrv_tier_describe_resp_partition *p);
/* A topic that doesn't ask for it: what to do. */
int tier_not_tiered(struct vrv_err *e, const char *topic);
int tier_name(const char *word, struct tier_named *out, struct vrv_err *e) VRV_MUST_CHECK;

/* Ask about it: one topic, which is there, in *out. */
int tier_describe(struct tier *t, const struct tier_named *named, bool segments,
    struct vrv_tier_describe_resp *resp, struct vrv_tier_describe_resp_topic **out,
    struct vrv_err *e) VRV_MUST_CHECK;

/* "5 s", "3 min": how long ago, or until then; "now". */
const char *tier_span(int64_t ms, char buf[32]);

/* ---- subcommands ---- */

extern const char tier_status_help[], tier_explain_help[], tier_offload_help[],
    tier_deleted_help[], tier_undelete_help[];
int tier_status(struct kafka *k, struct args *a, struct vrv_err *e);
int tier_explain(struct kafka *k, struct args *a, struct vrv_err *e);
int tier_offload(struct kafka *k, struct args *a, struct vrv_err *e);
int tier_deleted(struct kafka *k, struct args *a, struct vrv_err *e);
int tier_undelete(struct kafka *k, struct args *a, struct vrv_err *e);

/* Of a store, without a broker. */
extern const char tier_ls_help[], tier_dump_help[];
int tier_ls(int argc, char **argv);
int tier_dump(int argc, char **argv);

#endif
