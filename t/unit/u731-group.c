/* What a group does: who joins, who leads, who is thrown out and when, what is refused and how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/grouprig.h"
#include "t/lib/tap.h"

static struct grouprig g;

static void
begin(void)
{
    grouprig_init(&g, 1);
    grouprig_up(&g);
}

#define IS_ERR(got, want, ...) IS_STR(vrv_kerror_name(got), #want, __VA_ARGS__)

/* A call that is kept until the end of its test, so that it may wait. */
static struct vrv_join joins[32];
static struct vrv_sync syncs[32];
static int join_n, sync_n;

static void
forget_calls(void)
{
    for (int i = 0; i < join_n; i++)
        vrv_group_call_fini(&joins[i].call);
    for (int i = 0; i < sync_n; i++)
        vrv_group_call_fini(&syncs[i].call);
    memset(joins, 0, sizeof(joins));
    memset(syncs, 0, sizeof(syncs));
    join_n = sync_n = 0;
}

static struct vrv_join *
ask(const char *member, const char *instance)
{
    struct vrv_join *c = &joins[join_n++];

    c->instance = vrv_span_str(instance);
    grouprig_join(&g, c, "g", member);
    grouprig_run(&g);
    return c;
}

static struct vrv_sync *
sync_as(const char *member, int32_t generation, const struct vrv_sync_assignment *v, uint32_t n)
{
    struct vrv_sync *c = &syncs[sync_n++];

    c->assignments = v;
    c->assignment_n = n;
    grouprig_sync(&g, c, "g", member, generation);
    grouprig_run(&g);
    return c;
}

/* Whoever still waits is told that there is no coordinator any more. */
static void
end(void)
{
    grouprig_fini(&g);
    forget_calls();
}

/* Ids are made by the group: kept here as text. */
static char id_a[128], id_b[128], id_c[128];

static void
keep(char *id, const struct vrv_join *c)
{
    (void)snprintf(id, 128, "%s", grouprig_text(c->out_member_id));
}

/* a alone, in a stable group of generation 1; returns its join. */
static void
one_member(const char *instance)
{
    struct vrv_join *c = ask("", instance);

    keep(id_a, c);
    struct vrv_sync_assignment v = { c->out_member_id, vrv_span_str("a's") };
    (void)sync_as(id_a, c->generation, &v, 1);
}

/* a leads, b follows, stable in generation 2. */
static void
two_members(const char *instance_a, const char *instance_b)
{
    one_member(instance_a);
    struct vrv_join *b = ask("", instance_b);
    struct vrv_join *a = ask(id_a, instance_a);
    keep(id_b, b);
    struct vrv_sync_assignment v[] = { { a->out_member_id, vrv_span_str("a's") },
        { b->out_member_id, vrv_span_str("b's") } };
    (void)sync_as(id_b, 2, NULL, 0);
    (void)sync_as(id_a, 2, v, 2);
}

/* ---- joining ---- */

static void
first_member(void)
{
    begin();
    struct vrv_join *c = ask("", NULL);
    IS_ERR(c->call.error, NONE, "the first member joins");
    IS(c->generation, 1, "generation 1");
    IS_STR(grouprig_text(c->leader), grouprig_text(c->out_member_id), "it leads");
    OK(strncmp(grouprig_text(c->out_member_id), "client-", 7) == 0 && c->out_member_id.n == 43,
        "its id is its client's and a UUID");
    IS(c->member_n, 1, "and is told of the members");
    IS_STR(grouprig_text(c->out_protocol), "range", "and the protocol");
    IS_STR(grouprig_state(&g, "g"), "CompletingRebalance", "the group waits for its assignment");
    keep(id_a, c);
    struct vrv_sync_assignment v = { c->out_member_id, vrv_span_str("all") };
    struct vrv_sync *s = &syncs[sync_n++];
    s->assignments = &v;
    s->assignment_n = 1;
    grouprig_sync(&g, s, "g", id_a, 1);
    grouprig_step(&g);
    OK(!grouprig_posted(&s->call), "the assignment isn't given out before it is durable");
    grouprig_run(&g);
    OK(grouprig_posted(&s->call), "then it is");
    IS_STR(grouprig_text(s->assignment), "all", "as the leader made it");
    IS_STR(grouprig_state(&g, "g"), "Stable", "and the group is stable");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 1), NONE, "a heartbeat");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 0), ILLEGAL_GENERATION, "of an older generation");
    IS_ERR(grouprig_heartbeat(&g, "g", "x", 1), UNKNOWN_MEMBER_ID, "of a stranger");
    IS_ERR(grouprig_heartbeat(&g, "h", id_a, 1), UNKNOWN_MEMBER_ID, "to no group");
    IS_STR(grouprig_text(sync_as(id_a, 1, NULL, 0)->assignment), "all", "sync once more");
    end();
}

