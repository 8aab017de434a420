/*
 * Any bytes as the contents of a WAL's two files: recovery refuses or recovers, what it replays are
 * sound groups without a gap, a refusal changes nothing, and recovering again gives the same.
 *
 * Input: a byte of flags, one each for trim slot and next entry, then chunks of 128 bytes, each the
 * beginning of one block.  With flag 1 their checksums are put right, which a fuzzer can't guess.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/wal/wal_file.h"
#include "engine/wal/wal_format.h"
#include "t/fuzz/peak.h"
#include "t/lib/simdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FILES = 2, BLOCK = VRV_DIRECT_ALIGN, FILE_BYTES = VRV_WAL_FILE_MIN,
    BLOCKS = FILE_BYTES / BLOCK - 1, CHUNK = 128, HEAD = 3, WAL_ID = 42, PEAK = 4 << 20 };

static struct vrv_slab_pool pool;
static const struct vrv_wal_file_opts opts = { .dir = "wal", .wal_id = WAL_ID, .files = FILES,
    .file_bytes = FILE_BYTES, .pool = &pool, .fill_first = FILE_BYTES };

struct replay {
    uint64_t slot, seq;
    uint32_t session;
    uint32_t crc; /* of all that was replayed */
    uint64_t groups;
};

/* Entries are read until one can't be: never beyond the payload. */
static void
walk_entries(const uint8_t *p, size_t n, uint32_t count)
{
    struct vrv_wal_item it;

    for (uint32_t i = 0; i < count && vrv_wal_item_read(&it, p, n); i++) {
        VRV_ASSERT(it.size <= n - VRV_WAL_ENTRY_HEADER);
        VRV_ASSERT(it.partition >= 0);
        p += VRV_WAL_ENTRY_HEADER + it.size;
        n -= VRV_WAL_ENTRY_HEADER + it.size;
    }
}

static int
check_group(void *ctx, const uint8_t *bytes, size_t n, struct vrv_slab *slab,
    struct vrv_err *e)
{
    struct replay *r = ctx;
    struct vrv_wal_head h;

    (void)slab;
    (void)e;
    VRV_ASSERT(n >= VRV_WAL_GROUP_HEADER);
    VRV_ASSERT(vrv_wal_head_read(&h, bytes));
    VRV_ASSERT(vrv_wal_payload_ok(&h, bytes, n));
    VRV_ASSERT(h.bytes == n - VRV_WAL_GROUP_HEADER);
    VRV_ASSERT(h.wal_id == WAL_ID);
    VRV_ASSERT(h.slot == r->slot);
    VRV_ASSERT(h.first_seq == r->seq);
    VRV_ASSERT(h.session >= r->session);
    r->slot++;
    r->seq += h.count;
    r->session = h.session;
    r->groups++;
    r->crc = vrv_crc32c(r->crc, bytes, n);
    walk_entries(bytes + VRV_WAL_GROUP_HEADER, h.bytes, h.count);
    return 0;
}

static void
must(int rc)
{
    VRV_ASSERT(rc == 0);
}

/* Make every group whose header fits into what is there sound.  From the end: a group's payload
 * may hold others. */
static void
repair(uint8_t *file)
{
    for (size_t i = BLOCKS; i > 0; i--) {
        uint8_t *g = file + i * BLOCK;
        uint32_t bytes = vrv_get_le32(g + 48) % (FILE_BYTES / 3);
        size_t room = (BLOCKS + 1 - i) * BLOCK - VRV_WAL_GROUP_HEADER;

        if (vrv_get_le32(g) != VRV_WAL_GROUP_MAGIC)
            continue;
        if (bytes > room)
            bytes = (uint32_t)room;
        vrv_put_le32(g + 48, bytes);
        vrv_put_le64(g + 8, WAL_ID);
        vrv_put_le32(g + 52, vrv_crc32c(0, g + VRV_WAL_GROUP_HEADER, bytes));
        vrv_put_le32(g + 4, vrv_crc32c(0, g + 8, VRV_WAL_GROUP_HEADER - 8));
    }
}

