/* Committed offsets, whole groups, and who owns them: what is stored, shown, expired, lost. */
#include <pthread.h>
#include <time.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/varve_int.h"
#include "t/lib/grouprig.h"
#include "t/lib/tap.h"

#define IS_ERR(got, want, ...) IS_STR(vrv_kerror_name(got), #want, __VA_ARGS__)

enum { DAY_MS = 24 * 3600 * 1000 };

static struct grouprig g;

static void
begin(void)
{
    grouprig_init(&g, 1);
    grouprig_up(&g);
}

static void
again(void)
{
    grouprig_crash(&g, 0);
    grouprig_up(&g);
}

/* A stable group of one, subscribed to "t"; its member's id. */
static struct vrv_coord_stats
stats_of(struct vrv_coord *c)
{
    struct vrv_coord_stats st;

    vrv_coord_stats(c, &st);
    return st;
}

static const char *
member_of(const char *group, const char *type)
{
    static char id[128];
    struct vrv_join j = { .protocol_type = vrv_span_str(type) };
    struct vrv_sync s = { 0 };

    grouprig_join(&g, &j, group, "");
    grouprig_run(&g);
    (void)snprintf(id, sizeof(id), "%s", grouprig_text(j.out_member_id));
    grouprig_sync(&g, &s, group, id, j.generation);
    grouprig_run(&g);
    vrv_group_call_fini(&j.call);
    vrv_group_call_fini(&s.call);
    return id;
}

/* A commit with all its fields; answered. */
static int
commit_as(struct vrv_offset_commit *c, struct vrv_commit_item *it, const char *group,
    const char *member)
{
    c->call.done.cq = &g.cq;
    c->group = vrv_span_str(group);
    c->member_id = vrv_span_str(member);
    c->items = it;
    c->item_n = 1;
    it->topic = vrv_span_str("t");
    vrv_coord_commit(g.c, c);
    grouprig_run(&g);
    return c->call.error != 0 ? c->call.error : it->error;
}

static int
commit_gen(const char *group, const char *member, int32_t generation, bool says_not_found)
{
    struct vrv_offset_commit c = { .generation = generation, .retention_ms = -1,
        .says_not_found = says_not_found };
    struct vrv_commit_item it = { .offset = 1 };

    return commit_as(&c, &it, group, member);
}

/* ---- offsets ---- */

static void
offsets(void)
{
    begin();
    IS(grouprig_fetch(&g, "g", "t", 0), -1, "nothing is committed in a group that isn't there");
    struct vrv_commit_item it = { .topic = vrv_span_str("t"), .offset = 42, .leader_epoch = 3,
        .metadata = vrv_span_str("note") };
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = -1, .items = &it,
        .item_n = 1 };
    vrv_coord_commit(g.c, &c);
    grouprig_step(&g);
    OK(!grouprig_posted(&c.call), "a commit isn't answered before it is durable");
    struct vrv_fetch_item f = { .topic = vrv_span_str("t") };
    struct vrv_offset_fetch fetch = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .items = &f, .item_n = 1 };
    vrv_coord_fetch(g.c, &fetch);
    grouprig_step(&g);
    IS(f.offset, -1, "nor shown");
    grouprig_run(&g);
    OK(grouprig_posted(&c.call) && c.call.error == 0, "then it is");
    again();
    fetch = (struct vrv_offset_fetch){ .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .all = true };
    vrv_coord_fetch(g.c, &fetch);
    grouprig_run(&g);
    IS(fetch.item_n, 1, "and there after a crash");
    IS(fetch.items[0].offset, 42, "its offset");
    IS(fetch.items[0].leader_epoch, 3, "its epoch");
    IS_STR(grouprig_text(fetch.items[0].metadata), "note", "its metadata");
    vrv_group_call_fini(&fetch.call);
    IS_STR(grouprig_state(&g, "g"), "Empty", "a group came of it");
    IS_ERR(grouprig_delete_offset(&g, "g", "t", 0), NONE, "an offset is deleted");
    IS(grouprig_fetch(&g, "g", "t", 0), -1, "it is gone");
    again();
    IS(grouprig_fetch(&g, "g", "t", 0), -1, "also after a crash");
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "and the group, which was nothing else");
    IS_ERR(grouprig_delete_offset(&g, "g", "t", 0), GROUP_ID_NOT_FOUND, "says so");
    grouprig_fini(&g);
}

