/* Receiving frames over arbitrary cuts, into memory that follows what has arrived. */
#include "server/net/rx.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

enum { KIB = 1024, MIB = 1024 * 1024, PEERS = 6, KEPT = 64 };

static struct vrv_slab_pool pool;
static struct vrv_rxmem mem;
static struct vrv_rxtotal total;

static size_t
in_memory(void)
{
    return atomic_load(&total.admitted) + atomic_load(&total.loose);
}

static void
begin(size_t budget, uint32_t frame_max, size_t total_max)
{
    vrv_slab_pool_init(&pool, budget);
    total.max = total_max;
    vrv_rxmem_init(&mem, &pool, frame_max, &total);
}

static void
end(const char *what)
{
    vrv_rxmem_fini(&mem);
    OK(atomic_load(&pool.used) == 0 && in_memory() == 0, "%s: all is given back", what);
    vrv_slab_pool_fini(&pool);
}

/* Up to n bytes arrive: how many did, or an error. */
static int64_t
arrive(struct vrv_rx *rx, const uint8_t *p, size_t n)
{
    uint8_t *to;
    size_t room;
    int rc = vrv_rx_room(rx, &mem, &to, &room);

    if (rc < 0)
        return rc;
    if (n > room)
        n = room;
    memcpy(to, p, n);
    vrv_rx_got(rx, n);
    return (int64_t)n;
}

/* ---- many connections, random cuts, some frames kept ---- */

struct kept {
    struct vrv_slab *slab;
    const uint8_t *p;
    size_t n;
    uint32_t crc;
};

struct peer {
    struct vrv_rx rx;
    uint8_t *stream;        /* the frame on its way, with its length, */
    size_t n, sent;         /* and how much of it */
    uint32_t crc;
    bool later;             /* the frame there is not to be taken yet */
    int frames;
};

struct world {
    struct vrv_rand rand;
    struct peer peer[PEERS];
    struct kept kept[KEPT];
    int wrong, in_place, copied, refused;
    size_t biggest;
};

static void
new_frame(struct world *w, struct peer *p)
{
    static const size_t sizes[] = { 1, 100, 5000, 20000, 300000, 3000000 };
    size_t n = 1 + vrv_rand_below(&w->rand, sizes[vrv_rand_below(&w->rand, 6)]);

    if (n > w->biggest)
        n = w->biggest;
    p->stream = vrv_mem_grow(p->stream, n + 4);
    vrv_put_be32(p->stream, (uint32_t)n);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t r = vrv_rand_next(&w->rand);
        memcpy(p->stream + 4 + i, &r, n - i < 8 ? n - i : 8);
    }
    p->crc = vrv_crc32c(0, p->stream + 4, n);
    p->n = n + 4;
    p->sent = 0;
}

static void
drop(struct world *w, struct kept *k)
{
    if (k->slab == NULL)
        return;
    w->wrong += vrv_crc32c(0, k->p, k->n) != k->crc;
    vrv_slab_unref(k->slab);
    k->slab = NULL;
}

static void
take(struct world *w, struct peer *p, const struct vrv_frame *f)
{
    struct kept *k = &w->kept[vrv_rand_below(&w->rand, KEPT)];

    w->wrong += f->n != p->n - 4 || vrv_crc32c(0, f->bytes, f->n) != p->crc;
    if (f->slab == NULL) {
        w->copied++;
    } else if (vrv_rand_below(&w->rand, 2) == 0) {
        w->in_place++;
        drop(w, k);
        *k = (struct kept){ vrv_slab_ref(f->slab), f->bytes, f->n, p->crc };
    }
    vrv_rx_take(&p->rx);
    p->frames++;
    new_frame(w, p);
}

static void
step(struct world *w, struct peer *p)
{
    struct vrv_frame f;
    size_t cut = 1 + vrv_rand_below(&w->rand, 1u << vrv_rand_below(&w->rand, 19));

    if (!p->later) {
        size_t left = p->n - p->sent;
        int64_t got = arrive(&p->rx, p->stream + p->sent, cut < left ? cut : left);

        if (got < 0) {
            w->refused++;
            drop(w, &w->kept[vrv_rand_below(&w->rand, KEPT)]);
            return;
        }
        p->sent += (size_t)got;
    }
    int rc = vrv_rx_frame(&p->rx, &mem, &f, NULL);
    w->wrong += rc != (p->sent == p->n);
    p->later = rc == 1 && !p->later && vrv_rand_below(&w->rand, 4) == 0;
    if (rc == 1 && !p->later)
        take(w, p, &f);
    vrv_rx_rest(&p->rx, &mem);
}

