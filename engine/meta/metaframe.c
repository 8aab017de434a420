#include "engine/meta/metaframe.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"

void
vrv_metabuf_fini(struct vrv_metabuf *b)
{
    free(b->p);
    *b = (struct vrv_metabuf){0};
}

static uint8_t *
add(struct vrv_metabuf *b, size_t n)
{
    if (b->cap - b->n < n) {
        b->cap = b->n + n > 2 * b->cap ? b->n + n : 2 * b->cap;
        b->p = vrv_mem_grow(b->p, b->cap);
    }
    b->n += n;
    return b->p + b->n - n;
}

/* A frame's checksum covers its place too: what a disk, or a copy by hand, put elsewhere is no
 * frame there, and a value that holds the bytes of a frame is never taken for one. */
static uint32_t
frame_crc(const uint8_t *p, size_t n, uint64_t number, uint64_t pos)
{
    uint8_t place[16];

    vrv_put_le64(place, number);
    vrv_put_le64(place + 8, pos);
    uint32_t crc = vrv_crc32c(0, place, sizeof(place));
    crc = vrv_crc32c(crc, p, 4);
    return vrv_crc32c(crc, p + VRV_MFRAME_PREFIX, n - VRV_MFRAME_PREFIX);
}

void
vrv_metabuf_header(struct vrv_metabuf *b, uint64_t revision)
{
    uint8_t *p = add(b, VRV_METALOG_HEADER);

    memset(p, 0, VRV_METALOG_HEADER);
    memcpy(p, VRV_METALOG_MAGIC, sizeof(VRV_METALOG_MAGIC) - 1);
    vrv_put_le32(p + VRV_METALOG_H_VERSION, VRV_METALOG_VERSION);
    vrv_put_le64(p + VRV_METALOG_H_NUMBER, b->number);
    vrv_put_le64(p + VRV_METALOG_H_BASE, revision);
    vrv_put_le32(p + VRV_METALOG_H_CRC, vrv_crc32c(0, p, VRV_METALOG_H_CRC));
}

bool
vrv_mheader_parse(struct vrv_mheader *h, const uint8_t *p, size_t n)
{
    if (n < VRV_METALOG_HEADER || memcmp(p, VRV_METALOG_MAGIC, 8) != 0)
        return false;
    if (vrv_get_le32(p + VRV_METALOG_H_CRC) != vrv_crc32c(0, p, VRV_METALOG_H_CRC))
        return false;
    h->version = vrv_get_le32(p + VRV_METALOG_H_VERSION);
    h->number = vrv_get_le64(p + VRV_METALOG_H_NUMBER);
    h->revision = vrv_get_le64(p + VRV_METALOG_H_BASE);
    return true;
}

size_t
vrv_metabuf_begin(struct vrv_metabuf *b, enum vrv_mframe_kind kind, uint64_t revision,
    uint64_t durable)
{
    size_t frame = b->n;
    uint8_t *p = add(b, VRV_MFRAME_HEAD);

    memset(p, 0, VRV_MFRAME_HEAD);
    vrv_put_le64(p + VRV_MFRAME_REVISION, revision);
    vrv_put_le64(p + VRV_MFRAME_DURABLE, durable);
    p[VRV_MFRAME_KIND] = (uint8_t)kind;
    return frame;
}

void
vrv_metabuf_op(struct vrv_metabuf *b, size_t frame, const struct vrv_meta_kv *kv)
{
    size_t key_len = strlen(kv->key);
    size_t value_len = kv->value != NULL ? kv->value_len : 0;
    size_t head = VRV_MFRAME_OP_HEAD + (kv->mod != 0 ? (size_t)VRV_MFRAME_OP_MOD : 0);
    uint8_t *p = add(b, head + key_len + value_len);
    uint8_t *ops = b->p + frame + VRV_MFRAME_OPS;

    VRV_ASSERT(vrv_get_le16(ops) < VRV_META_OPS_MAX);
    vrv_put_le16(ops, (uint16_t)(vrv_get_le16(ops) + 1));
    vrv_put_le16(p, (uint16_t)key_len);
    vrv_put_le32(p + 2, kv->value != NULL ? (uint32_t)value_len : VRV_MFRAME_DELETE);
    if (kv->mod != 0)
        vrv_put_le64(p + VRV_MFRAME_OP_HEAD, kv->mod);
    memcpy(p + head, kv->key, key_len);
    if (value_len > 0)
        memcpy(p + head + key_len, kv->value, value_len);
}