static void
commit_rules(void)
{
    begin();
    IS_ERR(commit_gen("new", "m", 1, true), GROUP_ID_NOT_FOUND, "a member of no group");
    IS_ERR(commit_gen("new", "m", 1, false), ILLEGAL_GENERATION, "as old clients are told it");
    IS_ERR(commit_gen("", "", -1, true), NONE, "offsets have been kept for the empty group id");
    const char *m = member_of("g", "consumer");
    IS_ERR(commit_gen("g", m, 1, true), NONE, "a member commits");
    IS_ERR(commit_gen("g", m, 0, true), ILLEGAL_GENERATION, "of an old generation");
    IS_ERR(commit_gen("g", "x", 1, true), UNKNOWN_MEMBER_ID, "a stranger");
    IS_ERR(commit_gen("g", "", -1, true), UNKNOWN_MEMBER_ID, "nobody, while there are members");
    char big[5000];
    memset(big, 'x', sizeof(big));
    struct vrv_commit_item it = { .metadata = { (uint8_t *)big, 4097 } };
    struct vrv_offset_commit c = { .generation = 1, .retention_ms = -1 };
    IS_ERR(commit_as(&c, &it, "g", m), OFFSET_METADATA_TOO_LARGE, "too much metadata");
    for (int i = 0; i < 3; i++) {
        grouprig_pass(&g, 6000);
        IS_ERR(commit_gen("g", m, 1, true), NONE, "a commit is a sign of life");
    }
    struct vrv_join j = { 0 };
    grouprig_join(&g, &j, "g", m);
    grouprig_run(&g);
    IS_ERR(commit_gen("g", m, 2, true), REBALANCE_IN_PROGRESS, "not between join and sync");
    vrv_group_call_fini(&j.call);
    grouprig_fini(&g);
}

static void
expiry(void)
{
    struct vrv_offset_commit c = { .generation = -1, .retention_ms = 1000 };
    struct vrv_commit_item it = { .offset = 5, .partition = 1 };
    struct vrv_offset_commit ever = { .generation = -1, .retention_ms = INT64_MAX };
    struct vrv_commit_item kept = { .offset = 6, .partition = 2 };

    begin();
    (void)grouprig_commit(&g, "simple", "t", 0, 7);
    IS_ERR(commit_as(&c, &it, "simple", ""), NONE, "a commit with a retention of its own");
    IS_ERR(commit_as(&ever, &kept, "ever", ""), NONE, "one for ever");
    const char *m = member_of("g", "consumer");
    (void)commit_gen("g", m, 1, true);
    grouprig_pass(&g, 601000);
    IS(grouprig_fetch(&g, "simple", "t", 1), -1, "goes when that has passed");
    IS(grouprig_fetch(&g, "simple", "t", 0), 7, "others stay");
    IS_STR(grouprig_state(&g, "g"), "Empty", "a group is left by its last member");
    grouprig_pass(&g, 7 * (int64_t)DAY_MS - 1300000);
    IS(grouprig_fetch(&g, "simple", "t", 0), 7, "for seven days");
    IS(grouprig_fetch(&g, "g", "t", 0), 1, "the group's, too");
    grouprig_pass(&g, 1300000);
    IS(grouprig_fetch(&g, "simple", "t", 0), -1, "not longer");
    IS(grouprig_fetch(&g, "g", "t", 0), -1, "nor a group's that is empty so long");
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "and with it the group goes");
    again();
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "for good");
    IS(grouprig_fetch(&g, "simple", "t", 0), -1, "so does the other");
    IS(grouprig_fetch(&g, "ever", "t", 2), 6, "what is to be kept for ever stays");
    grouprig_fini(&g);
}

static void
expiry_while_used(void)
{
    grouprig_init(&g, 1);
    g.o.config.retention_ms = 60000;
    g.o.config.retention_check_ms = 5000;
    grouprig_up(&g);
    rig_topic(&g.rig, "left", 1, "");
    const char *m = member_of("g", "consumer");
    (void)commit_gen("g", m, 1, true);
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = vrv_span_str(m), .generation = 1, .retention_ms = -1 };
    struct vrv_commit_item it = { .topic = vrv_span_str("left"), .offset = 9 };
    c.items = &it;
    c.item_n = 1;
    vrv_coord_commit(g.c, &c);
    for (int i = 0; i < 20; i++) {
        grouprig_pass(&g, 5000);
        (void)grouprig_heartbeat(&g, "g", m, 1);
    }
    IS(grouprig_fetch(&g, "g", "t", 0), 1, "of topics that members subscribe to nothing expires");
    IS(grouprig_fetch(&g, "g", "left", 0), -1, "of others it does");
    IS_ERR(grouprig_delete_offset(&g, "g", "t", 0), GROUP_SUBSCRIBED_TO_TOPIC,
        "nor can it be deleted");
    grouprig_fini(&g);
}

