/* What the tool prints: lines for people, or with --json one object per line. */
#ifndef VRV_TOOL_OUT_H
#define VRV_TOOL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct out {
    FILE *f;
    bool json;
    bool first; /* no field in this object so far */
};

/* An object; with --json only. */
void out_begin(struct out *o, const char *kind);
void out_int(struct out *o, const char *key, int64_t v);
void out_uint(struct out *o, const char *key, uint64_t v);
void out_bool(struct out *o, const char *key, bool v);
void out_str(struct out *o, const char *key, const char *v);
/* Bytes as text with escapes (out_text); NULL is null. */
void out_bytes(struct out *o, const char *key, const void *p, int64_t n);
void out_end(struct out *o);

/* Bytes as text: what is not printable ASCII as \n, \r, \t, \\ or \xNN. */
void out_text(FILE *f, const void *p, size_t n);
/* The same in quotes, quotes within as \". */
void out_quoted(FILE *f, const void *p, size_t n);
/* "1.4 GiB" */
const char *out_size(uint64_t bytes, char buf[32]);
/* "2025-06-01T12:00:00.123Z", or "-" when it can't be a time. */
const char *out_time(int64_t ms, char buf[32]);

#endif
