/* Where the fields of a batch header are; batch.h has the layout in words. */
#ifndef VRV_BATCH_BATCH_FORMAT_H
#define VRV_BATCH_BATCH_FORMAT_H

#include "engine/batch/batch.h"

enum vrv__batch_pos {
    VRV__AT_OFFSET = 0,
    VRV__AT_LENGTH = 8,
    VRV__AT_EPOCH = 12,
    VRV__AT_MAGIC = 16,
    VRV__AT_CRC = 17,
    VRV__AT_ATTRS = 21, /* the checksum covers everything from here on */
    VRV__AT_LAST_DELTA = 23,
    VRV__AT_BASE_TS = 27,
    VRV__AT_MAX_TS = 35,
    VRV__AT_PRODUCER_ID = 43,
    VRV__AT_PRODUCER_EPOCH = 51,
    VRV__AT_BASE_SEQ = 53,
    VRV__AT_COUNT = 57,
};

_Static_assert(VRV__AT_COUNT + 4 == VRV_BATCH_HEADER, "the records follow the count");
_Static_assert(VRV__AT_LENGTH + 4 == VRV_BATCH_PREFIX, "batchLength counts from behind itself");

#endif
