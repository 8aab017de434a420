/* The catalog among others: another machine's changes, threads, bad values, a failing disk, and
 * many topics. */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/meta/catalog.h"
#include "engine/meta/catalog_codec.h"
#include "engine/meta/metalog.h"
#include "t/lib/fakemeta.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

static struct vrv_metastore *store;
static struct vrv_catalog *cat;

static struct vrv_uuid
uid(int n)
{
    struct vrv_uuid u = {{0}};

    u.b[0] = 0xab;
    u.b[13] = (uint8_t)(n >> 16);
    u.b[14] = (uint8_t)(n >> 8);
    u.b[15] = (uint8_t)n;
    return u;
}

static int
make(int id, const char *name, int32_t partitions)
{
    struct vrv_uuid u = uid(id);

    return vrv_catalog_create(cat, &u, name, partitions, 0, NULL, 0, NULL);
}

/* ---- another machine */

static void
begin_fake(uint64_t seed, unsigned delay)
{
    store = fakemeta_new(&(struct fakemeta_opts){ .seed = seed, .delay_max = delay });
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a catalog that another machine changes, too");
}

static void
end_store(void)
{
    vrv_catalog_close(&cat);
    vrv_meta_close(&store);
}

/* What vrv_catalog_create does, elsewhere. */
static int
foreign_create(int id, const char *name, int32_t partitions)
{
    char topic[VRV_CATKEY_MAX], name_key[VRV_CATKEY_MAX];
    uint8_t name_value[VRV_CATVAL_NAME], *value = NULL;
    struct vrv_uuid u = uid(id);
    size_t n = 0;

    vrv_catkey_topic(topic, &u);
    vrv_catkey_name(name_key, name);
    vrv_catval_name(name_value, &u);
    int rc = vrv_catval_topic(name, partitions, 0, NULL, 0, &value, &n, NULL);
    if (rc == 0) {
        struct vrv_meta_write w[] = {{topic, value, n}, {name_key, name_value, sizeof(name_value)}};

        rc = fakemeta_intrude(store, &(struct vrv_meta_txn){NULL, 0, w, 2});
    }
    free(value);
    return rc;
}

static int
foreign_delete(int id, const char *name, bool and_forget)
{
    char topic[VRV_CATKEY_MAX], name_key[VRV_CATKEY_MAX], gone[VRV_CATKEY_MAX];
    struct vrv_uuid u = uid(id);

    vrv_catkey_topic(topic, &u);
    vrv_catkey_name(name_key, name);
    vrv_catkey_gone(gone, &u);
    struct vrv_meta_write w[] = {{topic, NULL, 0}, {name_key, NULL, 0}, {gone, "\1", 1}};
    int rc = fakemeta_intrude(store, &(struct vrv_meta_txn){NULL, 0, w, 3});
    struct vrv_meta_write forget = {gone, NULL, 0};
    return rc == 0 && and_forget
               ? fakemeta_intrude(store, &(struct vrv_meta_txn){NULL, 0, &forget, 1})
               : rc;
}

static int
foreign_bump(int id, int32_t part, int32_t epoch)
{
    char key[VRV_CATKEY_MAX];
    uint8_t value[VRV_CATVAL_PART];
    struct vrv_uuid u = uid(id);
    struct vrv_meta_write w = {key, value, sizeof(value)};

    vrv_catkey_part(key, &u, part);
    vrv_catval_part(value, epoch);
    return fakemeta_intrude(store, &(struct vrv_meta_txn){NULL, 0, &w, 1});
}

static int32_t
partitions(const char *name)
{
    struct vrv_topic_info t;

    if (vrv_catalog_by_name(cat, name, &t, NULL) < 0)
        return -1;
    vrv_topic_info_fini(&t);
    return t.partitions;
}

/* News come while the store is stepped, which any change does. */
static void
let_news_come(void)
{
    int rc = 0;

    for (int i = 0; i < 40 && rc == 0; i++)
        rc = vrv_catalog_alter(cat, "mine", 0, NULL, 0, NULL);
    IS(rc, 0, "(news come)");
}

