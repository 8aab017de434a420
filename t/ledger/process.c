#include <inttypes.h>
#include <time.h>

#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/ledger.h"

enum { AGAIN_MS = 5, LIST_VERSION = 7, OFFSET_FETCH_VERSION = 7, LATEST = -1, EARLIEST = -2 };

void
pause_ms(int ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    (void)nanosleep(&t, NULL);
}

bool
once_in(struct process *p, uint64_t n)
{
    return vrv_rand_below(&p->rand, n) == 0;
}

void
process_init(struct process *p, struct ledger *l, char kind, int number)
{
    *p = (struct process){ .l = l, .number = number };
    (void)snprintf(p->name, NAME, "%c%d", kind, number);
    p->rand.state = l->seed * 1000003 + (uint64_t)kind * 1009 + (uint64_t)number;
    p->c = client_new(l->port, p->name);
}

void
process_fini(struct process *p)
{
    client_free(&p->c);
}

void
process_broken(struct process *p, const struct vrv_err *e)
{
    if (e->code == VRV_E_IO)
        return;
    history_add(p->l->history, p->name, "%s %s", e->code == VRV_E_TIMEDOUT ? "stuck" : "malformed",
        e->msg);
    atomic_fetch_add(&p->l->failed, 1);
}

bool
process_connect(struct process *p)
{
    struct vrv_err e;

    if (client_is_connected(p->c) || client_connect(p->c, &e) == 0)
        return true;
    pause_ms(AGAIN_MS);
    return false;
}

int
process_call(struct process *p, int16_t key, int16_t version, const void *request,
    const void **response, struct vrv_err *e)
{
    int rc = client_call(p->c, key, version, request, response, e);

    if (rc < 0)
        process_broken(p, e);
    return rc;
}

/* ---- questions that more than one has ---- */

static void
write_committed(struct process *p, uint64_t id, const struct group *g,
    const struct vrv_offset_fetch_resp *resp, int64_t *at)
{
    FILE *line = history_begin(p->l->history, p->name);
    int n = 0;

    (void)fprintf(line, "fetched %" PRIu64 " %s", id, g->name);
    for (int32_t t = 0; t < resp->topics.n; t++)
        for (int32_t i = 0; i < resp->topics.v[t].partitions.n; i++) {
            const struct vrv_offset_fetch_resp_partition *part =
                &resp->topics.v[t].partitions.v[i];

            (void)fprintf(line, " %s/%d=%" PRId64, topics[g->topic[t]].name, part->partition_index,
                part->committed_offset);
            at[n++] = part->committed_offset;
        }
    history_end(p->l->history);
}

/* As asked for, and without an error? */
static int
check_committed(const struct group *g, const struct vrv_offset_fetch_resp *resp)
{
    if (resp->error_code != 0 || resp->topics.n != g->topics)
        return VRV_E_AGAIN;
    for (int t = 0; t < g->topics; t++) {
        const struct vrv_offset_fetch_resp_topic *rt = &resp->topics.v[t];

        if (rt->partitions.n != topics[g->topic[t]].partitions)
            return VRV_E_AGAIN;
        for (int32_t i = 0; i < rt->partitions.n; i++)
            if (rt->partitions.v[i].error_code != 0 || rt->partitions.v[i].partition_index != i)
                return VRV_E_AGAIN;
    }
    return 0;
}

int
ask_committed(struct process *p, const struct group *g, int64_t *at)
{
    static atomic_uint_fast64_t next_id;
    int32_t numbers[PARTITIONS_MAX] = { 0, 1, 2, 3 };
    struct vrv_offset_fetch_req_topic t[TOPICS];
    const struct vrv_offset_fetch_resp *resp;
    struct vrv_offset_fetch_req q;
    struct vrv_err e;
    uint64_t id = atomic_fetch_add(&next_id, 1);
    int n = 0;

    VRV_WIRE_INIT(offset_fetch_req, &q);
    q.group_id = vrv_str(g->name);
    q.topics.v = t;
    q.topics.n = g->topics;
    for (int i = 0; i < g->topics; i++) {
        VRV_WIRE_INIT(offset_fetch_req_topic, &t[i]);
        t[i].name = vrv_str(topics[g->topic[i]].name);
        t[i].partition_indexes = (struct vrv_i32s){ numbers, topics[g->topic[i]].partitions };
        n += topics[g->topic[i]].partitions;
    }
    history_add(p->l->history, p->name, "fetch %" PRIu64 " %s", id, g->name);
    int rc = PROCESS_CALL(p, offset_fetch, OFFSET_FETCH_VERSION, &q, &resp, &e);
    if (rc == 0)
        rc = check_committed(g, resp);
    if (rc == 0)
        write_committed(p, id, g, resp, at);
    return rc < 0 ? rc : n;
}

static int
ask_offsets(struct process *p, int64_t which, int64_t at[TOPICS][PARTITIONS_MAX])
{
    struct vrv_list_offsets_req_partition part[TOPICS][PARTITIONS_MAX];
    struct vrv_list_offsets_req_topic t[TOPICS];
    const struct vrv_list_offsets_resp *resp;
    struct vrv_list_offsets_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(list_offsets_req, &q);
    q.replica_id = -1;
    q.topics.v = t;
    q.topics.n = TOPICS;
    for (int i = 0; i < TOPICS; i++) {
        VRV_WIRE_INIT(list_offsets_req_topic, &t[i]);
        t[i].name = vrv_str(topics[i].name);
        t[i].partitions.v = part[i];
        t[i].partitions.n = topics[i].partitions;
        for (int k = 0; k < topics[i].partitions; k++) {
            VRV_WIRE_INIT(list_offsets_req_partition, &part[i][k]);
            part[i][k].partition_index = k;
            part[i][k].timestamp = which;
        }
    }
    int rc = PROCESS_CALL(p, list_offsets, LIST_VERSION, &q, &resp, &e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < TOPICS; i++)
        for (int k = 0; k < topics[i].partitions; k++) {
            if (resp->topics.n != TOPICS || resp->topics.v[i].partitions.n != topics[i].partitions ||
                resp->topics.v[i].partitions.v[k].error_code != 0)
                return VRV_E_AGAIN;
            at[i][k] = resp->topics.v[i].partitions.v[k].offset;
        }
    return 0;
}

int
ask_ends(struct process *p, int64_t at[TOPICS][PARTITIONS_MAX])
{
    return ask_offsets(p, LATEST, at);
}

int
ask_starts(struct process *p, int64_t at[TOPICS][PARTITIONS_MAX])
{
    int rc = ask_offsets(p, EARLIEST, at);

    if (rc < 0)
        return rc;
    FILE *line = history_begin(p->l->history, p->name);
    (void)fprintf(line, "starts");
    for (int t = 0; t < TOPICS; t++)
        for (int i = 0; i < topics[t].partitions; i++)
            (void)fprintf(line, " %s/%d=%" PRId64, topics[t].name, i, at[t][i]);
    history_end(p->l->history);
    return 0;
}
