/*
 * A member of a consumer group: joins, assigns if it leads, goes on where the group had committed,
 * reads, commits; now and then it leaves, or vanishes without a word.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "server/base/kerrors.h"
#include "server/wire/wire.h"
#include "t/ledger/fetcher.h"

enum { JOIN_VERSION = 7, SYNC_VERSION = 5, HEARTBEAT_VERSION = 4, LEAVE_VERSION = 4 };
enum { COMMIT_VERSION = 8, SESSION_MS = 2000, MEMBER_ID = 128, MEMBERS_MAX = 16, BYTES = 512 };
enum { COMMIT_ONE_IN = 4, LEAVE_ONE_IN = 150, VANISH_ONE_IN = 300, AGAIN_MS = 10 };

struct member {
    struct process p; /* first */
    struct fetcher f;
    const struct group *g;
    char id[MEMBER_ID];       /* empty: none yet */
    char instance[NAME];      /* of a static member */
    int32_t generation;       /* -1: has to join */
    uint64_t next_commit;
};

static struct vrv_str
instance_of(const struct member *m)
{
    return vrv_str(m->g->is_static ? m->instance : NULL);
}

static void
set_id(struct member *m, struct vrv_str id)
{
    (void)snprintf(m->id, MEMBER_ID, "%.*s", id.n, id.p != NULL ? id.p : "");
}

/* The coordinator said no: what to do about it. */
static void
refused(struct member *m, enum vrv_kerror code)
{
    m->generation = -1;
    if (code == VRV_K_UNKNOWN_MEMBER_ID || code == VRV_K_FENCED_INSTANCE_ID)
        m->id[0] = '\0';
    else if (code != VRV_K_REBALANCE_IN_PROGRESS)
        pause_ms(AGAIN_MS);
}

/* ---- the consumer protocol: what members tell each other ---- */

/* version, topics, user data */
static struct vrv_bytes
make_subscription(const struct member *m, uint8_t *p)
{
    uint8_t *at = p;

    vrv_put_be16(at, 0);
    vrv_put_be32(at + 2, (uint32_t)m->g->topics);
    at += 6;
    for (int i = 0; i < m->g->topics; i++) {
        const char *name = topics[m->g->topic[i]].name;

        vrv_put_be16(at, (uint16_t)strlen(name));
        memcpy(at + 2, name, strlen(name));
        at += 2 + strlen(name);
    }
    vrv_put_be32(at, UINT32_MAX);
    return (struct vrv_bytes){ p, (int32_t)(at + 4 - p) };
}

/* version, topics with partitions, user data: of all partitions each n-th. */
static struct vrv_bytes
make_assignment(const struct member *m, int member, int members, uint8_t *p)
{
    uint8_t *at = p + 6;
    int number = 0;

    vrv_put_be16(p, 0);
    vrv_put_be32(p + 2, (uint32_t)m->g->topics);
    for (int i = 0; i < m->g->topics; i++) {
        const struct topic *t = &topics[m->g->topic[i]];
        size_t len = strlen(t->name);
        uint32_t n = 0;

        vrv_put_be16(at, (uint16_t)len);
        memcpy(at + 2, t->name, len);
        uint8_t *count = at + 2 + len;
        at = count + 4;
        for (int k = 0; k < t->partitions; k++, number++)
            if (number % members == member) {
                vrv_put_be32(at, (uint32_t)k);
                at += 4;
                n++;
            }
        vrv_put_be32(count, n);
    }
    vrv_put_be32(at, UINT32_MAX);
    return (struct vrv_bytes){ p, (int32_t)(at + 4 - p) };
}

