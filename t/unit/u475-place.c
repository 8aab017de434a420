/*
 * Where something lies, over the pages of a manifest of which one is at hand at a time: a search that has left a
 * page behind doesn't come back to it.
 */
#include <stdio.h>

#include "t/lib/tap.h"
#include "tiering/reader/aborted.h"
#include "tiering/reader/place.h"

enum { PAGES = 3, EACH = 2, MOST = 2 * PAGES };

/* Segments of ten offsets each; the newest record, and what was aborted, lie in the first of a page. */
static struct vrv_chunk chunk[PAGES * EACH];
static struct vrv_cold_seg seg[PAGES * EACH];
static struct vrv_cold_page page[PAGES];
static struct vrv_piece piece[PAGES];
static struct vrv_snap snap;
static char name[PAGES][8];

static void
make(void)
{
    snap = (struct vrv_snap){ .m = { .page = page, .page_n = PAGES } };
    for (int i = 0; i < PAGES * EACH; i++) {
        chunk[i] = (struct vrv_chunk){ .base = 10 * i, .max_ts = i % EACH == 0 ? 1000 : 10 };
        seg[i] = (struct vrv_cold_seg){ .base = 10 * i, .next = 10 * i + 10, .max_ts = chunk[i].max_ts,
            .aborted = i % EACH == 0, .chunk = &chunk[i], .chunk_n = 1 };
    }
    for (int i = 0; i < PAGES; i++) {
        (void)snprintf(name[i], sizeof(name[i]), "page%d", i);
        page[i] = (struct vrv_cold_page){ .key = name[i], .base = seg[EACH * i].base,
            .next = seg[EACH * i + EACH - 1].next, .max_ts = 1000, .aborted = true, .segments = EACH };
        piece[i] = (struct vrv_piece){ .kind = VRV_PIECE_PAGE, .key = name[i], .page = page[i],
            .seg = &seg[EACH * i], .seg_n = EACH };
    }
}

/* From the last segment of a page on. */
static void
test_time(void)
{
    struct vrv_place at = { .want = VRV_COLD_AS_NEW, .at = 15, .ts = 500, .snap = &snap };
    struct vrv_err e = { 0 };
    int rc, pages = 0;

    make();
    while ((rc = vrv_place_find(&at, &e)) == VRV_PLACE_PAGE && pages++ < MOST)
        at.page = &piece[at.needs - page];
    IS(rc, 0, "the first record that is new enough is found behind a page whose newest one lies too early");
    OK(rc == 0 && at.seg == &seg[EACH], "... where it is");
    IS(pages, 2, "... with each page at hand once");
    at = (struct vrv_place){ .want = VRV_COLD_AS_NEW, .at = 55, .ts = 500, .snap = &snap };
    for (pages = 0; (rc = vrv_place_find(&at, &e)) == VRV_PLACE_PAGE && pages < MOST; pages++)
        at.page = &piece[at.needs - page];
    IS(rc, VRV_E_RANGE, "where there is none, that is known in the end");
}

static void
test_aborted(void)
{
    struct vrv_manifest *m = &snap.m;
    struct vrv_aborted a;
    int rc, pages = 0;

    make();
    vrv_aborted_init(&a, 15, 18);
    while ((rc = vrv_aborted_find(&a, m)) == VRV_ABORTED_PAGE && pages++ < MOST)
        a.page = &piece[a.needs - page];
    IS(rc, VRV_ABORTED_TAIL, "so is the next segment that tells of aborted transactions");
    OK(a.seg == &seg[EACH], "... where it is");
    IS(pages, 2, "... with each page at hand once");
}

int
main(void)
{
    test_time();
    test_aborted();
    return tap_done();
}
