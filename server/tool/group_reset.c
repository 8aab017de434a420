/* varve group reset: where a group without members goes on.  It shows the change, and makes it only
 * with --execute. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/os/clock.h"
#include "server/tool/group.h"
#include "server/tool/table.h"
#include "server/tool/when.h"

const char group_reset_help[] =
    "usage: varve group reset [options] GROUP [TOPIC[:PARTITION]...]\n"
    "  Shows where the group would go on, of all partitions that it has offsets for if none are\n"
    "  named.  One of:\n"
    "      --to-earliest          the first record\n"
    "      --to-latest            behind the last one\n"
    "      --to-offset N\n"
    "      --to-time WHEN         the first record from this time on: " WHEN_TIME_WORDS "\n"
    "      --shift-by N           from where it is, N forwards; -N: backwards\n"
    "  -x, --execute              do it\n"
    KAFKA_OPTIONS_HELP;

enum how { TO_NONE, TO_EARLIEST, TO_LATEST, TO_OFFSET, TO_TIME, SHIFT_BY };

struct reset {
    struct kafka *k;
    const char *group;
    enum how how;
    int64_t v; /* offset, time or shift */
    bool execute;
    rd_kafka_topic_partition_list_t *committed, *starts, *ends;
    rd_kafka_topic_partition_list_t *times; /* with TO_TIME */
    rd_kafka_topic_partition_list_t *list;  /* whose offsets change, and to what */
};

/* ---- which partitions ---- */

static void
want(struct reset *r, const char *topic, int32_t partition)
{
    if (rd_kafka_topic_partition_list_find(r->list, topic, partition) == NULL)
        (void)rd_kafka_topic_partition_list_add(r->list, topic, partition);
}

/* "topic" or "topic:3"; a topic's name has no colon. */
static int
want_word(struct reset *r, const char *word, struct vrv_err *e)
{
    const char *colon = strchr(word, ':');
    const struct rd_kafka_metadata *md;
    char topic[256];
    int64_t partition = -1;

    if (colon != NULL && !args_number(colon + 1, 0, INT32_MAX, &partition))
        return vrv_err_set(e, VRV_E_INVALID, "\"%.100s\" isn't TOPIC or TOPIC:PARTITION", word);
    (void)snprintf(topic, sizeof(topic), "%.*s",
        colon != NULL ? (int)(colon - word) : (int)strlen(word), word);
    int rc = kafka_topic(r->k, topic, &md, e);
    if (rc < 0)
        return rc;
    int n = md->topics[0].partition_cnt;
    if (partition >= n)
        rc = vrv_err_set(e, VRV_E_NOTFOUND, "topic \"%.100s\" has partitions 0 to %d", topic,
            n - 1);
    else if (partition >= 0)
        want(r, topic, (int32_t)partition);
    for (int i = 0; i < n && partition < 0; i++)
        want(r, topic, md->topics[0].partitions[i].id);
    rd_kafka_metadata_destroy(md);
    return rc;
}

static int
choose(struct reset *r, const struct args *a, struct vrv_err *e)
{
    int rc = group_committed(r->k, r->group, &r->committed, e);

    r->list = rd_kafka_topic_partition_list_new(8);
    for (int i = 1; i < a->n && rc == 0; i++)
        rc = want_word(r, a->v[i], e);
    for (int i = 0; rc == 0 && a->n == 1 && i < r->committed->cnt; i++)
        want(r, r->committed->elems[i].topic, r->committed->elems[i].partition);
    if (rc == 0 && r->list->cnt == 0)
        rc = vrv_err_set(e, VRV_E_NOTFOUND,
            "group \"%.100s\" has no offsets: name the topics that it shall begin to read",
            r->group);
    return rc;
}

/* ---- where to ---- */

/* A look-up's answer; -1 when there is none. */
static int64_t
offset_in(rd_kafka_topic_partition_list_t *list, const rd_kafka_topic_partition_t *p)
{
    const rd_kafka_topic_partition_t *x =
        rd_kafka_topic_partition_list_find(list, p->topic, p->partition);

    return x != NULL && x->err == 0 && x->offset >= 0 ? x->offset : -1;
}

