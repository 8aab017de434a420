/* The APIs that we speak: apis.def as a table. */
#ifndef VRV_WIRE_APIS_H
#define VRV_WIRE_APIS_H

#include <stdbool.h>

#include "server/wire/schema.h"

enum vrv_api_key {
#define VRV_API(key, api, name, first, last, flexible) VRV_API_##api = (key),
#include "server/wire/apis.def"
};

/* Keys from here on are varve's own: clients of Kafka's aren't told of them. */
enum { VRV_API_OWN = 20001 };

enum {
#define VRV_API(key, api, name, first, last, flexible) +1
    VRV_APIS = 0
#include "server/wire/apis.def"
};

struct vrv_api {
    int16_t key;
    int16_t first, last;
    int16_t flexible;          /* first flexible version */
    const char *name;
    const struct vrv_schema *(*req)(void), *(*resp)(void);
};

/* NULL when we don't know it. */
const struct vrv_api *vrv_api_find(int16_t key);
/* The i-th in order of key, NULL behind the last. */
const struct vrv_api *vrv_api_at(size_t i);
/* Which one of them it is: below VRV_APIS. */
int16_t vrv_api_index(const struct vrv_api *a);
/* What Kafka calls a message: "Produce request"; one that is no API's has its own name. */
enum { VRV_MESSAGE_NAME = 48 };
void vrv_message_name(const struct vrv_schema *s, char out[VRV_MESSAGE_NAME]);

static inline bool
vrv_api_flexible(const struct vrv_api *a, int16_t version)
{
    return version >= a->flexible;
}

#endif
