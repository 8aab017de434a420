/* The records: each says what it is, so that one that was changed, or is in the wrong place, shows. */
#ifndef VRV_T_LEDGER_VALUE_H
#define VRV_T_LEDGER_VALUE_H

#include "engine/batch/build.h"
#include "engine/batch/record.h"
#include "t/ledger/ledger.h"

/* Where it is sent, by whom, its number among those that this producer sent there. */
struct value {
    int topic, partition;
    int producer;
    int64_t n;
};

/* Add it to a batch. */
void value_add(const struct ledger *l, struct vrv_batch_builder *b, const struct value *v);
/* Is it one of that topic's partition, to the last byte?  Then v has producer and number. */
bool value_read(const struct ledger *l, const struct vrv_record *r, struct value *v);

#endif
