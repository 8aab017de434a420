/* What it keeps: objects, in order of their names, and uploads. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "t/lib/fakes3_int.h"

size_t
s3_place(const struct fakes3 *f, const char *name)
{
    size_t lo = 0, hi = f->object_n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (strcmp(f->objects[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Also one that is gone. */
static struct s3_object *
find_any(struct fakes3 *f, const char *name)
{
    size_t i = s3_place(f, name);

    return i < f->object_n && strcmp(f->objects[i].name, name) == 0 ? &f->objects[i] : NULL;
}

struct s3_object *
s3_find(struct fakes3 *f, const char *name)
{
    struct s3_object *o = find_any(f, name);

    return o != NULL && o->gone_ms == INT64_MAX ? o : NULL;
}

struct s3_object *
s3_put(struct fakes3 *f, const char *name, uint8_t *bytes, size_t n)
{
    struct s3_object *o = find_any(f, name);

    if (o == NULL) {
        size_t i = s3_place(f, name);

        VRV_PUSH_ROOM(f->objects, f->object_n, f->object_cap);
        memmove(&f->objects[i + 1], &f->objects[i], (f->object_n - i) * sizeof(*f->objects));
        f->object_n++;
        o = &f->objects[i];
        *o = (struct s3_object){ .name = vrv_mem_strdup(name) };
    }
    free(o->bytes);
    *o = (struct s3_object){
        .name = o->name, .bytes = bytes, .n = n, .born_ms = s3_now_ms(f), .gone_ms = INT64_MAX
    };
    return o;
}

void
s3_delete(struct fakes3 *f, const char *name)
{
    struct s3_object *o = s3_find(f, name);

    if (o == NULL)
        return;
    free(o->bytes);
    o->bytes = NULL;
    o->gone_ms = s3_now_ms(f);
}

/* ---- uploads ---- */

struct s3_upload *
s3_upload_new(struct fakes3 *f, const char *name)
{
    struct s3_upload *u = VRV_NEW(struct s3_upload);

    u->name = vrv_mem_strdup(name);
    (void)snprintf(u->id, sizeof(u->id), "%016llx%06llx",
        (unsigned long long)vrv_rand_next(&f->rand), (unsigned long long)++f->ids);
    u->born_ms = s3_now_ms(f);
    u->gone_ms = INT64_MAX;
    u->next = f->uploads;
    f->uploads = u;
    return u;
}

struct s3_upload *
s3_upload_find(struct fakes3 *f, const char *id, const char *name)
{
    struct s3_upload *u = f->uploads;

    while (u != NULL && (u->gone_ms != INT64_MAX || strcmp(u->id, id) != 0 || strcmp(u->name, name) != 0))
        u = u->next;
    return u;
}

struct s3_part *
s3_upload_part(struct s3_upload *u, unsigned number, uint8_t *bytes, size_t n)
{
    VRV_ASSERT(number > 0);
    if (number > u->n) {
        u->part = vrv_mem_grow(u->part, number * sizeof(*u->part));
        memset(u->part + u->n, 0, (number - u->n) * sizeof(*u->part));
        u->n = number;
    }
    struct s3_part *p = &u->part[number - 1];
    free(p->bytes);
    p->bytes = bytes;
    p->n = n;
    s3_etag(p->etag, bytes, n);
    return p;
}

static void
free_parts(struct s3_upload *u)
{
    for (unsigned i = 0; i < u->n; i++)
        free(u->part[i].bytes);
    free(u->part);
    u->part = NULL;
    u->n = 0;
}

void
s3_upload_forget(struct fakes3 *f, struct s3_upload *u)
{
    free_parts(u);
    u->gone_ms = s3_now_ms(f);
}

void
s3_objects_free(struct fakes3 *f)
{
    while (f->uploads != NULL) {
        struct s3_upload *u = f->uploads;

        f->uploads = u->next;
        free_parts(u);
        free(u->name);
        free(u);
    }
    for (size_t i = 0; i < f->object_n; i++) {
        free(f->objects[i].name);
        free(f->objects[i].bytes);
    }
    free(f->objects);
}

/* ---- sums ---- */

void
s3_etag(char out[S3_ETAG_MAX], const uint8_t *bytes, size_t n)
{
    uint8_t md[16];
    size_t len;
    char *p = out;

    VRV_ASSERT(EVP_Q_digest(NULL, "MD5", NULL, bytes, n, md, &len) == 1);
    *p++ = '"';
    for (size_t i = 0; i < len; i++)
        p += snprintf(p, 3, "%02x", md[i]);
    (void)snprintf(p, 2, "\"");
}

void
s3_base64(char *out, const uint8_t *bytes, size_t n)
{
    (void)EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

void
s3_sum(char out[S3_SUM_MAX], const uint8_t *bytes, size_t n)
{
    uint32_t crc = vrv_crc32c(0, bytes, n);
    uint8_t raw[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
        (uint8_t)crc };

    s3_base64(out, raw, sizeof(raw));
}
