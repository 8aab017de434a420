/* Ctrl-C (and SIGTERM) asks to end in good order; a second one ends at once. */
#ifndef VRV_TOOL_STOP_H
#define VRV_TOOL_STOP_H

#include <stdbool.h>

void stop_catch(void);
bool stop_asked(void);
/* For a shell, a command that was interrupted has died of it. */
void stop_die(void);

#endif