/* Where the group's i-th partition, in order, is mine, mine[i] is set. */
static bool
read_assignment(const struct member *m, const struct vrv_bytes *b, bool *mine)
{
    const uint8_t *at = b->p + 6, *end = b->p + b->n;
    int before = 0;

    if (b->n == 0) /* the leader knew nothing of me */
        return true;
    if (b->n < 6 || (int)vrv_get_be32(b->p + 2) != m->g->topics)
        return false;
    for (int i = 0; i < m->g->topics; i++) {
        const struct topic *t = &topics[m->g->topic[i]];
        size_t len = strlen(t->name);

        if ((size_t)(end - at) < 6 + len || memcmp(at + 2, t->name, len) != 0)
            return false;
        uint32_t n = vrv_get_be32(at + 2 + len);
        at += 6 + len;
        for (uint32_t k = 0; k < n; k++, at += 4) {
            if (end - at < 4 || vrv_get_be32(at) >= (uint32_t)t->partitions)
                return false;
            mine[before + (int)vrv_get_be32(at)] = true;
        }
        before += t->partitions;
    }
    return true;
}

/* ---- joining ---- */

static bool
join(struct member *m, const struct vrv_join_group_resp **resp)
{
    uint8_t bytes[BYTES];
    struct vrv_join_group_req_protocol proto = { vrv_str("ledger"), make_subscription(m, bytes) };
    struct vrv_join_group_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(join_group_req, &q);
    q.group_id = vrv_str(m->g->name);
    q.session_timeout_ms = q.rebalance_timeout_ms = SESSION_MS;
    q.member_id = vrv_str(m->id);
    q.group_instance_id = instance_of(m);
    q.protocol_type = vrv_str("consumer");
    q.protocols.v = &proto;
    q.protocols.n = 1;
    if (PROCESS_CALL(&m->p, join_group, JOIN_VERSION, &q, resp, &e) < 0)
        return false;
    if ((*resp)->error_code == VRV_K_MEMBER_ID_REQUIRED)
        set_id(m, (*resp)->member_id);
    else if ((*resp)->error_code != 0)
        refused(m, (enum vrv_kerror)(*resp)->error_code);
    else
        set_id(m, (*resp)->member_id);
    return (*resp)->error_code == 0;
}

/* Then mine[] says which partitions of the group are this member's. */
static bool
sync_group(struct member *m, const struct vrv_join_group_resp *joined, bool *mine)
{
    uint8_t bytes[MEMBERS_MAX][BYTES];
    struct vrv_sync_group_req_assignment a[MEMBERS_MAX];
    const struct vrv_sync_group_resp *resp;
    struct vrv_sync_group_req q;
    int32_t generation = joined->generation_id;
    struct vrv_err e;

    VRV_WIRE_INIT(sync_group_req, &q);
    q.group_id = vrv_str(m->g->name);
    q.generation_id = generation;
    q.member_id = vrv_str(m->id);
    q.group_instance_id = instance_of(m);
    q.protocol_type = vrv_str("consumer");
    q.protocol_name = vrv_str("ledger");
    q.assignments.v = a;
    q.assignments.n = joined->members.n; /* only the leader is told of members */
    VRV_ASSERT(joined->members.n <= MEMBERS_MAX);
    for (int32_t i = 0; i < joined->members.n; i++) {
        a[i].member_id = joined->members.v[i].member_id;
        a[i].assignment = make_assignment(m, i, joined->members.n, bytes[i]);
    }
    if (PROCESS_CALL(&m->p, sync_group, SYNC_VERSION, &q, &resp, &e) < 0)
        return false;
    if (resp->error_code != 0) {
        refused(m, (enum vrv_kerror)resp->error_code);
        return false;
    }
    if (!read_assignment(m, &resp->assignment, mine)) {
        history_add(m->p.l->history, m->p.name, "malformed assignment");
        return false;
    }
    m->generation = generation;
    return true;
}

/* The group's partitions in order. */
static struct place
place_of(const struct group *g, int i)
{
    int t = 0;

    while (i >= topics[g->topic[t]].partitions)
        i -= topics[g->topic[t++]].partitions;
    return (struct place){ .topic = g->topic[t], .partition = i };
}

