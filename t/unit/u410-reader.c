/* Reading over segments, memory and both; look-ups by time against brute force over random logs. */
#include "engine/reader/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rand.h"
#include "engine/batch/build.h"
#include "engine/engine.h"
#include "engine/tail/fill.h"
#include "t/lib/simclock.h"
#include "t/lib/simdisk.h"
#include "t/lib/tap.h"

enum { RECORDS_MAX = 20000, BATCHES_MAX = 3000 };

struct rec {
    int64_t offset, ts;
};

struct kept {
    int64_t base, last;
    uint8_t *bytes;
    size_t n;
};

static struct simdisk *disk;
static struct simclock sim_clock;
static struct vrv_engine *eng;
static struct vrv_cq cq;
static struct vrv_fill fill;
static struct vrv_rand rnd;
static struct vrv_uuid topic;
static struct rec recs[RECORDS_MAX];
static struct kept kept[BATCHES_MAX];
static size_t rec_n, kept_n;
static struct vrv_batch_builder bb;

static int64_t
below(int64_t n)
{
    return (int64_t)(vrv_rand_next(&rnd) % (uint64_t)n);
}

static void
open_engine(void)
{
    struct vrv_engine_opts o;
    struct vrv_recovery found;
    struct vrv_err e = { 0 };

    vrv_engine_opts_default(&o);
    o.vfs = simdisk_vfs(disk);
    o.clock = &sim_clock.clock;
    o.random = (uint64_t)below(1000000);
    o.wal_files = 2;
    o.wal_file_bytes = 256 * 1024;
    o.wal_fill_first = o.wal_file_bytes;
    o.wal_direct = false;
    o.memory_bytes = 768 * 1024;
    o.flush_bytes = 20000;
    o.open_files_max = 8;
    o.disk_reserve_bytes = 0;
    tap_need(vrv_engine_open(&eng, &o, &found, &e), e.msg);
    while (vrv_engine_prepare_step(eng) > 0)
        ;
}

static void
reopen(void)
{
    struct vrv_err e = { 0 };

    vrv_fill_fini(&fill);
    tap_need(vrv_engine_close(&eng, &e), e.msg);
    open_engine();
}

static struct vrv_log *
get_log(void)
{
    struct vrv_log_id id = { topic, 0 };

    return vrv_engine_log(eng, &id);
}

static void
start(uint64_t seed, const char *stamp)
{
    char segment[] = "30000", interval[] = "500", type[32], k0[] = "segment.bytes",
         k1[] = "index.interval.bytes", k2[] = "message.timestamp.type";
    struct vrv_config_kv kv[] = { { k0, segment }, { k1, interval }, { k2, type } };
    struct vrv_err e = { 0 };

    (void)snprintf(type, sizeof(type), "%s", stamp);
    rnd = (struct vrv_rand){ seed };
    disk = simdisk_new(seed);
    simclock_init(&sim_clock, 1000000);
    (void)vrv_cq_init(&cq, 0);
    open_engine();
    topic = (struct vrv_uuid){ { 0x11, (uint8_t)seed, 2, 3 } };
    tap_need(vrv_engine_create_topic(eng, "t", 1, kv, 3, &topic, &e), e.msg);
    vrv_batch_builder_init(&bb);
}

static void
stop(void)
{
    struct vrv_err e = { 0 };

    vrv_batch_builder_fini(&bb);
    vrv_fill_fini(&fill);
    tap_need(vrv_engine_close(&eng, &e), e.msg);
    simdisk_free(&disk);
    vrv_cq_fini(&cq);
    for (size_t i = 0; i < kept_n; i++)
        free(kept[i].bytes);
    rec_n = kept_n = 0;
}

static void
steps(void)
{
    while (vrv_engine_commit_step(eng))
        ;
    if (below(3) == 0)
        (void)vrv_engine_flush_step(eng);
    if (below(200) == 0)
        vrv_engine_want_checkpoint(eng);
    for (int64_t i = below(10); i > 0; i--) {
        (void)vrv_engine_commit_step(eng);
        (void)vrv_engine_checkpoint_step(eng);
    }
}

/* All in segments, or as it comes. */
static void
settle(bool flushed)
{
    uint64_t before = vrv_engine_checkpoints(eng);

    vrv_engine_want_checkpoint(eng);
    while (flushed && vrv_engine_checkpoints(eng) == before) {
        (void)vrv_engine_commit_step(eng);
        (void)vrv_engine_checkpoint_step(eng);
    }
    while (flushed && vrv_engine_flush_step(eng))
        ;
}

