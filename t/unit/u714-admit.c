/* Who may connect, and what a listener's text means. */
#include <stdlib.h>
#include <string.h>

#include "server/net/admit.h"
#include "server/net/listen.h"
#include "t/lib/tap.h"

static const int64_t SECOND = 1000000000;
static int64_t now = 1000000000;
static struct vrv_net_limits limits;

static enum vrv_admit_answer
ask(struct vrv_admit *a, const uint8_t *address, int64_t ns)
{
    return vrv_admit_ask(a, &limits, address, ns);
}

static const uint8_t *
v4(int last)
{
    static uint8_t a[16];

    memset(a, 0, sizeof(a));
    a[10] = a[11] = 0xff;
    a[12] = 10;
    a[15] = (uint8_t)last;
    return a;
}

static const uint8_t *
v6(int net, int host)
{
    static uint8_t a[16];

    memset(a, 0, sizeof(a));
    a[0] = 0x20;
    a[7] = (uint8_t)net;
    a[15] = (uint8_t)host;
    return a;
}

static void
test_counts(void)
{
    struct vrv_admit a;
    static const uint8_t none[16];

    limits = (struct vrv_net_limits){ 5, 2, 1000 };
    vrv_admit_init(&a);
    OK(ask(&a, v4(1), now) == VRV_ADMIT_YES && ask(&a, v4(1), now) ==
        VRV_ADMIT_YES, "two of one address");
    IS(ask(&a, v4(1), now), VRV_ADMIT_ADDRESS, "... and no more");
    IS(ask(&a, v4(2), now), VRV_ADMIT_YES, "another address");
    vrv_admit_end(&a, v4(1), now);
    IS(ask(&a, v4(1), now), VRV_ADMIT_YES, "one has ended: another one may come");
    OK(ask(&a, none, now) == VRV_ADMIT_YES && ask(&a, none, now) ==
        VRV_ADMIT_YES, "unix sockets count in the total");
    IS(ask(&a, none, now), VRV_ADMIT_TOTAL, "... which has an end");
    vrv_admit_fini(&a);

    limits = (struct vrv_net_limits){ 100, 2, 1000 };
    vrv_admit_init(&a);
    OK(ask(&a, v6(1, 1), now) == VRV_ADMIT_YES && ask(&a, v6(1, 2), now) ==
        VRV_ADMIT_YES, "IPv6");
    IS(ask(&a, v6(1, 3), now), VRV_ADMIT_ADDRESS, "... counts by /64");
    IS(ask(&a, v6(2, 3), now), VRV_ADMIT_YES, "... of which there are others");
    vrv_admit_fini(&a);
}

static int
burst(struct vrv_admit *a, int n)
{
    int yes = 0;

    while (n-- > 0) {
        bool in = ask(a, v4(1), now) == VRV_ADMIT_YES;

        yes += in;
        if (in)
            vrv_admit_end(a, v4(1), now);
    }
    return yes;
}

static void
test_rate(void)
{
    struct vrv_admit a;

    limits = (struct vrv_net_limits){ 100, 100, 10 };
    vrv_admit_init(&a);
    IS(burst(&a, 100), 10, "so many new ones in a second");
    IS(ask(&a, v4(1), now), VRV_ADMIT_RATE, "... and then none");
    now += SECOND / 2;
    IS(burst(&a, 100), 5, "half a second later half as many");
    now += SECOND;
    IS(ask(&a, v4(1), now), VRV_ADMIT_YES, "one stays");
    now += 3 * SECOND;
    IS(burst(&a, 100), 10, "... and after a pause there are never more than in one second");
    vrv_admit_end(&a, v4(1), now);
    vrv_admit_fini(&a);

    limits = (struct vrv_net_limits){ 100, 100, 10 };
    vrv_admit_init(&a);
    for (int i = 0; i < 200; i++) {
        now += SECOND / 100;
        if (ask(&a, v4(i), now) == VRV_ADMIT_YES)
            vrv_admit_end(&a, v4(i), now);
        if (i % 2 == 0)
            (void)burst(&a, 1);
    }
    OK(a.by_address.n <= 102, "addresses are forgotten: %zu", a.by_address.n);
    vrv_admit_fini(&a);
}

static void
test_changed(void)
{
    struct vrv_admit a;

    limits = (struct vrv_net_limits){ 100, 100, 10 };
    vrv_admit_init(&a);
    IS(burst(&a, 100), 10, "a limit");
    limits.per_second = 20;
    now += SECOND;
    IS(burst(&a, 100), 20, "... that is raised");
    now += SECOND;
    for (int i = 0; i < 3; i++)
        IS(ask(&a, v4(1), now), VRV_ADMIT_YES, "connections");
    limits.per_address = 2;
    IS(ask(&a, v4(1), now), VRV_ADMIT_ADDRESS, "there may be fewer than there are");
    limits.total = 3;
    IS(ask(&a, v4(2), now), VRV_ADMIT_TOTAL, "... in all");
    for (int i = 0; i < 2; i++)
        vrv_admit_end(&a, v4(1), now);
    IS(ask(&a, v4(1), now), VRV_ADMIT_YES, "... until enough have ended");
    limits.per_address = 0;
    IS(ask(&a, v4(3), now), VRV_ADMIT_ADDRESS, "an address may have none at all");
    vrv_admit_fini(&a);
}

static void
test_texts(void)
{
    static const char *const bad[] = { "", "x", "://h:1", "A://", "A://h", "A://h:", "A://h:x",
        "A://h:65536", "A://h:-1", "A://h: 1", "A://::1:5", "A://[::1]", "A://[::1]5" };
    struct vrv_listen_text t;
    struct vrv_err e;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        IS(vrv__listen_parse(bad[i], &t, &e), VRV_E_INVALID, "\"%s\": %s", bad[i], e.msg);
    char big[400] = "A://";
    memset(big + 4, 'h', 390);
    IS(vrv__listen_parse(big, &t, &e), VRV_E_INVALID, "a host without an end");
    big[4] = '/';
    IS(vrv__listen_parse(big, &t, &e), VRV_E_INVALID, "a path without an end");
    OK(vrv__listen_parse("IN-1://example:9092", &t, &e) == 0 && strcmp(t.name, "IN-1") == 0 &&
        strcmp(t.host, "example") == 0 && t.port == 9092 && !t.is_unix, "name, host and port");
    OK(vrv__listen_parse("A://[::1]:0", &t, &e) == 0 && strcmp(t.host, "::1") == 0 && t.port == 0,
        "IPv6");
    OK(vrv__listen_parse("A://:1", &t, &e) == 0 && t.host[0] == '\0', "all addresses");
    OK(vrv__listen_parse("A:///run/x:1", &t, &e) == 0 && t.is_unix &&
        strcmp(t.host, "/run/x:1") == 0, "a path");
    OK(vrv__listen_parse("A://./x", &t, &e) == 0 && t.is_unix, "... a relative one");
}

int
main(void)
{
    test_counts();
    test_rate();
    test_changed();
    test_texts();
    return tap_done();
}
