/* The HDFS store over a fake of WebHDFS: the suite of all stores, lists against a model, and what it makes of
 * answers that are bad, late, or don't come. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "t/lib/fakehdfs.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "tiering/store/hdfs.h"
#include "tiering/store/retry.h"

/* STALL_MS: nothing here waits for it to pass; whoever is held up by a busy machine isn't taken for one that hangs. */
enum { STALL_MS = 20000, SIZE = 1000, MS = 1000000 };

struct rig {
    struct fakehdfs *hdfs;
    struct vrv_store *store;
    struct storesuite suite; /* its queue */
    struct vrv_store_call last;
};

static uint8_t bytes[SIZE];

static void
open_rig_as(struct rig *g, size_t page, const char *(*url)(const struct fakehdfs *f), const char *token_file)
{
    struct vrv_store_hdfs_opts o = { .random = 470, .user = "joe & co", .token_file = token_file,
        .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 4, 4, 4 },
        .connect_ms = STALL_MS, .stall_ms = STALL_MS, .text_max = VRV_STORE_HDFS_TEXT, .proxy = "" } };
    struct vrv_err e = { 0 };

    memset(g, 0, sizeof(*g));
    g->hdfs = fakehdfs_new(page);
    tap_need(vrv_cq_init(&g->suite.cq, 0), "no queue");
    o.url = url(g->hdfs);
    tap_need(vrv_store_hdfs(&g->store, &o, &e), e.msg);
    g->suite.store = g->store;
}

static void
open_rig(struct rig *g, size_t page, const char *(*url)(const struct fakehdfs *f))
{
    open_rig_as(g, page, url, NULL);
}

static void
close_rig(struct rig *g)
{
    vrv_store_close(&g->store);
    fakehdfs_free(&g->hdfs);
    vrv_cq_fini(&g->suite.cq);
}

static const char *
first_name(const struct fakehdfs *f)
{
    return fakehdfs_url_of(f, 0);
}

/* ---- calls ---- */

static int
run(struct rig *g, struct vrv_store_call c)
{
    g->last = c;
    return storesuite_do(&g->suite, &g->last);
}

static int
put(struct rig *g, const char *key)
{
    return storesuite_put(&g->suite, key, bytes, SIZE);
}

static int
verify(struct rig *g, const char *key)
{
    struct vrv_store_call c = storesuite_call(&g->suite, VRV_STORE_VERIFY, key);

    c.size = SIZE;
    c.crc = vrv_crc32c(0, bytes, SIZE);
    return run(g, c);
}

static int
get(struct rig *g, const char *key)
{
    static uint8_t buf[SIZE];
    struct vrv_store_call c = storesuite_call(&g->suite, VRV_STORE_GET, key);

    c.buf = buf;
    c.size = SIZE;
    int rc = run(g, c);
    return rc == 0 && memcmp(buf, bytes, SIZE) != 0 ? VRV_E_CORRUPT : rc;
}

static int
of_upload(struct rig *g, enum vrv_store_op op, struct vrv_store_upload *u, const char *key, unsigned part)
{
    static struct iovec iov;
    struct vrv_store_call c = storesuite_call(&g->suite, op, key);

    iov = (struct iovec){ bytes, SIZE };
    c.upload = u;
    c.part = part;
    c.size = SIZE;
    if (op == VRV_STORE_PART_N) {
        c.iov = &iov;
        c.iov_n = 1;
    }
    return run(g, c);
}

/* ---- the suite ---- */

