/*
 * A raw client of the Kafka protocol, on the tables of server/wire: requests go out whenever asked,
 * answers come in their order.  Nothing is tried again here and nothing is hidden, so that a test
 * sees what the server does.
 *
 * What the server sent and can't be read, or belongs to another request, is CORRUPT: a finding.  A
 * connection that broke, or was refused, is IO; whoever gets it connects again.
 *
 * Threads: one at a time for each client.
 */
#ifndef VRV_T_CLIENT_H
#define VRV_T_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "server/wire/apis.h"
#include "server/wire/messages.h"

struct client;

enum { CLIENT_INFLIGHT = 64 };

/* Connects to nothing yet. */
struct client *client_new(int port, const char *client_id);
void client_free(struct client **c);

/* To 127.0.0.1; what was in flight before is forgotten. */
int client_connect(struct client *c, struct vrv_err *e) VRV_MUST_CHECK;
void client_close(struct client *c);
bool client_is_connected(const struct client *c);

/* Send a request.  Errors: IO, then the connection is closed. */
int client_send(struct client *c, int16_t key, int16_t version, const void *request,
    struct vrv_err *e) VRV_MUST_CHECK;
/* Requests that wait for their answer. */
unsigned client_inflight(const struct client *c);
/* The answer to the oldest of them, which lives until the next call.  Errors: IO, CORRUPT, TIMEDOUT
 * when there is none within a minute; the connection is closed then. */
int client_receive(struct client *c, const void **response, struct vrv_err *e) VRV_MUST_CHECK;

/* Send, and receive its answer: nothing else may be in flight. */
int client_call(struct client *c, int16_t key, int16_t version, const void *request,
    const void **response, struct vrv_err *e) VRV_MUST_CHECK;

#define CLIENT_CALL(c, api, version, request, response, e)                                         \
    client_call((c), VRV_API_##api, (version), (request), (const void **)(response), (e))

#endif
