/*
 * Connections under any sequence of bytes, cuts, answers, time and breaking sockets.
 *
 * The input is a list of steps for three connections over little memory: the first byte of a step
 * says for which connection and what, the next ones how much.  Whatever happens, a peer gets the
 * answers to what was taken of its bytes, in order, and nothing else; and in the end all is given
 * back (netsim_fini).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "server/base/diag.h"
#include "t/fuzz/peak.h"
#include "t/lib/netsim.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { CONNS = 3, KIB = 1024, OWN_MAX = 2 * 1024 * KIB };

struct input {
    const uint8_t *p;
    size_t n;
};

static uint8_t
next(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static void
raw_bytes(struct input *in, struct simconn *s)
{
    size_t k = next(in);

    if (k > in->n)
        k = in->n;
    netsim_bytes(s, in->p, k);
    in->p += k;
    in->n -= k;
}

/* Large frames are rare: each takes its size. */
static void
whole_frame(struct input *in, struct simconn *s)
{
    uint8_t letter = next(in), size = next(in);
    size_t k = size < 0xf0 ? size + 1u : (size_t)(size - 0xef) * 4 * KIB;

    netsim_frame(s, "eplnxcm"[letter % 7], k);
}

static void
step(struct input *in, struct netsim *n)
{
    uint8_t op = next(in);
    struct simconn *s = n->conn[op % CONNS];

    switch (op / CONNS % 9) {
    case 0:
        raw_bytes(in, s);
        break;
    case 1:
        whole_frame(in, s);
        break;
    case 2:
        s->cut = next(in) * 16u; /* 0: no more cuts */
        break;
    case 3:
        (void)netsim_answer(s, next(in));
        break;
    case 4:
        s->window = next(in) * 8u;
        break;
    case 5:
        netsim_pass(n, next(in));
        break;
    case 6:
        s->ended = true;
        break;
    case 7:
        s->error = next(in) == 0 ? ECONNRESET : 0;
        break;
    default:
        netsim_run(n);
    }
}

static void
check(const struct simconn *s)
{
    VRV_ASSERT(s->out_n <= s->want_n);
    VRV_ASSERT(s->out_n == 0 || memcmp(s->out, s->want, s->out_n) == 0);
    VRV_ASSERT(s->freed <= 1 && s->closed <= 1);
}

static void
drop_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    (void)line;
    (void)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct netsim *sim = calloc(1, sizeof(*sim));
    struct vrv_net_opts o;
    struct input in = { p, n };

    VRV_ASSERT(sim != NULL);
    vrv_diag_to(drop_line, NULL, NULL);
    vrv_net_opts_default(&o);
    o.frame_max = 70 * KIB;
    o.header_ms = o.body_ms = 200;
    o.idle_ms = 2000;
    o.conn_request_bytes = 8 * KIB;
    o.conn_calls = 20;
    o.conn_unsent_bytes = 8 * KIB;
    o.request_bytes_max = 100 * KIB;
    o.unsent_bytes_max = 20 * KIB;
    o.send_portion = 3000;
    peak_start();
    netsim_init(sim, &o, 3 * VRV_SLAB_BYTES);
    for (int i = 0; i < CONNS; i++)
        (void)netsim_open(sim, i);
    while (in.n > 0)
        step(&in, sim);
    netsim_run(sim);
    for (int i = 0; i < CONNS; i++)
        check(sim->conn[i]);
    VRV_ASSERT(atomic_load(&sim->pool.used) <= sim->pool.budget);
    netsim_fini(sim);
    /* Two bytes of input make a frame of up to 64 KiB, which is sent, kept, answered, got. */
    peak_check(n / 3 * 8 * 64 * KIB + OWN_MAX);
    free(sim);
    return 0;
}
