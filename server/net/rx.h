/*
 * Receiving frames: where the next bytes go, and which frames are there.  No sockets, no threads.
 *
 * A frame is a length (4 bytes, big-endian) and that many bytes.  Frames are received in place: a
 * read goes to the end of the reactor's current slab, and what a handler keeps of it stays there.
 *
 *   NONE ──_room──► SLAB, open: at the end of the current slab, nothing is behind it
 *     ▲               │ _rest
 *     ├── all taken ──┤
 *     │               ├──► STASH: few bytes of a frame; copied out, so that they hold no slab
 *     │               └──► SLAB: memory of its own, in place if there is room, for what is known of
 *     │                    the frame; or frames that wait to be taken
 *     └── all taken ── RESERVE: no slab can be had; the reactor's own few bytes, until _rest
 *
 * Of a frame that is waiting for memory at most one slab's worth is there, outside of slabs: else
 * frames that wait could hold what each of them waits for.
 *
 * NET-3: memory follows bytes that have arrived, not the length that a client claims: VRV_RX_SMALL
 * bytes of a frame must be there before it gets more than that, then it gets up to VRV_RX_WHOLE,
 * from there on twice what is there.
 */
#ifndef VRV_NET_RX_H
#define VRV_NET_RX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/base/err.h"
#include "engine/tail/slab.h"
#include "server/net/net.h"

enum { VRV_RX_PREFIX = 4, VRV_RX_SMALL = 16 * 1024, VRV_RX_WHOLE = 1024 * 1024 };

/* Bytes of requests in memory, of all reactors. */
struct vrv_rxtotal {
    _Atomic size_t admitted; /* they have all that they need for now, or are in service */
    _Atomic size_t loose;    /* and these have not */
    size_t max;              /* with so much admitted, only small frames are received */
};

/* Memory of one reactor for this. */
struct vrv_rxmem {
    struct vrv_slab_pool *pool;
    uint32_t frame_max;
    struct vrv_rxtotal *total;
    struct vrv_slab *cur;  /* all connections of the reactor read to its end, or NULL */
    size_t fill;           /* where that is */
    uint8_t reserve[VRV_RX_SMALL];
};

enum vrv_rx_where { VRV_RX_NONE, VRV_RX_STASH, VRV_RX_SLAB, VRV_RX_RESERVE };

/* Of one connection. */
struct vrv_rx {
    enum vrv_rx_where where;
    bool open;             /* SLAB: at the end of the current one */
    uint8_t *p;            /* what has arrived and was not taken */
    size_t have, room;     /* bytes of that, and room behind them */
    struct vrv_slab *slab; /* SLAB: a reference */
    uint8_t *stash;        /* STASH: the block that p lies in */
    size_t counted;        /* bytes in the total: */
    bool admitted;         /* in which one */
    size_t last;           /* bytes of the newest frame: a guess at the next */
};

void vrv_rxmem_init(struct vrv_rxmem *m, struct vrv_slab_pool *pool, uint32_t frame_max,
    struct vrv_rxtotal *total);
void vrv_rxmem_fini(struct vrv_rxmem *m);

/* Where the next bytes go, and how many at most (at least one).  AGAIN: there is no memory. */
int vrv_rx_room(struct vrv_rx *rx, struct vrv_rxmem *m, uint8_t **p, size_t *n) VRV_MUST_CHECK;
void vrv_rx_got(struct vrv_rx *rx, size_t n);
/* Look at the next frame: 1, or 0 when it is not all there; it stays until it is taken.  INVALID,
 * TOO_LARGE: these bytes are no frame, and only _clear may follow. */
int vrv_rx_frame(const struct vrv_rx *rx, const struct vrv_rxmem *m, struct vrv_frame *f,
    struct vrv_err *e) VRV_MUST_CHECK;
void vrv_rx_take(struct vrv_rx *rx);
/* All that can be taken now was: put the rest away.  Needed after each _room. */
void vrv_rx_rest(struct vrv_rx *rx, struct vrv_rxmem *m);
/* Forget what is there. */
void vrv_rx_clear(struct vrv_rx *rx, struct vrv_rxmem *m);

#endif
