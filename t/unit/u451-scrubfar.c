/*
 * A scrub of stores that are asked over HTTP: HDFS, where its server goes on writing between any two requests of the
 * scrub's; S3, where others have a place of their own whose name begins as ours does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/fakehdfs.h"
#include "t/lib/fakes3.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "tiering/restore/find.h"
#include "tiering/scrub/scrub.h"
#include "tiering/store/hdfs.h"
#include "tiering/store/s3.h"

enum { CALL_MS = 20000, KEYS = 400 };

static struct vrv_err e;

/* ---- what a server wrote, in the order in which it did ---- */

static struct vrv_log_id id;
static char *key[KEYS];
static unsigned keys;

static void
note(const char *name)
{
    for (unsigned i = 0; i < keys; i++)
        if (strcmp(key[i], name) == 0)
            return;
    VRV_ASSERT(keys < KEYS);
    key[keys++] = vrv_mem_strdup(name);
}

static void
note_root(struct vrv_sync *s, uint64_t version)
{
    char name[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;
    int rc = vrv_find_root(s, &id, version, &m, &e);

    VRV_ASSERT(rc == 0);
    for (uint32_t i = 0; i < m.page_n; i++) {
        struct vrv_cold_seg *v;

        rc = vrv_find_page(s, &m, &m.page[i], &v, &e);
        VRV_ASSERT(rc == 0);
        for (uint32_t k = 0; k < m.page[i].segments; k++)
            note(v[k].key);
        vrv_cold_segs_free(v, m.page[i].segments);
        note(m.page[i].key);
    }
    for (uint32_t i = 0; i < m.seg_n; i++)
        note(m.seg[i].key);
    vrv_parts_root_key(&id, version, name);
    note(name);
    vrv_manifest_fini(&m);
}

/* A server that never sweeps: all that it ever wrote is there. */
static void
make(void)
{
    struct vrv_found_versions l;
    struct vrv_sync s;

    sweep_every_ms = INT64_C(1) << 40;
    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 local.retention.bytes=1 remote.storage.enable=true retention.ms=-1");
    id = rig_log(&rig, "t", 0)->id;
    for (int i = 0; i < 40; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(70000);
    vrv_sync_init(&s, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    VRV_ASSERT(vrv_find_versions(&s, &id, 0, &l, &e) == 0 && l.n > 5);
    for (size_t i = 0; i < l.n; i++)
        note_root(&s, l.v[i]);
    vrv_found_versions_fini(&l);
    vrv_sync_fini(&s);
}

static void
finish(void)
{
    while (keys > 0)
        free(key[--keys]);
    end();
}

static void
write_key(struct vrv_sync *to, const char *name)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, name, &n);

    VRV_ASSERT(p != NULL);
    int rc = vrv_sync_put(to, name, p, n, true, &e);
    if (rc < 0)
        OK(false, "%s can be written: %s", name, e.msg);
}

/* ---- a scrub ---- */

static struct vrv_scrubbed sums;
static unsigned found; /* but for markers: there are none */

static void
tell(void *ctx, const struct vrv_finding *x)
{
    (void)ctx;
    if (x->kind == VRV_SCRUB_MARKER || x->kind == VRV_SCRUB_ORPHAN)
        return;
    tap_note("%s: %s: %s", vrv_scrub_kind_name(x->kind), x->key != NULL ? x->key : "", x->text);
    found++;
}

static int
scrub(struct vrv_store *store, struct vrv_clock *clock, bool deletes)
{
    const struct vrv_scrub_opts o = { .store = store, .clock = clock, .random = 5, .call_ms = CALL_MS, .full = true,
        .bytes_per_second = INT64_MAX, .grace_ms = deletes ? VRV_SCRUB_GRACE_LEAST_MS : 1000000000000, .threads = 1,
        .delete_orphans = deletes, .tell = tell };

    found = 0;
    return vrv_scrub(&o, &sums, &e);
}

/* ---- HDFS, beside its server ---- */

static struct vrv_store *
open_hdfs(const struct fakehdfs *h)
{
    const struct vrv_store_hdfs_opts o = { .url = fakehdfs_url(h), .random = 451, .user = "varve",
        .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 4, 4, 4 }, .connect_ms = CALL_MS,
            .stall_ms = CALL_MS, .text_max = VRV_STORE_HDFS_TEXT, .proxy = "" } };
    struct vrv_store *s = NULL;

    tap_need(vrv_store_hdfs(&s, &o, &e), e.msg);
    return s;
}

/* Whenever the scrub looks at its clock its server may have written something. */
static struct {
    struct vrv_sync to;
    unsigned next, ticks, every; /* 0: it is silent */
} server;

static int64_t
mono_ns(struct vrv_clock *c)
{
    (void)c;
    if (server.every > 0 && server.next < keys && ++server.ticks % server.every == 0)
        write_key(&server.to, key[server.next++]);
    return vrv_clock_real()->mono_ns(vrv_clock_real());
}

static int64_t
wall_ms(struct vrv_clock *c)
{
    (void)c;
    return vrv_clock_real()->wall_ms(vrv_clock_real());
}

