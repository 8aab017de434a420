/* Idempotent producers: each rule by itself, copies in bytes, and random histories against a
 * model that keeps a plain list of batches. */
#include "engine/log/producers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

static struct vrv_batch
batch(int64_t id, int epoch, int32_t seq, int32_t count, int64_t offset)
{
    return (struct vrv_batch){
        .base_offset = offset,
        .last_delta = count - 1,
        .base_ts = 1000 + offset,
        .max_ts = 1000 + offset,
        .producer_id = id,
        .producer_epoch = (int16_t)epoch,
        .base_seq = seq,
        .count = count,
    };
}

static struct vrv_batch
marker(int64_t id, int epoch, int64_t offset)
{
    struct vrv_batch b = batch(id, epoch, -1, 1, offset);

    b.attrs = VRV_ATTR_CONTROL | VRV_ATTR_TRANSACTIONAL;
    return b;
}

static void
append(struct vrv_producers **p, struct vrv_batch b)
{
    vrv_producers_update(p, &b);
}

static int
judge(const struct vrv_producers *p, struct vrv_batch b, int64_t *first, struct vrv_err *e)
{
    int64_t last = -1, ts = -1;
    int rc;

    *first = -1;
    rc = vrv_producers_check(p, &b, first, &last, &ts, e);
    if (rc == VRV_PRODUCER_DUPLICATE)
        (void)(IS(last - *first, b.last_delta, "a repetition has its own length") &&
               IS(ts, 1000 + *first, "and its own timestamp"));
    return rc;
}

static void
test_sequences(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    IS(judge(p, batch(7, 3, 41, 2, 0), &first, &e), VRV_PRODUCER_NEW,
        "an unknown producer may begin anywhere");
    append(&p, batch(7, 3, 41, 2, 10));
    IS(judge(p, batch(7, 3, 43, 1, 0), &first, &e), VRV_PRODUCER_NEW, "the next sequence is new");
    IS(judge(p, batch(7, 3, 44, 1, 0), &first, &e), VRV_E_SEQUENCE, "a gap is refused");
    IS_STR(e.msg, "producer 7, epoch 3: sequence 44 where 43 is expected", "and said so");
    IS(judge(p, batch(7, 3, 41, 1, 0), &first, &e), VRV_E_SEQUENCE,
        "the same first sequence with another length is no repetition");
    IS(judge(p, batch(7, 3, 42, 1, 0), &first, &e), VRV_E_SEQUENCE, "nor is a part of a batch");
    IS(judge(p, batch(7, 3, 41, 2, 0), &first, &e), VRV_PRODUCER_DUPLICATE, "a repetition is");
    IS(first, 10, "and is answered with its offset");
    IS(judge(p, batch(8, 0, 5, 1, 0), &first, &e), VRV_PRODUCER_NEW,
        "one producer's sequences are nothing to another");
    vrv_producers_free(&p);
    OK(p == NULL, "free clears the pointer");
}

static void
test_epochs(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    append(&p, batch(7, 3, 0, 5, 0));
    IS(judge(p, batch(7, 2, 5, 1, 0), &first, &e), VRV_E_PRODUCER, "an older epoch is refused");
    IS_STR(e.msg, "producer 7, epoch 2: fenced, epoch 3 is known (sequence 5 where 5 is expected)",
        "and said so");
    IS(judge(p, batch(7, 2, 0, 5, 0), &first, NULL), VRV_E_PRODUCER,
        "even with the sequences of a known batch");
    IS(judge(p, batch(7, 4, 5, 1, 0), &first, &e), VRV_E_SEQUENCE,
        "a new epoch can't go on where the last one ended");
    IS_STR(e.msg,
        "producer 7, epoch 4: a new epoch begins with sequence 5 where 0 is expected "
        "(the newest one known is 3)",
        "and said so");
    IS(judge(p, batch(7, 4, 0, 5, 0), &first, &e), VRV_PRODUCER_NEW,
        "a new epoch begins with 0, though the old one had such a batch");
    append(&p, batch(7, 4, 0, 1, 5));
    IS(judge(p, batch(7, 4, 0, 5, 0), &first, &e), VRV_E_SEQUENCE,
        "a new epoch forgets the old one's batches");
    IS(judge(p, batch(7, 4, 1, 5, 0), &first, &e), VRV_PRODUCER_NEW, "and counts on its own");
    vrv_producers_free(&p);
}

