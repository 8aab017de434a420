/*
 * Any bytes as an index file: nothing crashes, and every answer is one of those promised.
 *
 * A fuzzer can't guess checksums, so each input is read twice: as it is, and with both checksums
 * put right, which opens the way to the checks behind them.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/seg/index.h"
#include "engine/seg/index_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A file in memory, for reading only. */
struct memfile {
    struct vrv_file file;
    const uint8_t *p;
    size_t n;
};

static ssize_t
mem_pread(struct vrv_file *f, void *buf, size_t n, uint64_t pos, unsigned flags, struct vrv_err *e)
{
    const struct memfile *m = (const struct memfile *)(const void *)f;

    (void)flags;
    (void)e;
    if (pos >= m->n)
        return 0;
    if (n > m->n - pos)
        n = m->n - (size_t)pos;
    memcpy(buf, m->p + pos, n);
    return (ssize_t)n;
}

static int
mem_size(struct vrv_file *f, uint64_t *size, struct vrv_err *e)
{
    (void)e;
    *size = ((const struct memfile *)(const void *)f)->n;
    return 0;
}

static const struct vrv_file_ops mem_ops = { .pread = mem_pread, .size = mem_size };

static void
look_up(struct vrv_file *f, uint32_t n, int64_t key, unsigned flags)
{
    struct vrv_index_entry x;
    bool found;
    int rc;

    rc = vrv_index_find(f, n, key, flags, &x, &found, NULL);
    VRV_ASSERT(rc == 0 || rc == VRV_E_CORRUPT || rc == VRV_E_AGAIN);
    if (rc == 0 && found)
        VRV_ASSERT(x.offset <= key);
    rc = vrv_index_find_time(f, n, key, flags, &x, &found, NULL);
    VRV_ASSERT(rc == 0 || rc == VRV_E_CORRUPT || rc == VRV_E_AGAIN);
    if (rc == 0 && found)
        VRV_ASSERT(x.max_ts < key);
}

static void
read_all(const uint8_t *p, size_t n)
{
    struct memfile m = {{&mem_ops, "input"}, p, n};
    int64_t base = n < VRV_INDEX_HEADER ? 0 : (int64_t)vrv_get_le64(p + VRV_IXH_BASE);
    uint32_t entries = (uint32_t)(n / VRV_INDEX_ENTRY);
    struct vrv_seal s;
    struct vrv_err e;
    int rc = vrv_index_read_seal(&m.file, base, &s, &e);

    VRV_ASSERT(rc == 0 || rc == VRV_E_CORRUPT || rc == VRV_E_VERSION);
    if (rc == 0)
        entries = s.entries;
    /* Keys at the ends, and one from the middle of the file. */
    for (unsigned flags = 0; flags <= VRV_READ_NOWAIT; flags += VRV_READ_NOWAIT) {
        look_up(&m.file, entries, base, flags);
        look_up(&m.file, entries, INT64_MIN, flags);
        look_up(&m.file, entries, INT64_MAX, flags);
        if (n >= 8)
            look_up(&m.file, entries, (int64_t)vrv_get_le64(p + (n - 8) / 2), flags);
        look_up(&m.file, UINT32_MAX, base, flags);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    read_all(p, n);
    if (n < VRV_INDEX_HEADER + VRV_INDEX_FOOTER)
        return 0;

    uint8_t *copy = malloc(n);

    VRV_ASSERT(copy != NULL);
    memcpy(copy, p, n);
    vrv_put_le32(copy + VRV_IXH_CRC, vrv_crc32c(0, copy, VRV_IXH_CRC));
    vrv_put_le32(copy + n - 4, vrv_crc32c(0, copy, n - 4));
    read_all(copy, n);
    free(copy);
    return 0;
}
