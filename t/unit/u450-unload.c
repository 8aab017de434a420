/* A host that unloads libvarve: it stays, for a store's thread that hangs may go on in it at any time. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/lib/tap.h"

int
main(void)
{
    const char *dir = getenv("builddir");
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/.libs/libvarve.so", dir != NULL ? dir : ".");
    FILE *f = fopen(path, "r");
    if (f == NULL)
        tap_skip_all(false, "configured with --disable-shared");
    (void)fclose(f);
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    tap_need(lib != NULL ? 0 : -1, dlerror());
    void *code = dlsym(lib, "varve_open");
    OK(code != NULL, "libvarve is loaded");
    IS(dlclose(lib), 0, "... and let go of");
    Dl_info at;
    OK(dladdr(code, &at) != 0, "... and its code is still there");
    return tap_done();
}
