/* Parts of httpd.c. */
#ifndef VRV_T_HTTPD_INT_H
#define VRV_T_HTTPD_INT_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "t/lib/httpd.h"

enum { HTTPD_CONNS_MAX = 512, HTTPD_MS = 1000000 };

struct httpd_conn {
    int fd;
    SSL *ssl; /* NULL: none */
    uint64_t id;
    unsigned nth;
    uint8_t *in; /* of the next request, and what comes behind it */
    size_t in_n, in_cap;
    size_t head_n, body_n; /* of the request, once its head is there; head_n 0: it isn't */
    bool answering, early; /* early: the body isn't waited for */
    struct httpd_reply a;
    char *out; /* its head */
    size_t out_n, sent;
    int64_t ready_ns;
    bool over;
};

struct httpd {
    struct httpd_opts opts;
    SSL_CTX *tls;
    pthread_mutex_t lock;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    int listener; /* has the port, also while nobody listens */
    bool listens;
    uint16_t port;
    struct httpd_conn *conns[HTTPD_CONNS_MAX];
    unsigned conn_n;
    size_t read_only;
    bool hang_up, early;
    struct httpd_stats stats;
};

/* ---- httpd_conn.c ---- */

/* Both: true, if something came or went. */
bool httpd_conn_read(struct httpd *h, struct httpd_conn *c);
bool httpd_conn_send(struct httpd *h, struct httpd_conn *c);
/* Who hung up while nothing is read from it: noticed, since an answer may never be sent. */
void httpd_conn_notice_end(struct httpd_conn *c);
/* What to wait for: POLLIN, POLLOUT, or nothing. */
short httpd_conn_events(const struct httpd *h, const struct httpd_conn *c);
void httpd_conn_end_answer(struct httpd_conn *c);

#endif
