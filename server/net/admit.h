/*
 * Who may connect: so many connections, so many of one address, so many new ones of it in a second.
 *
 * An IPv6 client has a whole /64 to choose addresses from, so that counts as one.  Loopback is an
 * address like others; unix sockets (address zero) have none.  What is remembered of an address
 * goes a second after its last connection.
 *
 * Threads: one at a time.
 */
#ifndef VRV_NET_ADMIT_H
#define VRV_NET_ADMIT_H

#include <stdint.h>

#include "engine/base/list.h"
#include "engine/base/omap.h"
#include "server/net/net.h"

struct vrv_admit {
    unsigned n;
    struct vrv_omap by_address;
    struct vrv_list idle; /* those without connections, longest first */
};

enum vrv_admit_answer { VRV_ADMIT_YES, VRV_ADMIT_TOTAL, VRV_ADMIT_ADDRESS, VRV_ADMIT_RATE };

void vrv_admit_init(struct vrv_admit *a);
void vrv_admit_fini(struct vrv_admit *a);
/* A new connection; counted when the answer is YES.  The limits may be others each time: those who
 * are there stay. */
enum vrv_admit_answer vrv_admit_ask(struct vrv_admit *a, const struct vrv_net_limits *l,
    const uint8_t address[16], int64_t now_ns);
/* One that was admitted has ended. */
void vrv_admit_end(struct vrv_admit *a, const uint8_t address[16], int64_t now_ns);

#endif
