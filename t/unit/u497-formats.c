/*
 * Version 1 of what is kept in stores, and of the tier in the catalog, for ever: files that were packed from the
 * description of the formats, and not by our encoders (t/data/README.md), are read to the field, and written to the
 * byte.  (Lesson 27: a change of a format made old data unreadable, and nothing read old data.)
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/engine_int.h"
#include "engine/log/producers.h"
#include "engine/remains.h"
#include "t/lib/golden.h"
#include "t/lib/kept.h"
#include "t/lib/rig.h"
#include "t/lib/tap.h"
#include "tiering/daemon/owner.h"
#include "tiering/format/manifest.h"
#include "tiering/format/marker.h"
#include "tiering/parts/parts_int.h"

#define TOPIC "0102030405060708090a0b0c0d0e0f10"
static const struct vrv_uuid topic = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
static const int64_t T = 1700000000000;

enum { GZIP = 262, LZ4 = 254, SNAPPY = 396 }; /* bytes of the batches */

static bool
is_same(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n)
{
    return a_n == b_n && memcmp(a, b, a_n) == 0;
}

/* ---- the object ---- */

static void
test_footer(const struct vrv_object_info *i)
{
    OK(vrv_uuid_eq(&i->topic, &topic) && i->partition == 3 && i->epoch == 5, "whose it is");
    OK(i->base == 1000 && i->next == 1030, "its offsets");
    OK(i->plain == GZIP + LZ4 + SNAPPY && i->chunk_n == 2, "how much there is");
    OK(i->min_ts == T && i->max_ts == T + 7 && i->max_ts_offset == 1000, "times");
    OK(i->index_n == 2 && i->aborted_n == 1 && i->producer_bytes == 56 && i->epoch_n == 2, "what else");
    OK(i->index_at == 976 && i->aborted_at == 1024 && i->producers_at == 1056 && i->epochs_at == 1112 &&
            i->table_at == 1144 && i->size == 1432, "and where");
}

static int
note_producer(void *ctx, const struct vrv_producer_info *p)
{
    *(struct vrv_producer_info *)ctx = *p;
    return 0;
}

static void
test_extras(const uint8_t *p, const struct vrv_object_info *i)
{
    struct vrv_producer_info who = { 0 };
    struct vrv_producers *producers;
    struct vrv_object_aborted a;

    OK((int64_t)vrv_get_le64(p + i->index_at) == 1000 && vrv_get_le64(p + i->index_at + 32) == GZIP + LZ4,
        "index entries: offset, place");
    vrv_object_get_aborted(&a, p + i->aborted_at);
    OK(a.producer == 4711 && a.first == 1006 && a.last == 1020 && a.last_stable == 1021,
        "an aborted transaction");
    IS(vrv_producers_decode(&producers, p + i->producers_at, i->producer_bytes, NULL), 0, "the producers' state");
    (void)vrv_producers_each(producers, note_producer, &who);
    OK(who.id == 4712 && who.last_offset == 1025 && who.last_seq == 5, "... who it is, and how far");
    vrv_producers_free(&producers);
    OK(vrv_get_le32(p + i->epochs_at) == 4 && vrv_get_le64(p + i->epochs_at + 8) == 900 &&
            vrv_get_le32(p + i->epochs_at + 16) == 5 && vrv_get_le64(p + i->epochs_at + 24) == 1020,
        "epochs: number, first offset");
}

/* All that the fixture has, given to the writer. */
static void
test_write_object(const uint8_t *p, size_t n, const struct vrv_object_info *i)
{
    const struct vrv_object_extras x = { .index = p + i->index_at, .index_n = i->index_n,
        .aborted = p + i->aborted_at, .aborted_n = i->aborted_n, .producers = p + i->producers_at,
        .producer_bytes = i->producer_bytes, .epochs = p + i->epochs_at, .epoch_n = i->epoch_n };
    struct bytes out = { 0 };
    struct vrv_object_writer w;
    size_t used;

    vrv_object_begin(&w, i, GZIP + LZ4, 0, keep, &out);
    IS(vrv_object_add(&w, p + VRV_OBJECT_HEADER, (size_t)i->plain, &used, NULL), 0, "the same batches");
    IS(vrv_object_end(&w, &x, NULL), 0, "... and all else");
    OK(is_same(out.p, out.n, p, n), "... are the same bytes");
    vrv_object_fini(&w);
    free(out.p);
}