static void
deletions(void)
{
    begin();
    IS_ERR(grouprig_delete(&g, "g"), GROUP_ID_NOT_FOUND, "there is nothing to delete");
    const char *m = member_of("g", "connect");
    (void)commit_gen("g", m, 1, true);
    IS_ERR(grouprig_delete(&g, "g"), NON_EMPTY_GROUP, "a group with members stays");
    IS_ERR(grouprig_delete_offset(&g, "g", "t", 0), NON_EMPTY_GROUP,
        "also its offsets, when nobody knows what its members read");
    (void)grouprig_leave(&g, "g", m, NULL);
    struct vrv_delete_group del = { .call.done.cq = &g.cq, .group = vrv_span_str("g") };
    struct vrv_commit_item it = { .topic = vrv_span_str("t"), .partition = 3, .offset = 8 };
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = -1, .items = &it,
        .item_n = 1 };
    vrv_coord_commit(g.c, &c);
    vrv_coord_delete_group(g.c, &del);
    grouprig_run(&g);
    OK(del.call.error == 0 && c.call.error == 0, "a commit and then a deletion, both on their way");
    IS(grouprig_fetch(&g, "g", "t", 3), -1, "the deletion covers the commit");
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "the group is gone");
    again();
    IS(grouprig_fetch(&g, "g", "t", 3), -1, "also after a crash");
    IS_STR(grouprig_state(&g, "g"), "GROUP_ID_NOT_FOUND", "the group, too");

    (void)grouprig_commit(&g, "g", "t", 0, 1);
    del.call.done.cq = c.call.done.cq = &g.cq;
    vrv_coord_delete_group(g.c, &del);
    vrv_coord_commit(g.c, &c);
    grouprig_run(&g);
    IS(grouprig_fetch(&g, "g", "t", 0), -1, "a deletion and then a commit");
    IS(grouprig_fetch(&g, "g", "t", 3), 8, "leave the commit");
    again();
    IS(grouprig_fetch(&g, "g", "t", 3), 8, "also after a crash");
    grouprig_fini(&g);
}

/* ---- topics that are deleted ---- */

static void
delete_topic(const char *name)
{
    struct vrv_err e;

    OK(vrv_engine_delete_topic(g.rig.eng, name, &e) == 0, "%s is deleted", name);
}

/* With a time to expire it is stored in the old version, without the topic's id. */
static void
commit_expiring(const char *topic, int64_t offset)
{
    struct vrv_commit_item it = { .topic = vrv_span_str(topic), .offset = offset };
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("old"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = DAY_MS, .items = &it,
        .item_n = 1 };

    vrv_coord_commit(g.c, &c);
    grouprig_run(&g);
}

static void
topic_deleted(void)
{
    begin();
    rig_topic(&g.rig, "gone", 1, "");
    (void)grouprig_commit(&g, "h", "gone", 0, 1);
    (void)grouprig_commit(&g, "h", "t", 0, 2);
    delete_topic("gone");
    vrv_coord_topic_deleted(g.c, vrv_span_str("gone"));
    grouprig_run(&g);
    IS(stats_of(g.c).forgotten, 1, "with it go its offsets");
    IS(grouprig_fetch(&g, "h", "t", 0), 2, "no others");
    IS_ERR(grouprig_commit(&g, "h", "gone", 0, 1), UNKNOWN_TOPIC_OR_PARTITION,
        "and what is committed for it now comes too late");

    rig_topic(&g.rig, "gone", 1, "");
    (void)grouprig_commit(&g, "h", "gone", 0, 3);
    delete_topic("gone");
    rig_topic(&g.rig, "gone", 1, "");
    IS(grouprig_fetch(&g, "h", "gone", 0), -1, "a new topic of its name has none of them");
    (void)grouprig_commit(&g, "h", "gone", 0, 4);
    vrv_coord_topic_deleted(g.c, vrv_span_str("gone"));
    grouprig_run(&g);
    IS(grouprig_fetch(&g, "h", "gone", 0), 4, "but its own, when we hear of the deletion late");
    grouprig_fini(&g);
}

/* A crash just behind the deletion: nobody told us of it. */
static void
topic_deleted_unheard(void)
{
    begin();
    rig_topic(&g.rig, "gone", 1, "");
    rig_topic(&g.rig, "new", 1, "");
    (void)grouprig_commit(&g, "h", "gone", 0, 1);
    (void)grouprig_commit(&g, "h", "new", 0, 2);
    (void)grouprig_commit(&g, "h", "t", 0, 3);
    commit_expiring("gone", 4);
    commit_expiring("t", 5);
    delete_topic("gone");
    delete_topic("new");
    rig_topic(&g.rig, "new", 1, "");
    again();
    IS(stats_of(g.c).forgotten, 3, "after a crash their offsets are deleted from the log");
    rig_topic(&g.rig, "gone", 1, "");
    IS(grouprig_fetch(&g, "h", "gone", 0), -1, "a topic that is created again has none of them");
    IS(grouprig_fetch(&g, "old", "gone", 0), -1, "also not of those with a time to expire");
    IS(grouprig_fetch(&g, "h", "new", 0), -1, "nor has one that was before the crash");
    IS(grouprig_fetch(&g, "h", "t", 0), 3, "others are there");
    IS(grouprig_fetch(&g, "old", "t", 0), 5, "all of them");
    again();
    IS(stats_of(g.c).forgotten, 0, "the next time nothing is left of them");
    IS(grouprig_fetch(&g, "h", "gone", 0), -1, "so they don't come back");
    grouprig_fini(&g);
}

