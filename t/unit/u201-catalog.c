/* The catalog: the same tests over the metadata log, and over a metastore that delays, reorders,
 * repeats and answers "unknown".  What needs one kind of store is u204's. */
#include "engine/meta/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/meta/metalog.h"
#include "t/lib/fakemeta.h"
#include "t/lib/metatest.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

/* ---- the stores */

static struct simdisk *disk; /* NULL: the store is a fake */
static struct vrv_metastore *store;
static struct vrv_catalog *cat;
static const char *kind; /* for the names of the checks */

static void
begin(uint64_t seed)
{
    static char name[40];

    if (seed == 0) {
        disk = simdisk_new(1);
        IS(vrv_metalog_open(&store, simdisk_vfs(disk), "meta", NULL, NULL), 0, "log: opens");
        kind = "log";
    } else {
        store = fakemeta_new(&(struct fakemeta_opts){ .seed = seed,
            .delay_max = (unsigned)seed % 8,
            .unknown_percent = seed == 1 ? 0 : (unsigned)seed * 7 % 45,
            .late_max = (unsigned)seed % 8, .rewind_percent = seed == 1 ? 0 : 20 });
        (void)snprintf(name, sizeof(name), "fake %d", (int)seed);
        kind = name;
    }
    IS(vrv_catalog_open(&cat, store, NULL), 0, "%s: an empty catalog opens", kind);
}

static void
reopen(void)
{
    vrv_catalog_close(&cat);
    if (disk != NULL) {
        vrv_meta_close(&store);
        IS(vrv_metalog_open(&store, simdisk_vfs(disk), "meta", NULL, NULL), 0, "log: opens again");
    }
    IS(vrv_catalog_open(&cat, store, NULL), 0, "%s: the catalog opens again", kind);
}

static void
end(void)
{
    unsigned unknown, done;

    vrv_catalog_close(&cat);
    if (disk == NULL) {
        fakemeta_counts(store, &unknown, &done);
        tap_note("%s: %u outcomes unknown, %u of those transactions done", kind, unknown, done);
    }
    vrv_meta_close(&store);
    simdisk_free(&disk);
}

static const struct vrv_uuid *
uid(int n)
{
    static struct vrv_uuid ring[8]; /* as many as one expression needs */
    static int at;
    struct vrv_uuid *u = &ring[at++ % 8];

    memset(u, 0, sizeof(*u));
    u->b[0] = (uint8_t)(n * 37);
    u->b[14] = (uint8_t)(n >> 8);
    u->b[15] = (uint8_t)n;
    return u;
}

static int
make(int id, const char *name, int32_t partitions)
{
    return vrv_catalog_create(cat, uid(id), name, partitions, 1000 + id, NULL, 0, NULL);
}

static int
list_fn(void *ctx, const struct vrv_topic_info *t)
{
    char *text = ctx;
    size_t n = strlen(text);

    (void)snprintf(text + n, 1000 - n, "%s:%d", t->name, t->partitions);
    for (size_t i = 0; i < t->config_n; i++) {
        n = strlen(text);
        (void)snprintf(text + n, 1000 - n, "%c%s=%s", i == 0 ? '{' : ',', t->configs[i].key,
            t->configs[i].value);
    }
    (void)strcat(text, t->config_n > 0 ? "} " : " ");
    return 0;
}

static void
topics_are(const char *want, const char *what)
{
    char text[1000] = "";

    (void)vrv_catalog_each(cat, list_fn, text);
    IS_STR(text, want, "%s: %s", kind, what);
}

static int
gone_fn(void *ctx, const struct vrv_uuid *id)
{
    int *sum = ctx;

    *sum = *sum * 1000 + id->b[15];
    return 0;
}

static int
gone(void)
{
    int sum = 0;

    (void)vrv_catalog_each_gone(cat, gone_fn, &sum);
    return sum;
}

/* ---- topics */

