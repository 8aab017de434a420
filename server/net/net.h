/*
 * The door to sockets: listeners, connections, frames in, answers out.  What is in a frame is not
 * known here.
 *
 *   acceptor ──connection──► the reactor that has fewest
 *                               recv ─► frames ─► ops->frame ─┐ (engine, pool ...)
 *                               send ◄─ in order ◄─ vrv_call_done ◄─┘
 *
 * Threads: one acceptor, some reactors.  All ops but limits run on the reactor that owns the
 * connection, and none may block; vrv_call_done and what takes a struct vrv_conn are for that thread
 * only.  Connections live until the last call of theirs is done, so a call may always name its own.
 */
#ifndef VRV_NET_NET_H
#define VRV_NET_NET_H

#include "engine/base/err.h"
#include "engine/base/heap.h"
#include "engine/os/clock.h"
#include "engine/tail/slab.h"
#include "server/base/call.h"
#include "server/base/pool.h"

struct vrv_net;
struct vrv_conn;

enum { VRV_NET_TEXT = 128 };

/* The other end. */
struct vrv_peer {
    unsigned listener;      /* which one of the options', */
    const char *name;       /* and its name */
    bool local;             /* loopback, or a unix socket */
    char text[VRV_NET_TEXT]; /* "10.0.0.7:4711", "[::1]:4711", "unix" */
    uint8_t address[16];    /* IPv6, or IPv4 mapped into it; zero for a unix socket */
};

/* The bytes behind a frame's length.  Borrowed for the call of ops->frame: who keeps them takes a
 * reference to slab, or copies them where that is NULL (memory was short). */
struct vrv_frame {
    uint8_t *bytes;
    size_t n;
    struct vrv_slab *slab;
};

enum { VRV_NET_TAKEN, VRV_NET_LATER };

/* Who may connect. */
struct vrv_net_limits {
    unsigned total;
    unsigned per_address; /* IPv6: of a /64; unix sockets have no address */
    unsigned per_second;  /* new ones of an address; 0: any number */
};

struct vrv_net_ops {
    /* What holds for a new connection, on the acceptor's thread: *l has what the options say.  NULL
     * leaves it so. */
    void (*limits)(void *ctx, const struct vrv_peer *peer, struct vrv_net_limits *l);
    /* A connection; NULL refuses it.  peer lives as long as conn. */
    void *(*open)(void *ctx, struct vrv_conn *conn, const struct vrv_peer *peer);
    /* A request.  TAKEN: vrv_call_begin was called for it, once.  LATER: the same frame again when
     * all calls of this connection are done (there must be one); no other before it.  Negative: it
     * can't be handled, and the connection is closed when the answers before it are sent. */
    int (*frame)(void *user, struct vrv_frame *f, struct vrv_err *e);
    /* The peer sends no more, or has left: nobody can tell which; or nothing more is received, for a
     * drain.  What it sent is still served and answered, but calls need wait for nothing any more.
     * At most once; NULL: no matter. */
    void (*ended)(void *user);
    /* The connection is gone, and no frame comes any more.  Its calls must still be done, soon;
     * what they answer is dropped. */
    void (*close)(void *user);
    /* Run the job on a thread that may wait for a disk. */
    void (*block)(void *ctx, struct vrv_job *job);
    /* The call was answered, or dropped: free it, and what `out` holds.  Never within frame(). */
    void (*sent)(struct vrv_call *call);
    /* The last word of a connection that was opened: behind close(), and all sent(). */
    void (*free)(void *user);
};

