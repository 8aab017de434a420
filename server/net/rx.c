#include "server/net/rx.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/mem.h"

void
vrv_rxmem_init(struct vrv_rxmem *m, struct vrv_slab_pool *pool, uint32_t frame_max,
    struct vrv_rxtotal *total)
{
    m->pool = pool;
    m->frame_max = frame_max;
    m->total = total;
    m->cur = NULL;
    m->fill = 0;
}

void
vrv_rxmem_fini(struct vrv_rxmem *m)
{
    vrv_slab_unref(m->cur);
    m->cur = NULL;
}

static size_t
rest_of(const struct vrv_rxmem *m)
{
    return m->cur != NULL ? m->cur->size - m->fill : 0;
}

/* At least n bytes at the end of the current slab, which may become another one. */
static bool
have_rest(struct vrv_rxmem *m, size_t n)
{
    /* Nobody kept anything of it, and nobody but us can take a reference then. */
    if (m->cur != NULL && atomic_load(&m->cur->refs) == 1)
        m->fill = 0;
    if (rest_of(m) >= n)
        return true;
    struct vrv_slab *s = vrv_slab_get(m->pool, n);
    if (s == NULL)
        return false;
    vrv_slab_unref(m->cur);
    m->cur = s;
    m->fill = 0;
    return true;
}

/* n bytes for one frame: a reference to the slab around them, or NULL. */
static struct vrv_slab *
place(struct vrv_rxmem *m, size_t n, uint8_t **p)
{
    if (rest_of(m) < n) {
        struct vrv_slab *s = vrv_slab_get(m->pool, n);

        if (s == NULL)
            return NULL;
        if (s->size - n <= rest_of(m)) { /* the current one is the better one to go on with */
            *p = s->data;
            return s;
        }
        vrv_slab_unref(m->cur);
        m->cur = s;
        m->fill = 0;
    }
    *p = m->cur->data + m->fill;
    m->fill += n;
    return vrv_slab_ref(m->cur);
}

static void
count(struct vrv_rx *rx, struct vrv_rxmem *m, size_t n, bool admitted)
{
    (void)atomic_fetch_add(admitted ? &m->total->admitted : &m->total->loose, n);
    (void)atomic_fetch_sub(rx->admitted ? &m->total->admitted : &m->total->loose, rx->counted);
    rx->counted = n;
    rx->admitted = admitted;
}

/* With its length; 0: that is not known yet.  Out of range for bytes that are no frame, which
 * vrv_rx_frame says. */
static size_t
frame_bytes(const struct vrv_rx *rx)
{
    return rx->have < VRV_RX_PREFIX ? 0 : VRV_RX_PREFIX + (size_t)vrv_get_be32(rx->p);
}

/* Leave the place where the bytes are; they were copied, or taken. */
static void
leave(struct vrv_rx *rx)
{
    free(rx->stash);
    rx->stash = NULL;
    vrv_slab_unref(rx->slab);
    rx->slab = NULL;
    rx->where = VRV_RX_NONE;
    rx->open = false;
    rx->room = 0;
}

static void
move_to(struct vrv_rx *rx, uint8_t *to, enum vrv_rx_where where, struct vrv_slab *slab)
{
    if (rx->have > 0)
        memcpy(to, rx->p, rx->have);
    leave(rx);
    rx->p = to;
    rx->where = where;
    rx->slab = slab;
}

static size_t
pos_in(const struct vrv_rx *rx)
{
    return (size_t)(rx->p - rx->slab->data);
}

/* Room for the next few bytes, whatever they will be: nothing is known, or little of a frame. */
static int
open_area(struct vrv_rx *rx, struct vrv_rxmem *m)
{
    size_t frame = frame_bytes(rx), max = m->total->max;
    size_t admitted = atomic_load(&m->total->admitted);

    if (admitted + atomic_load(&m->total->loose) >= max + max / 4)
        return VRV_E_AGAIN;
    if (admitted < max && have_rest(m, VRV_RX_SMALL)) {
        size_t room = rest_of(m);

        /* What won't fit here moves later: no more of it than what it takes to be trusted. */
        if (frame > room || (frame == 0 && rx->last > room))
            room = VRV_RX_SMALL;
        move_to(rx, m->cur->data + m->fill, VRV_RX_SLAB, vrv_slab_ref(m->cur));
        rx->open = true;
        rx->room = room - rx->have;
        return 0;
    }
    if (frame > VRV_RX_SMALL)
        return VRV_E_AGAIN;
    move_to(rx, m->reserve, VRV_RX_RESERVE, NULL);
    rx->room = VRV_RX_SMALL - rx->have;
    return 0;
}

