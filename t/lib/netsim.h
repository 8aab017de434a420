/*
 * Connections without a kernel: sockets that give and take as many bytes as a test says, a clock
 * that it moves, and a handler whose answers the first byte of each frame chooses.
 *
 *   e  echo at once               p  pending: answered when the test says so
 *   l  LATER while another call is under way, then echo
 *   n  no answer, ever: done at once                x  can't be handled
 *   c  echo, and close            m  echo, and be muted for a second
 *
 * An answer is a frame with the bytes of the request.  Threads: one.
 */
#ifndef VRV_T_NETSIM_H
#define VRV_T_NETSIM_H

#include "server/net/net_int.h"
#include "t/lib/simclock.h"

enum { NETSIM_CONNS = 8 };

struct netsim;

struct simcall {
    struct vrv_call call;
    struct simconn *s;
    struct simcall *next; /* pending ones, oldest first */
    uint8_t first;
};

struct simconn {
    struct vrv_conn c;
    struct netsim *net;
    /* the test's side of the socket */
    uint8_t *in;         /* sent by the peer, */
    size_t in_n, in_pos; /* and how far it was received */
    size_t cut;          /* at most so many bytes at once; 0: any */
    bool ended;          /* the peer sends no more */
    int error;           /* what the socket says instead, when not 0 */
    uint8_t *out;        /* what the peer got */
    size_t out_n, out_cap;
    size_t window;       /* bytes that the socket still takes */
    int writes;          /* calls of send */
    bool finished;       /* the peer was told that it gets no more */
    bool reset;          /* it was closed with bytes in it: the peer may have lost answers */
    /* the handler's */
    struct simcall *pending;
    uint8_t *want;       /* all answers to what was taken, in order */
    size_t want_n, want_cap;
    bool told_ended;
    int frames, later, closed, freed, copied; /* copied: frames without a slab */
    bool gone;           /* all is over; in and out are still the test's */
};

struct netsim {
    struct vrv_net_env env;
    struct vrv_reactor r;
    struct simclock clock;
    struct vrv_slab_pool pool;
    struct simconn *conn[NETSIM_CONNS];
    int calls;           /* of handlers, not sent yet */
    bool refuse;         /* new connections */
    struct vrv_job *jobs; /* for a thread that may wait, oldest first; they are done at once, */
    bool jobs_wait;      /* or when the test says so */
};

/* Default limits, where o is NULL; pool, clock and ops are the simulation's. */
void netsim_init(struct netsim *n, const struct vrv_net_opts *o, size_t pool_bytes);
/* Kills what is still there, answers what is pending. */
void netsim_fini(struct netsim *n);

struct simconn *netsim_open(struct netsim *n, int i);
/* The peer sends bytes, or a frame of n bytes that begins so and goes on with '.'. */
void netsim_bytes(struct simconn *s, const void *p, size_t n);
void netsim_frame(struct simconn *s, char first, size_t n);
/* Everything that can happen, happens. */
void netsim_run(struct netsim *n);
/* The same, and time passes. */
void netsim_pass(struct netsim *n, int64_t ms);
/* Answer the i-th oldest pending call; false: there is none. */
bool netsim_answer(struct simconn *s, int i);
/* Do the oldest job; false: there is none. */
bool netsim_job(struct netsim *n);
/* The first bytes of the answers that the peer got, as a string; "!" at its end: part of one. */
const char *netsim_got(const struct simconn *s);

#endif