static void
test_object(void)
{
    struct vrv_object_info i;
    struct vrv_chunk *c;
    uint8_t *out;
    size_t n;
    uint8_t *p = golden("cold-object-v1.bin", &n);

    IS(vrv_object_read_footer(&i, p + n - VRV_OBJECT_FOOTER, n, NULL), 0, "a cold object of version 1");
    test_footer(&i);
    IS(vrv_object_read_tail(&i, p + i.index_at, n - i.index_at, n, NULL), 0, "its tail alone");
    test_extras(p, &i);
    IS(vrv_object_read_table(&c, &i, p + i.table_at, (size_t)i.chunk_n * VRV_CHUNK_RECORD, NULL), 0,
        "its chunk table");
    OK(c[0].base == 1000 && c[0].pos == 64 && c[0].stored == GZIP + LZ4 && c[0].plain == GZIP + LZ4 &&
            c[0].crc == 1741605955 && c[0].codec == VRV_CHUNK_PLAIN && c[0].max_ts == T + 7, "... the first");
    OK(c[1].base == 1020 && c[1].pos == 580 && c[1].stored == SNAPPY, "... the second, behind a hole");
    for (uint32_t k = 0; k < i.chunk_n; k++) {
        IS(vrv_chunk_open(&c[k], p + c[k].pos, c[k].stored, &out, NULL), 0, "... and its batches");
        free(out);
    }
    free(c);
    test_write_object(p, n, &i);
    free(p);
}

/* A chunk as zstd's own tool packs it.  What today's library writes for the same batches is its affair, so
 * there is nothing to compare with: it is read. */
static void
test_zstd_object(void)
{
    struct vrv_object_info i;
    struct vrv_chunk *c;
    uint8_t *out = NULL;
    size_t n, batch_n;
    uint8_t *p = golden("cold-object-zstd-v1.bin", &n), *batch = golden("batch-none.bin", &batch_n);

    IS(vrv_object_read_header(&i, p, NULL), 0, "an object with a packed chunk");
    OK(vrv_uuid_eq(&i.topic, &topic) && i.partition == 3 && i.epoch == 5 && i.base == 1000 && i.next == 1030,
        "... says at its begin whose it is");
    VRV_ASSERT(vrv_object_read_footer(&i, p + n - VRV_OBJECT_FOOTER, n, NULL) == 0);
    IS(vrv_object_read_table(&c, &i, p + i.table_at, (size_t)i.chunk_n * VRV_CHUNK_RECORD, NULL), 0,
        "... and where it is");
    OK(c[0].codec == VRV_CHUNK_ZSTD && c[0].stored == 220 && c[0].plain == batch_n, "... it is packed");
    IS(vrv_chunk_open(&c[0], p + c[0].pos, c[0].stored, &out, NULL), 0, "... and unpacked");
    vrv_put_be64(batch, 1000);
    vrv_put_be32(batch + 12, 4);
    OK(out != NULL && memcmp(out, batch, batch_n) == 0, "... holds that batch");
    free(out);
    IS(vrv_chunk_open(&c[1], p + c[1].pos, c[1].stored, &out, NULL), 0, "the next one isn't packed");
    free(out);
    free(c);
    free(batch);
    free(p);
}

/* ---- the manifest ---- */

