/*
 * The handlers over an engine on the simulated disk, run step by step: requests of two connections,
 * each as its client sends it, and what has been answered so far.
 *
 * Threads: one, and the pool's, which is waited for.
 */
#ifndef VRV_T_APIRIG_H
#define VRV_T_APIRIG_H

#include "server/api/request.h"
#include "t/lib/rig.h"

enum { APIRIG_CLIENTS = 2 };

struct apirig_call;

struct apirig {
    struct rig rig;
    struct vrv_broker b; /* what a test is about is set after apirig_up */
    struct vrv_endpoint endpoint;
    struct vrv_cq cq;    /* the reactor's */
    struct vrv_spares spares;
    struct vrv_client client[APIRIG_CLIENTS];
    unsigned on;         /* whose connection what is sent takes */
    struct apirig_call *calls;
    struct vrv_arena arena; /* answers */
};

/* A request that was taken. */
struct apirig_call {
    struct vrv_request *r;
    const struct vrv_api *api;
    int16_t version;
    bool answered;
    struct apirig_call *next;
};

void apirig_init(struct apirig *a, uint64_t seed);
void apirig_fini(struct apirig *a);
/* Open the engine, and be ready for requests. */
void apirig_up(struct apirig *a);
void apirig_crash(struct apirig *a, uint64_t seed);

/* Begin a request; nothing is committed by that.  c is the rig's until it is forgotten, or the rig
 * stops. */
void apirig_send(struct apirig *a, struct apirig_call *c, int16_t key, int16_t version,
    const void *message);
/* What was posted, until nothing is left. */
void apirig_step(struct apirig *a);
/* Commit, and go on, until it is answered: the answer, which lives until the rig ends. */
const void *apirig_answer(struct apirig *a, struct apirig_call *c);
void apirig_forget(struct apirig *a, struct apirig_call *c);

#define APIRIG_SEND(a, c, api, version, message)                                                   \
    apirig_send((a), (c), VRV_API_##api, (version), (message))

#endif
