/* The topics of `varve bench tiers`: made, filled with records that nobody has seen before, and deleted. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/record.h"
#include "server/base/kerrors.h"
#include "server/tool/bench_tiers.h"
#include "server/tool/progress.h"
#include "server/tool/tool.h"

enum { CREATE_VERSION = 2, DELETE_VERSION = 1, PATIENCE_MS = 30000, ARENA_MAX = 16 << 20 };
enum { CRC_AT = 17, CRC_FROM = 21, UNDER_WAY = 16, SETTINGS_MAX = 8 };

/* ---- making ---- */

static int
make(struct tiers *t, struct tiers_topic *topic, int32_t partitions,
    const struct tiers_setting *settings, struct vrv_err *e)
{
    struct vrv_create_topics_req_config config[SETTINGS_MAX];
    struct vrv_create_topics_req_topic q1 = { .name = vrv_str(topic->name),
        .num_partitions = partitions, .replication_factor = 1, .configs = { config, 0 } };
    struct vrv_create_topics_req q = { .topics = { &q1, 1 }, .timeout_ms = PATIENCE_MS };
    struct vrv_create_topics_resp resp;
    struct vrv_arena a;

    for (; settings[q1.configs.n].key != NULL && q1.configs.n < SETTINGS_MAX; q1.configs.n++)
        config[q1.configs.n] = (struct vrv_create_topics_req_config){
            vrv_str(settings[q1.configs.n].key), vrv_str(settings[q1.configs.n].value) };
    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_create_topics, CREATE_VERSION, &q, &a, &resp, e);
    if (rc == 0 && (resp.topics.n != 1 || resp.topics.v[0].error_code != VRV_K_NONE))
        rc = vrv_err_set(e, VRV_E_INVALID, "topic %s can't be made: %.*s", topic->name,
            resp.topics.n == 1 ? (int)resp.topics.v[0].error_message.n : 0,
            resp.topics.n == 1 ? resp.topics.v[0].error_message.p : "");
    vrv_arena_fini(&a);
    return rc;
}

/* Where the values are in a batch: the same in all of them. */
static int
find_values(struct tiers *t, const struct bench_request *r, struct vrv_err *e)
{
    const uint8_t *p = r->frame + r->batch_at;
    struct vrv_record_iter it;
    struct vrv_record rec;
    struct vrv_batch b;
    size_t n = 0;

    int rc = vrv_batch_read(&b, p, r->batch_n, e);
    if (rc == 0)
        rc = vrv_record_iter_init(&it, p, &b, e);
    if (rc < 0)
        return rc;
    free(t->value_at);
    t->value_at = vrv_mem_zero((size_t)b.count * sizeof(*t->value_at));
    while ((rc = vrv_record_next(&it, &rec, e)) > 0)
        t->value_at[n++] = (size_t)(rec.value - p);
    vrv_record_iter_fini(&it);
    return rc;
}

int
tiers_topic_make(struct tiers *t, struct tiers_topic *topic, int32_t partitions,
    const struct tiers_setting *settings, struct vrv_err *e)
{
    topic->made = true; /* perhaps also when that isn't known */
    topic->n = partitions;
    topic->part = vrv_mem_zero((size_t)partitions * sizeof(*topic->part));
    int rc = make(t, topic, partitions, settings, e);
    if (rc == 0)
        rc = bench_load_init(&topic->load, &topic->o, t->link, e);
    return rc;
}

/* ---- deleting ---- */

static int
drop(struct tiers *t, const struct tiers_topic *topic, struct vrv_err *e)
{
    struct vrv_str name = vrv_str(topic->name);
    struct vrv_delete_topics_req q = { .topic_names = { &name, 1 }, .timeout_ms = PATIENCE_MS };
    struct vrv_delete_topics_resp resp;
    struct vrv_arena a;

    vrv_arena_init(&a, ARENA_MAX);
    int rc = bench_ask(t->link, VRV_API_delete_topics, DELETE_VERSION, &q, &a, &resp, e);
    int16_t code = rc == 0 && resp.responses.n == 1 ? resp.responses.v[0].error_code : 0;
    if (rc == 0 && code != VRV_K_NONE && code != VRV_K_UNKNOWN_TOPIC_OR_PARTITION)
        rc = vrv_err_set(e, VRV_E_IO, "%s", vrv_kerror_text(code));
    vrv_arena_fini(&a);
    return rc;
}

void
tiers_topic_drop(struct tiers *t, struct tiers_topic *topic)
{
    struct vrv_err e = { 0 };

    if (topic->made && drop(t, topic, &e) < 0)
        tool_say("topic %s stays, delete it with varve topic rm: %s", topic->name, e.msg);
    for (int32_t i = 0; i < topic->n; i++)
        free(topic->part[i].sum);
    free(topic->part);
    bench_load_fini(&topic->load);
}

