#include "server/main/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "server/base/kerrors.h"
#include "server/main/assemble.h"
#include "server/stat/prom.h"
#include "server/wire/apis.h"

enum { NS_PER_US = 1000, US_PER_S = 1000000, NS_PER_MS = 1000000 };

/* ---- the process ---- */

static uint64_t
timeval_ns(const struct timeval *t)
{
    return ((uint64_t)t->tv_sec * US_PER_S + (uint64_t)t->tv_usec) * NS_PER_US;
}

/* Entries of a directory of /proc, without "." and "..". */
static uint64_t
count_entries(const char *path)
{
    DIR *d = opendir(path);
    uint64_t n = 0;

    if (d == NULL)
        return 0;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static uint64_t
resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
put_process(struct vrv_prom *p, bool ready, int64_t started_ms)
{
    struct rusage used = { .ru_maxrss = 0 };
    struct rlimit files = { .rlim_cur = 0 };

    (void)getrusage(RUSAGE_SELF, &used);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    vrv_prom_begin(p, VRV_M_build_info);
    vrv_prom_count(p,
        VRV_LABELS(VRV_LABEL("version", varve_version()), VRV_LABEL("compiler", __VERSION__)), 1);
    vrv_prom_one(p, VRV_M_ready, ready);
    vrv_prom_one_seconds(p, VRV_M_start_time, (uint64_t)started_ms * NS_PER_MS);
    vrv_prom_one_seconds(p, VRV_M_cpu_seconds, timeval_ns(&used.ru_utime) + timeval_ns(&used.ru_stime));
    vrv_prom_one(p, VRV_M_resident_bytes, resident_bytes());
    vrv_prom_one(p, VRV_M_open_fds, count_entries("/proc/self/fd") - 1); /* but that itself */
    vrv_prom_one(p, VRV_M_max_fds, files.rlim_cur);
    vrv_prom_one(p, VRV_M_threads, count_entries("/proc/self/task"));
}

static void
put_recovery(struct vrv_prom *p, struct vrv_server *s)
{
    vrv_prom_one_seconds(p, VRV_M_recovery_seconds, (uint64_t)s->recovery_ns);
    vrv_prom_one(p, VRV_M_recovery_clean, s->found.clean);
    vrv_prom_one(p, VRV_M_recovery_batches, s->found.replayed);
    vrv_prom_one(p, VRV_M_recovery_bytes, s->found.replayed_bytes);
}

/* ---- requests ---- */

struct kind {
    const struct vrv_api *api;
    struct vrv_stat_api st;
};

/* Those that were asked for; NULL behind the last. */
static struct kind *
used_kinds(const struct vrv_stat *stat)
{
    struct kind *v = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; vrv_api_at(i) != NULL; i++) {
        VRV_PUSH_ROOM(v, n, cap);
        v[n].api = vrv_api_at(i);
        vrv_stat_api(stat, vrv_api_index(v[n].api), &v[n].st);
        n += v[n].st.all > 0;
    }
    VRV_PUSH_ROOM(v, n, cap);
    v[n].api = NULL;
    return v;
}

#define BY_KIND(k) VRV_LABELS(VRV_LABEL("request", (k)->api->name))

static void
put_versions(struct vrv_prom *p, const struct kind *k)
{
    char version[16];

    for (int v = 0; v < VRV_STAT_VERSIONS; v++) {
        (void)snprintf(version, sizeof(version), "%d", v);
        if (k->st.n[v] > 0)
            vrv_prom_count(p,
                VRV_LABELS(VRV_LABEL("request", k->api->name), VRV_LABEL("version", version)),
                k->st.n[v]);
    }
}

static void
put_errors(struct vrv_prom *p, const struct vrv_stat *stat, const struct kind *k)
{
    for (int16_t code = -1; code + 1 < VRV_STAT_ERRORS; code++) {
        uint64_t n = vrv_stat_errors(stat, vrv_api_index(k->api), code);

        if (n > 0)
            vrv_prom_count(p,
                VRV_LABELS(VRV_LABEL("request", k->api->name),
                    VRV_LABEL("error", vrv_kerror_name(code))),
                n);
    }
}

