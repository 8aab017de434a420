/* The error numbers of Kafka's protocol: kerrors.def. */
#ifndef VRV_SERVER_KERRORS_H
#define VRV_SERVER_KERRORS_H

#include <stdbool.h>

enum vrv_kerror {
#define VRV_KERROR(name, number, retriable, text) VRV_K_##name = (number),
#include "server/base/kerrors.def"
};

/* Static; "?" for a number that is not in the table. */
const char *vrv_kerror_name(int number);
const char *vrv_kerror_text(int number);
/* May a client that got it just try again? */
bool vrv_kerror_retriable(int number);

#endif