static void
remember(const uint8_t *bytes, size_t n, const int64_t *ts, int count, int64_t base)
{
    struct vrv_batch b;
    struct vrv_err e = { 0 };

    tap_need(vrv_batch_read(&b, bytes, n, &e), e.msg);
    bool stamped = b.attrs & VRV_ATTR_LOG_APPEND_TIME;
    for (int i = 0; i < count; i++)
        recs[rec_n++] = (struct rec){ base + i, stamped ? b.max_ts : ts[i] };
    kept[kept_n] = (struct kept){ base, base + count - 1, vrv_mem_zero(n), n };
    memcpy(kept[kept_n++].bytes, bytes, n);
}

static void
append(int64_t around, int64_t spread)
{
    struct vrv_append a = { .log = get_log(), .leader_epoch = -1 };
    struct vrv_ticket t = { .done = { .cq = &cq } };
    struct vrv_err e = { 0 };
    int64_t ts[8];
    const uint8_t *p;
    uint8_t value[300];
    int rc, count = 1 + (int)below(8);

    for (int i = 0; i < count; i++) {
        ts[i] = around + below(spread);
        int32_t n = (int32_t)below((int64_t)sizeof(value));
        memset(value, (int)below(256), (size_t)n);
        vrv_batch_builder_add(&bb, ts[i], NULL, -1, value, n, NULL, 0);
    }
    tap_need(vrv_batch_builder_finish(&bb, (enum vrv_codec)below(5), &p, &a.n, &e), e.msg);
    while ((a.bytes = vrv_fill_take(&fill, vrv_engine_env(eng)->pool, a.n, false, &a.slab)) == NULL)
        settle(true);
    memcpy(a.bytes, p, a.n);
    while ((rc = vrv_log_append(&a, 1, &t, NULL, &e)) == VRV_E_AGAIN)
        settle(true);
    tap_need(rc, e.msg);
    remember(a.bytes, a.n, ts, count, a.base_offset);
    vrv_slab_unref(a.slab);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_engine_commit_step(eng);
    steps();
    simclock_advance_ms(&sim_clock, below(20));
}

static void
set_start(int64_t offset)
{
    struct vrv_ticket t = { .done = { .cq = &cq } };
    struct vrv_err e = { 0 };

    tap_need(vrv_log_set_start(get_log(), offset, &t, &e), e.msg);
    while (vrv_cq_take(&cq, 0) == NULL)
        (void)vrv_engine_commit_step(eng);
    vrv_engine_tend_step(eng);
}

/* ---- reading everything, in pieces ---- */

/* The bytes of a read, file ranges loaded; how many. */
static size_t
bytes_of(struct vrv_read *r, uint8_t *out, bool *from_file, bool *from_memory)
{
    struct vrv_err e = { 0 };
    size_t n = 0;

    for (uint32_t i = 0; i < r->slice_n; i++) {
        *from_file |= r->slice[i].kind == VRV_SLICE_FILE;
        *from_memory |= r->slice[i].kind == VRV_SLICE_MEMORY;
    }
    tap_need(vrv_read_load(get_log(), r, true, &e), e.msg);
    for (uint32_t i = 0; i < r->slice_n; i++) {
        memcpy(out + n, r->slice[i].bytes, r->slice[i].n);
        n += r->slice[i].n;
    }
    return n;
}

/* Whole batches at p, compared with what was appended from number *at on. */
static int
compare(const uint8_t *p, size_t n, size_t *at, int64_t *next)
{
    struct vrv_batch b;
    int wrong = 0;

    for (; vrv_batch_read(&b, p, n, NULL) == 0; p += b.size, n -= b.size) {
        const struct kept *k = &kept[*at];

        wrong += *at >= kept_n || b.base_offset != k->base || b.size != k->n ||
            memcmp(p, k->bytes, k->n) != 0;
        *next = vrv_batch_last_offset(&b) + 1;
        (*at)++;
    }
    return wrong;
}

/* From each batch on? Only from the start, with pieces of random size. */
static void
check_read(const char *what, bool want_file, bool want_memory)
{
    static uint8_t buf[600000];
    struct vrv_log *log = get_log();
    struct vrv_log_offsets o = vrv_log_offsets(log);
    struct vrv_err e = { 0 };
    bool file = false, memory = false;
    int64_t next = o.start;
    size_t at = 0;
    int wrong = 0, rc = 0;

    while (at < kept_n && kept[at].last < next)
        at++;
    while (next < o.hw && wrong == 0 && rc == 0) {
        struct vrv_read r = { .offset = next, .max_bytes = (size_t)below(50000),
            .whole_first = true };

        rc = vrv_read(log, &r, &e);
        int64_t before = next;
        wrong += compare(buf, bytes_of(&r, buf, &file, &memory), &at, &next);
        wrong += next == before;
        wrong += r.more != (next < o.hw);
        vrv_read_fini(&r);
    }
    IS(rc, 0, "%s: every read succeeds", what);
    OK(wrong == 0 && at == kept_n, "%s: all %zu batches are read as they were appended, and each "
       "read says whether more is there", what, kept_n);
    OK((!want_file || file) && (!want_memory || memory), "%s: from %s%s", what,
        file ? "files " : "", memory ? "memory" : "");
}

