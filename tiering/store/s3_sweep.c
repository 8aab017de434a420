/*
 * Uploads that nobody ended: a page of them is listed, those that are old enough and not ours are
 * aborted one after the other, then comes the next page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tiering/store/s3_int.h"

enum { PAGE = 100 };

struct vrv__s3_stale {
    char key[VRV__S3_KEY], id[VRV__S3_ID];
};

static void list_page(struct vrv__s3_op *op);
static void abort_next(struct vrv__s3_op *op);

static bool
is_ours(struct vrv__s3 *s3, const char *id)
{
    bool found = false;

    vrv_lock(&s3->lock);
    for (struct vrv_list *l = s3->uploads.next; l != &s3->uploads && !found; l = l->next)
        found = strcmp(VRV_LIST_OF(l, struct vrv_store_upload, link)->id, id) == 0;
    vrv_unlock(&s3->lock);
    return found;
}

static void
was_aborted(struct vrv__s3_op *op)
{
    if (vrv__s3_is_good(op))
        op->call->got++;
    else if (vrv__s3_meaning(op) != VRV_E_NOTFOUND) { /* ended or aborted meanwhile */
        vrv__s3_refused(op);
        return;
    }
    op->stale_at++;
    abort_next(op);
}

static void
abort_next(struct vrv__s3_op *op)
{
    if (op->stale_at < op->stale_n) {
        vrv__s3_request(op, "DELETE", op->stale[op->stale_at].key);
        vrv__s3_query(op, "uploadId=", op->stale[op->stale_at].id);
        vrv__s3_send(op, was_aborted);
    } else if (op->stale_more) {
        list_page(op);
    } else {
        vrv__s3_finish(op, 0);
    }
}

/* One whose age isn't known stays. */
static void
take_upload(struct vrv__s3_op *op, const struct vrv_xml_node *n)
{
    struct vrv__s3_stale *s = &op->stale[op->stale_n];
    char name[VRV__S3_KEY];
    int64_t age = vrv__s3_age_ms(op, n, "Initiated");
    const char *key = vrv__s3_key_of(op->s3, n, name);

    if (key == NULL || age < 0 || age < op->call->older_ms || !vrv_store_key_is_good(key, false) ||
        !vrv_xml_text(n, "UploadId", s->id, sizeof(s->id)) || is_ours(op->s3, s->id))
        return;
    (void)snprintf(s->key, sizeof(s->key), "%s", key);
    op->stale_n++;
}

static bool
take_markers(struct vrv__s3_op *op, const struct vrv_xml_node *list)
{
    char key[VRV__S3_KEY], id[VRV__S3_ID], more[8];
    bool has_more = vrv_xml_text(list, "IsTruncated", more, sizeof(more)) &&
                    strcmp(more, "true") == 0 &&
                    vrv_xml_text(list, "NextKeyMarker", key, sizeof(key)) &&
                    vrv_xml_text(list, "NextUploadIdMarker", id, sizeof(id));
    /* one that doesn't move on would go on for ever */
    bool moves = has_more &&
        (strcmp(key, op->key_marker) != 0 || strcmp(id, op->id_marker) != 0);

    if (moves) {
        (void)snprintf(op->key_marker, sizeof(op->key_marker), "%s", key);
        (void)snprintf(op->id_marker, sizeof(op->id_marker), "%s", id);
    }
    return moves;
}

static void
page_came(struct vrv__s3_op *op)
{
    struct vrv_xml *x;
    const struct vrv_xml_node *list = vrv__s3_answer(op, "ListMultipartUploadsResult", &x), *n;

    if (list == NULL) {
        vrv_xml_free(&x);
        vrv__s3_finish_without(op, "list");
        return;
    }
    op->stale_n = op->stale_at = 0;
    for (n = vrv_xml_child(list, "Upload"); n != NULL && op->stale_n < PAGE;
         n = vrv_xml_next(n, "Upload"))
        take_upload(op, n);
    op->stale_more = take_markers(op, list);
    vrv_xml_free(&x);
    abort_next(op);
}

static void
list_page(struct vrv__s3_op *op)
{
    char max[16], prefix[VRV__S3_KEY];

    (void)snprintf(max, sizeof(max), "%d", PAGE);
    vrv__s3_request(op, "GET", NULL);
    vrv__s3_query(op, "uploads=", "");
    vrv__s3_query(op, "max-uploads=", max);
    (void)snprintf(prefix, sizeof(prefix), "%s%s", op->s3->prefix,
        op->call->key != NULL ? op->call->key : "");
    vrv__s3_query(op, "prefix=", prefix);
    if (op->key_marker[0] != '\0') {
        vrv__s3_query(op, "key-marker=", op->key_marker);
        vrv__s3_query(op, "upload-id-marker=", op->id_marker);
    }
    vrv__s3_send(op, page_came);
}

void
vrv__s3_sweep(struct vrv__s3_op *op)
{
    op->stale = vrv_mem_zero(PAGE * sizeof(*op->stale));
    list_page(op);
}
