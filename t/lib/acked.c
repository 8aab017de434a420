#include "t/lib/acked.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/rand.h"
#include "engine/varve.h"
#include "t/lib/tap.h"

enum { PARTS = ACKED_PARTS, WRITERS = 2, BATCH_MOST = 4 };

static const struct varve_config config[] = { { "segment.bytes", "200000" } };

struct writer {
    struct acked *acked;
    struct varve_log **log;
    int me;
    uint64_t turns;
};

struct acked *
acked_new(void)
{
    void *p = mmap(NULL, sizeof(struct acked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
        -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    return p;
}

void
acked_clear(struct acked *a)
{
    for (int p = 0; p < PARTS; p++)
        atomic_store(&a->records[p], 0);
}

int64_t
acked_total(const struct acked *a)
{
    int64_t total = 0;

    for (int p = 0; p < PARTS; p++)
        total += atomic_load(&a->records[p]);
    return total;
}

static int
open_all(struct varve **v, const char *dir, bool buffered, struct varve_log **log,
    struct varve_error *e)
{
    struct varve_options o;

    varve_options_init(&o);
    o.wal_bytes = ACKED_WAL_BYTES;
    o.memory_bytes = 16 << 20;
    o.checkpoint_ms = 20;
    o.disk_reserve_bytes = 0;
    o.buffered_wal = buffered;
    int rc = varve_open(v, dir, &o, NULL, e);
    if (rc < 0)
        return rc;
    rc = varve_topic_create(*v, "t", PARTS, config, 1, e);
    if (rc == VARVE_E_EXISTS)
        rc = 0;
    for (int p = 0; p < PARTS && rc == 0; p++) {
        log[p] = varve_partition(*v, "t", p, e);
        rc = log[p] != NULL ? 0 : e->code;
    }
    return rc;
}

/* The bytes of record n of partition p: anybody can tell whether they are right. */
static size_t
make_value(char *out, int p, int64_t n)
{
    struct vrv_rand r = { (uint64_t)n * 31 + (uint64_t)p };
    size_t len = 20 + vrv_rand_below(&r, 600);

    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + (int)((uint64_t)n + i * 7) % 26);
    (void)snprintf(out, 20, "%d:%" PRId64, p, n);
    return len;
}

static int64_t
next_of(struct varve_log *log)
{
    struct varve_offsets o;

    varve_offsets_get(log, &o);
    return o.next;
}

static void
note_failure(struct acked *a, const struct varve_error *e)
{
    int none = 0;

    if (atomic_compare_exchange_strong(&a->code, &none, e->code))
        (void)memcpy(a->message, e->message, sizeof(e->message));
}

/* Each partition has one writer, so that it knows the number of its next record. */
static void *
writer(void *ctx)
{
    struct writer *w = ctx;
    struct varve_error e = { 0 };
    char value[BATCH_MOST][1024];
    struct varve_record r[BATCH_MOST];

    for (uint64_t turn = 0; turn < w->turns && atomic_load(&w->acked->code) == 0; turn++) {
        int p = (int)((turn * WRITERS + (uint64_t)w->me) % PARTS);
        int64_t n = next_of(w->log[p]);
        size_t count = 1 + turn % BATCH_MOST;

        for (size_t i = 0; i < count; i++)
            r[i] = (struct varve_record){ .timestamp = -1, .value = value[i],
                .value_len = make_value(value[i], p, n + (int64_t)i) };
        if (varve_append(w->log[p], r, count, NULL, &e) < 0)
            note_failure(w->acked, &e);
        else
            atomic_store(&w->acked->records[p], n + (int64_t)count);
    }
    return NULL;
}

static void
run_writers(struct acked *a, struct varve_log **log, uint64_t turns)
{
    struct writer w[WRITERS];
    pthread_t t[WRITERS];

    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){ a, log, i, turns };
        if (pthread_create(&t[i], NULL, writer, &w[i]) != 0)
            abort();
    }
    for (int i = 0; i < WRITERS; i++)
        (void)pthread_join(t[i], NULL);
}

void
acked_append(struct acked *a, const char *dir, bool buffered, uint64_t turns)
{
    struct varve_error e = { 0 };
    struct varve_log *log[PARTS];
    struct varve *v;

    atomic_store(&a->code, 0);
    a->message[0] = '\0';
    bool opened = open_all(&v, dir, buffered, log, &e) == 0;
    atomic_store(&a->opened, opened);
    if (opened)
        run_writers(a, log, turns);
    else
        note_failure(a, &e);
    if (varve_close(&v, &e) < 0)
        note_failure(a, &e);
}

static int
verify_part(struct acked *a, struct varve_log *log, int p)
{
    int64_t acked = atomic_load(&a->records[p]), n = 0;
    struct varve_error e = { 0 };
    struct varve_cursor *c = NULL;
    struct varve_record r;
    char want[1024];
    int bad = 0;
    int rc = varve_cursor_open(&c, log, 0, &e);

    while (rc >= 0 && (rc = varve_cursor_next(c, &r, 0, &e)) > 0) {
        bad += r.offset != n || r.value_len != make_value(want, p, n) ||
            memcmp(r.value, want, r.value_len) != 0;
        n++;
    }
    if (rc < 0)
        tap_note("partition %d at %" PRId64 ": %s", p, n, e.message);
    if (n < acked)
        tap_note("partition %d: %" PRId64 " acknowledged, %" PRId64 " there", p, acked, n);
    atomic_store(&a->records[p], n);
    varve_cursor_close(&c);
    return bad + (rc < 0 || n < acked);
}

int
acked_verify(struct acked *a, const char *dir)
{
    struct varve_error e = { 0 };
    struct varve_log *log[PARTS];
    struct varve *v;
    int bad = 0;

    if (open_all(&v, dir, false, log, &e) < 0) {
        tap_note("open: %s", e.message);
        bad++;
    }
    for (int p = 0; p < PARTS && bad == 0; p++)
        bad += verify_part(a, log[p], p);
    if (varve_close(&v, &e) < 0) {
        tap_note("close: %s", e.message);
        bad++;
    }
    return bad;
}
