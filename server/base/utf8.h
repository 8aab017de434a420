/* Characters as bytes of UTF-8. */
#ifndef VRV_SERVER_UTF8_H
#define VRV_SERVER_UTF8_H

#include <stdint.h>

/* Writes the character, up to four bytes; returns where the next one goes. */
char *vrv_utf8_put(char *to, uint32_t c);

#endif
