/* The fake S3 does what real ones do, and each of its faults what it says: tests of the S3 store
 * stand on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "t/lib/fakes3.h"
#include "t/lib/httprig.h"
#include "t/lib/tap.h"

enum { LIST_MAX = 3, PART_MIN = 10 };

static struct httprig g;
static struct fakes3 *s3;
static struct fakes3_opts opts;
static struct vrv_http_req r; /* the last one */

static void
start(void)
{
    httprig_init(&g);
    opts.clock = &g.sim.clock;
    opts.seed = 459;
    if (opts.bucket == NULL)
        opts.bucket = "cold";
    opts.list_max = LIST_MAX;
    opts.part_min = PART_MIN;
    s3 = fakes3_new(&opts);
    g.server = fakes3_httpd(s3);
    g.opts.text_max = 64 * 1024;
    httprig_open(&g);
}

static void
end(void)
{
    vrv_http_free(&r);
    httprig_close(&g);
    fakes3_free(&s3);
    opts = (struct fakes3_opts){ 0 };
}

/* One request; its HTTP status, or ours.  body NULL: none; headers end with NULL. */
static int
ask(const char *method, const char *path, const char *body, const char *const *headers)
{
    struct iovec iov = { (void *)(uintptr_t)body, body == NULL ? 0 : strlen(body) };

    vrv_http_free(&r);
    r = httprig_request(&g, method, httprig_url(&g, path));
    r.headers = headers;
    while (headers != NULL && headers[r.header_n] != NULL)
        r.header_n++;
    r.has_body = body != NULL;
    r.iov = &iov;
    r.iov_n = body != NULL;
    r.size = iov.iov_len;
    return httprig_run(&g, &r) < 0 ? r.status : r.code;
}

static int
put(const char *path, const char *body)
{
    return ask("PUT", path, body, NULL);
}

static bool
hears(const char *what)
{
    bool yes = r.text != NULL && strstr(r.text, what) != NULL;

    if (!yes)
        tap_note("it said: %.300s", r.text != NULL ? r.text : "nothing");
    return yes;
}

/* The text of the first <tag>. */
static const char *
tag(const char *name)
{
    static char out[2048];
    char open[64];

    (void)snprintf(open, sizeof(open), "<%s>", name);
    const char *p = r.text == NULL ? NULL : strstr(r.text, open);
    if (p == NULL)
        return "";
    p += strlen(open);
    (void)snprintf(out, sizeof(out), "%.*s", (int)strcspn(p, "<"), p);
    return out;
}

/* ---- objects ---- */

