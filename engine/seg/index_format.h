/*
 * Layout of <base>.index, version 1.  Little-endian throughout; unused bytes are zero.
 *
 *   header     64 bytes
 *   entries    24 bytes each, one per index interval of data
 *   aborted    32 bytes each, one per aborted transaction: none so far
 *   footer     128 bytes, when the segment is sealed
 *
 * The header never changes; its checksum covers its first 60 bytes.  The footer's covers all
 * bytes of the file before it: header, entries, aborted, and the footer's first 124.  A sealed
 * file ends with the footer, so its size must be what the footer's counts add up to.
 *
 * A later version keeps magic, version and checksum of the header where they are: that is how
 * an older program knows that it's too old, and not that the file is damaged.
 */
#ifndef VRV_SEG_INDEX_FORMAT_H
#define VRV_SEG_INDEX_FORMAT_H

#define VRV_INDEX_MAGIC "VRVIDX1" /* 8 bytes each, with the NUL */
#define VRV_SEAL_MAGIC "VRVSEAL"

_Static_assert(sizeof(VRV_INDEX_MAGIC) == 8, "magic of the index header");
_Static_assert(sizeof(VRV_SEAL_MAGIC) == 8, "magic of the index footer");

enum { VRV_INDEX_VERSION = 1 };

enum vrv_index_header_layout {
    VRV_IXH_MAGIC = 0,       /* 8 bytes */
    VRV_IXH_VERSION = 8,     /* u32 */
    VRV_IXH_ENTRY_SIZE = 12, /* u32: VRV_INDEX_ENTRY */
    VRV_IXH_BASE = 16,       /* i64: first offset of the segment */
    VRV_IXH_UNUSED = 24,     /* zeros */
    VRV_IXH_CRC = 60,        /* u32: CRC-32C of what is before */
    VRV_INDEX_HEADER = 64,
};

enum vrv_index_entry_layout {
    VRV_IXE_OFFSET = 0,  /* i64: base offset of a batch */
    VRV_IXE_POS = 8,     /* u64: where it begins in the .log file */
    VRV_IXE_MAX_TS = 16, /* i64: largest timestamp of all batches before it */
    VRV_INDEX_ENTRY = 24,
};

/* Kafka's transaction index, for read_committed: what AbortedTransactions is answered from. */
enum vrv_index_aborted_layout {
    VRV_IXA_PRODUCER = 0,     /* i64: producer id */
    VRV_IXA_FIRST = 8,        /* i64: first offset of the transaction */
    VRV_IXA_LAST = 16,        /* i64: offset of its abort marker */
    VRV_IXA_LAST_STABLE = 24, /* i64: last stable offset once the marker was there */
    VRV_INDEX_ABORTED = 32,
};

enum vrv_index_footer_layout {
    VRV_IXF_MAGIC = 0,          /* 8 bytes */
    VRV_IXF_VERSION = 8,        /* u32: the header's */
    VRV_IXF_DATA_CRC = 12,      /* u32: CRC-32C of the .log file */
    VRV_IXF_BASE = 16,          /* i64: the header's */
    VRV_IXF_NEXT = 24,          /* i64: one past the last offset */
    VRV_IXF_DATA_SIZE = 32,     /* u64: bytes of the .log file */
    VRV_IXF_ENTRIES = 40,       /* u32 */
    VRV_IXF_ABORTED = 44,       /* u32 */
    VRV_IXF_MIN_TS = 48,        /* i64: INT64_MAX when there are no batches */
    VRV_IXF_MAX_TS = 56,        /* i64: INT64_MIN when there are none */
    VRV_IXF_MAX_TS_OFFSET = 64, /* i64: -1 when there are none */
    VRV_IXF_UNUSED = 72,        /* zeros */
    VRV_IXF_CRC = 124,          /* u32: CRC-32C of all of the file before */
    VRV_INDEX_FOOTER = 128,
};

_Static_assert(VRV_IXH_CRC + 4 == VRV_INDEX_HEADER, "the header ends with its checksum");
_Static_assert(VRV_IXE_MAX_TS + 8 == VRV_INDEX_ENTRY, "an entry is three times 8 bytes");
_Static_assert(VRV_IXA_LAST_STABLE + 8 == VRV_INDEX_ABORTED, "an aborted one is four times 8");
_Static_assert(VRV_IXF_CRC + 4 == VRV_INDEX_FOOTER, "the footer ends with its checksum");

#endif