static void
test_suite(bool httpfs)
{
    struct rig g;
    char text[128];

    open_rig(&g, 300, fakehdfs_url);
    fakehdfs_no_reasons(g.hdfs, httpfs);
    g.suite.prefix = "p/";
    g.suite.shared_clock = true;
    vrv_store_describe(g.store, text, sizeof(text));
    tap_note("%s", text);
    OK(strncmp(text, "HDFS 127.0.0.1:", 15) == 0, "a store that tells where it is");
    vrv_cq_fini(&g.suite.cq); /* the suite makes its own */
    storesuite_run(&g.suite);
    tap_need(vrv_cq_init(&g.suite.cq, 0), "no queue");
    IS(fakehdfs_left(g.hdfs), 0, "nothing is left of what was written on the way");
    IS(fakehdfs_dirs(g.hdfs), 0, "... nor empty directories");
    close_rig(&g);
}

/* ---- lists ---- */

enum { KEYS = 60, KEY = 24 };

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* By one clock, the name node's: what it notes of a file, and the time of its answer. */
static void
test_ages(void)
{
    struct rig g;

    open_rig(&g, 300, fakehdfs_url);
    IS(storesuite_put(&g.suite, "d/one", bytes, SIZE), 0, "a file");
    struct vrv_store_call c = storesuite_call(&g.suite, VRV_STORE_LIST, "d/");
    c.max = 10;
    IS(storesuite_do(&g.suite, &c), 0, "it is listed");
    OK(c.got == 1 && c.names[0].age_ms == FAKEHDFS_AGE_MS, "... with its age, whatever our clock says");
    vrv_store_names_free(&c);
    close_rig(&g);
}

/* Parts of few letters, with those that are sorted before and behind '/'. */
static void
draw_key(struct vrv_rand *r, char *out, bool whole)
{
    static const char letters[] = "ab-.0";
    size_t n = 0, most = 1 + vrv_rand_below(r, 10);

    while (n < most) {
        bool slash = n > 0 && out[n - 1] != '/' && vrv_rand_below(r, 4) == 0;

        out[n++] = slash ? '/' : letters[vrv_rand_below(r, sizeof(letters) - 1)];
    }
    if (whole && out[n - 1] == '/')
        out[n++] = 'b';
    out[n] = '\0';
}

/* No key may be a directory of another one. */
static bool
fits(char (*keys)[KEY], size_t n, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(keys[i]), least = len < other ? len : other;

        if (strncmp(keys[i], key, least) == 0 &&
            (len == other || (len < other ? keys[i][least] : key[least]) == '/'))
            return false;
    }
    return vrv_store_key_is_good(key, false);
}

static size_t
put_keys(struct rig *g, struct vrv_rand *r, char (*keys)[KEY])
{
    size_t n = 0;

    for (int i = 0; i < KEYS; i++) {
        draw_key(r, keys[n], true);
        if (fits(keys, n, keys[n]) && put(g, keys[n]) == 0)
            n++;
    }
    qsort(keys, n, KEY, by_bytes);
    return n;
}

/* Is it what the model says? */
static bool
list_is_right(struct rig *g, char (*keys)[KEY], size_t n, const char *prefix, const char *after, unsigned max)
{
    struct vrv_store_call c = storesuite_call(&g->suite, VRV_STORE_LIST, prefix);
    size_t seen = 0;
    bool right, more = false;

    c.after = after;
    c.max = max;
    right = storesuite_do(&g->suite, &c) == 0;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(keys[i], prefix, strlen(prefix)) != 0 || (after != NULL && strcmp(keys[i], after) <= 0))
            continue;
        if (seen == max) {
            more = true;
            break;
        }
        right &= seen < c.got && strcmp(c.names[seen].key, keys[i]) == 0 && c.names[seen].size == SIZE;
        seen++;
    }
    right &= seen == c.got && c.more == more;
    if (!right)
        tap_note("list \"%s\" behind %s, %u: %zu names, more %d", prefix, after, max, c.got, c.more);
    vrv_store_names_free(&c);
    return right;
}