static void
test_objects(void)
{
    static const char *const if_new[] = { "If-None-Match: *", NULL };
    static const char *const middle[] = { "Range: bytes=2-4", NULL };
    static const char *const beyond[] = { "Range: bytes=11-", NULL };
    static const char *const long_one[] = { "Range: bytes=9-99", NULL };

    start();
    IS(put("/cold/a/b", "hello world"), 200, "an object is put");
    IS_STR(vrv_http_header(&r, "etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"",
        "... its ETag is its MD5");
    IS(ask("GET", "/cold/a/b", NULL, NULL), 200, "and read back");
    IS_STR(r.text, "hello world", "... as it was");
    IS(ask("GET", "/cold/a/b", NULL, middle), 206, "a range of it");
    IS_STR(r.text, "llo", "... too");
    IS_STR(vrv_http_header(&r, "content-range"), "bytes 2-4/11", "... which says of how much");
    IS(ask("GET", "/cold/a/b", NULL, long_one), 206, "a range that goes beyond its end");
    IS_STR(r.text, "ld", "... ends there");
    IS(ask("GET", "/cold/a/b", NULL, beyond), 416, "one that begins there is refused");
    IS(ask("HEAD", "/cold/a/b", NULL, NULL), 200, "it is there");
    IS_STR(vrv_http_header(&r, "content-length"), "11", "... so long");
    IS_STR(vrv_http_header(&r, "last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT", "... since then");
    IS_STR(vrv_http_header(&r, "date"), "Tue, 14 Nov 2023 22:13:20 GMT", "... which is now");
    IS(ask("PUT", "/cold/a/b", "x", if_new), 412, "it isn't overwritten by who doesn't want to");
    IS(ask("PUT", "/cold/%24%20c", "x", if_new), 200, "a new one is written");
    IS(fakes3_objects(s3, "$ c"), 1, "... under its decoded name");
    IS(ask("DELETE", "/cold/a/b", NULL, NULL), 204, "it is deleted");
    IS(ask("GET", "/cold/a/b", NULL, NULL), 404, "... and gone");
    OK(hears("<Code>NoSuchKey</Code>"), "... which is said in XML");
    IS(ask("DELETE", "/cold/a/b", NULL, NULL), 204, "what isn't there is deleted as well");
    IS(put("/warm/x", "x"), 404, "another bucket");
    OK(hears("<Code>NoSuchBucket</Code>"), "... isn't there");
    end();
}

static void
test_checks(void)
{
    static const char *const md5[] = { "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==", NULL };
    static const char *const bad_md5[] = { "Content-MD5: XUFAKrxLKna5cZ2REBfFkA==", NULL };
    static const char *const crc[] = { "x-amz-checksum-crc32c: 4waSgw==", NULL };
    static const char *const bad_crc[] = { "x-amz-checksum-crc32c: 4waSgA==", NULL };
    static const char *const mode[] = { "x-amz-checksum-mode: ENABLED", NULL };
    static const char *const sha[] = {
        "x-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        NULL
    };
    static const char *const bad_sha[] = {
        "x-amz-content-sha256: 3cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        NULL
    };

    start();
    IS(ask("PUT", "/cold/md5", "hello", md5), 200, "a body with its MD5 is taken");
    IS(ask("PUT", "/cold/bad", "hello", bad_md5), 400, "with another one it is not");
    OK(hears("BadDigest"), "... and told why");
    IS(ask("PUT", "/cold/sha", "hello", sha), 200, "so with its SHA-256");
    IS(ask("PUT", "/cold/bad", "hello", bad_sha), 400, "... or another");
    OK(hears("XAmzContentSHA256Mismatch"), "... and told why");
    IS(ask("PUT", "/cold/bad", "123456789", bad_crc), 400, "... and with another CRC-32C");
    IS(fakes3_objects(s3, "bad"), 0, "nothing of these is kept");
    IS(ask("PUT", "/cold/crc", "123456789", crc), 200, "with its own it is taken");
    IS(ask("HEAD", "/cold/crc", NULL, mode), 200, "... and it is kept");
    IS_STR(vrv_http_header(&r, "x-amz-checksum-crc32c"), "4waSgw==", "... to be told");
    IS(ask("HEAD", "/cold/md5", NULL, mode), 200, "where none was given");
    OK(vrv_http_header(&r, "x-amz-checksum-crc32c") == NULL, "... none is told");
    end();
    opts.no_checksums = true;
    start();
    IS(ask("PUT", "/cold/old", "123456789", bad_crc), 200, "an old store doesn't look at it");
    (void)ask("HEAD", "/cold/old", NULL, mode);
    OK(vrv_http_header(&r, "x-amz-checksum-crc32c") == NULL, "... nor keeps it");
    end();
}

static void
test_deletes(void)
{
    static const char list[] =
        "<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;</Key></Object>"
        "</Delete>";
    static const char quiet[] = "<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>";
    static const char *const md5[] = { "Content-MD5: WNWXNauMDvySbPms46y5nw==", NULL };
    static const char *const md5_quiet[] = { "Content-MD5: b4MQUsxJIXMKvIpmbQMTrg==", NULL };
    static const char *const bad[] = { "x-amz-checksum-crc32c: LEYt5A==", NULL };

    start();
    (void)put("/cold/a", "x");
    (void)put("/cold/b%26", "x");
    (void)put("/cold/c", "x");
    IS(ask("POST", "/cold?delete", list, NULL), 400, "a list of deletions needs a checksum");
    IS(ask("POST", "/cold?delete", list, bad), 400, "... which must be right");
    IS(fakes3_objects(s3, ""), 3, "nothing was deleted");
    fakes3_next(s3, S3_DELETES, S3_FAULT_ERROR_IN_200, 1);
    IS(ask("POST", "/cold?delete", list, md5), 200, "it may fail for each");
    OK(hears("<Error><Key>b&amp;</Key><Code>InternalError</Code>"), "... though the answer is 200");
    IS(ask("POST", "/cold?delete", list, md5), 200, "with a checksum it is done");
    OK(hears("<Deleted><Key>b&amp;</Key></Deleted>"), "... and told");
    IS(fakes3_objects(s3, ""), 1, "... for all of them");
    IS(ask("POST", "/cold?delete", quiet, md5_quiet), 200, "quietly, too");
    OK(hears("<DeleteResult></DeleteResult>"), "... and not told");
    IS(fakes3_objects(s3, ""), 0, "... but done");
    end();
}

static void
test_list(void)
{
    char token[2048], path[4096];

    start();
    for (int i = 0; i < 7; i++) {
        (void)snprintf(path, sizeof(path), "/cold/%s/%d", i < 5 ? "a" : "b", i);
        (void)put(path, "xyz");
    }
    IS(ask("GET", "/cold?list-type=2&prefix=a%2F", NULL, NULL), 200, "a list of a prefix");
    OK(hears("<Key>a/0</Key>") && hears("<Key>a/2</Key>") && !strstr(r.text, "a/3"),
        "... is in order, so many at a time");
    OK(hears("<IsTruncated>true</IsTruncated>") && hears("<Size>3</Size>"), "... there are more");
    (void)snprintf(token, sizeof(token), "%s", tag("NextContinuationToken"));
    (void)snprintf(
        path, sizeof(path), "/cold?continuation-token=%s&list-type=2&prefix=a%%2F", token);
    IS(ask("GET", path, NULL, NULL), 200, "which its token leads to");
    OK(hears("<Key>a/3</Key>") && hears("<Key>a/4</Key>") && !strstr(r.text, "b/5"),
        "... to the end of the prefix");
    OK(hears("<IsTruncated>false</IsTruncated>") && hears("<KeyCount>2</KeyCount>"),
        "... which is told");
    (void)ask("GET", "/cold?list-type=2&start-after=a%2F4&max-keys=1", NULL, NULL);
    OK(hears("<Key>b/5</Key>") && !strstr(r.text, "b/6"), "a list from a name on, of so many");
    IS(ask("GET", "/cold?list-type=2&continuation-token=nonsense", NULL, NULL), 400,
        "a wrong token is refused");
    end();
}

/* ---- uploads ---- */

static const char *
upload_path(const char *id, const char *more)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "/cold/big?%suploadId=%s", more, id);
    return path;
}

