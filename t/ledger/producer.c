/*
 * A producer: batches of several sizes to random partitions, up to five requests under way.
 *
 * What isn't answered with success stays in its place and is sent again, in order, when all that
 * is under way has been answered or the connection is a new one; as clients with idempotence do it
 * (KIP-98).  Those without it have one request under way if they send again, or never do.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/value.h"

enum { PRODUCE_VERSION = 9, INIT_VERSION = 4, ACKS_ALL = -1, ACKS_LEADER = 1, TIMEOUT_MS = 30000 };
enum { INFLIGHT = 5, BATCHES = 3, RECORDS = 20, CODECS = 5 };
enum { START_OVER_ONE_IN = 400, SPOIL_ONE_IN = 50, PAUSE_MS = 20 };

enum kind { IDEMPOTENT, RETRYING, ONCE, KINDS };
static const char *const kind_name[] = { "idempotent", "retrying", "once" };

struct batch {
    uint64_t id;
    struct value first;
    int32_t count, base_seq;
    enum vrv_codec codec;
    bool spoiled;  /* with a wrong checksum: never to be seen again */
    bool done;
    unsigned sends;
};

struct flight {
    struct batch b[BATCHES];
    int n;
};

struct producer {
    struct process p; /* first */
    enum kind kind;
    int64_t id;       /* -1: none yet */
    int16_t epoch;
    int64_t next_value[TOPICS][PARTITIONS_MAX];
    int32_t next_seq[TOPICS][PARTITIONS_MAX];
    uint64_t next_batch;
    struct flight flight[INFLIGHT]; /* oldest first */
    int n;
    int answered;     /* those that come first were answered, but not all with success */
    int sent;         /* so many of them are under way, or were answered */
    struct vrv_batch_builder build;
    uint8_t *bytes[BATCHES];
};

static void
note(struct producer *pr, const struct batch *b, const char *event, const char *why)
{
    history_add(pr->p.l->history, pr->p.name, "%s %" PRIu64 "%s%s", event, b->id,
        why != NULL ? " " : "", why != NULL ? why : "");
}

/* ---- making batches ---- */

static bool
is_taken(const struct flight *f, int topic, int partition)
{
    for (int i = 0; i < f->n; i++)
        if (f->b[i].first.topic == topic && f->b[i].first.partition == partition)
            return true;
    return false;
}

static void
add_batch(struct producer *pr, struct flight *f)
{
    struct vrv_rand *rand = &pr->p.rand;
    int topic = (int)vrv_rand_below(rand, TOPICS);
    int partition = (int)vrv_rand_below(rand, (uint64_t)topics[topic].partitions);

    if (is_taken(f, topic, partition)) /* a request has one batch for each */
        return;
    struct batch *b = &f->b[f->n++];
    *b = (struct batch){ .id = pr->next_batch++,
        .first = { topic, partition, pr->p.number, pr->next_value[topic][partition] },
        .count = 1 + (int32_t)vrv_rand_below(rand, RECORDS),
        .codec = (enum vrv_codec)vrv_rand_below(rand, CODECS),
        .spoiled = pr->kind != IDEMPOTENT && once_in(&pr->p, SPOIL_ONE_IN) };
    b->base_seq = pr->next_seq[topic][partition];
    pr->next_value[topic][partition] += b->count;
    pr->next_seq[topic][partition] = vrv_seq_add(b->base_seq, b->count);
    history_add(pr->p.l->history, pr->p.name, "send %" PRIu64 " %s/%d %" PRId64 "+%d", b->id,
        topics[topic].name, partition, b->first.n, b->count);
}

static void
add_flight(struct producer *pr)
{
    struct flight *f = &pr->flight[pr->n++];
    int n = 1 + (int)vrv_rand_below(&pr->p.rand, BATCHES);

    f->n = 0;
    while (n-- > 0)
        add_batch(pr, f);
}

/* The bytes are the same each time. */
static struct vrv_records
make_bytes(struct producer *pr, const struct batch *b, uint8_t **keep)
{
    struct value v = b->first;
    const uint8_t *p;
    struct vrv_err e;
    size_t n;

    pr->build.producer_id = pr->kind == IDEMPOTENT ? pr->id : -1;
    pr->build.producer_epoch = pr->kind == IDEMPOTENT ? pr->epoch : -1;
    pr->build.base_seq = pr->kind == IDEMPOTENT ? b->base_seq : -1;
    for (int32_t i = 0; i < b->count; i++, v.n++)
        value_add(pr->p.l, &pr->build, &v);
    VRV_ASSERT(vrv_batch_builder_finish(&pr->build, b->codec, &p, &n, &e) == 0);
    *keep = vrv_mem_grow(*keep, n);
    memcpy(*keep, p, n);
    (*keep)[n - 1] ^= b->spoiled;
    return (struct vrv_records){ .p = *keep, .n = (int32_t)n };
}

