/* What each request does, and what it is answered. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "t/lib/fakes3_int.h"

enum { PARTS_MAX = 10000, DELETES_MAX = 1000 };

static const char *
header(const struct s3_call *c, const char *name, char *out, size_t n)
{
    return httpd_header(c->q, name, out, n);
}

static bool
has_header(const struct s3_call *c, const char *name, const char *value)
{
    char text[128];

    return header(c, name, text, sizeof(text)) != NULL && strcasecmp(text, value) == 0;
}

static uint8_t *
copy_of_body(const struct s3_call *c)
{
    uint8_t *bytes = vrv_mem_zero(c->q->body_n + 1);

    memcpy(bytes, c->q->body, c->q->body_n);
    return bytes;
}

static void
tell_sum(const struct s3_object *o, struct httpd_reply *a)
{
    if (o->sum[0] == '\0')
        return;
    httpd_add_header(a, "x-amz-checksum-crc32c", "%s", o->sum);
    httpd_add_header(a, "x-amz-checksum-type", "%s", o->whole_sum ? "FULL_OBJECT" : "COMPOSITE");
}

static void
no_such_upload(struct httpd_reply *a)
{
    s3_error(a, 404, "NoSuchUpload",
        "The specified upload does not exist. It may have been aborted or completed.");
}

static void
exists(struct httpd_reply *a)
{
    s3_error(a, 412, "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold");
}

/* ---- objects ---- */

/* On its way here; the checksum that it should have had is checked before that. */
static void
damage(struct fakes3 *f, const struct s3_call *c, uint8_t *bytes, size_t *n)
{
    size_t at = *n > 0 ? (size_t)vrv_rand_below(&f->rand, *n) : 0;

    if (c->damage == S3_FAULT_FLIPPED && *n > 0)
        bytes[at] ^= (uint8_t)(1u << vrv_rand_below(&f->rand, 8));
    else if (c->damage == S3_FAULT_SHORTENED)
        *n = at;
}

static void
put(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char sum[S3_SUM_MAX];

    if (c->op == S3_PUTNEW && !f->opts.replaces && s3_find(f, c->name) != NULL) {
        exists(a);
        return;
    }
    struct s3_object *o = s3_put(f, c->name, copy_of_body(c), c->q->body_n);
    damage(f, c, o->bytes, &o->n);
    s3_etag(o->etag, o->bytes, o->n);
    if (!f->opts.no_checksums && header(c, "x-amz-checksum-crc32c", sum, sizeof(sum)) != NULL) {
        s3_sum(o->sum, o->bytes, o->n);
        o->whole_sum = true;
    }
    httpd_add_header(a, "ETag", "%s", o->etag);
    tell_sum(o, a);
}

/* "bytes=a-b" of n bytes; 0: all is asked for; -1: none of it can be had. */
static int
range_of(const struct s3_call *c, size_t n, size_t *from, size_t *to)
{
    unsigned long long first, last;
    char text[64];

    *from = 0;
    *to = n;
    if (header(c, "range", text, sizeof(text)) == NULL)
        return 0;
    int got = sscanf(text, "bytes=%llu-%llu", &first, &last);
    if (got < 1)
        return 0; /* not understood: as if it weren't there */
    if (first >= n)
        return -1;
    *from = (size_t)first;
    if (got == 2 && last < n - 1)
        *to = (size_t)last + 1;
    return 1;
}

static void
get(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    const struct s3_object *o = s3_find(f, c->name);
    size_t from, to;

    if (o == NULL) {
        s3_error(a, 404, "NoSuchKey", "The specified key does not exist.");
        return;
    }
    int ranged = range_of(c, o->n, &from, &to);
    if (ranged < 0) {
        s3_error(a, 416, "InvalidRange", "The requested range is not satisfiable");
        httpd_add_header(a, "Content-Range", "bytes */%zu", o->n);
        return;
    }
    a->status = ranged > 0 ? 206 : 200;
    if (ranged > 0)
        httpd_add_header(a, "Content-Range", "bytes %zu-%zu/%zu", from, to - 1, o->n);
    httpd_add_header(a, "ETag", "%s", o->etag);
    s3_http_time(a, "Last-Modified", o->born_ms);
    httpd_add_header(a, "Accept-Ranges", "bytes");
    httpd_add_header(a, "Content-Type", "binary/octet-stream");
    if (ranged == 0 && has_header(c, "x-amz-checksum-mode", "ENABLED"))
        tell_sum(o, a);
    httpd_set_body(a, o->bytes + from, to - from);
}

