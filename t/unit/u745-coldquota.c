/*
 * Quotas for what is cold: whose they are, how much there is in hand, and who is known to read for which
 * group.
 */
#include <stdio.h>
#include <string.h>

#include "server/api/cold_quota.h"
#include "t/lib/simclock.h"
#include "t/lib/tap.h"

enum { SECOND = 1000 };

static struct simclock sim;
static struct vrv_cold_quotas q;

static void
begin(const char *clients, const char *groups)
{
    simclock_init(&sim, 0);
    vrv_cold_quotas_init(&q, &sim.clock);
    vrv_cold_quotas_set(&q, clients, groups);
}

static void
end(void)
{
    vrv_cold_quotas_fini(&q);
}

static struct vrv_cold_who
who(const char *id, const char *host)
{
    return (struct vrv_cold_who){ vrv_str(id), host };
}

/* How many milliseconds it has to wait. */
static int64_t
wait_of(const char *id, const char *host)
{
    const struct vrv_cold_who w = who(id, host);
    int64_t at_ns = vrv_cold_quotas_ask(&q, &w);

    return at_ns == 0 ? 0 : (at_ns - sim.clock.mono_ns(&sim.clock)) / 1000000;
}

static void
take(const char *id, const char *host, uint64_t bytes)
{
    const struct vrv_cold_who w = who(id, host);

    vrv_cold_quotas_took(&q, &w, bytes);
}

static void
reads_for(const char *id, const char *host, const char *group)
{
    const struct vrv_cold_who w = who(id, host);

    vrv_cold_quotas_reads_for(&q, &w, vrv_str(group));
}

/* ---- names ---- */

static void
test_names(void)
{
    static const char *const bad[] = { "a", "a:", ":5", "a:0", "a:-1", "a:5x", "a:99999999999999999999", "a:1,b" };
    struct vrv_quotas s;
    struct vrv_err e;

    IS(vrv_quotas_parse(&s, "etl:10, web-*:20,a:b:30,*:40", &e), 0, "names and their bytes");
    IS(s.n, 4, "... all of them");
    OK(vrv_quotas_find(&s, "etl", 3)->bytes_s == 10, "a name");
    OK(vrv_quotas_find(&s, "web-1", 5)->bytes_s == 20, "... one that begins so");
    OK(vrv_quotas_find(&s, "a:b", 3)->bytes_s == 30, "... one with a colon");
    OK(vrv_quotas_find(&s, "etl2", 4)->bytes_s == 40 && vrv_quotas_find(&s, "", 0)->bytes_s == 40,
        "... all others");
    vrv_quotas_fini(&s);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        IS(vrv_quotas_parse(&s, bad[i], &e), VRV_E_INVALID, "%s: %s", bad[i], e.msg);
        OK(s.n == 0 && vrv_quotas_find(&s, "a", 1) == NULL, "... nothing is there");
    }
    IS(vrv_quotas_parse(&s, "", &e), 0, "none at all");
    OK(vrv_quotas_find(&s, "a", 1) == NULL, "... are nobody's");
}

/* ---- bytes ---- */

static void
test_bucket(void)
{
    begin("slow:1000,team-*:2000", "");
    IS(wait_of("slow", "h"), 0, "at first there is something in hand");
    take("slow", "h", 1000);
    OK(wait_of("slow", "h") <= 1, "a second's worth is used up");
    take("slow", "h", 4000);
    IS(wait_of("slow", "h"), 4000, "more than that is waited for");
    IS(wait_of("slow2", "h"), 0, "others don't wait");
    simclock_advance_ms(&sim, 3999);
    OK(wait_of("slow", "h") > 0, "... as long as it takes");
    simclock_advance_ms(&sim, 2);
    IS(wait_of("slow", "h"), 0, "... and no longer");
    simclock_advance_ms(&sim, 3600 * SECOND);
    take("slow", "h", 2000);
    IS(wait_of("slow", "h"), 1000, "who took nothing for an hour has a second's worth, and not more");
    take("team-1", "a", 3000);
    take("team-2", "b", 3000);
    IS(wait_of("team-3", "c"), 2000, "all whose names fit share one");
    vrv_cold_quotas_set(&q, "team-*:4000,slow:1000", "");
    IS(wait_of("team-3", "c"), 1000, "a higher quota holds at once, also for what was taken");
    IS(wait_of("slow", "h"), 1000, "what stays as it was isn't given back");
    vrv_cold_quotas_set(&q, "", "");
    OK(!vrv_cold_quotas_any(&q) && wait_of("slow", "h") == 0, "without quotas nobody waits");
    end();
}

static void
test_groups(void)
{
    begin("", "etl:1000");
    take("c", "h", 5000);
    IS(wait_of("c", "h"), 0, "a client of no group");
    reads_for("c", "h", "etl");
    reads_for("d", "h", "etl");
    reads_for("e", "h", "other");
    take("c", "h", 3000);
    IS(wait_of("d", "h"), 2000, "what one member had, all wait for");
    IS(wait_of("e", "h"), 0, "members of other groups don't");
    IS(wait_of("c", "elsewhere"), 0, "nor does a client of this name on another machine");
    reads_for("d", "h", "other");
    IS(wait_of("d", "h"), 0, "nor one that has left for another group");
    simclock_advance_ms(&sim, VRV_COLD_READER_MS - 1);
    reads_for("d", "h", "etl");
    take("d", "h", 1000000);
    OK(wait_of("c", "h") > 0, "who was heard of lately counts");
    simclock_advance_ms(&sim, 1);
    IS(wait_of("c", "h"), 0, "... and who wasn't doesn't");
    OK(wait_of("d", "h") > 0, "... as others do");
    vrv_cold_quotas_set(&q, "d:10", "etl:1000");
    IS(wait_of("d", "h"), 0, "changed settings: members are known when they are heard of again");
    reads_for("d", "h", "etl");
    int64_t group_ms = wait_of("d", "h");
    OK(group_ms > 0, "... then they wait");
    take("d", "h", 1000000);
    OK(wait_of("d", "h") > group_ms + 1000, "of two quotas the slower one counts");
    end();
}

/* Clients that come and go don't take memory for ever. */
static void
test_many(void)
{
    char id[40], longest[1000];

    begin("", "etl:1000");
    for (int i = 0; i < 2 * VRV_COLD_READERS_MAX; i++) {
        (void)snprintf(id, sizeof(id), "client-%d", i);
        reads_for(id, "h", "etl");
    }
    IS(q.readers.n, VRV_COLD_READERS_MAX, "so many are known, and not more");
    take("client-19999", "h", 9000);
    OK(wait_of("client-10000", "h") > 0 && wait_of("client-9999", "h") == 0, "the newest ones");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    reads_for(longest, "h", "etl");
    IS(wait_of(longest, "h"), 0, "a name that is too long isn't known");
    reads_for("nobody", "h", NULL);
    end();
}

int
main(void)
{
    test_names();
    test_bucket();
    test_groups();
    test_many();
    return tap_done();
}
