/* Leader epochs: the answers Kafka gives, copies in bytes, and random histories against a model
 * that knows the epoch of every record. */
#include "engine/log/epochs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/rand.h"
#include "t/lib/tap.h"

static bool
ends(const struct vrv_epochs *h, int32_t epoch, int64_t end, int32_t want, int64_t want_end)
{
    int32_t found = -2;
    int64_t found_end = -2;

    vrv_epochs_end_of(h, epoch, end, &found, &found_end);
    if (found == want && found_end == want_end)
        return true;
    tap_note("epoch %" PRId32 ": saw (%" PRId32 ", %" PRId64 "), expected (%" PRId32 ", %" PRId64
             ")",
        epoch, found, found_end, want, want_end);
    return false;
}

static void
test_answers(void)
{
    struct vrv_epochs h = { 0 };

    IS(vrv_epochs_newest(&h), -1, "no epoch is known at first");
    OK(ends(&h, 0, 0, -1, -1), "and none ends");
    IS(vrv_epochs_at(&h, 0), -1, "nobody wrote anything");
    vrv_epochs_add(&h, 2, 10);
    vrv_epochs_add(&h, 5, 20);
    vrv_epochs_add(&h, 5, 25);
    vrv_epochs_add(&h, 4, 30);
    IS(h.n, 2, "the newest again, or an older one, adds nothing");
    IS(vrv_epochs_newest(&h), 5, "the newest is known");
    OK(ends(&h, 5, 40, 5, 40), "it ends at the end of the log");
    OK(ends(&h, 2, 40, 2, 20), "an older one where the next begins");
    OK(ends(&h, 4, 40, 2, 20), "one that wrote nothing here as the one before it");
    OK(ends(&h, 1, 40, 1, 10), "one before all of them where the first begins");
    OK(ends(&h, 6, 40, -1, -1), "one that is yet to come is unknown");
    OK(ends(&h, -1, 40, -1, -1), "and so is -1");
    IS(vrv_epochs_at(&h, 9), -1, "nobody wrote what is before the first");
    IS(vrv_epochs_at(&h, 19), 2, "the last record of an epoch");
    IS(vrv_epochs_at(&h, 20), 5, "the first record of an epoch");
    vrv_epochs_fini(&h);
    OK(h.v == NULL && h.n == 0, "fini leaves an empty one");
}

static void
test_edges(void)
{
    struct vrv_epochs h = { 0 };

    vrv_epochs_trim_start(&h, 5);
    vrv_epochs_trim_end(&h, 5);
    IS(h.n, 0, "an empty history has nothing to trim");
    vrv_epochs_add(&h, 1, 0);
    vrv_epochs_add(&h, 2, 10);
    vrv_epochs_add(&h, 3, 10);
    IS(h.n, 2, "an epoch without a record is replaced");
    OK(ends(&h, 2, 20, 1, 10), "and has left no trace");
    vrv_epochs_trim_start(&h, 7);
    IS(vrv_epochs_at(&h, 6), -1, "what was deleted has no epoch");
    OK(ends(&h, 1, 20, 1, 10), "an epoch with records left stays");
    OK(ends(&h, 0, 20, 0, 7), "and begins where the log does");
    vrv_epochs_trim_start(&h, 10);
    OK(ends(&h, 1, 20, 1, 10), "a deleted one is older than all");
    IS(h.n, 1, "and forgotten");
    vrv_epochs_trim_start(&h, 20);
    IS(vrv_epochs_newest(&h), 3, "the newest stays when all records go");
    vrv_epochs_trim_end(&h, 20);
    IS(h.n, 0, "but not when its start is cut off");
    vrv_epochs_fini(&h);
}

/* ---- copies in bytes ---- */

static const uint8_t golden[] = {
    2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0};

static void
test_bytes(void)
{
    struct vrv_epochs h = { 0 };
    uint8_t out[sizeof(golden)];
    size_t used = 0;

    IS(vrv_epochs_encoded(&h), 4, "an empty history is a count");
    vrv_epochs_encode(&h, out);
    IS(vrv_epochs_decode(&h, out, 4, &used, NULL), 0, "which can be read");
    OK(used == 4 && h.n == 0 && h.v == NULL, "and is empty");
    vrv_epochs_add(&h, 3, 0);
    vrv_epochs_add(&h, 260, 4294967301);
    IS(vrv_epochs_encoded(&h), sizeof(golden), "two epochs are 28 bytes");
    vrv_epochs_encode(&h, out);
    OK(memcmp(out, golden, sizeof(golden)) == 0, "as documented");
    vrv_epochs_fini(&h);
}

static int
decode(const uint8_t *in, size_t n, size_t *used)
{
    struct vrv_epochs h;
    struct vrv_err e = { 0 };
    uint8_t *copy = malloc(n ? n : 1); /* exact, for ASan */

    memcpy(copy, in, n);

    int rc = vrv_epochs_decode(&h, copy, n, used, &e);

    if (rc < 0 && (e.code != rc || e.msg[0] == '\0' || h.v != NULL || h.n != 0))
        rc = -1000;
    vrv_epochs_fini(&h);
    free(copy);
    return rc;
}