static int
target(struct reset *r, const rd_kafka_topic_partition_t *p, int64_t *out, struct vrv_err *e)
{
    int64_t start = offset_in(r->starts, p), end = offset_in(r->ends, p);
    int64_t now = offset_in(r->committed, p), v = end;

    if (start < 0 || end < 0)
        return vrv_err_set(e, VRV_E_NOTFOUND,
            "topic \"%.80s\", partition %" PRId32 ": no offsets; was it deleted?", p->topic,
            p->partition);
    if (r->how == SHIFT_BY && now < 0)
        return vrv_err_set(e, VRV_E_NOTFOUND,
            "topic \"%.80s\", partition %" PRId32 ": the group has no offset there to shift",
            p->topic, p->partition);
    if (r->how == TO_EARLIEST)
        v = start;
    else if (r->how == TO_OFFSET)
        v = r->v;
    else if (r->how == TO_TIME && offset_in(r->times, p) >= 0)
        v = offset_in(r->times, p);
    else if (r->how == SHIFT_BY && __builtin_add_overflow(now, r->v, &v))
        v = r->v < 0 ? start : end;
    /* A place outside the log would be decided by each reader's auto.offset.reset. */
    *out = v < start ? start : v > end ? end : v;
    return 0;
}

static int
find_targets(struct reset *r, struct vrv_err *e)
{
    int rc = group_offsets(r->k, r->list, RD_KAFKA_OFFSET_BEGINNING, &r->starts, e);

    if (rc == 0)
        rc = group_offsets(r->k, r->list, RD_KAFKA_OFFSET_END, &r->ends, e);
    if (rc == 0 && r->how == TO_TIME)
        rc = group_offsets(r->k, r->list, r->v, &r->times, e);
    for (int i = 0; i < r->list->cnt && rc == 0; i++)
        rc = target(r, &r->list->elems[i], &r->list->elems[i].offset, e);
    return rc;
}

/* ---- showing and doing ---- */

static void
show_json(const struct reset *r, const rd_kafka_topic_partition_t *p)
{
    struct out *o = &r->k->out;

    out_begin(o, "group_reset");
    out_str(o, "group", r->group);
    out_str(o, "topic", p->topic);
    out_int(o, "partition", p->partition);
    out_int(o, "committed", offset_in(r->committed, p));
    out_int(o, "new", p->offset);
    out_int(o, "start", offset_in(r->starts, p));
    out_int(o, "end", offset_in(r->ends, p));
    out_bool(o, "done", r->execute);
    out_end(o);
}

static void
show(const struct reset *r)
{
    struct table t;

    table_init(&t,
        (const char *const[]){ "TOPIC", ">PARTITION", ">COMMITTED", ">NEW", ">LAG", NULL });
    for (int i = 0; i < r->list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &r->list->elems[i];
        int64_t now = offset_in(r->committed, p);

        if (r->k->out.json) {
            show_json(r, p);
            continue;
        }
        table_add(&t, OUT_PLAIN, "%s", p->topic);
        table_add(&t, OUT_PLAIN, "%" PRId32, p->partition);
        if (now < 0)
            table_add(&t, OUT_DIM, "-");
        else
            table_add(&t, OUT_PLAIN, "%" PRId64, now);
        table_add(&t, p->offset != now ? OUT_YELLOW : OUT_PLAIN, "%" PRId64, p->offset);
        table_add(&t, OUT_PLAIN, "%" PRId64, offset_in(r->ends, p) - p->offset);
    }
    table_print(&t, &r->k->out);
    if (!r->k->out.json && !r->execute)
        (void)fputs("Nothing was changed; --execute does it.\n", r->k->out.f);
}

/* Members would commit their own offsets over ours.  A group that isn't there yet gets some. */
static int
check_idle(const struct reset *r, struct vrv_err *e)
{
    const rd_kafka_ConsumerGroupDescription_t *d;
    rd_kafka_event_t *ev;
    int rc = group_state(r->k, r->group, &ev, &d, e);

    if (rc == VRV_E_NOTFOUND)
        return 0;
    if (rc < 0)
        return rc;
    size_t members = rd_kafka_ConsumerGroupDescription_member_count(d);
    rd_kafka_event_destroy(ev);
    if (members == 0)
        return 0;
    return vrv_err_set(e, VRV_E_CONFLICT,
        "group \"%.80s\" has %zu active member%s: stop %s first, nothing was changed", r->group,
        members, members == 1 ? "" : "s", members == 1 ? "it" : "them");
}

