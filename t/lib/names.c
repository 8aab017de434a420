#include "t/lib/names.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic unsigned leads_to, asked;

void
names_lead(unsigned host)
{
    atomic_store(&leads_to, host);
}

unsigned
names_asked(void)
{
    return atomic_load(&asked);
}

/* In place of libc's. */
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    int (*libc)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    unsigned host = atomic_load(&leads_to);
    char address[32];

    *(void **)(&libc) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node == NULL || strcmp(node, NAMES_STORE) != 0)
        return libc(node, service, hints, res);
    (void)atomic_fetch_add(&asked, 1);
    if (host == 0)
        return EAI_NONAME;
    (void)snprintf(address, sizeof(address), "127.0.0.%u", host);
    return libc(address, service, hints, res);
}
