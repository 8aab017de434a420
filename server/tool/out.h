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
    bool first;   /* no field in this object so far */
    bool colours; /* a terminal that wants them */
};

enum out_colour { OUT_PLAIN, OUT_BOLD, OUT_GREEN, OUT_YELLOW, OUT_RED, OUT_DIM };

/* An object; with --json only. */
void out_begin(struct out *o, const char *kind);
void out_int(struct out *o, const char *key, int64_t v);
void out_uint(struct out *o, const char *key, uint64_t v);
void out_bool(struct out *o, const char *key, bool v);
void out_str(struct out *o, const char *key, const char *v);
/* Bytes as text with escapes (out_text); NULL is null. */
void out_bytes(struct out *o, const char *key, const void *p, int64_t n);
/* A list of objects: out_list, then for each out_item, its fields, out_item_end. */
void out_list(struct out *o, const char *key);
void out_item(struct out *o);
void out_item_end(struct out *o);
void out_list_end(struct out *o);
void out_end(struct out *o);

/* Whether to use colours: on a terminal, without NO_COLOR and --json. */
void out_colours(struct out *o);
/* Text in a colour, if there are any. */
void out_paint(struct out *o, enum out_colour c, const char *text);

/* Bytes as text: what is not printable ASCII as \n, \r, \t, \\ or \xNN. */
void out_text(FILE *f, const void *p, size_t n);
/* Back from that, in place, with \t and the like as bytes: the new length, or -1 where a backslash
 * begins nothing that is known. */
int64_t out_untext(char *p, size_t n);
/* For a terminal: as it is, but for what would steer it (control characters) and for what isn't
 * UTF-8, which are escaped as above; line feeds and tabs stay. */
void out_shown(FILE *f, const void *p, size_t n);
/* The same in quotes, quotes within as \". */
void out_quoted(FILE *f, const void *p, size_t n);
/* "1.4 GiB" */
const char *out_size(uint64_t bytes, char buf[32]);
/* "2025-06-01T12:00:00.123Z", or "-" when it can't be a time. */
const char *out_time(int64_t ms, char buf[32]);

#endif
