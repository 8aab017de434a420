/* The main job, shown: append, tail, seal, kill -9, recover, read back. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/varve.h"

enum { VALUE = 1000, PER_BATCH = 100 };

static void
must(int rc, const char *what, const struct varve_error *e)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "demo: %s: %s\n", what, e->message);
    exit(1);
}

static double
now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct varve_log *
open_log(struct varve **v, const char *dir, struct varve_found *found)
{
    const struct varve_config small = { "segment.bytes", "16777216" };
    struct varve_error e = { 0 };

    must(varve_open(v, dir, NULL, found, &e), "open", &e);
    int rc = varve_topic_create(*v, "demo", 1, &small, 1, &e);
    must(rc == VARVE_E_EXISTS ? 0 : rc, "create topic", &e);
    struct varve_log *log = varve_partition(*v, "demo", 0, &e);
    must(log != NULL ? 0 : -1, "partition", &e);
    return log;
}

/* Each record says which one it is. */
static void
fill(char *value, int64_t number)
{
    memset(value, 'a' + (int)(number % 26), VALUE);
    (void)snprintf(value, VALUE, "record %" PRId64, number);
}

/* Append until somebody kills us; *acked counts what we were promised. */
static void
append_for_ever(const char *dir, _Atomic int64_t *acked)
{
    static char values[PER_BATCH][VALUE];
    struct varve_record r[PER_BATCH];
    struct varve_error e = { 0 };
    struct varve *v;
    struct varve_log *log = open_log(&v, dir, NULL);

    for (;;) {
        int64_t offset;

        for (int i = 0; i < PER_BATCH; i++) {
            fill(values[i], *acked + i);
            r[i] = (struct varve_record){ .timestamp = -1, .value = values[i],
                .value_len = VALUE };
        }
        must(varve_append(log, r, PER_BATCH, &offset, &e), "append", &e);
        *acked += PER_BATCH;
    }
}

static int64_t
read_back(struct varve_log *log)
{
    struct varve_error e = { 0 };
    struct varve_cursor *c;
    struct varve_record r;
    char want[VALUE];
    int64_t n = 0;
    int rc;

    must(varve_cursor_open(&c, log, 0, &e), "cursor", &e);
    while ((rc = varve_cursor_next(c, &r, 0, &e)) > 0) {
        fill(want, n);
        if (r.offset != n || r.value_len != VALUE || memcmp(r.value, want, VALUE) != 0) {
            (void)fprintf(stderr, "demo: record %" PRId64 " is not what was appended\n", n);
            exit(1);
        }
        n++;
    }
    must(rc, "read", &e);
    varve_cursor_close(&c);
    return n;
}

int
main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "varve-demo";
    struct varve_found found;
    struct varve_error e = { 0 };
    struct varve *v;
    _Atomic int64_t *acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)printf("1. append: a process appends batches of %d records of %d bytes, each synced\n",
        PER_BATCH, VALUE);
    double t = now();
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        append_for_ever(dir, acked);
    while (now() - t < 2 && waitpid(pid, NULL, WNOHANG) == 0)
        (void)usleep(10000);
    (void)printf("   %" PRId64 " records acknowledged in 2 s\n", *acked);

    (void)printf("2. kill -9\n");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    int64_t promised = *acked;

    t = now();
    struct varve_log *log = open_log(&v, dir, &found);
    (void)printf("3. recover: %.0f ms, %" PRIu64 " batches (%.1f MB) from the write-ahead log\n",
        (now() - t) * 1000, found.replayed, (double)found.replayed_bytes / 1e6);

    t = now();
    int64_t n = read_back(log);
    double s = now() - t;
    (void)printf("4. read back: %" PRId64 " records, %.0f MB/s, every one as it was appended\n", n,
        (double)n * VALUE / 1e6 / (s > 0 ? s : 1));
    if (n < promised) {
        (void)fprintf(stderr, "demo: %" PRId64 " were acknowledged, %" PRId64 " are there\n",
            promised, n);
        return 1;
    }

    struct varve_cursor *c;
    struct varve_record r, tail = { .timestamp = -1, .value = "after the crash", .value_len = 15 };
    must(varve_cursor_open(&c, log, n, &e), "cursor", &e);
    must(varve_append(log, &tail, 1, NULL, &e), "append", &e);
    must(varve_cursor_next(c, &r, 1000, &e), "tail", &e);
    (void)printf("5. tail: offset %" PRId64 " \"%.*s\"\n", r.offset, (int)r.value_len,
        (const char *)r.value);
    varve_cursor_close(&c);

    varve_roll(log);
    must(varve_close(&v, &e), "close", &e);
    (void)printf("6. seal and close: the segments are sealed, the next start replays nothing\n");
    return 0;
}