static void
test_segments(const struct vrv_cold_seg *s)
{
    OK(s[0].base == 400 && s[0].next == 700 && s[0].first_epoch == 2 && s[0].last_epoch == 2 &&
            strcmp(s[0].key, "d/" TOPIC "/3/00000000000000000400-1699999991000-00000000000000aa") == 0,
        "a segment: offsets, epochs, where it is");
    OK(s[0].size == 5000 && s[0].plain == 9000 && s[0].crc == 0x11223344 && s[0].pos == 0, "... its range");
    OK(s[0].min_ts == T - 90000 && s[0].max_ts == T - 50000 && s[0].max_ts_offset == 650 &&
            s[0].appended_ms == T - 45000 && s[0].moved_ms == T - 8900 && !s[0].aborted, "... times");
    OK(s[0].chunk_n == 2 && s[0].chunk[1].base == 550 && s[0].chunk[1].pos == 2064 &&
            s[0].chunk[1].stored == 2500 && s[0].chunk[1].plain == 5000 &&
            s[0].chunk[1].crc == 0xb1b2b3b4 && s[0].chunk[1].max_ts == T - 50000 &&
            s[0].chunk[1].codec == VRV_CHUNK_ZSTD, "... chunks");
    OK(s[1].base == 700 && s[1].pos == 4096 && s[1].aborted && s[1].last_epoch == 4 &&
            s[1].chunk[0].codec == VRV_CHUNK_PLAIN, "the next one, in the middle of an object");
}

/* The page of the root, written anew from its segments. */
static void
test_write_page(const struct vrv_manifest *root, struct vrv_cold_seg *s, const uint8_t *p, size_t n)
{
    struct vrv_manifest old = { .topic = topic, .partition = 3, .seg = s, .seg_n = 2 };
    struct vrv_cold_page page;
    size_t out_n;
    uint8_t *out = vrv_manifest_write_page(&old, 0, 2, &page, &out_n);

    OK(is_same(out, out_n, p, n), "written it is the same bytes");
    page.key = root->page[0].key;
    OK(page.base == root->page[0].base && page.next == root->page[0].next && page.crc == root->page[0].crc &&
            page.plain == root->page[0].plain && page.stored == root->page[0].stored &&
            page.newest_ms == root->page[0].newest_ms && page.aborted, "and told in the same words");
    free(out);
}

static void
test_manifest(void)
{
    struct vrv_manifest m;
    struct vrv_cold_seg *s;
    size_t n, page_n, object_n, out_n;
    uint8_t *p = golden("manifest-root-v1.bin", &n), *page = golden("manifest-page-v1.bin", &page_n);
    uint8_t *object = golden("cold-object-v1.bin", &object_n);

    if (!IS(vrv_manifest_read(&m, p, n, NULL), 0, "a manifest's root of version 1"))
        return;
    OK(vrv_uuid_eq(&m.topic, &topic) && m.put_id.b[0] == 0xe0 && m.partition == 3 && m.epoch == 5 &&
            m.version == 7 && m.before == 6, "whose it is, and which");
    OK(m.start == 450 && m.next == 1030 && m.page_n == 1 && m.seg_n == 1, "what it covers");
    OK(strcmp(m.page[0].key, "m/" TOPIC "/3/00000000000000000400-1699999993000-00000000000000cc") == 0 &&
            m.page[0].base == 400 && m.page[0].next == 1000 && m.page[0].segments == 2 &&
            m.page[0].first_epoch == 2 && m.page[0].last_epoch == 4, "its page");
    OK(m.seg[0].size == object_n && m.seg[0].crc == vrv_crc32c(0, object, object_n) &&
            m.seg[0].chunk[1].pos == 580 && m.seg[0].chunk[1].crc == 0xfc3d4d72 && m.seg[0].aborted,
        "its segment is the object");
    IS(vrv_manifest_read_page(&m, &m.page[0], page, page_n, &s, NULL), 0, "a page of version 1");
    test_segments(s);
    test_write_page(&m, s, page, page_n);
    uint8_t *out = vrv_manifest_write(&m, &out_n);
    OK(is_same(out, out_n, p, n), "the root is written to the same bytes");
    vrv_cold_segs_free(s, 2);
    free(out);
    free(object);
    free(page);
    free(p);
    vrv_manifest_fini(&m);
}

/* ---- owner and marker ---- */

