/* What a LIST asks for, and what it brings; for stores that walk through directories. */
#ifndef VRV_STORE_LIST_H
#define VRV_STORE_LIST_H

#include "tiering/store/store.h"

/* May something that begins with `path` be wanted?  Of a key it is the key itself. */
bool vrv_list_wants(const struct vrv_store_call *c, const char *path, bool is_dir);
/* As many as were asked for are there: so there are more. */
bool vrv_list_is_full(struct vrv_store_call *c);
/* One more, unless it is full; age_ms as in struct vrv_store_name. */
void vrv_list_add(struct vrv_store_call *c, const char *key, uint64_t size, int64_t age_ms);

#endif