static void
refusals(void)
{
    begin();
    struct vrv_join *c = &joins[join_n++];
    c->session_ms = 5999;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, INVALID_SESSION_TIMEOUT, "a session that is too short");
    c = &joins[join_n++];
    c->session_ms = 1800001;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, INVALID_SESSION_TIMEOUT, "or too long");
    IS_ERR(ask("who", NULL)->call.error, UNKNOWN_MEMBER_ID, "an id that nobody was given");
    c = &joins[join_n++];
    grouprig_join(&g, c, "", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, INVALID_GROUP_ID, "a group without a name");
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "no group came of it");
    one_member(NULL);
    c = &joins[join_n++];
    c->protocol_type = vrv_span_str("connect");
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, INCONSISTENT_GROUP_PROTOCOL, "another protocol type");
    struct vrv_join_protocol other = { vrv_span_str("sticky"), VRV_SPAN_EMPTY };
    c = &joins[join_n++];
    c->protocols = &other;
    c->protocol_n = 1;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, INCONSISTENT_GROUP_PROTOCOL, "no protocol in common");
    struct vrv_sync *s = &syncs[sync_n++];
    s->protocol = vrv_span_str("sticky");
    grouprig_sync(&g, s, "g", id_a, 1);
    grouprig_run(&g);
    IS_ERR(s->call.error, INCONSISTENT_GROUP_PROTOCOL, "a sync for another protocol");
    IS_ERR(sync_as(id_a, 7, NULL, 0)->call.error, ILLEGAL_GENERATION, "of another generation");
    IS_ERR(sync_as("x", 1, NULL, 0)->call.error, UNKNOWN_MEMBER_ID, "of a stranger");
    end();
}

static void
known_id(void)
{
    begin();
    struct vrv_join *c = &joins[join_n++];
    c->known_id_required = true;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    IS_ERR(c->call.error, MEMBER_ID_REQUIRED, "a new member is given an id first (KIP-394)");
    keep(id_a, c);
    IS_STR(grouprig_state(&g, "g"), "Empty", "and isn't one yet");
    IS_ERR(ask(id_a, NULL)->call.error, NONE, "with it it joins");
    c = &joins[join_n++];
    c->known_id_required = true;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    keep(id_b, c);
    c = ask(id_a, NULL);
    OK(grouprig_posted(&c->call), "a follower or leader that asks again is told the generation");
    IS_ERR(grouprig_leave(&g, "g", id_b, NULL), NONE, "an id that wasn't used may leave");
    IS_ERR(grouprig_leave(&g, "g", id_b, NULL), UNKNOWN_MEMBER_ID, "once");
    c = &joins[join_n++];
    c->known_id_required = true;
    grouprig_join(&g, c, "g", "");
    grouprig_run(&g);
    keep(id_b, c);
    grouprig_pass(&g, 10001);
    IS_ERR(ask(id_b, NULL)->call.error, UNKNOWN_MEMBER_ID, "and ends after a session");
    end();
}

