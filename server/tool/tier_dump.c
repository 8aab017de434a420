/* varve tier dump: one object of a store, field by field, and where it is broken. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "server/tool/coldlink.h"
#include "server/tool/tier.h"
#include "tiering/daemon/owner.h"
#include "tiering/format/manifest.h"
#include "tiering/restore/find.h"

const char tier_dump_help[] =
    "usage: varve tier dump [options] KEY   an object of a store: a segment, a manifest's root or\n"
    "  page, a marker or an owner; varve tier ls and varve scrub tell keys\n"
    COLDLINK_OPTIONS_HELP;

enum { WHOLE_MAX = 1 << 30 };

struct dump {
    struct coldlink *l;
    const char *key;
    uint64_t size;
};

/* ---- fields: one line each ---- */

static void
begin(struct out *o, const char *kind)
{
    if (o->json)
        out_begin(o, kind);
    else
        (void)fprintf(o->f, "%s:", kind);
}

static void
field_int(struct out *o, const char *key, int64_t v)
{
    if (o->json)
        out_int(o, key, v);
    else
        (void)fprintf(o->f, " %s %" PRId64, key, v);
}

static void
field_crc(struct out *o, const char *key, uint32_t v)
{
    if (o->json)
        out_uint(o, key, v);
    else
        (void)fprintf(o->f, " %s %08" PRIx32, key, v);
}

static void
field_text(struct out *o, const char *key, const char *v)
{
    if (o->json) {
        out_bytes(o, key, v, (int64_t)strlen(v));
        return;
    }
    (void)fprintf(o->f, " %s ", key);
    out_text(o->f, v, strlen(v));
}

static void
field_uuid(struct out *o, const char *key, const struct vrv_uuid *id)
{
    char hex[VRV_UUID_TEXT + 1];

    vrv_uuid_text(id, hex);
    field_text(o, key, hex);
}

static void
end(struct out *o)
{
    if (o->json)
        out_end(o);
    else
        (void)fputc('\n', o->f);
}

/* ---- manifests ---- */

static void
show_chunk(struct out *o, const struct vrv_chunk *c, const char *state)
{
    begin(o, "chunk");
    field_int(o, "base", c->base);
    field_int(o, "position", (int64_t)c->pos);
    field_int(o, "stored", c->stored);
    field_int(o, "bytes", c->plain);
    field_crc(o, "crc", c->crc);
    field_text(o, "codec", c->codec == VRV_CHUNK_ZSTD ? "zstd" : "none");
    field_int(o, "max_timestamp", c->max_ts);
    if (state != NULL)
        field_text(o, "state", state);
    end(o);
}

static void
show_seg(struct out *o, const struct vrv_cold_seg *s)
{
    begin(o, "segment");
    field_text(o, "key", s->key);
    field_int(o, "base", s->base);
    field_int(o, "next", s->next);
    field_int(o, "first_epoch", s->first_epoch);
    field_int(o, "last_epoch", s->last_epoch);
    field_int(o, "store", s->store);
    field_int(o, "position", (int64_t)s->pos);
    field_int(o, "stored", (int64_t)s->size);
    field_int(o, "bytes", (int64_t)s->plain);
    field_crc(o, "crc", s->crc);
    field_int(o, "encryption", s->encryption);
    field_int(o, "min_timestamp", s->min_ts);
    field_int(o, "max_timestamp", s->max_ts);
    field_int(o, "max_timestamp_offset", s->max_ts_offset);
    field_int(o, "appended_ms", s->appended_ms);
    field_int(o, "moved_ms", s->moved_ms);
    field_int(o, "aborted", s->aborted);
    if (s->copy_key != NULL) {
        field_int(o, "copy_store", s->copy_store);
        field_text(o, "copy", s->copy_key);
    }
    field_int(o, "chunks", s->chunk_n);
    end(o);
    for (uint32_t i = 0; i < s->chunk_n; i++)
        show_chunk(o, &s->chunk[i], NULL);
}

