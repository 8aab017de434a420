/* A call to a metastore that waits to be done: the copy of its arguments, and its outcome.
 * Shared by the metadata log and by the fake of the tests. */
#ifndef VRV_META_METACALL_H
#define VRV_META_METACALL_H

#include "engine/base/list.h"
#include "engine/contract/metastore.h"

struct vrv_metacall {
    struct vrv_list link;
    bool is_txn; /* else a range */
    struct vrv_meta_txn txn;
    const char *prefix;
    vrv_meta_txn_fn *txn_fn;
    vrv_meta_range_fn *range_fn;
    void *ctx;
    /* the outcome */
    int status;
    uint64_t revision;
    struct vrv_err err;
    char bytes[]; /* what the fields above point to */
};

/* A transaction that breaks a bound of the contract, or names a key twice, is born with status
 * INVALID and without a copy of its arguments: there is only its callback to make. */
struct vrv_metacall *vrv_metacall_txn(const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn, void *ctx);
struct vrv_metacall *vrv_metacall_range(const char *prefix, vrv_meta_range_fn *fn, void *ctx);

/* Fails the call, when code is not 0; then calls back with its outcome (a range: the last call) and
 * frees it. */
void vrv_metacall_finish(struct vrv_metacall **c, int code, const struct vrv_err *e);

#endif
