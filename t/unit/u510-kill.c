/* kill -9 in a loop on a real process and a real disk: what was acknowledged is there, in order,
 * and nothing else is. VARVE_KILLS chooses how many. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/rand.h"
#include "engine/varve.h"
#include "t/lib/tap.h"

enum { PARTS = 4, WRITERS = 2 };

/* Shared with the processes that get killed. */
struct shared {
    _Atomic int64_t acked[PARTS];  /* records acknowledged */
    _Atomic int failed;
    char message[256];
};

static struct shared *sh;

static const struct varve_config config[] = { { "segment.bytes", "200000" } };

static int
open_all(struct varve **v, const char *dir, struct varve_log **log, struct varve_error *e)
{
    struct varve_options o;

    varve_options_init(&o);
    o.wal_bytes = 4 << 20;
    o.memory_bytes = 16 << 20;
    o.checkpoint_ms = 20;
    o.disk_reserve_bytes = 0;
    int rc = varve_open(v, dir, &o, NULL, e);
    if (rc == 0)
        rc = varve_topic_create(*v, "t", PARTS, config, 1, e);
    for (int p = 0; p < PARTS && (rc == 0 || rc == VARVE_E_EXISTS); p++) {
        log[p] = varve_partition(*v, "t", p, e);
        rc = log[p] != NULL ? 0 : VARVE_E_NOTFOUND;
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

static void *
writer(void *ctx)
{
    struct varve_log **log = ctx;
    static _Atomic int who;
    int me = atomic_fetch_add(&who, 1);
    struct varve_error e = { 0 };
    char value[4][1024];
    struct varve_record r[4];

    for (uint64_t turn = 0;; turn++) {
        int p = (int)((turn * WRITERS + (uint64_t)me) % PARTS);
        int64_t n = next_of(log[p]);
        size_t count = 1 + turn % 4;

        for (size_t i = 0; i < count; i++)
            r[i] = (struct varve_record){ .timestamp = -1, .value = value[i],
                .value_len = make_value(value[i], p, n + (int64_t)i) };
        int rc = varve_append(log[p], r, count, NULL, &e);
        if (rc < 0) {
            (void)memcpy(sh->message, e.message, sizeof(e.message));
            atomic_store(&sh->failed, 1);
            _exit(1);
        }
        atomic_store(&sh->acked[p], n + (int64_t)count);
    }
    return NULL;
}

static void
child(const char *dir)
{
    struct varve_error e = { 0 };
    struct varve_log *log[PARTS];
    struct varve *v;
    pthread_t t[WRITERS];

    if (open_all(&v, dir, log, &e) < 0) {
        (void)memcpy(sh->message, e.message, sizeof(e.message));
        atomic_store(&sh->failed, 1);
        _exit(1);
    }
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&t[i], NULL, writer, log) != 0)
            _exit(1);
    for (;;)
        (void)pause();
}

/* Each partition holds records 0 to n-1, n >= what was acknowledged.  How many were wrong. */
static int
verify(const char *dir)
{
    struct varve_error e = { 0 };
    struct varve_log *log[PARTS];
    struct varve *v;
    char want[1024];
    int bad = 0;

    if (open_all(&v, dir, log, &e) < 0) {
        tap_note("open: %s", e.message);
        return 1;
    }
    for (int p = 0; p < PARTS; p++) {
        struct varve_cursor *c;
        struct varve_record r;
        int64_t n = 0;
        int rc = varve_cursor_open(&c, log[p], 0, &e);

        while (rc >= 0 && (rc = varve_cursor_next(c, &r, 0, &e)) > 0) {
            bad += r.offset != n || r.value_len != make_value(want, p, n) ||
                memcmp(r.value, want, r.value_len) != 0;
            n++;
        }
        if (rc < 0)
            tap_note("partition %d at %" PRId64 ": %s", p, n, e.message);
        if (n < atomic_load(&sh->acked[p]))
            tap_note("partition %d: %" PRId64 " acknowledged, %" PRId64 " there", p,
                atomic_load(&sh->acked[p]), n);
        bad += rc < 0 || n < atomic_load(&sh->acked[p]);
        atomic_store(&sh->acked[p], n);
        varve_cursor_close(&c);
    }
    if (varve_close(&v, &e) < 0)
        tap_note("close: %s", e.message);
    return bad;
}

int
main(void)
{
    const char *env = getenv("VARVE_KILLS");
    int kills = env != NULL ? atoi(env) : getenv("VARVE_LONG") != NULL ? 5000 : 200;
    const char *dir = tap_dir();
    struct vrv_rand rand = { (uint64_t)getpid() };
    int bad = 0, checked = 0;

    sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < kills && bad == 0; i++) {
        pid_t pid = fork();

        if (pid == 0)
            child(dir);
        (void)usleep((useconds_t)(2000 + vrv_rand_below(&rand, 60000)));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        if (atomic_load(&sh->failed)) {
            tap_note("the process failed: %s", sh->message);
            bad++;
        }
        if (i % 10 == 9 || i + 1 == kills) {
            bad += verify(dir);
            checked++;
        }
    }
    IS(bad, 0, "%d kills: all that was acknowledged is there, and nothing else", kills);
    int64_t total = 0;
    for (int p = 0; p < PARTS; p++)
        total += atomic_load(&sh->acked[p]);
    OK(total > kills, "%" PRId64 " records were appended meanwhile, checked %d times", total,
        checked);
    return tap_done();
}
