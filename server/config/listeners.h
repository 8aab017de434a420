/*
 * Addresses: NAME://host:port, NAME://[v6]:port, NAME://unix:/path; a list of them with commas.
 * Nothing is looked up: a host is text.
 */
#ifndef VRV_CONFIG_LISTENERS_H
#define VRV_CONFIG_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum { VRV_LISTENERS_MAX = 16, VRV_LISTENER_NAME = 64, VRV_LISTENER_HOST = 256 };

struct vrv_listener {
    char name[VRV_LISTENER_NAME]; /* "" for admin.listeners */
    char host[VRV_LISTENER_HOST]; /* without brackets; "": all addresses; or a socket's path */
    uint16_t port;                /* 0: any that is free */
    bool is_unix;
    char advertised_host[VRV_LISTENER_HOST]; /* what clients are told; port 0: the one it has */
    uint16_t advertised_port;
};

struct vrv_listeners {
    struct vrv_listener v[VRV_LISTENERS_MAX];
    size_t n;
};

/* A list as in `listeners` (named), or host:port as in admin.listeners.  INVALID says which one is
 * wrong, and how they look; two of one name or address are. */
int vrv_listeners_parse(struct vrv_listeners *l, const char *text, bool named, struct vrv_err *e)
    VRV_MUST_CHECK;
/* Set what is advertised by advertised.listeners (NULL: by default).  without: names that it may
 * have though no listener has.  machine: the name to tell in the place of all addresses.  INVALID. */
int vrv_listeners_advertise(struct vrv_listeners *l, const char *text, const char *without,
    const char *machine, struct vrv_err *e) VRV_MUST_CHECK;
/* Take those out whose names are in a list. */
void vrv_listeners_remove(struct vrv_listeners *l, const char *names);
/* NULL when none has it. */
struct vrv_listener *vrv_listeners_find(struct vrv_listeners *l, const char *name, size_t n);

/* Can only this machine reach it?  (No name but localhost is known to be so.) */
bool vrv_listener_is_local(const struct vrv_listener *l);

/* max.connections.per.ip.overrides: one address's limit. */
struct vrv_ip_limit {
    char address[VRV_LISTENER_HOST];
    int32_t max;
};
/* All of them (malloc'd).  INVALID: names of hosts are, too. */
int vrv_ip_limits_parse(struct vrv_ip_limit **out, size_t *n, const char *text, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
