/*
 * A name server for programs that link this: getaddrinfo(), also libcurl's, knows one name more than libc.
 * Addresses are 127.0.0.<host>.
 *
 * Threads: any; libcurl asks on one of its own, in its own time.
 */
#ifndef VRV_T_NAMES_H
#define VRV_T_NAMES_H

#define NAMES_STORE "store.test"

/* It leads there from now on; 0: nowhere. */
void names_lead(unsigned host);
/* How often it was asked for. */
unsigned names_asked(void);

#endif
