/* Everything at once, through the public face: writers, readers that tail and that catch up,
 * deletions, truncation, topics that come, change and go, hundreds of partitions, a WAL so small
 * that checkpoints never stop.  For the thread sanitizer. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/batch/build.h"
#include "engine/varve.h"
#include "engine/varve_int.h"
#include "t/lib/tap.h"

enum { PARTS = 3, RECORDS = 3000, ASYNC_IN_FLIGHT = 32, WIDE = 300, PATIENCE_S = 120 };

struct world {
    struct varve *v;
    struct varve_log *log[PARTS];
    _Atomic bool done;
    _Atomic int bad;
};

static void
wrong(struct world *w, const char *what, const struct varve_error *e)
{
    if (atomic_fetch_add(&w->bad, 1) < 5)
        tap_note("%s: %s", what, e != NULL ? e->message : "");
}

struct job {
    struct world *w;
    int part;
};

static void
value_of(char *out, size_t n, int part, int64_t i)
{
    (void)snprintf(out, n, "%d/%" PRId64, part, i);
}

/* Blocking appends, one to three records each. */
static void *
write_records(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };
    char text[3][32];
    struct varve_record r[3];

    for (int64_t n = 0; n < RECORDS;) {
        int count = 1 + (int)(n % 3);
        int64_t offset;

        for (int i = 0; i < count; i++) {
            value_of(text[i], sizeof(text[i]), j->part, n + i);
            r[i] = (struct varve_record){ .timestamp = -1, .value = text[i],
                .value_len = strlen(text[i]) };
        }
        if (varve_append(j->w->log[j->part], r, (size_t)count, &offset, &e) < 0 || offset != n) {
            wrong(j->w, "append", &e);
            break;
        }
        n += count;
    }
    return NULL;
}

/* Asynchronous ones, many in flight; completions come in order. */
static void *
write_async(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };
    struct varve_queue *q = NULL;
    struct varve_completion c;
    int64_t sent = 0, got = 0;

    if (varve_queue_open(&q, &e) < 0) {
        wrong(j->w, "queue", &e);
        return NULL;
    }
    while (got < RECORDS && atomic_load(&j->w->bad) == 0) {
        while (sent < RECORDS && sent - got < ASYNC_IN_FLIGHT) {
            struct vrv_batch_builder b;
            const uint8_t *p;
            char text[32];
            size_t n;

            value_of(text, sizeof(text), j->part, sent);
            vrv_batch_builder_init(&b);
            vrv_batch_builder_add(
                &b, (int64_t)time(NULL) * 1000, NULL, -1, text, (int32_t)strlen(text), NULL, 0);
            int rc = vrv_batch_builder_finish(&b, VRV_CODEC_NONE, &p, &n, NULL);
            if (rc == 0)
                rc = varve_append_async(j->w->log[j->part], p, n, q, (void *)(uintptr_t)sent, &e);
            vrv_batch_builder_fini(&b);
            if (rc == VARVE_E_AGAIN)
                break;
            if (rc < 0)
                wrong(j->w, "async append", &e);
            sent++;
        }
        if (!varve_queue_take(q, &c, 50))
            continue;
        if (c.status != 0 || c.offset != got || (int64_t)(uintptr_t)c.tag != got)
            wrong(j->w, "completion out of order", NULL);
        got++;
    }
    varve_queue_close(&q);
    return NULL;
}

/* Follows a partition from its beginning to its end: every record, once, in order. */
static void *
tail_records(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };
    struct varve_cursor *c = NULL;
    struct varve_record r;
    char want[32];
    int64_t n = 0;

    if (varve_cursor_open(&c, j->w->log[j->part], 0, &e) < 0)
        wrong(j->w, "cursor", &e);
    while (n < RECORDS && atomic_load(&j->w->bad) == 0) {
        int rc = varve_cursor_next(c, &r, 20, &e);
        if (rc < 0) {
            wrong(j->w, "tail", &e);
        } else if (rc > 0) {
            value_of(want, sizeof(want), j->part, n);
            if (r.offset != n || r.value_len != strlen(want) ||
                memcmp(r.value, want, r.value_len) != 0)
                wrong(j->w, "a record is not what was appended", NULL);
            n++;
        }
    }
    varve_cursor_close(&c);
    return NULL;
}

