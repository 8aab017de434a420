/* Within the room: one request as libcurl has it. */
#ifndef VRV_STORE_HTTP_INT_H
#define VRV_STORE_HTTP_INT_H

#include <curl/curl.h>

#include "engine/base/list.h"
#include "tiering/store/http.h"

enum {
    VRV__HTTP_ANSWER_MAX = 64 * 1024, /* bytes of an answer's headers */
    VRV__HTTP_BUFFER = 128 * 1024,    /* of libcurl's, each way, while a request is under way */
};

struct vrv__xfer {
    struct vrv_list link; /* of those under way */
    const struct vrv_http_opts *opts;
    struct vrv_http_req *r;
    CURL *easy;
    struct curl_slist *headers;
    int64_t begun_ns, moved_ns; /* moved: the last byte, either way, that was noticed */
    uint64_t up, down;          /* bytes, headers included, as of then */
    uint64_t read;              /* of the body that libcurl took */
    bool heard;                 /* something of an answer to what was sent last, */
    bool headed;                /* ... all of its headers */
    bool refused;               /* we took no more of the answer: r->err says why */
    bool dropped;               /* the peer closed a kept connection; we don't send it all again */
    bool cancelled;
    char text[CURL_ERROR_SIZE]; /* what libcurl says */
};

/* Set up, but not begun.  anew: what is known of names isn't trusted.  NULL: r->status and err say why
 * not. */
struct vrv__xfer *vrv__xfer_new(const struct vrv_http_opts *o, struct vrv_http_req *r, bool anew);
/* It is in no multi handle. */
void vrv__xfer_free(struct vrv__xfer *x);
/* Bytes since the last look. */
void vrv__xfer_look(struct vrv__xfer *x, uint64_t *up, uint64_t *down);
/* libcurl is done with it: r's status, and a sentence. */
void vrv__xfer_end(struct vrv__xfer *x, CURLcode rc);
/* Why it isn't waited for any longer, if so; else 0, and *due becomes when, if that is sooner. */
int vrv__xfer_is_over(struct vrv__xfer *x, int64_t now, int64_t *due);

/* "127.0.0.1:9000", of an URL. */
void vrv__http_where(const char *url, char *out, size_t n);

#endif
