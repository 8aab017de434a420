/*
 * One connection of the HTTP port, without its socket: bytes in, bytes out.
 *
 *   read into `in` ─► vrv__web_step ─► `out` is sent ─► vrv__web_step ...
 *
 * One request is answered at a time; the next one waits in `in`.
 */
#ifndef VRV_STAT_WEB_CONN_H
#define VRV_STAT_WEB_CONN_H

#include "server/stat/web.h"
#include "server/stat/web_parse.h"

struct vrv_web_conn {
    char in[VRV_WEB_HEAD_MAX];
    size_t in_n;
    struct vrv_text out;
    size_t sent;  /* of it */
    bool ends;    /* behind what is in out */
};

void vrv__web_conn_fini(struct vrv_web_conn *c);
/* Answer what is there, if all before it is sent.  True: there is something to send. */
bool vrv__web_step(struct vrv_web_conn *c, vrv_web_fn *fn, void *ctx);

#endif