/* Reads what is there from some place on, again and again. */
static void *
catch_up(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };

    for (int64_t from = 0; !atomic_load(&j->w->done); from += 37) {
        struct varve_cursor *c = NULL;
        struct varve_offsets o;
        const void *bytes;
        size_t n;

        varve_offsets_get(j->w->log[j->part], &o);
        int rc = varve_cursor_open(&c, j->w->log[j->part], from % (o.next + 1), &e);
        while (rc >= 0 && (rc = varve_cursor_batches(c, 5000, &bytes, &n, 0, &e)) > 0)
            ;
        if (rc < 0)
            wrong(j->w, "catch up", &e);
        varve_cursor_close(&c);
    }
    return NULL;
}

/* One record to each of so many partitions that a checkpoint syncs them while it writes. */
static void *
write_wide(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };

    for (int64_t n = 0; !atomic_load(&j->w->done); n++) {
        for (int p = 0; p < WIDE; p++) {
            const struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
            struct varve_log *log = varve_partition(j->w->v, "wide", p, &e);
            int64_t offset = -1;

            if (log == NULL || varve_append(log, &r, 1, &offset, &e) < 0 || offset != n)
                wrong(j->w, "append to one of many", &e);
        }
    }
    return NULL;
}

/* Cut back, and go on from there: offsets follow what is left, whatever reads meanwhile. */
static void *
truncate_often(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };
    struct varve_log *log = varve_partition(j->w->v, "cut", 0, &e);
    int64_t end = 0;

    for (int i = 0; log != NULL && !atomic_load(&j->w->done); i++) {
        for (int k = 0; k < 20; k++, end++) {
            const struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
            int64_t offset = -1;

            if (varve_append(log, &r, 1, &offset, &e) < 0 || offset != end)
                wrong(j->w, "append to what was cut", &e);
        }
        end -= i % 20;
        int rc;
        while ((rc = vrv_engine_truncate(j->w->v->engine, &log->log->id, end, vrv__err(&e))) ==
                VRV_E_AGAIN &&
            !atomic_load(&j->w->done))
            ;
        if (rc != 0 && rc != VRV_E_AGAIN)
            wrong(j->w, "truncate", &e);
    }
    return NULL;
}

/* What is read may have been cut since; it is a record of the log, or there is none any more. */
static void *
read_cut(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };
    struct varve_log *log = varve_partition(j->w->v, "cut", 0, &e);

    while (log != NULL && !atomic_load(&j->w->done)) {
        struct varve_cursor *c = NULL;
        struct varve_record r;
        struct varve_offsets o;

        varve_offsets_get(log, &o);
        int64_t from = o.next > 30 ? o.next - 30 : 0;
        int rc = varve_cursor_open(&c, log, from, &e);
        for (int64_t n = from; rc == 0 && (rc = varve_cursor_next(c, &r, 0, &e)) > 0; n++) {
            if (r.offset != n || r.value_len != 1 || memcmp(r.value, "x", 1) != 0)
                wrong(j->w, "a record of a log that is cut", NULL);
            rc = 0;
        }
        if (rc < 0 && rc != VARVE_E_RANGE)
            wrong(j->w, "read what is cut", &e);
        varve_cursor_close(&c);
    }
    return NULL;
}

