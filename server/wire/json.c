/* Structs to JSON, with the names and forms that Kafka's own tools print. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/wire/wire_int.h"

struct printer {
    struct vrv_out *out;
    struct vrv_wire_version v;
};

static void
put(struct printer *p, const char *text)
{
    vrv_out_put(p->out, text, strlen(text));
}

static void put_fmt(struct printer *p, const char *fmt, ...) VRV_PRINTF(2, 3);

static void
put_fmt(struct printer *p, const char *fmt, ...)
{
    char b[64];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(b, sizeof(b), fmt, ap);
    va_end(ap);
    put(p, b);
}

static void
put_str(struct printer *p, struct vrv_str s)
{
    if (s.p == NULL) {
        put(p, "null");
        return;
    }
    put(p, "\"");
    for (int32_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"' || c == '\\')
            put_fmt(p, "\\%c", c);
        else if ((unsigned char)c < 32 || c == 127)
            put_fmt(p, "\\u%04x", (unsigned)c);
        else
            vrv_out_put(p->out, &c, 1);
    }
    put(p, "\"");
}

/* Base64 in the usual alphabet, padded; or that of URLs, not padded. */
static void
put_base64(struct printer *p, const uint8_t *b, size_t n, bool url)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    put(p, "\"");
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        uint32_t v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < have ? b[i + k] : 0);
        for (size_t k = 0; k < 4; k++) {
            uint32_t d = v >> (18 - 6 * k) & 63;

            if (k > have && url)
                break;
            put_fmt(p, "%c", k > have ? '=' : d < 62 ? digits[d] : (url ? "-_" : "+/")[d - 62]);
        }
    }
    put(p, "\"");
}

/* partition_index, as partitionIndex. */
static void
put_name(struct printer *p, const char *name, const char *more)
{
    put(p, "\"");
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '_')
            c++;
        put_fmt(p, "%c", c > name && c[-1] == '_' ? toupper(*c) : *c);
    }
    put(p, more);
    put(p, "\":");
}

static void put_struct(struct printer *p, const struct vrv_schema *s, const uint8_t *src);

static void
put_array(struct printer *p, const struct vrv_field *f, const struct vrv_array *a)
{
    if (a->v == NULL) {
        put(p, "null");
        return;
    }
    put(p, "[");
    for (int32_t i = 0; i < a->n; i++) {
        put(p, i > 0 ? "," : "");
        put_struct(p, f->elem(), (const uint8_t *)a->v + (size_t)i * f->elem()->size);
    }
    put(p, "]");
}

static void
put_i32s(struct printer *p, const struct vrv_i32s *a)
{
    if (a->v == NULL) {
        put(p, "null");
        return;
    }
    for (int32_t i = 0; i < a->n; i++)
        put_fmt(p, "%s%" PRId32, i > 0 ? "," : "[", a->v[i]);
    put(p, a->n > 0 ? "]" : "[]");
}

static void
put_strs(struct printer *p, const struct vrv_strs *a)
{
    if (a->v == NULL) {
        put(p, "null");
        return;
    }
    put(p, "[");
    for (int32_t i = 0; i < a->n; i++) {
        put(p, i > 0 ? "," : "");
        put_str(p, a->v[i]);
    }
    put(p, "]");
}

static void
put_value(struct printer *p, const struct vrv_field *f, const uint8_t *at)
{
    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
        put(p, *at != 0 ? "true" : "false");
        return;
    case VRV_W_I8:
        put_fmt(p, "%d", (int8_t)*at);
        return;
    case VRV_W_I16: {
        VRV_WIRE_LOAD(int16_t, v);
        put_fmt(p, "%d", v);
        return;
    }
    case VRV_W_I32: {
        VRV_WIRE_LOAD(int32_t, v);
        put_fmt(p, "%" PRId32, v);
        return;
    }
    case VRV_W_I64: {
        VRV_WIRE_LOAD(int64_t, v);
        put_fmt(p, "%" PRId64, v);
        return;
    }
    case VRV_W_F64: {
        VRV_WIRE_LOAD(double, v);
        put_fmt(p, "%.17g", v);
        return;
    }
    case VRV_W_UUID:
        put_base64(p, at, 16, true);
        return;
    case VRV_W_STR: {
        VRV_WIRE_LOAD(struct vrv_str, v);
        put_str(p, v);
        return;
    }
    case VRV_W_BYTES: {
        VRV_WIRE_LOAD(struct vrv_bytes, v);
        if (v.p == NULL)
            put(p, "null");
        else
            put_base64(p, v.p, (size_t)v.n, false);
        return;
    }
    case VRV_W_RECORDS:
        return; /* put_field */
    case VRV_W_I32S: {
        VRV_WIRE_LOAD(struct vrv_i32s, v);
        put_i32s(p, &v);
        return;
    }
    case VRV_W_STRS: {
        VRV_WIRE_LOAD(struct vrv_strs, v);
        put_strs(p, &v);
        return;
    }
    case VRV_W_ARRAY: {
        VRV_WIRE_LOAD(struct vrv_array, v);
        put_array(p, f, &v);
        return;
    }
    case VRV_W_STRUCT:
        put_struct(p, f->elem(), at);
        return;
    case VRV_W_POINTER: {
        VRV_WIRE_LOAD(const uint8_t *, v);
        if (v == NULL)
            put(p, "null");
        else
            put_struct(p, f->elem(), v);
        return;
    }
    }
}

/* Of records only how many bytes they are. */
static void
put_field(struct printer *p, const struct vrv_field *f, const uint8_t *at)
{
    if (f->type == VRV_W_RECORDS) {
        VRV_WIRE_LOAD(struct vrv_records, v);
        bool some = v.p != NULL || v.slice_n > 0;

        put_name(p, f->name, some ? "SizeInBytes" : "");
        if (some)
            put_fmt(p, "%" PRId32, v.n);
        else
            put(p, "null");
        return;
    }
    put_name(p, f->name, "");
    put_value(p, f, at);
}

static void
put_struct(struct printer *p, const struct vrv_schema *s, const uint8_t *src)
{
    const char *comma = "";

    put(p, "{");
    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (!vrv__wire_has(p->v, f, src))
            continue;
        put(p, comma);
        put_field(p, f, src + f->at);
        comma = ",";
    }
    put(p, "}");
}

void
vrv_wire_json(const struct vrv_schema *s, struct vrv_wire_version v, const void *src,
    struct vrv_out *out)
{
    struct printer p = { out, v };

    put_struct(&p, s, src);
}