static void
test_wrap(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    append(&p, batch(1, 0, INT32_MAX - 2, 3, 0));
    IS(judge(p, batch(1, 0, 0, 1, 0), &first, &e), VRV_PRODUCER_NEW, "0 follows 2147483647");
    IS(judge(p, batch(1, 0, 1, 1, 0), &first, &e), VRV_E_SEQUENCE, "and 1 doesn't");
    IS_STR(e.msg, "producer 1, epoch 0: sequence 1 where 0 is expected", "which is said");
    vrv_producers_free(&p);

    append(&p, batch(1, 0, INT32_MAX - 1, 5, 0));
    IS(judge(p, batch(1, 0, 3, 1, 0), &first, &e), VRV_PRODUCER_NEW,
        "a batch across the wrap ends at 2");
    IS(judge(p, batch(1, 0, INT32_MAX - 1, 5, 0), &first, &e), VRV_PRODUCER_DUPLICATE,
        "and is known again");
    vrv_producers_free(&p);
}

static void
test_ring(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    for (int i = 0; i < 6; i++)
        append(&p, batch(1, 0, 10 * i, 10, 100 + 10 * i));
    for (int i = 1; i < 6; i++) {
        IS(judge(p, batch(1, 0, 10 * i, 10, 0), &first, &e), VRV_PRODUCER_DUPLICATE,
            "batch %d of 6 is remembered", i + 1);
        IS(first, 100 + 10 * i, "with its offset");
    }
    IS(judge(p, batch(1, 0, 0, 10, 0), &first, &e), VRV_E_SEQUENCE, "the sixth to last is not");
    vrv_producers_free(&p);
}

static void
test_markers(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    append(&p, batch(1, 3, 0, 4, 0));
    append(&p, marker(1, 3, 4));
    IS(judge(p, batch(1, 3, 0, 4, 0), &first, &e), VRV_PRODUCER_DUPLICATE,
        "a marker of the same epoch leaves the batches");
    IS(judge(p, batch(1, 3, 4, 1, 0), &first, &e), VRV_PRODUCER_NEW, "and the next sequence");
    IS(judge(p, marker(1, 2, 0), &first, &e), VRV_E_PRODUCER, "an old epoch's marker is refused");
    IS(judge(p, marker(1, 9, 0), &first, &e), VRV_PRODUCER_NEW, "one of a new epoch isn't");
    append(&p, marker(1, 5, 5));
    IS(judge(p, batch(1, 3, 4, 1, 0), &first, &e), VRV_E_PRODUCER, "and fences the epochs before");
    IS(judge(p, batch(1, 5, 4, 1, 0), &first, &e), VRV_E_SEQUENCE, "its own epoch begins with 0");
    IS(judge(p, batch(1, 5, 0, 4, 0), &first, &e), VRV_PRODUCER_NEW, "which is no repetition");
    append(&p, marker(1, 4, 6));
    IS(judge(p, batch(1, 4, 0, 1, 0), &first, &e), VRV_E_PRODUCER,
        "replaying an old marker takes nothing back");
    vrv_producers_free(&p);

    struct vrv_batch odd = marker(1, 0, 10);

    append(&p, batch(1, 0, 0, 2, 0));
    odd.base_seq = 2;
    append(&p, odd);
    append(&p, batch(1, 0, -1, 1, 11));
    IS(judge(p, batch(1, 0, 2, 1, 0), &first, &e), VRV_PRODUCER_NEW,
        "neither a marker with a sequence nor a batch without one counts");
    vrv_producers_free(&p);
}

static void
test_replay(void)
{
    struct vrv_producers *p = NULL, *q = NULL;
    struct vrv_batch b[] = {batch(1, 0, 0, 3, 0), batch(2, 0, 0, 3, 3), batch(1, 0, 3, 3, 6),
        marker(2, 1, 9), batch(2, 1, 0, 1, 10), batch(1, 1, 0, 2, 11)};
    const size_t all = sizeof(b) / sizeof(b[0]);
    uint8_t *once, *twice;
    size_t n, m;

    for (size_t i = 0; i < all; i++)
        append(&p, b[i]);
    vrv_producers_encode(p, &once, &n);
    for (size_t from = 0; from < all; from++) {
        for (size_t i = 0; i < all; i++)
            append(&q, b[i]);
        for (size_t i = from; i < all; i++)
            append(&q, b[i]);
        vrv_producers_encode(q, &twice, &m);
        OK(n == m && memcmp(once, twice, n) == 0, "replaying again from batch %zu changes nothing",
            from);
        free(twice);
        vrv_producers_free(&q);
    }
    free(once);
    vrv_producers_free(&p);

    append(&p, batch(-1, -1, -1, 1, 0));
    append(&p, batch(1, 0, 0, 1, -5));
    append(&p, batch(1, 0, 0, -5, 5));
    append(&p, batch(1, 0, 0, 5000, INT64_MAX - 1000));
    OK(p == NULL, "batches without a producer, or with impossible offsets, leave no trace");
}

