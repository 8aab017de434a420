/* What S3 is asked about many objects: their names, and that they go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "engine/base/mem.h"
#include "tiering/store/s3_int.h"
#include "tiering/store/times.h"

enum { LIST_MAX = 1000, NAME_XML = 6 * VRV__S3_KEY + 64, NUMBER = 24 };

const struct vrv_xml_node *
vrv__s3_answer(const struct vrv__s3_op *op, const char *name, struct vrv_xml **x)
{
    *x = NULL;
    if (!vrv__s3_is_good(op) || vrv_xml_parse(x, op->http.text, op->http.got, NULL) < 0)
        return NULL;
    return vrv_xml_root(*x, name);
}

void
vrv__s3_finish_without(struct vrv__s3_op *op, const char *expected)
{
    if (vrv__s3_is_good(op))
        vrv__s3_misanswered(op, expected);
    else
        vrv__s3_refused(op);
}

const char *
vrv__s3_key_of(const struct vrv__s3 *s3, const struct vrv_xml_node *of, char name[VRV__S3_KEY])
{
    size_t n = strlen(s3->prefix);
    bool ours = vrv_xml_text(of, "Key", name, VRV__S3_KEY) && strncmp(name, s3->prefix, n) == 0;

    return ours ? name + n : NULL;
}

int64_t
vrv__s3_age_ms(const struct vrv__s3_op *op, const struct vrv_xml_node *of, const char *name)
{
    int64_t now = vrv_time_http(vrv_http_header(&op->http, "date")), then;
    char text[40];

    (void)vrv_xml_text(of, name, text, sizeof(text));
    then = vrv_time_iso(text);
    if (now < 0 || then < 0)
        return -1;
    return now > then ? now - then : 0;
}

/* ---- names: of what we didn't write none is ours, nor is what nobody asked for, or comes out of order ---- */

static unsigned
most_names(const struct vrv_store_call *c)
{
    return c->max < LIST_MAX ? c->max : LIST_MAX;
}

/* False: there were more than were asked for. */
static bool
take_names(struct vrv__s3_op *op, const struct vrv_xml_node *list)
{
    struct vrv_store_call *c = op->call;
    const char *after = c->after != NULL ? c->after : "";
    const struct vrv_xml_node *n;

    c->names = vrv_mem_zero(LIST_MAX * sizeof(*c->names));
    for (n = vrv_xml_child(list, "Contents"); n != NULL && c->got < most_names(c);
        n = vrv_xml_next(n, "Contents")) {
        char name[VRV__S3_KEY], size[NUMBER];
        const char *key = vrv__s3_key_of(op->s3, n, name);
        bool ours = key != NULL && vrv_store_key_is_good(key, false) &&
            strncmp(key, c->key, strlen(c->key)) == 0 &&
            vrv_xml_text(n, "Size", size, sizeof(size));

        if (!ours || strcmp(key, after) <= 0)
            continue;
        c->names[c->got] = (struct vrv_store_name){ .key = vrv_mem_strdup(key),
            .size = strtoull(size, NULL, 10), .age_ms = vrv__s3_age_ms(op, n, "LastModified") };
        after = c->names[c->got++].key;
    }
    return n == NULL;
}

static void
was_listed(struct vrv__s3_op *op)
{
    char more[8];
    struct vrv_xml *x;
    const struct vrv_xml_node *list = vrv__s3_answer(op, "ListBucketResult", &x);

    int64_t now = vrv_time_http(vrv_http_header(&op->http, "date"));

    op->call->store_ms = now > 0 ? now : 0;
    if (list != NULL) {
        bool all = take_names(op, list);

        op->call->more = !all || (vrv_xml_text(list, "IsTruncated", more, sizeof(more)) &&
                                     strcmp(more, "true") == 0);
    }
    vrv_xml_free(&x);
    if (list != NULL)
        vrv__s3_finish(op, 0);
    else
        vrv__s3_finish_without(op, "list");
}

void
vrv__s3_list(struct vrv__s3_op *op)
{
    const struct vrv_store_call *c = op->call;
    char name[VRV__S3_KEY], max[NUMBER];

    (void)snprintf(max, sizeof(max), "%u", most_names(c));
    vrv__s3_request(op, "GET", NULL);
    vrv__s3_query(op, "list-type=", "2");
    vrv__s3_query(op, "max-keys=", max);
    (void)snprintf(name, sizeof(name), "%s%s", op->s3->prefix, c->key);
    vrv__s3_query(op, "prefix=", name);
    (void)snprintf(name, sizeof(name), "%s%s", op->s3->prefix, c->after != NULL ? c->after : "");
    if (c->after != NULL && *c->after != '\0')
        vrv__s3_query(op, "start-after=", name);
    vrv__s3_send(op, was_listed);
}

/* ---- deletion ---- */

