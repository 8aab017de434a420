#include "server/main/cold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "engine/os/vfs.h"
#include "server/base/diag.h"
#include "server/base/random.h"
#include "server/cold/coldstore.h"
#include "tiering/tier.h"

/* What is tried in the store at a start is waited for so long, and goes on behind it; each part of that may take
 * longer, as in an HDFS that has just been started. */
enum { START_MS = 5000, TRY_MS = 30000 };

/* The tier's thread. */
static void
tell_foreign(void *ctx, const struct vrv_err *e)
{
    const struct vrv_server_cold *c = ctx;
    char what[VRV_DIAG_VALUE];

    vrv_store_describe(c->store, what, sizeof(what));
    vrv_diag(VRV_EV_COLD_OWNER, VRV_STR("store", what), VRV_STR("reason", e->msg));
}

/* -1: so many times what all appends leave free. */
static uint64_t
mark(const struct vrv_config *c, int64_t bytes, uint64_t times)
{
    uint64_t reserve = (uint64_t)c->disk_reserve_bytes;

    if (bytes >= 0)
        return (uint64_t)bytes;
    return reserve < INT64_MAX / times ? times * reserve : INT64_MAX;
}

static struct vrv_tier_limits
limits_of(const struct vrv_config *c)
{
    return (struct vrv_tier_limits){
        .copy_bytes_s = (uint64_t)c->remote_log_manager_copy_max_bytes_per_second,
        .fetch_bytes_s = (uint64_t)c->remote_log_manager_fetch_max_bytes_per_second,
        .keep_ms = c->tier_delete_grace_ms,
        .grace_ms = c->tier_segment_delete_delay_ms,
        .deletes_per_second = c->tier_delete_max_per_second,
        .disk = { .local_max = c->tier_local_max_bytes < 0 ? INT64_MAX : (uint64_t)c->tier_local_max_bytes,
            .free_min = mark(c, c->tier_disk_free_min_bytes, 4),
            .reserve = mark(c, c->tier_disk_reserve_bytes, 2) } };
}

/* ---- what it tells ---- */

static void
tell_disk(enum vrv_disk_state state)
{
    static const char *const says[] = {
        [VRV_DISK_FINE] = "there is room again",
        [VRV_DISK_HIGH] = "it is too full: what the store has, too, leaves early",
        [VRV_DISK_SHORT] = "it is too full, and what the store has, too, isn't enough: segments hurry there",
        [VRV_DISK_FULL] = "tier.disk.reserve.bytes is reached: each topic does as its varve.tier.outage.policy says",
    };

    if (state == VRV_DISK_FULL)
        vrv_diag(VRV_EV_TIER_FULL, VRV_STR("reason", says[state]));
    else
        vrv_diag(VRV_EV_TIER_DISK, VRV_STR("reason", says[state]));
}

static void
tell_lost(const struct vrv_server_cold *c, const struct vrv_tier_news *n)
{
    char name[VRV_TOPIC_NAME_MAX + 1] = "?";
    int32_t partitions;

    (void)vrv_catalog_find_id(vrv_engine_catalog(c->eng), &n->id.topic, name, &partitions);
    vrv_diag(VRV_EV_TIER_LOST, VRV_STR("topic", name), VRV_NUM("partition", n->id.partition),
        VRV_NUM("from", n->from), VRV_NUM("to", n->to), VRV_NUM("bytes", n->bytes),
        VRV_STR("older", n->leaves_hole ? "can be read" : "are lost, too"));
}

/* Something of a partition in the store can't be read. */
static void
tell_part(const struct vrv_server_cold *c, enum vrv_event event, const struct vrv_tier_news *n)
{
    char name[VRV_TOPIC_NAME_MAX + 1] = "?";
    int32_t partitions;

    (void)vrv_catalog_find_id(vrv_engine_catalog(c->eng), &n->id.topic, name, &partitions);
    vrv_diag(event, VRV_STR("topic", name), VRV_NUM("partition", n->id.partition),
        VRV_STR("reason", n->why->msg));
}

/* What fails is told once, until it is done again. */
static void
tell_store(const struct vrv_server_cold *c, const struct vrv_tier_news *n)
{
    char what[VRV_DIAG_VALUE];

    vrv_store_describe(c->store, what, sizeof(what));
    if (n->why != NULL)
        vrv_diag(VRV_EV_COLD_STORE, VRV_STR("store", what), VRV_STR("fails", vrv_store_op_name(n->op)),
            VRV_STR("reason", n->why->msg));
    else
        vrv_diag(VRV_EV_COLD_WORKS, VRV_STR("store", what), VRV_STR("works", vrv_store_op_name(n->op)));
}