/* Topics that come, get records, and go. */
static void *
churn(void *ctx)
{
    struct job *j = ctx;
    struct varve_error e = { 0 };

    for (int i = 0; !atomic_load(&j->w->done); i++) {
        const struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
        char name[32];

        (void)snprintf(name, sizeof(name), "churn-%d", i);
        int rc = varve_topic_create(j->w->v, name, 2, NULL, 0, &e);
        struct varve_log *log = rc == 0 ? varve_partition(j->w->v, name, 1, &e) : NULL;
        for (int k = 0; k < 5 && log != NULL && rc == 0; k++)
            rc = varve_append(log, &r, 1, NULL, &e);
        if (log != NULL)
            varve_roll(log);
        if (rc == 0)
            rc = varve_delete_records(log, 3, &e);
        if (rc == 0)
            rc = varve_topic_delete(j->w->v, name, &e);
        if (rc < 0)
            wrong(j->w, name, &e);
    }
    return NULL;
}

/* The topic that all write to and read from changes its settings all the time. */
static void *
alter_settings(void *ctx)
{
    static const char *const policies[] = { "sync", "none", "interval", NULL };
    struct job *j = ctx;
    struct varve_error e = { 0 };

    for (int i = 0; !atomic_load(&j->w->done); i++) {
        char bytes[16];
        const struct varve_config c[] = { { "segment.bytes", bytes },
            { "flush.policy", policies[i % 4] }, { "index.interval.bytes", i % 2 ? "100" : NULL } };

        (void)snprintf(bytes, sizeof(bytes), "%d", 10000 + i % 7 * 5000);
        if (varve_topic_alter(j->w->v, "t", c, 3, &e) < 0)
            wrong(j->w, "alter", &e);
    }
    return NULL;
}

/* Several want the same name: each call does its work whole, or says what was in the way. */
static void *
contend(void *ctx)
{
    static const struct varve_config big[] = { { "segment.bytes", "50000" } };
    struct job *j = ctx;
    struct varve_error e = { 0 };

    for (int i = 0; !atomic_load(&j->w->done); i++) {
        const struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
        struct varve_log *log = varve_partition(j->w->v, "contested", i % 4, NULL);
        int rc = log != NULL ? varve_append(log, &r, 1, NULL, &e) : 0;

        if (rc < 0 && rc != VARVE_E_NOTFOUND)
            wrong(j->w, "append to a contested topic", &e);
        switch ((i + j->part) % 4) {
        case 0:
            rc = varve_topic_create(j->w->v, "contested", 2, NULL, 0, &e);
            break;
        case 1:
            rc = varve_topic_grow(j->w->v, "contested", 4, &e);
            break;
        case 2:
            rc = varve_topic_alter(j->w->v, "contested", big, 1, &e);
            break;
        default:
            rc = varve_topic_delete(j->w->v, "contested", &e);
            break;
        }
        if (rc < 0 && rc != VARVE_E_EXISTS && rc != VARVE_E_NOTFOUND && rc != VARVE_E_INVALID)
            wrong(j->w, "a call for a contested topic", &e);
    }
    return NULL;
}

static int
find_contested(void *ctx, const char *name, int32_t partitions)
{
    if (strcmp(name, "contested") == 0)
        *(int32_t *)ctx = partitions;
    return 0;
}

/* It has the partitions that the catalog says, or it is gone. */
static void
check_contested(struct varve *v)
{
    const struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
    int32_t want = 0, got = 0;

    (void)varve_topic_each(v, find_contested, &want);
    for (int32_t p = 0; p < 4; p++) {
        struct varve_log *log = varve_partition(v, "contested", p, NULL);

        got += log != NULL && varve_append(log, &r, 1, NULL, NULL) == 0;
    }
    IS(got, want, "the contested topic has the partitions that it should");
}

static int
add_own(void *ctx, const struct varve_setting *s)
{
    char *text = ctx;
    size_t n = strlen(text);

    if (s->own)
        (void)snprintf(text + n, 200 - n, "%s=%s, not %s (%d) ", s->key, s->value, s->dflt,
            (int)s->type);
    return 0;
}

