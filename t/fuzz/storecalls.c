#include "t/fuzz/storecalls.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"

enum { CALL_KINDS = 8, OBJECT = 64 };

static uint8_t object_bytes[OBJECT];
static const char *const three_keys[] = { "d/a/1", "d/a/2", "m/b/3" };

static bool
only_reads(enum vrv_store_op op)
{
    return op == VRV_STORE_GET || op == VRV_STORE_VERIFY || op == VRV_STORE_LIST;
}

/* Answered once, with a status of store.h, and a sentence. */
static void
call(struct storecalls *s, struct vrv_store_call *c)
{
    c->done = (struct vrv_done){ .cq = &s->cq };
    c->deadline_ns = INT64_MAX;
    vrv_store_submit(s->store, c);
    while (vrv_cq_take(&s->cq, 0) == NULL)
        VRV_ASSERT(s->step(s->store));
    VRV_ASSERT(c->status <= 0);
    VRV_ASSERT(c->status == 0 || c->err.msg[0] != '\0');
    VRV_ASSERT(c->status == 0 || vrv_store_outcome_of(c->status) != VRV_STORE_DONE);
    VRV_ASSERT(c->status != VRV_E_UNKNOWN || !only_reads(c->op));
}

static void
put(struct storecalls *s, bool if_absent)
{
    struct iovec iov = { object_bytes, OBJECT };
    struct vrv_store_call c = { .op = VRV_STORE_PUT, .key = three_keys[0], .iov = &iov, .iov_n = 1,
        .size = OBJECT, .crc = vrv_crc32c(0, object_bytes, OBJECT), .if_absent = if_absent };

    call(s, &c);
}

static void
upload(struct storecalls *s, bool if_absent, bool ends)
{
    struct iovec iov = { object_bytes, OBJECT };
    struct vrv_store_call c = { .op = VRV_STORE_BEGIN, .key = three_keys[1] },
        about = { .key = three_keys[1], .iov = &iov, .iov_n = 1, .size = OBJECT,
            .crc = vrv_crc32c(0, object_bytes, OBJECT), .if_absent = if_absent };

    call(s, &c);
    VRV_ASSERT((c.status == 0) == (c.upload != NULL));
    if (c.upload == NULL)
        return;
    about.upload = c.upload;
    c = about;
    c.op = VRV_STORE_PART_N;
    call(s, &c);
    c = about;
    c.op = ends && c.status == 0 ? VRV_STORE_END : VRV_STORE_ABORT;
    c.iov = NULL;
    c.iov_n = 0;
    call(s, &c);
    if (ends) {
        c.op = VRV_STORE_VERIFY;
        call(s, &c);
    }
    vrv_store_upload_free(s->store, &about.upload);
}

static void
get(struct storecalls *s)
{
    uint8_t *buf = malloc(OBJECT);
    struct vrv_store_call c = { .op = VRV_STORE_GET, .key = three_keys[0], .pos = 16, .size = OBJECT, .buf = buf };

    call(s, &c);
    VRV_ASSERT(c.got <= c.size);
    VRV_ASSERT(c.status < 0 || c.got == c.size || c.whole == 0 || c.pos + c.got >= c.whole);
    free(buf);
}

static void
verify(struct storecalls *s)
{
    struct vrv_store_call c = { .op = VRV_STORE_VERIFY, .key = three_keys[0], .size = OBJECT,
        .crc = vrv_crc32c(0, object_bytes, OBJECT) };

    call(s, &c);
}

static void
list(struct storecalls *s)
{
    struct vrv_store_call c = { .op = VRV_STORE_LIST, .key = "d/", .after = three_keys[0], .max = 100 };
    const char *last = c.after;

    call(s, &c);
    VRV_ASSERT(c.got <= c.max);
    for (size_t i = 0; i < c.got; i++) {
        VRV_ASSERT(vrv_store_key_is_good(c.names[i].key, false));
        VRV_ASSERT(strncmp(c.names[i].key, c.key, strlen(c.key)) == 0);
        VRV_ASSERT(strcmp(c.names[i].key, last) > 0);
        last = c.names[i].key;
    }
    vrv_store_names_free(&c);
}

static void
delete_three(struct storecalls *s)
{
    int each[3] = { 1, 1, 1 };
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .keys = three_keys, .max = 3, .each = each };
    size_t gone = 0;

    call(s, &c);
    for (size_t i = 0; i < 3; i++)
        gone += each[i] == 0;
    VRV_ASSERT(c.got <= 3 && (c.status < 0 || c.got == 3) && gone <= c.got);
}

static void
sweep(struct storecalls *s)
{
    struct vrv_store_call c = { .op = VRV_STORE_SWEEP, .older_ms = 1000 };

    call(s, &c);
}

void
storecalls_any(struct storecalls *s, unsigned kind, bool if_absent)
{
    switch (kind % CALL_KINDS) {
    case 0: put(s, if_absent); break;
    case 1: upload(s, if_absent, true); break;
    case 2: upload(s, if_absent, false); break;
    case 3: get(s); break;
    case 4: verify(s); break;
    case 5: list(s); break;
    case 6: delete_three(s); break;
    default: sweep(s); break;
    }
}
