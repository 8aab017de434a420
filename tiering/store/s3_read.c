/* What reads objects of S3: ranges, and whether one is what it should be. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/store/s3_int.h"

enum { READ_AT_ONCE = 4 * 1024 * 1024 };

/* ---- ranges ---- */

static void
ask_for_range(struct vrv__s3_op *op, uint64_t pos, uint8_t *buf, size_t n,
    void (*then)(struct vrv__s3_op *op))
{
    vrv__s3_request(op, "GET", op->call->key);
    vrv__s3_header(op, "range: bytes=%" PRIu64 "-%" PRIu64, pos, pos + (n > 0 ? n - 1 : 0));
    op->http.buf = n > 0 ? buf : NULL;
    op->http.cap = n;
    vrv__s3_send(op, then);
}

/* "bytes 0-9/100" */
static bool
read_range(const char *s, uint64_t *first, uint64_t *last, uint64_t *whole)
{
    return s != NULL &&
        sscanf(s, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, first, last, whole) == 3 &&
        *first <= *last && *last < *whole;
}

/* What came is what was asked for: n bytes from pos on, or all to the object's end. */
static bool
is_range(const struct vrv__s3_op *op, uint64_t pos, size_t n, uint64_t *whole)
{
    const char *range = vrv_http_header(&op->http, "content-range");
    uint64_t first, last;

    if (op->http.code == 200) { /* all of a small one, or of an empty one */
        *whole = op->http.got;
        return pos == 0 && op->http.got <= n;
    }
    return op->http.code == 206 && read_range(range, &first, &last, whole) && first == pos &&
        last - first + 1 == op->http.got && op->http.got <= (n > 0 ? n : 1) &&
        (op->http.got == n || n == 0 || last + 1 == *whole);
}

/* There is nothing from there on, unless the answer contradicts itself. */
static void
was_behind(struct vrv__s3_op *op)
{
    struct vrv_store_call *c = op->call;
    const char *range = vrv_http_header(&op->http, "content-range");
    uint64_t whole;
    int rc = 0;

    if (range == NULL || sscanf(range, "bytes */%" SCNu64, &whole) != 1)
        whole = 0;
    if (whole > c->pos)
        rc = vrv_err_set(&c->err, VRV_E_IO, "get of %.100s: it has %" PRIu64 " bytes, and none from %" PRIu64
            " on?", c->key, whole, c->pos);
    else
        c->whole = whole;
    vrv__s3_finish(op, rc);
}

static void
was_got(struct vrv__s3_op *op)
{
    struct vrv_store_call *c = op->call;

    if (op->http.code == 416) {
        was_behind(op);
    } else if (!vrv__s3_is_good(op)) {
        vrv__s3_refused(op);
    } else if (!is_range(op, c->pos, c->size, &c->whole)) {
        vrv__s3_misanswered(op, "range that was asked for");
    } else {
        c->got = c->size > 0 ? op->http.got : 0;
        vrv__s3_finish(op, 0);
    }
}

void
vrv__s3_get(struct vrv__s3_op *op)
{
    ask_for_range(op, op->call->pos, op->call->buf, op->call->size, was_got);
}

/* ---- is it what it should be? ---- */

static void
finish_compared(struct vrv__s3_op *op, bool same, uint64_t size, const char *sum)
{
    const struct vrv_store_call *c = op->call;
    char wanted[VRV__S3_CRC_TEXT];

    vrv__s3_crc_text(wanted, c->crc);
    if (!same)
        (void)vrv_err_set(&op->call->err, VRV_E_CORRUPT,
            "%.100s has %" PRIu64 " bytes with checksum %.40s, not %" PRIu64 " with %s", c->key,
            size, sum, c->size, wanted);
    vrv__s3_finish(op, same ? 0 : VRV_E_CORRUPT);
}

static void read_on(struct vrv__s3_op *op);

