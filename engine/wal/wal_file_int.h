/* Inside the file WAL: the ring, shared by writing (wal_file.c) and recovery (wal_recover.c). */
#ifndef VRV_WAL_WAL_FILE_INT_H
#define VRV_WAL_WAL_FILE_INT_H

#include "engine/os/lock.h"
#include "engine/wal/wal_file.h"

enum { WAL_FILE_MAGIC = 0x57414c46 };

struct ring_file {
    struct vrv_file *f;
    uint64_t filled;    /* bytes that exist on the disk, zero-filled at first */
    uint64_t end;       /* where the next group goes */
    uint64_t last_slot; /* highest slot in it that may be needed; 0: the file is free */
    bool dirty;         /* written since its last sync; commit thread only */
};

struct wal_file {
    struct vrv_waldev dev;
    uint32_t magic;
    struct vrv_vfs *vfs;
    char *dir;
    uint64_t wal_id;
    unsigned n;
    size_t file_bytes;
    struct vrv_slab_pool *pool;
    bool direct;
    unsigned fill;      /* file that the filling has come to; filling thread only */
    struct vrv_err list_err;
    struct vrv_lock lock;
    /* guarded by lock, but for the file handles and `dirty` */
    struct ring_file *ring;
    unsigned cur;
    size_t reserved;
    size_t group_most;  /* no group that comes is larger: what a file may leave unused at its end */
    bool lost;          /* a sync failed that groups depend on */
};

int vrv__wal_file_header_write(struct wal_file *w, unsigned i, struct vrv_err *e);
int vrv__wal_file_header_check(struct wal_file *w, unsigned i, struct vrv_err *e);
int vrv__wal_recover(struct wal_file *w, uint64_t trim, uint64_t durable_slot,
    vrv_wal_replay_fn *fn, void *ctx, struct vrv_wal_found *found, struct vrv_err *e);

#endif
