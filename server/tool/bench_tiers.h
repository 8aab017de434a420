/*
 * `varve bench tiers`: hot against cold, on one varved.  It makes topics of its own:
 *
 *   hot    records on the server's disk: read from memory, from the page cache, from the disk
 *   cold   records that are sealed, offloaded, and leave the disk: read from the store
 *   load   records at a fixed rate, and who tails them: how late they are while others read or offload
 *
 *   tiers_topic  topics made, filled and deleted; what is asked of the server about them
 *   tiers_read   consumers of a range: time to the first record, rate, where it came from
 *   tiers_load   the load, on a thread of its own
 *   tiers_print  lines for people, or objects
 *   bench_tiers  what is measured, in order
 *
 * Each batch that is written has values of its own, and what is read is compared with it: every batch's
 * checksum, and a sum over their offsets and checksums.
 */
#ifndef VRV_TOOL_BENCH_TIERS_H
#define VRV_TOOL_BENCH_TIERS_H

#include "server/tool/bench.h"
#include "server/tool/out.h"

enum { TIERS_NAME = 250 };

/* ---- what the server counts ---- */

enum tiers_op {
    TIERS_PUT, TIERS_BEGIN, TIERS_PART, TIERS_END, TIERS_ABORT, TIERS_GET, TIERS_VERIFY, TIERS_LIST,
    TIERS_DELETE, TIERS_SWEEP, TIERS_OPS
};
extern const char *const tiers_op_names[TIERS_OPS];

struct tiers_counts {
    uint64_t requests[TIERS_OPS]; /* of the store, whatever came of them, */
    uint64_t failed;              /* and those of them that weren't done */
    uint64_t written, read;       /* bytes, of the store */
    uint64_t memory, file, cold;  /* bytes that consumers had from there */
    uint64_t slow;                /* fetches that waited for the disk */
    uint64_t cache_max;
    int64_t cpu_ns;               /* of the server, if it runs here */
};

/* ---- topics ---- */

/* What was written of a partition, batch by batch. */
struct tiers_part {
    uint64_t *sum;  /* of the batches before the i-th */
    int64_t n, cap;
};

struct tiers_topic {
    char name[TIERS_NAME];
    struct bench_opts o;
    struct bench_load load;
    struct tiers_part *part;
    int32_t n;
    bool made;
};

struct tiers_setting {
    const char *key, *value;
};

struct tiers {
    struct bench_opts *o;
    const char *name;         /* of the topics: name-hot, ... */
    int64_t bytes, rounds, warm_s;
    struct out *out;
    struct bench_link *link;  /* to ask on */
    struct tiers_topic hot, cold, load;
    size_t *value_at;         /* of each record of a batch */
    uint64_t random;
    bool titled[4];           /* which tables have begun */
};

/* INTERRUPTED where somebody wants it to end. */
int tiers_stopped(struct vrv_err *e);

int tiers_topic_make(struct tiers *t, struct tiers_topic *topic, int32_t partitions,
    const struct tiers_setting *settings, struct vrv_err *e) VRV_MUST_CHECK;
/* So many bytes more to each of n partitions; how long it took. */
struct tiers_range {
    int32_t partition;
    int64_t from, to; /* batches */
};
int tiers_fill(struct tiers *t, struct tiers_topic *topic, int32_t first, int32_t n, int64_t bytes,
    int64_t *ns, struct vrv_err *e) VRV_MUST_CHECK;
int64_t tiers_batch_bytes(const struct tiers_topic *topic);
/* It is gone when this returns, or isn't, which is said. */
void tiers_topic_drop(struct tiers *t, struct tiers_topic *topic);

int tiers_set(struct tiers *t, const struct tiers_topic *topic, const char *key, const char *value,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Read it from files then, or from the disk and the store. */
int tiers_forget(struct tiers *t, const struct tiers_topic *topic, bool keep_pages,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Delete what these partitions hold so far. */
int tiers_delete_records(struct tiers *t, const struct tiers_topic *topic, int32_t first, int32_t n,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Seal a partition and move it; returns when it has arrived. */
int tiers_offload(struct tiers *t, const struct tiers_topic *topic, int32_t partition, int64_t *ns,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Until nothing of it is on the server's disk any more. */
int tiers_wait_cold(struct tiers *t, const struct tiers_topic *topic, struct vrv_err *e)
    VRV_MUST_CHECK;
int tiers_count(struct tiers *t, struct tiers_counts *c, struct vrv_err *e) VRV_MUST_CHECK;
/* What came since: now becomes that. */
void tiers_since(struct tiers_counts *now, const struct tiers_counts *before);

/* ---- reading ---- */

struct tiers_read {
    const struct tiers_topic *topic;
    const struct tiers_range *range; /* each read by a consumer of its own, all at the same time */
    int32_t n;
    bool (*over)(void *ctx);         /* NULL, or asked: it ends then, before it has all */
    void *ctx;
};

struct tiers_rate {
    int64_t first_ns;            /* until a consumer had its first record, on average */
    int64_t ns;                  /* until all had all */
    uint64_t bytes, records;
    uint64_t steady_bytes, steady_records; /* those that came when all had begun, */
    int64_t steady_ns;           /* and how long that took */
    struct tiers_counts counts;  /* meanwhile */
};

int tiers_read(struct tiers *t, const struct tiers_read *q, struct tiers_rate *r,
    struct vrv_err *e) VRV_MUST_CHECK;

/* What a batch adds to the sum, and whether its bytes are what its checksum says. */
uint64_t tiers_sum(int64_t offset, uint32_t crc);

/* ---- the load ---- */

enum tiers_phase { TIERS_ALONE, TIERS_HOT, TIERS_COLD, TIERS_OFFLOAD, TIERS_PHASES };
extern const char *const tiers_phase_names[TIERS_PHASES];

struct tiers_late {
    struct vrv_quantiles produce, tail;
};

struct tiers_load;
/* It runs at its rate, and is warm, when this returns. */
int tiers_load_start(struct tiers *t, struct tiers_load **out, struct vrv_err *e) VRV_MUST_CHECK;
/* What is due from now on counts for this phase; -1: for none. */
void tiers_load_phase(struct tiers_load *l, int phase);
/* Clears the pointer; late[TIERS_PHASES] are added to.  Who doesn't want them: NULL. */
int tiers_load_stop(struct tiers_load **l, struct tiers_late *late, struct vrv_err *e);

/* ---- what came out ---- */

void tiers_print_fill(struct tiers *t, int64_t round, uint64_t bytes, int64_t ns);
void tiers_print_offload(struct tiers *t, int64_t round, bool loaded, uint64_t bytes, int64_t ns,
    const struct tiers_counts *c);
void tiers_print_read(struct tiers *t, int64_t round, const char *what, int32_t consumers,
    const struct tiers_rate *r);
/* bytes: that readers had meanwhile. */
void tiers_print_late(struct tiers *t, enum tiers_phase phase, const struct tiers_late *late,
    const struct tiers_late *alone, const struct tiers_rate *beside);

#endif