static const char *
parts(const char *first, const char *second)
{
    static char list[512];

    (void)snprintf(list, sizeof(list),
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>",
        first, second);
    return list;
}

static void
test_upload(void)
{
    static const char *const whole[] = { "x-amz-checksum-algorithm: CRC32C",
        "x-amz-checksum-type: FULL_OBJECT", NULL };
    static const char *const mode[] = { "x-amz-checksum-mode: ENABLED", NULL };
    static const char *const if_new[] = { "If-None-Match: *", NULL };
    char id[64], one[64], two[64];

    start();
    IS(ask("POST", "/cold/big?uploads", "", whole), 200, "an upload is begun");
    (void)snprintf(id, sizeof(id), "%s", tag("UploadId"));
    IS(fakes3_uploads(s3), 1, "... and under way");
    IS(ask("PUT", upload_path(id, "partNumber=2&"), "6789", NULL), 200, "parts come in any order");
    (void)snprintf(two, sizeof(two), "%s", vrv_http_header(&r, "etag"));
    IS(ask("PUT", upload_path(id, "partNumber=1&"), "12345", NULL), 200,
        "... the first one too small");
    (void)snprintf(one, sizeof(one), "%s", vrv_http_header(&r, "etag"));
    IS(ask("POST", upload_path(id, ""), parts(one, two), NULL), 400, "so it can't be ended");
    OK(hears("EntityTooSmall"), "... which is said");
    IS(ask("PUT", upload_path(id, "partNumber=1&"), "1234512345", NULL), 200, "it is replaced");
    IS(ask("POST", upload_path(id, ""), parts(one, two), NULL), 400,
        "then its old ETag isn't good any more");
    OK(hears("InvalidPart"), "... which is said");
    (void)ask("PUT", upload_path(id, "partNumber=1&"), "1234512345", NULL);
    (void)snprintf(one, sizeof(one), "%s", vrv_http_header(&r, "etag"));
    IS(ask("GET", "/cold?uploads", NULL, NULL), 200, "it is listed");
    OK(hears("<Key>big</Key>") && strcmp(tag("UploadId"), id) == 0, "... with its id");
    IS(ask("GET", "/cold/big", NULL, NULL), 404, "nobody sees it yet");
    IS(ask("POST", upload_path(id, ""), parts(one, two), if_new), 200, "it is ended");
    OK(hears("CompleteMultipartUploadResult"), "... and that's that");
    IS(ask("GET", "/cold/big", NULL, mode), 200, "it is there");
    IS_STR(r.text, "12345123456789", "... all of it");
    IS_STR(vrv_http_header(&r, "x-amz-checksum-type"), "FULL_OBJECT",
        "... with the checksum that was wanted");
    OK(strstr(vrv_http_header(&r, "etag"), "-2\"") != NULL, "... and an ETag that is no MD5");
    IS(ask("POST", upload_path(id, ""), parts(one, two), if_new), 404,
        "ended again: it is forgotten");
    OK(hears("NoSuchUpload"), "... which is said");

    (void)ask("POST", "/cold/big?uploads", "", NULL);
    (void)snprintf(id, sizeof(id), "%s", tag("UploadId"));
    (void)ask("PUT", upload_path(id, "partNumber=1&"), "1234512345", NULL);
    (void)ask("PUT", upload_path(id, "partNumber=2&"), "6789", NULL);
    IS(ask("POST", upload_path(id, ""), parts(one, two), if_new), 412, "an end doesn't overwrite");
    IS(fakes3_uploads(s3), 1, "... and the upload stays");
    IS(ask("DELETE", upload_path(id, ""), NULL, NULL), 204, "... until it is aborted");
    IS(fakes3_uploads(s3), 0, "... and gone");
    end();
}

