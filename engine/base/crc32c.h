/* CRC-32C (Castagnoli), the checksum of Kafka's record batches and of every file of ours. */
#ifndef VRV_BASE_CRC32C_H
#define VRV_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of n bytes that follow bytes whose checksum is `crc` (0 for none). */
uint32_t vrv_crc32c(uint32_t crc, const void *p, size_t n);

#endif