static void
initial_delay(void)
{
    grouprig_init(&g, 1);
    g.o.config.initial_rebalance_delay_ms = 3000;
    grouprig_up(&g);
    struct vrv_join *a = ask("", NULL);
    grouprig_pass(&g, 2000);
    OK(!grouprig_posted(&a->call), "the first member waits for others");
    struct vrv_join *b = ask("", NULL);
    grouprig_pass(&g, 2000);
    OK(!grouprig_posted(&a->call), "longer while they come");
    grouprig_pass(&g, 2000);
    OK(grouprig_posted(&a->call) && grouprig_posted(&b->call), "then both are in");
    IS(a->generation + b->generation, 2, "in the same generation");
    IS(a->member_n + b->member_n, 2, "and one of them is told of both");
    end();

    grouprig_init(&g, 1);
    g.o.config.initial_rebalance_delay_ms = 3000;
    grouprig_up(&g);
    a = &joins[join_n++];
    a->rebalance_ms = 7000;
    grouprig_join(&g, a, "g", "");
    for (int i = 0; i < 6; i++) {
        struct vrv_join *c = &joins[join_n++];
        grouprig_pass(&g, 1000);
        c->rebalance_ms = 7000;
        grouprig_join(&g, c, "g", "");
    }
    OK(!grouprig_posted(&a->call), "others keep coming");
    grouprig_pass(&g, 1001);
    OK(grouprig_posted(&a->call), "but not beyond the rebalance time-out");
    end();
}

static void
second_member(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = ask("", NULL);
    OK(!grouprig_posted(&b->call), "a second member waits for the first");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 1), REBALANCE_IN_PROGRESS, "who is told to rejoin");
    IS_ERR(sync_as(id_a, 1, NULL, 0)->call.error, REBALANCE_IN_PROGRESS, "by a sync as well");
    struct vrv_join *a = ask(id_a, NULL);
    OK(grouprig_posted(&a->call) && grouprig_posted(&b->call), "and does");
    IS(a->generation, 2, "the next generation");
    IS(a->member_n, 2, "the leader stays, and is told of both");
    IS(b->member_n, 0, "the other isn't");
    keep(id_b, b);
    struct vrv_sync *sb = sync_as(id_b, 2, NULL, 0);
    OK(!grouprig_posted(&sb->call), "a follower waits for the leader");
    struct vrv_sync_assignment v = { a->out_member_id, vrv_span_str("all") };
    (void)sync_as(id_a, 2, &v, 1);
    OK(grouprig_posted(&sb->call), "who assigns");
    IS(sb->assignment.n, 0, "what the leader forgot is empty");
    b = ask(id_b, NULL);
    IS(b->generation, 2, "a follower that rejoins unchanged gets the current generation");
    a = ask(id_a, NULL);
    OK(!grouprig_posted(&a->call), "a leader that rejoins wants a rebalance");
    b = ask(id_b, NULL);
    OK(grouprig_posted(&a->call) && b->generation == 3, "and has it");
    end();
}

static void
changed_metadata(void)
{
    struct vrv_join_protocol p = { vrv_span_str("range"), grouprig_subscription("other") };

    begin();
    two_members(NULL, NULL);
    struct vrv_join *b = &joins[join_n++];
    b->protocols = &p;
    b->protocol_n = 1;
    grouprig_join(&g, b, "g", id_b);
    grouprig_run(&g);
    OK(!grouprig_posted(&b->call), "a follower with another subscription makes a rebalance");
    struct vrv_join *a = ask(id_a, NULL);
    OK(grouprig_posted(&a->call) && a->generation == 3, "all join anew");
    IS(a->members[1].metadata.n, p.metadata.n, "the leader sees it");
    end();
}

static void
vote(void)
{
    struct vrv_join_protocol pa[] = { { vrv_span_str("x"), VRV_SPAN_EMPTY },
        { vrv_span_str("y"), VRV_SPAN_EMPTY }, { vrv_span_str("z"), VRV_SPAN_EMPTY } };
    struct vrv_join_protocol pb[] = { pa[1], pa[0] };

    grouprig_init(&g, 1);
    g.o.config.initial_rebalance_delay_ms = 1000;
    grouprig_up(&g);
    for (int i = 0; i < 3; i++) {
        joins[i].protocols = i == 0 ? pa : pb;
        joins[i].protocol_n = i == 0 ? 3 : 2;
        grouprig_join(&g, &joins[join_n++], "g", "");
    }
    grouprig_pass(&g, 5000);
    IS_STR(grouprig_text(joins[0].out_protocol), "y", "most members' first choice wins");
    end();
}

