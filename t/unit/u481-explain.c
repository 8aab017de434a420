/*
 * What people are told of a partition's segments: where they are, what comes next, when and why;
 * and that it is what the policy does.
 */
#include "tiering/daemon/explain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/rand.h"
#include "t/lib/tap.h"
#include "t/lib/tierview.h"

static struct vrv_cold_page page;
static struct vrv_tier_seg *told;
static uint32_t told_n;

/* The first n cold segments are a page. */
static void
fold(uint32_t n)
{
    page = (struct vrv_cold_page){ .base = 0, .next = n * EACH, .plain = n * BYTES, .segments = n,
        .newest_ms = cold_seg[n - 1].max_ts };
    cold.page = &page;
    cold.page_n = 1;
    cold.seg += n;
    cold.seg_n -= n;
}

static const struct vrv_tier_seg *
tell(void)
{
    free(told);
    told = vrv_tier_explain(&rules, &view, &told_n);
    return told;
}

static struct vrv_tier_sums
sums(void)
{
    struct vrv_tier_sums s;

    (void)tell();
    vrv_tier_sum(&view, told, told_n, &s);
    return s;
}

/* ---- where ---- */

static void
test_places(void)
{
    begin(5, 3);
    const struct vrv_tier_seg *s = tell();
    IS(told_n, SEGS, "each segment once");
    OK(s[2].place == VRV_TIER_COLD && s[2].base == 200 && s[2].bytes == BYTES, "only in the store");
    OK(s[3].place == VRV_TIER_BOTH && s[4].place == VRV_TIER_BOTH, "in both");
    OK(s[5].place == VRV_TIER_HERE, "only here");
    cold_seg[2].size = 420;
    cold_seg[3].size = 430;
    s = tell();
    OK(s[2].stored == 420 && s[3].stored == 430 && s[5].stored == 0, "what the store has of each");
    begin(0, 0);
    OK(tell()[0].place == VRV_TIER_HERE && told_n == SEGS, "without a manifest all is here");
    view.local_n = 0;
    (void)tell();
    IS(told_n, 0, "an empty log has nothing to tell");
    begin(5, 5);
    view.local_n = 0;
    (void)tell();
    OK(told_n == 5 && told[4].place == VRV_TIER_COLD, "one that left this disk has the store");
    begin(5, 3);
    fold(4);
    page.stored = 1700;
    s = tell();
    OK(s[0].stored == -1 && s[1].stored == -1, "... but not of some of a page");
    OK(s[0].segments == 3 && s[0].base == 0 && s[0].next == 300 && s[0].bytes == 3 * BYTES,
        "of a page, what this disk has is told by itself");
    OK(told_n == 8 && s[1].base == 300 && s[1].place == VRV_TIER_BOTH, "... behind it");
}

/* ---- what, when, why ---- */

static void
test_copies(void)
{
    begin(4, 0);
    const struct vrv_tier_seg *s = tell();
    OK(s[4].fate == VRV_TIER_COPIED && s[4].when.ms <= NOW && s[4].when.why == VRV_WHY_NEXT,
        "the next one to go");
    OK(s[5].fate == VRV_TIER_COPIED && s[5].when.ms <= NOW && s[5].when.why == VRV_WHY_BEHIND,
        "... and who goes behind it");
    OK(s[9].fate == VRV_TIER_STAYS && s[9].when.why == VRV_WHY_OPEN, "the open one stays");
    local[8].sealed = false;
    s = tell();
    OK(s[8].fate == VRV_TIER_STAYS && s[8].when.why == VRV_WHY_CLOSED,
        "... and who isn't sealed yet");
    rules.lag_ms = 6 * MINUTE;
    s = tell();
    OK(s[4].when.ms == NOW + MINUTE && s[4].when.why == VRV_WHY_LAG_MS,
        "who waits by age, until then");
    rules.lag_ms = INT64_MAX;
    rules.lag_bytes = 5400;
    s = tell();
    OK(s[4].when.ms == INT64_MAX && s[4].when.more == 400 && s[4].when.why == VRV_WHY_LAG_BYTES,
        "who waits for bytes, for how many");
    rules.age_ms = 8 * MINUTE;
    local[4].since_ms = NOW - 6 * MINUTE;
    s = tell();
    OK(s[4].when.ms == NOW + 2 * MINUTE && s[4].when.why == VRV_WHY_MAX_AGE,
        "... but for so long at most");
    rules.age_ms = INT64_MAX;
    local[4].since_ms = -MINUTE;
    s = tell();
    OK(s[4].when.ms == INT64_MAX && s[4].when.why == VRV_WHY_LAG_BYTES, "... one from before 1970 for ever, without limit");
    rules.age_ms = 8 * MINUTE;
    s = tell();
    OK(s[4].when.ms <= NOW && s[4].when.why == VRV_WHY_NEXT, "... and with one until it is over");
    rules.age_ms = INT64_MAX;
    rules.copies = false;
    s = tell();
    OK(s[4].fate == VRV_TIER_STAYS && s[4].when.why == VRV_WHY_COPY_OFF,
        "with copies switched off");
    rules.retention_ms = 5 * MINUTE;
    s = tell();
    OK(s[4].fate == VRV_TIER_DELETED && s[4].when.ms == NOW + 1,
        "... it is deleted when it is old");
    rules.copies = true;
    rules.lag_bytes = 0;
    rules.retention_ms = 4 * MINUTE;
    s = tell();
    OK(s[4].fate == VRV_TIER_DELETED && s[5].when.why == VRV_WHY_NEXT,
        "what is too old isn't worth the way");
}

