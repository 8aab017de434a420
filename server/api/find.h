/* Topics and partitions as requests name them. */
#ifndef VRV_API_FIND_H
#define VRV_API_FIND_H

#include "server/api/request.h"

enum { VRV_READ_COMMITTED = 1 }; /* an isolation level */

struct vrv_found_topic {
    struct vrv_uuid id;
    char name[VRV_TOPIC_NAME_MAX + 1];
    int32_t partitions;
};

bool vrv_find_topic(struct vrv_broker *b, struct vrv_str name, struct vrv_found_topic *t);
/* Why there is no topic of this name: there could be one, or none could be called that. */
enum vrv_kerror vrv_find_why(struct vrv_str name);
bool vrv_find_topic_id(struct vrv_broker *b, const struct vrv_uuid *id, struct vrv_found_topic *t);
/* By name, or where the version has none by id: NONE, or what Kafka says when there is none. */
enum vrv_kerror vrv_find_either(struct vrv_broker *b, bool by_id, struct vrv_str name,
    const struct vrv_uuid *id, struct vrv_found_topic *t);
/* A reference, or NULL. */
struct vrv_log *vrv_find_log(struct vrv_broker *b, const struct vrv_found_topic *t,
    int32_t partition);
/* Does a client know the log's epoch, as far as it says one (-1: no)?  NONE, or who is behind. */
enum vrv_kerror vrv_find_epoch(struct vrv_log *log, int32_t says);

/* Kafka's metrics can't tell '.' and '_' apart, and so its topics may not differ in that alone: is
 * there one that does?  Its name, in room for VRV_TOPIC_NAME_MAX + 1. */
bool vrv_find_alike(struct vrv_broker *b, const char *name, char *found);
/* Does max.partitions allow so many more? */
bool vrv_find_room(struct vrv_broker *b, int32_t more);

/* Which of n things that a request names (each of some kind) it names more than once: *twice[i]. */
struct vrv_named {
    int32_t at; /* its place in the request */
    int8_t kind;
    struct vrv_str name;
};
bool *vrv_named_twice(struct vrv_request *r, struct vrv_named *v, int32_t n);

#endif
