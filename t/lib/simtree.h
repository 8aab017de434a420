/* Inside of the simulated disk: inodes, names, and what of them is not yet durable.
 * All of it is guarded by the disk's mutex.  Tests include simdisk.h instead. */
#ifndef VRV_T_SIMTREE_H
#define VRV_T_SIMTREE_H

#include <pthread.h>

#include "engine/base/list.h"
#include "engine/base/rand.h"
#include "t/lib/simdisk.h"
#include "t/lib/simimage.h"

enum {
    SIM_SECTOR = 512,
    SIM_NAME_MAX = 255,
    SIM_DISK_MAGIC = 0x73646b31,
    SIM_FILE_MAGIC = 0x73666c31,
};

/* A change of a file's bytes since its last sync. */
enum sim_rec_kind { REC_BUFFERED, REC_DIRECT, REC_TRUNCATE };

struct sim_rec {
    enum sim_rec_kind kind;
    uint64_t seq; /* order among all changes of the disk */
    uint64_t pos; /* REC_TRUNCATE: the new size */
    size_t len;
    uint8_t *data; /* NULL: zeros */
};

/* A change of a directory's names since its last sync. */
enum sim_entop_kind { ENT_ADD, ENT_DEL, ENT_MOVE };

struct sim_entop {
    enum sim_entop_kind kind;
    uint64_t seq;
    char *name;
    char *to;                /* ENT_MOVE */
    struct sim_inode *inode; /* ENT_ADD, ENT_MOVE; a reference */
};

struct sim_entry {
    char *name;
    struct sim_inode *inode; /* a reference */
};

struct sim_names {
    struct sim_entry *e; /* sorted, so that walks are the same in each run */
    size_t n, cap;
};

struct sim_inode {
    struct vrv_list link; /* in simdisk.inodes */
    unsigned refs;        /* names, pending names, handles */
    unsigned nlink;       /* live names only */
    unsigned opens;
    bool is_dir, readonly, locked;
    uint64_t charge; /* bytes counted in simdisk.used */

    struct sim_image seen, durable; /* files */
    struct sim_rec *rec;
    size_t rec_n, rec_cap;

    struct sim_names live, stable; /* directories */
    struct sim_entop *op;
    size_t op_n, op_cap;

    struct sim_inode *twin; /* while the disk is copied */
};

struct sim_file {
    struct vrv_file file;
    uint32_t magic;
    struct vrv_list link; /* in simdisk.handles */
    struct simdisk *disk;
    struct sim_inode *inode; /* NULL: power failed since */
    bool write, direct, lock;
    char *path;
};

struct sim_fault_plan {
    uint64_t at; /* operation number; 0: none */
    enum sim_fault kind;
    bool sticky;
    uint64_t struck;
};

struct simdisk {
    struct vrv_vfs vfs;
    uint32_t magic;
    pthread_mutex_t mutex; /* guards all below and all inodes */
    struct vrv_rand rand;
    struct vrv_list inodes;
    struct vrv_list handles;
    struct sim_inode *root;
    uint64_t seq;
    uint64_t ops;
    uint64_t off_at; /* operation from which on the power is off; 0: none */
    struct sim_fault_plan fault;
    uint64_t used, capacity;
    unsigned nowait;
    FILE *trace;
};

/* What an operation needs: decides which faults can strike it. */
enum sim_op_class {
    OP_ANY = 1,
    OP_SPACE = 2, /* may need room: writes, new names, syncs */
    OP_DATA = 4,  /* pread, pwritev */
};

enum sim_verdict {
    GO,
    POWER_OFF, /* fails, without effect */
    FAULT,     /* fails, with the effect such a failure has */
};

/* ---- the gate: each call of the vfs is enter, its work, leave ---- */

struct simdisk *sim_disk_of(struct vrv_vfs *v);
struct sim_file *sim_file_of(struct vrv_file *f);
void sim_lock_disk(struct simdisk *d);
void sim_unlock_disk(struct simdisk *d);