/* ---- who asks ---- */

/* The examples of Amazon's "Signature Calculations for the Authorization Header". */
static void
test_signatures(void)
{
    static const char *const get[] = { "Host: examplebucket.s3.amazonaws.com", "Range: bytes=0-9",
        "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date: 20130524T000000Z",
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        NULL };
    static const char *const put_it[] = { "Host: examplebucket.s3.amazonaws.com",
        "Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY",
        "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "x-amz-date: 20130524T000000Z",
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        NULL };
    static const char *const list[] = { "Host: examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date: 20130524T000000Z",
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        NULL };

    opts.bucket = "examplebucket";
    opts.key_id = "AKIAIOSFODNN7EXAMPLE";
    opts.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    start();
    simclock_set_wall_ms(&g.sim, 1369353600000);
    IS(ask("GET", "/test.txt", NULL, get), 404, "Amazon's signed GET passes: there is no such key");
    IS(ask("PUT", "/test%24file.text", "Welcome to Amazon S3.", put_it), 200, "so does its PUT");
    IS(ask("GET", "/?max-keys=2&prefix=J", NULL, list), 501,
        "... and its list, of a version that we don't know");
    IS(ask("GET", "/test.txt2", NULL, get), 403, "the signature of another path doesn't");
    OK(hears("SignatureDoesNotMatch"), "... which is said");
    IS(ask("GET", "/test.txt", NULL, NULL), 403, "nor no signature");
    simclock_set_wall_ms(&g.sim, 1369353600000 + 16 * 60000);
    IS(ask("GET", "/test.txt", NULL, get), 403, "nor one of a while ago");
    OK(hears("RequestTimeTooSkewed"), "... which is said");
    simclock_set_wall_ms(&g.sim, 1369353600000);
    fakes3_credentials(s3, "AKIAIOSFODNN7EXAMPLE", "another", NULL);
    IS(ask("GET", "/test.txt", NULL, get), 403, "nor one of an old secret");
    fakes3_credentials(s3, "AKIA2", "another", NULL);
    IS(ask("GET", "/test.txt", NULL, get), 403, "nor of an old key");
    OK(hears("InvalidAccessKeyId"), "... which is said");
    end();
}

