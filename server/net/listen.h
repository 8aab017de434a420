/* Addresses: what a listener's text means, its sockets, what to call a peer.  The HTTP port's
 * listeners are made here, too. */
#ifndef VRV_NET_LISTEN_H
#define VRV_NET_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/base/err.h"
#include "server/net/net.h"

enum { VRV_LISTENERS = 16, VRV_LISTEN_NAME = 64, VRV_LISTEN_SOCKETS = 4 };

struct vrv_listen_text {
    char name[VRV_LISTEN_NAME];
    char host[VRV_NET_TEXT]; /* empty: all addresses; or the path of a unix socket */
    int port;
    bool is_unix;
};

/* "NAME://host:port", as net.h says.  INVALID. */
int vrv__listen_parse(const char *text, struct vrv_listen_text *t, struct vrv_err *e)
    VRV_MUST_CHECK;

struct vrv_listener {
    struct vrv_listen_text text;
    int fd[VRV_LISTEN_SOCKETS]; /* one per address of the host */
    unsigned fd_n;
    int port;                   /* that it got */
    char bound[VRV_NET_TEXT];
};

/* Errors: as vrv_net_start. */
int vrv_listener_open(struct vrv_listener *l, const char *text, const struct vrv_net_opts *o,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_listener_close(struct vrv_listener *l);

/* As the options say. */
void vrv__socket_buffers(int fd, const struct vrv_net_opts *o);

/* text, address and local of a peer. */
void vrv__peer_set(struct vrv_peer *p, const struct sockaddr_storage *sa);

#endif
