/* HTTP for stores, against a server that behaves as a test says: what each end of a request is called,
 * what of it was sent, and who waits for whom.  The clock is the test's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/list.h"
#include "t/lib/httpd.h"
#include "t/lib/simclock.h"
#include "t/lib/tap.h"
#include "tiering/store/http.h"

enum { MS = 1000000, CONNECT_MS = 3000, STALL_MS = 5000, DEADLINE_MS = 60000, TEXT_MAX = 4096,
       ROUNDS = 20000, BIG = 3 << 20 };

static struct simclock sim;
static struct httpd *server;
static struct vrv_http *http;
static struct vrv_cq cq;
static struct httpd_reply next_answer; /* what the server says next, to all */
static char heard[8192];               /* what it heard last */
static size_t heard_body;
static uint64_t heard_conn;

static void
serve(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    bool head = a->head;

    (void)ctx;
    (void)snprintf(heard, sizeof(heard), "%s %s\r\n%s", q->method, q->target, q->head);
    heard_body = q->body_n;
    heard_conn = q->conn;
    *a = next_answer;
    a->head = head;
    a->body = NULL;
    a->body_n = 0;
    if (next_answer.body_n > 0)
        httpd_set_body(a, next_answer.body, next_answer.body_n);
}

static void
answers(int status, const char *body)
{
    next_answer = (struct httpd_reply){ .status = status, .stall_at = SIZE_MAX, .cut_at = SIZE_MAX,
        .body = (uint8_t *)(uintptr_t)body, .body_n = strlen(body) };
}

static void
begin(void)
{
    struct httpd_opts so = { .fn = serve, .clock = &sim.clock };
    struct vrv_http_opts o = { .clock = &sim.clock, .at_once = { 2, 3, 1 },
        .connect_ms = CONNECT_MS, .stall_ms = STALL_MS, .text_max = TEXT_MAX, .proxy = "" };

    simclock_init(&sim, 1700000000000);
    server = httpd_new(&so);
    tap_need(vrv_http_open(&http, &o, NULL), "no client");
    answers(200, "hello");
}

static void
end(void)
{
    vrv_http_close(&http);
    httpd_free(&server);
}

static const char *
url_of(const char *path)
{
    static char url[4][256];
    static unsigned turn;

    char *u = url[turn++ % 4];
    (void)snprintf(u, sizeof(url[0]), "http://127.0.0.1:%u%s", httpd_port(server), path);
    return u;
}

static struct vrv_http_req
request(const char *method, const char *url)
{
    return (struct vrv_http_req){ .done.cq = &cq, .lane = VRV_STORE_READ, .method = method,
        .url = url, .deadline_ns = atomic_load(&sim.mono_ns) + (int64_t)DEADLINE_MS * MS };
}

static void
both_step(void)
{
    (void)vrv_http_step(http, 0);
    if (!httpd_step(server, 0))
        (void)vrv_http_step(http, 1);
}

/* Until the server has answered so many requests, or begun to. */
static void
until_heard(uint64_t n)
{
    for (int i = 0; i < ROUNDS && httpd_stats(server).requests < n; i++)
        both_step();
    tap_need(httpd_stats(server).requests < n ? -1 : 0, "the server never heard of it");
}

/* Until nothing moves any more: for what must not happen. */
static void
settle(void)
{
    for (int i = 0; i < 50; i++)
        both_step();
}

static struct vrv_http_req *
take(void)
{
    struct vrv_done *d = NULL;

    for (int i = 0; i < ROUNDS && (d = vrv_cq_take(&cq, 0)) == NULL; i++)
        both_step();
    tap_need(d == NULL ? -1 : 0, "a request never ended");
    return VRV_LIST_OF(d, struct vrv_http_req, done);
}

static int
run(struct vrv_http_req *r)
{
    vrv_http_submit(http, r);
    (void)take();
    return r->status;
}

static bool
says(const struct vrv_http_req *r, const char *what)
{
    if (strstr(r->err.msg, what) == NULL)
        tap_note("it says: %s", r->err.msg);
    return strstr(r->err.msg, what) != NULL;
}

/* ---- what goes well ---- */