static void
run_world(uint64_t seed, size_t budget, const char *what)
{
    struct world w = { .rand = { seed }, .biggest = budget / 6 };
    int frames = 0;

    begin(budget, (uint32_t)(budget / 4), budget / 2);
    for (int i = 0; i < PEERS; i++)
        new_frame(&w, &w.peer[i]);
    for (int i = 0; i < 40000; i++)
        step(&w, &w.peer[vrv_rand_below(&w.rand, PEERS)]);
    for (int i = 0; i < KEPT; i++)
        drop(&w, &w.kept[i]);
    for (int i = 0; i < PEERS; i++) {
        frames += w.peer[i].frames;
        vrv_rx_clear(&w.peer[i].rx, &mem);
        free(w.peer[i].stream);
    }
    IS(w.wrong, 0, "%s: every frame is what was sent, and stays it while it is kept", what);
    OK(frames > 500 && w.in_place > 100, "%s: %d frames, %d kept in place, %d without a slab, "
        "%d times no memory", what, frames, w.in_place, w.copied, w.refused);
    end(what);
}

/* ---- what memory a frame gets ---- */

static void
test_lengths(void)
{
    static const int32_t bad[] = { 0, -1, INT32_MIN, 1001, INT32_MAX };
    struct vrv_rx rx = { 0 };
    struct vrv_frame f;
    uint8_t b[4];

    begin(4 * MIB, 1000, MIB);
    for (int i = 0; i < 5; i++) {
        struct vrv_err e;

        vrv_put_be32(b, (uint32_t)bad[i]);
        IS(arrive(&rx, b, 3), 3, "three bytes of a length");
        IS(vrv_rx_frame(&rx, &mem, &f, &e), 0, "... say nothing");
        vrv_rx_rest(&rx, &mem);
        IS(arrive(&rx, b + 3, 1), 1, "the fourth");
        IS(vrv_rx_frame(&rx, &mem, &f, &e), i < 3 ? VRV_E_INVALID : VRV_E_TOO_LARGE,
            "... makes no frame: %s", e.msg);
        vrv_rx_clear(&rx, &mem);
    }
    end("lengths");
}

/* A frame of n bytes, of which `there` arrive: what it holds then. */
static size_t
held(struct vrv_rx *rx, size_t n, size_t there)
{
    static uint8_t zeros[2 * MIB];
    uint8_t b[4];
    size_t sent = 4;

    vrv_put_be32(b, (uint32_t)n);
    (void)arrive(rx, b, 4);
    vrv_rx_rest(rx, &mem);
    while (sent < there) {
        size_t want = there - sent < sizeof(zeros) ? there - sent : sizeof(zeros);
        int64_t got = arrive(rx, zeros, want);

        if (got < 0)
            return 0;
        sent += (size_t)got;
        vrv_rx_rest(rx, &mem);
    }
    return in_memory();
}

static void
test_growth(void)
{
    struct vrv_rx rx = { 0 };
    static const size_t claim[] = { 100 * KIB, MIB - 4, 20 * MIB, 20 * MIB, 20 * MIB, 20 * MIB };
    static const size_t there[] = { 16 * KIB, 16 * KIB, 16 * KIB, MIB, 2 * MIB, 18 * MIB };
    static const size_t want[] = { 100 * KIB + 4, MIB, MIB, MIB, 2 * MIB, 20 * MIB + 4 };

    begin(64 * MIB, 32 * MIB, 32 * MIB);
    IS(held(&rx, 20 * MIB, 4), 4, "a length alone holds its own bytes");
    vrv_rx_clear(&rx, &mem);
    IS(held(&rx, 20 * MIB, 16 * KIB - 1), 16 * KIB - 1, "so do a few more");
    IS(rx.where, VRV_RX_STASH, "... and no slab");
    vrv_rx_clear(&rx, &mem);
    for (int i = 0; i < 6; i++) {
        IS(held(&rx, claim[i], there[i]), want[i], "%zu of %zu bytes are there", there[i],
            claim[i]);
        vrv_rx_clear(&rx, &mem);
    }
    end("growth");
}

