/*
 * What others lost, and how (t/LESSONS.md): a function per lesson that is nobody else's test, named after
 * its line there.  The cold tier as it runs beside an engine, over a store of the test's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "engine/batch/batch.h"
#include "engine/batch/build.h"
#include "engine/engine_int.h"
#include "t/lib/coldcheck.h"
#include "t/lib/onetier.h"
#include "t/lib/tap.h"
#include "t/lib/tierrig.h"
#include "tiering/store/sync.h"
#include "tiering/tier_ask.h"

#define TIERED "segment.bytes=1000 remote.storage.enable=true "
#define DRAINS TIERED "local.retention.ms=0 retention.ms=-1 "

enum { SEG = 4, CALL_MS = 10000 }; /* offsets of a segment */

/* ---- the store, as the catalog says that it is ---- */

static uint8_t *
copy_of(void *ctx, const char *key, size_t *n)
{
    const uint8_t *p = fakestore_object(fake, key, n);
    uint8_t *copy = p != NULL ? vrv_mem_zero(*n + 1) : NULL;

    (void)ctx;
    if (copy != NULL)
        memcpy(copy, p, *n);
    return copy;
}

/* What the manifest of t/0 names, checked; from and to: which offsets.  How many names. */
static unsigned
look(int64_t *from, int64_t *to, char ***names)
{
    struct coldcheck c;

    if (!coldcheck_run(&c, vrv_engine_catalog(rig.eng), copy_of, NULL))
        OK(false, "in the store is what the catalog says: %s", c.why);
    const struct coldcheck_part *p = coldcheck_part(&c, &rig_log(&rig, "t", 0)->id.topic, 0);
    *from = p != NULL ? p->base : -1;
    *to = p != NULL ? p->next : -1;
    unsigned n = c.named_n;
    if (names != NULL) {
        *names = c.named;
        c.named = NULL;
        c.named_n = 0;
    }
    coldcheck_fini(&c);
    return n;
}

static int64_t
cold_end(void)
{
    int64_t from, to;

    (void)look(&from, &to, NULL);
    return to;
}

/* The key of the segment that begins at `base`; to be freed. */
static char *
key_at(int64_t base)
{
    char **names, *key = NULL, part[32];
    int64_t from, to;
    unsigned n = look(&from, &to, &names);

    (void)snprintf(part, sizeof(part), "/%020" PRId64 "-", base);
    for (unsigned i = 0; i < n; i++)
        if (key == NULL && strncmp(names[i], "d/", 2) == 0 && strstr(names[i], part) != NULL)
            key = names[i];
        else
            free(names[i]);
    free(names);
    tap_need(key != NULL ? 0 : -1, "no segment begins there");
    return key;
}

static int64_t
copies(void)
{
    return (int64_t)fakestore_count(fake, "d/");
}

/* ---- what is counted, and what is deleted ---- */

/* 1: failed copies were counted as if they were there, so retention by size deleted good records. */
static void
lesson_01_failed_copies_do_not_count(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS "retention.bytes=9000");
    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_MISSING, 100);
    put("t", 0, 12);
    int64_t most = 0;
    for (int i = 0; i < 200; i++) {
        pass(1000);
        most = copies() > most ? copies() : most;
    }
    OK(most > 9, "copies that were not found again lie in the store, more than all records: %d", (int)most);
    IS(offsets("t", 0).start, 0, "they don't count: nothing is deleted");
    fakestore_heal(fake);
    pass(120000);
    IS(offsets("t", 0).start, 0, "nor is anything when they go");
    IS(copies(), cold_end() / SEG, "of each segment one copy is left");
    IS(read_all("t", 0), 24, "all can be read");
    end();
}