static void
was_read(struct vrv__s3_op *op)
{
    uint64_t left = op->call->size - op->at, whole;
    size_t n = left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE;

    if (!vrv__s3_is_good(op)) {
        vrv__s3_refused(op);
    } else if (!is_range(op, op->at, n, &whole) || op->http.got != n) {
        vrv__s3_misanswered(op, "range that was asked for");
    } else {
        op->crc = vrv_crc32c(op->crc, op->buf, n);
        op->at += n;
        read_on(op);
    }
}

/* Nobody else can tell: piece by piece. */
static void
read_on(struct vrv__s3_op *op)
{
    uint64_t left = op->call->size - op->at;
    char sum[VRV__S3_CRC_TEXT];

    if (op->buf == NULL)
        op->buf = vrv_mem_grow(NULL, READ_AT_ONCE);
    if (left > 0) {
        ask_for_range(
            op, op->at, op->buf, left < READ_AT_ONCE ? (size_t)left : READ_AT_ONCE, was_read);
        return;
    }
    vrv__s3_crc_text(sum, op->crc);
    finish_compared(op, op->crc == op->call->crc, op->at, sum);
}

/* What else an object has that was uploaded in these parts: the checksum of their checksums, or
 * an ETag that is the MD5 of their MD5s. */
static bool
is_of_parts(const struct vrv__s3_op *op, const char *sum)
{
    const struct vrv_store_upload *u = op->call->upload;
    const char *etag = vrv_http_header(&op->http, "etag");
    char ours[64];

    if (u == NULL)
        return false;
    vrv__s3_sum_of_sums(u, ours, sizeof(ours));
    if (sum != NULL && strcmp(sum, ours) == 0)
        return true;
    vrv__s3_etag_of_parts(u, ours, sizeof(ours));
    size_t n = strlen(ours);
    return n > 0 && etag != NULL && *etag == '"' && strncmp(etag + 1, ours, n) == 0 &&
           etag[n + 1] == '"';
}

/* If GET finds no fault, HEAD's has gone meanwhile: other keys were found, or a proxy was in a
 * mood. */
static void
was_explained(struct vrv__s3_op *op)
{
    bool good = vrv__s3_is_good(op) || op->http.code == 416;

    if (good && !op->explained) {
        op->explained = true;
        vrv__s3_verify(op);
    } else if (good) {
        vrv__s3_misanswered(op, "word about why it can't be looked at");
    } else {
        vrv__s3_refused(op);
    }
}

static void
was_looked_at(struct vrv__s3_op *op)
{
    const struct vrv_store_call *c = op->call;
    const char *length = vrv_http_header(&op->http, "content-length");
    const char *sum = vrv_http_header(&op->http, "x-amz-checksum-crc32c");
    char wanted[VRV__S3_CRC_TEXT];

    if (!vrv__s3_is_good(op)) { /* an answer to HEAD has no words, one to GET does */
        ask_for_range(op, 0, NULL, 0, was_explained);
        return;
    }
    uint64_t size = length != NULL ? strtoull(length, NULL, 10) : 0;
    vrv__s3_crc_text(wanted, c->crc);
    if (length == NULL || vrv_http_header(&op->http, "etag") == NULL)
        vrv__s3_misanswered(op, length == NULL ? "Content-Length" : "ETag");
    else if (size != c->size)
        finish_compared(op, false, size, sum != NULL ? sum : "unknown");
    else if (sum != NULL && strchr(sum, '-') == NULL)
        finish_compared(op, strcmp(sum, wanted) == 0, size, sum);
    else if (is_of_parts(op, sum))
        vrv__s3_finish(op, 0);
    else
        read_on(op);
}

void
vrv__s3_verify(struct vrv__s3_op *op)
{
    vrv__s3_request(op, "HEAD", op->call->key);
    vrv__s3_header(op, "x-amz-checksum-mode: ENABLED");
    vrv__s3_send(op, was_looked_at);
}
