#include "t/lib/testcert.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "t/lib/tap.h"

enum { DAY_S = 86400 };

static void
must(bool good, const char *what)
{
    if (!good)
        tap_bail("no certificate: %s", what);
}

static X509 *
sign(EVP_PKEY *key, const char *name, const char *alt, int days)
{
    X509 *c = X509_new();
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);

    must(c != NULL && ext != NULL, "memory");
    X509_NAME *subject = X509_get_subject_name(c);
    must(X509_set_version(c, X509_VERSION_3) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(c), 1) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(c), -7 * DAY_S) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(c), (long)days * DAY_S) != NULL &&
             X509_set_pubkey(c, key) == 1 &&
             X509_NAME_add_entry_by_txt(
                 subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1 &&
             X509_set_issuer_name(c, subject) == 1 && X509_add_ext(c, ext, -1) == 1 &&
             X509_sign(c, key, EVP_sha256()) > 0,
        name);
    X509_EXTENSION_free(ext);
    return c;
}

static FILE *
create(const char *dir, const char *name, const char *end)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s.%s", dir, name, end);
    FILE *f = fopen(path, "w");
    must(f != NULL, path);
    return f;
}

void
testcert_make(const char *dir, const char *name, const char *alt, int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    must(key != NULL, "key");
    X509 *c = sign(key, name, alt, days);
    FILE *f = create(dir, name, "crt");
    must(PEM_write_X509(f, c) == 1, name);
    (void)fclose(f);
    f = create(dir, name, "key");
    must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1, name);
    (void)fclose(f);
    X509_free(c);
    EVP_PKEY_free(key);
}