/* 2: objects that overlapped others failed a test of their history, and stayed for ever. */
static void
lesson_02_what_no_manifest_names_goes(void)
{
    struct vrv_err e;
    struct vrv_sync s;
    char name[VRV_STORE_KEY_MAX + 1];
    size_t n, id;

    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    put("t", 0, 12);
    pass(60000);
    int64_t had = copies();
    char *key = key_at(SEG);
    uint8_t *bytes = copy_of(NULL, key, &n);
    int64_t now_ms = rig.clock.clock.wall_ms(&rig.clock.clock);
    id = (size_t)(strrchr(key, '/') - key);
    (void)snprintf(name, sizeof(name), "%.*s/%020d-%013" PRId64 "-0123456789abcdef", (int)id, key,
        SEG + 2, now_ms);
    vrv_sync_init(&s, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    tap_need(vrv_sync_put(&s, name, bytes, n, true, &e), "an object beside it");
    vrv_sync_fini(&s);
    pass(15000);
    IS(copies(), had + 1, "a copy of records that another one has, too: it may be on its way");
    pass(30000);
    IS(copies(), had, "later it isn't, and goes");
    OK(fakestore_object(fake, key, &n) != NULL, "... and not the one that counts");
    IS(read_all("t", 0), 24, "all can be read");
    free(bytes);
    free(key);
    end();
}

/* How many names that begin so. */
static unsigned
named(const char *prefix)
{
    int64_t from, to;
    char **names;
    unsigned n = look(&from, &to, &names), some = 0;

    for (unsigned i = 0; i < n; i++) {
        bool again = strncmp(names[i], prefix, strlen(prefix)) != 0; /* some are named by both roots */

        for (unsigned k = 0; k < i; k++)
            again = again || strcmp(names[k], names[i]) == 0;
        some += !again;
    }
    for (unsigned i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return some;
}

/* What there is if the newest one is lost. */
static bool
has_root_before(void)
{
    const struct vrv_log_id *id = &rig_log(&rig, "t", 0)->id;
    char key[VRV_STORE_KEY_MAX + 1];
    struct coldcheck c;
    size_t n;

    (void)coldcheck_run(&c, vrv_engine_catalog(rig.eng), copy_of, NULL);
    vrv_parts_root_key(id, coldcheck_part(&c, &id->topic, 0)->before, key);
    coldcheck_fini(&c);
    return fakestore_object(fake, key, &n) != NULL;
}

/* Likewise pages of manifests that never came to count, also where no segment comes behind them. */
static void
lesson_02_nor_pages_where_all_is_quiet(void)
{
    size_t tried = 0, left = 0;

    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    put("t", 0, 20);
    pass(30000);
    for (int i = 0; i < 8; i++) {
        fakestore_damage(fake, "m/");
        put("t", 0, 2);
        pass(20000);
        fakestore_damage(fake, NULL);
        pass(10000);
        tried += fakestore_count(fake, "m/") - named("m/") - 1; /* but for the root before */
        pass(120000);
        left += fakestore_count(fake, "m/") - named("m/") - 1;
        IS(cold_end(), 40 + 4 * i, "what is sealed is in the store, and named");
        OK(has_root_before(), "... also by the root before, but for the last");
    }
    OK(tried > 0, "attempts have left some");
    IS((int64_t)left, 0, "nothing else than what the last two roots name stays");
    IS(read_all("t", 0), 72, "all can be read");
    end();
}

/* The version that counts. */
static uint64_t
version(void)
{
    struct coldcheck c;

    (void)coldcheck_run(&c, vrv_engine_catalog(rig.eng), copy_of, NULL);
    uint64_t n = coldcheck_part(&c, &rig_log(&rig, "t", 0)->id.topic, 0)->version;
    coldcheck_fini(&c);
    return n;
}

/* All roots above that one go. */
static void
delete_above(void)
{
    struct vrv_sync s;
    char key[VRV_STORE_KEY_MAX + 1];
    const char *keys[] = { key };
    const struct vrv_log_id *id = &rig_log(&rig, "t", 0)->id;
    uint64_t v = version() + 1;
    size_t n;

    vrv_sync_init(&s, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
    vrv_parts_root_key(id, v, key);
    while (fakestore_object(fake, key, &n) != NULL) {
        struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = keys, .max = 1 };

        tap_need(vrv_sync_call(&s, &c), "a root is deleted");
        vrv_parts_root_key(id, ++v, key);
    }
    vrv_sync_fini(&s);
}

/* Somebody asks for what is here to be moved, again and again. */
static void
ask_for_it(int times)
{
    struct vrv_err e;
    int64_t to;

    for (int i = 0; i < times; i++) {
        if (vrv_tier_offload(tier, &rig_log(&rig, "t", 0)->id, &to, &e) < 0)
            OK(false, "it is asked for: %s", e.msg);
        pass(5000);
    }
}

/* 3: a follower took what the store had from another leader's life as its own.  Here it is an older copy of the disk. */
static void
lesson_03_what_another_life_wrote_does_not_count(void)
{
    static const char *const configs = "local.retention.ms=0 retention.ms=-1";

    begin(1);
    rig_topic(&rig, "t", 1, TIERED "local.retention.ms=3600000000");
    put("t", 0, 12);
    vrv_log_roll(rig_log(&rig, "t", 0));
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "all is sealed");
    pass(30000);
    struct simdisk *copy = simdisk_copy(rig.disk);
    int64_t had = cold_end();
    put("t", 0, 3);
    pass(30000);
    OK(had == 24 && cold_end() > had, "a server goes on, and moves records to the store");
    char *key = key_at(24);
    size_t n;
    crash(2);
    simdisk_free(&rig.disk);
    rig.disk = copy;
    rig.o.vfs = simdisk_vfs(copy);
    up(3);
    IS(offsets("t", 0).end, 24, "an older copy of its disk takes its place");
    put("t", 0, 30);
    IS(rig_alter(&rig, "t", configs), 0, "what is in the store may leave this disk");
    pass(60000);
    OK(cold_end() == had && offsets("t", 0).local_start <= had, "what the first has moved since doesn't count");
    IS(read_all("t", 0), 84, "each record is what was written by this one");
    pass(120000);
    OK(fakestore_object(fake, key, &n) != NULL, "... nor is it deleted: that is for somebody to decide");
    int64_t sent = copies();
    IS(sent, 6 + 1, "... and it sends nothing that can't count");
    ask_for_it(20);
    for (uint64_t life = 4; life < 10; life++) {
        ask_for_it(5);
        crash(life);
        up(life);
    }
    IS(copies(), sent, "... however often it is tried, and by how many lives");
    delete_above();
    ask_for_it(20);
    OK(cold_end() >= 80, "when nothing is in its way any more they go there (up to %d)", (int)cold_end());
    IS(read_all("t", 0), 84, "... and can be read");
    pass(120000);
    IS(copies(), named("d/"), "... which is rid of what nothing names");
    OK(fakestore_object(fake, key, &n) == NULL, "... as of the other's");
    free(key);
    end();
}

/* 2, the other way round: what a manifest names that nobody knows to be there isn't nobody's. */
static void
lesson_02_not_what_a_late_manifest_names(void)
{
    orphan_after_ms = 60 * MINUTE_MS;
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    pass(10000);
    fakestore_fault(fake, VRV_STORE_GET, FAKE_DENIED, 100);
    put("t", 0, 3);
    for (int i = 0; i < 60 && fakestore_count(fake, "m/") == 0; i++)
        pass(1000);
    IS((int64_t)fakestore_count(fake, "m/"), 1, "a manifest is there, and whoever wrote it can't know");
    IS(rig_alter(&rig, "t", "remote.storage.enable=false remote.log.delete.on.disable=true"), 0, "the topic leaves the tier");
    crash(2);
    fakestore_heal(fake);
    up(3);
    pass(60000);
    IS(rig_alter(&rig, "t", "remote.storage.enable=true"), 0, "... and comes back");
    put("t", 0, 6);
    pass(60000);
    OK(offsets("t", 0).local_start >= 12, "records leave this disk");
    IS(read_all("t", 0), 18, "all can be read");
    end();
    orphan_after_ms = 20000;
}

/* 6: the log's start was set to one past a segment's last record, which was in no segment. */
static void
lesson_06_a_log_begins_where_a_segment_does(void)
{
    int64_t last = -1, starts = 0, inside = 0, refused = 0;
    char limit[64];

    begin(1);
    rig_topic(&rig, "t", 1, DRAINS "flush.policy=none");
    put("t", 0, 5);
    vrv_log_roll(rig_log(&rig, "t", 0));
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "checkpoints");
    crash(1);
    up(2);
    int64_t from = offsets("t", 0).end;
    put("t", 0, 9);
    pass(30000);
    OK(from > 1000, "a log with a hole, 10 to %d", (int)from);
    lost(10, from);
    for (int bytes = 8000; bytes >= 0; bytes -= 250) {
        (void)snprintf(limit, sizeof(limit), "retention.bytes=%d", bytes);
        refused += rig_alter(&rig, "t", limit) < 0;
        pass(3000);
        int64_t at = offsets("t", 0).start;
        starts += at != last;
        inside += at >= 10 && at < from;
        last = at;
        if (read_all("t", 0) != from + 18)
            OK(false, "all from %d on can be read", (int)at);
    }
    OK(starts > 4 && last >= from, "records go, segment by segment, to the other side (%d starts)", (int)starts);
    OK(inside == 0 && refused == 0, "the log never begins in the hole");
    lost(0, 0);
    end();
}