/* ---- time ---- */

static void
session_ends(void)
{
    begin();
    two_members(NULL, NULL);
    for (int i = 0; i < 4; i++) {
        grouprig_pass(&g, 4000);
        (void)grouprig_heartbeat(&g, "g", id_a, 2);
    }
    IS_STR(grouprig_state(&g, "g"), "PreparingRebalance", "a silent member makes a rebalance");
    IS_ERR(grouprig_heartbeat(&g, "g", id_b, 2), UNKNOWN_MEMBER_ID, "it is out");
    struct vrv_join *a = ask(id_a, NULL);
    IS(a->member_n, 1, "the other one goes on alone");
    IS(a->generation, 3, "in the next generation");
    grouprig_pass(&g, 60000);
    IS_STR(grouprig_state(&g, "g"), "Empty", "until it is silent, too");
    end();
}

static void
rebalance_ends(void)
{
    begin();
    two_members(NULL, "i");
    struct vrv_join *c = ask("", NULL);
    (void)grouprig_heartbeat(&g, "g", id_a, 2);
    for (int i = 0; i < 4; i++) {
        grouprig_pass(&g, 7490);
        struct vrv_heartbeat beat = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
            .member_id = vrv_span_str(id_b), .instance = vrv_span_str("i"), .generation = 2 };
        vrv_coord_heartbeat(g.c, &beat);
        grouprig_run(&g);
        (void)grouprig_heartbeat(&g, "g", id_a, 2);
    }
    OK(!grouprig_posted(&c->call), "a rebalance waits for those that only send heartbeats");
    grouprig_pass(&g, 100);
    OK(grouprig_posted(&c->call), "not longer than its time-out");
    IS(c->member_n, 2, "a dynamic member that didn't come is out, a static one stays");
    IS_STR(grouprig_text(c->leader), grouprig_text(c->out_member_id), "who came leads");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 2), UNKNOWN_MEMBER_ID, "the one that was out");
    end();
}

static void
sync_ends(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = ask("", NULL);
    struct vrv_join *a = ask(id_a, NULL);
    keep(id_b, b);
    struct vrv_sync_assignment v = { a->out_member_id, vrv_span_str("all") };
    (void)sync_as(id_a, 2, &v, 1);
    for (int i = 0; i < 5; i++) {
        grouprig_pass(&g, 6000);
        (void)grouprig_heartbeat(&g, "g", id_a, 2);
        (void)grouprig_heartbeat(&g, "g", id_b, 2);
    }
    grouprig_pass(&g, 100);
    IS_ERR(grouprig_heartbeat(&g, "g", id_b, 2), UNKNOWN_MEMBER_ID,
        "a member that never asks for its assignment is out after the rebalance time-out");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 2), REBALANCE_IN_PROGRESS, "the others go on");
    end();
}

static void
waiting_is_alive(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = ask("", NULL);
    for (int i = 0; i < 3; i++) {
        grouprig_pass(&g, 9000);
        (void)grouprig_heartbeat(&g, "g", id_a, 1);
    }
    OK(!grouprig_posted(&b->call), "who waits for its join longer than a session stays");
    struct vrv_join *a = ask(id_a, NULL);
    OK(grouprig_posted(&b->call) && a->member_n == 2, "and is in");
    keep(id_b, b);
    struct vrv_sync *s = sync_as(id_b, 2, NULL, 0);
    for (int i = 0; i < 2; i++) {
        grouprig_pass(&g, 9000);
        (void)grouprig_heartbeat(&g, "g", id_a, 2);
    }
    OK(!grouprig_posted(&s->call), "so is who waits for its assignment");
    end();
}

