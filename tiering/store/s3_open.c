/* What the settings of an S3 store make of it; each that is wrong has a sentence with its name. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "tiering/store/s3_int.h"

enum { BUCKET_MIN = 3, BUCKET_MAX = 63, HOST_MAX = 255, REGION_MAX = 48 };

static const char default_region[] = "us-east-1";

static char *
joined(const char *a, const char *b, const char *c, const char *d)
{
    size_t n = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1;
    char *out = vrv_mem_zero(n);

    (void)snprintf(out, n, "%s%s%s%s", a, b, c, d);
    return out;
}

/* ---- s3://bucket/prefix */

static bool
is_bucket(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && (strchr(".-_", s[i]) == NULL || i == 0))
            return false;
    return n >= BUCKET_MIN && n <= BUCKET_MAX;
}

/* Parts of it that are "." or ".." would be taken for steps on the way. */
static bool
is_prefix(const char *s)
{
    for (const char *p = s, *part = s; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
        if (*p == '/' || p[1] == '\0') {
            size_t n = (size_t)(p - part) + (*p != '/');

            if (n == 0 || (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.'))))
                return false;
            part = p + 1;
        }
    }
    return strlen(s) < VRV__S3_PREFIX_MAX;
}

static int
take_url(struct vrv__s3 *s3, const char *url, struct vrv_err *e)
{
    static const char scheme[] = "s3://";
    size_t n = strlen(scheme);

    if (strncmp(url, scheme, n) != 0)
        return vrv_err_set(e, VRV_E_INVALID, "tier.store.url=%.100s isn't s3://BUCKET or "
            "s3://BUCKET/PREFIX", url);
    const char *bucket = url + n;
    n = strcspn(bucket, "/");
    if (!is_bucket(bucket, n))
        return vrv_err_set(e, VRV_E_INVALID,
            "tier.store.url: \"%.*s\" is no name of a bucket: 3 to 63 letters, digits, "
            "\".\", \"-\"",
            n < BUCKET_MAX ? (int)n : BUCKET_MAX, bucket);
    const char *prefix = bucket[n] == '/' ? bucket + n + 1 : "";
    if (!is_prefix(prefix))
        return vrv_err_set(e, VRV_E_INVALID,
            "tier.store.url: \"%.100s\" is no prefix: at most %d bytes, single slashes", prefix,
            VRV__S3_PREFIX_MAX - 1);
    s3->bucket = strndup(bucket, n);
    VRV_ASSERT(s3->bucket != NULL);
    bool ended = *prefix == '\0' || prefix[strlen(prefix) - 1] == '/';
    s3->prefix = joined("", prefix, ended ? "" : "/", "");
    s3->url = joined(scheme, s3->bucket, *prefix == '\0' ? "" : "/", s3->prefix);
    return 0;
}

/* ---- where that is */

static bool
is_address(const char *host)
{
    return host[0] == '[' || host[strspn(host, "0123456789.:")] == '\0';
}

/* AWS's own, in China with a name of its own. */
static char *
aws_endpoint(const char *region)
{
    return joined(
        "https://s3.", region, ".amazonaws.com", strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* host: with its port, unless that goes without saying. */
static void
take_host(struct vrv__s3 *s3, const char *host, size_t n, bool path_style)
{
    const char *port = s3->tls ? ":443" : ":80";
    char at[HOST_MAX + 8];

    (void)snprintf(at, sizeof(at), "%.*s", (int)n, host);
    size_t port_at = strcspn(at, ":");
    if (strcmp(at + port_at, port) == 0)
        at[port_at] = '\0';
    bool in_path = path_style || is_address(at) || strcmp(at, "localhost") == 0 ||
        strncmp(at, "localhost:", 10) == 0;
    s3->host = in_path ? vrv_mem_strdup(at) : joined("", s3->bucket, ".", at);
    s3->root = in_path ? joined("/", s3->bucket, "", "") : vrv_mem_strdup("");
    s3->base = joined(s3->tls ? "https://" : "http://", s3->host, "", "");
}

static int
take_endpoint(struct vrv__s3 *s3, const char *endpoint, bool path_style, struct vrv_err *e)
{
    bool tls = strncmp(endpoint, "https://", 8) == 0;
    bool good = tls || strncmp(endpoint, "http://", 7) == 0;
    const char *host = good ? strstr(endpoint, "://") + 3 : "";
    size_t n = strcspn(host, "/?#@ ");

    if (n == 0 || n > HOST_MAX || (host[n] != '\0' && strcmp(host + n, "/") != 0))
        return vrv_err_set(e, VRV_E_INVALID, "tier.s3.endpoint=%.100s isn't https://HOST:PORT or "
            "http://HOST:PORT", endpoint);
    s3->tls = tls;
    take_host(s3, host, n, path_style);
    return 0;
}

static bool
is_region(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && strchr("-_", s[i]) == NULL)
            return false;
    return n > 0 && n <= REGION_MAX;
}

static int
take_region(struct vrv__s3 *s3, const char *region, struct vrv_err *e)
{
    if (!is_region(region))
        return vrv_err_set(e, VRV_E_INVALID,
            "tier.s3.region=%.100s isn't the name of a region, such as %s", region,
            default_region);
    s3->region = vrv_mem_strdup(region);
    return 0;
}

/* ---- headers that the user chooses */

static int
take_option(char **out, const char *name, const char *value, struct vrv_err *e)
{
    *out = NULL;
    if (value == NULL || *value == '\0')
        return 0;
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f ||
            p - value >= VRV__S3_OPTION_MAX)
            return vrv_err_set(e, VRV_E_INVALID,
                "%s=%.100s: at most %d letters, digits and signs of "
                "ASCII, no blanks",
                name, value, VRV__S3_OPTION_MAX);
    *out = vrv_mem_strdup(value);
    return 0;
}

static int
take_options(struct vrv__s3 *s3, const struct vrv_store_s3_opts *o, struct vrv_err *e)
{
    int rc = take_option(&s3->storage_class, "tier.s3.storage.class", o->storage_class, e);

    if (rc == 0)
        rc = take_option(&s3->sse, "tier.s3.sse", o->sse, e);
    if (rc == 0)
        rc = take_option(&s3->sse_kms_key, "tier.s3.sse.kms.key", o->sse_kms_key, e);
    if (rc == 0)
        rc = take_option(&s3->tags, "tier.s3.tags", o->tags, e);
    if (rc == 0 && s3->sse_kms_key != NULL &&
        (s3->sse == NULL || strncmp(s3->sse, "aws:kms", 7) != 0))
        rc = vrv_err_set(
            e, VRV_E_INVALID, "tier.s3.sse.kms.key is set, but tier.s3.sse isn't aws:kms");
    return rc;
}

/* ---- all together */

static int
take_settings(struct vrv__s3 *s3, const struct vrv_store_s3_opts *o, struct vrv_err *e)
{
    int rc = take_url(s3, o->url, e);

    if (rc == 0)
        rc = take_region(
            s3, o->region != NULL && *o->region != '\0' ? o->region : default_region, e);
    if (rc < 0)
        return rc;
    bool given = o->endpoint != NULL && *o->endpoint != '\0';
    char *endpoint = given ? vrv_mem_strdup(o->endpoint) : aws_endpoint(s3->region);
    rc = take_endpoint(s3, endpoint, o->path_style, e);
    free(endpoint);
    return rc == 0 ? take_options(s3, o, e) : rc;
}

static int
open_parts(struct vrv__s3 *s3, const struct vrv_store_s3_opts *o, struct vrv_err *e)
{
    struct vrv_creds_opts creds = { .source = o->credentials, .clock = s3->clock, .cq = &s3->cq,
        .region = s3->region, .env = o->env, .container_url = o->container_url };
    int rc = vrv_http_open(&s3->http, &o->http, e);

    creds.http = s3->http;
    return rc == 0 ? vrv_creds_new(&s3->creds, &creds, e) : rc;
}

int
vrv__s3_new(struct vrv__s3 **out, const struct vrv_store_s3_opts *o, struct vrv_err *e)
{
    struct vrv__s3 *s3 = vrv_mem_zero(sizeof(*s3));

    s3->clock = o->http.clock;
    vrv_list_init(&s3->ops);
    vrv_list_init(&s3->uploads);
    vrv_lock_init(&s3->lock, VRV_LOCK_store);
    VRV_ASSERT(vrv_cq_init(&s3->cq, 0) == 0);
    int rc = take_settings(s3, o, e);
    if (rc == 0)
        rc = open_parts(s3, o, e);
    if (rc < 0) {
        vrv__s3_free(s3);
        return rc;
    }
    *out = s3;
    return 0;
}

void
vrv__s3_free(struct vrv__s3 *s3)
{
    VRV_ASSERT(vrv_list_empty(&s3->uploads));
    vrv_creds_free(&s3->creds);
    if (s3->http != NULL)
        vrv_http_close(&s3->http);
    vrv_cq_fini(&s3->cq);
    vrv_lock_fini(&s3->lock);
    free(s3->url);
    free(s3->bucket);
    free(s3->prefix);
    free(s3->base);
    free(s3->host);
    free(s3->root);
    free(s3->region);
    free(s3->storage_class);
    free(s3->sse);
    free(s3->sse_kms_key);
    free(s3->tags);
    free(s3);
}
