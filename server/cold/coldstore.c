#include "server/cold/coldstore.h"

#include <string.h>

#include "engine/os/vfs.h"
#include "server/base/random.h"
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
open_dir(struct vrv_store **out, struct vrv_vfs **vfs, const char *path, bool create,
    struct vrv_err *e)
{
    struct vrv_store_dir_opts o = {
        .path = path, .clock = vrv_clock_real(), .threads = DIR_THREADS
    };
    int rc = vrv_vfs_posix(path, create, vfs, e);

    if (rc == 0)
        rc = vrv_random(&o.random, sizeof(o.random), e);
    o.vfs = *vfs;
    if (rc == 0)
        rc = vrv_store_dir(out, &o, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "tier.store.url=file://%.100s", path) : 0;
}

/* ---- over a network ---- */

static struct vrv_http_opts
http_opts(const struct vrv_config *c)
{
    return (struct vrv_http_opts){ .clock = vrv_clock_real(), .thread = true,
        .at_once = { [VRV_STORE_READ] = READS, [VRV_STORE_UPLOAD] = UPLOADS,
            [VRV_STORE_HOUSEKEEPING] = HOUSEKEEPINGS },
        .connect_ms = CONNECT_MS, .stall_ms = STALL_MS, .text_max = TEXT_MAX,
        .ca_file = given(c->tier_store_ca_file), .cert_file = given(c->tier_store_cert_file),
        .key_file = given(c->tier_store_key_file), .proxy = given(c->tier_store_proxy) };
}

static int
open_s3(struct vrv_store **out, const struct vrv_config *c, struct vrv_err *e)
{
    struct vrv_store_s3_opts o = { .url = c->tier_store_url, .endpoint = given(c->tier_s3_endpoint),
        .region = given(c->tier_s3_region), .path_style = c->tier_s3_path_style,
        .credentials = given(c->tier_s3_credentials),
        .storage_class = given(c->tier_s3_storage_class), .sse = given(c->tier_s3_sse),
        .sse_kms_key = given(c->tier_s3_sse_kms_key), .tags = given(c->tier_s3_tags),
        .http = http_opts(c) };

    return vrv_store_s3(out, &o, e);
}

static int
open_hdfs(struct vrv_store **out, const struct vrv_config *c, struct vrv_err *e)
{
    struct vrv_store_hdfs_opts o = { .url = c->tier_store_url, .user = given(c->tier_hdfs_user),
        .token_file = given(c->tier_hdfs_token_file), .http = http_opts(c) };
    int rc = vrv_random(&o.random, sizeof(o.random), e);

    o.http.negotiate = c->tier_hdfs_negotiate;
    if (rc == 0)
        rc = vrv_store_hdfs(out, &o, e);
    return rc < 0 ? vrv_err_prefix(e, rc, "tier.store.url=%.100s", c->tier_store_url) : 0;
}

int
vrv_coldstore_open(struct vrv_store **out, struct vrv_vfs **vfs, const struct vrv_config *config,
    bool create, struct vrv_err *e)
{
    const char *url = config->tier_store_url;

    *out = NULL;
    *vfs = NULL;
    if (begins(url, "file:///"))
        return open_dir(out, vfs, url + strlen("file://"), create, e);
    if (begins(url, "s3://"))
        return open_s3(out, config, e);
    if (begins(url, "hdfs://") || begins(url, "swebhdfs://"))
        return open_hdfs(out, config, e);
    return vrv_err_set(e, VRV_E_INVALID,
        "tier.store.url=%.100s: expected file:// and the path of a "
        "directory, s3://BUCKET/PREFIX or hdfs://HOST:PORT/DIRECTORY",
        url);
}

int
vrv_coldstore_look(struct vrv_store *s, enum vrv_store_op op, int64_t ms, struct vrv_err *e)
{
    static const char *const none = "none";
    struct vrv_clock *clock = vrv_clock_real();
    struct vrv_cq cq;
    struct vrv_store_call c = { .done = { .cq = &cq }, .op = op, .lane = VRV_STORE_READ,
        .deadline_ns = clock->mono_ns(clock) + ms * 1000000, .key = "", .keys = &none, .max = 1 };

    int rc = vrv_cq_init(&cq, 0);
    if (rc < 0)
        return vrv_err_set(e, rc, "no queue for the store's answers");
    vrv_store_submit(s, &c);
    (void)vrv_cq_take(&cq, -1);
    vrv_cq_fini(&cq);
    if (op == VRV_STORE_LIST)
        vrv_store_names_free(&c);
    if (c.status < 0)
        *e = c.err;
    return c.status;
}
