#include "server/base/internal.h"

#include <string.h>

bool
vrv_topic_is_internal(const char *name)
{
    return strcmp(name, "__consumer_offsets") == 0 || strcmp(name, "__transaction_state") == 0 ||
        strcmp(name, "__share_group_state") == 0;
}
