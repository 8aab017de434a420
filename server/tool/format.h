/* How `varve consume` prints a record: by a format with % escapes, or as JSON. */
#ifndef VRV_TOOL_FORMAT_H
#define VRV_TOOL_FORMAT_H

#include <librdkafka/rdkafka.h>

#include "engine/base/err.h"
#include "server/tool/out.h"

struct format {
    struct out *out;
    char *text; /* backslash escapes taken back */
    size_t n;
    bool shown; /* on a terminal: control characters are escaped */
};

/* What stands for what; for help and man page:
 *   %s value  %S its length  %R its length in 4 bytes, big-endian (length -1: null)
 *   %k key    %K its length  %N its length in 4 bytes, big-endian
 *   %t topic  %p partition  %o offset  %T time in ms  %D time, ISO 8601  %h headers  %% a %
 * all but %N, %D and %% as in kcat -f. */
#define FORMAT_LETTERS "sSRkKNtpoTDh%"

/* INVALID with the reason. */
int format_init(struct format *f, const char *text, struct vrv_err *e) VRV_MUST_CHECK;
void format_fini(struct format *f);
void format_print(const struct format *f, const rd_kafka_message_t *m);

#endif
