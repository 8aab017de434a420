#include "t/lib/talk.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/wire/wire_int.h"

void
talk_die(const struct talk_text *t, const char *fmt, ...)
{
    va_list ap;

    (void)fprintf(stderr, "%s:%d: ", t->file, t->line);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, ", before \"%s\"\n", t->p);
    exit(2);
}

bool
talk_take(struct talk_text *t, char c)
{
    while (*t->p == ' ')
        t->p++;
    if (*t->p != c)
        return false;
    t->p++;
    return true;
}

static void
want(struct talk_text *t, char c)
{
    if (!talk_take(t, c))
        talk_die(t, "expected '%c'", c);
}

/* ---- words ---- */

static bool
in_word(char c)
{
    return c != '\0' && strchr(" =[]{}()", c) == NULL;
}

static char *
read_quoted(struct talk_text *t)
{
    char *s = vrv_arena_take(t->arena, strlen(t->p) + 1), *to = s;
    unsigned code;

    while (*t->p != '"') {
        if (*t->p == '\0')
            talk_die(t, "a string without an end");
        if (sscanf(t->p, "\\x%2x", &code) == 1) {
            *to++ = (char)code;
            t->p += 4;
        } else {
            *to++ = *t->p++;
        }
    }
    t->p++;
    return s;
}

char *
talk_read_word(struct talk_text *t)
{
    size_t n = 0;

    if (talk_take(t, '"'))
        return read_quoted(t);
    while (in_word(t->p[n]))
        n++;
    char *s = vrv_arena_copy(t->arena, t->p, n);
    t->p += n;
    return s;
}

static int64_t
number(struct talk_text *t)
{
    char *end, *word = talk_read_word(t);
    long long v = strtoll(word, &end, 10);

    if (end == word || *end != '\0')
        talk_die(t, "\"%s\" is no number", word);
    return v;
}

/* repeat(text 300): a long string. */
static char *
repeat(struct talk_text *t)
{
    want(t, '(');
    const char *text = talk_read_word(t);
    size_t n = (size_t)number(t), len = strlen(text);
    want(t, ')');
    char *s = vrv_arena_take(t->arena, n * len + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(s + i * len, text, len);
    return s;
}

static struct vrv_str
string(struct talk_text *t)
{
    bool quoted = talk_take(t, '"');
    char *s = quoted ? read_quoted(t) : talk_read_word(t);

    if (!quoted && strcmp(s, "null") == 0)
        return (struct vrv_str){ NULL, 0 };
    if (!quoted && strcmp(s, "repeat") == 0)
        s = repeat(t);
    return vrv_str(s);
}

/* ---- bytes ---- */

static struct vrv_bytes
hex(struct talk_text *t)
{
    want(t, '(');
    const char *s = talk_read_word(t);
    want(t, ')');
    size_t n = strlen(s) / 2;
    uint8_t *p = vrv_arena_take(t->arena, n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned b = 0;

        if (sscanf(s + 2 * i, "%2x", &b) != 1)
            talk_die(t, "\"%s\" is not hex", s);
        p[i] = (uint8_t)b;
    }
    return (struct vrv_bytes){ p, (int32_t)n };
}

/* join(batch(...) hex(...)): one after the other. */
static struct vrv_bytes
join(struct talk_text *t)
{
    struct vrv_bytes all = { (const uint8_t *)"", 0 };

    want(t, '(');
    while (!talk_take(t, ')')) {
        struct vrv_bytes b = talk_read_bytes(t);
        uint8_t *p = vrv_arena_take(t->arena, (size_t)(all.n + b.n) + 1);

        memcpy(p, all.p, (size_t)all.n);
        memcpy(p + all.n, b.p, (size_t)b.n);
        all = (struct vrv_bytes){ p, all.n + b.n };
    }
    return all;
}

struct vrv_bytes
talk_read_bytes(struct talk_text *t)
{
    if (talk_take(t, '"')) {
        const char *s = read_quoted(t);
        return (struct vrv_bytes){ (const uint8_t *)s, (int32_t)strlen(s) };
    }
    const char *word = talk_read_word(t);
    if (strcmp(word, "null") == 0)
        return (struct vrv_bytes){ NULL, 0 };
    if (strcmp(word, "hex") == 0)
        return hex(t);
    if (strcmp(word, "join") == 0)
        return join(t);
    if (strcmp(word, "batch") == 0) {
        want(t, '(');
        return talk_read_batch(t);
    }
    return (struct vrv_bytes){ (const uint8_t *)word, (int32_t)strlen(word) };
}

/* ---- ids ---- */

/* Base64 for URLs, as JSON shows it. */
static struct vrv_uuid
uuid(struct talk_text *t)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *s = talk_read_word(t);
    struct vrv_uuid u = { { 0 } };
    uint32_t bits = 0;
    size_t have = 0, n = 0;

    if (strcmp(s, "zero") == 0)
        return u;
    for (; *s != '\0' && n < sizeof(u.b); s++) {
        const char *d = strchr(digits, *s);

        if (d == NULL)
            talk_die(t, "not an id: \"%s\"", s);
        bits = bits << 6 | (uint32_t)(d - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            u.b[n++] = (uint8_t)(bits >> have);
        }
    }
    if (n < sizeof(u.b))
        talk_die(t, "an id that is too short");
    return u;
}

/* ---- values ---- */

static void read_fields(struct talk_text *t, const struct vrv_schema *s, uint8_t *dst, char end);

enum { ELEMENTS_MAX = 400 };