static void
test_lists(void)
{
    struct vrv_rand r = { 4701 };
    int wrong = 0, lists = 0;

    for (size_t page = 1; page < 6; page++) {
        char keys[KEYS][KEY], prefix[KEY], after[KEY];
        struct rig g;

        open_rig(&g, page, fakehdfs_url);
        size_t n = put_keys(&g, &r, keys);
        for (int i = 0; i < 200; i++) {
            draw_key(&r, prefix, false);
            prefix[vrv_rand_below(&r, 3)] = '\0';
            if (vrv_rand_below(&r, 2) == 0)
                draw_key(&r, after, true);
            else
                (void)snprintf(after, sizeof(after), "%s", keys[vrv_rand_below(&r, n)]);
            if (!vrv_store_key_is_good(prefix, true))
                continue;
            wrong += !list_is_right(&g, keys, n, prefix, i % 3 == 0 ? NULL : after,
                1 + (unsigned)vrv_rand_below(&r, 9));
            lists++;
        }
        close_rig(&g);
    }
    IS(wrong, 0, "%d lists of names that are sorted before and behind '/', in pages of a few", lists);
}

/* ---- what it says of errors ---- */

static void
test_exceptions(void)
{
    static const struct {
        int code;
        const char *exception;
        int status;
        const char *sentence;
    } cases[] = {
        { 403, "SafeModeException", VRV_E_BUSY, "safe mode" },
        { 403, "RetriableException", VRV_E_BUSY, "RetriableException" },
        { 403, "RecoveryInProgressException", VRV_E_BUSY, "RecoveryInProgressException" },
        { 403, "AccessControlException", VRV_E_DENIED, "tier.hdfs.user" },
        { 401, "SecurityException", VRV_E_DENIED, "tier.hdfs.token.file" },
        { 403, "InvalidToken", VRV_E_DENIED, "tier.hdfs.token.file" },
        { 403, "DSQuotaExceededException", VRV_E_NOSPACE, "quota" },
        { 403, "NSQuotaExceededException", VRV_E_NOSPACE, "quota" },
        { 403, "ParentNotDirectoryException", VRV_E_INVALID, "a file is where" },
        { 400, "IllegalArgumentException", VRV_E_INVALID, "Hadoop 3" },
        { 403, "IOException", VRV_E_IO, "IOException" },
        { 500, "SomethingNewException", VRV_E_IO, "SomethingNewException" },
        { 401, NULL, VRV_E_DENIED, "tier.hdfs.negotiate" },
        { 404, NULL, VRV_E_INVALID, "dfs.namenode.http-address" },
        { 200, NULL, VRV_E_IO, "strange" },
        { 500, NULL, VRV_E_IO, "500" },
        { 503, NULL, VRV_E_BUSY, "503" },
    };
    struct rig g;

    open_rig(&g, 100, first_name);
    IS(put(&g, "k/a"), 0, "an object");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *what = cases[i].exception != NULL ? cases[i].exception : "no exception";

        fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "GETFILESTATUS", .deed = FAKEHDFS_REFUSE,
            .code = cases[i].code, .exception = cases[i].exception, .times = 1 });
        IS(verify(&g, "k/a"), cases[i].status, "%d with %s", cases[i].code, what);
        OK(strstr(g.last.err.msg, cases[i].sentence) != NULL, "... %s", g.last.err.msg);
    }
    char huge[2000];
    memset(huge, 'x', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "GETFILESTATUS", .deed = FAKEHDFS_REFUSE, .code = 403,
        .exception = "AccessControlException", .message = huge, .times = 1 });
    IS(verify(&g, "k/a"), VRV_E_DENIED, "one that says much");
    OK(strstr(g.last.err.msg, "xxx...") != NULL, "... is cut");
    OK(strstr(g.last.err.msg, "or set tier.hdfs.user") != NULL, "... but for what to do: %s", g.last.err.msg);
    OK(strstr(fakehdfs_query(g.hdfs), "&user.name=joe%20%26%20co") != NULL, "each says who asks");
    close_rig(&g);
}

