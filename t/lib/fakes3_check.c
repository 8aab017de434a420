/* Who asks, and is what comes what was sent?  Signatures are made anew, from the request as it
 * came. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "t/lib/fakes3_int.h"

enum { SKEW_MS = 15 * 60 * 1000, PARAMS_MAX = 32, SHA_HEX = 65 };

/* What an Authorization header says. */
struct claim {
    char id[128], date[16], region[64], headers[1024], signature[80];
};

static void
hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void
sha256_hex(char out[SHA_HEX], const void *bytes, size_t n)
{
    uint8_t md[32];
    size_t len;

    if (EVP_Q_digest(NULL, "SHA256", NULL, bytes, n, md, &len) != 1)
        abort();
    hex(out, md, sizeof(md));
}

static void
hmac(uint8_t out[32], const void *key, size_t key_n, const char *text)
{
    unsigned n = 32;

    if (HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)text, strlen(text), out, &n) ==
        NULL)
        abort();
}

/* ---- the canonical request ---- */

/* By name, then by value. */
static int
compare_params(const void *a, const void *b)
{
    const char *p = *(const char *const *)a, *q = *(const char *const *)b;
    size_t pn = strcspn(p, "="), qn = strcspn(q, "=");
    int d = strncmp(p, q, pn < qn ? pn : qn);

    return d != 0 ? d : pn != qn ? (pn < qn ? -1 : 1) : strcmp(p + pn, q + qn);
}

static void
put_query(FILE *out, const char *query)
{
    char copy[4096], *param[PARAMS_MAX], *rest = copy;
    size_t n = 0;

    (void)snprintf(copy, sizeof(copy), "%s", query);
    for (char *p; n < PARAMS_MAX && (p = strtok_r(rest, "&", &rest)) != NULL;)
        param[n++] = p;
    qsort(param, n, sizeof(*param), compare_params);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(
            out, "%s%s%s", i > 0 ? "&" : "", param[i], strchr(param[i], '=') == NULL ? "=" : "");
    (void)fputc('\n', out);
}

static void
put_headers(FILE *out, const struct httpd_req *q, const char *names)
{
    char copy[1024], value[4096], *rest = copy;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    for (char *name; (name = strtok_r(rest, ";", &rest)) != NULL;) {
        if (httpd_header(q, name, value, sizeof(value)) == NULL)
            value[0] = '\0';
        (void)fprintf(out, "%s:%s\n", name, value);
    }
    (void)fprintf(out, "\n%s\n", names);
}

static void
hash_of_request(char out[SHA_HEX], const struct s3_call *c, const char *names, const char *payload)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    if (f == NULL)
        abort();
    (void)fprintf(f, "%s\n%.*s\n", c->q->method, (int)strcspn(c->q->target, "?"), c->q->target);
    put_query(f, c->query);
    put_headers(f, c->q, names);
    (void)fputs(payload, f);
    (void)fclose(f);
    sha256_hex(out, text, n);
    free(text);
}

static void
sign(char out[SHA_HEX], const struct fakes3 *f, const struct claim *cl, const char *time,
    const char *request)
{
    char text[512], key0[256];
    uint8_t key[32];

    (void)snprintf(key0, sizeof(key0), "AWS4%s", f->opts.secret);
    hmac(key, key0, strlen(key0), cl->date);
    hmac(key, key, sizeof(key), cl->region);
    hmac(key, key, sizeof(key), "s3");
    hmac(key, key, sizeof(key), "aws4_request");
    (void)snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", time,
        cl->date, cl->region, request);
    hmac(key, key, sizeof(key), text);
    hex(out, key, sizeof(key));
}

/* ---- who ---- */

static bool
refuse(struct httpd_reply *a, int status, const char *code, const char *message)
{
    s3_error(a, status, code, message);
    return false;
}

static bool
read_claim(const struct s3_call *c, struct claim *cl)
{
    char text[2048];

    return httpd_header(c->q, "authorization", text, sizeof(text)) != NULL &&
           sscanf(text,
               "AWS4-HMAC-SHA256 Credential=%127[^/]/%15[^/]/%63[^/]/s3/aws4_request, "
               "SignedHeaders=%1023[^,], Signature=%79s",
               cl->id, cl->date, cl->region, cl->headers, cl->signature) == 5;
}

/* Every x-amz- header must be among those that are signed, and the host. */
static bool
is_all_signed(const struct s3_call *c, const struct claim *cl)
{
    char list[1100], name[160];

    (void)snprintf(list, sizeof(list), ";%s;", cl->headers);
    if (strstr(list, ";host;") == NULL)
        return false;
    for (const char *line = c->q->head; *line != '\0';) {
        size_t n = strcspn(line, ":\r");

        if (n < sizeof(name) - 2 && strncasecmp(line, "x-amz-", 6) == 0) {
            name[0] = ';';
            for (size_t i = 0; i < n; i++)
                name[i + 1] = (char)(line[i] >= 'A' && line[i] <= 'Z' ? line[i] + 32 : line[i]);
            name[n + 1] = ';';
            name[n + 2] = '\0';
            if (strstr(list, name) == NULL)
                return false;
        }
        line += strcspn(line, "\r");
        line += strspn(line, "\r\n");
    }
    return true;
}

