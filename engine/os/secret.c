#include "engine/os/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind `word` in it; NULL: it doesn't begin so, or nothing does. */
static const char *
behind(const char *ref, const char *word)
{
    size_t n = strlen(word);

    return strncmp(ref, word, n) == 0 && ref[n] != '\0' ? ref + n : NULL;
}

bool
vrv_secret_is_ref(const char *ref)
{
    return behind(ref, "file:") != NULL || behind(ref, "env:") != NULL;
}

static int
too_long(const char *setting, const char *where, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_DENIED, "%s: what %.100s has is longer than %d bytes", setting, where,
        VRV_SECRET_MAX - 2);
}

int
vrv_secret_file(const char *setting, const char *path, char out[VRV_SECRET_MAX], struct vrv_err *e)
{
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        (void)vrv_err_sys(e, "open %.150s", path);
        return vrv_err_prefix(e, VRV_E_DENIED, "%s", setting);
    }
    bool is = fgets(out, VRV_SECRET_MAX, f) != NULL;
    (void)fclose(f);
    if (is && strlen(out) == VRV_SECRET_MAX - 1 && out[VRV_SECRET_MAX - 2] != '\n')
        return too_long(setting, path, e);
    out[is ? strcspn(out, "\r\n") : 0] = '\0';
    return out[0] != '\0' ? 0 : vrv_err_set(e, VRV_E_DENIED, "%s: %.150s has nothing in its first line", setting, path);
}

static int
read_env(const char *setting, const char *name, char out[VRV_SECRET_MAX], struct vrv_err *e)
{
    const char *value = getenv(name);

    if (value == NULL || *value == '\0')
        return vrv_err_set(e, VRV_E_DENIED, "%s: there is no %.100s in the environment", setting, name);
    if (snprintf(out, VRV_SECRET_MAX, "%s", value) >= VRV_SECRET_MAX - 1)
        return too_long(setting, name, e);
    return 0;
}

int
vrv_secret_read(const char *setting, const char *ref, char out[VRV_SECRET_MAX], struct vrv_err *e)
{
    const char *path = behind(ref, "file:"), *name = behind(ref, "env:");

    if (path != NULL)
        return vrv_secret_file(setting, path, out, e);
    if (name != NULL)
        return read_env(setting, name, out, e);
    return vrv_err_set(e, VRV_E_DENIED, "%s is neither file:PATH nor env:NAME", setting);
}
