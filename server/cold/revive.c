#include "server/cold/revive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/os/vfs.h"
#include "engine/restore.h"
#include "engine/tail/fill.h"
#include "engine/wal/journal.h"
#include "server/cold/offline.h"
#include "server/group/group_log.h"

#define OFFSETS VRV_OFFSETS_TOPIC "/" /* of keys of the marker's records */

/* What is done with the batches of one partition of __consumer_offsets. */
struct groups {
    const struct vrv_restore *r;
    struct vrv_revived *out;
    struct vrv_batch_builder moved; /* offsets that lay beyond */
    /* where they go; NULL: they are only counted */
    struct vrv_engine *eng;
    struct vrv_cq cq;
    struct vrv_fill fill;
};

/* ---- appending ---- */

/* The WAL or memory is full: a checkpoint makes room. */
static int
make_room(struct vrv_engine *eng, struct vrv_err *e)
{
    uint64_t before = vrv_engine_checkpoints(eng);
    int rc = 0;

    vrv_engine_want_checkpoint(eng);
    while (vrv_engine_checkpoints(eng) == before && (rc = vrv_engine_error(eng, e)) == 0) {
        (void)vrv_engine_commit_step(eng);
        (void)vrv_engine_flush_step(eng);
        (void)vrv_engine_checkpoint_step(eng);
    }
    return rc;
}

static int
append_part(struct groups *g, struct vrv_append *a, struct vrv_err *e)
{
    struct vrv_ticket t = { .done.cq = &g->cq };
    int rc = VRV_E_AGAIN;

    while (rc == VRV_E_AGAIN) {
        rc = vrv_engine_may_append(g->eng, e);
        if (rc == 0)
            rc = vrv_log_append(a, 1, &t, NULL, e);
        if (rc == VRV_E_AGAIN && make_room(g->eng, e) < 0)
            return e->code;
    }
    if (rc < 0)
        return rc;
    while (vrv_cq_take(&g->cq, 0) == NULL)
        (void)vrv_engine_commit_step(g->eng);
    return t.status < 0 ? vrv_err_set(e, t.status, "committed offsets can't be written: %s",
                              vrv_err_text(t.status))
                        : 0;
}

static int
append(struct groups *g, int32_t partition, const uint8_t *batch, size_t n, struct vrv_err *e)
{
    struct vrv_log_id id = { .partition = partition };
    int32_t partitions;
    char name[] = VRV_OFFSETS_TOPIC;

    if (g->eng == NULL)
        return 0;
    struct vrv_log *log = vrv_catalog_find(vrv_engine_catalog(g->eng), name, &id.topic, &partitions)
        ? vrv_engine_log(g->eng, &id)
        : NULL;
    if (log == NULL)
        return vrv_err_set(e, VRV_E_CORRUPT, "the marker has offsets of " OFFSETS "%" PRId32
            ", which it doesn't have", partition);
    struct vrv_append a = { .log = log, .leader_epoch = -1, .n = n, .internal = true, .may_repack = true };
    a.bytes = vrv_fill_take(&g->fill, vrv_engine_env(g->eng)->pool, n, true, &a.slab);
    memcpy(a.bytes, batch, n);
    int rc = append_part(g, &a, e);
    vrv_slab_unref(a.slab);
    return rc;
}

/* ---- the marker's records ---- */

static void
note_offset(struct groups *g, const struct vrv_grec *rec)
{
    char topic[VRV_TOPIC_NAME_MAX + 1];
    struct vrv_commit c = rec->commit;
    int64_t end = -1;

    g->out->offsets++;
    if (rec->topic.n <= VRV_TOPIC_NAME_MAX) {
        (void)snprintf(topic, sizeof(topic), "%.*s", (int)rec->topic.n, (const char *)rec->topic.p);
        end = vrv_restore_end(g->r, topic, rec->partition);
    }
    if (end < 0 || c.offset <= end)
        return;
    g->out->beyond++;
    c.offset = end;
    c.leader_epoch = -1;
    vrv_grec_put_commit(&g->moved, c.commit_ms, rec->group, rec->topic, rec->partition, &c);
}

