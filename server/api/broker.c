#include "server/api/broker.h"

#include <string.h>
#include <sys/random.h>

/* Not all zero, which says "none", and with no '-' in front where it is written as text: Kafka
 * avoids that, since it looks like an option. */
int
vrv_new_topic_id(struct vrv_uuid *id, struct vrv_err *e)
{
    do {
        if (getrandom(id->b, sizeof(id->b), 0) != (ssize_t)sizeof(id->b))
            return vrv_err_sys(e, "no random numbers");
    } while (id->b[0] >> 2 == 62 || id->b[0] == 0);
    return 0;
}
