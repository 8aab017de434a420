/*
 * The HTTP port's paths: /metrics, /healthz, /readyz.
 *
 *   starting ─► serving ─► draining ─► stopping
 *
 * It is there before the data directory is opened and until that is closed, so that who asks gets an
 * answer in each of these.  The server's parts are looked at while it serves or drains only.
 *
 * Threads: one starts, moves and stops it; its own asks.
 */
#ifndef VRV_MAIN_ADMIN_H
#define VRV_MAIN_ADMIN_H

#include "engine/base/err.h"

struct vrv_admin;
struct vrv_config;
struct vrv_server;

enum vrv_phase { VRV_PHASE_STARTING, VRV_PHASE_SERVING, VRV_PHASE_DRAINING, VRV_PHASE_STOPPING };

/* Serve where admin.listeners says.  Errors: as vrv_net_start. */
int vrv_admin_start(struct vrv_admin **out, const struct vrv_config *config, struct vrv_err *e)
    VRV_MUST_CHECK;
/* What it says from now on; when this returns nobody looks at a server that was given before and
 * isn't now.  a NULL is fine. */
void vrv_admin_phase(struct vrv_admin *a, enum vrv_phase phase, struct vrv_server *s);
void vrv_admin_stop(struct vrv_admin **a); /* NULL is fine; clears it */

#endif
