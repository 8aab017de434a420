/* Calls of a store under a fuzzer; what must hold for each, whatever the store is answered, is asserted. */
#ifndef VRV_T_FUZZ_STORECALLS_H
#define VRV_T_FUZZ_STORECALLS_H

#include "tiering/store/store.h"

struct storecalls {
    struct vrv_store *store;
    bool (*step)(struct vrv_store *s); /* does one thing of what was submitted; false: there is nothing to do */
    struct vrv_cq cq;
};

/* One of eight kinds, or a few that belong together. */
void storecalls_any(struct storecalls *s, unsigned kind, bool if_absent);

#endif
