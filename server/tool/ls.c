/* varve log ls and stat. */
#include <inttypes.h>

#include "engine/engine_int.h"
#include "server/tool/tool.h"

/* ---- ls ---- */

static int
ls_part(void *ctx, const char *topic, struct vrv_log *log, struct vrv_err *e)
{
    struct tool *t = ctx;
    struct vrv_log_offsets o = vrv_log_offsets(log);
    char dir[VRV_PATH_MAX], hex[VRV_UUID_TEXT + 1], size[32];

    (void)e;
    vrv_log_dir(&log->id, dir);
    vrv_uuid_text(&log->id.topic, hex);
    if (!t->out.json) {
        (void)fprintf(t->out.f, "%-24s %5" PRId32 " %12" PRId64 " %12" PRId64 " %12" PRId64
            " %5" PRId32 " %6" PRIu32 " %10s  %s\n",
            topic, log->id.partition, o.start, o.hw, o.end, o.epoch, o.segments,
            out_size(o.bytes, size), dir);
        return 0;
    }
    out_begin(&t->out, "partition");
    out_str(&t->out, "topic", topic);
    out_str(&t->out, "id", hex);
    out_int(&t->out, "partition", log->id.partition);
    out_int(&t->out, "start", o.start);
    out_int(&t->out, "local_start", o.local_start);
    out_int(&t->out, "high_watermark", o.hw);
    out_int(&t->out, "end", o.end);
    out_int(&t->out, "epoch", o.epoch);
    out_uint(&t->out, "segments", o.segments);
    out_uint(&t->out, "bytes", o.bytes);
    out_str(&t->out, "directory", dir);
    out_end(&t->out);
    return 0;
}

int
tool_ls(struct tool *t, struct vrv_err *e)
{
    if (!t->out.json)
        (void)fprintf(t->out.f, "%-24s %5s %12s %12s %12s %5s %6s %10s  %s\n", "TOPIC", "PART",
            "START", "HW", "END", "EPOCH", "SEGS", "SIZE", "DIRECTORY");
    return tool_each_part(t, ls_part, t, e);
}

/* ---- stat ---- */

struct totals {
    struct tool *t;
    uint64_t partitions, segments, sealed, bytes, records, memory_bytes;
};

static const char *
state_name(enum vrv_seg_state state)
{
    static const char *const name[] = { "open", "closed", "footed", "sealed" };

    return name[state];
}

static void
stat_seg(struct tool *t, const char *topic, const struct vrv_seg *s)
{
    char size[32], low[32], high[32];

    if (!t->out.json) {
        (void)fprintf(t->out.f, "  %020" PRId64 " to %" PRId64 "  %s, %s, %" PRIu32
            " index entries, %s to %s\n",
            s->base, s->next, out_size(s->size, size), state_name(s->state), s->index_n,
            out_time(s->min_ts, low), out_time(s->max_ts, high));
        return;
    }
    out_begin(&t->out, "segment");
    out_str(&t->out, "topic", topic);
    out_int(&t->out, "partition", s->log.partition);
    out_int(&t->out, "base", s->base);
    out_int(&t->out, "next", s->next);
    out_str(&t->out, "state", state_name(s->state));
    out_uint(&t->out, "bytes", s->size);
    out_uint(&t->out, "written_bytes", s->flushed);
    out_uint(&t->out, "index_entries", s->index_n);
    out_int(&t->out, "min_timestamp", s->flushed > 0 ? s->min_ts : -1);
    out_int(&t->out, "max_timestamp", s->flushed > 0 ? s->max_ts : -1);
    out_end(&t->out);
}

