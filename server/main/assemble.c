#include "server/main/assemble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/os/vfs.h"
#include "engine/varve_int.h"
#include "server/base/diag.h"
#include "server/base/random.h"
#include "server/main/admin.h"
#include "server/main/descriptors.h"
#include "server/main/listener_text.h"
#include "server/main/serve.h"
#include "server/stat/stat.h"

enum { LOOKUPS = 16 }; /* in the cold tier, at the same time */

/* ---- the engine ---- */

static void
set_options(struct varve_options *o, const struct vrv_config *c)
{
    varve_options_init(o);
    o->memory_bytes = (size_t)c->memory_bytes;
    o->wal_bytes = (size_t)c->wal_bytes;
    o->open_files =
        c->open_files_max > 0 ? (unsigned)c->open_files_max : vrv_descriptors_files();
    o->checkpoint_ms = c->checkpoint_interval_ms;
    o->disk_reserve_bytes = (uint64_t)c->disk_reserve_bytes;
    o->producer_expiry_ms = c->producer_id_expiration_ms;
    o->producers_max = (uint64_t)c->producers_max;
    o->buffered_wal = c->wal_buffered;
}

/* A value in the catalog that is not known any more: told, and passed over. */
static void
note_stored(void *ctx, bool is_error, const char *sentence)
{
    (void)ctx;
    (void)is_error;
    vrv_diag(VRV_EV_CONFIG_STORED, VRV_STR("note", sentence));
}

/* What is in force goes to where it isn't asked for. */
static void
apply(void *ctx, const struct vrv_config *c)
{
    static const char *const level[] = { [VRV_DIAG_ERROR] = "error", [VRV_DIAG_WARN] = "warn",
        [VRV_DIAG_INFO] = "info", [VRV_DIAG_DEBUG] = "debug" };

    struct vrv_server *s = ctx;

    atomic_store(&s->broker.cold_wait_ms, c->remote_fetch_max_wait_ms);
    atomic_store(&s->broker.cold_lookup_ms, c->remote_list_offsets_request_timeout_ms);
    vrv_server_cold_set(&s->cold, c);
    vrv_cold_quotas_set(&s->quotas, c->tier_fetch_client_quotas, c->tier_fetch_group_quotas);
    for (int i = VRV_DIAG_ERROR; i <= VRV_DIAG_DEBUG; i++)
        if (strcmp(c->log_level, level[i]) == 0)
            vrv_diag_level((enum vrv_diag_level)i);
}

/* What to do about a data directory that can't be opened; NULL: its reason says all. */
static const char *
advice(int rc, int sys)
{
    switch (rc) {
    case VRV_E_READONLY:
        return sys == EACCES || sys == EPERM
            ? "let this user write there, or name another directory with log.dirs"
            : "name another directory with log.dirs";
    case VRV_E_LOCKED:
        return "stop that one, or name another directory with log.dirs";
    case VRV_E_VERSION:
        return "start a varved that is as new, or name another directory with log.dirs";
    case VRV_E_FOREIGN:
        return "name a directory of varve's own with log.dirs; of one that is, varve log verify "
               "tells more";
    case VRV_E_CORRUPT:
        return "varve log verify tells more";
    case VRV_E_NOSPACE:
        return "make room, or name another directory with log.dirs";
    default:
        return NULL;
    }
}

/* Can it be there at all?  Whatever stands in the way of a path means the same: not writable. */
static int
make_data_dir(const char *dir, struct vrv_err *e)
{
    struct vrv_vfs *vfs = NULL;
    int rc = vrv_vfs_posix(dir, true, &vfs, e);

    vrv_vfs_close(&vfs);
    return rc == VRV_E_NOTFOUND || (rc == VRV_E_IO && e->sys == ENOTDIR) ? VRV_E_READONLY : rc;
}

