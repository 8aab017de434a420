/*
 * `varve bench`: how fast is a broker?  One thread, a few connections, and requests that were made
 * before the clock runs, so that the client is not what is measured.
 *
 *   bench_link   a connection: frames out, answers in, both without waiting
 *   bench_load   which partitions there are, and the requests for them
 *   bench_run_*  the four measurements
 *
 * Times are of the monotonic clock, in nanoseconds.
 */
#ifndef VRV_TOOL_BENCH_H
#define VRV_TOOL_BENCH_H

#include "server/base/quantiles.h"
#include "server/wire/header.h"

struct bench_opts {
    char host[256];
    char port[16];
    const char *topic;
    int64_t seconds, warm_seconds;
    int64_t record_bytes, batch_bytes;
    int64_t rate;          /* records per second; 0: as fast as it goes */
    int64_t connections, in_flight, consumers;
    int64_t partitions;    /* of the topic, if it has to be made */
    int16_t acks;
};

int64_t bench_now(void);

/* ---- a connection ---- */

enum { BENCH_IN_FLIGHT_MAX = 65536 };

struct bench_link {
    int fd;
    int32_t next_id, next_answer;             /* answers come in the order of requests */
    int64_t sent_ns[BENCH_IN_FLIGHT_MAX];     /* by id: when it was, or should have been */
    struct vrv_out out;                       /* not yet taken by the socket, from out_at on */
    size_t out_at;
    uint8_t *in;                              /* received, from in_at on not yet looked at */
    size_t in_at, in_n, in_cap;
    uint64_t bytes_in;
};

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
    struct vrv_arena arena;
    int32_t partition_n;
    struct bench_request *produce; /* one per partition */
};

/* Make the topic where it isn't there, and the requests. */
int bench_load_init(struct bench_load *l, const struct bench_opts *o, struct bench_link *link,
    struct vrv_err *e) VRV_MUST_CHECK;
void bench_load_fini(struct bench_load *l);
/* Write a time into the first record, and what the checksum is then. */
void bench_stamp(struct bench_request *r, int64_t ns);
/* A produce answer's error. */
int bench_check_produced(const uint8_t *p, size_t n, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- fetching ---- */

/* One consumer: some partitions on one connection, one fetch under way. */
struct bench_reader {
    struct bench_link link;
    int32_t *partition;
    int64_t *next, *end; /* offsets; it is done with a partition at `end` */
    int32_t n;
    uint64_t bytes, records, batches;
    struct vrv_quantiles *late; /* NULL, or how long ago each first record was stamped */
};

/* Partitions `first`, first + step, ... of all; from their starts, or from their ends. */
int bench_reader_init(struct bench_reader *r, const struct bench_load *l, int32_t first,
    int32_t step, bool from_end, struct vrv_err *e) VRV_MUST_CHECK;
void bench_reader_fini(struct bench_reader *r);
bool bench_reader_done(const struct bench_reader *r);
int bench_reader_ask(struct bench_reader *r, const struct bench_load *l, int32_t max_wait_ms,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Take what came; 1 when a fetch was answered, and the next is to be asked. */
int bench_reader_take(struct bench_reader *r, struct vrv_err *e) VRV_MUST_CHECK;

/* ---- the measurements ---- */

struct bench_result {
    double seconds;
    uint64_t records_in, bytes_in;   /* produced and acknowledged */
    uint64_t records_out, bytes_out; /* consumed */
    struct vrv_quantiles produce, end_to_end;
    uint64_t late;                   /* open loop: requests that were sent 1 ms or more too late */
};

int bench_run_produce(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
int bench_run_consume(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;
/* At a fixed rate, whatever the answers do; with consumers that tail. */
int bench_run_paced(const struct bench_load *l, struct bench_result *res, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
