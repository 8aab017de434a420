/* The operations of WebHDFS on one name. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiering/store/hdfs_int.h"

enum { PARAMS = 1024 };

static int
strange(struct vrv__hdfs_job *j, const struct vrv__hdfs_op *op)
{
    return vrv_err_set(&j->call->err, op->publishes ? VRV_E_UNKNOWN : VRV_E_IO,
        "%s of %.80s: a strange answer, \"%.80s\"; is there a proxy between?", op->name, op->path,
        op->text == NULL ? "" : op->text);
}

/* One whose answer says nothing more than that it is done. */
static int
just_do(struct vrv__hdfs_job *j, struct vrv__hdfs_op op)
{
    int rc = vrv__hdfs_ask(j, &op);

    free(op.text);
    return rc;
}

/* One whose answer is {"boolean": ...}; nothing at all means yes. */
static int
do_or_not(struct vrv__hdfs_job *j, struct vrv__hdfs_op op, bool *done)
{
    int rc = vrv__hdfs_ask(j, &op), is = 1;
    json_t *answer = rc == 0 && op.got > 0 ? json_loadb(op.text, op.got, 0, NULL) : NULL;

    if (rc == 0 && op.got > 0 &&
        (answer == NULL || json_unpack(answer, "{s:b}", "boolean", &is) != 0))
        rc = strange(j, &op);
    *done = is;
    json_decref(answer);
    free(op.text);
    return rc;
}

int
vrv__hdfs_stat(struct vrv__hdfs_job *j, const char *path, struct vrv__hdfs_stat *st)
{
    struct vrv__hdfs_op op = { .method = "GET", .name = "GETFILESTATUS", .path = path, .params = "" };
    json_int_t size = -1, id = -1, modified = -1;
    const char *type = "";
    int rc = vrv__hdfs_ask(j, &op);
    json_t *answer = rc == 0 && op.text != NULL ? json_loadb(op.text, op.got, 0, NULL) : NULL;

    if (rc == 0 && (answer == NULL ||
            json_unpack(answer, "{s:{s:s,s:I,s:I,s:I}}", "FileStatus", "type", &type, "length", &size,
                "fileId", &id, "modificationTime", &modified) != 0 || size < 0))
        rc = strange(j, &op);
    *st = (struct vrv__hdfs_stat){ .is_dir = strcmp(type, "DIRECTORY") == 0, .size = (uint64_t)size,
        .id = (uint64_t)id, .modified_ms = (uint64_t)modified };
    json_decref(answer);
    free(op.text);
    return rc;
}

int
vrv__hdfs_create(struct vrv__hdfs_job *j, const char *path)
{
    const struct vrv_store_call *c = j->call;
    struct vrv__hdfs_stat st;
    int rc = just_do(j, (struct vrv__hdfs_op){ .method = "PUT", .name = "CREATE", .path = path,
        .params = "&overwrite=false&createflag=CREATE%2CSYNC_BLOCK", .redirects = true, .iov = c->iov,
        .iov_n = c->iov_n, .size = c->size });

    if (rc == 0)
        rc = vrv__hdfs_stat(j, path, &st);
    if (rc == 0 && st.size != c->size)
        rc = vrv_err_set(&j->call->err, VRV_E_IO,
            "%s has %" PRIu64 " bytes, and not the %" PRIu64 " that were sent", path, st.size, c->size);
    /* a name that nobody else draws: what is there, or not, is of this attempt */
    return rc == VRV_E_EXISTS || rc == VRV_E_NOTFOUND ? VRV_E_IO : rc;
}

/* HttpFS, and Hadoop of old, answer no without a reason. */
static int
why_not_renamed(struct vrv__hdfs_job *j, const char *to)
{
    struct vrv__hdfs_stat st;
    int rc = vrv__hdfs_stat(j, to, &st);

    return rc == 0 ? vrv_err_set(&j->call->err, VRV_E_EXISTS, "%s is there", to) : rc;
}