static int
load(struct vrv_server *s, struct vrv_err *e)
{
    const char *dir = s->config->data_dir;
    struct varve_options o;

    set_options(&o, s->config);
    int rc = make_data_dir(dir, e);
    if (rc == 0)
        rc = vrv__load(&s->varve, dir, &o, vrv_server_cold(&s->cold), &s->found, (struct varve_error *)(void *)e);
    if (rc == 0)
        return 0;
    const char *what = advice(rc, e->sys);
    (void)vrv_err_prefix(e, rc, "can't open the data directory %.60s", dir);
    size_t n = strlen(e->msg);
    if (what != NULL)
        (void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", what);
    return rc;
}

/* Topics get their defaults before anything happens to them by time. */
static int
start_engine(struct vrv_server *s, const struct vrv_config_input *in, struct vrv_err *e)
{
    struct vrv_config_store_opts so = { .values = &in->values, .note = note_stored,
        .in_force = apply, .ctx = s };
    struct varve_error *ve = (struct varve_error *)(void *)e;
    struct vrv_clock *clock = vrv_clock_real();
    int64_t began_ns = clock->mono_ns(clock);

    apply(s, s->config);
    int rc = load(s, e);
    if (rc < 0)
        return rc;
    s->recovery_ns = clock->mono_ns(clock) - began_ns;
    so.engine = s->varve->engine;
    rc = vrv_random(&so.random, sizeof(so.random), e);
    if (rc == 0)
        rc = vrv_config_store_open(&s->store, &so, e);
    if (rc == 0)
        rc = vrv_server_cold_check(&s->cold, so.engine, e);
    if (rc == 0)
        rc = vrv__run(&s->varve, ve);
    return rc;
}

/* ---- groups ---- */

static void
note_partition(void *ctx, int32_t partition, const struct vrv_err *e)
{
    (void)ctx;
    vrv_diag(VRV_EV_GROUP_FAILED, VRV_NUM("partition", partition), VRV_STR("error", e->msg));
}

static int
start_groups(struct vrv_server *s, struct vrv_err *e)
{
    const struct vrv_config *c = s->config;
    struct vrv_coord_opts o;
    struct vrv_uuid id;
    int rc = vrv_random(&id, sizeof(id), e);

    vrv_coord_opts_default(&o);
    o.eng = s->varve->engine;
    o.pool = s->pool;
    o.clock = vrv_clock_real();
    o.partitions = c->offsets_topic_num_partitions;
    o.config.initial_rebalance_delay_ms = c->group_initial_rebalance_delay_ms;
    o.config.min_session_ms = c->group_min_session_timeout_ms;
    o.config.max_session_ms = c->group_max_session_timeout_ms;
    if (c->group_max_size < o.config.max_size)
        o.config.max_size = c->group_max_size;
    o.config.metadata_max = c->offset_metadata_max_bytes;
    o.config.retention_ms = (int64_t)c->offsets_retention_minutes * 60000;
    o.config.retention_check_ms = c->offsets_retention_check_interval_ms;
    o.failed = note_partition;
    if (rc == 0)
        rc = vrv_random(&o.random, sizeof(o.random), e);
    if (rc == 0)
        rc = vrv_coord_make_topic(o.eng, id, &o.partitions, c->offsets_topic_segment_bytes, e);
    if (rc < 0)
        return rc;
    s->coord = vrv_coord_new(&o);
    rc = vrv_coord_start(s->coord, e);
    for (int32_t i = 0; rc == 0 && i < o.partitions; i++)
        vrv_coord_gained(s->coord, i, 0);
    return rc;
}

/* ---- the network ---- */

static void
set_limits(struct vrv_net_opts *o, const struct vrv_config *c)
{
    o->reactors = (unsigned)c->num_network_threads;
    o->backlog = c->socket_listen_backlog_size;
    o->send_buffer = c->socket_send_buffer_bytes;
    o->receive_buffer = c->socket_receive_buffer_bytes;
    o->frame_max = (uint32_t)c->socket_request_max_bytes;
    o->header_ms = o->body_ms = c->frame_timeout_ms;
    o->body_rate = (uint32_t)c->frame_min_bytes_per_second;
    o->idle_ms = c->connections_max_idle_ms;
    o->request_bytes_max = (size_t)c->queued_max_request_bytes;
    o->conn_request_bytes = (size_t)c->connection_max_request_bytes;
    o->unsent_bytes_max = (size_t)c->queued_max_response_bytes;
    o->conn_unsent_bytes = (size_t)c->connection_max_response_bytes;
}

/* Clients may be there already, but not where the port is any free one: that is known by now, and
 * nobody else knows it yet. */
static void
set_free_ports(struct vrv_server *s)
{
    for (size_t i = 0; i < s->config->clients.n; i++)
        if (s->endpoint[i].port == 0)
            s->endpoint[i].port = vrv_net_port(s->net, (unsigned)i);
}

/* The texts live as long as the server. */
static void
set_net_opts(struct vrv_server *s, struct vrv_net_opts *o)
{
    static char text[VRV_LISTENERS_MAX][VRV_LISTENER_TEXT];
    static const char *listener[VRV_LISTENERS_MAX];
    const struct vrv_listeners *ls = &s->config->clients;

    vrv_net_opts_default(o);
    set_limits(o, s->config);
    for (size_t i = 0; i < ls->n; i++) {
        const struct vrv_listener *l = &ls->v[i];

        vrv_listener_text(l, l->name, text[i]);
        listener[i] = text[i];
        s->endpoint[i] = (struct vrv_endpoint){ l->name, l->advertised_host,
            l->advertised_port != 0 ? l->advertised_port : l->port };
    }
    o->listener = listener;
    o->listener_n = (unsigned)ls->n;
    o->loopback_only = !s->config->allow_insecure;
    o->clock = vrv_clock_real();
    o->ops = &vrv_serve_ops;
    o->ctx = &s->serve;
}

static int
start_net(struct vrv_server *s, struct vrv_net_opts *o, struct vrv_err *e)
{
    int64_t now_ns = s->broker.clock->mono_ns(s->broker.clock);

    o->pool = vrv_engine_env(s->varve->engine)->pool;
    int rc = vrv_net_start(&s->net, o, e);
    if (rc == 0)
        set_free_ports(s);
    vrv_idle_window_init(&s->net_idle, now_ns);
    vrv_idle_window_init(&s->pool_idle, now_ns);
    vrv_idle_window_init(&s->tier_idle, now_ns);
    return rc;
}

static void
share_descriptors(struct vrv_server *s, struct vrv_descriptors *d)
{
    struct vrv_engine_stats st;

    vrv_engine_stats(s->varve->engine, &st);
    vrv_descriptors_share(d, (int64_t)st.open_files_max, s->config);
    if (d->connections < s->config->max_connections && s->config->max_connections != INT32_MAX)
        vrv_diag(VRV_EV_NET_LIMIT, VRV_NUM("limit", d->limit), VRV_NUM("data-files", d->files),
            VRV_NUM("max.connections", s->config->max_connections),
            VRV_NUM("connections", d->connections), VRV_NUM("wanted", d->wanted),
            VRV_STR("reason", "the limit of open files (ulimit -n, LimitNOFILE= of systemd) has no "
                              "room for max.connections: raise it, or lower that"));
}

/* ---- all ---- */

static int
set_broker(struct vrv_server *s, struct vrv_err *e)
{
    const struct vrv_config *c = s->config;
    struct vrv_descriptors d;
    uint64_t random;
    int rc = vrv_random(&random, sizeof(random), e);

    if (rc < 0)
        return rc;
    share_descriptors(s, &d);
    s->broker = (struct vrv_broker){ .engine = s->varve->engine, .clock = vrv_clock_real(),
        .pool = s->pool, .large = s->large, .data_dir = c->data_dir, .node_id = c->id,
        .cluster_id = vrv_config_cluster_id(s->store), .endpoint = s->endpoint,
        .endpoint_n = (unsigned)c->clients.n, .num_partitions = c->num_partitions,
        .rack = c->broker_rack, .max_partitions = c->max_partitions,
        .request_timeout_ms = c->request_timeout_ms,
        .auto_create = c->auto_create_topics_enable, .delete_topics = c->delete_topic_enable,
        .fetch_max_bytes = c->fetch_max_bytes,
        .cold_wait_ms = atomic_load(&s->broker.cold_wait_ms),
        .cold_lookup_ms = atomic_load(&s->broker.cold_lookup_ms), .cold = s->lookups,
        .waiting_max = (size_t)c->queued_max_response_bytes, .config = s->store,
        .coord = s->coord, .stat = s->stat, .tier = s->cold.tier, .cold_quotas = &s->quotas };
    vrv_fetch_sessions_init(&s->broker.sessions,
        (unsigned)c->max_incremental_fetch_session_cache_slots, random);
    vrv_producer_ids_init(&s->broker.ids);
    vrv_serve_init(&s->serve, &s->broker, d.connections);
    return 0;
}

int
vrv_server_start(struct vrv_server *s, const struct vrv_config_input *in,
    struct vrv_config *config, struct vrv_err *e)
{
    struct vrv_err why = { 0 };
    struct vrv_net_opts net;

    *s = (struct vrv_server){ .config = config, .stat = vrv_stat_new() };
    vrv_cold_quotas_init(&s->quotas, vrv_clock_real());
    vrv_descriptors_raise(); /* the engine looks at it, too */
    set_net_opts(s, &net);
    int rc = vrv_net_check(&net, e); /* before anything is made or changed on the disk */
    if (rc == 0)
        rc = vrv_admin_start(&s->admin, config, e);
    if (rc == 0)
        rc = vrv_server_cold_open(&s->cold, config, e);
    if (rc == 0)
        rc = start_engine(s, in, e);
    if (rc == 0)
        rc = vrv_pool_start(&s->pool, "varve-pool", (unsigned)config->num_io_threads, e);
    if (rc == 0)
        rc = vrv_pool_start(&s->large, "varve-large", 1, e);
    if (rc == 0 && s->cold.tier != NULL)
        rc = vrv_pool_start(&s->lookups, "varve-lookup", LOOKUPS, e);
    if (rc == 0)
        rc = start_groups(s, e);
    if (rc == 0)
        rc = vrv_server_cold_start(&s->cold, s->varve->engine, vrv_config_cluster_id(s->store),
            s->coord, e);
    if (rc == 0)
        rc = set_broker(s, e);
    if (rc == 0)
        rc = start_net(s, &net, e);
    if (rc == 0)
        vrv_admin_phase(s->admin, VRV_PHASE_SERVING, s);
    else
        (void)vrv_server_stop(s, &why);
    return rc;
}

int
vrv_server_stop(struct vrv_server *s, struct vrv_err *e)
{
    if (s->broker.engine != NULL) /* a look-up in a store that hangs would hold up all that follows */
        vrv_engine_stop_fetches(s->broker.engine);
    if (s->net != NULL) {
        vrv_admin_phase(s->admin, VRV_PHASE_DRAINING, s);
        if (!vrv_net_drain(s->net, s->config->shutdown_drain_ms))
            vrv_diag(VRV_EV_NET_DRAIN, VRV_STR("reason", "requests were still in service"));
    }
    vrv_admin_phase(s->admin, VRV_PHASE_STOPPING, NULL);
    if (s->varve != NULL)
        vrv_server_cold_stop(&s->cold); /* its last marker tells what groups have committed */
    if (s->coord != NULL)
        vrv_coord_stop(s->coord);
    vrv_net_stop(&s->net);
    vrv_pool_stop(&s->pool);
    vrv_pool_stop(&s->large);
    vrv_pool_stop(&s->lookups);
    if (s->broker.engine != NULL) {
        vrv_fetch_sessions_fini(&s->broker.sessions);
        vrv_producer_ids_fini(&s->broker.ids);
        vrv_serve_fini(&s->serve);
    }
    vrv_config_store_close(&s->store);
    int rc = s->varve != NULL ? varve_close(&s->varve, (struct varve_error *)(void *)e) : 0;
    vrv_server_cold_close(&s->cold);
    vrv_coord_free(&s->coord);
    vrv_cold_quotas_fini(&s->quotas);
    vrv_stat_free(&s->stat);
    vrv_admin_stop(&s->admin);
    return rc;
}