static void
test_drops(void)
{
    begin(5, 0);
    const struct vrv_tier_seg *s = tell();
    OK(s[0].fate == VRV_TIER_STAYS && s[0].when.why == VRV_WHY_UNLIMITED,
        "without limits all stays");
    rules.local_ms = 7 * MINUTE;
    s = tell();
    OK(s[1].fate == VRV_TIER_DROPPED && s[1].when.ms <= NOW && s[1].when.why == VRV_WHY_LOCAL_MS,
        "what is old leaves this disk");
    OK(s[2].fate == VRV_TIER_DROPPED && s[2].when.ms == NOW + 1, "... and the next one when it is");
    rules.local_ms = INT64_MAX;
    rules.local_bytes = 7500;
    s = tell();
    OK(s[1].when.ms <= NOW && s[2].when.more == 500 && s[2].when.why == VRV_WHY_LOCAL_BYTES,
        "or when so much is behind it");
    local[0].newest_ms = NOW;
    rules.local_bytes = INT64_MAX;
    rules.local_ms = 7 * MINUTE;
    s = tell();
    OK(s[1].when.ms == NOW + 7 * MINUTE + 1 && s[1].when.why == VRV_WHY_BEHIND,
        "none before those in front of it");
    begin(5, 0);
    rules.local_ms = 0;
    s = tell();
    OK(s[4].fate == VRV_TIER_DROPPED && !s[4].held, "what is cold goes");
    OK(s[5].fate == VRV_TIER_COPIED && s[5].held, "what isn't is held");
    OK(s[9].fate == VRV_TIER_STAYS && !s[9].held, "... but the open one");
}

static void
test_deletes(void)
{
    begin(5, 3);
    rules.retention_ms = 7 * MINUTE;
    const struct vrv_tier_seg *s = tell();
    OK(s[1].fate == VRV_TIER_DELETED && s[1].when.ms <= NOW &&
        s[1].when.why == VRV_WHY_RETENTION_MS,
        "too old for both tiers");
    OK(s[2].fate == VRV_TIER_DELETED && s[2].when.ms == NOW + 1, "... or soon");
    OK(s[5].fate == VRV_TIER_COPIED && s[5].gone.ms == NOW + 3 * MINUTE + 1,
        "when it is deleted is known before that");
    rules.retention_ms = INT64_MAX;
    rules.retention_bytes = 8200;
    s = tell();
    OK(s[0].when.ms <= NOW && s[1].when.more == 200 && s[1].when.why == VRV_WHY_RETENTION_BYTES,
        "or by size");
    view.start = 250;
    s = tell();
    OK(s[1].when.why == VRV_WHY_BELOW_START && s[2].when.why == VRV_WHY_RETENTION_BYTES,
        "what the log has left behind is told as that");
}

static void
test_leaves(void)
{
    begin(5, 3);
    rules.leaves = true;
    const struct vrv_tier_seg *s = tell();
    OK(s[2].fate == VRV_TIER_DELETED && s[2].when.ms <= NOW && s[2].when.why == VRV_WHY_LEAVES,
        "a topic that leaves the tier loses what only the store has");
    OK(s[3].fate == VRV_TIER_STAYS && s[8].fate == VRV_TIER_STAYS &&
        s[8].when.why == VRV_WHY_LEAVES,
        "... and keeps the rest here");
}

/* ---- the open one ---- */