/* The last alteration holds, as a user sees it. */
static void
check_settings(struct varve *v)
{
    const struct varve_config c[] = { { "segment.bytes", "7000" }, { "index.interval.bytes", NULL },
        { "flush.policy", "none" } };
    struct varve_error e = { 0 };
    char text[200] = "";

    OK(varve_topic_alter(v, "t", c, 3, &e) == 0 &&
           varve_topic_describe(v, "t", add_own, text, &e) == 0, "altered and described");
    IS_STR(text, "flush.policy=none, not sync (2) segment.bytes=7000, not 1073741824 (3) ",
        "as it should be");
    IS(varve_topic_grow(v, "t", PARTS, &e), VARVE_E_INVALID, "not grown: %s", e.message);
}

static void
run_all(struct world *w)
{
    static void *(*const writers[PARTS])(void *) = { write_records, write_async, write_async };
    pthread_t t[6 * PARTS];
    struct job j[PARTS];
    int n = 0, first_done;

    for (int p = 0; p < PARTS; p++)
        j[p] = (struct job){ w, p };
    for (int p = 0; p < PARTS; p++) {
        (void)pthread_create(&t[n++], NULL, writers[p], &j[p]);
        (void)pthread_create(&t[n++], NULL, tail_records, &j[p]);
    }
    first_done = n;
    (void)pthread_create(&t[n++], NULL, catch_up, &j[0]);
    (void)pthread_create(&t[n++], NULL, catch_up, &j[1]);
    (void)pthread_create(&t[n++], NULL, churn, &j[0]);
    (void)pthread_create(&t[n++], NULL, alter_settings, &j[0]);
    (void)pthread_create(&t[n++], NULL, contend, &j[0]);
    (void)pthread_create(&t[n++], NULL, contend, &j[1]);
    (void)pthread_create(&t[n++], NULL, write_wide, &j[0]);
    (void)pthread_create(&t[n++], NULL, truncate_often, &j[0]);
    (void)pthread_create(&t[n++], NULL, read_cut, &j[0]);
    for (int i = 0; i < first_done; i++)
        (void)pthread_join(t[i], NULL);
    atomic_store(&w->done, true);
    for (int i = first_done; i < n; i++)
        (void)pthread_join(t[i], NULL);
}

/* All of it once, in a directory of its own. */
static void
round_of(const char *scratch, int number)
{
    static struct world w;
    const struct varve_config config[] = { { "segment.bytes", "20000" } };
    struct varve_error e = { 0 };
    struct varve_options o;
    struct varve_found found;
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/%d", scratch, number);
    atomic_store(&w.done, false);
    varve_options_init(&o);
    o.wal_bytes = 4 << 20;
    o.memory_bytes = 8 << 20;
    o.checkpoint_ms = 5;
    o.disk_reserve_bytes = 0;
    o.open_files = 4;
    OK(varve_open(&w.v, dir, &o, NULL, &e) == 0, "round %d: open", number);
    OK(varve_topic_create(w.v, "t", PARTS, config, 1, &e) == 0, "create a topic");
    OK(varve_topic_create(w.v, "wide", WIDE, NULL, 0, &e) == 0, "one of many partitions");
    OK(varve_topic_create(w.v, "cut", 1, config, 1, &e) == 0, "and one to be cut");
    for (int p = 0; p < PARTS; p++)
        w.log[p] = varve_partition(w.v, "t", p, &e);
    run_all(&w);
    IS(atomic_load(&w.bad), 0, "writers, readers and churn got what they should");
    check_contested(w.v);
    check_settings(w.v);
    OK(varve_close(&w.v, &e) == 0, "close");
    OK(varve_open(&w.v, dir, &o, &found, &e) == 0, "open again");
    check_contested(w.v);
    OK(found.clean && found.replayed == 0, "the stop was clean, nothing was replayed");
    for (int p = 0; p < PARTS; p++) {
        struct varve_offsets off;

        varve_offsets_get(varve_partition(w.v, "t", p, &e), &off);
        IS(off.next, RECORDS, "partition %d has all its records", p);
    }
    OK(varve_close(&w.v, &e) == 0, "close");
}