static void
write_token(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    tap_need(f == NULL ? -1 : 0, "no file");
    (void)fputs(text, f);
    (void)fclose(f);
}

static void
test_token(void)
{
    struct rig g;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/token", tap_dir());
    open_rig_as(&g, 100, first_name, path);
    IS(put(&g, "k/a"), VRV_E_DENIED, "a token whose file isn't there");
    write_token(path, "\n");
    IS(get(&g, "k/a"), VRV_E_DENIED, "... or has none");
    OK(strstr(g.last.err.msg, "has nothing in its first line") != NULL, "... %s", g.last.err.msg);
    write_token(path, "one+two/=\nx");
    IS(put(&g, "k/a"), 0, "... has one");
    OK(strstr(fakehdfs_query(g.hdfs), "&delegation=one%2Btwo%2F%3D") != NULL, "... which is shown");
    OK(strstr(fakehdfs_query(g.hdfs), "user.name") == NULL, "... and not a name beside");
    write_token(path, "three");
    IS(get(&g, "k/a"), 0, "another one");
    OK(strstr(fakehdfs_query(g.hdfs), "&delegation=three") != NULL, "... is taken at once");
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "OPEN", .deed = FAKEHDFS_REFUSE, .code = 403,
        .exception = "InvalidToken", .times = 1 });
    IS(get(&g, "k/a"), VRV_E_DENIED, "one that is refused");
    OK(strstr(g.last.err.msg, "three") == NULL, "... isn't told: %s", g.last.err.msg);
    close_rig(&g);
}

static void
test_urls(void)
{
    static const char *const bad[] = { "", "hdfs:/a", "http://a:1/x", "hdfs://", "hdfs:///x", "hdfs://a/x",
        "hdfs://a:0/x", "hdfs://a:65536/x", "hdfs://a:1,/x", "hdfs://a:1,,b:1/x", "hdfs://a b:1/x",
        "hdfs://a:1/x//y", "hdfs://a:1/x,y", "hdfs://a:1/../x", "hdfs://[::1:9870/x", "hdfs://u@a:1/x",
        "hdfs://a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1/x" };
    static const char *const good[] = { "hdfs://nn1:9870", "hdfs://nn1:9870/", "hdfs://nn1:9870,nn2:9870/a/b-c/",
        "hdfs://[::1]:9870/x", "swebhdfs://nn1.example.org:9871/x" };
    struct vrv_store_hdfs_opts o = { .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 1, 1, 1 },
        .connect_ms = STALL_MS, .stall_ms = STALL_MS, .text_max = VRV_STORE_HDFS_TEXT, .proxy = "" } };
    struct vrv_store *store;
    struct vrv_err e;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        o.url = bad[i];
        IS(vrv_store_hdfs(&store, &o, &e), VRV_E_INVALID, "no URL of a store: \"%s\"", bad[i]);
    }
    OK(strstr(e.msg, "more than 8 name nodes") != NULL, "... %s", e.msg);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        o.url = good[i];
        IS(vrv_store_hdfs(&store, &o, &e), 0, "\"%s\" is one", good[i]);
        vrv_store_close(&store);
    }
}

/* ---- who isn't there ---- */