static void
test_foreign_changes(uint64_t seed)
{
    struct vrv_uuid two = uid(2);
    struct vrv_catbump b = {two, 5, 0};

    begin_fake(seed, 3);
    IS(foreign_create(2, "theirs", 8), 0, "a topic is made elsewhere");
    IS(foreign_bump(2, 5, 4), 0, "and its epoch raised");
    IS(make(3, "theirs", 1), VRV_E_EXISTS, "its name is taken before we know it");
    IS(make(1, "mine", 1), 0, "ours");
    let_news_come();
    IS(partitions("theirs"), 8, "then we know it");
    IS(vrv_catalog_epoch(cat, &two, 5), 4, "and its epoch");
    IS(foreign_bump(2, 5, 7), 0, "which is raised again");
    IS(vrv_catalog_bump(cat, &b, 1, NULL), 0, "and by us");
    IS(b.epoch, 8, "on top of that");
    IS(foreign_delete(2, "theirs", true), 0, "it is deleted elsewhere, and forgotten");
    IS(vrv_catalog_alter(cat, "theirs", 0, NULL, 0, NULL), VRV_E_NOTFOUND,
        "who changes it then hears so");
    IS(vrv_catalog_bump(cat, &b, 1, NULL), VRV_E_NOTFOUND, "or raises its epochs");
    IS(foreign_create(4, "theirs", 9), 0, "its name is used again");
    IS(partitions("theirs"), -1, "which we don't know yet");
    IS(make(5, "theirs", 1), VRV_E_EXISTS, "but can't take");
    let_news_come();
    IS(partitions("theirs"), 9, "until the news come");
    end_store();
}

/* A transaction that is done long after its answer was UNKNOWN must not take an epoch back. */
static void
test_late_bumps(void)
{
    struct vrv_catbump b = {uid(1), 0, 0};
    bool rose = true;

    store = fakemeta_new(&(struct fakemeta_opts){ .seed = 5, .unknown_percent = 40,
        .late_max = 60 });
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a store that does things late");
    IS(make(1, "t", 1), 0, "a topic");
    for (int i = 0; i < 500; i++) {
        int32_t last = b.epoch;

        rose = vrv_catalog_bump(cat, &b, 1, NULL) == 0 && b.epoch > last && rose;
    }
    OK(rose, "no epoch is given twice");
    end_store();
}

static void
let_late_ones_come(void)
{
    int rc = 0;

    for (int i = 0; i < 200 && rc >= 0; i++)
        rc = vrv_meta_step(store, NULL);
    OK(rc >= 0, "(late ones come)");
}

static int
count_topic(void *ctx, const struct vrv_topic_info *t)
{
    (void)t;
    (*(int *)ctx)++;
    return 0;
}

/* Nor may one make a topic whose creation was refused, or done by a later try, once its name is
 * free and its id forgotten. */
static void
test_late_creations(void)
{
    int bad = 0, topics = 0;

    store = fakemeta_new(&(struct fakemeta_opts){ .seed = 6, .unknown_percent = 40,
        .late_max = 60 });
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a store that does things late");
    for (int i = 0; i < 300; i++) {
        struct vrv_uuid u = uid(2 * i);

        bad += make(2 * i, "t", 1) != 0;
        bad += make(2 * i + 1, "t", 1) != VRV_E_EXISTS;
        bad += vrv_catalog_delete(cat, "t", NULL, NULL) != 0;
        bad += vrv_catalog_forget(cat, &u, NULL) != 0;
    }
    let_late_ones_come();
    IS(bad, 0, "creations and deletions in turn");
    (void)vrv_catalog_each(cat, count_topic, &topics);
    IS(topics, 0, "and none comes true later");
    end_store();
}

static void
test_foreign_race(void)
{
    struct vrv_config_kv config = {(char *)"k", (char *)"v"};
    struct vrv_topic_info t;

    begin_fake(99, 0);
    IS(make(1, "t", 1), 0, "a topic");
    IS(vrv_catalog_by_name(cat, "t", &t, NULL), 0, "as we know it");
    vrv_topic_info_fini(&t);
    IS(foreign_create(1, "t", 5), 0, "is grown elsewhere");
    IS(vrv_catalog_alter(cat, "t", t.mod, &config, 1, NULL), VRV_E_CONFLICT,
        "who altered what he saw is told");
    IS(foreign_create(1, "t", 6), 0, "again");
    IS(vrv_catalog_grow(cat, "t", 6, NULL, NULL), VRV_E_INVALID, "growing goes by what is there");
    IS(foreign_create(1, "t", 7), 0, "again");
    IS(vrv_catalog_alter(cat, "t", 0, &config, 1, NULL), 0, "who doesn't care alters");
    IS(partitions("t"), 7, "without undoing that");
    IS(foreign_create(1, "t", 8), 0, "again");
    IS(vrv_catalog_delete(cat, "t", NULL, NULL), 0, "and deletes");
    IS(foreign_create(2, "u", 1), 0, "another");
    IS(make(3, "v", 1), 0, "(news)");
    IS(foreign_delete(2, "u", false), 0, "is deleted elsewhere");
    IS(vrv_catalog_delete(cat, "u", NULL, NULL), VRV_E_NOTFOUND, "who deletes it hears so");
    end_store();
}