/* ---- faults ---- */

/* What a request is told under a fault, and whether it is done all the same. */
struct fate {
    enum fakes3_fault fault;
    int told;
    const char *says;
    bool done;
};

static void
test_faults_of_put(void)
{
    static const struct fate fates[] = {
        { S3_FAULT_REQUEST_LOST, VRV_E_UNKNOWN, NULL, false },
        { S3_FAULT_ALERT, VRV_E_UNKNOWN, NULL, false },
        { S3_FAULT_SLOW_DOWN, 503, "SlowDown", false },
        { S3_FAULT_TOO_MANY, 429, "TooManyRequests", false },
        { S3_FAULT_ERROR, 500, "InternalError", false },
        { S3_FAULT_TIMEOUT, 400, "RequestTimeout", false },
        { S3_FAULT_DENIED, 403, "AccessDenied", false },
        { S3_FAULT_EXPIRED, 400, "ExpiredToken", false },
        { S3_FAULT_SKEWED, 403, "RequestTimeTooSkewed", false },
        { S3_FAULT_REGION, 400, "AuthorizationHeaderMalformed", false },
        { S3_FAULT_REDIRECT, 301, "PermanentRedirect", false },
        { S3_FAULT_CONFLICT, 409, "ConditionalRequestConflict", false },
        { S3_FAULT_NOT_NEW, 412, "PreconditionFailed", false },
        { S3_FAULT_ANSWER_LOST, VRV_E_UNKNOWN, NULL, true },
        { S3_FAULT_ERROR_DONE, 500, "InternalError", true },
        { S3_FAULT_CUT, VRV_E_UNKNOWN, NULL, true },
        { S3_FAULT_DRIP, 200, NULL, true },
        { S3_FAULT_ETAG, 200, NULL, true },
    };
    static const char *const if_new[] = { "If-None-Match: *", NULL };

    start();
    for (size_t i = 0; i < sizeof(fates) / sizeof(*fates); i++) {
        char path[32];

        (void)snprintf(path, sizeof(path), "/cold/%zu-", i);
        fakes3_next(s3, S3_PUTNEW, fates[i].fault, 1);
        IS(ask("PUT", path, "hello", if_new), fates[i].told, "fault %zu: what is told", i);
        if (fates[i].says != NULL)
            OK(hears(fates[i].says), "... and said");
        IS(fakes3_objects(s3, path + 6), fates[i].done, "... and done or not");
        IS(fakes3_struck(s3, fates[i].fault), 1, "... once");
        IS(ask("GET", path, NULL, NULL), fates[i].done ? 200 : 404, "... and no more");
    }
    end();
}

/* Submitted under a fault that lets it wait; not ended. */
static void
begin_put(enum fakes3_fault fault, const char *path)
{
    static char body[] = "hello";
    static struct iovec iov = { body, 5 };

    fakes3_next(s3, S3_OPS, fault, 1);
    vrv_http_free(&r);
    r = httprig_request(&g, "PUT", httprig_url(&g, path));
    r.has_body = true;
    r.iov = &iov;
    r.iov_n = 1;
    r.size = 5;
    vrv_http_submit(g.http, &r);
    httprig_until_heard(&g, httpd_stats(g.server).requests + 1);
    httprig_settle(&g);
}

