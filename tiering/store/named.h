/*
 * A store by its URL, whatever kind it is, with the limits that suit a server.
 *
 * Threads: one.
 */
#ifndef VRV_STORE_NAMED_H
#define VRV_STORE_NAMED_H

#include "tiering/store/store.h"

/* NULL or empty: the default of its kind (s3.h, hdfs.h, http.h say which). */
struct vrv_store_named {
    const char *url;  /* file:///DIRECTORY, s3://BUCKET/PREFIX, hdfs://HOST:PORT/DIRECTORY;
                       * swebhdfs:// is that over TLS */
    bool create;      /* a directory that isn't there is made */
    bool waits;       /* ... and one that can't be opened now is when it can, by the first call for
                       * which it can */
    const char *ca_file, *cert_file, *key_file, *proxy, *proxy_credentials;
    int64_t stall_ms; /* of a request over a network (http.h); 0: that of a server */
    const char *s3_endpoint, *s3_region, *s3_credentials;
    const char *s3_storage_class, *s3_sse, *s3_sse_kms_key, *s3_tags;
    bool s3_path_style;
    const char *hdfs_user, *hdfs_token_file;
    bool hdfs_negotiate;
};

/* Errors: what is wrong with the settings, or a directory that can't be opened; nobody else is asked yet. */
int vrv_store_named(struct vrv_store **out, const struct vrv_store_named *n, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