/* [v v v] or null, elements of this size. */
static struct vrv_array
array(struct talk_text *t, size_t size, void (*one)(struct talk_text *, const struct vrv_field *,
    uint8_t *), const struct vrv_field *f)
{
    if (!talk_take(t, '[')) {
        if (strcmp(talk_read_word(t), "null") != 0)
            talk_die(t, "expected [ or null");
        return (struct vrv_array){ NULL, 0 };
    }
    uint8_t *v = vrv_arena_take(t->arena, ELEMENTS_MAX * size);
    int32_t n = 0;
    while (!talk_take(t, ']')) {
        if (n == ELEMENTS_MAX)
            talk_die(t, "too many elements");
        one(t, f, v + (size_t)n++ * size);
    }
    return (struct vrv_array){ v, n };
}

static void
one_i32(struct talk_text *t, const struct vrv_field *f, uint8_t *at)
{
    int32_t v = (int32_t)number(t);

    (void)f;
    memcpy(at, &v, sizeof(v));
}

static void
one_str(struct talk_text *t, const struct vrv_field *f, uint8_t *at)
{
    struct vrv_str s = string(t);

    (void)f;
    memcpy(at, &s, sizeof(s));
}

static void
one_struct(struct talk_text *t, const struct vrv_field *f, uint8_t *at)
{
    want(t, '{');
    vrv_wire_init(f->elem(), at);
    read_fields(t, f->elem(), at, '}');
}

#define STORE(type, value)                                                                         \
    do {                                                                                           \
        type v_ = (value);                                                                         \
        memcpy(at, &v_, sizeof(v_));                                                               \
    } while (0)

static void
read_value(struct talk_text *t, const struct vrv_field *f, uint8_t *at)
{
    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
        STORE(bool, strcmp(talk_read_word(t), "true") == 0);
        return;
    case VRV_W_I8:
        STORE(int8_t, (int8_t)number(t));
        return;
    case VRV_W_I16:
        STORE(int16_t, (int16_t)number(t));
        return;
    case VRV_W_I32:
        STORE(int32_t, (int32_t)number(t));
        return;
    case VRV_W_I64:
        STORE(int64_t, number(t));
        return;
    case VRV_W_F64:
        STORE(double, (double)number(t));
        return;
    case VRV_W_UUID:
        STORE(struct vrv_uuid, uuid(t));
        return;
    case VRV_W_STR:
        STORE(struct vrv_str, string(t));
        return;
    case VRV_W_BYTES:
        STORE(struct vrv_bytes, talk_read_bytes(t));
        return;
    case VRV_W_RECORDS: {
        struct vrv_bytes b = talk_read_bytes(t);
        STORE(struct vrv_records, ((struct vrv_records){ .p = b.p, .n = b.n }));
        return;
    }
    case VRV_W_I32S:
        STORE(struct vrv_array, array(t, sizeof(int32_t), one_i32, f));
        return;
    case VRV_W_STRS:
        STORE(struct vrv_array, array(t, sizeof(struct vrv_str), one_str, f));
        return;
    case VRV_W_ARRAY:
        STORE(struct vrv_array, array(t, f->elem()->size, one_struct, f));
        return;
    case VRV_W_STRUCT:
        one_struct(t, f, at);
        return;
    case VRV_W_POINTER: {
        uint8_t *v = vrv_arena_take(t->arena, f->elem()->size);
        one_struct(t, f, v);
        STORE(uint8_t *, v);
        return;
    }
    }
}

static const struct vrv_field *
field(const struct vrv_schema *s, const char *name, size_t n)
{
    for (uint16_t i = 0; i < s->n; i++)
        if (strlen(s->fields[i].name) == n && memcmp(s->fields[i].name, name, n) == 0)
            return &s->fields[i];
    return NULL;
}

static void
read_fields(struct talk_text *t, const struct vrv_schema *s, uint8_t *dst, char end)
{
    while (!talk_take(t, end)) {
        const char *name = talk_read_word(t);
        const struct vrv_field *f = field(s, name, strlen(name));

        if (f == NULL)
            talk_die(t, "%s has no field \"%s\"", s->name, name);
        want(t, '=');
        read_value(t, f, dst + f->at);
    }
}

void
talk_read_message(struct talk_text *t, const struct vrv_schema *s, void *dst)
{
    vrv_wire_init(s, dst);
    read_fields(t, s, dst, '\0');
}

/* ---- the other way: one value of an answer ---- */

char *
talk_value(const struct vrv_schema *s, const void *src, const char *path, struct vrv_arena *a)
{
    size_t n = strcspn(path, "[.");
    const struct vrv_field *f = field(s, path, n);
    struct vrv_out out = { 0 };

    if (f == NULL)
        return NULL;
    const uint8_t *at = (const uint8_t *)src + f->at;
    if (f->type == VRV_W_ARRAY && path[n] == '[') {
        VRV_WIRE_LOAD(struct vrv_array, v);
        char *rest;
        long i = strtol(path + n + 1, &rest, 10);

        return i < v.n ? talk_value(f->elem(), (uint8_t *)v.v + (size_t)i * f->elem()->size,
            rest + 2, a) : NULL;
    }
    /* as JSON of a message with this field only */
    const struct vrv_schema alone = { .name = s->name, .size = s->size, .n = 1, .fields = f };
    vrv_wire_json(&alone, (struct vrv_wire_version){ f->from, false }, src, &out);
    const char *colon = memchr(out.own, ':', out.n);
    char *text = vrv_arena_copy(a, colon + 1, out.n - (size_t)(colon - (char *)out.own) - 2);
    if (text[0] == '"') {
        text++;
        text[strlen(text) - 1] = '\0';
    }
    vrv_out_fini(&out);
    return text;
}
