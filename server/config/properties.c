#include "server/config/properties.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "server/base/utf8.h"

struct reader {
    const char *p, *end;
    unsigned line;
    char *buf; /* one logical line; as large as all of the text */
    size_t n;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static void
skip_blanks(struct reader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static bool
at_line_end(const struct reader *r)
{
    return r->p == r->end || *r->p == '\n' || *r->p == '\r';
}

static void
skip_line_end(struct reader *r)
{
    if (r->p == r->end)
        return;
    bool cr = *r->p++ == '\r';
    if (cr && r->p < r->end && *r->p == '\n')
        r->p++;
    r->line++;
}

static void
skip_line(struct reader *r)
{
    while (!at_line_end(r))
        r->p++;
    skip_line_end(r);
}

/* A logical line without what joins its parts; escapes stay. */
static void
read_line(struct reader *r)
{
    bool escaped = false;

    r->n = 0;
    for (;;) {
        if (!at_line_end(r)) {
            escaped = !escaped && *r->p == '\\';
            r->buf[r->n++] = *r->p++;
            continue;
        }
        skip_line_end(r);
        if (!escaped)
            break;
        r->n--; /* the backslash */
        escaped = false;
        skip_blanks(r);
        if (r->p == r->end)
            break;
    }
    r->buf[r->n] = '\0';
}

/* Four hexadecimal digits at s, or -1. */
static int32_t
hex4(const char *s, const char *end)
{
    int32_t v = 0;

    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] - 'A' + 'a') : s[i];
        const char *d = c != '\0' ? strchr(digits, c) : NULL;

        if (d == NULL)
            return -1;
        v = v * 16 + (int32_t)(d - digits);
    }
    return v;
}

/* The character of an escape whose digits begin at *s, moved behind it; 0: it is none. */
static uint32_t
unicode(const char **s, const char *end)
{
    int32_t hi = hex4(*s, end);

    if (hi <= 0 || (hi >= 0xdc00 && hi < 0xe000))
        return 0;
    *s += 4;
    if (hi < 0xd800 || hi >= 0xe000)
        return (uint32_t)hi;
    if (end - *s < 6 || (*s)[0] != '\\' || (*s)[1] != 'u')
        return 0;
    int32_t lo = hex4(*s + 2, end);
    if (lo < 0xdc00 || lo >= 0xe000)
        return 0;
    *s += 6;
    return 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
}

/* In place: what it becomes is never longer.  False: an escape that makes no sense. */
static bool
unescape(char *s, size_t n)
{
    const char *from = s, *end = s + n;
    char *to = s;

    while (from < end) {
        char c = *from++;

        if (c != '\\' || from == end) {
            *to++ = c;
            continue;
        }
        c = *from++;
        if (c == 'u') {
            uint32_t u = unicode(&from, end);

            if (u == 0)
                return false;
            to = vrv_utf8_put(to, u);
        } else {
            *to++ = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c;
        }
    }
    *to = '\0';
    return true;
}

/* Where the key ends, and where the value begins. */
static void
split(const char *s, size_t *key_n, size_t *value_at)
{
    size_t i = 0;

    for (bool escaped = false; s[i] != '\0'; i++) {
        if (!escaped && (s[i] == '=' || s[i] == ':' || is_blank(s[i])))
            break;
        escaped = !escaped && s[i] == '\\';
    }
    *key_n = i;
    while (is_blank(s[i]))
        i++;
    if (s[i] == '=' || s[i] == ':')
        i++;
    while (is_blank(s[i]))
        i++;
    *value_at = i;
}

static void
take_line(struct reader *r, unsigned line, const struct vrv_properties_ops *ops, void *ctx)
{
    size_t key_n, value_at;

    if (strlen(r->buf) != r->n) {
        ops->wrong(ctx, line, "a NUL byte");
        return;
    }
    split(r->buf, &key_n, &value_at);
    char *value = vrv_mem_strdup(r->buf + value_at);
    r->buf[key_n] = '\0';
    if (unescape(r->buf, key_n) && unescape(value, r->n - value_at))
        ops->set(ctx, line, r->buf, value);
    else
        ops->wrong(ctx, line, "\\u that is not followed by a character's four hexadecimal digits");
    free(value);
}

void
vrv_properties_parse(const char *text, size_t n, const struct vrv_properties_ops *ops, void *ctx)
{
    struct reader r = { .p = text, .end = text + n, .line = 1, .buf = vrv_mem_zero(n + 1) };

    while (r.p < r.end) {
        skip_blanks(&r);
        if (at_line_end(&r)) {
            skip_line_end(&r);
        } else if (*r.p == '#' || *r.p == '!') {
            skip_line(&r);
        } else {
            unsigned line = r.line;

            read_line(&r);
            take_line(&r, line, ops, ctx);
        }
    }
    free(r.buf);
}
