#include "server/config/input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/log/topic_config.h"
#include "server/config/properties.h"

enum { ERRORS_MAX = 20 }; /* that are told: a file that is none at all has no end of them */

void
vrv_config_input_init(struct vrv_config_input *in, vrv_config_note_fn *note, void *ctx)
{
    *in = (struct vrv_config_input){ .note = note, .ctx = ctx };
}

void
vrv_config_input_fini(struct vrv_config_input *in)
{
    vrv_config_values_fini(&in->values);
}

static void VRV_PRINTF(4, 5)
note(struct vrv_config_input *in, bool is_error, const char *where, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    int n = where[0] != '\0' ? snprintf(text, sizeof(text), "%s: ", where) : 0;

    va_start(ap, fmt);
    (void)vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
    va_end(ap);
    in->errors += is_error;
    if (in->errors <= ERRORS_MAX)
        in->note(in->ctx, is_error, text);
}

/* ---- one option ---- */

static void
no_option(struct vrv_config_input *in, const char *where, const char *key, const char *value)
{
    const struct vrv_foreign *f = vrv_foreign_find(key);
    const char *like = vrv_option_like(key);

    if (f != NULL && vrv_foreign_takes(f, value))
        note(in, false, where, "%.80s has no effect: %s", key, f->why);
    else if (f != NULL)
        note(in, true, where, "%.80s: %s; take it out", key, f->why);
    else if (like != NULL)
        note(in, true, where, "there is no option %.80s: is it %s?", key, like);
    else
        note(in, true, where, "there is no option %.80s: varve.conf(5) has them all", key);
}

/* Is the value one that it takes? */
static bool
check_value(struct vrv_config_input *in, const char *where, const struct vrv_option *o,
    const char *value)
{
    char expected[VRV_SETTING_EXPECTED];
    struct vrv_setting_value v;

    if (vrv_setting_parse(&o->rule, value, &v, NULL) == 0)
        return true;
    vrv_setting_expected(&o->rule, expected);
    note(in, true, where, "%s is \"%.80s\": expected %s", o->rule.key, value, expected);
    return false;
}

static void
set(struct vrv_config_input *in, const char *where, const char *key, const char *value)
{
    size_t i = vrv_option_find(key);

    if (i == VRV_OPTIONS) {
        no_option(in, where, key, value);
        return;
    }
    const struct vrv_option o = vrv_option(i);
    if (!check_value(in, where, &o, value))
        return;
    if (o.kind == VRV_OPTION_IGNORED)
        note(in, false, where, "%s has no effect: %s", key, o.doc);
    if (in->values.text[i] != NULL && in->where[i].arg == in->args)
        note(in, false, where, "%s is set again: the earlier %s does not count", key,
            in->where[i].text);
    vrv_config_values_set(&in->values, i, value);
    (void)snprintf(in->where[i].text, VRV_CONFIG_WHERE, "%s", where);
    in->where[i].arg = in->args;
}

/* ---- where they come from ---- */

static void
place(const struct vrv_config_input *in, unsigned line, char out[VRV_CONFIG_WHERE])
{
    (void)snprintf(out, VRV_CONFIG_WHERE, "%.*s:%u", VRV_CONFIG_WHERE - 12, in->name, line);
}

static void
set_property(void *ctx, unsigned line, const char *key, const char *value)
{
    char where[VRV_CONFIG_WHERE];

    place(ctx, line, where);
    set(ctx, where, key, value);
}

static void
wrong_line(void *ctx, unsigned line, const char *why)
{
    char where[VRV_CONFIG_WHERE];

    place(ctx, line, where);
    note(ctx, true, where, "%s", why);
}

void
vrv_config_input_text(struct vrv_config_input *in, const char *name, const char *text, size_t n)
{
    static const struct vrv_properties_ops ops = { set_property, wrong_line };

    in->name = name;
    in->args = false;
    vrv_properties_parse(text, n, &ops, in);
}

void
vrv_config_input_file(struct vrv_config_input *in, const char *path)
{
    const char *slash = strrchr(path, '/');
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        note(in, true, "", "can't read %.200s: %s", path, strerror(errno));
        return;
    }
    char *text = vrv_mem_zero(VRV_CONFIG_FILE_MAX + 1);
    size_t n = fread(text, 1, VRV_CONFIG_FILE_MAX + 1, f);
    if (ferror(f))
        note(in, true, "", "can't read %.200s: %s", path, strerror(errno));
    else if (n > VRV_CONFIG_FILE_MAX)
        note(in, true, "", "%.200s has more than %d bytes: is it a configuration?", path,
            VRV_CONFIG_FILE_MAX);
    else
        vrv_config_input_text(in, slash != NULL ? slash + 1 : path, text, n);
    free(text);
    (void)fclose(f);
}

void
vrv_config_input_arg(struct vrv_config_input *in, const char *arg)
{
    const char *eq = strchr(arg, '=');

    if (eq == NULL || eq == arg) {
        note(in, true, "-o", "\"%.80s\" is not key=value", arg);
        return;
    }
    char *key = vrv_mem_strdup(arg);
    key[eq - arg] = '\0';
    in->args = true;
    set(in, "-o", key, eq + 1);
    free(key);
}

static void
together(void *ctx, const char *sentence)
{
    note(ctx, true, "", "%s", sentence);
}

/* What can be used, but not all of what it says. */
static void
warn_of(struct vrv_config_input *in, const struct vrv_config *c)
{
    int64_t most = c->memory_bytes / 2; /* vrv_net_opts' frame_max */

    if (c->socket_request_max_bytes > most)
        note(in, false, "", "socket.request.max.bytes is %" PRId32 ", but one request gets half of "
            "memory.bytes at most: those of more than %" PRId64 " bytes are refused",
            c->socket_request_max_bytes, most);
}

struct vrv_config *
vrv_config_input_done(struct vrv_config_input *in)
{
    const struct vrv_config_values *const layers[] = { [VRV_LAYER_STATIC] = &in->values };
    struct vrv_config *c = vrv_config_new(layers, together, in);

    if (in->errors > 0)
        vrv_config_unref(&c);
    if (in->errors > ERRORS_MAX) {
        char text[40];

        (void)snprintf(text, sizeof(text), "and %u more errors", in->errors - ERRORS_MAX);
        in->note(in->ctx, true, text);
    }
    if (c != NULL)
        warn_of(in, c);
    return c;
}
