/*
 * A stop at every moment of a read of the store: nothing more is asked for, also where something has just come, be it
 * damaged or whole.
 */
#include "engine/base/assert.h"
#include "t/lib/coldlog.h"
#include "t/lib/tap.h"

static struct vrv_piece *piece;
static int root; /* what became of it; 1: it is being read */

/* Two segments are in the store, a third isn't yet. */
static void
begin_cold(void)
{
    coldlog_begin(1, 1, "segment.bytes=1000 retention.ms=-1", NULL);
    coldlog_put(the_log(), 2);
    VRV_ASSERT(tierrig_offload(&tier, the_log()) == 0);
    coldlog_put(the_log(), 1);
}

static uint64_t
asked(void)
{
    uint64_t n = 0;

    for (int op = 0; op < VRV_STORE_OPS; op++)
        n += fakestore_attempts(fake, (enum vrv_store_op)op);
    return n;
}

/* ---- what is read ---- */

static void
told(struct vrv_part_wait *w, int rc, const struct vrv_err *e)
{
    (void)w;
    (void)e;
    root = rc;
}

static void
read_root(void)
{
    static struct vrv_part_wait wait;

    wait = (struct vrv_part_wait){ .run = told };
    vrv_list_init(&wait.link);
    root = 1;
    vrv_parts_read(&tier.parts, &the_log()->id, &wait);
}

static int
root_status(void)
{
    return root;
}

static void
cancel_root(void)
{
    vrv_parts_cancel_reads(&tier.parts);
}

static struct vrv_piece *
chunk_of(unsigned segment)
{
    struct vrv_snap *s = NULL;
    struct vrv_err e;

    int rc = vrv_parts_now(&tier.parts, &the_log()->id, &s, &e);
    VRV_ASSERT(rc == 0 && s->m.seg_n > segment);
    struct vrv_piece *p = vrv_cache_chunk(&tier.reader.cache, &s->m.seg[segment], 0);
    vrv_snap_unref(s);
    return p;
}

static void
read_chunk(void)
{
    read_root();
    tierrig_run(&tier);
    piece = chunk_of(0);
}

static int
chunk_status(void)
{
    return piece->there ? piece->status : 1;
}

static void
cancel_chunk(void)
{
    vrv_cache_cancel(&tier.reader.cache, piece);
}

static void
cancel_chunks(void)
{
    vrv_cache_cancel(&tier.reader.cache, NULL);
    struct vrv_piece *p = chunk_of(1);
    if (!p->there || p->status != VRV_E_CANCELLED)
        OK(false, "what is asked for afterwards is refused at once");
    vrv_piece_unref(p);
}

/* Of the segment before, to go on from its producers. */
static void
read_extras(void)
{
    bool begins = tierrig_move(&tier, the_log());

    VRV_ASSERT(begins);
}

/* 0: they were there, and the segment is on its way. */
static int
extras_status(void)
{
    if (tier.move != NULL)
        return tier.move->phase == VRV_MOVE_LOOKS || tier.move->phase == VRV_MOVE_PREPARES ? 1 : 0;
    return tier.status;
}

static void
cancel_move(void)
{
    vrv_move_cancel(tier.move);
}

/* ---- stops ---- */

static const struct {
    const char *what;
    void (*begin)(void);
    int (*status)(void);
    void (*cancel)(void);
} reads[] = {
    { "a root", read_root, root_status, cancel_root },
    { "a chunk, of which nobody else has to stop", read_chunk, chunk_status, cancel_chunk },
    { "a chunk", read_chunk, chunk_status, cancel_chunks },
    { "what the object before has besides its chunks", read_extras, extras_status, cancel_move },
};

static struct {
    unsigned stopped, late, odd; /* so often; more was asked for then; it ended as something else */
} seen;

/* False: by then it was over. */
static bool
stop_at(unsigned moment, size_t k, bool damaged)
{
    coldlog_tier_anew(100 + moment);
    reads[k].begin();
    if (damaged)
        fakestore_fault(fake, VRV_STORE_GET, FAKE_FLIPPED, 100);
    for (unsigned i = 0; i < moment && reads[k].status() == 1; i++)
        if (!tierrig_step(&tier))
            (void)tierrig_wait(&tier);
    bool goes_on = reads[k].status() == 1;
    uint64_t before = asked();
    if (goes_on)
        reads[k].cancel();
    tierrig_run(&tier);
    if (goes_on) {
        seen.stopped++;
        seen.late += asked() != before;
        seen.odd += reads[k].status() != VRV_E_CANCELLED && reads[k].status() != (damaged ? VRV_E_CORRUPT : 0);
    }
    fakestore_heal(fake);
    vrv_piece_unref(piece);
    piece = NULL;
    return goes_on;
}

static void
test_stops(size_t k, bool damaged)
{
    unsigned moment = 0;

    begin_cold();
    seen.stopped = seen.late = seen.odd = 0;
    while (moment < 100 && stop_at(moment, k, damaged))
        moment++;
    OK(moment > 2 && moment < 100, "%s, %s: a stop at %u moments", reads[k].what, damaged ? "damaged" : "whole",
        seen.stopped);
    IS(seen.late, 0, "... and nothing more is asked for");
    IS(seen.odd, 0, "... it ends as cancelled, or as what became known in time");
    coldlog_end();
}

int
main(void)
{
    for (size_t k = 0; k < sizeof(reads) / sizeof(reads[0]); k++) {
        test_stops(k, true);
        test_stops(k, false);
    }
    return tap_done();
}