/* ---- threads */

enum { THREADS = 4, TURNS = 40 };

static void *
one_thread(void *arg)
{
    int me = *(int *)arg, bad = 0;
    char name[16];

    (void)snprintf(name, sizeof(name), "thread-%d", me);
    for (int i = 0; i < TURNS; i++) {
        struct vrv_uuid u = uid(1000 * me + i);
        struct vrv_catbump b[] = {{u, 0, 0}, {u, 1, 0}};
        struct vrv_topic_info t;

        bad += vrv_catalog_create(cat, &u, name, 2, 0, NULL, 0, NULL) != 0;
        bad += vrv_catalog_by_name(cat, name, &t, NULL) != 0 || !vrv_uuid_eq(&t.id, &u);
        vrv_topic_info_fini(&t);
        bad += vrv_catalog_bump(cat, b, 2, NULL) != 0 || b[1].epoch != 1;
        bad += vrv_catalog_epoch(cat, &u, 1) != 1;
        bad += vrv_catalog_grow(cat, name, 3 + i, NULL, NULL) != 0;
        if (i + 1 < TURNS)
            bad += vrv_catalog_delete(cat, name, NULL, NULL) != 0;
        bad += i % 2 && i + 1 < TURNS && vrv_catalog_forget(cat, &u, NULL) != 0;
    }
    *(int *)arg = bad;
    return NULL;
}

static int
count_gone_fn(void *ctx, const struct vrv_uuid *id)
{
    (void)id;
    ++*(int *)ctx;
    return 0;
}

