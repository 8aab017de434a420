/* Read a file below t/data/, whole.  A missing one ends the test. */
#ifndef VRV_T_GOLDEN_H
#define VRV_T_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The caller frees it.  The block has exactly *n bytes, so that ASan sees a step past them. */
static inline uint8_t *
golden(const char *name, size_t *n)
{
    const char *top = getenv("srcdir");
    char path[512];
    uint8_t buf[64 * 1024];

    (void)snprintf(path, sizeof(path), "%s/t/data/%s", top ? top : ".", name);

    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        (void)printf("Bail out! can't open %s\n", path);
        exit(1);
    }
    *n = fread(buf, 1, sizeof(buf), f);
    (void)fclose(f);

    uint8_t *p = malloc(*n ? *n : 1);

    if (p == NULL || *n == sizeof(buf)) {
        (void)printf("Bail out! %s doesn't fit\n", path);
        exit(1);
    }
    for (size_t i = 0; i < *n; i++)
        p[i] = buf[i];
    return p;
}

#endif
