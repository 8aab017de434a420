/* The crash simulator's topics: made, deleted, and what became of them after a crash. */
#include "t/lib/crashsim_int.h"

#include <inttypes.h>
#include <stdio.h>

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

/* Each topic is another kind of topic; what is drawn here decides how the model judges it. */
static size_t
draw_config(struct sim *s, int t, struct setting *v)
{
    static const char *const policies[] = { "sync", "none", "interval" };
    const char *policy = s->o->lossy && t > 0 ? policies[t] : "sync";
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
    for (int p = 0; p < PARTS; p++) {
        s->m[t * PARTS + p].lossy = strcmp(policy, "sync") != 0;
        s->m[t * PARTS + p].retains = retains;
    }
    return n;
}

static int
create_topic(struct sim *s, int t, struct vrv_err *e)
{
    struct setting v[CONFIGS];
    struct vrv_config_kv kv[CONFIGS];
    char name[16];
    size_t n = draw_config(s, t, v);

    for (size_t i = 0; i < n; i++)
        kv[i] = (struct vrv_config_kv){ (char *)(uintptr_t)v[i].key, v[i].value };
    for (int i = 0; i < 16; i++)
        s->topic[t].id.b[i] = (uint8_t)vrv_rand_next(&s->rand);
    (void)snprintf(name, sizeof(name), "topic-%d", t);
    s->topic[t].state = TOPIC_UNSURE;
    int rc = vrv_engine_create_topic(s->eng, name, PARTS, kv, n, &s->topic[t].id, e);
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

void
settle_topics(struct sim *s)
{
    for (int t = 0; t < TOPICS; t++) {
        struct vrv_topic_info info;

        if (s->topic[t].state != TOPIC_UNSURE)
            continue;
        if (vrv_catalog_by_id(vrv_engine_catalog(s->eng), &s->topic[t].id, &info, NULL) == 0) {
            vrv_topic_info_fini(&info);
            s->topic[t].state = TOPIC_THERE;
        } else {
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
    /* A catalog that a fault has stopped refuses from then on. */
    bool faulty = s->r->fault_hit || simdisk_failed(s->disk) > 0;
    if (rc < 0 && !expected_refusal(s, rc) && !(rc == VRV_E_STOPPED && faulty))
        broken(s, "creating or deleting %s: %s", name, e.msg);
}