/* 16: where records were deleted that had not been copied yet, nothing could be copied or deleted any more. */
static void
lesson_16_deleted_before_it_was_copied(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    put("t", 0, 6);
    pass(30000);
    int64_t cold = cold_end();
    OK(cold >= 2 * SEG, "some is cold (%d)", (int)cold);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_UNREACHABLE, 100);
    put("t", 0, 12);
    IS(rig_set_start(&rig, rig_log(&rig, "t", 0), cold + 9), 0, "then the store is out, and more than that is deleted");
    pass(30000);
    OK(offsets("t", 0).local_start >= cold + 8, "what only this disk had of it goes without the store (up to %d)",
        (int)offsets("t", 0).local_start);
    fakestore_heal(fake);
    pass(120000);
    int64_t from, to;
    (void)look(&from, &to, NULL);
    OK(from >= cold + 8 && from <= cold + 9, "with it the manifest begins where the log does (%d)", (int)from);
    OK(offsets("t", 0).local_start > cold + 16, "... and what follows is moved");
    IS(copies(), (to - from) / SEG, "the store has nothing of what was deleted");
    IS(read_all("t", 0), 36, "the rest can be read");
    end();
}

/* ---- what is copied ---- */

/* Of an object: does each entry of its index say where its batch lies?  How many do; -1: one doesn't. */
static int
entries_of(const uint8_t *p, size_t n)
{
    struct vrv_object_info i;
    struct vrv_chunk *c = NULL;
    struct vrv_batch b;
    int good = 0;

    if (vrv_object_read_footer(&i, p + n - VRV_OBJECT_FOOTER, n, NULL) < 0 ||
        vrv_object_read_table(&c, &i, p + i.table_at, (size_t)i.chunk_n * VRV_CHUNK_RECORD, NULL) < 0)
        return -1;
    uint64_t first = c[0].pos; /* chunks are not packed here: batches lie as in the segment */
    free(c);
    for (uint32_t k = 0; k < i.index_n && good >= 0; k++) {
        const uint8_t *entry = p + i.index_at + k * 24;
        uint64_t pos = vrv_get_le64(entry + 8);
        bool right = pos < i.plain && vrv_batch_read(&b, p + first + pos, (size_t)(i.plain - pos), NULL) == 0 &&
            b.base_offset == (int64_t)vrv_get_le64(entry);

        good = right ? good + 1 : -1;
    }
    return good;
}

