/*
 * One connection, as handlers see it: who is at the other end, and what of theirs is in service.
 *
 * Kafka serves one request of a connection at a time; a client may send the next ones meanwhile and
 * relies on their order.  Here produce requests overlap each other, since their order in each
 * partition is settled when they are appended; everything else is taken when all before it is
 * answered (API-1).
 *
 * Threads: the reactor that owns the connection.
 */
#ifndef VRV_API_CLIENT_H
#define VRV_API_CLIENT_H

#include "engine/base/list.h"
#include "server/api/broker.h"

struct vrv_request;

enum { VRV_CLIENT_TEXT = 128, VRV_PRINCIPAL_MAX = 256 };

/* Ended requests of one reactor, with their memory, for the next ones: in steady state nothing is
 * allocated, and an idle connection holds none. */
struct vrv_spares {
    struct vrv_request *first;
    unsigned n;
    size_t bytes; /* of their arenas */
};

void vrv_spares_fini(struct vrv_spares *s);

struct vrv_client {
    struct vrv_broker *broker;
    struct vrv_spares *spares;            /* of the reactor */
    const struct vrv_endpoint *endpoint;  /* the listener it came to */
    char host[VRV_CLIENT_TEXT];           /* "10.0.0.7" */
    char principal[VRV_PRINCIPAL_MAX];    /* "User:ANONYMOUS" */
    struct vrv_list requests;             /* in service */
    unsigned in_service;
    bool gone;                            /* nobody waits for answers, most likely */
    bool exclusive;                       /* one that overlaps with nothing is among them */
    bool stalled;                         /* a produce request waits for room: none may pass it */
};

void vrv_client_init(struct vrv_client *c, struct vrv_broker *b, struct vrv_spares *spares,
    const struct vrv_endpoint *endpoint, const char *host);
/* The peer sends no more, or the connection is gone: requests that wait for something end soon, and
 * the next ones don't wait.  Any number of times. */
void vrv_client_gone(struct vrv_client *c);

enum { VRV_CLIENT_TAKEN, VRV_CLIENT_LATER };

/* A frame came: *r is the request in it, or LATER: when all that is in service is answered.
 * INVALID: it makes no sense, close the connection.  The bytes are borrowed; a produce keeps a
 * reference to slab (NULL: copied).  NOMEM: there is no memory for that. */
int vrv_client_take(struct vrv_client *c, uint8_t *p, size_t n, struct vrv_slab *slab,
    struct vrv_request **r, struct vrv_err *e) VRV_MUST_CHECK;

#endif