static void
put_file(struct vrv_vfs *v, const char *path, uint8_t *file)
{
    struct vrv_file *f = NULL;

    must(vrv_vfs_open(v, path, VRV_OPEN_WRITE, &f, NULL));
    must(vrv_file_pwrite(f, file + BLOCK, BLOCKS * BLOCK, BLOCK, NULL));
    must(vrv_file_sync(f, NULL));
    vrv_file_close(&f);
}

/* Two files with the right headers and the input's chunks. */
static struct simdisk *
disk_of(const uint8_t *p, size_t n, bool right)
{
    static uint8_t file[FILE_BYTES];
    struct simdisk *d = simdisk_new(1);
    struct vrv_vfs *v = simdisk_vfs(d);
    struct vrv_wal_file_opts o = opts;
    struct vrv_wal_found found;
    struct vrv_waldev *dev = NULL;

    o.create = true;
    must(vrv_vfs_mkdir(v, "wal", NULL));
    must(vrv_vfs_sync_dir(v, "", NULL));
    must(vrv_wal_file_open(&dev, v, &o, 1, 1, 1, check_group, NULL, &found, NULL));
    vrv_waldev_close(&dev);
    for (int i = 0; i < FILES; i++) {
        memset(file, 0, sizeof(file));
        for (size_t b = 1; b <= BLOCKS && n > 0; b++) {
            size_t part = n < CHUNK ? n : CHUNK;

            memcpy(file + b * BLOCK, p, part);
            p += part;
            n -= part;
        }
        if (right)
            repair(file);
        put_file(v, i == 0 ? "wal/000001.wal" : "wal/000002.wal", file);
    }
    return d;
}

static int
recover(struct simdisk *d, uint64_t trim, uint64_t seq, struct vrv_waldev **dev, struct replay *r)
{
    struct vrv_wal_found found;
    struct vrv_err e = { 0 };

    *r = (struct replay){ .slot = trim, .seq = seq };
    int rc = vrv_wal_file_open(dev, simdisk_vfs(d), &opts, trim, trim, seq, check_group, r, &found,
        &e);
    if (rc == 0) {
        VRV_ASSERT(found.groups == r->groups);
        VRV_ASSERT(found.next_slot == r->slot);
        VRV_ASSERT(found.next_seq == r->seq);
    } else {
        VRV_ASSERT(rc == VRV_E_CORRUPT);
        VRV_ASSERT(e.msg[0] != '\0');
    }
    return rc;
}

static void
write_done(struct vrv_wal_group *g, int status, const struct vrv_err *e)
{
    (void)g;
    (void)e;
    VRV_ASSERT(status == 0);
}

/* What is there is used on: submit asserts that it has room. */
static void
write_one(struct vrv_waldev *dev, uint64_t slot)
{
    static _Alignas(VRV_DIRECT_ALIGN) uint8_t block[BLOCK];
    struct vrv_wal_group g = { .slot = slot, .bytes = block, .n = BLOCK, .sync = true,
        .done = write_done };

    if (vrv_waldev_reserve(dev, BLOCK))
        vrv_waldev_submit(dev, &g);
    must(vrv_waldev_trim(dev, slot + 1, NULL));
    VRV_ASSERT(vrv_waldev_used(dev) == 0);
}

static void
run(const uint8_t *p, size_t n, bool right)
{
    struct simdisk *d = disk_of(p + HEAD, n - HEAD, right);
    uint64_t trim = 1 + p[1] % 8, seq = p[2], before = simdisk_hash(d);
    struct vrv_waldev *dev = NULL;
    struct replay first, again;

    peak_start();
    if (recover(d, trim, seq, &dev, &first) == 0) {
        vrv_waldev_close(&dev);
        simdisk_crash(d, SIM_DROP_ALL, 1);
        must(recover(d, trim, seq, &dev, &again));
        VRV_ASSERT(again.groups == first.groups);
        VRV_ASSERT(again.crc == first.crc);
        write_one(dev, again.slot);
        vrv_waldev_close(&dev);
    } else {
        VRV_ASSERT(simdisk_hash(d) == before);
    }
    peak_check(PEAK);
    simdisk_free(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < HEAD)
        return 0;
    vrv_slab_pool_init(&pool, PEAK);
    run(p, n, p[0] & 1);
    vrv_slab_pool_fini(&pool);
    return 0;
}
