/* One that makes and deletes topics, looks which are there, and what groups have committed. */
#include <string.h>

#include "engine/base/assert.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/value.h"

enum { CREATE_VERSION = 7, DELETE_VERSION = 5, METADATA_VERSION = 12, LIST_VERSION = 7 };
enum { PRODUCE_VERSION = 9, ACKS_ALL = -1, RECORDS = 100 };
enum { KEPT = 12, KEPT_FILLED = 40, ROUND_MS = 25, TIMEOUT_MS = 30000, LATEST = -1 };

struct keeper {
    struct process p; /* first */
    int made;         /* topics, each with a new name */
    int deleted;      /* the oldest ones */
};

static void
name_of(const struct keeper *k, int number, char *out)
{
    (void)snprintf(out, NAME, "k%d-%d", k->p.number, number);
}

/* With settings of their own something is in each partition, which nobody reads: it is there to be moved and
 * deleted, and stays for long enough. */
static bool
are_filled(const struct keeper *k)
{
    return k->p.l->of[TOPICS].n > 0;
}

static void
fill(struct keeper *k, const char *name, int32_t partition)
{
    struct vrv_produce_req_partition part;
    const struct vrv_produce_resp *resp;
    struct vrv_produce_req_topic topic;
    struct vrv_batch_builder build;
    struct vrv_produce_req q;
    const uint8_t *p;
    struct vrv_err e;
    size_t n;

    vrv_batch_builder_init(&build);
    for (struct value v = { .producer = -1 }; v.n < RECORDS; v.n++)
        value_add(k->p.l, &build, &v);
    VRV_ASSERT(vrv_batch_builder_finish(&build, VRV_CODEC_NONE, &p, &n, &e) == 0);
    VRV_WIRE_INIT(produce_req, &q);
    VRV_WIRE_INIT(produce_req_topic, &topic);
    VRV_WIRE_INIT(produce_req_partition, &part);
    q.acks = ACKS_ALL;
    q.timeout_ms = TIMEOUT_MS;
    q.topic_data.v = &topic;
    topic.name = vrv_str(name);
    topic.partition_data.v = &part;
    q.topic_data.n = topic.partition_data.n = 1;
    part.index = partition;
    part.records = (struct vrv_records){ .p = p, .n = (int32_t)n };
    (void)PROCESS_CALL(&k->p, produce, PRODUCE_VERSION, &q, &resp, &e);
    vrv_batch_builder_fini(&build);
}

static void
create(struct keeper *k)
{
    struct history *h = k->p.l->history;
    struct vrv_create_topics_req_topic t;
    const struct vrv_create_topics_resp *resp;
    struct vrv_create_topics_req q;
    char name[NAME];
    struct vrv_err e;

    name_of(k, k->made++, name);
    VRV_WIRE_INIT(create_topics_req, &q);
    VRV_WIRE_INIT(create_topics_req_topic, &t);
    t.name = vrv_str(name);
    t.num_partitions = 1 + (int32_t)vrv_rand_below(&k->p.rand, 5);
    t.replication_factor = 1;
    t.configs.v = k->p.l->of[TOPICS].v;
    t.configs.n = k->p.l->of[TOPICS].n;
    q.timeout_ms = TIMEOUT_MS;
    q.topics.v = &t;
    q.topics.n = 1;
    history_add(h, k->p.name, "create %s %d", name, t.num_partitions);
    if (PROCESS_CALL(&k->p, create_topics, CREATE_VERSION, &q, &resp, &e) < 0)
        history_add(h, k->p.name, "create-unknown %s %s", name, e.msg);
    else if (resp->topics.n == 1 && resp->topics.v[0].error_code == 0)
        history_add(h, k->p.name, "created %s", name);
    else
        history_add(h, k->p.name, "create-unknown %s %s", name,
            resp->topics.n == 1 ? vrv_kerror_name(resp->topics.v[0].error_code) : "nothing");
    for (int32_t i = 0; are_filled(k) && i < t.num_partitions; i++)
        if (client_is_connected(k->p.c))
            fill(k, name, i);
}

static void
delete_oldest(struct keeper *k)
{
    struct history *h = k->p.l->history;
    const struct vrv_delete_topics_resp *resp;
    struct vrv_delete_topics_req q;
    struct vrv_str names;
    char name[NAME];
    struct vrv_err e;

    name_of(k, k->deleted++, name);
    names = vrv_str(name);
    VRV_WIRE_INIT(delete_topics_req, &q);
    q.timeout_ms = TIMEOUT_MS;
    q.topic_names = (struct vrv_strs){ &names, 1 };
    history_add(h, k->p.name, "delete %s", name);
    if (PROCESS_CALL(&k->p, delete_topics, DELETE_VERSION, &q, &resp, &e) < 0)
        history_add(h, k->p.name, "delete-unknown %s %s", name, e.msg);
    else if (resp->responses.n == 1 && resp->responses.v[0].error_code == 0)
        history_add(h, k->p.name, "deleted %s", name);
    else
        history_add(h, k->p.name, "delete-unknown %s %s", name,
            resp->responses.n == 1 ? vrv_kerror_name(resp->responses.v[0].error_code) : "nothing");
}

