/* Structs to bytes. */
#include <string.h>

#include "engine/base/bytes.h"
#include "server/wire/wire_int.h"

struct writer {
    struct vrv_out *out;
    struct vrv_wire_version v;
};

static void
write_i16(struct writer *w, int16_t v)
{
    vrv_put_be16(vrv_out_room(w->out, 2), (uint16_t)v);
}

static void
write_i32(struct writer *w, int32_t v)
{
    vrv_put_be32(vrv_out_room(w->out, 4), (uint32_t)v);
}

static void
write_i64(struct writer *w, int64_t v)
{
    vrv_put_be64(vrv_out_room(w->out, 8), (uint64_t)v);
}

static size_t
put_uvarint(uint8_t *p, uint32_t v)
{
    size_t n = 0;

    for (; v >= 128; v >>= 7)
        p[n++] = (uint8_t)(v | 128);
    p[n++] = (uint8_t)v;
    return n;
}

static void
write_uvarint(struct writer *w, uint32_t v)
{
    uint8_t b[5];

    vrv_out_put(w->out, b, put_uvarint(b, v));
}

/* -1: null. */
static void
write_length(struct writer *w, int32_t n, bool is_short)
{
    if (w->v.flexible)
        write_uvarint(w, (uint32_t)(n + 1));
    else if (is_short)
        write_i16(w, (int16_t)n);
    else
        write_i32(w, n);
}

static int32_t
null_or(const struct writer *w, const struct vrv_field *f, bool is_null, int32_t n)
{
    if (!is_null)
        return n;
    return f->null_from > 0 && w->v.number >= f->null_from - 1 ? -1 : 0;
}

static void
write_bytes(struct writer *w, const struct vrv_field *f, const void *p, int32_t n, bool is_short)
{
    write_length(w, null_or(w, f, p == NULL, n), is_short);
    if (p != NULL)
        vrv_out_put(w->out, p, (size_t)n);
}

static void
write_records(struct writer *w, const struct vrv_field *f, const struct vrv_records *rec)
{
    if (rec->slice_n == 0) {
        write_bytes(w, f, rec->p, rec->n, false);
        return;
    }
    write_length(w, rec->n, false);
    for (uint32_t i = 0; i < rec->slice_n; i++)
        vrv_out_take(w->out, &rec->slice[i]);
}

static void write_struct(struct writer *w, const struct vrv_schema *s, const uint8_t *src);

static void
write_array(struct writer *w, const struct vrv_field *f, const struct vrv_array *a)
{
    write_length(w, null_or(w, f, a->v == NULL, a->n), false);
    for (int32_t i = 0; a->v != NULL && i < a->n; i++)
        write_struct(w, f->elem(), (const uint8_t *)a->v + (size_t)i * f->elem()->size);
}

static void
write_i32s(struct writer *w, const struct vrv_field *f, const struct vrv_i32s *a)
{
    write_length(w, null_or(w, f, a->v == NULL, a->n), false);
    for (int32_t i = 0; a->v != NULL && i < a->n; i++)
        write_i32(w, a->v[i]);
}

static void
write_strs(struct writer *w, const struct vrv_field *f, const struct vrv_strs *a)
{
    write_length(w, null_or(w, f, a->v == NULL, a->n), false);
    for (int32_t i = 0; a->v != NULL && i < a->n; i++) {
        write_length(w, a->v[i].n, true);
        vrv_out_put(w->out, a->v[i].p, (size_t)a->v[i].n);
    }
}

static void
write_value(struct writer *w, const struct vrv_field *f, const uint8_t *at)
{
    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
    case VRV_W_I8:
        vrv_out_put(w->out, at, 1);
        return;
    case VRV_W_I16: {
        VRV_WIRE_LOAD(int16_t, v);
        write_i16(w, v);
        return;
    }
    case VRV_W_I32: {
        VRV_WIRE_LOAD(int32_t, v);
        write_i32(w, v);
        return;
    }
    case VRV_W_I64:
    case VRV_W_F64: {
        VRV_WIRE_LOAD(int64_t, v);
        write_i64(w, v);
        return;
    }
    case VRV_W_UUID:
        vrv_out_put(w->out, at, 16);
        return;
    case VRV_W_STR: {
        VRV_WIRE_LOAD(struct vrv_str, v);
        write_bytes(w, f, v.p, v.n, true);
        return;
    }
    case VRV_W_BYTES: {
        VRV_WIRE_LOAD(struct vrv_bytes, v);
        write_bytes(w, f, v.p, v.n, false);
        return;
    }
    case VRV_W_RECORDS: {
        VRV_WIRE_LOAD(struct vrv_records, v);
        write_records(w, f, &v);
        return;
    }
    case VRV_W_I32S: {
        VRV_WIRE_LOAD(struct vrv_i32s, v);
        write_i32s(w, f, &v);
        return;
    }
    case VRV_W_STRS: {
        VRV_WIRE_LOAD(struct vrv_strs, v);
        write_strs(w, f, &v);
        return;
    }
    case VRV_W_ARRAY: {
        VRV_WIRE_LOAD(struct vrv_array, v);
        write_array(w, f, &v);
        return;
    }
    case VRV_W_STRUCT:
        write_struct(w, f->elem(), at);
        return;
    case VRV_W_POINTER: {
        VRV_WIRE_LOAD(const uint8_t *, v);
        *vrv_out_room(w->out, 1) = v != NULL ? 1 : 0xff;
        if (v != NULL)
            write_struct(w, f->elem(), v);
        return;
    }
    }
}

/* Its size goes before it, and is known behind it. */
static void
write_tag(struct writer *w, const struct vrv_field *f, const uint8_t *at)
{
    uint8_t b[5];

    write_uvarint(w, (uint32_t)(f->tag - 1));
    size_t from = w->out->n;
    write_value(w, f, at);
    size_t n = w->out->n - from, more = put_uvarint(b, (uint32_t)n);
    (void)vrv_out_room(w->out, more);
    memmove(w->out->own + from + more, w->out->own + from, n);
    memcpy(w->out->own + from, b, more);
}

/* Those that say something; tables list tagged fields last and by their numbers. */
static void
write_tags(struct writer *w, const struct vrv_schema *s, const uint8_t *src)
{
    uint16_t first = s->n;
    uint32_t n = 0;

    while (first > 0 && s->fields[first - 1].tag > 0)
        first--;
    for (uint16_t i = first; i < s->n; i++)
        n += vrv__wire_has(w->v, &s->fields[i], src);
    write_uvarint(w, n);
    for (uint16_t i = first; n > 0 && i < s->n; i++)
        if (vrv__wire_has(w->v, &s->fields[i], src))
            write_tag(w, &s->fields[i], src + s->fields[i].at);
}

static void
write_struct(struct writer *w, const struct vrv_schema *s, const uint8_t *src)
{
    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (f->tag == 0 && vrv__wire_has(w->v, f, src))
            write_value(w, f, src + f->at);
    }
    if (w->v.flexible)
        write_tags(w, s, src);
}

void
vrv_wire_write(const struct vrv_schema *s, struct vrv_wire_version v, const void *src,
    struct vrv_out *out)
{
    struct writer w = { out, v };

    write_struct(&w, s, src);
}
