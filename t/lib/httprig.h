/* A client and a server of HTTP, stepped in turns by the test, on its clock. */
#ifndef VRV_T_HTTPRIG_H
#define VRV_T_HTTPRIG_H

#include "t/lib/httpd.h"
#include "t/lib/simclock.h"
#include "tiering/store/http.h"

enum {
    HTTPRIG_CONNECT_MS = 3000,
    HTTPRIG_STALL_MS = 5000,
    HTTPRIG_DEADLINE_MS = 60000, /* of each request */
    HTTPRIG_TEXT_MAX = 4096,
    HTTPRIG_READS = 2,           /* places of each class */
    HTTPRIG_UPLOADS = 3,
    HTTPRIG_HOUSEKEEPINGS = 1,
};

struct httprig {
    struct simclock sim;
    struct vrv_cq cq;
    struct httpd_opts server_opts; /* both may be changed between _init() and _open() */
    struct vrv_http_opts opts;
    struct httpd *server;          /* may be set then, too: a borrowed one */
    struct vrv_http *http;
    bool is_borrowed;
    char url[4][256];
    unsigned url_n;
    /* of the server that says the same to all, unless server_opts.fn is another one: */
    struct httpd_reply says;       /* its body isn't copied */
    char heard[8192];              /* head of the last request */
    size_t heard_body;
};

void httprig_init(struct httprig *g);
void httprig_open(struct httprig *g);
void httprig_close(struct httprig *g);

/* From now on, all are told this; a well-behaved answer, to be spoilt in g->says. */
void httprig_say(struct httprig *g, int status, const char *body);

/* "http://127.0.0.1:<port>" and path; good until three more were asked for. */
const char *httprig_url(struct httprig *g, const char *path);
struct vrv_http_req httprig_request(struct httprig *g, const char *method, const char *url);

/* Both do something. */
void httprig_step(struct httprig *g);
/* Until the server has seen so many requests; bails out if it never does. */
void httprig_until_heard(struct httprig *g, uint64_t n);
/* Until nothing moves any more: for what must not happen. */
void httprig_settle(struct httprig *g);
/* The next one that ends; bails out if none does. */
struct vrv_http_req *httprig_take(struct httprig *g);
/* Submit it and wait for it: its status. */
int httprig_run(struct httprig *g, struct vrv_http_req *r);
/* Is this in its sentence?  Notes the sentence if not. */
bool httprig_says(const struct vrv_http_req *r, const char *what);

#endif
