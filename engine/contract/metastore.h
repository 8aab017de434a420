/*
 * Where metadata lives: keys with revisions, changed by compare-and-write transactions.
 *
 * One machine keeps it in a metadata log (engine/meta/metalog.c), several in etcd (a later
 * implementation), and the tests run over a fake that delays, reorders and answers "unknown".
 * So every user is written for the weakest of them: calls complete later, on the thread that
 * runs vrv_meta_step(); a transaction's outcome may be unknown (VRV_E_UNKNOWN: read again,
 * never assume); a watch may be late, and repeats itself, but delivers a key's changes in
 * order.  A store has one user at a time; callbacks may start calls, but not step or close it.
 */
#ifndef VRV_CONTRACT_METASTORE_H
#define VRV_CONTRACT_METASTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum { VRV_META_OPS_MAX = 128, VRV_META_KEY_MAX = 512, VRV_META_VALUE_MAX = 1 << 20 };

/* A key and what is known of it.  revision counts changes of the whole store; mod is the revision
 * of this key's last change, 0 when it does not exist. */
struct vrv_meta_kv {
    const char *key; /* NUL-terminated, 1 to VRV_META_KEY_MAX bytes */
    const void *value;
    size_t value_len;
    uint64_t mod;
};

struct vrv_meta_compare {
    const char *key;
    uint64_t mod; /* must equal the key's; 0: must not exist */
};

struct vrv_meta_write {
    const char *key;
    const void *value; /* NULL: delete the key */
    size_t value_len;
};

/* All compares hold and all writes are done and durable, or nothing is. */
struct vrv_meta_txn {
    const struct vrv_meta_compare *compare;
    size_t compare_n;
    const struct vrv_meta_write *write;
    size_t write_n;
};

/* status 0: done at `revision`; CONFLICT: a compare failed, nothing done; UNKNOWN: may or may not
 * have been done; anything else: not done. */
typedef void vrv_meta_txn_fn(void *ctx, int status, uint64_t revision, const struct vrv_err *e);
/* Called once per key with status 0, then once with kv == NULL and the final status and the
 * revision that the listing is of. */
typedef void vrv_meta_range_fn(void *ctx, int status, const struct vrv_meta_kv *kv,
    uint64_t revision, const struct vrv_err *e);
/* A change: value NULL when the key was deleted. */
typedef void vrv_meta_watch_fn(void *ctx, const struct vrv_meta_kv *kv, uint64_t revision);

struct vrv_metastore;

struct vrv_metastore_ops {
    void (*txn)(struct vrv_metastore *m, const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn,
        void *ctx);
    void (*range)(struct vrv_metastore *m, const char *prefix, vrv_meta_range_fn *fn, void *ctx);
    void (*watch)(struct vrv_metastore *m, const char *prefix, uint64_t from_revision,
        vrv_meta_watch_fn *fn, void *ctx);
    void (*unwatch)(struct vrv_metastore *m, vrv_meta_watch_fn *fn, void *ctx);
    int (*step)(struct vrv_metastore *m, struct vrv_err *e);
    void (*close)(struct vrv_metastore *m);
};

struct vrv_metastore {
    const struct vrv_metastore_ops *ops;
};

/* Arguments are copied.  fn is called exactly once, from vrv_meta_step(). */
void vrv_meta_txn(struct vrv_metastore *m, const struct vrv_meta_txn *t, vrv_meta_txn_fn *fn,
    void *ctx);
/* All keys that begin with prefix, in byte order. */
void vrv_meta_range(struct vrv_metastore *m, const char *prefix, vrv_meta_range_fn *fn, void *ctx);
/* Every change after from_revision of keys that begin with prefix, until the store is closed or
 * vrv_meta_unwatch() takes back all watches of this function and context.  from_revision is one
 * that a range or transaction told since the store was opened, or 0: all that exists. */
void vrv_meta_watch(struct vrv_metastore *m, const char *prefix, uint64_t from_revision,
    vrv_meta_watch_fn *fn, void *ctx);
void vrv_meta_unwatch(struct vrv_metastore *m, vrv_meta_watch_fn *fn, void *ctx);
/* Do what is to be done and call back; how many callbacks were made, or a negative error when the
 * store can't go on (the metadata log's sync failed). */
int vrv_meta_step(struct vrv_metastore *m, struct vrv_err *e) VRV_MUST_CHECK;
/* Calls that still wait are called back with CANCELLED: not done. */
void vrv_meta_close(struct vrv_metastore **m);

#endif
