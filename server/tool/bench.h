/*
 * `varve bench`: how fast is a broker?  One thread, a few connections, and requests that were made
 * before the clock runs, so that the client is not what is measured.
 *
 *   bench_link   a connection: frames out, answers in, both without waiting
 *   bench_topic  which partitions there are
 *   bench_load   the requests for them
 *   bench_read   a consumer
 *   bench_idle   connections that do nothing
 *   bench_broker what the broker's process takes
 *   bench_run    the measurements, but for bench_start and bench_tiers
 *
 * Times are of the monotonic clock, in nanoseconds.
 */
#ifndef VRV_TOOL_BENCH_H
#define VRV_TOOL_BENCH_H

#include "engine/batch/batch.h"
#include "server/base/quantiles.h"
#include "server/wire/header.h"

enum { BENCH_HOST = 256, BENCH_PORT = 16 };

struct bench_opts {
    char host[BENCH_HOST];
    char port[BENCH_PORT];
    const char *topic;
    int64_t seconds, warm_seconds;
    int64_t record_bytes, batch_bytes;
    int64_t rate;          /* records per second; 0: as fast as it goes */
    int64_t bytes;         /* produce: so many; 0: for a time.  tiers: of each kind */
    int64_t rounds;        /* tiers */
    int64_t connections, in_flight, consumers;
    int64_t idle;          /* connections that do nothing beside */
    int64_t partitions;    /* of the topic, if it has to be made */
    int64_t pid;           /* the broker's process, or 0 */
    int64_t since_ns;      /* start: when it was started, by the wall clock; 0: now */
    int16_t acks;
};

int64_t bench_now(void);

/* ---- a connection ---- */

enum { BENCH_IN_FLIGHT_MAX = 65536 };

struct bench_link {
    int fd;
    int timeout_ms;                           /* of bench_ask; 0: half a minute */
    int32_t next_id, next_answer;             /* answers come in the order of requests */
    int64_t sent_ns[BENCH_IN_FLIGHT_MAX];     /* by id: when it was, or should have been */
    struct vrv_out out;                       /* not yet taken by the socket, from out_at on */
    size_t out_at;
    uint8_t *in;                              /* received, from in_at on not yet looked at */
    size_t in_at, in_n, in_cap;
    uint64_t bytes_in;
};

/* "host:port", "[::1]:port"; false: it isn't.  The first one of several with commas between them. */
bool bench_address(const char *text, char host[BENCH_HOST], char port[BENCH_PORT]);
int bench_link_open(struct bench_link *l, const char *host, const char *port, struct vrv_err *e)
    VRV_MUST_CHECK;
void bench_link_close(struct bench_link *l);
/* A whole request with its length in front; its correlation id is set.  Sent at once as far as the
 * socket takes it. */
int bench_link_send(struct bench_link *l, uint8_t *frame, size_t n, int64_t due_ns,
    struct vrv_err *e) VRV_MUST_CHECK;
int bench_link_flush(struct bench_link *l, struct vrv_err *e) VRV_MUST_CHECK;
/* Read what there is.  IO when the broker hangs up. */
int bench_link_fill(struct bench_link *l, struct vrv_err *e) VRV_MUST_CHECK;
/* The next answer, behind its correlation id, and when its request was due; false: not all of it is
 * here.  Borrowed until the next fill. */
bool bench_link_answer(struct bench_link *l, const uint8_t **p, size_t *n, int64_t *due_ns);

static inline int32_t
bench_link_in_flight(const struct bench_link *l)
{
    return l->next_id - l->next_answer;
}

