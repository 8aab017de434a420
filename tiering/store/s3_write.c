/* What writes objects to S3: whole, or in parts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "tiering/store/s3_int.h"

enum { PART_XML = 64 + 6 * VRV__S3_ETAG, PARTS_STEP = 16 };

/* How what is written is to be kept. */
static void
describe_object(struct vrv__s3_op *op)
{
    const struct vrv__s3 *s3 = op->s3;

    vrv__s3_header(op, "content-type: application/octet-stream");
    if (s3->storage_class != NULL)
        vrv__s3_header(op, "x-amz-storage-class: %s", s3->storage_class);
    if (s3->sse != NULL)
        vrv__s3_header(op, "x-amz-server-side-encryption: %s", s3->sse);
    if (s3->sse_kms_key != NULL)
        vrv__s3_header(op, "x-amz-server-side-encryption-aws-kms-key-id: %s", s3->sse_kms_key);
    if (s3->tags != NULL)
        vrv__s3_header(op, "x-amz-tagging: %s", s3->tags);
}

/* A store that keeps checksums tells the one of what it was given. */
static void
learn_of_sums(struct vrv__s3_op *op)
{
    bool told = vrv_http_header(&op->http, "x-amz-checksum-crc32c") != NULL;

    op->s3->sums = told ? VRV__S3_SUMS_KEPT : VRV__S3_SUMS_IGNORED;
}

/* ---- whole ---- */

/* Without an ETag it is a proxy's answer, and nothing was written. */
static void
was_put(struct vrv__s3_op *op)
{
    if (!vrv__s3_is_good(op)) {
        vrv__s3_refused(op);
    } else if (vrv_http_header(&op->http, "etag") == NULL) {
        vrv__s3_misanswered(op, "ETag");
    } else {
        learn_of_sums(op);
        vrv__s3_finish(op, 0);
    }
}

void
vrv__s3_put(struct vrv__s3_op *op)
{
    vrv__s3_request(op, "PUT", op->call->key);
    vrv__s3_body_of_call(op);
    describe_object(op);
    if (op->call->if_absent)
        vrv__s3_header(op, "if-none-match: *");
    vrv__s3_send(op, was_put);
}

/* ---- in parts ---- */

static void
was_begun(struct vrv__s3_op *op)
{
    struct vrv__s3 *s3 = op->s3;
    struct vrv_store_upload *u = vrv_mem_zero(sizeof(*u));
    struct vrv_xml *x;
    const struct vrv_xml_node *root = vrv__s3_answer(op, "InitiateMultipartUploadResult", &x);
    bool named =
        root != NULL && vrv_xml_text(root, "UploadId", u->id, sizeof(u->id)) && *u->id != '\0';

    vrv_xml_free(&x);
    if (!named) {
        free(u);
        vrv__s3_finish_without(op, "upload id");
        return;
    }
    vrv_lock(&s3->lock);
    vrv_list_push(&s3->uploads, &u->link);
    vrv_unlock(&s3->lock);
    op->call->upload = u;
    vrv__s3_finish(op, 0);
}

void
vrv__s3_begin(struct vrv__s3_op *op)
{
    vrv__s3_request(op, "POST", op->call->key);
    vrv__s3_query(op, "uploads=", "");
    op->http.has_body = true;
    describe_object(op);
    vrv__s3_header(op, "x-amz-checksum-algorithm: CRC32C");
    vrv__s3_header(op, "x-amz-checksum-type: FULL_OBJECT");
    vrv__s3_send(op, was_begun);
}

void
vrv__s3_upload_free(struct vrv__s3 *s3, struct vrv_store_upload *u)
{
    vrv_lock(&s3->lock);
    vrv_list_del(&u->link);
    vrv_unlock(&s3->lock);
    free(u->part);
    free(u);
}

static void
keep_part(struct vrv_store_upload *u, unsigned number, const struct vrv__s3_part *part)
{
    if (number >= u->part_cap) {
        unsigned cap = number + PARTS_STEP;

        u->part = vrv_mem_grow(u->part, cap * sizeof(*u->part));
        memset(u->part + u->part_cap, 0, (cap - u->part_cap) * sizeof(*u->part));
        u->part_cap = cap;
    }
    u->part[number] = *part;
}