static void
test_create(void)
{
    struct vrv_config_kv configs[] = {{(char *)"retention.ms", (char *)"5"},
        {(char *)"cleanup.policy", (char *)"delete"}, {(char *)"x", (char *)""}};
    struct vrv_topic_info t;
    struct vrv_err e = { 0 };

    IS(vrv_catalog_create(cat, uid(1), "orders", 3, 77, configs, 3, NULL), 0, "%s: create", kind);
    IS(make(2, "a", 1), 0, "%s: another", kind);
    IS(make(3, "Z", VRV_PARTITIONS_MAX), 0, "%s: one with many partitions", kind);
    IS(vrv_catalog_create(cat, uid(4), "orders", 1, 0, NULL, 0, &e), VRV_E_EXISTS,
        "%s: a name is given once", kind);
    OK(strstr(e.msg, "orders") != NULL, "%s: the error names it: %s", kind, e.msg);
    IS(make(1, "other", 1), VRV_E_INVALID, "%s: an id, too", kind);
    topics_are("Z:100000 a:1 orders:3{cleanup.policy=delete,retention.ms=5,x=} ",
        "topics are listed by name, their configuration by key");
    IS(vrv_catalog_by_name(cat, "orders", &t, NULL), 0, "%s: found by name", kind);
    OK(vrv_uuid_eq(&t.id, uid(1)) && t.created_ms == 77 && t.mod > 0, "%s: with all it has", kind);
    vrv_topic_info_fini(&t);
    IS(vrv_catalog_by_id(cat, uid(2), &t, NULL), 0, "%s: found by id", kind);
    IS_STR(t.name, "a", "%s: it is that", kind);
    vrv_topic_info_fini(&t);
    IS(vrv_catalog_by_name(cat, "order", &t, NULL), VRV_E_NOTFOUND, "%s: no such name", kind);
    IS(vrv_catalog_by_id(cat, uid(9), &t, NULL), VRV_E_NOTFOUND, "%s: no such id", kind);
}

static void
test_create_bounds(void)
{
    struct vrv_config_kv many[VRV_CONFIGS_MAX + 1];
    struct vrv_config_kv twice[] = {{(char *)"k", (char *)"1"}, {(char *)"k", (char *)"2"}};
    char keys[VRV_CONFIGS_MAX + 1][24];
    char *long_value = vrv_mem_zero((1 << 20) + 1);

    for (int i = 0; i <= VRV_CONFIGS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "key%d", i);
        many[i] = (struct vrv_config_kv){keys[i], (char *)"v"};
    }
    IS(make(5, "x", 0), VRV_E_INVALID, "%s: no partitions", kind);
    IS(make(5, "x", VRV_PARTITIONS_MAX + 1), VRV_E_INVALID, "%s: too many partitions", kind);
    IS(vrv_catalog_create(cat, uid(5), "x", 1, 0, many, VRV_CONFIGS_MAX + 1, NULL), VRV_E_INVALID,
        "%s: too many configurations", kind);
    IS(vrv_catalog_create(cat, uid(5), "x", 1, 0, twice, 2, NULL), VRV_E_INVALID,
        "%s: one configured twice", kind);
    memset(long_value, 'v', 1 << 20);
    twice[1].key = (char *)"l";
    twice[1].value = long_value;
    IS(vrv_catalog_create(cat, uid(5), "x", 1, 0, twice, 2, NULL), VRV_E_INVALID,
        "%s: a configuration too large", kind);
    free(long_value);
    IS(vrv_catalog_create(cat, uid(5), "x", 1, 0, many, VRV_CONFIGS_MAX, NULL), 0,
        "%s: as many as allowed", kind);
    IS(vrv_catalog_delete(cat, "x", NULL, NULL), 0, "%s: (deleted again)", kind);
    IS(vrv_catalog_forget(cat, uid(5), NULL), 0, "%s: (and forgotten)", kind);
}

