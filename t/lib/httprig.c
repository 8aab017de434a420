#include "t/lib/httprig.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/list.h"
#include "t/lib/tap.h"

enum { MS = 1000000, ROUNDS = 20000, SETTLED = 50 };

static void
say_the_same(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    struct httprig *g = ctx;
    bool head = a->head;

    (void)snprintf(g->heard, sizeof(g->heard), "%s %s\r\n%s", q->method, q->target, q->head);
    g->heard_body = q->body_n;
    *a = g->says;
    a->head = head;
    a->body = NULL;
    a->body_n = 0;
    if (g->says.body_n > 0)
        httpd_set_body(a, g->says.body, g->says.body_n);
}

void
httprig_say(struct httprig *g, int status, const char *body)
{
    g->says = (struct httpd_reply){ .status = status,
        .stall_at = SIZE_MAX,
        .cut_at = SIZE_MAX,
        .body = (uint8_t *)(uintptr_t)body,
        .body_n = strlen(body) };
}

void
httprig_init(struct httprig *g)
{
    memset(g, 0, sizeof(*g));
    simclock_init(&g->sim, 1700000000000);
    g->server_opts = (struct httpd_opts){ .fn = say_the_same, .ctx = g, .clock = &g->sim.clock };
    g->opts = (struct vrv_http_opts){ .clock = &g->sim.clock,
        .at_once = { HTTPRIG_READS, HTTPRIG_UPLOADS, HTTPRIG_HOUSEKEEPINGS },
        .connect_ms = HTTPRIG_CONNECT_MS,
        .stall_ms = HTTPRIG_STALL_MS,
        .text_max = HTTPRIG_TEXT_MAX,
        .proxy = "" };
    httprig_say(g, 200, "hello");
}

void
httprig_open(struct httprig *g)
{
    struct vrv_err e = { 0 };

    tap_need(vrv_cq_init(&g->cq, 0), "no queue");
    g->is_borrowed = g->server != NULL;
    if (!g->is_borrowed)
        g->server = httpd_new(&g->server_opts);
    tap_need(vrv_http_open(&g->http, &g->opts, &e), e.msg);
}

void
httprig_close(struct httprig *g)
{
    vrv_http_close(&g->http);
    if (!g->is_borrowed)
        httpd_free(&g->server);
    vrv_cq_fini(&g->cq);
}

const char *
httprig_url(struct httprig *g, const char *path)
{
    char *url = g->url[g->url_n++ % 4];

    (void)snprintf(url, sizeof(g->url[0]), "%s://127.0.0.1:%u%s",
        g->server_opts.cert_file != NULL ? "https" : "http", httpd_port(g->server), path);
    return url;
}

struct vrv_http_req
httprig_request(struct httprig *g, const char *method, const char *url)
{
    return (struct vrv_http_req){ .done.cq = &g->cq,
        .lane = VRV_STORE_READ,
        .method = method,
        .url = url,
        .deadline_ns = atomic_load(&g->sim.mono_ns) + (int64_t)HTTPRIG_DEADLINE_MS * MS };
}

void
httprig_step(struct httprig *g)
{
    (void)vrv_http_step(g->http, 0);
    if (!httpd_step(g->server, 0))
        (void)vrv_http_step(g->http, 1);
}

void
httprig_until_heard(struct httprig *g, uint64_t n)
{
    for (int i = 0; i < ROUNDS && httpd_stats(g->server).requests < n; i++)
        httprig_step(g);
    tap_need(httpd_stats(g->server).requests < n ? -1 : 0, "the server never heard of it");
}

void
httprig_settle(struct httprig *g)
{
    for (int i = 0; i < SETTLED; i++)
        httprig_step(g);
}

struct vrv_http_req *
httprig_take(struct httprig *g)
{
    struct vrv_done *d = NULL;

    for (int i = 0; i < ROUNDS && (d = vrv_cq_take(&g->cq, 0)) == NULL; i++)
        httprig_step(g);
    tap_need(d == NULL ? -1 : 0, "a request never ended");
    return VRV_LIST_OF(d, struct vrv_http_req, done);
}

int
httprig_run(struct httprig *g, struct vrv_http_req *r)
{
    vrv_http_submit(g->http, r);
    (void)httprig_take(g);
    return r->status;
}

bool
httprig_says(const struct vrv_http_req *r, const char *what)
{
    bool yes = strstr(r->err.msg, what) != NULL;

    if (!yes)
        tap_note("it says: %s", r->err.msg);
    return yes;
}