static void
test_faults_in_time(void)
{
    start();
    begin_put(S3_FAULT_HANG, "/cold/hang");
    OK(g.cq.head == NULL, "a hanging request waits");
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS);
    IS(httprig_take(&g)->status, VRV_E_TIMEDOUT, "... for ever");
    IS(fakes3_objects(s3, "hang"), 0, "... in vain");

    begin_put(S3_FAULT_SILENT, "/cold/silent");
    IS(fakes3_objects(s3, "silent"), 1, "another one is done, and nobody is told");
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS);
    IS(httprig_take(&g)->status, VRV_E_TIMEDOUT, "... ever");

    fakes3_delays(s3, 30000, 4000);
    begin_put(S3_FAULT_LATE, "/cold/late");
    OK(g.cq.head == NULL, "a late answer takes its time");
    simclock_advance_ms(&g.sim, 4000);
    IS(httprig_take(&g)->code, 200, "... and comes");

    begin_put(S3_FAULT_ZOMBIE, "/cold/zombie");
    simclock_advance_ms(&g.sim, HTTPRIG_STALL_MS);
    IS(httprig_take(&g)->status, VRV_E_TIMEDOUT, "a zombie isn't heard of");
    simclock_advance_ms(&g.sim, 24000);
    httprig_settle(&g);
    IS(fakes3_objects(s3, "zombie"), 0, "... nor seen for half a minute");
    IS(fakes3_zombies(s3), 1, "... but there");
    simclock_advance_ms(&g.sim, 1000);
    httprig_settle(&g);
    IS(fakes3_objects(s3, "zombie"), 1, "... when it is done");

    fakes3_next(s3, S3_GET, S3_FAULT_REFUSE, 1);
    IS(ask("GET", "/cold/zombie", NULL, NULL), VRV_E_UNKNOWN, "it hangs up");
    IS(put("/cold/x", "x"), VRV_E_UNREACHABLE, "... and nobody is there");
    simclock_advance_ms(&g.sim, 2000);
    httprig_settle(&g);
    IS(put("/cold/x", "x"), 200, "... for two seconds");

    fakes3_throttle(s3, 2);
    simclock_advance_ms(&g.sim, 1000);
    IS(put("/cold/1", "x") + put("/cold/2", "x") + put("/cold/3", "x"), 200 + 200 + 503,
        "two in a second, and the third must slow down");
    simclock_advance_ms(&g.sim, 1000);
    IS(put("/cold/3", "x"), 200, "... to the next");
    end();
}

static void
test_faults_of_reads(void)
{
    char token[64];

    start();
    (void)put("/cold/a", "hello");
    simclock_advance_ms(&g.sim, 61000);
    (void)put("/cold/b", "hello");
    fakes3_next(s3, S3_GET, S3_FAULT_FLIP, 1);
    IS(ask("GET", "/cold/a", NULL, NULL), 200, "a read with a bit wrong");
    OK(r.got == 5 && memcmp(r.text, "hello", 5) != 0, "... looks well");
    fakes3_next(s3, S3_GET, S3_FAULT_SHORT, 1);
    IS(ask("GET", "/cold/a", NULL, NULL), 200, "one that is too short");
    OK(r.got < 5, "... too");
    fakes3_next(s3, S3_GET, S3_FAULT_NO_LENGTH, 1);
    IS(ask("GET", "/cold/a", NULL, NULL), 200, "one without a length");
    OK(r.got < 5 && vrv_http_header(&r, "content-length") == NULL, "... too");
    fakes3_next(s3, S3_GET, S3_FAULT_MISSING, 1);
    IS(ask("GET", "/cold/a", NULL, NULL), 404, "what is there may be said to be missing");
    fakes3_next(s3, S3_LIST, S3_FAULT_STALE, 1);
    (void)ask("GET", "/cold?list-type=2", NULL, NULL);
    OK(hears("<Key>a</Key>") && !strstr(r.text, "<Key>b"), "a stale list shows what was");
    (void)ask("DELETE", "/cold/a", NULL, NULL);
    fakes3_next(s3, S3_LIST, S3_FAULT_STALE, 1);
    (void)ask("GET", "/cold?list-type=2", NULL, NULL);
    OK(hears("<Key>a</Key>"), "... also what is gone");
    fakes3_next(s3, S3_LIST, S3_FAULT_UNSEEN, 1);
    (void)ask("GET", "/cold?list-type=2", NULL, NULL);
    OK(hears("<KeyCount>0</KeyCount>"), "the newest may be unseen");
    (void)ask("POST", "/cold/big?uploads", "", NULL);
    (void)snprintf(token, sizeof(token), "%s", tag("UploadId"));
    fakes3_next(s3, S3_COMPLETE, S3_FAULT_ERROR_IN_200, 1);
    IS(ask("POST", upload_path(token, ""), "<x/>", NULL), 200, "200 may be an error");
    OK(hears("<Error><Code>InternalError</Code>"), "... to who reads on");
    OK(fakes3_rot(s3, "b", 0), "what is kept may rot");
    (void)ask("GET", "/cold/b", NULL, NULL);
    IS_STR(r.text, "iello", "... and is served");
    end();
}

