/* Who goes first when there is no room, and how far ahead of a reader is read. */
#include <string.h>

#include "t/lib/tap.h"
#include "tiering/reader/ahead.h"
#include "tiering/reader/fifo.h"

enum { ROOM = 100, HOT = 20, ALL = 4000 };

static struct vrv_fifo fifo;
static struct vrv_fifo_node node[ALL];
static bool here[ALL];
static bool all_stay;

static bool
must_stay(const struct vrv_fifo_node *n, void *ctx)
{
    (void)n;
    (void)ctx;
    return all_stay;
}

/* Wanted: as a cache does it, each of weight 1.  True: it was there. */
static bool
want(int i)
{
    if (here[i]) {
        vrv_fifo_use(&node[i]);
        return true;
    }
    while (fifo.n >= ROOM) {
        struct vrv_fifo_node *n = vrv_fifo_take(&fifo, must_stay, NULL);

        here[n - node] = false;
    }
    vrv_list_init(&node[i].link);
    vrv_fifo_add(&fifo, &node[i], (uint64_t)i + 1, 1, false);
    here[i] = true;
    return false;
}

static void
test_scan(void)
{
    int hits = 0;

    vrv_fifo_init(&fifo);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < HOT; i++)
            (void)want(i);
    for (int i = HOT; i < ALL; i++) {
        (void)want(i);
        if (i % 10 == 0)
            hits += want(i / 10 % HOT);
    }
    IS(hits, (ALL - HOT) / 10, "one pass over everything drives out nothing that is in use");
    hits = 0;
    for (int i = HOT; i < HOT + ROOM / 5; i++)
        hits += want(i);
    IS(hits, 0, "what is wanted once goes");
    for (int i = HOT; i < HOT + ROOM / 5; i++)
        hits += want(i);
    OK(hits > 0 && fifo.n <= ROOM && fifo.small_bytes + fifo.main_bytes == fifo.n,
        "wanted again soon, it is there");
}

static void
test_ghosts(void)
{
    vrv_fifo_init(&fifo);
    memset(here, 0, sizeof(here));
    for (int i = 0; i < ROOM + 5; i++)
        (void)want(i);
    OK(!here[0] && here[ROOM], "the oldest went");
    (void)want(0);
    OK(node[0].in_main && !node[ROOM].in_main, "it comes again soon: it is no passer-by");
    all_stay = true;
    OK(vrv_fifo_take(&fifo, must_stay, NULL) == NULL, "nothing goes where all must stay");
    IS((int64_t)fifo.n, ROOM, "... and nothing is lost by asking");
    all_stay = false;
    int n = 0;
    while (vrv_fifo_take(&fifo, must_stay, NULL) != NULL)
        n++;
    OK(n == ROOM && fifo.small_bytes == 0 && fifo.main_bytes == 0, "all can go");
}

/* ---- readers ---- */

enum { CHUNK = 1000, CHUNK_OFFSETS = 10 };

static struct vrv_ahead ahead;

/* The reader of a partition has [from, next). */
static struct vrv_stream *
reads(int32_t partition, int64_t from, int64_t next)
{
    struct vrv_ahead_had h = { .log.partition = partition, .from = from, .next = next,
        .chunk_end = ((next - 1) / CHUNK_OFFSETS + 1) * CHUNK_OFFSETS, .chunk_bytes = CHUNK };
    struct vrv_stream *s = vrv_ahead_note(&ahead, &h);

    return s;
}

static bool
wants(struct vrv_stream *s, size_t window)
{
    bool w = s->wants;

    s->wants = false;
    return w && s->window == window;
}

static void
test_sequential(void)
{
    ahead = (struct vrv_ahead){ .most = 6 * CHUNK };
    OK(!reads(0, 0, 4)->wants, "who comes for the first time may want anything");
    OK(!reads(0, 0, 5)->wants, "who asks again for the same, too");
    OK(wants(reads(0, 5, 7), CHUNK), "who goes on where he was is sequential: one chunk");
    OK(!reads(0, 7, 10)->wants, "nothing more as long as he is in the same one");
    OK(wants(reads(0, 10, 20), 2 * CHUNK), "the next chunk: twice as much");
    OK(wants(reads(0, 20, 25), 4 * CHUNK), "... and again");
    OK(wants(reads(0, 25, 35), 6 * CHUNK), "... up to the limit");
    OK(!reads(0, 100, 110)->wants && !reads(1, 35, 45)->wants, "a jump, or another partition: anew");
    struct vrv_stream *s = reads(0, 35, 45);
    OK(wants(s, 6 * CHUNK), "who looks at something beside him doesn't disturb");
    OK(vrv_ahead_holds(&ahead, s->id, 50) && !vrv_ahead_holds(&ahead, s->id, 40),
        "what he has not had yet is held for him, and what he had isn't");
    uint64_t id = s->id;
    for (int i = 0; i < VRV_STREAMS; i++)
        (void)reads(2 + i, 0, 5);
    OK(!vrv_ahead_holds(&ahead, id, 50), "until others came since, more than are remembered");
    int n = 0;
    while (vrv_ahead_forget(&ahead))
        n++;
    IS(n, VRV_STREAMS, "all can be forgotten");
}

static void
test_shares(void)
{
    ahead = (struct vrv_ahead){ .most = 6 * CHUNK };
    for (int at = 0; at < 80; at += 10)
        for (int i = 0; i < 3; i++)
            (void)reads(i, at, at + 10);
    for (int i = 0; i < 3; i++)
        OK(wants(reads(i, 80, 90), 2 * CHUNK), "%d: those who read on at the same time share it", i);
    for (int at = 90; at < 90 + 10 * 2 * VRV_STREAMS; at += 10)
        (void)reads(0, at, at + 10);
    OK(wants(reads(0, 90 + 20 * VRV_STREAMS, 100 + 20 * VRV_STREAMS), 6 * CHUNK),
        "who goes on alone has all of it");
    ahead = (struct vrv_ahead){ .most = 6 * CHUNK };
    for (int at = 0; at < 40; at += 10)
        for (int i = 0; i < 20; i++)
            (void)reads(i, at, at + 10);
    OK(wants(reads(0, 40, 50), CHUNK), "of however many each has a chunk");
}

int
main(void)
{
    test_shares();
    test_scan();
    test_ghosts();
    test_sequential();
    return tap_done();
}