static void
show_page(struct out *o, const struct vrv_cold_page *p)
{
    begin(o, "page");
    field_text(o, "key", p->key);
    field_int(o, "base", p->base);
    field_int(o, "next", p->next);
    field_int(o, "size", (int64_t)p->size);
    field_crc(o, "crc", p->crc);
    field_int(o, "segments", p->segments);
    field_int(o, "first_epoch", p->first_epoch);
    field_int(o, "last_epoch", p->last_epoch);
    field_int(o, "bytes", (int64_t)p->plain);
    field_int(o, "stored", (int64_t)p->stored);
    field_int(o, "min_timestamp", p->min_ts);
    field_int(o, "max_timestamp", p->max_ts);
    field_int(o, "max_timestamp_offset", p->max_ts_offset);
    field_int(o, "newest_ms", p->newest_ms);
    field_int(o, "aborted", p->aborted);
    end(o);
}

static void
show_manifest(struct out *o, const struct vrv_manifest *m, bool root)
{
    begin(o, root ? "root" : "page");
    field_uuid(o, "topic", &m->topic);
    field_int(o, "partition", m->partition);
    if (root) {
        field_uuid(o, "put_id", &m->put_id);
        field_int(o, "epoch", m->epoch);
        field_int(o, "version", (int64_t)m->version);
        field_int(o, "before", (int64_t)m->before);
        field_int(o, "pages", m->page_n);
    }
    field_int(o, "start", m->start);
    field_int(o, "next", m->next);
    field_int(o, "segments", m->seg_n);
    end(o);
    for (uint32_t i = 0; i < m->page_n; i++)
        show_page(o, &m->page[i]);
    for (uint32_t i = 0; i < m->seg_n; i++)
        show_seg(o, &m->seg[i]);
}

static int
dump_manifest(struct dump *d, const uint8_t *p, size_t n, struct vrv_err *e)
{
    bool root = n < 8 || memcmp(p, "VRVPAGE1", 8) != 0;
    struct vrv_manifest m;
    int rc = root ? vrv_manifest_read(&m, p, n, e) : vrv_manifest_read_alone(&m, p, n, e);

    if (rc < 0)
        return rc;
    show_manifest(&d->l->out, &m, root);
    vrv_manifest_fini(&m);
    return 0;
}

/* ---- markers and owners ---- */

static int
dump_marker(struct dump *d, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct out *o = &d->l->out;
    struct vrv_marker m;
    int rc = vrv_marker_read(&m, p, n, e);

    if (rc < 0)
        return rc;
    begin(o, "marker");
    field_text(o, "cluster", m.cluster);
    field_int(o, "owner", (int64_t)m.owner);
    field_int(o, "ms", m.ms);
    field_int(o, "silent_ms", m.silent_ms);
    field_int(o, "last", m.last);
    field_int(o, "pairs", (int64_t)m.catalog.n);
    field_int(o, "records", m.record_n);
    end(o);
    for (size_t i = 0; i < m.catalog.n; i++) {
        begin(o, "pair");
        field_text(o, "key", m.catalog.v[i].key);
        field_int(o, "bytes", (int64_t)m.catalog.v[i].n);
        end(o);
    }
    for (uint32_t i = 0; i < m.record_n; i++) {
        begin(o, "record");
        if (o->json) {
            out_bytes(o, "key", m.record[i].key, m.record[i].key_n);
        } else {
            (void)fputs(" key ", o->f);
            out_text(o->f, m.record[i].key, m.record[i].key_n);
        }
        field_int(o, "bytes", m.record[i].value_n);
        end(o);
    }
    vrv_marker_fini(&m);
    return 0;
}

static int
dump_owner(struct dump *d, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct out *o = &d->l->out;
    struct vrv_owner_file f;
    int rc = vrv_owner_read(&f, p, n, e);

    if (rc < 0)
        return rc;
    begin(o, "owner");
    field_text(o, "cluster", f.cluster);
    field_uuid(o, "id", &f.id);
    field_int(o, "ms", f.ms);
    end(o);
    return 0;
}

static int
dump_whole(struct dump *d, int (*show)(struct dump *d, const uint8_t *p, size_t n, struct vrv_err *e),
    struct vrv_err *e)
{
    uint8_t *p;
    size_t n;
    int rc = vrv_sync_get(&d->l->sync, d->key, d->size < WHOLE_MAX ? (size_t)d->size + 1 : WHOLE_MAX, &p, &n, e);