static void
test_expire(void)
{
    struct vrv_producers *p = NULL;

    IS(vrv_producers_expire(&p, INT64_MAX), 0, "an empty table has none to expire");
    for (int i = 0; i < 100; i++)
        append(&p, batch(100 - i, 0, 0, 1, i)); /* timestamp 1000 + i */
    IS(vrv_producers_count(p), 100, "a hundred producers");
    IS(vrv_producers_expire(&p, 1000), 0, "none before the first timestamp");
    append(&p, batch(100, 0, 1, 1, 200));
    IS(vrv_producers_expire(&p, 1090), 89, "the newest batch counts");
    IS(vrv_producers_count(p), 11, "the others stay");
    append(&p, batch(50, 0, 7, 1, 300));
    IS(vrv_producers_count(p), 12, "an expired one may come back, with any sequence");
    IS(vrv_producers_expire(&p, INT64_MAX), 12, "all of them expire");
    OK(p == NULL, "and the table with them");
}

/* The producer expired, and its client began anew with the same epoch: a copy in bytes that is
 * older than that knows batches which look like the new ones. */
static void
test_replay_after_expiry(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    for (int i = 0; i < 4; i++)
        append(&p, batch(1, 0, i, 1, i));
    append(&p, batch(1, 0, 0, 1, 100));
    IS(judge(p, batch(1, 0, 1, 1, 0), &first, &e), VRV_PRODUCER_NEW,
        "what comes after a sequence that began anew is no repetition of what was before");
    IS(judge(p, batch(1, 0, 0, 1, 0), &first, &e), VRV_PRODUCER_DUPLICATE,
        "what began it is known");
    IS(first, 100, "... as what it is now");
    append(&p, batch(1, 0, 70, 2, 200));
    IS(judge(p, batch(1, 0, 72, 1, 0), &first, &e), VRV_PRODUCER_NEW, "so it is behind a gap");
    IS(judge(p, batch(1, 0, 0, 1, 0), &first, &e), VRV_E_SEQUENCE, "... and nothing before it");
    vrv_producers_free(&p);
}

static void
test_shrink(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    IS(vrv_producers_shrink(&p, 1), 0, "an empty table can't shrink");
    for (int i = 0; i < 100; i++)
        append(&p, batch(100 - i, 0, 0, 1, i));
    append(&p, batch(100, 0, 1, 1, 200));
    IS(vrv_producers_shrink(&p, 100), 0, "nor one that is small enough");
    IS(vrv_producers_shrink(&p, 11), 89, "those go");
    IS(vrv_producers_count(p), 11, "... and these stay:");
    IS(judge(p, batch(100, 0, 1, 1, 0), &first, &e), VRV_PRODUCER_DUPLICATE, "the newest");
    IS(judge(p, batch(10, 0, 0, 1, 0), &first, &e), VRV_PRODUCER_DUPLICATE, "the tenth to it");
    IS(judge(p, batch(11, 0, 9, 1, 0), &first, &e), VRV_PRODUCER_NEW, "the next is forgotten");
    vrv_producers_free(&p);
}

static void
test_truncate(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    int64_t first;

    for (int i = 0; i < 7; i++)
        append(&p, batch(1, 0, 10 * i, 10, 10 * i));
    append(&p, batch(2, 0, 0, 10, 70));
    vrv_producers_truncate(&p, 80);
    IS(vrv_producers_count(p), 2, "nothing lies at the end");
    vrv_producers_truncate(&p, 50);
    IS(vrv_producers_count(p), 1, "a producer with nothing left is forgotten");
    IS(judge(p, batch(1, 0, 50, 10, 0), &first, &e), VRV_PRODUCER_NEW,
        "the other falls back to its older batches");
    IS(judge(p, batch(1, 0, 40, 10, 0), &first, &e), VRV_PRODUCER_DUPLICATE, "which are known");
    append(&p, batch(1, 0, 50, 10, 50));
    IS(judge(p, batch(1, 0, 60, 10, 0), &first, &e), VRV_PRODUCER_NEW, "and goes on from there");
    vrv_producers_truncate(&p, 15);
    OK(p == NULL, "batches that left the ring don't come back");
}

