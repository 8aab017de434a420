/* Counting, from any number of threads, and how Prometheus gets to see it. */
#include "server/stat/stat.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/list.h"
#include "engine/os/idle.h"
#include "server/base/pool.h"
#include "server/stat/prom.h"
#include "t/lib/tap.h"

/* ---- the list ---- */

static bool
is_name(const char *s)
{
    return s[0] >= 'a' && s[0] <= 'z' &&
        strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n > k && strcmp(s + n - k, end) == 0;
}

static void
test_list(void)
{
    bool names = true, helps = true, once = true, types = true;

    for (enum vrv_metric m = 0; m < VRV_METRICS; m++) {
        const struct vrv_metric_info *i = vrv_metric_info(m);

        names &= is_name(i->name);
        /* nothing in it is to be escaped */
        helps &= strlen(i->help) > 3 && strpbrk(i->help, "\\\n\"") == NULL;
        types &= (i->type == VRV_COUNTER) == ends_with(i->name, "_total");
        types &= i->type != VRV_HISTOGRAM || ends_with(i->name, "_seconds");
        for (enum vrv_metric k = 0; k < m; k++)
            once &= strcmp(vrv_metric_info(k)->name, i->name) != 0;
    }
    OK(names, "all metrics have names as Prometheus wants them");
    OK(once, "no two the same");
    OK(helps, "and a sentence");
    OK(types, "counters end in _total, and only they; histograms in _seconds");
}

/* ---- counting ---- */

static void
test_counting(void)
{
    struct vrv_stat *s = vrv_stat_new();
    struct vrv_stat_answered a = { .api = 1, .version = 12, .bytes_in = 100, .bytes_out = 1000,
        .queue_ns = 1000, .wait_ns = 500000000, .local_ns = 30000 };
    struct vrv_stat_api v;

    vrv_stat_count(s, VRV_C_read_memory, 5);
    vrv_stat_count(s, VRV_C_read_memory, 6);
    vrv_stat_count(s, VRV_C_fetch_waiting, 1);
    vrv_stat_count(s, VRV_C_fetch_waiting, (uint64_t)-1);
    IS(vrv_stat_counted(s, VRV_C_read_memory), 11, "what is counted adds up");
    IS(vrv_stat_counted(s, VRV_C_fetch_waiting), 0, "what goes up and down, too");
    vrv_stat_answered(s, &a);
    a.version = 200;
    vrv_stat_answered(s, &a);
    vrv_stat_api(s, 1, &v);
    OK(v.all == 2 && v.n[12] == 1 && v.n[VRV_STAT_VERSIONS - 1] == 1,
        "requests are counted by version, the highest with all above");
    OK(v.bytes_in == 200 && v.bytes_out == 2000, "and their bytes");
    IS(v.total.sum_ns, 2 * 500031000, "the whole time is the sum of its parts");
    OK(v.queue.n[0] == 2 && v.wait.n[0] == 0 && v.local.sum_ns == 60000, "which are apart");
    vrv_stat_api(s, 0, &v);
    IS(v.all, 0, "another kind of request has none");
    vrv_stat_error(s, 0, 3);
    vrv_stat_error(s, 0, 3);
    vrv_stat_error(s, 0, -1);
    vrv_stat_error(s, 0, 0);
    OK(vrv_stat_errors(s, 0, 3) == 2 && vrv_stat_errors(s, 0, -1) == 1, "errors are counted");
    IS(vrv_stat_errors(s, 0, 0), 0, "no error is none");
    vrv_stat_free(&s);
    vrv_stat_count(NULL, VRV_C_read_memory, 5);
    vrv_stat_answered(NULL, &a);
    vrv_stat_error(NULL, 0, 3);
    OK(s == NULL, "without a place to count nothing is counted");
}

enum { THREADS = 80, EACH = 3000 };

static void *
count_some(void *ctx)
{
    struct vrv_stat_answered a = { .api = 0, .version = 3, .bytes_in = 2 };

    for (int i = 0; i < EACH; i++) {
        vrv_stat_count(ctx, VRV_C_read_file, 3);
        vrv_stat_answered(ctx, &a);
        vrv_stat_error(ctx, 0, i % 2 == 0 ? 1 : 0);
    }
    return NULL;
}

static void
test_threads(void)
{
    struct vrv_stat *s = vrv_stat_new();
    struct vrv_stat_api v;
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        (void)pthread_create(&t[i], NULL, count_some, s);
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(t[i], NULL);
    vrv_stat_api(s, 0, &v);
    IS(vrv_stat_counted(s, VRV_C_read_file), 3 * THREADS * EACH, "more threads than shards lose none");
    IS(v.all, THREADS * EACH, "of the requests");
    IS(v.bytes_in, 2 * THREADS * EACH, "and their bytes");
    IS(vrv_stat_errors(s, 0, 1), THREADS * EACH / 2, "and of the errors");
    vrv_stat_free(&s);
}

/* ---- idle threads ---- */

