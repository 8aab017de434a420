/*
 * What a topic's settings make of its segments: which leave both tiers, which this disk, which go next.
 */
#include "tiering/daemon/rules.h"

#include <string.h>

#include "engine/base/rand.h"
#include "t/lib/tap.h"
#include "t/lib/tierview.h"

static struct vrv_tier_plan
plan(void)
{
    struct vrv_tier_plan p;

    vrv_tier_plan(&rules, &view, &p);
    return p;
}

static void
test_move(void)
{
    begin(0, 0);
    IS(plan().move, 0, "the oldest sealed segment goes first");
    begin(4, 0);
    IS(plan().move, 4, "then the next one");
    begin(4, 3);
    IS(plan().move, 1, "wherever this disk begins");
    begin(9, 0);
    IS(plan().move, SEGS, "the open one never");
    begin(0, 0);
    rules.copies = false;
    IS(plan().move, SEGS, "nor any when copying is switched off");
    begin(0, 0);
    rules.retention_ms = 6 * MINUTE;
    IS(plan().move, 3, "what retention is about to delete stays here");
    begin(4, 0);
    rules.lag_ms = 6 * MINUTE;
    IS(plan().move, SEGS, "who is to wait waits");
    IS(plan().move_ms, NOW + MINUTE, "... until then");
    rules.lag_ms = 5 * MINUTE;
    IS(plan().move, 4, "... and no longer");
    rules.lag_ms = INT64_MAX;
    rules.lag_bytes = 5001;
    IS(plan().move, SEGS, "or for bytes behind it");
    rules.lag_bytes = 5000;
    IS(plan().move, 4, "... and no longer");
    begin(4, 0);
    rules.lag_ms = MINUTE;
    local[4].newest_ms = NOW + 1000 * MINUTE;
    IS(plan().move, 4, "a time in the future holds nothing up");
}

/* By when it should be there, whoever else waits. */
static void
test_due(void)
{
    begin(4, 0);
    IS(plan().due_ms, INT64_MAX, "without limits it has time");
    rules.local_ms = 20 * MINUTE;
    IS(plan().due_ms, NOW + 15 * MINUTE, "until it is to leave this disk");
    rules.age_ms = 7 * MINUTE;
    local[4].since_ms = NOW - 6 * MINUTE;
    IS(plan().due_ms, NOW + MINUTE, "... or as was promised");
    rules.age_ms = INT64_MAX;
    rules.local_bytes = 5000;
    IS(plan().due_ms, NOW - 5 * MINUTE, "it is late where it is too much already");
    rules.local_bytes = 5001;
    IS(plan().due_ms, NOW + 15 * MINUTE, "... and not before");
    rules.lag_ms = 6 * MINUTE;
    rules.age_ms = 7 * MINUTE;
    IS(plan().move, SEGS, "who is to wait waits");
    rules.age_ms = 6 * MINUTE;
    IS(plan().move, 4, "... no longer than was promised");
    begin(4, 0);
    local[4].newest_ms = local[4].since_ms = -MINUTE;
    IS(plan().due_ms, INT64_MAX, "one from before 1970 has time, too, without limits");
    rules.age_ms = 7 * MINUTE;
    IS(plan().due_ms, 6 * MINUTE, "... and with them until then");
}

static void
test_local(void)
{
    begin(5, 0);
    IS(plan().drop, 0, "without limits all stays here");
    rules.local_ms = 0;
    IS(plan().drop, 500, "what is cold may leave, at once");
    rules.local_ms = 7 * MINUTE;
    IS(plan().drop, 200, "or when it is old");
    rules.local_ms = INT64_MAX;
    rules.local_bytes = 7000;
    IS(plan().drop, 300, "or when the rest is enough");
    rules.local_bytes = 0;
    IS(plan().drop, 500, "never what isn't cold");
    begin(0, 0);
    rules.local_ms = rules.local_bytes = 0;
    IS(plan().drop, 0, "without a manifest nothing leaves");
    rules.local_ms = INT64_MAX;
    rules.evicts = 1;
    IS(plan().drop, 0, "... whatever is to make room");
    begin(5, 0);
    rules.evicts = 1;
    IS(plan().drop, 100, "the oldest makes room where it must");
    view.local_start = 300;
    IS(plan().drop, 400, "... then the next one");
    view.local_start = 500;
    IS(plan().drop, 500, "... as long as the store has it");
    view.local_start = 0;
    rules.local_ms = 7 * MINUTE;
    IS(plan().drop, 300, "... one more than the limits let go");
}

