#include "server/stat/stat.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

/* ---- the list ---- */

static const struct vrv_metric_info infos[] = {
#define VRV_SECTION(title)
#define VRV_METRIC(id, type, name, labels, help) [VRV_M_##id] = { VRV_##type, name, labels, help },
#define VRV_COUNTED(id, metric, labels)
#include "server/stat/counters.def"
};

static const struct {
    enum vrv_metric metric;
    const char *labels;
} counteds[] = {
#define VRV_SECTION(title)
#define VRV_METRIC(id, type, name, labels, help)
#define VRV_COUNTED(id, metric, labels) [VRV_C_##id] = { VRV_M_##metric, labels },
#include "server/stat/counters.def"
};

const struct vrv_metric_info *
vrv_metric_info(enum vrv_metric m)
{
    VRV_ASSERT(m < VRV_METRICS);
    return &infos[m];
}

enum vrv_metric
vrv_counted_metric(enum vrv_counted c, const char **labels)
{
    VRV_ASSERT(c < VRV_COUNTEDS);
    *labels = counteds[c].labels;
    return counteds[c].metric;
}

/* ---- counting ---- */

/* The first threads that count have a shard each; all others share the last one. */
enum { SHARDS = 64, SHARED = SHARDS - 1, CACHE_LINE = 64 };

struct api {
    _Atomic uint64_t n[VRV_STAT_VERSIONS];
    _Atomic uint64_t bytes_in, bytes_out;
    struct vrv_hist total, queue, local, wait;
};

/* Memory of APIs that nobody uses is never touched, and so takes none. */
struct shard {
    _Alignas(CACHE_LINE) _Atomic uint64_t counted[VRV_COUNTEDS];
    _Alignas(CACHE_LINE) struct api api[VRV_STAT_APIS];
};

struct vrv_stat {
    struct shard shard[SHARDS];
    void *block; /* what it lies in: zero pages that are not touched before they are used */
    _Atomic uint64_t errors[VRV_STAT_APIS][VRV_STAT_ERRORS]; /* by code + 1; they are rare */
};

struct vrv_stat *
vrv_stat_new(void)
{
    char *p = vrv_mem_zero(sizeof(struct vrv_stat) + CACHE_LINE);
    size_t off = CACHE_LINE - (uintptr_t)p % CACHE_LINE;
    struct vrv_stat *s = (struct vrv_stat *)(void *)(p + off);

    s->block = p;
    return s;
}

void
vrv_stat_free(struct vrv_stat **s)
{
    if (*s != NULL)
        free((*s)->block);
    *s = NULL;
}

static _Atomic unsigned dealt; /* shards, to threads */

static unsigned
my_shard(void)
{
    static _Thread_local unsigned mine; /* + 1 */

    if (mine == 0) {
        unsigned next = atomic_fetch_add(&dealt, 1);

        mine = (next < SHARED ? next : SHARED) + 1;
    }
    return mine - 1;
}

static void
add(_Atomic uint64_t *to, uint64_t n, bool alone)
{
    if (alone)
        vrv_count_alone(to, n);
    else
        (void)atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static uint64_t
get(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

void
vrv_stat_count(struct vrv_stat *s, enum vrv_counted what, uint64_t n)
{
    unsigned mine = my_shard();

    if (s != NULL)
        add(&s->shard[mine].counted[what], n, mine != SHARED);
}

void
vrv_stat_answered(struct vrv_stat *s, const struct vrv_stat_answered *a)
{
    unsigned mine = my_shard();
    bool alone = mine != SHARED;
    void (*time)(struct vrv_hist *, int64_t) = alone ? vrv_hist_add_alone : vrv_hist_add;

    if (s == NULL)
        return;
    VRV_ASSERT(a->api >= 0 && a->api < VRV_STAT_APIS);
    struct api *api = &s->shard[mine].api[a->api];
    int version = a->version < 0 ? 0 : a->version;

    add(&api->n[version < VRV_STAT_VERSIONS ? version : VRV_STAT_VERSIONS - 1], 1, alone);
    add(&api->bytes_in, a->bytes_in, alone);
    add(&api->bytes_out, a->bytes_out, alone);
    time(&api->total, a->queue_ns + a->wait_ns + a->local_ns);
    time(&api->queue, a->queue_ns);
    time(&api->local, a->local_ns);
    time(&api->wait, a->wait_ns);
}

void
vrv_stat_error(struct vrv_stat *s, int16_t api, int16_t code)
{
    if (s == NULL || code == 0)
        return;
    VRV_ASSERT(api >= 0 && api < VRV_STAT_APIS);
    VRV_ASSERT(code >= -1 && code + 1 < VRV_STAT_ERRORS);
    add(&s->errors[api][code + 1], 1, false);
}

/* ---- reading ---- */

/* The others were never touched, and so needn't be now. */
static unsigned
shards_in_use(void)
{
    unsigned n = atomic_load(&dealt);

    return n < SHARDS ? n : SHARDS;
}

uint64_t
vrv_stat_counted(const struct vrv_stat *s, enum vrv_counted what)
{
    unsigned used = shards_in_use();
    uint64_t n = 0;

    for (unsigned i = 0; i < used; i++)
        n += get(&s->shard[i].counted[what]);
    return n;
}

void
vrv_stat_api(const struct vrv_stat *s, int16_t api, struct vrv_stat_api *out)
{
    unsigned used = shards_in_use();

    *out = (struct vrv_stat_api){ .all = 0 };
    for (unsigned i = 0; i < used; i++) {
        const struct api *a = &s->shard[i].api[api];

        for (unsigned v = 0; v < VRV_STAT_VERSIONS; v++)
            out->n[v] += get(&a->n[v]);
        out->bytes_in += get(&a->bytes_in);
        out->bytes_out += get(&a->bytes_out);
        vrv_hist_read(&a->total, &out->total);
        vrv_hist_read(&a->queue, &out->queue);
        vrv_hist_read(&a->local, &out->local);
        vrv_hist_read(&a->wait, &out->wait);
    }
    for (unsigned v = 0; v < VRV_STAT_VERSIONS; v++)
        out->all += out->n[v];
}

uint64_t
vrv_stat_errors(const struct vrv_stat *s, int16_t api, int16_t code)
{
    return get(&s->errors[api][code + 1]);
}
