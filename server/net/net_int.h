/* Shared inside server/net. */
#ifndef VRV_NET_INT_H
#define VRV_NET_INT_H

#include <sys/uio.h>

#include "engine/base/list.h"
#include "server/net/net.h"
#include "server/net/rx.h"

enum { VRV_CONN_MAGIC = 0x636f6e6e, VRV_REACTOR_MAGIC = 0x72656163 };

/* What all connections share. */
struct vrv_net_env {
    struct vrv_net_opts o;
    struct vrv_rxtotal requests;
    _Atomic size_t unsent;
};

/* The options, and what follows from them. */
void vrv__net_env_init(struct vrv_net_env *env, const struct vrv_net_opts *o);

#define VRV_COUNT(r, name, k)                                                                      \
    ((void)atomic_fetch_add_explicit(&(r)->counters.name, (uint64_t)(k), memory_order_relaxed))

/* The way to a socket; results below zero are a negated errno.  sock.c has the real one, a test one
 * without a kernel. */
/* END: the peer has sent its last byte, where IN isn't asked for. */
enum { VRV_SOCK_IN = 1, VRV_SOCK_OUT = 2, VRV_SOCK_END = 4 };

struct vrv_sock_ops {
    ssize_t (*recv)(struct vrv_conn *c, void *p, size_t n);
    ssize_t (*send)(struct vrv_conn *c, const struct iovec *iov, int n, bool more);
    ssize_t (*sendfile)(struct vrv_conn *c, int fd, uint64_t pos, size_t n);
    void (*watch)(struct vrv_conn *c, unsigned events);
    void (*finish)(struct vrv_conn *c); /* nothing more will be sent */
    void (*close)(struct vrv_conn *c);
    /* Nothing of it is under way any more: free it. */
    void (*gone)(struct vrv_conn *c);
};

/* One thread's share.  All but cq, counters and load is that thread's. */
struct vrv_reactor {
    uint32_t magic;
    struct vrv_net_env *env;
    struct vrv_cq cq;
    int64_t now;              /* of this turn */
    struct vrv_heap timers;
    struct vrv_rxmem mem;
    struct vrv_list conns;    /* those that are not DEAD */
    struct vrv_list to_serve; /* frames may be taken that could not be before */
    struct vrv_list to_send;
    struct vrv_list starved;  /* they wait for memory */
    struct vrv_net_timer retry;
    bool draining;            /* new connections are closed, too */
    struct vrv_net_counters counters;
    _Atomic unsigned load;    /* connections, also those on their way here */
};

int vrv__reactor_init(struct vrv_reactor *r, struct vrv_net_env *env, bool with_fd);
void vrv__reactor_fini(struct vrv_reactor *r);
/* All that is to do but for sockets' events; true: more is to do at once. */
bool vrv__reactor_turn(struct vrv_reactor *r);
void vrv__reactor_clock(struct vrv_reactor *r);
/* How long to wait for events from r->now on: ms, -1: for ever. */
int vrv__reactor_wait_ms(const struct vrv_reactor *r);
void vrv__reactor_drain(struct vrv_reactor *r); /* finish all connections */
void vrv__reactor_kill(struct vrv_reactor *r);  /* end them */

enum vrv_conn_state { VRV_CONN_NEW, VRV_CONN_OPEN, VRV_CONN_LAST, VRV_CONN_LINGER, VRV_CONN_DEAD };
/* What of a frame is there. */
enum vrv_conn_part { VRV_PART_NONE, VRV_PART_LENGTH, VRV_PART_BODY };
/* Why no frames are taken. */
enum vrv_conn_held { VRV_HELD_NOT, VRV_HELD_LATER, VRV_HELD_MUTED, VRV_HELD_REQUESTS,
    VRV_HELD_UNSENT, VRV_HELD_ENDS };

/* How far the first answer is sent. */
struct vrv_sent {
    size_t own;       /* bytes of its own */
    uint32_t slice;   /* slices, */
    size_t in_slice;  /* and bytes of the next one */
};

/* Bytes of a file, read into memory on another thread. */
struct vrv_load {
    struct vrv_job job;
    bool under_way;        /* all but this is the other thread's */
    struct vrv_seg *seg;   /* a reference, or NULL */
    uint64_t pos;
    size_t wanted, n;      /* how many were to be read, and were */
    struct vrv_slab *slab; /* or NULL */
};