static void
test_threads(void)
{
    struct simdisk *d = simdisk_new(1);
    pthread_t thread[THREADS];
    int arg[THREADS], bad = 0, gone = 0;

    IS(vrv_metalog_open(&store, simdisk_vfs(d), "meta", NULL, NULL), 0, "a log");
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a catalog");
    for (int i = 0; i < THREADS; i++) {
        arg[i] = i;
        (void)pthread_create(&thread[i], NULL, one_thread, &arg[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(thread[i], NULL);
        bad += arg[i];
    }
    IS(bad, 0, "threads don't disturb each other");
    IS(partitions("thread-0"), 2 + TURNS, "each did all");
    (void)vrv_catalog_each_gone(cat, count_gone_fn, &gone);
    IS(gone, THREADS * TURNS / 2, "what was not forgotten is remembered");
    end_store();
    simdisk_free(&d);
}

/* ---- bad values */

static void
put_raw(const char *key, const void *value, size_t n)
{
    struct vrv_meta_write w = {key, value, n};

    (void)fakemeta_intrude(store, &(struct vrv_meta_txn){NULL, 0, &w, 1});
}

static void
test_bad_value(const char *key, const void *value, size_t n, int want)
{
    struct vrv_err e = { 0 };

    store = fakemeta_new(&(struct fakemeta_opts){ .seed = 1 });
    put_raw(key, value, n);
    IS(vrv_catalog_open(&cat, store, &e), want, "a value is %s: %s", want ? "refused" : "fine",
        e.msg);
    if (want != 0)
        OK(strstr(e.msg, key) != NULL, "by its key");
    end_store();
}

#define ID "00112233445566778899aabbccddeeff"

/* Every cut and every flipped bit of a value is taken or refused; ASan and UBSan watch. */
static void
test_bad_values(void)
{
    struct vrv_config_kv configs[] = {{(char *)"key", (char *)"value"},
        {(char *)"l", (char *)""}};
    uint8_t *value = NULL, *copy;
    struct vrv_cathead h;
    struct vrv_topic_info t;
    size_t n = 0, taken = 0;

    test_bad_value("topic/" ID, "\2", 1, VRV_E_VERSION);
    test_bad_value("topic/" ID, "\1", 1, VRV_E_CORRUPT);
    test_bad_value("topic/" ID, "", 0, VRV_E_CORRUPT);
    test_bad_value("topic/" ID "0", "\1", 1, VRV_E_CORRUPT);
    test_bad_value("topic/00112233", "\1", 1, VRV_E_CORRUPT);
    test_bad_value("part/" ID "/0", "\1\1\0\0\0", 5, VRV_E_CORRUPT);
    test_bad_value("part/" ID "/100000", "\1\1\0\0\0", 5, VRV_E_CORRUPT);
    test_bad_value("part/" ID "/000000", "\1\0\0\0\0", 5, VRV_E_CORRUPT);
    test_bad_value("part/" ID "/000000", "\1\1\0\0\0", 5, 0);
    test_bad_value("else/" ID, "?", 1, 0);
    IS(vrv_catval_topic("name", 3, 4, configs, 2, &value, &n, NULL), 0, "a value");
    for (size_t i = 0; i < 8 * n + n; i++) {
        size_t m = i < 8 * n ? n : i - 8 * n;

        copy = vrv_mem_zero(m); /* of the exact size, so that ASan sees a step past it */
        memcpy(copy, value, m);
        if (i < 8 * n)
            copy[i / 8] ^= (uint8_t)(1u << i % 8);
        if (vrv_cathead_parse(&h, "k", copy, m, NULL) == 0) {
            taken += m < n;
            vrv_catinfo_parse(&t, copy, m);
            vrv_topic_info_fini(&t);
        }
        free(copy);
    }
    IS(taken, 0, "no part of a value is taken for all of it");
    free(value);
}

/* The same for settings of other entities. */
static void
test_bad_configs(void)
{
    const struct vrv_config_kv configs[] = { { (char *)"key", (char *)"value" },
        { (char *)"l", (char *)"" } };
    struct vrv_entity_configs got;
    uint8_t *value = NULL;
    size_t n = 0, taken = 0;

    test_bad_value("config/x", "\2\0\0\0", 4, VRV_E_VERSION);
    test_bad_value("config/x", "\1\0\0", 3, VRV_E_CORRUPT);
    test_bad_value("config/x", "\1\0\1\0", 4, VRV_E_CORRUPT);
    test_bad_value("config/x", "\1\0\0\0!", 5, VRV_E_CORRUPT);
    test_bad_value("config/", "\1\0\0\0", 4, VRV_E_CORRUPT);
    test_bad_value("config/x", "\1\0\0\0", 4, 0);
    IS(vrv_catval_configs(configs, 2, &value, &n, NULL), 0, "a value");
    for (size_t i = 0; i < 8 * n + n; i++) {
        size_t m = i < 8 * n ? n : i - 8 * n;
        uint8_t *copy = vrv_mem_zero(m);

        memcpy(copy, value, m);
        if (i < 8 * n)
            copy[i / 8] ^= (uint8_t)(1u << i % 8);
        if (vrv_catconfigs_check("k", copy, m, NULL) == 0) {
            taken += m < n;
            vrv_catconfigs_parse(&got, copy, m);
            free(got.v);
        }
        free(copy);
    }
    IS(taken, 0, "no part of a value is taken for all of it");
    free(value);
}

static void
test_bad_news(void)
{
    struct vrv_err e = { 0 };

    begin_fake(1, 0);
    put_raw("topic/" ID, "?", 1);
    IS(make(1, "a", 1), 0, "a change that meets bad news is done");
    IS(make(2, "b", 1), VRV_E_VERSION, "the next is refused");
    IS(vrv_catalog_delete(cat, "a", NULL, &e), VRV_E_VERSION, "and all others");
    OK(strstr(e.msg, ID) != NULL, "with the reason: %s", e.msg);
    IS(partitions("a"), 1, "what is known can be read");
    end_store();
}

/* ---- a failing disk */

static void
test_stopped(void)
{
    struct simdisk *d = simdisk_new(1);
    struct vrv_err e = { 0 };

    IS(vrv_metalog_open(&store, simdisk_vfs(d), "meta", NULL, NULL), 0, "a log");
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a catalog");
    IS(make(1, "a", 1), 0, "a topic");
    simdisk_fail(d, 1, SIM_SHORT, false);
    IS(make(2, "b", 1), VRV_E_NOSPACE, "a full disk refuses another");
    IS(make(2, "b", 1), 0, "which is made when there is space");
    simdisk_fail(d, 2, SIM_EIO, false);
    IS(make(3, "c", 1), VRV_E_STOPPED, "a failed sync stops the store");
    IS(vrv_catalog_delete(cat, "a", NULL, &e), VRV_E_STOPPED, "for good: %s", e.msg);
    IS(partitions("b"), 1, "what is known can be read");
    vrv_catalog_close(&cat);
    IS(vrv_catalog_open(&cat, store, NULL), VRV_E_STOPPED, "a stopped store opens no catalog");
    end_store();
    simdisk_free(&d);
}

/* ---- many topics */

static int
count_fn(void *ctx, const struct vrv_topic_info *t)
{
    (void)t;
    ++*(int *)ctx;
    return 0;
}

static void
test_many(void)
{
    enum { N = 20000 };
    struct simdisk *d = simdisk_new(1);
    int bad = 0, n = 0;
    char name[16];

    IS(vrv_metalog_open(&store, simdisk_vfs(d), "meta", NULL, NULL), 0, "a log");
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a catalog");
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "t%06d", i);
        bad += make(i, name, 5) != 0;
    }
    IS(bad, 0, "%d topics are made", N);
    vrv_catalog_close(&cat);
    size_t before = mallinfo2().uordblks;
    IS(vrv_catalog_open(&cat, store, NULL), 0, "and read");
    size_t each = (mallinfo2().uordblks - before) / N;
    OK(each <= 300, "each takes %zu bytes (0: a sanitizer hides it)", each);
    (void)vrv_catalog_each(cat, count_fn, &n);
    IS(n, N, "and are all there");
    end_store();
    simdisk_free(&d);
}

