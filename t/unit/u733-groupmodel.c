/*
 * Thousands of random calls, by seed: clients that join, sync, commit, leave, vanish, come back as
 * static members; commits from outside; deletions; time that passes; ownership that goes and comes;
 * power cuts.  Nothing is waited for, so many calls are under way at any time.  What must hold is
 * checked with every answer:
 *
 * - in one generation no partition is given to two members;
 * - a group's generations rise, also over restarts, until it is deleted;
 * - an acknowledged commit is there until a later one, or a deletion; so is one that was once seen;
 * - what was refused is never seen, nor what nobody committed;
 * - every call is answered, once.
 *
 * VARVE_SEED is the first seed, VARVE_RUNS how many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "t/lib/grouprig.h"
#include "t/lib/tap.h"

enum {
    GROUPS = 2,
    CLIENTS = 4,       /* per group */
    PARTS = 4,         /* that the leader hands out, and that are committed */
    STEPS = 4000,
    OPS_MAX = 60,
    SEQ_MAX = 8192,
    GENERATIONS = 2048,
    ID_BYTES = 96,
};

enum kind { JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, FETCH, DELETE, KINDS };

static const char *const group_names[GROUPS] = { "gruppe-\xc3\xa9", "a\nb" };
static const char *const part_names[] = { "0", "1", "2", "3" };

struct op {
    struct op *next;
    enum kind kind;
    int group, client, part;
    uint32_t life;             /* of the client */
    uint32_t seq;
    uint32_t incarnation;      /* of the group, when it was asked */
    int32_t floor_generation;  /* as all here, of the time when it was asked */
    uint32_t floor_committed, floor_deleted;
    char member[ID_BYTES], instance[16];
    struct vrv_join_protocol protocol;
    struct vrv_sync_assignment assignment[CLIENTS * 4];
    char assigned[CLIENTS * 4][PARTS + 1], ids[CLIENTS * 4][ID_BYTES];
    struct vrv_leaver leaver;
    struct vrv_commit_item commit_item;
    struct vrv_fetch_item fetch_item;
    union {
        struct vrv_group_call call;
        struct vrv_join join;
        struct vrv_sync sync;
        struct vrv_heartbeat heartbeat;
        struct vrv_leave leave;
        struct vrv_offset_commit commit;
        struct vrv_offset_fetch fetch;
        struct vrv_delete_group del;
    } u;
};

struct client {
    char id[ID_BYTES];         /* "": it isn't a member */
    int32_t generation;
    bool busy, joined, stable; /* an op is under way; it is to sync; it has its assignment */
    uint32_t life;             /* what is answered to an earlier one is nobody's */
    /* as a leader */
    uint32_t member_n;
    char members[CLIENTS * 4][ID_BYTES];
};

struct part {
    uint32_t committed, deleted, delete_asked; /* sequence numbers */
};

static struct world {
    struct grouprig g;
    struct vrv_rand rand;
    struct client client[GROUPS][CLIENTS];
    struct part part[GROUPS][PARTS];
    char owner[GROUPS][GENERATIONS][PARTS][ID_BYTES];
    int32_t generation[GROUPS];      /* the highest that was synced */
    uint32_t incarnation[GROUPS];
    uint32_t refused[SEQ_MAX];
    uint32_t seq;
    struct op *ops;
    int op_n;
    uint64_t answered[KINDS], fine[KINDS];
    int bad;
} w;

static uint64_t
below(uint64_t n)
{
    return vrv_rand_below(&w.rand, n);
}

static void
wrong(const char *what, int group, int64_t a, int64_t b)
{
    if (w.bad++ < 5)
        tap_note("%s: group %d, %" PRId64 " %" PRId64, what, group, a, b);
}

