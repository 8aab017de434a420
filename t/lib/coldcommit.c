#include "t/lib/coldcommit.h"

#include "engine/base/assert.h"
#include "engine/base/mem.h"
#include "t/lib/tap.h"

struct waiter {
    struct vrv_part_wait wait;
    int status;
};

static void
was_read(struct vrv_part_wait *w, int rc, const struct vrv_err *e)
{
    VRV_LIST_OF(w, struct waiter, wait)->status = rc;
    tier.e = *e;
}

struct vrv_snap *
coldcommit_now(const struct vrv_log_id *id)
{
    struct waiter w = { .wait.run = was_read };
    struct vrv_snap *s = NULL;
    int rc = vrv_parts_now(&tier.parts, id, &s, &tier.e);

    if (rc == VRV_E_AGAIN) {
        vrv_list_init(&w.wait.link);
        vrv_parts_read(&tier.parts, id, &w.wait);
        tierrig_run(&tier);
        rc = w.status == 0 ? vrv_parts_now(&tier.parts, id, &s, &tier.e) : w.status;
    }
    if (rc < 0 && rc != VRV_E_NOTFOUND)
        OK(false, "the manifest that counts can be read: %s", tier.e.msg);
    return s;
}

static void
committed(struct vrv_parts_commit *p, int rc, const struct vrv_err *e)
{
    struct coldcommit *c = VRV_LIST_OF(p, struct coldcommit, c);

    VRV_ASSERT(c->status == 1);
    c->status = rc;
    tier.e = *e;
}

void
coldcommit_begin(struct coldcommit *c, const struct vrv_log_id *id)
{
    struct vrv_snap *s = coldcommit_now(id);

    *c = (struct coldcommit){ .c.run = committed, .status = 1 };
    if (s != NULL)
        vrv_manifest_copy(&c->c.next, &s->m);
    vrv_snap_unref(s);
    c->c.next.topic = id->topic;
    c->c.next.partition = id->partition;
}

void
coldcommit_add(struct coldcommit *c)
{
    struct vrv_manifest *m = &c->c.next;
    const struct vrv_log_id id = { m->topic, m->partition };
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_segment_key(&tier.parts, &id, m->next, key);
    struct vrv_cold_seg seg = { .base = m->next, .next = m->next + COLDCOMMIT_OFFSETS, .size = 300, .plain = 200,
        .chunk_n = 1, .chunk = vrv_mem_zero(sizeof(*seg.chunk)), .key = vrv_mem_strdup(key) };
    seg.chunk[0] = (struct vrv_chunk){ .base = seg.base, .pos = 64, .stored = 200, .plain = 200 };
    int rc = vrv_manifest_add(m, &seg, &tier.e);
    VRV_ASSERT(rc == 0);
}

void
coldcommit_start(struct coldcommit *c, const struct vrv_log_id *id)
{
    coldcommit_begin(c, id);
    int rc = vrv_parts_touch(&tier.parts, id, &tier.e);
    VRV_ASSERT(rc == 0);
    coldcommit_add(c);
    vrv_parts_commit(&tier.parts, &c->c);
}

int
coldcommit(const struct vrv_log_id *id)
{
    struct coldcommit c;

    coldcommit_start(&c, id);
    tierrig_run(&tier);
    return c.status;
}