/* ---- nobody waits for the answer any more ---- */

static void
cancel(struct vrv_group_call *c)
{
    vrv_coord_cancel(g.c, vrv_span_str("g"), c);
    vrv_coord_cancel(g.c, vrv_span_str("g"), c);
    grouprig_run(&g);
}

static void
cancelled_join(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = &joins[join_n++];
    b->known_id_required = true;
    grouprig_join(&g, b, "g", "");
    grouprig_run(&g);
    keep(id_b, b);
    b = ask(id_b, NULL);
    OK(!grouprig_posted(&b->call), "a member waits for another one");
    cancel(&b->call);
    OK(grouprig_posted(&b->call), "its connection ends: it is answered");
    IS_ERR(b->call.error, NOT_COORDINATOR, "like those of a coordinator that stops");
    struct vrv_join *a = ask(id_a, NULL);
    OK(!grouprig_posted(&a->call), "it is a member still, for whom the others wait");
    grouprig_pass(&g, 6000);
    b = ask(id_b, NULL);
    OK(grouprig_posted(&a->call) && a->member_n == 2, "and may come back");
    cancel(&a->call);
    IS_ERR(a->call.error, NONE, "what is answered can't be cancelled");

    b = ask("", NULL);
    cancel(&b->call);
    IS_ERR(b->call.error, NOT_COORDINATOR, "a new member's connection ends");
    a = ask(id_a, NULL);
    (void)ask(id_b, NULL);
    OK(!grouprig_posted(&a->call), "the others wait for it");
    grouprig_pass(&g, 10100);
    OK(grouprig_posted(&a->call) && a->member_n == 2, "as long as its session");
    end();
}

static void
cancelled_sync(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = ask("", NULL);
    struct vrv_join *a = ask(id_a, NULL);
    keep(id_b, b);
    struct vrv_sync *s = sync_as(id_b, 2, NULL, 0);
    OK(!grouprig_posted(&s->call), "a member waits for its assignment");
    cancel(&s->call);
    IS_ERR(s->call.error, NOT_COORDINATOR, "its connection ends: it is answered");
    struct vrv_sync_assignment v[] = { { a->out_member_id, vrv_span_str("a's") },
        { b->out_member_id, vrv_span_str("b's") } };
    (void)sync_as(id_a, 2, v, 2);
    IS_STR(grouprig_text(sync_as(id_b, 2, NULL, 0)->assignment), "b's",
        "it asks again, and has what the leader gave it");
    (void)ask("", NULL);
    grouprig_pass(&g, 9000);
    IS_ERR(grouprig_heartbeat(&g, "g", id_b, 2), REBALANCE_IN_PROGRESS, "and has a session");
    grouprig_pass(&g, 11000);
    IS_ERR(grouprig_heartbeat(&g, "g", id_b, 2), UNKNOWN_MEMBER_ID, "that ends");
    end();
}

/* ---- leaving ---- */

static void
leaving(void)
{
    begin();
    two_members(NULL, "i");
    IS_ERR(grouprig_leave(&g, "g", "x", NULL), UNKNOWN_MEMBER_ID, "a stranger can't leave");
    IS_ERR(grouprig_leave(&g, "g", "x", "i"), FENCED_INSTANCE_ID, "nor with another's instance");
    IS_ERR(grouprig_leave(&g, "g", "", "j"), UNKNOWN_MEMBER_ID, "nor an instance that isn't there");
    IS_ERR(grouprig_leave(&g, "g", "", "i"), NONE, "an administrator removes by instance id");
    IS_ERR(grouprig_heartbeat(&g, "g", id_a, 2), REBALANCE_IN_PROGRESS, "the others rebalance");
    IS(ask(id_a, NULL)->generation, 3, "into the next generation");
    struct vrv_leaver who = { vrv_span_str(id_a), VRV_SPAN_NULL, 0 };
    struct vrv_leave c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"), .members = &who,
        .member_n = 1 };
    vrv_coord_leave(g.c, &c);
    grouprig_step(&g);
    OK(!grouprig_posted(&c.call), "the last one's leaving is stored first");
    grouprig_run(&g);
    OK(grouprig_posted(&c.call) && who.error == 0, "then answered");
    IS_STR(grouprig_state(&g, "g"), "Empty", "nobody is left");
    IS_ERR(grouprig_leave(&g, "nobody", "x", NULL), UNKNOWN_MEMBER_ID, "no such group");
    end();
}