static void
put(char *to, size_t n, struct vrv_span s)
{
    VRV_ASSERT(s.n < n);
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

/* ---- asking ---- */

static struct op *
ask(enum kind kind, int group, int client)
{
    struct op *op = calloc(1, sizeof(*op));

    VRV_ASSERT(op != NULL);
    op->kind = kind;
    op->group = group;
    op->client = client;
    op->seq = ++w.seq;
    VRV_ASSERT(w.seq < SEQ_MAX);
    op->incarnation = w.incarnation[group];
    op->floor_generation = w.generation[group];
    op->u.call.done.cq = &w.g.cq;
    op->next = w.ops;
    w.ops = op;
    w.op_n++;
    if (client >= 0) {
        struct client *c = &w.client[group][client];

        c->busy = true;
        op->life = c->life;
        (void)snprintf(op->member, sizeof(op->member), "%s", c->id);
    }
    return op;
}

/* Two of the clients are static. */
static struct vrv_span
instance_of(struct op *op)
{
    if (op->client >= 2)
        return VRV_SPAN_NULL;
    (void)snprintf(op->instance, sizeof(op->instance), "i%d", op->client);
    return vrv_span_str(op->instance);
}

static void
ask_join(int group, int client)
{
    struct op *op = ask(JOIN, group, client);

    op->protocol = (struct vrv_join_protocol){ vrv_span_str("p"),
        vrv_span_str(below(4) == 0 ? "new" : "old") };
    op->u.join.instance = instance_of(op);
    op->u.join.protocols = &op->protocol;
    op->u.join.protocol_n = 1;
    op->u.join.session_ms = 6000;
    op->u.join.rebalance_ms = (int32_t)(1000 + below(8000));
    op->u.join.known_id_required = client % 2 == 0;
    op->u.join.may_skip_assignment = client % 3 == 0;
    grouprig_join(&w.g, &op->u.join, group_names[group], op->member);
}

/* Each partition to one of the members that it was told of. */
static void
assign(struct op *op, const struct client *c)
{
    for (uint32_t i = 0; i < c->member_n; i++) {
        (void)snprintf(op->ids[i], ID_BYTES, "%s", c->members[i]);
        op->assignment[i] = (struct vrv_sync_assignment){ vrv_span_str(op->ids[i]),
            VRV_SPAN_EMPTY };
    }
    for (int p = 0; p < PARTS && c->member_n > 0; p++)
        (void)strcat(op->assigned[below(c->member_n)], part_names[p]);
    for (uint32_t i = 0; i < c->member_n; i++)
        op->assignment[i].assignment = vrv_span_str(op->assigned[i]);
    op->u.sync.assignments = op->assignment;
    op->u.sync.assignment_n = c->member_n;
}

static void
ask_sync(int group, int client)
{
    struct client *c = &w.client[group][client];
    struct op *op = ask(SYNC, group, client);

    op->u.sync.instance = instance_of(op);
    assign(op, c);
    grouprig_sync(&w.g, &op->u.sync, group_names[group], op->member, c->generation);
}

static void
ask_heartbeat(int group, int client)
{
    struct op *op = ask(HEARTBEAT, group, client);

    op->u.heartbeat.group = vrv_span_str(group_names[group]);
    op->u.heartbeat.member_id = vrv_span_str(op->member);
    op->u.heartbeat.instance = instance_of(op);
    op->u.heartbeat.generation = w.client[group][client].generation;
    vrv_coord_heartbeat(w.g.c, &op->u.heartbeat);
}

static void
ask_leave(int group, int client)
{
    struct op *op = ask(LEAVE, group, client);

    op->leaver = (struct vrv_leaver){ vrv_span_str(op->member), instance_of(op), 0 };
    op->u.leave.group = vrv_span_str(group_names[group]);
    op->u.leave.members = &op->leaver;
    op->u.leave.member_n = 1;
    vrv_coord_leave(w.g.c, &op->u.leave);
}

/* client -1: from outside. */
static void
ask_commit(int group, int client)
{
    struct op *op = ask(COMMIT, group, client);

    op->part = (int)below(PARTS);
    op->commit_item = (struct vrv_commit_item){ .topic = vrv_span_str("t"),
        .partition = op->part, .leader_epoch = -1,
        .offset = ((int64_t)op->seq * GROUPS + group) * PARTS + op->part };
    op->u.commit.group = vrv_span_str(group_names[group]);
    op->u.commit.member_id = client >= 0 ? vrv_span_str(op->member) : VRV_SPAN_EMPTY;
    op->u.commit.instance = client >= 0 ? instance_of(op) : VRV_SPAN_NULL;
    op->u.commit.generation = client >= 0 ? w.client[group][client].generation : -1;
    op->u.commit.retention_ms = -1;
    op->u.commit.items = &op->commit_item;
    op->u.commit.item_n = 1;
    vrv_coord_commit(w.g.c, &op->u.commit);
}

static void
ask_fetch(int group)
{
    struct op *op = ask(FETCH, group, -1);

    op->part = (int)below(PARTS);
    op->floor_committed = w.part[group][op->part].committed;
    op->floor_deleted = w.part[group][op->part].deleted;
    op->fetch_item = (struct vrv_fetch_item){ .topic = vrv_span_str("t"), .partition = op->part };
    op->u.fetch.group = vrv_span_str(group_names[group]);
    op->u.fetch.items = &op->fetch_item;
    op->u.fetch.item_n = 1;
    vrv_coord_fetch(w.g.c, &op->u.fetch);
}

static void
ask_delete(int group)
{
    struct op *op = ask(DELETE, group, -1);

    for (int p = 0; p < PARTS; p++)
        w.part[group][p].delete_asked = op->seq;
    op->u.del.group = vrv_span_str(group_names[group]);
    vrv_coord_delete_group(w.g.c, &op->u.del);
}

/* ---- answers ---- */

static void
forget_member(struct client *c)
{
    c->id[0] = '\0';
    c->joined = c->stable = false;
}

/* What a client does with an error. */
static void
heed(struct client *c, int error)
{
    if (error == VRV_K_REBALANCE_IN_PROGRESS || error == VRV_K_ILLEGAL_GENERATION)
        c->joined = c->stable = false;
    else if (!vrv_kerror_retriable(error))
        forget_member(c);
}

static void
joined(struct op *op, struct client *c)
{
    const struct vrv_join *j = &op->u.join;

    if (j->call.error == VRV_K_MEMBER_ID_REQUIRED) {
        put(c->id, ID_BYTES, j->out_member_id);
        return;
    }
    if (j->call.error != 0) {
        heed(c, j->call.error);
        return;
    }
    if (op->incarnation == w.incarnation[op->group] && j->generation < op->floor_generation)
        wrong("a generation went back", op->group, j->generation, op->floor_generation);
    put(c->id, ID_BYTES, j->out_member_id);
    c->generation = j->generation;
    c->joined = true;
    c->stable = false;
    c->member_n = 0;
    for (uint32_t i = 0; i < j->member_n && !j->skip_assignment; i++)
        put(c->members[c->member_n++], ID_BYTES, j->members[i].id);
}

/* A static member may have another id by now, and what it had is its own: its instance owns. */
static void
own(struct op *op, const char *parts)
{
    const char *who = op->client < 2 ? op->instance : op->member;

    for (const char *p = parts; *p != '\0'; p++) {
        char *owner = w.owner[op->group][op->u.sync.generation % GENERATIONS][*p - '0'];

        if (owner[0] != '\0' && strcmp(owner, who) != 0)
            wrong("a partition has two owners", op->group, op->u.sync.generation, *p - '0');
        (void)snprintf(owner, ID_BYTES, "%s", who);
    }
}

static void
synced(struct op *op, struct client *c)
{
    const struct vrv_sync *s = &op->u.sync;
    char parts[PARTS + 1];

    if (s->call.error != 0) {
        heed(c, s->call.error);
        return;
    }
    c->stable = true;
    if (op->incarnation != w.incarnation[op->group])
        return;
    if (s->generation < op->floor_generation)
        wrong("a sync of an old generation", op->group, s->generation, op->floor_generation);
    if (s->generation > w.generation[op->group])
        w.generation[op->group] = s->generation;
    put(parts, sizeof(parts), s->assignment);
    own(op, parts);
}

/* Can a commit that was answered so be in the log all the same? */
static bool
perhaps_stored(int error)
{
    return error == VRV_K_NOT_COORDINATOR;
}

static void
committed(struct op *op)
{
    struct part *p = &w.part[op->group][op->part];
    int error = op->u.call.error != 0 ? op->u.call.error : op->commit_item.error;

    if (error == 0 && op->seq > p->committed)
        p->committed = op->seq;
    else if (error != 0 && !perhaps_stored(error))
        w.refused[op->seq] = 1;
}

static void
fetched(struct op *op)
{
    struct part *p = &w.part[op->group][op->part];
    int64_t v = op->fetch_item.offset;

    if (op->u.call.error != 0)
        return;
    if (v == -1) {
        if (p->delete_asked < op->floor_committed)
            wrong("a commit is lost", op->group, op->floor_committed, p->delete_asked);
        return;
    }
    int64_t seq = v / PARTS / GROUPS;
    if (v < 0 || v % PARTS != op->part || v / PARTS % GROUPS != op->group || seq > w.seq)
        wrong("nobody committed that", op->group, v, 0);
    else if (w.refused[seq])
        wrong("what was refused is seen", op->group, seq, 0);
    else if (seq < op->floor_committed || seq < op->floor_deleted)
        wrong("an old commit is back", op->group, seq, op->floor_committed);
    else if (seq > p->committed)
        p->committed = (uint32_t)seq;
}

static void
deleted(struct op *op)
{
    if (op->u.call.error != 0 && !perhaps_stored(op->u.call.error))
        return;
    /* its generations may begin anew */
    w.incarnation[op->group]++;
    w.generation[op->group] = 0;
    memset(w.owner[op->group], 0, sizeof(w.owner[op->group]));
    for (int p = 0; p < PARTS && op->u.call.error == 0; p++)
        if (w.part[op->group][p].deleted < op->seq)
            w.part[op->group][p].deleted = op->seq;
}

static void
take_answer(struct op *op)
{
    struct client *c = op->client >= 0 ? &w.client[op->group][op->client] : NULL;

    w.answered[op->kind]++;
    w.fine[op->kind] += op->u.call.error == 0;
    if (c != NULL && op->life != c->life)
        c = NULL; /* it has vanished */
    else if (c != NULL)
        c->busy = false;
    switch (op->kind) {
    case JOIN:
        if (c != NULL)
            joined(op, c);
        break;
    case SYNC:
        if (c != NULL)
            synced(op, c);
        break;
    case HEARTBEAT:
        if (c != NULL && op->u.call.error != 0)
            heed(c, op->u.call.error);
        break;
    case LEAVE:
        if (c != NULL)
            forget_member(c);
        break;
    case COMMIT:
        committed(op);
        break;
    case FETCH:
        fetched(op);
        break;
    default:
        deleted(op);
        break;
    }
    vrv_group_call_fini(&op->u.call);
    free(op);
    w.op_n--;
}

/* In the order in which they were asked. */
static void
take_answers(void)
{
    for (;;) {
        struct op **last = NULL;

        for (struct op **p = &w.ops; *p != NULL; p = &(*p)->next)
            if (grouprig_posted(&(*p)->u.call))
                last = p;
        if (last == NULL)
            return;
        struct op *op = *last;
        *last = op->next;
        take_answer(op);
    }
}

/* ---- the world goes on ---- */

static void
client_acts(int group, int client)
{
    struct client *c = &w.client[group][client];

    if (below(100) == 0) { /* vanish; what it waits for is nobody's */
        c->life++;
        c->busy = false;
        forget_member(c);
    }
    if (c->busy)
        return;
    if (group == 0 && (w.seq >> 7) % 2 > 0) { /* its clients rest, so that it may be deleted */
        if (c->id[0] != '\0')
            ask_leave(group, client);
        return;
    }
    if (c->id[0] == '\0' || !c->joined)
        ask_join(group, client);
    else if (!c->stable)
        ask_sync(group, client);
    else if (below(20) == 0)
        ask_leave(group, client);
    else if (below(15) == 0)
        ask_join(group, client);
    else if (below(2) == 0)
        ask_commit(group, client);
    else
        ask_heartbeat(group, client);
}

static void
flip(void)
{
    int32_t p = (int32_t)below((uint64_t)w.g.o.partitions);

    vrv_coord_lost(w.g.c, p);
    grouprig_step(&w.g);
    if (below(2) == 0)
        rig_commit(&w.g.rig);
    vrv_coord_gained(w.g.c, p, 0);
}

static void
restart(void)
{
    if (below(4) == 0)
        grouprig_down(&w.g);
    else
        grouprig_crash(&w.g, below(1000));
    take_answers();
    VRV_ASSERT(w.ops == NULL); /* every call is answered when there is no coordinator any more */
    grouprig_up(&w.g);
}

static void
step(void)
{
    int group = (int)below(GROUPS);
    uint64_t what = below(100);

    if (what < 45 && w.op_n < OPS_MAX)
        client_acts(group, (int)below(CLIENTS));
    else if (what < 52 && w.op_n < OPS_MAX)
        ask_commit(group, -1);
    else if (what < 62 && w.op_n < OPS_MAX)
        ask_fetch(group);
    else if (what < 64 && w.op_n < OPS_MAX)
        ask_delete(group);
    else if (what < 78)
        grouprig_step(&w.g);
    else if (what < 88)
        rig_commit(&w.g.rig);
    else if (what < 96)
        grouprig_pass(&w.g, (int64_t)below(300));
    else if (what < 97)
        grouprig_pass(&w.g, (int64_t)below(below(3) == 0 ? 20000 : 1000));
    else if (what < 98)
        (void)rig_checkpoint(&w.g.rig);
    else if (what < 99)
        flip();
    else if (below(3) == 0)
        restart();
    take_answers();
}

static void
run(uint64_t seed)
{
    static uint64_t fine[KINDS];

    memset(&w, 0, sizeof(w));
    w.rand.state = seed;
    grouprig_init(&w.g, seed);
    w.g.o.config.initial_rebalance_delay_ms = seed % 2 == 0 ? 0 : 500;
    grouprig_up(&w.g);
    for (int i = 0; i < STEPS && w.bad == 0; i++)
        step();
    restart();
    for (int i = 0; i < GROUPS * PARTS * 4; i++)
        ask_fetch(i % GROUPS);
    grouprig_run(&w.g);
    take_answers();
    OK(w.bad == 0, "seed %" PRIu64 ": %" PRIu64 " joins, %" PRIu64 " syncs, %" PRIu64
        " commits, %" PRIu64 " deletions were fine; all that must hold does", seed, w.fine[JOIN],
        w.fine[SYNC], w.fine[COMMIT], w.fine[DELETE]);
    grouprig_fini(&w.g);
    take_answers();
    IS(w.op_n, 0, "every call was answered");
    for (int k = 0; k < KINDS; k++)
        fine[k] += w.fine[k];
    if (fine[SYNC] == 0 || fine[COMMIT] == 0)
        OK(false, "the model does something");
}

int
main(void)
{
    const char *s = getenv("VARVE_SEED"), *r = getenv("VARVE_RUNS");
    uint64_t seed = s != NULL ? strtoull(s, NULL, 10) : 1;
    uint64_t runs = r != NULL ? strtoull(r, NULL, 10) : getenv("VARVE_LONG") != NULL ? 500 : 10;

    for (uint64_t i = 0; i < runs; i++)
        run(seed + i);
    return tap_done();
}