/* ---- sending ---- */

/* 0, or the connection is gone. */
static int
send_flight(struct producer *pr, struct flight *f)
{
    struct vrv_produce_req_partition part[BATCHES];
    struct vrv_produce_req_topic topic[BATCHES];
    struct vrv_produce_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(produce_req, &q);
    q.acks = pr->kind == ONCE ? ACKS_LEADER : ACKS_ALL;
    q.timeout_ms = TIMEOUT_MS;
    q.topic_data.v = topic;
    for (int i = 0; i < f->n; i++) {
        struct batch *b = &f->b[i];

        if (b->done)
            continue;
        if (b->sends++ > 0)
            note(pr, b, "resend", NULL);
        VRV_WIRE_INIT(produce_req_topic, &topic[q.topic_data.n]);
        VRV_WIRE_INIT(produce_req_partition, &part[i]);
        part[i].index = b->first.partition;
        part[i].records = make_bytes(pr, b, &pr->bytes[i]);
        topic[q.topic_data.n].name = vrv_str(topics[b->first.topic].name);
        topic[q.topic_data.n].partition_data.v = &part[i];
        topic[q.topic_data.n++].partition_data.n = 1;
    }
    return client_send(pr->p.c, VRV_API_produce, PRODUCE_VERSION, &q, &e);
}

/* ---- answers ---- */

/* An earlier one for the same partition was not accepted: then this one can't have been. */
static bool
is_behind_a_failure(const struct producer *pr, int flight, const struct batch *b)
{
    for (int i = 0; i < flight; i++)
        for (int k = 0; k < pr->flight[i].n; k++) {
            const struct batch *o = &pr->flight[i].b[k];

            if (!o->done && o->first.topic == b->first.topic &&
                o->first.partition == b->first.partition)
                return true;
        }
    return false;
}

static bool
was_not_written(enum vrv_kerror code)
{
    return code == VRV_K_CORRUPT_MESSAGE || code == VRV_K_INVALID_RECORD ||
        code == VRV_K_UNKNOWN_TOPIC_OR_PARTITION || code == VRV_K_INVALID_TOPIC_EXCEPTION;
}

static void
answered(struct producer *pr, int flight, struct batch *b,
    const struct vrv_produce_resp_partition *part)
{
    enum vrv_kerror code = (enum vrv_kerror)part->error_code;
    const char *name = vrv_kerror_name(code);
    bool again = pr->kind != ONCE && !b->spoiled && vrv_kerror_retriable(code);

    if (code == VRV_K_NONE || code == VRV_K_DUPLICATE_SEQUENCE_NUMBER) {
        history_add(pr->p.l->history, pr->p.name, "sent %" PRIu64 " %" PRId64, b->id,
            code == VRV_K_NONE ? part->base_offset : -1);
    } else if (again ||
        (code == VRV_K_OUT_OF_ORDER_SEQUENCE_NUMBER && is_behind_a_failure(pr, flight, b))) {
        return; /* and so it stays where it is */
    } else if (pr->kind == IDEMPOTENT) {
        note(pr, b, "refused", name);
        atomic_fetch_add(&pr->p.l->failed, 1);
    } else {
        note(pr, b, was_not_written(code) ? "failed" : "unknown", name);
    }
    b->done = true;
}

static struct batch *
find_batch(struct flight *f, struct vrv_str topic, int32_t partition)
{
    for (int i = 0; i < f->n; i++)
        if (!f->b[i].done && f->b[i].first.partition == partition &&
            vrv_str_is(topic, topics[f->b[i].first.topic].name))
            return &f->b[i];
    return NULL;
}

static bool
is_done(const struct flight *f)
{
    for (int i = 0; i < f->n; i++)
        if (!f->b[i].done)
            return false;
    return true;
}

