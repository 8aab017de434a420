/*
 * Any bytes as a configuration file, and (behind the first NUL) as an option of the command line.
 * What is taken must be a configuration; what isn't must have been told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "server/config/describe.h"
#include "server/config/input.h"
#include "t/fuzz/peak.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned told;

static void
note(void *ctx, bool is_error, const char *sentence)
{
    (void)ctx;
    VRV_ASSERT(sentence[0] != '\0');
    told += is_error;
}

static int
look(void *ctx, const struct vrv_config_entry *x)
{
    (void)ctx;
    VRV_ASSERT(x->name != NULL && x->synonym_n <= VRV_SYNONYMS_MAX);
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t n = nul != NULL ? (size_t)(nul - data) : size;
    struct vrv_config_input in;

    told = 0;
    peak_start();
    vrv_config_input_init(&in, note, NULL);
    vrv_config_input_text(&in, "f", (const char *)data, nul != NULL && size % 2 ? size : n);
    if (nul != NULL) {
        char *arg = vrv_mem_zero(size - n);

        memcpy(arg, nul + 1, size - n - 1);
        vrv_config_input_arg(&in, arg);
        free(arg);
    }
    struct vrv_config *c = vrv_config_input_done(&in);
    VRV_ASSERT((c == NULL) == (told > 0));
    if (c != NULL)
        (void)vrv_config_each(c, look, NULL);
    vrv_config_unref(&c);
    vrv_config_input_fini(&in);
    peak_check(200000 + 16 * size);
    return 0;
}
