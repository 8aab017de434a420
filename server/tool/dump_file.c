/* varve log dump FILE: a segment's data, its index, or a file of the WAL, alone. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/mem.h"
#include "engine/seg/index.h"
#include "engine/seg/index_format.h"
#include "engine/wal/wal_file.h"
#include "engine/wal/wal_format.h"
#include "server/tool/tool.h"

enum { BLOCK = 4096 };

/* n bytes at pos in memory of their own. */
static int
load(struct vrv_file *f, uint64_t pos, size_t n, uint8_t **out, struct vrv_err *e)
{
    *out = vrv_mem_try(n);
    if (*out == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %zu bytes", n);
    int rc = vrv_file_read_full(f, *out, n, pos, e);
    if (rc < 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- .log ---- */

static int
dump_batch_at(struct tool *t, struct vrv_file *f, uint64_t *pos, uint64_t size, struct vrv_err *e)
{
    uint8_t h[VRV_BATCH_HEADER] = { 0 }, *p;
    struct vrv_batch b;
    size_t n = size - *pos < sizeof(h) ? (size_t)(size - *pos) : sizeof(h);
    int rc = vrv_file_read_full(f, h, n, *pos, e);

    if (rc == 0)
        rc = vrv_batch_read(&b, h, size - *pos, e);
    if (rc == 0)
        rc = load(f, *pos, b.size, &p, e);
    if (rc == 0) {
        rc = vrv_batch_check_crc(p, &b, e);
        if (rc == 0)
            rc = tool_dump_batch(t, p, &b, (int64_t)*pos, e);
        free(p);
    }
    if (rc < 0)
        return rc == VRV_E_IO || rc == VRV_E_NOMEM
            ? rc : vrv_err_prefix(e, VRV_E_CORRUPT, "byte %" PRIu64, *pos);
    *pos += b.size;
    return 0;
}

static int
dump_data(struct tool *t, struct vrv_file *f, uint64_t size, struct vrv_err *e)
{
    uint64_t pos = 0;
    int rc = 0;

    while (rc == 0 && pos < size)
        rc = dump_batch_at(t, f, &pos, size, e);
    return rc;
}

/* ---- .index ---- */

static void
index_entry(struct tool *t, const uint8_t *p, uint64_t i)
{
    int64_t offset = (int64_t)vrv_get_le64(p + VRV_IXE_OFFSET);
    int64_t ts = (int64_t)vrv_get_le64(p + VRV_IXE_MAX_TS);
    uint64_t pos = vrv_get_le64(p + VRV_IXE_POS);
    char when[32];

    if (!t->out.json) {
        (void)fprintf(t->out.f, "entry %" PRIu64 ": offset %" PRId64 " at byte %" PRIu64
            ", newest before it %s\n", i, offset, pos, out_time(ts, when));
        return;
    }
    out_begin(&t->out, "index_entry");
    out_int(&t->out, "offset", offset);
    out_uint(&t->out, "position", pos);
    out_int(&t->out, "max_timestamp_before", ts);
    out_end(&t->out);
}

static void
index_seal(struct tool *t, const struct vrv_seal *s)
{
    char low[32], high[32];

    if (!t->out.json) {
        (void)fprintf(t->out.f, "sealed: offsets %" PRId64 " to %" PRId64 ", %" PRIu64
            " bytes of data with checksum %08" PRIx32 ", %s to %s\n",
            s->base, s->next - 1, s->data_size, s->data_crc, out_time(s->min_ts, low),
            out_time(s->max_ts, high));
        return;
    }
    out_begin(&t->out, "seal");
    out_int(&t->out, "base", s->base);
    out_int(&t->out, "next", s->next);
    out_uint(&t->out, "data_bytes", s->data_size);
    out_uint(&t->out, "data_crc", s->data_crc);
    out_uint(&t->out, "entries", s->entries);
    out_int(&t->out, "min_timestamp", s->min_ts);
    out_int(&t->out, "max_timestamp", s->max_ts);
    out_int(&t->out, "max_timestamp_offset", s->max_ts_offset);
    out_end(&t->out);
}

/* A file that isn't sealed is dumped as far as it has entries; it may hold more than its segment
 * knows. */
static int
dump_index(struct tool *t, struct vrv_file *f, uint64_t size, struct vrv_err *e)
{
    uint8_t p[VRV_INDEX_HEADER], tail[8] = { 0 };
    struct vrv_seal seal = { 0 };
    uint64_t entries = 0;
    int rc = vrv_file_read_full(f, p, sizeof(p), 0, e);

    if (rc == 0 && memcmp(p, VRV_INDEX_MAGIC, 8) != 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "not an index: it begins with other bytes");
    if (rc == 0 && size >= VRV_INDEX_HEADER + VRV_INDEX_FOOTER)
        rc = vrv_file_read_full(f, tail, sizeof(tail), size - VRV_INDEX_FOOTER, e);
    bool sealed = rc == 0 && memcmp(tail, VRV_SEAL_MAGIC, 8) == 0;
    if (sealed)
        rc = vrv_index_read_seal(f, (int64_t)vrv_get_le64(p + VRV_IXH_BASE), &seal, e);
    if (rc == 0)
        entries = sealed ? seal.entries : (size - VRV_INDEX_HEADER) / VRV_INDEX_ENTRY;
    for (uint64_t i = 0; i < entries && rc == 0; i++) {
        rc = vrv_file_read_full(f, p, VRV_INDEX_ENTRY, VRV_INDEX_HEADER + i * VRV_INDEX_ENTRY, e);
        if (rc == 0)
            index_entry(t, p, i);
    }
    if (rc == 0 && sealed)
        index_seal(t, &seal);
    return rc;
}

/* ---- .wal ---- */

static void
wal_group(struct tool *t, const struct vrv_wal_head *h, uint64_t pos, bool ok)
{
    if (!t->out.json) {
        (void)fprintf(t->out.f, "byte %" PRIu64 ": group %" PRIu64 ", session %" PRIu32
            ", durable below %" PRIu64 ", entries %" PRIu64 " and %" PRIu32 " more, %" PRIu32
            " bytes%s\n", pos, h->slot, h->session, h->durable_end, h->first_seq,
            h->count > 0 ? h->count - 1 : 0, h->bytes, ok ? "" : ", DAMAGED or overwritten");
        return;
    }
    out_begin(&t->out, "wal_group");
    out_uint(&t->out, "position", pos);
    out_uint(&t->out, "slot", h->slot);
    out_uint(&t->out, "session", h->session);
    out_uint(&t->out, "durable_end", h->durable_end);
    out_uint(&t->out, "first_entry", h->first_seq);
    out_uint(&t->out, "entries", h->count);
    out_uint(&t->out, "bytes", h->bytes);
    out_bool(&t->out, "sound", ok);
    out_end(&t->out);
}

static void
wal_item(struct tool *t, const struct vrv_wal_item *it, uint64_t seq)
{
    char hex[VRV_UUID_TEXT + 1];
    const char *what = it->type == VRV_WAL_BATCH ? "batch"
        : it->type == VRV_WAL_START              ? "start"
                                                 : "local start";

    vrv_uuid_text(&it->topic, hex);
    if (!t->out.json) {
        (void)fprintf(t->out.f, "  entry %" PRIu64 ": %s of %s, partition %" PRId32 ", %s%" PRId64
            "%s, %" PRIu32 " bytes\n", seq, what, hex, it->partition,
            it->type == VRV_WAL_BATCH ? "ceiling " : "to offset ", it->arg,
            it->flags & VRV_WAL_ROLL ? ", new segment" : "", it->size);
        return;
    }
    out_begin(&t->out, "wal_entry");
    out_uint(&t->out, "entry", seq);
    out_str(&t->out, "type", what);
    out_str(&t->out, "topic_id", hex);
    out_int(&t->out, "partition", it->partition);
    out_int(&t->out, "argument", it->arg);
    out_bool(&t->out, "new_segment", it->flags & VRV_WAL_ROLL);
    out_uint(&t->out, "bytes", it->size);
    out_end(&t->out);
}

static int
wal_items(struct tool *t, const struct vrv_wal_head *h, const uint8_t *p, struct vrv_err *e)
{
    size_t n = VRV_WAL_GROUP_HEADER + (size_t)h->bytes, at = VRV_WAL_GROUP_HEADER;
    int rc = 0;

    for (uint32_t i = 0; i < h->count && rc == 0; i++) {
        struct vrv_wal_item it;
        struct vrv_batch b;

        if (!vrv_wal_item_read(&it, p + at, n - at))
            return vrv_err_set(e, VRV_E_CORRUPT, "entry %" PRIu64 " is none", h->first_seq + i);
        wal_item(t, &it, h->first_seq + i);
        const uint8_t *bytes = p + at + VRV_WAL_ENTRY_HEADER;
        if (t->records && it.type == VRV_WAL_BATCH && vrv_batch_read(&b, bytes, it.size, NULL) == 0)
            rc = tool_dump_batch(t, bytes, &b, -1, e);
        at += VRV_WAL_ENTRY_HEADER + it.size;
    }
    return rc;
}

/* The group at pos, if there is one; *step is where to look next. */
static int
wal_block(struct tool *t, struct vrv_file *f, uint64_t pos, uint64_t size, uint64_t *step,
    struct vrv_err *e)
{
    uint8_t head[VRV_WAL_GROUP_HEADER], *p;
    struct vrv_wal_head h;
    int rc = vrv_file_read_full(f, head, sizeof(head), pos, e);

    *step = BLOCK;
    if (rc < 0 || !vrv_wal_head_read(&h, head))
        return rc;
    size_t n = VRV_WAL_GROUP_HEADER + (size_t)h.bytes;
    if (n > size - pos) {
        wal_group(t, &h, pos, false);
        return 0;
    }
    rc = load(f, pos, n, &p, e);
    if (rc < 0)
        return rc;
    bool ok = vrv_wal_payload_ok(&h, p, n);
    wal_group(t, &h, pos, ok);
    if (ok) {
        *step = (n + BLOCK - 1) / BLOCK * BLOCK;
        rc = wal_items(t, &h, p, e);
    }
    free(p);
    return rc;
}

static int
dump_wal(struct tool *t, struct vrv_file *f, uint64_t size, struct vrv_err *e)
{
    uint64_t step = 0;
    int rc = 0;

    for (uint64_t pos = BLOCK; pos + BLOCK <= size && rc == 0; pos += step)
        rc = wal_block(t, f, pos, size, &step, e);
    return rc;
}

/* ---- which ---- */

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

int
tool_dump_file(struct tool *t, struct vrv_err *e)
{
    const char *slash = strrchr(t->path, '/');
    const char *name = slash != NULL ? slash + 1 : t->path;
    char *dir = slash == NULL ? vrv_mem_strdup(".") : vrv_mem_strdup(t->path);
    struct vrv_file *f = NULL;
    uint64_t size = 0;

    if (slash != NULL)
        dir[slash == t->path ? 1 : slash - t->path] = '\0';
    int rc = vrv_vfs_posix(dir, false, &t->below, e);
    free(dir);
    if (rc == 0)
        rc = vrv_vfs_open(t->below, name, 0, &f, e);
    if (rc == 0)
        rc = vrv_file_size(f, &size, e);
    if (rc == 0 && ends_with(name, ".log"))
        rc = dump_data(t, f, size, e);
    else if (rc == 0 && ends_with(name, ".index"))
        rc = dump_index(t, f, size, e);
    else if (rc == 0 && ends_with(name, ".wal"))
        rc = dump_wal(t, f, size, e);
    else if (rc == 0)
        rc = vrv_err_set(e, VRV_E_INVALID,
            "dump knows files that end with .log, .index or .wal, not this one");
    if (rc < 0 && f != NULL)
        rc = vrv_err_prefix(e, rc, "%.100s", t->path);
    vrv_file_close(&f);
    return rc;
}