static void
test_open(void)
{
    begin(5, 3);
    view.closing = (struct vrv_log_closing){ NOW + 7, 300, VRV_CLOSER_MAX_AGE };
    const struct vrv_tier_seg *s = &tell()[9];
    OK(s->fate == VRV_TIER_CLOSED && s->when.ms == NOW + 7 && s->when.more == 300, "it is closed in time");
    IS(s->when.why, VRV_WHY_OPEN_MAX_AGE, "... by the setting that does so first");
    view.closing.by = VRV_CLOSER_MS;
    IS(tell()[9].when.why, VRV_WHY_OPEN_MS, "... which may be another one");
    view.closing.ms = NOW;
    IS(tell()[9].when.more, 0, "or now");
    OK(!told[9].held && sums().lag.segments == 4, "... which is no lag");
}

/* ---- a full disk ---- */

static void
test_full_disk(void)
{
    begin(7, 3);
    rules.local_ms = 100 * MINUTE;
    rules.evicts = BYTES + 1;
    const struct vrv_tier_seg *s = tell();
    OK(s[3].fate == VRV_TIER_DROPPED && s[3].when.ms <= NOW && s[3].when.why == VRV_WHY_LOCAL_MAX,
        "too much is here: the oldest goes now, whatever its limit says");
    rules.wants_room = true;
    s = tell();
    OK(s[4].when.ms <= NOW && s[4].when.why == VRV_WHY_DISK_FREE, "... or too little is free: as many as it takes");
    OK(s[5].when.ms > NOW && s[5].when.why == VRV_WHY_LOCAL_MS, "... and no more");
    rules.evicts = 10 * BYTES;
    s = tell();
    OK(s[6].when.ms <= NOW && s[7].place == VRV_TIER_HERE && s[7].fate == VRV_TIER_COPIED,
        "what the store hasn't got goes there first");
    IS((int64_t)sums().drops.segments, 4, "that is what leaves at once");
    rules.evicts = 0;
    rules.loses = 1;
    IS(tell()[7].fate, VRV_TIER_COPIED, "nothing is given up under block,");
    rules.outage = VRV_TIER_EXPIRE;
    IS(tell()[7].fate, VRV_TIER_COPIED, "... nor whose time here isn't over");
    rules.outage = VRV_TIER_DROP_OLDEST;
    s = tell();
    OK(s[7].fate == VRV_TIER_LOST && s[7].when.ms <= NOW && s[7].when.why == VRV_WHY_OUTAGE,
        "drop-oldest gives up the oldest that only this disk has");
    IS(s[8].fate, VRV_TIER_COPIED, "... until there is room");
    OK(sums().deletes.segments == 1 && sums().lag.segments == 2, "it is lost, and was late");
    rules.copies = false;
    IS(tell()[7].fate, VRV_TIER_STAYS, "who copies nothing loses nothing by that");
    rules.copies = true;
    rules.outage = VRV_TIER_EXPIRE;
    rules.local_ms = MINUTE;
    rules.loses = 5 * BYTES;
    s = tell();
    OK(s[7].fate == VRV_TIER_LOST && s[8].fate == VRV_TIER_COPIED, "expire gives up what is over");
}

/* ---- sums ---- */

static void
test_sums(void)
{
    begin(5, 3);
    struct vrv_tier_sums s = sums();
    OK(s.cold.segments == 3 && s.both.segments == 2 && s.here.segments == 5 &&
        s.here.bytes == 5 * BYTES, "what is where");
    OK(s.lag.segments == 4 && s.lag.bytes == 4 * BYTES, "what should be in the store, and isn't");
    IS(s.lag_ms, 4 * MINUTE, "... and how old it is");
    IS(s.requests, 16, "what that takes: an object, a look at it, a root and a look at that each");
    rules.local_ms = 0;
    s = sums();
    OK(s.held.segments == 4 && s.drops.segments == 6, "what is here only because it isn't there");
    rules.lag_ms = 100 * MINUTE;
    s = sums();
    OK(s.lag.segments == 0 && s.lag_ms == 0 && s.held.segments == 4, "who is to wait doesn't lag");
    rules.retention_ms = 5 * MINUTE;
    s = sums();
    OK(s.deletes.segments == 4 && s.deletes.bytes == 4 * BYTES && s.drops.segments == 2,
        "what is deleted, and how much of that here");
    view.start = 300;
    s = sums();
    OK(s.dead.segments == 3 && s.deletes.segments == 1, "what is dead already isn't deleted again");
    begin(0, 0);
    local[0].bytes = 100ull << 20;
    view.local_n = 2;
    IS(sums().requests, 7 + 2 + 1 + 2 + 4, "a large object goes in parts");
    local[0].bytes = 128ull << 20;
    IS(sums().requests, 9 + 2 + 1 + 2 + 4, "what it has beside its batches makes one more");
}

/* ---- it is what the policy does ---- */