static void
test_name_nodes(void)
{
    struct rig g;

    open_rig(&g, 100, fakehdfs_url);
    fakehdfs_stand_by(g.hdfs, 0, true);
    IS(put(&g, "k/a"), 0, "a name node stands by: the other one is asked");
    (void)fakehdfs_heard(g.hdfs);
    IS(get(&g, "k/a"), 0, "... also to read");
    IS_STR(fakehdfs_heard(g.hdfs), "OPEN open", "... and from then on first");
    fakehdfs_stand_by(g.hdfs, 1, true);
    IS(get(&g, "k/a"), VRV_E_UNREACHABLE, "both stand by");
    OK(strstr(g.last.err.msg, "no name node of 2 is active") != NULL, "... %s", g.last.err.msg);
    fakehdfs_stand_by(g.hdfs, 0, false);
    httpd_listen(fakehdfs_name(g.hdfs, 1), false);
    httpd_drop_kept(fakehdfs_name(g.hdfs, 1));
    IS(get(&g, "k/a"), 0, "one has died: the other one is asked");
    IS(put(&g, "k/b"), 0, "... also to write");
    httpd_listen(fakehdfs_name(g.hdfs, 0), false);
    httpd_drop_kept(fakehdfs_name(g.hdfs, 0));
    IS(put(&g, "k/c"), VRV_E_UNREACHABLE, "both have died");
    IS(get(&g, "k/a"), VRV_E_UNREACHABLE, "... also to read");
    OK(strstr(g.last.err.msg, "refused") != NULL, "... %s", g.last.err.msg);
    close_rig(&g);
}

static _Atomic unsigned looked_up;

/* In place of libc's: who asks for the name of somebody here waits, as long as name servers like. */
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    int (*libc)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)(&libc) = dlsym(RTLD_NEXT, "getaddrinfo");
    (void)atomic_fetch_add(&looked_up, 1);
    return libc(node, service, hints, res);
}

static void
test_data_nodes(void)
{
    struct rig g;

    open_rig(&g, 100, first_name);
    atomic_store(&looked_up, 0);
    IS(put(&g, "k/a"), 0, "an object");
    httpd_listen(fakehdfs_data(g.hdfs, 0), false);
    httpd_drop_kept(fakehdfs_data(g.hdfs, 0));
    (void)fakehdfs_heard(g.hdfs);
    IS(get(&g, "k/a"), 0, "a data node has died: another one is asked for");
    IS_STR(fakehdfs_heard(g.hdfs), "OPEN OPEN open", "... at once");
    OK(strstr(fakehdfs_query(g.hdfs), "&excludedatanodes=127.0.0.1") != NULL, "... by the first one's address");
    IS(put(&g, "k/b"), 0, "... which is avoided from then on");
    IS_STR(fakehdfs_heard(g.hdfs), "CREATE create GETFILESTATUS OPEN open RENAME", "... also for others");
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "OPEN", .deed = FAKEHDFS_REFUSE, .code = 403,
        .exception = "IOException", .times = 1 });
    httpd_listen(fakehdfs_data(g.hdfs, 0), true);
    IS(get(&g, "k/a"), 0, "all are avoided: none is");
    IS_STR(fakehdfs_heard(g.hdfs), "OPEN OPEN open", "... at once");
    OK(strstr(fakehdfs_query(g.hdfs), "exclude") == NULL, "... without a word of the first one");
    httpd_listen(fakehdfs_data(g.hdfs, 0), false);
    httpd_listen(fakehdfs_data(g.hdfs, 1), false);
    httpd_drop_kept(fakehdfs_data(g.hdfs, 0));
    httpd_drop_kept(fakehdfs_data(g.hdfs, 1));
    IS(get(&g, "k/a"), VRV_E_UNREACHABLE, "all have died");
    IS(put(&g, "k/c"), VRV_E_UNREACHABLE, "... a write wasn't done");
    IS(atomic_load(&looked_up), 0u, "no name server was asked, by which those are avoided");
    close_rig(&g);
}

/* ---- answers that don't come ---- */

/* What only reads is asked once more when a connection that was kept has gone. */
static unsigned
times_of(const char *op)
{
    return strcmp(op, "GETFILESTATUS") == 0 || strcmp(op, "OPEN") == 0 ? 2 : 1;
}

