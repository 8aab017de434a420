/*
 * What every store must do, as a list of tests for any of them.
 *
 * The store may be shared: all keys are below `prefix`, which begins empty and is left so.
 */
#ifndef VRV_T_STORESUITE_H
#define VRV_T_STORESUITE_H

#include "tiering/store/store.h"

struct storesuite {
    struct vrv_store *store;
    const char *prefix;       /* of keys; ends with '/' */
    unsigned many;            /* objects of a list in pages, 1000 unless told */
    bool shared_clock;        /* its clock is this machine's: SWEEP can be tested */
    struct vrv_cq cq;
};

void storesuite_run(struct storesuite *s);

/* A call with all that must be set, and its status; for other tests of stores. */
struct vrv_store_call storesuite_call(struct storesuite *s, enum vrv_store_op op, const char *key);
int storesuite_do(struct storesuite *s, struct vrv_store_call *c);
int storesuite_put(struct storesuite *s, const char *key, const void *bytes, size_t n);

#endif