static void
put_times(struct vrv_prom *p, enum vrv_metric m, const struct kind *all, size_t which)
{
    vrv_prom_begin(p, m);
    for (const struct kind *k = all; k->api != NULL; k++)
        vrv_prom_hist(p, BY_KIND(k),
            (const struct vrv_hist_view *)(const void *)((const char *)&k->st + which));
}

static void
put_requests(struct vrv_prom *p, struct vrv_server *s)
{
    struct kind *all = used_kinds(s->stat);

    vrv_prom_begin(p, VRV_M_requests);
    for (const struct kind *k = all; k->api != NULL; k++)
        put_versions(p, k);
    vrv_prom_begin(p, VRV_M_request_errors);
    for (const struct kind *k = all; k->api != NULL; k++)
        put_errors(p, s->stat, k);
    vrv_prom_begin(p, VRV_M_request_in);
    for (const struct kind *k = all; k->api != NULL; k++)
        vrv_prom_count(p, BY_KIND(k), k->st.bytes_in);
    vrv_prom_begin(p, VRV_M_request_out);
    for (const struct kind *k = all; k->api != NULL; k++)
        vrv_prom_count(p, BY_KIND(k), k->st.bytes_out);
    put_times(p, VRV_M_total_time, all, offsetof(struct vrv_stat_api, total));
    put_times(p, VRV_M_queue_time, all, offsetof(struct vrv_stat_api, queue));
    put_times(p, VRV_M_local_time, all, offsetof(struct vrv_stat_api, local));
    put_times(p, VRV_M_remote_time, all, offsetof(struct vrv_stat_api, wait));
    free(all);
    vrv_prom_one(p, VRV_M_fetch_sessions, vrv_fetch_sessions_count(&s->broker.sessions));
}

/* ---- other rooms ---- */

static void
put_net(struct vrv_prom *p, struct vrv_server *s)
{
    struct vrv_net_stats n;

    vrv_net_stats(s->net, &n);
    vrv_prom_one(p, VRV_M_connections, n.connections);
    vrv_prom_one(p, VRV_M_request_memory, n.request_bytes);
    vrv_prom_one(p, VRV_M_response_memory, n.unsent_bytes);
#define VRV_NET_COUNTER(name, text) vrv_prom_one(p, VRV_M_net_##name, n.name);
#include "server/net/counters.def"
}

static void
put_reactors(struct vrv_prom *p, struct vrv_server *s, int64_t now)
{
    unsigned n = vrv_net_reactors(s->net);
    int64_t all = 0, *idle = vrv_mem_zero(n * sizeof(*idle));
    char number[12];

    for (unsigned i = 0; i < n; i++)
        all += idle[i] = vrv_net_idle_ns(s->net, i);
    vrv_prom_one_seconds(p, VRV_M_net_idle, vrv_idle_share(&s->net_idle, now, all, n));
    vrv_prom_begin(p, VRV_M_net_idle_time);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(number, sizeof(number), "%u", i);
        vrv_prom_seconds(p, VRV_LABELS(VRV_LABEL("thread", number)), (uint64_t)idle[i]);
    }
    free(idle);
}

static void
put_pool(struct vrv_prom *p, struct vrv_server *s, int64_t now)
{
    struct vrv_pool_stats st;

    vrv_pool_stats(s->pool, &st);
    vrv_prom_one_seconds(p, VRV_M_pool_idle, vrv_idle_share(&s->pool_idle, now, st.idle_ns, st.threads));
    vrv_prom_one_seconds(p, VRV_M_pool_idle_time, (uint64_t)st.idle_ns);
    vrv_prom_one(p, VRV_M_pool_threads, st.threads);
    vrv_prom_one(p, VRV_M_pool_waiting, st.waiting);
}

static void
put_threads(struct vrv_prom *p, struct vrv_server *s)
{
    int64_t now = s->broker.clock->mono_ns(s->broker.clock);

    put_reactors(p, s, now);
    put_pool(p, s, now);
}

