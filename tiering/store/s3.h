/*
 * A bucket of S3's, or of a server that speaks as it does, as a store.
 *
 *   submit ─► keys ─► request: sums, signature ─► HTTP ─► answer ─► the next request, or posted
 *
 * What makes it safe:
 * - A body is never without a check.  Over http its SHA-256 is signed; over https it isn't, TLS has
 *   that.  All carry x-amz-checksum-crc32c, which most stores check and keep.  One whose answers
 *   don't bring it back (Ceph) ignores it: it gets Content-MD5, too, which all check, and whose
 *   parts' MD5s make the ETag of what was uploaded in parts.  MD5 costs more than all else, so
 *   nobody else pays for it.
 * - VERIFY compares the checksum that the store keeps, or that ETag; where there is neither, it
 *   reads all.
 * - if_absent is If-None-Match: *, the one condition that all stores keep in a race.  For uploads
 *   in parts some ignore it, so it is no promise there (caps).
 * - What comes isn't believed for its status: "200" may hold an error, "404" may be a proxy's.
 * - Nothing is redirected: the sentence says where to.
 *
 * Threads: `varve-s3` does all but the transfers, which are HTTP's; without threads
 * vrv_store_step() does.
 */
#ifndef VRV_STORE_S3_H
#define VRV_STORE_S3_H

#include "tiering/store/http.h"

struct vrv_store_s3_opts {
    const char *url;             /* "s3://bucket/prefix": names begin with the prefix and a slash */
    const char *endpoint;        /* "https://host:port"; NULL: AWS's of the region */
    const char *region;          /* NULL: us-east-1 */
    bool path_style;             /* the bucket in the path; always where the host is an address */
    const char *credentials;     /* credentials.h; NULL: chain */
    const char *storage_class;   /* of what is written; NULL: the bucket's */
    const char *sse;             /* x-amz-server-side-encryption; NULL: as the bucket says */
    const char *sse_kms_key;     /* ... and its key's id; NULL: the account's */
    const char *tags;            /* "a=1&b=2"; NULL: none */
    const char *(*env)(const char *name); /* of credentials.h; NULL: the process's */
    const char *container_url;   /* of credentials.h */
    struct vrv_http_opts http;   /* with its clock, and whether there are threads */
};

/* Errors: INVALID with the setting that is wrong.  Nothing is asked of the store. */
int vrv_store_s3(struct vrv_store **out, const struct vrv_store_s3_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
