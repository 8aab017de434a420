/* Shared by what goes through the tables. */
#ifndef VRV_WIRE_WIRE_INT_H
#define VRV_WIRE_WIRE_INT_H

#include "server/wire/wire.h"

/* A field as the struct at `at` holds it, whose alignment is not known here. */
#define VRV_WIRE_LOAD(type, name)                                                                  \
    type name;                                                                                     \
    memcpy(&name, at, sizeof(name))
#define VRV_WIRE_STORE(type, value)                                                                \
    do {                                                                                           \
        type v_ = (value);                                                                         \
        memcpy(at, &v_, sizeof(v_));                                                               \
    } while (0)

/* Does this message have the field, in this version: a tagged one only if it isn't the default. */
bool vrv__wire_has(struct vrv_wire_version v, const struct vrv_field *f, const uint8_t *src);

#endif