static void
test_delete(void)
{
    IS(vrv_catalog_delete(cat, "nope", NULL, NULL), VRV_E_NOTFOUND, "%s: no such topic", kind);
    IS(vrv_catalog_delete(cat, "a", NULL, NULL), 0, "%s: delete", kind);
    IS(vrv_catalog_delete(cat, "a", NULL, NULL), VRV_E_NOTFOUND, "%s: it is gone", kind);
    IS(gone(), 2, "%s: and remembered", kind);
    IS(make(2, "b", 1), VRV_E_INVALID, "%s: its id stays in use", kind);
    IS(make(6, "a", 2), 0, "%s: its name is free", kind);
    IS(vrv_catalog_delete(cat, "a", NULL, NULL), 0, "%s: also twice", kind);
    IS(make(7, "a", 4), 0, "%s: and thrice", kind);
    IS(gone(), 2 * 1000 + 6, "%s: both are remembered", kind);
    reopen();
    IS(gone(), 2 * 1000 + 6, "%s: still, after opening again", kind);
    topics_are("Z:100000 a:4 orders:3{cleanup.policy=delete,retention.ms=5,x=} ", "as all is");
    IS(vrv_catalog_forget(cat, uid(2), NULL), 0, "%s: one is forgotten", kind);
    IS(vrv_catalog_forget(cat, uid(2), NULL), VRV_E_NOTFOUND, "%s: once", kind);
    IS(vrv_catalog_forget(cat, uid(1), NULL), VRV_E_NOTFOUND, "%s: not a living one", kind);
    IS(gone(), 6, "%s: the other is not", kind);
}

static void
test_grow_and_alter(void)
{
    struct vrv_config_kv config = {(char *)"k", (char *)"1"};
    struct vrv_topic_info t;

    IS(vrv_catalog_grow(cat, "orders", 3, NULL, NULL), VRV_E_INVALID, "%s: to the same", kind);
    IS(vrv_catalog_grow(cat, "orders", 2, NULL, NULL), VRV_E_INVALID, "%s: or to fewer", kind);
    IS(vrv_catalog_grow(cat, "nope", 9, NULL, NULL), VRV_E_NOTFOUND, "%s: none to grow", kind);
    IS(vrv_catalog_grow(cat, "orders", 9, NULL, NULL), 0, "%s: more partitions", kind);
    IS(vrv_catalog_by_name(cat, "orders", &t, NULL), 0, "%s: look", kind);
    uint64_t mod = t.mod;
    vrv_topic_info_fini(&t);
    IS(vrv_catalog_alter(cat, "orders", mod, &config, 1, NULL), 0, "%s: new configuration", kind);
    IS(vrv_catalog_alter(cat, "orders", mod, NULL, 0, NULL), VRV_E_CONFLICT,
        "%s: not for who saw the old one", kind);
    topics_are("Z:100000 a:4 orders:9{k=1} ", "the old configuration is replaced");
    IS(vrv_catalog_alter(cat, "orders", 0, NULL, 0, NULL), 0, "%s: who doesn't care may", kind);
    IS(vrv_catalog_alter(cat, "nope", 0, NULL, 0, NULL), VRV_E_NOTFOUND, "%s: nothing there", kind);
    topics_are("Z:100000 a:4 orders:9 ", "all else stays");
    IS(vrv_catalog_by_name(cat, "orders", &t, NULL), 0, "%s: look", kind);
    IS(t.created_ms, 77, "%s: also its age", kind);
    vrv_topic_info_fini(&t);
}

/* ---- epochs */