static int
partitions_of(const struct group *g)
{
    int n = 0;

    for (int t = 0; t < g->topics; t++)
        n += topics[g->topic[t]].partitions;
    return n;
}

static void
write_assigned(struct member *m, const bool *mine)
{
    FILE *line = history_begin(m->p.l->history, m->p.name);

    (void)fprintf(line, "assigned %s %d", m->g->name, m->generation);
    for (int i = 0; i < partitions_of(m->g); i++) {
        struct place pl = place_of(m->g, i);

        if (mine[i])
            (void)fprintf(line, " %s/%d", topics[pl.topic].name, pl.partition);
    }
    history_end(m->p.l->history);
}

static void
take_part(struct member *m)
{
    const struct vrv_join_group_resp *joined = NULL;
    bool mine[PLACES_MAX] = { false };
    int64_t at[PLACES_MAX];

    if (!join(m, &joined) || !sync_group(m, joined, mine))
        return;
    write_assigned(m, mine);
    if (ask_committed(&m->p, m->g, at) < 0) {
        m->generation = -1;
        return;
    }
    fetcher_clear(&m->f);
    for (int i = 0; i < partitions_of(m->g); i++) {
        struct place pl = place_of(m->g, i);

        if (mine[i])
            fetcher_add(&m->f, pl.topic, pl.partition, at[i] < 0 ? 0 : at[i]);
    }
}

/* ---- being a member ---- */

/* NOT_COORDINATOR is not among them: as in Kafka it is also the answer when the disk failed, and then
 * nobody knows. */
static bool
was_not_committed(enum vrv_kerror code)
{
    return code == VRV_K_ILLEGAL_GENERATION || code == VRV_K_UNKNOWN_MEMBER_ID ||
        code == VRV_K_REBALANCE_IN_PROGRESS || code == VRV_K_FENCED_INSTANCE_ID ||
        code == VRV_K_COORDINATOR_LOAD_IN_PROGRESS;
}

/* All of them have one error, or none. */
static void
committed(struct member *m, uint64_t id, const struct vrv_offset_commit_resp *resp)
{
    enum vrv_kerror code = VRV_K_NONE;

    for (int32_t t = 0; t < resp->topics.n; t++)
        for (int32_t i = 0; i < resp->topics.v[t].partitions.n; i++)
            if (resp->topics.v[t].partitions.v[i].error_code != 0)
                code = (enum vrv_kerror)resp->topics.v[t].partitions.v[i].error_code;
    if (code == VRV_K_NONE) {
        history_add(m->p.l->history, m->p.name, "committed %" PRIu64, id);
        return;
    }
    history_add(m->p.l->history, m->p.name, "%s %" PRIu64 " %s",
        was_not_committed(code) ? "uncommitted" : "commit-unknown", id, vrv_kerror_name(code));
    refused(m, code);
}

static void
write_commit(struct member *m, uint64_t id)
{
    FILE *line = history_begin(m->p.l->history, m->p.name);

    (void)fprintf(line, "commit %" PRIu64 " %s", id, m->g->name);
    for (int i = 0; i < m->f.n; i++)
        (void)fprintf(line, " %s/%d=%" PRId64, topics[m->f.place[i].topic].name,
            m->f.place[i].partition, m->f.place[i].at);
    history_end(m->p.l->history);
}

