/*
 * What readers of committed records are told of the cold tier: which transactions were aborted, wherever their
 * markers lie.  The engine takes no transactions yet; objects that tell of some are made here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "t/lib/coldcommit.h"
#include "t/lib/kept.h"
#include "t/lib/tap.h"

/* A segment is two batches of two records, so it has four offsets. */
enum { LARGE = 1 << 20, SEGMENTS = 12, END = 4 * SEGMENTS };

/* ---- objects that tell of aborted transactions ---- */

/* The segment's object once more, with these transactions in it. */
static struct bytes
rewritten(const struct vrv_cold_seg *s, const struct vrv_object_aborted *t, uint32_t n)
{
    uint8_t *entry = vrv_mem_zero((size_t)n * VRV_OBJECT_ABORTED);
    struct vrv_object_info info;
    struct vrv_object_writer w;
    struct bytes out = { 0 };
    size_t size, used;
    const uint8_t *p = fakestore_object(fake, s->key, &size);

    VRV_ASSERT(vrv_object_read_footer(&info, p + size - VRV_OBJECT_FOOTER, size, NULL) == 0);
    const struct vrv_object_extras x = { .index = p + info.index_at, .index_n = info.index_n,
        .aborted = entry, .aborted_n = n, .producers = p + info.producers_at,
        .producer_bytes = info.producer_bytes, .epochs = p + info.epochs_at, .epoch_n = info.epoch_n };
    for (uint32_t i = 0; i < n; i++) {
        vrv_put_le64(entry + i * VRV_OBJECT_ABORTED, (uint64_t)t[i].producer);
        vrv_put_le64(entry + i * VRV_OBJECT_ABORTED + 8, (uint64_t)t[i].first);
        vrv_put_le64(entry + i * VRV_OBJECT_ABORTED + 16, (uint64_t)t[i].last);
        vrv_put_le64(entry + i * VRV_OBJECT_ABORTED + 24, (uint64_t)t[i].last_stable);
    }
    vrv_object_begin(&w, &info, TIERRIG_CHUNK, 0, keep, &out);
    for (uint32_t i = 0; i < s->chunk_n; i++) /* a chunk here is plain, and its batches are all there */
        VRV_ASSERT(vrv_object_add(&w, p + s->chunk[i].pos, s->chunk[i].plain, &used, NULL) == 0);
    VRV_ASSERT(vrv_object_end(&w, &x, NULL) == 0);
    vrv_object_fini(&w);
    free(entry);
    return out;
}

static int status;

static void
was_written(struct vrv_done *d)
{
    status = VRV_LIST_OF(d, struct vrv_store_call, done)->status;
}

static void
write_object(const char *key, const struct bytes *o)
{
    const struct iovec iov = { o->p, o->n };
    struct vrv_store_call c = { .done = { .cq = &tier.cq, .run = was_written }, .op = VRV_STORE_PUT,
        .lane = VRV_STORE_UPLOAD, .key = key, .iov = &iov, .iov_n = 1, .size = o->n,
        .crc = vrv_crc32c(0, o->p, o->n), .deadline_ns = INT64_MAX };

    vrv_retry_submit(tier.retry, &c);
    tierrig_run(&tier);
    VRV_ASSERT(status == 0);
}

static const struct {
    unsigned segment; /* that the marker lies in */
    struct vrv_object_aborted t;
} all[] = { { 1, { 7, 1, 5, 2 } }, { 3, { 8, 2, 13, 14 } }, { 4, { 9, 17, 18, 19 } },
    { 10, { 7, 30, 41, 42 } } };
enum { TXNS = sizeof(all) / sizeof(all[0]) };

/* All that is cold, but that it tells of them. */
static void
tell_aborted(void)
{
    struct coldcommit c;

    coldcommit_begin(&c, &the_log()->id);
    VRV_ASSERT(c.c.next.page_n == 0);
    for (unsigned i = 0; i < TXNS; i++) {
        struct vrv_cold_seg *seg = &c.c.next.seg[all[i].segment];
        char key[VRV_STORE_KEY_MAX + 1];
        struct bytes o = rewritten(seg, &all[i].t, 1);

        vrv_parts_segment_key(&tier.parts, &the_log()->id, seg->base, key);
        write_object(key, &o);
        free(seg->key);
        seg->key = vrv_mem_strdup(key);
        seg->size = o.n;
        seg->crc = vrv_crc32c(0, o.p, o.n);
        seg->aborted = true;
        free(o.p);
    }
    vrv_parts_commit(&tier.parts, &c.c);
    tierrig_run(&tier);
    IS(c.status, 0, "a manifest whose segments tell of aborted transactions %s", tier.e.msg);
}

/* ---- the world ---- */

static void
large_roots(void)
{
    tier.parts.o.root_bytes = LARGE;
}

