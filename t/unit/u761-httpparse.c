/* Heads of HTTP requests: what is taken, what is refused with which status, wherever it is cut. */
#include "server/stat/web_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/stat/web_conn.h"
#include "t/lib/tap.h"

#define HOST "Host: x\r\n"

/* What the first cut of the bytes says that says anything. */
static int
by_bytes(const char *p, size_t n)
{
    struct vrv_web_request r;

    for (size_t k = 0; k < n; k++) {
        char *copy = malloc(k + 1); /* so that a sanitizer sees what is read behind it */

        memcpy(copy, p, k);
        int rc = vrv_web_parse(copy, k, &r);
        free(copy);
        if (rc != 0)
            return rc;
    }
    return vrv_web_parse(p, n, &r);
}

static struct vrv_web_request
takes(const char *head, const char *path)
{
    struct vrv_web_request r;
    int n = (int)strlen(head);

    IS(vrv_web_parse(head, (size_t)n, &r), n, "taken: %.*s", (int)strcspn(head, "\r\n"), head);
    IS(by_bytes(head, (size_t)n), n, "... and not before all of it is there");
    IS_STR(r.path, path, "... its path");
    return r;
}

static void
test_good(void)
{
    struct vrv_web_request r = takes("GET /metrics HTTP/1.1\r\n" HOST "\r\n", "/metrics");
    OK(!r.is_head && r.keep_alive, "1.1 is kept");
    r = takes("HEAD / HTTP/1.1\r\nHOST:x\r\nConnection: foo , Close\r\n\r\n", "/");
    OK(r.is_head && !r.keep_alive, "unless it is to be closed");
    r = takes("GET /a HTTP/1.0\r\n\r\n", "/a");
    OK(!r.keep_alive, "1.0 needs no host and isn't kept,");
    r = takes("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/a");
    OK(r.keep_alive, "unless it is to be");
    (void)takes("GET /a?b=/c?d HTTP/1.1\r\n" HOST "\r\n", "/a");
    (void)takes("GET http://h:1/p HTTP/1.1\r\n" HOST "\r\n", "/p");
    (void)takes("GET /a HTTP/1.0\n\n", "/a");
    (void)takes("GET /a HTTP/1.1\r\n" HOST "X:\r\nContent-Length: 0\r\nA: b\tc\xff\r\n\r\n", "/a");
    (void)takes("GET /%6detrics HTTP/1.0\r\n\r\n", "/%6detrics");
    char longest[VRV_WEB_PATH_MAX + 40];
    (void)snprintf(longest, sizeof(longest), "GET /%0*d HTTP/1.0\r\n\r\n", VRV_WEB_PATH_MAX - 2, 0);
    struct vrv_web_request q;
    OK(vrv_web_parse(longest, strlen(longest), &q) > 0 && strlen(q.path) == VRV_WEB_PATH_MAX - 1,
        "the longest path is whole");
    (void)snprintf(longest, sizeof(longest), "GET /%0*d HTTP/1.0\r\n\r\n", VRV_WEB_PATH_MAX - 1, 0);
    (void)takes(longest, "");
    static const char two[] = "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n";
    IS(vrv_web_parse(two, sizeof(two) - 1, &r), 19, "what follows isn't touched");
}

#define BAD(head, what) { (head), sizeof(head) - 1, (what) }
#define GET "GET / HTTP/1.1\r\n"

static const struct bad {
    const char *head;
    size_t n;
    const char *what;
} other_methods[] = {
    BAD("POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", "POST"),
    BAD("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS"),
    BAD("get / HTTP/1.1\r\n" HOST "\r\n", "methods are capitals"),
}, bad_lines[] = {
    BAD("GET / HTTP/2.0\r\n", "another version"), BAD("GET /\r\n", "no version"),
    BAD("GET  / HTTP/1.1\r\n", "two blanks"), BAD("GET / HTTP/1.1 \r\n", "a blank at the end"),
    BAD(" " GET, "a blank in front"), BAD("\r\n" GET, "an empty line in front"),
    BAD("GET metrics HTTP/1.1\r\n", "no slash"), BAD("GET http://host HTTP/1.1\r\n", "a host only"),
    BAD("GET /\x01 HTTP/1.1\r\n", "a control character"), BAD("GET /\0 HTTP/1.1\r\n", "a NUL"),
    BAD("\x16\x03\x01\x02", "TLS isn't waited for"), BAD("\0\0\0\x20", "nor is Kafka's protocol"),
}, bad_fields[] = {
    BAD(GET "\r\n", "no host"), BAD(GET HOST HOST "\r\n", "two hosts"),
    BAD(GET HOST "Content-Length: 1\r\n\r\n", "a body"),
    BAD(GET HOST "Transfer-Encoding: chunked\r\n\r\n", "a body in pieces"),
    BAD(GET HOST "Content-Length: +0\r\n", "no number"),
    BAD(GET HOST "Content-Length:\r\n", "nothing for a number"),
    BAD(GET "Host : x\r\n", "a blank before the colon"),
    BAD(GET HOST " folded\r\n", "a folded line"),
    BAD(GET "nothing\r\n", "no colon"), BAD(GET ": x\r\n", "no name"),
    BAD(GET "A: \x01\r\n", "a control character"), BAD(GET "A: \0\r\n", "a NUL"),
    BAD(GET "A: b\rc\r\n", "a lone carriage return"),
};