/* Two, the second a minute later; and the first one is aborted. */
static void
test_faults_of_uploads(void)
{
    char one[64], two[64], flipped[128];

    start();
    (void)ask("POST", "/cold/big?uploads", "", NULL);
    (void)snprintf(one, sizeof(one), "%s", tag("UploadId"));
    fakes3_next(s3, S3_PART, S3_FAULT_FLIPPED, 1);
    IS(ask("PUT", upload_path(one, "partNumber=1&"), "1234512345", NULL), 200, "a part may arrive with a bit wrong");
    (void)snprintf(flipped, sizeof(flipped), "%s", vrv_http_header(&r, "etag"));
    fakes3_next(s3, S3_PART, S3_FAULT_SHORTENED, 1);
    IS(ask("PUT", upload_path(one, "partNumber=2&"), "1234512345", NULL), 200, "... or without its end");
    (void)ask("PUT", upload_path(one, "partNumber=3&"), "1234512345", NULL);
    OK(strcmp(flipped, vrv_http_header(&r, "etag")) != 0, "... which is seen by its ETag alone");
    simclock_advance_ms(&g.sim, 61000);
    (void)ask("POST", "/cold/big?uploads", "", NULL);
    (void)snprintf(two, sizeof(two), "%s", tag("UploadId"));
    fakes3_next(s3, S3_UPLOADS, S3_FAULT_UNSEEN, 1);
    (void)ask("GET", "/cold?uploads", NULL, NULL);
    OK(hears(one) && !strstr(r.text, two), "the newest upload may be unseen");
    (void)ask("DELETE", upload_path(one, ""), NULL, NULL);
    fakes3_next(s3, S3_UPLOADS, S3_FAULT_STALE, 1);
    (void)ask("GET", "/cold?uploads", NULL, NULL);
    OK(hears(one) && !strstr(r.text, two), "a stale list of uploads shows those of before");
    (void)ask("GET", "/cold?uploads", NULL, NULL);
    OK(hears(two) && !strstr(r.text, one), "another one those that there are");
    fakes3_next(s3, S3_UPLOADS, S3_FAULT_FLIP, 1);
    char *list = vrv_mem_strdup(r.text);
    (void)ask("GET", "/cold?uploads", NULL, NULL);
    OK(strcmp(list, r.text) != 0, "a list, too, may come with a bit wrong");
    free(list);
    end();
}

/* ---- where it is, and whom it knows ---- */

static unsigned leads_to;

static void
named(unsigned host)
{
    leads_to = host;
}

static void
test_moves(void)
{
    opts.named = named;
    start();
    IS(leads_to, 1, "its name leads to it");
    fakes3_next(s3, S3_PUT, S3_FAULT_MOVED, 1);
    IS(put("/cold/x", "x"), VRV_E_UNKNOWN, "it moves");
    IS(leads_to, 2, "... and so does its name");
    IS(put("/cold/x", "x"), VRV_E_UNREACHABLE, "... and nobody is where it was");
    end();
    opts.named = named;
    start();
    fakes3_next(s3, S3_PUT, S3_FAULT_NAMELESS, 1);
    IS(put("/cold/x", "x"), VRV_E_UNKNOWN, "it moves again");
    IS(leads_to, 0, "... and nobody knows where");
    simclock_advance_ms(&g.sim, 2000);
    httprig_settle(&g);
    IS(leads_to, 2, "... for two seconds");
    end();
}

static bool
is_written(const char *file, const char *id)
{
    char text[256] = "", line[64];
    FILE *in = fopen(file, "r");

    size_t n = in != NULL ? fread(text, 1, sizeof(text) - 1, in) : 0;
    text[n] = '\0';
    if (in != NULL)
        (void)fclose(in);
    (void)snprintf(line, sizeof(line), "aws_access_key_id = %s\n", id);
    return strstr(text, line) != NULL;
}

