/*
 * What is lost for good, in the store and on this disk, keeps nothing else from the store: what lies behind it is moved,
 * and healed, with what the newest object before that says of producers.
 */
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/log/producers.h"
#include "t/lib/healrig.h"
#include "t/lib/tap.h"
#include "tiering/reader/extras.h"

static int told; /* times that producers were said to be lost */

static void
note_news(void *ctx, const struct vrv_tier_news *n)
{
    (void)ctx;
    if (n->kind != VRV_TIER_NEWS_PRODUCERS)
        return;
    told++;
    OK(vrv_uuid_eq(&n->id.topic, &id.topic), "it is told: %s", n->why->msg);
}

/* Each batch has a producer, and all are in the store; its server begins again. */
static void
make_all_cold(struct vrv_manifest *m)
{
    told_by_tier = note_news;
    idempotent = true;
    told = 0;
    make(1);
    put("t", 0, 30);
    seal();
    pass(20000);
    down();
    up(2);
    read_newest(m);
    VRV_ASSERT(m->page_n > 1 && m->seg_n > 2 && m->next == offsets("t", 0).end);
}

static void
end_all(struct vrv_manifest *m)
{
    vrv_manifest_fini(m);
    finish();
    idempotent = false;
    told_by_tier = NULL;
}

/* ---- how many producers an object knows ---- */

struct asking {
    struct vrv_extras r;
    int status;
    int64_t n;
    bool done;
};

static void
came(struct vrv_extras *r, int status, const struct vrv_object_extras *x, const struct vrv_err *why)
{
    struct asking *a = VRV_LIST_OF(r, struct asking, r);
    struct vrv_producers *p = NULL;

    a->status = status < 0 ? why->code : vrv_producers_decode(&p, x->producers, x->producer_bytes, &e);
    a->n = (int64_t)vrv_producers_count(p);
    vrv_producers_free(&p);
    a->done = true;
}

static int64_t
known_by(const struct vrv_cold_seg *s)
{
    struct asking a = { .r = { .retry = sync_.retry, .cq = &sync_.cq, .clock = sync_.clock, .read_ms = sync_.call_ms,
                            .run = came } };

    vrv_extras_read(&a.r, s);
    vrv_sync_wait(&sync_, &a.done);
    return a.status < 0 ? a.status : a.n;
}

/* A batch has two records. */
static int64_t
producers_of(const struct vrv_cold_seg *s)
{
    return (s->next - s->base) / 2;
}

/* ---- damage ---- */

/* A bit of its footer, by which all else is found. */
static void
flip_footer(const char *key)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, key, &n);

    VRV_ASSERT(p != NULL && n > VRV_OBJECT_FOOTER);
    ((uint8_t *)(uintptr_t)p)[n - VRV_OBJECT_FOOTER / 2] ^= 1;
}

static void
wreck(const char *key, bool damaged)
{
    if (damaged)
        flip_footer(key);
    else
        delete(key);
}

/* ---- moved ---- */

static void
goes_on(int64_t producers)
{
    struct vrv_manifest m;

    put("t", 0, 4);
    seal();
    pass(60000);
    read_newest(&m);
    IS(m.next, offsets("t", 0).end, "what comes then is in the store");
    IS(known_by(&m.seg[m.seg_n - 1]), producers + 4, "... and tells on of producers");
    vrv_manifest_fini(&m);
}

static void
test_moved(uint32_t lost, bool damaged)
{
    struct vrv_manifest m;
    int64_t producers = 0;

    make_all_cold(&m);
    lost = lost < m.seg_n ? lost : m.seg_n;
    if (lost < m.seg_n)
        producers = m.seg[m.seg_n - 1 - lost].next / 2;
    for (uint32_t i = 1; i <= lost; i++)
        wreck(m.seg[m.seg_n - i].key, damaged);
    tap_note("the newest %u objects of %u are %s", lost, m.seg_n, damaged ? "damaged" : "gone");
    goes_on(producers);
    IS(told, 1, "... without those that only they knew, once");
    IS(read_all("t", 0), offsets("t", 0).end, "... and what this disk has can be read");
    end_all(&m);
}

/* What can't be had for a while isn't lost. */
static void
test_out_of_reach(void)
{
    struct vrv_manifest m;

    make_all_cold(&m);
    uint64_t was = newest_root();
    pass(5000);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_DENIED, 100);
    put("t", 0, 4);
    seal();
    pass(20000);
    fakestore_heal(fake);
    IS((int64_t)newest_root(), (int64_t)was, "as long as the newest object is out of reach nothing is moved");
    for (uint64_t life = 3; life < 43; life++) { /* what is asked for behind it may be had then */
        down();
        up(life);
        fakestore_fault(fake, VRV_STORE_GET, FAKE_DENIED, 20);
        put("t", 0, 2);
        pass(5000);
        fakestore_heal(fake);
    }
    pass(60000);
    goes_on(offsets("t", 0).end / 2);
    IS(told, 0, "... and none is told to be lost");
    end_all(&m);
}

/* ---- healed ---- */

static void
test_healed(bool damaged)
{
    struct vrv_manifest m, now;

    make_all_cold(&m);
    const struct vrv_cold_seg *s = &m.seg[m.seg_n - 1], *before = s - 1;
    let_go();
    wreck(before->key, damaged);
    delete(s->key);
    IS(heal(3, before->key, before->base), VRV_E_NOTFOUND, "one that is %s, and not here: %s", damaged ? "damaged" : "gone",
        e.msg);
    IS(heal(4, s->key, s->base), 0, "the next one is healed all the same %s", e.msg);
    read_newest(&now);
    IS(known_by(&now.seg[now.seg_n - 1]), offsets("t", 0).end / 2 - producers_of(before), "... without the producers of that");
    vrv_manifest_fini(&now);
    end_all(&m);
}

/* Which the first segment behind it goes on from. */
static void
test_page(uint32_t lost, bool damaged)
{
    struct vrv_manifest m, now;

    make_all_cold(&m);
    const struct vrv_cold_seg *s = &m.seg[0];
    int64_t known = lost < m.page_n ? m.page[m.page_n - lost].base / 2 : 0;
    for (uint32_t i = 1; i <= lost && i <= m.page_n; i++)
        if (damaged)
            flip(m.page[m.page_n - i].key);
        else
            delete(m.page[m.page_n - i].key);
    delete(s->key);
    IS(heal(3, s->key, s->base), 0, "the newest %u pages of %u are %s: what lies behind them is healed %s", lost, m.page_n,
        damaged ? "damaged" : "gone", e.msg);
    read_newest(&now);
    IS(known_by(&now.seg[0]), known + producers_of(s), "... with the producers of the newest one that is whole");
    vrv_manifest_fini(&now);
    end_all(&m);
}

int
main(void)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        test_moved(1, damaged);
        test_moved(2, damaged);
        test_moved(1000, damaged);
        test_healed(damaged);
        test_page(1, damaged);
        test_page(1000, damaged);
    }
    test_out_of_reach();
    return tap_done();
}
