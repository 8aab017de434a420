#include "server/stat/web_conn.h"

#include <string.h>

void
vrv__web_conn_fini(struct vrv_web_conn *c)
{
    vrv_text_fini(&c->out);
}

static const char *
reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

/* HEAD has all but the body. */
static void
put_answer(struct vrv_web_conn *c, const struct vrv_web_answer *a, bool body)
{
    vrv_text_print(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
        a->status, reason(a->status), a->type, a->body.n);
    vrv_text_print(&c->out,
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s\r\n",
        a->status == 405 ? "Allow: GET, HEAD\r\n" : "", c->ends ? "Connection: close\r\n" : "");
    if (body)
        vrv_text_put(&c->out, a->body.p, a->body.n);
}

static void
refuse(struct vrv_web_conn *c, int status)
{
    struct vrv_web_answer a = { .status = status, .type = VRV_WEB_TEXT };

    vrv_text_print(&a.body, "%s\n",
        status == 405       ? "only GET and HEAD are answered here"
            : status == 431 ? "the head of this request is too large"
                            : "this is no HTTP request that is answered here");
    c->ends = true;
    c->in_n = 0;
    put_answer(c, &a, true);
    vrv_text_fini(&a.body);
}

static void
answer(struct vrv_web_conn *c, const struct vrv_web_request *r, vrv_web_fn *fn, void *ctx)
{
    struct vrv_web_answer a = { .status = 404, .type = VRV_WEB_TEXT };

    fn(ctx, r->path, &a);
    if (a.body.n == 0)
        vrv_text_print(&a.body, "%s\n", reason(a.status));
    c->ends = !r->keep_alive;
    put_answer(c, &a, !r->is_head);
    vrv_text_fini(&a.body);
}

bool
vrv__web_step(struct vrv_web_conn *c, vrv_web_fn *fn, void *ctx)
{
    struct vrv_web_request r;

    if (c->sent < c->out.n)
        return true;
    vrv_text_fini(&c->out); /* a scrape may be large: don't keep it for an idle client */
    c->sent = 0;
    if (c->ends || c->in_n == 0)
        return false;
    int n = vrv_web_parse(c->in, c->in_n, &r);
    if (n == 0)
        return false;
    if (n < 0) {
        refuse(c, -n);
    } else {
        c->in_n -= (size_t)n;
        memmove(c->in, c->in + n, c->in_n);
        answer(c, &r, fn, ctx);
    }
    return true;
}
