/* HTTP for stores: time, places and cancelling, on a clock that the test moves. */
#include <stdio.h>
#include <string.h>

#include "t/lib/httprig.h"
#include "t/lib/tap.h"

enum { MS = 1000000, BIG = 3 << 20, ROUNDS = 20000 };

static struct httprig g;

static void
start(void)
{
    httprig_init(&g);
    httprig_open(&g);
}

/* ---- time ---- */

static void
test_deadline(void)
{
    struct vrv_http_req r, waits;

    start();
    g.says.wait_ms = -1;
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    r.lane = VRV_STORE_HOUSEKEEPING;
    r.deadline_ns = atomic_load(&g.sim.mono_ns) + (int64_t)1000 * MS;
    vrv_http_submit(g.http, &r);
    httprig_until_heard(&g, 1);
    waits = httprig_request(&g, "GET", httprig_url(&g, "/"));
    waits.lane = VRV_STORE_HOUSEKEEPING;
    waits.deadline_ns = atomic_load(&g.sim.mono_ns) + (int64_t)999 * MS;
    vrv_http_submit(g.http, &waits);
    IS(vrv_http_step(g.http, 0), waits.deadline_ns, "the next step is due at the first deadline");
    simclock_advance_ms(&g.sim, 998);
    httprig_settle(&g);
    OK(vrv_cq_take(&g.cq, 0) == NULL, "nothing ends before its deadline");
    simclock_advance_ms(&g.sim, 1);
    OK(httprig_take(&g) == &waits, "what waits for a place has one, too");
    IS(waits.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(!waits.sent && httprig_says(&waits, "busy with other requests"), "... and wasn't sent");
    simclock_advance_ms(&g.sim, 1);
    OK(httprig_take(&g) == &r, "then the other one's comes");
    IS(r.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(r.sent && httprig_says(&r, "no whole answer within the time given"), "... and was sent");
    httprig_settle(&g);
    IS(httpd_stats(g.server).open, 0, "its connection is closed");
    vrv_http_free(&r);
    vrv_http_free(&waits);
    httprig_close(&g);
}

static uint64_t
received(void)
{
    struct vrv_http_stats s;

    vrv_http_stats(g.http, &s);
    return s.received_bytes;
}

static void
test_stall(void)
{
    struct vrv_http_req r;

    start();
    httprig_say(&g, 200, "abcdefghij");
    g.says.stall_at = 43;
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    vrv_http_submit(g.http, &r);
    httprig_until_heard(&g, 1);
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS - 1);
    httprig_settle(&g);
    OK(vrv_cq_take(&g.cq, 0) == NULL, "what came keeps it alive");
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS - 1);
    httprig_settle(&g);
    OK(vrv_cq_take(&g.cq, 0) == NULL, "... for some time");
    simclock_advance_ms(&g.sim, 1);
    OK(httprig_take(&g) == &r, "nothing moved for so long");
    IS(r.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(httprig_says(&r, "not a byte for 5000 ms"), "... and says why");
    vrv_http_free(&r);

    httprig_say(&g, 200, "abcdefghijklmnopqrstuvwxyz");
    g.says.drip = 20; /* a line of headers counts when it is whole */
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    uint64_t had = received();
    vrv_http_submit(g.http, &r);
    httprig_until_heard(&g, 2);
    for (int i = 0; i < 3; i++) { /* a piece is sent when the one before has come, just in time */
        for (int k = 0; k < ROUNDS && received() == had; k++)
            (void)vrv_http_step(g.http, 1);
        had = received();
        simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS - 1);
        (void)httpd_step(g.server, 0);
    }
    OK(httprig_take(&g) == &r, "an answer that drips");
    IS(r.status, 0, "... comes, however long it takes");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_stall_of_upload(void)
{
    static uint8_t big[16 << 20];
    struct iovec iov = { big, sizeof(big) };
    struct vrv_http_req r;

    start();
    httpd_read_only(g.server, 100000, false);
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    r.iov = &iov;
    r.iov_n = 1;
    r.size = sizeof(big);
    vrv_http_submit(g.http, &r);
    httprig_settle(&g);
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS - 1);
    httprig_settle(&g);
    OK(vrv_cq_take(&g.cq, 0) == NULL, "an upload that nobody reads waits");
    for (int i = 0; i < 10 && g.cq.head == NULL; i++) { /* the kernel may find room for more of it, late */
        simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS);
        httprig_settle(&g);
    }
    OK(httprig_take(&g) == &r, "... not for ever");
    OK(r.status == VRV_E_TIMEDOUT && r.sent && httprig_says(&r, "not a byte for 5000 ms"), "... it timed out");
    vrv_http_free(&r);

    httpd_read_only(g.server, 100000, true);
    IS(httprig_run(&g, &r), VRV_E_UNKNOWN, "one that is cut: unknown");
    OK(r.sent, "... it was sent, in part");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_connect_time(void)
{
    char url[64];
    struct vrv_http_req r;

    start();
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(g.server));
    r = httprig_request(&g, "GET", url);
    vrv_http_submit(g.http, &r);
    httprig_settle(&g);
    simclock_advance_ms(&g.sim, HTTPRIG_CONNECT_MS - 1);
    httprig_settle(&g);
    OK(vrv_cq_take(&g.cq, 0) == NULL, "a handshake that nobody answers may take its time");
    simclock_advance_ms(&g.sim, 1);
    OK(httprig_take(&g) == &r, "... which is over");
    IS(r.status, VRV_E_UNREACHABLE, "... unreachable");
    OK(!r.sent && httprig_says(&r, "no connection within 3000 ms; check"), "... nothing was sent");
    vrv_http_free(&r);
    httprig_close(&g);
}

