/* The HDFS store over TLS: name nodes, and the data nodes that they redirect to, are trusted by the same file, and who
 * isn't, or has none, is sent nothing. */
#include <stdio.h>
#include <string.h>

#include "engine/base/crc32c.h"
#include "t/lib/fakehdfs.h"
#include "t/lib/storesuite.h"
#include "t/lib/tap.h"
#include "t/lib/testcert.h"
#include "tiering/store/hdfs.h"

enum { STALL_MS = 60000, DAYS = 7, PATH = 512 };

static char good[PATH], other[PATH], named[PATH];
static char ca_file[PATH]; /* trusts good and named */

struct rig {
    struct fakehdfs *hdfs;
    struct vrv_store *store;
    struct storesuite suite;
    struct vrv_store_call last;
};

static void
make(char path[PATH], const char *dir, const char *name, const char *alt)
{
    testcert_make(dir, name, alt, DAYS);
    (void)snprintf(path, PATH, "%s/%s", dir, name);
}

static void
trust(FILE *ca, const char *cert)
{
    char path[PATH + 8];
    int c;

    (void)snprintf(path, sizeof(path), "%s.crt", cert);
    FILE *f = fopen(path, "re");
    tap_need(f != NULL ? 0 : -1, path);
    while ((c = getc(f)) != EOF)
        (void)putc(c, ca);
    (void)fclose(f);
}

static void
make_ca_file(const char *dir)
{
    (void)snprintf(ca_file, sizeof(ca_file), "%s/ca", dir);
    FILE *ca = fopen(ca_file, "we");
    tap_need(ca != NULL ? 0 : -1, ca_file);
    trust(ca, good);
    trust(ca, named);
    (void)fclose(ca);
}

/* NULL: a node without TLS. */
static void
open_rig(struct rig *g, const char *names_cert, const char *data_cert)
{
    struct vrv_store_hdfs_opts o = { .random = 436, .user = "joe",
        .http = { .clock = vrv_clock_real(), .thread = true, .at_once = { 4, 4, 4 }, .connect_ms = STALL_MS,
        .stall_ms = STALL_MS, .text_max = VRV_STORE_HDFS_TEXT, .proxy = "", .ca_file = ca_file } };
    struct vrv_err e = { 0 };

    memset(g, 0, sizeof(*g));
    g->hdfs = fakehdfs_new_tls(100, names_cert, data_cert);
    tap_need(vrv_cq_init(&g->suite.cq, 0), "no queue");
    o.url = fakehdfs_url_of(g->hdfs, 0);
    tap_need(vrv_store_hdfs(&g->store, &o, &e), e.msg);
    g->suite.store = g->store;
}

static void
close_rig(struct rig *g)
{
    vrv_store_close(&g->store);
    fakehdfs_free(&g->hdfs);
    vrv_cq_fini(&g->suite.cq);
}

/* What they say is in g->last. */
static int
put(struct rig *g)
{
    static char bytes[] = "hello";
    static struct iovec iov = { bytes, 5 };

    g->last = storesuite_call(&g->suite, VRV_STORE_PUT, "k/a");
    g->last.iov = &iov;
    g->last.iov_n = 1;
    g->last.size = 5;
    g->last.crc = vrv_crc32c(0, bytes, 5);
    return storesuite_do(&g->suite, &g->last);
}

static int
get(struct rig *g)
{
    static uint8_t buf[8];

    g->last = storesuite_call(&g->suite, VRV_STORE_GET, "k/a");
    g->last.buf = buf;
    g->last.size = 5;
    int rc = storesuite_do(&g->suite, &g->last);
    return rc == 0 && memcmp(buf, "hello", 5) != 0 ? VRV_E_CORRUPT : rc;
}

static bool
says(const struct rig *g, const char *what)
{
    return strstr(g->last.err.msg, what) != NULL;
}

static void
test_good(void)
{
    struct rig g;

    open_rig(&g, good, good);
    IS(put(&g), 0, "an object goes to a data node over TLS");
    IS(get(&g), 0, "... and comes from there");
    close_rig(&g);
    open_rig(&g, NULL, good);
    IS(put(&g), 0, "also where name nodes have none");
    close_rig(&g);
}

static void
test_names(void)
{
    struct rig g;

    open_rig(&g, other, other);
    IS(put(&g), VRV_E_DENIED, "a name node that isn't trusted");
    OK(says(&g, "tier.store.ca.file must have the authority"), "... %s", g.last.err.msg);
    IS_STR(fakehdfs_heard(g.hdfs), "", "... hears nothing");
    close_rig(&g);
}

/* What data nodes hear is in small letters. */
static bool
has_data_heard(const struct rig *g)
{
    return strpbrk(fakehdfs_heard(g->hdfs), "abcdefghijklmnopqrstuvwxyz") != NULL;
}

static void
test_data(void)
{
    struct rig g;

    open_rig(&g, good, other);
    IS(put(&g), VRV_E_DENIED, "a data node that isn't trusted");
    OK(says(&g, "tier.store.ca.file must have the authority"), "... %s", g.last.err.msg);
    OK(!has_data_heard(&g), "... hears nothing");
    fakehdfs_fail(g.hdfs, (struct fakehdfs_fault){ .op = "CREATE", .deed = FAKEHDFS_REFUSE, .code = 403,
        .exception = "IOException", .after = 2, .times = 1 });
    IS(put(&g), VRV_E_DENIED, "that there is no other one isn't what is said");
    close_rig(&g);
    open_rig(&g, good, named);
    IS(put(&g), VRV_E_DENIED, "nor is one trusted whose certificate has another name");
    OK(says(&g, "dfs.datanode.hostname"), "... %s", g.last.err.msg);
    OK(!has_data_heard(&g), "... it hears nothing");
    close_rig(&g);
}

static void
test_clear(void)
{
    struct rig g;

    open_rig(&g, good, NULL);
    IS(put(&g), VRV_E_DENIED, "a data node without TLS, for who asked a name node over it");
    OK(says(&g, "without TLS; set dfs.http.policy=HTTPS_ONLY"), "... %s", g.last.err.msg);
    OK(!has_data_heard(&g), "... hears nothing");
    close_rig(&g);
}

int
main(void)
{
    const char *dir = tap_dir();

    make(good, dir, "good", "IP:127.0.0.1");
    make(other, dir, "other", "IP:127.0.0.1");
    make(named, dir, "named", "DNS:elsewhere.example");
    make_ca_file(dir);
    test_good();
    test_names();
    test_data();
    test_clear();
    return tap_done();
}