static void
test_lost_writes(void)
{
    static const struct {
        const char *op;
        bool at_data;
        enum fakehdfs_deed deed;
        int status, there;
        const char *what;
        int code;
    } cases[] = {
        { "CREATE", false, FAKEHDFS_LOSE, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "nobody said where to write it", 0 },
        { "CREATE", true, FAKEHDFS_LOSE, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "it didn't arrive", 0 },
        { "CREATE", true, FAKEHDFS_KEEP, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "it arrived, but has no key", 0 },
        { "CREATE", true, FAKEHDFS_HALF, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "half of it arrived", 0 },
        { "CREATE", true, FAKEHDFS_LIE, VRV_E_IO, VRV_E_NOTFOUND, "half of it arrived, said to be all", 0 },
        { "CREATE", true, FAKEHDFS_FLIP, VRV_E_IO, VRV_E_NOTFOUND, "something else arrived", 0 },
        { "OPEN", false, FAKEHDFS_LOSE, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "what arrived isn't known", 0 },
        { "GETFILESTATUS", false, FAKEHDFS_LOSE, VRV_E_UNREACHABLE, VRV_E_NOTFOUND, "its length isn't known", 0 },
        { "RENAME", false, FAKEHDFS_LOSE, VRV_E_UNKNOWN, VRV_E_NOTFOUND, "it may have got its key", 0 },
        { "RENAME", false, FAKEHDFS_KEEP, VRV_E_UNKNOWN, 0, "... and has", 0 },
        { "RENAME", false, FAKEHDFS_HIDE, VRV_E_UNKNOWN, 0, "... and has, but a proxy gave up waiting", 504 },
        { "RENAME", false, FAKEHDFS_HIDE, VRV_E_UNKNOWN, 0, "... and has, but a proxy failed", 502 },
        { "RENAME", false, FAKEHDFS_HIDE, VRV_E_UNKNOWN, 0, "... and has, but a proxy is busy", 503 },
        { "RENAME", false, FAKEHDFS_HIDE, VRV_E_UNKNOWN, 0, "... and has, but the answer is no JSON", 200 },
        { "RENAME", false, FAKEHDFS_REFUSE, VRV_E_BUSY, VRV_E_NOTFOUND, "it is asked to wait", 429 },
    };
    struct rig g;

    open_rig(&g, 100, first_name);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "k/%zu", i);
        fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = cases[i].op, .at_data = cases[i].at_data,
            .deed = cases[i].deed, .code = cases[i].code, .times = times_of(cases[i].op) });
        IS(put(&g, key), cases[i].status, "a write: %s", cases[i].what);
        IS(verify(&g, key), cases[i].there, "... which shows");
        IS(put(&g, key), cases[i].there == 0 ? VRV_E_EXISTS : 0, "... once more");
        IS(verify(&g, key), 0, "... and it is there");
    }
    IS(fakehdfs_left(g.hdfs), 1, "what it left is gone, but for what may yet have got its key");
    close_rig(&g);
}

