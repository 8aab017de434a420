#include "server/wire/apis.h"

#include <stdio.h>

#include "server/wire/messages.h"

enum { NONE = INT16_MAX };

static const struct vrv_api apis[] = {
#define VRV_API(key, api, name, first, last, flexible)                                             \
    { key, first, last, flexible, #name, vrv_##api##_req_schema, vrv_##api##_resp_schema },
#include "server/wire/apis.def"
};

const struct vrv_api *
vrv_api_find(int16_t key)
{
    for (size_t i = 0; i < VRV_APIS && apis[i].key <= key; i++)
        if (apis[i].key == key)
            return &apis[i];
    return NULL;
}

const struct vrv_api *
vrv_api_at(size_t i)
{
    return i < VRV_APIS ? &apis[i] : NULL;
}

int16_t
vrv_api_index(const struct vrv_api *a)
{
    return (int16_t)(a - apis);
}

void
vrv_message_name(const struct vrv_schema *s, char out[VRV_MESSAGE_NAME])
{
    (void)snprintf(out, VRV_MESSAGE_NAME, "%s", s->name);
    for (size_t i = 0; i < VRV_APIS; i++)
        if (apis[i].req() == s || apis[i].resp() == s)
            (void)snprintf(out, VRV_MESSAGE_NAME, "%s %s", apis[i].name,
                apis[i].req() == s ? "request" : "response");
}