enum { BUMP_TOPICS = 40, BUMP_PARTS = 50, BUMPS = BUMP_TOPICS * BUMP_PARTS };

/* Topics, and all of their partitions in a list that begins anywhere. */
static void
make_for_bump(struct vrv_catbump *v)
{
    char name[16];
    int bad = 0;

    for (int t = 0; t < BUMP_TOPICS; t++) {
        (void)snprintf(name, sizeof(name), "t%d", t);
        bad += make(t, name, BUMP_PARTS) != 0;
    }
    IS(bad, 0, "%d topics are made", BUMP_TOPICS);
    for (int i = 0; i < BUMPS; i++) {
        int k = (i * 7 + 11) % BUMPS;

        v[i] = (struct vrv_catbump){uid(k % BUMP_TOPICS), k / BUMP_TOPICS, 0};
    }
}

static int
not_known(const struct vrv_catbump *v)
{
    int bad = 0;

    for (int i = 0; i < BUMPS; i++)
        bad += vrv_catalog_epoch(cat, &v[i].id, v[i].part) != v[i].epoch || v[i].epoch < 1;
    return bad;
}

/* After an unclean stop many epochs are raised at once: few syncs must do. */
static void
test_many_bumps(void)
{
    static struct vrv_catbump v[BUMPS];
    struct simdisk *d = simdisk_new(1);

    IS(vrv_metalog_open(&store, simdisk_vfs(d), "meta", NULL, NULL), 0, "a log");
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a catalog");
    make_for_bump(v);
    uint64_t before = simdisk_ops(d);
    IS(vrv_catalog_bump(cat, v, BUMPS, NULL), 0, "%d epochs of all topics are raised", BUMPS);
    OK(simdisk_ops(d) - before <= 6, "with %d operations on the disk",
        (int)(simdisk_ops(d) - before));
    IS(not_known(v), 0, "and known");
    end_store();
    simdisk_free(&d);
}

/* With outcomes unknown, and some of them coming true late, none is given twice. */
static void
test_many_late_bumps(uint64_t seed)
{
    static struct vrv_catbump v[BUMPS], last[BUMPS];
    int bad = 0;

    store = fakemeta_new(&(struct fakemeta_opts){ .seed = seed, .delay_max = 5,
        .unknown_percent = 30, .late_max = 40, .rewind_percent = 5 });
    IS(vrv_catalog_open(&cat, store, NULL), 0, "a store that does things late");
    make_for_bump(v);
    for (int round = 0; round < 10; round++) {
        IS(vrv_catalog_bump(cat, v, BUMPS, NULL), 0, "all are raised");
        for (int i = 0; i < BUMPS; i++)
            bad += round > 0 && v[i].epoch <= last[i].epoch;
        memcpy(last, v, sizeof(last));
    }
    IS(bad, 0, "and none is given twice");
    end_store();
}

int
main(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        test_foreign_changes(seed);
    test_foreign_race();
    test_late_bumps();
    test_late_creations();
    test_threads();
    test_bad_values();
    test_bad_configs();
    test_bad_news();
    test_stopped();
    test_many();
    test_many_bumps();
    for (uint64_t seed = 1; seed <= 5; seed++)
        test_many_late_bumps(seed);
    return tap_done();
}
