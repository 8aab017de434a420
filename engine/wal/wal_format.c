#include "engine/wal/wal_format.h"

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"

static const char file_magic[8] = "VRVWAL1";
enum { FILE_CRC = VRV_WAL_FILE_HEADER - 4 };

void
vrv_wal_file_head_write(uint8_t *out, const struct vrv_wal_file_head *h)
{
    memset(out, 0, VRV_WAL_FILE_HEADER);
    memcpy(out, file_magic, sizeof(file_magic));
    vrv_put_le32(out + 8, VRV_WAL_VERSION);
    vrv_put_le32(out + 12, h->number);
    vrv_put_le64(out + 16, h->wal_id);
    vrv_put_le64(out + 24, h->file_bytes);
    vrv_put_le32(out + 32, h->files);
    vrv_put_le32(out + FILE_CRC, vrv_crc32c(0, out, FILE_CRC));
}

uint32_t
vrv_wal_file_head_version(const uint8_t *in)
{
    bool ours = memcmp(in, file_magic, sizeof(file_magic)) == 0 &&
        vrv_get_le32(in + FILE_CRC) == vrv_crc32c(0, in, FILE_CRC);

    return ours ? vrv_get_le32(in + 8) : 0;
}

void
vrv_wal_head_write(uint8_t *out, const struct vrv_wal_head *h)
{
    memset(out, 0, VRV_WAL_GROUP_HEADER);
    vrv_put_le32(out, VRV_WAL_GROUP_MAGIC);
    vrv_put_le64(out + 8, h->wal_id);
    vrv_put_le64(out + 16, h->slot);
    vrv_put_le64(out + 24, h->durable_end);
    vrv_put_le64(out + 32, h->first_seq);
    vrv_put_le32(out + 40, h->session);
    vrv_put_le32(out + 44, h->count);
    vrv_put_le32(out + 48, h->bytes);
    vrv_put_le32(out + 52, h->payload_crc);
    vrv_put_le32(out + 4, vrv_crc32c(0, out + 8, VRV_WAL_GROUP_HEADER - 8));
}

bool
vrv_wal_head_read(struct vrv_wal_head *h, const uint8_t *in)
{
    if (vrv_get_le32(in) != VRV_WAL_GROUP_MAGIC ||
        vrv_get_le32(in + 4) != vrv_crc32c(0, in + 8, VRV_WAL_GROUP_HEADER - 8))
        return false;
    h->wal_id = vrv_get_le64(in + 8);
    h->slot = vrv_get_le64(in + 16);
    h->durable_end = vrv_get_le64(in + 24);
    h->first_seq = vrv_get_le64(in + 32);
    h->session = vrv_get_le32(in + 40);
    h->count = vrv_get_le32(in + 44);
    h->bytes = vrv_get_le32(in + 48);
    h->payload_crc = vrv_get_le32(in + 52);
    return true;
}

bool
vrv_wal_payload_ok(const struct vrv_wal_head *h, const uint8_t *group, size_t n)
{
    return n >= VRV_WAL_GROUP_HEADER && h->bytes <= n - VRV_WAL_GROUP_HEADER &&
        vrv_crc32c(0, group + VRV_WAL_GROUP_HEADER, h->bytes) == h->payload_crc;
}

void
vrv_wal_item_write(uint8_t *out, const struct vrv_wal_item *it)
{
    memset(out, 0, VRV_WAL_ENTRY_HEADER);
    out[0] = it->type;
    out[1] = it->flags;
    vrv_put_le32(out + 4, it->size);
    memcpy(out + 8, it->topic.b, sizeof(it->topic.b));
    vrv_put_le32(out + 24, (uint32_t)it->partition);
    vrv_put_le64(out + 32, (uint64_t)it->arg);
    vrv_put_le64(out + 40, (uint64_t)it->time_ms);
}

bool
vrv_wal_item_read(struct vrv_wal_item *it, const uint8_t *in, size_t n)
{
    if (n < VRV_WAL_ENTRY_HEADER)
        return false;
    it->type = in[0];
    it->flags = in[1];
    it->size = vrv_get_le32(in + 4);
    memcpy(it->topic.b, in + 8, sizeof(it->topic.b));
    it->partition = (int32_t)vrv_get_le32(in + 24);
    it->arg = (int64_t)vrv_get_le64(in + 32);
    it->time_ms = (int64_t)vrv_get_le64(in + 40);
    if (it->type < VRV_WAL_BATCH || it->type > VRV_WAL_LOCAL || it->partition < 0 ||
        (it->flags & ~VRV_WAL_ROLL) != 0)
        return false;
    return it->size <= n - VRV_WAL_ENTRY_HEADER;
}
