/*
 * The parts of a server, built in order and stopped in the reverse.
 *
 *   addresses free? ─► HTTP port ─► engine loaded ─► settings ─► engine runs ─► pool ─► groups
 *   ─► network: ready
 *
 * Threads: one.
 */
#ifndef VRV_MAIN_ASSEMBLE_H
#define VRV_MAIN_ASSEMBLE_H

#include "engine/os/idle.h"
#include "engine/varve.h"
#include "server/api/broker.h"
#include "server/api/cold_quota.h"
#include "server/config/store.h"
#include "server/group/coord.h"
#include "server/main/cold.h"
#include "server/main/serve.h"
#include "server/net/net.h"

struct vrv_admin;
struct vrv_stat;

struct vrv_server {
    struct vrv_config *config;       /* as it was when it started */
    struct varve *varve;
    struct varve_found found;        /* by recovery, */
    int64_t recovery_ns;             /* which took so long */
    struct vrv_server_cold cold;
    struct vrv_config_store *store;
    struct vrv_pool *pool, *large;
    struct vrv_pool *lookups;        /* in the cold tier; NULL: there is none */
    struct vrv_coord *coord;
    struct vrv_endpoint endpoint[VRV_LISTENERS_MAX];
    struct vrv_cold_quotas quotas;
    struct vrv_broker broker;
    struct vrv_serve serve;
    struct vrv_net *net;
    struct vrv_stat *stat;
    struct vrv_idle_window net_idle, pool_idle, tier_idle; /* the HTTP thread's, once it serves */
    struct vrv_admin *admin;
};

/* Everything that the configuration asks for; it is borrowed.  What fails takes down what was
 * built before.  Errors: those of varve_open and vrv_net_start. */
int vrv_server_start(struct vrv_server *s, const struct vrv_config_input *in,
    struct vrv_config *config, struct vrv_err *e) VRV_MUST_CHECK;
/* Answer what is in service, for a while, then write everything to its place. */
int vrv_server_stop(struct vrv_server *s, struct vrv_err *e);

#endif
