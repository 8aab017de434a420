/*
 * Any bytes as the two files of a segment, as a crash or a rotten disk may leave them: it is read,
 * checked, given a new index, written on and sealed.
 *
 * Each of these works or says CORRUPT (VERSION, of a later index).  What a look-up finds is a batch
 * of that place; a walk over them comes to an end; and once a check has passed, every batch that is
 * served has a checksum that holds.
 *
 * Input: a byte of flags; how much of the data file the segment knows of, in 200th; offsets in it;
 * entries of its index; u16 size of the data file; its bytes, then those of the index file.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/batch/batch.h"
#include "engine/batch/build.h"
#include "engine/seg/index_format.h"
#include "engine/seg/seg.h"
#include "t/fuzz/peak.h"
#include "t/lib/simdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { HEAD = 6, BASE = 100, INTERVAL = 64, BATCH_CRC = 17, BATCH_CRC_FROM = 21, PEAK = 4 << 20 };

enum flags {
    CRCS_RIGHT = 1, /* of batches, which a fuzzer can't guess */
    SUMS_RIGHT = 2, /* the checksums that the segment knows are those of the files */
    NO_DATA = 4,
    NO_INDEX = 8,
};

static const struct vrv_log_id id = { .topic = { { 0xab, 1, 2 } }, .partition = 7 };

struct input {
    uint8_t flags;
    uint8_t *data;
    const uint8_t *index;
    size_t data_n, index_n;
    uint64_t known;
    int64_t next;
    uint32_t entries;
};

static void
must(int rc)
{
    VRV_ASSERT(rc == 0);
}

/* What any bytes may lead to. */
static bool
worked(int rc)
{
    VRV_ASSERT(rc == 0 || rc == VRV_E_CORRUPT || rc == VRV_E_VERSION || rc == VRV_E_NOTFOUND);
    return rc == 0;
}

/* ---- the input ---- */

static void
put_crcs_right(struct input *in)
{
    struct vrv_batch b;

    for (size_t at = 0; vrv_batch_read(&b, in->data + at, in->data_n - at, NULL) == 0; at += b.size)
        vrv_put_be32(in->data + at + BATCH_CRC,
            vrv_crc32c(0, in->data + at + BATCH_CRC_FROM, b.size - BATCH_CRC_FROM));
}

static void
input_init(struct input *in, const uint8_t *p, size_t n)
{
    size_t data_n = p[4] | (size_t)p[5] << 8;

    *in = (struct input){ .flags = p[0], .next = BASE + p[2], .entries = p[3] % 64 };
    in->data_n = data_n < n - HEAD ? data_n : n - HEAD;
    in->index = p + HEAD + in->data_n;
    in->index_n = n - HEAD - in->data_n;
    in->known = in->data_n * p[1] / 200;
    in->data = malloc(in->data_n + 1);
    VRV_ASSERT(in->data != NULL);
    memcpy(in->data, p + HEAD, in->data_n);
    if (in->flags & CRCS_RIGHT)
        put_crcs_right(in);
}

static void
put_file(struct vrv_vfs *v, const char *suffix, const uint8_t *p, size_t n)
{
    char path[VRV_PATH_MAX];
    struct vrv_file *f = NULL;

    vrv_seg_path(&id, BASE, suffix, path);
    must(vrv_vfs_open(v, path, VRV_OPEN_WRITE | VRV_OPEN_CREATE, &f, NULL));
    if (n > 0)
        must(vrv_file_pwrite(f, p, n, 0, NULL));
    vrv_file_close(&f);
}

static struct simdisk *
disk_of(const struct input *in)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_vfs *v = simdisk_vfs(d);
    char dir[VRV_PATH_MAX];

    vrv_log_dir(&id, dir);
    must(vrv_vfs_mkdir(v, "log", NULL));
    must(vrv_vfs_mkdir(v, "log/ab", NULL));
    must(vrv_vfs_mkdir(v, dir, NULL));
    if (!(in->flags & NO_DATA))
        put_file(v, "log", in->data, in->data_n);
    if (!(in->flags & NO_INDEX))
        put_file(v, "index", in->index, in->index_n);
    must(vrv_vfs_sync_all(v, NULL));
    return d;
}

/* As a checkpoint's record brings it back. */
static struct vrv_seg *
seg_of(const struct input *in, struct vrv_files *files, bool sealed)
{
    struct vrv_seg *s = vrv_seg_new(files, &id, BASE, 0);

    s->size = s->flushed = in->known;
    s->next = s->flushed_next = in->next;
    s->index_n = in->entries;
    s->interval = INTERVAL;
    s->min_ts = s->max_ts = 0;
    if (in->flags & SUMS_RIGHT) {
        size_t entries = VRV_INDEX_HEADER + (size_t)in->entries * VRV_INDEX_ENTRY;

        if (in->known <= in->data_n)
            s->crc = vrv_crc32c(0, in->data, in->known);
        if (entries <= in->index_n)
            s->index_crc = vrv_crc32c(0, in->index, entries);
    }
    atomic_store(&s->state, sealed ? VRV_SEG_SEALED : VRV_SEG_OPEN);
    return s;
}

/* ---- reading ---- */

