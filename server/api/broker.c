#include "server/api/broker.h"

#include "server/base/random.h"

/* Not all zero, which says "none", and with no '-' in front where it is written as text: that would
 * look like an option. */
int
vrv_new_topic_id(struct vrv_uuid *id, struct vrv_err *e)
{
    int rc;

    do
        rc = vrv_random(id->b, sizeof(id->b), e);
    while (rc == 0 && (id->b[0] >> 2 == 62 || id->b[0] == 0));
    return rc;
}