#define REFUSES(list, status) refuses((list), sizeof(list) / sizeof((list)[0]), (status))

static void
refuses(const struct bad *bad, size_t bad_n, int status)
{
    struct vrv_web_request r;

    for (const struct bad *b = bad; b < bad + bad_n; b++) {
        IS(vrv_web_parse(b->head, b->n, &r), -status, "%d: %s", status, b->what);
        IS(by_bytes(b->head, b->n), -status, "... byte by byte, too");
    }
}

static void
test_bad(void)
{
    REFUSES(other_methods, 405);
    REFUSES(bad_lines, 400);
    REFUSES(bad_fields, 400);
}

static void
test_limits(void)
{
    static char big[VRV_WEB_HEAD_MAX + 1];
    struct vrv_web_request r;
    int n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\n" HOST "A: ");

    memset(big + n, 'a', sizeof(big) - (size_t)n);
    IS(vrv_web_parse(big, VRV_WEB_HEAD_MAX - 1, &r), 0, "a long head may go on,");
    IS(vrv_web_parse(big, VRV_WEB_HEAD_MAX, &r), -431, "but not for ever");
    memcpy(big + VRV_WEB_HEAD_MAX - 4, "\r\n\r\n", 4);
    IS(vrv_web_parse(big, VRV_WEB_HEAD_MAX, &r), VRV_WEB_HEAD_MAX, "the longest one is taken");
    memset(big, 'G', sizeof(big));
    IS(vrv_web_parse(big, VRV_WEB_HEAD_MAX, &r), -431, "nor may the first line");
    n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < VRV_WEB_LINES_MAX - 2; i++)
        n += snprintf(big + n, sizeof(big) - (size_t)n, "A: b\r\n");
    (void)snprintf(big + n, sizeof(big) - (size_t)n, "\r\n");
    IS(vrv_web_parse(big, (size_t)n + 2, &r), n + 2, "as many lines as may be");
    (void)snprintf(big + n, sizeof(big) - (size_t)n, "A: b\r\n\r\n");
    IS(vrv_web_parse(big, (size_t)n + 8, &r), -431, "one more");
}

/* ---- a connection ---- */

static void
echo(void *ctx, const char *path, struct vrv_web_answer *a)
{
    (void)ctx;
    if (strcmp(path, "/none") == 0)
        return;
    a->status = 200;
    vrv_text_print(&a->body, "<%s>", path);
}

/* All that a connection answers to these bytes, given in pieces of k. */
static char *
talk(const char *in, size_t k, bool *ends)
{
    static struct vrv_web_conn c;
    static char all[4000];
    size_t n = strlen(in), at = 0, put = 0;

    c = (struct vrv_web_conn){ .in_n = 0 };
    all[0] = '\0';
    while (at < n && !c.ends) {
        size_t piece = k < n - at ? k : n - at;

        memcpy(c.in + c.in_n, in + at, piece);
        c.in_n += piece;
        at += piece;
        while (vrv__web_step(&c, echo, NULL)) {
            memcpy(all + put, c.out.p + c.sent, c.out.n - c.sent);
            put += c.out.n - c.sent;
            all[put] = '\0';
            c.sent = c.out.n;
        }
    }
    *ends = c.ends;
    vrv__web_conn_fini(&c);
    return all;
}

#define HEAD(status, n)                                                                            \
    "HTTP/1.1 " status "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " n "\r\n"  \
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"

static void
test_conn(void)
{
    static const char in[] = "GET /a HTTP/1.1\r\n" HOST "\r\nHEAD /bc HTTP/1.1\r\n" HOST
                             "\r\nGET /none HTTP/1.1\r\n" HOST "\r\nGET /d HTTP/1.0\r\n\r\n"
                             "GET /e HTTP/1.0\r\n\r\n";
    static const char want[] = HEAD("200 OK", "4") "\r\n</a>" HEAD("200 OK", "5") "\r\n"
        HEAD("404 Not Found", "10") "\r\nNot Found\n"
        HEAD("200 OK", "4") "Connection: close\r\n\r\n</d>";
    bool ends, same = true;

    IS_STR(talk(in, sizeof(in), &ends), want, "answers come in order, and end where they are to");
    OK(ends, "nothing behind that is answered");
    for (size_t k = 1; k < sizeof(in); k++)
        same &= strcmp(talk(in, k, &ends), want) == 0 && ends;
    OK(same, "however the bytes come");
    IS_STR(talk("POST / HTTP/1.1\r\n" HOST "\r\nabc", 100, &ends),
        HEAD("405 Method Not Allowed", "36")
        "Allow: GET, HEAD\r\nConnection: close\r\n\r\nonly GET and HEAD are answered here\n",
        "what can't be answered says so");
    OK(ends, "and ends the connection");
    OK(strncmp(talk("GET\r\n", 100, &ends), "HTTP/1.1 400 Bad Request\r\n", 26) == 0 && ends,
        "so does what is no request");
}

int
main(void)
{
    test_good();
    test_bad();
    test_limits();
    test_conn();
    return tap_done();
}
