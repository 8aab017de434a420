/* The bytes of a .meta file; all numbers little-endian.  Told in words in engine/README.md. */
#ifndef VRV_META_METALOG_FORMAT_H
#define VRV_META_METALOG_FORMAT_H

#include <stdint.h>

#include "engine/contract/metastore.h"

/* Header: magic[8], version u32, 0 u32, number u64, base revision u64, 0[28], CRC-32C u32.
 * Magic, version and the checksum's place stay as they are in every later version. */
#define VRV_METALOG_MAGIC "VRVMETA1"

enum {
    VRV_METALOG_VERSION = 1,
    VRV_METALOG_HEADER = 64,
    VRV_METALOG_H_VERSION = 8,
    VRV_METALOG_H_NUMBER = 16,
    VRV_METALOG_H_BASE = 24,
    VRV_METALOG_H_CRC = 60,
};

/* Frame: length u32 (of what follows the checksum), CRC-32C u32, revision u64, durable u64,
 * operations u16, kind u8, 0 u8, operations. */
enum {
    VRV_MFRAME_PREFIX = 8,
    VRV_MFRAME_REVISION = 8,
    VRV_MFRAME_DURABLE = 16,
    VRV_MFRAME_OPS = 24,
    VRV_MFRAME_KIND = 26,
    VRV_MFRAME_HEAD = 28,
};

enum vrv_mframe_kind {
    VRV_MFRAME_TXN = 1,
    VRV_MFRAME_SNAPSHOT = 2, /* its operations carry each key's mod revision */
    VRV_MFRAME_SNAPSHOT_END = 3,
};

/* Operation: key length u16, value length u32, [mod u64: in a snapshot only], key, value. */
enum { VRV_MFRAME_OP_HEAD = 6, VRV_MFRAME_OP_MOD = 8 };

#define VRV_MFRAME_DELETE UINT32_MAX /* as a value's length: the key is deleted */

/* The longest frame: what one transaction may hold. */
#define VRV_MFRAME_MAX                                                                             \
    ((uint64_t)VRV_MFRAME_HEAD +                                                                   \
        (uint64_t)VRV_META_OPS_MAX *                                                               \
            (VRV_MFRAME_OP_HEAD + VRV_MFRAME_OP_MOD + VRV_META_KEY_MAX + VRV_META_VALUE_MAX))

/* Revisions count transactions: one above this was not counted. */
#define VRV_METALOG_REVISION_MAX (UINT64_MAX / 4)

#endif
