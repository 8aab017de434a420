#include "tiering/store/named.h"

#include <string.h>
#include <sys/random.h>

#include "tiering/store/dir.h"
#include "tiering/store/hdfs.h"
#include "tiering/store/s3.h"

enum {
    DIR_THREADS = 4,
    READS = 16, UPLOADS = 8, HOUSEKEEPINGS = 4, /* connections at a time */
    CONNECT_MS = 5000,
    STALL_MS = 20000,
    TEXT_MAX = 4 << 20,                         /* a thousand long names in XML are 1.5 MB */
};

static bool
begins(const char *url, const char *scheme)
{
    return strncmp(url, scheme, strlen(scheme)) == 0;
}

static const char *
given(const char *value)
{
    return value != NULL && *value != '\0' ? value : NULL;
}

static int
draw(uint64_t *random, struct vrv_err *e)
{
    if (getrandom(random, sizeof(*random), 0) != (ssize_t)sizeof(*random))
        return vrv_err_sys(e, "no random numbers");
    return 0;
}

static int
open_dir(struct vrv_store **out, const char *path, const struct vrv_store_named *n, struct vrv_err *e)
{
    struct vrv_store_dir_opts o = { .path = path, .clock = vrv_clock_real(), .threads = DIR_THREADS,
        .create = n->create, .waits = n->waits };
    int rc = draw(&o.random, e);

    if (rc == 0)
        rc = vrv_store_dir(out, &o, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "tier.store.url=file://%.100s", path) : 0;
}

/* ---- over a network ---- */

static struct vrv_http_opts
http_opts(const struct vrv_store_named *n)
{
    return (struct vrv_http_opts){ .clock = vrv_clock_real(), .thread = true,
        .at_once = { [VRV_STORE_READ] = READS, [VRV_STORE_UPLOAD] = UPLOADS,
            [VRV_STORE_HOUSEKEEPING] = HOUSEKEEPINGS },
        .connect_ms = CONNECT_MS, .stall_ms = n->stall_ms > 0 ? n->stall_ms : STALL_MS, .text_max = TEXT_MAX,
        .ca_file = given(n->ca_file), .cert_file = given(n->cert_file),
        .key_file = given(n->key_file), .proxy = given(n->proxy),
        .proxy_credentials = given(n->proxy_credentials) };
}

static int
open_s3(struct vrv_store **out, const struct vrv_store_named *n, struct vrv_err *e)
{
    struct vrv_store_s3_opts o = { .url = n->url, .endpoint = given(n->s3_endpoint),
        .region = given(n->s3_region), .path_style = n->s3_path_style,
        .credentials = given(n->s3_credentials), .storage_class = given(n->s3_storage_class),
        .sse = given(n->s3_sse), .sse_kms_key = given(n->s3_sse_kms_key),
        .tags = given(n->s3_tags), .http = http_opts(n) };

    return vrv_store_s3(out, &o, e);
}

static int
open_hdfs(struct vrv_store **out, const struct vrv_store_named *n, struct vrv_err *e)
{
    struct vrv_store_hdfs_opts o = { .url = n->url, .user = given(n->hdfs_user),
        .token_file = given(n->hdfs_token_file), .http = http_opts(n) };
    int rc = draw(&o.random, e);

    o.http.negotiate = n->hdfs_negotiate;
    if (rc == 0)
        rc = vrv_store_hdfs(out, &o, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "tier.store.url=%.100s", n->url) : 0;
}

int
vrv_store_named(struct vrv_store **out, const struct vrv_store_named *n, struct vrv_err *e)
{
    *out = NULL;
    if (begins(n->url, "file:///"))
        return open_dir(out, n->url + strlen("file://"), n, e);
    if (begins(n->url, "s3://"))
        return open_s3(out, n, e);
    if (begins(n->url, "hdfs://") || begins(n->url, "swebhdfs://"))
        return open_hdfs(out, n, e);
    return vrv_err_set(e, VRV_E_INVALID,
        "tier.store.url=%.100s: expected file:// and the path of a directory, s3://BUCKET/PREFIX, or "
        "hdfs://HOST:PORT/DIRECTORY (swebhdfs:// where name nodes speak TLS)",
        n->url);
}
