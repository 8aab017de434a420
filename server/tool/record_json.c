/*
 * JSON, as much of it as a record needs.  Strings are decoded where they stand, since they never
 * become longer: \uXXXX takes six bytes and gives three at most.
 */
#include <string.h>

#include "server/base/utf8.h"
#include "server/tool/args.h"
#include "server/tool/out.h"
#include "server/tool/record.h"

/* Objects and lists that are skipped may lie so deep. */
enum { DEPTH_MAX = 64 };

struct json {
    char *p, *end;
    const char *wrong; /* what is wrong, once something is */
};

void
record_clear(struct record *r)
{
    r->key = r->value = NULL;
    r->key_n = r->value_n = r->header_n = 0;
    r->partition = -1;
    r->timestamp = 0;
}

static bool
wrong(struct json *j, const char *what)
{
    if (j->wrong == NULL)
        j->wrong = what;
    return false;
}

static void
space(struct json *j)
{
    while (j->p < j->end && memchr(" \t\r\n", *j->p, 4) != NULL)
        j->p++;
}

/* The next character that counts, if it is c. */
static bool
eat(struct json *j, char c)
{
    space(j);
    if (j->p == j->end || *j->p != c)
        return false;
    j->p++;
    return true;
}

static bool
word(struct json *j, const char *w)
{
    size_t n = strlen(w);

    space(j);
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, w, n) != 0)
        return false;
    j->p += n;
    return true;
}

/* ---- strings ---- */

static bool
four_hex(struct json *j, uint32_t *out)
{
    *out = 0;
    if (j->end - j->p < 4)
        return wrong(j, "\\u wants four digits");
    for (int i = 0; i < 4; i++, j->p++) {
        char c = *j->p;
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                                                     ? (c | 0x20) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return wrong(j, "\\u wants four digits");
        *out = *out << 4 | (uint32_t)d;
    }
    return true;
}