static void
test_retention(void)
{
    begin(5, 3);
    IS(plan().start, 0, "without limits nothing is deleted");
    rules.retention_ms = 5 * MINUTE;
    IS(plan().start, 400, "by age, in both tiers");
    rules.retention_ms = 2 * MINUTE;
    IS(plan().start, 700, "... also what never was cold");
    OK(plan().drop == 700 && plan().move == 4, "which then leaves this disk, too");
    rules.retention_ms = 0;
    IS(plan().start, 900, "... but not what is open");
    begin(5, 3);
    rules.retention_bytes = 7500;
    IS(plan().start, 200, "by size, of both tiers together");
    view.start = 250;
    IS(plan().start, 250, "of what is left: deleted records don't count");
    rules.retention_bytes = 6500;
    IS(plan().start, 300, "... or only to the end of their segment");
    rules.deletes = false;
    IS(plan().start, 250, "with another cleanup.policy nothing");
    begin(5, 3);
    cold_seg[1].max_ts = NOW + 1000 * MINUTE;
    rules.retention_ms = 5 * MINUTE;
    IS(plan().start, 400, "a time ahead of ours counts as when it came");
    cold_seg[1].max_ts = -1;
    IS(plan().start, 400, "and so does none");
}

static uint32_t
losable(void)
{
    return vrv_tier_losable(&rules, &view);
}

/* On a full disk. */
static void
test_losable(void)
{
    begin(4, 2);
    rules.local_ms = 6 * MINUTE;
    IS(losable(), view.local_n, "by default nothing is given up");
    rules.outage = VRV_TIER_DROP_OLDEST;
    IS(losable(), 2, "or the oldest that only this disk has");
    view.local_start = 600;
    IS(losable(), 4, "... and isn't leaving already");
    IS(plan().move, 4, "... which isn't moved any more either");
    IS(plan().drop, 600, "... and isn't kept");
    view.start = 850;
    IS(losable(), 6, "what is below the start is deleted, not lost");
    begin(9, 2);
    rules.outage = VRV_TIER_DROP_OLDEST;
    IS(losable(), view.local_n, "the open one never");
    begin(4, 2);
    rules.outage = VRV_TIER_EXPIRE;
    IS(losable(), view.local_n, "or only what is over");
    rules.local_ms = 5 * MINUTE;
    IS(losable(), view.local_n, "... by age: not yet");
    IS(plan().next_ms, NOW + 1, "... but soon");
    rules.local_ms = 5 * MINUTE - 1;
    IS(losable(), 2, "... or it is");
    rules.local_ms = INT64_MAX;
    rules.local_bytes = 5001;
    IS(losable(), view.local_n, "... by size: not yet");
    rules.local_bytes = 5000;
    IS(losable(), 2, "... or it is");
    rules.copies = false;
    IS(losable(), view.local_n, "without copies there is no outage");
}

/* First the log begins where this disk does, then the manifest goes. */
static void
test_leaves(void)
{
    begin(5, 3);
    rules.leaves = true;
    rules.retention_ms = 0;
    view.local_start = 300;
    struct vrv_tier_plan p = plan();
    OK(p.start == 300 && p.trim == 0, "the log is to begin here, and isn't read elsewhere");
    OK(p.drop == 300 && p.move == view.local_n, "nothing comes or goes");
    view.start = 300;
    IS(plan().trim, INT64_MAX, "when it does, the manifest names nothing more");
}

