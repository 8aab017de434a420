/*
 * Where the network meets the handlers: frames become requests, connections become clients.
 *
 * Threads: its lock guards which reactors there are; what belongs to one is touched by it alone.
 */
#ifndef VRV_MAIN_SERVE_H
#define VRV_MAIN_SERVE_H

#include "server/api/client.h"
#include "server/net/net.h"

enum { VRV_SERVE_REACTORS = 1024 };

struct vrv_serve {
    struct vrv_broker *broker;
    int64_t connections_max;   /* that there are descriptors for, whatever max.connections is */
    struct vrv_lock lock;
    struct {
        struct vrv_cq *cq; /* by which a reactor is known */
        struct vrv_spares spares;
    } reactor[VRV_SERVE_REACTORS];
    unsigned reactor_n;
};

void vrv_serve_init(struct vrv_serve *s, struct vrv_broker *b, int64_t connections_max);
void vrv_serve_fini(struct vrv_serve *s); /* the network is stopped */

/* What net's options are to have as `ops`; `ctx` is the struct vrv_serve. */
extern const struct vrv_net_ops vrv_serve_ops;

#endif
