#include "engine/base/setting.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/assert.h"

enum { NUMBER_MAX = 40, WORDS_MAX = 120 }; /* characters of a number, of all words together */

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
trim(const char *s, size_t *n)
{
    while (*n > 0 && is_blank(s[0])) {
        s++;
        (*n)--;
    }
    while (*n > 0 && is_blank(s[*n - 1]))
        (*n)--;
    return s;
}

static int
invalid(const struct vrv_setting_rule *r, const char *text, size_t n, const char *why,
    struct vrv_err *e)
{
    int shown = n > 60 ? 60 : (int)n;

    return vrv_err_set(e, VRV_E_INVALID, "Invalid value %.*s%s for configuration %s: %s", shown,
        text, n > 60 ? "..." : "", r->key, why);
}

static int
check_range(const struct vrv_setting_rule *r, const struct vrv_setting_value *v, bool low,
    bool high, struct vrv_err *e)
{
    char why[80];

    if (!low && !high)
        return 0;
    if (r->or_minus_one)
        (void)snprintf(why, sizeof(why),
            "Value must be between %" PRId64 " and %" PRId64 " or equal to -1", r->min, r->max);
    else
        (void)snprintf(why, sizeof(why), "Value must be %s %" PRId64,
            low ? "at least" : "no more than", low ? r->min : r->max);
    return invalid(r, v->text, v->n, why, e);
}

static int
parse_whole(const struct vrv_setting_rule *r, struct vrv_setting_value *v, struct vrv_err *e)
{
    int64_t most = r->type == VRV_SETTING_SHORT ? INT16_MAX
        : r->type == VRV_SETTING_INT            ? INT32_MAX
                                                : INT64_MAX;
    char digits[NUMBER_MAX + 1], why[40], *end = digits;

    if (v->n <= NUMBER_MAX) {
        memcpy(digits, v->text, v->n);
        digits[v->n] = '\0';
        errno = 0;
        v->i = strtoll(digits, &end, 10);
    }
    if (end == digits || *end != '\0' || errno != 0 || v->i > most || v->i < -most - 1) {
        (void)snprintf(why, sizeof(why), "Not a number of type %s", vrv_setting_type_name(r->type));
        return invalid(r, v->text, v->n, why, e);
    }
    if (r->or_minus_one && v->i == -1)
        return 0;
    return check_range(r, v, v->i < r->min, v->i > r->max, e);
}

static int
parse_double(const struct vrv_setting_rule *r, struct vrv_setting_value *v, struct vrv_err *e)
{
    char digits[NUMBER_MAX + 1], *end = digits;

    /* no "inf", no hexadecimals */
    if (v->n <= NUMBER_MAX && strspn(v->text, "0123456789+-.eE") >= v->n) {
        memcpy(digits, v->text, v->n);
        digits[v->n] = '\0';
        v->d = strtod(digits, &end);
    }
    if (end == digits || *end != '\0' || !isfinite(v->d))
        return invalid(r, v->text, v->n, "Not a number of type DOUBLE", e);
    return check_range(r, v, v->d < (double)r->min, v->d > (double)r->max, e);
}

static int
parse_bool(const struct vrv_setting_rule *r, struct vrv_setting_value *v, struct vrv_err *e)
{
    v->i = v->n == 4 && strncasecmp(v->text, "true", 4) == 0;
    if (v->i == 0 && (v->n != 5 || strncasecmp(v->text, "false", 5) != 0))
        return invalid(r, v->text, v->n, "Expected value to be either true or false", e);
    return 0;
}

static void
join_words(const struct vrv_setting_rule *r, char out[WORDS_MAX])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; r->words[i] != NULL && n < WORDS_MAX; i++)
        n += (size_t)snprintf(out + n, WORDS_MAX - n, "%s%s", i > 0 ? ", " : "", r->words[i]);
    VRV_ASSERT(n < WORDS_MAX);
}

/* Its place among the words, or INVALID. */
static int64_t
find_word(const struct vrv_setting_rule *r, const char *text, size_t n, struct vrv_err *e)
{
    char words[WORDS_MAX], why[WORDS_MAX + 30];

    for (int64_t i = 0; r->words[i] != NULL; i++)
        if (strlen(r->words[i]) == n && memcmp(r->words[i], text, n) == 0)
            return i;
    join_words(r, words);
    (void)snprintf(why, sizeof(why), "String must be one of: %s", words);
    return invalid(r, text, n, why, e);
}

bool
vrv_setting_next(const char **at, const char **part, size_t *n)
{
    const char *s = *at;

    if (s == NULL)
        return false;
    const char *comma = strchr(s, ',');
    *n = comma != NULL ? (size_t)(comma - s) : strlen(s);
    *part = trim(s, n);
    *at = comma != NULL ? comma + 1 : NULL;
    return true;
}

