/* Bytes to structs.  The depth of recursion is that of the tables; the input can't add to it. */
#include <string.h>

#include "engine/base/bytes.h"
#include "server/wire/apis.h"
#include "server/wire/wire_int.h"

struct reader {
    const uint8_t *p, *end;
    struct vrv_arena *arena;
    struct vrv_wire_version v;
    int failed;            /* 0, or the error; then nothing is read any more */
    struct vrv_err *e;
    /* for sentences: what is being read */
    const struct vrv_schema *message;
    const char *field;
};

static size_t
left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

static void
fail(struct reader *r, int code, const char *what)
{
    char message[VRV_MESSAGE_NAME];

    if (r->failed == 0) {
        vrv_message_name(r->message, message);
        r->failed = vrv_err_set(r->e, code, "%s, version %d: %s: %s", message, r->v.number,
            r->field, what);
    }
    r->p = r->end;
}

/* n bytes, or NULL. */
static const uint8_t *
take(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (left(r) < n) {
        fail(r, VRV_E_INVALID, "the message ends early");
        return NULL;
    }
    r->p += n;
    return p;
}

static int16_t
read_i16(struct reader *r)
{
    const uint8_t *p = take(r, 2);

    return p != NULL ? (int16_t)vrv_get_be16(p) : 0;
}

static int32_t
read_i32(struct reader *r)
{
    const uint8_t *p = take(r, 4);

    return p != NULL ? (int32_t)vrv_get_be32(p) : 0;
}

static int64_t
read_i64(struct reader *r)
{
    const uint8_t *p = take(r, 8);

    return p != NULL ? (int64_t)vrv_get_be64(p) : 0;
}

static uint32_t
read_uvarint(struct reader *r)
{
    uint32_t v = 0;

    for (int shift = 0; shift < 35; shift += 7) {
        const uint8_t *p = take(r, 1);

        if (p == NULL)
            return 0;
        if (shift == 28 && *p > 15)
            break;
        v |= (uint32_t)(*p & 127) << shift;
        if (*p < 128)
            return v;
    }
    fail(r, VRV_E_INVALID, "a varint of more than 32 bits");
    return 0;
}

/* A length or count in one of its three shapes, that of a string if `is_short`; -1: null. */
static int32_t
read_length(struct reader *r, bool is_short)
{
    if (r->v.flexible) {
        uint32_t n = read_uvarint(r);

        if (n > (uint32_t)INT32_MAX) {
            fail(r, VRV_E_INVALID, "a length that can't be");
            return -1;
        }
        return (int32_t)n - 1;
    }
    return is_short ? read_i16(r) : read_i32(r);
}

/* May it be null in this version? */
static bool
nullable(const struct reader *r, const struct vrv_field *f)
{
    return f->null_from > 0 && r->v.number >= f->null_from - 1;
}

/* The same, checked: of things of which each takes at least `each` bytes. */
static int32_t
read_count(struct reader *r, const struct vrv_field *f, bool is_short, size_t each)
{
    int32_t n = read_length(r, is_short);

    if (r->failed < 0)
        return -1;
    if (n == -1 && !nullable(r, f))
        fail(r, VRV_E_INVALID, "may not be null");
    else if (n < -1)
        fail(r, VRV_E_INVALID, "a negative length");
    else if (n > 0 && (size_t)n > left(r) / each)
        fail(r, VRV_E_INVALID, "longer than the rest of the message");
    return r->failed < 0 ? -1 : n;
}

static struct vrv_bytes
read_bytes(struct reader *r, const struct vrv_field *f, bool is_short)
{
    struct vrv_bytes b = { NULL, 0 };
    int32_t n = read_count(r, f, is_short, 1);

    if (n >= 0)
        b = (struct vrv_bytes){ take(r, (size_t)n), n };
    return b;
}