static void
test_hostile(void)
{
    uint8_t bad[sizeof(golden) + 3] = { 0 };
    size_t used = 0;
    int wrong = 0;

    for (size_t n = 0; n < sizeof(golden); n++)
        wrong += decode(golden, n, &used) != VRV_E_CORRUPT;
    IS(wrong, 0, "every truncation is found");
    memcpy(bad, golden, sizeof(golden));
    IS(decode(bad, sizeof(bad), &used), 0, "what follows isn't ours");
    IS(used, sizeof(golden), "and is left");
    for (size_t bit = 0; bit < sizeof(golden) * 8; bit++) {
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);

        int rc = decode(bad, sizeof(golden), &used);

        wrong += rc != VRV_E_CORRUPT && rc != 0;
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    IS(wrong, 0, "a flipped bit is refused, or gives another valid history");
    vrv_put_le32(bad, UINT32_MAX);
    IS(decode(bad, sizeof(bad), &used), VRV_E_CORRUPT, "a count must fit the bytes");
    vrv_put_le32(bad, 2);
    bad[16] = 3, bad[17] = 0;
    IS(decode(bad, sizeof(bad), &used), VRV_E_CORRUPT, "epochs must ascend");
    memcpy(bad, golden, sizeof(golden));
    memset(bad + 20, 0, 8);
    IS(decode(bad, sizeof(bad), &used), VRV_E_CORRUPT, "offsets must ascend");
    memset(bad + 8, 0xff, 8);
    IS(decode(bad, sizeof(bad), &used), VRV_E_CORRUPT, "and not begin below 0");
}

/* ---- the model: the epoch of each record of the log, and the newest that was declared ---- */

enum { MODEL_RECORDS = 600, MODEL_RUNS = 60 };

struct model {
    int32_t rec[MODEL_RECORDS];
    int64_t start, end;
    int32_t declared; /* -1 when unknown; may have no record yet */
    int32_t next;     /* no epoch was as large so far */
};

static bool
has_record(const struct model *m, int32_t epoch)
{
    for (int64_t o = m->start; o < m->end; o++)
        if (m->rec[o] == epoch)
            return true;
    return false;
}

static int64_t
first_above(const struct model *m, int32_t epoch)
{
    for (int64_t o = m->start; o < m->end; o++)
        if (m->rec[o] > epoch)
            return o;
    return m->end;
}

static void
model_end_of(const struct model *m, int32_t epoch, int32_t *found, int64_t *end)
{
    *found = -1;
    *end = -1;
    if (epoch < 0 || epoch > m->declared)
        return;
    *found = epoch;
    for (int32_t k = epoch; k >= 0; k--)
        if (k == m->declared || has_record(m, k)) {
            *found = k;
            break;
        }
    *end = first_above(m, *found);
}

static int
compare(const struct vrv_epochs *h, const struct model *m)
{
    int wrong = vrv_epochs_newest(h) != m->declared;

    for (int64_t o = m->start; o < m->end; o++)
        wrong += vrv_epochs_at(h, o) != m->rec[o];
    wrong += m->start > 0 && vrv_epochs_at(h, m->start - 1) != -1;
    for (int32_t k = -1; k <= m->next; k++) {
        int32_t found;
        int64_t end;

        model_end_of(m, k, &found, &end);
        wrong += !ends(h, k, m->end, found, end);
    }
    return wrong;
}

static void
reload(struct vrv_epochs *h)
{
    size_t n = vrv_epochs_encoded(h), used = 0;
    uint8_t *bytes = malloc(n);

    vrv_epochs_encode(h, bytes);
    vrv_epochs_fini(h);
    if (vrv_epochs_decode(h, bytes, n, &used, NULL) != 0 || used != n)
        vrv_epochs_fini(h);
    free(bytes);
}

static void
new_leader(struct vrv_epochs *h, struct model *m, struct vrv_rand *r)
{
    m->declared = m->next;
    m->next += 1 + (int32_t)vrv_rand_below(r, 2);
    vrv_epochs_add(h, m->declared, m->end);
}

static void
append(struct vrv_epochs *h, struct model *m, struct vrv_rand *r)
{
    if (m->declared < 0)
        new_leader(h, m, r);
    for (uint64_t k = vrv_rand_below(r, 5) + 1; k > 0 && m->end < MODEL_RECORDS; k--) {
        vrv_epochs_add(h, m->declared, m->end);
        m->rec[m->end++] = m->declared;
    }
}

static void
cut_end(struct vrv_epochs *h, struct model *m, int64_t offset)
{
    vrv_epochs_trim_end(h, offset);
    m->end = offset;
    if (!has_record(m, m->declared)) /* it began at or above the cut: that of the last record */
        m->declared = offset > m->start ? m->rec[offset - 1] : -1;
}

static void
model_step(struct vrv_epochs *h, struct model *m, struct vrv_rand *r)
{
    int64_t any = m->start + (int64_t)vrv_rand_below(r, (uint64_t)(m->end - m->start) + 1);

    switch (vrv_rand_below(r, 8)) {
    case 0:
        vrv_epochs_trim_start(h, any);
        m->start = any;
        break;
    case 1:
        cut_end(h, m, any);
        break;
    case 2:
    case 3:
        new_leader(h, m, r);
        break;
    case 4:
        reload(h);
        break;
    default:
        append(h, m, r);
        break;
    }
}

static void
test_model(void)
{
    static struct model m;
    int wrong = 0;

    for (uint64_t seed = 1; seed <= MODEL_RUNS; seed++) {
        struct vrv_rand r = {seed};
        struct vrv_epochs h = { 0 };
        int step;

        memset(&m, 0, sizeof(m));
        m.declared = -1;
        for (step = 0; step < 150 && compare(&h, &m) == 0; step++)
            model_step(&h, &m, &r);
        if (step < 150) {
            tap_note("seed %" PRIu64 ", step %d", seed, step);
            wrong++;
        }
        vrv_epochs_fini(&h);
    }
    IS(wrong, 0, "%d random histories answer as the records say", MODEL_RUNS);
}

int
main(void)
{
    test_answers();
    test_edges();
    test_bytes();
    test_hostile();
    test_model();
    return tap_done();
}
