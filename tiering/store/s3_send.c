/*
 * Requests to S3: built, signed when there are keys, sent.
 *
 *   https://host/bucket/prefix/key?query    names are escaped once, as they are signed
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "tiering/store/s3_int.h"

static const char empty_payload[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* ---- the URL ---- */

static void
append_escaped(struct vrv__s3_op *op, const char *s, const char *keep)
{
    size_t at = strlen(op->url);

    vrv_http_escape(op->url + at, sizeof(op->url) - at, s, keep);
}

static void
append(struct vrv__s3_op *op, const char *s)
{
    size_t at = strlen(op->url), n = strlen(s);

    VRV_ASSERT(at + n < sizeof(op->url));
    memcpy(op->url + at, s, n + 1);
}

void
vrv__s3_request(struct vrv__s3_op *op, const char *method, const char *key)
{
    const struct vrv__s3 *s3 = op->s3;

    vrv_http_free(&op->http);
    op->http =
        (struct vrv_http_req){ .lane = op->call->lane, .deadline_ns = op->call->deadline_ns };
    op->header_n = 0;
    op->header_at = 0;
    op->resent = false;
    op->retimed = false;
    (void)snprintf(op->method, sizeof(op->method), "%s", method);
    (void)snprintf(op->payload, sizeof(op->payload), "%s", empty_payload);
    (void)snprintf(op->url, sizeof(op->url), "%s", s3->base);
    size_t at = strlen(op->url);
    append(op, s3->root);
    if (key != NULL || s3->root[0] == '\0')
        append(op, "/");
    if (key != NULL) {
        append_escaped(op, s3->prefix, "/");
        append_escaped(op, key, "/");
    }
    op->path = op->url + at;
    op->path_n = strlen(op->path);
    op->query = "";
    vrv__s3_header(op, "host: %s", s3->host);
}

void
vrv__s3_query(struct vrv__s3_op *op, const char *name, const char *value)
{
    bool first = op->query[0] == '\0';

    append(op, first ? "?" : "&");
    if (first)
        op->query = op->url + strlen(op->url);
    append(op, name);
    if (value != NULL)
        append_escaped(op, value, "");
}

/* ---- headers and bodies ---- */

void
vrv__s3_header(struct vrv__s3_op *op, const char *fmt, ...)
{
    size_t room = sizeof(op->header_text) - op->header_at;
    char *at = op->header_text + op->header_at;
    va_list ap;

    VRV_ASSERT(op->header_n < VRV__S3_HEADERS);
    va_start(ap, fmt);
    int n = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    VRV_ASSERT(n > 0 && (size_t)n < room);
    op->headers[op->header_n++] = at;
    op->header_at += (size_t)n + 1;
}

static void
set_body(struct vrv__s3_op *op, const struct iovec *iov, int n, uint64_t size)
{
    op->http.has_body = true;
    op->http.iov = iov;
    op->http.iov_n = n;
    op->http.size = size;
}

void
vrv__s3_body_of_call(struct vrv__s3_op *op)
{
    const struct vrv_store_call *c = op->call;
    char text[VRV__S3_MD5_TEXT];

    set_body(op, c->iov, c->iov_n, c->size);
    if (op->s3->tls)
        (void)snprintf(op->payload, sizeof(op->payload), "UNSIGNED-PAYLOAD");
    else
        vrv_sigv4_hash(op->payload, c->iov, c->iov_n);
    vrv__s3_crc_text(text, c->crc);
    vrv__s3_header(op, "x-amz-checksum-crc32c: %s", text);
    op->part = (struct vrv__s3_part){ .size = (uint32_t)c->size, .crc = c->crc };
    if (op->s3->sums != VRV__S3_SUMS_KEPT)
        op->part.has_md5 = vrv__s3_md5(op->part.md5, c->iov, c->iov_n);
    vrv__s3_md5_text(text, op->part.md5);
    if (op->part.has_md5)
        vrv__s3_header(op, "content-md5: %s", text);
}

void
vrv__s3_body(struct vrv__s3_op *op, char *text)
{
    free(op->body);
    op->body = text;
    op->iov = (struct iovec){ text, strlen(text) };
    set_body(op, &op->iov, 1, op->iov.iov_len);
    vrv_sigv4_hash(op->payload, &op->iov, 1);
    vrv__s3_header(op, "content-type: application/xml");
}

/* ---- signed and sent ---- */

static void
answered(struct vrv_done *d)
{
    struct vrv_http_req *r = VRV_LIST_OF(d, struct vrv_http_req, done);
    struct vrv__s3_op *op = VRV_LIST_OF(r, struct vrv__s3_op, http);

    op->sending = false;
    if (r->status < 0)
        vrv__s3_refused(op);
    else
        op->then(op);
}

static void
sign(struct vrv__s3_op *op, const struct vrv_sigv4_keys *keys)
{
    const struct vrv__s3 *s3 = op->s3;
    char date[VRV_SIGV4_DATE], path[VRV__S3_URL], authorization[2048];

    op->skew_ms = atomic_load(&s3->store.skew_ms);
    vrv_sigv4_date(date, s3->clock->wall_ms(s3->clock) + op->skew_ms);
    vrv__s3_header(op, "x-amz-date: %s", date);
    vrv__s3_header(op, "x-amz-content-sha256: %s", op->payload);
    if (keys->token != NULL)
        vrv__s3_header(op, "x-amz-security-token: %s", keys->token);
    (void)snprintf(path, sizeof(path), "%.*s", (int)op->path_n, op->path);
    struct vrv_sigv4 r = { .method = op->method, .path = path, .query = op->query,
        .headers = op->headers, .header_n = op->header_n, .payload = op->payload, .date = date,
        .region = s3->region, .service = "s3" };
    vrv_sigv4_sign(&r, keys, authorization, sizeof(authorization));
    vrv__s3_header(op, "authorization: %s", authorization);
}

/* There are keys, or none. */
static void
send(struct vrv_creds_wait *w, const struct vrv_sigv4_keys *keys, unsigned version,
    const struct vrv_err *e)
{
    struct vrv__s3_op *op = VRV_LIST_OF(w, struct vrv__s3_op, wait);

    if (op->cancelled) {
        vrv__s3_finish(op, vrv_err_set(&op->call->err, VRV_E_CANCELLED, "cancelled"));
    } else if (keys == NULL) {
        op->call->err = *e;
        vrv__s3_finish(op, e->code);
    } else if (op->resent && version == op->version) { /* there are no others */
        vrv__s3_refused(op);
    } else {
        vrv_http_free(&op->http);
        op->version = version;
        op->header_n = op->unsigned_n;
        op->header_at = op->unsigned_at;
        sign(op, keys);
        op->http.done = (struct vrv_done){ .cq = &op->s3->cq, .run = answered };
        op->http.method = op->method;
        op->http.url = op->url;
        op->http.headers = op->headers;
        op->http.header_n = op->header_n;
        op->sending = true;
        vrv_http_submit(op->s3->http, &op->http);
    }
}

void
vrv__s3_send(struct vrv__s3_op *op, void (*then)(struct vrv__s3_op *op))
{
    op->then = then;
    op->unsigned_n = op->header_n;
    op->unsigned_at = op->header_at;
    op->wait.run = send;
    vrv_creds_ask(op->s3->creds, &op->wait);
}
