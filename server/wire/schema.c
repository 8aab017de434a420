/* The tables, one function per message. */
#include "server/wire/messages.h"

#define ALL .from = 0, .to = VRV_WIRE_LAST
#define SINCE(v) .from = (v), .to = VRV_WIRE_LAST
#define IN(v, w) .from = (v), .to = (w)
#define NULLS(v) .null_from = (v) + 1
#define TAG(t) .tag = (t) + 1
#define DFLT(x) .dflt = (x)
#define NIL VRV_WIRE_NIL

/* 1 for the name error_code, 0 for all others: only with that the first words become two. */
#define CODE_error_code ~, 1
#define SECOND(a, b, ...) b
#define EXPAND_SECOND(...) SECOND(__VA_ARGS__)
#define IS_CODE(f) EXPAND_SECOND(CODE_##f, 0, 0)

#define FIELD(f, kind, ...)                                                                        \
    { .name = #f, .at = offsetof(cur, f), .type = (kind), .is_code = IS_CODE(f), __VA_ARGS__ },
#define MSG(m)                                                                                     \
    const struct vrv_schema *vrv_##m##_schema(void)                                                \
    {                                                                                              \
        typedef struct vrv_##m cur;                                                                \
        static const struct vrv_field fields[] = {
#define F(type, name, ...) FIELD(name, VRV_W_##type, __VA_ARGS__)
#define A(name, e, ...) FIELD(name, VRV_W_ARRAY, .elem = vrv_##e##_schema, __VA_ARGS__)
#define S(name, e, ...) FIELD(name, VRV_W_STRUCT, .elem = vrv_##e##_schema, __VA_ARGS__)
#define P(name, e, ...) FIELD(name, VRV_W_POINTER, .elem = vrv_##e##_schema, __VA_ARGS__)
#define END(m)                                                                                     \
        };                                                                                         \
        static const struct vrv_schema s = { #m, sizeof(cur), sizeof(fields) / sizeof(fields[0]),  \
            fields };                                                                              \
        return &s;                                                                                 \
    }
#include "server/wire/msg/all.def"