static void
test_rotation(void)
{
    char file[512];

    (void)snprintf(file, sizeof(file), "%s/keys", tap_dir());
    opts = (struct fakes3_opts){ .key_id = "first", .secret = "x", .keys_file = file };
    start();
    OK(is_written(file, "first"), "its keys are in a file");
    fakes3_next(s3, S3_PUT, S3_FAULT_ROTATED, 1);
    IS(put("/cold/x", "x"), 403, "they aren't good any more");
    OK(hears("InvalidAccessKeyId"), "... which is said");
    OK(is_written(file, "key1"), "... and there are others");
    end();
}

static void
test_seeds(void)
{
    unsigned bad[2] = { 0 };

    for (int run = 0; run < 2; run++) {
        start();
        fakes3_fault(s3, S3_OPS, S3_FAULT_ERROR, 30);
        for (int i = 0; i < 100; i++)
            bad[run] += put("/cold/x", "x") == 500;
        IS(fakes3_struck(s3, S3_FAULT_ERROR), bad[run], "%u of a hundred failed", bad[run]);
        IS(fakes3_attempts(s3, S3_PUT), 100, "... and all are counted");
        fakes3_heal(s3);
        IS(put("/cold/x", "x"), 200, "healed, none does");
        end();
    }
    OK(bad[0] == bad[1] && bad[0] > 10 && bad[0] < 50, "one seed is one run");
}

static void
test_commands(void)
{
    start();
    IS(ask("POST", "/~faults",
           "next PUT slow_down 1\n\nfault ANY HANG 0\ndelays 100 100\nthrottle 0\n", NULL),
        200, "faults are ordered over the network");
    IS(put("/cold/x", "x"), 503, "... and come");
    IS(ask("POST", "/~faults", "heal\nfault PUT NONSENSE 3\n", NULL), 400, "nonsense is refused");
    OK(hears("not understood: fault PUT NONSENSE 3"), "... and named");
    IS(put("/cold/x", "x"), 200, "it is well");
    IS(ask("GET", "/~stats", NULL, NULL), 200, "what happened is told");
    OK(hears("attempts PUT 2\n") && hears("struck SLOW_DOWN 1\n") && hears("objects 1\n"),
        "... in lines");
    end();
}

/* With threads: the test's, the server's and the client's. */
static void
test_threads(void)
{
    unsigned ended = 0, done = 0;

    httprig_init(&g);
    opts = (struct fakes3_opts){ .clock = vrv_clock_real(), .seed = 1, .bucket = "cold" };
    s3 = fakes3_new(&opts);
    g.server = fakes3_httpd(s3);
    g.opts.thread = true;
    g.opts.clock = opts.clock;
    g.opts.stall_ms = g.opts.connect_ms = 60000;
    httprig_open(&g);
    httpd_start(g.server);
    fakes3_delays(s3, 1, 2);
    for (int i = 0; i < 200; i++) {
        char path[32];

        (void)snprintf(path, sizeof(path), "/cold/%d", i);
        if (i % 10 == 0)
            fakes3_fault(s3, S3_OPS, (enum fakes3_fault)(S3_FAULT_SLOW_DOWN + i / 50), 20);
        vrv_http_free(&r);
        r = httprig_request(&g, "PUT", httprig_url(&g, path));
        r.deadline_ns = INT64_MAX;
        r.has_body = true;
        vrv_http_submit(g.http, &r);
        struct vrv_done *d = vrv_cq_take(&g.cq, 60000);
        ended += d != NULL;
        done += r.status == 0 && r.code == 200;
    }
    IS(ended, 200, "over threads, all end");
    IS(fakes3_objects(s3, ""), done, "... and what was acknowledged is there");
    IS(fakes3_struck(s3, S3_FAULTS), 200 - done, "... all but what a fault struck");
    end();
}

int
main(void)
{
    test_objects();
    test_checks();
    test_deletes();
    test_list();
    test_upload();
    test_signatures();
    test_faults_of_put();
    test_faults_in_time();
    test_faults_of_reads();
    test_faults_of_uploads();
    test_moves();
    test_rotation();
    test_seeds();
    test_commands();
    test_threads();
    return tap_done();
}
