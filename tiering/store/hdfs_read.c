/* Objects are read, and verified. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/store/hdfs_int.h"

enum { READ_AT_ONCE = 8 * 1024 * 1024 };

int
vrv__hdfs_get(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    int rc = vrv__hdfs_read(j, c->key, c->pos, c->buf, c->size, &c->got);

    if (rc == 0 && c->got < c->size && c->got > 0)
        c->whole = c->pos + c->got;
    return rc;
}

static int
read_all(struct vrv__hdfs_job *j, const char *path, uint32_t *crc)
{
    uint64_t at = 0, size = j->call->size;
    uint8_t *buf = vrv_mem_zero(size < READ_AT_ONCE ? (size_t)size + 1 : READ_AT_ONCE);
    int rc = 0;

    *crc = 0;
    while (rc == 0 && at < size) {
        size_t want = size - at < READ_AT_ONCE ? (size_t)(size - at) : READ_AT_ONCE, got;

        rc = vrv__hdfs_read(j, path, at, buf, want, &got);
        *crc = vrv_crc32c(*crc, buf, got);
        at += got;
        if (rc == 0 && got != want)
            rc = vrv_err_set(&j->call->err, VRV_E_IO, "%s ends at %" PRIu64, path, at);
    }
    free(buf);
    return rc;
}

/* As the data nodes have it, if they combine what they keep of blocks. */
int
vrv__hdfs_sum(struct vrv__hdfs_job *j, const char *path, uint32_t *crc)
{
    bool combined = false;
    int rc = 0;

    *crc = 0;
    if (!atomic_load(&j->h->reads_all) && j->call->size > 0) {
        rc = vrv__hdfs_checksum(j, path, &combined, crc);
        if (rc == 0 && !combined)
            atomic_store(&j->h->reads_all, true);
    }
    return rc == 0 && !combined ? read_all(j, path, crc) : rc;
}

/*
 * Its blocks are durable, as each file's are that was closed.  Its name is when the edits up to its RENAME
 * are synced, which this process may have seen before: a name node shows what it did before it syncs it.  An
 * edit of ours comes behind, and is answered when it is synced, with all before.
 */
static int
make_sure(struct vrv__hdfs_job *j, const struct vrv__hdfs_stat *st)
{
    return vrv__hdfs_touch(j, j->call->key, st->modified_ms);
}

int
vrv__hdfs_verify(struct vrv__hdfs_job *j)
{
    struct vrv_store_call *c = j->call;
    struct vrv__hdfs_stat st;
    uint32_t crc = 0;
    int rc = vrv__hdfs_stat(j, c->key, &st);

    if (rc == 0 && st.is_dir)
        return vrv_err_set(&c->err, VRV_E_NOTFOUND, "%s is a directory", c->key);
    if (rc == 0 && st.size != c->size)
        return vrv_err_set(&c->err, VRV_E_CORRUPT, "%s has %" PRIu64 " bytes, not %" PRIu64, c->key,
            st.size, c->size);
    if (rc == 0)
        rc = vrv__hdfs_sum(j, c->key, &crc);
    if (rc == 0 && crc != c->crc)
        return vrv_err_set(&c->err, VRV_E_CORRUPT, "%s has checksum %08" PRIx32 ", not %08" PRIx32,
            c->key, crc, c->crc);
    return rc == 0 ? make_sure(j, &st) : rc;
}
