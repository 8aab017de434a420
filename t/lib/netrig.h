/*
 * The network on real sockets, with a handler, and clients of it.  There is one, without locks: a
 * test changes `opts` while the network is down.
 *
 * The first byte of a request says what becomes of it: e echo at once, a echo by another thread,
 * t echo by a timer, p echo when the peer sends no more, f bytes of a log, c echo and close,
 * w which reactor it is on.
 */
#ifndef VRV_T_NETRIG_H
#define VRV_T_NETRIG_H

#include "server/base/pool.h"
#include "server/net/net.h"

struct netrig {
    struct vrv_net_opts opts; /* the defaults again, after netrig_down */
    struct vrv_net *net;
    struct vrv_slab_pool slabs;
    struct vrv_pool *pool;
    struct vrv_log *log;          /* whose bytes an f gets */
    _Atomic unsigned per_address; /* the limit from now on; 0: as the options say */
    _Atomic int opened, freed, calls;
    _Atomic int local;            /* connections from this machine */
    _Atomic int accept_lines;     /* events that an accept failed */
};

extern struct netrig netrig;

/* Once for a program; events are not printed. */
void netrig_init(void);
void netrig_fini(void);
void netrig_up(const char *const *listener, unsigned n);
/* One listener, on 127.0.0.1. */
void netrig_up_one(void);
/* A test that nothing is left. */
void netrig_down(const char *what);

struct vrv_net_stats netrig_stats(void);
/* A millisecond, in a loop that looks for something. */
void netrig_wait(void);
void netrig_wait_connections(uint64_t n);

/* As connect(), to the i-th listener. */
int netrig_connect(int fd, unsigned i);
/* A new connection to it, or -1. */
int netrig_client(unsigned i);
/* A request of n bytes. */
void netrig_send(int fd, char first, size_t n);
/* The body of the next answer, on the heap; NULL: the connection was closed. */
uint8_t *netrig_take(int fd, size_t *n);
/* The next answer is this request's. */
bool netrig_echoed(int fd, char first, size_t n);
/* A short one is sent and answered. */
bool netrig_is_served(int fd);
/* It waits for that, or for a byte. */
bool netrig_is_closed(int fd);

#endif