static void
test_bump(void)
{
    enum { N = 300 };
    struct vrv_catbump v[N];
    int32_t before[N];
    bool sorted = true, rose = true, exact = true, known = true;

    IS(vrv_catalog_epoch(cat, uid(3), 0), 0, "%s: an epoch begins with 0", kind);
    IS(vrv_catalog_epoch(cat, uid(3), VRV_PARTITIONS_MAX), -1, "%s: no such partition", kind);
    IS(vrv_catalog_epoch(cat, uid(9), 0), -1, "%s: no such topic", kind);
    v[0] = (struct vrv_catbump){*uid(3), 17, 0};
    IS(vrv_catalog_bump(cat, v, 1, NULL), 0, "%s: one is raised", kind);
    OK(v[0].epoch >= 1 && vrv_catalog_epoch(cat, uid(3), 17) == v[0].epoch, "%s: and known", kind);
    for (int i = 0; i < N; i++) {
        v[i] = (struct vrv_catbump){*uid(3), i * 7 % N, 0};
        before[i] = vrv_catalog_epoch(cat, uid(3), i);
    }
    IS(vrv_catalog_bump(cat, v, N, NULL), 0, "%s: many are raised", kind);
    for (int i = 0; i < N; i++) {
        sorted = sorted && v[i].part == i;
        rose = rose && v[i].epoch > before[i];
        exact = exact && v[i].epoch == before[i] + 1;
    }
    OK(sorted, "%s: told in order", kind);
    OK(rose, "%s: each has risen", kind);
    OK(exact || disk == NULL, "%s: by one, where no outcome was unknown", kind);
    reopen();
    for (int i = 0; i < N; i++)
        known = known && vrv_catalog_epoch(cat, uid(3), i) >= v[i].epoch &&
                (disk == NULL || vrv_catalog_epoch(cat, uid(3), i) == v[i].epoch);
    OK(known, "%s: they are durable", kind);
    IS(vrv_catalog_epoch(cat, uid(3), N), 0, "%s: others stay", kind);
    v[1] = v[0];
    IS(vrv_catalog_bump(cat, v, 2, NULL), VRV_E_INVALID, "%s: twice", kind);
    v[1].part = VRV_PARTITIONS_MAX;
    IS(vrv_catalog_bump(cat, v, 2, NULL), VRV_E_INVALID, "%s: none", kind);
    v[0].id = *uid(9);
    IS(vrv_catalog_bump(cat, v, 1, NULL), VRV_E_NOTFOUND, "%s: none", kind);
    IS(vrv_catalog_bump(cat, v, 0, NULL), 0, "%s: nothing to do", kind);
}

static void
test_forget_epochs(void)
{
    char *text = NULL;

    IS(vrv_catalog_delete(cat, "Z", NULL, NULL), 0, "%s: a topic with epochs is deleted", kind);
    IS(vrv_catalog_forget(cat, uid(3), NULL), 0, "%s: and forgotten", kind);
    do {
        free(text);
        text = metatest_dump(store, "part/");
    } while (strcmp(text, "the outcome is unknown: read again\n") == 0);
    OK(text[0] == '#', "%s: none of its epochs is left", kind);
    free(text);
    IS(vrv_catalog_epoch(cat, uid(3), 0), -1, "%s: nor known", kind);
}

/* ---- walking while it changes */

static int
delete_fn(void *ctx, const struct vrv_topic_info *t)
{
    int *n = ctx;

    ++*n;
    return vrv_catalog_delete(cat, t->name, NULL, NULL);
}

static int
stop_fn(void *ctx, const struct vrv_topic_info *t)
{
    (void)ctx;
    (void)t;
    return 7;
}

static void
test_each(void)
{
    int n = 0;

    IS(vrv_catalog_each(cat, stop_fn, NULL), 7, "%s: a walk stops when told", kind);
    IS(vrv_catalog_each(cat, delete_fn, &n), 0, "%s: and may delete what it meets", kind);
    IS(n, 2, "%s: it met both", kind);
    topics_are("", "none is left");
    reopen();
    topics_are("", "nor after opening again");
}

/* ---- a model */

enum { MODEL_NAMES = 5, MODEL_STEPS = 60 };

struct model {
    int id[MODEL_NAMES]; /* 0: no topic of this name */
    int partitions[MODEL_NAMES];
    int config[MODEL_NAMES];
};

