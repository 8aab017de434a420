/* Messages for humans: their form, what hostile bytes become, how often they are told. */
#include "server/base/diag.h"

#include <stdio.h>
#include <string.h>

#include "t/lib/simclock.h"
#include "t/lib/tap.h"

static struct simclock clock_;
static char last[2 * VRV_DIAG_LINE];
static int lines;

static void
sink(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    memcpy(last, line, n);
    last[n] = '\0';
    lines++;
}

static void
test_form(void)
{
    vrv_diag(VRV_EV_NET_CLOSED, VRV_STR("peer", "[::1]:9092"), VRV_STR("reason", "too large"),
        VRV_NUM("bytes", -5));
    IS_STR(last,
        "2023-11-14T22:13:20.007Z info net.closed peer=[::1]:9092 reason=\"too large\" bytes=-5\n",
        "time, level, event, then the fields; what has a blank is quoted");
    vrv_diag(VRV_EV_NET_CLOSED, VRV_STR("a", ""));
    OK(strstr(last, " a=\"\"\n") != NULL, "nothing is seen as nothing");
}

static void
test_hostile(void)
{
    char many[4096];

    vrv_diag(VRV_EV_NET_CLOSED, VRV_BYTES("id", "x\n2023 error y=\"\\\0\xff", 19));
    OK(strstr(last, " id=\"x\\x0a2023 error y=\\\"\\\\\\x00\\xff\"\n") != NULL,
        "no bytes forge a line or a field");
    memset(many, '\1', sizeof(many));
    vrv_diag(VRV_EV_NET_CLOSED, VRV_BYTES("a", many, sizeof(many)),
        VRV_BYTES("b", many, sizeof(many)));
    OK(strlen(last) <= VRV_DIAG_LINE && last[strlen(last) - 1] == '\n', "a line is bounded");
    memset(many, 'x', sizeof(many));
    vrv_diag(VRV_EV_NET_CLOSED, VRV_BYTES("a", many, sizeof(many)));
    OK(strstr(last, "xxx...\"\n") != NULL, "a value that is cut says so");
}

static void
test_rate(void)
{
    simclock_advance_ms(&clock_, 2000);
    lines = 0;
    for (int i = 0; i < 100; i++)
        vrv_diag(VRV_EV_NET_REFUSED, VRV_NUM("i", i));
    IS(lines, VRV_DIAG_BURST, "only so many lines in a second");
    vrv_diag(VRV_EV_NET_ACCEPT, VRV_NUM("i", 1));
    IS(lines, VRV_DIAG_BURST + 1, "... of one event: others have their own count");
    simclock_advance_ms(&clock_, 1000);
    vrv_diag(VRV_EV_NET_REFUSED, VRV_NUM("i", 100));
    OK(strstr(last, "warn net.refused suppressed=90 i=100") != NULL, "the next one says how many");
    vrv_diag(VRV_EV_NET_REFUSED, VRV_NUM("i", 101));
    OK(strstr(last, "suppressed") == NULL, "... once");
}

static void
test_level(void)
{
    simclock_advance_ms(&clock_, 2000);
    vrv_diag_level(VRV_DIAG_WARN);
    lines = 0;
    vrv_diag(VRV_EV_NET_CLOSED, VRV_NUM("i", 1));
    vrv_diag(VRV_EV_NET_REFUSED, VRV_NUM("i", 1));
    IS(lines, 1, "what is above the level isn't told");
    vrv_diag_level(VRV_DIAG_INFO);
}

int
main(void)
{
    simclock_init(&clock_, 1700000000007);
    vrv_diag_to(sink, NULL, &clock_.clock);
    test_form();
    test_hostile();
    test_rate();
    test_level();
    vrv_diag_to(NULL, NULL, NULL);
    return tap_done();
}