static void
test_lost_end(void)
{
    static const struct {
        const char *op;
        enum fakehdfs_deed deed;
        unsigned after;
        int status;
    } cases[] = { { "GETFILESTATUS", FAKEHDFS_LOSE, 0, VRV_E_UNREACHABLE },
        { "CONCAT", FAKEHDFS_LOSE, 0, VRV_E_UNREACHABLE }, { "CONCAT", FAKEHDFS_KEEP, 0, VRV_E_UNREACHABLE },
        { "GETFILESTATUS", FAKEHDFS_LOSE, 1, VRV_E_UNREACHABLE }, { "RENAME", FAKEHDFS_LOSE, 0, VRV_E_UNKNOWN },
        { "RENAME", FAKEHDFS_KEEP, 0, VRV_E_UNKNOWN }, { "DELETE", FAKEHDFS_LOSE, 0, 0 } };
    uint8_t *part = vrv_mem_zero(VRV_STORE_PART);
    struct rig g;

    open_rig(&g, 100, first_name);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vrv_store_call c = storesuite_call(&g.suite, VRV_STORE_PART_N, "k/large");
        struct iovec iov = { part, VRV_STORE_PART };
        const char *key = "k/large";

        IS(of_upload(&g, VRV_STORE_BEGIN, NULL, key, 0), 0, "an upload");
        struct vrv_store_upload *u = g.last.upload;
        c.iov = &iov;
        c.iov_n = 1;
        c.size = VRV_STORE_PART;
        c.upload = u;
        IS(run(&g, c), 0, "... a part");
        IS(of_upload(&g, VRV_STORE_PART_N, u, key, 1), 0, "... another one");
        fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = cases[i].op, .deed = cases[i].deed,
            .after = cases[i].after, .times = times_of(cases[i].op) });
        c = storesuite_call(&g.suite, VRV_STORE_END, key);
        c.upload = u;
        c.size = VRV_STORE_PART + SIZE;
        IS(run(&g, c), cases[i].status, "its end: %s is lost (%d)", cases[i].op, (int)cases[i].deed);
        IS(run(&g, c), 0, "... again");
        IS(run(&g, c), 0, "... and again");
        vrv_store_upload_free(g.store, &u);
        c = storesuite_call(&g.suite, VRV_STORE_VERIFY, key);
        c.size = VRV_STORE_PART + SIZE;
        c.crc = vrv_crc32c(vrv_crc32c(0, part, VRV_STORE_PART), bytes, SIZE);
        IS(run(&g, c), 0, "... it is there, whole");
        c = storesuite_call(&g.suite, VRV_STORE_DELETE, NULL);
        c.keys = &key;
        c.max = 1;
        IS(run(&g, c), 0, "... until it is deleted");
    }
    IS(fakehdfs_left(g.hdfs), 0, "nothing is left");
    free(part);
    close_rig(&g);
}

static void
test_lost_upload(void)
{
    struct rig g;

    open_rig(&g, 100, first_name);
    IS(of_upload(&g, VRV_STORE_BEGIN, NULL, "k/u", 0), 0, "an upload");
    struct vrv_store_upload *u = g.last.upload;
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "CREATE", .at_data = true, .deed = FAKEHDFS_HALF,
        .times = 1 });
    IS(of_upload(&g, VRV_STORE_PART_N, u, "k/u", 0), VRV_E_UNREACHABLE, "... half of a part");
    IS(of_upload(&g, VRV_STORE_END, u, "k/u", 0), VRV_E_INVALID, "... is none");
    IS(of_upload(&g, VRV_STORE_PART_N, u, "k/u", 0), 0, "... all of it");
    IS(of_upload(&g, VRV_STORE_ABORT, u, "k/u", 0), 0, "... and all goes");
    IS(of_upload(&g, VRV_STORE_END, u, "k/u", 0), VRV_E_NOTFOUND, "what went can't be ended");
    vrv_store_upload_free(g.store, &u);
    IS(fakehdfs_left(g.hdfs), 0, "nothing is left");
    close_rig(&g);
}

/* ---- reading ---- */

static void
test_checksums(void)
{
    struct rig g;

    open_rig(&g, 100, first_name);
    fakehdfs_combine(g.hdfs, true);
    IS(put(&g, "k/a"), 0, "an object");
    IS_STR(fakehdfs_heard(g.hdfs), "CREATE create GETFILESTATUS GETFILECHECKSUM getfilechecksum RENAME MKDIRS RENAME",
        "gets its name when it is known to be what was sent");
    IS(verify(&g, "k/a"), 0, "where data nodes combine checksums, one is asked for");
    IS_STR(fakehdfs_heard(g.hdfs), "GETFILESTATUS GETFILECHECKSUM getfilechecksum SETTIMES", "... and an edit is "
        "made that comes behind its name");
    struct vrv_store_call c = storesuite_call(&g.suite, VRV_STORE_VERIFY, "k/a");
    c.size = SIZE;
    IS(run(&g, c), VRV_E_CORRUPT, "... and compared");
    fakehdfs_combine(g.hdfs, false);
    IS(verify(&g, "k/a"), 0, "where they don't, it is read");
    (void)fakehdfs_heard(g.hdfs);
    IS(verify(&g, "k/a"), 0, "... and the next one");
    IS_STR(fakehdfs_heard(g.hdfs), "GETFILESTATUS OPEN open SETTIMES", "... without a question");
    IS(run(&g, c), VRV_E_CORRUPT, "... and compared");
    close_rig(&g);
}

