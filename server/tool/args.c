#include "server/tool/args.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getopt's own names of our options lie above all letters. */
enum { OPTIONS_MAX = 40, FIRST_ID = 256, ID_HELP = FIRST_ID + OPTIONS_MAX };

struct table {
    const struct arg *arg[OPTIONS_MAX];
    struct option option[OPTIONS_MAX + 2];
    char letters[2 * OPTIONS_MAX + 3];
    size_t n;
};

int
args_misuse(const struct args *a, struct vrv_err *e, const char *fmt, ...)
{
    char text[160];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return vrv_err_set(e, VRV_E_INVALID, "%s: %s; see varve %s --help", a->cmd, text, a->cmd);
}

int
args_sub_misuse(const char *cmd, const char *sub, struct vrv_err *e)
{
    if (sub == NULL)
        return vrv_err_set(e, VRV_E_INVALID, "%s wants a subcommand; see varve %s --help", cmd,
            cmd);
    return vrv_err_set(e, VRV_E_INVALID, "%s has no subcommand \"%.60s\"; see varve %s --help",
        cmd, sub, cmd);
}

bool
args_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
    char *end;

    if (text[text[0] == '-'] < '0' || text[text[0] == '-'] > '9')
        return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0 || v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool
args_pair(const char *word, size_t *key_n, const char **value)
{
    const char *eq = strchr(word, '=');

    if (eq == NULL || eq == word)
        return false;
    *key_n = (size_t)(eq - word);
    *value = eq + 1;
    return true;
}

bool
args_pair_key(const char *word, char *key, size_t n, const char **value)
{
    size_t key_n;

    if (!args_pair(word, &key_n, value) || key_n >= n)
        return false;
    memcpy(key, word, key_n);
    key[key_n] = '\0';
    return true;
}

static void
add(struct table *t, const struct arg *a)
{
    size_t letters = strlen(t->letters);

    t->arg[t->n] = a;
    t->option[t->n] = (struct option){ .name = a->name,
        .has_arg = a->kind == ARG_FLAG ? no_argument : required_argument,
        .val = FIRST_ID + (int)t->n };
    t->n++;
    if (a->letter != '\0') {
        t->letters[letters] = a->letter;
        t->letters[letters + 1] = a->kind == ARG_FLAG ? '\0' : ':';
    }
}

static const struct arg *
find(const struct table *t, int opt)
{
    if (opt >= FIRST_ID && opt < FIRST_ID + (int)t->n)
        return t->arg[opt - FIRST_ID];
    for (size_t i = 0; i < t->n; i++)
        if (t->arg[i]->letter == opt)
            return t->arg[i];
    return NULL;
}

static int
set(const struct args *a, const struct arg *arg, struct vrv_err *e)
{
    struct words *words = arg->to;

    switch (arg->kind) {
    case ARG_FLAG:
        *(bool *)arg->to = true;
        return 0;
    case ARG_WORD:
        *(const char **)arg->to = optarg;
        return 0;
    case ARG_NUMBER:
        if (!args_number(optarg, 0, INT64_MAX, arg->to))
            return args_misuse(a, e, "--%s wants a whole number from 0 on, not \"%.40s\"",
                arg->name, optarg);
        return 0;
    case ARG_WORDS:
        if (words->n == WORDS_MAX)
            return args_misuse(a, e, "--%s is given more than %d times", arg->name, WORDS_MAX);
        words->v[words->n++] = optarg;
        return 0;
    }
    return 0;
}

int
args_parse(struct args *a, const struct arg *own, const struct arg *common, struct vrv_err *e)
{
    struct table t = { .letters = "h", .n = 0 };
    int opt, rc = 0;

    for (; own->name != NULL; own++)
        add(&t, own);
    for (; common->name != NULL; common++)
        add(&t, common);
    t.option[t.n] = (struct option){ .name = "help", .val = ID_HELP };
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    while (rc == 0 && (opt = getopt_long(a->n, a->v, t.letters, t.option, NULL)) != -1) {
        if (opt == 'h' || opt == ID_HELP) {
            (void)fputs(a->help, stdout);
            return ARGS_HELP;
        }
        const struct arg *arg = find(&t, opt);
        if (arg == NULL)
            return args_misuse(a, e, "unknown option \"%.60s\", or its value is missing",
                a->v[optind - 1]);
        rc = set(a, arg, e);
    }
    a->v += optind;
    a->n -= optind;
    return rc;
}

int
args_want(const struct args *a, int min, int max, const char *what, struct vrv_err *e)
{
    if (a->n < min)
        return args_misuse(a, e, "%s is missing", what);
    if (a->n > max)
        return args_misuse(a, e, "\"%.60s\" is too much behind %s", a->v[max], what);
    return 0;
}
