/* ListObjectsV2, and which uploads there are. */
#include <stdlib.h>
#include <string.h>

#include "t/lib/fakes3_int.h"

static unsigned
page_of(const struct fakes3 *f, const struct s3_call *c, const char *name)
{
    char text[16];

    if (s3_param(c, name, text, sizeof(text)) == NULL)
        return f->opts.list_max;
    unsigned long n = strtoul(text, NULL, 10);
    return n < f->opts.list_max ? (unsigned)n : f->opts.list_max;
}

/* A token says where to go on; nobody else should be able to make one of it. */
static void
put_token(FILE *out, const char *key)
{
    (void)fputs("<NextContinuationToken>t", out);
    for (; *key != '\0'; key++)
        (void)fprintf(out, "%02x", (unsigned char)(*key ^ 0x5a));
    (void)fputs("</NextContinuationToken>", out);
}

static bool
read_token(const char *token, char *key, size_t n)
{
    unsigned byte;

    if (*token++ != 't')
        return false;
    for (; sscanf(token, "%2x", &byte) == 1 && n > 1; token += 2, n--)
        *key++ = (char)(byte ^ 0x5a);
    *key = '\0';
    return *token == '\0';
}

static bool
was_there(const struct s3_call *c, int64_t born_ms, int64_t gone_ms)
{
    return c->seen_ms == 0 ? gone_ms == INT64_MAX : born_ms <= c->seen_ms && gone_ms > c->seen_ms;
}

static const struct s3_object *
newest(const struct fakes3 *f)
{
    const struct s3_object *last = NULL;

    for (size_t i = 0; i < f->object_n; i++)
        if (last == NULL || f->objects[i].born_ms >= last->born_ms)
            last = &f->objects[i];
    return last;
}

static void
put_entry(FILE *out, const struct s3_object *o, const char *key)
{
    (void)fputs("<Contents><Key>", out);
    s3_xml_text(out, key);
    (void)fputs("</Key><LastModified>", out);
    s3_xml_time(out, o->born_ms);
    (void)fputs("</LastModified><ETag>", out);
    s3_xml_text(out, o->etag);
    (void)fprintf(
        out, "</ETag><Size>%zu</Size><StorageClass>STANDARD</StorageClass></Contents>", o->n);
}

/* The entries, and whether there are more. */
static void
put_entries(
    struct fakes3 *f, const struct s3_call *c, const char *prefix, const char *after, FILE *out)
{
    const struct s3_object *unseen = c->unseen ? newest(f) : NULL;
    size_t bucket_n = strlen(c->bucket) + 1;
    unsigned max = page_of(f, c, "max-keys"), n = 0;
    char from[1200];
    const char *last = after;

    (void)snprintf(
        from, sizeof(from), "%s/%s", c->bucket, strcmp(after, prefix) > 0 ? after : prefix);
    for (size_t i = s3_place(f, from); i < f->object_n; i++) {
        const struct s3_object *o = &f->objects[i];
        const char *key = o->name + bucket_n;

        if (strncmp(o->name, from, bucket_n) != 0 || strncmp(key, prefix, strlen(prefix)) != 0)
            break;
        if (strcmp(key, after) <= 0 || o == unseen || !was_there(c, o->born_ms, o->gone_ms))
            continue;
        if (n == max) {
            (void)fputs("<IsTruncated>true</IsTruncated>", out);
            put_token(out, last);
            (void)fprintf(out, "<KeyCount>%u</KeyCount>", n);
            return;
        }
        put_entry(out, o, key);
        last = key;
        n++;
    }
    (void)fprintf(out, "<IsTruncated>false</IsTruncated><KeyCount>%u</KeyCount>", n);
}

