/*
 * Requests signed as AWS wants it, Signature Version 4: who sends one has the secret key, and its
 * method, path, query and headers are those that were sent; with a real hash of the payload, that
 * too.
 *
 * Pure: no state, no clock.
 */
#ifndef VRV_STORE_SIGV4_H
#define VRV_STORE_SIGV4_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct vrv_sigv4_keys {
    const char *id, *secret;
    const char *token;          /* of keys that expire; NULL: none.  It is sent as a header */
};

enum {
    VRV_SIGV4_HASH = 65,        /* a SHA-256 in hex */
    VRV_SIGV4_DATE = 17,        /* 20130524T000000Z */
    VRV_SIGV4_HEADERS_MAX = 32,
    VRV_SIGV4_QUERIES_MAX = 16,
};

struct vrv_sigv4 {
    const char *method;
    const char *path;           /* escaped as in the URL: S3's rule, which takes it as it is */
    const char *query;          /* likewise, "a=1&b", in any order; "": none */
    const char *const *headers; /* "name: value", names in lower case; all are signed, ... */
    unsigned header_n;          /* ... host and x-amz-date among them */
    const char *payload;        /* its SHA-256, or what S3 takes instead */
    const char *date;           /* as in x-amz-date */
    const char *region, *service;
};

/* "20130524T000000Z" */
void vrv_sigv4_date(char out[VRV_SIGV4_DATE], int64_t wall_ms);
void vrv_sigv4_hash(char out[VRV_SIGV4_HASH], const struct iovec *iov, int n);
/* The value of the header Authorization. */
void vrv_sigv4_sign(const struct vrv_sigv4 *r, const struct vrv_sigv4_keys *k, char *out, size_t n);

#endif