/* The first three segments in a page. */
static void
test_pages(void)
{
    struct vrv_cold_page page = { .base = 0, .next = 300, .plain = 3 * BYTES, .segments = 3,
        .newest_ms = NOW - 7 * MINUTE };

    begin(5, 5);
    cold.page = &page;
    cold.page_n = 1;
    cold.seg = cold_seg + 3;
    cold.seg_n = 2;
    rules.retention_ms = 6 * MINUTE;
    IS(plan().start, 300, "a page goes as a whole");
    rules.retention_ms = 7 * MINUTE;
    IS(plan().start, 0, "... or not");
    page.min_ts = NOW - 9 * MINUTE;
    OK(vrv_tier_wants_oldest(&rules, &view), "its segments are worth reading when one may be too old");
    rules.retention_ms = 10 * MINUTE;
    OK(!vrv_tier_wants_oldest(&rules, &view), "... and not before");
    rules.retention_bytes = 9000;
    OK(vrv_tier_wants_oldest(&rules, &view), "... or there is too much");
    rules.retention_bytes = INT64_MAX;
    rules.retention_ms = 7 * MINUTE;
    view.oldest = cold_seg;
    view.oldest_n = 3;
    IS(plan().start, 200, "... but where its segments are known");
    rules.retention_ms = 5 * MINUTE;
    IS(plan().start, 400, "... and those behind it");
}

/* The rules that settings come to. */
static void
test_rules(void)
{
    const int64_t none = INT64_MAX;
    struct vrv_log_config c = { .deletes = true, .retention_ms = 100, .retention_bytes = -1,
        .local_ms = -2, .local_bytes = -2, .lag_bytes = -1 };
    struct vrv_tier_rules r;

    vrv_tier_rules_of(&c, &r);
    OK(r.leaves, "who asks for no tier leaves it");
    c.tiered = true;
    vrv_tier_rules_of(&c, &r);
    OK(!r.leaves && r.retention_ms == 100 && r.retention_bytes == none, "limits in all, or none");
    OK(r.local_ms == 100 && r.local_bytes == none, "those of this disk follow them");
    OK(r.lag_ms == 0 && r.lag_bytes == none, "a copy is made at once");
    c.local_ms = 50;
    c.local_bytes = 5000;
    c.lag_ms = 40;
    vrv_tier_rules_of(&c, &r);
    OK(r.local_ms == 50 && r.local_bytes == 5000, "or are their own");
    OK(r.lag_ms == 40 && r.lag_bytes == 5000, "a copy waits, for one as long as it may");
    c.lag_ms = -1;
    vrv_tier_rules_of(&c, &r);
    OK(r.lag_ms == 50, "... or for the other");
    c.outage = VRV_OUTAGE_EXPIRE;
    vrv_tier_rules_of(&c, &r);
    OK(r.outage == VRV_TIER_EXPIRE, "what goes on a full disk");
    c.local_ms = c.retention_ms = -1;
    c.local_bytes = -1;
    vrv_tier_rules_of(&c, &r);
    OK(r.lag_ms == none && r.lag_bytes == none, "without limits here there is no need of copies");
    c.retention_ms = 100;
    c.local_ms = 50;
    c.copy_disabled = true;
    vrv_tier_rules_of(&c, &r);
    OK(!r.copies && r.local_ms == 100, "without copies there is one limit");
}

/* Whatever the settings: what holds always. */
static void
test_always(void)
{
    struct vrv_rand r = { 1 };
    int bad = 0;

    for (int i = 0; i < 100000; i++) {
        uint32_t moved = (uint32_t)vrv_rand_below(&r, SEGS);

        begin(moved, (uint32_t)vrv_rand_below(&r, moved + 1));
        int64_t *limit[] = { &rules.retention_ms, &rules.retention_bytes, &rules.local_ms,
            &rules.local_bytes, &rules.lag_ms, &rules.lag_bytes };
        for (int k = 0; k < 6; k++)
            if (vrv_rand_below(&r, 2) == 0)
                *limit[k] = (int64_t)vrv_rand_below(&r, k % 2 ? 12000 : 12 * MINUTE);
        rules.copies = vrv_rand_below(&r, 4) > 0;
        rules.deletes = vrv_rand_below(&r, 4) > 0;
        view.start = (int64_t)vrv_rand_below(&r, SEGS * EACH);
        rules.evicts = vrv_rand_below(&r, 2) * vrv_rand_below(&r, 4000);
        struct vrv_tier_plan p = plan();
        int64_t safe = p.start > moved * EACH ? p.start : moved * EACH;
        bad += p.start < view.start || p.start > SEGS * EACH || p.drop > safe || p.drop < p.start;
        bad += p.move < view.local_n && (!view.local[p.move].sealed || !rules.copies ||
            view.local[p.move].base != (p.move > 0 ? view.local[p.move - 1].next : view.local[0].base) ||
            view.local[p.move].next <= moved * EACH || view.local[p.move].next <= p.start);
    }
    IS(bad, 0, "nothing is dropped that isn't cold or deleted, and moved that is");
}

