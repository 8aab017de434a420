/* One that deletes the oldest records of topics, and looks where logs begin. */
#include <inttypes.h>

#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/ledger.h"

enum { DELETE_VERSION = 2, TIMEOUT_MS = 30000, ROUND_MS = 100, ALL_ONE_IN = 10, PARTS = 4 };

typedef int64_t offsets[TOPICS][PARTITIONS_MAX];

static void
trim(struct process *p, int topic, int partition, int64_t offset)
{
    struct vrv_delete_records_req_partition part;
    struct vrv_delete_records_req_topic t;
    const struct vrv_delete_records_resp *resp;
    struct history *h = p->l->history;
    const char *name = topics[topic].name;
    struct vrv_delete_records_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(delete_records_req, &q);
    VRV_WIRE_INIT(delete_records_req_topic, &t);
    VRV_WIRE_INIT(delete_records_req_partition, &part);
    part.partition_index = partition;
    part.offset = offset;
    t.name = vrv_str(name);
    t.partitions.v = &part;
    q.topics.v = &t;
    q.topics.n = t.partitions.n = 1;
    q.timeout_ms = TIMEOUT_MS;
    history_add(h, p->name, "trim %s/%d %" PRId64, name, partition, offset);
    if (PROCESS_CALL(p, delete_records, DELETE_VERSION, &q, &resp, &e) < 0) {
        history_add(h, p->name, "untrimmed %s/%d %s", name, partition, e.msg);
        return;
    }
    const struct vrv_delete_records_resp_partition *done =
        resp->topics.n == 1 && resp->topics.v[0].partitions.n == 1 ?
        &resp->topics.v[0].partitions.v[0] : NULL;
    if (done == NULL)
        history_add(h, p->name, "malformed answer to a deletion of records");
    else if (done->error_code == 0)
        history_add(h, p->name, "trimmed %s/%d %" PRId64, name, partition, done->low_watermark);
    else
        history_add(h, p->name, "untrimmed %s/%d %s", name, partition,
            vrv_kerror_name(done->error_code));
}

/* A part of what there is of one partition, or all of it. */
static void
trim_some(struct process *p)
{
    struct vrv_rand *rand = &p->rand;
    int topic = (int)vrv_rand_below(rand, TOPICS);
    int partition = (int)vrv_rand_below(rand, (uint64_t)topics[topic].partitions);
    offsets starts, ends;

    if (!p->l->of[topic].trimmed || ask_ends(p, ends) < 0 || ask_starts(p, starts) < 0)
        return;
    int64_t start = starts[topic][partition], n = ends[topic][partition] - start;
    if (n > 0)
        trim(p, topic, partition, once_in(p, ALL_ONE_IN) ? ends[topic][partition] :
            start + (int64_t)vrv_rand_below(rand, (uint64_t)n / PARTS + 1));
}

void *
trimmer_run(void *ctx)
{
    struct start *s = ctx;
    struct process p;
    bool needed = false;
    offsets at;

    for (int i = 0; i < TOPICS; i++)
        needed = needed || s->l->of[i].trimmed || s->l->of[i].expires;
    process_init(&p, s->l, 'd', s->number);
    while (needed && !atomic_load(&s->l->done) && atomic_load(&s->l->failed) == 0) {
        if (!process_connect(&p))
            continue;
        if (atomic_load(&s->l->stopping))
            (void)ask_starts(&p, at);
        else
            trim_some(&p);
        pause_ms(ROUND_MS);
    }
    process_fini(&p);
    return NULL;
}