static void
test_hdfs_beside(unsigned every)
{
    struct vrv_clock clock = { .wall_ms = wall_ms, .mono_ns = mono_ns };
    unsigned scrubs = 0, bad = 0;

    make();
    struct fakehdfs *h = fakehdfs_new(3); /* a list takes several requests */
    struct vrv_store *mine = open_hdfs(h), *its = open_hdfs(h);
    vrv_sync_init(&server.to, its, vrv_clock_real(), 8, CALL_MS);
    for (server.next = 0; server.next < keys / 8;)
        write_key(&server.to, key[server.next++]);
    server.every = every;
    for (; server.next < keys && scrubs < 1000; scrubs++) {
        int rc = scrub(mine, &clock, false);

        bad += found > 0 || rc < 0;
        if (rc < 0)
            tap_note("%s", e.msg);
    }
    OK(server.next == keys, "a server wrote %u objects to HDFS beside %u scrubs", keys, scrubs);
    IS(bad, 0, "... none of which had anything to tell");
    server.every = 0;
    IS(scrub(mine, &clock, false), 0, "at the end a scrub %s", e.msg);
    OK(found == 0 && sums.objects > 10 && sums.pages > 0, "... finds all well, of %u objects", (unsigned)sums.objects);
    vrv_sync_fini(&server.to);
    vrv_store_close(&mine);
    vrv_store_close(&its);
    fakehdfs_free(&h);
    finish();
}

/* ---- S3, beside others ---- */

static const char *
env(const char *name)
{
    return strcmp(name, "AWS_ACCESS_KEY_ID") == 0 ? "AKIATEST"
        : strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "secret" : NULL;
}

static struct vrv_store *
open_s3(const char *endpoint, const char *url)
{
    const struct vrv_store_s3_opts o = { .url = url, .endpoint = endpoint, .credentials = "env", .env = env,
        .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 4, 4, 4 }, .connect_ms = CALL_MS,
            .stall_ms = CALL_MS, .text_max = 1 << 20, .proxy = "" } };
    struct vrv_store *s = NULL;

    tap_need(vrv_store_s3(&s, &o, &e), e.msg);
    return s;
}

static size_t
names_in(struct vrv_sync *s)
{
    static const char *const kinds[] = { "d/", "m/" };
    size_t n = 0;

    for (int i = 0; i < 2; i++) {
        struct vrv_found_names l;
        int rc = vrv_find_names(s, kinds[i], &l, &e);

        VRV_ASSERT(rc == 0);
        n += l.n;
        vrv_found_names_fini(&l);
    }
    return n;
}

static void
test_s3_neighbours(void)
{
    static const char *const place[] = { "s3://cold/logs", "s3://cold/logs2", "s3://cold/log" };
    enum { PLACES = sizeof(place) / sizeof(place[0]) };
    struct vrv_store *store[PLACES];
    struct vrv_sync s[PLACES];
    char endpoint[64], orphan[VRV_STORE_KEY_MAX + 1];

    make();
    struct fakes3 *f = fakes3_new(&(struct fakes3_opts){ .seed = 451, .bucket = "cold", .key_id = "AKIATEST",
        .secret = "secret", .part_min = 10, .clock = vrv_clock_real() });
    (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", httpd_port(fakes3_httpd(f)));
    httpd_start(fakes3_httpd(f));
    vrv_parts_prefix(&id, 'd', orphan);
    (void)strcat(orphan, "00000000000000009999-1700000000000-0123456789abcdef");
    for (int i = 0; i < PLACES; i++) {
        store[i] = open_s3(endpoint, place[i]);
        vrv_sync_init(&s[i], store[i], vrv_clock_real(), 9, CALL_MS);
        for (unsigned k = 0; k < keys; k++)
            write_key(&s[i], key[k]);
        int rc = vrv_sync_put(&s[i], orphan, "x", 1, true, &e);
        VRV_ASSERT(rc == 0);
    }
    size_t all = names_in(&s[1]);
    IS(scrub(store[0], vrv_clock_real(), true), 0, "a scrub of %s deletes what nothing names there %s", place[0], e.msg);
    OK(found == 0 && sums.deleted > 0 && names_in(&s[0]) == all - sums.deleted, "... which it does, %u objects",
        (unsigned)sums.deleted);
    OK(names_in(&s[1]) == all && names_in(&s[2]) == all, "... and nothing of %s, or of %s", place[1], place[2]);
    IS(scrub(store[2], vrv_clock_real(), true), 0, "one of %s, with which both begin %s", place[2], e.msg);
    OK(found == 0 && names_in(&s[1]) == all && names_in(&s[0]) < all, "... likewise");
    IS(scrub(store[1], vrv_clock_real(), false), 0, "%s %s", place[1], e.msg);
    OK(found == 0 && sums.objects > 10, "... is whole, with all its %u objects", (unsigned)sums.objects);
    for (int i = 0; i < PLACES; i++) {
        vrv_sync_fini(&s[i]);
        vrv_store_close(&store[i]);
    }
    fakes3_free(&f);
    finish();
}

int
main(void)
{
    test_hdfs_beside(4);
    test_hdfs_beside(9);
    test_hdfs_beside(20);
    test_s3_neighbours();
    return tap_done();
}