void
s3_list(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char prefix[1100] = "", after[1100] = "", token[2300], *text;
    size_t n;

    (void)s3_param(c, "prefix", prefix, sizeof(prefix));
    (void)s3_param(c, "start-after", after, sizeof(after));
    if (s3_param(c, "continuation-token", token, sizeof(token)) != NULL &&
        !read_token(token, after, sizeof(after))) {
        s3_error(a, 400, "InvalidArgument", "The continuation token provided is incorrect");
        return;
    }
    FILE *out = s3_xml_open(&text, &n);
    (void)fprintf(out,
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>%s</Name><Prefix>",
        c->bucket);
    s3_xml_text(out, prefix);
    (void)fprintf(out, "</Prefix><MaxKeys>%u</MaxKeys>", page_of(f, c, "max-keys"));
    put_entries(f, c, prefix, after, out);
    (void)fputs("</ListBucketResult>", out);
    s3_xml_close(out, &text, a);
}

/* ---- uploads ---- */

static int
compare(const struct s3_upload *u, const char *name, const char *id)
{
    int d = strcmp(u->name, name);

    return d != 0 ? d : strcmp(u->id, id);
}

static const struct s3_upload *
newest_upload(const struct fakes3 *f)
{
    const struct s3_upload *u = f->uploads;

    while (u != NULL && u->gone_ms != INT64_MAX)
        u = u->next;
    return u;
}

/* The first one of this prefix behind (name, id); NULL: there is none. */
static const struct s3_upload *
next_upload(const struct fakes3 *f, const struct s3_call *c, const char *prefix, const char *name, const char *id)
{
    const struct s3_upload *best = NULL, *unseen = c->unseen ? newest_upload(f) : NULL;

    for (const struct s3_upload *u = f->uploads; u != NULL; u = u->next)
        if (u != unseen && was_there(c, u->born_ms, u->gone_ms) && strncmp(u->name, prefix, strlen(prefix)) == 0 &&
            compare(u, name, id) > 0 && (best == NULL || compare(best, u->name, u->id) > 0))
            best = u;
    return best;
}

static void
put_upload(FILE *out, const struct s3_upload *u, size_t bucket_n)
{
    (void)fputs("<Upload><Key>", out);
    s3_xml_text(out, u->name + bucket_n);
    (void)fprintf(out, "</Key><UploadId>%s</UploadId><Initiated>", u->id);
    s3_xml_time(out, u->born_ms);
    (void)fputs("</Initiated></Upload>", out);
}

void
s3_list_uploads(struct fakes3 *f, const struct s3_call *c, struct httpd_reply *a)
{
    char prefix[1100] = "", name[1200], key[1100] = "", id[S3_ID_MAX + 1] = "", all[1200], *text;
    unsigned max = page_of(f, c, "max-uploads");
    size_t n, bucket_n = strlen(c->bucket) + 1;
    const struct s3_upload *u;

    (void)s3_param(c, "prefix", prefix, sizeof(prefix));
    /* a key alone: behind all uploads of it */
    if (s3_param(c, "key-marker", key, sizeof(key)) != NULL &&
        s3_param(c, "upload-id-marker", id, sizeof(id)) == NULL)
        (void)snprintf(id, sizeof(id), "~");
    (void)snprintf(all, sizeof(all), "%s/%s", c->bucket, prefix);
    (void)snprintf(name, sizeof(name), "%s/%s", c->bucket, key);
    FILE *out = s3_xml_open(&text, &n);
    (void)fprintf(out, "<ListMultipartUploadsResult><Bucket>%s</Bucket>", c->bucket);
    for (u = next_upload(f, c, all, name, id); u != NULL && max > 0; max--) {
        put_upload(out, u, bucket_n);
        (void)snprintf(name, sizeof(name), "%s", u->name);
        (void)snprintf(id, sizeof(id), "%s", u->id);
        u = next_upload(f, c, all, name, id);
    }
    (void)fprintf(out, "<IsTruncated>%s</IsTruncated>", u != NULL ? "true" : "false");
    if (u != NULL) {
        (void)fputs("<NextKeyMarker>", out);
        s3_xml_text(out, name + bucket_n);
        (void)fprintf(out, "</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker>", id);
    }
    (void)fputs("</ListMultipartUploadsResult>", out);
    s3_xml_close(out, &text, a);
}
