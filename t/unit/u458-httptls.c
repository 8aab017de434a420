/* HTTP for stores over TLS: whom it trusts, and who trusts it.  And with a thread of its own, asked
 * by several at once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/list.h"
#include "engine/base/rand.h"
#include "t/lib/httprig.h"
#include "t/lib/tap.h"
#include "t/lib/testcert.h"

enum { BIG = 2 << 20, THREADS = 4, EACH = 60, MS = 1000000 };

static struct httprig g;
static char crt[6][512], key[6][512];
enum { GOOD, OTHER, CLIENT, NAMED, OLD, NONE };

static void
make_certificates(void)
{
    static const char *const name[] = { "good", "other", "client", "named", "old", "none" };

    const char *dir = tap_dir();

    for (int i = 0; i <= NONE; i++) {
        if (i != NONE)
            testcert_make(dir, name[i], i == NAMED ? "DNS:elsewhere.example" : "IP:127.0.0.1",
                i == OLD ? -1 : 7);
        (void)snprintf(crt[i], sizeof(crt[i]), "%s/%s.crt", dir, name[i]);
        (void)snprintf(key[i], sizeof(key[i]), "%s/%s.key", dir, name[i]);
    }
}

/* One request to a server with this certificate, from who trusts that one. */
static struct vrv_http_req
ask(int server, int trusted, int client, int wanted)
{
    struct vrv_http_req r;

    httprig_init(&g);
    g.server_opts.cert_file = crt[server];
    g.server_opts.key_file = key[server];
    g.opts.ca_file = trusted < 0 ? NULL : crt[trusted];
    if (client >= 0) {
        g.opts.cert_file = crt[client];
        g.opts.key_file = key[client];
    }
    if (wanted >= 0)
        g.server_opts.client_ca = crt[wanted];
    httprig_open(&g);
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    (void)httprig_run(&g, &r);
    vrv_http_free(&r);
    return r;
}

static void
test_trust(void)
{
    struct vrv_http_req r = ask(GOOD, GOOD, -1, -1);

    IS(r.status, 0, "a server whose certificate is in the CA file is trusted");
    IS(r.code, 200, "... and answers");
    httprig_close(&g);
    r = ask(GOOD, OTHER, -1, -1);
    IS(r.status, VRV_E_DENIED, "one whose isn't, is not");
    OK(!r.sent, "... nothing was sent");
    OK(httprig_says(&r, "certificate") && httprig_says(&r, "tier.store.ca.file must have the authority"),
        "... and the CA file is named");
    IS(httpd_stats(g.server).requests, 0, "... nor heard");
    httprig_close(&g);
    r = ask(GOOD, -1, -1, -1);
    IS(r.status, VRV_E_DENIED, "nor by the system's, where there is no file");
    httprig_close(&g);
    r = ask(NAMED, NAMED, -1, -1);
    IS(r.status, VRV_E_DENIED, "nor one that is another host's");
    OK(httprig_says(&r, "a name that its certificate has, in tier.s3.endpoint"),
        "... and where that is set");
    httprig_close(&g);
    r = ask(OLD, OLD, -1, -1);
    IS(r.status, VRV_E_DENIED, "nor one that has expired");
    OK(httprig_says(&r, "have the store's certificate renewed"), "... which is to be renewed");
    httprig_close(&g);
    r = ask(GOOD, NONE, -1, -1);
    IS(r.status, VRV_E_DENIED, "without a CA file nobody is");
    OK(httprig_says(&r, "tier.store.ca.file must be there"), "... which it says");
    httprig_close(&g);
}

static void
test_client(void)
{
    struct vrv_http_req r = ask(GOOD, GOOD, CLIENT, CLIENT);

    IS(r.status, 0, "a client with the certificate that is wanted may ask");
    IS(r.code, 200, "... and is answered");
    httprig_close(&g);
    r = ask(GOOD, GOOD, -1, CLIENT);
    IS(r.status, VRV_E_DENIED, "one without may not");
    OK(httprig_says(&r, "client's certificate") &&
            httprig_says(&r, "check tier.store.cert.file and tier.store.key.file"),
        "... which it says, with the settings");
    IS(httpd_stats(g.server).requests, 0, "... and nothing was done");
    httprig_close(&g);
    r = ask(GOOD, GOOD, OTHER, CLIENT);
    IS(r.status, VRV_E_DENIED, "nor one with another");
    OK(httprig_says(&r, "client's certificate"), "... which it says");
    httprig_close(&g);
    r = ask(GOOD, GOOD, NONE, CLIENT);
    IS(r.status, VRV_E_DENIED, "nor one whose files aren't there");
    OK(httprig_says(&r, "can't be used; tier.store.cert.file and tier.store.key.file"), "... which it says");
    OK(!r.sent, "... and nothing was sent");
    httprig_close(&g);
}

static void
test_no_tls(void)
{
    char url[64];
    struct vrv_http_req r;

    httprig_init(&g);
    httprig_open(&g);
    httpd_read_only(g.server, 1, true);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", httpd_port(g.server));
    r = httprig_request(&g, "GET", url);
    IS(httprig_run(&g, &r), VRV_E_UNREACHABLE, "who doesn't speak TLS isn't reached");
    OK(!r.sent && httprig_says(&r, "does it speak TLS on this port?"),
        "... and the port may be wrong");
    vrv_http_free(&r);
    httprig_close(&g);
}