/* The batch of that place, as a reader gets it; false: the file ends before it does. */
static bool
serve(struct vrv_seg *s, const struct vrv_seg_place *at, bool sound, struct vrv_batch *b)
{
    uint8_t *bytes = malloc(at->size);

    VRV_ASSERT(bytes != NULL);
    VRV_ASSERT(at->pos + at->size <= s->flushed);
    ssize_t got = vrv_seg_pread(s, bytes, at->size, at->pos, 0, NULL);
    bool whole = got == (ssize_t)at->size;
    VRV_ASSERT(whole || (got >= 0 && !sound));
    if (whole) {
        must(vrv_batch_read(b, bytes, at->size, NULL));
        VRV_ASSERT(b->size == at->size && b->base_offset == at->base);
        VRV_ASSERT(!sound || vrv_batch_check_crc(bytes, b, NULL) == 0);
    }
    free(bytes);
    return whole;
}

/* sound: a check has passed. */
static void
read_all(struct vrv_seg *s, bool sound)
{
    struct vrv_seg_view v = vrv_seg_view(s);
    uint64_t left = s->flushed / VRV_BATCH_HEADER + 1;
    struct vrv_seg_place at = { .size = 1 };
    struct vrv_batch b;

    for (int64_t offset = BASE; at.size > 0; left--) {
        int rc = vrv_seg_find(s, &v, offset, 0, &at, NULL);

        VRV_ASSERT(left > 0 || rc != 0 || at.size == 0);
        VRV_ASSERT(!sound || rc == 0);
        if (!worked(rc) || at.size == 0 || !serve(s, &at, sound, &b))
            break;
        VRV_ASSERT(vrv_batch_last_offset(&b) >= offset);
        offset = vrv_batch_last_offset(&b) + 1;
    }
    for (int64_t ts = -1; ts < 1000; ts += 250)
        if (worked(vrv_seg_find_time(s, &v, ts, 0, &at, NULL)) && at.size > 0 &&
            serve(s, &at, sound, &b))
            VRV_ASSERT(b.max_ts >= ts);
}

static bool
check(struct vrv_seg *s)
{
    struct vrv_seal seal;

    return worked(vrv_seg_check(s, s->flushed, &seal, NULL)) && seal.next <= s->next;
}

static void
read_sealed(const struct input *in)
{
    struct simdisk *d = disk_of(in);
    struct vrv_files files;
    struct vrv_seal seal;

    vrv_files_init(&files, simdisk_vfs(d), 4);
    struct vrv_seg *s = seg_of(in, &files, true);
    read_all(s, false);
    bool sound = check(s);
    read_all(s, sound);
    if (worked(vrv_seg_rebuild_index(s, INTERVAL, NULL))) {
        VRV_ASSERT(vrv_seg_check(s, s->flushed, &seal, NULL) == 0 && seal.data_crc == s->crc);
        read_all(s, true);
    }
    vrv_seg_unref(s);
    vrv_files_fini(&files);
    simdisk_free(&d);
}

/* ---- writing on ---- */

/* One more batch; false: what is there was refused. */
static bool
write_one(struct vrv_seg *s, const uint8_t *p, size_t n)
{
    struct iovec iov = { (void *)(uintptr_t)p, n };
    struct vrv_seg_written w;
    struct vrv_batch b;

    must(vrv_batch_read(&b, p, n, NULL));
    s->size += n;
    s->next = vrv_batch_last_offset(&b) + 1;
    if (!worked(vrv_seg_write(s, &iov, 1, INTERVAL, &w, NULL)))
        return false;
    VRV_ASSERT(w.flushed == s->size && w.flushed_next == s->next);
    vrv_seg_apply(s, &w);
    return true;
}

static void
seal(struct vrv_seg *s, struct vrv_vfs *v)
{
    struct vrv_seg_written w;
    struct vrv_file *f;
    uint64_t size;

    atomic_store(&s->state, VRV_SEG_CLOSED);
    if (!worked(vrv_seg_foot(s, &w, NULL)))
        return;
    vrv_seg_apply(s, &w);
    must(vrv_vfs_sync_all(v, NULL));
    must(vrv_seg_seal(s, NULL));
    must(vrv_seg_file_get(s, &f, NULL));
    must(vrv_file_size(f, &size, NULL));
    vrv_seg_file_put(s);
    VRV_ASSERT(size == s->size); /* nothing that a crash left is behind it */
}

static void
write_on(const struct input *in)
{
    struct simdisk *d = disk_of(in);
    struct vrv_batch_builder bb;
    struct vrv_files files;
    const uint8_t *p;
    uint8_t batch[256];
    size_t n;

    vrv_batch_builder_init(&bb);
    vrv_batch_builder_add(&bb, 500, NULL, -1, "value", 5, NULL, 0);
    must(vrv_batch_builder_finish(&bb, VRV_CODEC_NONE, &p, &n, NULL));
    VRV_ASSERT(n <= sizeof(batch));
    memcpy(batch, p, n);
    vrv_batch_builder_fini(&bb);
    vrv_batch_stamp(batch, in->next, 0);

    vrv_files_init(&files, simdisk_vfs(d), 4);
    struct vrv_seg *s = seg_of(in, &files, false);
    read_all(s, false);
    bool sound = check(s);
    if (write_one(s, batch, n)) {
        read_all(s, sound);
        VRV_ASSERT(check(s) == sound);
        seal(s, simdisk_vfs(d));
        read_all(s, sound);
    }
    vrv_seg_unref(s);
    vrv_files_fini(&files);
    simdisk_free(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct input in;

    if (n < HEAD)
        return 0;
    input_init(&in, p, n);
    peak_start();
    read_sealed(&in);
    write_on(&in);
    peak_check(PEAK);
    free(in.data);
    return 0;
}
