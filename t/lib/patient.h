/* A store whose calls go through retry.h, to another one: what the tier does with a store that is hard to reach, for
 * the tests of all stores.  Whoever waits for a call steps it. */
#ifndef VRV_T_PATIENT_H
#define VRV_T_PATIENT_H

#include "tiering/store/retry.h"

/* Of `o` the queue, the clock and the store are its own.  `inner` stays its caller's. */
struct vrv_store *patient_new(struct vrv_store *inner, const struct vrv_retry_opts *o);
/* How often it tried, as a note among the tests. */
void patient_note(struct vrv_store *patient);

#endif