int
vrv__hdfs_rename(struct vrv__hdfs_job *j, const char *from, const char *to)
{
    char params[PARAMS];
    bool done;

    (void)snprintf(params, sizeof(params), "&destination=%s/%s&renameoptions=NONE", j->h->url.root, to);
    int rc = do_or_not(j, (struct vrv__hdfs_op){ .method = "PUT", .name = "RENAME", .path = from,
        .params = params, .publishes = true }, &done);
    return rc == 0 && !done ? why_not_renamed(j, to) : rc;
}

int
vrv__hdfs_mkdirs(struct vrv__hdfs_job *j, const char *path)
{
    bool done;
    int rc = do_or_not(j, (struct vrv__hdfs_op){ .method = "PUT", .name = "MKDIRS", .path = path,
        .params = "" }, &done);

    return rc == 0 && !done ? vrv_err_set(&j->call->err, VRV_E_IO, "can't make the directory %s", path)
                            : rc;
}

int
vrv__hdfs_delete(struct vrv__hdfs_job *j, const char *path, bool all)
{
    bool was_there;

    return do_or_not(j, (struct vrv__hdfs_op){ .method = "DELETE", .name = "DELETE", .path = path,
        .params = all ? "&recursive=true" : "&recursive=false" }, &was_there);
}

int
vrv__hdfs_touch(struct vrv__hdfs_job *j, const char *path, uint64_t modified_ms)
{
    char params[PARAMS];

    (void)snprintf(params, sizeof(params), "&modificationtime=%" PRIu64, modified_ms);
    return just_do(j, (struct vrv__hdfs_op){ .method = "PUT", .name = "SETTIMES", .path = path,
        .params = params });
}

int
vrv__hdfs_concat(struct vrv__hdfs_job *j, const char *path, const char *params)
{
    return just_do(j, (struct vrv__hdfs_op){ .method = "POST", .name = "CONCAT", .path = path,
        .params = params });
}

/* What is at the end, or behind it, is refused without an exception of its own. */
static int
is_end(struct vrv__hdfs_job *j, const char *path, uint64_t pos, int rc)
{
    struct vrv_err why = j->call->err;
    struct vrv__hdfs_stat st;

    if (vrv__hdfs_stat(j, path, &st) == 0 && !st.is_dir && pos >= st.size)
        return 0;
    j->call->err = why;
    return rc;
}

int
vrv__hdfs_read(struct vrv__hdfs_job *j, const char *path, uint64_t pos, uint8_t *buf, size_t n, size_t *got)
{
    char params[PARAMS];
    struct vrv__hdfs_op op = { .method = "GET", .name = "OPEN", .path = path, .params = params,
        .redirects = true, .buf = buf, .cap = n };

    (void)snprintf(params, sizeof(params), "&offset=%" PRIu64 "&length=%zu", pos, n);
    int rc = vrv__hdfs_ask(j, &op);
    *got = rc == 0 ? op.got : 0;
    free(op.text);
    return rc == VRV_E_IO ? is_end(j, path, pos, rc) : rc;
}

int
vrv__hdfs_checksum(struct vrv__hdfs_job *j, const char *path, bool *combined, uint32_t *crc)
{
    struct vrv__hdfs_op op = { .method = "GET", .name = "GETFILECHECKSUM", .path = path, .params = "",
        .redirects = true };
    const char *algorithm = "", *bytes = "";
    int rc = vrv__hdfs_ask(j, &op);
    json_t *answer = rc == 0 && op.text != NULL ? json_loadb(op.text, op.got, 0, NULL) : NULL;

    if (rc == 0 && (answer == NULL || json_unpack(answer, "{s:{s:s,s:s}}", "FileChecksum", "algorithm",
                                          &algorithm, "bytes", &bytes) != 0))
        rc = strange(j, &op);
    *combined = strcmp(algorithm, "COMPOSITE-CRC32C") == 0 && strlen(bytes) == 8;
    *crc = *combined ? (uint32_t)strtoul(bytes, NULL, 16) : 0;
    json_decref(answer);
    free(op.text);
    return rc;
}