static void
test_much(void)
{
    static uint8_t big[BIG], back[BIG];
    struct iovec iov = { big, BIG };
    struct vrv_http_req r;

    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 11 >> 2);
    r = ask(GOOD, GOOD, -1, -1);
    g.says.body = big;
    g.says.body_n = BIG;
    r = httprig_request(&g, "PUT", httprig_url(&g, "/"));
    r.has_body = true;
    r.iov = &iov;
    r.iov_n = 1;
    r.size = BIG;
    r.buf = back;
    r.cap = BIG;
    IS(httprig_run(&g, &r), 0, "much goes both ways");
    IS(g.heard_body, BIG, "... there");
    OK(r.got == BIG && memcmp(big, back, BIG) == 0, "... and back");
    IS(httpd_stats(g.server).accepted, 1, "... over the connection that was there");
    vrv_http_free(&r);
    httprig_close(&g);
}

/* ---- threads ---- */

struct asker {
    pthread_t thread;
    unsigned seed;
    unsigned done, cancelled, odd;
};

static bool
ask_once(struct vrv_cq *cq, struct vrv_rand *rand, struct asker *a)
{
    struct vrv_http_req r[3];

    for (int i = 0; i < 3; i++) {
        r[i] = httprig_request(&g, i == 0 ? "PUT" : "GET", g.url[0]);
        r[i].has_body = i == 0;
        r[i].done.cq = cq;
        r[i].lane = (enum vrv_store_class)i;
        r[i].deadline_ns = INT64_MAX;
        vrv_http_submit(g.http, &r[i]);
    }
    if (vrv_rand_below(rand, 2) == 0)
        vrv_http_cancel(g.http, &r[vrv_rand_below(rand, 3)]);
    for (int i = 0; i < 3; i++) {
        struct vrv_done *d = vrv_cq_take(cq, 60000);

        if (d == NULL)
            return false;
        struct vrv_http_req *q = VRV_LIST_OF(d, struct vrv_http_req, done);
        a->done += q->status == 0 && q->code == 200 && q->got == 5;
        a->cancelled += q->status == VRV_E_CANCELLED;
        vrv_http_free(q);
    }
    return true;
}

static void *
ask_much(void *ctx)
{
    struct asker *a = ctx;
    struct vrv_rand rand = { a->seed };
    struct vrv_http_stats s;
    struct vrv_cq cq;

    tap_need(vrv_cq_init(&cq, 0), "no queue");
    for (int i = 0; i < EACH; i++) {
        if (!ask_once(&cq, &rand, a))
            tap_bail("a request never ended");
        vrv_http_stats(g.http, &s);
        a->odd += s.under_way[VRV_STORE_READ] > HTTPRIG_READS;
    }
    vrv_cq_fini(&cq);
    return NULL;
}

static void
test_threads(void)
{
    struct asker a[THREADS] = { 0 };
    unsigned done = 0, cancelled = 0, odd = 0;

    httprig_init(&g);
    g.opts.clock = g.server_opts.clock = vrv_clock_real();
    g.opts.thread = true;
    g.opts.stall_ms = g.opts.connect_ms = 60000;
    httprig_open(&g);
    httpd_start(g.server);
    (void)httprig_url(&g, "/");
    for (unsigned i = 0; i < THREADS; i++) {
        a[i].seed = i;
        tap_need(pthread_create(&a[i].thread, NULL, ask_much, &a[i]), "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(a[i].thread, NULL);
        done += a[i].done;
        cancelled += a[i].cancelled;
        odd += a[i].odd;
    }
    IS(done + cancelled, 3 * THREADS * EACH, "with a thread, every request of many ends once");
    OK(done >= 2 * THREADS * EACH, "... and %u of them well", done);
    IS(odd, 0, "... and nobody takes more places than there are");
    httprig_close(&g);
}

/* Nothing wakes the thread but time. */
static void
test_thread_deadline(void)
{
    struct vrv_clock *real = vrv_clock_real();
    struct vrv_http_req r;

    httprig_init(&g);
    g.opts.clock = g.server_opts.clock = real;
    g.opts.thread = true;
    httprig_open(&g);
    httpd_start(g.server);
    r = httprig_request(&g, "GET", httprig_url(&g, "/"));
    g.says.wait_ms = -1;
    r.deadline_ns = real->mono_ns(real) + (int64_t)30 * MS;
    vrv_http_submit(g.http, &r);
    OK(vrv_cq_take(&g.cq, 60000) == &r.done, "the thread notices a deadline by itself");
    IS(r.status, VRV_E_TIMEDOUT, "... that passed");
    vrv_http_free(&r);
    httprig_close(&g);
}

int
main(void)
{
    make_certificates();
    test_trust();
    test_client();
    test_no_tls();
    test_much();
    test_threads();
    test_thread_deadline();
    return tap_done();
}