static void
test_in_place(void)
{
    struct vrv_rx a = { 0 }, b = { 0 };
    struct vrv_frame f, g;
    uint8_t bytes[24] = { 0 };

    begin(4 * MIB, MIB, MIB);
    vrv_put_be32(bytes, 8);
    vrv_put_be32(bytes + 12, 8);
    (void)arrive(&a, bytes, 24);
    OK(vrv_rx_frame(&a, &mem, &f, NULL) == 1 && f.n == 8 && f.slab != NULL, "one frame");
    struct vrv_slab *kept = vrv_slab_ref(f.slab);
    vrv_rx_take(&a);
    OK(vrv_rx_frame(&a, &mem, &g, NULL) == 1 && g.bytes == f.bytes + 12, "the next lies behind it");
    vrv_rx_take(&a);
    vrv_rx_rest(&a, &mem);
    (void)arrive(&b, bytes, 12);
    OK(vrv_rx_frame(&b, &mem, &g, NULL) == 1 && g.bytes == f.bytes + 24,
        "and that of another connection behind both");
    vrv_rx_take(&b);
    vrv_rx_rest(&b, &mem);
    vrv_slab_unref(kept);
    (void)arrive(&b, bytes, 12);
    OK(vrv_rx_frame(&b, &mem, &g, NULL) == 1 && g.bytes == f.bytes,
        "when nobody keeps any, it begins again at the front");
    vrv_rx_clear(&b, &mem);
    end("in place");
}

static void
test_reserve(void)
{
    struct vrv_rx a = { 0 }, b = { 0 };
    struct vrv_frame f;
    uint8_t bytes[12] = { 0 }, *p;
    size_t n;

    begin(2 * VRV_SLAB_BYTES, MIB, MIB);
    struct vrv_slab *all = vrv_slab_get(&pool, VRV_SLAB_BYTES + 1);
    vrv_put_be32(bytes, 8);
    IS(arrive(&a, bytes, 10), 10, "without any memory");
    vrv_rx_rest(&a, &mem);
    IS(arrive(&a, bytes + 10, 2), 2, "... small frames are received");
    OK(vrv_rx_frame(&a, &mem, &f, NULL) == 1 && f.slab == NULL, "... outside of slabs");
    vrv_rx_take(&a);
    vrv_rx_rest(&a, &mem);
    vrv_put_be32(bytes, 20000);
    IS(arrive(&b, bytes, 12), 12, "of a large one");
    vrv_rx_rest(&b, &mem);
    IS(vrv_rx_room(&b, &mem, &p, &n), VRV_E_AGAIN, "... nothing, once that is known");
    vrv_slab_unref(all);
    IS(vrv_rx_room(&b, &mem, &p, &n), 0, "... until there is memory again");
    vrv_rx_clear(&b, &mem);
    end("reserve");
}

static void
test_total(void)
{
    struct vrv_rx a = { 0 }, b = { 0 };
    uint8_t *p;
    size_t n;

    begin(16 * MIB, 4 * MIB, 600 * KIB);
    IS(held(&a, 500 * KIB, 20 * KIB), 500 * KIB + 4, "one frame takes most of the total");
    IS(held(&b, 500 * KIB, 20 * KIB), 0, "another one waits");
    vrv_rx_clear(&a, &mem);
    IS(vrv_rx_room(&b, &mem, &p, &n), 0, "... until the first is gone");
    vrv_rx_clear(&b, &mem);
    OK(held(&a, 3 * MIB, 3 * MIB) > 2 * MIB, "who is alone may exceed it");
    vrv_rx_clear(&a, &mem);
    end("total");
}

int
main(void)
{
    const char *seed = getenv("VARVE_SEED");
    uint64_t from = seed != NULL ? strtoull(seed, NULL, 0) : 1;

    test_lengths();
    test_growth();
    test_in_place();
    test_reserve();
    test_total();
    tap_note("VARVE_SEED=%llu", (unsigned long long)from);
    run_world(from, 64 * MIB, "much memory");
    run_world(from + 1, 2 * MIB, "little memory");
    return tap_done();
}