/* Memory for n elements; never NULL for an empty array, whose v must tell it from null. */
static void *
room(struct reader *r, int32_t n, size_t size)
{
    void *p = vrv_arena_take(r->arena, (size_t)n * size);

    if (p == NULL)
        fail(r, VRV_E_NOMEM, "more elements than a request may have");
    return p;
}

static void read_struct(struct reader *r, const struct vrv_schema *s, void *dst);

/* At least so many bytes does a struct take, by what it has in this version. */
static size_t
least_bytes(const struct vrv_schema *s, struct vrv_wire_version v)
{
    static const uint8_t fixed[] = { [VRV_W_BOOL] = 1, [VRV_W_I8] = 1, [VRV_W_I16] = 2,
        [VRV_W_I32] = 4, [VRV_W_I64] = 8, [VRV_W_F64] = 8, [VRV_W_UUID] = 16 };
    size_t n = v.flexible ? 1 : 0;

    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (v.number < f->from || v.number > f->to || f->tag > 0)
            continue;
        if (f->type <= VRV_W_UUID)
            n += fixed[f->type];
        else if (f->type == VRV_W_STRUCT)
            n += least_bytes(f->elem(), v);
        else if (f->type == VRV_W_POINTER || v.flexible)
            n += 1;
        else
            n += f->type == VRV_W_STR ? 2 : 4;
    }
    return n > 0 ? n : 1;
}

static struct vrv_array
read_array(struct reader *r, const struct vrv_field *f)
{
    const struct vrv_schema *s = f->elem();
    struct vrv_array a = { NULL, 0 };
    int32_t n = read_count(r, f, false, least_bytes(s, r->v));

    if (n < 0)
        return a;
    a.v = room(r, n, s->size);
    for (; r->failed == 0 && a.n < n; a.n++)
        read_struct(r, s, (uint8_t *)a.v + (size_t)a.n * s->size);
    return a;
}

static struct vrv_i32s
read_i32s(struct reader *r, const struct vrv_field *f)
{
    struct vrv_i32s a = { NULL, 0 };
    int32_t n = read_count(r, f, false, 4);

    if (n < 0)
        return a;
    a.v = room(r, n, sizeof(*a.v));
    for (; r->failed == 0 && a.n < n; a.n++)
        a.v[a.n] = read_i32(r);
    return a;
}

static struct vrv_strs
read_strs(struct reader *r, const struct vrv_field *f)
{
    static const struct vrv_field element = { .null_from = 0 };
    struct vrv_strs a = { NULL, 0 };
    int32_t n = read_count(r, f, false, r->v.flexible ? 1 : 2);

    if (n < 0)
        return a;
    a.v = room(r, n, sizeof(*a.v));
    for (; r->failed == 0 && a.n < n; a.n++) {
        struct vrv_bytes b = read_bytes(r, &element, true);

        a.v[a.n] = (struct vrv_str){ (const char *)b.p, b.n };
    }
    return a;
}

static void *
read_pointer(struct reader *r, const struct vrv_field *f)
{
    const uint8_t *there = take(r, 1);
    void *p;

    if (there == NULL || (int8_t)*there < 0) {
        if (there != NULL && !nullable(r, f))
            fail(r, VRV_E_INVALID, "may not be null");
        return NULL;
    }
    p = room(r, 1, f->elem()->size);
    if (p != NULL)
        read_struct(r, f->elem(), p);
    return p;
}