/* ---- copies in bytes ---- */

/* Written by hand from engine/README.md: producer 5 with a marker only, producer 9 with a batch. */
/* clang-format off */
static const uint8_t golden[] = {
    1, 2, 0, 0, 0,
    5, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0xf3, 3, 0, 0, 0, 0, 0, 0, 7, 0, 0,
    9, 0, 0, 0, 0, 0, 0, 0, 0x03, 1, 0, 0, 0, 0, 0, 0, 0xe9, 4, 0, 0, 0, 0, 0, 0, 2, 1, 1,
    0x03, 1, 0, 0, 0, 0, 0, 0, 0xe9, 4, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 2, 0, 0, 0,
};
/* clang-format on */

static void
test_golden(void)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    uint8_t *bytes = NULL;
    int64_t first;
    size_t n = 1;

    vrv_producers_encode(NULL, &bytes, &n);
    OK(bytes == NULL && n == 0, "an empty table has no bytes");
    IS(vrv_producers_decode(&p, NULL, 0, &e), 0, "and no bytes are an empty table");
    OK(p == NULL, "which is NULL");

    append(&p, batch(9, 258, INT32_MAX - 2, 3, 257));
    append(&p, marker(5, 7, 11));
    vrv_producers_encode(p, &bytes, &n);
    OK(n == sizeof(golden) && memcmp(bytes, golden, n) == 0, "the bytes are as documented");
    free(bytes);
    vrv_producers_free(&p);

    IS(vrv_producers_decode(&p, golden, sizeof(golden), &e), 0, "they can be read");
    IS(judge(p, batch(9, 258, INT32_MAX - 2, 3, 0), &first, &e), VRV_PRODUCER_DUPLICATE,
        "and know the batch");
    IS(judge(p, batch(5, 7, 1, 1, 0), &first, &e), VRV_E_SEQUENCE, "and the marker's epoch");
    vrv_producers_free(&p);
}

/* Decode from a block of exactly n bytes; what is accepted must be what it would write. */
static int
decode_strictly(const uint8_t *in, size_t n, bool *same)
{
    struct vrv_producers *p = NULL;
    struct vrv_err e = { 0 };
    uint8_t *copy = malloc(n ? n : 1), *again;
    size_t m;

    memcpy(copy, in, n);

    int rc = vrv_producers_decode(&p, copy, n, &e);

    *same = true;
    if (rc == 0) {
        vrv_producers_encode(p, &again, &m);
        *same = m == n && memcmp(again, copy, n) == 0;
        free(again);
    } else {
        *same = p == NULL && e.code == rc && e.msg[0] != '\0' &&
                (rc == VRV_E_CORRUPT || rc == VRV_E_VERSION);
    }
    vrv_producers_free(&p);
    free(copy);
    return rc;
}

static void
test_hostile(void)
{
    uint8_t bad[sizeof(golden) + 1];
    int wrong = 0, accepted = 0;
    bool same;

    for (size_t n = 1; n < sizeof(golden); n++)
        wrong += decode_strictly(golden, n, &same) != VRV_E_CORRUPT || !same;
    IS(wrong, 0, "every truncation is found");
    memcpy(bad, golden, sizeof(golden));
    bad[sizeof(golden)] = 0;
    IS(decode_strictly(bad, sizeof(bad), &same), VRV_E_CORRUPT, "as is a byte too many");
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        accepted += decode_strictly(bad, sizeof(golden), &same) == 0;
        wrong += !same;
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    IS(wrong, 0, "a flipped bit is refused with a sentence, or gives another valid table");
    tap_note("%d of %zu flips give a valid table", accepted, sizeof(golden) * 8);

    bad[0] = 2;
    IS(decode_strictly(bad, sizeof(golden), &same), VRV_E_VERSION, "a newer version is named");
    bad[0] = 0;
    IS(decode_strictly(bad, sizeof(golden), &same), VRV_E_CORRUPT, "version 0 never was");
    bad[0] = 1;
    vrv_put_le32(bad + 1, UINT32_MAX);
    IS(decode_strictly(bad, sizeof(golden), &same), VRV_E_CORRUPT,
        "a count of four billion ends with the bytes");
    vrv_put_le32(bad + 1, 0);
    IS(decode_strictly(bad, 5, &same), VRV_E_CORRUPT, "a table of none is never written");
}

