/*
 * The syntax of Java's property files, which Kafka's server.properties is one of.
 *
 * A line is key=value, key:value or key value.  '#' or '!' at its beginning makes it a comment.  A
 * backslash at its end joins the next one to it; before another character it takes the meaning
 * away: \t \n \r \f \uXXXX, and "\=" is "=".  Text is UTF-8.
 */
#ifndef VRV_CONFIG_PROPERTIES_H
#define VRV_CONFIG_PROPERTIES_H

#include <stddef.h>

struct vrv_properties_ops {
    /* A key, which may be empty, and its value; line: where it begins, from 1. */
    void (*set)(void *ctx, unsigned line, const char *key, const char *value);
    /* A line that can't be read; the others go on. */
    void (*wrong)(void *ctx, unsigned line, const char *why);
};

/* Memory is bounded by n. */
void vrv_properties_parse(const char *text, size_t n, const struct vrv_properties_ops *ops,
    void *ctx);

#endif