static bool
unicode(struct json *j, char **to)
{
    uint32_t c, low;

    if (!four_hex(j, &c))
        return false;
    if (c >= 0xdc00 && c < 0xe000)
        return wrong(j, "half a surrogate pair");
    if (c >= 0xd800 && c < 0xdc00) {
        if (j->end - j->p < 2 || memcmp(j->p, "\\u", 2) != 0)
            return wrong(j, "half a surrogate pair");
        j->p += 2;
        if (!four_hex(j, &low) || low < 0xdc00 || low >= 0xe000)
            return wrong(j, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    }
    *to = vrv_utf8_put(*to, c);
    return true;
}

static bool
escape(struct json *j, char **to)
{
    static const char letter[] = "\"\\/bfnrt", byte[] = "\"\\/\b\f\n\r\t";
    const char *at;
    char c;

    if (j->p == j->end)
        return wrong(j, "a string has no end");
    c = *j->p++;
    if (c == 'u')
        return unicode(j, to);
    at = c != '\0' ? strchr(letter, c) : NULL;
    if (at == NULL)
        return wrong(j, "an unknown escape in a string");
    *(*to)++ = byte[at - letter];
    return true;
}

/* Behind the first quote; JSON's escapes only. */
static bool
string(struct json *j, char **out, size_t *n)
{
    char *to = j->p;

    *out = to;
    while (j->p < j->end && *j->p != '"') {
        if ((unsigned char)*j->p < 0x20)
            return wrong(j, "a control character in a string");
        if (*j->p == '\\') {
            j->p++;
            if (!escape(j, &to))
                return false;
        } else {
            *to++ = *j->p++;
        }
    }
    if (j->p == j->end)
        return wrong(j, "a string has no end");
    *n = (size_t)(to - *out);
    j->p++;
    return true;
}

/* A string or null, with our escapes taken back too: any bytes. */
static bool
bytes(struct json *j, const void **out, size_t *n)
{
    char *p;
    int64_t len;

    *out = NULL;
    *n = 0;
    if (word(j, "null"))
        return true;
    if (!eat(j, '"'))
        return wrong(j, "a string or null is expected");
    if (!string(j, &p, n))
        return false;
    len = out_untext(p, *n);
    if (len < 0)
        return wrong(j, "a backslash in key or value wants n, r, t, x and two digits, or another "
                        "backslash behind it");
    *out = p;
    *n = (size_t)len;
    return true;
}

/* ---- the rest ---- */

static bool
number(struct json *j, int64_t min, int64_t max, int64_t *out)
{
    char text[24];
    size_t n = 0;

    space(j);
    while (n < sizeof(text) - 1 && j->p + n < j->end &&
           memchr("-0123456789.eE+", j->p[n], 15) != NULL)
        n++;
    memcpy(text, j->p, n);
    text[n] = '\0';
    if (!args_number(text, min, max, out))
        return wrong(j, "partition or timestamp is no whole number, or too small or large");
    j->p += n;
    return true;
}

/* Any value: brackets are counted, what is between them need not be sound. */
static bool
skip(struct json *j)
{
    int depth = 0;
    char *s;
    size_t n;

    do {
        space(j);
        if (j->p == j->end)
            return wrong(j, "it ends too early");
        char c = *j->p++;
        if (c == '"' && !string(j, &s, &n))
            return false;
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        else if (c != '"' && depth == 0)
            while (j->p < j->end && memchr(",}] \t\r\n", *j->p, 7) == NULL)
                j->p++;
        if (depth > DEPTH_MAX)
            return wrong(j, "too deep");
    } while (depth > 0);
    return depth == 0 || wrong(j, "a bracket too many");
}

typedef bool field_fn(struct json *j, void *ctx, const char *name, size_t n);

/* {"name":value,...}; fn takes the value. */
static bool
object(struct json *j, field_fn *fn, void *ctx)
{
    char *name;
    size_t n;

    if (!eat(j, '{'))
        return wrong(j, "an object is expected");
    if (eat(j, '}'))
        return true;
    do {
        if (!eat(j, '"'))
            return wrong(j, "the name of a field is expected");
        if (!string(j, &name, &n))
            return false;
        if (!eat(j, ':'))
            return wrong(j, "a colon is missing");
        if (!fn(j, ctx, name, n))
            return false;
    } while (eat(j, ','));
    return eat(j, '}') || wrong(j, "a comma or the end of an object is missing");
}

static bool
is(const char *name, size_t n, const char *what)
{
    return strlen(what) == n && memcmp(name, what, n) == 0;
}

static bool
header_field(struct json *j, void *ctx, const char *name, size_t n)
{
    struct record_header *h = ctx;
    const void *key;
    size_t key_n;

    if (is(name, n, "value"))
        return bytes(j, &h->value, &h->value_n);
    if (!is(name, n, "key"))
        return skip(j);
    if (!bytes(j, &key, &key_n))
        return false;
    if (key == NULL || memchr(key, '\0', key_n) != NULL)
        return wrong(j, "a header's key is null, or has a 0 in it");
    /* The closing quote has been read: there is room for the end. */
    ((char *)(uintptr_t)key)[key_n] = '\0';
    h->key = key;
    return true;
}

static bool
headers(struct json *j, struct record *r)
{
    if (word(j, "null"))
        return true;
    if (!eat(j, '['))
        return wrong(j, "headers are a list of objects");
    if (eat(j, ']'))
        return true;
    do {
        struct record_header *h = &r->headers[r->header_n];

        if (r->header_n == RECORD_HEADERS_MAX)
            return wrong(j, "too many headers");
        *h = (struct record_header){ 0 };
        if (!object(j, header_field, h))
            return false;
        if (h->key == NULL)
            return wrong(j, "a header has no key");
        r->header_n++;
    } while (eat(j, ','));
    return eat(j, ']') || wrong(j, "a comma or the end of a list is missing");
}

static bool
record_field(struct json *j, void *ctx, const char *name, size_t n)
{
    struct record *r = ctx;
    int64_t v;

    if (is(name, n, "key"))
        return bytes(j, &r->key, &r->key_n);
    if (is(name, n, "value"))
        return bytes(j, &r->value, &r->value_n);
    if (is(name, n, "timestamp"))
        return number(j, -1, INT64_MAX, &r->timestamp);
    if (is(name, n, "headers"))
        return headers(j, r);
    if (!is(name, n, "partition"))
        return skip(j);
    if (!number(j, -1, INT32_MAX, &v))
        return false;
    r->partition = (int32_t)v;
    return true;
}

int
record_from_json(struct record *r, char *line, size_t n, struct vrv_err *e)
{
    struct json j = { line, line + n, NULL };

    record_clear(r);
    if (object(&j, record_field, r)) {
        space(&j);
        if (j.p == j.end)
            return 0;
        (void)wrong(&j, "something follows behind the object");
    }
    return vrv_err_set(e, VRV_E_INVALID, "not a record in JSON, byte %zu: %s",
        (size_t)(j.p - line) + 1, j.wrong);
}