static int64_t now_ns = 1000;

static int64_t
read_clock(struct vrv_clock *c)
{
    (void)c;
    return now_ns;
}

static struct vrv_clock by_hand = { .mono_ns = read_clock };

static void
test_idle(void)
{
    struct vrv_idle i = { 0 };

    IS(vrv_idle_ns(&i, &by_hand), 0, "a thread that never waited was never idle");
    vrv_idle_begin(&i, now_ns);
    now_ns += 300;
    IS(vrv_idle_ns(&i, &by_hand), 300, "one that waits is idle before it goes on");
    vrv_idle_end(&i, now_ns);
    now_ns += 70;
    IS(vrv_idle_ns(&i, &by_hand), 300, "but not when it does");
    vrv_idle_begin(&i, now_ns);
    now_ns += 5;
    vrv_idle_end(&i, now_ns);
    IS(vrv_idle_ns(&i, &by_hand), 305, "all its times add up");
}

static void
test_idle_share(void)
{
    const int64_t s = VRV_IDLE_WINDOW_NS, begun = 7;
    struct vrv_idle_window w;

    vrv_idle_window_init(&w, begun);
    IS(vrv_idle_share(&w, begun, 0, 2), VRV_IDLE_WHOLE, "no time has passed in work");
    IS(vrv_idle_share(&w, begun + s / 2, s / 2, 2), VRV_IDLE_WHOLE / 2, "one of two was idle");
    IS(vrv_idle_share(&w, begun + s, s / 2, 2), VRV_IDLE_WHOLE / 4, "none in the second half");
    IS(vrv_idle_share(&w, begun + 2 * s, s / 2, 2), 0, "what lies longer back does not count");
    IS(vrv_idle_share(&w, begun + 2 * s, s / 2, 2), 0, "however often one asks");
    IS(vrv_idle_share(&w, begun + 3 * s, 9 * s, 2), VRV_IDLE_WHOLE, "there is no more than all");
}

struct held_job {
    struct vrv_job job;
    struct vrv_done begun;
    struct vrv_cq *release;
};

static void
be_held(struct vrv_job *job)
{
    struct held_job *h = VRV_LIST_OF(job, struct held_job, job);

    vrv_cq_post(h->begun.cq, &h->begun, &h->begun);
    (void)vrv_cq_take(h->release, -1);
}

/* One thread: a job holds it, another one waits. */
static void
test_pool(void)
{
    struct vrv_cq done, begun, release;
    struct vrv_done go[2] = { { .cq = &release }, { .cq = &release } };
    struct vrv_pool_stats before, held, st;
    struct held_job job[2];
    struct vrv_pool *pool;
    struct vrv_err e = { 0 };

    (void)vrv_cq_init(&done, 0);
    (void)vrv_cq_init(&begun, 0);
    (void)vrv_cq_init(&release, 0);
    if (!OK(vrv_pool_start(&pool, "pool", 1, &e) == 0, "a pool %s", e.msg))
        return;
    do
        vrv_pool_stats(pool, &before);
    while (before.idle_ns == 0);
    OK(before.threads == 1 && before.waiting == 0, "its thread is idle");
    for (int i = 0; i < 2; i++) {
        job[i] = (struct held_job){ { .done.cq = &done, .work = be_held }, { .cq = &begun },
            &release };
        vrv_pool_give(pool, &job[i].job);
    }
    (void)vrv_cq_take(&begun, -1);
    vrv_pool_stats(pool, &held);
    IS(held.waiting, 1, "one job waits while another one is worked on");
    vrv_pool_stats(pool, &st);
    OK(st.idle_ns == held.idle_ns && held.idle_ns >= before.idle_ns,
        "so long the thread is not idle");
    vrv_cq_post(&release, &go[0], &go[0]);
    (void)vrv_cq_take(&done, -1);
    vrv_cq_post(&release, &go[1], &go[1]);
    (void)vrv_cq_take(&done, -1);
    do
        vrv_pool_stats(pool, &st);
    while (st.idle_ns == held.idle_ns);
    IS(st.waiting, 0, "then it is again");
    vrv_pool_stop(&pool);
    vrv_cq_fini(&done);
    vrv_cq_fini(&begun);
    vrv_cq_fini(&release);
}

/* ---- the format ---- */

static struct vrv_text text;
static struct vrv_prom prom;

static void
begin(enum vrv_metric m)
{
    vrv_text_fini(&text);
    vrv_prom_init(&prom, &text);
    vrv_prom_begin(&prom, m);
    text.n = 0; /* the head is looked at once */
}

