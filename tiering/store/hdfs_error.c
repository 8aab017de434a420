/*
 * What HDFS says when it refuses something.
 *
 * The answer is JSON and names an exception of Java's; that decides, for HTTP's status is 403 for nearly all
 * of them.  What isn't such an answer comes from something that isn't WebHDFS, or from in between.
 */
#include <jansson.h>
#include <string.h>

#include "tiering/store/hdfs_int.h"

struct exception {
    const char *name;
    int status;
    const char *advice; /* what to do; "": the message says it */
};

static const char rights[] = "give the user rights there, or set tier.hdfs.user";
static const char who[] = "tier.hdfs.token.file needs a valid token, or tier.hdfs.negotiate a ticket";
static const char hadoop3[] = "is that a name node, with WebHDFS of Hadoop 3?";
static const char quota[] = "raise the quota of the directory, or free space in it";

/* What isn't here is IO. */
static const struct exception exceptions[] = {
    { "StandbyException", VRV_E_AGAIN, "" },
    { "ObserverRetryOnActiveException", VRV_E_AGAIN, "" },
    { "RetriableException", VRV_E_BUSY, "" },
    { "SafeModeException", VRV_E_BUSY, "it takes writes again when it leaves safe mode; `hdfs dfsadmin "
        "-safemode get` says more" },
    { "ServerTooBusyException", VRV_E_BUSY, "" },
    { "RecoveryInProgressException", VRV_E_BUSY, "" },
    { "FileNotFoundException", VRV_E_NOTFOUND, "" },
    { "FileAlreadyExistsException", VRV_E_EXISTS, "" },
    { "PathIsNotEmptyDirectoryException", VRV_E_CONFLICT, "" },
    { "AccessControlException", VRV_E_DENIED, rights },
    { "SecurityException", VRV_E_DENIED, who },
    { "AuthenticationException", VRV_E_DENIED, who },
    { "AuthorizationException", VRV_E_DENIED, rights },
    { "InvalidToken", VRV_E_DENIED, who },
    { "DSQuotaExceededException", VRV_E_NOSPACE, quota },
    { "NSQuotaExceededException", VRV_E_NOSPACE, quota },
    { "QuotaByStorageTypeExceededException", VRV_E_NOSPACE, quota },
    { "QuotaExceededException", VRV_E_NOSPACE, quota },
    { "MaxDirectoryItemsExceededException", VRV_E_NOSPACE, "raise dfs.namenode.fs-limits.max-directory-items" },
    { "DiskOutOfSpaceException", VRV_E_NOSPACE, "free space on the data nodes" },
    { "ParentNotDirectoryException", VRV_E_INVALID, "a file is where varve needs a directory" },
    { "PathComponentTooLongException", VRV_E_INVALID, "" },
    { "InvalidPathException", VRV_E_INVALID, "" },
    { "UnresolvedPathException", VRV_E_INVALID, "name a directory that isn't a link" },
    { "UnsupportedOperationException", VRV_E_INVALID, hadoop3 },
    { "IllegalArgumentException", VRV_E_INVALID, hadoop3 },
    { "HadoopIllegalArgumentException", VRV_E_INVALID, "" },
};

/* Of what it says there is what room what to do, and what was asked for, leave. */
enum { FROM_MOST = 60, NAME_MOST = 40, MESSAGE_LEAST = 30, PREFIX = 24 };

/* Stack traces and all that follows the first line are for others. */
static int
of_exception(const char *from, const char *name, const char *message, struct vrv_err *e)
{
    static const struct exception other = { "", VRV_E_IO, "" };
    const struct exception *x = &other;
    size_t line = strcspn(message, "\r\n"), most = MESSAGE_LEAST;

    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        if (strcmp(exceptions[i].name, name) == 0)
            x = &exceptions[i];
    size_t room = sizeof(e->msg) - sizeof("...:  (): "), taken = strlen(x->advice) + strnlen(from, FROM_MOST) +
        strnlen(name, NAME_MOST) + PREFIX;
    if (taken + MESSAGE_LEAST < room)
        most = room - taken;
    (void)vrv_err_set(e, x->status, "%.*s: %.*s%s (%.*s)%s%s", FROM_MOST, from, (int)(line < most ? line : most),
        message, line <= most ? "" : "...", NAME_MOST, name, x->advice[0] != '\0' ? ": " : "", x->advice);
    return x->status;
}

static int
of_status(const char *from, int code, struct vrv_err *e)
{
    if (code == 401 || code == 403 || code == 407)
        return vrv_err_set(e, VRV_E_DENIED, "%s answers %d: %s", from, code, who);
    if (code == 429 || (code >= 502 && code <= 504))
        return vrv_err_set(e, VRV_E_BUSY, "%s answers %d", from, code);
    if (code >= 500)
        return vrv_err_set(e, VRV_E_IO, "%s answers %d", from, code);
    return vrv_err_set(e, VRV_E_INVALID,
        "%s answers %d, and not as WebHDFS: is that the dfs.namenode.http-address of a name node?", from, code);
}

int
vrv__hdfs_refused(const char *from, int code, const char *text, size_t n, struct vrv_err *e)
{
    json_t *answer = text == NULL ? NULL : json_loadb(text, n, 0, NULL);
    const char *name, *message;
    int rc;

    if (answer != NULL && json_unpack(answer, "{s:{s:s,s:s}}", "RemoteException", "exception", &name,
                              "message", &message) == 0)
        rc = of_exception(from, name, message, e);
    else
        rc = of_status(from, code, e);
    json_decref(answer);
    return rc;
}