/* Values that no table can have, one at a time in the golden bytes. */
static void
test_impossible(void)
{
    static const struct {
        const char *what;
        size_t at;
        int64_t value;
        size_t size;
    } cases[] = {
        {"ids ascend", 5, 9, 8},
        {"ids aren't below 0", 5, -5, 8},
        {"offsets aren't below 0", 13, -1, 8},
        {"a ring holds five", 31, 6, 1},
        {"a ring's batches are there", 58, 2, 1},
        {"a batch isn't above the newest offset", 59, 260, 8},
        {"nor does it begin below 0", 59, 1, 8},
        {"nor end there", 59, INT64_MIN, 8},
        {"sequences aren't below 0", 75, -1, 4},
        {"a batch doesn't end before it begins", 79, -1, 4},
    };
    uint8_t bad[sizeof(golden)];
    bool same;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bad, golden, sizeof(bad));
        for (size_t k = 0; k < cases[i].size; k++)
            bad[cases[i].at + k] = (uint8_t)((uint64_t)cases[i].value >> 8 * k);
        IS(decode_strictly(bad, sizeof(bad), &same), VRV_E_CORRUPT, "%s", cases[i].what);
    }
}

/* Two batches of one producer, of which the second begins inside the first. */
static void
test_overlap(void)
{
    struct vrv_producers *p = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    bool same;

    append(&p, batch(1, 0, 0, 5, 0));
    append(&p, batch(1, 0, 5, 5, 5));
    vrv_producers_encode(p, &bytes, &n);
    IS(decode_strictly(bytes, n, &same), 0, "a ring of two can be read");
    vrv_put_le64(bytes + 32, 5); /* last offset of the first */
    IS(decode_strictly(bytes, n, &same), VRV_E_CORRUPT, "but not when they overlap");
    free(bytes);
    vrv_producers_free(&p);
}

/* ---- the model: all that is remembered, as a list in the order of offsets ---- */

enum { MODEL_MAX = 4096, MODEL_IDS = 6, MODEL_STEPS = 3000, MODEL_RUNS = 40 };

struct model {
    struct vrv_batch v[MODEL_MAX];
    int n;
};

static bool
is_marker(const struct vrv_batch *b)
{
    return (b->attrs & VRV_ATTR_CONTROL) != 0;
}

static void
model_del(struct model *m, int at)
{
    memmove(m->v + at, m->v + at + 1, (size_t)(--m->n - at) * sizeof(*m->v));
}

/* The newest entry of a producer, or its newest batch with a sequence; -1 for none. */
static int
model_newest(const struct model *m, int64_t id, bool batches_only)
{
    for (int i = m->n - 1; i >= 0; i--)
        if (m->v[i].producer_id == id && !(batches_only && is_marker(&m->v[i])))
            return i;
    return -1;
}

static int32_t
last_seq(const struct vrv_batch *b)
{
    return (int32_t)(((int64_t)b->base_seq + b->last_delta) % ((int64_t)INT32_MAX + 1));
}

static int
model_judge(const struct model *m, const struct vrv_batch *b, int64_t *first)
{
    int newest = model_newest(m, b->producer_id, false);
    int data = model_newest(m, b->producer_id, true);

    if (newest < 0)
        return VRV_PRODUCER_NEW;
    if (b->producer_epoch < m->v[newest].producer_epoch)
        return VRV_E_PRODUCER;
    if (is_marker(b))
        return VRV_PRODUCER_NEW;
    if (b->producer_epoch > m->v[newest].producer_epoch || data < 0)
        return b->base_seq == 0 ? VRV_PRODUCER_NEW : VRV_E_SEQUENCE;
    for (int i = 0; i < m->n; i++) {
        const struct vrv_batch *k = &m->v[i];

        if (k->producer_id == b->producer_id && !is_marker(k) && k->base_seq == b->base_seq &&
            last_seq(k) == last_seq(b)) {
            *first = k->base_offset;
            return VRV_PRODUCER_DUPLICATE;
        }
    }
    if (last_seq(&m->v[data]) == INT32_MAX)
        return b->base_seq == 0 ? VRV_PRODUCER_NEW : VRV_E_SEQUENCE;
    return b->base_seq == last_seq(&m->v[data]) + 1 ? VRV_PRODUCER_NEW : VRV_E_SEQUENCE;
}