static void
delete_many(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char *body = (char *)copy_of_body(c), *text, key[1100], name[1200], quiet[8] = "";
    const char *at = body, *q = body;
    unsigned n = 0;
    size_t text_n;
    FILE *out = s3_xml_open(&text, &text_n);

    (void)s3_xml_next(&q, "Quiet", quiet, sizeof(quiet));
    (void)fputs("<DeleteResult>", out);
    for (; s3_xml_next(&at, "Key", key, sizeof(key)) && n <= DELETES_MAX; n++) {
        (void)snprintf(name, sizeof(name), "%s/%s", c->bucket, key);
        s3_delete(f, name);
        if (strcmp(quiet, "true") == 0)
            continue;
        (void)fputs("<Deleted><Key>", out);
        s3_xml_text(out, key);
        (void)fputs("</Key></Deleted>", out);
    }
    (void)fputs("</DeleteResult>", out);
    s3_xml_close(out, &text, a);
    if (n == 0 || n > DELETES_MAX)
        s3_error(a, 400, "MalformedXML", "The XML you provided was not well-formed");
    free(body);
}

/* ---- uploads ---- */

static struct s3_upload *
upload_of(struct fakes3 *f, const struct s3_call *c)
{
    char id[128];

    return s3_param(c, "uploadId", id, sizeof(id)) == NULL ? NULL : s3_upload_find(f, id, c->name);
}

static void
create(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    struct s3_upload *u = s3_upload_new(f, c->name);
    char *text;
    size_t n;
    FILE *out = s3_xml_open(&text, &n);

    u->sums = !f->opts.no_checksums && has_header(c, "x-amz-checksum-algorithm", "CRC32C");
    u->whole_sum = has_header(c, "x-amz-checksum-type", "FULL_OBJECT");
    (void)fprintf(out, "<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>", c->bucket);
    s3_xml_text(out, c->key);
    (void)fprintf(out, "</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", u->id);
    s3_xml_close(out, &text, a);
}

static void
put_part(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    struct s3_upload *u = upload_of(f, c);
    char number[16] = "", sum[S3_SUM_MAX];

    (void)s3_param(c, "partNumber", number, sizeof(number));
    unsigned long n = strtoul(number, NULL, 10);
    if (n < 1 || n > PARTS_MAX) {
        s3_error(a, 400, "InvalidArgument", "Part number must be an integer between 1 and 10000");
        return;
    }
    if (u == NULL) {
        no_such_upload(a);
        return;
    }
    uint8_t *bytes = copy_of_body(c);
    size_t size = c->q->body_n;
    damage(f, c, bytes, &size);
    const struct s3_part *p = s3_upload_part(u, (unsigned)n, bytes, size);
    httpd_add_header(a, "ETag", "%s", p->etag);
    if (!f->opts.no_checksums && header(c, "x-amz-checksum-crc32c", sum, sizeof(sum)) != NULL) {
        s3_sum(sum, p->bytes, p->n);
        httpd_add_header(a, "x-amz-checksum-crc32c", "%s", sum);
    }
}

/* The parts of a list, in order, as one object. */
struct whole {
    uint8_t *bytes;
    size_t n;
    unsigned parts;
    uint8_t sums[PARTS_MAX * 4], md5s[PARTS_MAX * 16];
};

static bool
same_etag(const char *a, const char *b)
{
    size_t n = strcspn(a + (*a == '"'), "\"");

    return n == strcspn(b + (*b == '"'), "\"") && strncmp(a + (*a == '"'), b + (*b == '"'), n) == 0;
}

static void
add_part(struct whole *w, const struct s3_part *p)
{
    char sum[S3_SUM_MAX];
    uint8_t raw[8];
    size_t len;

    w->bytes = vrv_mem_grow(w->bytes, w->n + p->n + 1);
    memcpy(w->bytes + w->n, p->bytes, p->n);
    w->n += p->n;
    s3_sum(sum, p->bytes, p->n);
    (void)EVP_DecodeBlock(raw, (const unsigned char *)sum, 8);
    memcpy(w->sums + (size_t)w->parts * 4, raw, 4);
    if (EVP_Q_digest(NULL, "MD5", NULL, p->bytes, p->n, w->md5s + (size_t)w->parts * 16, &len) != 1)
        abort();
    w->parts++;
}

/* False: the answer says what is wrong with the list. */
static bool
gather(struct fakes3 *f, const struct s3_upload *u, const char *list, struct whole *w,
    struct httpd_reply *a)
{
    char one[1024], number[16], etag[128];
    unsigned long last = 0;
    size_t last_n = f->opts.part_min;

    while (s3_xml_next(&list, "Part", one, sizeof(one))) {
        const char *p = one, *e = one;

        if (!s3_xml_next(&p, "PartNumber", number, sizeof(number)) ||
            !s3_xml_next(&e, "ETag", etag, sizeof(etag)))
            break;
        unsigned long n = strtoul(number, NULL, 10);
        if (n <= last) {
            s3_error(a, 400, "InvalidPartOrder", "The list of parts was not in ascending order.");
            return false;
        }
        if (n > u->n || u->part[n - 1].bytes == NULL || !same_etag(etag, u->part[n - 1].etag)) {
            s3_error(
                a, 400, "InvalidPart", "One or more of the specified parts could not be found.");
            return false;
        }
        if (last_n < f->opts.part_min) {
            s3_error(a, 400, "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed object size.");
            return false;
        }
        last = n;
        last_n = u->part[n - 1].n;
        add_part(w, &u->part[n - 1]);
    }
    if (w->parts == 0)
        s3_error(a, 400, "MalformedXML", "The XML you provided was not well-formed");
    return w->parts > 0;
}