    if (rc < 0)
        return rc;
    rc = show(d, p, n, e);
    free(p);
    return rc < 0 ? vrv_err_prefix(e, rc, "%.150s", d->key) : 0;
}

/* ---- a segment's object ---- */

/* Bytes [pos, pos + n): *p to be freed. */
static int
range(struct dump *d, uint64_t pos, uint64_t n, uint8_t **p, struct vrv_err *e)
{
    struct vrv_store_call c = { .op = VRV_STORE_GET, .lane = VRV_STORE_READ, .key = d->key, .pos = pos,
        .size = n };

    *p = NULL;
    if (pos + n > d->size || n == 0)
        return vrv_err_set(e, VRV_E_CORRUPT, "bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64, pos, pos + n,
            d->size);
    c.buf = vrv_mem_try((size_t)n);
    if (c.buf == NULL)
        return vrv_err_set(e, VRV_E_NOMEM, "no memory for %" PRIu64 " bytes", n);
    int rc = vrv_sync_call(&d->l->sync, &c);
    *e = c.err;
    if (rc == 0 && c.got != n)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "it ends at byte %" PRIu64, pos + c.got);
    if (rc < 0)
        free(c.buf);
    else
        *p = c.buf;
    return rc;
}

static void
show_info(struct out *o, const char *what, const struct vrv_object_info *i)
{
    begin(o, what);
    field_uuid(o, "topic", &i->topic);
    field_int(o, "partition", i->partition);
    field_int(o, "epoch", i->epoch);
    field_int(o, "base", i->base);
    field_int(o, "next", i->next);
    if (i->size > 0) { /* the footer */
        field_int(o, "size", (int64_t)i->size);
        field_int(o, "bytes", (int64_t)i->plain);
        field_crc(o, "crc", i->plain_crc);
        field_int(o, "min_timestamp", i->min_ts);
        field_int(o, "max_timestamp", i->max_ts);
        field_int(o, "max_timestamp_offset", i->max_ts_offset);
        field_int(o, "chunks", i->chunk_n);
        field_int(o, "index_entries", i->index_n);
        field_int(o, "aborted", i->aborted_n);
        field_int(o, "producer_bytes", i->producer_bytes);
        field_int(o, "epochs", i->epoch_n);
        field_int(o, "index_at", (int64_t)i->index_at);
        field_int(o, "table_at", (int64_t)i->table_at);
        field_crc(o, "extras_crc", i->extras_crc);
        field_crc(o, "table_crc", i->table_crc);
    }
    end(o);
}

/* What was found wrong first; the rest is told all the same. */
static int
keep(int rc, uint64_t pos, struct vrv_err *why, int *first, struct vrv_err *e)
{
    if (rc < 0 && *first == 0) {
        *first = vrv_err_prefix(why, rc, "byte %" PRIu64, pos);
        *e = *why;
    }
    return rc;
}

static int
dump_header(struct dump *d, struct vrv_err *e)
{
    struct vrv_object_info i;
    uint8_t *p;
    int rc = range(d, 0, VRV_OBJECT_HEADER, &p, e);

    if (rc < 0)
        return rc;
    rc = vrv_object_read_header(&i, p, e);
    if (rc == 0)
        show_info(&d->l->out, "header", &i);
    free(p);
    return rc;
}

static int
dump_chunk(struct dump *d, const struct vrv_chunk *c, struct vrv_err *e)
{
    uint8_t *p, *plain = NULL;
    int rc = range(d, c->pos, c->stored, &p, e);

    if (rc == 0) {
        rc = vrv_chunk_open(c, p, c->stored, &plain, e);
        free(plain);
        free(p);
    }
    show_chunk(&d->l->out, c, rc == 0 ? "ok" : e->msg);
    return rc;
}

static int
dump_chunks(struct dump *d, const struct vrv_object_info *i, int *first, struct vrv_err *e)
{
    size_t n = (size_t)i->chunk_n * VRV_CHUNK_RECORD;
    struct vrv_chunk *c = NULL;
    struct vrv_err why;
    uint8_t *p;
    int rc = range(d, i->table_at, n, &p, &why);

    if (rc == 0) {
        rc = vrv_object_read_table(&c, i, p, n, &why);
        free(p);
    }
    if (keep(rc, i->table_at, &why, first, e) < 0)
        return rc;
    for (uint32_t k = 0; k < i->chunk_n; k++)
        (void)keep(dump_chunk(d, &c[k], &why), c[k].pos, &why, first, e);
    free(c);
    return 0;
}