/* ---- filling ---- */

static uint64_t
draw(struct tiers *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* Values that nobody can compress, nor have seen before. */
static uint32_t
renew(struct tiers *t, const struct tiers_topic *topic, struct bench_request *r)
{
    uint8_t *batch = r->frame + r->batch_at;
    size_t size = (size_t)topic->o.record_bytes;

    for (uint64_t i = 0; i < r->records; i++) {
        uint8_t *p = batch + t->value_at[i];
        uint64_t x = 0;

        for (size_t k = 0; k + sizeof(x) <= size; k += sizeof(x)) {
            x = draw(t);
            memcpy(p + k, &x, sizeof(x));
        }
    }
    uint32_t crc = vrv_crc32c(0, batch + CRC_FROM, r->batch_n - CRC_FROM);
    vrv_put_be32(batch + CRC_AT, crc);
    return crc;
}

uint64_t
tiers_sum(int64_t offset, uint32_t crc)
{
    uint64_t x = (uint64_t)offset * 0x9e3779b97f4a7c15 ^ crc; /* splitmix64 */

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

int64_t
tiers_batch_bytes(const struct tiers_topic *topic)
{
    return (int64_t)topic->load.produce[0].batch_n;
}

/* It was handed over: what reading it is to find. */
static void
note(struct tiers_part *p, const struct bench_request *r, uint32_t crc)
{
    if (p->n + 1 >= p->cap) {
        p->cap = 2 * p->cap + 64;
        p->sum = vrv_mem_grow(p->sum, (size_t)p->cap * sizeof(*p->sum));
        if (p->n == 0)
            p->sum[0] = 0;
    }
    p->sum[p->n + 1] = p->sum[p->n] + tiers_sum(p->n * (int64_t)r->records, crc);
    p->n++;
}

static int
take_answers(struct bench_link *l, struct vrv_err *e)
{
    const uint8_t *p;
    int64_t due;
    size_t n;
    int rc = bench_link_fill(l, e);

    while (rc == 0 && bench_link_answer(l, &p, &n, &due))
        rc = bench_check_produced(p, n, e);
    return rc;
}

static int
wait_link(struct bench_link *l, struct vrv_err *e)
{
    struct pollfd pfd = { .fd = l->fd,
        .events = (short)(POLLIN | (l->out.n > l->out_at ? POLLOUT : 0)) };
    int n = poll(&pfd, 1, PATIENCE_MS);

    if (n == 0)
        return vrv_err_set(e, VRV_E_TIMEDOUT, "records are not acknowledged for %d s",
            PATIENCE_MS / 1000);
    int rc = bench_link_flush(l, e);
    return rc == 0 && (pfd.revents & ~POLLOUT) ? take_answers(l, e) : rc;
}

struct fill {
    struct tiers *t;
    struct tiers_topic *topic;
    int32_t first, n;
    int64_t batches, sent; /* of all partitions */
    struct bench_link *link;
};

static int
send_one(struct fill *f, struct vrv_err *e)
{
    int32_t p = f->first + (int32_t)(f->sent++ % f->n);
    struct bench_request *r = &f->topic->load.produce[p];

    note(&f->topic->part[p], r, renew(f->t, f->topic, r));
    return bench_link_send(f->link, r->frame, r->n, bench_now(), e);
}

static int
fill(struct fill *f, struct vrv_err *e)
{
    int64_t size = tiers_batch_bytes(f->topic);
    struct progress bar = { .total = 0 };
    int rc = 0;

    progress_begin(&bar, (uint64_t)(f->batches * size));
    while (rc == 0 && (f->sent < f->batches || bench_link_in_flight(f->link) > 0)) {
        int64_t before = f->sent;

        while (rc == 0 && f->sent < f->batches && bench_link_in_flight(f->link) < UNDER_WAY)
            rc = send_one(f, e);
        progress_add(&bar, (uint64_t)((f->sent - before) * size));
        if (rc == 0)
            rc = wait_link(f->link, e);
        if (rc == 0)
            rc = tiers_stopped(e);
    }
    progress_clear(&bar);
    return rc;
}

int
tiers_fill(struct tiers *t, struct tiers_topic *topic, int32_t first, int32_t n, int64_t bytes,
    int64_t *ns, struct vrv_err *e)
{
    int64_t begun = bench_now(), each = bytes / tiers_batch_bytes(topic);
    struct fill f = { t, topic, first, n, (each > 0 ? each : 1) * n, 0,
        VRV_NEW(struct bench_link) };

    int rc = find_values(t, &topic->load.produce[0], e);
    if (rc == 0)
        rc = bench_link_open(f.link, t->o->host, t->o->port, e);
    else
        f.link->fd = -1;
    if (rc == 0)
        rc = fill(&f, e);
    bench_link_close(f.link);
    free(f.link);
    *ns = bench_now() - begun;
    return rc;
}