static void
model_add(struct model *m, const struct vrv_batch *b)
{
    int batches = 0;

    m->v[m->n++] = *b;
    for (int i = m->n - 1; i >= 0; i--) {
        const struct vrv_batch *k = &m->v[i];

        if (k->producer_id != b->producer_id)
            continue;
        batches += !is_marker(k);
        if (k->producer_epoch != b->producer_epoch || batches > 5 || (is_marker(k) && i < m->n - 1))
            model_del(m, i);
    }
}

static void
model_forget(struct model *m, int64_t id)
{
    for (int i = m->n - 1; i >= 0; i--)
        if (m->v[i].producer_id == id)
            model_del(m, i);
}

static void
model_truncate(struct model *m, int64_t offset)
{
    for (int64_t id = 0; id < MODEL_IDS; id++) {
        int i = model_newest(m, id, false);

        if (i < 0 || vrv_batch_last_offset(&m->v[i]) < offset)
            continue;
        while (i >= 0 && vrv_batch_last_offset(&m->v[i]) >= offset) {
            model_del(m, i);
            i = model_newest(m, id, false);
        }
    }
}

static void
model_expire(struct model *m, int64_t before)
{
    for (int64_t id = 0; id < MODEL_IDS; id++) {
        int i = model_newest(m, id, false);

        if (i >= 0 && m->v[i].max_ts < before)
            model_forget(m, id);
    }
}

/* A batch that is often the right next one, sometimes a repetition, sometimes anything. */
static struct vrv_batch
model_next(const struct model *m, struct vrv_rand *r, int64_t end)
{
    int64_t id = (int64_t)vrv_rand_below(r, MODEL_IDS);
    int at = model_newest(m, id, false), data = model_newest(m, id, true);
    int epoch = at < 0 ? 0 : m->v[at].producer_epoch;
    int32_t count = (int32_t)vrv_rand_below(r, 4) + 1;
    int32_t seq = data < 0 ? 0 : (int32_t)((last_seq(&m->v[data]) + INT64_C(1)) & INT32_MAX);

    switch (vrv_rand_below(r, 12)) {
    case 0:
        epoch += (int)vrv_rand_below(r, 3) - 1;
        break;
    case 1:
        epoch += (int)vrv_rand_below(r, 3) - 1;
        seq = 0;
        break;
    case 2:
        return marker(id, epoch + (int)vrv_rand_below(r, 3) - 1, end);
    case 3:
        seq = (int32_t)((uint32_t)seq - vrv_rand_below(r, 8)) & INT32_MAX;
        break;
    case 4:
        seq = INT32_MAX - (int32_t)vrv_rand_below(r, 5);
        break;
    case 5:
    case 6: {
        int any = m->n > 0 ? (int)vrv_rand_below(r, (uint64_t)m->n) : -1;

        if (any >= 0 && !is_marker(&m->v[any])) {
            struct vrv_batch b = m->v[any];

            b.base_offset = end;
            return b;
        }
        break;
    }
    default:
        break;
    }
    return batch(id, epoch, seq, count, end);
}

struct listing {
    const struct model *m;
    int64_t id;
    int wrong;
};

static int
compare_one(void *ctx, const struct vrv_producer_info *info)
{
    struct listing *l = ctx;
    int at = model_newest(l->m, info->id, false), data = model_newest(l->m, info->id, true);

    if (at < 0 || info->id <= l->id || info->epoch != l->m->v[at].producer_epoch ||
        info->last_offset != vrv_batch_last_offset(&l->m->v[at]) ||
        info->last_timestamp != l->m->v[at].max_ts ||
        info->last_seq != (data < 0 ? -1 : last_seq(&l->m->v[data])))
        l->wrong++;
    l->id = info->id;
    return 0;
}