static bool
is_before(const char *list, const char *part, size_t n)
{
    const char *other;
    size_t other_n;

    while (vrv_setting_next(&list, &other, &other_n) && other != part)
        if (other_n == n && memcmp(other, part, n) == 0)
            return true;
    return false;
}

static int
parse_list(const struct vrv_setting_rule *r, const char *text, const struct vrv_setting_value *v,
    struct vrv_err *e)
{
    const char *part, *at = text;
    size_t n;

    while (v->n > 0 && vrv_setting_next(&at, &part, &n)) {
        if (n == 0)
            return vrv_err_set(e, VRV_E_INVALID, "Configuration '%s' values must not be empty.",
                r->key);
        if (r->words != NULL && find_word(r, part, n, e) < 0)
            return VRV_E_INVALID;
        if (is_before(text, part, n))
            return vrv_err_set(e, VRV_E_INVALID,
                "Configuration '%s' values must not be duplicated.", r->key);
    }
    return 0;
}

int
vrv_setting_parse(const struct vrv_setting_rule *r, const char *text, struct vrv_setting_value *v,
    struct vrv_err *e)
{
    *v = (struct vrv_setting_value){ .n = strlen(text) };
    v->text = trim(text, &v->n);
    switch (r->type) {
    case VRV_SETTING_BOOLEAN:
        return parse_bool(r, v, e);
    case VRV_SETTING_SHORT:
    case VRV_SETTING_INT:
    case VRV_SETTING_LONG:
        return parse_whole(r, v, e);
    case VRV_SETTING_DOUBLE:
        return parse_double(r, v, e);
    case VRV_SETTING_LIST:
        return parse_list(r, text, v, e);
    default:
        v->i = r->words != NULL ? find_word(r, v->text, v->n, e) : 0;
        return v->i < 0 ? VRV_E_INVALID : 0;
    }
}

void
vrv_setting_print(const struct vrv_setting_rule *r, const char *text, char *out, size_t n)
{
    struct vrv_setting_value v;
    int rc = vrv_setting_parse(r, text, &v, NULL);

    VRV_ASSERT(rc == 0);
    switch (r->type) {
    case VRV_SETTING_BOOLEAN:
        (void)snprintf(out, n, "%s", v.i ? "true" : "false");
        break;
    case VRV_SETTING_SHORT:
    case VRV_SETTING_INT:
    case VRV_SETTING_LONG:
        (void)snprintf(out, n, "%" PRId64, v.i);
        break;
    default:
        (void)snprintf(out, n, "%.*s", (int)v.n, v.text);
        break;
    }
}

static void
expected_number(const struct vrv_setting_rule *r, char out[VRV_SETTING_EXPECTED])
{
    const char *what = r->type == VRV_SETTING_DOUBLE ? "a number" : "a whole number";

    if (r->min == r->max)
        (void)snprintf(out, VRV_SETTING_EXPECTED, "%" PRId64, r->min);
    else if (r->max == INT64_MAX && r->min == INT64_MIN)
        (void)snprintf(out, VRV_SETTING_EXPECTED, "%s", what);
    else if (r->max == INT64_MAX)
        (void)snprintf(out, VRV_SETTING_EXPECTED, "%s of at least %" PRId64, what, r->min);
    else
        (void)snprintf(out, VRV_SETTING_EXPECTED, "%s from %" PRId64 " to %" PRId64 "%s", what,
            r->min, r->max, r->or_minus_one ? ", or -1" : "");
}

void
vrv_setting_expected(const struct vrv_setting_rule *r, char out[VRV_SETTING_EXPECTED])
{
    char words[WORDS_MAX] = "";

    if (r->words != NULL)
        join_words(r, words);
    switch (r->type) {
    case VRV_SETTING_BOOLEAN:
        (void)snprintf(out, VRV_SETTING_EXPECTED, "true or false");
        break;
    case VRV_SETTING_SHORT:
    case VRV_SETTING_INT:
    case VRV_SETTING_LONG:
    case VRV_SETTING_DOUBLE:
        expected_number(r, out);
        break;
    case VRV_SETTING_LIST:
        (void)snprintf(out, VRV_SETTING_EXPECTED, "a list with commas%s%s",
            r->words != NULL ? " of " : "", words);
        break;
    default:
        (void)snprintf(out, VRV_SETTING_EXPECTED, "%s%s", r->words != NULL ? "one of " : "text",
            words);
        break;
    }
}

const char *
vrv_setting_type_name(enum vrv_setting_type type)
{
    static const char *const names[] = { [VRV_SETTING_BOOLEAN] = "BOOLEAN",
        [VRV_SETTING_STRING] = "STRING", [VRV_SETTING_INT] = "INT", [VRV_SETTING_SHORT] = "SHORT",
        [VRV_SETTING_LONG] = "LONG", [VRV_SETTING_DOUBLE] = "DOUBLE",
        [VRV_SETTING_LIST] = "LIST", [VRV_SETTING_PASSWORD] = "PASSWORD" };

    return names[type];
}