/* What the client says of the whole. */
static bool
is_as_said(const struct fakes3 *f, const struct s3_call *c, const struct s3_upload *u,
    const struct whole *w, struct httpd_reply *a)
{
    char said[64], sum[S3_SUM_MAX];

    s3_sum(sum, w->bytes, w->n);
    if (!f->opts.no_checksums && u->whole_sum &&
        header(c, "x-amz-checksum-crc32c", said, sizeof(said)) != NULL && strcmp(said, sum) != 0) {
        s3_error(
            a, 400, "BadDigest", "The CRC32C you specified did not match the calculated checksum.");
        return false;
    }
    if (header(c, "x-amz-mp-object-size", said, sizeof(said)) != NULL &&
        strtoull(said, NULL, 10) != w->n) {
        s3_error(a, 400, "InvalidRequest", "The provided x-amz-mp-object-size does not match");
        return false;
    }
    return true;
}

static void
tell_completed(const struct s3_call *c, const struct s3_object *o, struct httpd_reply *a)
{
    char *text;
    size_t n;
    FILE *out = s3_xml_open(&text, &n);

    (void)fprintf(out, "<CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>", c->bucket);
    s3_xml_text(out, c->key);
    (void)fputs("</Key><ETag>", out);
    s3_xml_text(out, o->etag);
    (void)fputs("</ETag>", out);
    if (o->sum[0] != '\0')
        (void)fprintf(out, "<ChecksumCRC32C>%s</ChecksumCRC32C>", o->sum);
    (void)fputs("</CompleteMultipartUploadResult>", out);
    s3_xml_close(out, &text, a);
}

static void
make_whole(struct fakes3 *f, const struct s3_call *c, struct s3_upload *u, struct whole *w,
    struct httpd_reply *a)
{
    char etag[S3_ETAG_MAX], sum[S3_SUM_MAX];
    struct s3_object *o = s3_put(f, c->name, w->bytes, w->n);

    w->bytes = NULL;
    s3_etag(etag, w->md5s, (size_t)w->parts * 16);
    (void)snprintf(o->etag, sizeof(o->etag), "\"%.32s-%u\"", etag + 1, w->parts);
    o->whole_sum = u->whole_sum;
    if (u->sums && u->whole_sum) {
        s3_sum(o->sum, o->bytes, o->n);
    } else if (u->sums) {
        s3_sum(sum, w->sums, (size_t)w->parts * 4);
        (void)snprintf(o->sum, sizeof(o->sum), "%.8s-%u", sum, w->parts);
    }
    s3_upload_forget(f, u);
    tell_completed(c, o, a);
}

static void
complete(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    struct s3_upload *u = upload_of(f, c);
    struct whole *w = VRV_NEW(struct whole);
    char *list = (char *)copy_of_body(c);

    if (u == NULL)
        no_such_upload(a);
    else if (gather(f, u, list, w, a) && is_as_said(f, c, u, w, a)) {
        if (!f->opts.ends_anyway && has_header(c, "if-none-match", "*") &&
            s3_find(f, c->name) != NULL)
            exists(a);
        else
            make_whole(f, c, u, w, a);
    }
    free(list);
    free(w->bytes);
    free(w);
}

static void
abort_upload(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    struct s3_upload *u = upload_of(f, c);

    if (u == NULL) {
        no_such_upload(a);
        return;
    }
    s3_upload_forget(f, u);
    a->status = 204;
}

/* ---- all ---- */

void
s3_do(struct fakes3 *f, struct s3_call *c, struct httpd_reply *a)
{
    if (!s3_check(f, c, a))
        return;
    if (!s3_has_bucket(f, c->bucket)) {
        s3_error(a, 404, "NoSuchBucket", "The specified bucket does not exist");
        return;
    }
    switch (c->op) {
    case S3_PUT:
    case S3_PUTNEW:
        put(f, c, a);
        break;
    case S3_GET:
    case S3_HEAD:
        get(f, c, a);
        break;
    case S3_LIST:
        s3_list(f, c, a);
        break;
    case S3_CREATE:
        create(f, c, a);
        break;
    case S3_PART:
        put_part(f, c, a);
        break;
    case S3_COMPLETE:
        complete(f, c, a);
        break;
    case S3_ABORT:
        abort_upload(f, c, a);
        break;
    case S3_UPLOADS:
        s3_list_uploads(f, c, a);
        break;
    case S3_DELETE:
        s3_delete(f, c->name);
        a->status = 204;
        break;
    case S3_DELETES:
        delete_many(f, c, a);
        break;
    case S3_BUCKET:
        httpd_add_header(a, "x-amz-bucket-region", "%s", f->opts.region);
        break;
    case S3_OPS:
        s3_error(a, 501, "NotImplemented", "A header or query you provided is not implemented");
    }
}
