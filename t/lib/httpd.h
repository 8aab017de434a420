/*
 * An HTTP/1.1 server for tests, on this machine: answers as a function says, and badly where that says
 * so.
 *
 * Driven by httpd_step(), in the test's own thread, or by a thread of its own (httpd_start()).
 * Times are of the clock that it is given.  It knows nothing of bodies in chunks: our clients don't
 * send them.
 */
#ifndef VRV_T_HTTPD_H
#define VRV_T_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/os/clock.h"

struct httpd;

struct httpd_req {
    const char *method, *target; /* "PUT", "/bucket/key?x=y": as they were sent */
    const char *head;            /* the headers' lines, "\r\n" between */
    const uint8_t *body;
    size_t body_n;
    uint64_t conn;               /* which connection, and which request on it, both from 1 */
    unsigned nth;
};

/* By its name in any case: a copy, in `out`; NULL: there is none. */
const char *httpd_header(const struct httpd_req *q, const char *name, char *out, size_t n);

/* Begins as 200, with nothing, well-behaved. */
struct httpd_reply {
    int status;
    bool head;        /* of a HEAD: the length is told, and no body sent */
    char headers[2048]; /* whole lines, "name: value\r\n" */
    uint8_t *body;    /* malloc()ed; the server frees it */
    size_t body_n;
    int64_t wait_ms;  /* before the first byte; -1: for ever */
    size_t stall_at;  /* nothing comes behind so many bytes of the answer, head included */
    size_t cut_at;    /* the connection is closed behind so many */
    size_t drip;      /* so many bytes with each step; 0: as many as go */
    bool reset;       /* where it is cut: with RST */
    bool close;       /* closes behind the answer, and says so */
    bool drops;       /* closes behind the answer, and doesn't */
    bool no_length;   /* its body ends with the connection */
    bool raw;         /* the body is all that is sent: it has its own head, or none */
    bool alert;       /* instead of the answer the connection ends with a TLS alert that isn't protected */
};
void httpd_add_header(struct httpd_reply *a, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A copy of it is the body. */
void httpd_set_body(struct httpd_reply *a, const void *bytes, size_t n);

/* Called with the server locked.  It may call httpd_listen() and httpd_move(), and nothing else below. */
typedef void httpd_fn(void *ctx, const struct httpd_req *q, struct httpd_reply *a);

struct httpd_opts {
    httpd_fn *fn;
    void *ctx;
    struct vrv_clock *clock; /* borrowed */
    uint16_t port;           /* 0: any that is free */
    uint8_t host;            /* 127.0.0.<host>; 0: 1 */
    const char *cert_file, *key_file; /* NULL: no TLS */
    const char *client_ca;   /* of the certificate that clients must have; NULL: none */
    void (*tick)(void *ctx); /* with each step, locked; may be NULL */
};

/* Bails out if it can't. */
struct httpd *httpd_new(const struct httpd_opts *o);
void httpd_free(struct httpd **h);
uint16_t httpd_port(const struct httpd *h);

/* Do what can be done, waiting at most so long for it; true: something was. */
bool httpd_step(struct httpd *h, int wait_ms);
/* A thread that steps it, until httpd_free(). */
void httpd_start(struct httpd *h);
/* For who shares something with the function, while there is a thread. */
void httpd_lock(struct httpd *h);
void httpd_unlock(struct httpd *h);

/* All below may be called by any thread, unlocked. */

/* Whether anybody listens; else connections are refused.  The port stays its own. */
void httpd_listen(struct httpd *h, bool yes);
/* It listens at 127.0.0.<host> from now on, and nowhere else. */
void httpd_move(struct httpd *h, uint8_t host);
/* Close connections on which nothing is under way. */
void httpd_drop_kept(struct httpd *h);
/* Read only so many bytes of a request, then no more (hang_up: close).  SIZE_MAX: all. */
void httpd_read_only(struct httpd *h, size_t n, bool hang_up);

/* Answer what has a body as soon as its head is there, and close, as who refuses it does. */
void httpd_answer_early(struct httpd *h, bool yes);

struct httpd_stats {
    uint64_t accepted, requests;
    unsigned open;      /* connections now */
    unsigned most_open; /* ... and at any time */
    unsigned waiting;   /* answers that aren't sent whole */
};
struct httpd_stats httpd_stats(struct httpd *h);

#endif