static void
test_get(void)
{
    static const char *const headers[] = { "X-One: 1", "Range: bytes=0-4" };
    struct vrv_http_req r;
    char copy[64];

    begin();
    r = request("GET", url_of("/a%20b?c=d"));
    r.headers = headers;
    r.header_n = 2;
    httpd_add_header(&next_answer, "ETag", "\"abc\"");
    httpd_add_header(&next_answer, "X-Empty", "%s", "");
    IS(run(&r), 0, "an answer");
    IS(r.code, 200, "... with its status");
    IS_STR(r.text, "hello", "... and its body");
    IS(r.got, 5, "... and how long that is");
    IS_STR(vrv_http_header(&r, "etag"), "\"abc\"", "... and its headers, whatever their case");
    IS_STR(vrv_http_header(&r, "x-empty"), "", "... also an empty one");
    OK(vrv_http_header(&r, "x-none") == NULL, "... and none that it hasn't");
    OK(r.sent, "it was sent");
    OK(strncmp(heard, "GET /a%20b?c=d\r\n", 16) == 0, "the path is sent as it was given");
    struct httpd_req q = { .head = heard };
    IS_STR(httpd_header(&q, "x-one", copy, sizeof(copy)), "1", "so are headers");
    OK(httpd_header(&q, "expect", copy, sizeof(copy)) == NULL, "... and no Expect");
    OK(httpd_header(&q, "accept-encoding", copy, sizeof(copy)) == NULL, "... nor Accept-Encoding");
    vrv_http_free(&r);
    end();
}

static void
test_bodies(void)
{
    static uint8_t big[BIG], back[BIG];
    struct iovec iov[] = { { big, 1 }, { big + 1, 0 }, { big + 1, BIG - 1 } };
    struct vrv_http_req r;

    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 7 >> 3);
    begin();
    r = request("PUT", url_of("/big"));
    r.has_body = true;
    r.iov = iov;
    r.iov_n = 3;
    r.size = BIG;
    IS(run(&r), 0, "a large body in pieces is sent");
    IS(heard_body, BIG, "... whole");
    vrv_http_free(&r);
    r = request("POST", url_of("/none"));
    r.has_body = true;
    IS(run(&r), 0, "an empty one too");
    OK(strstr(heard, "Content-Length: 0\r\n") != NULL, "... with its length");
    OK(strncmp(heard, "POST ", 5) == 0, "... by the method that was asked for");
    vrv_http_free(&r);
    r = request("DELETE", url_of("/x"));
    IS(run(&r), 0, "one without a body has none");
    OK(strstr(heard, "Content-Length") == NULL && strncmp(heard, "DELETE ", 7) == 0, "... nor a length");
    vrv_http_free(&r);

    next_answer.body = big;
    next_answer.body_n = BIG;
    r = request("GET", url_of("/big"));
    r.buf = back;
    r.cap = BIG;
    IS(run(&r), 0, "a large body comes into a buffer");
    IS(r.got, BIG, "... whole");
    OK(memcmp(big, back, BIG) == 0, "... as it was sent");
    OK(r.text == NULL, "... and nowhere else");
    vrv_http_free(&r);
    r = request("HEAD", url_of("/big"));
    IS(run(&r), 0, "of a HEAD comes no body");
    IS_STR(vrv_http_header(&r, "content-length"), "3145728", "... but its length");
    vrv_http_free(&r);
    end();
}

