/*
 * The HTTP port: a few paths, GET and HEAD, for scrapers, orchestrators and people.
 *
 * Everything is bounded: connections, heads, and the time that each step may take, so that it
 * needs little however it is treated; what it serves is made in memory by the function that is
 * given, on the port's own thread.  When all places are taken, the idle client that came first makes
 * room.
 *
 * Threads: its own; the rest any one.
 */
#ifndef VRV_STAT_WEB_H
#define VRV_STAT_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/os/clock.h"
#include "server/stat/text.h"

#define VRV_WEB_TEXT "text/plain; charset=utf-8"

struct vrv_web;

/* It begins as 404, of type VRV_WEB_TEXT, without a body. */
struct vrv_web_answer {
    int status;           /* 200, 404, 503 */
    const char *type;
    struct vrv_text body;
};
typedef void vrv_web_fn(void *ctx, const char *path, struct vrv_web_answer *a);

enum { VRV_WEB_CONNS_MAX = 256 };

struct vrv_web_opts {
    const char *const *listener; /* as net.h has them */
    unsigned listener_n;
    bool loopback_only;
    struct vrv_clock *clock;     /* borrowed */
    vrv_web_fn *answer;
    void *ctx;
    unsigned conns;              /* at the same time, at most VRV_WEB_CONNS_MAX */
    int64_t head_ms;             /* for a request, from its first byte */
    int64_t idle_ms;             /* for the next one */
    int64_t send_ms;             /* to take an answer */
};
void vrv_web_opts_default(struct vrv_web_opts *o);

/* Bind, and serve.  Errors: those of vrv_net_start. */
int vrv_web_start(struct vrv_web **out, const struct vrv_web_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* NULL is fine; clears it. */
void vrv_web_stop(struct vrv_web **h);
/* Where listener i was bound: "127.0.0.1:9644". */
const char *vrv_web_bound(const struct vrv_web *h, unsigned i);

#endif
