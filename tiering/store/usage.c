#include "tiering/store/usage.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct entry {
    struct vrv_omap_node node;
    struct vrv_list used;
    struct vrv_uuid topic;
    struct vrv_usage n;
};

static int
compare(const void *key, const struct vrv_omap_node *n)
{
    return memcmp(key, &VRV_OMAP_OF(n, struct entry, node)->topic, sizeof(struct vrv_uuid));
}

void
vrv_usages_init(struct vrv_usages *u)
{
    memset(&u->all, 0, sizeof(u->all));
    vrv_omap_init(&u->map, compare);
    vrv_list_init(&u->used);
}

static void
forget(struct vrv_usages *u, struct entry *e)
{
    (void)vrv_omap_remove(&u->map, &e->topic);
    vrv_list_del(&e->used);
    free(e);
}

void
vrv_usages_fini(struct vrv_usages *u)
{
    while (!vrv_list_empty(&u->used))
        forget(u, VRV_LIST_OF(u->used.next, struct entry, used));
}

/* d/<topic>/..., perhaps with a hash in between, m/<topic>/...; what else there is belongs to none. */
static bool
topic_of(const char *key, struct vrv_uuid *out)
{
    if (key == NULL || (key[0] != 'd' && key[0] != 'm') || key[1] != '/')
        return false;
    bool hashed = key[0] == 'd' && strcspn(key + 2, "/") == 2 && key[4] == '/';
    const char *topic = key + (hashed ? 5 : 2);
    return vrv_uuid_parse(out, topic) && topic[VRV_UUID_TEXT] == '/';
}

static struct vrv_usage *
usage_of(struct vrv_usages *u, const struct vrv_uuid *topic)
{
    struct vrv_omap_node *n = vrv_omap_find(&u->map, topic);
    struct entry *e = n != NULL ? VRV_OMAP_OF(n, struct entry, node) : NULL;

    if (e == NULL) {
        if (u->map.n == VRV_USAGE_TOPICS_MAX)
            forget(u, VRV_LIST_OF(u->used.next, struct entry, used));
        e = VRV_NEW(struct entry);
        e->topic = *topic;
        vrv_list_init(&e->used);
        vrv_omap_insert(&u->map, &e->topic, &e->node);
    }
    vrv_list_del(&e->used);
    vrv_list_push(&u->used, &e->used);
    return &e->n;
}

static uint64_t
bytes_of(const struct vrv_store_call *c)
{
    if (c->op == VRV_STORE_GET)
        return c->status == 0 ? c->got : 0;
    bool began = c->status != VRV_E_CANCELLED && c->status != VRV_E_UNREACHABLE;
    return began && (c->op == VRV_STORE_PUT || c->op == VRV_STORE_PART_N) ? c->size : 0;
}

static void
add(struct vrv_usage *to, const struct vrv_store_call *c)
{
    enum vrv_store_outcome o = vrv_store_outcome_of(c->status);

    to->of[c->op][o].requests++;
    to->of[c->op][o].bytes += bytes_of(c);
}

void
vrv_usages_add(struct vrv_usages *u, const struct vrv_store_call *c)
{
    struct vrv_uuid topic;

    add(&u->all, c);
    /* those of one deletion are one partition's */
    if (topic_of(c->op == VRV_STORE_DELETE ? c->keys[0] : c->key, &topic))
        add(usage_of(u, &topic), c);
}

void
vrv_usages_get(const struct vrv_usages *u, const struct vrv_uuid *topic, struct vrv_usage *out)
{
    struct vrv_omap_node *n = vrv_omap_find(&u->map, topic);

    if (n != NULL)
        *out = VRV_OMAP_OF(n, struct entry, node)->n;
    else
        memset(out, 0, sizeof(*out));
}
