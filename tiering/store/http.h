/*
 * HTTP for the stores that are reached by it: requests over connections that are kept, so many at a time
 * for each class, each with a deadline and a watchdog for when nothing moves.
 *
 *   submit ─► queue of its class ─► connection ─► answer ─► posted
 *
 * A request is one attempt and follows no redirection; what an answer means, its caller knows.  Only GET
 * and HEAD may be sent twice: when a connection that was kept turns out to be closed.
 *
 * Threads: any may submit and cancel; answers are posted on the request's queue.  All else is done by a
 * thread of its own, `varve-http`, or by who calls vrv_http_step(), who must ignore or block SIGPIPE.  Time
 * is the clock's, not libcurl's: so a test moves it.
 */
#ifndef VRV_STORE_HTTP_H
#define VRV_STORE_HTTP_H

#include "engine/os/clock.h"
#include "tiering/store/store.h"

struct vrv_http;

struct vrv_http_opts {
    struct vrv_clock *clock;    /* borrowed */
    bool thread;                /* else vrv_http_step() does it all */
    unsigned at_once[VRV_STORE_CLASSES]; /* requests under way */
    int64_t connect_ms;         /* to connect, TLS included */
    int64_t stall_ms;           /* no byte went or came (of headers: no line): it is given up */
    size_t text_max;            /* of an answer that isn't for a buffer */
    /* All text is copied. */
    const char *ca_file;        /* whom to trust, and nobody else; NULL: as the system does */
    const char *cert_file, *key_file; /* a client's certificate; NULL: none */
    const char *proxy;          /* NULL: as the environment says; "": none */
    const char *proxy_credentials; /* where "user:password" for it stands: engine/os/secret.h; NULL: nowhere */
    bool negotiate;             /* SPNEGO, with the credentials that the process has */
};

enum { VRV_HTTP_PEER = 64 };

struct vrv_http_req {
    /* The caller's; all that it points to stays until it is posted. */
    struct vrv_done done;
    enum vrv_store_class lane;
    int64_t deadline_ns;            /* of the monotonic clock */
    const char *method;             /* "GET" */
    const char *url;
    const char *const *headers;     /* "name: value" */
    unsigned header_n;
    bool direct;                    /* by no proxy: it is for something on this machine */
    bool has_body;                  /* with a Content-Length, also of 0; not of HEAD */
    const struct iovec *iov;        /* what is sent */
    int iov_n;
    uint64_t size;                  /* of it */
    uint8_t *buf;                   /* where the body of an answer of 2xx goes, or NULL: to the text */
    size_t cap;
    /*
     * The result:
     *   0            an answer, whole: as long as it says itself.  One that doesn't say how long it is
     *                ends with its connection, so compare
     *   UNREACHABLE  nothing of the request was sent: also when there was no connection within connect_ms
     *   UNKNOWN      it was sent, at least in part, and there is no whole answer; who only reads may take
     *                it for IO
     *   TIMEDOUT     the deadline passed, or nothing moved; `sent` says whether it may have arrived
     *   DENIED       TLS: their certificate isn't good, or ours isn't to them; or a proxy asks who we are, and
     *                isn't content
     *   CORRUPT      the answer is larger than cap, or text_max; or its headers are than 64 KiB
     *   INVALID      the URL is none
     *   CANCELLED    `sent` as above
     */
    int status;
    struct vrv_err err;             /* "127.0.0.1:9000: connection refused; ..." */
    char peer[VRV_HTTP_PEER];       /* the address that it went to last, or tried to (a proxy's, by one), in
                                     * numbers; "": none */
    bool sent;                      /* if not 0: something of the request may have left */
    int code;                       /* HTTP's status; 0: there is no whole answer */
    size_t got;                     /* bytes of the body, in buf or in the text */
    char *text;                     /* with a zero behind, or NULL; vrv_http_free().  Of an answer that
                                     * isn't 2xx the first text_max bytes */
    char *answer;                   /* the headers' lines, ended by zeros: see vrv_http_header() */
    size_t answer_n;
    /* ours */
    struct vrv_http_req *next;
    void *state;
    bool cancelled;
};

int vrv_http_open(struct vrv_http **out, const struct vrv_http_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Nothing may be under way. */
void vrv_http_close(struct vrv_http **h);

void vrv_http_submit(struct vrv_http *h, struct vrv_http_req *r);
/* Post it soon, unless it is done; r must not have been taken from its queue yet. */
void vrv_http_cancel(struct vrv_http *h, struct vrv_http_req *r);
/* Do what can be done now, waiting for at most wait_ms of real time for the network; the next time that
 * something is due (monotonic ns of the clock), or INT64_MAX.  Not with a thread. */
int64_t vrv_http_step(struct vrv_http *h, int wait_ms);

/* An answer's header, by its name in any case; NULL: it has none. */
const char *vrv_http_header(const struct vrv_http_req *r, const char *name);
/* What was kept of an answer; to be called for each that was posted. */
void vrv_http_free(struct vrv_http_req *r);

/* s, with all but letters, digits, "-._~" and what `keep` has as %XX; n is more than three times as much. */
void vrv_http_escape(char *out, size_t n, const char *s, const char *keep);

/* As of the last round; any thread. */
struct vrv_http_stats {
    uint64_t requests, connections;        /* begun; opened by those that ended */
    uint64_t sent_bytes, received_bytes;
    unsigned waiting[VRV_STORE_CLASSES], under_way[VRV_STORE_CLASSES];
};
void vrv_http_stats(struct vrv_http *h, struct vrv_http_stats *s);

#endif