/* The first time, somebody may be waiting for it. */
static void
note_tried(struct vrv_server_cold *c)
{
    if (!c->was_tried)
        vrv_cq_post(&c->cq, &c->tried, &c->tried);
    c->was_tried = true;
}

static void
tell_clock(const struct vrv_server_cold *c, int64_t skew_ms)
{
    const char *says = skew_ms > 0
        ? "its clock is ahead of this machine's: requests are signed by it; set the wrong one right"
        : "its clock is behind this machine's: requests are signed by it; set the wrong one right";
    char what[VRV_DIAG_VALUE];

    vrv_store_describe(c->store, what, sizeof(what));
    vrv_diag(VRV_EV_COLD_CLOCK, VRV_STR("store", what), VRV_NUM("seconds", llabs(skew_ms) / 1000),
        VRV_STR("reason", skew_ms != 0 ? says : "its clock agrees with this machine's again"));
}

static void
told(void *ctx, const struct vrv_tier_news *n)
{
    if (n->kind == VRV_TIER_NEWS_TRIED)
        note_tried(ctx);
    else if (n->kind == VRV_TIER_NEWS_LOST)
        tell_lost(ctx, n);
    else if (n->kind == VRV_TIER_NEWS_STORE)
        tell_store(ctx, n);
    else if (n->kind == VRV_TIER_NEWS_PASSED)
        tell_part(ctx, VRV_EV_COLD_MANIFEST, n);
    else if (n->kind == VRV_TIER_NEWS_PRODUCERS)
        tell_part(ctx, VRV_EV_COLD_PRODUCERS, n);
    else if (n->kind == VRV_TIER_NEWS_CLOCK)
        tell_clock(ctx, n->skew_ms);
    else
        tell_disk(n->disk);
}

static void
tell_shelf(void *ctx, const struct vrv_err *e)
{
    const struct vrv_server_cold *c = ctx;

    vrv_diag(VRV_EV_COLD_CACHE, VRV_STR("path", c->shelf_path), VRV_STR("reason", e->msg));
}

/* A disk that can't be had is done without. */
static void
open_shelf(struct vrv_server_cold *c, const struct vrv_config *config)
{
    struct vrv_err e;

    c->shelf_path = config->tier_cache_path;
    if (c->shelf_path[0] != '\0' && vrv_vfs_posix(c->shelf_path, true, &c->shelf, &e) < 0)
        tell_shelf(c, &e);
}

int
vrv_server_cold_open(struct vrv_server_cold *c, const struct vrv_config *config, struct vrv_err *e)
{
    struct vrv_tier_opts o;

    *c = (struct vrv_server_cold){ .tier = NULL };
    if (!config->remote_log_storage_system_enable)
        return 0;
    vrv_tier_opts_default(&o);
    int rc = vrv_coldstore_open(&c->store, config, true, e);
    if (rc == 0)
        rc = vrv_random(&o.random, sizeof(o.random), e);
    if (rc < 0) {
        vrv_server_cold_close(c);
        return rc;
    }
    open_shelf(c, config);
    o.store = c->store;
    o.try_ms = TRY_MS;
    o.cache_bytes = (size_t)config->tier_cache_bytes;
    o.index_bytes = (size_t)config->tier_index_bytes;
    o.shelf = c->shelf;
    o.shelf_bytes = (uint64_t)config->tier_cache_disk_bytes;
    o.shelf_failed = tell_shelf;
    o.limits = limits_of(config);
    o.hashed_names = config->tier_hashed_names;
    o.marker_ms = config->tier_marker_interval_ms;
    o.marker_idle_ms = VRV_TIER_MARKER_IDLE * config->tier_marker_interval_ms;
    o.foreign = tell_foreign;
    o.told = told;
    o.ctx = c;
    rc = vrv_cq_init(&c->cq, 0);
    VRV_ASSERT(rc == 0);
    c->tried = (struct vrv_done){ .cq = &c->cq };
    c->tier = vrv_tier_new(&o);
    return 0;
}

void
vrv_server_cold_set(struct vrv_server_cold *c, const struct vrv_config *config)
{
    struct vrv_tier_limits l = limits_of(config);

    if (c->tier != NULL)
        vrv_tier_set(c->tier, &l);
}

struct vrv_cold *
vrv_server_cold(const struct vrv_server_cold *c)
{
    return c->tier != NULL ? vrv_tier_cold(c->tier) : NULL;
}

/* ---- without a tier ---- */

struct needing {
    struct vrv_engine *eng;
    char names[100];
    size_t at;
    unsigned more; /* topics that have no room there */
};

