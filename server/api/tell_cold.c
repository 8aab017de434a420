#include "server/api/tell_cold.h"


#include "server/api/request.h"
#include "server/base/diag.h"
#include "server/stat/stat.h"

void
vrv_tell_cold(struct vrv_broker *b, const struct vrv_log *log, const char *what, int64_t value,
    const struct vrv_err *e)
{
    struct vrv_topic_info t;

    if (vrv_catalog_by_id(vrv_engine_catalog(b->engine), &log->id.topic, &t, NULL) < 0)
        return;
    vrv_diag(VRV_EV_COLD_READ, VRV_STR("topic", t.name), VRV_NUM("partition", log->id.partition),
        VRV_NUM(what, value), VRV_STR("error", e->msg));
    vrv_topic_info_fini(&t);
}

void
vrv_tell_damage(struct vrv_broker *b, const struct vrv_log *log, int64_t offset, bool elsewhere,
    const struct vrv_err *e)
{
    struct vrv_topic_info t;

    vrv_stat_count(b->stat, VRV_C_damaged_reads, 1);
    if (vrv_catalog_by_id(vrv_engine_catalog(b->engine), &log->id.topic, &t, NULL) < 0)
        return;
    vrv_diag(VRV_EV_LOG_DAMAGED, VRV_STR("topic", t.name), VRV_NUM("partition", log->id.partition),
        VRV_NUM("offset", offset), VRV_STR("error", e->msg),
        VRV_STR("other_copy", elsewhere ? "the cold tier's is asked for" : "none"));
    vrv_topic_info_fini(&t);
}

enum vrv_kerror
vrv_kerror_of_cold(int status)
{
    switch (status) {
    case VRV_E_INVALID: /* no such bucket, another region */
    case VRV_E_NOMEM:
    case VRV_E_NOTFOUND:
    case VRV_E_VERSION: /* a newer server wrote it */
        return VRV_K_KAFKA_STORAGE_ERROR;
    default:
        return vrv_kerror_of(status);
    }
}
