/* What fields are when they aren't there. */
#include <string.h>

#include "server/wire/wire_int.h"

static void
init_value(const struct vrv_field *f, uint8_t *at)
{
    bool nil = f->dflt == VRV_WIRE_NIL;

    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
        VRV_WIRE_STORE(bool, f->dflt != 0);
        return;
    case VRV_W_I8:
        VRV_WIRE_STORE(int8_t, (int8_t)f->dflt);
        return;
    case VRV_W_I16:
        VRV_WIRE_STORE(int16_t, (int16_t)f->dflt);
        return;
    case VRV_W_I32:
        VRV_WIRE_STORE(int32_t, (int32_t)f->dflt);
        return;
    case VRV_W_I64:
        VRV_WIRE_STORE(int64_t, f->dflt);
        return;
    case VRV_W_F64:
        VRV_WIRE_STORE(double, (double)f->dflt);
        return;
    case VRV_W_STR:
        VRV_WIRE_STORE(struct vrv_str, ((struct vrv_str){ nil ? NULL : "", 0 }));
        return;
    case VRV_W_BYTES:
    case VRV_W_RECORDS:
        VRV_WIRE_STORE(const uint8_t *, nil ? NULL : (const uint8_t *)"");
        return;
    case VRV_W_I32S:
    case VRV_W_STRS:
    case VRV_W_ARRAY: /* not NULL, never written to: it has no elements */
        VRV_WIRE_STORE(struct vrv_array, ((struct vrv_array){ nil ? NULL : (void *)(uintptr_t)"", 0 }));
        return;
    case VRV_W_STRUCT:
        vrv_wire_init(f->elem(), at);
        return;
    case VRV_W_UUID:
    case VRV_W_POINTER:
        return; /* all zero */
    }
}

void
vrv_wire_init(const struct vrv_schema *s, void *dst)
{
    memset(dst, 0, s->size);
    for (uint16_t i = 0; i < s->n; i++)
        init_value(&s->fields[i], (uint8_t *)dst + s->fields[i].at);
}

static bool is_default(const struct vrv_field *f, const uint8_t *at);

static bool
struct_is_default(const struct vrv_schema *s, const uint8_t *src)
{
    for (uint16_t i = 0; i < s->n; i++)
        if (!is_default(&s->fields[i], src + s->fields[i].at))
            return false;
    return true;
}

static bool
is_default(const struct vrv_field *f, const uint8_t *at)
{
    static const uint8_t zeros[16];
    bool nil = f->dflt == VRV_WIRE_NIL;

    switch ((enum vrv_wire_type)f->type) {
    case VRV_W_BOOL:
    case VRV_W_I8:
        return (int8_t)*at == (int8_t)f->dflt;
    case VRV_W_I16: {
        VRV_WIRE_LOAD(int16_t, v);
        return v == f->dflt;
    }
    case VRV_W_I32: {
        VRV_WIRE_LOAD(int32_t, v);
        return v == f->dflt;
    }
    case VRV_W_I64: {
        VRV_WIRE_LOAD(int64_t, v);
        return v == f->dflt;
    }
    case VRV_W_F64: {
        VRV_WIRE_LOAD(uint64_t, v);
        return v == 0;
    }
    case VRV_W_UUID:
        return memcmp(at, zeros, 16) == 0;
    case VRV_W_STR: {
        VRV_WIRE_LOAD(struct vrv_str, v);
        return nil ? v.p == NULL : v.p != NULL && v.n == 0;
    }
    case VRV_W_BYTES: {
        VRV_WIRE_LOAD(struct vrv_bytes, v);
        return nil ? v.p == NULL : v.p != NULL && v.n == 0;
    }
    case VRV_W_RECORDS: {
        VRV_WIRE_LOAD(struct vrv_records, v);
        return v.n == 0;
    }
    case VRV_W_I32S:
    case VRV_W_STRS:
    case VRV_W_ARRAY: {
        VRV_WIRE_LOAD(struct vrv_array, v);
        return nil ? v.v == NULL : v.v != NULL && v.n == 0;
    }
    case VRV_W_STRUCT:
        return struct_is_default(f->elem(), at);
    case VRV_W_POINTER: {
        VRV_WIRE_LOAD(const void *, v);
        return v == NULL;
    }
    }
    return false;
}

bool
vrv__wire_has(struct vrv_wire_version v, const struct vrv_field *f, const uint8_t *src)
{
    return v.number >= f->from && v.number <= f->to &&
        (f->tag == 0 || !is_default(f, src + f->at));
}
