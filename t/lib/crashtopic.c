/* The crash simulator's topics: made, deleted, and what became of them after a crash. */
#include "t/lib/crashsim_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct setting {
    const char *key;
    char value[24];
};

static void
set(struct setting *v, size_t *n, const char *key, const char *word, uint64_t number)
{
    struct setting *c = &v[(*n)++];

    c->key = key;
    if (word != NULL)
        (void)snprintf(c->value, sizeof(c->value), "%s", word);
    else
        (void)snprintf(c->value, sizeof(c->value), "%" PRIu64, number);
}

/* What the model has to know of a topic's settings. */
struct kind {
    bool lossy, retains;
};

/* Each topic is another kind of topic. */
static size_t
draw_config(struct sim *s, int t, struct setting *v, struct kind *k)
{
    static const char *const policies[] = { "sync", "none", "interval" };
    const char *policy = s->o->lossy && t > 0 ? policies[pick(s, 3)] : "sync";
    bool retains = pick(s, 4) == 0;
    size_t n = 0;

    set(v, &n, "flush.policy", policy, 0);
    set(v, &n, "index.interval.bytes", NULL, pick(s, 3) * 512);
    set(v, &n, "segment.bytes", NULL, 3000 + pick(s, 12000));
    if (pick(s, 3) == 0)
        set(v, &n, "segment.ms", NULL, 300 + pick(s, 3000));
    if (pick(s, 4) == 0)
        set(v, &n, "message.timestamp.type", "LogAppendTime", 0);
    if (pick(s, 4) == 0)
        set(v, &n, "validation", "records", 0);
    if (pick(s, 2) == 0)
        set(v, &n, "flush.messages", NULL, 1 + pick(s, 20));
    if (retains && pick(s, 2) == 0)
        set(v, &n, "retention.ms", NULL, 500 + pick(s, 4000));
    else if (retains)
        set(v, &n, "retention.bytes", NULL, pick(s, 20000));
    *k = (struct kind){ strcmp(policy, "sync") != 0, retains };
    return n;
}

/* From now on the model judges by it.  Retention that was in force once may have had its effect. */
static void
is_kind(struct sim *s, int t, struct kind k)
{
    for (int p = 0; p < PARTS; p++) {
        struct model *m = &s->m[t * PARTS + p];

        m->lossy = k.lossy;
        m->was_lossy |= k.lossy;
        m->retains |= k.retains;
    }
}

/* Of all that was drawn, or of some of it: the rest goes back to the default, or stays. */
static size_t
some_changes(struct sim *s, const struct setting *v, size_t n, struct vrv_config_kv *kv)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        char *value = (char *)(uintptr_t)v[i].value;

        if (i > 0 && pick(s, 4) == 0) /* the policy is always the one that the model knows */
            continue;
        kv[m++] = (struct vrv_config_kv){ (char *)(uintptr_t)v[i].key,
            i > 0 && pick(s, 4) == 0 ? NULL : value };
    }
    return m;
}

static int
create_topic(struct sim *s, int t, struct vrv_err *e)
{
    struct setting v[CONFIGS];
    struct vrv_config_kv kv[CONFIGS];
    char name[16];
    struct kind k;
    size_t n = draw_config(s, t, v, &k);

    for (size_t i = 0; i < n; i++)
        kv[i] = (struct vrv_config_kv){ (char *)(uintptr_t)v[i].key, v[i].value };
    for (int i = 0; i < 16; i++)
        s->topic[t].id.b[i] = (uint8_t)vrv_rand_next(&s->rand);
    (void)snprintf(name, sizeof(name), "topic-%d", t);
    s->topic[t].state = TOPIC_UNSURE;
    s->topic[t].parts = 2;
    is_kind(s, t, k);
    int rc = vrv_engine_create_topic(s->eng, name, s->topic[t].parts, kv, n, &s->topic[t].id, e);
    if (rc == 0)
        s->topic[t].state = TOPIC_THERE;
    return rc;
}

/* Nobody will ask for it again. */
static void
bury_topic(struct sim *s, int t)
{
    s->dead[s->dead_n++ % DEAD_MAX] = s->topic[t].id;
    s->topic[t].state = TOPIC_NONE;
    for (struct call *c = s->calls; c != NULL; c = c->next)
        for (int i = 0; i < c->n + c->is_start; i++)
            if (c->part[i].log / PARTS == t)
                c->part[i].log = -1;
    for (int p = 0; p < PARTS; p++)
        model_reset(&s->m[t * PARTS + p]);
}