static bool
is_mine(const struct vrv_metadata_resp_topic *t)
{
    return !t->is_internal && t->error_code == 0;
}

/* Partitions that don't say what they should are not counted. */
static int
good_partitions(const struct vrv_metadata_resp_topic *t)
{
    int n = 0;

    for (int32_t i = 0; i < t->partitions.n; i++)
        n += t->partitions.v[i].error_code == 0 && t->partitions.v[i].leader_id >= 0;
    return n;
}

/* Do all partitions of a topic answer? */
static void
look_into(struct keeper *k, const char *name, int partitions)
{
    struct vrv_list_offsets_req_partition part;
    struct vrv_list_offsets_req_topic t;
    const struct vrv_list_offsets_resp *resp;
    struct vrv_list_offsets_req q;
    struct vrv_err e;

    for (int i = 0; i < partitions; i++) {
        VRV_WIRE_INIT(list_offsets_req, &q);
        VRV_WIRE_INIT(list_offsets_req_topic, &t);
        VRV_WIRE_INIT(list_offsets_req_partition, &part);
        part.partition_index = i;
        part.timestamp = LATEST;
        q.replica_id = -1;
        t.name = vrv_str(name);
        t.partitions.v = &part;
        q.topics.v = &t;
        q.topics.n = t.partitions.n = 1;
        if (PROCESS_CALL(&k->p, list_offsets, LIST_VERSION, &q, &resp, &e) < 0)
            return;
        if (resp->topics.n != 1 || resp->topics.v[0].partitions.n != 1 ||
            resp->topics.v[0].partitions.v[0].error_code != 0)
            history_add(k->p.l->history, k->p.name, "broken %s/%d", name, i);
    }
}

static void
write_list(struct keeper *k, const struct vrv_metadata_resp *resp)
{
    FILE *line = history_begin(k->p.l->history, k->p.name);

    (void)fprintf(line, "listed");
    for (int32_t i = 0; i < resp->topics.n; i++) {
        const struct vrv_metadata_resp_topic *t = &resp->topics.v[i];

        if (!is_mine(t))
            continue;
        (void)fprintf(line, " %.*s/%d/", t->name.n, t->name.p, good_partitions(t));
        for (size_t b = 0; b < sizeof(t->topic_id); b++)
            (void)fprintf(line, "%02x", ((const uint8_t *)&t->topic_id)[b]);
    }
    history_end(k->p.l->history);
}

static void
list(struct keeper *k)
{
    const struct vrv_metadata_resp *resp;
    struct vrv_metadata_req q;
    struct vrv_err e;
    char name[NAME];

    VRV_WIRE_INIT(metadata_req, &q);
    q.topics.v = NULL; /* all */
    history_add(k->p.l->history, k->p.name, "list");
    if (PROCESS_CALL(&k->p, metadata, METADATA_VERSION, &q, &resp, &e) < 0)
        return;
    write_list(k, resp);
    if (resp->topics.n == 0)
        return;
    const struct vrv_metadata_resp_topic *t =
        &resp->topics.v[vrv_rand_below(&k->p.rand, (uint64_t)resp->topics.n)];
    if (is_mine(t) && t->name.n < NAME) {
        (void)snprintf(name, NAME, "%.*s", t->name.n, t->name.p);
        look_into(k, name, t->partitions.n);
    }
}

void *
keeper_run(void *ctx)
{
    struct start *s = ctx;
    struct keeper k = { .made = 0 };
    int64_t at[PLACES_MAX];

    process_init(&k.p, s->l, 'k', s->number);
    while (!atomic_load(&s->l->done) && atomic_load(&s->l->failed) == 0) {
        if (!process_connect(&k.p))
            continue;
        list(&k);
        if (client_is_connected(k.p.c))
            (void)ask_committed(&k.p, &groups[vrv_rand_below(&k.p.rand, GROUPS)], at);
        if (client_is_connected(k.p.c) && k.made - k.deleted >= (are_filled(&k) ? KEPT_FILLED : KEPT))
            delete_oldest(&k);
        else if (client_is_connected(k.p.c))
            create(&k);
        pause_ms(ROUND_MS);
    }
    process_fini(&k.p);
    return NULL;
}
