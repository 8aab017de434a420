#include "tiering/reader/extras.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/crc32c.h"
#include "engine/base/list.h"
#include "engine/base/mem.h"

static const int64_t MS = 1000000;

static void begin(struct vrv_extras *r);

static void
finish(struct vrv_extras *r, int status, const struct vrv_object_extras *x, struct vrv_err *e)
{
    uint8_t *bytes = r->bytes;
    char *key = r->key;

    if (status == VRV_E_CORRUPT && ++r->reads < VRV_STORE_DAMAGED_READS) {
        begin(r);
        return;
    }
    r->gone = status == VRV_E_NOTFOUND;
    if (r->gone)
        status = vrv_store_lost(e, key);
    else if (status < 0)
        (void)vrv_store_blame(e, status, key);
    r->run(r, status, x, e);
    free(bytes);
    free(key);
}

static void
get(struct vrv_extras *r, uint64_t pos, size_t n, void (*run)(struct vrv_done *d))
{
    free(r->bytes);
    r->bytes = vrv_mem_grow(NULL, n);
    r->call = (struct vrv_store_call){ .done = { .cq = r->cq, .run = run }, .op = VRV_STORE_GET,
        .lane = VRV_STORE_HOUSEKEEPING, .key = r->key, .pos = r->pos + pos, .size = n,
        .buf = r->bytes, .deadline_ns = r->clock->mono_ns(r->clock) + r->read_ms * MS };
    vrv_retry_submit(r->retry, &r->call);
}

/* Bytes that came, as many as were asked for.  Who cancelled it may have come too late for the call
 * itself: nothing follows it all the same. */
static int
came(const struct vrv_extras *r, struct vrv_err *e)
{
    if (r->cancelled)
        return vrv_err_set(e, VRV_E_CANCELLED, "it is to stop");
    *e = r->call.err;
    if (r->call.status == 0 && r->call.got != r->call.size)
        return vrv_err_set(e, VRV_E_CORRUPT, "%zu bytes, expected %" PRIu64, r->call.got,
            r->call.size);
    return r->call.status;
}

static void
extras_came(struct vrv_done *d)
{
    struct vrv_extras *r = VRV_LIST_OF(d, struct vrv_extras, call.done);
    const struct vrv_object_info *i = &r->info;
    const uint8_t *p = r->bytes;
    struct vrv_object_extras x = { .index = p, .index_n = i->index_n,
        .aborted = p + (i->aborted_at - i->index_at), .aborted_n = i->aborted_n,
        .producers = p + (i->producers_at - i->index_at), .producer_bytes = i->producer_bytes,
        .epochs = p + (i->epochs_at - i->index_at), .epoch_n = i->epoch_n };
    struct vrv_err e;
    int rc = came(r, &e);

    if (rc == 0 && vrv_crc32c(0, p, r->call.got) != i->extras_crc)
        rc = vrv_err_set(&e, VRV_E_CORRUPT, "what is behind the chunks isn't what was written");
    finish(r, rc, rc == 0 ? &x : NULL, &e);
}

static void
footer_came(struct vrv_done *d)
{
    struct vrv_extras *r = VRV_LIST_OF(d, struct vrv_extras, call.done);
    struct vrv_err e;
    int rc = came(r, &e);

    if (rc == 0)
        rc = vrv_object_read_footer(&r->info, r->bytes, r->size, &e);
    if (rc < 0)
        finish(r, rc, NULL, &e);
    else
        get(r, r->info.index_at, (size_t)(r->info.table_at - r->info.index_at), extras_came);
}

static void
begin(struct vrv_extras *r)
{
    get(r, r->size - VRV_OBJECT_FOOTER, VRV_OBJECT_FOOTER, footer_came);
}

void
vrv_extras_read(struct vrv_extras *r, const struct vrv_cold_seg *s)
{
    r->key = vrv_mem_strdup(s->key);
    r->pos = s->pos;
    r->size = s->size;
    r->bytes = NULL;
    r->reads = 0;
    r->cancelled = false;
    begin(r);
}

void
vrv_extras_cancel(struct vrv_extras *r)
{
    r->cancelled = true;
    vrv_retry_cancel(r->retry, &r->call);
}
