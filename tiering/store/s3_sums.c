/* Checksums as S3 writes them. */
#include <openssl/evp.h>
#include <stdio.h>

#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "tiering/store/s3_int.h"

void
vrv__s3_crc_text(char out[VRV__S3_CRC_TEXT], uint32_t crc)
{
    uint8_t be[4];

    vrv_put_be32(be, crc);
    (void)EVP_EncodeBlock((uint8_t *)out, be, sizeof(be));
}

/* Where MD5 isn't allowed (FIPS) we do without. */
bool
vrv__s3_md5(uint8_t out[VRV__S3_MD5], const struct iovec *iov, int n)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    bool good = h != NULL && EVP_DigestInit_ex(h, EVP_md5(), NULL) == 1;

    for (int i = 0; good && i < n; i++)
        good = EVP_DigestUpdate(h, iov[i].iov_base, iov[i].iov_len) == 1;
    good = good && EVP_DigestFinal_ex(h, out, NULL) == 1;
    EVP_MD_CTX_free(h);
    return good;
}

void
vrv__s3_md5_text(char out[VRV__S3_MD5_TEXT], const uint8_t md5[VRV__S3_MD5])
{
    (void)EVP_EncodeBlock((uint8_t *)out, md5, VRV__S3_MD5);
}

void
vrv__s3_sum_of_sums(const struct vrv_store_upload *u, char *out, size_t n)
{
    char text[VRV__S3_CRC_TEXT];
    uint32_t crc = 0;
    unsigned i;

    for (i = 0; i < u->part_cap && u->part[i].etag[0] != '\0'; i++) {
        uint8_t be[4];

        vrv_put_be32(be, u->part[i].crc);
        crc = vrv_crc32c(crc, be, sizeof(be));
    }
    vrv__s3_crc_text(text, crc);
    (void)snprintf(out, n, "%s-%u", text, i);
}

void
vrv__s3_etag_of_parts(const struct vrv_store_upload *u, char *out, size_t n)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    uint8_t md5[VRV__S3_MD5];
    bool good = h != NULL && EVP_DigestInit_ex(h, EVP_md5(), NULL) == 1;
    unsigned i;

    for (i = 0; good && i < u->part_cap && u->part[i].etag[0] != '\0'; i++)
        good = u->part[i].has_md5 && EVP_DigestUpdate(h, u->part[i].md5, VRV__S3_MD5) == 1;
    good = good && EVP_DigestFinal_ex(h, md5, NULL) == 1;
    EVP_MD_CTX_free(h);
    out[0] = '\0';
    VRV_ASSERT(n >= 2 * VRV__S3_MD5 + 16);
    for (int k = 0; good && k < VRV__S3_MD5; k++)
        (void)snprintf(out + 2 * k, 3, "%02x", md5[k]);
    if (good)
        (void)snprintf(out + 2 * VRV__S3_MD5, 16, "-%u", i);
}