struct vrv_net_opts {
    /* "NAME://host:port" each: a name or address, [IPv6], or empty for all addresses; port 0 is any
     * free one.  "NAME://PATH" with a '/' or '.' in front is a unix socket. */
    const char *const *listener;
    unsigned listener_n;
    bool loopback_only;          /* others are refused */
    int backlog;                 /* connections that wait to be accepted */
    int send_buffer, receive_buffer; /* bytes of a connection's; negative: the system decides */
    unsigned reactors;           /* 0: one per core */
    struct vrv_slab_pool *pool;  /* borrowed */
    struct vrv_clock *clock;     /* borrowed */
    const struct vrv_net_ops *ops;
    void *ctx;                   /* of ops->limits, ops->open and ops->block */
    /* limits */
    uint32_t frame_max;          /* bytes of a request; never more than half the pool */
    int64_t header_ms;           /* from the first byte of a request to the fourth */
    int64_t body_ms;             /* in each such time of the rest */
    uint32_t body_rate;          /* ... so many bytes a second must come, on average */
    int64_t idle_ms;             /* without a byte, or a request in service */
    int64_t linger_ms;           /* behind its last answer a connection is read, and what comes */
    size_t linger_bytes;         /* dropped, for so long and so much, until the peer closes, too */
    struct vrv_net_limits conns;
    size_t request_bytes_max;    /* in memory, received and not answered; above it requests of
                                  * more than 16 KiB wait.  0: a quarter of the pool */
    size_t conn_request_bytes;   /* of a connection: no more is read while there is so much, */
    unsigned conn_calls;         /* or so many */
    size_t unsent_bytes_max;     /* answers in memory, in all: above it, who has some isn't read,
                                  * and closed when it takes nothing for a while; above twice as
                                  * much nobody is read.  0: a quarter of the pool */
    size_t conn_unsent_bytes;    /* and of one connection */
    int64_t stalled_ms;          /* how long it may take nothing then */
    size_t send_portion;         /* bytes for one connection before others get their turn */
    int notsent_lowat;           /* bytes that the kernel takes ahead of the peer */
    int64_t retry_ms;            /* ask again for memory */
};

void vrv_net_opts_default(struct vrv_net_opts *o);

struct vrv_net_counters {
#define VRV_NET_COUNTER(name, text) _Atomic uint64_t name;
#include "server/net/counters.def"
};

struct vrv_net_stats {
#define VRV_NET_COUNTER(name, text) uint64_t name;
#include "server/net/counters.def"
    uint64_t connections, request_bytes, unsent_bytes; /* at the moment */
};

/* Bind, and let go again: a start that can't have its addresses should find out before it does
 * anything else.  Errors: as the next one. */
int vrv_net_check(const struct vrv_net_opts *o, struct vrv_err *e) VRV_MUST_CHECK;
/* Bind, and serve.  Errors: ADDRESS (in use, or not of this machine), INVALID (a listener that
 * makes no sense, or is not loopback), READONLY (a port or path that isn't ours), NOTFOUND (an unknown
 * host), IO. */
int vrv_net_start(struct vrv_net **out, const struct vrv_net_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Take no more connections and requests, answer those in service, for so long at most.  False: some
 * were still there.  Any one thread, as the next. */
bool vrv_net_drain(struct vrv_net *net, int64_t ms);
/* Close all connections, wait for their calls to be done, and free. */
void vrv_net_stop(struct vrv_net **net);

/* Where listener i was bound: "127.0.0.1:9092", "[::1]:9092", a path; the port, or 0. */
const char *vrv_net_bound(const struct vrv_net *net, unsigned i);
int vrv_net_port(const struct vrv_net *net, unsigned i);
void vrv_net_stats(struct vrv_net *net, struct vrv_net_stats *s); /* any thread */
unsigned vrv_net_reactors(const struct vrv_net *net);
/* How long reactor i has waited for events; any thread. */
int64_t vrv_net_idle_ns(struct vrv_net *net, unsigned i);
/* What is posted here runs on reactor i: for work that belongs to no connection. */
struct vrv_cq *vrv_net_cq(struct vrv_net *net, unsigned i);

/* In ops->frame, before it returns TAKEN: the call is all zero but for what out keeps.  It may be
 * done at once. */
void vrv_call_begin(struct vrv_conn *conn, struct vrv_call *call);
struct vrv_cq *vrv_net_reactor_cq(struct vrv_conn *conn);

/* Something that happens on the connection's reactor at some monotonic time, once; set again it
 * moves.  It doesn't hold the connection: set it while a call of that is under way. */
struct vrv_net_timer {
    struct vrv_timer t;
    void (*run)(struct vrv_net_timer *timer);
};
void vrv_net_timer(struct vrv_conn *conn, struct vrv_net_timer *timer, int64_t ns);

#endif