/* Takes the mutex, counts the operation and says whether it may go on.  `a` and `b` are for the
 * trace: position and length, or flags. */
enum sim_verdict sim_enter(struct simdisk *d, unsigned classes, const char *op, const char *path,
    uint64_t a, uint64_t b);
enum sim_verdict sim_enter_file(struct sim_file *f, unsigned classes, const char *op, uint64_t a,
    uint64_t b);
/* Gives the mutex back, and returns rc. */
ssize_t sim_leave(struct simdisk *d, ssize_t rc);
/* The sentence and the code of an operation that may not go on, or fails by itself. */
int sim_refuse(struct simdisk *d, enum sim_verdict v, const char *op, const char *path,
    struct vrv_err *e);
int sim_refuse_sys(int sys, const char *op, const char *path, struct vrv_err *e);

/* ---- handles ---- */

struct sim_file *sim_file_new(struct simdisk *d, struct sim_inode *ino, const char *path,
    unsigned flags);
void sim_file_free(struct sim_file *f);
/* Power failed: the handle leads nowhere from now on. */
void sim_file_detach(struct sim_file *f);

/* ---- inodes ---- */

struct sim_inode *sim_inode_new(struct simdisk *d, bool is_dir);
void sim_inode_ref(struct sim_inode *ino);
void sim_inode_unref(struct sim_inode *ino);
/* Let go of all names and pending changes. */
void sim_inode_empty(struct sim_inode *ino);

/* A reference to each, in an array for free(): letting go of names may free inodes other than the
 * one at hand. */
struct sim_inode **sim_hold_all(struct simdisk *d, size_t *n);

/* Count the space of a file again, after its size or its last name or handle changed. */
void sim_inode_charge(struct simdisk *d, struct sim_inode *ino);

/* ---- bytes ---- */

/* Takes `data`. */
void sim_rec_push(struct simdisk *d, struct sim_inode *ino, struct sim_rec rec);
/* The piece [from, to) of a write reaches the durable image. */
void sim_rec_apply(struct sim_inode *ino, const struct sim_rec *rec, size_t from, size_t to);
/* Pending data is forgotten, in memory it stays visible.  A failed sync does that: the kernel marks
 * the pages clean all the same. */
void sim_data_lose(struct sim_inode *ino);
/* All data reaches the disk. */
void sim_data_sync(struct sim_inode *ino);
/* What a direct read finds: device, not page cache. */
void sim_device_read(const struct sim_inode *ino, void *buf, size_t n, uint64_t pos);

/* ---- names ---- */

struct sim_inode *sim_names_get(const struct sim_names *names, const char *name);
void sim_names_set(struct sim_names *names, const char *name, struct sim_inode *ino);
void sim_names_del(struct sim_names *names, const char *name);
void sim_names_assign(struct sim_names *to, const struct sim_names *from);
void sim_names_clear(struct sim_names *names);

/* Change the live names of a directory, and remember it as pending.  All of one call of the
 * vfs have the same seq. */
void sim_name_add(struct simdisk *d, struct sim_inode *dir, const char *name,
    struct sim_inode *ino, uint64_t seq);
void sim_name_del(struct simdisk *d, struct sim_inode *dir, const char *name, uint64_t seq);
void sim_name_move(struct simdisk *d, struct sim_inode *dir, const char *from, const char *to,
    uint64_t seq);

void sim_entop_apply(struct sim_inode *dir, const struct sim_entop *op);
void sim_entops_clear(struct sim_inode *dir);
/* All changes of names in `dir` reach the disk. */
void sim_names_sync(struct sim_inode *dir);

/* Find the directory that holds the last part of a path, and that part.  NULL with errno ENOENT,
 * ENOTDIR or ENAMETOOLONG. */
struct sim_inode *sim_walk(struct simdisk *d, const char *path, const char **last);
/* The inode of a whole path; "" is the root. */
struct sim_inode *sim_lookup(struct simdisk *d, const char *path);

#endif