struct vrv_conn {
    uint32_t magic;
    enum vrv_conn_state state;
    struct vrv_done done;     /* on its way to its reactor, and back to the acceptor */
    struct vrv_reactor *r;
    const struct vrv_sock_ops *sock;
    int fd;
    struct vrv_peer peer;
    void *user;
    unsigned busy;            /* in use further up the stack: not freed yet */
    struct vrv_list all;      /* of the reactor's conns, */
    struct vrv_list serving, sending, starving; /* and of its other lists */
    /* receiving */
    struct vrv_rx rx;
    bool waiting;             /* a whole frame is there that could not be taken */
    bool later;               /* it was refused, until no call is under way */
    bool ends;                /* a call asked for that: no more frames */
    bool ended;               /* the peer sends no more */
    bool told;                /* ops know that nothing more comes */
    enum vrv_conn_held held;
    enum vrv_conn_part part;
    int64_t part_ns;          /* since when that is so, or when this time of it began */
    size_t part_got;          /* bytes since then */
    size_t taking;            /* bytes of the frame that ops->frame looks at, 0: none */
    /* calls */
    struct vrv_list calls;    /* in order of arrival, until sent */
    unsigned call_n, undone;
    size_t request_bytes;     /* of those that are not done */
    int64_t mute_until_ns;
    /* sending */
    struct vrv_sent sent;
    struct vrv_load load;     /* of the file that is being sent */
    size_t unsent;            /* memory that answers hold */
    bool blocked;             /* the socket takes no more for now */
    bool answered;            /* some bytes were sent */
    int64_t linger_until_ns;
    size_t linger_left;       /* bytes that may still come then */
    unsigned watched;         /* VRV_SOCK_* */
    int64_t active_ns;        /* when a byte last moved */
    int64_t received_ns;      /* and when one came: all frames that wait were whole by then */
    struct vrv_net_timer timer;
};

/* On the reactor's thread: a connection with r, sock, fd and peer set begins. */
void vrv__conn_begin(struct vrv_conn *c);
/* What the socket says: it can be read, nothing more comes behind what is in it, it can be written,
 * is gone. */
void vrv__conn_in(struct vrv_conn *c);
void vrv__conn_ended(struct vrv_conn *c);
void vrv__conn_out(struct vrv_conn *c);
void vrv__conn_gone(struct vrv_conn *c);
/* From the reactor's lists. */
void vrv__conn_serve(struct vrv_conn *c);
void vrv__conn_fed(struct vrv_conn *c); /* there may be memory again */
void vrv__conn_finish(struct vrv_conn *c);
/* All answers are sent: the connection ends as soon as the peer has them. */
void vrv__conn_close(struct vrv_conn *c);
/* Ends it at once.  why NULL: nobody need be told. */
void vrv__conn_kill(struct vrv_conn *c, const char *why);
/* Between these, c stays, whatever happens to it. */
void vrv__conn_hold(struct vrv_conn *c);
void vrv__conn_release(struct vrv_conn *c);
/* After anything changed: what to wait for, and until when. */
void vrv__conn_settle(struct vrv_conn *c);
/* conn_send.c */
void vrv__conn_send(struct vrv_conn *c);
/* It ends, and that is told. */
void vrv__conn_send_failed(struct vrv_conn *c);
/* conn_load.c: begin to read bytes of a file: -EINPROGRESS, and when they are there, the connection
 * goes on sending; or what is wrong. */
ssize_t vrv__load_begin(struct vrv_conn *c, const struct vrv_slice *s, uint64_t pos, size_t n);
/* The bytes at pos of the file, *n at most; NULL: they were not read. */
const uint8_t *vrv__load_at(const struct vrv_conn *c, const struct vrv_slice *s, uint64_t pos,
    size_t *n);
void vrv__load_drop(struct vrv_conn *c);
/* Memory that unsent bytes hold, more and less of it. */
void vrv__conn_holds_unsent(struct vrv_conn *c, size_t n);
void vrv__conn_lets_unsent(struct vrv_conn *c, size_t n);
/* The first call is answered and sent, or the connection is gone. */
void vrv__conn_drop(struct vrv_conn *c, struct vrv_call *call);

/* Put it into a list that it is not in. */
static inline void
vrv__list_once(struct vrv_list *head, struct vrv_list *l)
{
    if (vrv_list_empty(l))
        vrv_list_push(head, l);
}

#endif