static void
commit(struct member *m)
{
    struct vrv_offset_commit_req_partition part[PLACES_MAX];
    struct vrv_offset_commit_req_topic t[PLACES_MAX];
    const struct vrv_offset_commit_resp *resp;
    struct vrv_offset_commit_req q;
    struct vrv_err e;
    uint64_t id = m->next_commit++;

    VRV_WIRE_INIT(offset_commit_req, &q);
    q.group_id = vrv_str(m->g->name);
    q.generation_id_or_member_epoch = m->generation;
    q.member_id = vrv_str(m->id);
    q.group_instance_id = instance_of(m);
    q.topics.v = t;
    q.topics.n = m->f.n;
    for (int i = 0; i < m->f.n; i++) {
        VRV_WIRE_INIT(offset_commit_req_topic, &t[i]);
        VRV_WIRE_INIT(offset_commit_req_partition, &part[i]);
        part[i].partition_index = m->f.place[i].partition;
        part[i].committed_offset = m->f.place[i].at;
        part[i].committed_metadata = vrv_str("");
        t[i].name = vrv_str(topics[m->f.place[i].topic].name);
        t[i].partitions.v = &part[i];
        t[i].partitions.n = 1;
    }
    write_commit(m, id);
    if (PROCESS_CALL(&m->p, offset_commit, COMMIT_VERSION, &q, &resp, &e) == 0)
        committed(m, id, resp);
    else
        history_add(m->p.l->history, m->p.name, "commit-unknown %" PRIu64 " %s", id, e.msg);
}

static void
heartbeat(struct member *m)
{
    const struct vrv_heartbeat_resp *resp;
    struct vrv_heartbeat_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(heartbeat_req, &q);
    q.group_id = vrv_str(m->g->name);
    q.generation_id = m->generation;
    q.member_id = vrv_str(m->id);
    q.group_instance_id = instance_of(m);
    if (PROCESS_CALL(&m->p, heartbeat, HEARTBEAT_VERSION, &q, &resp, &e) < 0)
        return;
    if (resp->error_code == VRV_K_REBALANCE_IN_PROGRESS && m->f.n > 0)
        commit(m);
    if (resp->error_code != 0)
        refused(m, (enum vrv_kerror)resp->error_code);
}

static void
leave(struct member *m)
{
    struct vrv_leave_group_req_member who;
    const struct vrv_leave_group_resp *resp;
    struct vrv_leave_group_req q;
    struct vrv_err e;

    VRV_WIRE_INIT(leave_group_req, &q);
    VRV_WIRE_INIT(leave_group_req_member, &who);
    who.member_id = vrv_str(m->id);
    who.group_instance_id = instance_of(m);
    q.group_id = vrv_str(m->g->name);
    q.members.v = &who;
    q.members.n = 1;
    (void)PROCESS_CALL(&m->p, leave_group, LEAVE_VERSION, &q, &resp, &e);
}

static void
work(struct member *m)
{
    bool calm = !atomic_load(&m->p.l->stopping);

    if (m->f.n > 0 && fetcher_poll(&m->f) < 0)
        return;
    if (m->f.n == 0)
        pause_ms(AGAIN_MS);
    heartbeat(m);
    if (m->generation >= 0 && m->f.n > 0 && once_in(&m->p, COMMIT_ONE_IN))
        commit(m);
    bool leaves = calm && once_in(&m->p, LEAVE_ONE_IN);
    bool vanishes = calm && once_in(&m->p, VANISH_ONE_IN);
    if (leaves)
        leave(m);
    if (vanishes)
        client_close(m->p.c);
    if (leaves || vanishes) {
        m->id[0] = '\0';
        m->generation = -1;
    }
}

void *
member_run(void *ctx)
{
    struct start *s = ctx;
    struct member *m = VRV_NEW(struct member);

    process_init(&m->p, s->l, 'm', s->number);
    m->g = &groups[s->number % GROUPS];
    m->f = (struct fetcher){ .p = &m->p, .with_session = s->number % 2 == 0 };
    m->generation = -1;
    (void)snprintf(m->instance, NAME, "i%d", s->number);
    while (!atomic_load(&s->l->done) && atomic_load(&s->l->failed) == 0) {
        if (!process_connect(&m->p))
            continue;
        if (m->generation < 0)
            take_part(m);
        else
            work(m);
    }
    process_fini(&m->p);
    free(m);
    return NULL;
}
