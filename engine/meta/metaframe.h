/* The frames of a .meta file as bytes: written into a buffer, read from one.  No I/O. */
#ifndef VRV_META_METAFRAME_H
#define VRV_META_METAFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/meta/metalog_format.h"

/* Bytes on their way to a file; `number` and `base` say to which, and where n = 0 lands. */
struct vrv_metabuf {
    uint8_t *p;
    size_t n, cap;
    uint64_t number, base;
};

void vrv_metabuf_fini(struct vrv_metabuf *b);

void vrv_metabuf_header(struct vrv_metabuf *b, uint64_t revision);

/* One frame: begin, operations, end.  begin returns what end wants. */
size_t vrv_metabuf_begin(struct vrv_metabuf *b, enum vrv_mframe_kind kind, uint64_t revision,
    uint64_t durable);
/* value NULL: deleted.  mod is only written when not 0. */
void vrv_metabuf_op(struct vrv_metabuf *b, size_t frame, const struct vrv_meta_kv *kv);
void vrv_metabuf_end(struct vrv_metabuf *b, size_t frame);

struct vrv_mheader {
    uint32_t version;
    uint64_t number, revision;
};

/* False: no header of any version of ours. */
bool vrv_mheader_parse(struct vrv_mheader *h, const uint8_t *p, size_t n);

/* A whole frame, borrowed from the bytes it was read from. */
struct vrv_mframe {
    uint8_t kind;
    uint16_t ops;
    uint64_t revision;
    uint64_t durable;   /* the file up to here was synced before this was written */
    uint64_t size;      /* of all of it */
    const uint8_t *at;  /* what vrv_mframe_op() reads next */
    const uint8_t *end; /* of the frame */
};

/* What n bytes at p, read from position pos of file `number`, begin with: true when it is a whole
 * frame and its checksum holds. */
bool vrv_mframe_parse(struct vrv_mframe *f, const uint8_t *p, uint64_t n, uint64_t number,
    uint64_t pos);

struct vrv_mop {
    const char *key; /* key_len bytes, none of them NUL; no NUL behind them */
    size_t key_len;
    const void *value; /* NULL: deleted */
    size_t value_len;
    uint64_t mod;
};

/* The next operation: 1, 0 after the last, negative when the frame is nonsense in spite of its
 * checksum. */
int vrv_mframe_op(struct vrv_mframe *f, struct vrv_mop *op);

#endif