static int
execute(const struct reset *r, struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(r->k, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS);
    rd_kafka_AlterConsumerGroupOffsets_t *ask =
        rd_kafka_AlterConsumerGroupOffsets_new(r->group, r->list);
    size_t n;
    int rc = 0;

    rd_kafka_AlterConsumerGroupOffsets(r->k->rk, &ask, 1, o, r->k->queue);
    rd_kafka_event_t *ev = kafka_result(r->k, e);
    rd_kafka_AlterConsumerGroupOffsets_destroy(ask);
    rd_kafka_AdminOptions_destroy(o);
    if (ev == NULL)
        return e->code;
    const rd_kafka_group_result_t *res = rd_kafka_AlterConsumerGroupOffsets_result_groups(
        rd_kafka_event_AlterConsumerGroupOffsets_result(ev), &n)[0];
    const rd_kafka_error_t *error = rd_kafka_group_result_error(res);
    if (error != NULL && rd_kafka_error_code(error) != 0)
        rc = kafka_err(e, rd_kafka_error_code(error), rd_kafka_error_string(error),
            "group \"%.100s\"", r->group);
    const rd_kafka_topic_partition_list_t *parts = rd_kafka_group_result_partitions(res);
    for (int i = 0; rc == 0 && parts != NULL && i < parts->cnt; i++)
        if (parts->elems[i].err != 0)
            rc = kafka_err(e, parts->elems[i].err, NULL,
                "group \"%.60s\", topic \"%.60s\", partition %" PRId32, r->group,
                parts->elems[i].topic, parts->elems[i].partition);
    rd_kafka_event_destroy(ev);
    return rc;
}

static void
destroy(rd_kafka_topic_partition_list_t *list)
{
    if (list != NULL)
        rd_kafka_topic_partition_list_destroy(list);
}

static int
run(struct reset *r, const struct args *a, struct vrv_err *e)
{
    int rc = kafka_open(r->k, RD_KAFKA_CONSUMER, e);

    if (rc == 0)
        rc = check_idle(r, e);
    if (rc == 0)
        rc = choose(r, a, e);
    if (rc == 0)
        rc = find_targets(r, e);
    if (rc == 0 && r->execute)
        rc = execute(r, e);
    if (rc == 0)
        show(r);
    destroy(r->committed);
    destroy(r->starts);
    destroy(r->ends);
    destroy(r->times);
    destroy(r->list);
    return rc;
}

/* ---- options ---- */

struct options {
    bool earliest, latest;
    const char *offset, *time, *shift;
};

static int
choose_how(struct reset *r, struct args *a, const struct options *o, struct vrv_err *e)
{
    struct vrv_clock *c = vrv_clock_real();
    int n = o->earliest + o->latest + (o->offset != NULL) + (o->time != NULL) + (o->shift != NULL);

    if (n != 1)
        return args_misuse(a, e,
            "one of --to-earliest, --to-latest, --to-offset, --to-time, --shift-by is wanted");
    if (o->offset != NULL && !args_number(o->offset, 0, INT64_MAX, &r->v))
        return args_misuse(a, e, "--to-offset wants a whole number from 0 on");
    if (o->shift != NULL && !args_number(o->shift[0] == '+' ? o->shift + 1 : o->shift, INT64_MIN,
                                INT64_MAX, &r->v))
        return args_misuse(a, e, "--shift-by wants a whole number");
    if (o->time != NULL && !when_time(o->time, c->wall_ms(c), &r->v))
        return args_misuse(a, e, "--to-time wants " WHEN_TIME_WORDS);
    r->how = o->earliest ? TO_EARLIEST : o->latest ? TO_LATEST : o->offset != NULL ? TO_OFFSET
        : o->time != NULL ? TO_TIME : SHIFT_BY;
    return 0;
}

int
group_reset(struct kafka *k, struct args *a, struct vrv_err *e)
{
    struct reset r = { .k = k };
    struct options o = { .earliest = false };
    const struct arg own[] = {
        { "to-earliest", 0, ARG_FLAG, &o.earliest },
        { "to-latest", 0, ARG_FLAG, &o.latest },
        { "to-offset", 0, ARG_WORD, &o.offset },
        { "to-time", 0, ARG_WORD, &o.time },
        { "shift-by", 0, ARG_WORD, &o.shift },
        { "execute", 'x', ARG_FLAG, &r.execute },
        { NULL, 0, 0, NULL },
    };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "the group's name", e);
    if (rc == 0)
        rc = choose_how(&r, a, &o, e);
    if (rc != 0)
        return rc;
    r.group = a->v[0];
    return run(&r, a, e);
}
