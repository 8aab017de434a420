/* A listener of the configuration, as the network room takes it. */
#ifndef VRV_MAIN_LISTENER_TEXT_H
#define VRV_MAIN_LISTENER_TEXT_H

#include <stdio.h>
#include <string.h>

#include "server/config/listeners.h"

enum { VRV_LISTENER_TEXT = VRV_LISTENER_NAME + VRV_LISTENER_HOST + 32 };

/* name: what it is called where it has none of its own. */
static inline void
vrv_listener_text(const struct vrv_listener *l, const char *name, char out[VRV_LISTENER_TEXT])
{
    bool v6 = strchr(l->host, ':') != NULL;

    if (l->name[0] != '\0')
        name = l->name;
    if (l->is_unix)
        (void)snprintf(out, VRV_LISTENER_TEXT, "%s://%s", name, l->host);
    else
        (void)snprintf(out, VRV_LISTENER_TEXT, v6 ? "%s://[%s]:%u" : "%s://%s:%u", name, l->host,
            l->port);
}

#endif
