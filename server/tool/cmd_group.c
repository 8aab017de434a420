/* varve group: rm, and the table of subcommands. */
#include <stdlib.h>

#include "server/tool/commands.h"
#include "server/tool/group.h"

static const char rm_help[] =
    "usage: varve group rm [options] GROUP...       delete groups with their offsets\n"
    "  -y, --yes                  don't ask\n"
    KAFKA_OPTIONS_HELP;

static void
deleted(struct kafka *k, const char *group)
{
    if (!k->out.json) {
        (void)fprintf(k->out.f, "group %s: deleted\n", group);
        return;
    }
    out_begin(&k->out, "group");
    out_str(&k->out, "group", group);
    out_str(&k->out, "result", "deleted");
    out_end(&k->out);
}

static int
result(struct kafka *k, const rd_kafka_group_result_t *r, struct vrv_err *e)
{
    const rd_kafka_error_t *error = rd_kafka_group_result_error(r);
    const char *group = rd_kafka_group_result_name(r);

    if (error == NULL || rd_kafka_error_code(error) == 0) {
        deleted(k, group);
        return 0;
    }
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP)
        return vrv_err_set(e, VRV_E_CONFLICT,
            "group \"%.100s\" has active members: stop them first", group);
    return kafka_err(e, rd_kafka_error_code(error), rd_kafka_error_string(error),
        "group \"%.100s\"", group);
}

static int
delete_all(struct kafka *k, char **names, int count, struct vrv_err *e)
{
    rd_kafka_AdminOptions_t *o = kafka_options(k, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
    rd_kafka_DeleteGroup_t *groups[WORDS_MAX];
    int first = 0;
    size_t n = 0;

    for (; n < (size_t)count; n++)
        groups[n] = rd_kafka_DeleteGroup_new(names[n]);
    rd_kafka_DeleteGroups(k->rk, groups, n, o, k->queue);
    rd_kafka_event_t *ev = kafka_result(k, e);
    rd_kafka_DeleteGroup_destroy_array(groups, n);
    rd_kafka_AdminOptions_destroy(o);
    if (ev == NULL)
        return e->code;
    const rd_kafka_group_result_t **r =
        rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(ev), &n);
    for (size_t i = 0; i < n; i++)
        kafka_told(result(k, r[i], e), e, &first);
    rd_kafka_event_destroy(ev);
    return first;
}

static int
rm(struct kafka *k, struct args *a, struct vrv_err *e)
{
    char question[200];
    bool yes = false;
    const struct arg own[] = { { "yes", 'y', ARG_FLAG, &yes }, { NULL, 0, 0, NULL } };
    int rc = kafka_args(k, a, own, e);

    if (rc == 0)
        rc = args_want(a, 1, WORDS_MAX, "a group's name", e);
    if (rc == 0 && !yes) {
        if (a->n == 1)
            (void)snprintf(question, sizeof(question), "Delete group \"%.100s\" with its offsets?",
                a->v[0]);
        else
            (void)snprintf(question, sizeof(question), "Delete these %d groups with their offsets?",
                a->n);
        rc = kafka_ask(question, e);
    }
    if (rc == 0)
        rc = kafka_open(k, RD_KAFKA_CONSUMER, e);
    if (rc == 0)
        rc = delete_all(k, a->v, a->n, e);
    return rc;
}

static const struct sub subs[] = {
    { "ls", group_ls_help, group_ls },
    { "describe", group_describe_help, group_describe },
    { "reset", group_reset_help, group_reset },
    { "rm", rm_help, rm },
    { NULL, NULL, NULL },
};

int
cmd_group(int argc, char **argv)
{
    return kafka_main("group", subs, argc, argv);
}