static void
test_lines(void)
{
    vrv_text_fini(&text);
    vrv_prom_init(&prom, &text);
    vrv_prom_one(&prom, VRV_M_logs, 3);
    IS_STR(text.p,
        "# HELP varve_logs Logs of partitions that are open.\n# TYPE varve_logs gauge\n"
        "varve_logs 3\n",
        "a family has its sentence, its type, its line");
    begin(VRV_M_lag);
    vrv_prom_number(&prom, VRV_LABELS(VRV_LABEL("consumergroup", "g"), VRV_LABEL("topic", "t")), -5);
    IS_STR(text.p, "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\"} -5\n", "labels");
    begin(VRV_M_logs);
    vrv_prom_count(&prom, NULL, UINT64_MAX);
    IS_STR(text.p, "varve_logs 18446744073709551615\n", "large numbers are exact");
    begin(VRV_M_start_time);
    vrv_prom_seconds(&prom, NULL, UINT64_C(1700000000123000000));
    vrv_prom_seconds(&prom, NULL, 0);
    vrv_prom_seconds(&prom, NULL, 1);
    vrv_prom_seconds(&prom, NULL, UINT64_C(10000000000));
    IS_STR(text.p,
        "process_start_time_seconds 1700000000.123\nprocess_start_time_seconds 0\n"
        "process_start_time_seconds 0.000000001\nprocess_start_time_seconds 10\n",
        "so are times");
}

static void
shows(const char *raw, size_t n, const char *as, const char *what)
{
    char want[300];

    begin(VRV_M_log_size);
    vrv_prom_count(&prom, VRV_LABELS(VRV_LABEL_BYTES("topic", raw, n)), 1);
    (void)snprintf(want, sizeof(want), "kafka_log_log_size{topic=\"%s\"} 1\n", as);
    IS_STR(text.p, want, "a label with %s", what);
}

static void
test_escapes(void)
{
    shows("a\\b\"c\nd", 7, "a\\\\b\\\"c\\nd", "what the format uses itself");
    shows("", 0, "", "nothing");
    shows("\r\t\x01{}=,#", 8, "\r\t\x01{}=,#", "what only looks as if it did");
    shows("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10, "h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "UTF-8");
#define BAD "\xef\xbf\xbd"
    shows("a\xff" "b", 3, "a" BAD "b", "a byte that is none");
    shows("\xc3", 1, BAD, "a character that ends too early");
    shows("\xc0\xaf", 2, BAD BAD, "one that is too long for what it says");
    shows("\xe0\x80\x80", 3, BAD BAD BAD, "another such");
    shows("\xed\xa0\x80", 3, BAD BAD BAD, "half of a pair");
    shows("\xf4\x90\x80\x80", 4, BAD BAD BAD BAD, "one beyond Unicode");
}

static void
test_hist(void)
{
    struct vrv_hist_view v = { .sum_ns = 1500030000 };
    unsigned lines = 0;

    v.n[0] = 2;
    v.n[2] = 1;
    v.n[VRV_HIST_BOUNDS] = 4;
    begin(VRV_M_total_time);
    vrv_prom_hist(&prom, VRV_LABELS(VRV_LABEL("request", "Fetch")), &v);
    for (const char *p = text.p; *p != '\0'; p++)
        lines += *p == '\n';
#define T "kafka_network_requestmetrics_totaltime_seconds"
    IS(lines, VRV_HIST_BUCKETS + 2, "a histogram has a line per bucket, the sum, the number");
    OK(strstr(text.p, T "_bucket{request=\"Fetch\",le=\"0.00001\"} 2\n" T
                        "_bucket{request=\"Fetch\",le=\"0.00002\"} 2\n" T
                        "_bucket{request=\"Fetch\",le=\"0.00004\"} 3\n") == text.p,
        "each bucket counts those below it, too");
    OK(strstr(text.p, "le=\"100\"} 3\n" T "_bucket{request=\"Fetch\",le=\"+Inf\"} 7\n" T
                      "_sum{request=\"Fetch\"} 1.50003\n" T "_count{request=\"Fetch\"} 7\n") != NULL,
        "the last one all");
    begin(VRV_M_wal_sync_time);
    vrv_prom_hist(&prom, NULL, &v);
    OK(strstr(text.p, "varve_wal_sync_seconds_bucket{le=\"0.00001\"} 2\n") == text.p &&
            strstr(text.p, "\nvarve_wal_sync_seconds_count 7\n") != NULL,
        "one without labels");
}

static void
test_counted(void)
{
    struct vrv_stat *s = vrv_stat_new();

    vrv_text_fini(&text);
    vrv_prom_init(&prom, &text);
    vrv_stat_count(s, VRV_C_read_file, 9);
    vrv_prom_counted(&prom, s);
    OK(strstr(text.p, "# TYPE varve_fetch_bytes_total counter\n"
                      "varve_fetch_bytes_total{source=\"memory\"} 0\n"
                      "varve_fetch_bytes_total{source=\"file\"} 9\n") != NULL,
        "what handlers count has its labels, and families stay together");
    vrv_stat_free(&s);
}

int
main(void)
{
    test_list();
    test_counting();
    test_threads();
    test_idle();
    test_idle_share();
    test_pool();
    test_lines();
    test_escapes();
    test_hist();
    test_counted();
    vrv_text_fini(&text);
    return tap_done();
}
