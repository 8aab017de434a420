/* HTTP for stores, when the name of one moves to another address: it is found there, without waiting
 * until what was known is old. */
#include <stdio.h>
#include <string.h>

#include "t/lib/httprig.h"
#include "t/lib/names.h"
#include "t/lib/tap.h"

/* ---- two servers ---- */

static void
say_where(void *ctx, const struct httpd_req *q, struct httpd_reply *a)
{
    (void)q;
    httpd_set_body(a, ctx, strlen(ctx));
}

static struct httprig g;
static struct httpd *other;

static void
start(void)
{
    static char one[] = "one", two[] = "two";

    httprig_init(&g);
    g.server_opts.fn = say_where;
    g.server_opts.ctx = one;
    httprig_open(&g);
    other = httpd_new(&(struct httpd_opts){ .fn = say_where, .ctx = two, .clock = &g.sim.clock, .host = 2,
        .port = httpd_port(g.server) });
}

static void
end(void)
{
    httprig_close(&g);
    httpd_free(&other);
}

static int
ask(struct vrv_http_req *r)
{
    static char url[64];

    (void)snprintf(url, sizeof(url), "http://%s:%u/", NAMES_STORE, httpd_port(g.server));
    *r = httprig_request(&g, "GET", url);
    vrv_http_submit(g.http, r);
    while (vrv_cq_take(&g.cq, 0) == NULL) {
        (void)vrv_http_step(g.http, 1);
        (void)httpd_step(g.server, 0);
        (void)httpd_step(other, 0);
    }
    return r->status;
}

static void
test_moves(void)
{
    struct vrv_http_req r;

    start();
    names_lead(1);
    IS(ask(&r), 0, "a name is looked up");
    IS_STR(r.text, "one", "... and found");
    vrv_http_free(&r);
    names_lead(2);
    httpd_drop_kept(g.server);
    IS(ask(&r), 0, "while there is an answer");
    IS_STR(r.text, "one", "... it isn't looked up again");
    IS(names_asked(), 1, "... which costs time");
    vrv_http_free(&r);
    httpd_drop_kept(g.server);
    httpd_listen(g.server, false);
    IS(ask(&r), VRV_E_UNREACHABLE, "nobody is there any more");
    vrv_http_free(&r);
    IS(ask(&r), 0, "the next one looks for where the name is now");
    IS_STR(r.text, "two", "... and goes there");
    vrv_http_free(&r);
    for (int i = 0; i < 3; i++) {
        httpd_drop_kept(other);
        IS(ask(&r), 0, "it goes on there");
        vrv_http_free(&r);
    }
    OK(names_asked() < 4, "... soon without looking again (%u look-ups)",
        names_asked());
    end();
}

int
main(void)
{
    test_moves();
    return tap_done();
}