static void
part_was_put(struct vrv__s3_op *op)
{
    const char *etag = vrv_http_header(&op->http, "etag");

    if (!vrv__s3_is_good(op)) {
        vrv__s3_refused(op);
    } else if (etag == NULL || *etag == '\0' || strlen(etag) >= sizeof(op->part.etag)) {
        vrv__s3_misanswered(op, "ETag");
    } else {
        learn_of_sums(op);
        (void)snprintf(op->part.etag, sizeof(op->part.etag), "%s", etag);
        keep_part(op->call->upload, op->call->part, &op->part);
        vrv__s3_finish(op, 0);
    }
}

void
vrv__s3_part(struct vrv__s3_op *op)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%u", op->call->part + 1);
    vrv__s3_request(op, "PUT", op->call->key);
    vrv__s3_query(op, "partNumber=", number);
    vrv__s3_query(op, "uploadId=", op->call->upload->id);
    vrv__s3_body_of_call(op);
    vrv__s3_send(op, part_was_put);
}

/* All parts are there, each but the last one full, and are so many bytes; how many parts, or 0. */
static unsigned
complete_parts(const struct vrv_store_upload *u, uint64_t size)
{
    uint64_t at = 0;
    unsigned i;

    for (i = 0; i < u->part_cap && u->part[i].etag[0] != '\0'; i++) {
        if (at % VRV_STORE_PART != 0)
            return 0;
        at += u->part[i].size;
    }
    return at == size ? i : 0;
}

static char *
list_of_parts(const struct vrv_store_upload *u, unsigned n)
{
    size_t cap = (size_t)n * (PART_XML + 128) + 128, at;
    char *out = vrv_mem_zero(cap);

    at = (size_t)snprintf(out, cap, "<CompleteMultipartUpload>");
    for (unsigned i = 0; i < n; i++) {
        char etag[6 * VRV__S3_ETAG + 1], crc[VRV__S3_CRC_TEXT];

        vrv_xml_escape(etag, sizeof(etag), u->part[i].etag);
        vrv__s3_crc_text(crc, u->part[i].crc);
        at += (size_t)snprintf(out + at, cap - at,
            "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>"
            "<ChecksumCRC32C>%s</ChecksumCRC32C></Part>",
            i + 1, etag, crc);
    }
    at += (size_t)snprintf(out + at, cap - at, "</CompleteMultipartUpload>");
    VRV_ASSERT(at < cap);
    return out;
}

/* The status comes before it is done, to keep the connection; the answer's end says how it went. */
static void
was_ended(struct vrv__s3_op *op)
{
    struct vrv_xml *x;
    bool done = vrv__s3_answer(op, "CompleteMultipartUploadResult", &x) != NULL;

    vrv_xml_free(&x);
    if (done)
        vrv__s3_finish(op, 0);
    else
        vrv__s3_finish_without(op, "result");
}

void
vrv__s3_end(struct vrv__s3_op *op)
{
    struct vrv_store_call *c = op->call;
    unsigned n = complete_parts(c->upload, c->size);
    char crc[VRV__S3_CRC_TEXT];

    if (n == 0) {
        vrv__s3_finish(op, vrv_err_set(&c->err, VRV_E_INVALID, "%.100s: its parts aren't %" PRIu64
            " bytes", c->key, c->size));
        return;
    }
    vrv__s3_request(op, "POST", c->key);
    vrv__s3_query(op, "uploadId=", c->upload->id);
    vrv__s3_body(op, list_of_parts(c->upload, n));
    vrv__s3_crc_text(crc, c->crc);
    vrv__s3_header(op, "x-amz-checksum-crc32c: %s", crc);
    vrv__s3_header(op, "x-amz-checksum-type: FULL_OBJECT");
    if (c->if_absent)
        vrv__s3_header(op, "if-none-match: *");
    vrv__s3_send(op, was_ended);
}

/* ---- given up ---- */

static void
was_aborted(struct vrv__s3_op *op)
{
    bool good = vrv__s3_is_good(op);

    if ((good && op->http.got == 0) || (!good && vrv__s3_meaning(op) == VRV_E_NOTFOUND))
        vrv__s3_finish(op, 0);
    else
        vrv__s3_finish_without(op, "meaning");
}

void
vrv__s3_abort(struct vrv__s3_op *op)
{
    vrv__s3_request(op, "DELETE", op->call->key);
    vrv__s3_query(op, "uploadId=", op->call->upload->id);
    vrv__s3_send(op, was_aborted);
}