/* ---- cancel ---- */

static void
test_cancel(void)
{
    static uint8_t back[BIG];
    char url[64];
    struct vrv_http_req r[3];

    start();
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(g.server));
    g.says.stall_at = 40;
    r[0] = httprig_request(&g, "GET", httprig_url(&g, "/"));
    r[1] = httprig_request(&g, "GET", httprig_url(&g, "/"));
    r[2] = httprig_request(&g, "GET", url);
    for (int i = 0; i < 3; i++)
        r[i].lane = i < 2 ? VRV_STORE_HOUSEKEEPING : VRV_STORE_READ;
    r[0].buf = back;
    r[0].cap = sizeof(back);
    for (int i = 0; i < 3; i++)
        vrv_http_submit(g.http, &r[i]);
    httprig_until_heard(&g, 1);
    httprig_settle(&g);
    for (int i = 2; i >= 0; i--) {
        static const char *const when[] = { "in the middle of its answer", "while it waits",
            "while it connects" };

        vrv_http_cancel(g.http, &r[i]);
        OK(httprig_take(&g) == &r[i], "cancelled %s, it ends", when[i]);
        IS(r[i].status, VRV_E_CANCELLED, "... as that");
        IS(r[i].sent, i == 0, "... and tells whether it was sent");
        vrv_http_free(&r[i]);
    }
    httprig_settle(&g);
    IS(httpd_stats(g.server).open, 0, "the connections are closed");

    httprig_say(&g, 200, "hello");
    r[0] = httprig_request(&g, "GET", httprig_url(&g, "/"));
    vrv_http_submit(g.http, &r[0]);
    vrv_http_cancel(g.http, &r[0]);
    OK(httprig_take(&g) == &r[0] && r[0].status == VRV_E_CANCELLED && !r[0].sent,
        "cancelled before anything was done");
    vrv_http_free(&r[0]);
    r[0] = httprig_request(&g, "GET", httprig_url(&g, "/"));
    vrv_http_submit(g.http, &r[0]);
    for (int i = 0; i < ROUNDS && g.cq.head == NULL; i++)
        httprig_step(&g);
    vrv_http_cancel(g.http, &r[0]);
    (void)vrv_http_step(g.http, 0);
    OK(httprig_take(&g) == &r[0] && r[0].status == 0, "one that is done stays so");
    vrv_http_free(&r[0]);
    httprig_close(&g);
}

/* ---- many ---- */

enum { MANY = 100 };

static void
test_places(void)
{
    static const unsigned at_once[] = { 2, 3, 1 };
    static struct vrv_http_req r[MANY];
    struct vrv_http_stats s;

    start();
    g.says.stall_at = 10;
    for (int i = 0; i < 12; i++) {
        r[i] = httprig_request(&g, "GET", httprig_url(&g, "/"));
        r[i].lane = (enum vrv_store_class)(i % 3);
        vrv_http_submit(g.http, &r[i]);
    }
    httprig_until_heard(&g, 6);
    httprig_settle(&g);
    vrv_http_stats(g.http, &s);
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        IS(s.under_way[i], at_once[i], "class %d has its places", i);
        IS(s.waiting[i], 4 - at_once[i], "... the rest waits");
    }
    IS(httpd_stats(g.server).requests, 6, "no more are sent");
    for (int i = 0; i < 12; i++)
        vrv_http_cancel(g.http, &r[i]);
    for (int i = 0; i < 12; i++)
        vrv_http_free(httprig_take(&g));
    httprig_close(&g);
}

static void
test_many(void)
{
    static struct vrv_http_req r[MANY];
    static char url[MANY][64];
    unsigned turn = 0;
    bool good = true;

    start();
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(url[i], sizeof(url[i]), "%s", httprig_url(&g, "/"));
        r[i] = httprig_request(&g, "GET", url[i]);
        r[i].lane = i % 2 == 0 ? VRV_STORE_UPLOAD : VRV_STORE_HOUSEKEEPING;
        vrv_http_submit(g.http, &r[i]);
    }
    for (int i = 0; i < MANY; i++) {
        struct vrv_http_req *done = httprig_take(&g);

        good &= HELD(done->status == 0 && done->got == 5);
        if (done->lane == VRV_STORE_HOUSEKEEPING)
            good &= HELD(done == &r[2 * turn++ + 1]);
        vrv_http_free(done);
    }
    OK(good, "a hundred at once are answered");
    IS(turn, MANY / 2, "... a class with one place does one after the other, as they came");
    IS(httpd_stats(g.server).requests, MANY, "... a hundred");
    OK(httpd_stats(g.server).accepted <= 4, "... over four connections");
    httprig_close(&g);
}

int
main(void)
{
    test_deadline();
    test_stall();
    test_stall_of_upload();
    test_connect_time();
    test_cancel();
    test_places();
    test_many();
    return tap_done();
}