/* 7: index files that were damaged went to the store as they were. */
static void
lesson_07_an_index_is_made_of_the_data(void)
{
    char path[VRV_PATH_MAX];
    size_t n;

    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=20000 retention.ms=-1");
    put("t", 0, 120);
    struct vrv_log *log = rig_log(&rig, "t", 0);
    vrv_seg_path(&log->id, 0, "index", path);
    OK(simdisk_corrupt(rig.disk, path, 70, 1), "a bit flips in an index file");
    IS(rig_alter(&rig, "t", "remote.storage.enable=true local.retention.ms=0"), 0, "then its segment is to move");
    pass(60000);
    OK(offsets("t", 0).local_start > 0, "it does");
    char *key = key_at(0);
    const uint8_t *p = fakestore_object(fake, key, &n);
    int good = entries_of(p, n);
    OK(good > 2, "the index in the store is right: %d entries", good);
    IS(read_all("t", 0), 240, "all can be read");
    free(key);
    end();
}

/* 26: local records went without a look whether their copy was there. */
static void
lesson_26_nothing_leaves_unseen(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    fakestore_fault(fake, VRV_STORE_VERIFY, FAKE_MISSING, 100);
    put("t", 0, 12);
    pass(60000);
    OK(copies() > 0, "a store that takes all, and then has none of it");
    IS(cold_end(), -1, "no manifest names it");
    IS(offsets("t", 0).local_start, 0, "nothing leaves this disk");
    fakestore_heal(fake);
    pass(60000);
    OK(offsets("t", 0).local_start >= 20, "when it is found again all goes (up to %d)",
        (int)offsets("t", 0).local_start);
    IS(read_all("t", 0), 24, "... and can be read");
    end();
}

