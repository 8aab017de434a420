#include "server/tool/out.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

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
out_end(struct out *o)
{
    (void)fputs("}\n", o->f);
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