/* It asks for the tier, or what is left of it there is still to be deleted. */
static bool
needs_tier(struct vrv_engine *eng, const struct vrv_topic_info *t)
{
    bool needs = false;

    for (int32_t p = 0; p < t->partitions && !needs; p++) {
        struct vrv_log_id id = { t->id, p };
        struct vrv_log *log = vrv_engine_log_ref(eng, &id);
        struct vrv_log_offsets o = vrv_log_offsets(log);
        struct vrv_log_config *config = vrv_log_config_ref(log);

        needs = config->tiered || o.start < o.local_start;
        vrv_log_config_unref(config);
        vrv_log_unref(&log);
    }
    return needs;
}

static int
add_needing(void *ctx, const struct vrv_topic_info *t)
{
    struct needing *n = ctx;

    if (!needs_tier(n->eng, t))
        return 0;
    size_t len = strlen(t->name) + (n->at > 0 ? 2 : 0);
    if (n->more > 0 || n->at + len >= sizeof(n->names))
        n->more++;
    else
        n->at += (size_t)snprintf(n->names + n->at, sizeof(n->names) - n->at, "%s%s",
            n->at > 0 ? ", " : "", t->name);
    return 0;
}

int
vrv_server_cold_check(const struct vrv_server_cold *c, struct vrv_engine *eng, struct vrv_err *e)
{
    struct needing n = { .eng = eng };
    char more[40] = "";

    if (c->tier != NULL)
        return 0;
    (void)vrv_catalog_each(vrv_engine_catalog(eng), add_needing, &n);
    if (n.at + n.more == 0)
        return 0;
    if (n.more > 0)
        (void)snprintf(more, sizeof(more), "%s%u more", n.at > 0 ? " and " : "", n.more);
    return vrv_err_set(e, VRV_E_INVALID,
        "remote.log.storage.system.enable is false, but these topics have "
        "remote.storage.enable=true, or something there still: %s%s; start with true, and first set "
        "remote.log.delete.on.disable=true and then remote.storage.enable=false for each of them",
        n.names, more);
}

/* ---- what markers have besides the catalog ---- */

/* All offsets: "<topic>/<partition>" and a batch for that log. */
struct batches {
    struct vrv_marker *m;
    uint8_t *bytes;       /* of all of them, one behind the other */
    size_t n, cap;
};

static void
keep(struct batches *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * b->cap + n;
        b->bytes = vrv_mem_grow(b->bytes, b->cap);
    }
    memcpy(b->bytes + b->n, p, n);
    b->n += n;
}

static int
keep_batch(void *ctx, int32_t partition, const uint8_t *batch, size_t n)
{
    struct batches *b = ctx;
    char log[sizeof(VRV_OFFSETS_TOPIC) + 12];
    int log_n = snprintf(log, sizeof(log), VRV_OFFSETS_TOPIC "/%d", (int)partition);
    struct vrv_marker *m = b->m;

    m->record = vrv_mem_grow(m->record, (m->record_n + 1) * sizeof(*m->record));
    m->record[m->record_n++] =
        (struct vrv_marker_record){ .key_n = (uint32_t)log_n, .value_n = (uint32_t)n };
    keep(b, log, (size_t)log_n);
    keep(b, batch, n);
    return 0;
}

static int
offsets(void *ctx, struct vrv_marker *m, struct vrv_err *e)
{
    struct vrv_server_cold *c = ctx;
    struct batches b = { .m = m };
    int rc = vrv_coord_dump(c->coord, keep_batch, &b, e);
    const uint8_t *p = b.bytes;

    for (uint32_t i = 0; i < m->record_n; i++) { /* where they lie in the end */
        m->record[i].key = p;
        m->record[i].value = p + m->record[i].key_n;
        p += m->record[i].key_n + m->record[i].value_n;
    }
    free(c->offsets);
    c->offsets = b.bytes;
    return rc;
}

int
vrv_server_cold_start(struct vrv_server_cold *c, struct vrv_engine *eng, const char *cluster,
    struct vrv_coord *coord, struct vrv_err *e)
{
    if (c->tier == NULL)
        return 0;
    c->coord = coord;
    c->eng = eng;
    vrv_tier_attach(c->tier, eng, cluster, offsets, c);
    int rc = vrv_tier_start(c->tier, e);
    if (rc == 0)
        (void)vrv_cq_take(&c->cq, START_MS);
    return rc;
}

void
vrv_server_cold_stop(struct vrv_server_cold *c)
{
    if (c->tier != NULL)
        vrv_tier_detach(c->tier);
}

void
vrv_server_cold_close(struct vrv_server_cold *c)
{
    if (c->tier != NULL) {
        vrv_tier_free(&c->tier);
        vrv_cq_fini(&c->cq);
    }
    free(c->offsets);
    c->offsets = NULL;
    if (c->store != NULL)
        vrv_store_close(&c->store);
    vrv_vfs_close(&c->shelf);
}