/* ---- by time ---- */

static const struct rec *
brute_time(int64_t start, int64_t ts)
{
    for (size_t i = 0; i < rec_n; i++)
        if (recs[i].offset >= start && recs[i].ts >= ts)
            return &recs[i];
    return NULL;
}

static const struct rec *
brute_newest(int64_t start)
{
    const struct rec *best = NULL;

    for (size_t i = 0; i < rec_n; i++)
        if (recs[i].offset >= start && (best == NULL || recs[i].ts > best->ts))
            best = &recs[i];
    return best;
}

static int
differs(int rc, const struct vrv_read_found *at, const struct rec *want)
{
    if (rc < 0)
        return 1;
    return want == NULL ? at->offset != -1
                        : at->offset != want->offset || at->timestamp != want->ts;
}

static void
check_times(const char *what, int64_t low, int64_t high)
{
    struct vrv_log *log = get_log();
    int64_t start_at = vrv_log_offsets(log).start;
    struct vrv_read_found at;
    struct vrv_err e = { 0 };
    int wrong = 0;

    for (int64_t t = low - 10; t < high + 10; t += 1 + (high - low) / 400) {
        int rc = vrv_read_time(log, t, INT64_MAX, &at, &e);
        const struct rec *want = brute_time(start_at, t);

        if (differs(rc, &at, want) && wrong++ == 0)
            tap_note("time %" PRId64 ": %d, offset %" PRId64 " time %" PRId64 ", not %" PRId64, t,
                rc, at.offset, at.timestamp, want != NULL ? want->offset : -1);
    }
    IS(wrong, 0, "%s: first record at or after a time %s", what, e.msg);
    int rc = vrv_read_max_time(log, INT64_MAX, &at, &e);
    OK(differs(rc, &at, brute_newest(start_at)) == 0,
        "%s: the newest record: offset %" PRId64 ", time %" PRId64 " %s", what, at.offset,
        at.timestamp, e.msg);
}

static void
check_all(const char *what, int64_t low, int64_t high, bool file, bool memory)
{
    check_read(what, file, memory);
    check_times(what, low, high);
}

enum shape { ASCENDING, DISORDERED, DESCENDING, EQUAL };

static int64_t
time_of(enum shape shape, int i, int n)
{
    switch (shape) {
    case ASCENDING:
        return 100000 + 10 * i;
    case DISORDERED:
        return 100000 + 10 * i + below(10000);
    case DESCENDING:
        return 100000 + 10 * (n - i);
    default:
        return 100000;
    }
}

static void
test_shape(uint64_t seed, enum shape shape, int n)
{
    static const char *const names[] = { "ascending", "disordered", "descending", "equal" };
    char what[80];
    int64_t low = 100000, high = 110000 + 10 * n;

    start(seed, "CreateTime");
    for (int i = 0; i < n; i++) {
        append(time_of(shape, i, n), shape == EQUAL ? 1 : 15);
        if (i == n / 8) {
            (void)snprintf(what, sizeof(what), "%s, mostly in memory", names[shape]);
            check_all(what, low, high, false, true);
        }
    }
    (void)snprintf(what, sizeof(what), "%s, memory and segments", names[shape]);
    check_all(what, low, high, n > 1000, true);
    settle(true);
    (void)snprintf(what, sizeof(what), "%s, all in segments", names[shape]);
    check_all(what, low, high, false, false);
    for (int part = 1; part < 8; part++) {
        set_start(recs[rec_n - 1].offset * part / 8 + below(5));
        (void)snprintf(what, sizeof(what), "%s, start at %d/8", names[shape], part);
        check_all(what, low, high, false, false);
    }
    reopen();
    (void)snprintf(what, sizeof(what), "%s, after a restart", names[shape]);
    check_all(what, low, high, false, false);
    set_start(-1);
    struct vrv_read_found at;
    struct vrv_err e = { 0 };
    IS(vrv_read_max_time(get_log(), INT64_MAX, &at, &e), 0, "%s, emptied", names[shape]);
    IS(at.offset, -1, "nothing is the newest");
    IS(vrv_read_time(get_log(), 0, INT64_MAX, &at, &e), 0, "nor at any time");
    IS(at.offset, -1, "is there anything");
    stop();
}

