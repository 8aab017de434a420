/* The error codes in an answer, wherever they are in it: for who counts them. */

#include "server/wire/wire_int.h"

struct codes {
    int16_t version;
    vrv_wire_code_fn *fn;
    void *ctx;
};

static void walk(const struct codes *c, const struct vrv_schema *s, const uint8_t *src);

/* Elements of an array, the one struct, or the one that is pointed to. */
static void
walk_into(const struct codes *c, const struct vrv_field *f, const uint8_t *at)
{
    const struct vrv_schema *in = f->elem();

    if (f->type == VRV_W_ARRAY) {
        VRV_WIRE_LOAD(struct vrv_array, a);
        for (int32_t i = 0; i < a.n; i++)
            walk(c, in, (const uint8_t *)a.v + (size_t)i * in->size);
    } else if (f->type == VRV_W_POINTER) {
        VRV_WIRE_LOAD(const uint8_t *, p);
        if (p != NULL)
            walk(c, in, p);
    } else {
        walk(c, in, at);
    }
}

/* As deep as our own tables are. */
static void
walk(const struct codes *c, const struct vrv_schema *s, const uint8_t *src)
{
    for (uint16_t i = 0; i < s->n; i++) {
        const struct vrv_field *f = &s->fields[i];
        const uint8_t *at = src + f->at;

        if ((!f->is_code && f->elem == NULL) || c->version < f->from || c->version > f->to)
            continue;
        if (f->is_code) {
            VRV_WIRE_LOAD(int16_t, code);
            c->fn(c->ctx, code);
        } else {
            walk_into(c, f, at);
        }
    }
}

void
vrv_wire_codes(const struct vrv_schema *s, int16_t version, const void *src, vrv_wire_code_fn *fn,
    void *ctx)
{
    struct codes c = { version, fn, ctx };

    walk(&c, s, src);
}