static void
read_value(struct reader *r, const struct vrv_field *f, uint8_t *at)
{
    const uint8_t *p;
    struct vrv_bytes b;
    uint64_t u;

    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
        p = take(r, 1);
        VRV_WIRE_STORE(bool, p != NULL && *p != 0);
        return;
    case VRV_W_I8:
        p = take(r, 1);
        VRV_WIRE_STORE(int8_t, p != NULL ? (int8_t)*p : 0);
        return;
    case VRV_W_I16:
        VRV_WIRE_STORE(int16_t, read_i16(r));
        return;
    case VRV_W_I32:
        VRV_WIRE_STORE(int32_t, read_i32(r));
        return;
    case VRV_W_I64:
        VRV_WIRE_STORE(int64_t, read_i64(r));
        return;
    case VRV_W_F64:
        u = (uint64_t)read_i64(r);
        memcpy(at, &u, sizeof(double));
        return;
    case VRV_W_UUID:
        p = take(r, 16);
        if (p != NULL)
            memcpy(at, p, 16);
        return;
    case VRV_W_STR:
        b = read_bytes(r, f, true);
        VRV_WIRE_STORE(struct vrv_str, ((struct vrv_str){ (const char *)b.p, b.n }));
        return;
    case VRV_W_BYTES:
        VRV_WIRE_STORE(struct vrv_bytes, read_bytes(r, f, false));
        return;
    case VRV_W_RECORDS:
        b = read_bytes(r, f, false);
        VRV_WIRE_STORE(struct vrv_records, ((struct vrv_records){ .p = b.p, .n = b.n }));
        return;
    case VRV_W_I32S:
        VRV_WIRE_STORE(struct vrv_i32s, read_i32s(r, f));
        return;
    case VRV_W_STRS:
        VRV_WIRE_STORE(struct vrv_strs, read_strs(r, f));
        return;
    case VRV_W_ARRAY:
        VRV_WIRE_STORE(struct vrv_array, read_array(r, f));
        return;
    case VRV_W_STRUCT:
        read_struct(r, f->elem(), at);
        return;
    case VRV_W_POINTER:
        VRV_WIRE_STORE(void *, read_pointer(r, f));
        return;
    }
}

static const struct vrv_field *
find_tag(const struct reader *r, const struct vrv_schema *s, uint32_t tag)
{
    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (f->tag > 0 && (uint32_t)(f->tag - 1) == tag && r->v.number >= f->from &&
            r->v.number <= f->to)
            return f;
    }
    return NULL;
}

/* Those that we don't know are passed over. */
static void
read_tags(struct reader *r, const struct vrv_schema *s, uint8_t *dst)
{
    int64_t before = -1;

    for (uint32_t n = read_uvarint(r); n > 0 && r->failed == 0; n--) {
        uint32_t tag = read_uvarint(r), size = read_uvarint(r);
        const struct vrv_field *f = find_tag(r, s, tag);
        const uint8_t *p = take(r, size), *end = r->end;

        if (p == NULL)
            return;
        if ((int64_t)tag <= before) {
            fail(r, VRV_E_INVALID, "tagged fields out of order");
            return;
        }
        before = tag;
        if (f == NULL)
            continue;
        r->field = f->name;
        r->p = p;
        r->end = p + size;
        read_value(r, f, dst + f->at);
        if (r->failed == 0 && r->p != r->end)
            fail(r, VRV_E_INVALID, "a tagged field with another size than it says");
        r->p = r->failed < 0 ? end : p + size;
        r->end = end;
    }
}

static void
read_struct(struct reader *r, const struct vrv_schema *s, void *dst)
{
    vrv_wire_init(s, dst);
    for (uint16_t i = 0; i < s->n && r->failed == 0; i++) {
        const struct vrv_field *f = &s->fields[i];

        if (r->v.number < f->from || r->v.number > f->to || f->tag > 0)
            continue;
        r->field = f->name;
        read_value(r, f, (uint8_t *)dst + f->at);
    }
    if (r->v.flexible && r->failed == 0) {
        r->field = "tagged fields";
        read_tags(r, s, dst);
    }
}

int64_t
vrv_wire_read(const struct vrv_schema *s, struct vrv_wire_version v, const uint8_t *p, size_t n,
    struct vrv_arena *a, void *dst, struct vrv_err *e)
{
    struct reader r = { .p = p, .end = n > 0 ? p + n : p, .arena = a, .v = v, .e = e,
        .message = s, .field = "" };

    read_struct(&r, s, dst);
    return r.failed < 0 ? r.failed : r.p - p;
}
