#include "server/tool/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"

int
format_init(struct format *f, const char *text, struct vrv_err *e)
{
    int64_t n;

    f->text = vrv_mem_strdup(text);
    f->shown = isatty(fileno(f->out->f)) == 1;
    n = out_untext(f->text, strlen(text));
    if (n < 0)
        return vrv_err_set(e, VRV_E_INVALID,
            "--format: behind a backslash n, r, t, x and two digits, or a backslash is expected");
    f->n = (size_t)n;
    for (size_t i = 0; i < f->n; i++) {
        if (f->text[i] != '%')
            continue;
        if (++i == f->n || f->text[i] == '\0' || strchr(FORMAT_LETTERS, f->text[i]) == NULL)
            return vrv_err_set(e, VRV_E_INVALID, "--format: behind %% one of %s is expected",
                FORMAT_LETTERS);
    }
    return 0;
}

void
format_fini(struct format *f)
{
    free(f->text);
    f->text = NULL;
}

static int64_t
time_of(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;

    return rd_kafka_message_timestamp(m, &type);
}

static void
put(const struct format *f, const void *p, size_t n)
{
    if (p == NULL || n == 0)
        return;
    if (f->shown)
        out_shown(f->out->f, p, n);
    else
        (void)fwrite(p, 1, n, f->out->f);
}

static void
put_be32(const struct format *f, int64_t n)
{
    uint32_t v = (uint32_t)n;

    for (int shift = 24; shift >= 0; shift -= 8)
        (void)fputc((int)(v >> shift & 0xff), f->out->f);
}

static int64_t
length(const void *p, size_t n)
{
    return p == NULL ? -1 : (int64_t)n;
}

/* a=1,b=2 */
static void
put_headers(const struct format *f, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *h;
    const char *key;
    const void *value;
    size_t n;

    if (rd_kafka_message_headers(m, &h) != 0)
        return;
    for (size_t i = 0; rd_kafka_header_get_all(h, i, &key, &value, &n) == 0; i++) {
        if (i > 0)
            put(f, ",", 1);
        put(f, key, strlen(key));
        put(f, "=", 1);
        put(f, value, n);
    }
}

static void
put_one(const struct format *f, char letter, const rd_kafka_message_t *m)
{
    FILE *to = f->out->f;
    char text[32];

    switch (letter) {
    case 's':
        put(f, m->payload, m->len);
        return;
    case 'S':
        (void)fprintf(to, "%" PRId64, length(m->payload, m->len));
        return;
    case 'R':
        put_be32(f, length(m->payload, m->len));
        return;
    case 'k':
        put(f, m->key, m->key_len);
        return;
    case 'K':
        (void)fprintf(to, "%" PRId64, length(m->key, m->key_len));
        return;
    case 'N':
        put_be32(f, length(m->key, m->key_len));
        return;
    case 't':
        (void)fputs(rd_kafka_topic_name(m->rkt), to);
        return;
    case 'p':
        (void)fprintf(to, "%" PRId32, m->partition);
        return;
    case 'o':
        (void)fprintf(to, "%" PRId64, m->offset);
        return;
    case 'T':
        (void)fprintf(to, "%" PRId64, time_of(m));
        return;
    case 'D':
        (void)fputs(out_time(time_of(m), text), to);
        return;
    case 'h':
        put_headers(f, m);
        return;
    default:
        (void)fputc('%', to);
    }
}

static void
print_json(struct out *o, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *h;
    const char *key;
    const void *value;
    size_t n;

    out_begin(o, "record");
    out_str(o, "topic", rd_kafka_topic_name(m->rkt));
    out_int(o, "partition", m->partition);
    out_int(o, "offset", m->offset);
    out_int(o, "timestamp", time_of(m));
    out_bytes(o, "key", m->key, (int64_t)m->key_len);
    out_bytes(o, "value", m->payload, (int64_t)m->len);
    out_list(o, "headers");
    if (rd_kafka_message_headers(m, &h) == 0) {
        for (size_t i = 0; rd_kafka_header_get_all(h, i, &key, &value, &n) == 0; i++) {
            out_item(o);
            out_bytes(o, "key", key, (int64_t)strlen(key));
            out_bytes(o, "value", value, (int64_t)n);
            out_item_end(o);
        }
    }
    out_list_end(o);
    out_end(o);
}

void
format_print(const struct format *f, const rd_kafka_message_t *m)
{
    if (f->out->json) {
        print_json(f->out, m);
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->text[i] == '%')
            put_one(f, f->text[++i], m);
        else
            (void)fputc(f->text[i], f->out->f);
    }
}