static int
dump_extras(struct dump *d, const struct vrv_object_info *i, struct vrv_err *e)
{
    struct out *o = &d->l->out;
    size_t n = (size_t)(i->table_at - i->index_at);
    uint8_t *p;

    if (n == 0)
        return 0;
    int rc = range(d, i->index_at, n, &p, e);
    if (rc < 0)
        return rc;
    if (vrv_crc32c(0, p, n) != i->extras_crc)
        rc = vrv_err_set(e, VRV_E_CORRUPT, "what is behind the chunks doesn't match its checksum");
    for (uint32_t k = 0; rc == 0 && k < i->epoch_n; k++) {
        const uint8_t *at = p + (i->epochs_at - i->index_at) + (size_t)k * VRV_OBJECT_EPOCH;

        begin(o, "epoch");
        field_int(o, "epoch", (int32_t)vrv_get_le32(at));
        field_int(o, "start", (int64_t)vrv_get_le64(at + 8));
        end(o);
    }
    free(p);
    return rc;
}

static int
dump_object(struct dump *d, struct vrv_err *e)
{
    struct vrv_object_info i;
    struct vrv_err why;
    int first = 0;
    uint8_t *p;

    (void)keep(dump_header(d, &why), 0, &why, &first, e);
    uint64_t at = d->size < VRV_OBJECT_FOOTER ? 0 : d->size - VRV_OBJECT_FOOTER;
    int rc = range(d, at, VRV_OBJECT_FOOTER, &p, &why);
    if (rc == 0) {
        rc = vrv_object_read_footer(&i, p, d->size, &why);
        free(p);
    }
    if (keep(rc, at, &why, &first, e) == 0) {
        show_info(&d->l->out, "footer", &i);
        (void)dump_chunks(d, &i, &first, e);
        (void)keep(dump_extras(d, &i, &why), i.index_at, &why, &first, e);
    }
    return first < 0 ? vrv_err_prefix(e, first, "%.120s", d->key) : 0;
}

/* ---- the command ---- */

/* Its size; a list has it. */
static int
look_up(struct dump *d, struct vrv_err *e)
{
    struct vrv_found_names l = { 0 };
    int rc = vrv_store_key_is_good(d->key, false)
        ? vrv_find_names(&d->l->sync, d->key, &l, e)
        : vrv_err_set(e, VRV_E_INVALID, "\"%.100s\" can't be a key of varve's", d->key);

    if (rc == 0 && (l.n == 0 || strcmp(l.v[0].key, d->key) != 0))
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "%.150s isn't in the store", d->key);
    if (rc == 0)
        d->size = l.v[0].size;
    vrv_found_names_fini(&l);
    return rc;
}

static int
run(struct coldlink *l, struct args *a, struct vrv_err *e)
{
    const struct arg own[] = { { NULL, 0, 0, NULL } };
    struct dump d = { .l = l };
    int rc = coldlink_args(l, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, 1, "a key", e);
    if (rc == 0)
        rc = coldlink_open(l, e);
    if (rc != 0)
        return rc;
    d.key = a->v[0];
    rc = look_up(&d, e);
    if (rc < 0)
        return rc;
    if (strncmp(d.key, "d/", 2) == 0)
        return dump_object(&d, e);
    if (strncmp(d.key, "m/", 2) == 0)
        return dump_whole(&d, dump_manifest, e);
    if (strncmp(d.key, "marker/", 7) == 0)
        return dump_whole(&d, dump_marker, e);
    if (strncmp(d.key, "owner/", 6) == 0)
        return dump_whole(&d, dump_owner, e);
    return vrv_err_set(e, VRV_E_INVALID, "%.100s is none of varve's: keys begin with d/, m/, marker/ or owner/",
        d.key);
}

int
tier_dump(int argc, char **argv)
{
    static const struct coldlink_cmd cmd = { "tier dump", tier_dump_help, run };

    return coldlink_main(&cmd, argc, argv);
}
