/* HTTP for stores, against a server that behaves as a test says: what goes out, what comes back,
 * and what each way to fail is called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/httprig.h"
#include "t/lib/tap.h"

enum { BIG = 3 << 20 };

static struct httprig g;

static void
start(void)
{
    httprig_init(&g);
    httprig_open(&g);
}

/* ---- what goes well ---- */

static void
test_get(void)
{
    static const char *const headers[] = { "X-One: 1", "Range: bytes=0-4" };
    struct vrv_http_req r;
    char copy[64];

    start();
    r = httprig_request(&g, "GET", httprig_url(&g, "/a%20b?c=d"));
    r.headers = headers;
    r.header_n = 2;
    httpd_add_header(&g.says, "ETag", "\"abc\"");
    httpd_add_header(&g.says, "X-Empty", "%s", "");
    IS(httprig_run(&g, &r), 0, "an answer");
    IS(r.code, 200, "... with its status");
    IS_STR(r.text, "hello", "... and its body");
    IS(r.got, 5, "... and how long that is");
    IS_STR(vrv_http_header(&r, "etag"), "\"abc\"", "... and its headers, whatever their case");
    IS_STR(vrv_http_header(&r, "x-empty"), "", "... also an empty one");
    OK(vrv_http_header(&r, "x-none") == NULL, "... and none that it hasn't");
    OK(r.sent, "it was sent");
    OK(strncmp(g.heard, "GET /a%20b?c=d\r\n", 16) == 0, "the path is sent as it was given");
    struct httpd_req q = { .head = g.heard };
    IS_STR(httpd_header(&q, "x-one", copy, sizeof(copy)), "1", "so are headers");
    OK(httpd_header(&q, "expect", copy, sizeof(copy)) == NULL, "... and no Expect");
    OK(httpd_header(&q, "accept-encoding", copy, sizeof(copy)) == NULL, "... nor Accept-Encoding");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_bodies(void)
{
    static uint8_t big[BIG], back[BIG];
    struct iovec iov[] = { { big, 1 }, { big + 1, 0 }, { big + 1, BIG - 1 } };
    struct vrv_http_req r;

    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 7 >> 3);
    start();
    r = httprig_request(&g, "PUT", httprig_url(&g, "/big"));
    r.has_body = true;
    r.iov = iov;
    r.iov_n = 3;
    r.size = BIG;
    IS(httprig_run(&g, &r), 0, "a large body in pieces is sent");
    IS(g.heard_body, BIG, "... whole");
    OK(strstr(g.heard, "Expect:") == NULL, "... at once");
    vrv_http_free(&r);
    r = httprig_request(&g, "POST", httprig_url(&g, "/none"));
    r.has_body = true;
    IS(httprig_run(&g, &r), 0, "an empty one too");
    OK(strstr(g.heard, "Content-Length: 0\r\n") != NULL, "... with its length");
    OK(strncmp(g.heard, "POST ", 5) == 0, "... by the method that was asked for");
    vrv_http_free(&r);
    r = httprig_request(&g, "DELETE", httprig_url(&g, "/x"));
    IS(httprig_run(&g, &r), 0, "one without a body has none");
    OK(strstr(g.heard, "Content-Length") == NULL && strncmp(g.heard, "DELETE ", 7) == 0,
        "... nor a length");
    vrv_http_free(&r);

    g.says.body = big;
    g.says.body_n = BIG;
    r = httprig_request(&g, "GET", httprig_url(&g, "/big"));
    r.buf = back;
    r.cap = BIG;
    IS(httprig_run(&g, &r), 0, "a large body comes into a buffer");
    IS(r.got, BIG, "... whole");
    OK(memcmp(big, back, BIG) == 0, "... as it was sent");
    OK(r.text == NULL, "... and nowhere else");
    vrv_http_free(&r);
    r = httprig_request(&g, "HEAD", httprig_url(&g, "/big"));
    IS(httprig_run(&g, &r), 0, "of a HEAD comes no body");
    IS_STR(vrv_http_header(&r, "content-length"), "3145728", "... but its length");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_errors_of_http(void)
{
    uint8_t buf[16] = { 0 };
    struct vrv_http_req r;

    start();
    httprig_say(&g, 404, "<Error/>");
    r = httprig_request(&g, "GET", httprig_url(&g, "/x"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(httprig_run(&g, &r), 0, "an answer is an answer");
    IS(r.code, 404, "... whatever its status");
    IS_STR(r.text, "<Error/>", "... and its words aren't for the buffer");
    IS(buf[0], 0, "... which nobody touched");
    vrv_http_free(&r);

    httprig_say(&g, 307, "");
    httpd_add_header(&g.says, "Location", "%s", httprig_url(&g, "/elsewhere"));
    r = httprig_request(&g, "GET", httprig_url(&g, "/x"));
    IS(httprig_run(&g, &r), 0, "a redirection is an answer");
    IS(r.code, 307, "... that is not followed");
    OK(strncmp(g.heard, "GET /x", 6) == 0, "... by anybody");
    OK(vrv_http_header(&r, "location") != NULL, "... but told");
    vrv_http_free(&r);

    static char page[2 * HTTPRIG_TEXT_MAX];
    memset(page, 'x', sizeof(page) - 1);
    httprig_say(&g, 503, page);
    r = httprig_request(&g, "GET", httprig_url(&g, "/x"));
    IS(httprig_run(&g, &r), 0, "a long page about an error is an answer");
    IS(r.got, HTTPRIG_TEXT_MAX, "... of which the beginning is kept");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_kept(void)
{
    struct vrv_http_stats s;
    struct vrv_http_req r;
    bool good = true;

    start();
    for (int i = 0; i < 10; i++) {
        r = httprig_request(&g, "GET", httprig_url(&g, "/"));
        r.lane = (enum vrv_store_class)(i % VRV_STORE_CLASSES);
        good &= HELD(httprig_run(&g, &r) == 0);
        vrv_http_free(&r);
    }
    OK(good, "ten requests of all classes are answered");
    IS(httpd_stats(g.server).accepted, 1, "... over one connection");
    vrv_http_stats(g.http, &s);
    IS(s.requests, 10, "ten are counted");
    IS(s.connections, 1, "... over one");
    IS(s.under_way[0] + s.waiting[0], 0, "... and none is left");
    OK(s.sent_bytes > 300 && s.received_bytes > 300, "... and their bytes");
    httpd_drop_kept(g.server);
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    IS(httprig_run(&g, &r), 0, "a connection that was closed meanwhile isn't used");
    IS(httpd_stats(g.server).accepted, 2, "... but a new one");
    vrv_http_free(&r);
    httprig_close(&g);
}

/* ---- what breaks ---- */

static void
test_not_sent(void)
{
    struct vrv_http_req r;

    start();
    httpd_listen(g.server, false);
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    IS(httprig_run(&g, &r), VRV_E_UNREACHABLE, "nobody listens: unreachable");
    OK(!r.sent && r.code == 0, "... nothing was sent");
    OK(httprig_says(&r, "connection refused; is the store running there?"), "... which it says");
    OK(strncmp(r.err.msg, "127.0.0.1:", 10) == 0, "... and where");
    vrv_http_free(&r);
    r = httprig_request(&g, "GET", "http://no-such-host.invalid:9000/x");
    IS(httprig_run(&g, &r), VRV_E_UNREACHABLE, "no such host: unreachable");
    OK(!r.sent && httprig_says(&r, "no-such-host.invalid:9000: no such host"),
        "... and the sentence names it");
    vrv_http_free(&r);
    r = httprig_request(&g, "GET", "ftp://user:secret@127.0.0.1/x");
    IS(httprig_run(&g, &r), VRV_E_INVALID, "another protocol isn't spoken");
    OK(!r.sent && strstr(r.err.msg, "secret") == NULL, "... and no secret told");
    vrv_http_free(&r);
    httpd_listen(g.server, true);
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    IS(httprig_run(&g, &r), 0, "and all is well again");
    vrv_http_free(&r);
    httprig_close(&g);
}

static bool
is_unknown_cut_at(size_t at, bool reset)
{
    uint8_t buf[64];
    struct vrv_http_req r;

    httprig_say(&g, 200, "the whole of it");
    g.says.cut_at = at;
    g.says.reset = reset;
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    r.buf = buf;
    r.cap = sizeof(buf);
    bool good = HELD(httprig_run(&g, &r) == VRV_E_UNKNOWN);
    good &= HELD(r.sent && r.code == 0 && r.err.msg[0] != '\0');
    vrv_http_free(&r);
    return good;
}

static void
test_cut(void)
{
    size_t whole = strlen("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nthe whole of it");
    struct vrv_http_req r;
    bool good = true;

    start();
    for (size_t at = 0; at < whole; at++) {
        good &= is_unknown_cut_at(at, false);
        good &= is_unknown_cut_at(at, true);
    }
    OK(good, "an answer that is cut anywhere is none: unknown");
    httprig_say(&g, 200, "the whole of it");
    g.says.no_length = true;
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    IS(httprig_run(&g, &r), 0, "without a length, the connection's end is its end");
    IS(r.got, 15, "... as far as anybody can tell");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_large(void)
{
    static uint8_t buf[64];
    char page[HTTPRIG_TEXT_MAX + 2];
    struct vrv_http_req r;

    start();
    httprig_say(&g, 200, "sixty-five bytes are more than sixty-four, however you look at it");
    memset(buf, 0x55, sizeof(buf));
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(g.says.body_n, 65, "one byte more");
    IS(httprig_run(&g, &r), VRV_E_CORRUPT, "... than asked for is no answer");
    OK(httprig_says(&r, "its answer has more than 64 bytes"), "... which it says");
    vrv_http_free(&r);
    g.says.body_n = 64;
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    r.buf = buf;
    r.cap = sizeof(buf);
    IS(httprig_run(&g, &r), 0, "just as many are fine");
    vrv_http_free(&r);
    memset(page, 'x', HTTPRIG_TEXT_MAX + 1);
    page[HTTPRIG_TEXT_MAX + 1] = '\0';
    httprig_say(&g, 200, page);
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    IS(httprig_run(&g, &r), VRV_E_CORRUPT, "text has its limit too");
    vrv_http_free(&r);
    httprig_close(&g);
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
    start();
    httprig_say(&g, 200, flood);
    g.says.raw = true;
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    IS(httprig_run(&g, &r), VRV_E_CORRUPT, "more than 64 KiB of headers are refused");
    OK(httprig_says(&r, "the headers of its answer have more than 65536 bytes"),
        "... which it says");
    OK(r.answer_n <= 65536, "... and aren't kept");
    vrv_http_free(&r);
    httprig_say(&g, 200, "SSH-2.0-OpenSSH_9.2\r\n");
    g.says.raw = g.says.close = true;
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    IS(httprig_run(&g, &r), VRV_E_UNKNOWN, "what isn't HTTP is no answer");
    OK(httprig_says(&r, "what answers isn't HTTP/1.1; check the port"),
        "... and the port may be wrong");
    vrv_http_free(&r);
    httprig_close(&g);
}

/* A connection that was kept, and that is closed when the next request is there. */
static int
on_closed(const char *method, unsigned *requests, bool *sent)
{
    struct vrv_http_req r;

    start();
    r = httprig_request(&g, "GET", httprig_url(&g, "/1"));
    tap_need(httprig_run(&g, &r), r.err.msg);
    vrv_http_free(&r);
    g.says.cut_at = 0;
    r = httprig_request(&g, method, httprig_url(&g, "/2"));
    r.has_body = strcmp(method, "GET") != 0;
    int rc = httprig_run(&g, &r);
    *requests = (unsigned)httpd_stats(g.server).requests - 1;
    *sent = r.sent;
    vrv_http_free(&r);
    httprig_close(&g);
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

/* Whoever refuses an upload doesn't wait for all of it. */
static void
test_early(void)
{
    static uint8_t big[BIG];
    struct iovec iov = { big, BIG };
    struct vrv_http_req r;

    start();
    httprig_say(&g, 403, "<Error/>");
    httpd_answer_early(g.server, true);
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    r.iov = &iov;
    r.iov_n = 1;
    r.size = BIG;
    IS(httprig_run(&g, &r), 0, "an answer that comes before all is sent is one");
    IS(r.code, 403, "... with its status");
    IS_STR(r.text, "<Error/>", "... and its words");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_proxy(void)
{
    char proxy[64], copy[64];
    struct httpd_req q = { .head = g.heard };
    struct vrv_http_req r;

    httprig_init(&g);
    g.server = httpd_new(&g.server_opts);
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", httpd_port(g.server));
    g.opts.proxy = proxy;
    httprig_open(&g);
    memset(proxy, 0, sizeof(proxy));
    r = httprig_request(&g, "GET", "http://store.invalid:9000/a");
    IS(httprig_run(&g, &r), 0, "a proxy is asked");
    OK(strncmp(g.heard, "GET http://store.invalid:9000/a\r\n", 33) == 0, "... for the whole URL");
    IS_STR(httpd_header(&q, "host", copy, sizeof(copy)), "store.invalid:9000", "... of that host");
    vrv_http_free(&r);
    r = httprig_request(&g, "GET", "https://store.invalid:9000/a");
    httprig_say(&g, 403, "");
    IS(httprig_run(&g, &r), VRV_E_UNREACHABLE, "one that makes no tunnel");
    OK(!r.sent && strncmp(g.heard, "CONNECT store.invalid:9000\r\n", 28) == 0,
        "... for TLS: nothing was sent");
    OK(httprig_says(&r, "CONNECT") || httprig_says(&r, "proxy"), "... and it says why");
    vrv_http_free(&r);
    httpd_listen(g.server, false);
    httpd_drop_kept(g.server);
    r = httprig_request(&g, "GET", "http://store.invalid:9000/a");
    IS(httprig_run(&g, &r), VRV_E_UNREACHABLE, "nor is one that isn't there");
    OK(httprig_says(&r, "the proxy") && !r.sent, "... and it is named");
    vrv_http_free(&r);
    httpd_free(&g.server);
    httprig_close(&g);
}

/* By a proxy that answers so: with its status, what it was told of us is in g.heard. */
static int
ask_proxy(const char *credentials, int status, struct vrv_http_req *r)
{
    char proxy[64];

    httprig_init(&g);
    g.server = httpd_new(&g.server_opts);
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", httpd_port(g.server));
    g.opts.proxy = proxy;
    g.opts.proxy_credentials = credentials;
    httprig_open(&g);
    if (status != 200)
        httprig_say(&g, status, "who are you?");
    *r = httprig_request(&g, "PUT", "http://store.invalid:9000/a");
    r->has_body = true;
    int rc = httprig_run(&g, r);
    vrv_http_free(r);
    return rc;
}

static void
end_proxy(void)
{
    httpd_free(&g.server);
    httprig_close(&g);
}

static void
test_proxy_user(void)
{
    char told[128];
    struct httpd_req q = { .head = g.heard };
    struct vrv_http_req r;

    (void)setenv("VARVE_T_PROXY", "joe:s:%41@/", 1);
    IS(ask_proxy("env:VARVE_T_PROXY", 200, &r), 0, "a proxy is told who we are");
    (void)httpd_header(&q, "proxy-authorization", told, sizeof(told));
    IS_STR(told, "Basic am9lOnM6JTQxQC8=", "... whatever a password has");
    httprig_say(&g, 403, "");
    r = httprig_request(&g, "GET", "https://store.invalid/");
    OK(httprig_run(&g, &r) < 0 && strncmp(g.heard, "CONNECT", 7) == 0, "... also for a tunnel");
    vrv_http_free(&r);
    (void)httpd_header(&q, "proxy-authorization", told, sizeof(told));
    IS_STR(told, "Basic am9lOnM6JTQxQC8=", "... the same");
    (void)setenv("VARVE_T_PROXY", "joe:new", 1);
    r = httprig_request(&g, "GET", "http://store.invalid:9000/a");
    (void)httprig_run(&g, &r);
    vrv_http_free(&r);
    (void)httpd_header(&q, "proxy-authorization", told, sizeof(told));
    IS_STR(told, "Basic am9lOm5ldw==", "another password is taken at once");
    end_proxy();
    IS(ask_proxy("env:VARVE_T_PROXY", 407, &r), VRV_E_DENIED, "one that doesn't know us");
    OK(httprig_says(&r, "refuses the user and password") &&
            httprig_says(&r, "correct what tier.store.proxy.credentials"), "... and what to do");
    end_proxy();
    IS(ask_proxy(NULL, 407, &r), VRV_E_DENIED, "one that wants to");
    OK(httprig_says(&r, "set tier.store.proxy.credentials"), "... and what to do");
    end_proxy();
    (void)setenv("VARVE_T_PROXY", "swordfish", 1);
    IS(ask_proxy("env:VARVE_T_PROXY", 200, &r), VRV_E_DENIED, "who has no user and password");
    OK(!r.sent && httprig_says(&r, "isn't USER:PASSWORD") && strstr(r.err.msg, "swordfish") == NULL,
        "... sends nothing, and doesn't tell what he has");
    end_proxy();
    IS(ask_proxy("env:VARVE_T_NONE", 200, &r), VRV_E_DENIED, "nor who has none at all");
    OK(!r.sent && httprig_says(&r, "tier.store.proxy.credentials: there is no VARVE_T_NONE"), "... which is said");
    end_proxy();
}

/* Nobody knows better what to do with it than libcurl, which quotes it. */
static void
test_proxy_told(void)
{
    static const char *const bad[] = { "ftp://joe:swordfish@p.invalid:1", "http://joe:swordfish@p.invalid:port",
        "joe:swordfish@p.invalid:port", "http://joe:swordfish@[p.invalid" };
    struct vrv_http_req r;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        httprig_init(&g);
        g.opts.proxy = NULL;
        (void)setenv("https_proxy", bad[i], 1);
        httprig_open(&g);
        r = httprig_request(&g, "GET", "https://store.invalid/");
        OK(httprig_run(&g, &r) < 0, "a proxy that can't be");
        OK(strstr(r.err.msg, "swordfish") == NULL, "... whose password isn't told: %s", r.err.msg);
        vrv_http_free(&r);
        httprig_close(&g);
    }
    (void)unsetenv("https_proxy");
}

/* Without credentials of Kerberos', all that can be seen is that it does no harm. */
static void
test_negotiate(void)
{
    struct vrv_http_req r;

    httprig_init(&g);
    g.opts.negotiate = true;
    httprig_open(&g);
    httprig_say(&g, 401, "who are you?");
    httpd_add_header(&g.says, "WWW-Authenticate", "Negotiate");
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    IS(httprig_run(&g, &r), 0, "who can't negotiate is answered");
    IS(r.code, 401, "... that he must");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_escape(void)
{
    char out[64];

    vrv_http_escape(out, sizeof(out), "a/b c+~\xc3\xa9%", "/");
    IS_STR(out, "a/b%20c%2B~%C3%A9%25", "what isn't plain is escaped, but what is to be kept");
    vrv_http_escape(out, sizeof(out), "a/b", "");
    IS_STR(out, "a%2Fb", "... or nothing is");
}

int
main(void)
{
    test_get();
    test_bodies();
    test_errors_of_http();
    test_kept();
    test_not_sent();
    test_cut();
    test_large();
    test_large_headers();
    test_dropped();
    test_early();
    test_proxy();
    test_proxy_user();
    test_proxy_told();
    test_negotiate();
    test_escape();
    return tap_done();
}
