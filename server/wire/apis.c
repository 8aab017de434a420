#include "server/wire/apis.h"

#include <stdio.h>

#include "server/wire/messages.h"

enum { NONE = INT16_MAX };

static const struct vrv_api apis[] = {
#define VRV_API(key, api, name, first, last, flexible)                                             \
    { key, first, last, flexible, #name, vrv_##api##_req_schema, vrv_##api##_resp_schema },
#include "server/wire/apis.def"
};

enum { APIS = sizeof(apis) / sizeof(apis[0]) };

const struct vrv_api *
vrv_api_find(int16_t key)
{
    for (size_t i = 0; i < APIS && apis[i].key <= key; i++)
        if (apis[i].key == key)
            return &apis[i];
    return NULL;
}

const struct vrv_api *
vrv_api_at(size_t i)
{
    return i < APIS ? &apis[i] : NULL;
}

void
vrv_message_name(const struct vrv_schema *s, char out[VRV_MESSAGE_NAME])
{
    (void)snprintf(out, VRV_MESSAGE_NAME, "%s", s->name);
    for (size_t i = 0; i < APIS; i++)
        if (apis[i].req() == s || apis[i].resp() == s)
            (void)snprintf(out, VRV_MESSAGE_NAME, "%s %s", apis[i].name,
                apis[i].req() == s ? "request" : "response");
}
