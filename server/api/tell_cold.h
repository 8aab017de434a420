/* Reads that failed, of the cold tier or of a damaged disk, as lines for people. */
#ifndef VRV_API_TELL_COLD_H
#define VRV_API_TELL_COLD_H

#include "engine/log/log.h"
#include "server/api/broker.h"

/* What was looked for: "offset" or "timestamp", and its value.  A topic that was deleted meanwhile isn't
 * told of.  Any thread. */
void vrv_tell_cold(struct vrv_broker *b, const struct vrv_log *log, const char *what, int64_t value,
    const struct vrv_err *e);
/* This disk's copy of records is damaged: e says how.  Any thread. */
void vrv_tell_damage(struct vrv_broker *b, const struct vrv_log *log, int64_t offset, bool elsewhere,
    const struct vrv_err *e);
/* For its client, which is to try again also where the store, and not the client, must be mended. */
enum vrv_kerror vrv_kerror_of_cold(int status);

#endif