void
vrv_metabuf_end(struct vrv_metabuf *b, size_t frame)
{
    uint8_t *p = b->p + frame;
    size_t n = b->n - frame;

    VRV_ASSERT(n <= VRV_MFRAME_MAX);
    vrv_put_le32(p, (uint32_t)(n - VRV_MFRAME_PREFIX));
    vrv_put_le32(p + 4, frame_crc(p, n, b->number, b->base + frame));
}

/* The cheap half of the check: could a frame begin here?  It keeps the search for a frame behind
 * damage from computing a checksum at every byte. */
static bool
plausible(struct vrv_mframe *f, const uint8_t *p, uint64_t n, uint64_t pos)
{
    if (n < VRV_MFRAME_HEAD)
        return false;
    f->size = (uint64_t)vrv_get_le32(p) + VRV_MFRAME_PREFIX;
    f->revision = vrv_get_le64(p + VRV_MFRAME_REVISION);
    f->durable = vrv_get_le64(p + VRV_MFRAME_DURABLE);
    f->ops = vrv_get_le16(p + VRV_MFRAME_OPS);
    f->kind = p[VRV_MFRAME_KIND];
    if (f->size > n || f->size > VRV_MFRAME_MAX || f->durable > pos)
        return false;
    if (f->kind < VRV_MFRAME_TXN || f->kind > VRV_MFRAME_SNAPSHOT_END)
        return false;
    return f->ops <= VRV_META_OPS_MAX &&
           f->size >= (uint64_t)VRV_MFRAME_HEAD + (uint64_t)f->ops * (VRV_MFRAME_OP_HEAD + 1);
}

bool
vrv_mframe_parse(struct vrv_mframe *f, const uint8_t *p, uint64_t n, uint64_t number, uint64_t pos)
{
    if (!plausible(f, p, n, pos))
        return false;
    f->at = p + VRV_MFRAME_HEAD;
    f->end = p + f->size;
    return vrv_get_le32(p + 4) == frame_crc(p, (size_t)f->size, number, pos);
}

int
vrv_mframe_op(struct vrv_mframe *f, struct vrv_mop *op)
{
    size_t left = (size_t)(f->end - f->at);
    size_t head = VRV_MFRAME_OP_HEAD;

    if (f->ops == 0)
        return left == 0 ? 0 : VRV_E_CORRUPT;
    if (f->kind == VRV_MFRAME_SNAPSHOT)
        head += VRV_MFRAME_OP_MOD;
    if (left < head)
        return VRV_E_CORRUPT;
    uint32_t value_len = vrv_get_le32(f->at + 2);
    bool gone = value_len == VRV_MFRAME_DELETE;
    op->key_len = vrv_get_le16(f->at);
    op->value_len = gone ? 0 : value_len;
    if (op->key_len < 1 || op->key_len > VRV_META_KEY_MAX || op->value_len > VRV_META_VALUE_MAX)
        return VRV_E_CORRUPT;
    if (left - head < op->key_len + op->value_len)
        return VRV_E_CORRUPT;
    op->mod = f->kind == VRV_MFRAME_SNAPSHOT ? vrv_get_le64(f->at + VRV_MFRAME_OP_HEAD)
                                             : f->revision;
    op->key = (const char *)f->at + head;
    op->value = gone ? NULL : f->at + head + op->key_len;
    if (memchr(op->key, '\0', op->key_len) != NULL)
        return VRV_E_CORRUPT;
    f->at += head + op->key_len + op->value_len;
    f->ops--;
    return 1;
}
