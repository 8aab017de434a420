/*
 * The value of one setting: Kafka's types, what it may be, and Kafka's own sentences about one that
 * can't be, since clients show them and tests compare them.  Pure: no table, no state.
 */
#ifndef VRV_BASE_SETTING_H
#define VRV_BASE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Kafka's numbers, as DescribeConfigs sends them. */
enum vrv_setting_type {
    VRV_SETTING_BOOLEAN = 1,
    VRV_SETTING_STRING = 2,
    VRV_SETTING_INT = 3,
    VRV_SETTING_SHORT = 4,
    VRV_SETTING_LONG = 5,
    VRV_SETTING_DOUBLE = 6,
    VRV_SETTING_LIST = 7,
    VRV_SETTING_PASSWORD = 9,
};

struct vrv_setting_rule {
    const char *key;
    enum vrv_setting_type type;
    int64_t min, max;         /* of a number */
    bool or_minus_one;        /* which lies outside */
    const char *const *words; /* of a STRING, or the parts of a LIST; NULL at the end; NULL: any */
};

struct vrv_setting_value {
    int64_t i;        /* a whole number; 0 or 1; a STRING's place among its words */
    double d;         /* a DOUBLE */
    const char *text; /* of the other types, without the blanks around it; borrowed from the text */
    size_t n;
};

/* INVALID says what it would take. */
int vrv_setting_parse(const struct vrv_setting_rule *r, const char *text,
    struct vrv_setting_value *v, struct vrv_err *e) VRV_MUST_CHECK;
/* A value that parses as Kafka shows it: numbers without zeros in front, no blanks around. */
void vrv_setting_print(const struct vrv_setting_rule *r, const char *text, char *out, size_t n);

/* The parts of a list, one after the other: start with *at = the text.  False: no more. */
bool vrv_setting_next(const char **at, const char **part, size_t *n);

/* "a whole number of at least 1", "true or false", ...: for people. */
enum { VRV_SETTING_EXPECTED = 160 };
void vrv_setting_expected(const struct vrv_setting_rule *r, char out[VRV_SETTING_EXPECTED]);
/* "INT" */
const char *vrv_setting_type_name(enum vrv_setting_type type);

#endif
