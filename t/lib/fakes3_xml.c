/* XML as far as S3 needs it, and times. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/lib/fakes3_int.h"

void
s3_xml_text(FILE *out, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '"':
            (void)fputs("&#34;", out); /* as MinIO does */
            break;
        default:
            (void)fputc(*s, out);
        }
    }
}

void
s3_xml_time(FILE *out, int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];

    (void)gmtime_r(&s, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)fprintf(out, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

void
s3_http_time(struct httpd_reply *a, const char *name, int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];

    (void)gmtime_r(&s, &tm);
    (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    httpd_add_header(a, name, "%s", text);
}

/* What an entity stands for; 0: none that we know. */
static char
entity(const char *s, size_t *len)
{
    static const struct {
        const char *text;
        char c;
    } known[] = { { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&quot;", '"' },
        { "&apos;", '\'' }, { "&#34;", '"' }, { "&#x22;", '"' } };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        *len = strlen(known[i].text);
        if (strncmp(s, known[i].text, *len) == 0)
            return known[i].c;
    }
    *len = 1;
    return *s;
}

bool
s3_xml_next(const char **at, const char *tag, char *out, size_t n)
{
    char open[64], close[64];
    size_t len;

    (void)snprintf(open, sizeof(open), "<%s>", tag);
    (void)snprintf(close, sizeof(close), "</%s>", tag);
    const char *p = strstr(*at, open);
    const char *end = p == NULL ? NULL : strstr(p, close);
    if (end == NULL)
        return false;
    for (p += strlen(open); p < end && n > 1; p += len, n--)
        *out++ = entity(p, &len);
    *out = '\0';
    *at = end + strlen(close);
    return true;
}

FILE *
s3_xml_open(char **text, size_t *n)
{
    FILE *out = open_memstream(text, n);

    if (out == NULL)
        abort();
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    return out;
}

void
s3_xml_close(FILE *out, char **text, struct httpd_reply *a)
{
    if (fclose(out) != 0)
        abort();
    httpd_set_body(a, *text, strlen(*text));
    httpd_add_header(a, "Content-Type", "application/xml");
    free(*text);
}

/* now_ms: what time it has; 0: that isn't told. */
static void
say_error(struct httpd_reply *a, int status, const char *code, const char *message, int64_t now_ms)
{
    char *text;
    size_t n;
    FILE *out = s3_xml_open(&text, &n);

    a->status = status;
    (void)fprintf(out, "<Error><Code>%s</Code><Message>", code);
    s3_xml_text(out, message);
    (void)fputs("</Message>", out);
    if (now_ms != 0) {
        (void)fputs("<ServerTime>", out);
        s3_xml_time(out, now_ms);
        (void)fputs("</ServerTime>", out);
    }
    (void)fputs("<RequestId>4442587FB7D0A2F9</RequestId></Error>", out);
    s3_xml_close(out, &text, a);
}

void
s3_error(struct httpd_reply *a, int status, const char *code, const char *message)
{
    say_error(a, status, code, message, 0);
}

void
s3_error_skewed(const struct fakes3 *f, struct httpd_reply *a)
{
    say_error(a, 403, "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        f->opts.tells_time ? s3_now_ms(f) : 0);
}