/* ---- static members ---- */

static void
static_returns(bool new_client)
{
    begin();
    two_members("i", "j");
    struct vrv_join *b = &joins[join_n++];
    b->instance = vrv_span_str("j");
    grouprig_join(&g, b, "g", "");
    grouprig_step(&g);
    OK(!grouprig_posted(&b->call), "a static member's new id is stored first");
    grouprig_run(&g);
    OK(grouprig_posted(&b->call) && b->generation == 2, "it resumes without a rebalance");
    keep(id_c, b);
    OK(strcmp(id_b, id_c) != 0 && strncmp(id_c, "j-", 2) == 0, "with an id of its own");
    struct vrv_heartbeat beat = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = vrv_span_str(id_b), .instance = vrv_span_str("j"), .generation = 2 };
    vrv_coord_heartbeat(g.c, &beat);
    grouprig_run(&g);
    IS_ERR(beat.call.error, FENCED_INSTANCE_ID, "who has the old one is fenced");
    IS_STR(grouprig_text(sync_as(id_c, 2, NULL, 0)->assignment), "b's", "its assignment is there");
    struct vrv_join *a = &joins[join_n++];
    a->instance = vrv_span_str("i");
    a->may_skip_assignment = new_client;
    grouprig_join(&g, a, "g", "");
    grouprig_run(&g);
    OK(grouprig_posted(&a->call) && a->generation == 2, "so does the leader");
    IS(a->skip_assignment, new_client, "told not to assign, if it can be told (KIP-814)");
    IS(a->member_n, new_client ? 2 : 0, "and of the members");
    OK(new_client == (strcmp(grouprig_text(a->leader), grouprig_text(a->out_member_id)) == 0),
        "an old client isn't told that it leads");
    grouprig_crash(&g, 5);
    grouprig_up(&g);
    keep(id_a, a);
    beat = (struct vrv_heartbeat){ .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = vrv_span_str(id_a), .instance = vrv_span_str("i"), .generation = 2 };
    vrv_coord_heartbeat(g.c, &beat);
    grouprig_run(&g);
    IS_ERR(beat.call.error, NONE, "the new id is there after a crash");
    end();
}

static void
static_fences(void)
{
    begin();
    one_member("i");
    struct vrv_join *b = ask("", NULL); /* waits for a */
    struct vrv_join *a1 = ask("", "i");
    OK(grouprig_posted(&a1->call) && grouprig_posted(&b->call), "an instance comes in a rebalance");
    keep(id_a, a1);
    struct vrv_sync *s = sync_as(id_a, 2, NULL, 0);
    OK(grouprig_posted(&s->call) || s->call.error == 0, "it is in the new generation");
    IS_ERR(ask("nobody", "i")->call.error, FENCED_INSTANCE_ID, "another id for the instance");
    IS_ERR(ask("nobody", "k")->call.error, UNKNOWN_MEMBER_ID, "an instance that isn't there");
    end();

    begin();
    one_member(NULL);
    b = ask("", "i");                    /* waits for a */
    struct vrv_join *b2 = ask("", "i"); /* the same instance again */
    IS_ERR(b->call.error, FENCED_INSTANCE_ID, "the one that waits under its old id is fenced");
    OK(!grouprig_posted(&b2->call), "the new one waits in its place");
    end();
}

