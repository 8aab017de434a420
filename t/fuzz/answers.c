#include "t/fuzz/answers.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/store/http.h"

struct vrv_http {
    size_t text_max;
};

static const uint8_t *at, *end;

void
answers_are(const uint8_t *p, size_t n)
{
    at = p;
    end = p + n;
}

/* ---- an answer ---- */

static int
take_code(const uint8_t **p, const uint8_t *to)
{
    int code = 0;

    for (int i = 0; i < 3 && *p < to && **p >= '0' && **p <= '9'; i++)
        code = 10 * code + *(*p)++ - '0';
    return code;
}

/* Where a line ends; libcurl takes none with a zero in it. */
static const uint8_t *
line_end(const uint8_t *p, const uint8_t *to)
{
    while (p < to && *p != '\n' && *p != '\0')
        p++;
    return p;
}

static void
take_headers(struct vrv_http_req *r, const uint8_t **p, const uint8_t *to)
{
    const uint8_t *e = line_end(*p, to); /* of the code's */

    for (*p = e < to ? e + 1 : to; *p < to; *p = e < to ? e + 1 : to) {
        size_t n;

        e = line_end(*p, to);
        for (n = (size_t)(e - *p); n > 0 && strchr("\r \t", (*p)[n - 1]) != NULL;)
            n--;
        if (n == 0) {
            *p = e < to ? e + 1 : to;
            return;
        }
        r->answer = vrv_mem_grow(r->answer, r->answer_n + n + 1);
        memcpy(r->answer + r->answer_n, *p, n);
        r->answer_n += n + 1;
        r->answer[r->answer_n - 1] = '\0';
    }
}

static void
take_body(const struct vrv_http *h, struct vrv_http_req *r, const uint8_t *p, size_t n)
{
    bool good = r->code / 100 == 2, is_text = r->buf == NULL || !good;
    size_t room = is_text ? h->text_max : r->cap;

    if (strcmp(r->method, "HEAD") == 0 || n == 0)
        return;
    if (n > room && good) {
        r->status = vrv_err_set(&r->err, VRV_E_CORRUPT, "its answer has more than %zu bytes", room);
        r->code = 0;
        return;
    }
    r->got = n < room ? n : room;
    if (is_text) {
        r->text = vrv_mem_zero(r->got + 1);
        memcpy(r->text, p, r->got);
    } else {
        memcpy(r->buf, p, r->got);
    }
}

/* Only of a host whose address needs no look-up, since some look it up then. */
static bool
fails(struct vrv_http_req *r, int code)
{
    static const int how[] = { VRV_E_UNKNOWN, VRV_E_TIMEDOUT, VRV_E_UNREACHABLE, VRV_E_DENIED, VRV_E_CORRUPT };
    static const char here[] = "http://127.0.0.1:";

    if (code >= 100 || strncmp(r->url, here, strlen(here)) != 0)
        return false;
    r->status = vrv_err_set(&r->err, how[(size_t)code % (sizeof(how) / sizeof(how[0]))], "no answer");
    r->sent = r->status != VRV_E_UNREACHABLE;
    return true;
}

static void
answer(const struct vrv_http *h, struct vrv_http_req *r)
{
    const uint8_t *p = at, *to = memchr(at, ANSWER_END, (size_t)(end - at));

    if (to == NULL)
        to = end;
    at = to < end ? to + 1 : end;
    int code = take_code(&p, to);
    if (fails(r, code))
        return;
    r->sent = true;
    r->code = code >= 100 ? code : 503;
    take_headers(r, &p, to);
    take_body(h, r, p, (size_t)(to - p));
}

/* ---- tiering/store/http.h ---- */

int
vrv_http_open(struct vrv_http **out, const struct vrv_http_opts *o, struct vrv_err *e)
{
    (void)e;
    *out = VRV_NEW(struct vrv_http);
    (*out)->text_max = o->text_max;
    return 0;
}

void
vrv_http_close(struct vrv_http **h)
{
    free(*h);
    *h = NULL;
}

void
vrv_http_submit(struct vrv_http *h, struct vrv_http_req *r)
{
    r->status = r->code = 0;
    r->sent = false;
    r->got = r->answer_n = 0;
    r->text = r->answer = NULL;
    if (at < end)
        answer(h, r);
    else
        r->status = vrv_err_set(&r->err, VRV_E_UNREACHABLE, "nobody answers");
    vrv_cq_post(r->done.cq, &r->done, &r->done);
}

/* It was posted at once. */
void
vrv_http_cancel(struct vrv_http *h, struct vrv_http_req *r)
{
    (void)h;
    (void)r;
}

int64_t
vrv_http_step(struct vrv_http *h, int wait_ms)
{
    (void)h;
    (void)wait_ms;
    return INT64_MAX;
}

void
vrv_http_stats(struct vrv_http *h, struct vrv_http_stats *s)
{
    (void)h;
    *s = (struct vrv_http_stats){ 0 };
}