/* More than one batch takes. */
static void
many(void)
{
    enum { N = 2500 };
    struct vrv_commit_item *it = calloc(N, sizeof(*it));
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = -1, .items = it,
        .item_n = N };
    struct vrv_offset_fetch f = { .call.done.cq = &g.cq, .group = vrv_span_str("g"), .all = true };

    begin();
    for (int i = 0; it != NULL && i < N; i++)
        it[i] = (struct vrv_commit_item){ .topic = vrv_span_str("t"), .partition = i, .offset = i };
    vrv_coord_commit(g.c, &c);
    grouprig_run(&g);
    OK(grouprig_posted(&c.call) && c.call.error == 0, "a commit of 2500 partitions");
    OK(rig_checkpoint(&g.rig), "that are flushed to a segment");
    again();
    uint64_t used = stats_of(g.c).memory;
    vrv_coord_fetch(g.c, &f);
    grouprig_run(&g);
    OK(f.item_n == N && f.items[N - 1].offset == N - 1, "are all there after a crash");
    vrv_group_call_fini(&f.call);
    IS_ERR(grouprig_delete(&g, "g"), NONE, "and all deleted");
    IS(stats_of(g.c).memory, 0, "no memory is left in use");
    OK(used > N * sizeof(struct vrv_offset), "where all was counted");
    grouprig_fini(&g);
    free(it);
}

/* ---- groups ---- */

static void
listing(void)
{
    struct vrv_span states[] = { vrv_span_str("stable") };
    struct vrv_list_groups l = { .call.done.cq = &g.cq };

    begin();
    (void)member_of("busy", "consumer");
    (void)grouprig_commit(&g, "simple", "t", 0, 1);
    vrv_coord_list(g.c, &l);
    grouprig_run(&g);
    IS(l.group_n, 2, "all groups");
    vrv_group_call_fini(&l.call);
    l = (struct vrv_list_groups){ .call.done.cq = &g.cq, .states = states, .state_n = 1 };
    vrv_coord_list(g.c, &l);
    grouprig_run(&g);
    IS(l.group_n, 1, "by state");
    IS_STR(grouprig_text(l.groups[0].group), "busy", "whatever its case");
    IS_STR(grouprig_text(l.groups[0].protocol_type), "consumer", "with its type");
    vrv_group_call_fini(&l.call);
    states[0] = vrv_span_str("consumer");
    l = (struct vrv_list_groups){ .call.done.cq = &g.cq, .types = states, .type_n = 1 };
    vrv_coord_list(g.c, &l);
    grouprig_run(&g);
    IS(l.group_n, 0, "none of the new type");
    struct vrv_describe_group d = { .call.done.cq = &g.cq, .group = vrv_span_str("busy") };
    vrv_coord_describe(g.c, &d);
    grouprig_run(&g);
    IS(d.member_n, 1, "a group described: its member");
    IS_STR(grouprig_text(d.members[0].client_host), "/127.0.0.1", "where from");
    IS_STR(grouprig_text(d.protocol), "range", "its protocol");
    OK(d.members[0].metadata.n > 0, "its subscription");
    vrv_group_call_fini(&d.call);
    grouprig_fini(&g);
}

static void
hashes(void)
{
    struct vrv_coord_opts o;

    vrv_coord_opts_default(&o);
    struct vrv_coord *c = vrv_coord_new(&o);
    IS(vrv_coord_partition(c, vrv_span_str("golden")), 43, "Java's hash of a group id");
    IS(vrv_coord_partition(c, vrv_span_str("gruppe-\xc3\xa9")), 3, "beyond ASCII");
    IS(vrv_coord_partition(c, vrv_span_str("\xf0\x9f\x98\x80 group")), 6, "beyond 16 bits");
    IS(vrv_coord_partition(c, vrv_span_str("polygenelubricants")), 0, "whose hash has no abs");
    IS(vrv_coord_partition(c, VRV_SPAN_EMPTY), 0, "of nothing");
    IS(vrv_coord_partition(c, vrv_span_str("a-rather-long-consumer-group-name-1234567890")), 20,
        "of a longer one");
    (void)vrv_coord_partition(c, vrv_span_str("\xff\xf0\x9f\xc3"));
    vrv_coord_free(&c);
}

