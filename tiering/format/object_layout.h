/* Within the room: where things are in a cold object. */
#ifndef VRV_FORMAT_OBJECT_LAYOUT_H
#define VRV_FORMAT_OBJECT_LAYOUT_H

#define VRV__OBJECT_MAGIC "VRVCOLD1"
#define VRV__FOOTER_MAGIC "VRVFOOT1"

enum { VRV__MAGIC = 8 };

/* Header. */
enum {
    VRV__H_VERSION = 8,
    VRV__H_TOPIC = 16,
    VRV__H_PARTITION = 32,
    VRV__H_EPOCH = 36,
    VRV__H_BASE = 40,
    VRV__H_NEXT = 48,
    VRV__H_CRC = 60, /* of what is before */
};

/* Footer. */
enum {
    VRV__F_VERSION = 8,
    VRV__F_CHUNKS = 12,
    VRV__F_TOPIC = 16,
    VRV__F_PARTITION = 32,
    VRV__F_EPOCH = 36,
    VRV__F_BASE = 40,
    VRV__F_NEXT = 48,
    VRV__F_PLAIN = 56,
    VRV__F_PLAIN_CRC = 64,
    VRV__F_INDEX_N = 68,
    VRV__F_ABORTED_N = 72,
    VRV__F_PRODUCERS = 76,
    VRV__F_EPOCH_N = 80,
    VRV__F_MIN_TS = 88,
    VRV__F_MAX_TS = 96,
    VRV__F_MAX_TS_OFFSET = 104,
    VRV__F_INDEX_AT = 112,
    VRV__F_TABLE_AT = 120,
    VRV__F_SIZE = 128,
    VRV__F_EXTRAS_CRC = 136, /* of index, aborted, producers and epochs */
    VRV__F_TABLE_CRC = 140,
    VRV__F_CRC = 180,        /* of what is before */
    VRV__F_MAGIC = 184,      /* last: an object that was cut off has none */
};

/* A record of the chunk table. */
enum {
    VRV__C_BASE = 0,
    VRV__C_POS = 8,
    VRV__C_STORED = 16,
    VRV__C_PLAIN = 20,
    VRV__C_CRC = 24,
    VRV__C_CODEC = 28,
    VRV__C_MAX_TS = 32,
};

#endif
