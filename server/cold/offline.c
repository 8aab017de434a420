#include "server/cold/offline.h"

#include "engine/varve_int.h"

int
vrv_offline_opts(const struct vrv_config *c, struct vrv_engine_opts *o, struct vrv_err *e)
{
    struct varve_options v;

    varve_options_init(&v);
    v.memory_bytes = (size_t)c->memory_bytes;
    v.wal_bytes = (size_t)c->wal_bytes;
    v.disk_reserve_bytes = (uint64_t)c->disk_reserve_bytes;
    v.buffered_wal = c->wal_buffered;
    return vrv__engine_opts(&v, o, e);
}