/* ---- ownership ---- */

static void
ownership(void)
{
    begin();
    int32_t p = vrv_coord_partition(g.c, vrv_span_str("g"));
    const char *m = member_of("g", "consumer");
    (void)commit_gen("g", m, 1, true);
    struct vrv_join j = { 0 };
    grouprig_join(&g, &j, "g", "");
    struct vrv_commit_item it = { .topic = vrv_span_str("t"), .offset = 2 };
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = vrv_span_str(m), .generation = 1, .retention_ms = -1, .items = &it,
        .item_n = 1 };
    vrv_coord_commit(g.c, &c);
    vrv_coord_lost(g.c, p);
    grouprig_step(&g);
    IS_ERR(j.call.error, NOT_COORDINATOR, "a join that waits when its partition is lost");
    IS_ERR(c.call.error, NOT_COORDINATOR, "a commit that is on its way");
    vrv_coord_gained(g.c, p, 0);
    grouprig_step(&g);
    IS(stats_of(g.c).serving, g.o.partitions - 1,
        "gained again, it waits for what was on its way");
    struct vrv_heartbeat beat = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = vrv_span_str("x") };
    vrv_coord_heartbeat(g.c, &beat);
    grouprig_step(&g);
    IS_ERR(beat.call.error, NONE, "meanwhile a heartbeat is let pass");
    c.call.done.cq = &g.cq;
    vrv_coord_commit(g.c, &c);
    grouprig_step(&g);
    IS_ERR(c.call.error, COORDINATOR_LOAD_IN_PROGRESS, "nothing else");
    grouprig_run(&g);
    IS(stats_of(g.c).serving, g.o.partitions, "it is read");
    IS_ERR(grouprig_heartbeat(&g, "g", m, 1), NONE, "the member is as it was");
    IS(grouprig_fetch(&g, "g", "t", 0), 2, "what was on its way when it was lost is there");
    vrv_coord_lost(g.c, p);
    IS_ERR(grouprig_heartbeat(&g, "g", m, 1), NOT_COORDINATOR, "what comes then");
    IS(grouprig_fetch(&g, "g", "t", 0), -1000 - VRV_K_NOT_COORDINATOR, "offsets, too");
    vrv_group_call_fini(&j.call);
    grouprig_fini(&g);
}

static void
wrong_epoch(void)
{
    begin();
    int32_t p = vrv_coord_partition(g.c, vrv_span_str("g"));
    vrv_coord_gained(g.c, p, 7);
    grouprig_run(&g);
    IS_ERR(grouprig_commit(&g, "g", "t", 0, 1), NOT_COORDINATOR,
        "an epoch that isn't the log's stores nothing");
    grouprig_fini(&g);
}

static void
damaged(void)
{
    begin();
    int32_t p = vrv_coord_partition(g.c, vrv_span_str("g"));
    (void)grouprig_commit(&g, "g", "t", 0, 1);
    OK(rig_put(&g.rig, rig_log(&g.rig, VRV_OFFSETS_TOPIC, p), "no key") >= 0,
        "a record without a key comes into the log");
    vrv_coord_lost(g.c, p);
    vrv_coord_gained(g.c, p, 0);
    grouprig_run(&g);
    IS(stats_of(g.c).serving, g.o.partitions - 1, "then its groups aren't served");
    OK(strstr(g.failed.msg, "offset 1 has no key") != NULL, "and it says which record it is");
    IS_ERR(grouprig_commit(&g, "g", "t", 0, 2), NOT_COORDINATOR, "clients ask elsewhere");
    grouprig_fini(&g);
}

