#include "server/tool/coldlink.h"

#include "engine/os/clock.h"
#include "server/base/random.h"
#include "server/cold/coldstore.h"
#include "server/tool/tool.h"

enum { SECONDS = 30, SECONDS_MAX = 86400 };

int
coldlink_args(struct coldlink *l, struct args *a, const struct arg *own, struct vrv_err *e)
{
    int64_t seconds = SECONDS;
    const struct arg common[] = {
        { "config", 'c', ARG_WORD, &l->file },
        { "option", 'o', ARG_WORDS, &l->options },
        { "timeout", 0, ARG_NUMBER, &seconds },
        { "json", 0, ARG_FLAG, &l->out.json },
        { NULL, 0, 0, NULL },
    };
    int rc = args_parse(a, own, common, e);

    if (rc == 0 && (seconds < 1 || seconds > SECONDS_MAX))
        return args_misuse(a, e, "--timeout wants 1 to %d seconds", SECONDS_MAX);
    l->timeout_ms = seconds * 1000;
    out_colours(&l->out);
    return rc;
}

/* Warnings are varved's to tell: here they are of things that don't matter. */
static void
note(void *ctx, bool is_error, const char *sentence)
{
    (void)ctx;
    if (is_error)
        tool_say("%s", sentence);
}

static int
read_config(struct coldlink *l, struct vrv_err *e)
{
    if (l->config != NULL)
        return 0;
    vrv_config_input_fini(&l->input);
    vrv_config_input_init(&l->input, note, NULL);
    if (l->file != NULL)
        vrv_config_input_file(&l->input, l->file);
    for (size_t i = 0; i < l->options.n; i++)
        vrv_config_input_arg(&l->input, l->options.v[i]);
    l->config = vrv_config_input_done(&l->input);
    if (l->config != NULL)
        return 0;
    e->msg[0] = '\0'; /* all of it was told */
    return VRV_E_INVALID;
}

int
coldlink_store(struct coldlink *l, struct vrv_err *e)
{
    int rc = read_config(l, e);

    if (rc < 0)
        return rc;
    if (l->config->tier_store_url[0] == '\0')
        return vrv_err_set(e, VRV_E_INVALID, "no store is named: give --config FILE with tier.store.url, or "
            "-o tier.store.url=s3://BUCKET/PREFIX");
    rc = vrv_coldstore_open(&l->store, l->config, false, e);
    if (rc == 0)
        vrv_store_describe(l->store, l->what, sizeof(l->what));
    return rc;
}

int
coldlink_open(struct coldlink *l, struct vrv_err *e)
{
    uint64_t random;
    int rc = coldlink_store(l, e);

    if (rc == 0)
        rc = vrv_random(&random, sizeof(random), e);
    if (rc == 0 && (rc = vrv_coldstore_look(l->store, l->timeout_ms, e)) < 0)
        return vrv_err_prefix(e, rc, "%s", l->what);
    if (rc < 0)
        return rc;
    vrv_sync_init(&l->sync, l->store, vrv_clock_real(), random, l->timeout_ms);
    l->syncs = true;
    return 0;
}

static void
close_all(struct coldlink *l)
{
    if (l->syncs)
        vrv_sync_fini(&l->sync);
    if (l->store != NULL)
        vrv_store_close(&l->store);
    vrv_config_unref(&l->config);
    vrv_config_input_fini(&l->input);
}

int
coldlink_main(const struct coldlink_cmd *cmd, int argc, char **argv)
{
    struct coldlink l = { .out = { .f = stdout } };
    struct args a = { cmd->name, cmd->help, argc, argv };
    struct vrv_err e = { 0 };
    int rc = cmd->run(&l, &a, &e);

    if (rc < 0 && e.msg[0] != '\0')
        tool_say("%s", e.msg);
    close_all(&l);
    return rc < 0 ? vrv_err_exit(rc) : 0;
}
