/*
 * Kafka's messages as tables.
 *
 * Each API has a file msg/<api>.def that lists the fields of its request and its response, and the
 * versions that have them:
 *
 *     MSG(metadata_resp_broker)
 *         F(I32, node_id, ALL)
 *         F(STR, rack, SINCE(1), NULLS(1), DFLT(NIL))
 *     END(metadata_resp_broker)
 *
 *     F(type, name, versions, ...)      a value; types are listed below
 *     A(name, message, versions, ...)   an array of structs
 *     S(name, message, versions, ...)   one struct; P: one that may be null
 *     ALL, SINCE(n), IN(m, n)           in which versions (n included)
 *     NULLS(n)                          from version n on it may be null
 *     TAG(n)                            a tagged field of flexible versions
 *     DFLT(x)                           what it is when it isn't there, if that is not 0 or empty;
 *                                       NIL: null
 *
 * messages.h includes them to declare the C structs, schema.c to make the tables that read.c,
 * write.c and json.c walk.  Nothing about layout is written by hand anywhere else.
 */
#ifndef VRV_WIRE_SCHEMA_H
#define VRV_WIRE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vrv_wire_type {
    VRV_W_BOOL,
    VRV_W_I8,
    VRV_W_I16,
    VRV_W_I32,
    VRV_W_I64,
    VRV_W_F64,
    VRV_W_UUID,
    VRV_W_STR,
    VRV_W_BYTES,
    VRV_W_RECORDS,
    VRV_W_I32S, /* arrays of values */
    VRV_W_STRS,
    VRV_W_ARRAY, /* of structs */
    VRV_W_STRUCT,
    VRV_W_POINTER, /* to a struct, or NULL */
};

/* The default of a field that is null when it isn't there. */
#define VRV_WIRE_NIL (INT64_MIN + 1)

enum { VRV_WIRE_LAST = INT8_MAX }; /* "to" of a field that no version has dropped */

struct vrv_schema;

struct vrv_field {
    const char *name;
    uint16_t at;              /* in the C struct */
    uint8_t type;             /* enum vrv_wire_type */
    int8_t from, to;          /* versions that have it */
    int8_t null_from;         /* first version in which it may be null, + 1; 0: none */
    int8_t tag;               /* + 1; 0: not tagged */
    bool is_code;             /* an I16 called error_code */
    int64_t dflt;
    const struct vrv_schema *(*elem)(void);
};

struct vrv_schema {
    const char *name;
    uint16_t size;            /* of the C struct */
    uint16_t n;
    const struct vrv_field *fields;
};

#endif