static bool
same(const struct vrv_tier_plan *a, const struct vrv_tier_plan *b)
{
    return a->start == b->start && a->drop == b->drop && a->trim == b->trim && a->move == b->move;
}

/* Any log and settings. */
static void
draw(struct vrv_rand *r)
{
    draw_limits(r);
    for (int i = 0; i < SEGS; i++)
        local[i].since_ms = local[i].newest_ms - (int64_t)vrv_rand_below(r, 5 * MINUTE);
    if (vrv_rand_below(r, 2) == 0)
        view.start = (int64_t)vrv_rand_below(r, SEGS * EACH);
}

/* Who looks again only when the plan says so misses nothing. */
static void
test_sleeps(void)
{
    struct vrv_rand r = { 1 };
    int slept = 0, missed = 0, woke = 0;

    for (int i = 0; i < 100000; i++) {
        draw(&r);
        struct vrv_tier_plan p = plan(), then;
        if (p.next_ms != INT64_MAX) {
            view.now_ms = p.next_ms - 1 - (int64_t)vrv_rand_below(&r, (uint64_t)(p.next_ms - NOW));
            then = plan();
            missed += !same(&p, &then) || p.next_ms <= NOW;
            view.now_ms = p.next_ms;
            then = plan();
            woke += !same(&p, &then);
            view.now_ms = NOW;
        } else {
            view.now_ms = NOW + 1000000 * (int64_t)MINUTE;
            then = plan();
            missed += !same(&p, &then);
            view.now_ms = NOW;
        }
        slept += p.next_ms != INT64_MAX;
        uint64_t more = p.more != UINT64_MAX ? p.more : 100000;
        local[SEGS - 1].bytes += more - 1;
        then = plan();
        missed += !same(&p, &then);
        local[SEGS - 1].bytes++;
        then = plan();
        woke += p.more != UINT64_MAX && !same(&p, &then);
    }
    IS(missed, 0, "nothing changes before the plan says so");
    OK(slept > 20000 && woke > 20000, "... and mostly does then (%d, %d)", slept, woke);
}

/* The first segments in a page, of which no more is known. */
static void
test_sleeps_of_pages(void)
{
    struct vrv_cold_page page = { .base = 0, .next = 300, .plain = 3 * BYTES, .segments = 3,
        .newest_ms = NOW - 7 * MINUTE, .min_ts = NOW - 9 * MINUTE };

    begin(5, 5);
    cold.page = &page;
    cold.page_n = 1;
    cold.seg = cold_seg + 3;
    cold.seg_n = 2;
    rules.retention_ms = 10 * MINUTE;
    IS(plan().next_ms, NOW + MINUTE + 1, "a page is worth reading at its time");
    view.now_ms = NOW + MINUTE;
    OK(!vrv_tier_wants_oldest(&rules, &view), "... not before that");
    view.now_ms++;
    OK(vrv_tier_wants_oldest(&rules, &view), "... but then");
    rules.retention_ms = INT64_MAX;
    rules.retention_bytes = 12000;
    IS((int64_t)plan().more, 2001, "... or with so much more");
    local[SEGS - 1].bytes += 2000;
    OK(!vrv_tier_wants_oldest(&rules, &view), "... not with less");
    local[SEGS - 1].bytes++;
    OK(vrv_tier_wants_oldest(&rules, &view), "... with that");
}

int
main(void)
{
    test_move();
    test_due();
    test_sleeps();
    test_sleeps_of_pages();
    test_local();
    test_retention();
    test_pages();
    test_leaves();
    test_losable();
    test_rules();
    test_always();
    return tap_done();
}