/* A write that was accepted, and then the disk fails. */
static void
failed_write(void)
{
    begin();
    (void)grouprig_commit(&g, "g", "t", 0, 1);
    struct vrv_commit_item it = { .topic = vrv_span_str("t"), .offset = 2 };
    struct vrv_offset_commit c = { .call.done.cq = &g.cq, .group = vrv_span_str("g"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = -1, .items = &it,
        .item_n = 1 };
    vrv_coord_commit(g.c, &c);
    simdisk_fail(g.rig.disk, 1, SIM_EIO, true);
    grouprig_run(&g);
    IS_ERR(c.call.error, NOT_COORDINATOR, "a commit whose write fails");
    OK(g.failed.code != 0, "somebody is told");
    IS(grouprig_fetch(&g, "g", "t", 0), -1000 - VRV_K_NOT_COORDINATOR,
        "what the log holds isn't known: nothing is shown");
    simdisk_fail(g.rig.disk, 0, SIM_EIO, false);
    again();
    int64_t v = grouprig_fetch(&g, "g", "t", 0);
    OK(v == 1 || v == 2, "after a restart it is one or the other");
    grouprig_fini(&g);
}

static void
disk_full(void)
{
    begin();
    (void)grouprig_commit(&g, "g", "t", 0, 1);
    g.rig.o.disk_reserve_bytes = (uint64_t)1 << 60;
    grouprig_down(&g);
    grouprig_up(&g);
    vrv_engine_tend_step(g.rig.eng);
    IS_ERR(grouprig_commit(&g, "g", "t", 0, 2), NOT_COORDINATOR, "a commit while the disk is full");
    IS(grouprig_fetch(&g, "g", "t", 0), 1, "what is there is served");
    struct vrv_join j = { 0 };
    grouprig_join(&g, &j, "new", "");
    grouprig_run(&g);
    IS_ERR(j.call.error, NOT_COORDINATOR, "a new group can't be stored");
    IS_STR(grouprig_state(&g, "new"), "GROUP_ID_NOT_FOUND", "and isn't there");
    grouprig_fini(&g);
}

static void
memory_full(void)
{
    grouprig_init(&g, 1);
    g.o.config.memory_bytes = 4000;
    grouprig_up(&g);
    int i = 0, rc = 0;
    for (; i < 100 && rc == 0; i++)
        rc = grouprig_commit(&g, "g", "t", i, 1);
    OK(i > 10 && i < 100, "memory for offsets is bounded");
    IS_ERR(rc, COORDINATOR_NOT_AVAILABLE, "a new one is refused then");
    IS_ERR(grouprig_commit(&g, "g", "t", 0, 2), NONE, "one that is there can go on");
    struct vrv_join j = { 0 };
    grouprig_join(&g, &j, "h", "");
    grouprig_run(&g);
    IS_ERR(j.call.error, COORDINATOR_NOT_AVAILABLE, "so is a new member");
    vrv_group_call_fini(&j.call);
    grouprig_fini(&g);
}

/* ---- threads ---- */

enum { THREADS = 3, ROUNDS = 300 };

struct world {
    struct vrv_coord *c;
    _Atomic bool done;
    _Atomic int bad;
};

struct worker {
    struct world *w;
    int i;
    int64_t acked;
};

static void
wait_for(struct vrv_cq *q)
{
    (void)vrv_cq_take(q, -1);
}

static void
worker_commit(struct worker *k, struct vrv_cq *q, int64_t offset)
{
    struct vrv_commit_item it = { .topic = vrv_span_str("t"), .partition = k->i,
        .leader_epoch = -1, .offset = offset };
    struct vrv_offset_commit c = { .call.done.cq = q, .group = vrv_span_str("shared"),
        .member_id = VRV_SPAN_EMPTY, .generation = -1, .retention_ms = -1, .items = &it,
        .item_n = 1 };

    vrv_coord_commit(k->w->c, &c);
    wait_for(q);
    if (c.call.error == 0 && it.error == 0)
        k->acked = offset;
    else if (!vrv_kerror_retriable(c.call.error))
        atomic_fetch_add(&k->w->bad, 1);
}

static void
worker_join(struct worker *k, struct vrv_cq *q)
{
    struct vrv_join_protocol p = { vrv_span_str("range"), grouprig_subscription("t") };
    struct vrv_join j = { .call.done.cq = q, .group = vrv_span_str("members"),
        .member_id = VRV_SPAN_EMPTY, .protocol_type = vrv_span_str("consumer"), .protocols = &p,
        .protocol_n = 1, .session_ms = 6000, .rebalance_ms = 50 };

    vrv_coord_join(k->w->c, &j);
    wait_for(q);
    if (j.call.error == 0) {
        struct vrv_leaver who = { j.out_member_id, VRV_SPAN_NULL, 0 };
        struct vrv_leave l = { .call.done.cq = q, .group = vrv_span_str("members"),
            .members = &who, .member_n = 1 };
        vrv_coord_leave(k->w->c, &l);
        wait_for(q);
    }
    vrv_group_call_fini(&j.call);
}

static void *
work(void *ctx)
{
    struct worker *k = ctx;
    struct vrv_cq q;

    (void)vrv_cq_init(&q, 0);
    for (int n = 1; n <= ROUNDS; n++) {
        worker_commit(k, &q, n);
        if (n % 100 == 0 && k->i == 0)
            worker_join(k, &q);
    }
    vrv_cq_fini(&q);
    return NULL;
}

static void *
flip(void *ctx)
{
    struct world *w = ctx;

    while (!atomic_load(&w->done)) {
        struct timespec ms = { 0, 3000000 };

        (void)nanosleep(&ms, NULL);
        vrv_coord_lost(w->c, 0);
        vrv_coord_gained(w->c, 0, 0);
    }
    return NULL;
}

static bool
offsets_topic_has(struct vrv_engine *eng, const char *key, const char *value)
{
    struct vrv_topic_info t;
    bool has = false;

    if (vrv_catalog_by_name(vrv_engine_catalog(eng), VRV_OFFSETS_TOPIC, &t, NULL) < 0)
        return false;
    for (size_t i = 0; i < t.config_n; i++)
        has |= strcmp(t.configs[i].key, key) == 0 && strcmp(t.configs[i].value, value) == 0;
    vrv_topic_info_fini(&t);
    return has;
}

/* Its thread may be in the middle of a step, and sleep for minutes after it. */
static void
stop_early(const struct vrv_coord_opts *o)
{
    enum { TIMES = 500 };
    struct vrv_err e;
    int stopped = 0;

    for (int i = 0; i < TIMES; i++) {
        struct vrv_coord *c = vrv_coord_new(o);

        if (vrv_coord_start(c, &e) < 0)
            break;
        vrv_coord_gained(c, 0, 0);
        for (volatile int spin = 0; spin < 100 * i; spin++)
            ;
        vrv_coord_stop(c);
        vrv_coord_free(&c);
        stopped++;
    }
    IS(stopped, TIMES, "a coordinator that has just begun stops at once");
}

static void
threads(void)
{
    struct worker k[THREADS];
    pthread_t t[THREADS], flipper;
    struct vrv_coord_opts o;
    struct vrv_pool *pool;
    struct world w = { 0 };
    struct varve *v;
    struct vrv_err e;
    struct vrv_uuid id = { { 1 } }, id_t = { { 2 } };
    char dir[300];

    (void)snprintf(dir, sizeof(dir), "%s/threads", tap_dir());
    if (!OK(vrv__open(&v, dir, NULL, NULL, NULL, NULL) == 0, "an engine with its threads") ||
        !OK(vrv_pool_start(&pool, "load", 2, &e) == 0, "and a pool"))
        return;
    vrv_coord_opts_default(&o);
    o.eng = v->engine;
    o.pool = pool;
    o.clock = vrv_clock_real();
    o.partitions = 1;
    o.config.initial_rebalance_delay_ms = 1;
    OK(vrv_engine_create_topic(v->engine, "t", 1, NULL, 0, &id_t, &e) == 0, "with a topic");
    OK(vrv_coord_make_topic(v->engine, id, &o.partitions, 12345678, &e) == 0, "and its own");
    int32_t other = 7;
    OK(vrv_coord_make_topic(v->engine, id, &other, 1, &e) == 0 && other == 1,
        "... which keeps its partitions, however many are asked for later");
    OK(offsets_topic_has(v->engine, "segment.bytes", "12345678"), "... whose segments are as said");
    w.c = vrv_coord_new(&o);
    OK(vrv_coord_start(w.c, &e) == 0, "a coordinator with its thread");
    vrv_coord_gained(w.c, 0, 0);
    for (int i = 0; i < THREADS; i++) {
        k[i] = (struct worker){ &w, i, -1 };
        (void)pthread_create(&t[i], NULL, work, &k[i]);
    }
    (void)pthread_create(&flipper, NULL, flip, &w);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    atomic_store(&w.done, true);
    (void)pthread_join(flipper, NULL);
    IS(w.bad, 0, "every refusal of a commit can be tried again");
    while (stats_of(w.c).serving == 0) {
        struct timespec ms = { 0, 1000000 };
        (void)nanosleep(&ms, NULL);
    }
    struct vrv_cq q;
    (void)vrv_cq_init(&q, 0);
    for (int i = 0; i < THREADS; i++) {
        struct vrv_fetch_item f = { .topic = vrv_span_str("t"), .partition = i };
        struct vrv_offset_fetch c = { .call.done.cq = &q, .group = vrv_span_str("shared"),
            .items = &f, .item_n = 1 };
        vrv_coord_fetch(w.c, &c);
        wait_for(&q);
        OK(f.offset >= k[i].acked, "what was acknowledged is there, while ownership came and went");
        vrv_group_call_fini(&c.call);
    }
    vrv_cq_fini(&q);
    vrv_coord_stop(w.c);
    stop_early(&o);
    vrv_pool_stop(&pool);
    OK(varve_close(&v, NULL) == 0, "the engine stops");
    vrv_coord_free(&w.c);
}

struct seen {
    int n;
    int64_t offsets; /* their sum */
    int stop_at;
};

static int
see(void *ctx, struct vrv_span group, struct vrv_span topic, int32_t partition, int64_t offset)
{
    struct seen *s = ctx;

    OK(vrv_span_eq(group, vrv_span_str("a")) && vrv_span_eq(topic, vrv_span_str("t")) &&
            partition == (int32_t)offset - 10,
        "a committed offset comes with its group and partition");
    s->n++;
    s->offsets += offset;
    return s->n == s->stop_at ? 7 : 0;
}

static void
stats(void)
{
    struct vrv_coord_stats st;
    struct seen all = { .stop_at = -1 }, one = { .stop_at = 1 };
    char member[128];

    begin();
    vrv_coord_stats(g.c, &st);
    OK(st.groups == 0 && st.offsets == 0 && st.commits == 0 && st.rebalances == 0, "nothing yet");
    IS(st.serving, g.o.partitions, "all partitions are served");
    (void)snprintf(member, sizeof(member), "%s", member_of("b", "consumer"));
    IS_ERR(grouprig_commit(&g, "a", "t", 0, 10), NONE, "one commit");
    IS_ERR(grouprig_commit(&g, "a", "t", 1, 11), NONE, "another one");
    IS_ERR(grouprig_commit(&g, "a", "t", 1, 11), NONE, "the same again");
    vrv_coord_stats(g.c, &st);
    OK(st.groups == 2 && st.in_state[VRV_GROUP_STABLE] == 1 && st.in_state[VRV_GROUP_EMPTY] == 1,
        "groups are counted by their states");
    OK(st.members == 1 && st.rebalances == 1, "members, and rebalances that were completed");
    OK(st.commits == 3 && st.offsets == 2 && st.forgotten == 0, "commits, and what they have left");
    OK(st.memory > 2 * sizeof(struct vrv_offset), "the memory of all that");
    IS(vrv_coord_each_offset(g.c, see, &all), 0, "each committed offset");
    OK(all.n == 2 && all.offsets == 21, "comes once");
    IS(vrv_coord_each_offset(g.c, see, &one), 7, "or until there are enough");
    IS(one.n, 1, "and none behind that");
    IS_ERR(grouprig_delete(&g, "a"), NONE, "its group is deleted");
    IS_ERR(grouprig_leave(&g, "b", member, NULL), NONE, "and the other one's member leaves");
    vrv_coord_stats(g.c, &st);
    OK(st.groups == 1 && st.members == 0 && st.offsets == 0 && st.forgotten == 2,
        "what has gone isn't counted as there");
    vrv_coord_lost(g.c, 0);
    vrv_coord_stats(g.c, &st);
    IS(st.serving, g.o.partitions - 1, "a partition that was lost isn't served");
    grouprig_fini(&g);
}

/* ---- all of them, elsewhere ---- */

struct copy {
    struct grouprig to;
    int batches;
};

static int
put_batch(void *ctx, int32_t partition, const uint8_t *batch, size_t n)
{
    struct copy *c = ctx;

    c->batches++;
    return rig_put_bytes(&c->to.rig, rig_log(&c->to.rig, VRV_OFFSETS_TOPIC, partition), batch, n) < 0
        ? -1
        : 0;
}

static void
dump(void)
{
    static struct copy c;
    struct vrv_err e = { 0 };
    int wrong = 0;

    begin();
    grouprig_init(&c.to, 2);
    grouprig_up(&c.to);
    for (int i = 0; i < 20; i++) {
        char group[16];

        (void)snprintf(group, sizeof(group), "group-%d", i);
        for (int k = 0; k < 3; k++) {
            (void)grouprig_commit(&g, group, "t", 0, k);
            (void)grouprig_commit(&g, group, "t", 1, i + k);
        }
    }
    (void)grouprig_delete_offset(&g, "group-7", "t", 0);
    IS(vrv_coord_dump(g.c, put_batch, &c, &e), 0, "all offsets go elsewhere %s", e.msg);
    OK(c.batches > 1, "in batches (%d)", c.batches);
    grouprig_crash(&c.to, 0);
    grouprig_up(&c.to);
    for (int i = 0; i < 20; i++) {
        char group[16];

        (void)snprintf(group, sizeof(group), "group-%d", i);
        wrong += grouprig_fetch(&c.to, group, "t", 0) != (i == 7 ? -1 : 2);
        wrong += grouprig_fetch(&c.to, group, "t", 1) != i + 2;
    }
    IS(wrong, 0, "where they are what they were");
    grouprig_fini(&c.to);
    grouprig_fini(&g);
}

int
main(void)
{
    stats();
    offsets();
    commit_rules();
    expiry();
    expiry_while_used();
    deletions();
    topic_deleted();
    topic_deleted_unheard();
    many();
    listing();
    hashes();
    ownership();
    wrong_epoch();
    damaged();
    memory_full();
    failed_write();
    disk_full();
    threads();
    dump();
    return tap_done();
}