/* 25: the tier was switched on while all ran; until it had looked around, nothing said that records were not
 * copied yet, and they were deleted. */
static void
lesson_25_switched_on_it_deletes_nothing(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 retention.ms=-1");
    put("t", 0, 12);
    pass(5000);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_HANGS, 100);
    IS(rig_alter(&rig, "t", "remote.storage.enable=true local.retention.ms=0 local.retention.bytes=0"), 0,
        "a topic is to leave this disk at once, and the store hangs");
    pass(120000);
    IS(offsets("t", 0).local_start, 0, "nothing goes that isn't there");
    crash(3);
    up(4);
    pass(30000);
    IS(offsets("t", 0).local_start, 0, "nor after a crash");
    fakestore_heal(fake);
    pass(120000);
    OK(offsets("t", 0).local_start >= 20, "with the store it goes");
    IS(read_all("t", 0), 24, "... and can be read");
    end();
}

/* 33: retention deleted what was just being copied. */
static void
lesson_33_deleted_while_it_was_copied(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    fakestore_fault(fake, VRV_STORE_PUT, FAKE_HANGS, 100);
    put("t", 0, 12);
    pass(3000);
    IS((int64_t)fakestore_attempts(fake, VRV_STORE_PUT) > 0, 1, "the first segment is on its way, which takes long");
    IS(rig_set_start(&rig, rig_log(&rig, "t", 0), 2 * SEG + 1), 0, "its records are deleted, and the next one's");
    fakestore_heal(fake);
    pass(120000);
    int64_t from, to;
    (void)look(&from, &to, NULL);
    OK(from >= SEG && from <= 2 * SEG, "the manifest begins where the log does (%d)", (int)from);
    IS(copies(), (to - from) / SEG, "the store has no more than that");
    IS(offsets("t", 0).start, 2 * SEG + 1, "the log begins where it was told to");
    IS(read_all("t", 0), 24, "the rest can be read");
    end();
}

/* ---- two at once ---- */

struct mover {
    struct tierrig t;
    char key[VRV_STORE_KEY_MAX + 1];
};