static void
full(void)
{
    grouprig_init(&g, 1);
    g.o.config.max_size = 2;
    grouprig_up(&g);
    two_members(NULL, NULL);
    IS_ERR(ask("", NULL)->call.error, GROUP_MAX_SIZE_REACHED, "a third member of two");
    IS(ask(id_b, NULL)->generation, 2, "those that are in may rejoin");
    grouprig_down(&g);
    g.o.config.max_size = 1;
    grouprig_up(&g);
    IS_STR(grouprig_state(&g, "g"), "PreparingRebalance", "more than allowed by now: a rebalance");
    struct vrv_join *b = ask(id_b, NULL);
    IS_ERR(ask(id_a, NULL)->call.error, GROUP_MAX_SIZE_REACHED, "the last to come is out");
    grouprig_pass(&g, 30001);
    OK(grouprig_posted(&b->call) && b->call.error == 0, "the first one stays");
    end();
}

static void
join_again(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = &joins[join_n++];
    b->known_id_required = true;
    grouprig_join(&g, b, "g", "");
    grouprig_run(&g);
    keep(id_b, b);
    struct vrv_join *first = ask(id_b, NULL), *second = ask(id_b, NULL);
    OK(grouprig_posted(&first->call) && !grouprig_posted(&second->call),
        "of two joins of one member the later one waits");
    IS_ERR(first->call.error, REBALANCE_IN_PROGRESS, "the earlier one may be tried again");
    end();
}

/* The leader revokes first and rejoins: two rebalances, as any. */
static void
cooperative(void)
{
    begin();
    two_members(NULL, NULL);
    for (int32_t generation = 2; generation < 4; generation++) {
        struct vrv_join *b = ask(id_b, NULL); /* unchanged: the current generation */
        IS(b->generation, generation, "a follower learns the generation");
        struct vrv_join *a = ask(id_a, NULL);
        b = ask(id_b, NULL);
        OK(grouprig_posted(&a->call) && a->generation == generation + 1, "the next one");
        struct vrv_sync_assignment v[] = { { a->out_member_id, vrv_span_str("less") },
            { b->out_member_id, vrv_span_str("more") } };
        struct vrv_sync *s = sync_as(id_b, generation + 1, NULL, 0);
        (void)sync_as(id_a, generation + 1, v, 2);
        IS_STR(grouprig_text(s->assignment), "more", "its assignment");
        IS_ERR(grouprig_heartbeat(&g, "g", id_b, generation + 1), NONE, "nobody waits");
    }
    end();
}

/* More than a batch may hold: the group goes on trying, and the leader is told. */
static void
too_large(void)
{
    enum { BYTES = 2 * 1024 * 1024 };
    uint8_t *big = calloc(1, BYTES);

    begin();
    struct vrv_join *a = ask("", NULL);
    keep(id_a, a);
    struct vrv_sync_assignment v = { a->out_member_id, { big, BYTES } };
    IS_ERR(sync_as(id_a, 1, &v, 1)->call.error, UNKNOWN_SERVER_ERROR, "too large an assignment");
    IS_STR(grouprig_state(&g, "g"), "PreparingRebalance", "all are to join anew");
    a = ask(id_a, NULL);
    IS(a->generation, 2, "and can");
    end();
    free(big);
}

static void
new_member_gives_up(void)
{
    begin();
    one_member(NULL);
    struct vrv_join *b = &joins[join_n++];
    b->rebalance_ms = 3600000;
    grouprig_join(&g, b, "g", "");
    for (int i = 0; i < 60 && !grouprig_posted(&b->call); i++) {
        grouprig_pass(&g, 9000);
        (void)grouprig_heartbeat(&g, "g", id_a, 1);
    }
    IS_ERR(b->call.error, UNKNOWN_MEMBER_ID, "a new member's join waits five minutes at most");
    end();
}

int
main(void)
{
    first_member();
    refusals();
    known_id();
    initial_delay();
    second_member();
    changed_metadata();
    vote();
    session_ends();
    rebalance_ends();
    sync_ends();
    waiting_is_alive();
    cancelled_join();
    cancelled_sync();
    leaving();
    static_returns(false);
    static_returns(true);
    static_fences();
    full();
    join_again();
    cooperative();
    new_member_gives_up();
    too_large();
    return tap_done();
}
