/*
 * Leader epochs of one partition: a short sorted array, since a new epoch is a rare thing.
 *
 * What must stay true (decode checks it too):
 *   EPOCH-1  epochs and start offsets both ascend strictly.
 */
#include "engine/log/epochs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"

enum {
    CODED_HEAD = 4,  /* u32 count */
    CODED_EPOCH = 0, /* i32 */
    CODED_START = 4, /* i64 */
    CODED_ENTRY = 12,
};

static void
drop_first(struct vrv_epochs *h, uint32_t n)
{
    if (n == 0)
        return;
    h->n -= n;
    memmove(h->v, h->v + n, h->n * sizeof(*h->v));
}

void
vrv_epochs_add(struct vrv_epochs *h, int32_t epoch, int64_t start)
{
    if (h->n > 0 && epoch <= h->v[h->n - 1].epoch)
        return;
    vrv_epochs_trim_end(h, start);
    VRV_PUSH_ROOM(h->v, h->n, h->cap);
    h->v[h->n++] = (struct vrv_epoch_start){epoch, start};
}

int32_t
vrv_epochs_newest(const struct vrv_epochs *h)
{
    return h->n > 0 ? h->v[h->n - 1].epoch : -1;
}

/* How many entries are of `epoch` or older. */
static uint32_t
count_up_to(const struct vrv_epochs *h, int32_t epoch)
{
    uint32_t n = h->n;

    while (n > 0 && h->v[n - 1].epoch > epoch)
        n--;
    return n;
}

/* How many entries start at `offset` or before. */
static uint32_t
count_started(const struct vrv_epochs *h, int64_t offset)
{
    uint32_t n = h->n;

    while (n > 0 && h->v[n - 1].start > offset)
        n--;
    return n;
}

void
vrv_epochs_end_of(
    const struct vrv_epochs *h, int32_t epoch, int64_t end, int32_t *found, int64_t *found_end)
{
    uint32_t n = count_up_to(h, epoch);

    *found = -1;
    *found_end = -1;
    if (epoch < 0 || epoch > vrv_epochs_newest(h)) /* -1 is "unknown", not the oldest epoch */
        return;
    *found = n > 0 ? h->v[n - 1].epoch : epoch;
    *found_end = n < h->n ? h->v[n].start : end;
}

int32_t
vrv_epochs_at(const struct vrv_epochs *h, int64_t offset)
{
    uint32_t n = count_started(h, offset);

    return n > 0 ? h->v[n - 1].epoch : -1;
}

void
vrv_epochs_trim_start(struct vrv_epochs *h, int64_t offset)
{
    uint32_t n = count_started(h, offset);

    if (n == 0)
        return;
    drop_first(h, n - 1);
    h->v[0].start = offset;
}

void
vrv_epochs_trim_end(struct vrv_epochs *h, int64_t offset)
{
    while (h->n > 0 && h->v[h->n - 1].start >= offset)
        h->n--;
}

void
vrv_epochs_fini(struct vrv_epochs *h)
{
    free(h->v);
    *h = (struct vrv_epochs){0};
}

size_t
vrv_epochs_encoded(const struct vrv_epochs *h)
{
    return CODED_HEAD + (size_t)h->n * CODED_ENTRY;
}

void
vrv_epochs_encode(const struct vrv_epochs *h, uint8_t *out)
{
    vrv_put_le32(out, h->n);
    out += CODED_HEAD;
    for (uint32_t i = 0; i < h->n; i++, out += CODED_ENTRY) {
        vrv_put_le32(out + CODED_EPOCH, (uint32_t)h->v[i].epoch);
        vrv_put_le64(out + CODED_START, (uint64_t)h->v[i].start);
    }
}

/* The next entry behind those decoded so far. */
static int
get_entry(struct vrv_epochs *h, const uint8_t *in, struct vrv_err *e)
{
    struct vrv_epoch_start got = {
        .epoch = (int32_t)vrv_get_le32(in + CODED_EPOCH),
        .start = (int64_t)vrv_get_le64(in + CODED_START),
    };
    struct vrv_epoch_start low = {-1, -1};

    if (h->n > 0)
        low = h->v[h->n - 1];
    if (got.epoch <= low.epoch || got.start <= low.start)
        return vrv_err_set(e, VRV_E_CORRUPT,
            "leader epochs don't ascend: epoch %" PRId32 " from %" PRId64 " follows epoch %" PRId32
            " from %" PRId64,
            got.epoch, got.start, low.epoch, low.start);
    h->v[h->n++] = got;
    return 0;
}

int
vrv_epochs_decode(
    struct vrv_epochs *h, const uint8_t *in, size_t n, size_t *used, struct vrv_err *e)
{
    *h = (struct vrv_epochs){0};
    if (n < CODED_HEAD)
        return vrv_err_set(e, VRV_E_CORRUPT, "leader epochs end after %zu bytes", n);

    uint32_t count = vrv_get_le32(in);

    if (count > (n - CODED_HEAD) / CODED_ENTRY)
        return vrv_err_set(
            e, VRV_E_CORRUPT, "%" PRIu32 " leader epochs don't fit into %zu bytes", count, n);
    *used = CODED_HEAD + (size_t)count * CODED_ENTRY;
    if (count == 0)
        return 0;
    h->v = vrv_mem_try(count * sizeof(*h->v));
    if (h->v == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %" PRIu32 " leader epochs", count);
    h->cap = count;
    for (uint32_t i = 0; i < count; i++) {
        int rc = get_entry(h, in + CODED_HEAD + (size_t)i * CODED_ENTRY, e);

        if (rc < 0) {
            vrv_epochs_fini(h);
            return rc;
        }
    }
    return 0;
}
