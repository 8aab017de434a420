#include "server/api/cold_quota.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const int64_t SECOND_NS = 1000000000, MS = 1000000;

/* A client that reads for a group. */
struct reader {
    struct vrv_omap_node node;
    struct vrv_list link;
    int64_t seen_ns;
    const struct vrv_quota *group; /* its quota */
    size_t key_n;
    char key[]; /* client.id, zero, address */
};

struct key {
    const char *p;
    size_t n;
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    const struct reader *r = VRV_OMAP_OF(n, struct reader, node);
    const struct key *k = key;
    int order = memcmp(k->p, r->key, k->n < r->key_n ? k->n : r->key_n);

    return order != 0 ? order : (k->n > r->key_n) - (k->n < r->key_n);
}

/* ---- buckets: with the lock held, but for init and fini ---- */

static struct vrv_cold_bucket *
bucket_of(struct vrv_cold_buckets *b, const struct vrv_quota *q)
{
    return &b->v[q - b->quotas.v];
}

static void
fill(struct vrv_cold_bucket *b, const struct vrv_quota *q, int64_t now_ns)
{
    double most = (double)q->bytes_s;

    b->room += most * (double)(now_ns - b->filled_ns) / (double)SECOND_NS;
    b->filled_ns = now_ns;
    if (b->room > most)
        b->room = most;
}

/* When there is something in hand again; 0: there is. */
static int64_t
ready_ns(struct vrv_cold_buckets *b, const struct vrv_quota *q, int64_t now_ns)
{
    struct vrv_cold_bucket *k = bucket_of(b, q);

    fill(k, q, now_ns);
    if (k->room > 0)
        return 0;
    double wait = -k->room / (double)q->bytes_s;
    double most = (double)(INT64_MAX / 2 / SECOND_NS);
    return now_ns + 1 + (int64_t)((wait < most ? wait : most) * (double)SECOND_NS);
}

static void
take(struct vrv_cold_buckets *b, const struct vrv_quota *q, int64_t now_ns, uint64_t bytes)
{
    struct vrv_cold_bucket *k = bucket_of(b, q);

    fill(k, q, now_ns);
    k->room -= (double)bytes;
}

static void
buckets_fini(struct vrv_cold_buckets *b)
{
    vrv_quotas_fini(&b->quotas);
    free(b->v);
}

static bool
is_same(const struct vrv_quota *a, const struct vrv_quota *b)
{
    return a->prefix == b->prefix && strcmp(a->name, b->name) == 0;
}

static void
buckets_set(struct vrv_cold_buckets *b, const char *text, int64_t now_ns)
{
    struct vrv_cold_buckets old = *b;

    b->v = NULL;
    if (vrv_quotas_parse(&b->quotas, text, NULL) == 0 && b->quotas.n > 0)
        b->v = vrv_mem_zero(b->quotas.n * sizeof(*b->v));
    for (size_t i = 0; i < b->quotas.n; i++) {
        b->v[i] = (struct vrv_cold_bucket){ (double)b->quotas.v[i].bytes_s, now_ns };
        for (size_t k = 0; k < old.quotas.n; k++)
            if (is_same(&old.quotas.v[k], &b->quotas.v[i]))
                b->v[i] = old.v[k];
    }
    buckets_fini(&old);
}

/* ---- readers: with the lock held ---- */

static void
forget(struct vrv_cold_quotas *q, struct reader *r)
{
    struct key key = { r->key, r->key_n };

    (void)vrv_omap_remove(&q->readers, &key);
    vrv_list_del(&r->link);
    free(r);
}

static void
forget_all(struct vrv_cold_quotas *q)
{
    while (!vrv_list_empty(&q->oldest))
        forget(q, VRV_LIST_OF(q->oldest.next, struct reader, link));
}

enum { KEY_MAX = VRV_QUOTA_NAME + 256 };

/* 0: its name is too long to be told from others. */
static size_t
make_key(char out[KEY_MAX], const struct vrv_cold_who *who)
{
    size_t id_n = who->client_id.p != NULL ? (size_t)who->client_id.n : 0, host_n = strlen(who->host);

    if (id_n + 1 + host_n > KEY_MAX)
        return 0;
    if (id_n > 0)
        memcpy(out, who->client_id.p, id_n);
    out[id_n] = '\0';
    memcpy(out + id_n + 1, who->host, host_n);
    return id_n + 1 + host_n;
}

static struct reader *
find_reader(struct vrv_cold_quotas *q, const struct key *key)
{
    struct vrv_omap_node *n = key->n > 0 ? vrv_omap_find(&q->readers, key) : NULL;

    return n != NULL ? VRV_OMAP_OF(n, struct reader, node) : NULL;
}