static void
model_step(struct model *s, struct vrv_rand *r, int id)
{
    int k = (int)vrv_rand_below(r, MODEL_NAMES);
    int n = 1 + (int)vrv_rand_below(r, 20);
    char name[8], value[8];
    struct vrv_config_kv config = {(char *)"c", value};
    bool there = s->id[k] != 0;

    (void)snprintf(name, sizeof(name), "t%d", k);
    (void)snprintf(value, sizeof(value), "%d", n);
    switch (vrv_rand_below(r, 4)) {
    case 0:
        if (IS(vrv_catalog_create(cat, uid(id), name, n, 0, &config, 1, NULL),
                there ? VRV_E_EXISTS : 0, "%s: create %s", kind, name) && !there) {
            s->id[k] = id;
            s->partitions[k] = s->config[k] = n;
        }
        break;
    case 1:
        IS(vrv_catalog_delete(cat, name, NULL, NULL), there ? 0 : VRV_E_NOTFOUND, "%s: delete %s",
            kind, name);
        /* late news of a forgotten topic must not bring it back */
        if (there)
            IS(vrv_catalog_forget(cat, uid(s->id[k]), NULL), 0, "%s: forget it", kind);
        s->id[k] = 0;
        break;
    case 2:
        IS(vrv_catalog_grow(cat, name, n, NULL, NULL),
            !there                 ? VRV_E_NOTFOUND
            : n > s->partitions[k] ? 0
                                   : VRV_E_INVALID,
            "%s: grow %s", kind, name);
        s->partitions[k] = n > s->partitions[k] ? n : s->partitions[k];
        break;
    default:
        IS(vrv_catalog_alter(cat, name, 0, &config, 1, NULL), there ? 0 : VRV_E_NOTFOUND,
            "%s: alter %s", kind, name);
        s->config[k] = n;
    }
}

static void
test_model(uint64_t seed)
{
    struct vrv_rand r = { .state = seed };
    struct model s = {{0}, {0}, {0}};
    char want[1000];

    for (int i = 0; i < MODEL_STEPS; i++) {
        size_t n = 0;

        model_step(&s, &r, 100 + i);
        if (i % 20 == 19)
            reopen();
        want[0] = '\0';
        for (int k = 0; k < MODEL_NAMES; k++)
            if (s.id[k] != 0)
                n += (size_t)snprintf(want + n, sizeof(want) - n, "t%d:%d{c=%d} ", k,
                    s.partitions[k], s.config[k]);
        topics_are(want, "as the model has it");
    }
}

static void
test_names(void)
{
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "a\n", "a:b"};
    char name[VRV_TOPIC_NAME_MAX + 2];
    struct vrv_err e = { 0 };

    memset(name, 'n', sizeof(name));
    name[VRV_TOPIC_NAME_MAX + 1] = '\0';
    IS(vrv_topic_name_check(name, &e), VRV_E_INVALID, "a name too long: %s", e.msg);
    name[VRV_TOPIC_NAME_MAX] = '\0';
    IS(vrv_topic_name_check(name, NULL), 0, "the longest name is fine");
    IS(vrv_topic_name_check("AZaz09._-", NULL), 0, "and these characters");
    IS(vrv_topic_name_check("...", NULL), 0, "and three dots");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        IS(vrv_topic_name_check(bad[i], &e), VRV_E_INVALID, "bad name %zu: %s", i, e.msg);
}

/* ---- settings of other entities */

