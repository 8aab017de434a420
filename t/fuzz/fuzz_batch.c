/*
 * Any bytes as a batch, as a client's append and as something read back from a disk.
 *
 * The first byte chooses the rules.  Unless its top bit is set, length and checksum are put right
 * first, since no mutation would get past them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/record.h"
#include "t/fuzz/peak.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { DECODER_MAX = 9 << 20 }; /* what the hungriest decoder needs for itself */

static void
put_right(uint8_t *p, size_t n)
{
    if (n < VRV_BATCH_HEADER)
        return;
    vrv_put_be32(p + 8, (uint32_t)(n - VRV_BATCH_PREFIX));
    vrv_put_be32(p + 17, vrv_crc32c(0, p + 21, n - 21));
}

static void
walk_headers(const struct vrv_record *r)
{
    const uint8_t *key, *value;
    int32_t key_len, value_len, n = 0;
    size_t pos = 0;

    while (vrv_record_header(r, &pos, &key, &key_len, &value, &value_len) == 1) {
        VRV_ASSERT(key_len >= 0);
        VRV_ASSERT(value_len >= -1);
        n++;
    }
    VRV_ASSERT(n == r->header_count);
    VRV_ASSERT(pos == r->headers_len);
}

/* How a reader of the log sees it; every record it gets makes sense. */
static int
walk(const uint8_t *p, const struct vrv_batch *b)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    int64_t last = b->base_offset - 1;
    volatile uint8_t touched = 0; /* reads that ASan can object to */
    int rc = vrv_record_iter_init(&it, p, b, NULL);

    if (rc < 0)
        return rc;
    while ((rc = vrv_record_next(&it, &r, NULL)) == 1) {
        VRV_ASSERT(r.offset > last);
        VRV_ASSERT(r.offset <= vrv_batch_last_offset(b));
        VRV_ASSERT((r.key == NULL) == (r.key_len == -1));
        VRV_ASSERT((r.value == NULL) == (r.value_len == -1));
        if (r.value_len > 0)
            touched = r.value[r.value_len - 1];
        if (r.key_len > 0)
            touched = r.key[r.key_len - 1];
        walk_headers(&r);
        last = r.offset;
    }
    (void)touched;
    VRV_ASSERT(rc < 0 || it.index == b->count);
    vrv_record_iter_fini(&it);
    return rc;
}

struct blamed {
    struct vrv_blame blame;
    int32_t last; /* -1: none yet */
};

static bool
blame_record(struct vrv_blame *to, int32_t index, const char *why)
{
    struct blamed *b = (struct blamed *)to;

    VRV_ASSERT(index > b->last && why[0] != '\0');
    b->last = index;
    return true;
}

static void
one_batch(uint8_t *p, size_t n, uint8_t flags)
{
    struct vrv_batch_rules rules = {
        .walk_records = true,
        .log_append_time = flags & 1,
        .keys_required = flags & 2,
        .allow_control = flags & 4,
        .ts_min = flags & 8 ? 0 : INT64_MIN,
        .ts_max = INT64_MAX,
    };
    struct vrv_err e = { 0 };
    struct vrv_batch b;
    struct blamed bad = { { blame_record }, -1 };
    int rc = vrv_batch_check(&b, p, n, &rules, &bad.blame, &e);

    VRV_ASSERT(rc == 0 || (e.code == rc && e.msg[0] != '\0'));
    VRV_ASSERT(bad.last == -1 || (rc < 0 && bad.last < b.count));
    if (vrv_batch_read(&b, p, n, NULL) < 0) {
        VRV_ASSERT(rc < 0);
        return;
    }

    int walked = walk(p, &b);

    VRV_ASSERT(rc < 0 || walked == 0);
    if (rc == 0) {
        vrv_batch_stamp(p, 1000, 7);
        vrv_batch_stamp_time(p, &b, 5);
        VRV_ASSERT(vrv_batch_read(&b, p, n, NULL) == 0 && vrv_batch_check_crc(p, &b, NULL) == 0);
        VRV_ASSERT(walk(p, &b) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 1)
        return 0;

    uint8_t flags = p[0];
    uint8_t *copy = malloc(n);

    VRV_ASSERT(copy != NULL);
    n--;
    memcpy(copy, p + 1, n);
    if (!(flags & 128))
        put_right(copy, n);
    peak_start();
    one_batch(copy, n, flags);
    /* A block that moves while it grows is there twice. */
    peak_check(2 * (vrv_unpacked_max(n) + 1) + DECODER_MAX);
    free(copy);
    return 0;
}
