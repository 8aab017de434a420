/*
 * What a .meta file's bytes say, and how far they can be believed.
 *
 * Frames of one batch are written together and synced once, so a power cut may keep a later
 * frame of the last batch and lose an earlier one: an invalid frame followed by a valid one is
 * no proof of damage.  But each frame tells how much of the file was synced before it was
 * written.  A frame that is invalid below such a mark was whole once: that is damage, and refused.
 * Above all marks it is a torn tail, and cut, whatever follows.
 */
#include <inttypes.h>

#include "engine/meta/metalog_impl.h"

static int
damaged(const struct vrv_metareplay *r, uint64_t pos, const char *what, struct vrv_err *e)
{
    return vrv_err_set(e, VRV_E_CORRUPT, "%.100s is damaged at %" PRIu64 ": %s", r->path, pos,
        what);
}

static bool
frame_at(const struct vrv_metareplay *r, uint64_t pos, struct vrv_mframe *f)
{
    return vrv_mframe_parse(f, r->p + pos, r->n - pos, r->number, pos);
}

static int
replay_header(struct vrv_metareplay *r, struct vrv_metakeys *keys, struct vrv_err *e)
{
    struct vrv_mheader h;

    if (!vrv_mheader_parse(&h, r->p, r->n < VRV_METALOG_HEADER ? (size_t)r->n : VRV_METALOG_HEADER))
        return damaged(r, 0, "no header of a metadata log", e);
    if (h.version > VRV_METALOG_VERSION)
        return vrv_err_set(e, VRV_E_VERSION, "%.100s has format version %" PRIu32 ", known is %d",
            r->path, h.version, VRV_METALOG_VERSION);
    if (h.number != r->number)
        return damaged(r, VRV_METALOG_H_NUMBER, "its name and its number differ", e);
    if (h.version < 1 || h.revision > VRV_METALOG_REVISION_MAX)
        return damaged(r, VRV_METALOG_H_VERSION, "its header makes no sense", e);
    keys->revision = h.revision;
    r->end = VRV_METALOG_HEADER;
    return 0;
}

/* Do what a frame says.  Its checksum holds, so what makes no sense was written like that. */
static int
apply(const struct vrv_metareplay *r, struct vrv_mframe *f, struct vrv_metakeys *keys,
    struct vrv_err *e)
{
    bool snapshot = f->kind == VRV_MFRAME_SNAPSHOT;
    struct vrv_mop op;
    int rc;

    while ((rc = vrv_mframe_op(f, &op)) == 1) {
        if (op.mod < 1 || op.mod > keys->revision || (snapshot && op.value == NULL))
            return damaged(r, r->end, "an impossible operation", e);
        rc = vrv_metakeys_set(keys, op.key, op.key_len, op.value, op.value_len, op.mod, e);
        if (rc < 0)
            return rc;
    }
    return rc < 0 ? damaged(r, r->end, "an impossible operation", e) : 0;
}

static int
replay_snapshot(struct vrv_metareplay *r, struct vrv_metakeys *keys, struct vrv_err *e)
{
    struct vrv_mframe f;

    for (;;) {
        /* the file got its name only after all of this was synced */
        if (!frame_at(r, r->end, &f))
            return damaged(r, r->end, "the snapshot is not complete", e);
        if (f.kind == VRV_MFRAME_TXN || f.revision != keys->revision || f.durable != 0)
            return damaged(r, r->end, "no frame of a snapshot", e);
        int rc = apply(r, &f, keys, e);
        if (rc < 0)
            return rc;
        r->end += f.size;
        if (f.kind == VRV_MFRAME_SNAPSHOT_END)
            break;
    }
    r->snapshot_end = r->durable = r->end;
    return 0;
}

static int
replay_log(struct vrv_metareplay *r, struct vrv_metakeys *keys, struct vrv_err *e)
{
    struct vrv_mframe f;

    while (frame_at(r, r->end, &f)) {
        if (f.kind != VRV_MFRAME_TXN || f.durable < r->durable ||
            f.revision != keys->revision + 1)
            return damaged(r, r->end, "a frame that does not follow the one before", e);
        r->durable = f.durable;
        keys->revision = f.revision;
        int rc = apply(r, &f, keys, e);
        if (rc < 0)
            return rc;
        r->end += f.size;
    }
    return 0;
}

/* Bytes that are no frame begin at r->end: does one behind them say that they once were? */
static int
check_tail(const struct vrv_metareplay *r, uint64_t revision, struct vrv_err *e)
{
    struct vrv_mframe f;

    for (uint64_t pos = r->end + 1; pos < r->n && r->n - pos >= VRV_MFRAME_HEAD; pos++) {
        /* each is cheap to refuse before its checksum is computed */
        if (r->p[pos + VRV_MFRAME_KIND] != VRV_MFRAME_TXN || !frame_at(r, pos, &f))
            continue;
        if (f.revision > revision && f.durable > r->end)
            return vrv_err_set(e, VRV_E_CORRUPT,
                "%.100s is damaged at %" PRIu64 ": it was whole when the frame at %" PRIu64
                " was written",
                r->path, r->end, pos);
    }
    return 0;
}

int
vrv_metareplay(struct vrv_metareplay *r, struct vrv_metakeys *keys, struct vrv_err *e)
{
    int rc = replay_header(r, keys, e);

    if (rc == 0)
        rc = replay_snapshot(r, keys, e);
    if (rc == 0)
        rc = replay_log(r, keys, e);
    if (rc == 0 && r->end < r->n)
        rc = check_tail(r, keys->revision, e);
    return rc;
}