static struct reader *
new_reader(struct vrv_cold_quotas *q, const struct key *key)
{
    if (q->readers.n == VRV_COLD_READERS_MAX)
        forget(q, VRV_LIST_OF(q->oldest.next, struct reader, link));
    struct reader *r = vrv_mem_zero(sizeof(*r) + key->n);
    memcpy(r->key, key->p, key->n);
    r->key_n = key->n;
    vrv_list_init(&r->link);
    vrv_omap_insert(&q->readers, key, &r->node);
    return r;
}

static const struct vrv_quota *
group_quota(struct vrv_cold_quotas *q, const struct vrv_cold_who *who, int64_t now_ns)
{
    char bytes[KEY_MAX];

    if (q->groups.quotas.n == 0)
        return NULL;
    const struct key key = { bytes, make_key(bytes, who) };
    const struct reader *r = find_reader(q, &key);
    return r != NULL && now_ns - r->seen_ns < VRV_COLD_READER_MS * MS ? r->group : NULL;
}

static const struct vrv_quota *
client_quota(const struct vrv_cold_quotas *q, const struct vrv_cold_who *who)
{
    struct vrv_str id = who->client_id;

    return vrv_quotas_find(&q->clients.quotas, id.p != NULL ? id.p : "", id.p != NULL ? (size_t)id.n : 0);
}

/* ---- from outside ---- */

void
vrv_cold_quotas_init(struct vrv_cold_quotas *q, struct vrv_clock *clock)
{
    *q = (struct vrv_cold_quotas){ .clock = clock };
    vrv_lock_init(&q->lock, VRV_LOCK_quotas);
    vrv_omap_init(&q->readers, compare);
    vrv_list_init(&q->oldest);
}

void
vrv_cold_quotas_fini(struct vrv_cold_quotas *q)
{
    forget_all(q);
    buckets_fini(&q->clients);
    buckets_fini(&q->groups);
    vrv_lock_fini(&q->lock);
}

void
vrv_cold_quotas_set(struct vrv_cold_quotas *q, const char *clients, const char *groups)
{
    int64_t now_ns = q->clock->mono_ns(q->clock);

    vrv_lock(&q->lock);
    forget_all(q); /* they point to what goes now, and are seen again soon */
    buckets_set(&q->clients, clients, now_ns);
    buckets_set(&q->groups, groups, now_ns);
    atomic_store(&q->any_groups, q->groups.quotas.n > 0);
    atomic_store(&q->any, q->clients.quotas.n + q->groups.quotas.n > 0);
    vrv_unlock(&q->lock);
}

void
vrv_cold_quotas_reads_for(struct vrv_cold_quotas *q, const struct vrv_cold_who *who,
    struct vrv_str group)
{
    char bytes[KEY_MAX];

    if (q == NULL || !atomic_load_explicit(&q->any_groups, memory_order_relaxed) || group.p == NULL)
        return;
    const struct key key = { bytes, make_key(bytes, who) };
    if (key.n == 0)
        return;
    vrv_lock(&q->lock);
    const struct vrv_quota *quota = vrv_quotas_find(&q->groups.quotas, group.p, (size_t)group.n);
    struct reader *r = find_reader(q, &key);
    if (quota == NULL && r != NULL) { /* it has gone over to a group without one */
        forget(q, r);
    } else if (quota != NULL) {
        if (r == NULL)
            r = new_reader(q, &key);
        r->group = quota;
        r->seen_ns = q->clock->mono_ns(q->clock);
        vrv_list_del(&r->link);
        vrv_list_push(&q->oldest, &r->link);
    }
    vrv_unlock(&q->lock);
}

int64_t
vrv_cold_quotas_ask(struct vrv_cold_quotas *q, const struct vrv_cold_who *who)
{
    int64_t now_ns = q->clock->mono_ns(q->clock), at_ns = 0, group_ns = 0;

    vrv_lock(&q->lock);
    const struct vrv_quota *client = client_quota(q, who), *group = group_quota(q, who, now_ns);
    if (client != NULL)
        at_ns = ready_ns(&q->clients, client, now_ns);
    if (group != NULL)
        group_ns = ready_ns(&q->groups, group, now_ns);
    vrv_unlock(&q->lock);
    return at_ns > group_ns ? at_ns : group_ns;
}

void
vrv_cold_quotas_took(struct vrv_cold_quotas *q, const struct vrv_cold_who *who, uint64_t bytes)
{
    int64_t now_ns = q->clock->mono_ns(q->clock);

    vrv_lock(&q->lock);
    const struct vrv_quota *client = client_quota(q, who), *group = group_quota(q, who, now_ns);
    if (client != NULL)
        take(&q->clients, client, now_ns, bytes);
    if (group != NULL)
        take(&q->groups, group, now_ns, bytes);
    vrv_unlock(&q->lock);
}
