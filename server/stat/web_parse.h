/*
 * Heads of HTTP requests, as far as a server needs them that only answers GET and HEAD.
 *
 * Strict where leniency has hurt others: no folded lines, no blanks before a colon, no bodies.
 * What is wrong is known as soon as its line is there; the result doesn't depend on how the bytes
 * came.
 */
#ifndef VRV_STAT_WEB_PARSE_H
#define VRV_STAT_WEB_PARSE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    VRV_WEB_HEAD_MAX = 8192, /* bytes of a request's head */
    VRV_WEB_LINES_MAX = 64,  /* and lines */
    VRV_WEB_PATH_MAX = 128,  /* a longer path is none that there is */
};

struct vrv_web_request {
    bool is_head;                     /* HEAD, else GET */
    char path[VRV_WEB_PATH_MAX];     /* without what follows a '?'; empty: too long */
    bool keep_alive;                  /* the client may want to send another one */
};

/* How many bytes of p[0..n) the head takes; 0: it isn't whole; else the negated status to refuse it
 * with: 400, 405, 431. */
int vrv_web_parse(const char *p, size_t n, struct vrv_web_request *r);

#endif