static int64_t
time_of(const char *text)
{
    struct tm tm = { 0 };

    if (sscanf(text, "%4d%2d%2dT%2d%2d%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
            &tm.tm_min, &tm.tm_sec) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * 1000;
}

static bool
is_allowed(struct fakes3 *f, const struct s3_call *c, const char *payload, struct httpd_reply *a)
{
    struct claim cl;
    char time[32] = "", token[1024] = "", request[SHA_HEX], good[SHA_HEX];

    if (!read_claim(c, &cl))
        return refuse(a, 403, "AccessDenied", "Access Denied");
    if (strcmp(cl.id, f->opts.key_id) != 0)
        return refuse(a, 403, "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.");
    if (strcmp(cl.region, f->opts.region) != 0) {
        httpd_add_header(a, "x-amz-bucket-region", "%s", f->opts.region);
        return refuse(a, 400, "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region is wrong");
    }
    (void)httpd_header(c->q, "x-amz-date", time, sizeof(time));
    int64_t off = time_of(time) - s3_now_ms(f);
    if (off > SKEW_MS || off < -SKEW_MS) {
        s3_error_skewed(f, a);
        return false;
    }
    (void)httpd_header(c->q, "x-amz-security-token", token, sizeof(token));
    if (strcmp(token, f->opts.token != NULL ? f->opts.token : "") != 0)
        return refuse(
            a, 400, "InvalidToken", "The provided token is malformed or otherwise invalid.");
    if (!is_all_signed(c, &cl))
        return refuse(a, 403, "AccessDenied",
            "There were headers present in the request which were not signed");
    hash_of_request(request, c, cl.headers, payload);
    sign(good, f, &cl, time, request);
    if (strcmp(good, cl.signature) != 0)
        return refuse(a, 403, "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.");
    return true;
}

/* ---- what ---- */

static bool
is_body_as_said(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char said[64], good[64];
    uint8_t md5[16];
    size_t len;

    if (httpd_header(c->q, "content-md5", said, sizeof(said)) != NULL) {
        if (EVP_Q_digest(NULL, "MD5", NULL, c->q->body, c->q->body_n, md5, &len) != 1)
            abort();
        s3_base64(good, md5, sizeof(md5));
        if (strcmp(said, good) != 0)
            return refuse(a, 400, "BadDigest",
                "The Content-MD5 you specified did not match what we received.");
    }
    /* where an upload ends, it is that of the object */
    if (!f->opts.no_checksums && c->op != S3_COMPLETE &&
        httpd_header(c->q, "x-amz-checksum-crc32c", said, sizeof(said)) != NULL) {
        s3_sum(good, c->q->body, c->q->body_n);
        if (strcmp(said, good) != 0)
            return refuse(a, 400, "BadDigest",
                "The CRC32C you specified did not match the calculated checksum.");
    }
    return true;
}

/* Any will do, also one that we don't know how to check. */
static bool
has_sum(const struct fakes3 *f, const struct s3_call *c)
{
    static const char *const names[] = { "content-md5", "x-amz-checksum-crc32c",
        "x-amz-checksum-crc32", "x-amz-checksum-sha1", "x-amz-checksum-sha256" };
    char any[96];

    for (size_t i = 0; i < (f->opts.no_checksums ? 1 : sizeof(names) / sizeof(*names)); i++)
        if (httpd_header(c->q, names[i], any, sizeof(any)) != NULL)
            return true;
    return false;
}

bool
s3_check(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char payload[128] = "", good[SHA_HEX];

    bool told = httpd_header(c->q, "x-amz-content-sha256", payload, sizeof(payload)) != NULL;
    if (f->opts.key_id != NULL && !is_allowed(f, c, payload, a))
        return false;
    if (f->opts.key_id != NULL && !told)
        return refuse(a, 400, "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256");
    if (strncmp(payload, "STREAMING-", 10) == 0)
        return refuse(a, 501, "NotImplemented", "Payloads in chunks are not implemented");
    if (told && strcmp(payload, "UNSIGNED-PAYLOAD") != 0) {
        sha256_hex(good, c->q->body, c->q->body_n);
        if (strcmp(good, payload) != 0)
            return refuse(a, 400, "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    if (c->op == S3_DELETES && !has_sum(f, c))
        return refuse(
            a, 400, "InvalidRequest", "Missing required header for this request: Content-MD5");
    return is_body_as_said(f, c, a);
}
