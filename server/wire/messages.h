/* A C struct per message, and the table that describes it: struct vrv_<message>,
 * vrv_<message>_schema().  Made from msg/ by the compiler; schema.h tells the notation. */
#ifndef VRV_WIRE_MESSAGES_H
#define VRV_WIRE_MESSAGES_H

#include "server/wire/schema.h"
#include "server/wire/types.h"

#define VRV_WIRE_C_BOOL bool
#define VRV_WIRE_C_I8 int8_t
#define VRV_WIRE_C_I16 int16_t
#define VRV_WIRE_C_I32 int32_t
#define VRV_WIRE_C_I64 int64_t
#define VRV_WIRE_C_F64 double
#define VRV_WIRE_C_UUID struct vrv_uuid
#define VRV_WIRE_C_STR struct vrv_str
#define VRV_WIRE_C_BYTES struct vrv_bytes
#define VRV_WIRE_C_RECORDS struct vrv_records
#define VRV_WIRE_C_I32S struct vrv_i32s
#define VRV_WIRE_C_STRS struct vrv_strs

#define MSG(m) struct vrv_##m {
#define F(type, name, ...) VRV_WIRE_C_##type name;
#define A(name, elem, ...)                                                                         \
    struct {                                                                                       \
        struct vrv_##elem *v;                                                                      \
        int32_t n;                                                                                 \
    } name;
#define S(name, elem, ...) struct vrv_##elem name;
#define P(name, elem, ...) struct vrv_##elem *name;
#define END(m)                                                                                     \
    }                                                                                              \
    ;                                                                                              \
    const struct vrv_schema *vrv_##m##_schema(void);
#include "server/wire/msg/all.def"
#undef MSG
#undef F
#undef A
#undef S
#undef P
#undef END

#endif