/* One that the answer doesn't name may be there still. */
static void
take_deleted(struct vrv__s3_op *op, const struct vrv_xml_node *result, int *each)
{
    const struct vrv_store_call *c = op->call;
    const struct vrv_xml_node *n = vrv_xml_child(result, "Deleted");

    for (; n != NULL; n = vrv_xml_next(n, "Deleted")) {
        char name[VRV__S3_KEY];
        const char *key = vrv__s3_key_of(op->s3, n, name);

        for (unsigned i = 0; key != NULL && i < c->max; i++)
            if (strcmp(c->keys[i], key) == 0)
                each[i] = 0;
    }
}

static void
take_errors(struct vrv__s3_op *op, const struct vrv_xml_node *result, int *each)
{
    struct vrv_store_call *c = op->call;
    const struct vrv_xml_node *n = vrv_xml_child(result, "Error");

    for (; n != NULL; n = vrv_xml_next(n, "Error")) {
        char name[VRV__S3_KEY], code[64], message[VRV__S3_SENTENCE], more[80];
        const char *key = vrv__s3_key_of(op->s3, n, name);

        (void)vrv_xml_text(n, "Code", code, sizeof(code));
        int status = vrv__s3_code_means(op, code, message, sizeof(message));
        if (message[0] == '\0')
            vrv_xml_words(n, "Message", message, sizeof(message));
        (void)snprintf(more, sizeof(more), " (%s)", code);
        if (status == VRV_E_NOTFOUND)
            status = 0;
        for (unsigned i = 0; key != NULL && i < c->max; i++)
            if (strcmp(c->keys[i], key) == 0)
                each[i] = status;
        if (status < 0)
            vrv__s3_tell(&c->err, status, "delete", key != NULL ? key : name, message, more);
    }
}

/* The first that isn't gone says how it went. */
static int
sum_up(struct vrv_store_call *c, const int *each)
{
    int first = 0;

    for (unsigned i = 0; i < c->max; i++) {
        c->got += each[i] == 0;
        if (first == 0)
            first = each[i];
        if (c->each != NULL)
            c->each[i] = each[i];
    }
    if (first < 0 && c->err.code == 0)
        (void)vrv_err_set(
            &c->err, first, "delete of %u objects: the answer names not all of them", c->max);
    return first;
}

static void
was_deleted(struct vrv__s3_op *op)
{
    struct vrv_store_call *c = op->call;
    struct vrv_xml *x;
    const struct vrv_xml_node *result = vrv__s3_answer(op, "DeleteResult", &x);
    int *each = vrv_mem_zero(c->max * sizeof(*each)), status = 0;

    for (unsigned i = 0; i < c->max; i++)
        each[i] = VRV_E_UNKNOWN;
    if (result != NULL) {
        take_deleted(op, result, each);
        take_errors(op, result, each);
        status = sum_up(c, each);
    }
    vrv_xml_free(&x);
    free(each);
    if (result != NULL)
        vrv__s3_finish(op, status);
    else
        vrv__s3_finish_without(op, "result");
}

static char *
list_of_keys(const struct vrv__s3 *s3, const struct vrv_store_call *c)
{
    size_t cap = (size_t)c->max * NAME_XML + 128, at;
    char *out = vrv_mem_zero(cap);

    at = (size_t)snprintf(out, cap, "<Delete><Quiet>false</Quiet>");
    for (unsigned i = 0; i < c->max; i++) {
        char name[VRV__S3_KEY], escaped[6 * VRV__S3_KEY + 1];

        (void)snprintf(name, sizeof(name), "%s%s", s3->prefix, c->keys[i]);
        vrv_xml_escape(escaped, sizeof(escaped), name);
        at += (size_t)snprintf(out + at, cap - at, "<Object><Key>%s</Key></Object>", escaped);
    }
    at += (size_t)snprintf(out + at, cap - at, "</Delete>");
    VRV_ASSERT(at < cap);
    return out;
}

/* Not quiet: what isn't named may be there still.  Some ask for an MD5, others for any checksum. */
void
vrv__s3_delete(struct vrv__s3_op *op)
{
    uint8_t md5[VRV__S3_MD5];
    char text[VRV__S3_MD5_TEXT];

    vrv__s3_request(op, "POST", NULL);
    vrv__s3_query(op, "delete=", "");
    vrv__s3_body(op, list_of_keys(op->s3, op->call));
    vrv__s3_crc_text(text, vrv_crc32c(0, op->iov.iov_base, op->iov.iov_len));
    vrv__s3_header(op, "x-amz-checksum-crc32c: %s", text);
    if (vrv__s3_md5(md5, &op->iov, 1)) {
        vrv__s3_md5_text(text, md5);
        vrv__s3_header(op, "content-md5: %s", text);
    }
    vrv__s3_send(op, was_deleted);
}