static void
test_lost_reads(void)
{
    struct rig g;

    open_rig(&g, 100, first_name);
    IS(put(&g, "k/a"), 0, "an object");
    (void)fakehdfs_heard(g.hdfs);
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "OPEN", .at_data = true, .deed = FAKEHDFS_LOSE,
        .times = 1 });
    IS(get(&g, "k/a"), 0, "a read whose answer is lost");
    IS_STR(fakehdfs_heard(g.hdfs), "OPEN open OPEN open", "... is done by another data node");
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "OPEN", .at_data = true, .deed = FAKEHDFS_LOSE,
        .times = 3 });
    IS(get(&g, "k/a"), VRV_E_UNREACHABLE, "... again and again");
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "OPEN", .at_data = true, .deed = FAKEHDFS_REFUSE,
        .code = 403, .exception = "BlockMissingException", .times = 1 });
    IS(get(&g, "k/a"), VRV_E_IO, "a read of a block that is missing");
    OK(strstr(g.last.err.msg, "BlockMissingException") != NULL, "... %s", g.last.err.msg);
    IS(get(&g, "k/a"), 0, "... of one that is there");
    close_rig(&g);
}

/* ---- time ---- */

static void
test_deadlines(void)
{
    struct rig g;
    struct vrv_store_call c[8];
    uint8_t buf[8][SIZE];
    int answered = 0, good = 0;

    open_rig(&g, 100, first_name);
    IS(put(&g, "k/a"), 0, "an object");
    httpd_read_only(fakehdfs_name(g.hdfs, 0), 0, false);
    for (int i = 0; i < 8; i++) { /* four threads; the calls that wait for them are to be in time as well */
        c[i] = storesuite_call(&g.suite, VRV_STORE_GET, "k/a");
        c[i].lane = VRV_STORE_READ;
        c[i].buf = buf[i];
        c[i].size = SIZE;
        if (i >= 4)
            c[i].deadline_ns = vrv_clock_real()->mono_ns(vrv_clock_real()) + 100LL * MS;
        vrv_store_submit(g.store, &c[i]);
    }
    for (; answered < 4; answered++) {
        const struct vrv_done *d = vrv_cq_take(&g.suite.cq, 60000);
        const struct vrv_store_call *one = VRV_LIST_OF(d, const struct vrv_store_call, done);

        good += one >= &c[4] && one->status == VRV_E_UNREACHABLE;
    }
    IS(good, 4, "while all threads wait, a call that waits for one is answered when its time is over");
    for (int i = 0; i < 4; i++)
        vrv_store_cancel(g.store, &c[i]);
    for (good = 0; answered < 8; answered++) {
        const struct vrv_done *d = vrv_cq_take(&g.suite.cq, 60000);

        good += VRV_LIST_OF(d, const struct vrv_store_call, done)->status == VRV_E_CANCELLED;
    }
    IS(good, 4, "calls that wait for an answer can be cancelled");
    httpd_read_only(fakehdfs_name(g.hdfs, 0), SIZE_MAX, false);
    IS(get(&g, "k/a"), 0, "... and all goes on");
    close_rig(&g);
}

int
main(void)
{
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7);
    test_suite(false);
    test_suite(true);
    test_lists();
    test_ages();
    test_urls();
    test_exceptions();
    test_token();
    test_name_nodes();
    test_data_nodes();
    test_lost_writes();
    test_lost_end();
    test_lost_upload();
    test_checksums();
    test_lost_reads();
    test_deadlines();
    return tap_done();
}
