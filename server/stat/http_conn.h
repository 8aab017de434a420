/*
 * One connection of the HTTP port, without its socket: bytes in, bytes out.
 *
 *   read into `in` ─► vrv__http_step ─► `out` is sent ─► vrv__http_step ...
 *
 * One request is answered at a time; the next one waits in `in`.
 */
#ifndef VRV_STAT_HTTP_CONN_H
#define VRV_STAT_HTTP_CONN_H

#include "server/stat/http.h"
#include "server/stat/http_parse.h"

struct vrv_http_conn {
    char in[VRV_HTTP_HEAD_MAX];
    size_t in_n;
    struct vrv_text out;
    size_t sent;  /* of it */
    bool ends;    /* behind what is in out */
};

void vrv__http_conn_fini(struct vrv_http_conn *c);
/* Answer what is there, if all before it is sent.  True: there is something to send. */
bool vrv__http_step(struct vrv_http_conn *c, vrv_http_fn *fn, void *ctx);

#endif