/* With pages the manifest keeps its newest segments only in its root. */
static void
begin_cold(bool pages)
{
    coldlog_begin(1, 1, "segment.bytes=1000 retention.ms=-1", large_roots);
    coldlog_put(the_log(), SEGMENTS);
    VRV_ASSERT(tierrig_offload(&tier, the_log()) == 0);
    tier.parts.o.root_bytes = pages ? 1000 : LARGE;
    tell_aborted();
    coldlog_drop(the_log(), END);
    rig_pass(&rig, 1000);
    coldlog_restart(2);
    IS(offsets().local_start, END, "all is cold, and nothing in memory");
}

/* ---- reading ---- */

/* One batch at an offset, by a fetch: what its bytes tell of aborted transactions, "7@1 8@2"; or why not. */
static const char *
aborted_at(int64_t offset, bool asked)
{
    static char text[200];
    struct vrv_read r = { .offset = offset, .max_bytes = 1, .whole_first = true, .aborted = asked };
    int n = 0, rc = coldlog_fetch(the_log(), &r);

    text[0] = '\0';
    if (rc < 0)
        return vrv_err_text(rc);
    const struct vrv_cold_bytes *b = r.slice[0].cold;
    for (size_t i = 0; i < b->aborted_n; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%" PRId64 "@%" PRId64, i > 0 ? " " : "",
            b->aborted[i].producer, b->aborted[i].first);
    vrv_read_fini(&r);
    return text;
}

/* Is it there at once, and as told? */
static bool
is_at_hand(int64_t offset, size_t aborted)
{
    struct vrv_read r = { .offset = offset, .max_bytes = 1, .whole_first = true, .aborted = true };
    bool is = vrv_read(the_log(), &r, &rig.e) == 0 && r.slice[0].cold->aborted_n == aborted;

    vrv_read_fini(&r);
    return is;
}

/* ---- tests ---- */

static void
test_told(bool pages)
{
    begin_cold(pages);
    tier.reader.cache.o.bytes = 20000;
    IS_STR(aborted_at(2, false), "", "who doesn't ask isn't told");
    OK(!is_at_hand(2, 2), "who asks must wait, though the records are there");
    IS_STR(aborted_at(2, true), "7@1 8@2", "two that end in later segments");
    OK(is_at_hand(2, 2), "... at hand from then on");
    IS_STR(aborted_at(0, true), "7@1", "one that begins within the batch, and not the one behind it");
    IS_STR(aborted_at(6, true), "8@2", "one that began before, and ends behind");
    IS_STR(aborted_at(12, true), "8@2", "the batch with its marker");
    IS_STR(aborted_at(14, true), "", "behind that there is none");
    IS_STR(aborted_at(16, true), "9@17", "one within a batch");
    IS_STR(aborted_at(36, true), "7@30", "the same producer's next");
    IS_STR(aborted_at(44, true), "", "behind all of them there is none");
    uint64_t gets = fakestore_attempts(fake, VRV_STORE_GET);
    OK(is_at_hand(2, 2) && is_at_hand(36, 1) && is_at_hand(44, 0) &&
            fakestore_attempts(fake, VRV_STORE_GET) == gets, "all of it is in memory now");
    coldlog_end();
}

/* However small the cache is, it comes to an end. */
static void
test_small_cache(void)
{
    begin_cold(true);
    tier.reader.cache.o.bytes = 1;
    IS_STR(aborted_at(2, true), "7@1 8@2", "without room in memory");
    IS_STR(aborted_at(20, true), "", "... and where no marker settles it before the last one");
    coldlog_end();
}

/* What can't be told is not left out. */
static void
test_failures(void)
{
    begin_cold(false);
    tier.reader.cache.o.bytes = 20000;
    IS_STR(aborted_at(2, false), "", "the records are in memory");
    fakestore_fault(fake, VRV_STORE_GET, FAKE_MISSING, 100);
    IS_STR(aborted_at(2, true), vrv_err_text(VRV_E_IO), "what was aborted is missing: nothing is served");
    OK(!is_at_hand(2, 2), "... not at once either");
    fakestore_heal(fake);
    simclock_advance_ms(&rig.clock, 2 * TIERRIG_AGAIN_MS);
    struct vrv_snap *s;
    VRV_ASSERT(vrv_parts_now(&tier.parts, &the_log()->id, &s, NULL) == 0);
    size_t size;
    uint8_t *p = (uint8_t *)(uintptr_t)fakestore_object(fake, s->m.seg[1].key, &size);
    vrv_snap_unref(s);
    p[size - VRV_OBJECT_FOOTER - 2 * VRV_CHUNK_RECORD - 20] ^= 1;
    IS_STR(aborted_at(2, true), vrv_err_text(VRV_E_CORRUPT), "or damaged: likewise");
    p[size - VRV_OBJECT_FOOTER - 2 * VRV_CHUNK_RECORD - 20] ^= 1;
    simclock_advance_ms(&rig.clock, 2 * TIERRIG_AGAIN_MS);
    IS_STR(aborted_at(2, true), "7@1 8@2", "and well again");
    coldlog_end();
}

int
main(void)
{
    test_told(false);
    test_told(true);
    test_small_cache();
    test_failures();
    return tap_done();
}
