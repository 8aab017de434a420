/*
 * HDFS as a store, through WebHDFS: HTTP to name nodes, and to the data nodes that they redirect to.
 *
 *   ~tmp/<time>-<random>                what is being written
 *   ~tmp/<time>-<random>/<part>-<random>    ... in parts
 *   <key>                               an object: renamed to its key when it is whole
 *
 * A name node renames without replacing anything, whatever else happens at the same time: that is what
 * if_absent asks for, and always done.  What an upload that broke off leaves, HDFS shows as a file that is
 * only shorter: so a file gets its key only when its length was found to be right.  Directories are made
 * when one is missing, and go when a deletion leaves them empty: a name node has all of them in memory.
 *
 * Durable: blocks are asked for with SYNC_BLOCK, so each data node of a pipeline has synced a block, and its
 * name, before the file is closed; and the name node has synced its edits before it answers.  What HDFS
 * alone decides is how many data nodes have it then (dfs.namenode.replication.min), and where its edits are
 * (journal nodes, or one disk).  HttpFS and Hadoop before 3.0 don't know SYNC_BLOCK: set
 * dfs.datanode.synconclose there.
 *
 * The parts of an upload are joined by CONCAT, which HDFS refuses in an encryption zone, and of files that it
 * erasure codes: the directory must be neither.
 *
 * VERIFY reads the object, unless the data nodes combine the checksums that they keep
 * (dfs.checksum.combine.mode=COMPOSITE_CRC in their configuration; nobody can ask for it): then it takes one
 * request.
 *
 * Of several name nodes the one that answered last is asked first; one that stands by, or isn't there, is
 * passed over.  A data node that doesn't answer is avoided for a while (excludedatanodes).
 *
 * What is wrong is decided on the exception that HDFS names, not on HTTP's status: for most it is 403.
 */
#ifndef VRV_STORE_HDFS_H
#define VRV_STORE_HDFS_H

#include "tiering/store/http.h"

struct vrv_store_hdfs_opts {
    const char *url;          /* "hdfs://nn1:9870,nn2:9870/varve": HTTP addresses of name nodes, and a
                               * directory; swebhdfs:// is over TLS */
    struct vrv_http_opts http; /* as many calls as requests are under way; text_max at least
                               * VRV_STORE_HDFS_TEXT; clock is the store's, too, and has a thread */
    uint64_t random;          /* unpredictable */
    const char *user;         /* who we say we are (user.name); NULL: nothing is said */
    const char *token_file;   /* instead: whose first line is a delegation token, read for each request;
                               * NULL: none */
};

enum { VRV_STORE_HDFS_TEXT = 1024 * 1024 }; /* a page of a directory, as long as dfs.ls.limit is 1000 */

/* INVALID: the URL isn't one, or a file of the options no good.  Nobody is asked yet. */
int vrv_store_hdfs(struct vrv_store **out, const struct vrv_store_hdfs_opts *o, struct vrv_err *e)
    VRV_MUST_CHECK;

#endif
