/* Inside the overlay: names (overlay.c) lead to bytes (overlay_file.c). */
#ifndef VRV_TOOL_OVERLAY_INT_H
#define VRV_TOOL_OVERLAY_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/os/vfs.h"

struct overlay;

struct page {
    uint64_t number;
    uint8_t *bytes;
};

/* What a name leads to: the bytes of the file below up to low_end, and on top of them the pages
 * that were written.  Names and open handles count. */
struct body {
    unsigned refs;
    struct vrv_file *low; /* below; NULL: made here */
    uint64_t low_end;     /* its bytes from here on don't count */
    uint64_t size;
    struct page *page;    /* ascending */
    size_t page_n, page_cap;
    struct overlay *o;
    char *path;           /* while nothing was written it is one handle's, and this its name; NULL
                           * once the overlay has a name for it */
};

void overlay_body_unref(struct body *b); /* NULL is fine */
/* It is about to change: from now on its name leads to it. */
void overlay_keep(struct body *b);
/* Takes the reference. */
struct vrv_file *overlay_handle_new(struct body *b, const char *path);

#endif
