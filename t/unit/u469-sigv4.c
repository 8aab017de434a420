/* Signatures that others made: AWS's suite of test cases and the examples in S3's documentation;
 * and keys with awkward characters, as botocore signs them. */
#include <stdio.h>
#include <string.h>

#include "t/lib/tap.h"
#include "tiering/store/sigv4.h"

static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const struct vrv_sigv4_keys suite_keys = { "AKIDEXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL };
static const struct vrv_sigv4_keys s3_keys = { "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL };

struct vector {
    const char *what, *method, *path, *query, *body;
    const char *headers[6];
    const char *signature;
};

static const struct vector suite[] = {
    { "get-vanilla", "GET", "/", "", "", { NULL },
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "post-vanilla", "POST", "/", "", "", { NULL },
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
    { "get-unreserved", "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", { NULL },
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
    { "get-utf8", "GET", "/%E1%88%B4", "", "", { NULL },
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
    { "get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "", { NULL },
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
    { "get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "", { NULL },
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
    { "get-vanilla-query-unreserved", "GET", "/",
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        "=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "", { NULL }, "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
    { "get-header-value-trim", "GET", "/", "", "",
        { "my-header1: value1", "my-header2: \"a   b   c\"" },
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
    { "post-header-key-sort", "POST", "/", "", "", { "my-header1:value1" },
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
    { "post-x-www-form-urlencoded", "POST", "/", "", "Param1=value1",
        { "content-type:application/x-www-form-urlencoded" },
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
};

static const struct vector s3[] = {
    { "GET Object", "GET", "/test.txt", "", "", { "range:bytes=0-9" },
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { "PUT Object", "PUT", "/test%24file.text", "", "Welcome to Amazon S3.",
        { "date:Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class:REDUCED_REDUNDANCY" },
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
    { "GET Bucket Lifecycle", "GET", "/", "lifecycle", "", { NULL },
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { "List Objects", "GET", "/", "max-keys=2&prefix=J", "", { NULL },
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static const struct vector awkward[] = {
    { "blank, plus, percent, //, dots", "GET", "/bucket/a%20b%2Bc%25d~e//f/./g/../h", "", "",
        { NULL }, "710ffc7ac5c9855d396dba3361cd25559b6fda5d55856660f1e601ddef45bc9c" },
    { "all that is reserved, and more than ASCII", "GET",
        "/bucket/%C3%BCn%C3%AF/%E1%88%B4%3D%26%3F%23%5B%5D%7B%7D%3A%3B%40%21%24%2A%28%29%27%22", "",
        "", { NULL }, "6bff67bb812b186e58f29f6cc51a275d4faa94928e86b62dc62bcdc90b2ff610" },
    { "a blank", "GET", "/bucket/%20", "", "", { NULL },
        "46103eba9f432b387fd15e88acb2004f5111daf67edcb70565599d20d7ed56a0" },
    { "a part, with a token", "PUT", "/bucket/x", "uploadId=a%2Fb%3D%3D&partNumber=2", "hello",
        { "x-amz-security-token:tok/en==", "x-amz-checksum-crc32c:AAAAAA==" },
        "829aa322a11cf2af858a803de47aa313a0367333f5d6d158c1ce526bc748d10a" },
};

/* What is the same in all of a list. */
struct scene {
    const struct vrv_sigv4_keys *keys;
    const char *host, *date, *region, *service;
    bool tells_payload; /* in x-amz-content-sha256 */
};

static void
check(const struct vector *v, const struct scene *s)
{
    char hash[VRV_SIGV4_HASH], sha[128], date[64], out[1024], want[256];
    const char *headers[9] = { s->host, date };
    struct iovec iov[2] = { { (void *)(uintptr_t)v->body, strlen(v->body) / 2 },
        { (void *)(uintptr_t)(v->body + strlen(v->body) / 2), (strlen(v->body) + 1) / 2 } };
    struct vrv_sigv4 r = { .method = v->method, .path = v->path, .query = v->query,
        .headers = headers, .header_n = 2, .payload = hash, .date = s->date, .region = s->region,
        .service = s->service };

    vrv_sigv4_hash(hash, iov, 2);
    (void)snprintf(date, sizeof(date), "x-amz-date:%s", s->date);
    (void)snprintf(sha, sizeof(sha), "x-amz-content-sha256:%s", hash);
    if (s->tells_payload)
        headers[r.header_n++] = sha;
    for (size_t i = 0; i < 6 && v->headers[i] != NULL; i++)
        headers[r.header_n++] = v->headers[i];
    vrv_sigv4_sign(&r, s->keys, out, sizeof(out));
    (void)snprintf(want, sizeof(want), "Signature=%s", v->signature);
    if (!OK(strstr(out, want) != NULL, "%s", v->what))
        tap_note("%s", out);
}

static void
test_vectors(void)
{
    static const struct scene plain = { &suite_keys, "host:example.amazonaws.com",
        "20150830T123600Z", "us-east-1", "service", false };
    static const struct scene documented = { &s3_keys, "host:examplebucket.s3.amazonaws.com",
        "20130524T000000Z", "us-east-1", "s3", true };
    static const struct scene europe = { &suite_keys, "host:s3.example.com", "20261122T010203Z",
        "eu-west-3", "s3", true };

    for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++)
        check(&suite[i], &plain);
    for (size_t i = 0; i < sizeof(s3) / sizeof(s3[0]); i++)
        check(&s3[i], &documented);
    for (size_t i = 0; i < sizeof(awkward) / sizeof(awkward[0]); i++)
        check(&awkward[i], &europe);
}

static void
test_header(void)
{
    const char *headers[] = { "x-amz-date:20150830T123600Z", "host:example.amazonaws.com" };
    struct vrv_sigv4 r = { .method = "GET", .path = "/", .query = "", .headers = headers,
        .header_n = 2, .payload = empty, .date = "20150830T123600Z", .region = "us-east-1",
        .service = "service" };
    char out[1024], date[VRV_SIGV4_DATE];

    vrv_sigv4_sign(&r, &suite_keys, out, sizeof(out));
    IS_STR(out,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        "the header, whole, whatever the order of what is signed");
    vrv_sigv4_date(date, 1440938160999);
    IS_STR(date, "20150830T123600Z", "a time as it is signed");
    vrv_sigv4_date(date, 0);
    IS_STR(date, "19700101T000000Z", "... the first one");
}

int
main(void)
{
    test_vectors();
    test_header();
    return tap_done();
}