static void
test_owner(void)
{
    struct vrv_owner_file f;
    size_t n, out_n;
    uint8_t *p = golden("owner-v1.bin", &n);

    IS(vrv_owner_read(&f, p, n, NULL), 0, "an owner's file of version 1");
    OK(f.id.b[0] == 0x40 && f.id.b[15] == 0x4f && f.ms == T + 5 &&
            strcmp(f.cluster, "kVrvCluster-0123456789") == 0, "who, when, and of which cluster");
    uint8_t *out = vrv_owner_write(&f, &out_n);
    OK(is_same(out, out_n, p, n), "is written to the same bytes");
    free(out);
    p[n - 1] = '\0';
    vrv_put_le32(p + 12, vrv_crc32c(vrv_crc32c(0, p, 12), p + 16, n - 16));
    IS(vrv_owner_read(&f, p, n, NULL), VRV_E_CORRUPT, "an id with a zero in it is none");
    free(p);
}

static void
test_marker(void)
{
    struct vrv_marker m;
    size_t n, out_n;
    uint8_t *p = golden("marker-v1.bin", &n);

    IS(vrv_marker_read(&m, p, n, NULL), 0, "a marker of version 1");
    OK(strcmp(m.cluster, "kVrvCluster-0123456789") == 0 && m.owner == 2 && m.ms == T + 99 && m.silent_ms == 300000 && m.last,
        "whose, when, how long it may be silent, and that the server stopped");
    OK(m.catalog.n == 2 && strcmp(m.catalog.v[0].key, "name/cold") == 0 && m.catalog.v[0].n == 6 &&
            m.catalog.v[1].n == 0, "pairs of the catalog");
    OK(m.record_n == 1 && m.record[0].key_n == 21 && m.record[0].value_n == GZIP &&
            memcmp(m.record[0].key, "__consumer_offsets/11", 21) == 0, "a record");
    uint8_t *out = vrv_marker_write(&m, &out_n, NULL);
    OK(is_same(out, out_n, p, n), "is written to the same bytes");
    free(out);
    vrv_marker_fini(&m);
    free(p);
}

/* ---- in the catalog ---- */

static bool
has(struct vrv_catalog *c, const char *entity, const struct vrv_config_kv *want, size_t n)
{
    struct vrv_entity_configs is;
    bool same = true;

    vrv_catalog_configs(c, entity, &is);
    for (size_t i = 0; i < n && i < is.n; i++)
        same = same && strcmp(is.v[i].key, want[i].key) == 0 && strcmp(is.v[i].value, want[i].value) == 0;
    same = same && is.n == n;
    free(is.v);
    return same;
}

#define KV(k, v) { (char[]){ k }, (char[]){ v } }

static void
test_head(struct vrv_catalog *c)
{
    const struct vrv_config_kv plain[] = { KV("crc", "4023233417"), KV("size", "546"), KV("version", "7") },
        lost[] = { KV("crc", "1"), KV("lost.from", "1030"), KV("lost.to", "1100"), KV("size", "546"),
            KV("version", "8") };
    const struct vrv_log_id id = { topic, 3 };
    struct vrv_parts parts = { .catalog = c };
    struct vrv_head h;

    VRV_ASSERT(vrv_catalog_set_configs(c, "tier/" TOPIC "/3", 0, plain, 3, NULL) == 0);
    IS(vrv__head_read(&parts, &id, &h, NULL), 0, "the head of a manifest");
    OK(h.version == 7 && h.size == 546 && h.crc == 4023233417 && h.lost_from == h.lost_to, "... is read");
    h.version = 8;
    h.crc = 1;
    h.lost_from = 1030;
    h.lost_to = 1100;
    VRV_ASSERT(vrv__head_write(&parts, &id, &h, NULL) == 0);
    OK(has(c, "tier/" TOPIC "/3", lost, 5), "... and written, with what was given up");
    IS(vrv__head_read(&parts, &id, &h, NULL), 0, "... which is read, too");
    OK(h.lost_from == 1030 && h.lost_to == 1100, "... from there to there");
}

