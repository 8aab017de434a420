/*
 * Where the network meets the handlers: frames become requests, connections become clients.
 */
#ifndef VRV_MAIN_SERVE_H
#define VRV_MAIN_SERVE_H

#include "server/api/broker.h"
#include "server/net/net.h"

/* What net's options are to have as `ops`; `ctx` is the broker. */
extern const struct vrv_net_ops vrv_serve_ops;

#endif