static void
put_groups(struct vrv_prom *p, struct vrv_server *s)
{
    struct vrv_coord_stats c;

    vrv_coord_stats(s->coord, &c);
    vrv_prom_one(p, VRV_M_groups, c.groups);
    vrv_prom_one(p, VRV_M_groups_empty, c.in_state[VRV_GROUP_EMPTY]);
    vrv_prom_one(p, VRV_M_groups_preparing, c.in_state[VRV_GROUP_PREPARING]);
    vrv_prom_one(p, VRV_M_groups_completing, c.in_state[VRV_GROUP_COMPLETING]);
    vrv_prom_one(p, VRV_M_groups_stable, c.in_state[VRV_GROUP_STABLE]);
    vrv_prom_one(p, VRV_M_groups_offsets, c.offsets);
    vrv_prom_one(p, VRV_M_group_members, c.members);
    vrv_prom_one(p, VRV_M_group_memory, c.memory);
    vrv_prom_begin(p, VRV_M_group_partitions);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("state", "loading")), c.loading);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("state", "serving")), c.serving);
    vrv_prom_count(p, VRV_LABELS(VRV_LABEL("state", "failed")), c.failed);
    vrv_prom_one(p, VRV_M_group_rebalances, c.rebalances);
    vrv_prom_one(p, VRV_M_group_commits, c.commits);
    vrv_prom_one(p, VRV_M_group_forgotten, c.forgotten);
    vrv__metrics_lag(s, p, c.offsets);
}

static void
put_engine(struct vrv_prom *p, struct vrv_server *s)
{
    struct vrv_engine_stats e;

    vrv_engine_stats(s->broker.engine, &e);
    vrv_prom_one(p, VRV_M_engine_stopped, vrv_engine_error(s->broker.engine, NULL) != 0);
    vrv_prom_one(p, VRV_M_logs, e.logs);
    vrv_prom_one(p, VRV_M_wal_groups, e.wal_groups);
    vrv_prom_one(p, VRV_M_wal_syncs, e.wal_syncs);
    vrv_prom_one_hist(p, VRV_M_wal_sync_time, &e.sync_times);
    vrv_prom_one(p, VRV_M_wal_bytes, e.wal_bytes);
    vrv_prom_one(p, VRV_M_wal_used, e.wal_used);
    vrv_prom_one(p, VRV_M_wal_size, e.wal_capacity);
    vrv_prom_one(p, VRV_M_memory_used, e.memory_used);
    vrv_prom_one(p, VRV_M_memory_spare, e.memory_free);
    vrv_prom_one(p, VRV_M_memory_budget, e.memory_budget);
    vrv_prom_one(p, VRV_M_flush_backlog, e.unflushed_bytes);
    vrv_prom_one(p, VRV_M_checkpoints, e.checkpoints);
    vrv_prom_one_hist(p, VRV_M_checkpoint_time, &e.checkpoint_times);
    vrv_prom_one(p, VRV_M_producers, e.producers);
    vrv_prom_one(p, VRV_M_producers_max, e.producers_max);
    vrv_prom_one(p, VRV_M_open_files, e.open_files);
    vrv_prom_one(p, VRV_M_open_files_max, e.open_files_max);
    vrv_prom_one(p, VRV_M_disk_free, e.disk_free);
    vrv_prom_one(p, VRV_M_disk_reserve, e.disk_reserve);
    vrv_prom_one(p, VRV_M_disk_full, e.disk_full);
    vrv_prom_one(p, VRV_M_cold_reads, e.cold_reads);
}

static void
put_throttled(struct vrv_prom *p, const struct vrv_server *s)
{
    struct vrv_hist_view v = { 0 };

    vrv_hist_read(&s->quotas.waits, &v);
    vrv_prom_one_hist(p, VRV_M_cold_throttled, &v);
}

void
vrv_metrics_write(struct vrv_server *s, bool ready, int64_t started_ms, struct vrv_text *out)
{
    struct vrv_prom p;

    vrv_prom_init(&p, out);
    put_process(&p, ready, started_ms);
    if (s == NULL)
        return;
    put_recovery(&p, s);
    vrv__metrics_topics(s, &p);
    vrv_prom_counted(&p, s->stat);
    put_throttled(&p, s);
    put_requests(&p, s);
    put_net(&p, s);
    put_threads(&p, s);
    put_groups(&p, s);
    put_engine(&p, s);
    vrv__metrics_tier(s, &p);
}
