/* The library with a cold tier: records leave this disk and are read as before, also after a stop; what
 * is wrong with the store is said; a store serves one data directory. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/varve.h"
#include "t/lib/tap.h"

enum { RECORDS = 300, PATIENCE_S = 120 };

static char data[256], other[256], url[300];
static const struct varve_config cold[] = {
    { "remote.storage.enable", "true" }, { "local.retention.ms", "0" },
};

static _Atomic bool is_foreign;

static void
told_foreign(void *ctx, const char *message)
{
    (void)ctx;
    tap_note("%s", message);
    atomic_store(&is_foreign, true);
}

static void
moment(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static struct varve *
opened(const char *dir)
{
    const struct varve_tier_options t = { .url = url, .foreign = told_foreign };
    struct varve_options o;
    struct varve_error e = { 0 };
    struct varve *v;

    varve_options_init(&o);
    o.wal_bytes = 4 << 20;
    int rc = varve_open_tiered(&v, dir, &o, &t, NULL, &e);
    IS(rc, 0, "a data directory with a cold tier %s", rc < 0 ? e.message : "");
    return v;
}

static void
append(struct varve_log *log, int from, int n)
{
    struct varve_error e = { 0 };
    char text[32];
    int64_t offset;
    int rc = 0;

    for (int i = from; i < from + n && rc == 0; i++) {
        struct varve_record r = { .timestamp = -1, .value = text };

        r.value_len = (size_t)snprintf(text, sizeof(text), "record %d", i);
        rc = varve_append(log, &r, 1, &offset, &e);
        rc = rc == 0 && offset != i ? -1000 : rc;
    }
    IS(rc, 0, "%d records %s", n, rc < 0 ? e.message : "");
}

/* What is there leaves this disk, unless that is not to be. */
static bool
leaves(struct varve_log *log, int64_t end)
{
    struct varve_offsets o;

    varve_roll(log);
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        varve_offsets_get(log, &o);
        if (o.local == end)
            return true;
        moment();
    }
    return false;
}

/* All of them, as they were. */
static void
reads(struct varve_log *log, int64_t end, const char *what)
{
    struct varve_error e = { 0 };
    struct varve_cursor *c;
    struct varve_record r;
    char text[32];
    int64_t n = 0;
    int rc = varve_cursor_open(&c, log, 0, &e);

    for (; rc == 0 && n < end; n++) {
        int len = snprintf(text, sizeof(text), "record %" PRId64, n);

        rc = varve_cursor_next(c, &r, -1, &e);
        if (rc != 1 || r.offset != n || r.value_len != (size_t)len || memcmp(r.value, text, (size_t)len) != 0)
            break;
        rc = 0;
    }
    IS(n, end, "%s %s", what, n < end ? e.message : "");
    varve_cursor_close(&c);
}

static void
test_moves(void)
{
    struct varve_error e = { 0 };
    struct varve *v = opened(data);
    struct varve_offsets o;

    IS(varve_topic_create(v, "t", 1, cold, 2, &e), 0, "a topic that asks for it");
    struct varve_log *log = varve_partition(v, "t", 0, &e);
    append(log, 0, RECORDS);
    varve_offsets_get(log, &o);
    OK(o.start == 0 && o.local == 0, "first they are here");
    OK(leaves(log, RECORDS), "then they leave this disk");
    reads(log, RECORDS, "and are read from the store");
    append(log, RECORDS, 10);
    reads(log, RECORDS + 10, "... and on to what is still here");
    IS(varve_close(&v, &e), 0, "an orderly stop");

    v = opened(data);
    log = varve_partition(v, "t", 0, &e);
    varve_offsets_get(log, &o);
    OK(o.start == 0 && o.local == RECORDS && o.next == RECORDS + 10, "it is as it was");
    reads(log, RECORDS + 10, "... with all records");
    IS(varve_topic_create(v, "hot", 1, NULL, 0, &e), 0, "a topic that doesn't ask");
    struct varve_log *hot = varve_partition(v, "hot", 0, &e);
    append(hot, 0, 20);
    varve_roll(hot);
    append(hot, 20, 1);
    OK(leaves(log, RECORDS + 10), "the other one goes on");
    varve_offsets_get(hot, &o);
    IS(o.local, 0, "... and this one stays");
    reads(hot, 21, "... and is read here");
    IS(varve_close(&v, &e), 0, "an orderly stop");
}

static void
test_foreign(void)
{
    struct varve_error e = { 0 };
    struct varve *v = opened(other);
    struct varve_offsets o;

    IS(varve_topic_create(v, "t", 1, cold, 2, &e), 0, "another data directory on the same store");
    struct varve_log *log = varve_partition(v, "t", 0, &e);
    append(log, 0, 50);
    varve_roll(log);
    for (int i = 0; i < PATIENCE_S * 100 && !atomic_load(&is_foreign); i++)
        moment();
    OK(atomic_load(&is_foreign), "... is told that it has its own");
    varve_offsets_get(log, &o);
    IS(o.local, 0, "... and keeps its records");
    reads(log, 50, "... which are served");
    IS(varve_close(&v, &e), 0, "an orderly stop");
}

static void
test_bad(void)
{
    struct varve_tier_options t = { .url = "ftp://x" };
    struct varve_error e = { 0 };
    struct varve *v;

    IS(varve_open_tiered(&v, other, NULL, &t, NULL, &e), VARVE_E_INVALID, "no such kind of store: %s", e.message);
    OK(v == NULL && strstr(e.message, "expected file://") != NULL, "... is told with those there are");
    t.url = NULL;
    IS(varve_open_tiered(&v, other, NULL, &t, NULL, &e), VARVE_E_INVALID, "none: %s", e.message);
    t.url = "file:///dev/null/x";
    IS(varve_open_tiered(&v, other, NULL, &t, NULL, NULL), VARVE_E_IO, "a place where no directory can be");
    t.url = url;
    IS(varve_open_tiered(&v, "/dev/null/x", NULL, &t, NULL, &e), VARVE_E_IO, "the same for data: %s", e.message);
}

int
main(void)
{
    const char *dir = tap_dir();

    (void)snprintf(data, sizeof(data), "%s/data", dir);
    (void)snprintf(other, sizeof(other), "%s/other", dir);
    (void)snprintf(url, sizeof(url), "file://%s/cold", dir);
    test_moves();
    test_foreign();
    test_bad();
    return tap_done();
}
