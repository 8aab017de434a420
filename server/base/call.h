/*
 * A request on its way through the server: between whom its bytes came from and who answers it.
 *
 * Embedded in what describes the request.  The network room fills it when the request is taken; the
 * one who handles it completes `out` and says vrv_call_done, once, on the thread of the reactor
 * that owns the connection (`cq` is how to get there).  Then it belongs to the network again, until
 * its ops' sent(); where the connection has gone meanwhile that is called at once, so nobody looks
 * at a call after vrv_call_done.
 */
#ifndef VRV_SERVER_CALL_H
#define VRV_SERVER_CALL_H

#include <stdbool.h>

#include "engine/base/list.h"
#include "engine/os/cq.h"
#include "server/base/out.h"

struct vrv_conn;

struct vrv_call {
    /* the network's */
    struct vrv_list link;  /* of the connection's calls, in order of arrival */
    struct vrv_conn *conn;
    struct vrv_cq *cq;     /* what is posted here runs on the connection's reactor */
    void (*done)(struct vrv_call *call);
    /* Is more memory in unsent answers than should be?  Any thread, until it is done; NULL: never. */
    bool (*crowded)(const struct vrv_call *call);
    bool answered;
    size_t bytes; /* of the request */
    /* When its last byte was here, and when it was taken: monotonic, of the reactor's turn. */
    int64_t arrived_ns, taken_ns;
    size_t held;  /* of memory, by the answer and what is kept with it */
    /* the answer, the handler's until vrv_call_done */
    struct vrv_out out;    /* empty: none is sent */
    size_t kept;           /* bytes besides that stay until it is sent */
    bool close;            /* the connection ends behind it, */
    const char *reason;    /* and this is said about it, in one line; NULL: nothing.  Kept until sent */
    int64_t mute_until_ns; /* until then (monotonic) nothing more is taken from the connection */
};

static inline void
vrv_call_done(struct vrv_call *call)
{
    call->done(call);
}

#endif
