/* Calls to a metastore that wait for their outcome, for tests. */
#ifndef VRV_T_METATEST_H
#define VRV_T_METATEST_H

#include <stddef.h>
#include <stdint.h>

#include "engine/contract/metastore.h"
#include "t/lib/simdisk.h"

/* What a transaction's callback said.  Give it to metatest_txn_fn as context, once per call. */
struct metatest_answer {
    int calls; /* how often it was called back */
    int status;
    uint64_t revision;
    struct vrv_err err;
};

vrv_meta_txn_fn metatest_txn_fn;

/* One transaction, stepped until it is answered: its status. */
int metatest_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, struct metatest_answer *a);
/* One write; value NULL deletes. */
int metatest_put(struct vrv_metastore *m, const char *key, const char *value);
/* The same, only if the key's mod is this. */
int metatest_put_if(struct vrv_metastore *m, const char *key, uint64_t mod, const char *value);

/* All keys with this prefix as text, "key@mod=value\n" each, then "#revision\n", or the error's
 * name; to be freed. A value longer than 40 bytes is shown as its length and checksum. */
char *metatest_dump(struct vrv_metastore *m, const char *prefix);

/* A new disk whose only file is this one, durably. */
struct simdisk *metatest_disk(const char *dir, const char *name, const void *p, size_t n);
/* The content of a file; to be freed. */
uint8_t *metatest_read(struct vrv_vfs *v, const char *path, size_t *n);

#endif
