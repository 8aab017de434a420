/* An owner's file: what it is called, and what it says. */
#include "tiering/daemon/owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/format/codec.h"

#define MAGIC "VRVOWNR1"

enum { FILE_VERSION = 1 };

void
vrv_owner_key(uint64_t number, char *out)
{
    (void)snprintf(out, VRV_STORE_KEY_MAX + 1, "owner/%020" PRIu64, number);
}

bool
vrv_owner_number(const char *key, uint64_t *number)
{
    char again[VRV_STORE_KEY_MAX + 1];

    if (strncmp(key, "owner/", 6) != 0)
        return false;
    *number = strtoull(key + 6, NULL, 10);
    vrv_owner_key(*number, again);
    return strcmp(again, key) == 0;
}

uint8_t *
vrv_owner_write(const struct vrv_owner_file *f, size_t *n)
{
    struct vrv_out o = { 0 };
    size_t cluster_n = strlen(f->cluster);

    vrv_out_begin(&o, FILE_VERSION, MAGIC);
    memcpy(vrv_out_room(&o, sizeof(f->id.b)), f->id.b, sizeof(f->id.b));
    vrv_out64(&o, (uint64_t)f->ms);
    vrv_out32(&o, (uint32_t)cluster_n);
    if (cluster_n > 0)
        memcpy(vrv_out_room(&o, cluster_n), f->cluster, cluster_n);
    return vrv_out_finish(&o, n);
}

int
vrv_owner_read(struct vrv_owner_file *f, const uint8_t *p, size_t n, struct vrv_err *e)
{
    struct vrv_in i;

    *f = (struct vrv_owner_file){ .ms = 0 };
    int rc = vrv_in_begin(&i, "owner's file", MAGIC, FILE_VERSION, p, n, e);
    if (rc < 0)
        return rc;
    memcpy(f->id.b, vrv_in_take(&i, sizeof(f->id.b)), sizeof(f->id.b));
    f->ms = (int64_t)vrv_in64(&i);
    uint32_t cluster_n = vrv_in32(&i);
    if (i.bad || cluster_n != i.left || cluster_n > VRV_MARKER_CLUSTER_MAX ||
        memchr(i.p, '\0', cluster_n) != NULL)
        return vrv_err_set(e, VRV_E_CORRUPT, "an owner's file whose lengths don't fit");
    memcpy(f->cluster, i.p, cluster_n);
    return 0;
}
