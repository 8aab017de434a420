/*
 * CRC-32C: the best implementation that this machine can run, chosen at the first call.
 *
 * ISA-L folds with carry-less multiplication: on 4 KiB and more it is four to six times as fast as
 * one chain of crc32 instructions, and twice as fast as three chains at once (which are no better
 * below 100 bytes).  It is an optional dependency, so the plain instruction (x86 and arm64) and a
 * table (anything else) stand behind it; three chains would be much code for a fallback.
 *
 * All implementations keep the checksum inverted at their edges, as RFC 3720 defines it: 0 starts,
 * and the result of one call is the `crc` of the next.
 */
#include "engine/base/crc32c.h"

#include <limits.h>
#include <stdatomic.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c_impl.h"

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static bool
always(void)
{
    return true;
}

#ifdef HAVE_ISAL
static uint32_t
crc_isal(uint32_t crc, const void *p, size_t n)
{
    /* The prototype lacks a const and counts in int; the buffer is only read. */
    unsigned char *b = (unsigned char *)(uintptr_t)p;

    crc = ~crc; /* ISA-L leaves both inversions to the caller */
    while (n > INT_MAX) {
        crc = crc32_iscsi(b, INT_MAX, crc);
        b += INT_MAX;
        n -= INT_MAX;
    }
    return ~crc32_iscsi(b, (int)n, crc);
}
#endif

#if defined(__x86_64__)
static bool
have_sse42(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) static uint32_t
crc_sse42(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t c = ~crc;

    for (; n >= 8; n -= 8, b += 8)
        c = _mm_crc32_u64(c, vrv_get_le64(b));
    for (; n > 0; n--)
        c = _mm_crc32_u8((uint32_t)c, *b++);
    return ~(uint32_t)c;
}
#elif defined(__aarch64__)
static bool
have_arm_crc(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

/* clang's arm_acle.h hides the names unless the whole file is built for them. */
#if defined(__clang__)
#define ARM_CRC_TARGET "crc"
#define arm_crc64 __builtin_arm_crc32cd
#define arm_crc8 __builtin_arm_crc32cb
#else
#define ARM_CRC_TARGET "+crc"
#define arm_crc64 __crc32cd
#define arm_crc8 __crc32cb
#endif

__attribute__((target(ARM_CRC_TARGET))) static uint32_t
crc_arm(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;

    crc = ~crc;
    for (; n >= 8; n -= 8, b += 8)
        crc = arm_crc64(crc, vrv_get_le64(b));
    for (; n > 0; n--)
        crc = arm_crc8(crc, *b++);
    return ~crc;
}
#endif

/* Slicing by eight: table[k][v] is the checksum of byte v with k zero bytes behind it. */
static uint32_t table[8][256];
static atomic_flag table_lock = ATOMIC_FLAG_INIT;
static _Atomic bool table_ready;

static void
table_fill(void)
{
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t c = v;

        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0);
        table[0][v] = c;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t v = 0; v < 256; v++)
            table[k][v] = (table[k - 1][v] >> 8) ^ table[0][table[k - 1][v] & 255];
}

/* The first caller fills the table; others that come meanwhile spin for those few microseconds. */
static void
table_need(void)
{
    if (atomic_load_explicit(&table_ready, memory_order_acquire))
        return;
    while (atomic_flag_test_and_set_explicit(&table_lock, memory_order_acquire))
        ;
    if (!atomic_load_explicit(&table_ready, memory_order_relaxed)) {
        table_fill();
        atomic_store_explicit(&table_ready, true, memory_order_release);
    }
    atomic_flag_clear_explicit(&table_lock, memory_order_release);
}

static uint32_t
crc_table(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;

    table_need();
    crc = ~crc;
    for (; n >= 8; n -= 8, b += 8) {
        uint32_t lo = vrv_get_le32(b) ^ crc;
        uint32_t hi = vrv_get_le32(b + 4);

        crc = table[7][lo & 255] ^ table[6][(lo >> 8) & 255] ^ table[5][(lo >> 16) & 255] ^
              table[4][lo >> 24] ^ table[3][hi & 255] ^ table[2][(hi >> 8) & 255] ^
              table[1][(hi >> 16) & 255] ^ table[0][hi >> 24];
    }
    for (; n > 0; n--)
        crc = (crc >> 8) ^ table[0][(crc ^ *b++) & 255];
    return ~crc;
}

const struct vrv__crc32c_impl vrv__crc32c_impls[] = {
#ifdef HAVE_ISAL
    {"isa-l", always, crc_isal},
#endif
#if defined(__x86_64__)
    {"sse4.2", have_sse42, crc_sse42},
#elif defined(__aarch64__)
    {"arm crc", have_arm_crc, crc_arm},
#endif
    {"table", always, crc_table},
};
const size_t vrv__crc32c_impl_count = sizeof(vrv__crc32c_impls) / sizeof(vrv__crc32c_impls[0]);

static uint32_t crc_choose(uint32_t crc, const void *p, size_t n);

/* Any thread may choose, all choose the same: a relaxed pointer is enough. */
static uint32_t (*_Atomic chosen)(uint32_t, const void *, size_t) = crc_choose;

static uint32_t
crc_choose(uint32_t crc, const void *p, size_t n)
{
    const struct vrv__crc32c_impl *impl = vrv__crc32c_impls;

    while (!impl->usable())
        impl++; /* ends at the last: it always is */
    atomic_store_explicit(&chosen, impl->fn, memory_order_relaxed);
    return impl->fn(crc, p, n);
}

uint32_t
vrv_crc32c(uint32_t crc, const void *p, size_t n)
{
    return atomic_load_explicit(&chosen, memory_order_relaxed)(crc, p, n);
}