static void
steps(struct mover *m, int n)
{
    for (int i = 0; i < n; i++) {
        (void)tierrig_step(&m[0].t);
        (void)tierrig_step(&m[1].t);
    }
}

/* 18, 21: two who thought that a partition was theirs wrote objects of one name, and of other contents; or a
 * second change of a manifest began before the first was written. */
static void
lesson_18_two_movers_of_one_segment(void)
{
    static struct mover m[2];
    int won = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed);
        rig_topic(&rig, "t", 1, "segment.bytes=1000 retention.ms=-1");
        put("t", 0, 12);
        for (int i = 0; i < 2; i++) {
            tierrig_init(&m[i].t, &rig.clock, fakestore_store(fake), 10 * seed + (uint64_t)i);
            m[i].t.o.chunk_bytes = i == 0 ? 400 : 2000; /* of other bytes than the other's */
            vrv_parts_attach(&m[i].t.parts, vrv_engine_catalog(rig.eng));
            tap_need(tierrig_move(&m[i].t, rig_log(&rig, "t", 0)) ? 0 : -1, "there is nothing to move");
        }
        while (m[0].t.move != NULL || m[1].t.move != NULL)
            steps(m, 1);
        won += (m[0].t.status == 0) + (m[1].t.status == 0);
        if (copies() != 2 || cold_end() != SEG)
            OK(false, "seed %d: %d objects, cold up to %d", (int)seed, (int)copies(), (int)cold_end());
        for (int i = 0; i < 2; i++) {
            (void)tierrig_offload(&m[i].t, rig_log(&rig, "t", 0));
            tierrig_fini(&m[i].t);
        }
        (void)cold_end();
        end();
    }
    IS(won, 20, "of two that move a segment, each under a name of its own, one is in the manifest");
}

/* ---- numbers ---- */

static int
keep(void *ctx, const void *p, size_t n, struct vrv_err *e)
{
    (void)ctx;
    (void)p;
    (void)n;
    (void)e;
    return 0;
}

/* 42: distances between offsets had 32 bits; what overflowed was taken for damage, and deleted. */
static void
lesson_42_offsets_lie_far_apart(void)
{
    static const int64_t at[] = { 0, INT64_C(1) << 31, (INT64_C(1) << 32) + 7, INT64_C(1) << 40, INT64_C(1) << 62 };
    enum { N = sizeof(at) / sizeof(at[0]) };
    struct vrv_object_info info = { .topic = { { 1 } }, .next = at[N - 1] + 1 };
    struct vrv_object_extras none = { 0 };
    struct vrv_batch_builder build;
    struct vrv_object_writer w;
    uint8_t *seg = NULL;
    size_t n = 0, used, one;
    const uint8_t *p;
    struct vrv_err e = { 0 };

    vrv_batch_builder_init(&build);
    for (unsigned i = 0; i < N; i++) {
        vrv_batch_builder_add(&build, 1, NULL, -1, "value", 5, NULL, 0);
        tap_need(vrv_batch_builder_finish(&build, VRV_CODEC_NONE, &p, &one, NULL), "no batch");
        seg = vrv_mem_grow(seg, n + one);
        memcpy(seg + n, p, one);
        vrv_batch_stamp(seg + n, at[i], 0);
        n += one;
    }
    vrv_batch_builder_fini(&build);
    info.plain = n;
    info.plain_crc = vrv_crc32c(0, seg, n);
    vrv_object_begin(&w, &info, 1, 0, keep, NULL);
    IS(vrv_object_add(&w, seg, n, &used, &e), 0, "batches up to 2^62 apart in one object %s", e.msg);
    IS(vrv_object_end(&w, &none, &e), 0, "... which is whole %s", e.msg);
    struct vrv_cold_seg s = { .next = info.next, .key = vrv_mem_strdup("d/x"), .size = w.at, .plain = n,
        .chunk_n = w.info.chunk_n, .chunk = w.chunk };
    struct vrv_manifest m = { .version = 1 }, back;
    tap_need(vrv_manifest_add(&m, &s, &e), e.msg);
    w.chunk = NULL;
    uint8_t *root = vrv_manifest_write(&m, &one);
    IS(vrv_manifest_read(&back, root, one, &e), 0, "a manifest names it %s", e.msg);
    int found = 0;
    for (unsigned i = 0; i < N; i++)
        found += vrv_chunk_find(&back.seg[0], at[i]) == i;
    IS(found, N, "each batch is found in its chunk");
    free(root);
    free(seg);
    vrv_object_fini(&w);
    vrv_manifest_fini(&m);
    vrv_manifest_fini(&back);
}