static void
take_answer(struct producer *pr, const struct vrv_produce_resp *resp)
{
    struct flight *f = &pr->flight[pr->answered];

    for (int32_t i = 0; i < resp->responses.n; i++) {
        const struct vrv_produce_resp_topic *t = &resp->responses.v[i];

        for (int32_t k = 0; k < t->partition_responses.n; k++) {
            const struct vrv_produce_resp_partition *part = &t->partition_responses.v[k];
            struct batch *b = find_batch(f, t->name, part->index);

            if (b != NULL)
                answered(pr, pr->answered, b, part);
            else
                history_add(pr->p.l->history, pr->p.name, "malformed a partition nobody sent to");
        }
    }
    if (!is_done(f)) {
        pr->answered++;
        return;
    }
    memmove(f, f + 1, (size_t)(pr->n - pr->answered - 1) * sizeof(*f));
    pr->n--;
    pr->sent--;
}

/* ---- a connection that is gone, and one that is new ---- */

/* Nothing is waited for any more. */
static void
forget(struct producer *pr, const char *event, const char *why)
{
    for (int i = 0; i < pr->n; i++)
        for (int k = 0; k < pr->flight[i].n; k++)
            if (!pr->flight[i].b[k].done)
                note(pr, &pr->flight[i].b[k], event, why);
    pr->n = 0;
}

static void
lost(struct producer *pr)
{
    pr->sent = pr->answered = 0;
    if (pr->kind == ONCE)
        forget(pr, "unknown", "the connection is gone");
}

/* As if this client had died, and a new one went on: another id, sequences from 0. */
static void
start_over(struct producer *pr)
{
    forget(pr, "abandoned", NULL);
    client_close(pr->p.c);
    pr->sent = pr->answered = 0;
    pr->id = -1;
    memset(pr->next_seq, 0, sizeof(pr->next_seq));
}

static bool
has_id(struct producer *pr)
{
    const struct vrv_init_producer_id_resp *resp;
    struct vrv_init_producer_id_req q;
    struct vrv_err e;

    if (pr->kind != IDEMPOTENT || pr->id >= 0)
        return true;
    VRV_WIRE_INIT(init_producer_id_req, &q);
    q.transactional_id = vrv_str(NULL);
    if (PROCESS_CALL(&pr->p, init_producer_id, INIT_VERSION, &q, &resp, &e) < 0 ||
        resp->error_code != 0) {
        pause_ms(PAUSE_MS);
        return false;
    }
    pr->id = resp->producer_id;
    pr->epoch = resp->producer_epoch;
    return true;
}

/* ---- the thread ---- */

static void
receive(struct producer *pr)
{
    const struct vrv_produce_resp *resp;
    struct vrv_err e;

    if (client_receive(pr->p.c, (const void **)&resp, &e) < 0) {
        process_broken(&pr->p, &e);
        lost(pr);
        return;
    }
    take_answer(pr, resp);
    if (pr->answered > 0 && client_inflight(pr->p.c) == 0) {
        pr->sent = pr->answered = 0;
        pause_ms(PAUSE_MS);
    }
}

static void
step(struct producer *pr)
{
    bool may_add = !atomic_load(&pr->p.l->stopping) && pr->answered == 0 &&
        pr->n < (pr->kind == RETRYING ? 1 : INFLIGHT);

    if (pr->answered == 0 && pr->sent < pr->n) {
        if (send_flight(pr, &pr->flight[pr->sent++]) < 0)
            lost(pr);
    } else if (may_add && once_in(&pr->p, START_OVER_ONE_IN)) {
        start_over(pr);
    } else if (may_add) {
        add_flight(pr);
        pause_ms((int)vrv_rand_below(&pr->p.rand, PAUSE_MS));
    } else if (pr->n > 0) {
        receive(pr);
    }
}

void *
producer_run(void *ctx)
{
    struct start *s = ctx;
    struct producer *pr = VRV_NEW(struct producer);
    struct ledger *l = s->l;

    process_init(&pr->p, l, 'p', s->number);
    pr->kind = (enum kind)(s->number % KINDS);
    pr->id = -1;
    vrv_batch_builder_init(&pr->build);
    history_add(l->history, pr->p.name, "producer %s", kind_name[pr->kind]);
    while (atomic_load(&l->failed) == 0 && (!atomic_load(&l->stopping) || pr->n > 0)) {
        bool was = client_is_connected(pr->p.c);

        if (!was)
            lost(pr);
        if (process_connect(&pr->p) && has_id(pr))
            step(pr);
    }
    forget(pr, "abandoned", NULL);
    vrv_batch_builder_fini(&pr->build);
    for (int i = 0; i < BATCHES; i++)
        free(pr->bytes[i]);
    process_fini(&pr->p);
    free(pr);
    return NULL;
}
