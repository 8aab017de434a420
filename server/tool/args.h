/* The options of one subcommand, told as a table; what is left are its operands. */
#ifndef VRV_TOOL_ARGS_H
#define VRV_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Words of an option that may be given more than once. */
enum { WORDS_MAX = 200 };
struct words {
    const char *v[WORDS_MAX];
    size_t n;
};

enum arg_kind {
    ARG_FLAG,   /* bool */
    ARG_WORD,   /* const char * */
    ARG_NUMBER, /* int64_t, from 0 on */
    ARG_WORDS,  /* struct words */
};

struct arg {
    const char *name; /* --name; NULL ends the table */
    char letter;      /* -l, or 0 */
    enum arg_kind kind;
    void *to;
};

struct args {
    const char *cmd;  /* "topic create", for messages */
    const char *help; /* what --help prints */
    int n;            /* before args_parse() with the command's name in front; then the operands */
    char **v;
};

enum { ARGS_HELP = 1 };

/* 0, ARGS_HELP (it was asked for and printed), or INVALID. */
int args_parse(struct args *a, const struct arg *own, const struct arg *common, struct vrv_err *e)
    VRV_MUST_CHECK;
/* INVALID when there are fewer or more operands; `what` names them. */
int args_want(const struct args *a, int min, int max, const char *what, struct vrv_err *e)
    VRV_MUST_CHECK;
/* INVALID with the sentence, and where help is. */
int args_misuse(const struct args *a, struct vrv_err *e, const char *fmt, ...) VRV_PRINTF(3, 4);

/* The same for a command whose subcommand is missing (NULL), or none of its own. */
int args_sub_misuse(const char *cmd, const char *sub, struct vrv_err *e);

/* "key=value" in its two parts: the length of the key, and the value; false without '='. */
bool args_pair(const char *word, size_t *key_n, const char **value);
/* The key alone, which must be shorter than n bytes. */
bool args_pair_key(const char *word, char *key, size_t n, const char **value);
/* A whole number, all of the text. */
bool args_number(const char *text, int64_t min, int64_t max, int64_t *out);

#endif
