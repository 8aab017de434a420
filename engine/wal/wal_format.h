/*
 * The bytes of the write-ahead log; the only place that lays them out.  Little-endian.
 *
 * A file is a header of 4096 bytes and groups.
 * A group is a 64-byte header and a payload of entries; an entry is a 48-byte header and, for a
 * batch, the batch's bytes.  Tables in engine/README.md.
 */
#ifndef VRV_WAL_WAL_FORMAT_H
#define VRV_WAL_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/uuid.h"

enum {
    VRV_WAL_VERSION = 1,
    VRV_WAL_FILE_HEADER = 4096,
    VRV_WAL_GROUP_HEADER = 64,
    VRV_WAL_ENTRY_HEADER = 48,
    VRV_WAL_GROUP_MAGIC = 0x31475756, /* "VWG1" */
};

struct vrv_wal_file_head {
    uint64_t wal_id;
    uint32_t number;     /* of this file, from 1 */
    uint32_t files;
    uint64_t file_bytes; /* each */
};

struct vrv_wal_head {
    uint64_t wal_id;      /* of this WAL: another one's groups are not taken for ours */
    uint64_t slot;
    uint64_t durable_end; /* slots below this one were on stable storage when this was written */
    uint64_t first_seq;   /* number of its first entry */
    uint32_t session;     /* grows with each opening: a cut tail's groups can't come back */
    uint32_t count;       /* entries */
    uint32_t bytes;       /* of the payload */
    uint32_t payload_crc;
};

enum vrv_wal_type {
    VRV_WAL_NOTHING = 0, /* not written: keeps a completion in its place in the order */
    VRV_WAL_BATCH = 1,   /* a record batch; arg: offsets from here on may be used, 0 if sync */
    VRV_WAL_START = 2,   /* the log starts at offset arg now */
    VRV_WAL_LOCAL = 3,   /* what lies below offset arg is in the cold tier only */
};

enum vrv_wal_flags {
    VRV_WAL_ROLL = 1, /* the batch begins a new segment */
};

struct vrv_wal_item {
    uint8_t type;
    uint8_t flags;
    uint32_t size; /* of the batch */
    struct vrv_uuid topic;
    int32_t partition;
    int64_t arg;
    int64_t time_ms; /* when it was appended: decides when a segment is old */
};

/* 4096 bytes at out. */
void vrv_wal_file_head_write(uint8_t *out, const struct vrv_wal_file_head *h);
/* Which format version the 4096 bytes at in are the header of; 0 unless the checksum holds. */
uint32_t vrv_wal_file_head_version(const uint8_t *in);

/* 64 bytes at out; payload_crc must be set already. */
void vrv_wal_head_write(uint8_t *out, const struct vrv_wal_head *h);
/* False unless the 64 bytes at in are a header whose checksum holds. */
bool vrv_wal_head_read(struct vrv_wal_head *h, const uint8_t *in);
/* Does the payload behind the header match it?  n bytes are there, header included. */
bool vrv_wal_payload_ok(const struct vrv_wal_head *h, const uint8_t *group, size_t n);

void vrv_wal_item_write(uint8_t *out, const struct vrv_wal_item *it);
/* False when it can't be one: unknown type or flags, or more bytes than n behind the header. */
bool vrv_wal_item_read(struct vrv_wal_item *it, const uint8_t *in, size_t n);

#endif