static struct vrv_tier_plan
plan_at(int64_t now_ms)
{
    struct vrv_tier_rules r = rules;
    struct vrv_tier_view v = view;
    struct vrv_tier_plan p;

    if (now_ms > NOW && rules.evicts > 0) { /* by then that is done */
        int64_t drop = plan_at(NOW).drop;

        v.local_start = drop < cold.next ? drop : cold.next;
        r.evicts = 0;
    }
    v.now_ms = now_ms;
    vrv_tier_plan(&r, &v, &p);
    return p;
}

/* What is due is in the plan, and the other way round. */
static int
contradicts(void)
{
    struct vrv_tier_plan p = plan_at(NOW);
    int64_t next = view.local_n > p.move ? view.local[p.move].next : -1;
    int bad = 0;

    for (uint32_t i = 0; i < told_n; i++) {
        const struct vrv_tier_seg *s = &told[i];
        bool due = s->when.ms <= NOW, here = s->place != VRV_TIER_COLD;

        bad += (s->fate == VRV_TIER_DELETED && due) != (s->next <= p.start);
        bad += (s->fate == VRV_TIER_DROPPED && due) !=
            (here && s->next <= p.drop && s->next > p.start);
        bad += (s->when.why == VRV_WHY_NEXT) != (s->next == next && s->fate != VRV_TIER_LOST);
        bad += s->fate == VRV_TIER_COPIED && due && (next < 0 || s->next < next);
        bad += i > 0 && s->base != told[i - 1].next;
        bad += s->held && (s->place != VRV_TIER_HERE || (s->fate == VRV_TIER_DELETED && due));
    }
    return bad;
}

/* What is to come by a time does so then, and no sooner. */
static int
comes_wrongly(void)
{
    int bad = 0;

    for (uint32_t i = 0; i < told_n; i++) {
        const struct vrv_tier_seg *s = &told[i];

        if (s->when.ms <= NOW || s->when.ms == INT64_MAX || s->fate == VRV_TIER_CLOSED)
            continue;
        struct vrv_tier_plan before = plan_at(s->when.ms - 1), then = plan_at(s->when.ms);
        if (s->fate == VRV_TIER_DELETED)
            bad += before.start >= s->next || then.start < s->next;
        else if (s->fate == VRV_TIER_DROPPED)
            bad += before.drop >= s->next || then.drop < s->next;
        else if (before.move < view.local_n)
            bad += view.local[before.move].next == s->next;
        else if (then.move < view.local_n)
            bad += view.local[then.move].next > s->next;
    }
    return bad;
}

static void
draw(struct vrv_rand *r)
{
    draw_limits(r);
    uint32_t moved = cold.seg_n;
    rules.copies = vrv_rand_below(r, 4) > 0;
    rules.deletes = vrv_rand_below(r, 4) > 0;
    rules.leaves = vrv_rand_below(r, 10) == 0;
    if (vrv_rand_below(r, 2) == 0)
        view.start = (int64_t)vrv_rand_below(r, SEGS * EACH);
    if (view.local_start < view.start)
        view.local_start = view.start;
    for (int i = 0; i < SEGS - 1; i++) {
        if (vrv_rand_below(r, 3) > 0)
            continue;
        local[i].bytes = cold_seg[i].plain = vrv_rand_below(r, 3000);
        local[i].newest_ms = NOW - (int64_t)vrv_rand_below(r, 12 * MINUTE);
        local[i].since_ms = local[i].newest_ms - (int64_t)vrv_rand_below(r, 5 * MINUTE);
        cold_seg[i].max_ts = cold_seg[i].appended_ms = local[i].newest_ms;
    }
    if (vrv_rand_below(r, 2) == 0)
        rules.evicts = vrv_rand_below(r, 5 * BYTES);
    if (moved > 2 && vrv_rand_below(r, 3) == 0)
        fold(1 + (uint32_t)vrv_rand_below(r, moved - 1));
}

static void
test_always(void)
{
    struct vrv_rand r = { 1 };
    int bad = 0, wrong = 0, noted = 0;

    for (int i = 0; i < 100000; i++) {
        draw(&r);
        (void)tell();
        bad += contradicts() > 0;
        wrong += comes_wrongly() > 0;
        if (bad + wrong == 1 && noted++ == 0)
            tap_note("case %d: moved to %" PRId64 ", start %" PRId64, i, cold.next, view.start);
    }
    IS(bad, 0, "what is due is what the policy does");
    IS(wrong, 0, "what is to come, it does then");
}

int
main(void)
{
    test_places();
    test_copies();
    test_drops();
    test_deletes();
    test_leaves();
    test_open();
    test_full_disk();
    test_sums();
    test_always();
    free(told);
    return tap_done();
}