static int
note_batch(struct groups *g, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_batch b;
    struct vrv_record_iter it;
    struct vrv_record r;
    struct vrv_grec rec;
    int rc = vrv_batch_read(&b, p, n, e);

    if (rc == 0)
        rc = vrv_batch_check_crc(p, &b, e);
    if (rc == 0)
        rc = vrv_record_iter_init(&it, p, &b, e);
    if (rc < 0)
        return rc;
    while ((rc = vrv_record_next(&it, &r, e)) > 0 && (rc = vrv_grec_read(&rec, &r, e)) == 0)
        if (rec.kind == VRV_GREC_OFFSET && !rec.tombstone)
            note_offset(g, &rec);
    vrv_record_iter_fini(&it);
    return rc;
}

static int
put_moved(struct groups *g, int32_t partition, struct vrv_err *e)
{
    const uint8_t *batch;
    size_t n;

    if (g->moved.count == 0)
        return 0;
    int rc = vrv_batch_builder_finish(&g->moved, VRV_CODEC_ZSTD, &batch, &n, e);
    return rc == 0 ? append(g, partition, batch, n, e) : rc;
}

/* "__consumer_offsets/7"; -1: it is none. */
static int32_t
partition_of(const struct vrv_marker_record *r)
{
    char key[sizeof(OFFSETS) + 12], *end;
    size_t prefix = sizeof(OFFSETS) - 1;

    if (r->key_n <= prefix || r->key_n >= sizeof(key) || memcmp(r->key, OFFSETS, prefix) != 0)
        return -1;
    (void)snprintf(key, sizeof(key), "%.*s", (int)r->key_n, (const char *)r->key);
    long n = strtol(key + prefix, &end, 10);
    return *end == '\0' && n >= 0 && n <= INT32_MAX ? (int32_t)n : -1;
}

static int
each_record(struct groups *g, struct vrv_err *e)
{
    const struct vrv_marker *m = &g->r->marker.m;
    int rc = 0;

    *g->out = (struct vrv_revived){ .offsets = 0 };
    vrv_batch_builder_init(&g->moved);
    for (uint32_t i = 0; i < m->record_n && rc == 0; i++) {
        const struct vrv_marker_record *r = &m->record[i];
        int32_t partition = partition_of(r);

        if (partition < 0)
            rc = vrv_err_set(e, VRV_E_VERSION, "the marker has records of \"%.*s\", which this varve doesn't "
                "know", (int)(r->key_n < 60 ? r->key_n : 60), (const char *)r->key);
        if (rc == 0)
            rc = note_batch(g, r->value, r->value_n, e);
        if (rc == 0)
            rc = append(g, partition, r->value, r->value_n, e);
        if (rc == 0) /* behind it, so that they count */
            rc = put_moved(g, partition, e);
    }
    vrv_batch_builder_fini(&g->moved);
    return rc;
}

int
vrv_revive_count(const struct vrv_restore *r, struct vrv_revived *out, struct vrv_err *e)
{
    struct groups g = { .r = r, .out = out };

    return each_record(&g, e);
}

/* ---- the data directory ---- */

static int
append_all(struct groups *g, const struct vrv_engine_opts *o, struct vrv_err *e)
{
    struct vrv_recovery found;
    int rc = vrv_cq_init(&g->cq, 0);

    if (rc < 0)
        return vrv_err_set(e, rc, "no queue for appends");
    rc = vrv_engine_open(&g->eng, o, &found, e);
    if (rc == 0)
        rc = each_record(g, e);
    vrv_fill_fini(&g->fill);
    if (rc == 0)
        rc = vrv_engine_close(&g->eng, e);
    else
        vrv_engine_abandon(&g->eng);
    vrv_cq_fini(&g->cq);
    return rc;
}

int
vrv_revive(struct vrv_restore *r, const struct vrv_config *c, struct vrv_revived *out, struct vrv_err *e)
{
    struct groups g = { .r = r, .out = out };
    struct vrv_engine_opts o;
    struct vrv_vfs *vfs = NULL;
    int rc = vrv_offline_opts(c, &o, e);

    if (rc == 0)
        rc = vrv_vfs_posix(c->data_dir, true, &vfs, e);
    o.vfs = vfs;
    if (rc == 0)
        rc = vrv_engine_make_empty(&o, e);
    if (rc < 0)
        (void)vrv_err_prefix(e, rc, "%.100s", c->data_dir);
    else
        rc = vrv_restore_make(r, &o, e);
    o.restoring = true;
    if (rc == 0)
        rc = append_all(&g, &o, e);
    if (rc == 0)
        rc = vrv_engine_restored(&o, e);
    vrv_vfs_close(&vfs);
    return rc;
}
