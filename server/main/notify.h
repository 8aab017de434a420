/* Tell systemd how we are (sd_notify(3)); nothing happens where it didn't ask. */
#ifndef VRV_MAIN_NOTIFY_H
#define VRV_MAIN_NOTIFY_H

/* "READY=1", "STOPPING=1" */
void vrv_notify(const char *state);

#endif