/* More room for a frame of which VRV_RX_SMALL bytes or more are there (NET-3). */
static int
grow(struct vrv_rx *rx, struct vrv_rxmem *m)
{
    size_t frame = frame_bytes(rx), want = frame;
    size_t others = atomic_load(&m->total->admitted) - (rx->admitted ? rx->counted : 0);

    VRV_ASSERT(frame > rx->have);
    if (frame > VRV_RX_WHOLE)
        want = 2 * rx->have < VRV_RX_WHOLE ? VRV_RX_WHOLE : 2 * rx->have;
    if (want > frame)
        want = frame;
    /* Who is alone may have all that a frame may have. */
    if (others > 0 && others + want > m->total->max)
        return VRV_E_AGAIN;
    if (rx->open && pos_in(rx) + want <= rx->slab->size) {
        m->fill = pos_in(rx) + want;
        rx->open = false;
    } else {
        uint8_t *to;
        struct vrv_slab *s = place(m, want, &to);

        if (s == NULL)
            return VRV_E_AGAIN;
        move_to(rx, to, VRV_RX_SLAB, s);
    }
    rx->room = want - rx->have;
    count(rx, m, want, true);
    return 0;
}

int
vrv_rx_room(struct vrv_rx *rx, struct vrv_rxmem *m, uint8_t **p, size_t *n)
{
    bool little = rx->where == VRV_RX_NONE || rx->where == VRV_RX_STASH;
    int rc = 0;

    if (little && rx->have < VRV_RX_SMALL)
        rc = open_area(rx, m);
    else if (rx->room == 0)
        rc = grow(rx, m);
    if (rc < 0)
        return rc;
    *p = rx->p + rx->have;
    *n = rx->room;
    return 0;
}

void
vrv_rx_got(struct vrv_rx *rx, size_t n)
{
    VRV_ASSERT(n <= rx->room);
    rx->have += n;
    rx->room -= n;
}

int
vrv_rx_frame(const struct vrv_rx *rx, const struct vrv_rxmem *m, struct vrv_frame *f,
    struct vrv_err *e)
{
    if (rx->have < VRV_RX_PREFIX)
        return 0;
    int32_t n = (int32_t)vrv_get_be32(rx->p);
    if (n <= 0)
        return vrv_err_set(e, VRV_E_INVALID, "a request of %d bytes", n);
    if ((uint32_t)n > m->frame_max)
        return vrv_err_set(e, VRV_E_TOO_LARGE,
            "a request of %d bytes, which is more than %u", n, m->frame_max);
    if (rx->have < frame_bytes(rx))
        return 0;
    f->bytes = rx->p + VRV_RX_PREFIX;
    f->n = (size_t)n;
    f->slab = rx->slab;
    return 1;
}

void
vrv_rx_take(struct vrv_rx *rx)
{
    rx->last = frame_bytes(rx);
    VRV_ASSERT(rx->have >= rx->last);
    rx->p += rx->last;
    rx->have -= rx->last;
}

/* Copy what is there out of the slab, or the reserve. */
static void
stash(struct vrv_rx *rx)
{
    uint8_t *block = vrv_mem_grow(NULL, rx->have);

    move_to(rx, block, VRV_RX_STASH, NULL);
    rx->stash = block;
}

void
vrv_rx_rest(struct vrv_rx *rx, struct vrv_rxmem *m)
{
    /* Few bytes must not hold a slab. */
    bool few = rx->where == VRV_RX_RESERVE ||
        (rx->where == VRV_RX_SLAB && rx->have < VRV_RX_SMALL);

    if (rx->open) { /* give back what isn't used of the current slab */
        VRV_ASSERT(rx->slab == m->cur);
        m->fill = pos_in(rx) + (few ? 0 : rx->have);
    }
    if (rx->have == 0) {
        leave(rx);
    } else if (few) {
        stash(rx);
    } else if (rx->open && frame_bytes(rx) > rx->have) {
        if (grow(rx, m) < 0) {
            m->fill = pos_in(rx);
            stash(rx);
        }
    } else if (rx->open) { /* whole frames that wait to be taken */
        rx->open = false;
        rx->room = 0;
    }
    if (rx->have == 0 || rx->where == VRV_RX_STASH || rx->room == 0)
        count(rx, m, rx->have, rx->have > 0 && rx->where == VRV_RX_SLAB);
}

void
vrv_rx_clear(struct vrv_rx *rx, struct vrv_rxmem *m)
{
    if (rx->open)
        m->fill = pos_in(rx);
    rx->have = 0;
    leave(rx);
    count(rx, m, 0, false);
}