static void
settle_change(struct sim *s, int t, int32_t partitions)
{
    struct topic *topic = &s->topic[t];
    int log = t * PARTS;

    if (!topic->changing && partitions != topic->parts)
        broken(s, "topic %d has %d partitions, not %d", t, (int)partitions, topic->parts);
    topic->parts = (int)partitions;
    bool lossy = get_log(s, log) != NULL && get_log(s, log)->config->policy != VRV_FLUSH_SYNC;
    if (!topic->changing && lossy != s->m[log].lossy)
        broken(s, "topic %d has another flush.policy than before", t);
    is_kind(s, t, (struct kind){ lossy, false });
    topic->changing = false;
}

void
settle_topics(struct sim *s)
{
    for (int t = 0; t < TOPICS; t++) {
        struct vrv_topic_info info;

        if (s->topic[t].state == TOPIC_NONE)
            continue;
        if (vrv_catalog_by_id(vrv_engine_catalog(s->eng), &s->topic[t].id, &info, NULL) == 0) {
            s->topic[t].state = TOPIC_THERE;
            settle_change(s, t, info.partitions);
            vrv_topic_info_fini(&info);
        } else {
            if (s->topic[t].state == TOPIC_THERE)
                broken(s, "topic %d is not there any more", t);
            bury_topic(s, t);
        }
    }
}

int
create_topics(struct sim *s, struct vrv_err *e)
{
    int rc = 0;

    for (int t = 0; t < TOPICS && rc == 0; t++)
        if (s->topic[t].state == TOPIC_NONE)
            rc = create_topic(s, t, e);
    return rc;
}

/* A catalog that a fault has stopped refuses from then on. */
static void
judge_refusal(struct sim *s, int rc, const char *what, const struct vrv_err *e)
{
    bool faulty = s->r->fault_hit || simdisk_failed(s->disk) > 0;

    if (rc < 0 && !expected_refusal(s, rc) && !(rc == VRV_E_STOPPED && faulty))
        broken(s, "%s: %s", what, e->msg);
}

/* A topic is deleted, or a missing one made. */
void
act_topic(struct sim *s)
{
    int t = (int)pick(s, TOPICS);
    struct vrv_err e = { 0 };
    char name[16];
    int rc = 0;

    (void)snprintf(name, sizeof(name), "topic-%d", t);
    if (s->topic[t].state == TOPIC_NONE) {
        rc = create_topic(s, t, &e);
    } else if (s->topic[t].state == TOPIC_THERE && pick(s, 6) == 0) {
        s->topic[t].state = TOPIC_UNSURE;
        rc = vrv_engine_delete_topic(s->eng, name, &e);
        if (rc == 0)
            bury_topic(s, t);
    }
    judge_refusal(s, rc, "creating or deleting a topic", &e);
}

void
act_alter(struct sim *s)
{
    int t = (int)pick(s, TOPICS);
    struct setting v[CONFIGS];
    struct vrv_config_kv kv[CONFIGS];
    struct vrv_err e = { 0 };
    struct kind k;
    char name[16];

    if (s->topic[t].state != TOPIC_THERE)
        return;
    (void)snprintf(name, sizeof(name), "topic-%d", t);
    size_t drawn = draw_config(s, t, v, &k), n = some_changes(s, v, drawn, kv);
    int rc = vrv_engine_alter_topic(s->eng, name, kv, n, &e);
    if (rc < 0) { /* perhaps it comes true with the next start */
        s->topic[t].changing = true;
        k.lossy = s->m[t * PARTS].lossy;
    }
    is_kind(s, t, k);
    judge_refusal(s, rc, "altering a topic", &e);
}

void
act_grow(struct sim *s)
{
    int t = (int)pick(s, TOPICS);
    struct vrv_err e = { 0 };
    char name[16];

    if (s->topic[t].state != TOPIC_THERE || s->topic[t].parts == PARTS)
        return;
    (void)snprintf(name, sizeof(name), "topic-%d", t);
    int rc = vrv_engine_grow_topic(s->eng, name, s->topic[t].parts + 1, &e);
    if (rc == 0)
        s->topic[t].parts++;
    else
        s->topic[t].changing = true;
    judge_refusal(s, rc, "growing a topic", &e);
}