/* ---- the filling of the WAL ---- */

static bool
limit_files(rlim_t bytes)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_FSIZE, &r) < 0)
        return false;
    r.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &r) == 0;
}

/* Wait until the i-th file of the WAL has so many bytes. */
static bool
has_size(const char *dir, int i, off_t size)
{
    const struct timespec moment = { 0, 10000000 };
    char path[600];
    struct stat st = { .st_size = 0 };

    (void)snprintf(path, sizeof(path), "%s/wal/%06d.wal", dir, i);
    for (int n = 0; n < PATIENCE_S * 100 && stat(path, &st) == 0 && st.st_size != size; n++)
        (void)nanosleep(&moment, NULL);
    return st.st_size == size;
}

/* There is no room when the WAL is filled; later there is. */
static void
test_filling(void)
{
    struct varve *v = NULL;
    struct varve_error e = { 0 };
    struct varve_options o;
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/filling", tap_dir());
    (void)signal(SIGXFSZ, SIG_IGN);
    varve_options_init(&o);
    o.wal_bytes = 32 << 20;
    o.memory_bytes = 32 << 20;
    OK(limit_files(13 << 19), "files may not be larger than 6.5 MiB");
    OK(varve_open(&v, dir, &o, NULL, &e) == 0, "the WAL is to be four of 8 MiB (%s)", e.message);
    OK(has_size(dir, 1, 13 << 19), "the first one was filled as far as it could be");
    OK(limit_files(RLIM_INFINITY), "now they may be larger");
    OK(has_size(dir, 1, 8 << 20) && has_size(dir, 4, 8 << 20), "and they are filled");
    OK(varve_close(&v, &e) == 0, "close");
}

/* ---- memory that is all in use ---- */

static void
test_memory_in_use(void)
{
    enum { SLABS = 64 };
    struct vrv_slab *taken[SLABS] = { NULL };
    struct varve *v = NULL;
    struct varve_cursor *c = NULL;
    struct varve_error e = { 0 };
    struct varve_options o;
    struct varve_record r = { .timestamp = -1, .value = "x", .value_len = 1 };
    char dir[512];
    int rc = 0, n = 0;

    (void)snprintf(dir, sizeof(dir), "%s/memory", tap_dir());
    varve_options_init(&o);
    o.wal_bytes = 4 << 20;
    o.memory_bytes = 4 << 20;
    OK(varve_open(&v, dir, &o, NULL, &e) == 0 && varve_topic_create(v, "t", 1, NULL, 0, &e) == 0,
        "a log (%s)", e.message);
    for (int i = 0; i < 10 && rc == 0; i++)
        rc = varve_append(varve_partition(v, "t", 0, &e), &r, 1, NULL, &e);
    OK(rc == 0 && varve_close(&v, &e) == 0 && varve_open(&v, dir, &o, NULL, &e) == 0,
        "its records are in a segment (%s)", e.message);
    struct vrv_slab_pool *pool = vrv_engine_env(v->engine)->pool;
    while (n < SLABS && (taken[n] = vrv_slab_get(pool, 1)) != NULL)
        n++;
    OK(n < SLABS, "all memory for records is in use");
    rc = varve_cursor_open(&c, varve_partition(v, "t", 0, &e), 0, &e);
    for (n = 0; rc >= 0 && (rc = varve_cursor_next(c, &r, 0, &e)) > 0; n++)
        ;
    IS(n, 10, "a cursor reads them, batch by batch (%s)", e.message);
    varve_cursor_close(&c);
    for (n = 0; n < SLABS; n++)
        vrv_slab_unref(taken[n]);
    OK(varve_close(&v, &e) == 0, "close");
}

int
main(void)
{
    int rounds = getenv("VARVE_LONG") != NULL ? 200 : 5;

    const char *scratch = tap_dir();

    for (int i = 0; i < rounds; i++)
        round_of(scratch, i);
    test_filling();
    test_memory_in_use();
    return tap_done();
}