static void
test_append_time(void)
{
    start(77, "LogAppendTime");
    for (int i = 0; i < 400; i++)
        append(below(1000000), 100);
    check_all("LogAppendTime", 1000000, 1000000 + 400 * 20, false, true);
    settle(true);
    check_all("LogAppendTime, in segments", 1000000, 1000000 + 400 * 20, false, false);
    stop();
}

static void
test_empty(void)
{
    struct vrv_err e = { 0 };
    struct vrv_read_found at;

    start(78, "CreateTime");
    IS(vrv_read_time(get_log(), 0, INT64_MAX, &at, &e), 0, "an empty log can be asked");
    OK(at.offset == -1 && at.timestamp == -1, "and has nothing");
    struct vrv_read r = { .offset = 0, .max_bytes = 1000 };
    IS(vrv_read(get_log(), &r, &e), 0, "a read at its end finds nothing");
    IS(r.slice_n, 0, "no slice");
    r.offset = 1;
    IS(vrv_read(get_log(), &r, &e), VRV_E_RANGE, "behind the end: RANGE");
    vrv_read_fini(&r);
    append(5, 1);
    IS(vrv_read_max_time(get_log(), INT64_MAX, &at, &e), 0, "one record");
    OK(at.offset >= 0 && at.timestamp == 5, "is the newest");
    vrv_log_retire(get_log());
    IS(vrv_read_time(get_log(), 0, INT64_MAX, &at, &e), VRV_E_NOTFOUND, "a deleted one: NOTFOUND");
    stop();
}

/* A limit of bytes, with Kafka's rule for the first batch. */
static void
test_limits(void)
{
    struct vrv_err e = { 0 };

    start(79, "CreateTime");
    for (int i = 0; i < 20; i++)
        append(5, 1);
    for (int round = 0; round < 2; round++) {
        struct vrv_read r = { .offset = 0, .max_bytes = 1 };

        IS(vrv_read(get_log(), &r, &e), 0, "a first batch that is too large");
        IS(r.bytes, 0, "doesn't come");
        vrv_read_fini(&r);
        r.whole_first = true;
        IS(vrv_read(get_log(), &r, &e), 0, "unless it is asked for whole");
        IS(r.bytes, kept[0].n, "then it alone comes");
        vrv_read_fini(&r);
        r.offset = kept[3].last;
        IS(vrv_read(get_log(), &r, &e), 0, "an offset within a batch");
        IS(r.bytes, kept[3].n, "gives the batch");
        vrv_read_fini(&r);
        reopen();
    }
    stop();
}

/* An index that is gone, or damaged, is not missed. */
static int
damage_indexes(void *ctx, const char *name, bool is_dir)
{
    char path[300];
    const char *dir = ctx;

    (void)is_dir;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (strstr(name, ".index") == NULL)
        return 0;
    if (below(2))
        return vrv_vfs_unlink(simdisk_vfs(disk), path, NULL);
    (void)simdisk_corrupt(disk, path, (uint64_t)below(64 + 24), 0x10);
    return 0;
}

static void
test_damaged_indexes(void)
{
    char dir[VRV_PATH_MAX];
    struct vrv_err e = { 0 };
    int64_t at;

    start(80, "CreateTime");
    for (int i = 0; i < 500; i++)
        append(100000 + i * 10, 15);
    settle(true);
    struct vrv_log_id id = { topic, 0 };
    vrv_log_dir(&id, dir);
    vrv_fill_fini(&fill);
    tap_need(vrv_engine_close(&eng, &e), e.msg);
    tap_need(vrv_vfs_list(simdisk_vfs(disk), dir, damage_indexes, dir, &e), e.msg);
    open_engine();
    check_all("indexes damaged or gone", 100000, 106000, false, false);
    for (int i = 0; i < 200; i++)
        append(105000 + i * 10, 15);
    settle(true);
    IS(vrv_engine_error(eng, &e), 0, "and the log goes on: %s", e.msg);
    at = recs[0].offset;
    check_all("then", 100000, 108000, false, false);
    IS(at, 0, "from its start");
    stop();
}

int
main(void)
{
    test_empty();
    test_limits();
    test_shape(1, ASCENDING, 2900);
    for (uint64_t seed = 2; seed < 5; seed++)
        test_shape(seed, DISORDERED, 600);
    test_shape(6, DESCENDING, 400);
    test_shape(7, EQUAL, 300);
    test_append_time();
    test_damaged_indexes();
    return tap_done();
}