static uint64_t
configs_are(const char *entity, const char *want)
{
    struct vrv_entity_configs got;
    char text[200] = "";
    size_t n = 0;

    vrv_catalog_configs(cat, entity, &got);
    for (size_t i = 0; i < got.n; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s ", got.v[i].key, got.v[i].value);
    IS_STR(text, want, "%s: the settings of %s", kind, entity);
    free(got.v);
    return got.mod;
}

static void
test_configs(void)
{
    struct vrv_config_kv kv[] = { { (char *)"b", (char *)"2" }, { (char *)"a", (char *)"1" },
        { (char *)"b", (char *)"3" } };
    char name[VRV_ENTITY_MAX + 2];
    struct vrv_err e = { 0 };

    IS(configs_are("broker/1", ""), 0, "%s: none yet", kind);
    IS(vrv_catalog_set_configs(cat, "broker/1", 0, kv, 2, NULL), 0, "%s: two are set", kind);
    uint64_t mod = configs_are("broker/1", "a=1 b=2 ");
    OK(mod > 0, "%s: they have a revision", kind);
    IS(configs_are("broker/10", "") + configs_are("broker/", ""), 0, "%s: others have none", kind);
    IS(vrv_catalog_set_configs(cat, "broker/1", 0, kv, 1, &e), VRV_E_CONFLICT,
        "%s: who takes them for none is told", kind);
    IS_STR(e.msg, "the settings of broker/1 were changed meanwhile", "... so");
    IS(vrv_catalog_set_configs(cat, "broker/10", 0, kv + 2, 1, NULL), 0, "%s: another's", kind);
    IS(vrv_catalog_set_configs(cat, "broker/1", mod, kv + 1, 1, NULL), 0, "%s: replaced", kind);
    reopen();
    OK(configs_are("broker/1", "a=1 ") > mod, "%s: a later revision", kind);
    uint64_t last = configs_are("broker/10", "b=3 ");
    IS(vrv_catalog_set_configs(cat, "broker/10", last, NULL, 0, NULL), 0, "%s: taken away", kind);
    OK(configs_are("broker/10", "") > last, "%s: which is a change like others", kind);
    IS(vrv_catalog_set_configs(cat, "broker/1", mod, kv, 3, NULL), VRV_E_INVALID,
        "%s: one given twice", kind);
    IS(vrv_catalog_set_configs(cat, "", 0, kv, 1, NULL), VRV_E_INVALID, "%s: nobody's", kind);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    IS(vrv_catalog_set_configs(cat, name, 0, kv, 1, NULL), VRV_E_INVALID, "%s: a long name", kind);
    IS(vrv_catalog_set_configs(cat, name + 1, 0, kv, 1, NULL), 0, "%s: the longest", kind);
    (void)configs_are(name + 1, "b=2 ");
}

static int
entity_fn(void *ctx, const char *entity)
{
    (void)strcat(strcat(ctx, entity), " ");
    return 0;
}

static void
entities_are(const char *prefix, const char *want)
{
    char text[200] = "";

    IS(vrv_catalog_each_entity(cat, prefix, entity_fn, text), 0, "%s: walked", kind);
    IS_STR(text, want, "%s: who has settings and begins with %s", kind, prefix);
}

static void
test_drop_configs(void)
{
    struct vrv_config_kv kv = { (char *)"a", (char *)"1" };
    struct vrv_err e = { 0 };

    for (const char *name = "a/1\0a/10\0a/2\0ab\0"; *name != '\0'; name += strlen(name) + 1)
        IS(vrv_catalog_set_configs(cat, name, 0, &kv, 1, NULL), 0, "%s: of %s", kind, name);
    entities_are("a/", "a/1 a/10 a/2 ");
    uint64_t mod = configs_are("a/1", "a=1 ");
    IS(vrv_catalog_drop_configs(cat, "a/1", mod - 1, &e), VRV_E_CONFLICT,
        "%s: not by who knows them not", kind);
    IS(vrv_catalog_drop_configs(cat, "a/1", mod, NULL), 0, "%s: dropped", kind);
    entities_are("a/", "a/10 a/2 ");
    reopen();
    entities_are("a/", "a/10 a/2 ");
    IS(configs_are("a/1", ""), 0, "%s: nothing is known of it", kind);
    IS(vrv_catalog_set_configs(cat, "a/1", 0, &kv, 1, NULL), 0, "%s: it can be set anew", kind);
    (void)configs_are("a/1", "a=1 ");
    IS(vrv_catalog_drop_configs(cat, "a/9", 0, NULL), 0, "%s: what isn't there is dropped", kind);
}

/* A deleted topic comes back, with its id, above its epochs; again and again. */
static void
test_back(void)
{
    int32_t epochs[] = { 3, 0, 0 };
    struct vrv_catbump v = { *uid(77), 1, 0 };
    struct vrv_err e = { 0 };

    IS(make(77, "back", 3), 0, "%s: a topic", kind);
    for (int i = 0; i < 3; i++) {
        IS(vrv_catalog_bump(cat, &v, 1, NULL), 0, "%s: with an epoch", kind);
        IS(vrv_catalog_delete(cat, "back", NULL, NULL), 0, "%s: goes", kind);
        IS(make(77, "back", 3), VRV_E_INVALID, "%s: not back before it is forgotten", kind);
        if (i == 1)
            reopen();
        IS(vrv_catalog_forget(cat, uid(77), NULL), 0, "%s: forgotten", kind);
        if (i == 2)
            reopen();
        epochs[1] = 100 * (i + 1);
        IS(vrv_catalog_set_epochs(cat, uid(77), epochs, 3, NULL), 0, "%s: its epochs", kind);
        IS(vrv_catalog_set_epochs(cat, uid(77), epochs, 3, NULL), 0, "%s: ... twice", kind);
        IS(vrv_catalog_set_epochs(cat, uid(77), epochs + 1, 1, &e), VRV_E_CONFLICT,
            "%s: but no others", kind);
        IS(make(77, "back", 3), 0, "%s: it comes back", kind);
        OK(vrv_catalog_epoch(cat, uid(77), 0) == 3 &&
                vrv_catalog_epoch(cat, uid(77), 1) == epochs[1] &&
                vrv_catalog_epoch(cat, uid(77), 2) == 0,
            "%s: with them", kind);
        if (i == 0)
            reopen();
    }
    IS(vrv_catalog_epoch(cat, uid(77), 1), 300, "%s: for good", kind);
}

/* Many changes, each decided by what is there: none is lost, none is done twice. */
static void
test_configs_model(void)
{
    struct vrv_entity_configs got;
    char value[20];

    for (int i = 0; i < 50; i++) {
        struct vrv_config_kv kv = { (char *)"n", value };
        (void)snprintf(value, sizeof(value), "%d", i);
        vrv_catalog_configs(cat, "model", &got);
        int seen = got.n == 1 ? atoi(got.v[0].value) : -1;
        if (seen != i - 1)
            IS(seen, i - 1, "%s: what was set before", kind);
        free(got.v);
        int rc = vrv_catalog_set_configs(cat, "model", got.mod, &kv, 1, NULL);
        if (rc != 0)
            IS(rc, 0, "%s: set to %d", kind, i);
        if (i % 10 == 9)
            reopen();
    }
    (void)configs_are("model", "n=49 ");
}

/* ---- dump and load */

static bool
same(const struct vrv_catalog_kvs *a, const struct vrv_catalog_kvs *b)
{
    bool is = a->n == b->n;

    for (size_t i = 0; i < a->n && is; i++)
        is = strcmp(a->v[i].key, b->v[i].key) == 0 && a->v[i].n == b->v[i].n &&
            memcmp(a->v[i].value, b->v[i].value, a->v[i].n) == 0;
    return is;
}

/* Behind all else: what is there by then goes into an empty one. */
static void
test_dump(uint64_t seed)
{
    struct vrv_catalog_kvs a, b;
    struct vrv_err e = { 0 };

    for (int i = 0; i < 200; i++) { /* more than a transaction takes */
        char name[20];

        (void)snprintf(name, sizeof(name), "dumped-%d", i);
        if (vrv_catalog_set_configs(cat, name, 0, NULL, 0, &e) < 0)
            OK(false, "%s: %s", kind, e.msg);
    }
    IS(vrv_catalog_dump(cat, &a, &e), 0, "%s: a dump %s", kind, e.msg);
    OK(a.n > 200, "%s: has all keys (%d)", kind, (int)a.n);
    IS(vrv_catalog_load(cat, a.v, a.n, &e), VRV_E_CONFLICT, "%s: not into what isn't empty: %s", kind,
        e.msg);
    end();
    begin(seed);
    e.msg[0] = '\0';
    IS(vrv_catalog_load(cat, a.v, a.n, &e), 0, "%s: into an empty one it can be loaded %s", kind, e.msg);
    reopen();
    IS(vrv_catalog_dump(cat, &b, &e), 0, "%s: and dumped again", kind);
    OK(same(&a, &b), "%s: it is the same", kind);
    vrv_catalog_dump_fini(&a);
    vrv_catalog_dump_fini(&b);
}

int
main(void)
{
    test_names();
    for (uint64_t seed = 0; seed <= 16; seed++) { /* 0: the metadata log */
        begin(seed);
        test_create();
        test_create_bounds();
        test_delete();
        test_grow_and_alter();
        test_bump();
        test_forget_epochs();
        test_each();
        test_model(seed);
        test_configs();
        test_drop_configs();
        test_back();
        test_configs_model();
        test_dump(seed);
        end();
    }
    return tap_done();
}
