#include "t/lib/onelog.h"

struct rig rig;

void
begin(const char *configs)
{
    rig_init(&rig, 1);
    rig_up(&rig);
    rig_topic(&rig, "t", 1, configs);
}

struct vrv_log *
the_log(void)
{
    return rig_log(&rig, "t", 0);
}

struct vrv_log_offsets
offsets(void)
{
    return vrv_log_offsets(the_log());
}
