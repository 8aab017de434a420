#include "t/lib/healrig.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "t/lib/tap.h"
#include "tiering/scrub/heal.h"

#define BOTH "segment.bytes=1000 retention.ms=-1 remote.storage.enable=true"

enum { CALL_MS = 10000 };

struct vrv_sync sync_;
struct vrv_log_id id;
struct vrv_err e;

void
make_empty(uint64_t seed)
{
    begin(seed);
    rig_topic(&rig, "t", 1, BOTH);
    id = rig_log(&rig, "t", 0)->id;
    vrv_sync_init(&sync_, fakestore_store(fake), &rig.clock.clock, 7, CALL_MS);
}

void
make(uint64_t seed)
{
    make_empty(seed);
    for (int i = 0; i < 30; i += 5) {
        put("t", 0, 5);
        pass(3000);
    }
    pass(10000);
}

void
seal(void)
{
    vrv_log_roll(rig_log(&rig, "t", 0));
    OK(rig_checkpoint(&rig) && rig_checkpoint(&rig), "all is sealed");
}

void
finish(void)
{
    vrv_sync_fini(&sync_);
    end();
    sweep_every_ms = 10000;
}

void
delete(const char *key)
{
    struct vrv_store_call c = { .op = VRV_STORE_DELETE, .lane = VRV_STORE_HOUSEKEEPING, .keys = &key,
        .max = 1 };

    VRV_ASSERT(vrv_sync_call(&sync_, &c) == 0);
}

uint64_t
newest_root(void)
{
    struct vrv_found_versions l;

    VRV_ASSERT(vrv_find_versions(&sync_, &id, 0, &l, &e) == 0 && l.n > 0);
    uint64_t n = l.v[l.n - 1];
    vrv_found_versions_fini(&l);
    return n;
}

void
delete_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_root_key(&id, version, key);
    delete(key);
}

void
flip(const char *key)
{
    size_t n;
    const uint8_t *p = fakestore_object(fake, key, &n);

    VRV_ASSERT(p != NULL);
    ((uint8_t *)(uintptr_t)p)[n / 2] ^= 1;
}

bool
has_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];
    size_t n;

    vrv_parts_root_key(&id, version, key);
    return fakestore_object(fake, key, &n) != NULL;
}

void
flip_root(uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];

    vrv_parts_root_key(&id, version, key);
    flip(key);
}

int
heal_root(uint64_t random)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_root(&h, &id, &e);
    vrv_heal_end(&h);
    return rc;
}

int
heal(uint64_t random, const char *key, int64_t base)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = random };
    uint64_t bytes;

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_heal_segment(&h, &id, key, base, &bytes, &e);
    vrv_heal_end(&h);
    return rc;
}

uint64_t
version(void)
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng };
    uint64_t v;

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    int rc = vrv_parts_version(&h.parts, &id, &v, &e);
    VRV_ASSERT(rc == 0 || (rc == VRV_E_NOTFOUND && v == 0));
    vrv_heal_end(&h);
    return v;
}

void
read_root(uint64_t v, struct vrv_manifest *m)
{
    VRV_ASSERT(vrv_find_root(&sync_, &id, v, m, &e) == 0);
}

int64_t
newest_cold(void)
{
    struct vrv_manifest m;

    read_root(newest_root(), &m);
    int64_t base = m.seg[m.seg_n - 1].base;
    vrv_manifest_fini(&m);
    return base;
}

void
read_newest(struct vrv_manifest *m)
{
    read_root(newest_root(), m);
}

void
first_key(uint64_t v, char out[VRV_STORE_KEY_MAX + 1])
{
    struct vrv_manifest m;
    struct vrv_cold_seg *s;

    read_root(v, &m);
    VRV_ASSERT(m.page_n > 0 && m.page[0].base == 0 && vrv_find_page(&sync_, &m, &m.page[0], &s, &e) == 0);
    (void)snprintf(out, VRV_STORE_KEY_MAX + 1, "%s", s[0].key);
    vrv_cold_segs_free(s, m.page[0].segments);
    vrv_manifest_fini(&m);
}

void
new_key(int64_t base, char out[VRV_STORE_KEY_MAX + 1])
{
    struct vrv_heal h = { .s = &sync_, .eng = rig.eng, .random = 77 };

    VRV_ASSERT(vrv_heal_begin(&h, &e) == 0);
    vrv_parts_segment_key(&h.parts, &id, base, out);
    vrv_heal_end(&h);
}

void
let_go(void)
{
    IS(vrv_log_drop_local(rig_log(&rig, "t", 0), newest_cold(), NULL, &e), 0, "what the store has leaves this disk");
    rig_commit(&rig);
    vrv_engine_tend_step(rig.eng);
    OK(vrv_log_sealed(rig_log(&rig, "t", 0), 0) == NULL, "... for good");
}

void
leave_root(const struct vrv_manifest *like, uint64_t version)
{
    char key[VRV_STORE_KEY_MAX + 1];
    struct vrv_manifest m;
    size_t n;

    vrv_manifest_copy(&m, like);
    m.version = version;
    uint8_t *bytes = vrv_manifest_write(&m, &n);
    vrv_parts_root_key(&id, version, key);
    VRV_ASSERT(vrv_sync_put(&sync_, key, bytes, n, true, &e) == 0);
    free(bytes);
    vrv_manifest_fini(&m);
}

void
leave_little(const struct vrv_manifest *counts, uint64_t version)
{
    struct vrv_manifest m;

    vrv_manifest_copy(&m, counts);
    vrv_cold_seg_fini(&m.seg[--m.seg_n]);
    m.next = m.seg_n > 0 ? m.seg[m.seg_n - 1].next : m.page[m.page_n - 1].next;
    leave_root(&m, version);
    vrv_manifest_fini(&m);
}

void
take_place(struct simdisk *copy)
{
    simdisk_free(&rig.disk);
    rig.disk = copy;
    rig.o.vfs = simdisk_vfs(copy);
}

void
damage_newest(void)
{
    IS(heal_root(11), 0, "a root like the one before %s", e.msg);
    flip_root(newest_root());
}
