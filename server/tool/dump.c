/* varve log dump: batches and records, of a partition. */
#include <inttypes.h>

#include "engine/batch/record.h"
#include "engine/engine_int.h"
#include "engine/reader/reader.h"
#include "server/tool/tool.h"

enum { READ_BYTES = 1024 * 1024 };

static const char *
codec_name(const struct vrv_batch *b)
{
    static const char *const name[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    int codec = b->attrs & VRV_ATTR_CODEC;

    return codec <= VRV_CODEC_ZSTD ? name[codec] : "unknown";
}

/* ---- records ---- */

static void
bytes_text(FILE *f, const char *what, const void *p, int32_t n)
{
    if (p == NULL) {
        (void)fprintf(f, "  %s null", what);
        return;
    }
    (void)fprintf(f, "  %s ", what);
    out_quoted(f, p, (size_t)n);
}

static void
record_text(struct tool *t, const struct vrv_record *r)
{
    const uint8_t *key, *value;
    int32_t key_len, value_len;
    size_t pos = 0;
    char when[32];
    FILE *f = t->out.f;

    (void)fprintf(f, "    %" PRId64 "  %s", r->offset, out_time(r->timestamp, when));
    bytes_text(f, "key", r->key, r->key_len);
    bytes_text(f, "value", r->value, r->value_len);
    while (vrv_record_header(r, &pos, &key, &key_len, &value, &value_len) > 0) {
        bytes_text(f, "header", key, key_len);
        bytes_text(f, "=", value, value_len);
    }
    (void)fputc('\n', f);
}

static void
record_json(struct tool *t, const struct vrv_record *r)
{
    const uint8_t *key, *value;
    int32_t key_len, value_len;
    size_t pos = 0;
    struct out *o = &t->out;

    out_begin(o, "record");
    out_int(o, "offset", r->offset);
    out_int(o, "timestamp", r->timestamp);
    out_bytes(o, "key", r->key, r->key_len);
    out_bytes(o, "value", r->value, r->value_len);
    /* A list of pairs: Kafka allows a header's key more than once. */
    out_list(o, "headers");
    while (vrv_record_header(r, &pos, &key, &key_len, &value, &value_len) > 0) {
        out_item(o);
        out_bytes(o, "key", key, key_len);
        out_bytes(o, "value", value, value_len);
        out_item_end(o);
    }
    out_list_end(o);
    out_end(o);
}

static int
dump_records(struct tool *t, const uint8_t *p, const struct vrv_batch *b, struct vrv_err *e)
{
    struct vrv_record_iter it;
    struct vrv_record r;
    int rc = vrv_record_iter_init(&it, p, b, e);

    if (rc == 0) {
        while ((rc = vrv_record_next(&it, &r, e)) > 0) {
            if (r.offset < t->from || r.offset > t->to)
                continue;
            if (t->out.json)
                record_json(t, &r);
            else
                record_text(t, &r);
        }
        vrv_record_iter_fini(&it);
    }
    return rc < 0 ? vrv_err_prefix(e, VRV_E_CORRUPT, "the batch at offset %" PRId64,
                        b->base_offset)
                  : 0;
}

/* ---- batches ---- */

static void
batch_json(struct tool *t, const struct vrv_batch *b, int64_t pos)
{
    struct out *o = &t->out;

    out_begin(o, "batch");
    if (pos >= 0)
        out_int(o, "position", pos);
    out_int(o, "base_offset", b->base_offset);
    out_int(o, "last_offset", vrv_batch_last_offset(b));
    out_int(o, "records", b->count);
    out_uint(o, "bytes", b->size);
    out_str(o, "codec", codec_name(b));
    out_int(o, "base_timestamp", b->base_ts);
    out_int(o, "max_timestamp", b->max_ts);
    out_bool(o, "log_append_time", b->attrs & VRV_ATTR_LOG_APPEND_TIME);
    out_int(o, "leader_epoch", b->leader_epoch);
    out_int(o, "producer_id", b->producer_id);
    out_int(o, "producer_epoch", b->producer_epoch);
    out_int(o, "base_sequence", b->base_seq);
    out_bool(o, "transactional", b->attrs & VRV_ATTR_TRANSACTIONAL);
    out_bool(o, "control", b->attrs & VRV_ATTR_CONTROL);
    out_uint(o, "crc", b->crc);
    out_end(o);
}

static void
batch_text(struct tool *t, const struct vrv_batch *b, int64_t pos)
{
    char low[32], high[32];
    FILE *f = t->out.f;

    if (pos >= 0)
        (void)fprintf(f, "byte %" PRId64 ": ", pos);
    (void)fprintf(f, "batch %" PRId64 " to %" PRId64 ": %" PRId32 " records, %" PRIu32
        " bytes, codec %s, %s to %s%s, epoch %" PRId32,
        b->base_offset, vrv_batch_last_offset(b), b->count, b->size, codec_name(b),
        out_time(b->base_ts, low), out_time(b->max_ts, high),
        b->attrs & VRV_ATTR_LOG_APPEND_TIME ? " (append time)" : "", b->leader_epoch);
    if (b->producer_id >= 0)
        (void)fprintf(f, ", producer %" PRId64 " epoch %d sequence %" PRId32, b->producer_id,
            b->producer_epoch, b->base_seq);
    (void)fprintf(f, "%s%s\n", b->attrs & VRV_ATTR_TRANSACTIONAL ? ", transactional" : "",
        b->attrs & VRV_ATTR_CONTROL ? ", control" : "");
}

int
tool_dump_batch(struct tool *t, const uint8_t *p, const struct vrv_batch *b, int64_t pos,
    struct vrv_err *e)
{
    if (vrv_batch_last_offset(b) < t->from || b->base_offset > t->to)
        return 0;
    if (t->out.json)
        batch_json(t, b, pos);
    else
        batch_text(t, b, pos);
    return t->records ? dump_records(t, p, b, e) : 0;
}

/* ---- a partition ---- */

/* Whole batches of one slice; *next is behind the last of them. */
static int
dump_slice(struct tool *t, const struct vrv_slice *s, int64_t *next, struct vrv_err *e)
{
    const uint8_t *p = s->bytes;
    size_t n = s->n;
    struct vrv_batch b;
    int rc = 0;

    while (rc == 0 && *next <= t->to && vrv_batch_read(&b, p, n, NULL) == 0) {
        rc = tool_dump_batch(t, p, &b, -1, e);
        *next = vrv_batch_last_offset(&b) + 1;
        p += b.size;
        n -= b.size;
    }
    return rc;
}

static int
dump_piece(struct tool *t, struct vrv_log *log, int64_t *next, struct vrv_err *e)
{
    struct vrv_read r = { .offset = *next, .max_bytes = READ_BYTES, .whole_first = true };
    int rc = vrv_read(log, &r, e);

    if (rc == 0)
        rc = vrv_read_load(log, &r, true, e);
    if (rc == VRV_E_CORRUPT)
        rc = vrv_err_prefix(e, rc, "the batch at offset %" PRId64, *next);
    for (uint32_t i = 0; i < r.slice_n && rc == 0; i++)
        rc = dump_slice(t, &r.slice[i], next, e);
    if (rc == 0 && r.slice_n == 0)
        *next = INT64_MAX;
    vrv_read_fini(&r);
    return rc;
}

int
tool_dump(struct tool *t, struct vrv_err *e)
{
    struct vrv_topic_info info;
    int rc;

    if (t->topic == NULL)
        return vrv_err_set(e, VRV_E_INVALID,
            "dump wants --topic (varve log ls tells which there are), or a file");
    rc = vrv_catalog_by_name(vrv_engine_catalog(t->eng), t->topic, &info, e);
    if (rc < 0)
        return vrv_err_set(e, rc,
            "there is no topic \"%.100s\"; varve log ls tells which there are", t->topic);
    struct vrv_log_id id = { info.id, t->partition };
    struct vrv_log *log = vrv_engine_log(t->eng, &id);
    int32_t partitions = info.partitions;
    vrv_topic_info_fini(&info);
    if (log == NULL)
        return vrv_err_set(e, VRV_E_NOTFOUND, "topic \"%.100s\" has partitions 0 to %" PRId32
            ", not %" PRId32, t->topic, partitions - 1, t->partition);
    struct vrv_log_offsets o = vrv_log_offsets(log);
    int64_t next = t->from > o.start ? t->from : o.start;
    while (rc == 0 && next < o.hw && next <= t->to)
        rc = dump_piece(t, log, &next, e);
    return rc;
}