/* The queue of what is to be deleted is the heads above and these. */
static void
test_deleted(struct vrv_engine *eng)
{
    struct vrv_config_kv is[] = { KV("created", "1699999900000"), KV("deleted", "1700000000000"),
        KV("name", "gone"), KV("partitions", "2"), KV("purging", "0"), KV("set.retention.ms", "-1") },
        parts[] = { KV("parts", "0 30 30 4 17 17 17 0 ") };
    struct vrv_remains r;

    VRV_ASSERT(vrv_catalog_set_configs(eng->catalog, "deleted/" TOPIC, 0, is, 6, NULL) == 0 &&
        vrv_catalog_set_configs(eng->catalog, "deleted/" TOPIC "/000000", 0, parts, 1, NULL) == 0);
    IS(vrv_remains_read(eng, &topic, &r, NULL), 0, "what a deleted topic left");
    OK(strcmp(r.topic.name, "gone") == 0 && r.topic.partitions == 2 && !r.purging &&
            r.topic.created_ms == T - 100000 && r.deleted_ms == T, "... who it was, and when it went");
    OK(r.topic.config_n == 1 && strcmp(r.topic.configs[0].key, "retention.ms") == 0 &&
            strcmp(r.topic.configs[0].value, "-1") == 0, "... its settings");
    OK(r.part[0].start == 0 && r.part[0].gap == 30 && r.part[0].end == 30 && r.part[0].epoch == 4 &&
            r.part[1].start == 17 && r.part[1].epoch == 0, "... and its logs");
    VRV_ASSERT(vrv_remains_purge(eng, &r, NULL) == 0);
    is[4].value = (char[]){ "1" };
    OK(has(eng->catalog, "deleted/" TOPIC, is, 6) && has(eng->catalog, "deleted/" TOPIC "/000000", parts, 1),
        "when its data is being deleted, that is written, and all else as it was");
    vrv_remains_fini(&r);
}

static void
test_catalog(void)
{
    struct rig rig;

    rig_init(&rig, 1);
    rig_up(&rig);
    test_head(rig.eng->catalog);
    test_deleted(rig.eng);
    VRV_ASSERT(rig_close(&rig) == 0);
    rig_fini(&rig);
}

/* Their hash was computed by a program of its own. */
static void
test_names(void)
{
    struct vrv_log_id id = { .partition = 2 };
    char out[VRV_STORE_KEY_MAX + 1];
    bool used[256] = { false };
    int places = 0;
    struct vrv_part_key k;

    VRV_ASSERT(vrv_uuid_parse(&id.topic, "7a7a0000000000000100000000000000"));
    vrv_parts_prefix(&id, 'd', out);
    IS_STR(out, "d/7a7a0000000000000100000000000000/2/", "with what names of segments begin");
    vrv_parts_prefix(&id, 'h', out);
    IS_STR(out, "d/e4/7a7a0000000000000100000000000000/2/", "... those with a hash");
    OK(vrv_parts_read_key(&id, 'd', "d/e4/7a7a0000000000000100000000000000/2/00000000000000000400-1699999991000-"
            "00000000000000aa", &k) && k.number == 400 && k.made_ms == 1699999991000 && !k.root,
        "... which say the same");
    OK(!vrv_parts_read_key(&id, 'd', "d/e5/7a7a0000000000000100000000000000/2/00000000000000000400-1699999991000-"
            "00000000000000aa", &k), "... and are nobody's with another one");
    for (id.partition = 0; id.partition < 256; id.partition++) {
        vrv_parts_prefix(&id, 'h', out);
        unsigned at = (unsigned)strtoul(out + 2, NULL, 16);
        places += !used[at];
        used[at] = true;
    }
    IS(places, 256, "256 partitions of a topic begin with as many");
}

int
main(void)
{
    test_names();
    test_object();
    test_zstd_object();
    test_manifest();
    test_owner();
    test_marker();
    test_catalog();
    return tap_done();
}