/* Is the table what the model says it is? */
static bool
is_same(const struct vrv_producers *p, const struct model *m)
{
    struct listing l = {m, -1, 0};
    size_t known = 0;

    for (int64_t id = 0; id < MODEL_IDS; id++)
        known += model_newest(m, id, false) >= 0;
    return vrv_producers_each(p, compare_one, &l) == 0 && l.wrong == 0 &&
           vrv_producers_count(p) == known;
}

static void
reload(struct vrv_producers **p)
{
    uint8_t *bytes;
    size_t n;

    vrv_producers_encode(*p, &bytes, &n);
    vrv_producers_free(p);
    if (vrv_producers_decode(p, bytes, n, NULL) != 0)
        *p = NULL;
    free(bytes);
}

/* One random step; whether table and model agree on it. */
static bool
model_step(struct vrv_producers **p, struct model *m, struct vrv_rand *r, int64_t *end, int *seen)
{
    struct vrv_batch b = model_next(m, r, *end);
    int64_t first = -1, want_first = -1, last, ts;
    int want = model_judge(m, &b, &want_first);
    int rc = vrv_producers_check(*p, &b, &first, &last, &ts, NULL);

    seen[want < 0 ? 2 + (want == VRV_E_PRODUCER) : want]++;
    if (rc != want || first != want_first)
        return false;
    if (rc == VRV_PRODUCER_NEW) {
        b.base_offset = *end;
        b.max_ts = 1000 + *end;
        vrv_producers_update(p, &b);
        model_add(m, &b);
        *end += b.last_delta + 1;
    }
    switch (vrv_rand_below(r, 100)) {
    case 0:
        *end -= (int64_t)vrv_rand_below(r, (uint64_t)(*end < 30 ? *end + 1 : 30));
        vrv_producers_truncate(p, *end);
        model_truncate(m, *end);
        break;
    case 1:
        (void)vrv_producers_expire(p, 980 + *end);
        model_expire(m, 980 + *end);
        break;
    case 2:
        reload(p);
        break;
    default:
        break;
    }
    return is_same(*p, m);
}

static void
test_model(void)
{
    static struct model m;
    int wrong = 0, seen[4] = { 0 };

    for (uint64_t seed = 1; seed <= MODEL_RUNS; seed++) {
        struct vrv_rand r = {seed};
        struct vrv_producers *p = NULL;
        int64_t end = 0;

        m.n = 0;
        for (int step = 0; step < MODEL_STEPS; step++)
            if (!model_step(&p, &m, &r, &end, seen)) {
                tap_note("seed %" PRIu64 ", step %d", seed, step);
                wrong++;
                break;
            }
        vrv_producers_free(&p);
    }
    IS(wrong, 0, "%d random histories go as the plain list says", MODEL_RUNS);
    tap_note(
        "%d new, %d repeated, %d out of sequence, %d fenced", seen[0], seen[1], seen[2], seen[3]);
    OK(seen[0] > 100 && seen[1] > 100 && seen[2] > 100 && seen[3] > 100,
        "every verdict came up often");
}

/* Ids in no order: the table stays sorted, and finds all. */
static int
check_order(void *ctx, const struct vrv_producer_info *info)
{
    int64_t *prev = ctx;
    bool ok = info->id > *prev;

    *prev = info->id;
    return ok ? 0 : 1;
}

static void
test_many(void)
{
    struct vrv_producers *p = NULL;
    int64_t prev = -1, first;
    int unknown = 0;

    for (int64_t i = 0; i < 10000; i++)
        append(&p, batch(i * 7919 % 10007, 0, 0, 1, i));
    IS(vrv_producers_count(p), 10000, "ten thousand producers");
    IS(vrv_producers_each(p, check_order, &prev), 0, "are listed by id");
    for (int64_t i = 0; i < 10000; i++) {
        struct vrv_batch b = batch(i * 7919 % 10007, 0, 0, 1, 0);
        int64_t last, ts;

        unknown += vrv_producers_check(p, &b, &first, &last, &ts, NULL) != VRV_PRODUCER_DUPLICATE ||
                   first != i;
    }
    IS(unknown, 0, "and all are known again");
    vrv_producers_free(&p);
}

int
main(void)
{
    test_sequences();
    test_epochs();
    test_wrap();
    test_ring();
    test_markers();
    test_replay();
    test_expire();
    test_replay_after_expiry();
    test_shrink();
    test_truncate();
    test_golden();
    test_hostile();
    test_impossible();
    test_overlap();
    test_model();
    test_many();
    return tap_done();
}
