/* Which way of writing is the faster one on this disk?  Files alone can tell: a few small synced
 * writes of each kind to one that is thrown away. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/wal/wal_file.h"

enum { BYTES = 16 * 1024, TRIES = 3 };

/* The shortest of some writes, each with its sync; INT64_MAX when it doesn't work. */
static int64_t
shortest(struct vrv_vfs *vfs, struct vrv_clock *clock, const char *name, unsigned flags,
    const void *zeros)
{
    struct vrv_file *f = NULL;
    int64_t best = INT64_MAX;
    int rc = vrv_vfs_open(vfs, name, VRV_OPEN_WRITE | flags, &f, NULL);

    for (int i = 0; i < TRIES && rc == 0; i++) {
        int64_t t = clock->mono_ns(clock);

        rc = vrv_file_pwrite(f, zeros, BYTES, 0, NULL);
        if (rc == 0)
            rc = vrv_file_sync(f, NULL);
        t = clock->mono_ns(clock) - t;
        if (t < best)
            best = t;
    }
    vrv_file_close(&f);
    return rc == 0 ? best : INT64_MAX;
}

bool
vrv_wal_direct_pays(struct vrv_vfs *vfs, struct vrv_clock *clock, const char *name)
{
    void *zeros = NULL;
    int rc = posix_memalign(&zeros, VRV_DIRECT_ALIGN, BYTES);

    VRV_ASSERT(rc == 0);
    memset(zeros, 0, BYTES);
    /* The first pass makes the blocks: afterwards they are written again, as the WAL's are. */
    (void)shortest(vfs, clock, name, VRV_OPEN_CREATE, zeros);
    int64_t direct = shortest(vfs, clock, name, VRV_OPEN_DIRECT, zeros);
    int64_t buffered = shortest(vfs, clock, name, 0, zeros);
    rc = vrv_vfs_unlink(vfs, name, NULL); /* else the next start does */
    free(zeros);
    /* In doubt direct: it leaves the page cache to readers. */
    return direct != INT64_MAX ? buffered > direct / 4 * 3 : buffered == INT64_MAX;
}