static void
test_errors_of_http(void)
{
    uint8_t buf[16] = { 0 };
    struct vrv_http_req r;

    begin();
    answers(404, "<Error/>");
    r = request("GET", url_of("/x"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(run(&r), 0, "an answer is an answer");
    IS(r.code, 404, "... whatever its status");
    IS_STR(r.text, "<Error/>", "... and its words aren't for the buffer");
    IS(buf[0], 0, "... which nobody touched");
    vrv_http_free(&r);

    answers(307, "");
    httpd_add_header(&next_answer, "Location", "%s", url_of("/elsewhere"));
    r = request("GET", url_of("/x"));
    IS(run(&r), 0, "a redirection is an answer");
    IS(r.code, 307, "... that is not followed");
    OK(strncmp(heard, "GET /x", 6) == 0, "... by anybody");
    OK(vrv_http_header(&r, "location") != NULL, "... but told");
    vrv_http_free(&r);

    static char page[2 * TEXT_MAX];
    memset(page, 'x', sizeof(page) - 1);
    answers(503, page);
    r = request("GET", url_of("/x"));
    IS(run(&r), 0, "a long page about an error is an answer");
    IS(r.got, TEXT_MAX, "... of which the beginning is kept");
    vrv_http_free(&r);
    end();
}

static void
test_kept(void)
{
    struct vrv_http_stats s;
    struct vrv_http_req r;

    begin();
    for (int i = 0; i < 10; i++) {
        r = request("GET", url_of("/"));
        r.lane = (enum vrv_store_class)(i % VRV_STORE_CLASSES);
        HELD(run(&r) == 0);
        vrv_http_free(&r);
    }
    IS(httpd_stats(server).accepted, 1, "ten requests, one connection");
    vrv_http_stats(http, &s);
    IS(s.requests, 10, "ten are counted");
    IS(s.connections, 1, "... over one");
    IS(s.under_way[0] + s.waiting[0], 0, "... and none is left");
    OK(s.sent_bytes > 300 && s.received_bytes > 300, "... and their bytes");
    httpd_drop_kept(server);
    r = request("PUT", url_of("/"));
    r.has_body = true;
    IS(run(&r), 0, "a connection that was closed meanwhile isn't used");
    IS(httpd_stats(server).accepted, 2, "... but a new one");
    vrv_http_free(&r);
    end();
}

/* ---- what breaks ---- */

static void
test_not_sent(void)
{
    struct vrv_http_req r;

    begin();
    httpd_listen(server, false);
    r = request("PUT", url_of("/"));
    r.has_body = true;
    IS(run(&r), VRV_E_UNREACHABLE, "nobody listens: unreachable");
    OK(!r.sent && r.code == 0, "... nothing was sent");
    OK(says(&r, "connection refused; is the store running there?"), "... which it says");
    OK(strncmp(r.err.msg, "127.0.0.1:", 10) == 0, "... and where");
    vrv_http_free(&r);
    r = request("GET", "http://no-such-host.invalid:9000/x");
    IS(run(&r), VRV_E_UNREACHABLE, "no such host: unreachable");
    OK(!r.sent && says(&r, "no-such-host.invalid:9000: no such host"), "... and the sentence names it");
    vrv_http_free(&r);
    r = request("GET", "ftp://user:secret@127.0.0.1/x");
    IS(run(&r), VRV_E_INVALID, "another protocol isn't spoken");
    OK(!r.sent && strstr(r.err.msg, "secret") == NULL, "... and no secret told");
    vrv_http_free(&r);
    httpd_listen(server, true);
    r = request("GET", url_of("/"));
    IS(run(&r), 0, "and all is well again");
    vrv_http_free(&r);
    end();
}

static void
cut_answer(size_t at, bool reset)
{
    uint8_t buf[64];
    struct vrv_http_req r;

    answers(200, "the whole of it");
    next_answer.cut_at = at;
    next_answer.reset = reset;
    r = request("PUT", url_of("/"));
    r.has_body = true;
    r.buf = buf;
    r.cap = sizeof(buf);
    HELD(run(&r) == VRV_E_UNKNOWN);
    HELD(r.sent && r.code == 0 && r.err.msg[0] != '\0');
    vrv_http_free(&r);
}

static void
test_cut(void)
{
    size_t whole = strlen("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nthe whole of it");
    struct vrv_http_req r;

    begin();
    for (size_t at = 0; at < whole; at++) {
        cut_answer(at, false);
        cut_answer(at, true);
    }
    OK(true, "an answer that is cut anywhere is none: unknown");
    answers(200, "the whole of it");
    next_answer.no_length = true;
    r = request("GET", url_of("/"));
    IS(run(&r), 0, "without a length, the connection's end is its end");
    IS(r.got, 15, "... as far as anybody can tell");
    vrv_http_free(&r);
    end();
}

static void
test_large(void)
{
    static uint8_t buf[64];
    char page[TEXT_MAX + 2];
    struct vrv_http_req r;

    begin();
    answers(200, "sixty-five bytes are more than sixty-four, however you look at it");
    memset(buf, 0x55, sizeof(buf));
    r = request("GET", url_of("/"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(next_answer.body_n, 65, "one byte more");
    IS(run(&r), VRV_E_CORRUPT, "... than asked for is no answer");
    OK(says(&r, "its answer has more than 64 bytes"), "... which it says");
    vrv_http_free(&r);
    next_answer.body_n = 64;
    r = request("GET", url_of("/"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(run(&r), 0, "just as many are fine");
    vrv_http_free(&r);
    memset(page, 'x', TEXT_MAX + 1);
    page[TEXT_MAX + 1] = '\0';
    answers(200, page);
    r = request("GET", url_of("/"));
    IS(run(&r), VRV_E_CORRUPT, "text has its limit too");
    vrv_http_free(&r);
    end();
}

/* Headers that never end: libcurl would go on for long. */
static void
test_large_headers(void)
{
    static char flood[96 * 1024];
    size_t n = (size_t)snprintf(flood, sizeof(flood), "HTTP/1.1 200 OK\r\n");
    struct vrv_http_req r;

    while (n < sizeof(flood) - 100)
        n += (size_t)snprintf(flood + n, sizeof(flood) - n, "X-%06zu: %060d\r\n", n, 0);
    begin();
    answers(200, flood);
    next_answer.raw = true;
    r = request("GET", url_of("/"));
    IS(run(&r), VRV_E_CORRUPT, "more than 64 KiB of headers are refused");
    OK(says(&r, "the headers of its answer have more than 65536 bytes"), "... which it says");
    OK(r.answer_n <= 65536, "... and aren't kept");
    vrv_http_free(&r);
    answers(200, "SSH-2.0-OpenSSH_9.2\r\n");
    next_answer.raw = next_answer.close = true;
    r = request("GET", url_of("/"));
    IS(run(&r), VRV_E_UNKNOWN, "what isn't HTTP is no answer");
    OK(says(&r, "what answers isn't HTTP/1.1; check the port"), "... and the port may be wrong");
    vrv_http_free(&r);
    end();
}

/* A connection that was kept, and that is closed when the next request is there. */
static int
on_closed(const char *method, unsigned *requests, bool *sent)
{
    struct vrv_http_req r;

    begin();
    r = request("GET", url_of("/1"));
    HELD(run(&r) == 0);
    vrv_http_free(&r);
    next_answer.cut_at = 0;
    r = request(method, url_of("/2"));
    r.has_body = strcmp(method, "GET") != 0;
    int rc = run(&r);
    *requests = (unsigned)httpd_stats(server).requests - 1;
    *sent = r.sent;
    vrv_http_free(&r);
    end();
    return rc;
}

static void
test_dropped(void)
{
    unsigned n;
    bool sent;

    IS(on_closed("PUT", &n, &sent), VRV_E_UNKNOWN, "a kept connection closes on a PUT: unknown");
    OK(sent, "... it may have been done");
    IS(n, 1, "... and isn't sent again");
    IS(on_closed("POST", &n, &sent), VRV_E_UNKNOWN, "so with POST");
    IS(n, 1, "... once");
    IS(on_closed("DELETE", &n, &sent), VRV_E_UNKNOWN, "... and DELETE");
    IS(n, 1, "... once");
    IS(on_closed("GET", &n, &sent), VRV_E_UNKNOWN, "a GET is sent again");
    IS(n, 2, "... on a fresh connection, which was closed as well");
}

/* ---- time ---- */

static void
test_deadline(void)
{
    struct vrv_http_req r, waits;

    begin();
    next_answer.wait_ms = -1;
    r = request("PUT", url_of("/"));
    r.has_body = true;
    r.lane = VRV_STORE_HOUSEKEEPING;
    r.deadline_ns = atomic_load(&sim.mono_ns) + (int64_t)1000 * MS;
    vrv_http_submit(http, &r);
    until_heard(1);
    waits = request("GET", url_of("/"));
    waits.lane = VRV_STORE_HOUSEKEEPING;
    waits.deadline_ns = atomic_load(&sim.mono_ns) + (int64_t)999 * MS;
    vrv_http_submit(http, &waits);
    IS(vrv_http_step(http, 0), waits.deadline_ns, "the next step is due at the first deadline");
    simclock_advance_ms(&sim, 998);
    settle();
    OK(vrv_cq_take(&cq, 0) == NULL, "nothing ends before its deadline");
    simclock_advance_ms(&sim, 1);
    OK(take() == &waits, "what waits for a place has one, too");
    IS(waits.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(!waits.sent && says(&waits, "busy with other requests"), "... and wasn't sent");
    simclock_advance_ms(&sim, 1);
    OK(take() == &r, "then the other one's comes");
    IS(r.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(r.sent && says(&r, "no whole answer within the time given"), "... and was sent");
    settle();
    IS(httpd_stats(server).open, 0, "its connection is closed");
    vrv_http_free(&r);
    vrv_http_free(&waits);
    end();
}

static void
test_stall(void)
{
    struct vrv_http_req r;

    begin();
    answers(200, "abcdefghij");
    next_answer.stall_at = 43;
    r = request("GET", url_of("/"));
    vrv_http_submit(http, &r);
    until_heard(1);
    simclock_advance_ms(&sim, STALL_MS - 1);
    settle();
    OK(vrv_cq_take(&cq, 0) == NULL, "what came keeps it alive");
    simclock_advance_ms(&sim, STALL_MS - 1);
    settle();
    OK(vrv_cq_take(&cq, 0) == NULL, "... for some time");
    simclock_advance_ms(&sim, 1);
    OK(take() == &r, "nothing moved for so long");
    IS(r.status, VRV_E_TIMEDOUT, "... it timed out");
    OK(says(&r, "not a byte for 5000 ms"), "... and says why");
    vrv_http_free(&r);

    answers(200, "abcdefghijklmnopqrstuvwxyz");
    next_answer.drip = 20; /* a line of headers counts when it is whole */
    r = request("GET", url_of("/"));
    vrv_http_submit(http, &r);
    for (int i = 0; i < 8; i++) {
        both_step();
        both_step();
        simclock_advance_ms(&sim, STALL_MS / 2);
    }
    OK(take() == &r, "an answer that drips");
    IS(r.status, 0, "... comes, however long it takes");
    vrv_http_free(&r);
    end();
}

static void
test_stall_of_upload(void)
{
    static uint8_t big[16 << 20];
    struct iovec iov = { big, sizeof(big) };
    struct vrv_http_req r;

    begin();
    httpd_read_only(server, 100000, false);
    r = request("PUT", url_of("/"));
    r.has_body = true;
    r.iov = &iov;
    r.iov_n = 1;
    r.size = sizeof(big);
    vrv_http_submit(http, &r);
    settle();
    simclock_advance_ms(&sim, STALL_MS - 1);
    settle();
    OK(vrv_cq_take(&cq, 0) == NULL, "an upload that nobody reads waits");
    simclock_advance_ms(&sim, 1);
    OK(take() == &r, "... not for ever");
    OK(r.status == VRV_E_TIMEDOUT && r.sent, "... it timed out");
    vrv_http_free(&r);

    httpd_read_only(server, 100000, true);
    IS(run(&r), VRV_E_UNKNOWN, "one that is cut: unknown");
    OK(r.sent, "... it was sent, in part");
    vrv_http_free(&r);
    end();
}

static void
test_connect_time(void)
{
    char url[64];
    struct vrv_http_req r;

    begin();
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(server));
    r = request("GET", url);
    vrv_http_submit(http, &r);
    settle();
    simclock_advance_ms(&sim, CONNECT_MS - 1);
    settle();
    OK(vrv_cq_take(&cq, 0) == NULL, "a handshake that nobody answers may take its time");
    simclock_advance_ms(&sim, 1);
    OK(take() == &r, "... which is over");
    IS(r.status, VRV_E_UNREACHABLE, "... unreachable");
    OK(!r.sent && says(&r, "no connection within 3000 ms; check"), "... nothing was sent");
    vrv_http_free(&r);
    end();
}

/* ---- cancel ---- */

static void
test_cancel(void)
{
    static uint8_t back[BIG];
    char url[64];
    struct vrv_http_req r[3];

    begin();
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(server));
    next_answer.stall_at = 40;
    r[0] = request("GET", url_of("/"));
    r[1] = request("GET", url_of("/"));
    r[2] = request("GET", url);
    for (int i = 0; i < 3; i++)
        r[i].lane = i < 2 ? VRV_STORE_HOUSEKEEPING : VRV_STORE_READ;
    r[0].buf = back;
    r[0].cap = sizeof(back);
    for (int i = 0; i < 3; i++)
        vrv_http_submit(http, &r[i]);
    until_heard(1);
    settle();
    for (int i = 2; i >= 0; i--) {
        static const char *const when[] = { "in the middle of its answer", "while it waits",
            "while it connects" };

        vrv_http_cancel(http, &r[i]);
        OK(take() == &r[i], "cancelled %s, it ends", when[i]);
        IS(r[i].status, VRV_E_CANCELLED, "... as that");
        IS(r[i].sent, i == 0, "... and tells whether it was sent");
        vrv_http_free(&r[i]);
    }
    settle();
    IS(httpd_stats(server).open, 0, "the connections are closed");

    answers(200, "hello");
    r[0] = request("GET", url_of("/"));
    vrv_http_submit(http, &r[0]);
    vrv_http_cancel(http, &r[0]);
    OK(take() == &r[0] && r[0].status == VRV_E_CANCELLED && !r[0].sent,
        "cancelled before anything was done");
    vrv_http_free(&r[0]);
    r[0] = request("GET", url_of("/"));
    vrv_http_submit(http, &r[0]);
    for (int i = 0; i < ROUNDS && cq.head == NULL; i++)
        both_step();
    vrv_http_cancel(http, &r[0]);
    (void)vrv_http_step(http, 0);
    OK(take() == &r[0] && r[0].status == 0, "one that is done stays so");
    vrv_http_free(&r[0]);
    end();
}

/* ---- many ---- */

enum { MANY = 100 };

static void
test_places(void)
{
    static const unsigned at_once[] = { 2, 3, 1 };
    static struct vrv_http_req r[MANY];
    struct vrv_http_stats s;

    begin();
    next_answer.stall_at = 10;
    for (int i = 0; i < 12; i++) {
        r[i] = request("GET", url_of("/"));
        r[i].lane = (enum vrv_store_class)(i % 3);
        vrv_http_submit(http, &r[i]);
    }
    until_heard(6);
    settle();
    vrv_http_stats(http, &s);
    for (int i = 0; i < VRV_STORE_CLASSES; i++) {
        IS(s.under_way[i], at_once[i], "class %d has its places", i);
        IS(s.waiting[i], 4 - at_once[i], "... the rest waits");
    }
    IS(httpd_stats(server).requests, 6, "no more are sent");
    for (int i = 0; i < 12; i++)
        vrv_http_cancel(http, &r[i]);
    for (int i = 0; i < 12; i++)
        vrv_http_free(take());
    end();
}

static void
test_many(void)
{
    static struct vrv_http_req r[MANY];
    static char url[MANY][64];
    unsigned turn = 0;

    begin();
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(url[i], sizeof(url[i]), "%s", url_of("/"));
        r[i] = request("GET", url[i]);
        r[i].lane = i % 2 == 0 ? VRV_STORE_UPLOAD : VRV_STORE_HOUSEKEEPING;
        vrv_http_submit(http, &r[i]);
    }
    for (int i = 0; i < MANY; i++) {
        struct vrv_http_req *done = take();

        HELD(done->status == 0 && done->got == 5);
        if (done->lane == VRV_STORE_HOUSEKEEPING)
            HELD(done == &r[2 * turn++ + 1]);
        vrv_http_free(done);
    }
    IS(turn, MANY / 2, "a class with one place does one after the other, as they came");
    IS(httpd_stats(server).requests, MANY, "a hundred at once");
    OK(httpd_stats(server).accepted <= 4, "... over four connections");
    end();
}

int
main(void)
{
    tap_need(vrv_cq_init(&cq, 0), "no queue");
    test_get();
    test_bodies();
    test_errors_of_http();
    test_kept();
    test_not_sent();
    test_cut();
    test_large();
    test_large_headers();
    test_dropped();
    test_deadline();
    test_stall();
    test_stall_of_upload();
    test_connect_time();
    test_cancel();
    test_places();
    test_many();
    vrv_cq_fini(&cq);
    return tap_done();
}