static int
stat_part(void *ctx, const char *topic, struct vrv_log *log, struct vrv_err *e)
{
    struct totals *x = ctx;

    (void)e;
    x->partitions++;
    x->memory_bytes += log->unflushed;
    if (x->t->parts && !x->t->out.json)
        (void)fprintf(x->t->out.f, "%s, partition %" PRId32 ": %" PRId64 " to %" PRId64 "\n",
            topic, log->id.partition, log->start, log->end);
    for (uint32_t i = 0; i < log->seg_n; i++) {
        const struct vrv_seg *s = log->segs[i];

        x->segments++;
        x->sealed += s->state == VRV_SEG_SEALED;
        x->bytes += s->size;
        if (x->t->parts)
            stat_seg(x->t, topic, s);
    }
    return 0;
}

static int
count_topic(void *ctx, const struct vrv_topic_info *info)
{
    (void)info;
    ++*(uint64_t *)ctx;
    return 0;
}

static uint64_t
metadata_cut(const struct tool *t)
{
    return t->found.catalog_cut_bytes + t->found.states_cut_bytes;
}

static void
stat_json(struct tool *t, const struct totals *x, uint64_t topics)
{
    struct vrv_waldev *dev = t->eng->dev;
    struct out *o = &t->out;

    out_begin(o, "stat");
    out_uint(o, "topics", topics);
    out_uint(o, "partitions", x->partitions);
    out_uint(o, "segments", x->segments);
    out_uint(o, "sealed_segments", x->sealed);
    out_uint(o, "bytes", x->bytes);
    out_uint(o, "bytes_in_wal_only", x->memory_bytes);
    out_uint(o, "wal_files", t->eng->o.wal_files);
    out_uint(o, "wal_file_bytes", t->eng->o.wal_file_bytes);
    out_uint(o, "wal_used_bytes", vrv_waldev_used(dev));
    out_bool(o, "clean_stop", t->found.clean);
    out_uint(o, "replayed_entries", t->found.replayed);
    out_uint(o, "replayed_bytes", t->found.replayed_bytes);
    out_uint(o, "cut_groups", t->found.cut_groups);
    out_uint(o, "rewritten_groups", t->found.rewritten);
    out_uint(o, "metadata_cut_bytes", metadata_cut(t));
    out_uint(o, "skipped_logs", t->found.skipped_logs);
    out_end(o);
}

static void
stat_text(struct tool *t, const struct totals *x, uint64_t topics)
{
    struct vrv_waldev *dev = t->eng->dev;
    char a[32], b[32];
    FILE *f = t->out.f;

    (void)fprintf(f, "topics       %" PRIu64 ", partitions %" PRIu64 "\n", topics, x->partitions);
    (void)fprintf(f, "segments     %" PRIu64 ", of them sealed %" PRIu64 ": %s\n", x->segments,
        x->sealed, out_size(x->bytes, a));
    (void)fprintf(f, "WAL          %u files of %s, %s in use, %s not in segments yet\n",
        t->eng->o.wal_files, out_size(t->eng->o.wal_file_bytes, a),
        out_size(vrv_waldev_used(dev), b), out_size(x->memory_bytes, (char[32]){ 0 }));
    (void)fprintf(f, "last stop    %s\n", t->found.clean ? "clean" : "not clean");
    (void)fprintf(f, "recovery     replays %" PRIu64 " entries (%s), cuts %" PRIu64
        " torn groups of the WAL and %s of metadata,\n             writes %" PRIu64
        " groups again, moves on %" PRIu64 " logs without sync\n",
        t->found.replayed, out_size(t->found.replayed_bytes, a), t->found.cut_groups,
        out_size(metadata_cut(t), b), t->found.rewritten, t->found.skipped_logs);
}

int
tool_stat(struct tool *t, struct vrv_err *e)
{
    struct totals x = { .t = t };
    uint64_t topics = 0;
    int rc = vrv_catalog_each(vrv_engine_catalog(t->eng), count_topic, &topics);

    if (rc == 0)
        rc = tool_each_part(t, stat_part, &x, e);
    if (rc == 0 && t->out.json)
        stat_json(t, &x, topics);
    else if (rc == 0)
        stat_text(t, &x, topics);
    return rc;
}
