#include "server/net/admit.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"

static const int64_t SECOND = 1000000000;

struct source {
    struct vrv_omap_node node;
    struct vrv_list idle;
    uint8_t key[16];
    unsigned n;
    int64_t tokens_ns; /* a bucket of one second, filled with time: a new one costs a share of it */
    int64_t seen_ns;   /* when tokens_ns was right */
};

static int
compare(const void *key, const struct vrv_omap_node *node)
{
    return memcmp(key, VRV_OMAP_OF(node, struct source, node)->key, 16);
}

void
vrv_admit_init(struct vrv_admit *a)
{
    a->n = 0;
    vrv_omap_init(&a->by_address, compare);
    vrv_list_init(&a->idle);
}

void
vrv_admit_fini(struct vrv_admit *a)
{
    struct vrv_omap_node *node;

    while ((node = vrv_omap_pop(&a->by_address)) != NULL)
        free(VRV_OMAP_OF(node, struct source, node));
}

/* False: it has none. */
static bool
key_of(const uint8_t address[16], uint8_t key[16])
{
    static const uint8_t v4[12] = { [10] = 0xff, 0xff }, none[16];

    memcpy(key, address, 16);
    if (memcmp(address, v4, sizeof(v4)) != 0)
        memset(key + 8, 0, 8); /* loopback shares ::/64 with nobody */
    return memcmp(address, none, sizeof(none)) != 0;
}

/* Those that are idle for a second have a full bucket: as good as unknown. */
static void
forget(struct vrv_admit *a, int64_t now)
{
    while (!vrv_list_empty(&a->idle)) {
        struct source *s = VRV_LIST_OF(a->idle.next, struct source, idle);

        if (now - s->seen_ns < SECOND)
            return;
        vrv_list_del(&s->idle);
        (void)vrv_omap_remove(&a->by_address, s->key);
        free(s);
    }
}

static struct source *
find(struct vrv_admit *a, const uint8_t key[16])
{
    struct vrv_omap_node *node = vrv_omap_find(&a->by_address, key);

    return node != NULL ? VRV_OMAP_OF(node, struct source, node) : NULL;
}

static struct source *
make(struct vrv_admit *a, const uint8_t key[16], int64_t now)
{
    struct source *s = VRV_NEW(struct source);

    memcpy(s->key, key, 16);
    s->tokens_ns = SECOND;
    s->seen_ns = now;
    vrv_list_init(&s->idle);
    vrv_omap_insert(&a->by_address, s->key, &s->node);
    return s;
}

static void
refill(struct source *s, int64_t now)
{
    s->tokens_ns += now - s->seen_ns;
    if (s->tokens_ns > SECOND)
        s->tokens_ns = SECOND;
    s->seen_ns = now;
}

/* Into the list of those without connections, or to its end. */
static void
set_idle(struct vrv_admit *a, struct source *s)
{
    vrv_list_del(&s->idle);
    vrv_list_push(&a->idle, &s->idle);
}

static enum vrv_admit_answer
ask_source(struct vrv_admit *a, const struct vrv_net_limits *l, const uint8_t key[16], int64_t now)
{
    struct source *s = find(a, key);
    int64_t cost = l->per_second > 0 ? SECOND / l->per_second : 0;

    if ((s != NULL ? s->n : 0) >= l->per_address)
        return VRV_ADMIT_ADDRESS;
    if (s == NULL)
        s = make(a, key, now);
    refill(s, now);
    if (s->tokens_ns < cost) {
        if (s->n == 0)
            set_idle(a, s);
        return VRV_ADMIT_RATE;
    }
    s->tokens_ns -= cost;
    s->n++;
    vrv_list_del(&s->idle);
    return VRV_ADMIT_YES;
}

enum vrv_admit_answer
vrv_admit_ask(struct vrv_admit *a, const struct vrv_net_limits *l, const uint8_t address[16],
    int64_t now)
{
    uint8_t key[16];
    enum vrv_admit_answer answer = VRV_ADMIT_YES;

    forget(a, now);
    if (a->n >= l->total)
        return VRV_ADMIT_TOTAL;
    if (key_of(address, key))
        answer = ask_source(a, l, key, now);
    a->n += answer == VRV_ADMIT_YES;
    return answer;
}

void
vrv_admit_end(struct vrv_admit *a, const uint8_t address[16], int64_t now)
{
    uint8_t key[16];

    VRV_ASSERT(a->n > 0);
    a->n--;
    if (!key_of(address, key))
        return;
    struct source *s = find(a, key);
    VRV_ASSERT(s != NULL);
    VRV_ASSERT(s->n > 0);
    refill(s, now);
    if (--s->n == 0)
        set_idle(a, s);
}
