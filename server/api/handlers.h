/* One handler per API: vrv_api_<name>, called with the message that was read. */
#ifndef VRV_API_HANDLERS_H
#define VRV_API_HANDLERS_H

#include "server/api/request.h"

#define VRV_API(key, api, name, first, last, flexible) vrv_handler vrv_api_##api;
#include "server/wire/apis.def"

/* ApiVersions in a version that we don't have. */
void vrv_api_versions_unknown(struct vrv_request *r);

#endif
