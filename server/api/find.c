#include "server/api/find.h"

#include <stdlib.h>
#include <string.h>

bool
vrv_find_topic(struct vrv_broker *b, struct vrv_str name, struct vrv_found_topic *t)
{
    if (name.p == NULL || name.n > VRV_TOPIC_NAME_MAX || memchr(name.p, '\0', (size_t)name.n))
        return false;
    memcpy(t->name, name.p, (size_t)name.n);
    t->name[name.n] = '\0';
    return vrv_catalog_find(vrv_engine_catalog(b->engine), t->name, &t->id, &t->partitions);
}

bool
vrv_find_topic_id(struct vrv_broker *b, const struct vrv_uuid *id, struct vrv_found_topic *t)
{
    t->id = *id;
    return vrv_catalog_find_id(vrv_engine_catalog(b->engine), id, t->name, &t->partitions);
}

enum vrv_kerror
vrv_find_why(struct vrv_str name)
{
    char text[VRV_TOPIC_NAME_MAX + 1];

    if (name.n > VRV_TOPIC_NAME_MAX || memchr(name.p, '\0', (size_t)name.n) != NULL)
        return VRV_K_INVALID_TOPIC_EXCEPTION;
    memcpy(text, name.p, (size_t)name.n);
    text[name.n] = '\0';
    return vrv_topic_name_check(text, NULL) < 0 ? VRV_K_INVALID_TOPIC_EXCEPTION
                                                : VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
}

enum vrv_kerror
vrv_find_either(struct vrv_broker *b, bool by_id, struct vrv_str name, const struct vrv_uuid *id,
    struct vrv_found_topic *t)
{
    if (by_id)
        return vrv_find_topic_id(b, id, t) ? VRV_K_NONE : VRV_K_UNKNOWN_TOPIC_ID;
    return vrv_find_topic(b, name, t) ? VRV_K_NONE : VRV_K_UNKNOWN_TOPIC_OR_PARTITION;
}

struct vrv_log *
vrv_find_log(struct vrv_broker *b, const struct vrv_found_topic *t, int32_t partition)
{
    if (partition < 0 || partition >= t->partitions)
        return NULL;
    return vrv_engine_log_ref(b->engine, &(struct vrv_log_id){ t->id, partition });
}

enum vrv_kerror
vrv_find_epoch(struct vrv_log *log, int32_t says)
{
    int32_t epoch = vrv_log_offsets(log).epoch;

    if (says == -1 || says == epoch)
        return VRV_K_NONE;
    return says < epoch ? VRV_K_FENCED_LEADER_EPOCH : VRV_K_UNKNOWN_LEADER_EPOCH;
}

static int
by_kind_and_name(const void *pa, const void *pb)
{
    const struct vrv_named *a = pa, *b = pb;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->name.n != b->name.n)
        return a->name.n < b->name.n ? -1 : 1;
    return a->name.n > 0 ? memcmp(a->name.p, b->name.p, (size_t)a->name.n) : 0;
}

bool *
vrv_named_twice(struct vrv_request *r, struct vrv_named *v, int32_t n)
{
    bool *twice = VRV_ROOM(r, bool, n);

    if (n > 0)
        qsort(v, (size_t)n, sizeof(*v), by_kind_and_name);
    for (int32_t i = 1; i < n; i++)
        if (by_kind_and_name(&v[i - 1], &v[i]) == 0)
            twice[v[i - 1].at] = twice[v[i].at] = true;
    return twice;
}

struct alike {
    const char *name;
    char *found;
};

static int
is_alike(void *ctx, const struct vrv_topic_info *t)
{
    const struct alike *a = ctx;
    size_t i = 0;

    for (; a->name[i] != '\0' || t->name[i] != '\0'; i++) {
        char x = a->name[i] == '.' ? '_' : a->name[i], y = t->name[i] == '.' ? '_' : t->name[i];

        if (x != y)
            return 0;
    }
    memcpy(a->found, t->name, i + 1);
    return strcmp(a->name, t->name) != 0;
}

bool
vrv_find_alike(struct vrv_broker *b, const char *name, char *found)
{
    struct alike a = { name, found };

    return vrv_catalog_each(vrv_engine_catalog(b->engine), is_alike, &a) != 0;
}

static int
add_partitions(void *ctx, const struct vrv_topic_info *t)
{
    int64_t *partitions = ctx;

    *partitions += t->partitions;
    return 0;
}

bool
vrv_find_room(struct vrv_broker *b, int32_t more)
{
    int64_t partitions = 0;

    (void)vrv_catalog_each(vrv_engine_catalog(b->engine), add_partitions, &partitions);
    return partitions + more <= b->max_partitions;
}
