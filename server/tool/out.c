#include "server/tool/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A JSON string of bytes that are ASCII already. */
static void
quoted(FILE *f, const char *p, size_t n)
{
    (void)fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '"' || c == '\\')
            (void)fprintf(f, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            (void)fprintf(f, "\\u%04x", c);
        else
            (void)fputc(c, f);
    }
    (void)fputc('"', f);
}

static void
key_of(struct out *o, const char *key)
{
    (void)fprintf(o->f, "%s\"%s\":", o->first ? "" : ",", key);
    o->first = false;
}

void
out_begin(struct out *o, const char *kind)
{
    (void)fputc('{', o->f);
    o->first = true;
    out_str(o, "kind", kind);
}

void
out_int(struct out *o, const char *key, int64_t v)
{
    key_of(o, key);
    (void)fprintf(o->f, "%" PRId64, v);
}

void
out_uint(struct out *o, const char *key, uint64_t v)
{
    key_of(o, key);
    (void)fprintf(o->f, "%" PRIu64, v);
}

void
out_bool(struct out *o, const char *key, bool v)
{
    key_of(o, key);
    (void)fputs(v ? "true" : "false", o->f);
}

void
out_str(struct out *o, const char *key, const char *v)
{
    key_of(o, key);
    quoted(o->f, v, strlen(v));
}

void
out_bytes(struct out *o, const char *key, const void *p, int64_t n)
{
    const unsigned char *c = p;

    key_of(o, key);
    if (p == NULL || n < 0) {
        (void)fputs("null", o->f);
        return;
    }
    /* The text form, and its backslashes doubled as JSON wants it. */
    (void)fputc('"', o->f);
    for (int64_t i = 0; i < n; i++) {
        if (c[i] == '\\')
            (void)fputs("\\\\\\\\", o->f);
        else if (c[i] == '"')
            (void)fputs("\\\"", o->f);
        else if (c[i] >= 0x20 && c[i] <= 0x7e)
            (void)fputc(c[i], o->f);
        else
            (void)fputc('\\', o->f), out_text(o->f, &c[i], 1);
    }
    (void)fputc('"', o->f);
}

void
out_list(struct out *o, const char *key)
{
    key_of(o, key);
    (void)fputc('[', o->f);
    o->first = true;
}

void
out_item(struct out *o)
{
    (void)fputs(o->first ? "{" : ",{", o->f);
    o->first = true;
}

void
out_item_end(struct out *o)
{
    (void)fputc('}', o->f);
    o->first = false;
}

void
out_list_end(struct out *o)
{
    (void)fputc(']', o->f);
    o->first = false;
}

void
out_end(struct out *o)
{
    (void)fputs("}\n", o->f);
}

void
out_colours(struct out *o)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    o->colours = !o->json && (no == NULL || *no == '\0') && isatty(fileno(o->f)) == 1 &&
        (term == NULL || strcmp(term, "dumb") != 0);
}

void
out_paint(struct out *o, enum out_colour c, const char *text)
{
    static const char *const code[] = { "", "1", "32", "33", "31", "2" };

    if (o->colours && c != OUT_PLAIN)
        (void)fprintf(o->f, "\033[%sm%s\033[0m", code[c], text);
    else
        (void)fputs(text, o->f);
}

void
out_text(FILE *f, const void *p, size_t n)
{
    static const char special[] = "\n\r\t\\", letter[] = "nrt\\";
    const unsigned char *c = p;

    for (size_t i = 0; i < n; i++) {
        const char *at = c[i] != '\0' ? strchr(special, c[i]) : NULL;

        if (at != NULL)
            (void)fprintf(f, "\\%c", letter[at - special]);
        else if (c[i] < 0x20 || c[i] > 0x7e)
            (void)fprintf(f, "\\x%02x", c[i]);
        else
            (void)fputc(c[i], f);
    }
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int64_t
out_untext(char *p, size_t n)
{
    static const char letter[] = "nrt\\\"", byte[] = "\n\r\t\\\"";
    size_t to = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\\') {
            p[to++] = p[i];
            continue;
        }
        if (++i == n)
            return -1;
        const char *at = p[i] != '\0' ? strchr(letter, p[i]) : NULL;
        if (at != NULL) {
            p[to++] = byte[at - letter];
        } else if (p[i] == 'x' && n - i > 2 && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            p[to++] = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
            i += 2;
        } else {
            return -1;
        }
    }
    return (int64_t)to;
}

/* Bytes of the character at p that a terminal can show, or 0. */
static size_t
shown_char(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c;

    if (len == 1)
        return (p[0] >= 0x20 && p[0] != 0x7f) || p[0] == '\n' || p[0] == '\t';
    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : len;
}

void
out_shown(FILE *f, const void *p, size_t n)
{
    const unsigned char *c = p;

    for (size_t i = 0; i < n;) {
        size_t len = shown_char(c + i, n - i);

        if (len > 0)
            (void)fwrite(c + i, 1, len, f);
        else
            out_text(f, c + i, 1);
        i += len > 0 ? len : 1;
    }
}

void
out_quoted(FILE *f, const void *p, size_t n)
{
    const char *c = p;

    (void)fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        if (c[i] == '"')
            (void)fputs("\\\"", f);
        else
            out_text(f, &c[i], 1);
    }
    (void)fputc('"', f);
}

const char *
out_size(uint64_t bytes, char buf[32])
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double v = (double)bytes;
    size_t i = 0;

    for (; v >= 1024 && i < 5; i++)
        v /= 1024;
    (void)snprintf(buf, 32, i == 0 ? "%.0f %s" : "%.1f %s", v, unit[i]);
    return buf;
}

const char *
out_time(int64_t ms, char buf[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (ms < 0 || gmtime_r(&s, &tm) == NULL || tm.tm_year > 8099) {
        (void)snprintf(buf, 32, "-");
        return buf;
    }
    size_t n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(buf + n, 32 - n, ".%03dZ", (int)(ms % 1000));
    return buf;
}
