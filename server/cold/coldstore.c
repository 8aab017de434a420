#include "server/cold/coldstore.h"

#include "engine/os/clock.h"
#include "tiering/store/named.h"

int
vrv_coldstore_open(struct vrv_store **out, const struct vrv_config *config, bool serves,
    struct vrv_err *e)
{
    struct vrv_store_named n = { .url = config->tier_store_url, .create = serves, .waits = serves,
        .ca_file = config->tier_store_ca_file, .cert_file = config->tier_store_cert_file,
        .key_file = config->tier_store_key_file, .proxy = config->tier_store_proxy,
        .proxy_credentials = config->tier_store_proxy_credentials, .stall_ms = config->tier_store_stall_ms,
        .s3_endpoint = config->tier_s3_endpoint, .s3_region = config->tier_s3_region,
        .s3_credentials = config->tier_s3_credentials,
        .s3_storage_class = config->tier_s3_storage_class, .s3_sse = config->tier_s3_sse,
        .s3_sse_kms_key = config->tier_s3_sse_kms_key, .s3_tags = config->tier_s3_tags,
        .s3_path_style = config->tier_s3_path_style, .hdfs_user = config->tier_hdfs_user,
        .hdfs_token_file = config->tier_hdfs_token_file,
        .hdfs_negotiate = config->tier_hdfs_negotiate };

    return vrv_store_named(out, &n, e);
}

int
vrv_coldstore_look(struct vrv_store *s, int64_t ms, struct vrv_err *e)
{
    struct vrv_clock *clock = vrv_clock_real();
    struct vrv_cq cq;
    struct vrv_store_call c = { .done = { .cq = &cq }, .op = VRV_STORE_LIST, .lane = VRV_STORE_READ,
        .deadline_ns = clock->mono_ns(clock) + ms * 1000000, .key = "", .max = 1 };

    int rc = vrv_cq_init(&cq, 0);
    if (rc < 0)
        return vrv_err_set(e, rc, "no queue for the store's answers");
    vrv_store_submit(s, &c);
    (void)vrv_cq_take(&cq, -1);
    vrv_cq_fini(&cq);
    vrv_store_names_free(&c);
    if (c.status < 0)
        *e = c.err;
    return c.status;
}