/* Ask, and wait for the answer: for what is not measured. */
int bench_ask(struct bench_link *l, enum vrv_api_key key, int16_t version, const void *request,
    struct vrv_arena *a, void *response, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- a topic ---- */

/* Some of its partitions: first, first + step, ... */
struct bench_share {
    int32_t first, step, n;
};

static inline int32_t
bench_share_at(const struct bench_share *s, int32_t i)
{
    return s->first + i * s->step;
}

/* Which of them a partition is, or -1. */
static inline int32_t
bench_share_find(const struct bench_share *s, int32_t partition)
{
    int32_t i = (partition - s->first) / s->step;

    return i >= 0 && i < s->n && bench_share_at(s, i) == partition ? i : -1;
}

/* How many partitions a topic has; 0: it isn't there. */
int32_t bench_ask_partitions(struct bench_link *link, const char *topic, struct vrv_err *e)
    VRV_MUST_CHECK;
/* The offsets of a time, or of an end of the log: how many partitions told theirs. */
enum { BENCH_LATEST = -1, BENCH_EARLIEST = -2 };
int32_t bench_ask_offsets(struct bench_link *link, const char *topic, const struct bench_share *s,
    int64_t when, int64_t *offsets, struct vrv_err *e) VRV_MUST_CHECK;
/* Make it, and wait until all of it is there. */
int bench_make_topic(struct bench_link *link, const char *topic, int32_t partitions,
    struct vrv_err *e) VRV_MUST_CHECK;

/* ---- what is sent ---- */

struct bench_request {
    uint8_t *frame;      /* with its length */
    size_t n;
    size_t batch_at;     /* produce: where the batch begins, */
    size_t batch_n;
    size_t stamp_at;     /* and the first record's value, of 8 bytes at least */
    uint64_t records;
};

struct bench_load {
    const struct bench_opts *o;
    int32_t partition_n;
    struct bench_request *produce; /* one per partition */
    int64_t made_ns; /* how long it took until the topic could be used; 0: it was there */
};

/* Make the topic where it isn't there, and the requests. */
int bench_load_init(struct bench_load *l, const struct bench_opts *o, struct bench_link *link,
    struct vrv_err *e) VRV_MUST_CHECK;
void bench_load_fini(struct bench_load *l);
/* Write a time into the first record, and what the checksum is then. */
void bench_stamp(struct bench_request *r, int64_t ns);
/* Which that was, of a batch that was read; 0: none. */
int64_t bench_read_stamp(const uint8_t *p, const struct vrv_batch *b);
/* A produce answer's error. */
int bench_check_produced(const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- fetching ---- */

/* One consumer: some partitions on one connection, one fetch under way. */
struct bench_reader {
    struct bench_link link;
    struct bench_share share;
    int64_t *next, *end; /* offsets; it is done with a partition at `end` */
    uint64_t bytes, records, batches;
    struct vrv_quantiles *late; /* NULL, or how long ago each first record was stamped */
    /* NULL, or told of each batch; 0, or an error that ends it */
    int (*batch)(struct bench_reader *r, const uint8_t *p, const struct vrv_batch *b,
        struct vrv_err *e);
    void *ctx;
};

/* From the partitions' starts, or from their ends. */
int bench_reader_init(struct bench_reader *r, const struct bench_opts *o, struct bench_share share,
    bool from_end, struct vrv_err *e) VRV_MUST_CHECK;
/* One partition, from one offset to another. */
int bench_reader_at(struct bench_reader *r, const struct bench_opts *o, int32_t partition,
    const int64_t range[2], struct vrv_err *e) VRV_MUST_CHECK;
void bench_reader_fini(struct bench_reader *r);
bool bench_reader_done(const struct bench_reader *r);
/* Offsets up to its ends. */
uint64_t bench_reader_left(const struct bench_reader *r);
int bench_reader_ask(struct bench_reader *r, const struct bench_opts *o, int32_t max_wait_ms,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Take what came; 1 when a fetch was answered, and the next is to be asked. */
int bench_reader_take(struct bench_reader *r, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- beside a measurement ---- */

/* Connections that have said hello, and nothing since. */
struct bench_idle {
    int *fd;
    int64_t n;
};
int bench_idle_open(struct bench_idle *idle, const struct bench_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
void bench_idle_close(struct bench_idle *idle);
/* CPU time of a process so far, and its resident memory. */
int bench_broker_cpu(int64_t pid, int64_t *ns, struct vrv_err *e) VRV_MUST_CHECK;
int bench_broker_memory(int64_t pid, int64_t *bytes, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- the measurements ---- */

struct bench_result {
    double seconds;
    double broker_seconds, broker_cores; /* its CPU meanwhile, */
    int64_t broker_bytes;            /* and what was resident at the end; 0: not asked for */
    uint64_t records_in, bytes_in;   /* produced and acknowledged */
    uint64_t records_out, bytes_out; /* consumed */
    struct vrv_quantiles produce, end_to_end;
    uint64_t late;                   /* open loop: requests that were sent 1 ms or more too late, */
    uint64_t unanswered;             /* and those without an answer half a minute after the end */
    int64_t topic_made_ns;           /* 0: it was there */
    int64_t answered_ns, fetched_ns; /* start: how long until then; 0: not asked for */
};

int bench_run_produce(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
int bench_run_consume(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
/* At a fixed rate, whatever the answers do; with consumers that tail. */
int bench_run_paced(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Until the broker answers and, where a topic is named, until a fetch of it brings records. */
int bench_run_start(const struct bench_opts *o, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
struct out;
/* Hot against cold; it prints what it measures (bench_tiers.h).  The topic is what the names of its own
 * begin with. */
int bench_run_tiers(struct bench_opts *o, struct out *out, struct vrv_err *e) VRV_MUST_CHECK;

#endif
