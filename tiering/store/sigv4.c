/*
 * A canonical form of the request is hashed; that, the date and the scope are what a key, which
 * comes from the secret by way of date, region and service, signs.
 */
#include "tiering/store/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/assert.h"

enum { SUM = 32, DAY = 8, SCOPE = 128, SIGNED = 1024 };

static const char algorithm[] = "AWS4-HMAC-SHA256";

static void
to_hex(char *out, const uint8_t *sum)
{
    for (int i = 0; i < SUM; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* ---- the hash of something that comes in pieces ---- */

static EVP_MD_CTX *
hash_begin(void)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();

    VRV_ASSERT(h != NULL && EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1);
    return h;
}

static void
hash_bytes(EVP_MD_CTX *h, const void *p, size_t n)
{
    VRV_ASSERT(EVP_DigestUpdate(h, p, n) == 1);
}

static void
hash_text(EVP_MD_CTX *h, const char *s)
{
    hash_bytes(h, s, strlen(s));
}

static void
hash_end(EVP_MD_CTX *h, char out[VRV_SIGV4_HASH])
{
    uint8_t sum[SUM];

    VRV_ASSERT(EVP_DigestFinal_ex(h, sum, NULL) == 1);
    EVP_MD_CTX_free(h);
    to_hex(out, sum);
}

void
vrv_sigv4_hash(char out[VRV_SIGV4_HASH], const struct iovec *iov, int n)
{
    EVP_MD_CTX *h = hash_begin();

    for (int i = 0; i < n; i++)
        hash_bytes(h, iov[i].iov_base, iov[i].iov_len);
    hash_end(h, out);
}

/* ---- the canonical form ---- */

/* A part of a text: a parameter, a header's name and value. */
struct part {
    const char *name, *value;
    size_t name_n, value_n;
};

static int
compare(const char *a, size_t a_n, const char *b, size_t b_n)
{
    int order = memcmp(a, b, a_n < b_n ? a_n : b_n);

    return order != 0 ? order : (a_n > b_n) - (a_n < b_n);
}

static int
by_name(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    return compare(x->name, x->name_n, y->name, y->name_n);
}

static int
by_name_and_value(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    int order = by_name(a, b);

    return order != 0 ? order : compare(x->value, x->value_n, y->value, y->value_n);
}

static void
hash_query(EVP_MD_CTX *h, const char *query)
{
    struct part part[VRV_SIGV4_QUERIES_MAX];
    size_t n = 0;

    for (const char *p = query; *p != '\0';) {
        size_t all = strcspn(p, "&"), name = strcspn(p, "=&");

        VRV_ASSERT(n < VRV_SIGV4_QUERIES_MAX);
        part[n++] = (struct part){ p, name < all ? p + name + 1 : "", name,
            name < all ? all - name - 1 : 0 };
        p += all + (p[all] == '&');
    }
    qsort(part, n, sizeof(part[0]), by_name_and_value);
    for (size_t i = 0; i < n; i++) {
        hash_text(h, i > 0 ? "&" : "");
        hash_bytes(h, part[i].name, part[i].name_n);
        hash_text(h, "=");
        hash_bytes(h, part[i].value, part[i].value_n);
    }
    hash_text(h, "\n");
}

/* Without blanks around it, and with one for several. */
static void
hash_value(EVP_MD_CTX *h, const char *p, size_t n)
{
    while (n > 0 && p[n - 1] == ' ')
        n--;
    while (n > 0 && *p == ' ')
        p++, n--;
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' || p[i - 1] != ' ')
            hash_bytes(h, p + i, 1);
}

static size_t
sorted_headers(const struct vrv_sigv4 *r, struct part part[VRV_SIGV4_HEADERS_MAX])
{
    VRV_ASSERT(r->header_n <= VRV_SIGV4_HEADERS_MAX);
    for (unsigned i = 0; i < r->header_n; i++) {
        const char *colon = strchr(r->headers[i], ':');

        VRV_ASSERT(colon != NULL);
        part[i] = (struct part){ r->headers[i], colon + 1, (size_t)(colon - r->headers[i]),
            strlen(colon + 1) };
    }
    qsort(part, r->header_n, sizeof(part[0]), by_name);
    return r->header_n;
}

/* Also fills in `names`: "host;x-amz-date". */
static void
hash_headers(EVP_MD_CTX *h, const struct vrv_sigv4 *r, char names[SIGNED])
{
    struct part part[VRV_SIGV4_HEADERS_MAX];
    size_t n = sorted_headers(r, part), at = 0;

    names[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        hash_bytes(h, part[i].name, part[i].name_n);
        hash_text(h, ":");
        hash_value(h, part[i].value, part[i].value_n);
        hash_text(h, "\n");
        VRV_ASSERT(at + part[i].name_n + 2 < SIGNED);
        at += (size_t)snprintf(names + at, SIGNED - at, "%s%.*s", i > 0 ? ";" : "",
            (int)part[i].name_n, part[i].name);
    }
    hash_text(h, "\n");
    hash_text(h, names);
    hash_text(h, "\n");
}

static void
canonical(const struct vrv_sigv4 *r, char names[SIGNED], char out[VRV_SIGV4_HASH])
{
    EVP_MD_CTX *h = hash_begin();

    hash_text(h, r->method);
    hash_text(h, "\n");
    hash_text(h, r->path);
    hash_text(h, "\n");
    hash_query(h, r->query);
    hash_headers(h, r, names);
    hash_text(h, r->payload);
    hash_end(h, out);
}

/* ---- the signature ---- */

static void
mac(uint8_t out[SUM], const void *key, size_t key_n, const char *text, size_t n)
{
    unsigned got = 0;

    VRV_ASSERT(HMAC(EVP_sha256(), key, (int)key_n, (const uint8_t *)text, n, out, &got) != NULL);
    VRV_ASSERT(got == SUM);
}

static void
signing_key(const struct vrv_sigv4 *r, const char *secret, uint8_t key[SUM])
{
    char first[256];
    int n = snprintf(first, sizeof(first), "AWS4%s", secret);

    VRV_ASSERT(n > 0 && (size_t)n < sizeof(first));
    mac(key, first, (size_t)n, r->date, DAY);
    mac(key, key, SUM, r->region, strlen(r->region));
    mac(key, key, SUM, r->service, strlen(r->service));
    mac(key, key, SUM, "aws4_request", strlen("aws4_request"));
    OPENSSL_cleanse(first, sizeof(first));
}

void
vrv_sigv4_sign(const struct vrv_sigv4 *r, const struct vrv_sigv4_keys *k, char *out, size_t n)
{
    char names[SIGNED], hash[VRV_SIGV4_HASH], scope[SCOPE], text[SCOPE + 2 * VRV_SIGV4_HASH];
    uint8_t key[SUM], sum[SUM];

    canonical(r, names, hash);
    (void)snprintf(scope, sizeof(scope), "%.*s/%s/%s/aws4_request", DAY, r->date, r->region,
        r->service);
    int text_n = snprintf(text, sizeof(text), "%s\n%s\n%s\n%s", algorithm, r->date, scope, hash);
    signing_key(r, k->secret, key);
    mac(sum, key, SUM, text, (size_t)text_n);
    to_hex(hash, sum);
    (void)snprintf(out, n, "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm, k->id,
        scope, names, hash);
    OPENSSL_cleanse(key, sizeof(key));
}

void
vrv_sigv4_date(char out[VRV_SIGV4_DATE], int64_t wall_ms)
{
    time_t now = (time_t)(wall_ms / 1000);
    struct tm tm;

    (void)gmtime_r(&now, &tm);
    VRV_ASSERT(strftime(out, VRV_SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm) == VRV_SIGV4_DATE - 1);
}