static void
lesson_42_damage_stops_and_is_not_passed_over(void)
{
    char path[VRV_PATH_MAX];

    begin(1);
    rig_topic(&rig, "t", 1, "segment.bytes=1000 retention.ms=-1");
    put("t", 0, 12);
    vrv_seg_path(&rig_log(&rig, "t", 0)->id, SEG, "log", path);
    down();
    up(2);
    OK(simdisk_corrupt(rig.disk, path, 300, 1), "a bit flips in the second segment");
    IS(rig_alter(&rig, "t", "remote.storage.enable=true local.retention.ms=0"), 0, "all is to move");
    pass(120000);
    IS(cold_end(), SEG, "what can't be read as it was isn't copied, nor what is behind it");
    IS(offsets("t", 0).local_start, SEG, "... and stays here");
    IS(offsets("t", 0).start, 0, "nothing is deleted for that");
    OK(simdisk_corrupt(rig.disk, path, 300, 1), "it is as it was");
    pass(120000);
    OK(cold_end() >= 20, "it goes on (up to %d)", (int)cold_end());
    IS(read_all("t", 0), 24, "all can be read");
    end();
}

/* ---- a bad beginning ---- */

static uint64_t
requests(void)
{
    uint64_t sum = 0;

    for (int op = 0; op < VRV_STORE_OPS; op++)
        sum += fakestore_attempts(fake, (enum vrv_store_op)op);
    return sum;
}

/* 44: a store that asked for patience when somebody started ended him, and he began again, and again. */
static void
lesson_44_a_start_while_the_store_is_busy(void)
{
    begin(1);
    rig_topic(&rig, "t", 1, DRAINS);
    put("t", 0, 12);
    pass(60000);
    put("t", 0, 12);
    crash(2);
    fakestore_fault(fake, VRV_STORE_OPS, FAKE_BUSY, 100);
    up(3);
    uint64_t before = requests();
    put("t", 0, 2);
    pass(600000);
    uint64_t asked = requests() - before;
    OK(asked > 0 && asked < 600, "ten minutes of \"slow down\": it is asked seldom (%d times)", (int)asked);
    IS(offsets("t", 0).end, 52, "records are taken");
    fakestore_heal(fake);
    pass(60000);
    OK(offsets("t", 0).local_start >= 44, "a minute later all is as it should be (%d)",
        (int)offsets("t", 0).local_start);
    IS(read_all("t", 0), 52, "... and can be read");
    end();
}

int
main(void)
{
    lesson_01_failed_copies_do_not_count();
    lesson_02_what_no_manifest_names_goes();
    lesson_02_nor_pages_where_all_is_quiet();
    lesson_03_what_another_life_wrote_does_not_count();
    lesson_02_not_what_a_late_manifest_names();
    lesson_06_a_log_begins_where_a_segment_does();
    lesson_07_an_index_is_made_of_the_data();
    lesson_16_deleted_before_it_was_copied();
    lesson_18_two_movers_of_one_segment();
    lesson_25_switched_on_it_deletes_nothing();
    lesson_26_nothing_leaves_unseen();
    lesson_33_deleted_while_it_was_copied();
    lesson_42_offsets_lie_far_apart();
    lesson_42_damage_stops_and_is_not_passed_over();
    lesson_44_a_start_while_the_store_is_busy();
    return tap_done();
}
